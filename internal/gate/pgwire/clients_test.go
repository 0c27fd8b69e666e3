package pgwire_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/gate/pgwire"
)

// tool finds a client. Without it the test is skipped, which under CI is a failure: make prepare installs them all.
func tool(t *testing.T, places ...string) string {
	t.Helper()
	for _, p := range places {
		if strings.ContainsRune(p, filepath.Separator) {
			if _, err := os.Stat(p); err == nil {
				return p
			}
			continue
		}
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	t.Skipf("none of %v is here: run make clients", places)
	return ""
}

// client runs a client and gives what it wrote.
func client(t *testing.T, l *lab, in string, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "PGCONNECT_TIMEOUT=10", "HOME="+t.TempDir(), "PSQL_PAGER=cat")
	cmd.Stdin = strings.NewReader(in)
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (l *lab) words(user, mode, more string) string {
	return "host=localhost port=" + strconv.Itoa(l.port) + " user=" + user + " dbname=weir sslmode=" + mode + " sslrootcert=" + l.certs.root + " " + more
}

func TestPsql(t *testing.T) {
	psql := tool(t, "psql")
	l := newLab(t)
	for name, c := range map[string]struct{ words, in, out, err string }{
		"encrypted":       {l.words("alice", "require", ""), "SELECT 1, 'Grüße'", "1|Grüße\n", ""},
		"bound":           {l.words("alice", "verify-full", "channel_binding=require"), "SELECT 1", "1\n", ""},
		"not bound":       {l.words("alice", "verify-full", "channel_binding=disable"), "SELECT 1", "1\n", ""},
		"wrong password":  {l.words("bob", "verify-full", ""), "SELECT 1", "", "FATAL:  user and password do not fit\nHINT:"},
		"locked":          {l.words("alice-locked", "verify-full", ""), "SELECT 1", "", "FATAL:  the account is locked\nHINT:"},
		"too fast":        {l.words("alice-too-fast", "verify-full", ""), "SELECT 1", "", "FATAL:  there were too many attempts\nHINT:  wait a minute"},
		"plain":           {l.words("alice", "disable", ""), "SELECT 1", "", "FATAL:  TLS is required before anybody signs in\nHINT:  connect with sslmode=verify-full"},
		"no such setting": {l.words("alice", "verify-full", "options='-c there_is_none=1'"), "SELECT 1", "", "FATAL:  there is no such parameter"},
		"settings":        {l.words("alice", "verify-full", "application_name=report options='-c statement_timeout=1000 -c extra_float_digits=2'"), "SHOW statement_timeout; SHOW application_name; RESET ALL; SHOW statement_timeout", "1s\nreport\nRESET\n1s\n", ""},
		"an error":        {l.words("alice", "verify-full", ""), "SELECT 1,\n  nowhere;\nSELECT 2;\n", "2\n", "ERROR:  there is no such column\nLINE 2:   nowhere;\n          ^\nHINT:  look at the statement"},
		"an explanation":  {l.words("alice", "verify-full", ""), "EXPLAIN ANALYZE SELECT 1;\nSELECT 2;\n", "2\n", "ERROR:  EXPLAIN is not answered here\nHINT:  weir query --explain '"},
		"a new password":  {l.words("alice", "verify-full", ""), "SHOW password_encryption;\nSELECT 2;\n", "2\n", "ERROR:  no password is chosen here\nHINT:  weir login makes a new SQL password; "}, // what \password begins with
		"in pieces":       {l.words("alice", "verify-full", ""), "\\set FETCH_COUNT 1000\nSELECT n FROM numbers ORDER BY n LIMIT 2500 OFFSET 97500;\n", "97500\n", ""},
		"a block":         {l.words("alice", "verify-full", ""), "BEGIN;\nSELECT 1;\nSELECT nowhere;\nSELECT 2;\nCOMMIT;\n", "BEGIN\n1\nROLLBACK\n", "ERROR:  the transaction has failed"},
		"copy":            {l.words("alice", "verify-full", ""), "\\copy (SELECT n, name FROM numbers ORDER BY n LIMIT 2) TO STDOUT WITH (FORMAT csv, HEADER)\n", "n,name\n0,row 0\n1,row 1\n", ""},
		"copy a table":    {l.words("alice", "verify-full", ""), "\\copy numbers (n) TO STDOUT\n", "0\n", ""},
		"prompt":          {l.words("alice", "verify-full", ""), "\\conninfo\n\\echo :SERVER_VERSION_NAME :SERVER_VERSION_NUM :ENCODING\n", "You are connected to database \"weir\" as user \"alice\"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, err := client(t, l, c.in, psql, "-XAtq", "-v", "ON_ERROR_STOP=0", c.words)
			if name == "a block" || name == "settings" {
				out, errs, err = client(t, l, c.in, psql, "-XAt", c.words)
			}
			if !strings.HasPrefix(out, c.out) || !strings.Contains(errs, c.err) || c.err == "" && (err != nil || errs != "") {
				t.Errorf("%v\nstdout %.300q\nstderr %q", err, out, errs)
			}
			if c.out == "" && out != "" {
				t.Errorf("it answered: %q", out)
			}
		})
	}
	if out, _, err := client(t, l, "SELECT n FROM numbers ORDER BY n", psql, "-XAtq", "-v", "FETCH_COUNT=5000", l.words("alice", "verify-full", "")); err != nil || strings.Count(out, "\n") != 100000 {
		t.Error("in pieces:", err, strings.Count(out, "\n"))
	}
}

