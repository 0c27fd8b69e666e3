package ledger

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

// lastSegment is the path of the newest segment.
func lastSegment(t testing.TB, dir string) string {
	t.Helper()
	names, _, err := segments(dir)
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	return filepath.Join(dir, entriesDir, names[len(names)-1])
}

func TestATornTailIsCutOffAndRecorded(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	appendN(t, l, 2)
	mustClose(t, l)
	before := filesOf(t, r.dir)
	l = mustOpen(t, r.options())
	appendN(t, l, 1)
	mustClose(t, l)
	path := lastSegment(t, r.dir)
	name, _ := filepath.Rel(r.dir, path)
	whole := mustRead(t, path)
	start := len(before[name])
	for cut := start; cut <= len(whole); cut++ {
		restore(t, r.dir, before)
		mustWrite(t, path, whole[:cut])
		wantSize, recovered := int64(2), cut > start && cut < len(whole)
		if recovered || cut == len(whole) {
			wantSize = 3 // the recovery's entry, or the one that was whole
		}
		if recovered {
			_, err := Verify(r.dir, l.PublicKey())
			wantKind(t, err, fault.Found, "")
		}
		again := mustOpen(t, r.options())
		if again.Size() != wantSize {
			t.Fatalf("cut at %d of %d: size %d, want %d", cut, len(whole), again.Size(), wantSize)
		}
		for e, err := range again.Find(t.Context(), Filter{First: 2}) {
			body, _ := e.Body.(json.RawMessage)
			var said recovery
			if err != nil || json.Unmarshal(body, &said) != nil || (e.Type == TypeRecovered) != recovered || recovered && (said.CutBytes != int64(cut-start) || said.After != 2) {
				t.Fatalf("cut at %d: %+v %s %v", cut, e, body, err)
			}
		}
		appendN(t, again, 1)
		mustClose(t, again)
		mustVerify(t, r, l.PublicKey(), wantSize+1)
	}
}

func TestOpenRefusesWhateverACheckpointCoversAndIsNotThere(t *testing.T) {
	r, key := small(t)
	files := filesOf(t, r.dir)
	for name, good := range files {
		if !strings.HasPrefix(name, entriesDir) {
			continue
		}
		for i := 0; i < len(good); i += 7 {
			bad := bytes.Clone(good)
			bad[i] ^= 0x04
			mustWrite(t, filepath.Join(r.dir, name), bad)
			l, err := Open(r.options())
			if err == nil {
				// A signature in the middle is Verify's to judge: Open trusts the newest, which covers the same entries.
				mustClose(t, l)
				if isCheckpointByte(good, i) && l.Size() == 6 {
					restore(t, r.dir, files)
					continue
				}
				t.Fatalf("%s: byte %d: opened with %d entries", name, i, l.Size())
			}
			if fault.KindOf(err) != fault.Found {
				t.Fatalf("%s: byte %d: %v", name, i, err)
			}
			for other, b := range filesOf(t, r.dir) {
				if other != name && !bytes.Equal(b, files[other]) {
					t.Fatalf("%s: byte %d: refusing changed %s", name, i, other)
				}
			}
			mustWrite(t, filepath.Join(r.dir, name), good)
		}
	}
	mustVerify(t, r, key, 6)
}

// isCheckpointByte says whether byte i of a segment is in a checkpoint's line.
func isCheckpointByte(segment []byte, i int) bool {
	return isCheckpointLine(segment[bytes.LastIndexByte(segment[:i], '\n')+1:])
}

func TestWhatAPowerCutMayLoseIsMadeAnew(t *testing.T) {
	r, key := small(t)
	hashes := filepath.Join(r.dir, hashesFile)
	want := mustRead(t, hashes)
	flipped := bytes.Clone(want)
	flipped[70] ^= 1
	for name, bad := range map[string][]byte{
		"short": want[:100], "empty": {}, "long": append(bytes.Clone(want), 1, 2, 3), "zeroed": make([]byte, len(want)), "flipped": flipped,
	} {
		mustWrite(t, hashes, bad)
		_, err := Verify(r.dir, key)
		wantKind(t, err, fault.Found, "hashes")
		mustClose(t, mustOpen(t, r.mirrored()))
		if !bytes.Equal(mustRead(t, hashes), want) {
			t.Errorf("%s hashes were not made anew", name)
		}
	}
	if err := os.Remove(hashes); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, r.mirrored()))
	mustWrite(t, filepath.Join(r.dir, checkpointFile), nil)
	mustClose(t, mustOpen(t, r.mirrored()))
	mustVerify(t, r, key, 6, mustRead(t, r.mirror))
}

