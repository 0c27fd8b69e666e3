package gate

import (
	"container/list"
	"crypto/sha256"
	"strings"
	"sync"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/store"
)

const (
	// keptStatements and keptBytes bound what is kept of decisions.
	keptStatements = 2048
	keptBytes      = 16 << 20
)

// decided is what was decided on a statement, and what it takes and gives. It is not changed any more.
type decided struct {
	decision    *decision.Decision
	description *store.Description
}

// statementKey is everything that a decision depends on, besides what is fixed in a gate's life: the policy, the decider, its parser and its key. It is decided by these alone (decision.Decide is
// a function of its request), so the same key has the same decision, and what can change that changes the key: the exact text, what exists for the asker (a catalogue that was changed in
// any way is another one, by its pointer, which the entry keeps alive, so that no other catalogue can ever have it), the types that its parameters were declared with, the limit on rows,
// and the role. The person is part of it although nothing is decided by it: what was decided for one is never used for another. It hides nothing about who asked what: the engines keep plans by their text for everybody.
type statementKey struct {
	text    [sha256.Size]byte
	types   string // one after the other, with line ends between
	catalog *decision.Catalog
	maxRows int64
	role    Role
	person  string
}

func (s *Session) keyOf(sql string, types []string, c *decision.Catalog, maxRows int64) statementKey {
	return statementKey{text: sha256.Sum256([]byte(sql)), types: strings.Join(types, "\n"), catalog: c, maxRows: maxRows, role: s.principal.Role, person: s.principal.Name}
}

// statements keeps decisions that allowed something. Refusals are decided anew each time. Its zero value is empty.
type statements struct {
	mu      sync.Mutex // guards all below
	entries map[statementKey]*list.Element
	order   list.List // of *entry, the last used in front
	bytes   int
	catalog *decision.Catalog // of all that is kept
}

type entry struct {
	key     statementKey
	decided *decided
	bytes   int
}

func (k *statements) find(key statementKey) *decided {
	k.mu.Lock()
	defer k.mu.Unlock()
	at := k.entries[key]
	if at == nil {
		return nil
	}
	k.order.MoveToFront(at)
	e, _ := at.Value.(*entry) // nothing else is in the list
	return e.decided
}

func (k *statements) keep(key statementKey, d *decided) {
	e := &entry{key: key, decided: d, bytes: sizeOfDecided(d) + len(key.types)}
	if e.bytes > keptBytes/8 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.catalog != key.catalog { // what was decided by another is found by nobody any more
		k.entries, k.catalog, k.bytes = map[statementKey]*list.Element{}, key.catalog, 0
		k.order.Init()
	}
	if at := k.entries[key]; at != nil { // two asked at the same time
		k.remove(at)
	}
	for k.order.Len() > 0 && (k.order.Len() >= keptStatements || k.bytes+e.bytes > keptBytes) {
		k.remove(k.order.Back())
	}
	k.entries[key] = k.order.PushFront(e)
	k.bytes += e.bytes
}

// remove is called with mu held.
func (k *statements) remove(at *list.Element) {
	e, _ := k.order.Remove(at).(*entry) // nothing else is in the list
	delete(k.entries, e.key)
	k.bytes -= e.bytes
}

// sizeOfDecided is about how many bytes an entry holds.
func sizeOfDecided(d *decided) int {
	const small = 512 // a structure with what is around it
	n := small + len(d.decision.SQL) + len(d.decision.Shape)
	for _, c := range d.decision.Casts {
		n += len(c) + small/32
	}
	for _, r := range d.decision.Reads {
		n += len(r.Table) + small/8
		for _, c := range r.Columns {
			n += len(c) + small/32
		}
	}
	n += small / 4 * len(d.description.Parameters)
	for _, f := range d.description.Schema.Fields() {
		n += small + len(f.Name)
	}
	return n
}
