package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

const (
	// million is how many entries the searches are measured over.
	million = 1_000_000
	// together is how many of them share a checkpoint on average.
	together = 8
	// oneIn is how rare the rare column is among the questions.
	oneIn = 20_000
)

// began is the time of the first entry; the others follow at five seconds.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const pace = 5 * time.Second

// unsynced is a disk that waits for nothing and publishes only when asked: what is measured comes later.
type unsynced struct {
	realDisk
	path      string
	published []byte
}

func (*unsynced) sync(step, *os.File) error { return nil }

func (u *unsynced) replace(_ step, path string, b []byte) error {
	u.path, u.published = path, b
	return nil
}

var columns = []string{"model_id", "region", "country", "isp_id", "firmware_id", "connected_at", "reason_code", "is_synthetic", "shipped_on", "wifi_band"}

// workday makes entries as a day of questions makes them: questions by SQL and by metric, their answers, batches, sign-ins.
func workday(r *rand.Rand, i int) Entry {
	e := Entry{Time: began.Add(time.Duration(i) * pace), Principal: fmt.Sprintf("person%02d", r.IntN(40))}
	reads := func() string {
		var tables []string
		for _, t := range []string{"fleet.device", "fleet.connection_attempt", "fleet.firmware"}[r.IntN(2):] {
			some := columns[r.IntN(len(columns)-4):]
			list := `"` + strings.Join(some[:3+r.IntN(2)], `","`) + `"`
			if r.IntN(oneIn) == 0 {
				list += `,"battery_serial_class"`
			}
			tables = append(tables, `{"table":"`+t+`","columns":[`+list+`]}`)
		}
		return strings.Join(tables, ",")
	}
	common := func() string {
		return fmt.Sprintf(`{"session":"%016x","address":"10.1.%d.%d:%d","role":"analyst","policy":"%032x%032x"`, r.Uint64(), r.IntN(256), r.IntN(256), 1024+r.IntN(60000), 77, 78)
	}
	switch n := i % 20; {
	case n == 18:
		e.Type, e.Principal = "batch", "weir"
		e.Body = json.RawMessage(fmt.Sprintf(`{"from":"0/%X","to":"0/%X","tables":{"fleet.device":%d,"fleet.connection_attempt":%d},"policy":"%064x"}`, i*100, i*100+90, r.IntN(50), r.IntN(9000), 77))
	case n == 19:
		e.Type = "people"
		e.Body = json.RawMessage(fmt.Sprintf(`{"at":"2026-11-20T12:00:00Z","kind":"signed_in","account":"%s","by":"%s","address":"10.1.2.3:4711","way":"page"}`, e.Principal, e.Principal))
	case n%2 == 1:
		e.Type = "answer"
		e.Body = json.RawMessage(fmt.Sprintf(`{"question":%d,"verdict":"answered","rows":%d,"bytes":%d,"seconds":0.0%d}`, i-1, r.IntN(2000), r.IntN(100000), r.IntN(90000)))
	case n%6 == 0:
		e.Type = "question"
		e.Body = json.RawMessage(common() + `,"kind":"metric","metric":"failed_connection_rate","by":["model","region"],"grain":"day","from":"2026-10-01T00:00:00Z","to":"2026-11-01T00:00:00Z","reads":[` + reads() + `]}`)
	default:
		e.Type = "question"
		e.Body = json.RawMessage(common() + `,"kind":"sql","statement":"SELECT d.model_id, count(*) AS n FROM fleet.device d JOIN fleet.connection_attempt c ON c.device_id = d.id WHERE c.region = '#3fa9c01d2e4b5a69' GROUP BY d.model_id ORDER BY n DESC","columns":[` + reads() + `]}`)
	}
	return e
}

