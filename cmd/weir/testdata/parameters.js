// Parameters as node-postgres sends them: text without a type, arrays in PostgreSQL's form. It prints what goes wrong, and "done".
const assert = require('assert')
const fs = require('fs')
const { Client } = require('pg')

async function main () {
  const [url, device, ca] = process.argv.slice(2)
  const c = new Client({ connectionString: url.split('?')[0], ssl: { ca: fs.readFileSync(ca) } })
  await c.connect()
  const at = new Date('2026-01-02T03:04:05.600Z')
  const texts = ['a"b', 'c,d', '{}', '\\', "it's", null, '', 'NULL', ' x ']
  let kept = 0
  for (const [sql, values, want] of [
    ['SELECT $1::int[]', [[1, null, 3]], [1, null, 3]],
    ['SELECT $1::int[]', [[]], []],
    ['SELECT $1::int[]', [[null]], [null]],
    ['SELECT $1::int[]', [null], null],
    ['SELECT $1::text[]', [texts], texts],
    ['SELECT $1::float8[]', [[1.5, null]], [1.5, null]],
    ['SELECT $1::numeric(10,2)[]', [[1.5, '2.25', null]], [1.5, 2.25, null]],
    ['SELECT $1::bool[]', [[true, false, null]], [true, false, null]],
    ['SELECT $1::timestamptz[]', [[at, null]], [at, null]],
    ['SELECT $1::bytea[]', [[Buffer.from([0, 255]), null]], [Buffer.from([0, 255]), null]],
    ['SELECT $1::uuid[]', [[device, null]], [device, null]],
    ['SELECT $1::bytea', [Buffer.from([0, 255])], Buffer.from([0, 255])],
    ['SELECT $1::timestamptz', [at], at],
    ['SELECT $1::numeric(10,2)', [1.5], '1.50'],
    ['SELECT $1::bigint', [2n ** 40n], '1099511627776'],
    ['SELECT $1::uuid', [undefined], null],
    ["SELECT $1::json->>'a'", [{ a: 'b' }], 'b'],
    ['SELECT count(*) > 0 FROM fleet.device WHERE device_id = ANY($1)', [[device]], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE model_id = ANY($1)', [[]], false],
    ['SELECT count(*) > 0 FROM fleet.device WHERE model_id <> ALL($1)', [[-1]], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE hardware_rev <> ALL($1)', [['a"b', 'c,d']], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE lower(hardware_rev) <> ALL($1)', [['a"b', 'c,d']], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE first_activated_at <> ALL($1)', [[at]], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE first_activated_at < $1', [new Date('2100-01-01')], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE is_synthetic = $1', [false], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE ($1::int IS NULL OR model_id = $1)', [null], true],
    ['SELECT count(*) > 0 FROM fleet.device WHERE ($1::int IS NULL OR model_id = $1)', [-1], false],
    ['SELECT count(*)::int FROM unnest($1::int[]) AS x', [[1, 2]], 2],
    ['SELECT sum(d)::int FROM generate_series($1::int, $2::int) AS d', [1, 3], 6],
    ['SELECT count(*)::int FROM (SELECT * FROM fleet.device LIMIT $1 OFFSET $2) q', [3, 1], 3]
  ]) {
    for (const name of [undefined, sql]) {
      try {
        const { rows } = await c.query({ text: sql, name: name && 'kept ' + ++kept, values, rowMode: 'array' })
        assert.deepStrictEqual(rows[0][0], want)
      } catch (e) {
        console.log(sql, values, e.message)
      }
    }
  }
  await c.end()
  console.log('done')
}

main().catch(e => { console.error(e); process.exit(1) })
