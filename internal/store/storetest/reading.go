package storetest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

func queryIsReadOnly(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	for _, sql := range []string{
		"INSERT INTO s.item SELECT * FROM s.item", "DELETE FROM s.item", "DROP TABLE s.item", "CREATE TABLE s.x (i INT)", "UPDATE s.item SET size = 1",
		"SELECT 1; DELETE FROM s.item", "COMMIT", "ROLLBACK", "BEGIN", "CREATE TEMP TABLE x (i INT)", "SET threads = 1",
		"COPY s.item TO '" + filepath.Join(dir, "out.csv") + "'", "ATTACH '" + filepath.Join(dir, "x.db") + "'", "",
	} {
		rows, err := s.Query(t.Context(), store.SQL, sql)
		if err != nil {
			continue
		}
		for _, err = range rows.Batches() {
			if err != nil {
				break
			}
		}
		if err == nil {
			t.Errorf("%q: it ran", sql)
		}
		must(t, rows.Close())
	}
	wantRows(t, scan(t, s, store.SQL, x), []string{"1|a|2"})
}

func queryBindsAndStreams(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2), ins(2, "x' OR '1'='1", "b", nil, 3)))
	wantRows(t, query(t, s, store.SQL, "SELECT id FROM s.item WHERE name = $1 AND size >= $2", "x' OR '1'='1", 3), []string{"2"})
	// Rows that nobody reads to the end are no obstacle.
	for range 20 {
		rows, err := s.Query(t.Context(), store.SQL, "SELECT a.id, b.range FROM s.item a, range(100000000) b")
		must(t, err)
		for _, err := range rows.Batches() {
			must(t, err)
			break
		}
		must(t, rows.Close())
	}
}

func describeTells(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	prepare(t, s, nil, item(t))
	d, err := s.Describe(t.Context(), store.SQL, "SELECT name, count(*) AS n FROM s.item WHERE size > $1 GROUP BY name")
	must(t, err)
	if len(d.Parameters) != 1 || d.Parameters[0].Type.ID() != arrow.INT64 || d.Schema.NumFields() != 2 || d.Schema.Field(0).Name != "name" || d.Schema.Field(1).Name != "n" {
		t.Errorf("%v gives %v", d.Parameters, d.Schema)
	}
	if _, err := s.Describe(t.Context(), store.SQL, "SELECT note FROM s.item"); err == nil {
		t.Error("a column that the file does not keep was described")
	}
	if _, err := s.Describe(t.Context(), store.SQL, "DELETE FROM s.item"); err == nil {
		t.Error("a statement that is no SELECT was described")
	}
}

