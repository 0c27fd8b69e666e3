"""Looks types up as psycopg does."""
import sys

import psycopg
from psycopg.types import TypeInfo
from psycopg.types.range import RangeInfo

c = psycopg.connect(sys.argv[1], autocommit=True)
t = TypeInfo.fetch(c, "uuid")
print(t.name, t.oid, t.array_oid)
print("hstore", TypeInfo.fetch(c, "hstore"))
r = RangeInfo.fetch(c, "int4range")
print("range", r.oid, r.subtype_oid)
print("database", *c.execute("select current_database(), current_schema(), version() like 'PostgreSQL%%'").fetchone())
print("table", *c.execute("select relname from pg_class where relname = %s", ["device"]).fetchone())
