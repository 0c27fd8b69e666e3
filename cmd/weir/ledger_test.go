package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/weirproject/weir/internal/ledger"
)

// recorded makes a state folder with a ledger of these entries and returns the flags that find it.
func recorded(t *testing.T, entries ...ledger.Entry) []string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "weir.yaml")
	if err := os.WriteFile(config, []byte("source: {name: shop, url: \"postgres://127.0.0.1:1/shop\"}\npolicy: policy\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{Dir: filepath.Join(dir, "state", "ledger"), KeyDir: filepath.Join(dir, "keys")})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return []string{"--config", config, "--state", filepath.Join(dir, "state")}
}

func TestTheRecordTellsWhoReadAColumn(t *testing.T) {
	hour := func(h int) time.Time { return time.Date(2026, 11, 20, h, 0, 0, 0, time.UTC) }
	body := func(text string) json.RawMessage { return json.RawMessage(text) }
	flags := recorded(t,
		ledger.Entry{Time: hour(9), Type: "start", Principal: "weir"},
		ledger.Entry{Time: hour(10), Type: "question", Principal: "ada", Body: body(`{"address":"10.0.0.7:5","kind":"sql","statement":"SELECT\n  region\u001b[2J FROM shop.sale","columns":[{"table":"shop.sale","columns":["region","size"]}]}`)},
		ledger.Entry{Time: hour(10), Type: "answer", Principal: "ada", Body: body(`{"question":1,"verdict":"answered","rows":3,"bytes":24,"seconds":0.25}`)},
		ledger.Entry{Time: hour(12), Type: "question", Principal: "bo", Body: body(`{"address":"local","kind":"metric","metric":"turnover","by":["size"],"grain":"day","from":"2026-10-01T00:00:00Z","reads":[{"metric":"turnover","table":"shop.sale","columns":["size"]},{"metric":"sales","table":"shop.sale","columns":["paid","size"]}]}`)},
		// The clock steps back here.
		ledger.Entry{Time: hour(11), Type: "question", Principal: "ada", Body: body(`{"address":"10.0.0.7:6","kind":"sql","rule":"column_closed"}`)},
		ledger.Entry{Time: hour(13), Type: "answer", Principal: "ada", Body: body(`{"question":4,"verdict":"refused","reason":"refused","rows":0,"bytes":0,"seconds":0}`)},
		// The names stand in it, the column is not read.
		ledger.Entry{Time: hour(14), Type: "question", Principal: "bo", Body: body(`{"address":"local","kind":"metric","metric":"size","reads":[{"metric":"x","table":"shop.sale","columns":["paid"]},{"metric":"x","table":"shop.shop","columns":["size"]}]}`)},
		ledger.Entry{Time: hour(15), Type: "batch", Principal: "weir", Body: body(`{"tables":{"shop.sale":2}}`)},
	)
	for _, c := range []struct{ flags, want string }{
		{"--reads shop.sale.size", "1 3"},
		{"--reads shop.sale.paid", "3 6"},
		{"--reads shop.sale.size --from 2026-11-20T12:00:00Z", "3"},
		{"--reads shop.sale.size --person ada", "1"},
		{"--reads shop.sale.name", ""},
		{"--type question --to 2026-11-20T12:00:00Z", "1 4"},
		{"--type question --from-entry 3", "3 4 6"},
		{"--person ada", "1 2 4 5"},
		{"--person ad", ""},
		{"--type verification", ""},
		{"--from 2026-11-20T11:00:00Z --to 2026-11-20T13:00:00Z", "3 4"},
		{"", "0 1 2 3 4 5 6 7"},
	} {
		r := called(t, append(append([]string{"ledger", "show", "--json"}, strings.Fields(c.flags)...), flags...)...)
		var got []string
		for line := range strings.Lines(r.stdout) {
			var e struct{ Index int }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v: %s", c.flags, err, line)
			}
			got = append(got, fmt.Sprint(e.Index))
		}
		if r.code != 0 || strings.Join(got, " ") != c.want || (c.want == "") != (r.stderr == "weir: no entry of the record matches\n") {
			t.Errorf("ledger show %s: entries %v, want %s; %+v", c.flags, got, c.want, r)
		}
	}
	const want = `     0  2026-11-20 09:00:00  start         weir        {}
     1  2026-11-20 10:00:00  question      ada         from 10.0.0.7:5; sql SELECT region [2J FROM shop.sale; reads shop.sale (region, size)
     2  2026-11-20 10:00:00  answer        ada         to 1: answered, 3 rows, 24 bytes in 0.250 s
     3  2026-11-20 12:00:00  question      bo          from local; metric turnover by size per day from 2026-10-01T00:00:00Z; reads shop.sale (paid, size)
     4  2026-11-20 11:00:00  question      ada         from 10.0.0.7:6; sql; refused by column_closed
     5  2026-11-20 13:00:00  answer        ada         to 4: refused (refused), 0 rows, 0 bytes in 0.000 s
     6  2026-11-20 14:00:00  question      bo          from local; metric size; reads shop.sale (paid), shop.shop (size)
     7  2026-11-20 15:00:00  batch         weir        {"tables":{"shop.sale":2}}
`
	if r := called(t, append([]string{"ledger", "show"}, flags...)...); r.stdout != want {
		t.Errorf("for people:\n%s\nwant:\n%s", r.stdout, want)
	}
}

