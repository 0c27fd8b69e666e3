package postgres

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/postmaster"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/sourcetest"
	"github.com/weirproject/weir/internal/treatment"
)

// codes returns the codes of the findings that stop.
func codes(t *testing.T, s *Source, sel source.Selection) []string {
	t.Helper()
	found, err := s.Check(t.Context(), sel)
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	var stops []string
	for _, f := range found {
		if f.Severity == source.Stop {
			stops = append(stops, f.Code)
		}
	}
	return stops
}

// TestWhatAPublicationDoesToProduction tries each statement that our being there can break, as design and consent say it does, and what lifts it.
func TestWhatAPublicationDoesToProduction(t *testing.T) {
	p := newProduction(t)
	for _, c := range []struct {
		name      string
		before    string // something production does first
		statement string
		fails     bool
	}{
		{"insert, update, delete", "", "INSERT INTO app.item VALUES (2, 'b', 1, 's'); UPDATE app.item SET id = 3 WHERE id = 2; DELETE FROM app.item; TRUNCATE app.item", false},
		{"add a column", "", "ALTER TABLE app.item ADD COLUMN more text", false},
		{"drop an unlisted column", "", "ALTER TABLE app.item DROP COLUMN secret", false},
		{"retype an unlisted column", "", "ALTER TABLE app.item ALTER COLUMN secret TYPE varchar(9)", false},
		{"rename a listed column", "", "ALTER TABLE app.item RENAME COLUMN name TO title", false},
		{"rename the table", "", "ALTER TABLE app.item RENAME TO thing", false},
		{"drop the table", "", "DROP TABLE app.item", false},
		{"drop a listed column with cascade", "", "ALTER TABLE app.item DROP COLUMN name CASCADE", false},
		{"drop a listed column", "", "ALTER TABLE app.item DROP COLUMN name", true},
		{"retype a listed column", "", "ALTER TABLE app.item ALTER COLUMN n TYPE bigint", true},
		{"update after the key was dropped", "ALTER TABLE app.item DROP CONSTRAINT item_pkey", "UPDATE app.item SET n = 2", true},
		{"delete after the key was dropped", "ALTER TABLE app.item DROP CONSTRAINT item_pkey", "DELETE FROM app.item", true},
		{"insert after the key was dropped", "ALTER TABLE app.item DROP CONSTRAINT item_pkey", "INSERT INTO app.item VALUES (9, 'b', 1, 's')", false},
		{"update after the key got an unlisted column", "ALTER TABLE app.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (id, secret)", "UPDATE app.item SET n = 2", true},
		{"update after the key became another listed column", "ALTER TABLE app.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (n)", "UPDATE app.item SET name = 'x'", false},
		{"update after replica identity full", "ALTER TABLE app.item REPLICA IDENTITY FULL", "UPDATE app.item SET n = 2", true},
		{"update after replica identity nothing", "ALTER TABLE app.item REPLICA IDENTITY NOTHING", "UPDATE app.item SET n = 2", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Exec(t, "DROP TABLE IF EXISTS app.item, app.thing", "CREATE TABLE app.item (id bigint PRIMARY KEY, name text, n integer NOT NULL, secret text NOT NULL)", "INSERT INTO app.item VALUES (1, 'a', 1, 's')")
			s := p.open(t, Options{})
			sel := sourcetest.Select(t, s, map[string][]string{"app.item": {"id", "name", "n"}})
			sourcetest.Prepare(t, s, sel)
			if c.before != "" {
				p.Exec(t, c.before)
			}
			err := p.try(t, c.statement)
			t.Log("production saw:", err)
			if (err != nil) != c.fails {
				t.Fatal("production's statement failed:", err != nil, "expected:", c.fails)
			}
			if !c.fails {
				return
			}
			found, err := s.Check(t.Context(), sel)
			if err != nil {
				t.Fatal(sourcetest.Explain(err))
			}
			consent := slices.IndexFunc(found, func(f source.Finding) bool { return f.Severity == source.Consent && f.Code == "production_ddl" })
			if consent < 0 {
				t.Fatal("check does not ask for consent")
			}
			lift := "ALTER PUBLICATION " + quoteName(s.name) + " DROP TABLE "
			if !strings.Contains(found[consent].Fix, lift) {
				t.Error("the fix does not name the statement:", found[consent].Fix)
			}
			p.Exec(t, lift+"app.item", c.statement)
		})
	}
}

