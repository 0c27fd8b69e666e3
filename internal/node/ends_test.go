package node

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/people"
)

// happened waits until an event of the kind stands behind the first entries of the record, and returns the last.
func happened(t *testing.T, n *Node, behind int64, kind people.EventKind) people.Event {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		for e, err := range n.ledger.Find(t.Context(), ledger.Filter{First: ledger.Index(behind), NewestFirst: true, Types: []string{peopleEntry}}) {
			if err != nil {
				t.Fatal(err)
			}
			var event people.Event
			raw, _ := e.Body.(json.RawMessage)
			if err := json.Unmarshal(raw, &event); err != nil {
				t.Fatal(err)
			}
			if event.Kind == kind {
				if event.By != e.Principal {
					t.Errorf("%s by %q stands under %q", kind, event.By, e.Principal)
				}
				return event
			}
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatalf("no %s was recorded", kind)
	return people.Event{}
}

// However a connection ends, the record says how, whose it was, who ended it, and which questions were asked in it.
func TestEveryEndOfAConnectionIsRecorded(t *testing.T) {
	n := opened(t, t.TempDir())
	n.config.Gate.SQL = "127.0.0.1:0"
	address, closeSQL, err := n.serveSQL(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeSQL)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	ruth := people.Caller{Name: "ruth"}
	for _, c := range []struct {
		name   string
		end    func(t *testing.T, c *pgx.Conn, who people.Name)
		by     string // empty: whose connection it was
		reason string
	}{
		{"left", func(t *testing.T, c *pgx.Conn, _ people.Name) { _ = c.Close(t.Context()) }, "", "left"},
		{"lost", func(_ *testing.T, c *pgx.Conn, _ people.Name) { _ = c.PgConn().Conn().Close() }, "", "lost"},
		{"passwordtaken", func(t *testing.T, _ *pgx.Conn, who people.Name) {
			if err := n.people.EndSQL(t.Context(), ruth, who); err != nil {
				t.Error(err)
			}
		}, "ruth", "sql_ended"},
		{"removed", func(t *testing.T, _ *pgx.Conn, who people.Name) {
			if err := n.people.Remove(t.Context(), ruth, who); err != nil {
				t.Error(err)
			}
		}, "ruth", "account_removed"},
		{"nonsense", func(_ *testing.T, c *pgx.Conn, _ people.Name) { _, _ = c.PgConn().Conn().Write([]byte("!!!!!!!!!!")) }, "weir", "broken"},
		{"idle", func(t *testing.T, c *pgx.Conn, _ people.Name) {
			if _, err := c.Exec(t.Context(), "SET idle_session_timeout = '1ms'"); err != nil {
				t.Error(err)
			}
		}, "weir", "idle"},
		{"stopped", func(*testing.T, *pgx.Conn, people.Name) { closeSQL() }, "weir", "stopped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			who := people.Name("a" + c.name)
			added, err := n.people.Add(t.Context(), ruth, people.Addition{Name: who, Role: people.Analyst, Kind: people.Person, SQL: people.DefaultSQLLife})
			if err != nil {
				t.Fatal(err)
			}
			before := n.ledger.Size()
			conn, err := pgx.Connect(t.Context(), fmt.Sprintf("host=127.0.0.1 port=%s user=%s password=%s dbname=weir sslmode=require", port, who, added.SQL.Password.Reveal()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context()) //nolint:errcheck // most have ended by then
			begun := happened(t, n, before, people.SignedIn)
			if _, err := conn.Exec(t.Context(), "SELECT 41"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.PgConn().Prepare(t.Context(), "never", "SELECT 42", nil); err != nil {
				t.Fatal(err)
			}
			c.end(t, conn, who)
			ended := happened(t, n, before, people.ConnectionEnded)
			by := c.by
			if by == "" {
				by = string(who)
			}
			if ended.Account != who || ended.By != by || ended.Reason != c.reason || ended.Session == "" || ended.Session != begun.Session || ended.Way != people.BySQL || ended.Address != "127.0.0.1" {
				t.Errorf("ended: %+v\nbegun: %+v", ended, begun)
			}
			var kinds []string
			for e, err := range n.ledger.Find(t.Context(), ledger.Filter{First: ledger.Index(before), Types: []string{questionEntry}}) {
				if err != nil {
					t.Fatal(err)
				}
				var asked gate.Asked
				raw, _ := e.Body.(json.RawMessage)
				if err := json.Unmarshal(raw, &asked); err != nil {
					t.Fatal(err)
				}
				if asked.Session != begun.Session {
					t.Errorf("a question of the session %q", asked.Session)
				}
				kinds = append(kinds, asked.Kind)
			}
			if fmt.Sprint(kinds) != "[sql prepare]" {
				t.Errorf("questions: %v", kinds)
			}
		})
	}
}
