-- What Metabase sends: its look at the database, then the first questions about tables, as its driver for PostgreSQL writes them. "-- =" is how the answer must begin, "-- ?" a parameter. The statements are written here, after what
-- the program was seen to send; none of its text is copied.
=== time zone
-- = TimeZone text | UTC
SHOW timezone;
=== time zone by function
-- = zone text | UTC
SELECT current_setting('TIMEZONE') AS zone
=== set the time zone
-- = 
SET SESSION TIMEZONE TO 'UTC';
=== set another time zone
-- = FAILED 22023 ERROR: this parameter cannot have that value here
SET SESSION TIMEZONE TO 'Europe/Berlin';
=== read only from now on
-- = 
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY
=== no other role
-- = 
SET ROLE NONE;
=== a role
-- = FAILED 22023 ERROR: this parameter cannot have that value here
SET ROLE "metabase reader";
=== alive
-- = 1 int4 | 1
SELECT 1
=== tables
-- = schema name, name name, type text, description text, estimated_row_count int8 |
SELECT
  n.nspname AS "schema",
  c.relname AS "name",
  CASE c.relkind WHEN 'r' THEN 'TABLE' WHEN 'p' THEN 'PARTITIONED TABLE' WHEN 'v' THEN 'VIEW' WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE NULL END AS "type",
  d.description AS "description",
  stat.n_live_tup AS "estimated_row_count"
FROM pg_catalog.pg_class AS c
  INNER JOIN pg_catalog.pg_namespace AS n ON c.relnamespace = n.oid
  LEFT JOIN pg_catalog.pg_description AS d ON (c.oid = d.objoid) AND (d.objsubid = 0) AND (d.classoid = 'pg_class'::regclass)
  LEFT JOIN pg_stat_user_tables AS stat ON (n.nspname = stat.schemaname) AND (c.relname = stat.relname)
WHERE (c.relnamespace = n.oid) AND (n.nspname !~ ?) AND (n.nspname <> ?) AND c.relkind in ('r', 'p', 'v', 'f', 'm') AND (n.nspname IN (?))
ORDER BY type ASC, schema ASC, name ASC
-- ? text ^pg_
-- ? text information_schema
-- ? text fleet
=== privileges
-- = role text, schema name, table name, update bool, select bool, insert bool, delete bool |
with table_privileges as (
 select
   NULL as role,
   t.schemaname as schema,
   t.objectname as table,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'update') as update,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'select') as select,
   pg_catalog.has_any_column_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'insert') as insert,
   pg_catalog.has_table_privilege(current_user, '"' || replace(t.schemaname, '"', '""') || '"."' || replace(t.objectname, '"', '""') || '"', 'delete') as delete
 from (
   select schemaname, tablename as objectname from pg_catalog.pg_tables
   union
   select schemaname, viewname as objectname from pg_catalog.pg_views
   union
   select schemaname, matviewname as objectname from pg_catalog.pg_matviews
 ) t
 where t.schemaname !~ '^pg_'
   and t.schemaname <> 'information_schema'
   and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage')
)
select t.* from table_privileges t order by 3
=== columns
-- = name name, database-type text, database-position int4, table-schema name, table-name name, pk? bool, field-comment text, database-required bool, database-is-auto-increment bool |
SELECT
  c.column_name AS "name",
  CASE WHEN c.udt_schema IN ('public', 'pg_catalog') THEN FORMAT('%s', c.udt_name) ELSE FORMAT('"%s"."%s"', c.udt_schema, c.udt_name) END AS "database-type",
  c.ordinal_position - 1 AS "database-position",
  c.table_schema AS "table-schema",
  c.table_name AS "table-name",
  pk.column_name IS NOT NULL AS "pk?",
  COL_DESCRIPTION(CAST(CAST(FORMAT('%I.%I', CAST(c.table_schema AS TEXT), CAST(c.table_name AS TEXT)) AS REGCLASS) AS OID), c.ordinal_position) AS "field-comment",
  ((column_default IS NULL) OR (LOWER(column_default) = 'null')) AND (is_nullable = 'NO')
    AND NOT (((column_default IS NOT NULL) AND (column_default LIKE '%nextval(%')) OR (is_identity <> 'NO')) AS "database-required",
  ((column_default IS NOT NULL) AND (column_default LIKE '%nextval(%')) OR (is_identity <> 'NO') AS "database-is-auto-increment"