// writeMillion makes a ledger of that many entries, as it would be if all had been appended, without waiting for the disk.
func writeMillion(b *testing.B, entries, together int) room {
	b.Helper()
	r := newRoom(b)
	d := &unsynced{}
	l, err := open(r.options(), d, defaultSegmentBytes)
	if err != nil {
		b.Fatal(err)
	}
	batches := make(chan []*request, 64)
	go func() {
		defer close(batches)
		random := rand.New(rand.NewPCG(1, 2))
		for i := 0; i < entries; {
			var batch []*request
			for range min(1+random.IntN(2*together-1), entries-i) {
				rest, err := encodeEntry(workday(random, i))
				if err != nil {
					panic(err)
				}
				batch = append(batch, &request{rest: rest})
				i++
			}
			batches <- batch
		}
	}()
	for batch := range batches {
		if _, err := l.commit(batch); err != nil { // nobody appends, so the ledger's own goroutine sleeps
			b.Fatal(err)
		}
	}
	if err := (realDisk{}).replace(stepPublish, d.path, d.published); err != nil {
		b.Fatal(err)
	}
	mustClose(b, l)
	return r
}

func BenchmarkFind(b *testing.B) {
	start := time.Now()
	r := writeMillion(b, million, together)
	made := time.Since(start)
	var bytes int64
	names, _, err := segments(r.dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range names {
		info, err := os.Stat(r.dir + "/" + entriesDir + "/" + s)
		if err != nil {
			b.Fatal(err)
		}
		bytes += info.Size()
	}
	b.Logf("%d entries, %d MB in %d segments, made in %s", million, bytes>>20, len(names), made.Round(time.Second))
	day := began.Add(million / 2 * pace)
	table, rare, frequent := Word("fleet.device"), Word("battery_serial_class"), Word("firmware_id")
	for _, c := range []struct {
		name  string
		f     Filter
		limit int // 0: all
	}{
		{name: "few match", f: Filter{Words: []string{table, rare}}},
		{name: "few match, questions", f: Filter{Types: []string{"question"}, Words: []string{table, rare}}},
		{name: "none matches", f: Filter{Types: []string{"question"}, Principal: "nobody", Words: []string{table, frequent}}},
		{name: "many match, one day", f: Filter{Types: []string{"question"}, From: day, To: day.AddDate(0, 0, 1), Words: []string{table, frequent}}},
		{name: "one day", f: Filter{From: day, To: day.AddDate(0, 0, 1)}},
		{name: "one person", f: Filter{Types: []string{"question"}, Principal: "person07"}},
		{name: "many match", f: Filter{Types: []string{"question"}, Words: []string{table, frequent}}},
		{name: "all", f: Filter{}},
		{name: "newest 50 of many", f: Filter{Types: []string{"question"}, NewestFirst: true, Words: []string{table, frequent}}, limit: 50},
		{name: "newest 50 of a person", f: Filter{Types: []string{"question"}, Principal: "person07", NewestFirst: true}, limit: 50},
		{name: "50 from the middle back", f: Filter{Before: million / 2, NewestFirst: true}, limit: 50},
		{name: "newest first, none matches", f: Filter{NewestFirst: true, Words: []string{Word("nobody")}}},
	} {
		b.Run(strings.ReplaceAll(c.name, " ", "_"), func(b *testing.B) {
			found := 0
			for b.Loop() {
				found = count(b, r.dir, c.f, c.limit)
			}
			b.ReportMetric(float64(found), "found")
			if c.limit == 0 {
				b.ReportMetric(float64(million)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
			}
		})
	}
}

func count(b *testing.B, dir string, f Filter, limit int) int {
	b.Helper()
	n := 0
	for _, err := range FindDir(context.Background(), dir, f) {
		if err != nil {
			b.Fatal(err)
		}
		if n++; n == limit {
			break
		}
	}
	return n
}

// What weir ledger show does with what it finds.
func BenchmarkWriteDir(b *testing.B) {
	r := writeMillion(b, million, together)
	f := Filter{Types: []string{"question"}, Words: []string{Word("fleet.device"), Word("firmware_id")}}
	var found int64
	for b.Loop() {
		n, err := WriteDir(b.Context(), r.dir, f, io.Discard, spelled)
		if err != nil {
			b.Fatal(err)
		}
		found = n
	}
	b.ReportMetric(float64(found), "found")
}
