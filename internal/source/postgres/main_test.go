package postgres

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/sourcetest"
)

func TestMain(m *testing.M) { os.Exit(postmastertest.Main(m)) }

// production is a fresh database on the private server.
type production struct {
	url string
	id  string
}

func newProduction(t testing.TB) *production {
	t.Helper()
	url := postmastertest.Database(t)
	p := &production{url: url, id: idOf(url)}
	p.Exec(t, "CREATE SCHEMA app")
	return p
}

// idOf makes an id of the database's name, which is unique on the server as slots are.
func idOf(url string) string {
	name := url[strings.LastIndex(url, "/")+1:]
	if i := strings.IndexByte(name, '?'); i >= 0 {
		name = name[:i]
	}
	return "id" + strings.ReplaceAll(name, "_", "")
}

func (*production) Schema() string { return "app" }

func (p *production) Open(t testing.TB) source.Source { return p.open(t, Options{}) }

func (p *production) open(t testing.TB, o Options) *Source {
	t.Helper()
	if o.URL == "" {
		o.URL = p.url
	}
	o.ID, o.Watch = p.id, 200*time.Millisecond
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal("open:", sourcetest.Explain(err))
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (p *production) Exec(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if err := p.try(t, s); err != nil {
			t.Fatal(s, ":", err)
		}
	}
}

func (p *production) Transaction(t testing.TB, statements ...string) {
	t.Helper()
	if err := p.try(t, "BEGIN; "+strings.Join(statements, "; ")+"; COMMIT"); err != nil {
		t.Error(err)
	}
}

// try runs statements as an application would; they are durable when it returns.
func (p *production) try(t testing.TB, sql string) error {
	t.Helper()
	conn := p.connect(t)
	defer closeConn(conn)
	_, err := simple(context.WithoutCancel(t.Context()), conn, sql) // also runs in cleanups
	return err
}

func (p *production) connect(t testing.TB) *pgconn.PgConn {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgconn.Connect(ctx, p.url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := simple(ctx, conn, "SET synchronous_commit = on"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// ask returns a result's first column.
func (p *production) ask(t testing.TB, sql string) []string {
	t.Helper()
	conn := p.connect(t)
	defer closeConn(conn)
	r, err := simple(t.Context(), conn, sql)
	if err != nil {
		t.Fatal(sql, ":", err)
	}
	var values []string
	for _, row := range r[len(r)-1] {
		values = append(values, string(row[0]))
	}
	return values
}

func TestSourceContract(t *testing.T) {
	sourcetest.Run(t, func(t testing.TB) sourcetest.Production { return newProduction(t) })
}

// serverDir is a folder that a private server's user can enter.
func serverDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "weir-postgres-") //nolint:usetesting // the test's own folder is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