FROM information_schema.columns AS c
  LEFT JOIN (
    SELECT tc.table_schema, tc.table_name, kc.column_name
    FROM information_schema.table_constraints AS tc
      INNER JOIN information_schema.key_column_usage AS kc
        ON (tc.constraint_name = kc.constraint_name) AND (tc.table_schema = kc.table_schema) AND (tc.table_name = kc.table_name)
    WHERE tc.constraint_type = 'PRIMARY KEY'
  ) AS pk ON (c.table_schema = pk.table_schema) AND (c.table_name = pk.table_name) AND (c.column_name = pk.column_name)
WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND (c.table_schema IN (?))
UNION ALL
SELECT
  pa.attname AS "name",
  CASE WHEN ptn.nspname IN ('public', 'pg_catalog') THEN FORMAT('%s', pt.typname) ELSE FORMAT('"%s"."%s"', ptn.nspname, pt.typname) END AS "database-type",
  pa.attnum - 1 AS "database-position",
  pn.nspname AS "table-schema",
  pc.relname AS "table-name",
  FALSE AS "pk?",
  NULL AS "field-comment",
  FALSE AS "database-required",
  FALSE AS "database-is-auto-increment"
FROM pg_catalog.pg_class AS pc
  INNER JOIN pg_catalog.pg_namespace AS pn ON pn.oid = pc.relnamespace
  INNER JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = pc.oid
  INNER JOIN pg_catalog.pg_type AS pt ON pt.oid = pa.atttypid
  INNER JOIN pg_catalog.pg_namespace AS ptn ON ptn.oid = pt.typnamespace
WHERE (pc.relkind = 'm') AND (pa.attnum >= 1) AND (pn.nspname IN (?))
ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC
-- ? text fleet
-- ? text fleet
=== foreign keys
-- = fk-table-schema name, fk-table-name name, fk-column-name name, pk-table-schema name, pk-table-name name, pk-column-name name
SELECT
  fk_ns.nspname AS "fk-table-schema",
  fk_table.relname AS "fk-table-name",
  fk_column.attname AS "fk-column-name",
  pk_ns.nspname AS "pk-table-schema",
  pk_table.relname AS "pk-table-name",
  pk_column.attname AS "pk-column-name"
FROM pg_constraint AS c
  INNER JOIN pg_class AS fk_table ON c.conrelid = fk_table.oid
  INNER JOIN pg_namespace AS fk_ns ON c.connamespace = fk_ns.oid
  INNER JOIN pg_attribute AS fk_column ON c.conrelid = fk_column.attrelid
  INNER JOIN pg_class AS pk_table ON c.confrelid = pk_table.oid
  INNER JOIN pg_namespace AS pk_ns ON pk_table.relnamespace = pk_ns.oid
  INNER JOIN pg_attribute AS pk_column ON c.confrelid = pk_column.attrelid
WHERE fk_ns.nspname !~ '^information_schema|catalog_history|pg_' AND (c.contype = 'f'::char) AND (fk_column.attnum = ANY(c.conkey)) AND (pk_column.attnum = ANY(c.confkey)) AND (fk_ns.nspname IN (?))
ORDER BY "fk-table-schema", "fk-table-name"
-- ? text fleet
=== indexes
-- = table-schema name, table-name name, field-name text
SELECT
  tmp."table-schema",
  tmp."table-name",
  TRIM(BOTH '"' FROM PG_CATALOG.PG_GET_INDEXDEF(tmp.ci_oid, tmp.pos, FALSE)) AS "field-name"
