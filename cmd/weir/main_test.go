package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
	weirPath = filepath.Join(dir, "weir")
	if err := os.Symlink(self, weirPath); err != nil {
		panic(err)
	}
	return postmastertest.Main(m)
}

// result is what a call of weir gave.
type result struct {
	code           int
	stdout, stderr string
}

// weir runs one command to its end.
func weir(t testing.TB, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, weirPath, args...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("weir %s: %v", strings.Join(args, " "), err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

// must runs one command and fails the test unless it ends with status 0.
func must(t testing.TB, args ...string) string {
	t.Helper()
	r := weir(t, args...)
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
	p := &process{cmd: exec.Command(weirPath, args...), done: make(chan struct{})} //nolint:noctx // ended below
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
	case <-time.After(30 * time.Second):
		t.Fatalf("weir did not end on %v:\n%s", sig, p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// alive tells whether a process of that id exists.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("never came true: %s", what)
}

// fleetDatabase makes a database with a fleet of so many accounts; 0 makes its empty schema.
func fleetDatabase(t testing.TB, accounts, days int) (url string, truth fleet.Truth) {
	t.Helper()
	url = postmastertest.Database(t)
	truth, err := fleet.Create(t.Context(), fleet.Options{URL: url, Accounts: accounts, Days: days, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return url, truth
}

// copyFlags are the flags with which weir copies the fleet at url into state.
func copyFlags(url, state string) []string {
	return []string{"--config", filepath.Join("..", "..", "examples", "fleet", "weir.yaml"), "--source", url, "--state", state}
}