// TestTablesThatWouldBreakAreRefusedAndLeftAlone shows for each that check stops, no script publishes it, and production's UPDATE still works.
func TestTablesThatWouldBreakAreRefusedAndLeftAlone(t *testing.T) {
	id := treatment.Column{Name: "id", Type: treatment.Type{Kind: treatment.Int64, Name: "bigint"}}
	body := treatment.Column{Name: "body", Type: treatment.Type{Kind: treatment.Text, Name: "text"}}
	for name, c := range map[string]struct {
		make []string
		code string
		cols []treatment.Column
	}{
		"no key":                    {[]string{"CREATE TABLE app.item (id bigint, body text)"}, "no_key", nil},
		"replica identity full":     {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body text)", "ALTER TABLE app.item REPLICA IDENTITY FULL"}, "no_key", nil},
		"replica identity nothing":  {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body text)", "ALTER TABLE app.item REPLICA IDENTITY NOTHING"}, "no_key", nil},
		"replica identity by index": {[]string{"CREATE TABLE app.item (id bigint NOT NULL, body text)", "CREATE UNIQUE INDEX i ON app.item (id)", "ALTER TABLE app.item REPLICA IDENTITY USING INDEX i"}, "no_key", nil},
		"a deferrable key":          {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY DEFERRABLE, body text)"}, "no_key", nil},
		"unlogged":                  {[]string{"CREATE UNLOGGED TABLE app.item (id bigint PRIMARY KEY, body text)"}, "no_key", nil},
		"a wider key":               {[]string{"CREATE TABLE app.item (id bigint, other bigint, body text, PRIMARY KEY (id, other))"}, "key_columns", nil},
		"a partition of its own": {
			[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body text) PARTITION BY LIST (id)", "CREATE TABLE app.item_1 PARTITION OF app.item DEFAULT", "ALTER TABLE app.item_1 REPLICA IDENTITY FULL"},
			"no_key", nil,
		},
		"a generated column": {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body text GENERATED ALWAYS AS ('x' || id::int4::text) STORED)"}, "generated_column", nil},
		"an unread type":     {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body jsonb)"}, "unsupported_type", nil},
		"another type":       {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body bytea)"}, "column_type", nil},
		"a missing column":   {[]string{"CREATE TABLE app.item (id bigint PRIMARY KEY)"}, "column_missing", nil},
		"a missing table":    {[]string{"CREATE TABLE app.elsewhere (id bigint PRIMARY KEY)"}, "table_missing", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProduction(t)
			if name == "a generated column" { // text of an integer is immutable only by its own function
				c.make = []string{"CREATE TABLE app.item (id bigint PRIMARY KEY, body text GENERATED ALWAYS AS (repeat('x', 3)) STORED)"}
			}
			p.Exec(t, c.make...)
			s := p.open(t, Options{})
			sel := source.Selection{{Table: "app.item", Columns: []treatment.Column{id, body}, Key: []int{0}}}
			if got := codes(t, s, sel); !slices.Contains(got, c.code) {
				t.Error("check stops for", got)
			}
			var f *fault.Error
			if script, err := s.Script(t.Context(), sel); !errors.As(err, &f) || f.Kind != fault.Refused || f.Hint == "" || script != "" {
				t.Error("script returned", script, sourcetest.Explain(err))
			}
			if c.code == "no_key" || c.code == "key_columns" {
				p.Exec(t, "INSERT INTO app.item (id"+map[bool]string{true: ", other"}[c.code == "key_columns"]+") VALUES (1"+map[bool]string{true: ", 1"}[c.code == "key_columns"]+")",
					"UPDATE app.item SET body = 'x'")
			}
		})
	}
}

