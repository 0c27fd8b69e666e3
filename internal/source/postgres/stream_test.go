package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/postmaster"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/sourcetest"
	"github.com/weirproject/weir/internal/treatment"
)

// follow prepares and starts a source over the tables and follows it into a mirror that has copied them.
func follow(t *testing.T, p *production, tables map[string][]string) (*Source, source.Selection, *sourcetest.Mirror, *sourcetest.Reading) {
	t.Helper()
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, tables)
	sourcetest.Prepare(t, s, sel)
	if _, _, err := s.Start(t.Context()); err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	m := sourcetest.NewMirror(t, sel)
	from := m.Copy(t, s)
	r := sourcetest.Follow(t, s, sel, from, m)
	m.AwaitPosition(t, sourcetest.Now(t, s))
	return s, sel, m, r
}

// settled stops the reading and fails the test when the mirror is not what production is.
func settled(t *testing.T, s *Source, sel source.Selection, m *sourcetest.Mirror, r *sourcetest.Reading) {
	t.Helper()
	m.AwaitPosition(t, sourcetest.Now(t, s))
	r.Stop(t)
	fresh := sourcetest.NewMirror(t, sel)
	fresh.Copy(t, s)
	m.SameAs(t, fresh)
}

func TestSnapshotsUnderManyWritersLoseAndDoubleNothing(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, n integer NOT NULL)", "INSERT INTO app.item SELECT g, 0 FROM generate_series(1, 100) g")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	sourcetest.Prepare(t, s, sel)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 6 {
		conn := p.connect(t)
		writers.Go(func() {
			defer closeConn(conn)
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := (w+1)*10_000_000 + i
				_, err := simple(t.Context(), conn, fmt.Sprintf("BEGIN; INSERT INTO app.item VALUES (%d, 1); UPDATE app.item SET n = n + 1 WHERE id = %d; DELETE FROM app.item WHERE id = %d; COMMIT",
					id, 1+(i*7+w*17)%100, id-50))
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var mirrors []*sourcetest.Mirror
	for range 6 {
		m := sourcetest.NewMirror(t, sel)
		m.Copy(t, s)
		mirrors = append(mirrors, m)
	}
	close(stop)
	writers.Wait()
	end := sourcetest.Now(t, s)
	want := sourcetest.NewMirror(t, sel)
	want.Copy(t, s)
	for _, m := range mirrors {
		r := sourcetest.Follow(t, s, sel, from, m)
		m.AwaitPosition(t, end)
		r.Stop(t)
		m.SameAs(t, want)
	}
}

func TestUnchangedLongValuesStayWhatTheyWere(t *testing.T) {
	p := newProduction(t)
	p.Exec(t,
		"CREATE TABLE app.doc (id text PRIMARY KEY, body text, n integer)",
		"ALTER TABLE app.doc ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN id SET STORAGE EXTERNAL",
		"INSERT INTO app.doc VALUES ('a', repeat('x', 9000), 1), ('b', repeat('y', 9000), 1), (repeat('k', 2500), repeat('z', 9000), 1)")
	s, sel, m, r := follow(t, p, map[string][]string{"app.doc": nil})
	p.Exec(t, "UPDATE app.doc SET n = 2", "UPDATE app.doc SET id = 'c' WHERE id = 'b'", "UPDATE app.doc SET body = NULL WHERE id = 'a'")
	p.Transaction(t, "INSERT INTO app.doc VALUES ('d', repeat('q', 9000), 1)", "UPDATE app.doc SET n = 5 WHERE id = 'd'", "UPDATE app.doc SET id = 'e' WHERE id = 'd'", "UPDATE app.doc SET n = 6 WHERE id = 'e'")
	settled(t, s, sel, m, r)
	if got := m.Values("app.doc", "n"); !slices.Equal(got, []string{"2", "2", "2", "6"}) {
		t.Error("n is", got)
	}
}

func TestBigAndEmptyTransactionsAreFollowed(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, n integer)", "CREATE TABLE app.hidden (id bigint)")
	s, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	p.Transaction(t, "INSERT INTO app.item SELECT g, g FROM generate_series(1, 200000) g", "DELETE FROM app.item WHERE id % 2 = 0", "UPDATE app.item SET n = 0 WHERE id < 100")
	p.Transaction(t, "INSERT INTO app.hidden VALUES (1)")
	p.Transaction(t, "SELECT 1")
	if err := p.try(t, "BEGIN; INSERT INTO app.item VALUES (-1, 0); ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	settled(t, s, sel, m, r)
	if got := len(m.Table("app.item")); got != 100000 {
		t.Error("the mirror has", got, "rows")
	}
}

// tap is a proxy that keeps every byte that the server sends.
type tap struct {
	mu   sync.Mutex // guards seen
	seen bytes.Buffer
}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.Write(p)
}

