package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/node"
)

// gated is a weir that follows a small fleet and answers SQL on a free port.
type gated struct {
	t     *testing.T
	state []string // the flag that finds it
	dir   string
	run   *process
	caller
}

func newGated(t *testing.T) *gated {
	t.Helper()
	url, _ := fleetDatabase(t, 40, 5)
	return newGatedOver(t, url)
}

// newGatedOver follows the fleet in a database.
func newGatedOver(t *testing.T, url string) *gated {
	t.Helper()
	return newGatedWith(t, url, "")
}

// newGatedWith has more settings of the gate, in YAML's flow style with a comma in front.
func newGatedWith(t *testing.T, url, more string) *gated {
	t.Helper()
	dir := t.TempDir()
	example, err := filepath.Abs(filepath.Join("..", "..", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf("source: {schemas: [fleet], accept: [production_ddl]}\npolicy: %s/policy\nmetrics: %s/metrics\ngate: {sql: '127.0.0.1:0', web: '127.0.0.1:0'%s}\n", example, example, more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &gated{t: t, dir: dir, state: []string{"--state", filepath.Join(dir, "state")}}
	g.run = start(t, append([]string{"run", "--apply", "--config", config, "--source", url}, g.state...)...)
	eventually(t, "weir follows", func() bool { return strings.Contains(g.run.output(), "following") })
	return g
}

func (g *gated) weir(args ...string) result { return g.caller.weir(g.t, append(args, g.state...)...) }

// add makes an account and returns what opens it.
func (g *gated) add(args ...string) node.NewUser {
	g.t.Helper()
	out := g.must(g.t, append(append([]string{"user", "add", "--json"}, args...), g.state...)...)
	var u node.NewUser
	if err := json.Unmarshal([]byte(out), &u); err != nil {
		g.t.Fatal(err)
	}
	return u
}

func dsn(l *node.Login, extra string) string {
	return fmt.Sprintf("host=%s port=%d dbname=%s user=%s password=%s sslmode=verify-full sslrootcert=%s %s", l.Host, l.Port, l.Database, l.User, l.Password, l.CA, extra)
}

func (g *gated) connect(l *node.Login, extra string) (*pgx.Conn, error) {
	return pgx.Connect(g.t.Context(), dsn(l, extra))
}

func TestAnAnalystAsksSQLAndIsRemembered(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	if ada.PagePassword == "" || ada.SQL == nil || ada.SQL.Database != "weir" || ada.SQL.Port == 0 {
		t.Fatalf("an account opened with %+v", ada)
	}
	conn, err := g.connect(ada.SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var devices, synthetic int64
	if err := conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (is_synthetic) FROM fleet.device WHERE model_id >= $1", 0).Scan(&devices, &synthetic); err != nil || devices == 0 {
		t.Fatalf("%d devices: %v", devices, err)
	}
	copied, err := conn.PgConn().CopyTo(t.Context(), &strings.Builder{}, "COPY (SELECT model_id, count(*) FROM fleet.device GROUP BY ALL) TO STDOUT (FORMAT csv, HEADER)")
	if err != nil || copied.RowsAffected() == 0 {
		t.Errorf("copy out: %v, %v", copied, err)
	}
	// What exists and is closed, and what does not exist, get one answer.
	var said []string
	for _, sql := range []string{
		"SELECT * FROM fleet.connection_attempt", "SELECT * FROM fleet.nothing_there", "SELECT * FROM metric.connection_attempt", "SELECT * FROM _weir.tables",
		"SELECT first_bound_at FROM fleet.device", "SELECT nothing_there FROM fleet.device", "SELECT _weir_key FROM fleet.device", "SELECT email FROM fleet.app_user",
	} {
		_, err := conn.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", sql, err)
		}
		said = append(said, refused.Code+" "+refused.Message)
	}
	for i, s := range said {
		if first := said[i/4*4]; s != first {
			t.Errorf("%q and %q tell what exists", s, first)
		}
	}
	for _, sql := range []string{"DELETE FROM fleet.device", "SELECT * FROM read_csv('/etc/passwd')", "COPY fleet.device TO '/tmp/x'", "ATTACH '/tmp/x.db'", "SET memory_limit='1MB'", "SELECT getenv('HOME')"} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("%s was answered", sql)
		}
	}
	record := must(t, append([]string{"ledger", "show", "--json", "--reads", "fleet.device.model_id"}, g.state...)...)
	if !strings.Contains(record, `"principal":"ada"`) || strings.Contains(record, "first_bound_at") {
		t.Errorf("who read the column: %s", record)
	}
	if r := g.weir("ledger", "show", "--reads", "fleet.device.is_synthetic", "--to", "2020-01-01"); r.code != 0 || r.stdout != "" {
		t.Errorf("before anybody asked: %+v", r)
	}
}

