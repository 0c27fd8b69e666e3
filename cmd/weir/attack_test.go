//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/node"
)

// canaryLiteral begins every literal that an attack writes. Nothing may ever say it again.
const canaryLiteral = "zq8wcanary"

// siege is one weir with people in it, which all attacks share. Its source is gone by the time they begin, so that nothing but an attack could write into the store.
type siege struct {
	*gated
	temp            string // the only folder for temporary files of weir's
	page            string // the JSON API's address
	ada, bob        node.NewUser
	vera, ruth      node.NewUser
	literals        int
	children, files map[string]string // as they were before
	began           int64             // the first entry of the ledger that is an attack's
	owed            map[attempt]int   // what must stand there
}

// attempt is an entry of the ledger as an attack must leave it: a question with its verdict, or an event of sign-in.
type attempt struct{ person, kind, verdict, rule string }

func (a attempt) String() string {
	return fmt.Sprintf("%s of %q by %q: %q", a.kind, a.verdict, a.person, a.rule)
}

func (s *siege) owe(person, kind, verdict, rule string) {
	s.owed[attempt{person, kind, verdict, rule}]++
}

// Whoever has an account, and whoever has none, tries everything at the doors of a weir that runs: it answers as it must, writes nothing, loses nobody else's session, and remembers all of it.
func TestTheGateStandsAgainstAttacks(t *testing.T) {
	t.Parallel()
	s := layIn(t)
	before := s.sql("simple", "ada", s.ada.SQL)
	ways := []way{s.sql("simple", "ada", s.ada.SQL), s.sql("extended", "bob", s.bob.SQL), s.sql("copy", "ada", s.ada.SQL), s.api(s.bob)}
	roles := []way{s.api(s.vera), s.api(s.ruth)}
	if a, err := before.ask(t.Context(), "SELECT count(*) FROM fleet.device; SELECT count(*) FROM pg_class", nil); err != nil || a.refused() {
		t.Fatalf("%+v, %v", a, err) // and the engines for both are there
	}
	s.quiet()
	gone := s.forgotten(t)
	t.Run("by sequences", func(t *testing.T) {
		n := s.begin(t) + s.smuggle(t) + s.within(t)
		s.cancels(t)
		s.crowd(t)
		s.guesses(t)
		t.Logf("%d sequences, a flood of cancels, a crowd and guesses", n)
		if n < 30 {
			t.Errorf("only %d sequences", n)
		}
	})
	t.Run("by statements", func(t *testing.T) {
		statements, asked := s.besiege(t, ways)
		s.withoutRights(t, roles)
		t.Logf("%d statements were asked %d times", statements, asked)
		if statements < 200 {
			t.Errorf("only %d statements", statements)
		}
	})
	gone()
	t.Run("and is unharmed", s.unharmed)
	t.Run("and remembers", s.remembered)
	t.Run("and says nothing", s.unsaid)
	t.Run("and answers", func(t *testing.T) { s.answering(t, before) })
}

// layIn starts the weir: a copy of a small fleet whose production then goes away.
func layIn(t *testing.T) *siege {
	t.Helper()
	s := &siege{temp: t.TempDir(), owed: map[attempt]int{}}
	url, lost := privateFleet(t)
	dir := t.TempDir()
	example, err := filepath.Abs(filepath.Join("..", "..", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf("source: {schemas: [fleet], accept: [production_ddl]}\npolicy: %s/policy\nmetrics: %s/metrics\ngate: {sql: '127.0.0.1:0', web: '127.0.0.1:0'}\n", example, example)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.gated = &gated{t: t, dir: dir, state: []string{"--state", filepath.Join(dir, "state")}, caller: caller{env: []string{"TMPDIR=" + s.temp}}}
	s.run = s.start(t, append([]string{"run", "--apply", "--debug", "--config", config, "--source", url}, s.state...)...)
	eventually(t, "weir follows", func() bool { return strings.Contains(s.run.output(), "following") })
	if s.page = regexp.MustCompile(`https://localhost:\d+`).FindString(s.run.output()); s.page == "" {
		t.Fatalf("nothing says where the page is:\n%s", s.run.output())
	}
	s.ada, s.bob = s.add("ada", "--role", "analyst"), s.add("bob", "--role", "analyst")
	s.vera, s.ruth = s.add("vera", "--role", "viewer"), s.add("ruth", "--role", "admin")
	lost()
	return s
}

// privateFleet is a production of its own, which lost ends.
func privateFleet(t *testing.T) (url string, lost func()) {
	t.Helper()
	server, _ := privateServer(t, fast)
	lost = func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: server.URL("postgres"), Accounts: 40, Days: 5, Seed: 7, Until: fleetUntil}); err != nil {
		t.Fatal(err)
	}
	return server.URL("postgres"), lost
}

