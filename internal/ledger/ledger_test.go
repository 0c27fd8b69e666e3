package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/weirproject/weir/internal/fault"
)

// room is where one test's ledger, key and mirror are.
type room struct{ dir, keys, mirror string }

func newRoom(t testing.TB) room {
	t.Helper()
	base := t.TempDir()
	return room{dir: filepath.Join(base, "ledger"), keys: filepath.Join(base, "keys"), mirror: filepath.Join(base, "mirror")}
}

func (r room) options() Options { return Options{Dir: r.dir, KeyDir: r.keys} }

func (r room) mirrored() Options { return Options{Dir: r.dir, KeyDir: r.keys, Mirror: r.mirror} }

func mustOpen(t testing.TB, o Options) *Ledger {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func mustClose(t testing.TB, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func appendN(t testing.TB, l *Ledger, n int) {
	t.Helper()
	for range n {
		if _, err := l.Append(t.Context(), Entry{Type: "question", Principal: "ana", Body: map[string]any{"rows": 3, "sql": "a < b & c"}}); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

func mustVerify(t testing.TB, r room, key PublicKey, entries int64, known ...[]byte) Report {
	t.Helper()
	report, err := Verify(r.dir, key, known...)
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	if report.Entries != entries {
		t.Fatalf("verified %d entries, want %d", report.Entries, entries)
	}
	return report
}

func wantKind(t testing.TB, err error, kind fault.Kind, text string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != kind || !strings.Contains(f.Message, text) {
		t.Fatalf("got %v, want a fault of kind %d with %q", err, kind, text)
	}
}

func mustRead(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustWrite(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, fileMode); err != nil {
		t.Fatal(err)
	}
}

// filesOf is every file of the folder by its path in it.
func filesOf(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[name] = mustRead(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAppendedEntriesAreReadBackInOrder(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	at := time.Date(2026, 11, 20, 12, 0, 0, 5, time.FixedZone("x", 3600))
	bodies := []any{nil, map[string]any{"sql": "a < b & c > d", "n": 1}, struct {
		From string `json:"from"`
	}{"0/1"}, json.RawMessage(`{ "spaced": [1, 2] }`)}
	for i, body := range bodies {
		index, err := l.Append(t.Context(), Entry{Time: at, Type: "batch", Principal: "weir", Body: body})
		if err != nil || index != Index(i) {
			t.Fatalf("append %d: %d, %v", i, index, err)
		}
	}
	want := []string{`{}`, `{"n":1,"sql":"a < b & c > d"}`, `{"from":"0/1"}`, `{"spaced":[1,2]}`}
	for from := range len(bodies) + 1 {
		next := from
		for e, err := range l.Find(t.Context(), Filter{First: Index(from)}) {
			if err != nil {
				t.Fatal(err)
			}
			body, _ := e.Body.(json.RawMessage)
			if e.Index != Index(next) || !e.Time.Equal(at) || e.Time.Location() != time.UTC || e.Type != "batch" || e.Principal != "weir" || string(body) != want[next] {
				t.Errorf("read %d from %d: %+v %s", next, from, e, body)
			}
			next++
		}
		if next != len(bodies) {
			t.Errorf("reading from %d ended at %d", from, next)
		}
	}
	mustClose(t, l)
	if report := mustVerify(t, r, l.PublicKey(), 4); report.Checkpoints != 4 || report.Origin == "" {
		t.Errorf("report %+v", report)
	}
}

func TestReadEndsWhenAskedTo(t *testing.T) {
	l := mustOpen(t, newRoom(t).options())
	appendN(t, l, 5)
	n := 0
	for _, err := range l.Find(t.Context(), Filter{First: 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 2 {
			break
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range l.Find(ctx, Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read with a context that has ended: %v", err)
		}
	}
}

func TestAFolderIsReadBesideItsWriter(t *testing.T) {
	r := newRoom(t)
	for _, err := range FindDir(t.Context(), r.dir, Filter{}) {
		wantKind(t, err, fault.NotFound, "there is no ledger")
	}
	l := mustOpen(t, r.options())
	appendN(t, l, 5)
	next := Index(2)
	for e, err := range FindDir(t.Context(), r.dir, Filter{First: 2}) {
		if err != nil || e.Index != next || e.Principal != "ana" {
			t.Fatalf("%+v, %v", e, err)
		}
		next++
	}
	if next != 5 {
		t.Errorf("reading ended at %d", next)
	}
	mustWrite(t, filepath.Join(r.dir, checkpointFile), []byte("nothing signed\n"))
	for _, err := range FindDir(t.Context(), r.dir, Filter{}) {
		wantKind(t, err, fault.Found, "not signed by its key")
	}
}

func TestImproperEntriesAreRefusedAlone(t *testing.T) {
	l := mustOpen(t, newRoom(t).options())
	for name, e := range map[string]Entry{
		"no type":       {},
		"shouted type":  {Type: "Query"},
		"array body":    {Type: "x", Body: []int{1}},
		"null body":     {Type: "x", Body: (*struct{})(nil)},
		"unwritable":    {Type: "x", Body: map[string]any{"f": func() {}}},
		"broken JSON":   {Type: "x", Body: json.RawMessage(`{"a"`)},
		"too large":     {Type: "x", Body: map[string]string{"a": strings.Repeat("a", MaxEntryBytes)}},
		"impossible at": {Type: "x", Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := l.Append(t.Context(), e); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	large := Entry{Type: "x", Body: map[string]string{"a": strings.Repeat("a", MaxEntryBytes-200)}}
	if _, err := l.Append(t.Context(), large); err != nil {
		t.Errorf("an entry just within the bound: %v", err)
	}
	if l.Size() != 1 {
		t.Errorf("size %d", l.Size())
	}
}

func TestConcurrentAppendsGetEachTheirIndexAndShareCheckpoints(t *testing.T) {
	r := newRoom(t)
	l, err := open(r.mirrored(), realDisk{}, 8<<10)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 16, 40
	var mu sync.Mutex
	got := map[Index]string{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				who := fmt.Sprintf("w%d-%d", w, i)
				index, err := l.Append(t.Context(), Entry{Type: "question", Principal: who})
				if err != nil {
					t.Errorf("append: %v", err)
				}
				mu.Lock()
				got[index] = who
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for e, err := range l.Find(t.Context(), Filter{}) {
		if err != nil || got[e.Index] != e.Principal {
			t.Fatalf("entry %d is of %q, its writer was told %q (%v)", e.Index, e.Principal, got[e.Index], err)
		}
	}
	mustClose(t, l)
	report := mustVerify(t, r, l.PublicKey(), writers*each, mustRead(t, r.mirror))
	if report.Checkpoints >= writers*each {
		t.Errorf("%d checkpoints for %d entries: nothing was shared", report.Checkpoints, report.Entries)
	}
	if report.Known != report.Checkpoints {
		t.Errorf("the mirror holds %d of %d checkpoints", report.Known, report.Checkpoints)
	}
	if names, _, _ := segments(r.dir); len(names) < 3 {
		t.Errorf("segments %v: none was ever full", names)
	}
}

func TestALedgerGoesOnAfterEachRestart(t *testing.T) {
	r := newRoom(t)
	var key PublicKey
	for i := range 5 {
		l, err := open(r.mirrored(), realDisk{}, 700)
		if err != nil {
			t.Fatal(err)
		}
		if l.Size() != int64(3*i) {
			t.Fatalf("size %d at start %d", l.Size(), i)
		}
		appendN(t, l, 3)
		key = l.PublicKey()
		mustClose(t, l)
		mustVerify(t, r, key, int64(3*i+3), mustRead(t, r.mirror))
	}
}

func TestAnAppendAfterCloseIsRefused(t *testing.T) {
	l := mustOpen(t, newRoom(t).options())
	mustClose(t, l)
	_, err := l.Append(t.Context(), Entry{Type: "x"})
	wantKind(t, err, fault.Unavailable, "closed")
}

func TestAnAppendWhoseContextHasEndedIsNotRecorded(t *testing.T) {
	l := mustOpen(t, newRoom(t).options())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ctx, Entry{Type: "x"}); !errors.Is(err, context.Canceled) || l.Size() != 0 {
		t.Errorf("%v, size %d", err, l.Size())
	}
}

func TestASecondWriterIsRefused(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	_, err := Open(r.options())
	wantKind(t, err, fault.Unavailable, "another process has the ledger open")
	appendN(t, l, 1)
	mustClose(t, l)
	mustClose(t, mustOpen(t, r.options()))
}

func TestVerifyRunsBesideTheWriter(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.mirrored())
	appendN(t, l, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = l.Append(ctx, Entry{Type: "question"})
			}
		})
	}
	for range 10 {
		known := mustRead(t, r.mirror)
		if _, err := Verify(r.dir, l.PublicKey(), known); err != nil {
			t.Errorf("verify beside the writer: %v", err)
			break
		}
	}
	cancel()
	wg.Wait()
}

func TestKeysThatOthersMayUseAreRefused(t *testing.T) {
	r := newRoom(t)
	mustClose(t, mustOpen(t, r.options()))
	key := filepath.Join(r.keys, keyFile)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the key was made with mode %v (%v)", info.Mode(), err)
	}
	for _, c := range []struct {
		path string
		mode fs.FileMode
		hint string
	}{{key, 0o640, "chmod 600 " + key}, {key, 0o604, "chmod 600 " + key}, {r.keys, 0o770, "chmod 700 " + r.keys}} {
		before, err := os.Stat(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err = Open(r.options())
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.Refused || f.Hint != c.hint {
			t.Errorf("mode %o: %v", c.mode, err)
		}
		if err := os.Chmod(c.path, before.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, mustOpen(t, r.options()))
}

func TestALedgerIsNeverSignedByANewKey(t *testing.T) {
	r := newRoom(t)
	mustClose(t, mustOpen(t, r.options()))
	if err := os.Remove(filepath.Join(r.keys, keyFile)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(r.options())
	wantKind(t, err, fault.NotFound, "key that signs this ledger is missing")
	other := newRoom(t)
	mustClose(t, mustOpen(t, other.options()))
	_, err = Open(Options{Dir: r.dir, KeyDir: other.keys})
	wantKind(t, err, fault.Found, "not that of the key folder")
	mustWrite(t, filepath.Join(r.keys, keyFile), []byte("PRIVATE+KEY+x+00000000+AAAA\n"))
	_, err = Open(r.options())
	wantKind(t, err, fault.Invalid, "cannot be read")
}

func TestKeyAndMirrorMustLieOutside(t *testing.T) {
	r := newRoom(t)
	_, err := Open(Options{Dir: r.dir, KeyDir: filepath.Join(r.dir, "keys")})
	wantKind(t, err, fault.Invalid, "must not lie inside")
	_, err = Open(Options{Dir: r.dir, KeyDir: r.keys, Mirror: filepath.Join(r.dir, "mirror")})
	wantKind(t, err, fault.Invalid, "must not lie inside")
	_, err = Open(Options{Dir: r.dir, KeyDir: r.keys, Mirror: os.DevNull})
	wantKind(t, err, fault.Invalid, "not a file")
}

func TestANewerFormatIsRefused(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	mustClose(t, l)
	mustWrite(t, filepath.Join(r.dir, formatFile), []byte("weir-ledger 2\n"))
	_, err := Open(r.options())
	wantKind(t, err, fault.Refused, "another version")
	_, err = Verify(r.dir, l.PublicKey())
	wantKind(t, err, fault.Found, "format")
}

func TestTheTreeIsThatOfTlog(t *testing.T) {
	var mine tree
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var hashes []tlog.Hash
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	for n := range int64(200) {
		want, err := tlog.TreeHash(n, reader)
		if err != nil || mine.root() != want {
			t.Fatalf("root over %d differs (%v)", n, err)
		}
		data := fmt.Appendf(nil, "entry %d", n)
		hashes, err := tlog.StoredHashes(n, data, reader)
		if err != nil {
			t.Fatal(err)
		}
		if got := mine.add(tlog.RecordHash(data)); fmt.Sprint(got) != fmt.Sprint(hashes) {
			t.Fatalf("hashes of entry %d differ", n)
		}
		stored = append(stored, hashes...)
	}
}

func TestProofsHoldForTheirEntryAndNoOther(t *testing.T) {
	r := newRoom(t)
	l := mustOpen(t, r.options())
	var earlier [][]byte
	for range 9 {
		appendN(t, l, 1)
		earlier = append(earlier, l.Checkpoint())
	}
	for i := range Index(9) {
		p, err := l.InclusionProof(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckInclusion(l.PublicKey(), p); err != nil {
			t.Errorf("proof of %d: %v", i, err)
		}
		text, err := p.MarshalText()
		if err != nil || !strings.HasPrefix(string(text), fmt.Sprintf("c2sp.org/tlog-proof@v1\nindex %d\n", i)) || !strings.HasSuffix(string(text), string(p.Checkpoint)) {
			t.Errorf("proof as text: %q, %v", text, err)
		}
		p.Entry[len(p.Entry)-2] ^= 1
		wantKind(t, CheckInclusion(l.PublicKey(), p), fault.Found, "does not show")
		c, err := l.ConsistencyProof(int64(i) + 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckConsistency(l.PublicKey(), earlier[i], c); err != nil {
			t.Errorf("consistency from %d: %v", i+1, err)
		}
		wantKind(t, CheckConsistency(l.PublicKey(), earlier[(i+1)%9], c), fault.Found, "does not show")
	}
	_, err := l.InclusionProof(t.Context(), 9)
	wantKind(t, err, fault.NotFound, "no entry 9")
	_, err = l.ConsistencyProof(10)
	wantKind(t, err, fault.NotFound, "never of size 10")
	other := mustOpen(t, newRoom(t).options())
	p, err := l.InclusionProof(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, CheckInclusion(other.PublicKey(), p), fault.Found, "not signed")
}

func BenchmarkAppendAlone(b *testing.B) {
	l := mustOpen(b, newRoom(b).options())
	body := map[string]any{"statement": strings.Repeat("select ", 20), "rows": 12, "verdict": "answered"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Append(b.Context(), Entry{Type: "question", Principal: "ana", Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendConcurrently(b *testing.B) {
	l := mustOpen(b, newRoom(b).options())
	body := map[string]any{"statement": strings.Repeat("select ", 20), "rows": 12, "verdict": "answered"}
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Append(b.Context(), Entry{Type: "question", Principal: "ana", Body: body}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkVerify(b *testing.B) {
	r := newRoom(b)
	l := mustOpen(b, r.options())
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range 500 {
				if _, err := l.Append(b.Context(), Entry{Type: "question", Body: map[string]any{"statement": strings.Repeat("select ", 20)}}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	mustClose(b, l)
	var report Report
	for b.Loop() {
		report = mustVerify(b, r, l.PublicKey(), 16_000)
	}
	b.ReportMetric(float64(report.Entries)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(report.Checkpoints), "checkpoints")
}
