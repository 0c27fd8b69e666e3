package pgwire_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// patience bounds a wait for what must come; a busy machine takes long.
const patience = 2 * time.Minute

// wire is a client that says exactly what a test wants said.
type wire struct {
	t    testing.TB
	conn net.Conn
	f    *pgproto3.Frontend
}

// signedIn is a connection behind its sign-in.
func (l *lab) signedIn(t testing.TB) *wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, l.url("alice", ""))
	if err != nil {
		t.Fatal("connect:", err)
	}
	h, err := c.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	_ = h.Conn.SetDeadline(time.Now().Add(patience))
	return &wire{t: t, conn: h.Conn, f: h.Frontend}
}

func (w *wire) send(messages ...pgproto3.FrontendMessage) {
	w.t.Helper()
	for _, m := range messages {
		w.f.Send(m)
	}
	if err := w.f.Flush(); err != nil {
		w.t.Fatal("send:", err)
	}
}

// told writes down messages until ReadyForQuery, or until stop, in short: their types, rows as text, errors as their SQLSTATE.
func (w *wire) told(stop ...string) string {
	w.t.Helper()
	var out []string
	for {
		m, err := w.f.Receive()
		if err != nil {
			return strings.Join(append(out, "closed"), " ")
		}
		s := short(m)
		out = append(out, s)
		if _, ok := m.(*pgproto3.ReadyForQuery); ok || len(stop) > 0 && s == stop[0] {
			return strings.Join(out, " ")
		}
	}
}

func short(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		return "ready:" + string(m.TxStatus)
	case *pgproto3.ErrorResponse:
		at := ""
		if m.Position > 0 {
			at = fmt.Sprintf("@%d", m.Position)
		}
		return strings.ToLower(m.Severity) + ":" + m.Code + at
	case *pgproto3.NoticeResponse:
		return "notice:" + m.Code
	case *pgproto3.CommandComplete:
		return strings.ReplaceAll(string(m.CommandTag), " ", "_")
	case *pgproto3.DataRow:
		var parts []string
		for _, v := range m.Values {
			if v == nil {
				parts = append(parts, "NULL")
			} else {
				parts = append(parts, string(v))
			}
		}
		return "(" + strings.Join(parts, ",") + ")"
	case *pgproto3.RowDescription:
		var parts []string
		for _, f := range m.Fields {
			parts = append(parts, fmt.Sprintf("%s:%d", f.Name, f.DataTypeOID))
		}
		return "row[" + strings.Join(parts, ",") + "]"
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("parameters%v", m.ParameterOIDs)
	case *pgproto3.ParameterStatus:
		return m.Name + "=" + m.Value
	case *pgproto3.CopyData:
		return fmt.Sprintf("copy%q", m.Data)
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
}

func (w *wire) expect(want string, messages ...pgproto3.FrontendMessage) {
	w.t.Helper()
	w.send(messages...)
	if got := w.told(); got != want {
		w.t.Errorf("got  %s\nwant %s", got, want)
	}
}

func (w *wire) query(sql, want string) {
	w.t.Helper()
	w.send(&pgproto3.Query{String: sql})
	if got := w.told(); got != want {
		w.t.Errorf("%s\ngot  %s\nwant %s", sql, got, want)
	}
}

func await(t testing.TB, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}

// atWork waits until the engine is at work on a question: the lab's door hears of it a moment before, and nothing tells when.
func (l *lab) atWork(t testing.TB) {
	t.Helper()
	await(t, func() bool { return l.door.open.Load() == 1 })
	<-time.After(200 * time.Millisecond)
}
