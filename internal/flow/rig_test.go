package flow_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/postgres"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/store/duckdb"
	"github.com/weirproject/weir/internal/treatment"
)

const testPolicy = `table: app.item
access: sql
exploration: what a fault may break
columns:
  id:   {class: identifier, treat: pseudonym, subject: item}
  code: {class: telemetry, treat: keep}
  n:    {class: telemetry, treat: keep}
  body: {class: telemetry, treat: keep, access: metrics}
`

var companies atomic.Int64

// company is one production and one state folder, over which a flow is opened again and again.
type company struct {
	url, dir string
	id       string // of what is ours at the source; slots are the server's, not the database's
	policy   *policy.Policy
	keys     *treatment.Keys
}

func newCompany(t testing.TB) *company {
	t.Helper()
	c := &company{url: postmastertest.Database(t), dir: t.TempDir(), id: fmt.Sprintf("flow%d", companies.Add(1))}
	c.exec(t, `CREATE SCHEMA app`, `CREATE TABLE app.item (id bigint PRIMARY KEY, code text, n int NOT NULL, body text)`,
		`ALTER TABLE app.item ALTER body SET STORAGE EXTERNAL`,
		`INSERT INTO app.item SELECT i, 'c' || i % 5, i, repeat(md5(i::text), 90) FROM generate_series(1, 300) i`)
	var err error
	if c.policy, err = policy.Parse([]policy.File{{Name: "item.yaml", Data: []byte(testPolicy)}}); err != nil {
		t.Fatal(err)
	}
	if c.keys, err = treatment.NewKeys(make([]byte, treatment.MasterKeySize)); err != nil {
		t.Fatal(err)
	}
	src := c.source(t)
	defer func() { _ = src.Close() }()
	schema, err := src.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sel, err := flow.Selection(c.policy, schema, c.keys)
	if err != nil {
		t.Fatal(err)
	}
	script, err := src.Script(t.Context(), sel)
	if err == nil {
		err = src.Execute(t.Context(), script)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *company) source(t testing.TB) source.Source {
	t.Helper()
	src, err := postgres.Open(t.Context(), postgres.Options{URL: c.url, ID: c.id})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func (c *company) exec(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// works lets production change its rows in every way until the returned function is called.
func (c *company) works(t testing.TB) (stop func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.url)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	working.Go(func() {
		defer func() { _ = conn.Close(context.Background()) }()
		for i := 1000; ctx.Err() == nil; i += 10 {
			sql := fmt.Sprintf(`BEGIN; INSERT INTO app.item SELECT i, 'new', i, repeat(md5(i::text), 90) FROM generate_series(%[1]d, %[1]d + 5) i;
UPDATE app.item SET n = n + 1 WHERE id %% 7 = %[1]d / 10 %% 7; UPDATE app.item SET id = id + 1000000 WHERE id = %[1]d + 1; DELETE FROM app.item WHERE id = %[1]d - 8; COMMIT`, i)
			if _, err := conn.Exec(ctx, sql); err != nil && ctx.Err() == nil {
				t.Errorf("production's writer: %v", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); working.Wait() })
	t.Cleanup(stop)
	return stop
}

// rig is everything that is open at one time.
type rig struct {
	t      testing.TB
	source source.Source
	store  *duckdb.Store
	ledger *ledger.Ledger
	flow   *flow.Flow
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run, once ended is closed
}

// open opens everything and makes a flow of it; wrap, which may be nil, puts something between the flow and what it works with.
func (c *company) open(t testing.TB, wrap func(o *flow.Options)) *rig {
	t.Helper()
	r := &rig{t: t, source: c.source(t), ended: make(chan struct{})}
	var err error
	if r.store, err = duckdb.Open(t.Context(), duckdb.Options{Dir: filepath.Join(c.dir, "store"), Limits: store.Limits{MemoryBytes: 512 << 20, Threads: 2}}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(c.dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if r.ledger, err = ledger.Open(ledger.Options{Dir: filepath.Join(c.dir, "ledger"), KeyDir: filepath.Join(c.dir, "keys")}); err != nil {
		t.Fatal(err)
	}
	o := flow.Options{Source: r.source, Store: r.store, Ledger: r.ledger, Policy: c.policy, Keys: c.keys}
	if wrap != nil {
		wrap(&o)
	}
	r.flow = flow.New(o)
	return r
}

func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		r.err = r.flow.Run(ctx)
	}()
}

// end ends the run and closes everything.
func (r *rig) end() {
	r.t.Helper()
	if r.cancel != nil {
		r.cancel()
		<-r.ended
	}
	if err := r.store.Close(); err != nil {
		r.t.Log("close store:", fault.Public(err).Message) // an engine that was killed
	}
	if err := r.ledger.Close(); err != nil {
		r.t.Error(err)
	}
	_ = r.source.Close()
}

// crash takes everything away as a killed process would: nothing is rolled back or flushed in order.
func (r *rig) crash() {
	for _, pid := range r.store.EnginePIDs() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	r.end()
}

// patience bounds a wait for what must come; a busy machine takes long.
const patience = 2 * time.Minute

// following waits until the flow follows; false when it ended instead.
func (r *rig) following() bool {
	r.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if r.flow.Status().Phase == flow.Following {
			return true
		}
		select {
		case <-r.ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	r.t.Fatalf("the flow does not follow: %+v", r.flow.Status())
	return false
}

// passed waits until the store holds everything before a later position than the given one.
func (r *rig) passed(p source.Position) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); r.flow.Status().Position <= p; {
		select {
		case <-r.ended:
			r.t.Fatalf("the flow ended: %v", r.err)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("the flow does not pass %s: %+v", p, r.flow.Status())
		}
	}
}

// equal fails the test unless the store equals production.
func (r *rig) equal() {
	r.t.Helper()
	if !r.following() {
		r.t.Fatalf("the flow ended: %v", r.err)
	}
	report, err := r.flow.Verify(r.t.Context(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, table := range report.Tables {
		if !table.Equal {
			r.t.Errorf("%s in %s: %d rows, production has %d: %+v", table.Table, table.Access, table.StoreRows, table.SourceRows, *table.Difference)
		}
	}
	if len(report.Tables) != 2 || report.Tables[0].SourceRows < 200 {
		r.t.Errorf("nothing was compared: %+v", report.Tables)
	}
}
