SELECT "start", coalesce("numerator", CAST(0 AS DOUBLE)) AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", coalesce("numerator", CAST(0 AS DOUBLE)) AS "value"
FROM (
  WITH cells AS (
    SELECT
      CAST(date_trunc('day', CAST(("activated_on") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
      CAST(count(DISTINCT (CASE WHEN NOT excluded THEN device_id END)) AS DOUBLE) AS "numerator"
    FROM "metric"."device_activation"
    WHERE CAST(("activated_on") AS TIMESTAMP) >= CAST('0001-01-01' AS TIMESTAMP)
      AND CAST(("activated_on") AS TIMESTAMP) < CAST('10000-01-01' AS TIMESTAMP)
    GROUP BY 1
  ),
  ends AS (
    SELECT CAST((SELECT min("start") FROM cells) AS TIMESTAMP) AS low, CAST((SELECT max("start") FROM cells) AS TIMESTAMP) AS high
  ),
  spine AS (
    SELECT unnest(generate_series(low, CASE WHEN high > low + 100000 * INTERVAL 1 DAY THEN low + 100000 * INTERVAL 1 DAY ELSE high END, INTERVAL 1 DAY)) AS "start" FROM ends
  )
  SELECT spine."start", cells."numerator"
  FROM spine
  LEFT JOIN cells ON cells."start" = spine."start"
  LIMIT 100001
)
ORDER BY 1
