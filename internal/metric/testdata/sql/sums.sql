SELECT "start", "numerator", "denominator", "numerator" / nullif("denominator", 0) AS "value"
FROM (
  SELECT
    CAST(date_trunc('day', CAST(("first_at") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
    CAST(coalesce(sum((CASE WHEN NOT excluded THEN clock_repaired END)), 0) AS DOUBLE) AS "numerator",
    CAST(coalesce(sum((CASE WHEN NOT excluded THEN tries END)), 0) AS DOUBLE) AS "denominator"
  FROM "metric"."connection_attempt"
  WHERE CAST(("first_at") AS TIMESTAMP) >= CAST('0001-01-01' AS TIMESTAMP)
    AND CAST(("first_at") AS TIMESTAMP) < CAST('10000-01-01' AS TIMESTAMP)
  GROUP BY 1
  LIMIT 100001
)
ORDER BY 1