func TestMoreThanOneBatchIsNeverCutOff(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	large := Entry{Type: "x", Body: map[string]string{"a": strings.Repeat("a", MaxEntryBytes-200)}}
	for range 6 {
		if _, err := l.Append(t.Context(), large); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
	mustWrite(t, filepath.Join(r.dir, checkpointFile), nil) // nobody knows any more how much was covered
	path := filepath.Join(r.dir, entriesDir, segmentName(0))
	bad := mustRead(t, path)
	bad[100] ^= 1
	mustWrite(t, path, bad)
	_, err := Open(r.options())
	wantKind(t, err, fault.Found, "damaged at entry 0")
	if after := mustRead(t, path); !bytes.Equal(after, bad) {
		t.Error("refusing changed the record")
	}
	other, _ := closed(t, 1, defaultSegmentBytes)
	path = filepath.Join(other.dir, entriesDir, segmentName(0))
	added := mustRead(t, path)
	for i := range int64(5) {
		added = append(append(added, indexPrefix(1+i)...), `"body":"`+strings.Repeat("a", MaxEntryBytes-100)+"\"}\n"...)
	}
	mustWrite(t, path, added)
	_, err = Open(other.options())
	wantKind(t, err, fault.Found, "more unsigned entries than a crash can leave")
}

// faultDisk makes the nth write of one step fail, vanish or lie.
type faultDisk struct {
	realDisk
	step            step
	persist, report bool // what the write does, and what it says
	half            bool // half of it is persisted
	hit             bool
}

var errDisk = errors.New("injected")

func (d *faultDisk) outcome() error {
	if d.report {
		return nil
	}
	return errDisk
}

func (d *faultDisk) write(which step, f *os.File, b []byte) error {
	if which != d.step || d.hit {
		return d.realDisk.write(which, f, b)
	}
	d.hit = true
	if d.half {
		b = b[:len(b)/2]
	}
	if d.persist || d.half {
		if err := d.realDisk.write(which, f, b); err != nil {
			return err
		}
	}
	return d.outcome()
}

func (d *faultDisk) sync(which step, f *os.File) error {
	if which != d.step || d.hit {
		return d.realDisk.sync(which, f)
	}
	d.hit = true
	return d.outcome()
}

func (d *faultDisk) replace(which step, path string, b []byte) error {
	if which != d.step || d.hit {
		return d.realDisk.replace(which, path, b)
	}
	d.hit = true
	if d.half {
		return errors.Join(os.WriteFile(path+newSuffix, b[:len(b)/2], fileMode), d.outcome())
	}
	if d.persist {
		if err := d.realDisk.replace(which, path, b); err != nil {
			return err
		}
	}
	return d.outcome()
}

func (d *faultDisk) create(which step, path string) (*os.File, error) {
	if which != d.step || d.hit {
		return d.realDisk.create(which, path)
	}
	d.hit = true
	if d.report && d.persist {
		return d.realDisk.create(which, path)
	}
	if d.report { // it says so, and the name is gone after the power cut
		f, err := d.realDisk.create(which, path)
		return f, errors.Join(err, os.Remove(path))
	}
	if d.persist {
		f, err := d.realDisk.create(which, path)
		return nil, errors.Join(err, f.Close(), errDisk)
	}
	return nil, errDisk
}

// TestEveryWriteThatFailsVanishesOrLies is the table: every write of an Append × (persisted or not, or half) × (reported or not). After
// each the ledger is opened anew and judged whole.
func TestEveryWriteThatFailsVanishesOrLies(t *testing.T) {
	const before = 3
	for _, which := range []step{stepSegment, stepEntries, stepEntriesSync, stepHashes, stepPublish, stepMirror} {
		for _, how := range []string{"persisted", "vanished", "half"} {
			for _, report := range []bool{true, false} {
				if how == "half" && (which == stepSegment || which == stepEntriesSync) {
					continue // these have no halves
				}
				t.Run(fmt.Sprintf("%s/%s/reported=%v", which, how, report), func(t *testing.T) {
					r := newRoom(t)
					segmentBytes := int64(1) // a segment for each batch, so that creating one is among the writes
					l, err := open(r.mirrored(), realDisk{}, segmentBytes)
					if err != nil {
						t.Fatal(err)
					}
					appendN(t, l, before)
					mustClose(t, l)
					d := &faultDisk{step: which, persist: how == "persisted", half: how == "half", report: report}
					if l, err = open(r.mirrored(), d, segmentBytes); err != nil {
						t.Fatal(err)
					}
					_, err = l.Append(t.Context(), Entry{Type: "question", Principal: "struck"})
					if !d.hit {
						t.Fatal("the write was never made")
					}
					judgeAfterFault(t, r, l, d, err, before)
				})
			}
		}
	}
}

// judgeAfterFault says what must hold after the struck append returned err.
func judgeAfterFault(t *testing.T, r room, l *Ledger, d *faultDisk, err error, before int64) {
	t.Helper()
	vanishedSegment := d.step == stepSegment && d.report && !d.persist
	if d.report && err != nil || !d.report && err == nil {
		// A segment whose name vanished at once is a failure that the next append sees; this one has been told that all was well.
		t.Fatalf("append returned %v", err)
	}
	if err != nil {
		wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
		for range 3 { // the disk works again; the ledger must not believe it
			_, err := l.Append(t.Context(), Entry{Type: "x"})
			wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
		}
		for _, err := range l.Find(t.Context(), Filter{}) {
			wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
		}
		_, err = l.InclusionProof(t.Context(), 0)
		wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
	}
	mustClose(t, l)
	lost := d.report && !d.persist && (d.step == stepEntries || vanishedSegment)
	again, err := Open(r.mirrored())
	if lost {
		// The disk said that it had what it had not: a checkpoint covers what is not there.
		wantKind(t, err, fault.Found, "")
		_, err = Verify(r.dir, l.PublicKey(), mustRead(t, r.mirror))
		wantKind(t, err, fault.Found, "")
		return
	}
	if err != nil {
		t.Fatalf("open anew: %v", err)
	}
	struck, n := false, int64(0)
	for e, err := range again.Find(t.Context(), Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		struck = struck || e.Principal == "struck"
		n++
	}
	if n < before || d.report && !struck {
		t.Errorf("%d entries, struck one there: %v", n, struck)
	}
	appendN(t, again, 2)
	mustClose(t, again)
	mustVerify(t, r, l.PublicKey(), n+2, mustRead(t, r.mirror))
}

func TestAFolderTakenAwayMakesEverythingRefused(t *testing.T) {
	for name, take := range map[string]func(r room) error{
		"folder renamed":  func(r room) error { return os.Rename(r.dir, r.dir+".away") },
		"folder removed":  func(r room) error { return os.RemoveAll(r.dir) },
		"segment removed": func(r room) error { return os.Remove(filepath.Join(r.dir, entriesDir, segmentName(0))) },
		"segment replaced": func(r room) error {
			path := filepath.Join(r.dir, entriesDir, segmentName(0))
			return errors.Join(os.Remove(path), os.WriteFile(path, nil, fileMode))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			l := mustOpen(t, r.options())
			appendN(t, l, 1)
			if err := take(r); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				_, err := l.Append(t.Context(), Entry{Type: "x"})
				wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
			}
		})
	}
}

