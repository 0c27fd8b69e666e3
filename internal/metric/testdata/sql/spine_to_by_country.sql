SELECT "start", "by_country", "by_model", coalesce("numerator", CAST(0 AS DOUBLE)) AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", coalesce("numerator", CAST(0 AS DOUBLE)) AS "value"
FROM (
  WITH cells AS (
    SELECT
      CAST(date_trunc('day', CAST(("activated_on") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
      coalesce(nullif(CAST(("country") AS VARCHAR), ''), 'unknown') AS "by_country",
      coalesce(nullif(CAST(("model") AS VARCHAR), ''), 'unknown') AS "by_model",
      CAST(count(DISTINCT (CASE WHEN NOT excluded THEN device_id END)) AS DOUBLE) AS "numerator"
    FROM "metric"."device_activation"
    WHERE CAST(("activated_on") AS TIMESTAMP) >= CAST('0001-01-01' AS TIMESTAMP)
      AND CAST(("activated_on") AS TIMESTAMP) < CAST($1 AS TIMESTAMP)
    GROUP BY 1, 2, 3
  ),
  ends AS (
    SELECT CAST((SELECT min("start") FROM cells) AS TIMESTAMP) AS low, CAST(date_trunc('day', CAST($1 AS TIMESTAMP) - INTERVAL 1 MICROSECOND) AS TIMESTAMP) AS high
  ),
  spine AS (
    SELECT unnest(generate_series(low, CASE WHEN high > low + 100000 * INTERVAL 1 DAY THEN low + 100000 * INTERVAL 1 DAY ELSE high END, INTERVAL 1 DAY)) AS "start" FROM ends
  ),
  groups AS (
    SELECT DISTINCT "by_country", "by_model" FROM cells
  )
  SELECT spine."start", groups."by_country", groups."by_model", cells."numerator"
  FROM spine CROSS JOIN groups
  LEFT JOIN cells ON cells."start" = spine."start" AND cells."by_country" = groups."by_country" AND cells."by_model" = groups."by_model"
  LIMIT 100001
)
ORDER BY 1, 2, 3
-- 2026-10-02 00:00:00
