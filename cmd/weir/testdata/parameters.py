# Parameters as psycopg 3 and psycopg2 send them. It prints what goes wrong, and "done".
import datetime
import decimal
import sys
import uuid

import psycopg
import psycopg2
import psycopg2.extras

psycopg2.extras.register_uuid()

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


utc = datetime.timezone.utc
moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 600000)
values = [
    ("int", 7), ("bigint", 2**40), ("float8", 1.5), ("boolean", True), ("text", 'a"b,{c}\\'), ("uuid", uuid.UUID(device)), ("numeric(18,2)", decimal.Decimal("1.50")), ("bytea", b"\x00\xff"),
    ("date", datetime.date(2026, 1, 2)), ("timestamp", moment), ("timestamptz", moment.replace(tzinfo=utc)), ("time", datetime.time(1, 2, 3)), ("interval", datetime.timedelta(days=1, hours=2)),
]


def whole(name, one, mark="%s"):
    """each type alone, as NULL, and in arrays with NULL, without anything and with NULL alone"""
    for kind, v in values:
        holds(f"{name} {kind}", one(f"SELECT {mark}::{kind}", v), v)
        holds(f"{name} {kind} null", one(f"SELECT {mark}::{kind}", None), None)
        if kind == "bytea" and name == "psycopg2":
            continue  # its arrays of bytes are of memoryviews
        for array in ([v, None], [], [None]):
            holds(f"{name} {kind}[] of {len(array)}", one(f"SELECT {mark}::{kind}[]", array), array)
        holds(f"{name} {kind} any", one(f"SELECT CAST({mark} AS {kind}) = ANY({mark}::{kind}[])", v, [v, None]), True)
    devices = "SELECT count(*) > 0 FROM fleet.device WHERE "
    for what, condition, with_ in [
        ("uuid", f"device_id = ANY({mark})", [[uuid.UUID(device)]]), ("dates", f"first_activated_at <> ALL({mark})", [[datetime.date(2000, 1, 1)]]), ("times", f"first_activated_at <> ALL({mark})", [[moment]]),
        ("floats", f"model_id > ALL({mark})", [[-1.5]]), ("decimals", f"model_id <> ALL({mark})", [[decimal.Decimal("0.5")]]), ("bools", f"is_synthetic = ANY({mark})", [[True, False]]),
        ("since", f"first_activated_at > {mark}", [datetime.date(2000, 1, 1)]), ("long ago", f"first_activated_at > now() - {mark}", [datetime.timedelta(days=36500)]),
        ("either", f"({mark}::int IS NULL OR model_id = {mark})", [None, None]), ("joined", f"model_id NOT IN (SELECT x FROM unnest({mark}::int[]) AS x)", [[-1]]),
    ]:
        holds(f"{name} {what}", one(devices + condition, *with_), True)
    holds(f"{name} series", one(f"SELECT count(d) FROM generate_series({mark}::int, {mark}::int) AS d", 1, 3), 3)
    holds(f"{name} round", one(f"SELECT round(1.55::float8, {mark})", 1), 1.6)


with psycopg.connect(sys.argv[1], autocommit=True) as c:
    whole("psycopg", lambda sql, *v: c.execute(sql, v).fetchone()[0])
    whole("psycopg in binary", lambda sql, *v: c.cursor(binary=True).execute(sql, v).fetchone()[0], "%b")
    with psycopg.connect(sys.argv[1], autocommit=True, cursor_factory=psycopg.ClientCursor) as own:
        whole("psycopg's own binding", lambda sql, *v: own.execute(sql, v).fetchone()[0])

old = psycopg2.connect(sys.argv[1])


def one2(sql, *v):
    with old.cursor() as c:
        c.execute(sql, v)
        got = c.fetchone()[0]
        return bytes(got) if isinstance(got, memoryview) else got


whole("psycopg2", one2)
with old.cursor() as c:
    c.execute("SELECT count(*) FROM fleet.device WHERE device_id = ANY(%s::uuid[])", ([device],))
    holds("psycopg2 uuids", c.fetchone()[0], 1)
    c.execute("SELECT count(*) FROM fleet.device WHERE model_id = ANY(%s)", ([],))
    holds("psycopg2 none", c.fetchone()[0], 0)
    c.execute("SELECT '{1,2}'::int[]")
    holds("psycopg2 literal", c.fetchone()[0], [1, 2])
    c.execute("SELECT count(*) > 0 FROM fleet.device WHERE model_id NOT IN %s", ((-1, -2),))
    holds("psycopg2 tuple", c.fetchone()[0], True)
old.close()
print("done")