func (w *tap) contains(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.seen.Bytes(), []byte(text))
}

// listen returns the URL of a proxy before the server.
func (w *tap) listen(t *testing.T, url string) string {
	t.Helper()
	c, err := config(url)
	if err != nil {
		t.Fatal(err)
	}
	target := fmt.Sprintf("%s:%d", c.Host, c.Port)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			all.Go(func() {
				_, _ = io.Copy(server, client)
				_ = server.Close()
			})
			all.Go(func() {
				_, _ = io.Copy(io.MultiWriter(client, w), server)
				_ = client.Close()
			})
		}
	})
	return strings.Replace(url, target, l.Addr().String(), 1)
}

func TestAnUnlistedColumnIsNeverOnTheWire(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text, secret text)", "CREATE TABLE app.hidden (id bigint PRIMARY KEY, secret text)",
		"INSERT INTO app.item VALUES (1, 'plainly', 'canary')", "INSERT INTO app.hidden VALUES (1, 'canary')")
	w := &tap{}
	s := p.open(t, Options{URL: w.listen(t, p.url)})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": {"id", "name"}})
	sourcetest.Prepare(t, s, sel)
	if _, _, err := s.Start(t.Context()); err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	m := sourcetest.NewMirror(t, sel)
	r := sourcetest.Follow(t, s, sel, m.Copy(t, s), m)
	p.Exec(t, "INSERT INTO app.item VALUES (2, 'plainly too', 'canary')", "UPDATE app.item SET secret = 'canary again', name = 'changed'", "UPDATE app.item SET id = 3 WHERE id = 2",
		"DELETE FROM app.item WHERE id = 1", "INSERT INTO app.hidden VALUES (2, 'canary')",
		"ALTER TABLE app.item ADD COLUMN hint text DEFAULT 'canary'", "INSERT INTO app.item VALUES (4, 'last', 'canary', 'canary')")
	settled(t, s, sel, m, r)
	if !w.contains("plainly too") || !w.contains("last") {
		t.Fatal("the wire was not seen")
	}
	if w.contains("canary") {
		t.Error("a value of an unlisted column was on the wire")
	}
}

func partitioned(t *testing.T, p *production) {
	t.Helper()
	p.Exec(t,
		"CREATE TABLE app.event (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL DEFAULT '2026-01-01', n integer DEFAULT 1, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
		"CREATE INDEX ON app.event (n)",
		"CREATE TABLE app.event_1 PARTITION OF app.event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
		"CREATE TABLE app.event_2 PARTITION OF app.event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
		"INSERT INTO app.event (at, n) SELECT '2026-01-15'::date + g % 40, g FROM generate_series(1, 100) g")
}

func TestAPartitionedTableIsFollowedAsItsRoot(t *testing.T) {
	p := newProduction(t)
	partitioned(t, p)
	s, sel, m, r := follow(t, p, map[string][]string{"app.event": nil})
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := schema.Table("app.event").Partitions; !slices.Equal(got, []string{"app.event_1", "app.event_2"}) || schema.Table("app.event_1") != nil {
		t.Error("partitions are", got)
	}
	p.Exec(t, "UPDATE app.event SET n = 500 WHERE n = 1", "UPDATE app.event SET at = '2026-02-27' WHERE n = 500", "DELETE FROM app.event WHERE n = 2", "INSERT INTO app.event_1 (id, at, n) OVERRIDING SYSTEM VALUE VALUES (9999, '2026-01-02', 7)")
	// a partition made empty in its place brings no rows, and what comes into it is announced
	p.Exec(t, "CREATE TABLE app.event_3 PARTITION OF app.event FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
		"ALTER TABLE app.event_3 OWNER TO CURRENT_USER; GRANT SELECT ON app.event_3 TO pg_monitor; COMMENT ON TABLE app.event_3 IS 'x'; ALTER TABLE app.event ADD CHECK (n < 100000)", "INSERT INTO app.event (at, n) VALUES ('2026-03-03', 3)")
	p.Transaction(t, "CREATE TABLE app.event_4 PARTITION OF app.event DEFAULT", "INSERT INTO app.event (at, n) VALUES ('2030-01-01', 4)")
	// a TRUNCATE of the whole is announced
	p.Transaction(t, "TRUNCATE app.event", "INSERT INTO app.event (at, n) VALUES ('2026-02-02', 22)")
	p.Exec(t, "CREATE TABLE app.marker (id bigint)")
	m.AwaitDrift(t, source.Drift{Kind: source.TableAdded, Table: "app.marker"})
	settled(t, s, sel, m, r)
	if got := m.Drifts(); len(got) != 1 {
		t.Error("drift is", got)
	}
	if got := m.Values("app.event", "n"); !slices.Equal(got, []string{"22"}) {
		t.Error("n is", got)
	}
}

