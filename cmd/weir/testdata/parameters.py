# Parameters as psycopg 3 and psycopg2 send them. It prints what goes wrong, and "done".
import datetime
import sys
import uuid

import psycopg
import psycopg2

device = sys.argv[2]


def holds(what, got, want):
    if got != want:
        print(f"{what}: {got!r}, want {want!r}")


with psycopg.connect(sys.argv[1], autocommit=True) as c:
    one = lambda sql, *values: c.execute(sql, values).fetchone()[0]
    by_device = "SELECT count(*) FROM fleet.device WHERE device_id "
    holds("uuid as str", one(by_device + "= %s", device), 1)
    holds("uuid", one(by_device + "= %s", uuid.UUID(device)), 1)
    holds("uuids", one(by_device + "= ANY(%s)", [uuid.UUID(device)]), 1)
    holds("uuids as str", one(by_device + "= ANY(%s)", [device]), 1)
    holds("none", one(by_device + "= ANY(%s)", []), 0)
    holds("numbers", one("SELECT count(*) > 0 FROM fleet.device WHERE model_id <> ALL(%s)", [-1, 70000, None]), False)
    holds("dates", one("SELECT %s::date[]", [datetime.date(2026, 1, 2), None]), [datetime.date(2026, 1, 2), None])
    holds("texts", one("SELECT %s::text[]", ['a"b', "c\\d", "", None, "NULL"]), ['a"b', "c\\d", "", None, "NULL"])
    holds("two", c.execute("SELECT %s, %s", (7, True)).fetchone(), (7, True))
    holds("binary", c.cursor(binary=True).execute("SELECT %b", (7,)).fetchone(), (7,))
    holds("interval", one("SELECT (TIMESTAMP '2026-01-02' - %s)::date", datetime.timedelta(days=1)), datetime.date(2026, 1, 1))

old = psycopg2.connect(sys.argv[1])
with old.cursor() as c:
    c.execute("SELECT count(*) FROM fleet.device WHERE device_id = ANY(%s::uuid[])", ([device],))
    holds("psycopg2 uuids", c.fetchone()[0], 1)
    c.execute("SELECT count(*) FROM fleet.device WHERE model_id = ANY(%s)", ([],))
    holds("psycopg2 none", c.fetchone()[0], 0)
    c.execute("SELECT '{1,2}'::int[]")
    holds("psycopg2 literal", c.fetchone()[0], [1, 2])
old.close()
print("done")
