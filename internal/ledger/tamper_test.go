package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// small is a closed ledger of six entries in more than one segment.
func small(t testing.TB) (room, PublicKey) {
	t.Helper()
	return closed(t, 6, 1200)
}

// closed is a closed ledger of n entries.
func closed(t testing.TB, n int, segmentBytes int64) (room, PublicKey) {
	t.Helper()
	r := newRoom(t)
	l, err := open(r.mirrored(), realDisk{}, segmentBytes)
	if err != nil {
		t.Fatal(err)
	}
	appendN(t, l, n)
	mustClose(t, l)
	mustVerify(t, r, l.PublicKey(), int64(n), mustRead(t, r.mirror))
	return r, l.PublicKey()
}

// restore puts the folder back to exactly these files.
func restore(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name := range filesOf(t, dir) {
		if _, ok := files[name]; !ok {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, b := range files {
		mustWrite(t, filepath.Join(dir, name), b)
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	r, key := closed(t, 3, 500)
	files := filesOf(t, r.dir)
	if len(files) < 6 {
		t.Fatalf("files %d: want several segments", len(files))
	}
	for name, good := range files {
		path := filepath.Join(r.dir, name)
		for i := range good {
			for _, mask := range []byte{0x01, 0x20} {
				bad := bytes.Clone(good)
				bad[i] ^= mask
				mustWrite(t, path, bad)
				if _, err := Verify(r.dir, key); fault.KindOf(err) != fault.Found || err == nil {
					t.Errorf("%s: byte %d xor %#x: %v", name, i, mask, err)
				}
			}
			mustWrite(t, path, append(bytes.Clone(good[:i]), good[i+1:]...))
			if _, err := Verify(r.dir, key); fault.KindOf(err) != fault.Found || err == nil {
				t.Errorf("%s: without byte %d: %v", name, i, err)
			}
		}
		mustWrite(t, path, append(bytes.Clone(good), '\n'))
		if _, err := Verify(r.dir, key); fault.KindOf(err) != fault.Found || err == nil {
			t.Errorf("%s: one newline more: %v", name, err)
		}
		mustWrite(t, path, good)
	}
	mustVerify(t, r, key, 3)
}

func TestEveryMissingAndEveryForeignFileIsFound(t *testing.T) {
	r, key := small(t)
	for name, good := range filesOf(t, r.dir) {
		path := filepath.Join(r.dir, name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		_, err := Verify(r.dir, key)
		wantKind(t, err, fault.Found, "")
		mustWrite(t, path, good)
	}
	for _, name := range []string{"notes.txt", filepath.Join(entriesDir, "0.jsonl"), filepath.Join(entriesDir, "x")} {
		path := filepath.Join(r.dir, name)
		mustWrite(t, path, nil)
		_, err := Verify(r.dir, key)
		wantKind(t, err, fault.Found, "")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	mustVerify(t, r, key, 6)
}

func TestVerifyNamesTheFirstBadEntry(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	appendN(t, l, 6)
	mustClose(t, l)
	path := filepath.Join(r.dir, entriesDir, segmentName(0))
	good := mustRead(t, path)
	lines := bytes.SplitAfter(good, []byte("\n"))
	lines[6] = bytes.Replace(lines[6], []byte("ana"), []byte("bob"), 1) // entry, checkpoint, entry, …: the seventh line is entry 3
	mustWrite(t, path, bytes.Join(lines, nil))
	_, err := Verify(r.dir, l.PublicKey())
	wantKind(t, err, fault.Found, "damaged at entry 3 ")
	_, err = Open(r.options())
	wantKind(t, err, fault.Found, "damaged at entry 3 ")
}

// cutTo cuts the record to its first n entries with their checkpoints; with all, the hashes and the checkpoint file too.
func cutTo(t testing.TB, dir string, n int64, hashes, published bool) {
	t.Helper()
	names, _, err := segments(dir)
	if err != nil {
		t.Fatal(err)
	}
	var last []byte
	for _, name := range names {
		path := filepath.Join(dir, entriesDir, name)
		var kept []byte
		for line := range bytes.Lines(mustRead(t, path)) {
			if isCheckpointLine(line) {
				signed, err := noteOfLine(bytes.TrimSuffix(line, []byte("\n")))
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(signed, fmt.Appendf(nil, "\n%d\n", n)) {
					last = signed
				}
			}
			if last == nil || isCheckpointLine(line) && bytes.Contains(line, fmt.Appendf(nil, `\n%d\n`, n)) {
				kept = append(kept, line...)
			}
		}
		mustWrite(t, path, kept)
		if len(kept) == 0 {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	if hashes {
		if err := os.Truncate(filepath.Join(dir, hashesFile), tlog.StoredHashCount(n)*tlog.HashSize); err != nil {
			t.Fatal(err)
		}
	}
	if published {
		mustWrite(t, filepath.Join(dir, checkpointFile), last)
	}
}

func TestACutTailIsFound(t *testing.T) {
	r, key := small(t)
	files := filesOf(t, r.dir)
	for n := int64(1); n < 6; n++ {
		for _, hashes := range []bool{false, true} {
			cutTo(t, r.dir, n, hashes, false)
			_, err := Verify(r.dir, key)
			wantKind(t, err, fault.Found, fmt.Sprintf("it holds %d entries, and its checkpoint was signed over 6", n))
			_, err = Open(r.options())
			wantKind(t, err, fault.Found, fmt.Sprintf("holds %d entries as they were signed, and its checkpoint covers 6", n))
			restore(t, r.dir, files)
		}
	}
	mustVerify(t, r, key, 6)
}

func TestAFolderPutBackWholeIsFoundByTheMirror(t *testing.T) {
	r, key := small(t)
	known := mustRead(t, r.mirror)
	newest := mustRead(t, filepath.Join(r.dir, checkpointFile))
	cutTo(t, r.dir, 4, true, true)
	mustVerify(t, r, key, 4) // all by itself it looks whole: that is what the mirror is for
	_, err := Verify(r.dir, key, known)
	wantKind(t, err, fault.Found, "holds 4 entries, and a checkpoint over 6 is known")
	_, err = Verify(r.dir, key, newest)
	wantKind(t, err, fault.Found, "holds 4 entries, and a checkpoint over 6 is known")
	_, err = Open(r.mirrored())
	wantKind(t, err, fault.Found, "mirror knows 6 entries and the ledger holds 4")
	// Grown again over the cut, it is another ledger of the same length.
	l := mustOpen(t, r.options())
	appendN(t, l, 3)
	mustClose(t, l)
	mustVerify(t, r, key, 7)
	_, err = Verify(r.dir, key, known)
	wantKind(t, err, fault.Found, "first 5 entries are not those of a checkpoint that is known from elsewhere")
	_, err = Open(r.mirrored())
	wantKind(t, err, fault.Found, "or others")
	// And thrown away whole, with the key still there.
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	_, err = Open(r.mirrored())
	wantKind(t, err, fault.Found, "mirror knows 6 entries and the ledger holds 0")
}

func TestAMirrorBegunLateIsRecorded(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	appendN(t, l, 2)
	mustClose(t, l)
	l = mustOpen(t, r.mirrored())
	for e, err := range l.Find(t.Context(), Filter{First: 2}) {
		if err != nil || e.Type != TypeMirror {
			t.Errorf("%+v, %v", e, err)
		}
	}
	mustClose(t, l)
	// Half a line at its end is what a crash leaves.
	mustWrite(t, r.mirror, append(mustRead(t, r.mirror), `{"checkpoi`...))
	mustVerify(t, r, l.PublicKey(), 3, mustRead(t, r.mirror))
	mustClose(t, mustOpen(t, r.mirrored()))
	mustVerify(t, r, l.PublicKey(), 3, mustRead(t, r.mirror))
	other, _ := small(t)
	_, err := Open(Options{Dir: r.dir, KeyDir: r.keys, Mirror: other.mirror})
	wantKind(t, err, fault.Found, "mirror's last line is not a checkpoint of this ledger")
	_, err = Verify(r.dir, l.PublicKey(), mustRead(t, other.mirror))
	wantKind(t, err, fault.Invalid, "not one of this ledger's key")
}

func TestAReplacedCheckpointIsFound(t *testing.T) {
	r, key := small(t)
	verifier, err := key.verifier()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(r.dir, checkpointFile)
	good := mustRead(t, path)
	forger, _, err := note.GenerateKey(rand.Reader, verifier.Name())
	if err != nil {
		t.Fatal(err)
	}
	forged, err := note.NewSigner(forger)
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := loadKey(r.keys, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signer note.Signer
		size   int64
	}{"another key": {forged, 6}, "another tree": {own, 6}, "fewer entries of another tree": {own, 3}, "more entries": {own, 9}} {
		text := checkpointText(verifier.Name(), c.size, tlog.RecordHash([]byte("other")))
		signed, err := note.Sign(&note.Note{Text: text}, c.signer)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, path, signed)
		if _, err := Verify(r.dir, key); err == nil || fault.KindOf(err) != fault.Found {
			t.Errorf("%s: verify: %v", name, err)
		}
		if _, err := Open(r.options()); err == nil || fault.KindOf(err) != fault.Found {
			t.Errorf("%s: open: %v", name, err)
		}
	}
	// In the record itself: forged anew, with everything behind it as it was.
	mustWrite(t, path, good)
	segment := filepath.Join(r.dir, entriesDir, segmentName(0))
	record := mustRead(t, segment)
	for line := range bytes.Lines(record) {
		if !isCheckpointLine(line) {
			continue
		}
		signed, err := noteOfLine(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		c, err := parseCheckpoint(signed, verifier.Name())
		if err != nil {
			t.Fatal(err)
		}
		again, err := note.Sign(&note.Note{Text: checkpointText(verifier.Name(), c.size, c.root)}, forged)
		if err != nil {
			t.Fatal(err)
		}
		forgedLine, err := checkpointLine(again)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, segment, bytes.Replace(record, line, forgedLine, 1))
		_, err = Verify(r.dir, key)
		wantKind(t, err, fault.Found, "not signed by its key")
	}
	mustWrite(t, segment, record)
	mustVerify(t, r, key, 6)
}

func TestACheckpointHasOneSpelling(t *testing.T) {
	r, key := small(t)
	verifier, err := key.verifier()
	if err != nil {
		t.Fatal(err)
	}
	good := string(mustRead(t, filepath.Join(r.dir, checkpointFile)))
	if _, err := openCheckpoint([]byte(good), verifier); err != nil {
		t.Fatal(err)
	}
	text, signature, _ := strings.Cut(good, "\n\n")
	signature = strings.TrimSuffix(signature, "\n")
	raw, err := base64.StdEncoding.DecodeString(signature[strings.LastIndexByte(signature, ' ')+1:])
	if err != nil || len(raw) != 68 {
		t.Fatal(len(raw), err)
	}
	for name, bad := range map[string]string{
		"signed twice":     good + signature + "\n",
		"free bits":        strings.Replace(good, signature[len(signature)-2:], string(signature[len(signature)-2]+1)+"=", 1),
		"another line":     strings.Replace(good, "\n\n", "\nmore\n\n", 1),
		"leading zero":     strings.Replace(good, "\n6\n", "\n06\n", 1),
		"signed size":      strings.Replace(good, "\n6\n", "\n+6\n", 1),
		"no signature":     text + "\n\n",
		"nothing":          "",
		"only its newline": "\n\n",
	} {
		if _, err := openCheckpoint([]byte(bad), verifier); !errors.Is(err, errNotCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyExplainsWhatIsNoLedger(t *testing.T) {
	_, key := small(t)
	_, err := Verify(t.TempDir(), key)
	wantKind(t, err, fault.Found, "format is missing")
	_, err = Verify(filepath.Join(t.TempDir(), "nowhere"), key)
	wantKind(t, err, fault.Unavailable, "cannot be read")
	_, err = Verify(t.TempDir(), "not a key")
	wantKind(t, err, fault.Invalid, "public key is not one")
	r, _ := small(t)
	_, err = Verify(r.dir, key)
	wantKind(t, err, fault.Found, "public key in the ledger's folder is not the one given")
}

func FuzzCheckpoint(f *testing.F) {
	r, key := small(f)
	f.Add(mustRead(f, filepath.Join(r.dir, checkpointFile)))
	f.Add([]byte("weir.ledger/x\n1\nAAAA\n\n— weir.ledger/x AAAA\n"))
	verifier, err := key.verifier()
	if err != nil {
		f.Fatal(err)
	}
	good := mustRead(f, filepath.Join(r.dir, checkpointFile))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := openCheckpoint(text, verifier); err == nil && !bytes.Equal(text, good) {
			t.Errorf("accepted %q as %+v", text, c)
		}
	})
}

func FuzzSegment(f *testing.F) {
	r, key := small(f)
	path := filepath.Join(r.dir, entriesDir, segmentName(0))
	good := mustRead(f, path)
	f.Add(good)
	f.Add([]byte(`{"index":0,` + "\n" + `{"checkpoint":"` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		mustWrite(t, path, text)
		if _, err := Verify(r.dir, key); (err == nil) != bytes.Equal(text, good) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