func queryErrorsTellNoValues(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "CELLVALUE", "b", nil, 2)))
	for _, sql := range []string{
		"SELECT name::INT FROM s.item", "SELECT * FROM s.item WHERE name = 'CELLVALUE' AND nocolumn = 1", "SELECT error(name) FROM s.item", "SELECT CELLVALUE(1)",
	} {
		rows, err := s.Query(t.Context(), store.SQL, sql)
		if err == nil {
			for _, err = range rows.Batches() {
				if err != nil {
					break
				}
			}
			must(t, rows.Close())
		}
		if err == nil || strings.Contains(err.Error(), "CELLVALUE") || fault.Public(err).Message == "" || strings.Contains(fmt.Sprintf("%+v %#v", err, err), "CELLVALUE") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func pinDoesNotMove(t *testing.T, open Open) {
	s := opened(t, open, t.TempDir())
	x := item(t)
	prepare(t, s, nil, x)
	write(t, s, mark(1), x.batch(t, ins(1, "a", "b", nil, 2)))
	p, err := s.Pin(t.Context())
	must(t, err)
	for n := range 5 {
		write(t, s, mark(n+2), x.batch(t, ins(n+10, "n", "m", nil, 2), upd(1, fmt.Sprint("a", n), "b2", nil, 7)))
	}
	wantRows(t, scanPinned(t, p, store.SQL, x), []string{"1|a|2"})
	wantRows(t, scanPinned(t, p, store.Metrics, x), []string{"1|b|2"})
	rows, err := p.Query(t.Context(), store.Metrics, "SELECT count(*) FROM s.item WHERE id > $1", 0)
	must(t, err)
	wantRows(t, collect(t, rows, 0), []string{"1"})
	if m := p.State().Mark(); m != mark(1) {
		t.Errorf("mark %v", m)
	}
	// Rows that are still open end with the view.
	_, err = p.Query(t.Context(), store.Metrics, "SELECT a.id, b.range FROM s.item a, range(100000000) b")
	must(t, err)
	must(t, p.Close())
	must(t, p.Close())
	if _, err := p.Scan(t.Context(), store.SQL, "s.item"); err == nil {
		t.Error("a closed view answers")
	}
	if got := len(scan(t, s, store.SQL, x)); got != 6 {
		t.Errorf("%d rows afterwards", got)
	}
}

func rowKeys(t testing.TB, x *tbl, ids ...int) [][16]byte {
	t.Helper()
	changes := make([]change, 0, len(ids))
	for _, id := range ids {
		changes = append(changes, x.del(id))
	}
	b := x.batch(t, changes...)
	defer b.Release()
	var keys [][16]byte
	col, ok := b.Deletes().Column(0).(interface{ Value(i int) []byte })
	if !ok {
		t.Fatal("the row key is no bytes")
	}
	for i := range ids {
		keys = append(keys, [16]byte(col.Value(i)))
	}
	return keys
}

func eraseRemovesRowsAndBytes(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	fill(t, s, mark(1), x, "STAYS", 0, 30)
	fill(t, s, mark(2), x, "ERASED", 100, 2)
	if !holds(t, dir, "ERASED") {
		t.Fatal("the word is not found before: the test shows nothing")
	}
	must(t, s.Erase(t.Context(), "s.item", rowKeys(t, x, 100, 101, 999)))
	if holds(t, dir, "ERASED") {
		t.Error("bytes of erased rows are left")
	}
	for _, a := range inBoth {
		if got := len(scan(t, s, a, x)); got != 30 {
			t.Errorf("%s: %d rows", a, got)
		}
	}
	if m := state(t, s).Mark(); m != mark(2) {
		t.Errorf("mark %v", m)
	}
	if err := s.Erase(t.Context(), "s.nowhere", rowKeys(t, x, 1)); fault.KindOf(err) != fault.NotFound {
		t.Errorf("got %v", err)
	}
}

func rewriteRemovesBytes(t *testing.T, open Open) {
	dir := t.TempDir()
	s := opened(t, open, dir)
	x := item(t)
	prepare(t, s, nil, x)
	fill(t, s, mark(1), x, "STAYS", 0, 3000)
	fill(t, s, mark(2), x, "REMOVED", 10000, 500)
	ids := make([]change, 500)
	for i := range ids {
		ids[i] = x.del(10000 + i)
	}
	write(t, s, mark(3), x.batch(t, ids...))
	if !holds(t, dir, "REMOVED") || !holds(t, dir, "STAYS") {
		t.Fatal("the words are not found before: the test shows nothing")
	}
	before := scan(t, s, store.SQL, x)
	// A query that runs meanwhile ends in order or with an error, never with other rows.
	done := make(chan error, 1)
	go func() {
		rows, err := s.Query(t.Context(), store.SQL, "SELECT count(*) FROM s.item")
		if err == nil {
			for _, err = range rows.Batches() {
				if err != nil {
					break
				}
			}
			_ = rows.Close()
		}
		done <- err
	}()
	for _, a := range inBoth {
		must(t, s.Rewrite(t.Context(), a))
	}
	if err := <-done; err != nil && fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the query beside it: %v", err)
	}
	if holds(t, dir, "REMOVED") {
		t.Error("bytes of removed rows are left")
	}
	wantRows(t, scan(t, s, store.SQL, x), before)
	if m := state(t, s).Mark(); m != mark(3) {
		t.Errorf("mark %v", m)
	}
	write(t, s, mark(4), x.batch(t, x.del(1)))
	if got := len(scan(t, s, store.Metrics, x)); got != 2999 {
		t.Errorf("%d rows", got)
	}
}
