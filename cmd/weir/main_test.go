package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// weirPath is a link to the test binary under the name weir: called by it, the binary is weir.
var weirPath string

func TestMain(m *testing.M) {
	engine.Main()
	if filepath.Base(os.Args[0]) == "weir" {
		main()
	}
	os.Exit(mainWithLink(m))
}

func mainWithLink(m *testing.M) int {
	dir, err := os.MkdirTemp("", "weir-command-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	// The tests wait more than they work, so more of them run at a time than there are processors. A -parallel of the command line wins: it is read after this.
	if err := flag.Set("test.parallel", strconv.Itoa(max(atATime, runtime.GOMAXPROCS(0)))); err != nil {
		panic(err)
	}
	weirPath = filepath.Join(dir, "weir")
	if err := os.Symlink(self, weirPath); err != nil {
		panic(err)
	}
	return postmastertest.Main(m)
}

// atATime is how many tests run at a time, at least.
const atATime = 3

// patience is how long a test waits for what must come. It only bounds a failure: nothing is proved by how long something takes, and a busy machine takes many times as long.
const patience = 3 * time.Minute

// result is what a call of weir gave.
type result struct {
	code           int
	stdout, stderr string
}

// weir runs one command to its end.
func weir(t testing.TB, args ...string) result {
	t.Helper()
	return caller{}.weir(t, args...)
}

// caller is where and with what environment weir is called; the zero value is here, with the test's own.
type caller struct {
	dir string
	env []string // added to the test's
}

func (c caller) weir(t testing.TB, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, weirPath, args...)
	cmd.Dir, cmd.Env = c.dir, c.environment()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func (c caller) environment() []string { return append(os.Environ(), c.env...) }

// must runs one command and fails the test unless it ends with status 0.
func must(t testing.TB, args ...string) string {
	t.Helper()
	return caller{}.must(t, args...)
}

func (c caller) must(t testing.TB, args ...string) string {
	t.Helper()
	r := c.weir(t, args...)
	if r.code != 0 {
		t.Fatalf("weir %s: exit %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// process is a weir that runs beside the test.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex // guards out
	out  bytes.Buffer
}

// Write gathers what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start runs a command beside the test; it is killed at the test's end when it still runs.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return caller{}.start(t, args...)
}

func (c caller) start(t testing.TB, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(weirPath, args...), done: make(chan struct{})} //nolint:noctx // ended below
	p.cmd.Dir, p.cmd.Env = c.dir, c.environment()
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks the process to end and returns its exit status.
func (p *process) stop(t testing.TB, sig os.Signal) int {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("weir did not end on %v:\n%s", sig, p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive tells whether a process of that id exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// eventually waits until ok holds. What is dear to ask for is asked for less often: most of the time the processors are left to what is waited for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		began := time.Now()
		if ok() {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(max(20*time.Millisecond, 3*time.Since(began))):
		}
	}
	t.Fatalf("never came true: %s", what)
}

// fleetUntil is the end of the fleets' lives: a fixed one, so that tests see the same rows on any day.
var fleetUntil = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// fleets are what has been made of the fleets that tests ask for, by their databases' names: each is made once and then copied.
var fleets = struct {
	mu    sync.Mutex // guards truth
	truth map[string]fleet.Truth
}{truth: map[string]fleet.Truth{}}

// fleetDatabase makes a database with a fleet of so many accounts; 0 makes its empty schema.
func fleetDatabase(t testing.TB, accounts, days int) (url string, truth fleet.Truth) {
	t.Helper()
	fleets.mu.Lock()
	defer fleets.mu.Unlock()
	name := fmt.Sprintf("fleet_%d_%d", accounts, days)
	truth, made := fleets.truth[name]
	if !made {
		var err error
		truth, err = fleet.Create(t.Context(), fleet.Options{URL: postmastertest.Template(t, name), Accounts: accounts, Days: days, Seed: 7, Until: fleetUntil})
		if err != nil {
			t.Fatal(err)
		}
		fleets.truth[name] = truth
	}
	return postmastertest.Copy(t, name), truth
}

// copyFlags are the flags with which weir copies the fleet at url into state.
func copyFlags(url, state string) []string {
	return []string{"--config", filepath.Join("..", "..", "examples", "fleet", "weir.yaml"), "--source", url, "--state", state}
}