func TestRowsThatComeOrGoWithAPartitionMakeTheSelectionWrong(t *testing.T) {
	for name, statements := range map[string][]string{
		"attached": {
			"CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer)", "INSERT INTO app.more VALUES (5000, '2026-04-04', 4)",
			"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
		},
		"filled and attached in one transaction": {
			"BEGIN; CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer); INSERT INTO app.more VALUES (5000, '2026-04-04', 4); " +
				"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"made of a query and attached in one transaction": {
			"BEGIN; CREATE TABLE app.more AS SELECT 5000::bigint AS id, '2026-04-04'::date AS at, 4 AS n; ALTER TABLE app.more ALTER id SET NOT NULL, ALTER at SET NOT NULL; " +
				"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"attached below an attached one": {
			"BEGIN; CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer) PARTITION BY RANGE (at); CREATE TABLE app.more_1 PARTITION OF app.more DEFAULT; " +
				"INSERT INTO app.more VALUES (5000, '2026-04-04', 4); ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"moved from another table": {
			"CREATE TABLE app.elsewhere (id bigint NOT NULL, at date NOT NULL, n integer) PARTITION BY RANGE (at)", "CREATE TABLE app.more PARTITION OF app.elsewhere DEFAULT",
			"INSERT INTO app.elsewhere VALUES (5000, '2026-04-04', 4)",
			"BEGIN; ALTER TABLE app.elsewhere DETACH PARTITION app.more; ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"detached":              {"ALTER TABLE app.event DETACH PARTITION app.event_2"},
		"detached concurrently": {"ALTER TABLE app.event DETACH PARTITION app.event_2 CONCURRENTLY"},
		"dropped":               {"DROP TABLE app.event_2"},
		"truncated alone":       {"TRUNCATE app.event_2"},
		"truncated alone after the whole": {
			"TRUNCATE app.event", "INSERT INTO app.event (at, n) VALUES ('2026-02-02', 22)", "TRUNCATE app.event_2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProduction(t)
			partitioned(t, p)
			s, sel, m, r := follow(t, p, map[string][]string{"app.event": nil})
			p.Exec(t, statements...)
			if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
				t.Fatal("read returned", sourcetest.Explain(err))
			}
			if got := m.Drifts(); !slices.Contains(got, source.Drift{Kind: source.PartitionChanged, Table: "app.event"}) {
				t.Error("drift is", got)
			}
			// copied anew it is right again, and nothing is told twice
			again := sourcetest.NewMirror(t, sel)
			r = sourcetest.Follow(t, s, sel, again.Copy(t, s), again)
			p.Exec(t, "INSERT INTO app.event (at, n) VALUES ('2026-01-05', 77)", "CREATE TABLE app.marker (id bigint)")
			again.AwaitDrift(t, source.Drift{Kind: source.TableAdded, Table: "app.marker"})
			settled(t, s, sel, again, r)
		})
	}
}

func TestChangesOfListedColumnsMakeTheSelectionWrong(t *testing.T) {
	unpublished := source.Drift{Kind: source.Unpublished, Table: "app.item"}
	for name, c := range map[string]struct {
		statements []string
		want       []source.Drift
	}{
		"dropped with cascade": {
			[]string{"ALTER TABLE app.item DROP COLUMN name CASCADE", "INSERT INTO app.item VALUES (2, 2)"},
			[]source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}, unpublished},
		},
		"renamed": {
			[]string{"ALTER TABLE app.item RENAME COLUMN name TO title"},
			[]source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}, {Kind: source.ColumnAdded, Table: "app.item", Column: "title"}},
		},
		"taken out and retyped": {
			[]string{"ALTER PUBLICATION @ DROP TABLE app.item", "ALTER TABLE app.item ALTER COLUMN n TYPE bigint"},
			[]source.Drift{{Kind: source.ColumnRetyped, Table: "app.item", Column: "n"}, unpublished},
		},
		"key changed": {
			[]string{"ALTER TABLE app.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (n)"},
			[]source.Drift{{Kind: source.KeyChanged, Table: "app.item"}},
		},
		"table renamed": {
			[]string{"ALTER TABLE app.item RENAME TO thing"},
			[]source.Drift{{Kind: source.TableDropped, Table: "app.item"}, {Kind: source.TableAdded, Table: "app.thing"}},
		},
		"table made anew": {
			[]string{"BEGIN; DROP TABLE app.item; CREATE TABLE app.item (id bigint PRIMARY KEY, name text, n integer NOT NULL); COMMIT"},
			[]source.Drift{{Kind: source.TableDropped, Table: "app.item"}, {Kind: source.TableAdded, Table: "app.item"}, unpublished},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProduction(t)
			p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text, n integer NOT NULL)", "INSERT INTO app.item VALUES (1, 'one', 1)")
			s, _, m, r := follow(t, p, map[string][]string{"app.item": nil})
			for _, statement := range c.statements {
				p.Exec(t, strings.ReplaceAll(statement, "@", s.name))
			}
			if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
				t.Fatal("read returned", sourcetest.Explain(err))
			}
			for _, want := range c.want {
				m.AwaitDrift(t, want)
			}
		})
	}
}

