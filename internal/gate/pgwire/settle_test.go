package pgwire_test

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
)

// What a client is told of a statement is recorded before it is told, or not told; of what has run by then, its own entries say more.
func TestNothingIsToldThatIsNotRecorded(t *testing.T) {
	l := newLab(t)
	w := l.signedIn(t)
	settled := func(want ...string) {
		t.Helper()
		l.door.mu.Lock()
		defer l.door.mu.Unlock()
		if !slices.Equal(l.door.settled, want) {
			t.Errorf("recorded before they ran: %q, want %q", l.door.settled, want)
		}
	}
	ask := func(name, sql string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Describe{ObjectType: 'S', Name: name}}
	}
	run := func(name string) []pgproto3.FrontendMessage {
		return []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}}
	}
	sync := &pgproto3.Sync{}
	w.query("SELECT 1 AS a", "row[a:23] (1) SELECT_1 ready:I")
	w.send(append(append(ask("", "SELECT 2 AS b"), run("")...), sync)...)
	w.told()
	settled() // both had run before anything was sent
	w.send(append(ask("c", "SELECT 3 AS c"), sync)...)
	w.told()
	settled("SELECT 3 AS c")
	w.send(append(run("c"), sync)...)
	w.told()
	w.query("PREPARE d AS SELECT 4 AS d", "PREPARE ready:I")
	settled("SELECT 3 AS c", "SELECT 4 AS d")
	w.send(append(ask("e", "SELECT 5 AS e"), &pgproto3.Flush{})...)
	w.told("row[e:23]")
	settled("SELECT 3 AS c", "SELECT 4 AS d", "SELECT 5 AS e")
	w.send(sync)
	w.told()

	l.door.mu.Lock()
	l.door.settleErr = fault.New(fault.Unavailable, "the record takes nothing", "ask again")
	l.door.mu.Unlock()
	w.send(append(ask("f", "SELECT 6 AS f"), sync)...)
	if got := w.told(); got != "fatal:57P03 closed" {
		t.Errorf("what cannot be recorded: %s", got)
	}
}
