//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// sequence is something that somebody who is in sends, what must be answered, and the answers of the corpus that the ledger must hold. Sync ends each; after it the session answers, unless it was closed.
type sequence struct {
	name string
	send []byte
	want string
	owes string
}

func sequences() []sequence {
	parse := message('P', "\x00SELECT 1\x00\x00\x00")
	bind := message('B', "\x00\x00\x00\x00\x00\x00\x00\x00")
	execute := message('E', "\x00\x00\x00\x00\x00")
	closed := message('P', "\x00SELECT '"+canaryLiteral+"' FROM fleet.api_key\x00\x00\x00")
	many := func(n int, of func(i int) []byte) (out []byte) {
		for i := range n {
			out = append(out, of(i)...)
		}
		return out
	}
	named := func(i int) string { return fmt.Sprintf("s%04d", i) }
	return []sequence{
		{"an unknown kind", message('?', canaryLiteral), "fatal:08P01 closed", ""},
		{"a kind of zero", message(0, ""), "fatal:08P01 closed", ""},
		{"start-up again, as an administrator", hello(3<<16, "user", "ruth"), "fatal:08P01 closed", ""},
		{"a proof out of place", message('p', canaryLiteral), "fatal:08P01 closed", ""},
		{"a length below four", message('Q', "", 3), "fatal:08P01 closed", ""},
		{"a negative length", message('Q', "", 0xffffffff), "fatal:08P01 closed", ""},
		{"a huge length", message('Q', "", 0x7fffffff), "fatal:54000 closed", ""},
		{"a message a byte too long", message('Q', "", 16<<20+5), "fatal:54000 closed", ""},
		{"Bind to what was never prepared", message('B', "\x00none\x00\x00\x00\x00\x00\x00\x00"), "error:26000 ready:I", ""},
		{"Bind with negative counts", joined(parse, message('B', "\x00\x00\xff\xff\xff\xff\xff\xff")), "ParseComplete error:08P01 ready:I", ""},
		{"Bind with a giant value", joined(parse, message('B', "\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff")), "ParseComplete error:08P01 ready:I", ""},
		{"Bind with a value of less than nothing", joined(parse, message('B', "\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00")), "ParseComplete error:08P01 ready:I", ""},
		{"Bind to a statement that was refused", joined(closed, bind, execute), "error:42P01 ready:I", "table"},
		{"Describe of a statement that was refused", joined(closed, message('S', ""), message('D', "S\x00")), "error:42P01 ready:I error:26000 ready:I", "table"},
		{"Execute of a closed portal", joined(parse, message('B', "p\x00\x00\x00\x00\x00\x00\x00\x00"), message('C', "Pp\x00"), message('E', "p\x00\x00\x00\x00\x00")), "ParseComplete BindComplete CloseComplete error:34000 ready:I", ""},
		{"Execute before Bind", execute, "error:34000 ready:I", ""},
		{"Execute twice", joined(parse, bind, execute, execute), "ParseComplete BindComplete row SELECT_1 SELECT_0 ready:I", "answered"},
		{"Describe of no kind", message('D', "X\x00"), "error:08P01 ready:I", ""},
		{"Close of no kind", message('C', "X\x00"), "error:08P01 ready:I", ""},
		{"a statement prepared over another", joined(message('P', "a\x00SELECT 1\x00\x00\x00"), message('P', "a\x00SELECT 2\x00\x00\x00")), "ParseComplete error:42P05 ready:I", ""},
		{"everything behind an error", joined(execute, parse, bind, execute, query("DROP TABLE fleet.device"), closed, message('H', "")), "error:34000 ready:I", ""},
		{"a storm of Sync", many(3000, func(int) []byte { return message('S', "") }), "ready:I×3001", ""},
		{"a storm of Flush", many(3000, func(int) []byte { return message('H', "") }), "ready:I", ""},
		{"a storm of errors", many(500, func(int) []byte { return joined(execute, message('S', "")) }), strings.Repeat("error:34000 ready:I ", 500) + "ready:I", ""},
		{"empty queries", many(500, func(int) []byte { return query("") }), strings.Repeat("EmptyQueryResponse ready:I ", 500) + "ready:I", ""},
		{"a function call", message('F', "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), "error:0A000 ready:I ready:I", "call"},
		{"copy data out of nowhere", joined(message('d', canaryLiteral+"\n"), message('c', ""), message('f', canaryLiteral+"\x00")), "ready:I", ""},
		{"a copy into a table", joined(query("COPY fleet.device FROM STDIN"), message('d', canaryLiteral+"\n"), message('c', "")), "error:25006 ready:I ready:I", "written"},
		{"a query without an end", message('Q', "SELECT 1"), "error:08P01 ready:I ready:I", ""},
		{"a query with a second behind its end", message('Q', "SELECT 1\x00DROP TABLE fleet.device\x00"), "error:08P01 ready:I ready:I", ""},
		{"a query that is not UTF-8", query("SELECT '\xff" + canaryLiteral + "'"), "error:22021 ready:I ready:I", "text"},
		{"a prepared name that is not UTF-8", message('P', "\xff\x00SELECT 1\x00\x00\x00"), "error:22021 ready:I", "text"},
		{"more prepared statements than there may be", many(1001, func(i int) []byte { return message('P', named(i)+"\x00SELECT 1\x00\x00\x00") }), "ParseComplete×1000 error:53400 ready:I", ""},
		{"more portals than there may be", joined(parse, many(40, func(i int) []byte { return message('B', named(i)+"\x00\x00\x00\x00\x00\x00\x00\x00") })), "ParseComplete BindComplete×32 error:53400 ready:I", ""},
		{"a transaction that was never begun", joined(query("COMMIT AND CHAIN"), query("ROLLBACK TO s"), query("RELEASE s")), "error:25P01 ready:I error:25P01 ready:I error:25P01 ready:I ready:I", ""},
		{"questions in a failed transaction", joined(query("BEGIN; SELECT * FROM fleet.api_key"), query("SELECT 1"), query("SELECT * FROM fleet.api_key"), query("ROLLBACK")), "BEGIN error:42P01 ready:E error:25P02 ready:E error:25P02 ready:E ROLLBACK ready:I ready:I", "table"},
		{"strings without an end", query("SELECT '" + canaryLiteral + "; DROP TABLE fleet.device"), "error:42601 ready:I ready:I", "syntax"},
		{"comments without an end", query("/* " + strings.Repeat("/*", 5000)), "EmptyQueryResponse ready:I ready:I", ""},
		{"parentheses without an end", query("SELECT " + strings.Repeat("(", 20000) + "1"), "error:42601 ready:I ready:I", "syntax"},
		{"hundreds of levels", query("SELECT " + strings.Repeat("(1+", 300) + "1" + strings.Repeat(")", 300)), "error:54001 ready:I ready:I", "long"},
		{"a statement of a megabyte", query("SELECT '" + strings.Repeat("x", 1<<20) + "'"), "error:54001 ready:I ready:I", "long"},
		{"goodbye, and then a query", joined(message('X', ""), query("SELECT '"+canaryLiteral+"'")), "closed", ""},
		{"goodbye in the middle of a statement", joined(parse, bind, message('X', "")), "closed", ""},
	}
}

// within sends every hostile sequence in a session of its own, and looks whether the session lives on where it must.
func (s *siege) within(t *testing.T) int {
	answers := requiredAnswers(t)
	answers["call"] = required{name: "call", kind: "sql", rule: "protocol 0A000", verdict: "refused"}
	answers["long"] = required{name: "long", kind: "sql", rule: "length", verdict: "refused"}
	all := sequences()
	for _, q := range all {
		w := s.inside(t, "bob", s.bob.SQL)
		go func() { _, _ = w.conn.Write(joined(q.send, message('S', ""))) }() // a server that has had enough stops reading
		if got := hear(w.f, readies(q.want)); got != q.want {
			t.Errorf("%s: got %.300s, want %.300s", q.name, got, q.want)
		}
		if q.owes != "" {
			s.oweAnswer("bob", answers[q.owes])
		}
		if !strings.HasSuffix(q.want, "closed") {
			if _, err := w.conn.Write(query("SELECT 1")); err != nil {
				t.Errorf("%s: %v", q.name, err)
			}
			if got := hear(w.f, 1); got != "RowDescription row SELECT_1 ready:I" {
				t.Errorf("after %s: %s", q.name, got)
			}
			s.oweAnswer("bob", answers["answered"])
		}
		_ = w.conn.Close()
	}
	return len(all)
}

// cancels floods a session with orders to cancel it, under wrong keys: what it asks goes on.
func (s *siege) cancels(t *testing.T) {
	w := s.inside(t, "ada", s.ada.SQL)
	if _, err := w.conn.Write(query("SELECT count(*) FROM range(10000000) a, range(30) b")); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		key := append([]byte{}, w.key...)
		key[i%len(key)] ^= byte(1 + i)
		conn := s.dial(t, "127.0.0.3", false)
		_, _ = conn.Write(first(uint32(12+len(key)), cancelRequest, append(binary.BigEndian.AppendUint32(nil, w.id), key...)...))
		_ = conn.Close()
	}
	if got := hear(w.f, 1); got != "RowDescription row SELECT_1 ready:I" {
		t.Errorf("under a flood of cancels: %s", got)
	}
	s.owe("ada", "sql", "answered", "")
	_ = w.conn.Close()
}

// forgotten are connections that say too little, too slowly; gone waits until the server has let all of them go.
func (s *siege) forgotten(t *testing.T) (gone func()) {
	begun := hello(3<<16, "user", "ada", "database", "weir")
	var all []net.Conn
	for range 4 {
		all = append(all, s.dial(t, "127.0.0.4", false), s.dial(t, "127.0.0.4", true), s.dial(t, "127.0.0.4", false), s.dial(t, "127.0.0.4", true))
	}
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	for i, conn := range all {
		send := [][]byte{{}, begun[:9], {0x16, 3, 1, 2, 0}, begun}[i%4]
		if i%4 == 3 { // asked for a proof, it gives none
			s.owe("ada", "sign_in_refused", "sql", "")
			_, _ = conn.Write(send)
			continue
		}
		dripping.Go(func() {
			for _, b := range send {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	return func() {
		for i, conn := range all {
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
				t.Errorf("the connection %d is still open", i)
			}
		}
		close(stop)
		dripping.Wait()
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// crowd opens more connections from one address than it may have: those beyond are told or closed, others come in.
func (s *siege) crowd(t *testing.T) {
	closed, told := 0, 0
	var all []net.Conn
	for range 80 {
		all = append(all, s.dial(t, "127.0.0.5", false))
	}
	for _, conn := range all[66:] {
		if n, _ := io.Copy(io.Discard, conn); n == 0 {
			closed++
		}
	}
	for _, conn := range all[50:66] {
		_, _ = conn.Write(hello(3<<16, "user", "ada"))
		if got := hear(pgproto3.NewFrontend(conn, io.Discard), 0); got == "fatal:28000 closed" || got == "fatal:53300 closed" {
			told++
		}
	}
	if closed != 14 || told != 16 {
		t.Errorf("of 80 connections %d were closed at once and %d were told", closed, told)
	}
	w := s.inside(t, "bob", s.bob.SQL)
	if _, err := w.conn.Write(query("SELECT 1")); err != nil {
		t.Fatal(err)
	}
	if got := hear(w.f, 1); got != "RowDescription row SELECT_1 ready:I" {
		t.Errorf("beside the crowd: %s", got)
	}
	s.owe("bob", "sql", "answered", "")
	for _, conn := range all {
		_ = conn.Close()
	}
}

// guesses tries passwords at both doors. One answer for a wrong one, an account without SQL and a name that nobody has; each try stands in the ledger.
func (s *siege) guesses(t *testing.T) {
	said := map[string]bool{}
	for _, name := range []string{"bob", "vera", "ruth", canaryLiteral} {
		l := *s.ada.SQL
		l.User, l.Password = name, canaryLiteral
		_, err := pgx.Connect(t.Context(), dsn(&l, ""))
		var refused *pgconn.PgError
		if !errors.As(err, &refused) {
			t.Fatalf("%s: %v", name, err)
		}
		said[refused.Code+refused.Message+refused.Hint] = true
		s.oweGuess(name, "sql")
	}
	if len(said) != 1 {
		t.Errorf("guesses at the SQL door were told %v", said)
	}
	clear(said)
	for _, name := range []string{"ada", "vera", "ruth", canaryLiteral} {
		w := s.stranger()
		var out pageSaid
		status, err := w.post(t.Context(), "/session", map[string]string{"name": name, "password": canaryLiteral}, &out)
		if err != nil || status != http.StatusForbidden && status != http.StatusUnauthorized || out.Error == nil {
			t.Fatalf("%s: %d, %v", name, status, err)
		}
		said[out.Error.Message+out.Error.Hint] = true
		s.oweGuess(name, "page")
	}
	if len(said) != 1 {
		t.Errorf("guesses at the page were told %v", said)
	}
	for _, token := range []string{"", canaryLiteral} {
		w := s.stranger()
		w.token = token
		var out pageSaid
		if status, err := w.post(t.Context(), "/query", map[string]string{"sql": "SELECT 1"}, &out); err != nil || status != http.StatusUnauthorized || out.Error == nil {
			t.Errorf("with the token %q: %d %v", token, status, err)
		}
	}
}

func (s *siege) oweGuess(name, way string) {
	if name == canaryLiteral {
		name = nobody // it may be a secret that was typed in the wrong place
	}
	s.owe(name, "sign_in_refused", way, "")
}
