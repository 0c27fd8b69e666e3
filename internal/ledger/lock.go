package ledger

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// A verifier takes the lock for microseconds to learn whether a writer lives; lockTries × lockPause outlasts it.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

// lock makes this process the only writer of the folder until the file returned is closed; the system lets go of it when the process dies.
func lock(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	for try := 1; ; try++ {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return d, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock folder: %w", err), d.Close())
		}
		if try == lockTries {
			break
		}
		<-time.After(lockPause)
	}
	return nil, errors.Join(fault.New(fault.Unavailable, "another process has the ledger open",
		"stop the other weir, or talk to it: two cannot write one ledger"), d.Close())
}

// beingWritten says whether some process has the ledger open for writing.
func beingWritten(dir string) bool {
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close() //nolint:errcheck // nothing was written through it
	return errors.Is(syscall.Flock(int(d.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
