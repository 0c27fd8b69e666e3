package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/weirproject/weir/internal/fault"
)

// Options says where a ledger is and who signs it.
type Options struct {
	// Dir is the ledger's folder; it is made when it does not exist. Nothing else may lie in it.
	Dir string
	// KeyDir is the folder of the signing key, ledger.key, which is made with a new ledger. Whoever can read it can forge the
	// ledger: keep it beside Dir, never inside, and its files at mode 0600, or Open refuses.
	KeyDir string
	// Mirror is a file to which every checkpoint is appended as well, best where an intruder on this machine cannot rewrite it; empty
	// means none. Without one, a folder put back whole to an earlier day looks untouched. An Append fails when the mirror cannot be written.
	Mirror string
	// Log gets what an operator should know; nil means nowhere.
	Log *slog.Logger
}

// Ledger is an open ledger; its methods may be called from any goroutine. Close it.
type Ledger struct {
	dir          string
	signer       note.Signer
	public       PublicKey
	log          *slog.Logger
	disk         disk
	segmentBytes int64
	locked       *os.File

	// Of the goroutine run alone, once it has started.
	segment     *os.File
	segmentSize int64
	hashes      *os.File
	mirror      *os.File

	stopped chan struct{} // closed when run has ended
	wake    *sync.Cond    // on mu: pending or closing has changed

	mu        sync.Mutex // guards the fields below
	pending   []*request
	closing   bool
	failed    error      // after a failed write; never cleared
	tree      tree       // over all entries that are durable; only run changes it
	published checkpoint // over exactly these
}

// defaultSegmentBytes is where a segment is full and the next one begins.
const defaultSegmentBytes = 16 << 20

// Open opens the ledger in a folder, making both where there is none, and is its only writer until Close. It reads the whole record,
// cuts off what a crash left unfinished behind the last checkpoint, and records that as an entry of type "recovered". It refuses
// a ledger of which anything that a checkpoint covers is missing or different (fault kind Found), one that falls short of its mirror
// (Found), one that another process has open (Unavailable), and a signing key that others may read (Refused).
func Open(o Options) (*Ledger, error) {
	return open(o, realDisk{}, defaultSegmentBytes)
}

func open(o Options, d disk, segmentBytes int64) (*Ledger, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, outside := range []string{o.KeyDir, o.Mirror} {
		if err := checkOutside(o.Dir, outside); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(o.Dir, dirMode); err != nil {
		return nil, unavailable("made", err)
	}
	locked, err := lock(o.Dir)
	if err != nil {
		return nil, unavailable("locked", err)
	}
	l := &Ledger{dir: o.Dir, log: o.Log, disk: d, segmentBytes: segmentBytes, locked: locked, stopped: make(chan struct{})}
	l.wake = sync.NewCond(&l.mu)
	notices, err := l.start(o)
	if err != nil {
		return nil, errors.Join(unavailable("opened", err), l.closeFiles())
	}
	go l.run()
	for _, e := range notices {
		if _, err := l.Append(context.Background(), e); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// checkOutside refuses a key folder or mirror inside the ledger's folder: who copies or rewrites the folder would have both.
func checkOutside(dir, path string) error {
	if path == "" {
		return nil
	}
	relative, err := filepath.Rel(dir, path)
	if err == nil && filepath.IsLocal(relative) {
		return fault.New(fault.Invalid, "the ledger's key folder and mirror must not lie inside the ledger's folder", "put them beside it")
	}
	return nil
}

// unavailable makes an error for people of one that is none yet.
func unavailable(done string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.Newf(fault.Unavailable, "the ledger cannot be %s", done).
		WithHint("look at its folder, its key folder and its mirror: they must exist, belong to weir's user and have room").WithCause(err)
}

// start brings the folder into the state from which run can go on, and returns what of that must be recorded.
func (l *Ledger) start(o Options) ([]Entry, error) {
	fresh, err := isFresh(o.Dir)
	if err != nil {
		return nil, err
	}
	if l.signer, l.public, err = loadKey(o.KeyDir, fresh); err != nil {
		return nil, err
	}
	if fresh {
		if err := l.create(); err != nil {
			return nil, err
		}
	}
	if err := l.checkIdentity(); err != nil {
		return nil, err
	}
	mirrored, notices, err := l.openMirror(o.Mirror, fresh)
	if err != nil {
		return nil, err
	}
	recovered, err := l.recover(mirrored)
	if err != nil {
		return nil, err
	}
	return append(recovered, notices...), l.catchUpMirror(mirrored)
}

// isFresh says whether the folder holds no ledger yet. The format file is written last, so a creation that was cut short begins again.
func isFresh(dir string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(dir, formatFile))
	if err == nil {
		if string(text) != formatText {
			return false, fault.New(fault.Refused, "the ledger was written by another version of weir",
				"open it with the version that wrote it, or a newer one")
		}
		return false, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read format: %w", err)
	}
	names, _, err := segments(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if len(names) > 0 {
		return false, fault.New(fault.Found, "the ledger's folder holds entries but not its format file",
			"put the folder back from its backup, or compare it with one before trusting it")
	}
	return true, nil
}

// create writes the files of an empty ledger.
func (l *Ledger) create() error {
	if err := os.MkdirAll(filepath.Join(l.dir, entriesDir), dirMode); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	empty, err := signCheckpoint(l.signer, &tree{})
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		text []byte
	}{
		{publicKeyFile, []byte(l.public + "\n")},
		{hashesFile, nil},
		{checkpointFile, empty.note},
		{formatFile, []byte(formatText)},
	} {
		if err := writeDurable(filepath.Join(l.dir, f.name), f.text); err != nil {
			return err
		}
	}
	return syncFolder(filepath.Dir(filepath.Clean(l.dir)))
}

// checkIdentity refuses a ledger that another key has signed.
func (l *Ledger) checkIdentity() error {
	text, err := os.ReadFile(filepath.Join(l.dir, publicKeyFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read public key: %w", err)
	}
	if string(text) != string(l.public)+"\n" {
		return fault.New(fault.Found, "the ledger's public key is not that of the key folder's signing key",
			"point weir at the key folder that belongs to this ledger, or begin a new ledger in an empty folder")
	}
	return nil
}

// PublicKey is what outsiders need to verify the ledger; print it where they will find it.
func (l *Ledger) PublicKey() PublicKey { return l.public }

// Size is how many entries are durable.
func (l *Ledger) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tree.size
}

// Checkpoint is the signed note over all entries that are durable.
func (l *Ledger) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]byte(nil), l.published.note...)
}

// refusal is why the ledger takes nothing any more; nil when it does. The caller holds mu.
func (l *Ledger) refusal() error {
	if l.failed != nil {
		return l.failed
	}
	if l.closing {
		return fault.Newf(fault.Unavailable, "the ledger is closed")
	}
	return nil
}

// Close writes what still waits, and lets another process open the ledger. Appends that come later are refused.
func (l *Ledger) Close() error {
	l.mu.Lock()
	again := l.closing
	l.closing = true
	l.mu.Unlock()
	l.wake.Signal()
	<-l.stopped
	if again {
		return nil
	}
	return l.closeFiles()
}

// closeFiles closes what is open; the lock goes last.
func (l *Ledger) closeFiles() error {
	var errs []error
	if l.mirror != nil && l.failed == nil {
		errs = append(errs, l.mirror.Sync())
	}
	for _, f := range []*os.File{l.segment, l.hashes, l.mirror, l.locked} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close ledger: %w", err)
	}
	return nil
}
