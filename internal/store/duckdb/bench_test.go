package duckdb_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

// eleven is a table of eleven columns, kept in the given files in turn, and a batch of it.
func eleven(tb testing.TB, rows int, files ...store.Access) (*treatment.Batch, *treatment.Batch, store.Table) {
	tb.Helper()
	kinds := []treatment.Type{
		{Kind: treatment.Int64},
		{Kind: treatment.UUID},
		{Kind: treatment.Int64},
		{Kind: treatment.TimestampTZ},
		{Kind: treatment.Text},
		{Kind: treatment.Text},
		{Kind: treatment.Int32},
		{Kind: treatment.Int32},
		{Kind: treatment.Bool},
		{Kind: treatment.Float64},
		{Kind: treatment.Date},
	}
	l := &treatment.Layout{Table: "fleet.event", Key: []int{0}}
	p := &policy.Table{Name: l.Table, Access: policy.AccessMetrics}
	for i, k := range kinds {
		name := fmt.Sprintf("c%d", i)
		l.Columns = append(l.Columns, treatment.Column{Name: name, Type: k})
		treat := policy.Keep
		if i == 1 || i == 2 {
			treat = policy.Pseudonym
		}
		p.Columns = append(p.Columns, policy.Column{Name: name, Treat: treat, Subject: "device"})
	}
	keys, err := treatment.NewKeys(bytes.Repeat([]byte{7}, treatment.MasterKeySize))
	if err != nil {
		tb.Fatal(err)
	}
	plan, err := treatment.Compile(p, l, keys)
	if err != nil {
		tb.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	outcomes := []string{"ok", "timeout", "refused", "no route", "wrong password"}
	b := treatment.NewBuilder(l)
	del := treatment.NewBuilder(l)
	for i := range rows {
		b.Begin(treatment.Insert)
		b.Int(int64(i))
		b.Bytes(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 8))
		b.Int(int64(i % 5000))
		b.Int(1_795_168_800_000_000 + int64(i)*1_000_000)
		b.Bytes([]byte(outcomes[rng.IntN(5)]))
		b.Bytes([]byte(fmt.Sprintf("model-%d-rev-%d", rng.IntN(40), rng.IntN(9))))
		b.Int(int64(rng.IntN(30000)))
		b.Int(int64(rng.IntN(100)))
		b.Int(int64(rng.IntN(2)))
		b.Float(rng.Float64())
		b.Int(20000 + int64(rng.IntN(365)))
		if i%100 == 0 {
			del.Begin(treatment.Delete)
			del.Int(int64(i))
			for range kinds[1:] {
				del.Null()
			}
		}
	}
	treat := func(b *treatment.Builder) *treatment.Batch {
		raw, err := b.Seal()
		if err != nil {
			tb.Fatal(err)
		}
		batch, err := plan.Treat(raw)
		if err != nil {
			tb.Fatal(err)
		}
		return batch
	}
	t := store.Table{Name: l.Table, Hash: "1", Schema: plan.Schema()}
	for i := range kinds {
		t.Columns = append(t.Columns, store.Placement{Access: files[i%len(files) : i%len(files)+1]})
	}
	return treat(b), treat(del), t
}

func benchStore(b *testing.B, t store.Table) *duckdb.Store {
	b.Helper()
	s, err := duckdb.Open(b.Context(), duckdb.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	if err := s.Prepare(b.Context(), store.Layout{Identity: "x", Tables: []store.Table{t}}); err != nil {
		b.Fatal(err)
	}
	return s
}

func benchWrite(b *testing.B, s *duckdb.Store, to string, batches ...*treatment.Batch) {
	b.Helper()
	tx, err := s.Begin(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	for _, batch := range batches {
		if err := tx.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(b.Context(), treatment.Mark{Position: treatment.Position(to), AsOf: time.Unix(1, 0)}); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	const rows, batches = 100_000, 20
	for name, files := range map[string][]store.Access{"OneFile": {store.Metrics}, "TwoFiles": {store.SQL, store.Metrics}} {
		b.Run(name, func(b *testing.B) {
			batch, _, t := eleven(b, rows, files...)
			s := benchStore(b, t)
			all := make([]*treatment.Batch, batches)
			for i := range all {
				all[i] = batch
			}
			b.ResetTimer()
			for b.Loop() {
				benchWrite(b, s, "", all...)
			}
			b.ReportMetric(float64(rows*batches*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkSmallCommit is a transaction of one row in both files: what each commit costs at least.
func BenchmarkSmallCommit(b *testing.B) {
	batch, _, t := eleven(b, 1, store.SQL, store.Metrics)
	s := benchStore(b, t)
	n := 0
	for b.Loop() {
		n++
		benchWrite(b, s, fmt.Sprintf("%09d", n), batch)
	}
}

// BenchmarkDelete removes 1,000 rows from a table of a million.
func BenchmarkDelete(b *testing.B) {
	batch, deletes, t := eleven(b, 100_000, store.Metrics)
	s := benchStore(b, t)
	for range 10 {
		benchWrite(b, s, "", batch)
	}
	for b.Loop() {
		benchWrite(b, s, "", deletes)
	}
}

func BenchmarkQuery(b *testing.B) {
	batch, _, t := eleven(b, 10, store.SQL)
	s := benchStore(b, t)
	benchWrite(b, s, "", batch)
	for b.Loop() {
		rows, err := s.Query(b.Context(), store.SQL, "SELECT count(*) FROM fleet.event")
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range rows.Batches() {
			if err != nil {
				b.Fatal(err)
			}
		}
		if err := rows.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
