package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/node"
)

// refuses fails the test unless a command ends with the status and says so, with nothing on standard output.
func (g *gated) refuses(t *testing.T, code int, says string, args ...string) {
	t.Helper()
	r := g.weir(args...)
	if r.code != code || r.stdout != "" || !strings.Contains(r.stderr, says) {
		t.Errorf("weir %s: exit %d\n%s%swant %d and %q", strings.Join(args, " "), r.code, r.stdout, r.stderr, code, says)
	}
}

// does runs a command that must work, and returns what it prints.
func (g *gated) does(t *testing.T, args ...string) string {
	t.Helper()
	return g.must(t, append(args, g.state...)...)
}

// show is an account as weir user show knows it.
func (g *gated) show(t *testing.T, name string) node.User {
	t.Helper()
	return decoded[node.User](t, g.does(t, "user", "show", "--json", name))
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

var connectLine = regexp.MustCompile(`(?m)^connect +(psql .*)$`)

// typed runs the psql line that a command printed, as somebody would who copies it to a shell.
func typed(t *testing.T, printed, sql string, env ...string) (string, error) {
	t.Helper()
	line := connectLine.FindStringSubmatch(printed)
	if line == nil {
		t.Fatalf("no line to type:\n%s", printed)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line[1]+` -X -w -A -t -c "$0"`, sql)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// out fails the test unless the connection ends.
func out(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	eventually(t, "the connection ends", func() bool {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		return err != nil
	})
}

func TestAccountsAreAdministeredWhileWeirRuns(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	t.Run("a service comes in by certificate", func(t *testing.T) { byCertificate(t, g) })
	t.Run("a service's password is renewed and taken back", func(t *testing.T) { servicePassword(t, g) })
	t.Run("a person's password is taken back and not given", func(t *testing.T) {
		g.refuses(t, 4, "hint: they renew it with weir login", "user", "password", "ada")
		conn, err := g.connect(ada.SQL, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		g.does(t, "user", "password", "ada", "--end")
		out(t, conn)
		if _, err := g.connect(ada.SQL, ""); err == nil {
			t.Error("a password that was taken back opens")
		}
		g.refuses(t, 1, "has no SQL password", "user", "password", "ada", "--end")
	})
	t.Run("a person is invited to the page, and sent out", func(t *testing.T) { invited(t, g, ada.SQL.CA) })
	t.Run("a person signs in from another machine", func(t *testing.T) { fromElsewhere(t, g, ada.SQL.CA) })
	t.Run("a typing error is told", func(t *testing.T) {
		for _, args := range [][]string{
			{"show", "adaa"},
			{"remove", "adaa"},
			{"invite", "adaa"},
			{"password", "adaa"},
			{"password", "adaa", "--end"},
			{"certificate", "adaa", "--out", t.TempDir()},
			{"certificate", "adaa", "--revoke", "1"},
			{"sessions", "adaa"},
			{"sessions", "adaa", "--end", "all"},
		} {
			g.refuses(t, 1, "weir: there is no such account\nhint: did you mean ada? weir user list shows which there are\n", append([]string{"user"}, args...)...)
		}
		g.refuses(t, 1, "hint: weir user list shows which there are", "user", "show", "somebody.else")
	})
	t.Run("what can never be right on the command line is wrong usage", func(t *testing.T) {
		g.refuses(t, 2, "weir: this is no name for an account\nhint: use 1 to 63", "user", "add", "Not/A Name", "--role", "analyst")
		g.refuses(t, 2, "weir: this name is reserved\nhint: ", "user", "add", "root", "--role", "analyst")
		g.refuses(t, 2, "weir: there is no such role\nhint: the roles are viewer", "user", "add", "zoe", "--role", "king")
		g.refuses(t, 2, "weir: the address range 0.0.0.0/0 is too wide to protect anything\nhint: ", "user", "add", "wide", "--role", "analyst", "--service", "--network", "0.0.0.0/0")
		g.refuses(t, 4, "there is an account of this name", "user", "add", "ada", "--role", "analyst")
	})
	t.Run("an account's rights are said", func(t *testing.T) {
		if shown := g.does(t, "user", "show", "ada"); !strings.Contains(shown, "\nrole           analyst\nmay            ask for metrics, and SELECT over what is open to SQL\n") {
			t.Error(shown)
		}
	})
	t.Run("the record holds who did what and no secret", func(t *testing.T) {
		me, err := user.Current()
		if err != nil {
			t.Fatal(err)
		}
		record := g.does(t, "ledger", "show", "--type", "people", "--json")
		for _, kind := range []string{"certificate_issued", "certificate_revoked", "sql_renewed", "sql_ended", "link_made"} {
			if !regexp.MustCompile(`"kind":"` + kind + `"[^\n]*"by":"` + regexp.QuoteMeta(me.Username) + `"`).MatchString(record) {
				t.Errorf("nobody did %s:\n%s", kind, record)
			}
		}
		if strings.Contains(record, ada.SQL.Password) || strings.Contains(record, "PRIVATE KEY") {
			t.Error("the record holds a secret")
		}
	})
	t.Run("and while it does not run", func(t *testing.T) { whileStopped(t, g) })
}

func byCertificate(t *testing.T, g *gated) {
	dir, second := filepath.Join(t.TempDir(), "it's $HOME's"), t.TempDir()
	printed := g.does(t, "user", "add", "airflow", "--role", "analyst", "--service", "--certificate", dir)
	if strings.Contains(printed, "PRIVATE") || strings.Contains(printed, "password") {
		t.Errorf("printed:\n%s", printed)
	}
	for _, name := range []string{"airflow.crt", "airflow.key"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if said, err := typed(t, printed, "SELECT count(*) > 0 FROM fleet.device"); err != nil || said != "t" {
		t.Fatalf("%v: %s", err, said)
	}
	first := g.show(t, "airflow")
	if len(first.Certificates) != 1 || first.SQLExpires != nil || len(first.Networks) != 0 {
		t.Fatalf("%+v", first)
	}
	serial := first.Certificates[0].Serial

	g.refuses(t, 4, "airflow.crt is there already", "user", "certificate", "airflow", "--out", dir)
	g.refuses(t, 4, "only a service that is not disabled gets a certificate", "user", "certificate", "ada", "--out", second)
	g.refuses(t, 2, "--revoke SERIAL", "user", "certificate", "airflow")
	g.refuses(t, 4, "there is an account of this name", "user", "add", "airflow", "--role", "analyst", "--service", "--certificate", second)
	if left, err := os.ReadDir(second); err != nil || len(left) != 0 {
		t.Errorf("files for nobody: %v, %v", left, err)
	}
	if again := g.show(t, "airflow"); len(again.Certificates) != 1 {
		t.Errorf("a certificate without files: %+v", again.Certificates)
	}
	next := g.does(t, "user", "certificate", "airflow", "--out", second, "--json")
	c := decoded[node.NewCertificate](t, next)
	if c.Key != "" || c.Certificate != "" || c.SQL.Key != filepath.Join(second, "airflow.key") || c.Serial == serial || strings.Contains(next, "password") {
		t.Fatalf("%s", next)
	}

	conn, err := pgx.Connect(t.Context(), "sslmode=verify-full "+strings.Join([]string{
		"host=localhost", "user=airflow", "dbname=weir", "sslrootcert=" + c.SQL.CA, "port=" + strings.Fields(strings.SplitAfter(printed, "port=")[1])[0],
		`sslcert='` + escaped(filepath.Join(dir, "airflow.crt")) + `'`, `sslkey='` + escaped(filepath.Join(dir, "airflow.key")) + `'`,
	}, " "))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	wrong := serial[:len(serial)-1] + "x"
	g.refuses(t, 1, "did you mean "+serial+"?", "user", "certificate", "airflow", "--revoke", wrong)
	g.does(t, "user", "certificate", "airflow", "--revoke", serial)
	out(t, conn)
	if said, err := typed(t, printed, "SELECT 1"); err == nil || !strings.Contains(said, "this certificate is not good") {
		t.Errorf("a revoked certificate: %v: %s", err, said)
	}
	if said, err := typed(t, `connect  psql "`+c.SQL.Conninfo()+`"`, "SELECT 2"); err != nil || said != "2" {
		t.Errorf("the other certificate: %v: %s", err, said)
	}
	text := g.does(t, "user", "show", "airflow")
	if !strings.Contains(text, c.Serial) || strings.Contains(text, serial) || !strings.Contains(text, "may come from  anywhere") {
		t.Errorf("shown:\n%s", text)
	}
	g.refuses(t, 4, "the role viewer may not ask SQL", "user", "add", "lamp", "--role", "viewer", "--service", "--certificate", second)
	g.refuses(t, 1, "there is no such account", "user", "show", "lamp") // all of it, or nothing
	g.refuses(t, 2, "only a service signs in with a certificate", "user", "add", "grace", "--role", "analyst", "--certificate", second)
	bound := t.TempDir()
	elsewhere := g.does(t, "user", "add", "far", "--role", "analyst", "--service", "--network", "192.0.2.0/24", "--certificate", bound)
	if said, err := typed(t, elsewhere, "SELECT 1"); err == nil || !strings.Contains(said, "this address") {
		t.Errorf("a certificate from elsewhere: %v: %s", err, said)
	}
}

// escaped is a value within quotes of a connection string.
func escaped(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }

func invited(t *testing.T, g *gated, ca string) {
	first := decoded[node.Invitation](t, g.does(t, "user", "invite", "ada", "--json"))
	line := g.does(t, "user", "invite", "ada")
	link := strings.TrimSuffix(line, "\n")
	if !regexp.MustCompile(`^https://localhost:\d+/link/[A-Za-z0-9_-]{43}$`).MatchString(link) || first.User != "ada" || first.Expires.IsZero() {
		t.Fatalf("%+v and %q", first, line)
	}
	g.refuses(t, 4, "a service has no page password", "user", "invite", "airflow")
	page := browser(t, ca)
	chosen := url.Values{"password": {adasOwn}, "again": {adasOwn}}
	if status := page.post(first.Link, chosen); status != http.StatusForbidden {
		t.Errorf("the link before: %d", status)
	}
	if status := page.post(link, chosen); status != http.StatusSeeOther {
		t.Fatalf("the link: %d", status)
	}
	if status := page.post(link, chosen); status != http.StatusForbidden {
		t.Errorf("the link again: %d", status)
	}
	at := link[:strings.Index(link, "/link/")]
	if status := page.get(at + "/"); status != http.StatusOK {
		t.Fatalf("signed in: %d", status)
	}
	sessions := decoded[[]session](t, g.does(t, "user", "sessions", "ada", "--json"))
	if len(sessions) != 1 || sessions[0].Kind != "page" || len(g.show(t, "ada").Sessions) != 1 || g.show(t, "ada").PageTemporary {
		t.Fatalf("%+v", sessions)
	}
	if text := g.does(t, "user", "sessions", "ada"); !strings.Contains(text, sessions[0].ID) || !strings.Contains(text, "127.0.0.1") {
		t.Errorf("listed:\n%s", text)
	}
	g.refuses(t, 1, "there is no such session", "user", "sessions", "ada", "--end", "nothing")
	g.does(t, "user", "sessions", "ada", "--end="+sessions[0].ID)
	if status := page.get(at + "/"); status != http.StatusSeeOther {
		t.Errorf("with an ended session: %d", status)
	}
	if left := decoded[[]session](t, g.does(t, "user", "sessions", "ada", "--json")); len(left) != 0 {
		t.Errorf("%+v", left)
	}
}

// adasOwn is the page password that ada chooses.
const adasOwn = "a password of ada's own"

// login calls weir login with a page password on standard input, in a folder where there is nothing.
func login(t *testing.T, password string, args ...string) result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), weirPath, append([]string{"login"}, args...)...)
	cmd.Dir, cmd.Stdin = t.TempDir(), strings.NewReader(password+"\n")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
}

func fromElsewhere(t *testing.T, g *gated, authority string) {
	text, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "brought over.pem")
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	at, _, _ := strings.Cut(g.does(t, "user", "invite", "ada"), "/link/")
	r := login(t, adasOwn, "--user", "ada", "--at", at, "--ca", ca)
	password := regexp.MustCompile(`(?m)^SQL password +(\S+) `).FindStringSubmatch(r.stdout)
	if r.code != 0 || password == nil || !strings.Contains(r.stdout, ca) || strings.Contains(r.stdout, authority) {
		t.Fatalf("%+v", r)
	}
	if said, err := typed(t, r.stdout, "SELECT count(*) > 0 FROM fleet.device", "PGPASSWORD="+password[1]); err != nil || said != "t" {
		t.Errorf("%v: %s", err, said)
	}
	if left := g.show(t, "ada").Sessions; len(left) != 0 {
		t.Errorf("a session was left open: %+v", left)
	}
	vera := g.add("vera", "--role", "viewer")
	for _, c := range []struct {
		password string
		args     []string
		code     int
		says     string
	}{
		{"not it", []string{"--user", "ada", "--at", at, "--ca", ca}, 4, "the name or the password is wrong"},
		{adasOwn, []string{"--user", "nobody.known", "--at", at, "--ca", ca}, 4, "the name or the password is wrong"},
		{adasOwn, []string{"--user", "ada", "--at", at}, 4, "vouches"},
		{adasOwn, []string{"--user", "ada", "--ca", ca}, 2, "--at https://HOST:PORT"},
		{adasOwn, []string{"--user", "ada", "--at", strings.Replace(at, "https", "http", 1), "--ca", ca}, 2, "write it as https://"},
		{vera.PagePassword, []string{"--user", "vera", "--at", at, "--ca", ca}, 4, "may not ask SQL"},
		{vera.PagePassword, append([]string{"--user", "vera"}, g.state...), 4, "may not ask SQL"},
	} {
		if r := login(t, c.password, c.args...); r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.says) {
			t.Errorf("weir login %s: %+v", strings.Join(c.args, " "), r)
		}
	}
	record := g.does(t, "ledger", "show", "--type", "people", "--json")
	for _, kind := range []string{"session_begun", "sql_renewed", "session_ended"} {
		if !regexp.MustCompile(`"kind":"` + kind + `","account":"ada","by":"ada","address":"127.0.0.1"`).MatchString(record) {
			t.Errorf("ada did not do %s:\n%s", kind, record)
		}
	}
	if strings.Contains(record, password[1]) || strings.Contains(record, adasOwn) || strings.Contains(record, "nobody.known") {
		t.Error("the record holds what was typed")
	}
}