FROM (
  SELECT
    n.nspname AS "table-schema",
    ct.relname AS "table-name",
    ci.oid AS ci_oid,
    (information_schema._pg_expandarray(i.indkey)).n AS pos
  FROM pg_catalog.pg_class AS ct
    INNER JOIN pg_catalog.pg_namespace AS n ON ct.relnamespace = n.oid
    INNER JOIN pg_catalog.pg_index AS i ON ct.oid = i.indrelid
    INNER JOIN pg_catalog.pg_class AS ci ON ci.oid = i.indexrelid
  WHERE (PG_CATALOG.PG_GET_EXPR(i.indpred, i.indrelid) IS NULL) AND n.nspname !~ '^information_schema|catalog_history|pg_' AND (n.nspname IN (?))
) AS tmp
WHERE tmp.pos = 1
-- ? text fleet
=== enumerations
-- = nspname name, typname name
SELECT nspname, typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid IN (SELECT DISTINCT enumtypid FROM pg_enum e)
=== table exists
-- = there bool | true
SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?) AS there
-- ? text fleet
-- ? text device
=== a table that is not there
-- = there bool | false
SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?) AS there
-- ? text fleet
-- ? text connection_attempt
=== probe
-- = _ bool
SELECT TRUE AS "_" FROM "fleet"."device" WHERE 1 <> 1 LIMIT 0
=== probe of what is closed
-- = FAILED 42P01 ERROR: there is no such table for you
SELECT TRUE AS "_" FROM "fleet"."connection_attempt" WHERE 1 <> 1 LIMIT 0
=== shape
-- = device_id uuid, model_id int2, hardware_rev text, owner_user_id uuid, firmware_id int4, first_activated_at timestamp, is_synthetic bool
SELECT * FROM "fleet"."device" WHERE 1 <> 1 LIMIT 0
=== sample
-- = model_id int2, substring1234 text, launched_on date | 1 camera 2022-03-21 | 2 camera 2022-05-20 | 3 camera 2022-07-19
SELECT "fleet"."product_model"."model_id" AS "model_id", SUBSTRING("fleet"."product_model"."family", 1, 1234) AS "substring1234", "fleet"."product_model"."launched_on" AS "launched_on"
FROM "fleet"."product_model" LIMIT 10000
=== sample, nested
-- = family text, substring2 text | camera CAM-V3 | camera CAM-V2 | camera CAM-PAN
SELECT "source"."family" AS "family", "source"."substring2" AS "substring2"
FROM (SELECT "fleet"."product_model"."family" AS "family", SUBSTRING("fleet"."product_model"."model", 1, 1234) AS "substring2" FROM "fleet"."product_model") AS "source" LIMIT 10000
=== values of a field
-- = family text | bulb | camera | climate
SELECT "fleet"."product_model"."family" AS "family" FROM "fleet"."product_model" GROUP BY "fleet"."product_model"."family" ORDER BY "fleet"."product_model"."family" ASC LIMIT 1001
=== first look
-- = device_id uuid, model_id int2, is_synthetic bool, first_activated_at timestamp |
-- Metabase:: userID: 1 queryType: MBQL queryHash: 5c2b8d0e
SELECT "fleet"."device"."device_id" AS "device_id", "fleet"."device"."model_id" AS "model_id", "fleet"."device"."is_synthetic" AS "is_synthetic",
  "fleet"."device"."first_activated_at" AS "first_activated_at" FROM "fleet"."device" LIMIT 2000
=== count
-- = count int8 |
-- Metabase:: userID: 1 queryType: MBQL queryHash: 5c2b8d0e
SELECT COUNT(*) AS "count" FROM "fleet"."device"
=== count distinct
-- = count int8 |
SELECT COUNT(DISTINCT "fleet"."device"."owner_user_id") AS "count" FROM "fleet"."device"
=== aggregates
-- = avg float8, sum numeric, min timestamp, stddev float8, median float8 |
SELECT AVG("fleet"."device"."model_id") AS "avg", SUM("fleet"."device"."model_id") AS "sum", MIN("fleet"."device"."first_activated_at") AS "min", STDDEV_POP("fleet"."device"."model_id") AS "stddev",
  PERCENTILE_CONT(0.5) within group (order by "fleet"."device"."model_id") AS "median" FROM "fleet"."device"