func TestAFullDiskRefusesAndGoesOnWithRoom(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root may mount a small disk; the file size limit below is the same refusal")
		return
	}
	r := newRoom(t)
	if err := os.MkdirAll(r.dir, dirMode); err != nil {
		t.Fatal(err)
	}
	if err := mountSmall(r.dir); errors.Is(err, syscall.EPERM) {
		t.Log("mounting is not allowed here; the file size limit below is the same refusal")
		return
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(r.dir); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	l := mustOpen(t, r.options())
	acknowledged := fillUp(t, l)
	mustClose(t, l)
	_, err := Open(r.options())
	wantKind(t, err, fault.Unavailable, "")
	if err := enlarge(r.dir); err != nil {
		t.Fatal(err)
	}
	checkAcknowledged(t, r, acknowledged)
}

// fillUp appends until the ledger refuses, which it must do for good, and says how many appends were acknowledged.
func fillUp(t testing.TB, l *Ledger) int64 {
	t.Helper()
	for n := range int64(10_000) {
		_, err := l.Append(t.Context(), Entry{Type: "question", Body: map[string]string{"a": strings.Repeat("a", 1000)}})
		if err == nil {
			continue
		}
		wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
		_, err = l.Append(t.Context(), Entry{Type: "x"})
		wantKind(t, err, fault.Unavailable, "the ledger cannot be written")
		return n
	}
	t.Fatal("the disk was never full")
	return 0
}

