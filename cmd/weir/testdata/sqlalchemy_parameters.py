# Lists as SQLAlchemy sends them over psycopg2, which is its default. It prints what goes wrong, and "done".
import datetime
import decimal
import sys

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID, array

engine = sa.create_engine(sys.argv[1])
device = sys.argv[2]
d = sa.Table("device", sa.MetaData(), schema="fleet", autoload_with=engine)
moment = datetime.datetime(2000, 1, 1)


def having(*conditions):
    return sa.select(sa.func.count() > 0).select_from(d).where(*conditions)


with engine.connect() as c:
    for what, statement, values, want in [
        ("in_", having(d.c.model_id.not_in([-1, -2])), {}, True),
        ("in_ nothing", having(d.c.model_id.in_([])), {}, False),
        ("not in nothing", having(d.c.model_id.not_in([])), {}, True),
        ("in_ texts", having(d.c.hardware_rev.in_(["it's", "a\\b"])), {}, False),
        ("in_ times", having(d.c.first_activated_at.not_in([moment])), {}, True),
        ("in_ uuids", having(d.c.device_id.in_([device])), {}, True),
        ("any_ of a literal", having(d.c.model_id != sa.all_(sa.literal([-1, -2], ARRAY(sa.Integer)))), {}, True),
        ("any_ of a parameter", having(d.c.model_id == sa.any_(sa.bindparam("x", type_=ARRAY(sa.Integer)))), {"x": [-1]}, False),
        ("any_ of nothing", having(d.c.model_id == sa.any_(sa.bindparam("x", type_=ARRAY(sa.Integer)))), {"x": []}, False),
        ("any_ of NULL", having(d.c.model_id == sa.any_(sa.bindparam("x", type_=ARRAY(sa.Integer)))), {"x": [None]}, False),
        ("any_ of an array", having(d.c.model_id != sa.all_(array([-1, -2]))), {}, True),
        ("any_ of a cast", having(d.c.device_id == sa.any_(sa.cast([device], ARRAY(UUID)))), {}, True),
        ("text in", sa.text("SELECT count(*) > 0 FROM fleet.device WHERE model_id NOT IN :x").bindparams(sa.bindparam("x", expanding=True)), {"x": [-1, -2]}, True),
        ("text any", sa.text("SELECT count(*) > 0 FROM fleet.device WHERE model_id <> ALL(:x)"), {"x": [-1, -2]}, True),
        ("contains", sa.select(sa.cast([1, 2], ARRAY(sa.Integer)).contains([1])), {}, True),
        ("overlap", sa.select(sa.cast([1, 2], ARRAY(sa.Integer)).overlap([3])), {}, False),
        ("bytes", sa.select(sa.func.octet_length(sa.literal(b"\x00\xff\x5c", sa.LargeBinary))), {}, 3),
        ("decimal", having(d.c.model_id > decimal.Decimal("-0.5")), {}, True),
        ("interval", having(d.c.first_activated_at > sa.func.now() - datetime.timedelta(days=36500)), {}, True),
        ("bool", having(d.c.is_synthetic.in_([True, False])), {}, True),
        ("values of a function", sa.select(sa.func.sum(sa.func.generate_series(1, 3).column_valued("n"))), {}, 6),
    ]:
        try:
            got = c.execute(statement, values).scalar()
        except sa.exc.DBAPIError as e:
            got = e
        if got != want:
            print(f"{what}: {got!r}, want {want!r}")
print("done")
