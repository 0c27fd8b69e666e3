package duckdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
)

const readers = 24 // sessions of queries and pins for each file: those of six people who each ask as much at a time as a role may, so that one who lets answers lie holds up nobody

// file is the file of one access and its engine, which is started when it is needed and not there.
type file struct {
	access  store.Access
	dir     string // of its own: the engine may write nowhere else
	path    string
	config  engine.Config
	log     *slog.Logger
	timeout time.Duration // how long users are waited for before the file is taken from them
	version version       // of its tables and columns

	mu      sync.Mutex
	eng     *engine.Engine
	users   int
	busy    chan struct{} // not nil while the file is taken exclusively; closed when it is free again
	drained chan struct{} // closed when the last user goes
	closed  bool
}

// openFile makes the folders and clears away what a crash left behind. The engine starts with the first use.
func openFile(dir string, a store.Access, c engine.Config, timeout time.Duration) (*file, error) {
	f := &file{access: a, dir: filepath.Join(dir, string(a)), config: c, log: c.Log, timeout: timeout}
	f.path = filepath.Join(f.dir, string(a)+".db")
	f.config.Path = f.path
	f.config.Spill = filepath.Join(f.dir, "spill")
	f.config.Readers = readers
	for _, d := range []string{f.dir, f.config.Spill} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, diskFault(err)
		}
		if err := os.Chmod(d, 0o700); err != nil { //nolint:gosec // a folder needs the x
			return nil, diskFault(err)
		}
	}
	return f, errors.Join(f.clear(), f.wipeSpill())
}

func diskFault(err error) error {
	return fault.New(fault.Unavailable, "the store's folder cannot be used", "look at its owner, its mode and the room on its disk").WithCause(err)
}

// clear removes a half-written copy: the original still stands beside it.
func (f *file) clear() error {
	for _, name := range []string{f.fresh(), f.fresh() + ".wal"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return diskFault(err)
		}
	}
	return nil
}

// wipeSpill removes what queries left in the spill folder; it holds treated rows.
func (f *file) wipeSpill() error {
	entries, err := os.ReadDir(f.config.Spill)
	if err != nil {
		return diskFault(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(f.config.Spill, e.Name())); err != nil {
			return diskFault(err)
		}
	}
	return nil
}

func (f *file) fresh() string { return f.path + ".new" }

// acquire returns the file's engine, started when it is not there, and keeps it from being taken away until release is called.
func (f *file) acquire(ctx context.Context) (*engine.Engine, func(), error) {
	f.mu.Lock()
	for f.busy != nil {
		busy := f.busy
		f.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, nil, fault.New(fault.Unavailable, "the store is writing its file anew", "ask again in a while").WithCause(ctx.Err())
		}
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	e, err := f.running(ctx)
	if err != nil {
		return nil, nil, err
	}
	f.users++
	return e, sync.OnceFunc(f.release), nil
}

func (f *file) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users--
	if f.users == 0 && f.drained != nil {
		close(f.drained)
		f.drained = nil
	}
}

// running returns the engine; the caller holds mu.
func (f *file) running(ctx context.Context) (*engine.Engine, error) {
	if f.closed {
		return nil, fault.New(fault.Unavailable, "the store is closed", "start weir again")
	}
	if f.eng != nil {
		select {
		case <-f.eng.Done():
			f.log.WarnContext(ctx, "the engine of a store file ended and is started again", "access", string(f.access))
		default:
			return f.eng, nil
		}
	}
	e, err := engine.Start(ctx, f.config)
	if err != nil {
		return nil, fmt.Errorf("start engine of %s: %w", f.access, err)
	}
	f.eng = e
	return e, nil
}

// exclusive takes the file from everybody, runs work with its engine closed, and gives it back. Users are waited for as long as a query may
// take, and no longer than a minute; who stays longer loses the engine.
func (f *file) exclusive(ctx context.Context, work func(context.Context) error) error {
	f.mu.Lock()
	if f.busy != nil || f.closed {
		f.mu.Unlock()
		return fault.New(fault.Unavailable, "the store's file is taken", "ask again in a while")
	}
	f.busy = make(chan struct{})
	var drained chan struct{}
	if f.users > 0 {
		f.drained = make(chan struct{})
		drained = f.drained
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		close(f.busy)
		f.busy = nil
	}()
	if drained != nil {
		patience := time.NewTimer(f.timeout)
		defer patience.Stop()
		select {
		case <-drained:
		case <-patience.C:
			f.end()
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "the store's file is in use", "ask again in a while").WithCause(ctx.Err())
		}
	}
	if err := f.settle(ctx); err != nil {
		return err
	}
	return work(ctx)
}

// end kills the engine under those who still use it.
func (f *file) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.eng != nil {
		f.eng.Kill()
	}
}

// settle closes the engine so that everything is in the file and the log is gone.
func (f *file) settle(ctx context.Context) error {
	f.mu.Lock()
	e, err := f.running(ctx) // after a crash, the log must be replayed first
	f.eng = nil
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if err := e.Close(); err != nil {
		return fmt.Errorf("close engine of %s: %w", f.access, err)
	}
	if _, err := os.Stat(f.path + ".wal"); !errors.Is(err, os.ErrNotExist) {
		return diskFault(err)
	}
	return f.wipeSpill()
}

// renew writes the file anew: what was deleted is not in the new one, and the old one is gone.
func (f *file) renew(ctx context.Context) error {
	return f.exclusive(ctx, func(ctx context.Context) error {
		if err := f.clear(); err != nil {
			return err
		}
		if err := engine.Copy(ctx, f.config, f.path, f.fresh()); err != nil {
			return errors.Join(fmt.Errorf("write %s anew: %w", f.access, err), f.clear())
		}
		// Until the rename the old file stands; after it the new one does. Both are whole and have no log.
		if err := syncPath(f.fresh()); err != nil {
			return err
		}
		if err := os.Rename(f.fresh(), f.path); err != nil {
			return diskFault(err)
		}
		return errors.Join(syncPath(f.dir), f.wipeSpill())
	})
}

func syncPath(path string) error {
	h, err := os.Open(path)
	if err != nil {
		return diskFault(err)
	}
	err = h.Sync()
	if cerr := h.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return diskFault(err)
	}
	return nil
}

// close ends the engine; those who still use it get errors.
func (f *file) close() error {
	f.mu.Lock()
	f.closed = true
	e := f.eng
	f.eng = nil
	f.mu.Unlock()
	var err error
	if e != nil {
		select {
		case <-e.Done():
		default:
			err = e.Close()
		}
	}
	return errors.Join(err, f.wipeSpill())
}

// pid is the process id of the running engine, 0 when there is none.
func (f *file) pid() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.eng == nil {
		return 0
	}
	select {
	case <-f.eng.Done():
		return 0
	default:
		return f.eng.PID()
	}
}