// checkAcknowledged opens anew and finds everything that was acknowledged.
func checkAcknowledged(t testing.TB, r room, acknowledged int64) {
	t.Helper()
	l := mustOpen(t, r.options())
	if acknowledged == 0 || l.Size() < acknowledged {
		t.Errorf("%d entries, %d acknowledged", l.Size(), acknowledged)
	}
	appendN(t, l, 1)
	size := l.Size()
	mustClose(t, l)
	mustVerify(t, r, l.PublicKey(), size)
}

// Children of the tests run the test binary itself with this variable.
const childVariable = "WEIR_LEDGER_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		os.Exit(child(dir))
	}
	os.Exit(m.Run())
}

// child appends from several goroutines until it is killed or refused and prints each index that was acknowledged. Its exit status is
// 0 when it was refused as it should be.
func child(base string) int {
	r := room{dir: filepath.Join(base, "ledger"), keys: filepath.Join(base, "keys")}
	if limit, err := strconv.ParseUint(os.Getenv(childVariable+"_LIMIT"), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return 1
		}
	}
	l, err := open(r.options(), realDisk{}, 1<<20)
	if err != nil {
		return 1
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	status := 0
	for range 4 {
		wg.Go(func() {
			for {
				index, err := l.Append(context.Background(), Entry{Type: "question", Body: map[string]string{"a": strings.Repeat("a", 500)}})
				mu.Lock()
				if err != nil {
					if fault.KindOf(err) != fault.Unavailable {
						status = 1
					}
					mu.Unlock()
					return
				}
				_, _ = os.Stdout.WriteString(strconv.FormatInt(int64(index), 10) + "\n")
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return status
}

// startChild starts it on the room and returns what it prints.
func startChild(t testing.TB, r room, limit string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+filepath.Dir(r.dir), childVariable+"_LIMIT="+limit)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func TestAKilledWriterHasKeptAllThatItAcknowledged(t *testing.T) {
	r := newRoom(t)
	acknowledged := int64(-1)
	for round := range 8 {
		cmd, lines := startChild(t, r, "")
		for n := 0; lines.Scan(); n++ {
			index, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged = max(acknowledged, index)
			if n == 20+37*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		checkAcknowledged(t, r, acknowledged+1)
	}
}

func TestAFileThatMayNotGrowRefusesAndGoesOnWithRoom(t *testing.T) {
	r := newRoom(t)
	cmd, lines := startChild(t, r, "50000")
	acknowledged := int64(0)
	for lines.Scan() {
		acknowledged++
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the child was not refused as it should be: %v", err)
	}
	checkAcknowledged(t, r, acknowledged)
}

func TestAnotherProcessIsRefused(t *testing.T) {
	r := newRoom(t)
	cmd, lines := startChild(t, r, "")
	if !lines.Scan() {
		t.Fatal("the child wrote nothing")
	}
	_, err := Open(r.options())
	wantKind(t, err, fault.Unavailable, "another process has the ledger open") // which goes on for as long as it is not killed
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		continue
	}
	_ = cmd.Wait()
	mustClose(t, mustOpen(t, r.options()))
}
