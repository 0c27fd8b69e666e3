package postmaster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

const (
	superuser = "weir"

	startTimeout  = 60 * time.Second
	startAttempts = 5
	lookEvery     = 20 * time.Millisecond
	fastGrace     = 15 * time.Second // a stuck replication client may hold up a fast shutdown
	quitGrace     = 10 * time.Second
	vacateGrace   = 20 * time.Second

	// A longer socket path than this doesn't fit into sockaddr_un; the server then listens on TCP alone.
	maxSocketDir = 90
)

// defaultSettings are what the sources of weir need: logical decoding, room for many slots, and a bound on what a forgotten slot may keep.
var defaultSettings = map[string]string{
	"wal_level":               "logical",
	"max_slot_wal_keep_size":  "10GB",
	"max_wal_senders":         "50",
	"max_replication_slots":   "50",
	"max_connections":         "100",
	"listen_addresses":        "127.0.0.1",
	"unix_socket_permissions": "0700",
}

// Options says where the server lives and what differs from the default settings.
type Options struct {
	// Dir holds everything of the server: data, password, socket and log. It is made if it isn't there, and used again if it is.
	Dir string
	// Settings are added to (and win over) the defaults, as in postgresql.conf. fsync=off loses the data when the machine stops; it is
	// never set here by itself.
	Settings map[string]string
}

// Server is a running private PostgreSQL. Stop ends it; it also ends when this process does.
type Server struct {
	port     int
	password string
	pid      int
	process  *os.Process
	done     chan struct{} // closed when the process has been joined

	stopOnce sync.Once
	stopErr  error
}

// Start runs a private PostgreSQL in o.Dir and returns when it takes connections on a free port of 127.0.0.1. A folder left behind by a
// killed run starts again. As root it runs the server as the user postgres (else nobody). Errors for people are *fault.Error.
func Start(ctx context.Context, o Options) (*Server, error) {
	inst, err := find(ctx, installations())
	if err != nil {
		return nil, err
	}
	home, err := prepare(ctx, inst, o)
	if err != nil {
		return nil, err
	}
	if err := vacate(ctx, home.data()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	// The free port may be taken between our look and the server's bind, and the shared memory of a killed server may live a moment longer.
	for attempt := 1; ; attempt++ {
		s, err := launch(ctx, inst, home, o.Settings)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil || attempt == startAttempts {
			return nil, err
		}
		if err := pause(ctx, time.Duration(attempt)*200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// URL is the connection URL of a database of this server, with the superuser's password.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// PID is the process id of the server's first process.
func (s *Server) PID() int { return s.pid }

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts the server down (fast: connections are ended, the data is safe) and joins it. Only the first call does anything; all
// calls return its result.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() { s.stopErr = s.stop() })
	return s.stopErr
}

func (s *Server) stop() error {
	for _, step := range []struct {
		signal os.Signal
		grace  time.Duration
	}{{os.Interrupt, fastGrace}, {syscall.SIGQUIT, quitGrace}, {os.Kill, quitGrace}} {
		if err := s.process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("signal postgres: %w", err)
		}
		timer := time.NewTimer(step.grace)
		select {
		case <-s.done:
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
	return fault.New(fault.Internal, "the private PostgreSQL does not end", fmt.Sprintf("end the process %d by hand", s.pid))
}

// launch starts the server process once and waits until it is ready.
func launch(ctx context.Context, inst installation, h home, settings map[string]string) (*Server, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(h.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	defer func() { _ = logFile.Close() }() // the child has its own descriptor
	s := &Server{port: port, password: h.password, done: make(chan struct{})}
	cmd := exec.Command(filepath.Join(inst.bin, "postgres"), arguments(h, port, settings)...) //nolint:noctx // it outlives the context of Start; Stop ends it
	cmd.Dir = h.data()
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = attributes(h.owner)
	started := make(chan error)
	go func() {
		// The kernel's parent-death signal fires when the forking thread ends, so this thread stays for as long as the server does.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended stands in the log; that it ended is all that is asked here
		close(s.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	s.process, s.pid = cmd.Process, cmd.Process.Pid
	if err := s.waitReady(ctx, h); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// waitReady looks at the status line of postmaster.pid, as pg_ctl does, until the server takes connections.
func (s *Server) waitReady(ctx context.Context, h home) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "the private PostgreSQL did not become ready in time", "look at "+h.log()).WithCause(ctx.Err())
		case <-s.done:
			return fault.New(fault.Unavailable, "the private PostgreSQL ended while it started", "look at "+h.log())
		case <-tick.C:
			lock := readLock(h.data())
			if lock.pid == s.pid && lock.ready {
				return nil
			}
		}
	}
}

// arguments are the server's command line: everything is set here, so that the folder's configuration files stay as initdb made them.
func arguments(h home, port int, settings map[string]string) []string {
	all := maps.Clone(defaultSettings)
	all["port"] = strconv.Itoa(port)
	all["unix_socket_directories"] = h.socket()
	maps.Copy(all, settings)
	args := []string{"-D", h.data()}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		args = append(args, "-c", name+"="+all[name])
	}
	return args
}

// environment keeps the caller's PG* variables and locale away from the server.
func environment() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "PATH=") || strings.HasPrefix(kv, "LD_LIBRARY_PATH=") {
			env = append(env, kv)
		}
	}
	return env
}

// freePort finds a port of 127.0.0.1 that is free now.
func freePort(ctx context.Context) (int, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("find free port: not a TCP address")
	}
	return addr.Port, nil
}

// newPassword is a random password of 26 letters and digits.
func newPassword() string { return rand.Text() }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
