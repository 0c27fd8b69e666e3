package engine

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// memoryTimes is how many times the database's own limit the process may map, beside slackBytes. The database counts what it keeps in blocks, and not the values that a statement makes on
	// its way, nor what the allocator holds for the next time; measured with what sorts, joins and aggregates at the same time, all of it is 2.7 times the limit at most.
	memoryTimes = 3
	slackBytes  = 512 << 20
	// goBytes is what our own side is given before: the runtime ends the process when it asks for memory and gets none, where the database ends a statement.
	goBytes = 128 << 20
	// spareThreads are made in advance beside one for each session, for the same reason.
	spareThreads = 8
)

// memoryBound is how much memory the process may map, given what it has mapped now, when the file is open and the threads of the database stand; 0 when that cannot be known.
func memoryBound(s settings) uint64 {
	var err error
	if statm, err = os.Open("/proc/self/statm"); err != nil {
		return 0
	}
	has := mappedBytes()
	if has == 0 {
		return 0
	}
	return uint64(has + s.Memory*memoryTimes + goBytes + slackBytes) //nolint:gosec // sums of sizes
}

// boundMemory makes the system refuse the process memory beyond the bound, for good. The database makes an error of that for the statement that asked, where the process would have grown until the
// system ended one of its choice.
func boundMemory(s settings, bound uint64) failure {
	prepareThreads(s.Sessions + spareThreads)
	runtime.KeepAlive(make([]byte, goBytes)) // never touched; its place stays ours when it is garbage
	if bound == 0 || unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bound, Max: bound}) != nil {
		return failSettings
	}
	return 0
}

// prepareThreads lets the runtime have so many threads at once; it keeps them.
func prepareThreads(n int) {
	var all, ready sync.WaitGroup
	ready.Add(n)
	for range n {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			ready.Done()
			ready.Wait()
		})
	}
	all.Wait()
}

// statm tells how much memory the process has. It is opened before the sandbox, which has no such file.
var statm *os.File

// mappedBytes is how much private memory that can be written the process has mapped, which is what the bound is of; 0 when it cannot be known.
func mappedBytes() int64 {
	var line [256]byte
	n, err := statm.ReadAt(line[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	fields := bytes.Fields(line[:n])
	if len(fields) < 6 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[5]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
