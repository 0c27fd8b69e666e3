import datetime, decimal, sys, uuid
import psycopg

with psycopg.connect(sys.argv[1]) as c:
    for binary in (False, True):
        with c.cursor(binary=binary) as cur:
            cur.execute("SELECT n, name, lucky FROM numbers WHERE n = %s::bigint AND name = %s::text", (77, "row 77"))
            assert cur.fetchall() == [(77, "row 77", True)]
            cur.execute("SELECT 1.50::DECIMAL(5,2), '2026-11-20'::DATE, '123e4567-e89b-12d3-a456-426614174000'::UUID, [1,2,NULL]::INTEGER[], {'a': 1}, '\\xAB'::BLOB, NULL, '2026-11-20 15:04:05'::TIMESTAMP, INTERVAL '1 day 2 hours', '12:34:56.5'::TIME")
            row = cur.fetchone()
            assert row == (decimal.Decimal("1.50"), datetime.date(2026, 11, 20), uuid.UUID("123e4567-e89b-12d3-a456-426614174000"), [1, 2, None], {"a": 1}, b"\xab", None,
                           datetime.datetime(2026, 11, 20, 15, 4, 5), datetime.timedelta(days=1, hours=2), datetime.time(12, 34, 56, 500000)), row
    with c.cursor(name="piecewise") as cur:
        cur.itersize = 1000
        cur.execute("SELECT n FROM numbers ORDER BY n LIMIT 5000")
        assert sum(r[0] for r in cur) == sum(range(5000))
    with c.cursor() as cur, cur.copy("COPY (SELECT n, name FROM numbers ORDER BY n LIMIT 3) TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int8", "text"])
        assert list(copy.rows()) == [(0, "row 0"), (1, "row 1"), (2, "row 2")]
    for _ in range(10):  # prepared on the server from the fifth on
        assert c.execute("SELECT %s::bigint * 2", (21,)).fetchone() == (42,)
    with c.pipeline():
        results = [c.execute("SELECT %s::bigint", (i,)) for i in range(20)]
        assert [r.fetchone()[0] for r in results] == list(range(20))
    c.commit()
    try:
        c.execute("SELECT nowhere")
        raise SystemExit("an error was not seen")
    except psycopg.errors.UndefinedColumn as e:
        assert e.diag.message_hint
        c.rollback()
print("done")