// hashes are the SHA-256 of all files below a folder; of a socket, that it is one.
func hashes(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(data)
			out[path] = hex.EncodeToString(sum[:8])
		case !d.IsDir():
			out[path] = d.Type().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// everything is every file of weir's: the state with the store, the keys, the temporary folder.
func (s *siege) everything() map[string]string {
	out := hashes(s.t, s.dir)
	maps.Copy(out, hashes(s.t, s.temp))
	return out
}

// engines are the processes of weir, each with what the kernel knows it by: its number and when it began.
func (s *siege) engines() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	self := strconv.Itoa(s.run.cmd.Process.Pid)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		_, after, _ := strings.Cut(string(data), ") ")
		pid := filepath.Base(filepath.Dir(path))
		if f := strings.Fields(after); len(f) > 19 && (pid == self || f[1] == self) {
			out[pid] = f[19] // when it began
		}
	}
	return out
}

// quiet waits until nothing is written any more, and notes how everything is.
func (s *siege) quiet() {
	s.t.Helper()
	eventually(s.t, "weir waits for its source", func() bool {
		return decoded[node.Status](s.t, s.does(s.t, "status", "--json")).Flow.Phase == flow.Waiting
	})
	last, since := s.everything(), time.Now()
	eventually(s.t, "nothing is written", func() bool {
		if now := s.everything(); !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
		return time.Since(since) > 2500*time.Millisecond // a flow that has its source writes its place once a second
	})
	s.files, s.children = last, s.engines()
	clear(s.owed)
	s.began = int64(len(s.entries(0)))
}

// ledgerLine is an entry as weir ledger show --json prints it.
type ledgerLine struct {
	Index     int64  `json:"index"`
	Type      string `json:"type"`
	Principal string `json:"principal"`
	Body      struct {
		Kind     string `json:"kind"`
		Rule     string `json:"rule"`
		Question int64  `json:"question"`
		Verdict  string `json:"verdict"`
		Reason   string `json:"reason"`
		Account  string `json:"account"`
		Way      string `json:"way"`
		Session  string `json:"session"`
	} `json:"body"`
}

func (s *siege) entries(from int64) []ledgerLine {
	s.t.Helper()
	out := s.must(s.t, append([]string{"ledger", "show", "--json", "--from-entry", strconv.FormatInt(from, 10)}, s.state...)...)
	var all []ledgerLine
	for line := range strings.Lines(out) {
		var e ledgerLine
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// answer is what somebody was told.
type answer struct {
	rows                string // all of them, when it was answered
	code, message, hint string
	place               int32
	rest                string // whatever else was said
}

func (a answer) refused() bool { return a.code != "" }

// way is a way to ask a statement.
type way interface {
	name() string
	person() string
	ask(ctx context.Context, sql string, parameters []string) (answer, error)
}

// answerOf turns what a driver got into an answer. An error that is no answer of weir's comes back.
func answerOf(rows string, err error) (answer, error) {
	var e *pgconn.PgError
	if err == nil {
		return answer{rows: rows}, nil
	}
	if !errors.As(err, &e) {
		return answer{}, err
	}
	rest := strings.Join(slices.DeleteFunc([]string{e.Detail, e.InternalQuery, e.Where, e.SchemaName, e.TableName, e.ColumnName, e.DataTypeName, e.ConstraintName, e.File, e.Routine},
		func(s string) bool { return s == "" }), "; ")
	if e.Severity != "ERROR" || e.InternalPosition != 0 || e.Line != 0 {
		rest += fmt.Sprintf("; severity %s", e.Severity)
	}
	return answer{code: e.Code, message: e.Message, hint: e.Hint, place: e.Position, rest: rest}, nil
}

// sqlWay asks over PostgreSQL's protocol: simple, extended or copy.
type sqlWay struct {
	kind, who string
	conn      *pgx.Conn
}

func (w *sqlWay) name() string   { return w.kind }
func (w *sqlWay) person() string { return w.who }

func (w *sqlWay) ask(ctx context.Context, sql string, parameters []string) (answer, error) {
	c := w.conn.PgConn()
	switch w.kind {
	case "copy":
		var out bytes.Buffer
		_, err := c.CopyTo(ctx, &out, "COPY ("+sql+") TO STDOUT")
		return answerOf(out.String(), err)
	case "extended":
		values := make([][]byte, len(parameters))
		for i, p := range parameters {
			values[i] = []byte(p)
		}
		r := c.ExecParams(ctx, sql, values, nil, nil, nil).Read()
		return answerOf(fmt.Sprintf("%q", r.Rows), r.Err)
	}
	all, err := c.Exec(ctx, sql).ReadAll()
	var rows strings.Builder
	for _, r := range all {
		fmt.Fprintf(&rows, "%q", r.Rows)
	}
	return answerOf(rows.String(), err)
}

func (s *siege) sql(kind, who string, l *node.Login) *sqlWay {
	s.t.Helper()
	conn, err := s.connect(l, "")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(s.t.Context())) })
	s.owe(who, "signed_in", "sql", "")
	return &sqlWay{kind, who, conn}
}