func TestNobodyComesInWithoutProof(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	wrong, nobody := *ada.SQL, *ada.SQL
	wrong.Password, nobody.User = "AAAAAAAAAAAAAAAAAAAAAAAAAA", "nobody"
	var said []string
	for _, l := range []*node.Login{&wrong, &nobody} {
		_, err := g.connect(l, "")
		var refused *pgconn.PgError
		if !errors.As(err, &refused) {
			t.Fatalf("sign-in as %s: %v", l.User, err)
		}
		said = append(said, refused.Code+refused.Message)
	}
	if said[0] != said[1] {
		t.Errorf("a wrong password says %q, an unknown name %q", said[0], said[1])
	}
	plain := strings.Replace(dsn(ada.SQL, ""), "sslmode=verify-full", "sslmode=disable", 1)
	if _, err := pgx.Connect(t.Context(), plain); err == nil || !strings.Contains(err.Error(), "TLS is required") {
		t.Errorf("without TLS: %v", err)
	}
	if v := g.add("vera", "--role", "viewer"); v.SQL != nil {
		t.Errorf("a viewer got an SQL password: %+v", v.SQL)
	}
	if r := g.weir("user", "add", "grafana", "--role", "analyst", "--service"); r.code != 2 || !strings.Contains(r.stderr, "addresses") {
		t.Errorf("a service from anywhere: %+v", r)
	}
	elsewhere := g.add("grafana", "--role", "analyst", "--service", "--network", "192.0.2.0/24")
	if _, err := g.connect(elsewhere.SQL, ""); err == nil || !strings.Contains(err.Error(), "this address") {
		t.Errorf("a service from elsewhere: %v", err)
	}
	record := must(t, append([]string{"ledger", "show", "--json", "--type", "people"}, g.state...)...)
	if strings.Count(record, "sign_in_refused") < 3 || strings.Contains(record, wrong.Password) || strings.Contains(record, `"nobody"`) {
		t.Errorf("the record of sign-ins: %s", record)
	}
}

// Whoever has proved who they are is told which database there is, in PostgreSQL's words for it; a stranger is told what every stranger is told.
func TestOnlyTheOneDatabaseIsConnectedTo(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst").SQL
	stranger := *ada
	stranger.Password = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, c := range []struct {
		login        *node.Login
		database     string // as libpq's word; empty: none is named
		code, begins string
		hint         string
	}{
		{ada, "", "3D000", `database "ada" does not exist`, "dbname=weir; a connection that names no database"},
		{ada, "dbname=postgres", "3D000", `database "postgres" does not exist`, "dbname=weir"},
		{ada, "dbname=Weir", "3D000", `database "Weir" does not exist`, "dbname=weir"},
		{ada, `dbname='a\'b'`, "3D000", `database "a'b" does not exist`, "dbname=weir"},
		{ada, "dbname=" + strings.Repeat("x", 2000), "3D000", "this database does not exist", "dbname=weir"},
		{&stranger, "dbname=postgres", "28P01", "user and password do not fit", ""},
		{&stranger, "", "28P01", "user and password do not fit", ""},
	} {
		_, err := pgx.Connect(t.Context(), strings.Replace(dsn(c.login, ""), "dbname=weir", c.database, 1))
		var refused *pgconn.PgError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", c.database, err)
		}
		if refused.Severity != "FATAL" || refused.Code != c.code || refused.Message != c.begins || !strings.Contains(refused.Hint, c.hint) {
			t.Errorf("%.40s: %+v", c.database, refused)
		}
	}
	out, err := exec.CommandContext(t.Context(), "psql", strings.Replace(dsn(ada, ""), "dbname=weir", "", 1), "-XAtc", "SELECT 1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "FATAL:  database \"ada\" does not exist\nHINT:  the database is called weir: connect with dbname=weir;") {
		t.Errorf("psql without a database: %v %s", err, out)
	}
	record := must(t, append([]string{"ledger", "show", "--json", "--type", "question"}, g.state...)...)
	if n := strings.Count(record, `"rule":"protocol 3D000"`); n != 6 || strings.Contains(record, "postgres") {
		t.Errorf("%d refusals are recorded: %s", n, record)
	}
}

