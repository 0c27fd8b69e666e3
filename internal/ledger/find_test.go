package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// plainRead decodes all lines of all entries, as the format's page says, with nothing of this package.
func plainRead(t testing.TB, dir string) (entries []Entry, lines [][]byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "entries", "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for line := range bytes.Lines(mustRead(t, name)) {
			if bytes.HasPrefix(line, []byte(`{"checkpoint"`)) {
				continue
			}
			var e struct {
				Index           Index
				Time            time.Time
				Type, Principal string
				Body            json.RawMessage
			}
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			entries = append(entries, Entry{Index: e.Index, Time: e.Time, Type: e.Type, Principal: e.Principal, Body: e.Body})
			lines = append(lines, bytes.TrimSuffix(line, []byte("\n")))
		}
	}
	return entries, lines
}

// plainFind is what Find means.
func plainFind(entries []Entry, lines [][]byte, f Filter) []Index {
	var found []Index
	for i, e := range entries {
		passes := e.Index >= f.First && (f.Before == 0 || e.Index < f.Before) &&
			(f.From.IsZero() || !e.Time.Before(f.From)) && (f.To.IsZero() || e.Time.Before(f.To)) &&
			(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) && (f.Principal == "" || e.Principal == f.Principal) &&
			(f.Keep == nil || f.Keep(e))
		for _, w := range f.Words {
			passes = passes && strings.Contains(string(lines[i]), w)
		}
		if passes {
			found = append(found, e.Index)
		}
	}
	if f.NewestFirst {
		slices.Reverse(found)
	}
	return found
}

func sameEntry(a, b Entry) bool {
	x, _ := a.Body.(json.RawMessage)
	y, _ := b.Body.(json.RawMessage)
	return a.Index == b.Index && a.Time.Equal(b.Time) && a.Time.Location() == b.Time.Location() && a.Type == b.Type && a.Principal == b.Principal && bytes.Equal(x, y)
}

// spelled appends all that an entry is.
func spelled(out []byte, e Entry) []byte {
	body, _ := e.Body.(json.RawMessage)
	return fmt.Appendf(out, "%d %s %s %q %s\n", e.Index, e.Time.Format(time.RFC3339Nano), e.Type, e.Principal, body)
}

// fullWriter takes some bytes and then none.
type fullWriter struct{ room int }

var errFull = errors.New("full")

func (w *fullWriter) Write(b []byte) (int, error) {
	if len(b) > w.room {
		return 0, errFull
	}
	w.room -= len(b)
	return len(b), nil
}

