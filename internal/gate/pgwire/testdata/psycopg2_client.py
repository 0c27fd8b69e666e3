import decimal, sys, uuid, datetime
import psycopg2, psycopg2.extras, psycopg2.errors

psycopg2.extras.register_uuid()
c = psycopg2.connect(sys.argv[1])
cur = c.cursor()
cur.execute("SELECT n, name, lucky FROM numbers WHERE n = %s AND name = %s", (77, "row 77"))
assert cur.fetchall() == [(77, "row 77", True)]
cur.execute("SELECT 1.50::DECIMAL(5,2), '2026-11-20'::DATE, '123e4567-e89b-12d3-a456-426614174000'::UUID, [1,2,NULL]::INTEGER[], {'a': 1}, '\\xAB'::BLOB, NULL, '2026-11-20 15:04:05+00'::TIMESTAMPTZ")
row = cur.fetchone()
assert row[0] == decimal.Decimal("1.50") and row[1] == datetime.date(2026, 11, 20) and row[2] == uuid.UUID("123e4567-e89b-12d3-a456-426614174000"), row
assert row[3] == [1, 2, None] and row[4] == {"a": 1} and bytes(row[5]) == b"\xab" and row[6] is None, row
assert row[7] == datetime.datetime(2026, 11, 20, 15, 4, 5, tzinfo=datetime.timezone.utc), row
c.commit()
named = c.cursor("piecewise")
named.itersize = 1000
named.execute("SELECT n FROM numbers ORDER BY n LIMIT 5000")
assert sum(r[0] for r in named) == sum(range(5000))
named.close()
c.commit()
try:
    cur.execute("SELECT nowhere")
    raise SystemExit("an error was not seen")
except psycopg2.errors.UndefinedColumn as e:
    assert e.diag.statement_position == "8" and e.diag.message_hint, e.diag.message_primary
try:
    cur.execute("SELECT 1")
    raise SystemExit("a failed transaction answered")
except psycopg2.errors.InFailedSqlTransaction:
    c.rollback()
c.set_session(readonly=True, isolation_level="REPEATABLE READ")
cur.execute("SELECT 1")
c.commit()
with open(sys.argv[2], "wb") as f:
    cur.copy_expert("COPY (SELECT n, name FROM numbers ORDER BY n LIMIT 3) TO STDOUT WITH CSV HEADER", f)
assert open(sys.argv[2]).read() == "n,name\n0,row 0\n1,row 1\n2,row 2\n"
c.close()
print("done")
