package fleet

import (
	"testing"
	"time"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// BenchmarkCreate is rows a second into a real PostgreSQL, keys and references included.
func BenchmarkCreate(b *testing.B) {
	for _, size := range []struct {
		name           string
		accounts, days int
	}{{"300x10", 300, 10}, {"10000x30", 10_000, 30}} {
		b.Run(size.name, func(b *testing.B) {
			var rows int64
			for range b.N {
				b.StopTimer()
				url := postmastertest.Database(b)
				b.StartTimer()
				truth, err := Create(b.Context(), Options{URL: url, Accounts: size.accounts, Days: size.days, Seed: 1, Until: testUntil})
				if err != nil {
					b.Fatal(err)
				}
				for _, n := range truth.Rows {
					rows += n
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(rows)/float64(b.N), "rows/op")
		})
	}
}

// BenchmarkGenerate is the generator alone.
func BenchmarkGenerate(b *testing.B) {
	c, err := newCompany(Options{Accounts: 3000, Days: 10, Profile: ProfileThin, Until: testUntil})
	if err != nil {
		b.Fatal(err)
	}
	var rows int64
	for b.Loop() {
		for _, t := range tables {
			r := newRows(b.Context(), nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for chunk := range r.full {
					r.free <- chunk
				}
			}()
			t.fill(c, r, &tally{})
			r.finish()
			<-done
			rows += r.count
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// testUntil is a fixed end, so that tests see the same rows on any day.
var testUntil = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