func TestCheckNamesWhatTheRoleMayNotDo(t *testing.T) {
	p := newProduction(t)
	role := "r" + p.id
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text, secret text)", `CREATE TABLE app."we""ird.Tab" (id bigint PRIMARY KEY, "Sel""ect" text)`,
		"CREATE TABLE app.filtered (id bigint PRIMARY KEY)", "INSERT INTO app.filtered VALUES (1), (2)", "ALTER TABLE app.filtered ENABLE ROW LEVEL SECURITY",
		"CREATE POLICY one ON app.filtered USING (id = 1)",
		"CREATE ROLE "+role+" LOGIN PASSWORD 'pw'", `GRANT SELECT (id) ON app.item TO `+role)
	t.Cleanup(func() { p.Exec(t, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "pw")
	s := p.open(t, Options{URL: u.String()})
	owner := p.open(t, Options{})
	all := map[string][]string{"app.item": {"id", "name"}, "app.filtered": nil, `app.we"ird.Tab`: nil}
	sel := sourcetest.Select(t, owner, all)
	if got := codes(t, s, sel); !slices.Contains(got, "replication_right") || !slices.Contains(got, "schema_right") || !slices.Contains(got, "select_right") || !slices.Contains(got, "row_security") {
		t.Error("check stops for", got)
	}
	found, err := s.Check(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found { // what the findings say helps
		if strings.HasPrefix(f.Fix, "GRANT") {
			p.Exec(t, f.Fix)
		}
	}
	p.Exec(t, "ALTER ROLE "+role+" REPLICATION BYPASSRLS")
	sourcetest.Prepare(t, owner, sel)
	if got := codes(t, s, sel); len(got) != 0 {
		t.Error("with the fixes check stops for", got)
	}
	if got := codes(t, s, sourcetest.Select(t, owner, map[string][]string{"app.item": nil, "app.filtered": nil, `app.we"ird.Tab`: nil})); !slices.Contains(got, "select_right") {
		t.Error("an unreadable column is not found:", got)
	}
	mine, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	if theirs, err := owner.Schema(t.Context()); err != nil || mine.Identity != theirs.Identity || len(mine.Tables) != len(theirs.Tables) {
		t.Error("the role sees another schema than the owner", err)
	}
	p.Exec(t, `INSERT INTO app."we""ird.Tab" VALUES (1, 'a')`)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	m := sourcetest.NewMirror(t, sel)
	m.Copy(t, s)
	r := sourcetest.Follow(t, s, sel, from, m)
	p.Exec(t, `UPDATE app."we""ird.Tab" SET "Sel""ect" = 'b'`)
	settled(t, s, sel, m, r)
	if got := m.Values(`app.we"ird.Tab`, `Sel"ect`); !slices.Equal(got, []string{"b"}) || len(m.Table("app.filtered")) != 2 {
		t.Error("values are", got)
	}
	// without the right a copy is refused, not filtered
	p.Exec(t, "ALTER ROLE "+role+" NOBYPASSRLS")
	n, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	defer func() { _ = n.Close() }()
	for _, l := range sel {
		err := n.Copy(t.Context(), l, func() (*treatment.Builder, error) { return treatment.NewBuilder(l), nil })
		if l.Table == "app.filtered" && fault.KindOf(err) != fault.Refused {
			t.Error("the copy of a filtered table returned", sourcetest.Explain(err))
		}
	}
}

func TestAServerThatIsNotPreparedIsToldWhatToDo(t *testing.T) {
	server, err := postmaster.Start(t.Context(), postmaster.Options{Dir: serverDir(t), Settings: map[string]string{
		"wal_level": "replica", "max_slot_wal_keep_size": "-1", "max_replication_slots": "1", "max_wal_senders": "1", "synchronous_standby_names": "ANY 1 (*)",
		"synchronous_commit": "local", "fsync": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	p := &production{url: server.URL("postgres"), id: "fresh1"}
	if err := p.try(t, "SET synchronous_commit = local; CREATE SCHEMA app; CREATE TABLE app.item (id bigint PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	got := codes(t, s, sel)
	for _, want := range []string{"wal_level", "slot_limit", "slots", "senders", "synchronous_standby", "publication"} {
		if !slices.Contains(got, want) {
			t.Error("check does not stop for", want, "but for", got)
		}
	}
	var f *fault.Error
	if _, _, err := s.Start(t.Context()); !errors.As(err, &f) || f.Hint == "" {
		t.Error("start returned", sourcetest.Explain(err))
	}
	if _, err := s.Snapshot(t.Context()); !errors.As(err, &f) || f.Hint == "" {
		t.Error("snapshot returned", sourcetest.Explain(err))
	}
	p.Exec(t, "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()")
	script, err := s.Script(t.Context(), sel)
	if err != nil || !strings.Contains(script, "max_slot_wal_keep_size = '10GB'") {
		t.Fatal(script, err)
	}
	psql(t, p.url, script)
	// the server's command line wins, so the value itself does not change here
	const set = "SELECT setting FROM pg_file_settings WHERE name = 'max_slot_wal_keep_size' AND sourcefile LIKE '%auto.conf'"
	if got := p.ask(t, set); !slices.Equal(got, []string{"10GB"}) {
		t.Error("the limit is", got)
	}
	if err := s.Execute(t.Context(), script[strings.Index(script, "ALTER SYSTEM"):]); err != nil {
		t.Error("execute returned", sourcetest.Explain(err))
	}
	for range 2 {
		release, err := s.ReleaseScript(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		psql(t, p.url, release)
	}
	if got := p.ask(t, "SELECT count(*) FROM pg_publication"); got[0] != "0" {
		t.Error("publications:", got)
	}
	if got := p.ask(t, set); len(got) != 0 {
		t.Error("the setting is still there:", got)
	}
}

// psql runs a script as a DBA does.
func psql(t *testing.T, url, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v: %s", err, out)
	}
}

func TestAnOldPublicationIsMadeExactlyRight(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text)", "CREATE TABLE app.other (id bigint PRIMARY KEY)",
		"CREATE TABLE app.part (id bigint PRIMARY KEY) PARTITION BY LIST (id)", "CREATE TABLE app.part_1 PARTITION OF app.part DEFAULT")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": {"id"}, "app.part": nil})
	for _, made := range []string{
		"FOR ALL TABLES", "FOR TABLES IN SCHEMA app", "FOR TABLE app.item", "FOR TABLE app.item (id), app.part", "FOR TABLE app.item (id) WHERE (id > 5), app.part WITH (publish_via_partition_root = true)",
		"FOR TABLE app.item (id), app.part, app.other WITH (publish_via_partition_root = true)", "FOR TABLE app.item (id), app.part WITH (publish = 'insert', publish_via_partition_root = true)",
	} {
		p.Exec(t, "DROP PUBLICATION IF EXISTS "+s.name, "CREATE PUBLICATION "+s.name+" "+made)
		if got := codes(t, s, sel); !slices.Contains(got, "publication") {
			t.Error(made, "is accepted")
		}
		sourcetest.Prepare(t, s, sel)
		if got := codes(t, s, sel); len(got) != 0 {
			t.Error(made, "is not mended:", got)
		}
	}
	// wider than the selection it is not read either
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	p.Exec(t, "ALTER PUBLICATION "+s.name+" SET TABLE app.item, app.part")
	if err := sourcetest.Follow(t, s, sel, from, sourcetest.NewMirror(t, sel)).Wait(t); fault.KindOf(err) != fault.Refused {
		t.Error("read returned", sourcetest.Explain(err))
	}
}

func TestTheScriptGivesUpBeforeProductionHasToWait(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	script, err := s.Script(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	busy := p.connect(t)
	defer closeConn(busy)
	if _, err := busy.Exec(t.Context(), "BEGIN; LOCK TABLE app.item IN ACCESS EXCLUSIVE MODE").ReadAll(); err != nil {
		t.Fatal(err)
	}
	var f *fault.Error
	if err := s.Execute(t.Context(), script); !errors.As(err, &f) || f.Kind != fault.Unavailable || !strings.Contains(f.Message, stateLockTimeout) {
		t.Error("execute returned", sourcetest.Explain(err))
	}
}

func TestErrorsTellNothingOfTheURLAndOfTheServersText(t *testing.T) {
	p := newProduction(t)
	c, err := config(p.url)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("%s:%d", c.Host, c.Port)
	for name, o := range map[string]Options{
		"a wrong password":  {ID: "abcd", URL: "postgres://nobody:hunter2@" + address + "/postgres"},
		"no such database":  {ID: "abcd", URL: strings.Replace(p.url, "/test_", "/hunter2_", 1)},
		"nobody there":      {ID: "abcd", URL: "postgres://u:hunter2@127.0.0.1:1/x"},
		"a broken URL":      {ID: "abcd", URL: "postgres://u:hunter2@127.0.0.1:port/x"},
		"an id of no shape": {ID: "a-b'; hunter2", URL: p.url},
	} {
		s, err := Open(t.Context(), o)
		if err == nil {
			_ = s.Close()
		}
		var f *fault.Error
		if !errors.As(err, &f) || strings.Contains(f.Message+f.Hint, "hunter2") || strings.Contains(f.Message, "FATAL") || f.Hint == "" && name != "an id of no shape" {
			t.Errorf("%s: %v", name, err)
		}
		var refusal *pgconn.PgError
		if errors.As(err, &refusal) {
			t.Error(name, "keeps the server's words in its chain")
		}
	}
}

func TestAServerBefore15IsRefused(t *testing.T) {
	p := newProduction(t)
	w := &tap{pretend: strings.NewReplacer("server_version\x0015", "server_version\x0014")}
	s, err := Open(t.Context(), Options{ID: p.id, URL: w.listen(t, p.url)})
	if err == nil {
		_ = s.Close()
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Refused || !strings.Contains(f.Message, "version 14") {
		t.Error("open returned", sourcetest.Explain(err))
	}
}

func TestAScriptIsCutAtItsSemicolonsOnly(t *testing.T) {
	script := "-- a; comment\nSET x = 'a;b''c;';\nALTER \"t;a\"\"b;\" -- end; of line\n  SET y - 1;\n\n;SELECT 1"
	want := []string{"SET x = 'a;b''c;'", "ALTER \"t;a\"\"b;\" \n  SET y - 1", "SELECT 1"}
	if got := split(script); !slices.Equal(got, want) {
		t.Errorf("split gives %q", got)
	}
}

func TestPositionsSortAsTheLogDoes(t *testing.T) {
	last := source.Position("")
	for _, l := range []LSN{0, 1, 0xFFFFFFFF, 1 << 32, 0xABCDEF0123456789} {
		p := position(l)
		back, err := parsePosition(p)
		if err != nil || back != l || p <= last {
			t.Error(p, back, err)
		}
		last = p
		if again, err := parseLSN(l.String()); err != nil || again != l {
			t.Error(l, again, err)
		}
	}
	for _, bad := range []source.Position{"x", "0000000000000000G", "1"} {
		if _, err := parsePosition(bad); err == nil {
			t.Error(bad, "is taken for a position")
		}
	}
	if LSN(3*walPage+shortHeader).recordEnd() != 3*walPage || LSN(3*walPage+16).recordEnd() != 3*walPage+16 {
		t.Error("a page's header is not seen through")
	}
}

func TestSynchronousStandbyNamesThatTakeUsForOne(t *testing.T) {
	for names, want := range map[string]bool{
		"": false, "*": true, "FIRST 1 (*)": true, "ANY 1 (a, weir)": true, `2 ("Weir", b)`: true, "FIRST 1 (weirs, a)": false, "s1,s2": false,
	} {
		if got := standsFor(names, "weir"); got != want {
			t.Error(names, got)
		}
	}
}

func TestAMisfitNamesTheColumns(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.shop (id bigint PRIMARY KEY, country text, city text)")
	s := p.open(t, Options{})
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l := &treatment.Layout{Table: "app.shop", Key: []int{0}}
	for _, c := range schema.Table("app.shop").Columns[:2] {
		l.Columns = append(l.Columns, treatment.Column{Name: c.Name, Type: c.Type})
	}
	sel := source.Selection{l}
	says := func() string {
		t.Helper()
		found, err := s.Check(t.Context(), sel)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if f.Code == "publication" {
				return f.Message
			}
		}
		return ""
	}
	script, err := s.Script(t.Context(), sel)
	if err != nil {
		t.Fatal(err)
	}
	p.Exec(t, script)
	if got := says(); !strings.Contains(got, "exactly") {
		t.Error(got)
	}
	p.Exec(t, "ALTER TABLE app.shop RENAME country TO land")
	l.Columns = l.Columns[:1]
	if got := says(); !strings.Contains(got, "it has land of app.shop, which the policy does not let cross") {
		t.Error("after a rename it says", got)
	}
	l.Columns = append(l.Columns, treatment.Column{Name: "land", Type: treatment.Type{Kind: treatment.Text}}, treatment.Column{Name: "city", Type: treatment.Type{Kind: treatment.Text}})
	if got := says(); !strings.Contains(got, "it lacks city of app.shop") {
		t.Error("after a column more it says", got)
	}
}
