package postmaster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// home is the server's folder and whom it belongs to.
type home struct {
	dir      string
	password string
	owner    account
}

func (h home) data() string { return filepath.Join(h.dir, "data") }
func (h home) log() string  { return filepath.Join(h.dir, "server.log") }

func (h home) socket() string {
	if len(h.dir) > maxSocketDir {
		return ""
	}
	return h.dir
}

// prepare makes the folder ready: owned by the right user, reachable for it, with a password and an initialised data directory.
func prepare(ctx context.Context, inst installation, o Options) (home, error) {
	if o.Dir == "" {
		return home{}, fault.New(fault.Usage, "the private PostgreSQL has no folder", "name a folder for it")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return home{}, fmt.Errorf("resolve server folder: %w", err)
	}
	owner, err := serverAccount()
	if err != nil {
		return home{}, err
	}
	h := home{dir: dir, owner: owner}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil { //nolint:gosec // the server's user has to walk through
		return home{}, fmt.Errorf("create parent of server folder: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return home{}, fmt.Errorf("create server folder: %w", err)
	}
	if err := owner.own(dir); err != nil {
		return home{}, err
	}
	if err := owner.reach(dir); err != nil {
		return home{}, err
	}
	if h.password, err = h.ensurePassword(); err != nil {
		return home{}, err
	}
	if _, err := os.Stat(filepath.Join(h.data(), "PG_VERSION")); err == nil {
		return h, h.sameVersion(inst)
	}
	return h, h.initialise(ctx, inst, o.Settings["fsync"] == "off")
}

// Reachable says whether a server can live in dir, which need not be there yet: as root, the server's user must be able to enter all
// its parents. The error is a *fault.Error that names the closed one.
func Reachable(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("resolve server folder: %w", err)
	}
	owner, err := serverAccount()
	if err != nil {
		return err
	}
	return owner.reach(dir)
}

func (h home) passwordFile() string { return filepath.Join(h.dir, "password") }

// ensurePassword reads the superuser's password, or makes one.
func (h home) ensurePassword() (string, error) {
	b, err := os.ReadFile(h.passwordFile())
	if err == nil && len(b) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read server password: %w", err)
	}
	pw := newPassword()
	if err := os.WriteFile(h.passwordFile(), []byte(pw+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write server password: %w", err)
	}
	return pw, h.owner.own(h.passwordFile())
}

// initialise runs initdb beside the final place and renames, so that a run killed in the middle leaves nothing that looks complete.
func (h home) initialise(ctx context.Context, inst installation, noSync bool) error {
	building := h.data() + ".new"
	for _, stale := range []string{building, h.data()} {
		if err := os.RemoveAll(stale); err != nil {
			return fmt.Errorf("remove unfinished data directory: %w", err)
		}
	}
	args := []string{
		"--pgdata=" + building, "--username=" + superuser, "--pwfile=" + h.passwordFile(),
		"--auth-host=scram-sha-256", "--auth-local=scram-sha-256", "--encoding=UTF8", "--locale=C",
	}
	if noSync {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(inst.bin, "initdb"), args...)
	cmd.Dir = h.dir
	cmd.Env = environment()
	cmd.SysProcAttr = attributes(h.owner)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if werr := os.WriteFile(h.log(), out, 0o600); werr != nil {
			err = errors.Join(err, werr)
		}
		return fault.New(fault.Unavailable, "a private PostgreSQL could not be made", "look at "+h.log()).WithCause(err)
	}
	if err := os.Rename(building, h.data()); err != nil {
		return fmt.Errorf("rename data directory: %w", err)
	}
	return nil
}

// sameVersion refuses a folder that another major version made: PostgreSQL cannot read it.
func (h home) sameVersion(inst installation) error {
	b, err := os.ReadFile(filepath.Join(h.data(), "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("read data version: %w", err)
	}
	if v := strings.TrimSpace(string(b)); v != strconv.Itoa(inst.major) {
		return fault.Newf(fault.Invalid, "the folder's data is of PostgreSQL %s, the server found is %d", v, inst.major).WithHint("remove %s to start anew", h.dir)
	}
	return nil
}

// lockFile is what postmaster.pid says.
type lockFile struct {
	pid   int
	ready bool
}

// readLock reads data/postmaster.pid; the zero value stands for none. Line 1 is the process id, line 8 the status.
func readLock(data string) lockFile {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return lockFile{}
	}
	lines := strings.Split(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return lockFile{}
	}
	return lockFile{pid: pid, ready: len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"}
}

// vacate waits for a server that is still ending in the folder, and removes the lock of one that was killed: its process id may
// belong to somebody else by now, which PostgreSQL itself takes for a running server.
func vacate(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, vacateGrace)
	defer cancel()
	for {
		lock := readLock(data)
		if lock.pid == 0 {
			return nil
		}
		runs, known := worksIn(lock.pid, data)
		if !known {
			return nil // PostgreSQL decides by the process id
		}
		if !runs {
			if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove stale lock: %w", err)
			}
			return nil
		}
		if err := pause(ctx, 5*lookEvery); err != nil {
			return fault.New(fault.Unavailable, "another PostgreSQL runs in this folder", fmt.Sprintf("end the process %d, or use another folder", lock.pid)).WithCause(err)
		}
	}
}
