package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/store"
)

func holding(columns ...string) *decision.Catalog {
	t := decision.Table{Schema: "shop", Name: "sale"}
	for _, c := range columns {
		t.Columns = append(t.Columns, decision.Column{Name: c, Type: "BIGINT"})
	}
	return &decision.Catalog{Tables: []decision.Table{t}}
}

// columnsSeen asks an emulated catalogue who is asking and which columns there are.
func columnsSeen(t *testing.T, s *sharedCatalogue) string {
	t.Helper()
	rows, err := s.made.Query(t.Context(), "SELECT current_user || ' ' || string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'shop'")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	said := ""
	for b, err := range rows.Batches() {
		if err != nil {
			t.Fatal(err)
		}
		said = b.Column(0).ValueStr(0)
	}
	return said
}

func TestAnEmulatedCatalogueIsSharedByOnePersonsConnectionsAndNobodyElse(t *testing.T) {
	e := &lazyEngine{log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { _ = e.close() })
	var c catalogues
	take := func(user string, visible *decision.Catalog) *sharedCatalogue {
		s, err := c.take(t.Context(), e, user, visible)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	wide, narrow := holding("a", "b"), holding("a")
	var mine [4]*sharedCatalogue
	var all sync.WaitGroup
	for i := range mine {
		all.Go(func() { mine[i] = take("ann", wide) })
	}
	all.Wait()
	for _, s := range mine {
		if s != mine[0] {
			t.Error("made twice for one person")
		}
	}
	bo, later := take("bo", wide), take("ann", narrow)
	for _, x := range []struct {
		s    *sharedCatalogue
		want string
	}{{mine[0], "ann a b"}, {bo, "bo a b"}, {later, "ann a"}} {
		if got := columnsSeen(t, x.s); got != x.want {
			t.Errorf("it says %q, want %q", got, x.want)
		}
	}
	for _, s := range mine {
		c.giveBack(s)
	}
	if again := take("ann", wide); again != mine[0] {
		t.Error("what was given back is not used again")
	} else {
		c.giveBack(again)
	}
	for i := range idleCatalogues + 3 {
		c.giveBack(take(fmt.Sprint("person", i), wide))
	}
	if len(c.idle) != idleCatalogues || len(c.kept) != idleCatalogues+2 {
		t.Errorf("%d idle, %d kept", len(c.idle), len(c.kept))
	}
	if got := columnsSeen(t, bo); got != "bo a b" {
		t.Errorf("what is in use says %q", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.take(ended, e, "cleo", wide); err == nil {
		t.Error("made without time")
	}
	if got := columnsSeen(t, take("cleo", wide)); got != "cleo a b" {
		t.Errorf("after a failure it says %q", got)
	}
}

// versioned is a store of which only the version is asked.
type versioned struct {
	store.Store
	version atomic.Uint64
}

func (v *versioned) Version(store.Access) uint64 { return v.version.Load() }

func TestWhatExistsIsLookedAtAgainWhenTheTablesChange(t *testing.T) {
	var v visible
	s := &versioned{}
	looked := 0
	during := func() {}
	look := func(context.Context) (*decision.Catalog, error) {
		looked++
		during()
		return holding(fmt.Sprint("c", looked)), nil
	}
	now := func() *decision.Catalog {
		c, err := v.now(t.Context(), s, look)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := now()
	if now() != first || looked != 1 {
		t.Errorf("looked %d times", looked)
	}
	s.version.Add(1)
	second := now()
	if second == first || now() != second || looked != 2 {
		t.Errorf("after a change: looked %d times", looked)
	}
	// What was seen while the tables changed is not kept for what they are after it.
	s.version.Add(1)
	during = func() { s.version.Add(1); during = func() {} }
	third := now()
	if fourth := now(); fourth == third || now() != fourth || looked != 4 {
		t.Errorf("a change meanwhile: looked %d times", looked)
	}
	s.version.Add(1)
	failing := func(context.Context) (*decision.Catalog, error) { return nil, errClosing }
	if _, err := v.now(t.Context(), s, failing); err == nil {
		t.Error("what was kept is given although it could not be looked at again")
	}
}