func TestTheRecordIsAskedForWhatItHas(t *testing.T) {
	flags := recorded(t, ledger.Entry{Time: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), Type: "start", Principal: "weir"})
	for asked, want := range map[string]string{
		"--type foo":                           "weir: --type is none of the types that entries have\nhint: there are start, stop, source_script, policy, batch, question, answer, people, verification, recovered, mirror\n",
		"--type questions":                     "weir: --type is none of the types that entries have\nhint: did you mean question? there are start, stop, ",
		"--from 2026-11-20 --to 2026-11-19":    "weir: the time range is empty: its end is not after its beginning\nhint: ",
		"--from 2026-11-20 --to 2026-11-20":    "weir: the time range is empty: its end is not after its beginning\nhint: ",
		"--reads device":                       "weir: --reads is not the name of a column\nhint: ",
		"--from 2026-11-20 --to 2026-99-99":    "weir: ",
		"--type start --person nobody --bogus": "weir: weir ledger show has no flag --bogus\n",
	} {
		r := called(t, append(append([]string{"ledger", "show"}, strings.Fields(asked)...), flags...)...)
		if r.code != 2 || r.stdout != "" || !strings.HasPrefix(r.stderr, want) {
			t.Errorf("ledger show %s: %+v", asked, r)
		}
	}
}

// The types that the help tells are those that the code writes.
func TestTheTypesOfEntriesAreAllTold(t *testing.T) {
	written := regexp.MustCompile(`(?s)(?:ledger\.Entry\{[^}]*Type: |\brecord\((?:ctx|context\.WithoutCancel\(ctx\)), |Entry += )"([a-z_]+)"`)
	types := map[string]bool{}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(filepath.WalkDir("../../internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range written.FindAllStringSubmatch(string(text), -1) {
			types[m[1]] = true
		}
		return err
	}))
	types[ledger.TypeRecovered], types[ledger.TypeMirror] = true, true
	if got, want := slices.Sorted(maps.Keys(types)), slices.Sorted(slices.Values(entryTypes)); !slices.Equal(got, want) {
		t.Errorf("the code writes %v, the help tells %v", got, want)
	}
}

// Whether a question reads a column is the same whether it is decoded or not, whatever names and statements look like.
func TestColumnsAreReadWhateverTheirSpelling(t *testing.T) {
	type reads struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
	}
	type asked struct {
		Statement string  `json:"statement,omitempty"`
		Metric    string  `json:"metric,omitempty"`
		Columns   []reads `json:"columns,omitempty"`
		Named     string  `json:"named,omitempty"`
	}
	words := []string{"size", "shop.sale", `si"ze`, `a\b`, "größe", "]", ",", `"table":`, `{"table":"shop.sale","columns":["size"]}`, "", "<", "columns"}
	random := rand.New(rand.NewPCG(3, 4))
	word := func() string { return words[random.IntN(len(words))] }
	fast, found := 0, 0
	for range 20_000 {
		q := asked{Statement: word(), Metric: word(), Named: word()}
		for range random.IntN(3) {
			r := reads{Table: word(), Columns: []string{}}
			for range random.IntN(3) {
				r.Columns = append(r.Columns, word())
			}
			q.Columns = append(q.Columns, r)
		}
		table, name := word(), word()
		want := slices.ContainsFunc(q.Columns, func(r reads) bool { return r.Table == table && slices.Contains(r.Columns, name) })
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(random.IntN(2) == 0)
		if err := encoder.Encode(q); err != nil {
			t.Fatal(err)
		}
		body := json.RawMessage(bytes.TrimSpace(text.Bytes()))
		c := newColumn(table, name)
		if got := c.readBy(ledger.Entry{Body: body}); got != want {
			t.Fatalf("%q.%q in %s: %t", table, name, body, got)
		}
		if _, ok := spelledReads(body, c.tableWord, c.nameWord); ok {
			fast++
		}
		if want {
			found++
		}
	}
	if fast < 1000 || found < 50 {
		t.Errorf("%d undecoded, %d found: too few to say anything", fast, found)
	}
	for _, body := range []string{`{"columns":[{"columns":["size"],"table":"shop.sale"}]}`, `{"columns": [ {"table": "shop.sale", "columns": [ "size" ] } ] }`} {
		if !newColumn("shop.sale", "size").readBy(ledger.Entry{Body: json.RawMessage(body)}) {
			t.Errorf("%s reads it", body)
		}
	}
}

