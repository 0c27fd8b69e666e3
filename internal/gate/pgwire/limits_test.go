package pgwire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

func TestTooManyConnectionsAreTold(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.PerAddress = 2 })
	l.signedIn(t)
	l.signedIn(t)
	_, err := pgconn.Connect(t.Context(), l.url("alice", ""))
	if stateOf(err) != "53300" {
		t.Error(err)
	}
}

// elsewhere is a listener whose connections seem to come from other addresses, one after the other.
type elsewhere struct {
	net.Listener
	from chan string
}

func (e *elsewhere) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &distant{Conn: c, from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(<-e.from))}, nil
}

type distant struct {
	net.Conn
	from net.Addr
}

func (d *distant) RemoteAddr() net.Addr { return d.from }

func TestOneNetworkCountsAsOneAddress(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.PerAddress = 1 })
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far := &elsewhere{inner, make(chan string, 1)}
	served := make(chan error, 1)
	go func() { served <- l.server.Serve(context.WithoutCancel(t.Context()), far) }()
	t.Cleanup(func() {
		l.server.Close()
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
	})
	l.port = int(netip.MustParseAddrPort(inner.Addr().String()).Port())
	for _, c := range []struct{ from, state string }{
		{"[2001:db8:0:1::1]:1", ""},
		{"[2001:db8:0:1:ffff::2]:1", "53300"},
		{"[2001:db8:0:2::1]:1", ""},
		{"[::ffff:192.0.2.1]:1", ""},
		{"192.0.2.1:1", "53300"},
		{"192.0.2.2:1", ""},
		{"[fe80::1%1]:1", ""},
		{"[fe80::2%2]:1", "53300"},
	} {
		far.from <- c.from
		if c.state == "" {
			l.signedIn(t)
			continue
		}
		if _, err := pgconn.Connect(t.Context(), l.url("alice", "")); stateOf(err) != c.state {
			t.Errorf("from %s: %v", c.from, err)
		}
	}
}

func TestLimitsOfASession(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Statements, o.Limits.Portals = 3, 2 })
	w := l.signedIn(t)
	w.query("PREPARE a AS SELECT 1; PREPARE b AS SELECT 1; PREPARE c AS SELECT 1; PREPARE d AS SELECT 1", "PREPARE PREPARE PREPARE error:53400 ready:I")
	w.expect("error:53400 ready:I", &pgproto3.Parse{Name: "e", Query: "SELECT 1"}, &pgproto3.Sync{})
	w.query("DEALLOCATE ALL; BEGIN; DECLARE a CURSOR FOR SELECT 1; DECLARE b CURSOR FOR SELECT 1; DECLARE c CURSOR FOR SELECT 1", "DEALLOCATE_ALL BEGIN DECLARE_CURSOR DECLARE_CURSOR error:53400 ready:E")
}

// What a session keeps by name is bounded in bytes, too: names, texts, parameters and settings.
func TestWhatASessionKeepsIsBoundedInBytes(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Kept = 3000 })
	w := l.signedIn(t)
	long, text := strings.Repeat("n", 300), "SELECT '"+strings.Repeat("x", 1000)+"'"
	w.expect("error:42622 ready:I", &pgproto3.Parse{Name: long, Query: "SELECT 1"}, &pgproto3.Sync{})
	w.expect("ParseComplete error:42622 ready:I", &pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Bind{DestinationPortal: long}, &pgproto3.Sync{})
	w.query("BEGIN; SAVEPOINT "+long, "BEGIN error:42622 ready:E")
	w.query("ROLLBACK", "ROLLBACK ready:I")
	w.query("SET application_name = '"+strings.Repeat("x", 9000)+"'", "error:22023 ready:I")
	w.query("PREPARE a AS "+text, "PREPARE ready:I")
	w.expect("ParseComplete error:53400 ready:I", &pgproto3.Parse{Name: "b", Query: text}, &pgproto3.Parse{Name: "c", Query: text}, &pgproto3.Sync{})
	w.query("PREPARE c AS "+text, "error:53400 ready:I")
	w.expect("ParseComplete ready:I", &pgproto3.Parse{Query: text + text[7:]}, &pgproto3.Sync{})
	w.query("DEALLOCATE a", "DEALLOCATE ready:I")
	w.expect("ParseComplete ready:I", &pgproto3.Parse{Name: "c", Query: text}, &pgproto3.Sync{})
}

// A client that does not read is let go, and holds nothing.
func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Stall = 200 * time.Millisecond })
	w := l.signedIn(t)
	w.send(&pgproto3.Query{String: "SELECT repeat('x', 10000) FROM numbers"})
	await(t, func() bool { return l.door.runs.Load() == 1 })
	await(t, func() bool { return l.door.open.Load() == 0 })
	if n, err := io.Copy(io.Discard, w.conn); err == nil && n > 900<<20 {
		t.Error("everything was sent")
	} else if err != nil && errors.Is(err, context.DeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

// A result that is cut by a limit ends in an error in every form, and never looks complete.
func TestACutAnswerEndsInAnError(t *testing.T) {
	l := newLab(t)
	l.door.most = 5000
	w := l.signedIn(t)
	for name, messages := range map[string][]pgproto3.FrontendMessage{
		"simple":   {&pgproto3.Query{String: "SELECT n FROM numbers"}},
		"extended": {&pgproto3.Parse{Query: "SELECT n FROM numbers"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		"fetched":  {&pgproto3.Parse{Query: "SELECT n FROM numbers"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 10}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		"copy":     {&pgproto3.Query{String: "COPY numbers TO STDOUT"}},
		"binary":   {&pgproto3.Query{String: "COPY numbers TO STDOUT (FORMAT binary)"}},
		"cursor":   {&pgproto3.Query{String: "BEGIN; DECLARE c CURSOR FOR SELECT n FROM numbers; FETCH ALL c"}, &pgproto3.Query{String: "ROLLBACK"}},
	} {
		w.send(messages...)
		got := w.told()
		if !strings.Contains(got, "error:54000") || strings.Contains(got, "SELECT_") || strings.Contains(got, "CopyDone") || strings.Contains(got, "FETCH_") {
			t.Errorf("%s: … %s", name, got[max(0, len(got)-100):])
		}
		if name == "cursor" {
			w.told()
		}
	}
	l.door.most = 0
	// What could not be recorded was not answered.
	l.door.mu.Lock()
	l.door.closeErr = fault.New(fault.Unavailable, "the ledger cannot be written", "look at its disk")
	l.door.mu.Unlock()
	w.query("SELECT 1 AS a", "row[a:23] (1) error:57P03 ready:I")
	l.door.mu.Lock()
	l.door.closeErr = nil
	l.door.mu.Unlock()
}
