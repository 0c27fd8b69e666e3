"""Reflects a database as SQLAlchemy does."""
import sys

from sqlalchemy import MetaData, create_engine, inspect

engine = create_engine(sys.argv[1])
i = inspect(engine)
print("schemas", *sorted(i.get_schema_names()))
print("tables", *sorted(i.get_table_names(schema="fleet")))
for table in i.get_table_names(schema="fleet"):
    for c in i.get_columns(table, schema="fleet"):
        print("column", table, c["name"], c["type"])
    for ask in (i.get_pk_constraint, i.get_foreign_keys, i.get_indexes, i.get_unique_constraints, i.get_check_constraints, i.get_table_comment):
        ask(table, schema="fleet")
i.get_view_names(schema="fleet"), i.get_enums(schema="fleet"), i.get_sequence_names(schema="fleet")
assert i.has_table("device", schema="fleet") and not i.has_table("nothing", schema="fleet")
m = MetaData()
m.reflect(engine, schema="fleet")
print("reflected", *sorted(m.tables))
