package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
)

// strangerName is the process name under which the test binary asks a node for its status.
const strangerName = "weir-stranger"

func TestMain(m *testing.M) {
	engine.Main()
	if os.Args[0] == strangerName {
		os.Exit(stranger(os.Args[1]))
	}
	os.Exit(m.Run())
}

// stranger exits with the kind of what it was answered, and with 100 when it was answered.
func stranger(socket string) int {
	r, err := dial(context.Background(), socket)
	if err == nil {
		_, err = r.Status(context.Background())
	}
	if err == nil {
		return 100
	}
	return int(fault.KindOf(err))
}

// opened is a node on a fresh state in a folder, serving its socket; nothing is copied.
func opened(t *testing.T, dir string) *Node {
	t.Helper()
	write(t, dir, "policy/a.yaml", "table: s.a\naccess: sql\nexploration: to see\ncolumns:\n  id: {class: telemetry, treat: keep}\n")
	c, err := LoadConfig(write(t, dir, "weir.yaml", "engine: {memory_mb: 256, threads: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	served, err := n.serveControl(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(served.close)
	return n
}

func TestSocketCanHaveALongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20), strings.Repeat("way", 20))
	n := opened(t, dir)
	socket := n.state.path("run", socketName)
	if len(socket) < 200 {
		t.Fatalf("the path has only %d bytes", len(socket))
	}
	if got := stranger(socket); got != 100 {
		t.Errorf("asked over a long path: %d", got)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	c, err := Connect(t.Context(), n.config, n.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, is := c.(*remote); !is {
		t.Errorf("connected to a %T", c)
	}
}

func TestOnlyItsUserAndRootSpeakToANode(t *testing.T) {
	me := os.Getuid()
	for uid, allowed := range map[any]bool{me: true, 0: true, me + 1: false, -1: false, nil: false} {
		r, err := http.NewRequestWithContext(context.WithValue(t.Context(), uidKey{}, uid), http.MethodGet, "http://weir/v1/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := (&control{}).caller(r)
		if allowed != (err == nil) || !allowed && fault.KindOf(err) != fault.Refused || allowed && p.Name == "" {
			t.Errorf("user %v: %+v, %v", uid, p, err)
		}
	}
	if me != 0 {
		return // to become somebody else takes root
	}
	dir, err := os.MkdirTemp("/tmp", "weir-node-") //nolint:usetesting // the other user must be able to walk there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	n := opened(t, dir)
	socket := n.state.path("run", socketName)
	ask := func() int {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
		cmd.Args = []string{strangerName, socket}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode()
	}
	if got := ask(); got == 100 {
		t.Error("a stranger was answered")
	}
	for _, open := range []string{dir, n.state.Dir, n.state.path("run")} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(socket, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := ask(); got != int(fault.Refused) {
		t.Errorf("a stranger at an open socket got %d", got)
	}
}

func TestNobodyIsKnownByAnotherConnection(t *testing.T) {
	client, server := net.Pipe()
	defer func() { _, _ = client.Close(), server.Close() }()
	if uid, err := peerUID(server); err == nil || uid != -1 {
		t.Errorf("user %d, %v", uid, err)
	}
}

func TestSocketOfAKilledNodeIsNoNode(t *testing.T) {
	dir := t.TempDir()
	var lc net.ListenConfig
	path := filepath.Join(dir, socketName)
	l, err := lc.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	unix, _ := l.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t.Context(), path); !errors.Is(err, errNoNode) {
		t.Error(err)
	}
}
