package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/policy"
)

// haystack is everything that somebody can lose or read: what was printed, what lies in the state folder, what the store's tables say.
type haystack struct {
	mu    sync.Mutex // guards parts
	parts []straw
}

type straw struct {
	where string
	data  []byte
}

func (h *haystack) add(where string, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parts = append(h.parts, straw{where, data})
}

// addFiles adds every byte below dir, and the files' names.
func (h *haystack) addFiles(t *testing.T, when, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // a running weir removes files meanwhile
		}
		if data, err := os.ReadFile(path); err == nil {
			h.add(when+" "+path, append(data, path...))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addTables adds every value of every table of every file of the store, as the engine gives it.
func (h *haystack) addTables(t *testing.T, state string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, "store", "*", "*.db"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no store files: %v", err)
	}
	for _, file := range files {
		e, err := engine.Start(t.Context(), engine.Config{Path: file, Spill: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		tables := cells(t, s, "SELECT '\"' || schema_name || '\".\"' || table_name || '\"' FROM duckdb_tables()")
		if len(tables) < 3 {
			t.Fatalf("%s holds the tables %q", file, tables)
		}
		for _, table := range tables {
			h.add(file+" "+table, []byte(strings.Join(cells(t, s, "SELECT * FROM "+table), "\n")))
		}
		s.Release()
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// cells returns every value of an answer as text.
func cells(t *testing.T, s *engine.Session, sql string) []string {
	t.Helper()
	rows, err := s.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		for _, c := range rows.Batch().Columns() {
			for i := range c.Len() {
				all = append(all, c.ValueStr(i))
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return all
}

// needle is a value of production that must be found nowhere, in one of its written forms.
type needle struct {
	form  []byte
	label string // never the value
}

// needles finds many values at once: six bytes from the middle of each are looked up at every place of the haystack.
type needles struct {
	by     map[uint64][]needle
	seen   map[string]bool
	filter []uint64        // a bit for each hash of six bytes
	kept   map[string]bool // the beginnings that the policy keeps of some values
	sizes  map[int]bool    // their lengths
	values int
}

const windowSize = 6

func newNeedles() *needles {
	return &needles{by: map[uint64][]needle{}, seen: map[string]bool{}, filter: make([]uint64, 1<<18), kept: map[string]bool{}, sizes: map[int]bool{}}
}

func window(b []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint16(b[4:]))<<32
}

func bit(w uint64) (int, uint64) {
	h := (w * 0x9E3779B97F4A7C15) >> 40
	return int(h >> 6), 1 << (h & 63)
}

func middle(form []byte) int { return (len(form) - windowSize) / 2 }

func (n *needles) put(form []byte, label string) {
	if len(form) < windowSize || n.seen[string(form)] {
		return
	}
	n.seen[string(form)] = true
	w := window(form[middle(form):])
	n.by[w] = append(n.by[w], needle{form, label})
	i, b := bit(w)
	n.filter[i] |= b
}

// add adds a value as it is, in hexadecimal and in base64 wherever it may begin in what was encoded.
func (n *needles) add(value []byte, label string) {
	n.values++
	n.put(value, label)
	n.put([]byte(hex.EncodeToString(value)), label+" in hexadecimal")
	n.put(bytes.ToUpper([]byte(hex.EncodeToString(value))), label+" in hexadecimal")
	for shift := range 3 {
		padded := append(make([]byte, shift), value...)
		from, to := (shift*8+5)/6, len(padded)*8/6 // the digits that the value alone decides
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			n.put([]byte(encoding.EncodeToString(padded))[from:to], label+" in base64")
		}
	}
}

// addBits adds a value of 16 bytes in the forms that a UUID has: written, raw, and as the engine keeps it.
func (n *needles) addBits(b []byte, label string) {
	n.add(b, label)
	n.put(fmt.Appendf(nil, "%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), label)
	kept := make([]byte, 16)
	for i := range kept {
		kept[i] = b[15-i]
	}
	kept[15] ^= 0x80
	n.put(kept, label+" as the engine keeps it")
}

// find returns where values of production are, by label, and at most a few places of each.
func (n *needles) find(h *haystack) map[string][]string {
	found := map[string][]string{}
	for _, s := range h.parts {
		for at := 0; at+windowSize <= len(s.data); at++ {
			w := window(s.data[at:])
			if i, b := bit(w); n.filter[i]&b == 0 {
				continue
			}
			for _, nd := range n.by[w] {
				from := at - middle(nd.form)
				if from < 0 || from+len(nd.form) > len(s.data) || !bytes.Equal(s.data[from:from+len(nd.form)], nd.form) || inNumber(s.data, from, len(nd.form)) || n.twoKept(s.data[from:], nd.form) {
					continue
				}
				if len(found[nd.label]) < 3 {
					found[nd.label] = append(found[nd.label], fmt.Sprintf("%s at %d", s.where, from))
				}
			}
		}
	}
	return found
}

// twoKept tells whether a value found is only two kept beginnings side by side, as the engine's files have them: GB-EN and GB-SC without anything between them read GB-ENG.
func (n *needles) twoKept(data, form []byte) bool {
	for first := range n.sizes {
		if first >= len(form) || !n.kept[string(form[:first])] {
			continue
		}
		for second := range n.sizes {
			if end := first + second; end > len(form) && end <= len(data) && n.kept[string(data[first:end])] {
				return true
			}
		}
	}
	return false
}

// inNumber tells whether a value of digits and dots only stands within a longer one, and so is not itself there.
func inNumber(data []byte, from, size int) bool {
	numeric := func(i int) bool {
		return i >= 0 && i < len(data) && (data[i] == '.' || data[i] >= '0' && data[i] <= '9')
	}
	for i := from; i < from+size; i++ {
		if !numeric(i) {
			return false
		}
	}
	return numeric(from-1) || numeric(from+size)
}

// addSource adds every distinct value of every column that the policy holds back or turns into pseudonyms, under this rule: the columns are those of types whose values can be
// recognised (text, bytes, UUIDs, addresses, lists of text), of the classes that name, open or locate somebody or are free text; values shorter than six bytes are left out, for they
// stand everywhere by chance. Codes of the other classes (ios, TIMEOUT, America/New_York) are words of the schema, not of a person.
func (n *needles) addSource(t *testing.T, url string, pol *policy.Policy) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	types := map[string]string{}
	rows, err := conn.Query(t.Context(), "SELECT table_name || '.' || column_name, udt_name FROM information_schema.columns WHERE table_schema = 'fleet'")
	if err != nil {
		t.Fatal(err)
	}
	var column, udt string
	if _, err := pgx.ForEachRow(rows, []any{&column, &udt}, func() error { types[column] = udt; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, table := range pol.Tables {
		for _, c := range table.Columns {
			if c.Chars > 0 {
				n.addKept(t, url, table.Name, c)
			}
			switch c.Class {
			case policy.Secret, policy.DirectIdentifier, policy.Network, policy.FreeText, policy.Identifier, policy.Location, policy.Health:
			case policy.Behaviour, policy.Attribute, policy.Telemetry, policy.Public:
				continue
			}
			if c.Treat != policy.Drop && c.Treat != policy.Pseudonym {
				continue
			}
			name := strings.TrimPrefix(table.Name, "fleet.") + "." + c.Name
			n.addColumn(t, conn, table.Name, c.Name, types[name])
		}
	}
}

// addKept adds what a column's prefix lets through; see twoKept.
func (n *needles) addKept(t *testing.T, url, table string, c policy.Column) {
	t.Helper()
	name := pgx.Identifier{c.Name}.Sanitize()
	for _, v := range sourceValues(t, url, fmt.Sprintf("SELECT DISTINCT left(%s, %d) FROM %s WHERE %s <> ''", name, c.Chars, table, name)) {
		n.kept[v], n.sizes[len(v)] = true, true
	}
}

func (n *needles) addColumn(t *testing.T, conn *pgx.Conn, table, column, udt string) {
	t.Helper()
	value := pgx.Identifier{column}.Sanitize()
	switch udt {
	case "text", "bpchar", "uuid", "macaddr":
		value += "::text"
	case "inet", "cidr":
		value = "host(" + value + ")"
	case "_text":
		value = "unnest(" + value + ")"
	case "bytea":
		value = "encode(" + value + ", 'hex')"
	default:
		return
	}
	rows, err := conn.Query(t.Context(), fmt.Sprintf("SELECT DISTINCT v FROM (SELECT %s AS v FROM %s) AS s WHERE length(v) >= %d", value, table, windowSize))
	if err != nil {
		t.Fatal(err)
	}
	label := table + "." + column
	var v string
	_, err = pgx.ForEachRow(rows, []any{&v}, func() error {
		switch udt {
		case "bytea":
			b, err := hex.DecodeString(v)
			n.add(b, label)
			return err
		case "uuid":
			b, err := hex.DecodeString(strings.ReplaceAll(v, "-", ""))
			if err != nil {
				return err
			}
			n.addBits(b, label)
			return nil
		case "macaddr":
			b, err := hex.DecodeString(strings.ReplaceAll(v, ":", ""))
			n.add(b, label)
			n.put([]byte(strings.ToUpper(v)), label)
			n.add([]byte(v), label)
			return err
		}
		n.add([]byte(v), label)
		if lower := strings.ToLower(v); lower != v {
			n.put([]byte(lower), label+" in lower case")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (n *needles) addCanaries(t *testing.T, truth fleet.Truth) {
	t.Helper()
	if len(truth.Canaries) < 40 {
		t.Fatalf("the fleet has only %d canaries", len(truth.Canaries))
	}
	for _, c := range truth.Canaries {
		value, label := []byte(c.Value), "canary of "+c.Table+"."+c.Column
		if c.Encoding == "hex" {
			var err error
			if value, err = hex.DecodeString(c.Value); err != nil {
				t.Fatal(err)
			}
		}
		n.add(value, label)
	}
}

// addGuesses adds what production's keys would be if no secret were in the pseudonyms: anybody could count through the numbers.
func (n *needles) addGuesses(ids int, emails []string) {
	guess := func(plain []byte, label string) {
		for name, h := range map[string]hash.Hash{
			"MD5": md5.New(), "SHA-1": sha1.New(), "SHA-256": sha256.New(), "HMAC without a key": hmac.New(sha256.New, nil),
			"HMAC with a zero key": hmac.New(sha256.New, make([]byte, 32)),
		} {
			h.Write(plain)
			n.addBits(h.Sum(nil)[:16], name+" of "+label)
		}
	}
	for i := 1; i <= ids; i++ {
		guess(fmt.Append(nil, i), "a number")
		guess(binary.BigEndian.AppendUint64(nil, uint64(i)), "a number in bytes")
		guess(binary.LittleEndian.AppendUint64(nil, uint64(i)), "a number in bytes")
		guess(fmt.Appendf(nil, "user:%d", i), "a number and its subject")
	}
	for _, e := range emails {
		guess([]byte(e), "an email")
	}
}

// sourceValues returns the one column of an answer of the source.
func sourceValues(t *testing.T, url, sql string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The search above is worth what it finds: in a copy whose policy lets two columns through, it finds them.
func TestSearchFindsWhatALeakyPolicyLetsThrough(t *testing.T) {
	t.Parallel()
	url, truth := fleetDatabase(t, 30, 2)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "fleet"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "policy", "app_user.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	leaky := strings.NewReplacer(
		"nickname:          {class: direct_identifier, treat: drop}", "nickname:          {class: attribute, treat: keep}",
		"email:             {class: direct_identifier, treat: drop}", "email:             {class: attribute, treat: keep, access: metrics}",
	).Replace(string(data))
	if err := os.WriteFile(path, []byte(leaky), 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(t.TempDir(), "state")
	must(t, "run", "--once", "--apply", "--config", filepath.Join(dir, "weir.yaml"), "--source", url, "--state", state)
	h := &haystack{}
	h.addTables(t, state)
	n := newNeedles()
	n.addCanaries(t, truth)
	found := n.find(h)
	for _, want := range []string{"canary of app_user.nickname", "canary of app_user.email"} {
		if len(found[want]) == 0 {
			t.Errorf("not found: %s", want)
		}
		delete(found, want)
	}
	if len(found) > 0 {
		t.Errorf("found what is held back: %v", found)
	}
	if diff := weir(t, "policy", "diff", filepath.Join("..", "..", "examples", "fleet", "policy"), filepath.Join(dir, "policy")); diff.code != 3 || !strings.Contains(diff.stdout, "fleet.app_user.email") {
		t.Errorf("policy diff did not say so: %+v", diff)
	}
	encoded := &haystack{}
	encoded.add("encoded", []byte("xx"+base64.StdEncoding.EncodeToString([]byte("it is "+truth.Canaries[0].Value+" indeed"))+" "+
		base64.URLEncoding.EncodeToString([]byte("is "+truth.Canaries[1].Value))+strings.ToUpper(hex.EncodeToString([]byte(truth.Canaries[2].Value)))))
	if got := n.find(encoded); len(got) != 3 {
		t.Errorf("found in encoded text: %v", got)
	}
}

// A region that production drops must be found, unless the bytes are two kept beginnings that a file happens to hold side by side.
func TestSearchTellsARegionFromTwoKeptBeginnings(t *testing.T) {
	n := newNeedles()
	for _, v := range []string{"GB-EN", "GB-SC", "US-CA", "IS-1"} {
		n.kept[v], n.sizes[len(v)] = true, true
	}
	n.put([]byte("GB-ENG"), "a region")
	for text, found := range map[string]bool{
		"GB-ENG": true, "US-CAGB-ENG": true, "GB-ENGB-ENG": true, "GB-ENGB-EN": false, "US-CAGB-ENGB-SCIS-1": false, "GB-ENGB": true, "xx GB-ENG and GB-SC": true,
	} {
		h := &haystack{}
		h.add("a text", []byte(text))
		if got := len(n.find(h)) > 0; got != found {
			t.Errorf("%q: found %v, want %v", text, got, found)
		}
	}
}