=== by day
-- = first_activated_at date, count int8 |
SELECT CAST("fleet"."device"."first_activated_at" AS date) AS "first_activated_at", COUNT(*) AS "count" FROM "fleet"."device"
GROUP BY CAST("fleet"."device"."first_activated_at" AS date) ORDER BY CAST("fleet"."device"."first_activated_at" AS date) ASC
=== by day, in short
-- = first_activated_at date, count int8 |
SELECT "fleet"."device"."first_activated_at"::date AS "first_activated_at", COUNT(*) AS "count" FROM "fleet"."device" GROUP BY "fleet"."device"."first_activated_at"::date ORDER BY 1
=== by month
-- = first_activated_at timestamp, count int8 |
SELECT DATE_TRUNC('month', "fleet"."device"."first_activated_at") AS "first_activated_at", COUNT(*) AS "count" FROM "fleet"."device"
GROUP BY DATE_TRUNC('month', "fleet"."device"."first_activated_at") ORDER BY DATE_TRUNC('month', "fleet"."device"."first_activated_at") ASC
=== by week from Sunday
-- = first_activated_at timestamp, count int8 |
SELECT (DATE_TRUNC('week', ("fleet"."device"."first_activated_at" + INTERVAL '1 day')) + INTERVAL '-1 day') AS "first_activated_at", COUNT(*) AS "count" FROM "fleet"."device"
GROUP BY (DATE_TRUNC('week', ("fleet"."device"."first_activated_at" + INTERVAL '1 day')) + INTERVAL '-1 day')
ORDER BY (DATE_TRUNC('week', ("fleet"."device"."first_activated_at" + INTERVAL '1 day')) + INTERVAL '-1 day') ASC
=== by week
-- = created_at timestamp, count int8 |
SELECT CAST(DATE_TRUNC('week', CAST("fleet"."app_user"."created_at" AS timestamp)) AS timestamp) AS "created_at", COUNT(*) AS "count" FROM "fleet"."app_user" GROUP BY 1 ORDER BY 1 ASC
=== by quarter
-- = q timestamp, count int8 |
SELECT DATE_TRUNC('quarter', CAST("fleet"."device"."first_activated_at" AS timestamp)) AS "q", COUNT(*) AS "count" FROM "fleet"."device" GROUP BY 1 ORDER BY 1
=== hour of day
-- = released_at int4, count int8 |
SELECT CAST(extract(hour from "fleet"."firmware_release"."released_at") AS integer) AS "released_at", COUNT(*) AS "count" FROM "fleet"."firmware_release"
GROUP BY CAST(extract(hour from "fleet"."firmware_release"."released_at") AS integer) ORDER BY 1 ASC
=== day of week
-- = first_activated_at int4, count int8 |
SELECT (CAST(extract(dow from "fleet"."device"."first_activated_at") AS integer) + 1) AS "first_activated_at", COUNT(*) AS "count" FROM "fleet"."device"
GROUP BY (CAST(extract(dow from "fleet"."device"."first_activated_at") AS integer) + 1) ORDER BY 1
=== day and week of year
-- = doy int4, week int4 |
SELECT CAST(extract(doy from "fleet"."device"."first_activated_at") AS integer) AS "doy", CAST(extract(week from "fleet"."device"."first_activated_at") AS integer) AS "week" FROM "fleet"."device" ORDER BY 1 LIMIT 1
=== in a time zone
-- = released_at timestamp, count int8 |
SELECT DATE_TRUNC('day', ("fleet"."firmware_release"."released_at" AT TIME ZONE 'UTC') AT TIME ZONE 'Europe/Berlin') AS "released_at", COUNT(*) AS "count" FROM "fleet"."firmware_release" GROUP BY 1 ORDER BY 1
=== in a time zone, by function
-- = released_at timestamp |
SELECT timezone('Europe/Berlin', timezone('UTC', "fleet"."firmware_release"."released_at")) AS "released_at" FROM "fleet"."firmware_release" ORDER BY 1 LIMIT 1
=== the last thirty days
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device"
WHERE ("fleet"."device"."first_activated_at" >= CAST((CAST(NOW() AS timestamp) + INTERVAL '-30 day') AS date)) AND ("fleet"."device"."first_activated_at" < CAST(CAST(NOW() AS timestamp) AS date))
=== the last thirty days, with zone
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."first_activated_at" >= DATE_TRUNC('day', (NOW() + INTERVAL '-30 day'))
=== between literals
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device"
WHERE "fleet"."device"."first_activated_at" >= timestamp with time zone '2020-01-01 00:00:00.000Z' AND "fleet"."device"."first_activated_at" < date '2100-01-01'
=== parameter of text
-- = count int8 | 6
SELECT COUNT(*) AS "count" FROM "fleet"."product_model" WHERE "fleet"."product_model"."family" = ?
-- ? text camera
=== parameter of a number
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."model_id" >= ?
-- ? long 0
=== parameter of an integer
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."model_id" IN (?, ?)
-- ? int 1
-- ? int 2
=== parameter of truth
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."is_synthetic" = ?
-- ? bool false
=== parameters of dates
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."first_activated_at" BETWEEN ? AND ?
-- ? datetime 2020-01-01T00:00:00
-- ? datetime 2100-01-01T00:00:00
=== parameters of days
-- = count int8 | 18
SELECT COUNT(*) AS "count" FROM "fleet"."product_model" WHERE "fleet"."product_model"."launched_on" >= ?
-- ? date 2020-01-01
=== parameters of moments
-- = count int8 |
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."first_activated_at" >= ?
-- ? offset 2020-01-01T00:00:00Z
=== parameter of a UUID
-- = count int8 | 0
SELECT COUNT(*) AS "count" FROM "fleet"."device" WHERE "fleet"."device"."device_id" = ?
-- ? uuid 00000000-0000-0000-0000-000000000000
=== contains
-- = family text | camera
SELECT "fleet"."product_model"."family" AS "family" FROM "fleet"."product_model" WHERE (LOWER("fleet"."product_model"."family") LIKE ?) GROUP BY 1 ORDER BY 1 LIMIT 1
-- ? text %cam%
=== starts with
-- = count int8 | 6
SELECT COUNT(*) AS "count" FROM "fleet"."product_model" WHERE ("fleet"."product_model"."family" LIKE ?) OR ("fleet"."product_model"."family" IS NULL) OR ("fleet"."product_model"."family" = '')
-- ? text cam%
=== not equal
-- = count int8 | 12
SELECT COUNT(*) AS "count" FROM "fleet"."product_model" WHERE (("fleet"."product_model"."family" <> ?) OR ("fleet"."product_model"."family" IS NULL))
-- ? text camera
=== join
-- = Product Model__family text, count int8 |
SELECT "Product Model"."family" AS "Product Model__family", COUNT(*) AS "count" FROM "fleet"."device" LEFT JOIN "fleet"."product_model" AS "Product Model" ON "fleet"."device"."model_id" = "Product Model"."model_id"
GROUP BY "Product Model"."family" ORDER BY "count" DESC, "Product Model"."family" ASC LIMIT 3
=== join of a question
-- = model_id int2, count int8, Q__family text |
SELECT "source"."model_id" AS "model_id", "source"."count" AS "count", "Q"."family" AS "Q__family"
FROM (SELECT "fleet"."device"."model_id" AS "model_id", COUNT(*) AS "count" FROM "fleet"."device" GROUP BY "fleet"."device"."model_id" ORDER BY "fleet"."device"."model_id" ASC) AS "source"
LEFT JOIN (SELECT "fleet"."product_model"."model_id" AS "model_id", "fleet"."product_model"."family" AS "family" FROM "fleet"."product_model") AS "Q" ON "source"."model_id" = "Q"."model_id"
ORDER BY "source"."model_id" LIMIT 1048575
=== share
-- = share float8 |
SELECT CAST(SUM(CASE WHEN "fleet"."device"."is_synthetic" = TRUE THEN 1 ELSE 0.0 END) AS DOUBLE PRECISION) / NULLIF(CAST(COUNT(*) AS DOUBLE PRECISION), 0.0) AS "share" FROM "fleet"."device"
=== bins
-- = bin float8, count int8 | 20000.0 16 | 80000.0 2
SELECT FLOOR((("fleet"."product_model"."heartbeat_interval_s" - 0.0) / 10000.0)) * 10000.0 + 0.0 AS "bin", COUNT(*) AS "count" FROM "fleet"."product_model" GROUP BY FLOOR((("fleet"."product_model"."heartbeat_interval_s" - 0.0) / 10000.0)) * 10000.0 + 0.0 ORDER BY 1
=== cumulative
-- = month timestamp, count numeric |
SELECT DATE_TRUNC('month', "fleet"."device"."first_activated_at") AS "month", SUM(COUNT(*)) OVER (ORDER BY DATE_TRUNC('month', "fleet"."device"."first_activated_at") ASC ROWS UNBOUNDED PRECEDING) AS "count"
FROM "fleet"."device" GROUP BY DATE_TRUNC('month', "fleet"."device"."first_activated_at") ORDER BY 1
=== offset
-- = model_id int2, before int8 |
SELECT "model_id", LAG(COUNT(*), 1) OVER (ORDER BY "model_id" ASC) AS "before" FROM "fleet"."device" GROUP BY "model_id" ORDER BY 1 LIMIT 2
=== text functions
-- = both text, up text, other text, long int8, trimmed text, power text, part text | camera CAM-V3 CAMERA cbmerb 6 camera mains CAM
SELECT CONCAT("family", ' ', "model") AS "both", UPPER("family") AS "up", REPLACE("family", 'a', 'b') AS "other", LENGTH("family") AS "long", TRIM("family") AS "trimmed", COALESCE("power", '') AS "power",
  CASE WHEN 1 < 1 THEN '' ELSE SPLIT_PART("model", '-', 1) END AS "part" FROM "fleet"."product_model" ORDER BY "model_id" LIMIT 1