// TestARowOfARenamedColumnStopsTheReadByItself shows that the stream does not wait for the watch.
func TestARowOfARenamedColumnStopsTheReadByItself(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text)")
	s := p.open(t, Options{})
	s.watch = time.Hour
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	sourcetest.Prepare(t, s, sel)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := sourcetest.NewMirror(t, sel)
	r := sourcetest.Follow(t, s, sel, from, m)
	m.AwaitPosition(t, sourcetest.Now(t, s))
	p.Exec(t, "ALTER TABLE app.item RENAME COLUMN name TO title", "INSERT INTO app.item VALUES (1, 'x')")
	if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
		t.Fatal("read returned", sourcetest.Explain(err))
	}
	if got := m.Drifts(); !slices.Equal(got, []source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}}) {
		t.Error("drift is", got)
	}
}

func TestRowsFromBeforeThePublicationWasWidenedDoNotDisturb(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text)")
	s := p.open(t, Options{})
	narrow := sourcetest.Select(t, s, map[string][]string{"app.item": {"id"}})
	sourcetest.Prepare(t, s, narrow)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Exec(t, "INSERT INTO app.item VALUES (1, 'one')")
	wide := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	sourcetest.Prepare(t, s, wide)
	m := sourcetest.NewMirror(t, wide)
	m.Copy(t, s) // the first row is in the snapshot and comes again without its name
	r := sourcetest.Follow(t, s, wide, from, m)
	p.Exec(t, "INSERT INTO app.item VALUES (2, 'two')")
	settled(t, s, wide, m, r)
}

func TestASlotThatLostItsLogIsGoneAndMadeAnew(t *testing.T) {
	server, err := postmaster.Start(t.Context(), postmaster.Options{Dir: serverDir(t), Settings: map[string]string{
		"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB", "fsync": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = server.Stop()
		}
	})
	p := &production{url: server.URL("postgres"), id: "lost1"}
	p.Exec(t, "CREATE SCHEMA app", "CREATE TABLE app.item (id bigint PRIMARY KEY)")
	s, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	from := m.Position()
	r.Stop(t)
	for range 4 {
		p.Exec(t, "SELECT pg_switch_wal()", "INSERT INTO app.item SELECT coalesce(max(id), 0) + 1 FROM app.item", "CHECKPOINT")
	}
	if err := sourcetest.Follow(t, s, sel, from, m).Wait(t); !errors.Is(err, source.ErrGone) || fault.KindOf(err) != fault.Unavailable {
		t.Fatal("read returned", sourcetest.Explain(err))
	}
	from, made, err := s.Start(t.Context())
	if err != nil || !made {
		t.Fatal("start gives", made, sourcetest.Explain(err))
	}
	again := sourcetest.NewMirror(t, sel)
	again.Copy(t, s)
	r = sourcetest.Follow(t, s, sel, from, again)
	settled(t, s, sel, again, r)

	// the end of a server whose changes nobody takes is not held up
	stuck, let := make(chan struct{}), make(chan struct{})
	var once sync.Once
	blocked := sourcetest.NewMirror(t, sel)
	blocked.Copy(t, s)
	blocked.Refuse = func(call string) error {
		if call == "begin" {
			once.Do(func() { close(stuck) })
			<-let
		}
		return nil
	}
	r = sourcetest.Follow(t, s, sel, from, blocked)
	p.Exec(t, "INSERT INTO app.item VALUES (-1)")
	<-stuck
	start := time.Now()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	stopped = true
	if took := time.Since(start); took > 10*time.Second {
		t.Error("the server's end took", took)
	}
	close(let)
	if err := r.Wait(t); fault.KindOf(err) != fault.Unavailable {
		t.Error("read returned", sourcetest.Explain(err))
	}
	var f *fault.Error
	if _, err := s.Now(t.Context()); !errors.As(err, &f) || f.Kind != fault.Unavailable || strings.Contains(f.Message+f.Hint, "connection refused") {
		t.Error("now returned", sourcetest.Explain(err))
	}
}

