SELECT "start", "by_model", "by_firmware", "numerator", "denominator", "numerator" / nullif("denominator", 0) AS "value"
FROM (
  SELECT
    CAST(date_trunc('hour', CAST(("first_at") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
    coalesce(nullif(CAST(("model") AS VARCHAR), ''), 'unknown') AS "by_model",
    coalesce(nullif(CAST(("firmware") AS VARCHAR), ''), 'unknown') AS "by_firmware",
    CAST(count(*) FILTER (WHERE (outcome = 'failed' AND NOT excluded)) AS DOUBLE) AS "numerator",
    CAST(count(*) FILTER (WHERE (outcome IN ('succeeded', 'failed') AND NOT excluded)) AS DOUBLE) AS "denominator"
  FROM "metric"."connection_attempt"
  WHERE CAST(("first_at") AS TIMESTAMP) >= CAST($1 AS TIMESTAMP)
    AND CAST(("first_at") AS TIMESTAMP) < CAST($2 AS TIMESTAMP)
  GROUP BY 1, 2, 3
  LIMIT 100001
)
ORDER BY 1, 2, 3
-- 2026-10-01 00:00:00
-- 2026-10-02 01:04:05.678901