func TestAnAccountThatIsRemovedIsOutAtOnce(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	conn, err := g.connect(ada.SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	must(t, append([]string{"user", "remove", "ada"}, g.state...)...)
	eventually(t, "the connection ends", func() bool {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		return err != nil
	})
	if _, err := g.connect(ada.SQL, ""); err == nil {
		t.Error("a removed account came in")
	}
	if list := must(t, append([]string{"user", "list"}, g.state...)...); strings.Contains(list, "ada") {
		t.Errorf("the list still has it: %s", list)
	}
}

func TestLoginRenewsAPersonsSQLPassword(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	login := func(password string) (node.Login, error) {
		cmd := exec.CommandContext(t.Context(), weirPath, append([]string{"login", "--user", "ada", "--json"}, g.state...)...)
		cmd.Stdin = strings.NewReader(password + "\n")
		out, err := cmd.Output()
		var l node.Login
		if err == nil {
			err = json.Unmarshal(out, &l)
		}
		return l, err
	}
	if _, err := login("not it"); err == nil {
		t.Fatal("a wrong page password was taken")
	}
	l, err := login(ada.PagePassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.connect(ada.SQL, ""); err == nil {
		t.Error("the old password still opens")
	}
	conn, err := g.connect(&l, "")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
}

func TestPsqlFindsItsWay(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	for _, c := range []struct{ command, want string }{
		{`\dt`, "product_model"},
		{`\d fleet.device`, "hardware_rev"},
		{`\dn`, "fleet"},
		{`\l`, "weir"},
		{`\du`, "ada"},
		{`\df`, "(0 rows)"},
		{`\dp`, "app_user"},
		{"SELECT current_user", "ada"},
		{"SELECT now(), current_date, current_user, version()", "ada"},
		{"SELECT now() FROM fleet.product_model LIMIT 1", "(1 row)"},
		{"SELECT model FROM fleet.product_model ORDER BY 1 LIMIT 1", "(1 row)"},
	} {
		out, err := exec.CommandContext(t.Context(), "psql", dsn(ada.SQL, "channel_binding=require"), "-X", "-c", c.command).CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v\n%s", c.command, err, out)
		}
		for _, hidden := range []string{"connection_attempt", "first_bound_at", "_weir", "device_binding"} {
			if strings.Contains(string(out), hidden) {
				t.Errorf("%s shows %s:\n%s", c.command, hidden, out)
			}
		}
	}
}

func TestQueryShowsItsDecision(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	out := must(t, append([]string{"query", "--explain", "--json", "SELECT model FROM fleet.product_model WHERE family = 'camera'"}, g.state...)...)
	var e node.Explained
	if err := json.Unmarshal([]byte(out), &e); err != nil || !e.Allowed || len(e.Reads) != 1 || strings.Join(e.Reads[0].Columns, " ") != "family model" || e.Columns[0] != "model" {
		t.Errorf("%v: %s", err, out)
	}
	if r := g.weir("query", "SELECT * FROM fleet.connection_attempt"); r.code != 4 || r.stdout != "" || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("a closed table: %+v", r)
	}
	if out := must(t, append([]string{"query", "SELECT 1 AS one, NULL AS nothing"}, g.state...)...); strings.Join(strings.Fields(out), " ") != "one nothing 1 NULL" {
		t.Errorf("%q", out)
	}
}
