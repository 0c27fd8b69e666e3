package catalogue_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"iter"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

const password = "a-password"

// door lets everybody with the password ask the catalogue, and nothing else.
type door struct{ catalogue *catalogue.Catalogue }

func (door) Verifier(context.Context, string, netip.Addr) (pgwire.Verifier, error) {
	salt := []byte("0123456789abcdef")
	salted, err := pbkdf2.Key(sha256.New, password, salt, 4096, 32)
	if err != nil {
		return pgwire.Verifier{}, err
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		_, _ = h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	return pgwire.Verifier{Salt: salt, Iterations: 4096, StoredKey: stored[:], ServerKey: mac("Server Key")}, nil
}

func (d door) Enter(_ context.Context, e pgwire.Entry) (pgwire.Session, error) {
	if !e.Proved {
		return nil, fault.New(fault.Refused, "no", "sign in with the password")
	}
	return inside(d), nil
}

type inside struct{ catalogue *catalogue.Catalogue }

func (inside) Done() <-chan struct{} { return nil }
func (inside) Reason() error         { return nil }
func (inside) Close()                {}

func stated(err error) error {
	var s *catalogue.StateError
	var f *fault.Error
	if errors.As(err, &s) && errors.As(err, &f) {
		return f.WithCause(&pgwire.StateError{SQLState: s.SQLState})
	}
	return err
}

func (i inside) Prepare(ctx context.Context, sql string, types []uint32) (pgwire.Statement, error) {
	schema, parameters, err := i.catalogue.Describe(ctx, sql)
	if err != nil {
		return nil, stated(err)
	}
	for n, oid := range types {
		if n < len(parameters) && oid != 0 {
			parameters[n] = oid
		}
	}
	return question{i.catalogue, sql, schema, parameters}, nil
}

type question struct {
	catalogue  *catalogue.Catalogue
	sql        string
	schema     *arrow.Schema
	parameters []uint32
}

func (q question) Parameters() []uint32  { return q.parameters }
func (q question) Schema() *arrow.Schema { return q.schema }

func (q question) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	rows, err := q.catalogue.Query(ctx, q.sql, parameters...)
	if err != nil {
		return nil, stated(err)
	}
	return rowsOf{rows}, nil
}

type rowsOf struct{ *catalogue.Rows }

func (r rowsOf) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range r.Rows.Batches() {
			if !yield(b, stated(err)) {
				return
			}
		}
	}
}

// serve puts the protocol before a catalogue, and returns its port.
func serve(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pgwire.New(pgwire.Options{
		Door:         door{open(t, start(t), "analyst", shop())},
		TLS:          &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		EndPointHash: func() []byte { return pgwire.EndPointHash(leaf) },
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.WithoutCancel(t.Context()), listener) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
	})
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// run runs a client and returns what it said; a client that is not here is a skip, which is a failure under CI: make clients installs them all.
func run(t *testing.T, in string, needs []string, name string, args ...string) string {
	t.Helper()
	for _, n := range append(needs, name) {
		if _, err := exec.LookPath(n); err != nil && !exists(n) {
			t.Skipf("%s is not here: run make clients", n)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "HOME="+t.TempDir(), "PSQL_PAGER=cat", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stdin = strings.NewReader(in)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s: %v\n%s", name, err, out.String())
	}
	return out.String()
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return filepath.IsAbs(name) && err == nil
}

func TestPsqlDescribes(t *testing.T) {
	port := serve(t)
	commands := []struct {
		command string
		wants   []string
	}{
		{`\d`, []string{"fleet|device|table|weir", "billing|invoice|table|weir"}},
		{`\d fleet.device`, []string{"price|numeric(10,2)|||", "first_activated_at|timestamp without time zone|||", "tags|text[]|||"}},
		{`\d+ fleet.account`, []string{"plan|text||||extended||"}},
		{`\d billing.invoice`, []string{"Mixed Case|text|||"}},
		{`\d pg_class`, []string{"relname|name||not null|"}},
		{`\dt`, []string{"public|note|table|weir"}},
		{`\dt+ fleet.*`, []string{"fleet|account|table|weir|permanent"}},
		{`\dn`, []string{"billing|weir", "fleet|weir"}},
		{`\dn+`, []string{"fleet|weir||"}},
		{`\l`, []string{"shop|weir|UTF8"}},
		{`\du`, []string{"analyst|"}},
		{`\df`, nil},
		{`\dv`, nil},
		{`\di`, nil},
		{`\dT`, nil},
		{`\dTS uuid`, []string{"pg_catalog|uuid|"}},
		{`\dp`, []string{"fleet|device|table|||"}},
		{`\dx`, nil},
		{`\db`, []string{"pg_default|weir|"}},
		{`\dtS pg_cl*`, []string{"pg_catalog|pg_class|table|weir"}},
		{`SELECT version();`, []string{"PostgreSQL 15"}},
		{`SELECT 'fleet.device'::regclass;`, []string{"device"}},
	}
	var script strings.Builder
	for i, c := range commands {
		script.WriteString("\\echo -- " + strconv.Itoa(i) + "\n" + c.command + "\n")
	}
	out := run(t, script.String(), nil, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "host=127.0.0.1 port="+port+" user=analyst dbname=shop sslmode=require")
	if strings.Contains(out, "ERROR") {
		t.Error(out)
	}
	for i, c := range commands {
		_, after, found := strings.Cut(out, "-- "+strconv.Itoa(i)+"\n")
		answer, _, _ := strings.Cut(after, "\n-- ")
		for _, want := range c.wants {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: %q is missing (%v)\n%s", c.command, want, found, answer)
			}
		}
	}
}