// session is one as the command prints it.
type session struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
}

// visit is somebody's browser.
type visit struct {
	t      *testing.T
	client *http.Client
}

// browser keeps cookies, trusts the authority and stays where it is sent away from.
func browser(t *testing.T, ca string) visit {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	t.Cleanup(transport.CloseIdleConnections)
	return visit{t, &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (v visit) get(address string) (status int) {
	v.t.Helper()
	return v.send(http.MethodGet, address, nil)
}

func (v visit) post(address string, form url.Values) (status int) {
	v.t.Helper()
	return v.send(http.MethodPost, address, form)
}

func (v visit) send(method, address string, form url.Values) int {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func servicePassword(t *testing.T, g *gated) {
	grafana := g.add("grafana", "--role", "analyst", "--service", "--network", "127.0.0.0/8", "--network", "::1/128")
	conn, err := g.connect(grafana.SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	l := decoded[node.Login](t, g.does(t, "user", "password", "grafana", "--json"))
	out(t, conn)
	if _, err := g.connect(grafana.SQL, ""); err == nil {
		t.Error("the password before still opens")
	}
	renewed, err := g.connect(&l, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = renewed.Close(t.Context()) }()
	g.does(t, "user", "password", "grafana", "--end")
	out(t, renewed)
	if shown := g.show(t, "grafana"); shown.SQLExpires != nil || len(shown.Networks) != 2 {
		t.Errorf("%+v", shown)
	}
	g.refuses(t, 4, "give the service a client certificate", "user", "password", "airflow")
}

func whileStopped(t *testing.T, g *gated) {
	if code := g.run.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("weir run ended with %d", code)
	}
	dir := t.TempDir()
	g.does(t, "user", "add", "night", "--role", "analyst", "--service", "--certificate", dir)
	g.does(t, "user", "certificate", "night", "--revoke", g.show(t, "night").Certificates[0].Serial)
	if left := g.show(t, "night"); len(left.Certificates) != 0 {
		t.Errorf("%+v", left)
	}
	if l := decoded[node.Login](t, g.does(t, "user", "password", "grafana", "--json")); l.Password == "" {
		t.Error("no password")
	}
	g.does(t, "user", "sessions", "ada", "--end", "all")
	g.refuses(t, 1, "hint: did you mean ada?", "user", "show", "adaa")
	g.refuses(t, 1, "set gate.web in the configuration", "user", "invite", "ada") // on a free port: nobody knows which
	config := filepath.Join(g.dir, "weir.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "web: '127.0.0.1:0'", "web: '127.0.0.1:8443'", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if link := g.does(t, "user", "invite", "ada"); !strings.HasPrefix(link, "https://localhost:8443/link/") {
		t.Errorf("%q", link)
	}
}