func TestWritingEndsWithItsReaderAndSaysWhatIsDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	where, l := someLedger(t, r, 4500, 1<<20)
	before := runtime.NumGoroutine()
	for _, room := range []int{0, 100_000, 400_000} {
		if n, err := WriteDir(t.Context(), where.dir, Filter{}, &fullWriter{room: room}, spelled); !errors.Is(err, errFull) || n >= 4500 || (n == 0) != (room == 0) {
			t.Errorf("room for %d bytes: %d written: %v", room, n, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := WriteDir(ctx, where.dir, Filter{}, io.Discard, func(out []byte, e Entry) []byte {
		if e.Index == 700 {
			cancel()
		}
		return spelled(out, e)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
	mustClose(t, l)
	names, err := filepath.Glob(filepath.Join(where.dir, entriesDir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	text := mustRead(t, names[0])
	lines := bytes.SplitAfter(text, []byte("\n"))
	damaged := slices.IndexFunc(lines, func(b []byte) bool { return bytes.HasPrefix(b, []byte(`{"index":40,`)) })
	copy(lines[damaged][len(lines[damaged])-3:], "{{")
	mustWrite(t, names[0], bytes.Join(lines, nil))
	n, err := WriteDir(t.Context(), where.dir, Filter{}, io.Discard, spelled)
	wantKind(t, err, fault.Found, "cannot be read")
	if n != 40 {
		t.Errorf("%d entries before the damaged one were written, want 40", n)
	}
	if _, err := WriteDir(t.Context(), t.TempDir(), Filter{}, io.Discard, spelled); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a folder without a ledger: %v", err)
	}
}

var (
	someTypes   = []string{"question", "answer", "batch", "people"}
	somePeople  = []string{"ada", "berta", "weir", "Zoë", `o"neil`, "a<b>&c", "", "an account with a name that is longer than any needle"}
	someColumns = []string{"model_id", "region", "größe", "a & b", "rarely_read", strings.Repeat("long_", 12)}
	noon        = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
)

// someEntry makes an entry of any size; its time is near that of its neighbours, or before.
func someEntry(r *rand.Rand, i int) Entry {
	var columns []string
	for range r.IntN(3) {
		columns = append(columns, someColumns[min(r.IntN(len(someColumns)), r.IntN(len(someColumns)))])
	}
	size := r.IntN(600)
	switch r.IntN(300) {
	case 0:
		size = r.IntN(100_000)
	case 1:
		size = r.IntN(MaxEntryBytes - 2000)
	}
	at := noon.Add(time.Duration(i)*time.Second + time.Duration(r.IntN(1000))*time.Millisecond)
	if r.IntN(20) == 0 {
		at = at.Add(-time.Duration(r.IntN(1000)) * time.Second)
	}
	return Entry{
		Time: at, Type: someTypes[r.IntN(len(someTypes))], Principal: somePeople[r.IntN(len(somePeople))],
		Body: map[string]any{"columns": columns, "filled": strings.Repeat("x", size), "type": someTypes[r.IntN(len(someTypes))]},
	}
}

// hasty is a disk that nobody waits for.
type hasty struct{ realDisk }

func (hasty) sync(step, *os.File) error { return nil }

// someLedger makes a ledger of n such entries in segments of that size.
func someLedger(t testing.TB, r *rand.Rand, n int, segmentBytes int64) (room, *Ledger) {
	t.Helper()
	where := newRoom(t)
	l, err := open(where.options(), hasty{}, segmentBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for i := 0; i < n; {
		var wg sync.WaitGroup
		for range min(1+r.IntN(200), n-i) {
			e := someEntry(r, i)
			wg.Go(func() {
				if _, err := l.Append(t.Context(), e); err != nil {
					t.Errorf("append: %v", err)
				}
			})
			i++
		}
		wg.Wait()
	}
	return where, l
}

func someFilter(r *rand.Rand, n int) Filter {
	f := Filter{NewestFirst: r.IntN(2) == 0}
	if r.IntN(2) == 0 {
		f.First = Index(r.IntN(n + 2))
	}
	if r.IntN(2) == 0 {
		f.Before = Index(r.IntN(n + 2))
	}
	if r.IntN(3) == 0 {
		f.From = noon.Add(time.Duration(r.IntN(n*1000)) * time.Millisecond)
	}
	if r.IntN(3) == 0 {
		f.To = noon.Add(time.Duration(r.IntN(n*1000)) * time.Millisecond)
	}
	for range r.IntN(3) * r.IntN(2) {
		f.Types = append(f.Types, someTypes[r.IntN(len(someTypes))])
	}
	if r.IntN(3) == 0 {
		f.Principal = somePeople[r.IntN(len(somePeople))]
	}
	for range r.IntN(3) {
		f.Words = append(f.Words, Word(someColumns[r.IntN(len(someColumns))]))
	}
	if r.IntN(10) == 0 {
		f.Words = append(f.Words, []string{"", "nobody wrote this", `"index":1`, "\n", `{"checkpoint":`, "}"}[r.IntN(6)])
	}
	if r.IntN(5) == 0 {
		f.Keep = func(e Entry) bool { return e.Index%3 == 0 }
	}
	return f
}

func TestWhatIsFoundIsWhatAPlainReadFinds(t *testing.T) {
	for seed, c := range []struct {
		entries int
		segment int64
	}{{3, 1}, {300, 5000}, {1500, 300_000}, {3000, defaultSegmentBytes}} {
		t.Run(fmt.Sprintf("%d entries in segments of %d", c.entries, c.segment), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			where, l := someLedger(t, r, c.entries, c.segment)
			entries, lines := plainRead(t, where.dir)
			for range 60 {
				f := someFilter(r, c.entries)
				want := plainFind(entries, lines, f)
				for way, seq := range map[string]iter.Seq2[Entry, error]{"open": l.Find(t.Context(), f), "folder": FindDir(t.Context(), where.dir, f)} {
					var got []Index
					for e, err := range seq {
						if err != nil {
							t.Fatalf("%s, %+v: %v", way, f, err)
						}
						if !sameEntry(e, entries[e.Index]) {
							t.Fatalf("%s, %+v: entry %d is %+v, stands as %+v", way, f, e.Index, e, entries[e.Index])
						}
						got = append(got, e.Index)
					}
					if !slices.Equal(got, want) {
						t.Fatalf("%s, %+v: found %v, want %v", way, f, got, want)
					}
				}
				var wanted, got bytes.Buffer
				for _, i := range want {
					wanted.Write(spelled(nil, entries[i]))
				}
				if n, err := WriteDir(t.Context(), where.dir, f, &got, spelled); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), wanted.Bytes()) {
					t.Fatalf("%+v: %d written, want %d: %v\n%s\nwant\n%s", f, n, len(want), err, got.Bytes(), wanted.Bytes())
				}
			}
			for i := 0; i < len(lines); i += 1 + len(lines)/300 {
				if got, err := lineOf(t.Context(), where.dir, int64(i), int64(len(lines))); err != nil || !bytes.Equal(got, lines[i]) {
					t.Fatalf("line of %d: %v", i, err)
				}
			}
		})
	}
}

func TestNewestFirstBeginsWithTheNewest(t *testing.T) {
	l := mustOpen(t, newRoom(t).options())
	appendN(t, l, 7)
	for before, want := range map[Index]string{0: "[6 5 4 3 2 1 0]", 3: "[2 1 0]", 7: "[6 5 4 3 2 1 0]", 100: "[6 5 4 3 2 1 0]", 1: "[0]"} {
		var got []Index
		for e, err := range l.Find(t.Context(), Filter{Before: before, NewestFirst: true, Words: []string{Word("question"), `"rows":3`}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Index)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("back from %d: %v, want %s", before, got, want)
		}
	}
	for e, err := range l.Find(t.Context(), Filter{Words: []string{"a < b & c", Word("nobody")}}) {
		t.Errorf("found %+v, %v", e, err)
	}
}

// While others append, a reading gives exactly the entries that were durable when it began.
func TestReadingBesideAppendsEndsWhereItBegan(t *testing.T) {
	where := newRoom(t)
	l, err := open(where.options(), realDisk{}, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	appendN(t, l, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range uint64(4) {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(w, 3))
			for ctx.Err() == nil {
				_, _ = l.Append(ctx, someEntry(r, 1))
			}
		})
	}
	for i := range 60 {
		f := Filter{NewestFirst: i%2 == 0}
		seq := l.Find(t.Context(), f)
		if i%4 < 2 {
			seq = FindDir(t.Context(), where.dir, f)
		}
		atLeast := l.Size()
		var got []Index
		atMost := int64(0)
		for e, err := range seq {
			if err != nil {
				t.Fatal(err)
			}
			if atMost == 0 {
				atMost = l.Size() + 1 // the folder's checkpoint is a moment ahead of what the writer tells
			}
			got = append(got, e.Index)
		}
		if f.NewestFirst {
			slices.Reverse(got)
		}
		for j, index := range got {
			if index != Index(j) {
				t.Fatalf("entry %d in the place of %d", index, j)
			}
		}
		// One batch of the four writers may be between the checkpoint's file and the writer's own size.
		if n := int64(len(got)); n < atLeast || n > atMost+3 {
			t.Errorf("%d entries were read, and %d to %d were there when reading began", n, atLeast, atMost)
		}
	}
	cancel()
	writers.Wait()
}

func TestWhatNoCheckpointCoversIsNotRead(t *testing.T) {
	for name, tail := range map[string]string{
		"half a line":           `{"index":5,"ti`,
		"a whole entry":         `{"index":5,"time":"2026-11-20T12:00:00Z","type":"question","principal":"ana","body":{}}` + "\n",
		"half a checkpoint":     `{"index":5,"time":"2026-11-20T12:00:00Z","type":"question","principal":"ana","body":{}}` + "\n" + `{"checkpoint":"weir`,
		"nothing that is known": strings.Repeat("x", 200_000),
	} {
		t.Run(name, func(t *testing.T) {
			where := newRoom(t)
			l := mustOpen(t, where.options())
			appendN(t, l, 5)
			mustClose(t, l)
			path := filepath.Join(where.dir, entriesDir, segmentName(0))
			mustWrite(t, path, append(mustRead(t, path), tail...))
			for _, back := range []bool{false, true} {
				n := 0
				for _, err := range FindDir(t.Context(), where.dir, Filter{NewestFirst: back}) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				if n != 5 {
					t.Errorf("back %t: %d entries", back, n)
				}
			}
		})
	}
}

func TestWhatIsMissingOrBrokenIsSaidWhereItStands(t *testing.T) {
	segment := func(dir string, i int) string {
		names, _, _ := segments(dir)
		return filepath.Join(dir, entriesDir, names[i])
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		finds  string
	}{
		"a segment in the middle": {func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir, 1)); err != nil {
				t.Fatal(err)
			}
		}, "is missing"},
		"the first segment": {func(t *testing.T, dir string) {
			if err := os.Remove(segment(dir, 0)); err != nil {
				t.Fatal(err)
			}
		}, "entry 0 of the ledger is missing"},
		"the last segment": {func(t *testing.T, dir string) {
			names, _, _ := segments(dir)
			if err := os.Remove(segment(dir, len(names)-1)); err != nil {
				t.Fatal(err)
			}
		}, "is missing"},
		"the end of a segment": {func(t *testing.T, dir string) {
			text := mustRead(t, segment(dir, 1))
			mustWrite(t, segment(dir, 1), text[:len(text)/2])
		}, "is missing"},
		"what is no JSON": {func(t *testing.T, dir string) {
			mustWrite(t, segment(dir, 1), bytes.Replace(mustRead(t, segment(dir, 1)), []byte(`"rows":3`), []byte(`"rows":}`), 1))
		}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			where := newRoom(t)
			l, err := open(where.options(), realDisk{}, 2000)
			if err != nil {
				t.Fatal(err)
			}
			appendN(t, l, 40)
			mustClose(t, l)
			c.damage(t, where.dir)
			for _, back := range []bool{false, true} {
				var last error
				n := 0
				for _, err := range FindDir(t.Context(), where.dir, Filter{NewestFirst: back}) {
					if last = err; err == nil {
						n++
					}
				}
				wantKind(t, last, fault.Found, c.finds)
				if n >= 40 {
					t.Errorf("back %t: all was read", back)
				}
			}
		})
	}
}

