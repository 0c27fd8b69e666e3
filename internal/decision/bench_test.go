package decision_test

import (
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
)

// A decision on a text that was never seen, with the real parser beside it.
func BenchmarkDecide(b *testing.B) {
	d := decision.New(engine.NewParser(must(b, false, false)), literalKey)
	for _, s := range []struct{ name, sql string }{
		{"constant", "SELECT 1"},
		{"lookup", "SELECT model, price FROM fleet.device WHERE id = 7"},
		{"dashboard", dashboard},
		{"unnamed columns", "SELECT model, count(*), avg(price), max(score) FROM fleet.device GROUP BY ALL ORDER BY 2 DESC"},
		{"joins", "WITH x AS (SELECT d.model, h.country, e.kind, e.amount FROM fleet.device d JOIN fleet.home h ON h.id = d.home_id LEFT JOIN fleet.event e ON e.device_id = d.id) SELECT country, kind, sum(amount) AS a, count(*) FILTER (WHERE model = 'CAM') AS cams, row_number() OVER (ORDER BY sum(amount) DESC) AS r FROM x GROUP BY country, kind HAVING sum(amount) > 1 ORDER BY r LIMIT 10"},
	} {
		b.Run(s.name, func(b *testing.B) {
			c := catalog()
			for b.Loop() {
				if _, err := d.Decide(b.Context(), decision.Request{SQL: s.sql, Catalog: c, MaxRows: 1000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
