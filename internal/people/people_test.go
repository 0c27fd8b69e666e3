package people

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// house is a registry with a record and a clock that tests can look into and set.
type house struct {
	*Registry
	t   *testing.T
	dir string

	mu     sync.Mutex
	now    time.Time
	events []Event
	broken error // what the record answers
}

var (
	root   = Caller{Name: "root"} // the control socket
	office = netip.MustParseAddr("198.51.100.7")
)

func openHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "people"), now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)}
	h.open()
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (h *house) options() Options {
	authority, err := OpenAuthority(AuthorityOptions{Dir: filepath.Join(h.dir, "..", "keys"), Clock: h.clock})
	if err != nil {
		h.t.Fatal(err)
	}
	return Options{Dir: h.dir, Record: h.record, Clock: h.clock, Authority: authority}
}

func (h *house) open() {
	h.t.Helper()
	r, err := Open(h.options())
	if err != nil {
		h.t.Fatal(err)
	}
	h.Registry = r
}

func (h *house) reopen() {
	h.t.Helper()
	if err := h.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
}

func (h *house) record(_ context.Context, e Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken != nil {
		return h.broken
	}
	h.events = append(h.events, e)
	return nil
}

func (h *house) breakRecord(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = err
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) last() Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.events) == 0 {
		h.t.Fatal("nothing was recorded")
	}
	return h.events[len(h.events)-1]
}

func (h *house) recorded() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

func (h *house) bytes() []byte {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.dir, accountsFile))
	if err != nil {
		h.t.Fatal(err)
	}
	return data
}

func (h *house) add(name Name, role Role) Added {
	h.t.Helper()
	added, err := h.Add(h.t.Context(), root, Addition{Name: name, Role: role, Kind: Person, SQL: DefaultSQLLife})
	if err != nil {
		h.t.Fatal(err)
	}
	return added
}

func (h *house) service(name Name, networks ...string) Added {
	h.t.Helper()
	what := Addition{Name: name, Role: Viewer, Kind: Service}
	for _, n := range networks {
		what.Networks = append(what.Networks, netip.MustParsePrefix(n))
		what.SQL = MaxServiceLife
	}
	added, err := h.Add(h.t.Context(), root, what)
	if err != nil {
		h.t.Fatal(err)
	}
	return added
}

func at(name string, address netip.Addr) Caller { return Caller{Name: name, Address: address} }

// must stops the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// isKind fails the test unless err is a fault of the kind, with a hint.
func isKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a fault of kind %s", err, kind)
	}
	if f.Kind != kind || f.Hint == "" || f.Message == "" {
		t.Fatalf("got kind %s, message %q, hint %q; want kind %s", f.Kind, f.Message, f.Hint, kind)
	}
}
