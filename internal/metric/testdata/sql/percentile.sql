SELECT "start", "by_transport", "numerator" AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", "numerator" AS "value"
FROM (
  SELECT
    CAST(date_trunc('day', CAST(("first_at") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
    coalesce(nullif(CAST(("transport") AS VARCHAR), ''), 'unknown') AS "by_transport",
    CAST(quantile_cont((CASE WHEN outcome = 'succeeded' AND NOT excluded THEN duration_ms END), 0.95) AS DOUBLE) AS "numerator"
  FROM "metric"."connection_attempt"
  WHERE CAST(("first_at") AS TIMESTAMP) >= CAST('0001-01-01' AS TIMESTAMP)
    AND CAST(("first_at") AS TIMESTAMP) < CAST('10000-01-01' AS TIMESTAMP)
  GROUP BY 1, 2
  LIMIT 100001
)
ORDER BY 1, 2