func TestJDBCReflects(t *testing.T) {
	port := serve(t)
	const driver = "/usr/share/java/postgresql.jar"
	out := run(t, "", []string{driver}, "java", "-cp", driver, "testdata/Metadata.java", "jdbc:postgresql://127.0.0.1:"+port+"/shop?user=analyst&password="+password+"&sslmode=require")
	for _, want := range []string{
		"schema fleet", "table billing.invoice TABLE", "table fleet.device TABLE", "column device.device_id uuid 1111", "column device.price numeric 2 10 2", "column device.tags _text 2003",
		"column device.events int8 -5", "keys 0 0 0 0", "type uuid", "catalog shop billing",
	} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q is missing\n%s", want, out)
		}
	}
	if strings.Contains(out, "FAILED") {
		t.Error(out)
	}
}

func TestSQLAlchemyReflects(t *testing.T) {
	port := serve(t)
	out := run(t, "", []string{"/usr/lib/python3/dist-packages/sqlalchemy"}, "/usr/bin/python3", "testdata/reflect.py", "postgresql+psycopg2://analyst:"+password+"@127.0.0.1:"+port+"/shop?sslmode=require")
	for _, want := range []string{"schemas billing fleet information_schema public", "tables account device", "column device price NUMERIC(10, 2)", "column device tags ARRAY", "reflected fleet.account fleet.device"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q is missing\n%s", want, out)
		}
	}
}

func TestPsycopgLoadsTypes(t *testing.T) {
	port := serve(t)
	out := run(t, "", []string{"/usr/lib/python3/dist-packages/psycopg"}, "/usr/bin/python3", "testdata/lookup.py", "postgresql://analyst:"+password+"@127.0.0.1:"+port+"/shop?sslmode=require")
	for _, want := range []string{"uuid 2950 2951", "hstore None", "range 3904 23", "database shop billing True", "table device"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q is missing\n%s", want, out)
		}
	}
}

func TestNodePostgresStartsUp(t *testing.T) {
	port := serve(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(cache, "weir-tests", "node_modules")
	t.Setenv("NODE_PATH", modules)
	out := run(t, "", []string{filepath.Join(modules, "pg")}, "node", "testdata/start.js", "postgres://analyst:"+password+"@127.0.0.1:"+port+"/shop")
	for _, want := range []string{"now 1", "tables 4", "columns 18", "any 3", "there true"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("%q is missing\n%s", want, out)
		}
	}
}

func TestPgxLoadsTypes(t *testing.T) {
	port := serve(t)
	c, err := pgx.Connect(t.Context(), "postgres://analyst:"+password+"@127.0.0.1:"+port+"/shop?sslmode=require")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	for _, name := range []string{"_text", "int4range", "fleet.account"} {
		if _, err := c.LoadType(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// With simple statements: arrays as parameters are the protocol's matter.
	simple, err := pgx.Connect(t.Context(), "postgres://analyst:"+password+"@127.0.0.1:"+port+"/shop?sslmode=require&default_query_exec_mode=simple_protocol")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = simple.Close(context.Background()) }()
	if list, err := simple.LoadTypes(t.Context(), []string{"billing.invoice"}); err != nil || len(list) == 0 {
		t.Errorf("%d types: %v", len(list), err)
	}
	var oid uint32
	var name string
	var kinds []string
	row := simple.QueryRow(t.Context(), "SELECT oid, relname, current_schemas(false) FROM pg_class WHERE relname = $1 AND relkind = ANY($2) LIMIT $3", "device", []string{"r"}, 1)
	if err := row.Scan(&oid, &name, &kinds); err != nil || name != "device" || oid == 0 || strconv.Itoa(len(kinds)) != "3" {
		t.Errorf("%d %s %v: %v", oid, name, kinds, err)
	}
}
