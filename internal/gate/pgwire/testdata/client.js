const assert = require('assert')
const fs = require('fs')
const { Client } = require('pg')

async function main () {
  const [host, port, root] = process.argv.slice(2)
  const c = new Client({ host, port: Number(port), user: 'alice', password: process.env.PGPASSWORD, database: 'weir', ssl: { ca: fs.readFileSync(root), rejectUnauthorized: true }, enableChannelBinding: true })
  await c.connect()
  let r = await c.query('SELECT n, name, lucky FROM numbers WHERE n = $1::bigint AND name = $2::text', [77, 'row 77'])
  assert.deepStrictEqual(r.rows, [{ n: '77', name: 'row 77', lucky: true }])
  r = await c.query("SELECT 1.5::DOUBLE AS f, [1,2,NULL]::INTEGER[] AS a, {'k': 1} AS j, NULL AS nothing, '2026-11-20 15:04:05+00'::TIMESTAMPTZ AS t, 1.50::DECIMAL(5,2) AS d, '\\xAB'::BLOB AS b")
  assert.deepStrictEqual(r.rows[0], { f: 1.5, a: [1, 2, null], j: { k: 1 }, nothing: null, t: new Date('2026-11-20T15:04:05Z'), d: '1.50', b: Buffer.from([0xab]) })
  for (let i = 0; i < 3; i++) {
    r = await c.query({ name: 'kept', text: 'SELECT $1::bigint * 2 AS twice', values: [i] })
    assert.strictEqual(r.rows[0].twice, String(i * 2))
  }
  await assert.rejects(c.query('SELECT nowhere'), e => e.code === '42703' && e.position === '8' && Boolean(e.hint))
  await c.query('BEGIN')
  await assert.rejects(c.query('SELECT $1', ['x']), e => e.code === '42P18')
  await assert.rejects(c.query('SELECT 1'), e => e.code === '25P02')
  await c.query('ROLLBACK')
  r = await c.query('SELECT 1 AS a; SELECT 2 AS b')
  assert.deepStrictEqual(r.map(x => x.rows), [[{ a: 1 }], [{ b: 2 }]])
  await c.end()
  console.log('done')
}

main().catch(e => { console.error(e); process.exit(1) })