// Ctrl-C.
func TestPsqlCancels(t *testing.T) {
	psql := tool(t, "psql")
	l := newLab(t)
	cmd := exec.CommandContext(t.Context(), psql, "-XAt", l.words("alice", "verify-full", ""), "-c", "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b")
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "HOME="+t.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.atWork(t)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if err == nil || !strings.Contains(errs.String(), "the question was cancelled") {
		t.Errorf("%v: %s", err, errs.String())
	}
}

func TestSignInWithACertificate(t *testing.T) {
	psql := tool(t, "psql")
	l := newLab(t)
	c := l.certs.sign(t, "alice", x509.ExtKeyUsageClientAuth)
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "a.crt"), filepath.Join(dir, "a.key")
	write(t, crt, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}))
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if out, errs, err := client(t, l, "SELECT 1", psql, "-XAtw", l.words("alice", "verify-full", "password=wrong sslcert="+crt+" sslkey="+key)); err != nil || out != "1\n" {
		t.Error(err, out, errs)
	}
	if e := <-l.door.entries; !e.Proved || e.By != "certificate" || e.User != "alice" || e.Database != "weir" || e.Application != "psql" || !e.Address.IsLoopback() || !e.TLS.HandshakeComplete {
		t.Errorf("%+v", e)
	}
	// Another user's certificate opens nothing, whatever the password.
	if out, errs, err := client(t, l, "SELECT 1", psql, "-XAtw", l.words("alice2", "verify-full", "sslcert="+crt+" sslkey="+key)); err == nil || out != "" || !strings.Contains(errs, "another user's") {
		t.Error(err, out, errs)
	}
	if e := <-l.door.entries; e.Proved || e.By != "certificate" {
		t.Errorf("%+v", e)
	}
}

// A wrong password reaches the door as an attempt, and looks like a user who does not exist.
func TestAttemptsAreReported(t *testing.T) {
	l := newLab(t)
	var told []string
	for _, url := range []string{l.url("bob", ""), strings.Replace(l.url("alice", ""), "correct", "wrong", 1)} {
		_, err := pgconn.Connect(t.Context(), url)
		var e *pgconn.PgError
		if !asError(err, &e) {
			t.Fatal(err)
		}
		told = append(told, e.Code+e.Message+e.Hint)
		if entry := <-l.door.entries; entry.Proved || entry.By != "password" {
			t.Errorf("%+v", entry)
		}
	}
	if told[0] != told[1] || !strings.HasPrefix(told[0], "28P01") {
		t.Error(told)
	}
}

// TLS without the question before it (libpq 17's sslnegotiation=direct).
func TestDirectTLS(t *testing.T) {
	l := newLab(t)
	for name, protocols := range map[string][]string{"postgresql": {"postgresql"}, "nothing": nil} {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: l.certs.pool, ServerName: "localhost", NextProtos: protocols}}).DialContext(t.Context(), "tcp", l.address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, _ = conn.Write(hello(3<<16, "user", "alice"))
		var b [1]byte
		n, _ := conn.Read(b[:])
		if (n == 1 && b[0] == 'R') != (name == "postgresql") {
			t.Errorf("%s: %d %q", name, n, b)
		}
		_ = conn.Close()
	}
	if _, err := (&tls.Dialer{Config: &tls.Config{RootCAs: l.certs.pool, ServerName: "localhost", NextProtos: []string{"http/1.1"}}}).DialContext(t.Context(), "tcp", l.address); err == nil {
		t.Error("a browser was let in")
	}
}

func TestAServerNeedsItsParts(t *testing.T) {
	if _, err := pgwire.New(pgwire.Options{}); err == nil {
		t.Error("a server without a door")
	}
}

func TestPsycopg2(t *testing.T) {
	python(t, "psycopg2", "testdata/psycopg2_client.py", "require")
}

func TestPsycopg3(t *testing.T) {
	python(t, "psycopg", "testdata/psycopg_client.py", "require")
}

func python(t *testing.T, module, script, binding string) {
	t.Helper()
	l := newLab(t)
	interpreter := tool(t, "/usr/bin/python3", "python3")
	if _, errs, err := client(t, l, "", interpreter, "-c", "import "+module); err != nil {
		t.Skipf("%s is not here: run make clients (%s)", module, errs)
	}
	if out, errs, err := client(t, l, "", interpreter, script, l.words("alice", "verify-full", "channel_binding="+binding), filepath.Join(t.TempDir(), "copied")); err != nil || out != "done\n" {
		t.Error(err, out, errs)
	}
}

func TestNodePostgres(t *testing.T) {
	node := tool(t, "node")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(cache, "weir-tests", "node_modules")
	tool(t, filepath.Join(modules, "pg"))
	l := newLab(t)
	t.Setenv("NODE_PATH", modules)
	if out, errs, err := client(t, l, "", node, "testdata/client.js", "localhost", strconv.Itoa(l.port), l.certs.root); err != nil || out != "done\n" {
		t.Error(err, out, errs)
	}
}

func TestJDBC(t *testing.T) {
	java := tool(t, "java")
	tool(t, "javac") // the runtime alone cannot run a source file
	jar := tool(t, "/usr/share/java/postgresql.jar")
	l := newLab(t)
	url := "jdbc:postgresql://localhost:" + strconv.Itoa(l.port) + "/weir"
	if out, errs, err := client(t, l, "", java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Duser.timezone=Europe/Berlin", "-cp", jar, "testdata/Client.java", url, l.certs.root); err != nil || out != "done\n" {
		t.Error(err, out, errs, runtime.GOOS)
	}
}
