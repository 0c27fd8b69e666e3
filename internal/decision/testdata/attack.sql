# The rule that must refuse, then the statement; a statement in double quotes is a Go string.
# Files and the engine's own tables
source | SELECT * FROM read_blob('store/sql.db')
source | SELECT size FROM read_blob('store/sql.db.wal')
source | SELECT content FROM read_text('/etc/passwd')
source | SELECT * FROM read_csv('/etc/passwd')
source | SELECT * FROM read_csv_auto('/etc/passwd')
source | SELECT * FROM sniff_csv('/etc/passwd')
source | SELECT * FROM read_json('/etc/passwd')
source | SELECT * FROM read_json_auto('x.json')
source | SELECT * FROM read_json_objects('x.json')
source | SELECT * FROM read_ndjson('x.json')
source | SELECT * FROM read_ndjson_auto('x.json')
source | SELECT * FROM read_ndjson_objects('x.json')
source | SELECT * FROM read_json_objects_auto('x.json')
source | SELECT * FROM read_parquet('x.parquet')
source | SELECT * FROM parquet_scan('x.parquet')
source | SELECT * FROM parquet_metadata('x.parquet')
source | SELECT * FROM parquet_schema('x.parquet')
source | SELECT * FROM parquet_file_metadata('x.parquet')
source | SELECT * FROM parquet_kv_metadata('x.parquet')
source | SELECT * FROM parquet_full_metadata('x.parquet')
source | SELECT * FROM parquet_bloom_probe('x.parquet', 'a', 1)
source | SELECT * FROM read_duckdb('store/sql.db')
source | SELECT * FROM glob('/etc/*')
source | SELECT * FROM seq_scan('fleet.canary_token')
source | SELECT * FROM arrow_scan(1, 2, 3)
source | SELECT * FROM arrow_scan_dumb(1, 2, 3)
source | SELECT * FROM pandas_scan(1)
source | SELECT * FROM sqlite_scan('x', 'y')
source | SELECT * FROM postgres_scan('host=x', 'public', 'app_user')
source | SELECT * FROM st_read('x')
table | SELECT * FROM 'x.csv'
table | SELECT * FROM '/etc/passwd.csv'
table | SELECT * FROM 'x.parquet'
table | SELECT * FROM 'http://127.0.0.1/x.json'
table | SELECT * FROM "store/sql.db"
table | FROM 'x.json'
table | WITH a AS (SELECT 1) SELECT * FROM a, 'x.csv'
source | SELECT * FROM query('SELECT * FROM fleet.canary_token')
source | FROM query('FROM fleet.canary_token')
source | SELECT * FROM query_table('fleet.canary_token')
source | SELECT * FROM query_table(['fleet.canary_token'])
source | SELECT * FROM json_execute_serialized_sql('{}')
source | SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM fleet.canary_token'))
source | SELECT * FROM histogram('fleet.device', canary_mac)
source | SELECT * FROM histogram_values('fleet.device', canary_mac)
source | SELECT * FROM pragma_storage_info('fleet.canary_token')
source | SELECT * FROM pragma_table_info('fleet.canary_token')
source | SELECT * FROM pragma_show('fleet.canary_token')
source | SELECT * FROM pragma_database_size()
source | SELECT * FROM pragma_version()
source | SELECT * FROM pragma_user_agent()
source | SELECT * FROM pragma_metadata_info()
source | SELECT * FROM pragma_collations()
source | SELECT * FROM pragma_platform()
source | SELECT * FROM pragma_last_profiling_output()
source | SELECT * FROM pragma_detailed_profiling_output()
source | SELECT * FROM duckdb_table_sample('fleet.canary_token')
source | SELECT * FROM duckdb_tables()
source | SELECT * FROM duckdb_columns()
source | SELECT * FROM duckdb_views()
source | SELECT * FROM duckdb_schemas()
source | SELECT * FROM duckdb_databases()
source | SELECT * FROM duckdb_constraints()
source | SELECT * FROM duckdb_indexes()
source | SELECT * FROM duckdb_sequences()
source | SELECT * FROM duckdb_types()
source | SELECT * FROM duckdb_functions()
source | SELECT * FROM duckdb_settings()
source | SELECT * FROM duckdb_secrets()
source | SELECT * FROM duckdb_secret_types()
source | SELECT * FROM duckdb_extensions()
source | SELECT * FROM duckdb_keywords()
source | SELECT * FROM duckdb_optimizers()
source | SELECT * FROM duckdb_memory()
source | SELECT * FROM duckdb_temporary_files()
source | SELECT * FROM duckdb_dependencies()
source | SELECT * FROM duckdb_variables()
source | SELECT * FROM duckdb_prepared_statements()
source | SELECT * FROM duckdb_approx_database_count()
source | SELECT * FROM duckdb_external_file_cache()
source | SELECT * FROM duckdb_logs()
source | SELECT * FROM duckdb_logs_parsed('QueryLog')
source | SELECT * FROM duckdb_log_contexts()
source | SELECT * FROM duckdb_profiling_settings()
source | SELECT * FROM duckdb_coordinate_systems()
source | SELECT * FROM duckdb_connection_count()
source | SELECT * FROM checkpoint()
source | SELECT * FROM force_checkpoint()
source | SELECT * FROM enable_logging()
source | SELECT * FROM disable_logging()
source | SELECT * FROM truncate_duckdb_logs()
source | SELECT * FROM enable_profiling()
source | SELECT * FROM enable_peg_parser()
source | SELECT * FROM disable_peg_parser()
source | SELECT * FROM sql_auto_complete('SEL')
source | SELECT * FROM check_peg_parser('SELECT 1')
source | SELECT * FROM repeat_row(1, num_rows := 1000000000)
source | SELECT * FROM repeat('x', 1000000000)
source | SELECT * FROM summary((SELECT 1))
source | SELECT * FROM test_all_types()
source | SELECT * FROM test_vector_types(1)
source | SELECT * FROM icu_calendar_names()
source | SELECT * FROM pg_timezone_names()
source | SELECT * FROM which_secret('x', 's3')
source | SELECT * FROM from_substrait('x')
source | SELECT * FROM unknown_function()
source | SELECT * FROM main.range(3), vault.range(3)
source | SELECT * FROM (SELECT 1) a, LATERAL read_text('/etc/passwd')
source | SELECT * FROM fleet.device, read_text(model)
source | SELECT (SELECT content FROM read_text('/etc/passwd'))
source | WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a
source | SELECT 1 UNION ALL SELECT size FROM read_blob('x')
source | SELECT * FROM fleet.device WHERE id IN (SELECT size FROM read_blob('x'))
source | SELECT * FROM fleet.device ORDER BY (SELECT size FROM read_blob('x'))
source | SELECT list_transform([1], lambda x: (SELECT size FROM read_blob('x')))
table | SELECT * FROM information_schema.tables
table | SELECT * FROM information_schema.columns
table | SELECT * FROM information_schema.schemata
table | SELECT * FROM pg_catalog.pg_class
table | SELECT * FROM pg_class
table | SELECT * FROM sqlite_master
table | SELECT * FROM duckdb_tables
table | SELECT * FROM duckdb_secrets
table | SELECT * FROM pragma_database_list
table | SELECT * FROM system.information_schema.tables
table | SELECT * FROM temp.main.x
# What the asker may not see
table | SELECT * FROM fleet.canary_token
table | SELECT * FROM canary_token
table | SELECT * FROM vault.canary_person
table | SELECT * FROM main.canary_main
table | SELECT * FROM canary_main
table | SELECT * FROM fleet.no_such_table
table | SELECT * FROM memory.fleet.device
table | SELECT * FROM "memory"."fleet"."canary_token"
table | SELECT * FROM fleet.device UNION ALL FROM fleet.canary_token
table | SELECT (SELECT max(value) FROM fleet.canary_token)
table | SELECT EXISTS (FROM fleet.canary_token)
table | SELECT id FROM fleet.device WHERE id IN (FROM fleet.canary_token SELECT id)
table | WITH canary_token AS (SELECT 1 AS id) SELECT * FROM fleet.canary_token
table | WITH a AS (SELECT * FROM a) SELECT * FROM a
table | SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) x, a
table | SELECT * FROM _weir_with_1
table | WITH a AS (SELECT 1) SELECT * FROM _weir_with_1
table | SELECT * FROM _weir.facts
table | SELECT * FROM fleet._weir_delta
table | SELECT * FROM temp._weir_deletes
column | SELECT canary_mac FROM fleet.device
column | SELECT device.canary_mac FROM fleet.device
column | SELECT fleet.device.canary_mac FROM fleet.device
column | SELECT memory.fleet.device.canary_mac FROM fleet.device
column | SELECT d."CANARY_MAC" FROM fleet.device d
column | SELECT no_such_column FROM fleet.device
column | SELECT rowid FROM fleet.device
column | SELECT d.rowid FROM fleet.device d
column | SELECT _weir_key FROM fleet.device
column | SELECT d._weir_key FROM fleet.device d
column | SELECT id FROM fleet.device WHERE canary_mac LIKE 'c%'
column | SELECT id FROM fleet.device ORDER BY canary_mac
column | SELECT count(*) FROM fleet.device GROUP BY canary_mac
column | SELECT count(*) FROM fleet.device HAVING max(canary_mac) > ''
column | SELECT count(*) OVER (PARTITION BY canary_mac) FROM fleet.device
column | SELECT sum(id) FILTER (WHERE canary_mac = 'x') FROM fleet.device
column | SELECT string_agg(model ORDER BY canary_mac) FROM fleet.device
column | SELECT id FROM fleet.device QUALIFY row_number() OVER (ORDER BY canary_mac) = 1
column | SELECT DISTINCT ON (canary_mac) id FROM fleet.device
column | SELECT * EXCLUDE (canary_mac) FROM fleet.device
column | SELECT * EXCLUDE (d.canary_mac) FROM fleet.device d
column | SELECT * REPLACE ('x' AS canary_mac) FROM fleet.device
column | SELECT * RENAME (canary_mac AS x) FROM fleet.device
column | SELECT * REPLACE (canary_mac AS model) FROM fleet.device
column | SELECT COLUMNS([canary_mac]) FROM fleet.device
column | SELECT COLUMNS(c -> canary_mac = 'x') FROM fleet.device
column | SELECT list_transform(tags, lambda t: canary_mac) FROM fleet.device
column | SELECT list_transform(tags, lambda t: d.canary_mac) FROM fleet.device d
column | SELECT {'a': canary_mac} FROM fleet.device
column | SELECT [canary_mac] FROM fleet.device
column | SELECT (SELECT canary_mac) FROM fleet.device
column | SELECT x.y FROM fleet.device d, LATERAL (SELECT d.canary_mac AS y) x
column | SELECT * FROM fleet.device d, unnest([d.canary_mac])
column | SELECT * FROM fleet.device a JOIN fleet.device b USING (canary_mac)
column | SELECT * FROM fleet.device a JOIN fleet.device b ON a.canary_mac = b.canary_mac
column | SELECT * FROM fleet.device a SEMI JOIN fleet.device b USING (canary_mac)
column | SELECT h.rooms FROM fleet.device d SEMI JOIN fleet.home h ON d.home_id = h.id
column | SELECT x.* FROM fleet.device d
column | SELECT id FROM fleet.device LIMIT (SELECT max(canary_mac) FROM fleet.home)
column | SELECT CASE WHEN canary_mac = 'x' THEN 1 END FROM fleet.device
column | SELECT canary_mac::VARCHAR FROM fleet.device
column | SELECT canary_mac -> '$.a' FROM fleet.device
column | SELECT canary_mac AS id, id AS canary_mac FROM fleet.device
function | SELECT canary_mac.lower() FROM fleet.device
column | WITH a AS (SELECT canary_mac FROM fleet.device) SELECT * FROM a
column | SELECT canary_mac FROM (SELECT * FROM fleet.device)
column | SELECT id FROM fleet.device UNION SELECT canary_mac FROM fleet.device
column | SELECT id FROM fleet.device UNION SELECT id FROM fleet.home ORDER BY canary_mac
column | SELECT * FROM fleet.home AS h(a, b, c, d)
column | SELECT id FROM fleet.device WINDOW w AS (ORDER BY id) QUALIFY count(canary_mac) OVER w > 0
column | SELECT canary_token FROM fleet.device
column | SELECT device.home.id FROM fleet.device
# Functions
function | SELECT getenv('HOME')
function | SELECT current_setting('temp_directory')
function | SELECT pg_catalog.current_setting('temp_directory')
function | SELECT getvariable('x')
function | SELECT nextval('s')
function | SELECT currval('s')
function | SELECT setseed(0.5)
function | SELECT random()
function | SELECT uuid(), gen_random_uuid()
function | SELECT uuidv7()
function | SELECT sleep_ms(100000)
function | SELECT pg_sleep(1000)
function | SELECT write_log('x')
function | SELECT parse_duckdb_log_message('QueryLog', 'x')
function | SELECT stats(id) FROM fleet.device
function | SELECT alias(id) FROM fleet.device
function | SELECT current_query()
function | SELECT current_query_id()
function | SELECT current_connection_id()
function | SELECT current_transaction_id()
function | SELECT txid_current()
session | SELECT version()
session | SELECT current_database()
session | SELECT current_schema()
session | SELECT current_schemas(true)
session | SELECT current_user
session | SELECT session_user
session | SELECT user
session | SELECT current_catalog
session | SELECT current_user, count(*) FROM fleet.device
session | SELECT count(*) FROM fleet.device WHERE version() = current_database()
function | SELECT in_search_path('main', 'x')
function | SELECT json_serialize_sql('SELECT 1')
function | SELECT json_deserialize_sql('{}')
function | SELECT json_serialize_plan('SELECT * FROM fleet.canary_token')
function | SELECT enum_range(NULL)
function | SELECT enum_first(NULL)
function | SELECT enum_code(NULL)
function | SELECT error('x')
function | SELECT create_sort_key(id, 'ASC') FROM fleet.device
function | SELECT cast_to_type('1', id) FROM fleet.device
function | SELECT make_type('x')
function | SELECT vector_type(id) FROM fleet.device
function | SELECT finalize(count(*)) FROM fleet.device
function | SELECT combine(1, 2)
function | SELECT reservoir_quantile(id, 0.5) FROM fleet.device
function | SELECT icu_sort_key(model, 'de') FROM fleet.device
function | SELECT st_geomfromwkb('x')
function | SELECT has_table_privilege('fleet.canary_token', 'select')
function | SELECT pg_catalog.pg_get_viewdef(1)
function | SELECT col_description(1, 1)
function | SELECT pg_typeof(1)
function | SELECT __internal_compress_string_ubigint('x')
function | SELECT read_text('/etc/passwd')
function | SELECT read_blob('x')
function | SELECT query('SELECT 1')
function | SELECT getenv.lower() FROM (SELECT 1 AS x)
function | SELECT vault.lower('x')
function | SELECT main.getenv('HOME')
function | SELECT system.main.getenv('HOME')
function | SELECT memory.main.lower('x')
function | SELECT list_aggregate([1], 'stats')
function | SELECT list_aggregate([1], model) FROM fleet.device
function | SELECT list_aggr([1], 'reservoir_quantile', 0.5)
function | SELECT count(*) EXPORT_STATE FROM fleet.device
function | SELECT getenv('HOME') OVER ()
function | SELECT stats(id) OVER () FROM fleet.device
function | SELECT id FROM fleet.device WHERE getenv('HOME') = 'x'
function | SELECT id FROM fleet.device ORDER BY random()
function | SELECT id FROM fleet.device LIMIT getenv('HOME')::INT
function | SELECT id FROM fleet.device d JOIN fleet.home h ON getenv('HOME') IS NULL
function | SELECT list_transform([1], lambda x: getenv('HOME'))
function | SELECT lower(getenv('HOME'))
function | SELECT COLUMNS(c -> getenv('HOME') = c) FROM fleet.device
function | SELECT 5!
function | SELECT 1 OPERATOR(pg_catalog.+) 2
function | SELECT row_number() FROM fleet.device
function | SELECT range.getenv() FROM range(3)
function | VALUES (getenv('HOME'))
function | SELECT * FROM unnest([getenv('HOME')])
function | SELECT * FROM range(getenv('HOME')::INT)
# What reads like PostgreSQL and means something else
pattern | SELECT id FROM fleet.device WHERE model ~ 'C'
pattern | SELECT id FROM fleet.device WHERE model !~ 'C'
pattern | SELECT id FROM fleet.device WHERE model ~* 'c'
pattern | SELECT id FROM fleet.device WHERE model !~* 'c'
pattern | SELECT id FROM fleet.device WHERE model SIMILAR TO 'C%'
pattern | SELECT id FROM fleet.device WHERE model NOT SIMILAR TO 'C%'
pattern | SELECT substring(model FROM '[A-Z]+') FROM fleet.device
pattern | SELECT substr(model, 'C', 1) FROM fleet.device
function | SELECT id FROM fleet.device WHERE model OPERATOR(pg_catalog.~) 'C'
# What is no SELECT, or more than one
select | 
select | ;
select | -- nothing
select | /* /* */ SELECT max(canary_mac) FROM fleet.device -- */
select | SELECT 1; SELECT 2
select | SELECT 1; DROP TABLE fleet.device
select | INSERT INTO fleet.device (id) VALUES (1)
select | UPDATE fleet.device SET id = 1
select | DELETE FROM fleet.device
select | TRUNCATE fleet.device
select | MERGE INTO fleet.device d USING fleet.home h ON d.id = h.id WHEN MATCHED THEN DELETE
select | CREATE TABLE x (i INTEGER)
select | CREATE TABLE x AS FROM fleet.canary_token
select | CREATE OR REPLACE VIEW v AS SELECT 1
select | CREATE MACRO lower(x) AS 'pwned'
select | CREATE FUNCTION lower(x) AS 'pwned'
select | CREATE TEMP MACRO m(x) AS TABLE FROM fleet.canary_token
select | CREATE SCHEMA x
select | CREATE TYPE t AS ENUM (FROM fleet.canary_token SELECT value)
select | CREATE SEQUENCE s
select | CREATE INDEX i ON fleet.device (id)
select | CREATE SECRET s (TYPE s3)
select | DROP TABLE fleet.device
select | DROP SCHEMA fleet CASCADE
select | ALTER TABLE fleet.device ADD COLUMN x INTEGER
select | COPY (SELECT 'x') TO 'store/sql.db' (USE_TMP_FILE false)
select | COPY (SELECT 'x') TO 'store/sql.db.wal'
select | COPY fleet.device TO 'x.csv'
select | COPY fleet.device FROM 'x.csv'
select | COPY FROM DATABASE a TO b
select | EXPORT DATABASE 'x'
select | IMPORT DATABASE 'x'
select | ATTACH 'x.db'
select | ATTACH 'store/sql.db' AS y (READ_ONLY)
select | DETACH memory
select | USE memory
select | INSTALL httpfs
select | LOAD httpfs
select | FORCE INSTALL httpfs
select | UPDATE EXTENSIONS
select | PRAGMA database_list
select | PRAGMA storage_info('fleet.canary_token')
select | CALL enable_logging(storage='file')
select | CALL enable_peg_parser()
select | CALL duckdb_tables()
select | CHECKPOINT
select | VACUUM
select | ANALYZE
select | EXPLAIN SELECT 1
select | EXPLAIN ANALYZE SELECT * FROM fleet.canary_token
select | PREPARE p AS SELECT * FROM fleet.canary_token
select | EXECUTE p
select | DEALLOCATE p
select | BEGIN
select | COMMIT
select | ROLLBACK
select | SET memory_limit = '1TB'
select | SET VARIABLE x = (SELECT max(value) FROM fleet.canary_token)
select | RESET memory_limit
syntax | GRANT SELECT ON fleet.device TO x
select | COMMENT ON TABLE fleet.device IS 'x'
select | PIVOT fleet.device ON canary_mac USING count(*)
source | SELECT * FROM fleet.device PIVOT (count(*) FOR canary_mac IN ('a'))
source | FROM fleet.device UNPIVOT (v FOR n IN (model, canary_mac))
source | UNPIVOT fleet.device ON COLUMNS(*)
source | DESCRIBE fleet.canary_token
source | DESCRIBE SELECT * FROM fleet.canary_token
source | SUMMARIZE fleet.device
source | SUMMARIZE fleet.canary_token
source | SHOW TABLES
source | SHOW ALL TABLES
source | SHOW DATABASES
source | SELECT * FROM (DESCRIBE fleet.canary_token)
source | SELECT * FROM (SHOW TABLES)
source | SELECT * FROM (SUMMARIZE fleet.canary_token)
source | FROM (SHOW ALL TABLES) SELECT name
# Parts of the language
sample | SELECT * FROM fleet.device USING SAMPLE 10%
sample | SELECT * FROM fleet.device TABLESAMPLE reservoir(3)
sample | SELECT * FROM (SELECT * FROM fleet.device) TABLESAMPLE 5 ROWS
sample | SELECT * FROM (FROM fleet.device USING SAMPLE 1) x
construct | SELECT * FROM fleet.device AT (VERSION => 1)
construct | SELECT * FROM fleet.device AT (TIMESTAMP => TIMESTAMP '2024-01-01')
recursion | WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r
recursion | WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r WHERE n < 10) SELECT * FROM r
recursion | WITH RECURSIVE r(n, m) USING KEY (n) AS (SELECT 1, 2 UNION SELECT n + 1, m FROM recurring.r) SELECT * FROM r
recursion | SELECT * FROM (WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r) FROM r)
construct | SELECT model COLLATE de FROM fleet.device
construct | SELECT id FROM fleet.device ORDER BY model COLLATE icu_noaccent
type | SELECT 'a'::ENUM('a', 'b')
type | SELECT 'fleet.canary_token'::regclass
type | SELECT 'x'::"no such type"
type | SELECT 'x'::vault.person
type | SELECT NULL::STRUCT(a INTEGER, b no_such_type)
type | SELECT [1]::no_such_type[]
type | SELECT TRY_CAST('x' AS VARIANT)
type | SELECT 'POINT(1 1)'::GEOMETRY
limit | SELECT * FROM fleet.device ORDER BY id LIMIT 10%
ambiguous | SELECT * FROM fleet.device, fleet.device
ambiguous | SELECT * FROM fleet.device d, fleet.home d
syntax | WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a
parameter | SELECT $name
parameter | SELECT $2
parameter | SELECT $1, $3
parameter | SELECT $1001
# Bombs
size | SELECT * FROM range(1000000000000)
size | SELECT * FROM generate_series(1, 1000000000000)
size | SELECT * FROM range(0, -1000000000000, -1)
size | SELECT range(100000000)
size | SELECT generate_series(1, 100000000)
size | SELECT repeat('x', 1000000000)
size | SELECT repeat('x', 1000 * 1000 * 1000)
size | SELECT repeat(model, id) FROM fleet.device
size | SELECT repeat(repeat(repeat('x', 1000), 1000), 1000)
size | SELECT repeat(range(1000), 10000)
size | SELECT lpad('x', 1000000000, 'y')
size | SELECT rpad('x', 1000000000, 'y')
size | SELECT list_resize([1], 1000000000)
size | SELECT array_resize([1], 1000000000, 0)
size | SELECT format('{:1000000000}', 1)
size | SELECT format('{:{}}', 1, 1000000000)
size | SELECT printf('%1000000000d', 1)
size | SELECT printf('%*d', 1000000000, 1)
size | SELECT format(model, 1) FROM fleet.device
size | SELECT NULL::INTEGER[100000000]
size | SELECT bitstring('1', 1000000000)
size | SELECT equi_width_bins(0, 1000000000, 1000000000, false)
size | SELECT to_base(1, 2, 1000000000)
size | SELECT bar(1, 0, 1, 1000000000)
size | SELECT lpad(repeat('x', 10000), 10000, repeat('y', 10000))
size | SELECT repeat(list_transform([1], lambda x: repeat('x', 9999))[1], 9999)
size | SELECT repeat('x', $1)
# Bytes
bytes | "SELECT id\u00a0FROM\u00a0fleet.device"
bytes | "SELECT canary_mac\u00a0FROM\u00a0fleet.device"
bytes | "SELECT\u30001"
bytes | "SELECT\u20001"
bytes | "SELECT\u200b1"
bytes | "SELECT\u20281"
bytes | "SELECT\u20601"
bytes | "\ufeffSELECT 1"
bytes | "SELECT\v1"
bytes | "SELECT\f1"
bytes | "SELECT\u00851"
bytes | "SELECT 1\x00"
bytes | "SELECT '\x00'"
bytes | "SELECT '\xff'"
bytes | "SELECT \xc3\x28"
bytes | "SELECT '\xed\xa0\x80'"
bytes | "SELECT 1 \x1b"
bytes | "SELECT 'a' \u202e 'b'"
# No SQL
syntax | SELECT
syntax | SELECT FROM WHERE
syntax | SELEC 1
syntax | SELECT * FROM
syntax | SELECT (1
syntax | SELECT 'unended
syntax | SELECT "unended
syntax | SELECT $$unended
syntax | \d
syntax | SELECT 1 FOR UPDATE
syntax | SELECT 1 INTO x
syntax | SELECT count(*) OVER no_such_window FROM fleet.device