func TestReadingThatEndsEarlyLeavesNothingRunning(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	where, l := someLedger(t, r, 4500, 1<<20)
	before := runtime.NumGoroutine()
	for _, stop := range []int{1, 100, 3500} {
		n := 0
		for _, err := range l.Find(t.Context(), Filter{NewestFirst: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == stop {
				break
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		var last error
		for _, err := range FindDir(ctx, where.dir, Filter{}) {
			if last = err; err != nil {
				break
			}
			if n++; n == stop {
				cancel()
			}
		}
		cancel()
		if n != stop || !errors.Is(last, context.Canceled) {
			t.Errorf("a context that ended after %d entries ended reading after %d: %v", stop, n, last)
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

func FuzzCandidatesHoldTheirWords(f *testing.F) {
	f.Add("abc\nab\n\nbc abc\n", "ab", "bc")
	f.Add("x\n", "", "x")
	f.Add(strings.Repeat("long_", 20)+"\n"+strings.Repeat("long_", 6)+"\n", strings.Repeat("long_", 8), "o")
	f.Fuzz(func(t *testing.T, text, one, two string) {
		text += "\n"
		var want, got []string
		for line := range strings.Lines(text) {
			if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, one) && strings.Contains(line, two) {
				want = append(want, line)
			}
		}
		newSieve(Filter{Words: []string{one, two}}).candidates([]byte(text), func(line []byte) { got = append(got, string(line)) })
		if !slices.Equal(got, want) {
			t.Errorf("%q with %q and %q: %q, want %q", text, one, two, got, want)
		}
	})
}

func FuzzLinesAreDecodedAsJSON(f *testing.F) {
	f.Add(`{"index":4,"time":"2026-11-20T12:00:00.000000005Z","type":"question","principal":"ana","body":{"rows":3}}`)
	f.Add(`{"index":4,"time":"2026-11-20T12:00:00Z","type":"x","principal":"Zo\u00eb","body":{}}`)
	f.Add(`{"index":4,"time":"2026-11-20T12:00:00Z","type":"x","principal":"a","body":{"a":1},"body":{}}`)
	f.Add(`{"index":-1,"time":"2026-11-20T12:00:00+01:00","principal":"a","body":{}}`)
	f.Fuzz(func(t *testing.T, line string) {
		var want wireEntry
		sane := json.Unmarshal([]byte(line), &want) == nil && want.Index != nil
		got, passes, err := newSieve(Filter{}).decode([]byte(line))
		if sane != (err == nil) || sane != passes {
			t.Fatalf("%q: JSON reads it %t, we %t (%v)", line, sane, passes, err)
		}
		if !sane {
			return
		}
		body, _ := got.Body.(json.RawMessage)
		if *want.Index != got.Index || !want.Time.Equal(got.Time) || want.Type != got.Type || want.Principal != got.Principal || !bytes.Equal(want.Body, body) {
			t.Fatalf("%q: %+v, want %+v", line, got, want)
		}
	})
}
