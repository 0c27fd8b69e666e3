package flow

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
)

// Phase is what a flow is doing.
type Phase string

// The phases.
const (
	Stopped   Phase = "stopped"
	Planning  Phase = "planning"
	Copying   Phase = "copying"
	Following Phase = "following"
	Waiting   Phase = "waiting" // for the source to come back
)

// Item is something that somebody should see: what is held back and why, what drifted. It is stable and holds names of tables and columns, never values.
type Item struct {
	Kind    string `json:"kind"`
	Table   string `json:"table,omitempty"`
	Column  string `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// TableStatus is how far one table is.
type TableStatus struct {
	Table    string `json:"table"`
	Copied   bool   `json:"copied"`
	Rows     int64  `json:"rows"`           // rows copied by the running or last snapshot
	Estimate int64  `json:"estimate"`       // rows that production's statistics expect
	Changes  int64  `json:"changes"`        // row changes applied since this process started
	Held     int64  `json:"held,omitempty"` // values that no store can hold exactly, since this process started
}

// Status is a flow at one moment.
type Status struct {
	Phase    Phase           `json:"phase"`
	Reason   string          `json:"reason,omitempty"` // of Waiting
	Position source.Position `json:"position,omitempty"`
	AsOf     time.Time       `json:"as_of,omitzero"`
	Batches  int64           `json:"batches"`
	Tables   []TableStatus   `json:"tables"`
	Items    []Item          `json:"items"`
	Started  time.Time       `json:"started,omitzero"` // of the phase
}

// tracker keeps the status; it is written by the flow's goroutines and read by anybody.
type tracker struct {
	mu     sync.Mutex // guards all below
	status Status
	tables map[string]*TableStatus
	items  map[Item]bool // drift seen since the plan, beside status.Items
}

func (t *tracker) init() {
	t.status.Phase = Stopped
	t.tables = map[string]*TableStatus{}
	t.items = map[Item]bool{}
}

// Status returns a copy of the status.
func (f *Flow) Status() Status {
	t := &f.status
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.Items = slices.Clone(s.Items)
	for i := range t.items {
		s.Items = append(s.Items, i)
	}
	slices.SortFunc(s.Items, func(a, b Item) int { return compareItems(a, b) })
	s.Items = slices.Compact(s.Items)
	s.Tables = nil
	for _, name := range slices.Sorted(maps.Keys(t.tables)) {
		s.Tables = append(s.Tables, *t.tables[name])
	}
	return s
}

func compareItems(a, b Item) int {
	for _, c := range [][2]string{{a.Kind, b.Kind}, {a.Table, b.Table}, {a.Column, b.Column}, {a.Message, b.Message}} {
		if c[0] != c[1] {
			if c[0] < c[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func (t *tracker) phase(p Phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Phase, t.status.Reason, t.status.Started = p, "", time.Now()
}

func (t *tracker) retrying(reason string) {
	t.phase(Waiting)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Reason = reason
}

func (t *tracker) item(i Item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.items) < maxItems {
		t.items[i] = true
	}
}

func (t *tracker) planned(p *plan, items []Item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Items = items
	old := t.tables
	t.tables = map[string]*TableStatus{}
	for _, tp := range p.tables {
		s := &TableStatus{Table: tp.name()}
		if o := old[tp.name()]; o != nil {
			*s = *o
		}
		s.Estimate = tp.estimate
		t.tables[tp.name()] = s
	}
}

// loaded takes what the store holds.
func (t *tracker) loaded(state store.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := state.Mark()
	t.status.Position, t.status.AsOf = m.Position, m.AsOf
	for name, s := range state.Tables {
		if ts := t.tables[name]; ts != nil {
			ts.Copied = s.Copied
			ts.Rows = s.Rows
		}
	}
}

func (t *tracker) copying(table string, rows int64, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.tables[table]; s != nil {
		s.Rows, s.Copied = rows, done
	}
}

func (t *tracker) held(table string, held map[string]int) {
	if len(held) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range held {
		if s := t.tables[table]; s != nil {
			s.Held += int64(n)
		}
	}
}

func (t *tracker) applied(position source.Position, asOf time.Time, changes map[string]int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Position, t.status.AsOf = position, asOf
	if t.status.Phase != Following {
		t.status.Phase, t.status.Reason, t.status.Started = Following, "", time.Now()
	}
	if len(changes) > 0 {
		t.status.Batches++
	}
	for table, n := range changes {
		if s := t.tables[table]; s != nil {
			s.Changes += n
		}
	}
}
