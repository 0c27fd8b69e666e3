// Starts up and looks around as programs with node-postgres do.
const { Client } = require('pg');
(async () => {
  const c = new Client({ connectionString: process.argv[2], ssl: { rejectUnauthorized: false } });
  await c.connect();
  console.log('now', (await c.query('SELECT NOW()')).rows.length);
  console.log('tables', (await c.query("SELECT * FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')")).rows.length);
  console.log('columns', (await c.query('SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2', ['fleet', 'device'])).rows.length);
  console.log('any', (await c.query('SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1)', [['fleet', 'billing']])).rows.length);
  console.log('there', (await c.query('SELECT $1::regclass::oid > 0 AS there', ['fleet.device'])).rows[0].there);
  await c.end();
})().catch((e) => { console.error(e); process.exit(1); });
