SELECT "start", coalesce("numerator", CAST(0 AS DOUBLE)) AS "numerator", CAST(NULL AS DOUBLE) AS "denominator", coalesce("numerator", CAST(0 AS DOUBLE)) AS "value"
FROM (
  WITH cells AS (
    SELECT
      CAST(date_trunc('day', CAST(("activated_on") AS TIMESTAMP)) AS TIMESTAMP) AS "start",
      CAST(count(DISTINCT (CASE WHEN NOT excluded THEN device_id END)) AS DOUBLE) AS "numerator"
    FROM "metric"."device_activation"
    WHERE CAST(("activated_on") AS TIMESTAMP) IS NOT NULL
    GROUP BY 1
  ),
  spine AS (
    SELECT unnest(generate_series(CAST((SELECT min("start") FROM cells) AS TIMESTAMP), CAST((SELECT max("start") FROM cells) AS TIMESTAMP), INTERVAL 1 DAY)) AS "start"
  )
  SELECT spine."start", cells."numerator"
  FROM spine
  LEFT JOIN cells ON cells."start" = spine."start"
)
ORDER BY 1
