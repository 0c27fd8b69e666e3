package engine

import (
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// governEvery is how often it is looked at how much memory the statements have that run for as long at least.
	governEvery = 10 * time.Millisecond
	// giveWay is for how long nobody else is broken off after somebody was: their memory comes back in a moment.
	giveWay = 100 * time.Millisecond
	// countedParts of 100 of the database's limit is what statements may hold of it together. The rest is the writer's: a writer that gets no memory can bring the database down with it. Sorts, joins
	// and aggregates spill before; the database gives them 80.
	countedParts = 85
	// mappedParts of 100 of the process's bound is what may be mapped before statements are broken off.
	mappedParts = 70
	// valueParts of 100 of the database's limit is what may be held of it in values that are not spilled: in states of aggregates above all.
	valueParts = 60
	// lastParts of 100 of either is where all statements are broken off at once.
	lastParts = 95
)

// usedSQL is how much memory is held that cannot be given back by forgetting what the file has anyway: of values, which are not spilled, and of everything.
const usedSQL = `SELECT coalesce(sum(memory_usage_bytes) FILTER (tag = 'ALLOCATOR'), 0)::BIGINT::VARCHAR, coalesce(sum(memory_usage_bytes), 0)::BIGINT::VARCHAR
	FROM system.main.duckdb_memory() WHERE tag NOT IN ('BASE_TABLE', 'METADATA')`

// governor breaks off readers' statements before the writer finds no memory: the one that has run longest first.
type governor struct {
	c      *child
	look   *connection
	memory int64 // the database's limit
	bound  int64 // the process's
	begun  chan struct{}
	quit   chan struct{} // closed when it shall end
	ended  chan struct{} // closed when it has
	short  atomic.Bool   // a statement failed for want of memory, and it was not looked yet whether it came back
}

func (c *child) govern(s settings, bound uint64) bool {
	look, ok := c.db.connect()
	if !ok {
		return false
	}
	c.governor = &governor{
		c: c, look: look, begun: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
		memory: s.Memory, bound: int64(bound), //nolint:gosec // a size of memory
	}
	return true
}

// notice tells that a statement begins.
func (g *governor) notice() {
	select {
	case g.begun <- struct{}{}:
	default:
	}
}

func (g *governor) work() {
	defer close(g.ended)
	defer g.look.close()
	tick := time.NewTicker(governEvery)
	defer tick.Stop()
	for {
		select {
		case <-g.begun:
		case <-g.quit:
			return
		}
		for wait := time.Duration(0); ; wait -= governEvery {
			select {
			case <-tick.C:
			case <-g.quit:
				return
			}
			running, any := g.running()
			if !any {
				g.rest()
				break
			}
			if len(running) > 0 {
				wait = g.relieve(running, wait)
			}
		}
	}
}

// stop ends it.
func (g *governor) stop() {
	close(g.quit)
	<-g.ended
}

// relieve breaks off what must be broken off, and returns for how long one is enough.
func (g *governor) relieve(running []*worker, wait time.Duration) time.Duration {
	switch g.want() {
	case nothing:
		return wait
	case much:
		if wait > 0 {
			return wait
		}
		running = running[:1]
	case everything:
	}
	for _, w := range running {
		w.spend()
	}
	return giveWay
}

// missed tells that a statement failed for want of memory.
func (g *governor) missed() {
	g.short.Store(true)
	purge()
	g.notice()
}

// rest looks, when no statement runs, whether the memory came back. What a statement that failed for want of it leaves behind can be too much for the next: then a fresh engine is needed.
func (g *governor) rest() {
	if !g.short.Swap(false) {
		return
	}
	purge()
	if _, used, ok := g.used(); !ok || used > g.memory/2 || mappedBytes() > g.bound/100*mappedParts {
		os.Exit(exitFatal)
	}
}

// running are the readers whose statements have run for a while and were not broken off yet, that which has run longest first; any says whether one runs at all.
func (g *governor) running() (running []*worker, any bool) {
	since := map[*worker]time.Time{}
	for _, w := range g.c.workers[1:] {
		began, spent := w.standing()
		if began.IsZero() {
			continue
		}
		any = true
		if !spent && time.Since(began) >= governEvery {
			since[w] = began
			running = append(running, w)
		}
	}
	slices.SortFunc(running, func(a, b *worker) int { return since[a].Compare(since[b]) })
	return running, any
}

// need is what must be broken off.
type need int

const (
	nothing need = iota
	much
	everything
)

func (g *governor) want() need {
	mapped := mappedBytes()
	if mapped > g.bound/100*mappedParts {
		purge()
		mapped = mappedBytes()
	}
	values, all, ok := g.used()
	switch {
	case !ok, all > g.memory/100*lastParts, mapped > g.bound/100*lastParts:
		return everything
	case all > g.memory/100*countedParts, values > g.memory/100*valueParts, mapped > g.bound/100*mappedParts:
		return much
	default:
		return nothing
	}
}

// used is how much memory the database counts for values that cannot be spilled, and for all; not ok: there was none to ask.
func (g *governor) used() (values, all int64, ok bool) {
	none := unwire{b: make([]byte, 8)} // no arguments
	q, class := g.look.query(usedSQL, modeSelect, true, &none)
	if class != 0 {
		return 0, 0, class != ClassMemory
	}
	var m wire
	class = q.row(&m)
	q.close(class == 0)
	if class != 0 {
		return 0, 0, class != ClassMemory
	}
	u := unwire{b: m.b}
	values, err := strconv.ParseInt(u.text(), 10, 64)
	all, allErr := strconv.ParseInt(u.text(), 10, 64)
	return values, all, err == nil && allErr == nil
}

// standing says since when the worker's statement runs, and whether it was broken off for its memory.
func (w *worker) standing() (began time.Time, spent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == 0 {
		return time.Time{}, false
	}
	return w.since, w.spent == w.running
}

// spend breaks off what runs, for its memory.
func (w *worker) spend() {
	w.mu.Lock()
	seq := w.running
	w.spent = seq
	w.mu.Unlock()
	if seq != 0 {
		go w.interrupt(seq)
	}
}
