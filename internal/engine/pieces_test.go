//go:build linux

package engine_test

import (
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

// narrow has columns of every kind of shape, and wide one that makes their batch go out in pieces.
const (
	narrow = `SELECT i, i % 3 = 0 AS b, CASE WHEN i % 5 <> 0 THEN 'é' || i END AS t, encode('x' || i) AS raw, uuid_of AS u, i::DECIMAL(30, 2) AS d, TIMESTAMP '2026-01-01' + i * INTERVAL 1 HOUR AS at,
		[i, NULL, i + 1] AS l, [['a' || i], []] AS ll, {'x': i, 'y': ['b' || i, NULL]} AS s, MAP {'k' || i: [i]} AS m, (CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END)::ENUM('even', 'odd') AS e, INTERVAL 1 DAY * i AS v,
		CASE WHEN i % 7 <> 0 THEN [i::VARCHAR] END AS maybe, array_value(i, i + 1) AS fixed, i::HUGEINT AS h FROM (SELECT i, md5(i::VARCHAR)::VARCHAR AS uuid_of FROM range(5000) AS r(i))`
	wide = `SELECT *, repeat(repeat('x', 1000), 40) || i AS wide FROM (` + narrow + `)`
)

func texts(t *testing.T, s *engine.Session, sql string, largest *int64) [][]string {
	t.Helper()
	rows, err := s.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out [][]string
	for rows.Next() {
		b := rows.Batch()
		var size int64
		for _, c := range b.Columns() {
			for _, d := range c.Data().Buffers() {
				if d != nil {
					size += int64(d.Len())
				}
			}
		}
		*largest = max(*largest, size)
		for i := range int(b.NumRows()) {
			row := make([]string, b.NumCols())
			for j, c := range b.Columns() {
				row[j] = c.ValueStr(i)
			}
			out = append(out, row)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWideRowsComeInPiecesAndWhole(t *testing.T) {
	s := writer(t, start(t, engine.Config{Threads: 1}))
	defer s.Release()
	var largest int64
	want := texts(t, s, narrow, &largest)
	got := texts(t, s, wide, &largest)
	if len(got) != len(want) || len(want) != 5000 {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i, row := range want {
		for j, text := range row {
			if got[i][j] != text {
				t.Fatalf("row %d, column %d: %q, want %q", i, j, got[i][j], text)
			}
		}
		if w := got[i][len(row)]; len(w) != 40_000+len(row[0]) || w[40_000:] != row[0] {
			t.Fatalf("row %d: the wide text is not whole", i)
		}
	}
	if largest > 20<<20 {
		t.Errorf("a piece had %d bytes", largest)
	}
}
