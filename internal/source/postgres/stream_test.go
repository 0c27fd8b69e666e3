package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
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
	pretend *strings.Replacer // what is passed on as something else; set before listen
	mu      sync.Mutex        // guards seen
	seen    bytes.Buffer
}

func (w *tap) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen.Write(p)
}

func (w *tap) pass(client io.Writer, server io.Reader) {
	p := make([]byte, 64<<10)
	for {
		n, err := server.Read(p)
		out := p[:n]
		_, _ = w.Write(out)
		if w.pretend != nil {
			out = []byte(w.pretend.Replace(string(out)))
		}
		if _, werr := client.Write(out); err != nil || werr != nil {
			return
		}
	}
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
				w.pass(client, server)
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

func TestASlotThatLostItsLogIsGoneAndMadeAnew(t *testing.T) {
	dir := serverDir(t)
	server, err := postmaster.Start(t.Context(), postmaster.Options{Dir: dir, Settings: map[string]string{
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
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
	stopped = true
	if log, err := os.ReadFile(filepath.Join(dir, "server.log")); err != nil || !bytes.Contains(log, []byte("received fast shutdown request")) || bytes.Contains(log, []byte("received immediate shutdown request")) {
		t.Errorf("the server had to be ended by force: %v\n%s", err, log)
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

func TestASlowStoreDoesNotLookLikeADeadReader(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY)", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET wal_sender_timeout = %L', current_database(), '3s'); END $$")
	s, sel, m, r := follow(t, p, map[string][]string{"app.item": nil})
	r.Stop(t)
	slow := true
	m.Refuse = func(call string) error {
		if call == "commit" && slow {
			slow = false
			<-time.After(7 * time.Second) // longer than the server waits for a sign of life
		}
		return nil
	}
	r = sourcetest.Follow(t, s, sel, m.Position(), m)
	p.Exec(t, "INSERT INTO app.item SELECT generate_series(1, 100000)", "INSERT INTO app.item VALUES (-1)")
	settled(t, s, sel, m, r)
	if slow {
		t.Error("the store was never slow")
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
