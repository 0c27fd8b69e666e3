SELECT "start", coalesce("numerator", CAST(0 AS DOUBLE)) AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", coalesce("numerator", CAST(0 AS DOUBLE)) AS "value"
FROM (
  WITH cells AS (
    SELECT
      CAST(date_trunc('week', CAST(("activated_on") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
      CAST(count(DISTINCT (CASE WHEN NOT excluded THEN device_id END)) AS DOUBLE) AS "numerator"
    FROM "metric"."device_activation"
    WHERE CAST(("activated_on") AS TIMESTAMP) >= CAST($1 AS TIMESTAMP)
      AND CAST(("activated_on") AS TIMESTAMP) < CAST($2 AS TIMESTAMP)
    GROUP BY 1
  ),
  ends AS (
    SELECT CAST(date_trunc('week', CAST($1 AS TIMESTAMP)) AS TIMESTAMP) AS low, CAST(date_trunc('week', CAST($2 AS TIMESTAMP) - INTERVAL 1 MICROSECOND) AS TIMESTAMP) AS high
  ),
  spine AS (
    SELECT unnest(generate_series(low, CASE WHEN high > low + 100000 * INTERVAL 7 DAY THEN low + 100000 * INTERVAL 7 DAY ELSE high END, INTERVAL 7 DAY)) AS "start" FROM ends
  )
  SELECT spine."start", cells."numerator"
  FROM spine
  LEFT JOIN cells ON cells."start" = spine."start"
  LIMIT 100001
)
ORDER BY 1
-- 2026-10-01 00:00:00
-- 2026-10-02 00:00:00
