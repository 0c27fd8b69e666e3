package node

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/treatment"
)

// stateFormat is the version of the state folder. A newer one is refused.
const stateFormat = 1

// State is a state folder: store/, ledger/, run/ and state.json.
type State struct {
	Dir  string
	Keys string
	ID   string // names slot and publication at the source
	// ConfigPath is the configuration with which the state was last run; --state alone finds it again.
	ConfigPath string

	lock *os.File
}

type stateFile struct {
	Format int    `json:"format"`
	ID     string `json:"id"`
	Config string `json:"config,omitempty"`
	Keys   string `json:"keys"` // fingerprint of the master key
}

func (s *State) path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// PeekConfig returns the configuration that a state folder remembers, empty when there is none.
func PeekConfig(dir string) string {
	f, err := readStateFile(filepath.Join(dir, "state.json"))
	if err != nil {
		return ""
	}
	return f.Config
}

func readStateFile(path string) (stateFile, error) {
	var f stateFile
	data, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(data, &f); err != nil || f.ID == "" {
		return f, fault.Newf(fault.Invalid, "%s is damaged", path).WithHint("put it back from a backup, or move the state folder away: everything but the ledger is copied anew").WithCause(err)
	}
	if f.Format > stateFormat {
		return f, fault.Newf(fault.Refused, "the state folder was written by a newer weir (format %d; this one knows %d)", f.Format, stateFormat).WithHint("use the newer weir")
	}
	return f, nil
}

// OpenState opens or makes a state folder and is its only user until Close. While a node runs on it, it is refused with errInUse; a command that holds it for
// a moment, and a node that is starting, are waited for a little.
func OpenState(ctx context.Context, c *Config) (*State, error) {
	s := &State{Dir: c.State, Keys: c.keysDir(), ConfigPath: c.path}
	for _, d := range []string{s.Dir, s.path("run")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fault.Newf(fault.Unavailable, "the state folder %s cannot be made", s.Dir).WithHint("choose another with --state, or look at its permissions").WithCause(err)
		}
	}
	lock, err := os.OpenFile(s.path("run", "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "the state folder %s cannot be written", s.Dir).WithHint("look at its permissions").WithCause(err)
	}
	if !s.take(ctx, lock) {
		_ = lock.Close()
		return nil, fault.Newf(fault.Unavailable, "another weir is using the state folder %s", s.Dir).WithHint("use that one (weir status --state %s), or end it first", typed(s.Dir)).WithCause(errInUse)
	}
	s.lock = lock
	f, err := readStateFile(s.path("state.json"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f = stateFile{Format: stateFormat, ID: newID()}
	case err != nil:
		s.Close()
		return nil, err
	}
	s.ID = f.ID
	if f.Config == "" {
		f.Config = s.config()
	}
	keys, err := s.OpenKeys()
	if err == nil && f.Keys != "" && f.Keys != keys.Fingerprint() {
		err = fault.Newf(fault.Refused, "the keys in %s are not those that this state was made with", s.Keys).WithHint("put the right key folder back; with other keys, pseudonyms no longer join, so start a new state instead")
	}
	if err == nil {
		f.Keys = keys.Fingerprint()
		err = s.write(f)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// errInUse is the cause of a refusal because another process has the state folder.
var errInUse = errors.New("the state folder is in use")

// lockPatience is how long somebody who has the folder and does not answer on its socket is waited for: a node needs this long to start at most, a command to be done.
const lockPatience = 10 * time.Second

// take locks the folder and tells whether it could.
func (s *State) take(ctx context.Context, lock *os.File) bool {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			return true
		}
		if node, err := dial(ctx, s.path("run", socketName)); err == nil {
			_ = node.Close()
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// config is where the configuration is, from everywhere; empty when there is none.
func (s *State) config() string {
	if s.ConfigPath == "" {
		return ""
	}
	abs, err := filepath.Abs(s.ConfigPath)
	if err != nil {
		return ""
	}
	return abs
}

// Remember makes the configuration the one that --state alone finds. A command that only asks with another one changes nothing.
func (s *State) Remember() error {
	f, err := readStateFile(s.path("state.json"))
	if err != nil || s.config() == "" || s.config() == f.Config {
		return err
	}
	f.Config = s.config()
	return s.write(f)
}

func (s *State) write(f stateFile) error {
	data, err := json.MarshalIndent(f, "", "  ")
	if err == nil {
		err = writeDurable(s.path("state.json"), append(data, '\n'))
	}
	if err != nil {
		return fault.Newf(fault.Unavailable, "the state folder %s cannot be written", s.Dir).WithHint("look at its permissions and at the disk's free space").WithCause(err)
	}
	return nil
}

// Close gives the folder free.
func (s *State) Close() {
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

func newID() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

const masterKeyFile = "master.key"

// OpenKeys reads the master key, making it where there is none. A key that others may read is refused.
func (s *State) OpenKeys() (*treatment.Keys, error) {
	state, _ := filepath.Abs(s.Dir)
	if keys, _ := filepath.Abs(s.Keys); keys == state || strings.HasPrefix(keys, state+string(filepath.Separator)) {
		return nil, fault.New(fault.Refused, "the key folder lies inside the state folder, and whoever takes the one would have the other", "name another place as keys: in the configuration")
	}
	if err := os.MkdirAll(s.Keys, 0o700); err != nil {
		return nil, fault.Newf(fault.Unavailable, "the key folder %s cannot be made", s.Keys).WithHint("look at its permissions").WithCause(err)
	}
	path := filepath.Join(s.Keys, masterKeyFile)
	for _, p := range []string{s.Keys, path} {
		if info, err := os.Stat(p); err == nil && info.Mode().Perm()&0o077 != 0 {
			return nil, fault.Newf(fault.Refused, "%s is open to others", p).WithHint("chmod go-rwx %s", p)
		}
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(s.path("state.json")); err == nil {
			return nil, fault.Newf(fault.Refused, "the master key %s is gone, and this state was made with it", path).WithHint("put it back; without it, pseudonyms no longer join, so start a new state instead")
		}
		master := make([]byte, treatment.MasterKeySize)
		_, _ = rand.Read(master)
		data = []byte(hex.EncodeToString(master) + "\n")
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "the master key %s cannot be read or written", path).WithHint("look at its permissions").WithCause(err)
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(master) != treatment.MasterKeySize {
		return nil, fault.Newf(fault.Invalid, "the master key %s is damaged", path).WithHint("put it back from a backup")
	}
	return treatment.NewKeys(master)
}
