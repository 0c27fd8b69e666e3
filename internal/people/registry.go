package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Options are what a registry works with.
type Options struct {
	// Dir is the folder of the file of accounts; it is made where there is none, and refused when others may enter it.
	Dir string
	// Record writes an event down. It is called before the change is durable, and before a sign-in is told its verdict: when it fails nothing changes and nobody comes in. Needed. It
	// may be called by several goroutines and must not change the registry.
	Record func(ctx context.Context, e Event) error
	// Changed, which may be nil, is called after an account's role, networks, credentials or being there has changed, so that whoever holds connections asks Standing again at once. The event is of
	// e.Account. It must not change the registry.
	Changed func(e Event)
	// Authority issues and judges client certificates. Without one there are none.
	Authority *Authority
	Clock     func() time.Time // nil: time.Now
	Log       *slog.Logger     // nil: nothing is logged
}

// Registry is the accounts, their sessions and links. It is safe for concurrent use; one process at a time has it open. Reading never waits for a change that is being written.
type Registry struct {
	o    Options
	path string
	lock *os.File

	now   atomic.Pointer[state] // what stands in the file
	seen  lastSeen
	slow  slowDown
	tally *tally
	hash  *hasher
	at    func(step) error // for tests: see replaceDurably

	writing sync.Mutex // held through a change, from looking to durable; guards closed
	closed  bool
}

const accountsFile = "people.json"

// Open opens the accounts in o.Dir, making an empty list where there is none: then nobody can sign in, and AdministratorLink makes the one way in. Errors are faults; a list that is damaged,
// newer, open to others or in another process's hands is refused.
func Open(o Options) (*Registry, error) {
	if o.Record == nil {
		return nil, fault.New(fault.Internal, "the accounts were opened without a record", "")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := privateDir(o.Dir); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(o.Dir, "people.lock"))
	if err != nil {
		return nil, err
	}
	r := &Registry{o: o, path: filepath.Join(o.Dir, accountsFile), lock: lock, hash: newHasher(), slow: newSlowDown()}
	r.seen.at = map[digest]time.Time{}
	r.tally = newTally(r.record, o.Log)
	if err := r.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return r, nil
}

func (r *Registry) load() error {
	if err := private(r.path); err != nil {
		return err
	}
	data, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		s := &state{mockKey: make([]byte, mockKeySize), accounts: map[Name]account{}, sessions: map[digest]session{}, links: map[digest]link{}}
		_, _ = rand.Read(s.mockKey)
		return r.write(s)
	}
	if err != nil {
		return fault.Newf(fault.Unavailable, "%s cannot be read", r.path).WithHint("look at its permissions and at the disk").WithCause(err)
	}
	s, err := decode(data)
	if errors.Is(err, errDamaged) {
		return fault.Newf(fault.Invalid, "%s is damaged", r.path).WithHint("put it back from a backup; or move it away, and the next start makes a link for a new first administrator").WithCause(err)
	}
	if err != nil {
		return err
	}
	r.now.Store(s)
	return nil
}

// Close records what was counted and gives the folder free. Whoever reads goes on reading what stood there; changes are refused.
func (r *Registry) Close() error {
	r.tally.close()
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	if err := r.lock.Close(); err != nil {
		return fmt.Errorf("close lock: %w", err)
	}
	return nil
}

// time is now, as the file can hold it.
func (r *Registry) time() time.Time { return r.o.Clock().Round(0).UTC() }

