package gate

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/store"
)

func made(size int) *decided {
	return &decided{decision: &decision.Decision{SQL: strings.Repeat("x", size)}, description: &store.Description{Schema: arrow.NewSchema(nil, nil)}}
}

func TestKeptDecisionsAreBoundedByNumberAndBytes(t *testing.T) {
	s := &Session{gate: &Gate{}, principal: Principal{Name: "bo", Role: Analyst}}
	c := &decision.Catalog{}
	k := &s.gate.kept
	for i := range 3 * keptStatements {
		k.keep(s.keyOf(strconv.Itoa(i), nil, c, 1), made(100))
		if k.find(s.keyOf("0", nil, c, 1)) == nil {
			t.Fatalf("what is used all the time is gone after %d", i)
		}
	}
	if n := len(k.entries); n != keptStatements || k.order.Len() != n {
		t.Errorf("%d entries, %d in order", n, k.order.Len())
	}
	for i := range 100 {
		k.keep(s.keyOf("long "+strconv.Itoa(i), nil, c, 1), made(keptBytes/20))
		if k.bytes > keptBytes {
			t.Fatalf("%d bytes", k.bytes)
		}
	}
	k.keep(s.keyOf("huge", nil, c, 1), made(keptBytes))
	if k.find(s.keyOf("huge", nil, c, 1)) != nil || k.find(s.keyOf("long 99", nil, c, 1)) == nil {
		t.Error("a huge one pushed the others out")
	}
	k.keep(s.keyOf("new", nil, &decision.Catalog{}, 1), made(1))
	if len(k.entries) != 1 || k.order.Len() != 1 || k.bytes > 2000 {
		t.Errorf("another catalogue left %d entries, %d bytes", len(k.entries), k.bytes)
	}
}

func TestKeptDecisionsAreForManyAtOnce(t *testing.T) {
	k := &statements{}
	catalogs := []*decision.Catalog{{}, {}}
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			s := &Session{principal: Principal{Name: strconv.Itoa(g % 3)}}
			for i := range 2000 {
				key := s.keyOf(strconv.Itoa(i%50), nil, catalogs[i/700%2], int64(g%2))
				want := s.principal.Name + " " + strconv.Itoa(i%50) + " " + strconv.Itoa(i/700%2) + " " + strconv.Itoa(g%2)
				if d := k.find(key); d != nil && d.decision.Shape != want {
					t.Errorf("got %q, want %q", d.decision.Shape, want)
				}
				d := made(10)
				d.decision.Shape = want
				k.keep(key, d)
			}
		})
	}
	all.Wait()
}
