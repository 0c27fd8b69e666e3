SELECT "start", "numerator" AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", "numerator" AS "value"
FROM (
  SELECT
    CAST(date_trunc('week', CAST(("first_at") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
    CAST(count(DISTINCT (CASE WHEN outcome = 'failed' AND NOT excluded THEN user_id END)) AS DOUBLE) AS "numerator"
  FROM "metric"."connection_attempt"
  WHERE CAST(("first_at") AS TIMESTAMP) >= CAST('0001-01-01' AS TIMESTAMP)
    AND CAST(("first_at") AS TIMESTAMP) < CAST($1 AS TIMESTAMP)
  GROUP BY 1
  LIMIT 100001
)
ORDER BY 1
-- 2026-10-02 00:00:00