// change is the one way to change what is durable. apply works on a clone and says what happened; then it is recorded, then it is written, then it is so. Whatever fails, the state in
// memory is the one in the file.
func (r *Registry) change(ctx context.Context, apply func(s *state, now time.Time) (Event, error)) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.closed {
		return fault.New(fault.Unavailable, "the accounts are closed", "weir is stopping; try again when it runs")
	}
	if ctx.Err() != nil {
		return fault.New(fault.Unavailable, "whoever asked for this is gone, so it was not done", "ask again").WithCause(ctx.Err())
	}
	ctx = context.WithoutCancel(ctx) // from here on it happens whole: an entry without its change would be a lie
	now := r.time()
	s := r.now.Load().clone()
	events := r.prune(s, now)
	living := s.clone()
	e, err := apply(s, now)
	if err != nil {
		return err
	}
	e.At, e.Ended = now, endedBetween(living, s, e.Session)
	for _, e := range append(events, e) {
		if err := r.record(ctx, e); err != nil {
			return err
		}
	}
	if err := r.write(s); err != nil {
		return err
	}
	if r.o.Changed != nil && e.Account != "" {
		r.o.Changed(e)
	}
	return nil
}

func (r *Registry) record(ctx context.Context, e Event) error {
	if err := r.o.Record(ctx, e); err != nil {
		return fault.New(fault.Unavailable, "this could not be recorded, so it was not done", "look at weir status: what cannot be written to the ledger does not happen").WithCause(err)
	}
	return nil
}

// write makes s durable, then what stands.
func (r *Registry) write(s *state) error {
	r.seen.merge(s)
	data, err := encode(s)
	if err != nil {
		return fmt.Errorf("encode accounts: %w", err)
	}
	// What the next start would refuse must never stand there: with a clock that begins in 1970, say.
	if _, err := decode(data); err != nil {
		return fault.New(fault.Internal, "the accounts were not written, because they could not be read again", "look at the machine's clock").WithCause(err)
	}
	err = replaceDurably(r.path, data, fileMode, r.at)
	if err == nil || errors.Is(err, errUncertain) {
		r.now.Store(s) // what stands in the file
	}
	if err != nil {
		return fault.New(fault.Unavailable, "the accounts could not be written", "look at the disk's free space and at the folder's permissions").WithCause(err)
	}
	return nil
}

// endedBetween are the sessions that a change ended, but for the one that its event names.
func endedBetween(was, s *state, named string) []string {
	var ids []string
	for d, v := range was.sessions {
		if _, still := s.sessions[d]; !still && v.ID != named {
			ids = append(ids, v.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// prune forgets sessions and links that have expired, and gives what is to be recorded of that: one event for the sessions of an account.
func (r *Registry) prune(s *state, now time.Time) []Event {
	expired := map[Name][]string{}
	for d, v := range s.sessions {
		if r.seen.over(d, v, now) {
			expired[v.Account] = append(expired[v.Account], v.ID)
			delete(s.sessions, d)
		}
	}
	var events []Event
	for name, ids := range expired {
		slices.Sort(ids)
		events = append(events, Event{Kind: SessionsExpired, Account: name, Ended: ids})
	}
	for d, l := range s.links {
		if l.over(now) {
			events = append(events, Event{Kind: LinkExpired, Account: l.Account})
			delete(s.links, d)
		}
	}
	slices.SortFunc(events, func(a, b Event) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind)) })
	for i := range events {
		e := &events[i]
		e.By, e.Address, e.At = principalSelf, Caller{}.place(), now
	}
	return events
}

// principalSelf is who does what nobody asked for.
const principalSelf = "weir"

// Expire forgets what has expired, and records it. Until then it is worth nothing already.
func (r *Registry) Expire(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.closed {
		return nil
	}
	now := r.time()
	s := r.now.Load().clone()
	events := r.prune(s, now)
	if len(events) == 0 {
		return nil
	}
	for _, e := range events {
		if err := r.record(context.WithoutCancel(ctx), e); err != nil {
			return err
		}
	}
	return r.write(s)
}

// Format shows that there is a registry: nothing in it is to be printed.
func (r *Registry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[people]") }

// LogValue shows that there is a registry.
func (r *Registry) LogValue() slog.Value { return slog.StringValue("[people]") }

// MarshalText shows that there is a registry.
func (r *Registry) MarshalText() ([]byte, error) { return []byte("[people]"), nil }
