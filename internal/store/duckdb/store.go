package duckdb

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// DefaultTimeout bounds a Query when the limits don't.
const DefaultTimeout = time.Minute

// exclusivePatience is how long users of a file are waited for at most before it is taken from them: nobody else comes in meanwhile.
const exclusivePatience = time.Minute

// Options say where a store is and what it may use.
type Options struct {
	Dir    string       // its folder, made when it isn't there; nobody else may read it
	Limits store.Limits // of all engines together; zero values: 2 GiB, all processors, DefaultTimeout
	Log    *slog.Logger
}

// Store is the store inside weir. It implements store.Store.
type Store struct {
	dir    string
	limits store.Limits
	log    *slog.Logger
	write  chan struct{} // holds the right to write while nobody has it

	// commits is held for reading while a view of all files is opened and for writing while they commit one after the other, so that a view never falls between.
	commits sync.RWMutex

	mu     sync.Mutex // guards what follows
	files  map[store.Access]*file
	layout *layout // as prepared; nil before
	closed bool
}

var _ store.Store = (*Store)(nil)

// accesses in the order in which files are opened and committed.
var accesses = []store.Access{store.SQL, store.Metrics, store.Releases}

// Open opens the store in the folder, or makes an empty one. What a crash left half done is cleared away. A store of a newer weir is refused.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{dir: o.Dir, limits: o.Limits, log: o.Log, files: map[store.Access]*file{}, write: make(chan struct{}, 1)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.limits.MemoryBytes <= 0 {
		s.limits.MemoryBytes = 2 << 30
	}
	if s.limits.Threads <= 0 {
		s.limits.Threads = runtime.NumCPU()
	}
	if s.limits.Timeout <= 0 {
		s.limits.Timeout = DefaultTimeout
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, diskFault(err)
	}
	// Landlock's rules are of real folders; the file must be opened by the same name.
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskFault(err)
	}
	if s.dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, diskFault(err)
	}
	if err := os.Chmod(s.dir, 0o700); err != nil { //nolint:gosec // a folder needs the x
		return nil, diskFault(err)
	}
	s.write <- struct{}{}
	wanted := []store.Access{store.SQL, store.Metrics}
	if _, err := os.Stat(filepath.Join(s.dir, string(store.Releases))); err == nil {
		wanted = append(wanted, store.Releases)
	}
	for _, a := range wanted {
		if err := s.openFile(ctx, a); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// openFile opens the access's file and makes it a store's when it is new.
func (s *Store) openFile(ctx context.Context, a store.Access) error {
	const minimum = 64 << 20
	f, err := openFile(s.dir, a, engine.Config{
		MemoryBytes: max(s.limits.MemoryBytes/2, minimum), Threads: s.limits.Threads, Log: s.log,
	}, min(s.limits.Timeout, exclusivePatience))
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.files[a] = f
	s.mu.Unlock()
	w, err := s.openWriter(ctx, f)
	if err != nil {
		return err
	}
	defer w.close()
	return w.initialise(ctx)
}

func (s *Store) file(a store.Access) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[a]
}

// opened returns the store's files in order.
func (s *Store) opened() []*file {
	s.mu.Lock()
	defer s.mu.Unlock()
	var files []*file
	for _, a := range accesses {
		if f := s.files[a]; f != nil {
			files = append(files, f)
		}
	}
	return files
}

func (s *Store) prepared() (*layout, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layout == nil {
		return nil, fault.New(fault.Internal, "the store has no layout yet", "prepare it before it is written")
	}
	return s.layout, nil
}

// lock takes the right to write.
func (s *Store) lock(ctx context.Context) (func(), error) {
	select {
	case <-s.write:
		return sync.OnceFunc(func() { s.write <- struct{}{} }), nil
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "the store is being written", "ask again in a while").WithCause(ctx.Err())
	}
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	var errs []error
	for _, f := range s.opened() {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

// EnginePIDs returns the process ids of the running engines, for those who watch or test them.
func (s *Store) EnginePIDs() []int {
	var pids []int
	for _, f := range s.opened() {
		if pid := f.pid(); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// State implements store.Store.
func (s *Store) State(ctx context.Context) (store.State, error) {
	p, err := s.Pin(ctx)
	if err != nil {
		return store.State{}, err
	}
	state := p.State()
	return state, p.Close()
}

// merge folds what the files know into one state. A table is what all files that keep it agree on.
func merge(states map[store.Access]fileState) store.State {
	out := store.State{Marks: map[store.Access]treatment.Mark{}, Tables: map[string]store.TableState{}, Facts: map[string]store.FactState{}}
	for _, a := range accesses {
		st, ok := states[a]
		if !ok {
			continue
		}
		out.Marks[a] = st.mark
		if out.Identity == "" {
			out.Identity = st.identity
		}
		for name, t := range st.tables {
			if have, ok := out.Tables[name]; ok {
				t = agree(have, t)
			}
			out.Tables[name] = t
		}
		for name, f := range st.facts {
			out.Facts[name] = store.FactState{Hash: f.hash, Mark: f.mark, Rows: f.rows}
		}
	}
	return out
}

func agree(a, b store.TableState) store.TableState {
	if a.Hash != b.Hash {
		return store.TableState{}
	}
	a.Copied = a.Copied && b.Copied && a.Since == b.Since
	if !a.Copied {
		a.Since = ""
	}
	a.Rows = min(a.Rows, b.Rows)
	return a
}
