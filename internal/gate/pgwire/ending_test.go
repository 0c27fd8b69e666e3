package pgwire_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

// A cancelled question says so, the session goes on, and a wrong key cancels nothing.
func TestCancel(t *testing.T) {
	l := newLab(t)
	for _, version := range []string{"3.0", "3.2"} {
		c := connect(t, l.url("alice", "&max_protocol_version="+version))
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(context.WithoutCancel(t.Context()), "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b").ReadAll()
			done <- err
		}()
		l.atWork(t)
		wrong := append([]byte{}, c.SecretKey()...)
		wrong[0] ^= 1
		sendCancel(t, l.address, c.PID(), wrong)
		select {
		case err := <-done:
			t.Fatal("a wrong key ended the question:", err)
		case <-time.After(100 * time.Millisecond):
		}
		sendCancel(t, l.address, c.PID(), c.SecretKey())
		select {
		case err := <-done:
			if stateOf(err) != "57014" {
				t.Errorf("version %s: %v", version, err)
			}
		case <-time.After(patience):
			t.Fatal("the question was not cancelled")
		}
		if want := map[string]int{"3.0": 4, "3.2": 32}[version]; len(c.SecretKey()) != want {
			t.Errorf("version %s has a key of %d bytes", version, len(c.SecretKey()))
		}
		if _, err := c.Exec(t.Context(), "SELECT 1").ReadAll(); err != nil {
			t.Error("after it:", err)
		}
	}
}

// sendCancel asks as libpq before 17 does, without TLS, and waits until it was heard.
func sendCancel(t testing.TB, address string, pid uint32, key []byte) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	message, err := (&pgproto3.CancelRequest{ProcessID: pid, SecretKey: key}).Encode(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(message); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
}

// A client that goes away in the middle of a question ends it.
func TestAClientThatLeavesEndsItsQuestion(t *testing.T) {
	l := newLab(t)
	w := l.signedIn(t)
	w.send(&pgproto3.Query{String: "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"})
	l.atWork(t)
	_ = w.conn.Close()
	await(t, func() bool { return l.door.open.Load() == 0 })
}

// A session that the door ends is told why, whether it is idle or in the middle of a question.
func TestASessionThatIsEndedIsToldWhy(t *testing.T) {
	for _, sql := range []string{"", "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"} {
		l := newLab(t)
		w := l.signedIn(t)
		want := "fatal:28P01 closed"
		if sql != "" {
			w.send(&pgproto3.Query{String: sql})
			l.atWork(t)
		}
		l.door.sessions[0].end(fault.New(fault.Refused, "the password expired", "run weir login").WithCause(&pgwire.StateError{SQLState: "28P01"}))
		if got := w.told(); !strings.HasSuffix(got, want) {
			t.Errorf("%q: got %s, want %s", sql, got, want)
		}
	}
}

func TestClosingTellsEverybody(t *testing.T) {
	l := newLab(t)
	idle, busy := l.signedIn(t), l.signedIn(t)
	busy.send(&pgproto3.Query{String: "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"})
	l.atWork(t)
	l.server.Close()
	if got := idle.told(); got != "fatal:57P01 closed" {
		t.Error("idle:", got)
	}
	if got := busy.told(); !strings.HasSuffix(got, "fatal:57P01 closed") {
		t.Error("busy:", got)
	}
}

func TestAnIdleSessionEnds(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Idle = 100 * time.Millisecond })
	if got := l.signedIn(t).told(); got != "fatal:57P05 closed" {
		t.Error(got)
	}
	w := newLab(t).signedIn(t)
	w.query("BEGIN; SET idle_in_transaction_session_timeout = 50", "BEGIN SET ready:T")
	if got := w.told(); got != "fatal:25P03 closed" {
		t.Error(got)
	}
}

func TestStatementTimeoutEndsAQuestion(t *testing.T) {
	w := newLab(t).signedIn(t)
	w.query("SET statement_timeout = 1000", "SET ready:I") // time enough to describe the answer
	w.query("SELECT sum(a.range * b.range) AS s FROM range(10000000) a, range(10000000) b", "row[s:1700] error:57014 ready:I")
	w.query("SET statement_timeout = 0; SELECT 1 AS a", "SET row[a:23] (1) SELECT_1 ready:I")
}
