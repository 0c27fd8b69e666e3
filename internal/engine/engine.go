package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

const (
	childName = "weir-engine"
	// cancelGrace is how long a cancelled statement may take to end before its engine is killed.
	cancelGrace = 10 * time.Second
)

// Config is what an engine is started with.
type Config struct {
	Path        string // the database file, made when it isn't there; empty for an engine without any file
	Spill       string // folder for what doesn't fit in memory; empty for an engine that may not spill
	SpillBytes  int64  // at most in the spill folder; 0: 64 GiB
	MemoryBytes int64  // 0: 1 GiB
	Threads     int    // 0: 2
	Readers     int    // sessions beside the writer; 0: 4
	Log         *slog.Logger
}

func (c Config) settled() Config {
	if c.MemoryBytes <= 0 {
		c.MemoryBytes = 1 << 30
	}
	if c.SpillBytes <= 0 {
		c.SpillBytes = 64 << 30
	}
	if c.Threads <= 0 {
		c.Threads = 2
	}
	if c.Readers <= 0 {
		c.Readers = 4
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Engine is one running child. It is safe for concurrent use; its sessions are not.
type Engine struct {
	cmd     *exec.Cmd
	control *frameWriter
	files   []net.Conn
	writer  chan *Session // holds the writer while nobody has it
	readers chan *Session // holds the readers that nobody has
	done    chan struct{} // closed when the child has been waited for

	seed     maphash.Seed
	choosing sync.Mutex // held by who looks through the free readers

	mu      sync.Mutex // guards writes to control
	stopped bool       // by us; under mu
}

// Start starts an engine and waits until it serves. It fails when the file cannot be opened, and, on Linux, when the sandbox cannot be set.
func Start(ctx context.Context, c Config) (*Engine, error) {
	c = c.settled()
	s := settings{Path: c.Path, Spill: c.Spill, SpillMax: c.SpillBytes, Memory: c.MemoryBytes, Threads: c.Threads, Sessions: c.Readers + 1}
	return start(ctx, s, c.Log)
}

// Copy writes everything that the database from holds into a new database to, by an engine of its own, and returns when that is durable. Nothing else may
// have from open, and to must not exist. What from deleted is not in to.
func Copy(ctx context.Context, c Config, from, to string) error {
	c = c.settled()
	e, err := start(ctx, settings{Path: to, From: from, Spill: c.Spill, SpillMax: c.SpillBytes, Memory: c.MemoryBytes, Threads: c.Threads}, c.Log)
	if err != nil {
		return err
	}
	return e.Close()
}

func start(ctx context.Context, s settings, log *slog.Logger) (*Engine, error) {
	warnUnsandboxed(log)
	if !awaitUnlocked(ctx, s.Path) || !awaitUnlocked(ctx, s.From) {
		return nil, startFault(failBusy)
	}
	self, err := selfPath()
	if err != nil {
		return nil, fault.New(fault.Internal, "weir cannot find its own program", "run it from a place that still exists").WithCause(err)
	}
	e := &Engine{
		seed: maphash.MakeSeed(), done: make(chan struct{}), writer: make(chan *Session, 1), readers: make(chan *Session, max(s.Sessions, 1)),
	}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	for range s.Sessions + 1 {
		ours, their, err := socketPair()
		if err != nil {
			e.closeFiles()
			return nil, fault.New(fault.Unavailable, "the system gives no socket for an engine", "look at its limit of open files").WithCause(err)
		}
		e.files = append(e.files, ours)
		theirs = append(theirs, their)
	}
	// The child's life is not bound to ctx: it ends when its control socket closes.
	e.cmd = &exec.Cmd{Path: self, Args: []string{childName}, Env: []string{}, Dir: "/", ExtraFiles: theirs, SysProcAttr: childAttributes()}
	if err := e.cmd.Start(); err != nil {
		e.closeFiles()
		return nil, fault.New(fault.Unavailable, "the engine could not be started", "look at the system's limits of memory and processes").WithCause(err)
	}
	go e.wait()
	e.control = newFrameWriter(e.files[0])
	if err := e.handshake(ctx, s); err != nil {
		e.kill()
		<-e.done
		return nil, err
	}
	for i := range s.Sessions {
		session := &Session{engine: e, index: i, conn: e.files[i+1], in: newFrameReader(e.files[i+1]), out: newFrameWriter(e.files[i+1])}
		if i == 0 {
			e.writer <- session
		} else {
			e.readers <- session
		}
	}
	return e, nil
}

func (e *Engine) closeFiles() {
	for _, f := range e.files {
		_ = f.Close()
	}
}

// wait joins the child; then every pending call ends, because its socket is closed.
func (e *Engine) wait() {
	_ = e.cmd.Wait()
	e.closeFiles()
	close(e.done)
}

func (e *Engine) kill() {
	_ = e.cmd.Process.Kill()
}

// handshake sends the settings and waits for the answer, which comes when the file is open and the sandbox stands.
func (e *Engine) handshake(ctx context.Context, s settings) error {
	defer context.AfterFunc(ctx, e.kill)()
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := e.control.send(frameConfig, text); err != nil {
		return gone()
	}
	kind, payload, err := newFrameReader(e.files[0]).next()
	switch {
	case err != nil && ctx.Err() != nil:
		return fault.New(fault.Unavailable, "the engine was not ready in time", "start again").WithCause(ctx.Err())
	case err != nil:
		return gone()
	case kind == frameOK:
		return nil
	case kind == frameFail && len(payload) == 1:
		return startFault(failure(payload[0]))
	default:
		return gone()
	}
}

// failure says why an engine did not start.
type failure byte

const (
	failOpen failure = iota + 1
	failBusy
	failSettings
	failLandlock
	failSeccomp
	failProof
	failCopy
	failMemory
)

var (
	errSandbox = errors.New("the sandbox could not be set")
	errFile    = errors.New("the database file could not be used")
)

func startFault(f failure) error {
	switch f {
	case failLandlock:
		return fault.New(fault.Refused, "the engine's files could not be fenced off, so it did not start",
			"weir needs a Linux kernel with Landlock (5.13 or later, enabled at boot: lsm=landlock,…)").WithCause(errSandbox)
	case failSeccomp:
		return fault.New(fault.Refused, "the engine's system calls could not be restricted, so it did not start",
			"weir needs a Linux kernel with seccomp filters").WithCause(errSandbox)
	case failProof:
		return fault.New(fault.Refused, "the engine's sandbox let through what it must refuse, so it did not start",
			"report it with the kernel's version").WithCause(errSandbox)
	case failBusy:
		return fault.New(fault.Unavailable, "another process uses the database file", "stop the other weir first").WithCause(errFile)
	case failOpen:
		return fault.New(fault.Unavailable, "the database file could not be opened",
			"look whether it is weir's, and at its owner and mode").WithCause(errFile)
	case failMemory:
		return fault.New(fault.Unavailable, "the engine has too little memory to open its file", "raise the engine's memory limit").WithCause(errFile)
	case failCopy:
		return fault.New(fault.Unavailable, "the database file could not be written anew", "look whether the disk has room for a second copy").WithCause(errFile)
	default:
		return fault.New(fault.Internal, "the engine refused its settings", "report it with weir's version")
	}
}

// Writer gives the one writing session to the caller, who releases it. It waits while somebody else has it.
func (e *Engine) Writer(ctx context.Context) (*Session, error) { return e.take(ctx, e.writer) }

// Reader gives a reading session to the caller, who releases it. It waits while all are taken.
func (e *Engine) Reader(ctx context.Context) (*Session, error) { return e.take(ctx, e.readers) }

// ReaderOf is Reader for one statement: of the sessions that are free it prefers one that has the statement prepared.
func (e *Engine) ReaderOf(ctx context.Context, sql string) (*Session, error) {
	h := e.hash(sql)
	e.choosing.Lock()
	var found *Session
	var others []*Session
	for looking := true; looking && found == nil; {
		select {
		case s := <-e.readers:
			if s.knows(h) {
				found = s
			} else {
				others = append(others, s)
			}
		default:
			looking = false
		}
	}
	for _, s := range others {
		e.readers <- s // there is room for all of them
	}
	e.choosing.Unlock()
	if found == nil {
		return e.Reader(ctx)
	}
	select {
	case <-e.done:
		return nil, gone()
	default:
		found.home = e.readers
		return found, nil
	}
}

func (e *Engine) hash(sql string) uint64 { return maphash.String(e.seed, sql) }

func (e *Engine) take(ctx context.Context, from chan *Session) (*Session, error) {
	select {
	case <-e.done:
		return nil, gone()
	default:
	}
	select {
	case s := <-from:
		s.home = from
		return s, nil
	case <-e.done:
		return nil, gone()
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "all of the engine's sessions are busy", "ask again, or allow it more sessions").WithCause(ctx.Err())
	}
}

// Done is closed when the engine has ended, for whatever reason.
func (e *Engine) Done() <-chan struct{} { return e.done }

// PID is the process id of the child.
func (e *Engine) PID() int { return e.cmd.Process.Pid }

// Close lets the engine close its database and joins it. What was committed is in the file then, and the write-ahead log is gone.
func (e *Engine) Close() error { return e.stop(time.Minute) }

// Kill ends the engine at once and joins it. Nothing committed is lost.
func (e *Engine) Kill() {
	e.kill()
	<-e.done
}

func (e *Engine) stop(patience time.Duration) error {
	e.mu.Lock()
	first := !e.stopped
	e.stopped = true
	if first {
		_ = e.control.send(frameStop, nil)
	}
	e.mu.Unlock()
	timer := time.AfterFunc(patience, e.kill)
	defer timer.Stop()
	<-e.done
	if first && e.cmd.ProcessState != nil && !e.cmd.ProcessState.Success() {
		return fault.New(fault.Unavailable, "the engine did not end in order", "nothing committed is lost; look whether the disk is full").WithCause(errGone)
	}
	return nil
}

// interrupt asks the child to break off a statement.
func (e *Engine) interrupt(session int, seq uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return
	}
	var w wire
	_ = e.control.send(frameBreak, w.u64(uint64(session)).u64(seq).b) //nolint:gosec // a small index
}