=== match of a pattern
-- = FAILED 0A000 ERROR: ~, !~, ~*, !~*, SIMILAR TO and substring with a pattern mean something else here than in PostgreSQL
SELECT substring("fleet"."product_model"."model" FROM '[A-Z]+') AS "kind" FROM "fleet"."product_model" ORDER BY 1 LIMIT 1
=== difference of days
-- = days int8 | 1845
SELECT CAST("eol_on" AS DATE) - CAST("launched_on" AS DATE) AS "days" FROM "fleet"."product_model" ORDER BY 1 LIMIT 1
=== difference of months
-- = years int4 |
SELECT CAST(extract(year from AGE(DATE_TRUNC('day', CAST("eol_on" AS timestamp)), DATE_TRUNC('day', CAST("launched_on" AS timestamp)))) AS integer) AS "years" FROM "fleet"."product_model" ORDER BY 1 LIMIT 1
=== difference of hours
-- = hours int4 |
SELECT CAST(TRUNC(((extract(epoch from CAST("withdrawn_at" AS timestamp)) - extract(epoch from CAST("released_at" AS timestamp))) / 3600)) AS integer) AS "hours" FROM "fleet"."firmware_release" ORDER BY 1 LIMIT 1
=== casts
-- = t text, i int8, f float8, n numeric | 1 12 1.5 1.000
SELECT CAST("model_id" AS TEXT) AS "t", CAST('12' AS BIGINT) AS "i", CAST('1.5' AS DOUBLE PRECISION) AS "f", CAST("model_id" AS numeric) AS "n" FROM "fleet"."product_model" ORDER BY "model_id" LIMIT 1
=== regular expression
-- = FAILED 0A000 ERROR: ~, !~, ~*, !~*, SIMILAR TO and substring with a pattern mean something else here than in PostgreSQL
SELECT COUNT(*) AS "count" FROM "fleet"."product_model" WHERE "fleet"."product_model"."family" ~ 'cam'
=== from seconds
-- = at timestamptz | 1970-01-01 06:00:00.0
SELECT to_timestamp("fleet"."product_model"."heartbeat_interval_s") AS "at" FROM "fleet"."product_model" ORDER BY 1 LIMIT 1
=== a write
-- = FAILED 0A000 ERROR: only SELECT is answered here, one statement at a time
INSERT INTO "fleet"."device" ("model_id") VALUES (1)
=== a table of its own
-- = FAILED 0A000 ERROR: only SELECT is answered here, one statement at a time
CREATE SCHEMA IF NOT EXISTS "metabase_cache_1";