// What is shown to people stays on its line, whoever wrote what into an entry: a terminal acts on control characters, and on characters that turn the direction of writing.
func TestAnEntryIsOneLineOfPlainText(t *testing.T) {
	for _, e := range []ledger.Entry{
		{Type: "people", Principal: "ada", Body: json.RawMessage("{\"by\":\"a\u009b2Jb\u202ec\u2028d\"}")},
		{Type: "question", Principal: "ada\u009b", Body: json.RawMessage("{\"statement\":\"a\\n\u009b2Jb\"}")},
		{Type: "answer", Principal: "ada", Body: json.RawMessage("{\"reason\":\"\\u001b[2J\"}")},
	} {
		line := string(entryLine(nil, e))
		if strings.Count(line, "\n") != 1 || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: %q", e.Type, line)
		}
	}
	for _, text := range []string{"", " ", "a", "a b", "a  b", " a", "a ", "a\tb", "größe a", "~ !"} {
		if isOneLine(text) && oneLine(text) != strings.Join(strings.Fields(text), " ") {
			t.Errorf("%q", text)
		}
	}
}

// Everything that can happen to an account is told in words, and so is every way and every end.
func TestWhatHappensToAccountsIsToldInWords(t *testing.T) {
	words := func(path, pattern string) (all []string) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "..", "internal", path))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			all = append(all, m[1])
		}
		slices.Sort(all)
		return all
	}
	for what, c := range map[string]struct {
		written []string
		told    map[string]string
	}{
		"kinds": {words("people/event.go", `EventKind = "([a-z_]+)"`), personKinds},
		"ways":  {words("people/event.go", `Way = "([a-z_]+)"`), personWays},
	} {
		if told := slices.Sorted(maps.Keys(c.told)); !slices.Equal(c.written, told) {
			t.Errorf("%s: the code writes %v, and told are %v", what, c.written, told)
		}
	}
	for _, end := range words("gate/pgwire/door.go", `End = "([a-z]+)"`) {
		if end != "dismissed" && personEnds[end] == "" { // whoever was dismissed was so for a reason
			t.Errorf("the end %s is not told", end)
		}
	}
	for body, want := range map[string]string{
		`{"kind":"signed_in","account":"ada","by":"ada","address":"10.0.0.7","role":"analyst","way":"sql","session":"5a","expires":"2026-11-20T20:00:00Z"}`: "ada signed in; with the role analyst; by SQL password; until 2026-11-20 20:00:00; session 5a; by ada; from 10.0.0.7",
		`{"kind":"sign_in_untried","address":"10.0.0.7","by":"","way":"page"}`:                                                                              "a sign-in as nobody known was not looked at: there were too many wrong ones, or too many at once; by page password; from 10.0.0.7",
		`{"kind":"sign_in_untried","account":"ada","by":"ada","address":"2001:db8::/64","way":"page","count":31,"since":"2026-11-20T12:00:00Z"}`:            "a sign-in as ada was not looked at: there were too many wrong ones, or too many at once; 31 times more since 2026-11-20 12:00:00; by page password; by ada; from 2001:db8::/64",
		`{"kind":"connection_ended","account":"ada","by":"ruth","address":"10.0.0.7","way":"sql","session":"5a","reason":"sql_ended"}`:                      "a connection of ada ended; by SQL password; after sql ended; session 5a; by ruth; from 10.0.0.7",
		`{"kind":"account_removed","account":"ada","by":"ruth","address":"local","from_role":"viewer","of":"person","ended":["1","2"]}`:                     "the account ada was removed; person with the role viewer; ended the sessions 1, 2; by ruth; from local",
		`{"kind":"tea_made","by":"ruth"}`: `{"kind":"tea_made","by":"ruth"}`,
	} {
		if line := string(entryLine(nil, ledger.Entry{Type: "people", Principal: "x", Body: json.RawMessage(body)})); !strings.HasSuffix(line, "  "+want+"\n") {
			t.Errorf("%s is told as %s", body, line)
		}
	}
}
