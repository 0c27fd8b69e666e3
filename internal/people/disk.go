package people

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

const (
	dirMode   = 0o700
	fileMode  = 0o600
	newSuffix = ".new"
)

// step is a moment of a durable write, for tests that end the process or break the disk there.
type step string

const (
	stepWritten  step = "written"  // the new file has its bytes
	stepSynced   step = "synced"   // and they are durable
	stepReplaced step = "replaced" // it stands in the old one's place
)

// errUncertain says that the new bytes stand in the file and may not survive a power cut.
var errUncertain = errors.New("the file was replaced and the folder could not be synced")

// replaceDurably puts data in the place of the file at path: after a crash either the old or the new bytes are there. at, which may be nil, is called after each step and can fail it.
func replaceDurably(path string, data []byte, mode fs.FileMode, at func(step) error) error {
	if at == nil {
		at = func(step) error { return nil }
	}
	tmp := path + newSuffix
	if err := writeNew(tmp, data, mode, at); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(tmp)))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("rename file: %w", err), ignoreMissing(os.Remove(tmp)))
	}
	err := at(stepReplaced)
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUncertain, err)
	}
	return nil
}

func writeNew(tmp string, data []byte, mode fs.FileMode, at func(step) error) (err error) {
	// What a crash left behind has the right owner but not surely the right mode.
	if err := ignoreMissing(os.Remove(tmp)); err != nil {
		return fmt.Errorf("remove leftover: %w", err)
	}
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close file: %w", closeErr)
		}
	}()
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := at(stepWritten); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync file: %w", err)
	}
	return at(stepSynced)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// privateDir makes the folder where there is none, and refuses one that others may enter.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fault.Newf(fault.Unavailable, "the folder %s cannot be made", dir).WithHint("look at the permissions of the folder above it").WithCause(err)
	}
	return private(dir)
}

// private refuses a file or folder that others than its owner may use. One that is missing is nobody's.
func private(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Newf(fault.Unavailable, "%s cannot be looked at", path).WithHint("look at its permissions and at the disk").WithCause(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fault.Newf(fault.Refused, "%s is open to others (mode %04o)", path, mode).WithHint("chmod go-rwx %s", path)
	}
	return nil
}

// lockTries × lockPause outlasts a process that is just ending.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

// lockFile makes this process the only one that has the file, until it is closed or the process dies.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, fileMode)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s cannot be made", path).WithHint("look at the permissions of its folder").WithCause(err)
	}
	for try := 1; ; try++ {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || try == lockTries {
			break
		}
		<-time.After(lockPause)
	}
	return nil, errors.Join(fault.New(fault.Unavailable, "another process has the accounts open", "stop the other weir, or talk to it: two cannot write one list of accounts").WithCause(err), f.Close())
}