func TestASlotThatAnotherReadsIsUnavailableAndSaysWho(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)")
	_, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	other := p.open(t, Options{})
	err := sourcetest.Follow(t, other, sel, m.Position(), sourcetest.NewMirror(t, sel)).Wait(t)
	var f *fault.Error
	pid := p.ask(t, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '"+other.name+"'")[0]
	if !errors.As(err, &f) || f.Kind != fault.Unavailable || !strings.Contains(f.Hint, "process "+pid) {
		t.Error("read returned", sourcetest.Explain(err))
	}
	r.Stop(t)
}

func TestALostConnectionIsUnavailableAndReadingGoesOn(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)")
	s, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	for _, whose := range []string{"backend_type = 'walsender'", "backend_type = 'client backend'"} {
		p.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir' AND datname = current_database() AND "+whose)
		if err := r.Wait(t); fault.KindOf(err) != fault.Unavailable {
			t.Error("read returned", sourcetest.Explain(err))
		}
		r = sourcetest.Follow(t, s, sel, m.Position(), m)
		p.Exec(t, "INSERT INTO app.item SELECT coalesce(max(id), 0) + 1 FROM app.item")
		m.AwaitPosition(t, sourcetest.Now(t, s))
	}
	settled(t, s, sel, m, r)
}

func TestACopyYieldsToAStatementThatWaitsForIt(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, n integer)", "INSERT INTO app.item SELECT g, g FROM generate_series(1, 300000) g")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	n, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	defer func() { _ = n.Close() }()
	ddl := make(chan error, 1)
	started, rows := false, treatment.NewBuilder(sel[0])
	err = n.Copy(t.Context(), sel[0], func() (*treatment.Builder, error) {
		if !started {
			started = true
			go func() {
				ddl <- p.try(t, "SET lock_timeout = '10s'; ALTER TABLE app.item ADD COLUMN more text")
			}()
		}
		if rows.Len() == 1000 { // a slow store: the copy would take long
			select {
			case err := <-ddl:
				ddl <- err
			case <-time.After(50 * time.Millisecond):
			}
			if _, err := rows.Seal(); err != nil {
				return nil, err
			}
		}
		return rows, nil
	})
	if fault.KindOf(err) != fault.Unavailable {
		t.Error("the copy returned", sourcetest.Explain(err))
	}
	if err := <-ddl; err != nil {
		t.Error("production's statement failed:", err)
	}
}

func TestAPublicationThatWasMadeAnewSpoilsTheSlot(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)")
	s, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	from := m.Position()
	r.Stop(t)
	p.Exec(t, "DROP PUBLICATION "+s.name, "INSERT INTO app.item VALUES (1)")
	if err := sourcetest.Follow(t, s, sel, from, sourcetest.NewMirror(t, sel)).Wait(t); !errors.Is(err, source.ErrSelection) {
		t.Error("without a publication read returned", sourcetest.Explain(err))
	}
	sourcetest.Prepare(t, s, sel)
	if err := sourcetest.Follow(t, s, sel, from, sourcetest.NewMirror(t, sel)).Wait(t); !errors.Is(err, source.ErrGone) {
		t.Error("read returned", sourcetest.Explain(err))
	}
	from, made, err := s.Start(t.Context())
	if err != nil || !made {
		t.Fatal("start gives", made, sourcetest.Explain(err))
	}
	again := sourcetest.NewMirror(t, sel)
	again.Copy(t, s)
	r = sourcetest.Follow(t, s, sel, from, again)
	settled(t, s, sel, again, r)
}

func TestTheEndOfTheContextReachesACopyAndASnapshot(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)", "INSERT INTO app.item SELECT generate_series(1, 100000)")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	n, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(sourcetest.Explain(err))
	}
	defer func() { _ = n.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	rows := treatment.NewBuilder(sel[0])
	err = n.Copy(ctx, sel[0], func() (*treatment.Builder, error) {
		if rows.Len() == 10 {
			cancel()
		}
		return rows, nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Error("copy returned", sourcetest.Explain(err))
	}
	if _, err := s.Snapshot(ctx); !errors.Is(err, context.Canceled) {
		t.Error("snapshot returned", sourcetest.Explain(err))
	}
}
