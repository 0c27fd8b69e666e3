SELECT 1
SELECT 1 AS one, 'two' AS two, 3.5 AS three, NULL AS four, true AS five
VALUES (1, 'a'), (2, 'b')
FROM fleet.device
TABLE fleet.home
FROM fleet.device SELECT id, model WHERE id > 2
FROM fleet.device d WHERE d.online
SELECT * FROM fleet.device
SELECT d.* FROM fleet.device d
SELECT fleet.device.id, device.model FROM fleet.device
SELECT ID, Model FROM Fleet.DEVICE
SELECT "id", "model" FROM "fleet"."device"
SELECT id x, model AS "the model" FROM fleet.device
SELECT x: id, y: model FROM fleet.device
SELECT DISTINCT model FROM fleet.device
SELECT DISTINCT ON (model) model, id FROM fleet.device ORDER BY model, id
SELECT * FROM fleet.device ORDER BY id DESC LIMIT 3
SELECT * FROM fleet.device ORDER BY id LIMIT 2 OFFSET 1
SELECT id FROM fleet.device ORDER BY price DESC NULLS LAST, id
SELECT id FROM fleet.device ORDER BY ALL
SELECT id, model FROM fleet.device ORDER BY 2, 1
SELECT id FROM fleet.device ORDER BY id FETCH FIRST 2 ROWS ONLY
SELECT id FROM fleet.device ORDER BY model COLLATE NOCASE, id
SELECT * EXCLUDE (model, tags) FROM fleet.device
SELECT * EXCLUDE model FROM fleet.device
SELECT * REPLACE (upper(model) AS model) FROM fleet.device
SELECT * RENAME (model AS kind) FROM fleet.device
SELECT d.* EXCLUDE (d.id) FROM fleet.device d
SELECT COLUMNS('^(id|model)$') FROM fleet.device
SELECT COLUMNS(c -> c LIKE 'm%') FROM fleet.device
SELECT COLUMNS(lambda c: c LIKE 'm%') FROM fleet.device
SELECT min(COLUMNS(* EXCLUDE (tags, info, attrs, online))) FROM fleet.device
SELECT COLUMNS(['id', 'model']) FROM fleet.device
SELECT * LIKE 'm%' FROM fleet.device
SELECT * FROM fleet.device WHERE COLUMNS(['id', 'home_id']) > 1
SELECT count(*) FROM fleet.device
SELECT count(*), count(price), count(DISTINCT model) FROM fleet.device
SELECT model, count(*) AS n FROM fleet.device GROUP BY model ORDER BY n DESC, model
SELECT model, count(*) FROM fleet.device GROUP BY ALL
SELECT model, online, sum(price) FROM fleet.device GROUP BY 1, 2
SELECT model AS m, avg(score) FROM fleet.device GROUP BY m HAVING count(*) > 1
SELECT upper(model) AS m, count(*) FROM fleet.device GROUP BY upper(model)
SELECT lower(model), count(*) FROM fleet.device GROUP BY lower(model) ORDER BY lower(model)
SELECT model, online, count(*) FROM fleet.device GROUP BY ROLLUP (model, online)
SELECT model, online, count(*), GROUPING(model) FROM fleet.device GROUP BY CUBE (model, online)
SELECT model, online, count(*) FROM fleet.device GROUP BY GROUPING SETS ((model), (online), ())
SELECT sum(price) FILTER (WHERE online), sum(price) FILTER (WHERE NOT online) FROM fleet.device
SELECT string_agg(model, ',' ORDER BY id DESC) FROM fleet.device
SELECT array_agg(id ORDER BY id), list(model ORDER BY id) FROM fleet.device
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY score), quantile_disc(score, 0.9) FROM fleet.device
SELECT mode() WITHIN GROUP (ORDER BY model) FROM fleet.device
SELECT quantile_cont(score, [0.25, 0.5, 0.75]) FROM fleet.device
SELECT arg_max(model, score), arg_min(id, score), max_by(model, id) FROM fleet.device
SELECT histogram(model) FROM fleet.device
SELECT median(score), mad(score), stddev(score), var_pop(score), corr(id, score) FROM fleet.device
SELECT bool_and(online), bool_or(online), bit_or(id), product(id) FROM fleet.device
SELECT count(*) FROM fleet.device WHERE model = 'CAM' AND NOT online OR id IN (1, 2)
SELECT id FROM fleet.device WHERE id BETWEEN 2 AND 4
SELECT id FROM fleet.device WHERE id NOT BETWEEN 2 AND 4
SELECT id FROM fleet.device WHERE model LIKE 'C%' OR model ILIKE 'lock%' OR model NOT LIKE '%x%'
SELECT id FROM fleet.device WHERE model LIKE 'C$%' ESCAPE '$'
SELECT id FROM fleet.device WHERE model GLOB 'C*'
SELECT id FROM fleet.device WHERE regexp_matches(model, '^c', 'i')
SELECT id FROM fleet.device WHERE regexp_full_match(model, 'C.*')
SELECT id FROM fleet.device WHERE model ^@ 'C' AND contains(model, 'A')
SELECT id FROM fleet.device WHERE price IS NULL OR price IS NOT NULL AND score IS DISTINCT FROM 2
SELECT id FROM fleet.device WHERE online IS TRUE OR online IS NOT FALSE
SELECT id FROM fleet.device WHERE (id, home_id) IN ((1, 1), (2, 1))
SELECT id FROM fleet.device WHERE id = ANY ([1, 2]) AND id <> ALL (SELECT 7)
SELECT id FROM fleet.device WHERE 'a' IN tags
SELECT id, CASE WHEN id < 3 THEN 'low' ELSE 'high' END FROM fleet.device
SELECT CASE model WHEN 'CAM' THEN 1 WHEN 'LOCK' THEN 2 END AS k FROM fleet.device
SELECT coalesce(price, 0), nullif(model, 'CAM'), ifnull(score, 1), if(online, 1, 0) FROM fleet.device
SELECT id + 1, id - 1, id * 2, id / 2, id // 2, id % 2, id ** 2, -id, id & 1, id | 8, id << 1, ~id FROM fleet.device
SELECT model || '-' || id, concat(model, id), concat_ws(':', model, id) FROM fleet.device
SELECT id::VARCHAR, CAST(score AS INTEGER), TRY_CAST(model AS INTEGER), '1'::DECIMAL(10, 2) FROM fleet.device
SELECT '[1,2]'::INTEGER[], '{a: 1}'::STRUCT(a INTEGER), [1, 2]::VARCHAR[], [1, 2, 3]::INTEGER[3]
SELECT TRY(1 / id) FROM fleet.device
SELECT abs(-1), round(2.567, 2), floor(2.5), ceil(2.5), greatest(1, 2, 3), least(1, 2), ln(1), sqrt(4), sign(-3)
SELECT upper(model), lower(model), length(model), substring(model FROM 1 FOR 2), position('A' IN model), trim(BOTH 'C' FROM model) FROM fleet.device
SELECT replace(model, 'C', 'K'), split_part(model, 'A', 1), lpad(model, 10, '*'), repeat(model, 2), reverse(model), left(model, 2) FROM fleet.device
SELECT regexp_replace(model, '[A-Z]', 'x', 'g'), regexp_extract(model, '([A-Z])', 1), regexp_split_to_array('a,b', ',') FROM fleet.device
SELECT format('{}-{}', model, id), printf('%s %d', model, id) FROM fleet.device
SELECT date_trunc('month', seen), extract(year FROM seen), date_part('day', seen), dayname(seen), seen::DATE FROM fleet.device
SELECT seen + INTERVAL 1 DAY, seen - INTERVAL '2 hours', day + 1, age(seen, TIMESTAMP '2020-01-01') FROM fleet.device
SELECT time_bucket(INTERVAL '1 hour', seen), date_diff('day', DATE '2020-01-01', day), strftime(seen, '%Y-%m'), epoch(seen) FROM fleet.device
SELECT DATE '2020-01-01', TIMESTAMP '2020-01-01 10:00:00', INTERVAL 3 MONTH, INTERVAL '1' YEAR, TIME '10:00'
SELECT make_date(2020, 1, 2), last_day(DATE '2020-02-01'), strptime('2020-01-02', '%Y-%m-%d')
SELECT current_date >= DATE '2020-01-01', now() > TIMESTAMP '2020-01-01', current_timestamp IS NOT NULL
SELECT count(*) FROM fleet.device WHERE seen > now() - INTERVAL 30 DAY
SELECT tags[1], tags[1:2], tags[-1], len(tags), list_contains(tags, 'a'), array_to_string(tags, '/') FROM fleet.device
SELECT list_transform(tags, lambda t: upper(t)), list_filter(tags, lambda t: t > 'a') FROM fleet.device
SELECT list_transform(tags, t -> t || '!') FROM fleet.device
SELECT list_transform(tags, lambda t, i: t || i) FROM fleet.device
SELECT list_reduce([1, 2, 3], lambda a, b: a + b + max(id)) FROM fleet.device GROUP BY id
SELECT [upper(t) FOR t IN tags IF t <> 'b'] FROM fleet.device
SELECT list_sort(tags, 'DESC'), list_distinct(tags), list_concat(tags, ['z']), list_aggregate([1, 2], 'sum'), list_sum([1, 2]) FROM fleet.device
SELECT unnest(tags) AS tag, id FROM fleet.device
SELECT id, unnest(info) FROM fleet.device
SELECT unnest([{'a': 1, 'b': [2, 3]}], recursive := true)
SELECT tag, count(*) FROM (SELECT unnest(tags) AS tag FROM fleet.device) GROUP BY tag
SELECT info.os, info.v + 1, d.info.os, (info).os, info['os'], struct_extract(info, 'v') FROM fleet.device d
SELECT fleet.device.info.os FROM fleet.device
SELECT {'a': id, 'b': model} AS s, row(id, model), struct_pack(x := id) FROM fleet.device
SELECT struct_insert(info, z := 1), struct_keys(info) FROM fleet.device
SELECT s.a FROM (SELECT {'a': id} AS s FROM fleet.device)
SELECT attrs['x'], map_keys(attrs), map_values(attrs), cardinality(attrs), MAP {'k': 1}, element_at(attrs, 'y') FROM fleet.device
SELECT to_json(info), json_extract(extra, '$.a'), extra -> '$.a', extra ->> '$.a', json_extract_string(extra, '$.b') FROM fleet.device
SELECT (extra::JSON).a, json_keys(extra), json_type(extra, '$.a'), json_array_length('[1,2]') FROM fleet.device
SELECT json_object('a', id, 'b', model), json_array(id, model), to_json(d) FROM fleet.device d
SELECT json_group_array(model), json_group_object(id, model) FROM fleet.device
SELECT d FROM fleet.device d
SELECT device FROM fleet.device
SELECT d.model, h.country FROM fleet.device d JOIN fleet.home h ON d.home_id = h.id
SELECT d.model, h.country FROM fleet.device d LEFT JOIN fleet.home h ON d.home_id = h.id
SELECT d.model, h.country FROM fleet.device d RIGHT JOIN fleet.home h ON d.home_id = h.id
SELECT d.model, h.country FROM fleet.device d FULL JOIN fleet.home h ON d.home_id = h.id AND h.rooms > 2
SELECT count(*) FROM fleet.device CROSS JOIN fleet.home
SELECT d.id, h.id FROM fleet.device d, fleet.home h WHERE d.home_id = h.id
SELECT * FROM fleet.device d JOIN fleet.home h USING (id)
SELECT id, d.id, h.country FROM fleet.device d JOIN fleet.home h USING (id)
SELECT * FROM fleet.device NATURAL JOIN fleet.home
SELECT country, model FROM fleet.device NATURAL JOIN fleet.home
SELECT * FROM fleet.device d SEMI JOIN fleet.home h ON d.home_id = h.id
SELECT * FROM fleet.device d ANTI JOIN fleet.event e ON d.id = e.device_id
SELECT d.id, e.kind FROM fleet.device d ASOF JOIN fleet.event e ON d.id = e.device_id AND d.seen >= e.ts
SELECT a.id, b.id FROM fleet.device a POSITIONAL JOIN fleet.home b
SELECT a.id, b.id FROM fleet.device a JOIN fleet.device b ON a.home_id = b.home_id AND a.id < b.id
SELECT * FROM (fleet.device d JOIN fleet.home h ON d.home_id = h.id) JOIN fleet.event e ON e.device_id = d.id
SELECT * FROM fleet.home AS h(a, b)
SELECT a, b FROM fleet.home AS h(a, b) WHERE b <> 'NL'
SELECT h.a, h.rooms FROM fleet.home AS h(a) ORDER BY a
SELECT * FROM (SELECT id, model FROM fleet.device) AS s(x, y) WHERE x > 1
SELECT x FROM (SELECT count(*) AS x FROM fleet.device)
SELECT "count_star()" FROM (SELECT count(*) FROM fleet.device)
SELECT * FROM (SELECT max(score), min(score) FROM fleet.device)
SELECT (SELECT count(*) FROM fleet.home)
SELECT id, (SELECT country FROM fleet.home h WHERE h.id = d.home_id) FROM fleet.device d
SELECT id FROM fleet.device d WHERE EXISTS (SELECT 1 FROM fleet.event e WHERE e.device_id = d.id)
SELECT id FROM fleet.device d WHERE NOT EXISTS (FROM fleet.event e WHERE e.device_id = d.id AND e.amount > d.score)
SELECT id FROM fleet.device WHERE home_id IN (SELECT id FROM fleet.home WHERE country = 'DE')
SELECT id FROM fleet.device WHERE home_id NOT IN (SELECT id FROM fleet.home WHERE country = 'DE')
SELECT id FROM fleet.device WHERE score >= ALL (SELECT score FROM fleet.device WHERE score IS NOT NULL)
SELECT ARRAY(SELECT id FROM fleet.home ORDER BY id)
SELECT d.id, x.n FROM fleet.device d, LATERAL (SELECT count(*) AS n FROM fleet.event e WHERE e.device_id = d.id) x
SELECT d.id, x.z FROM fleet.device d, (SELECT d.score * 2 AS z) x
SELECT d.id, x.kind FROM fleet.device d LEFT JOIN LATERAL (SELECT kind FROM fleet.event e WHERE e.device_id = d.id ORDER BY ts DESC LIMIT 1) x ON true
SELECT d.id, u.t FROM fleet.device d, unnest(d.tags) AS u(t)
SELECT d.id, g.i FROM fleet.device d, generate_series(1, d.id) AS g(i)
SELECT i FROM range(5) r(i)
SELECT * FROM generate_series(DATE '2020-01-01', DATE '2020-01-05', INTERVAL 1 DAY) AS g(d)
SELECT range(3), generate_series(1, 3)
SELECT * FROM unnest([1, 2, 3]) AS u(x)
SELECT * FROM unnest(['a', 'b']) WITH ORDINALITY AS u(x, n)
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, name) WHERE id = 1
SELECT d.id, v.name FROM fleet.device d JOIN (VALUES ('CAM', 'camera'), ('LOCK', 'lock')) AS v(model, name) ON v.model = d.model
SELECT * FROM (VALUES (1, true), (2, false))
WITH a AS (SELECT 1 AS x) SELECT * FROM a
WITH a AS (SELECT id, model FROM fleet.device), b AS (SELECT model, count(*) AS n FROM a GROUP BY model) SELECT * FROM b
WITH a(x, y) AS (SELECT id, model FROM fleet.device) SELECT x, y FROM a WHERE a.x > 1
WITH a AS (SELECT 1 AS x), b AS (WITH a AS (SELECT 2 AS x) SELECT x FROM a) SELECT a.x, b.x AS y FROM a, b
WITH a AS MATERIALIZED (SELECT id FROM fleet.device) SELECT count(*) FROM a, a AS b
WITH device AS (SELECT 'mine' AS id) SELECT device.id, d.id AS theirs FROM device, fleet.device d
WITH home AS (SELECT * FROM fleet.home WHERE rooms > 2) SELECT country FROM home
WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION ALL SELECT x + 1 FROM a
WITH a AS (SELECT home_id, count(*) AS n FROM fleet.device GROUP BY ALL) SELECT h.country, sum(a.n) FROM fleet.home h JOIN a ON a.home_id = h.id GROUP BY ALL
SELECT id FROM fleet.device UNION SELECT id FROM fleet.home
SELECT id FROM fleet.device UNION ALL SELECT id FROM fleet.home ORDER BY id
SELECT id FROM fleet.device INTERSECT SELECT id FROM fleet.home
SELECT id FROM fleet.device EXCEPT SELECT id FROM fleet.home ORDER BY id LIMIT 2
SELECT id FROM fleet.device EXCEPT ALL SELECT id FROM fleet.home
SELECT id AS a, model AS b FROM fleet.device UNION BY NAME SELECT country AS b, rooms AS c FROM fleet.home
(SELECT id FROM fleet.device ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM fleet.home ORDER BY id DESC LIMIT 1)
SELECT 1 UNION SELECT 2 UNION ALL SELECT 3 EXCEPT SELECT 2
SELECT id, row_number() OVER (ORDER BY id) FROM fleet.device
SELECT id, rank() OVER (PARTITION BY model ORDER BY score DESC), dense_rank() OVER (ORDER BY model), ntile(2) OVER (ORDER BY id) FROM fleet.device
SELECT id, lag(score, 1, 0) OVER (ORDER BY id), lead(score) OVER (ORDER BY id), first_value(id) OVER (ORDER BY id), last_value(id) OVER (), nth_value(id, 2) OVER (ORDER BY id) FROM fleet.device
SELECT id, lag(price IGNORE NULLS) OVER (ORDER BY id) FROM fleet.device
SELECT id, sum(score) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM fleet.device
SELECT id, sum(score) OVER (ORDER BY seen RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM fleet.device
SELECT id, count(*) OVER (ORDER BY id GROUPS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM fleet.device
SELECT id, count(*) OVER w, avg(score) OVER (w ORDER BY id) FROM fleet.device WINDOW w AS (PARTITION BY model)
SELECT id, sum(score) FILTER (WHERE online) OVER (), percent_rank() OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM fleet.device
SELECT id, model FROM fleet.device QUALIFY row_number() OVER (PARTITION BY model ORDER BY id) = 1
SELECT model, count(*) AS n, sum(count(*)) OVER () AS total FROM fleet.device GROUP BY model
SELECT id AS a, a + 1 AS b, b * 2 AS c FROM fleet.device WHERE c > 4
SELECT model AS m FROM fleet.device WHERE m = 'CAM' ORDER BY m
SELECT sum(score) AS s FROM fleet.device HAVING s > 1
SELECT upper(model) AS model FROM fleet.device ORDER BY model, id
SELECT model.lower(), seen.year(), tags.list_contains('a') FROM fleet.device
SELECT 'it''s', 'ü', '日本', E'a\tb', $$dollar$$, '-- no comment', '/* none */', '"'
SELECT 1 -- a comment
SELECT /* a comment */ 1
SELECT 1;
SELECT id FROM fleet.device WHERE model = 'it''s' OR model = 'ü' LIMIT 1 + 1
SELECT * FROM fleet.event e WHERE e.amount > (SELECT avg(amount) FROM fleet.event x WHERE x.kind = e.kind)
SELECT date_trunc('day', ts) AS day, kind, count(DISTINCT device_id) AS devices, sum(amount) AS total FROM fleet.event GROUP BY day, kind ORDER BY day, kind
SELECT h.country, count(DISTINCT d.id) AS devices, round(avg(d.score), 2) AS score FROM fleet.device d JOIN fleet.home h ON h.id = d.home_id WHERE d.online GROUP BY h.country HAVING count(*) > 0 ORDER BY devices DESC, h.country LIMIT 10
SELECT 12345678901234567890, 1e10, 1.50, -5, 0.1, 123456789012345678901234567890123456789, '\x00'::BLOB, '101'::BIT, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID
SELECT #1, #2 FROM fleet.home
SELECT hash(id) = hash(id), md5(model), sha256(model), typeof(id) FROM fleet.device
SELECT timezone('Europe/Berlin', seen) IS NOT NULL, seen AT TIME ZONE 'UTC' IS NOT NULL FROM fleet.device
SELECT array_value(1, 2), array_cosine_similarity([1.0, 2.0]::FLOAT[2], [2.0, 1.0]::FLOAT[2]), [1, 2] && [2], [1, 2] @> [1]
SELECT model, id FROM fleet.device ORDER BY ALL DESC NULLS LAST
SELECT id FROM fleet.device ORDER BY COLUMNS('^(model|id)$')
SELECT array_agg(DISTINCT model ORDER BY model) FROM fleet.device
SELECT model, id FROM fleet.device UNION ALL SELECT country, id FROM fleet.home ORDER BY ALL
