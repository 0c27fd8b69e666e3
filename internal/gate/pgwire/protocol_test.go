package pgwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

// wire is a client that says exactly what a test wants said.
type wire struct {
	t    testing.TB
	conn net.Conn
	f    *pgproto3.Frontend
}

// signedIn is a connection behind its sign-in.
func (l *lab) signedIn(t testing.TB) *wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
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
	_ = h.Conn.SetDeadline(time.Now().Add(20 * time.Second))
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

func TestSimpleProtocol(t *testing.T) {
	w := newLab(t).signedIn(t)
	for _, c := range [][2]string{
		{"SELECT 1 AS a", "row[a:23] (1) SELECT_1 ready:I"},
		{"", "EmptyQueryResponse ready:I"},
		{" ; -- nothing\n /* at /* all */ */ ;", "EmptyQueryResponse ready:I"},
		{"SELECT 1 AS a; SELECT 'x;y' AS b;", "row[a:23] (1) SELECT_1 row[b:25] (x;y) SELECT_1 ready:I"},
		{"SELECT 1 AS a; SELECT nowhere; SELECT 2", "row[a:23] (1) SELECT_1 error:42703@23 ready:I"},
		{"SELECT '€' AS \"ü\"; SELECT nowhere", "row[ü:25] (€) SELECT_1 error:42703@27 ready:I"},
		{"SELEC 1", "error:42601 ready:I"},
		{"INSERT INTO numbers VALUES (1)", "error:42601 ready:I"},
		{"SELECT $1::int", "error:42P02 ready:I"},
		{"SELECT NULL AS a, '' AS b", "row[a:23,b:25] (NULL,) SELECT_1 ready:I"},
		{"SELECT n FROM numbers WHERE n < 0", "row[n:20] SELECT_0 ready:I"},
		{"SELECT $$a;b$$ AS x, $t$;$t$ AS y, E'\\';' AS z", "row[x:25,y:25,z:25] (a;b,;,';) SELECT_1 ready:I"},
	} {
		w.query(c[0], c[1])
	}
}

func TestTransactionsAreAState(t *testing.T) {
	w := newLab(t).signedIn(t)
	for _, c := range [][2]string{
		{"BEGIN", "BEGIN ready:T"},
		{"begin work", "notice:25001 BEGIN ready:T"},
		{"SELECT nowhere", "error:42703@8 ready:E"},
		{"SELECT 1", "error:25P02 ready:E"},
		{"SHOW timezone", "error:25P02 ready:E"},
		{"COMMIT", "ROLLBACK ready:I"},
		{"COMMIT", "notice:25P01 COMMIT ready:I"},
		{"START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", "START_TRANSACTION ready:T"},
		{"SAVEPOINT a", "SAVEPOINT ready:T"},
		{"SELECT nowhere", "error:42703@8 ready:E"},
		{"ROLLBACK TO SAVEPOINT a", "ROLLBACK ready:T"},
		{"RELEASE a", "RELEASE ready:T"},
		{"ROLLBACK TO a", "error:3B001 ready:E"},
		{"ROLLBACK AND CHAIN", "ROLLBACK ready:T"},
		{"END", "COMMIT ready:I"},
		{"SAVEPOINT a", "error:25P01 ready:I"},
		{"BEGIN; SELECT 1 AS a; COMMIT; SELECT nowhere", "BEGIN row[a:23] (1) SELECT_1 COMMIT error:42703@38 ready:I"},
		{"BEGIN; SELECT nowhere; SELECT 1", "BEGIN error:42703@15 ready:E"},
		{"ABORT", "ROLLBACK ready:I"},
		{"BEGIN ISOLATION LEVEL CHAOS", "error:42601@23 ready:I"},
		{"PREPARE TRANSACTION 'x'", "error:0A000 ready:I"},
	} {
		w.query(c[0], c[1])
	}
}

func TestSettings(t *testing.T) {
	w := newLab(t).signedIn(t)
	show := func(name, column, want string) {
		t.Helper()
		w.query("SHOW "+name, "row["+column+":25] ("+want+") SHOW ready:I")
	}
	for _, c := range [][2]string{
		{"SET application_name = 'a b'", "SET application_name=a b ready:I"},
		{"SET SESSION application_name TO x", "SET application_name=x ready:I"},
		{"SET extra_float_digits = 3", "SET ready:I"},
		{"SET DateStyle = 'ISO, DMY'", "SET DateStyle=ISO, DMY ready:I"},
		{"SET datestyle TO ISO, MDY", "SET DateStyle=ISO, MDY ready:I"},
		{"SET datestyle TO German", "error:22023 ready:I"},
		{"SET TIME ZONE 'UTC'", "SET ready:I"},
		{"SET TIME ZONE 'Europe/Berlin'", "error:22023 ready:I"},
		{"SET NAMES 'UTF8'", "SET ready:I"},
		{"SET client_encoding TO LATIN1", "error:22023 ready:I"},
		{"SET standard_conforming_strings = off", "error:22023 ready:I"},
		{"SET bytea_output = 'escape'", "error:22023 ready:I"},
		{"SET search_path TO \"My Schema\", public", "SET ready:I"},
		{"SET server_version = '9'", "error:55P02 ready:I"},
		{"SET there_is_none = 1", "error:42704 ready:I"},
		{"SET statement_timeout = '1.5s'", "SET ready:I"},
		{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET ready:I"},
		{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET ready:I"},
		{"SET ROLE postgres", "error:22023 ready:I"},
		{"SET ROLE NONE", "SET ready:I"},
		{"SET SESSION AUTHORIZATION bob", "error:22023 ready:I"},
		{"SET SESSION AUTHORIZATION DEFAULT", "SET ready:I"},
		{"SHOW there_is_none", "error:42704 ready:I"},
		{"SET", "error:42601@4 ready:I"},
		{"UNLISTEN *", "UNLISTEN ready:I"},
		{"LISTEN x", "error:0A000 ready:I"},
	} {
		w.query(c[0], c[1])
	}
	show("search_path", "search_path", `"My Schema", public`)
	show("statement_timeout", "statement_timeout", "1500ms")
	show("server_version", "server_version", "15.0 (weir)")
	show("transaction_isolation", "transaction_isolation", "read committed")
	show("TRANSACTION ISOLATION LEVEL", "transaction_isolation", "read committed")
	show("TIME ZONE", "TimeZone", "UTC")
	show("is_superuser", "is_superuser", "off")
	show("session_authorization", "session_authorization", "alice")
	show("default_transaction_read_only", "default_transaction_read_only", "on")

	// What a transaction set goes back with it, and what was local goes back in any case.
	w.query("BEGIN", "BEGIN ready:T")
	w.query("SET application_name = 'inside'", "SET application_name=inside ready:T")
	w.query("ROLLBACK", "ROLLBACK application_name=x ready:I")
	w.query("BEGIN; SET LOCAL application_name = 'inside'; SET lock_timeout = '5min'; COMMIT", "BEGIN SET SET COMMIT ready:I")
	show("application_name", "application_name", "x")
	show("lock_timeout", "lock_timeout", "5min")
	w.query("SET lock_timeout = '1h'; SELECT nowhere", "SET error:42703@33 ready:I")
	show("lock_timeout", "lock_timeout", "5min")
	w.query("RESET lock_timeout", "RESET ready:I")
	show("lock_timeout", "lock_timeout", "0")
	w.query("PREPARE p AS SELECT 1", "PREPARE ready:I")
	w.query("DISCARD ALL", "DISCARD_ALL application_name= ready:I")
	w.query("EXECUTE p", "error:26000 ready:I")
	show("search_path", "search_path", `"$user", public`)
}

func TestStatementTimeoutEndsAQuestion(t *testing.T) {
	w := newLab(t).signedIn(t)
	w.query("SET statement_timeout = 50", "SET ready:I")
	w.query("SELECT sum(a.range * b.range) AS s FROM range(10000000) a, range(10000000) b", "row[s:1700] error:57014 ready:I")
	w.query("SET statement_timeout = 0; SELECT 1 AS a", "SET row[a:23] (1) SELECT_1 ready:I")
}

func TestExtendedProtocol(t *testing.T) {
	l := newLab(t)
	w := l.signedIn(t)
	sync := &pgproto3.Sync{}
	w.expect("ParseComplete parameters[20] row[n:20,name:25] BindComplete row[n:20,name:25] (5,row 5) SELECT_1 ready:I",
		&pgproto3.Parse{Name: "s", Query: "SELECT n, name FROM numbers WHERE n = $1", ParameterOIDs: []uint32{20}}, &pgproto3.Describe{ObjectType: 'S', Name: "s"},
		&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("5")}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, sync)
	// Prepared statements outlive transactions, and are there for SQL too.
	w.query("EXECUTE s(7)", "row[n:20,name:25] (7,row 7) SELECT_1 ready:I")
	w.query("EXECUTE s('8'::int8)", "row[n:20,name:25] (8,row 8) SELECT_1 ready:I")
	w.query("EXECUTE s(1, 2)", "row[n:20,name:25] error:42601 ready:I")
	w.query("EXECUTE s(x)", "error:42601@11 ready:I")
	w.expect("error:42P05 ready:I", &pgproto3.Parse{Name: "s", Query: "SELECT 1"}, sync)
	w.expect("error:42P18 ready:I", &pgproto3.Parse{Query: "SELECT $1"}, sync)
	w.expect("error:42601 ready:I", &pgproto3.Parse{Query: "SELECT 1; SELECT 2"}, sync)
	w.expect("ParseComplete parameters[] NoData BindComplete EmptyQueryResponse ready:I", &pgproto3.Parse{}, &pgproto3.Describe{ObjectType: 'S'}, sync2(), &pgproto3.Bind{}, &pgproto3.Execute{}, sync)
	w.expect("error:26000 ready:I", &pgproto3.Bind{PreparedStatement: "none"}, sync)
	w.expect("error:34000 ready:I", &pgproto3.Execute{Portal: "none"}, sync)
	w.expect("error:34000 ready:I", &pgproto3.Describe{ObjectType: 'P', Name: "none"}, sync)
	w.expect("CloseComplete CloseComplete ready:I", &pgproto3.Close{ObjectType: 'S', Name: "none"}, &pgproto3.Close{ObjectType: 'P', Name: "none"}, sync)
	w.expect("error:08P01 ready:I", &pgproto3.Bind{PreparedStatement: "s"}, sync)
	w.expect("error:22P02 ready:I", &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("five")}}, sync)
	w.expect("error:22P03 ready:I", &pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{1}}}, sync)
	w.expect("error:08P01 ready:I", &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("5")}, ResultFormatCodes: []int16{1, 0, 1}}, sync)
	w.expect("error:08P01 ready:I", &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("5")}, ResultFormatCodes: []int16{7}}, sync)
	// After an error nothing is answered until Sync.
	w.expect("error:42703@8 ready:I", &pgproto3.Parse{Query: "SELECT nowhere"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Query{String: "SELECT 2"}, &pgproto3.Flush{}, sync)
	// What the protocol answers itself works here as well.
	w.expect("ParseComplete parameters[] row[TimeZone:25] BindComplete (UTC) SHOW ready:I", &pgproto3.Parse{Query: "SHOW timezone"}, &pgproto3.Describe{ObjectType: 'S'}, sync2(), &pgproto3.Bind{}, &pgproto3.Execute{}, sync)
	w.expect("ParseComplete BindComplete BEGIN ready:T", &pgproto3.Parse{Query: "BEGIN"}, &pgproto3.Bind{}, &pgproto3.Execute{}, sync)
	w.expect("error:42703@8 ready:E", &pgproto3.Parse{Query: "SELECT nowhere"}, sync)
	w.expect("error:25P02 ready:E", &pgproto3.Parse{Query: "SELECT 1"}, sync)
	w.expect("error:25P02 ready:E", &pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("5")}}, sync)
	w.expect("ParseComplete BindComplete ROLLBACK ready:I", &pgproto3.Parse{Query: "COMMIT"}, &pgproto3.Bind{}, &pgproto3.Execute{}, sync)
	w.expect("ParseComplete BindComplete CopyOutResponse copy\"1\\n\" CopyDone COPY_1 ready:I", &pgproto3.Parse{Query: "COPY (SELECT $1::int) TO STDOUT"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("1")}}, &pgproto3.Execute{}, sync)
	w.query("DEALLOCATE s", "DEALLOCATE ready:I")
	w.expect("error:26000 ready:I", &pgproto3.Describe{ObjectType: 'S', Name: "s"}, sync)
	w.expect("error:0A000 ready:I", &pgproto3.FunctionCall{Function: 1})
}

// sync2 is a message that changes nothing, where a list wants one.
func sync2() pgproto3.FrontendMessage { return &pgproto3.Flush{} }

// A driver with a fetch size gets its rows in pieces of one answer that runs once.
func TestPortalsSuspendAndGoOn(t *testing.T) {
	l := newLab(t)
	w := l.signedIn(t)
	w.query("BEGIN", "BEGIN ready:T")
	before := l.door.runs.Load()
	w.expect("ParseComplete BindComplete (0) (1) (2) PortalSuspended ready:T", &pgproto3.Parse{Query: "SELECT n FROM numbers ORDER BY n"}, &pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 3}, &pgproto3.Sync{})
	// Another question between the pieces does not disturb it.
	w.query("SELECT 1 AS a", "row[a:23] (1) SELECT_1 ready:T")
	w.expect("(3) (4) PortalSuspended ready:T", &pgproto3.Execute{Portal: "p", MaxRows: 2}, &pgproto3.Sync{})
	w.send(&pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	got := w.told()
	if !strings.HasPrefix(got, "(5) (6) ") || !strings.HasSuffix(got, " (99999) SELECT_99995 ready:T") {
		t.Errorf("the rest is %.40s … %s", got, got[max(0, len(got)-40):])
	}
	if n := l.door.runs.Load() - before; n != 2 {
		t.Errorf("%d statements ran, want 2", n)
	}
	w.expect("SELECT_0 ready:T", &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	w.expect("CloseComplete error:34000 ready:E", &pgproto3.Close{ObjectType: 'P', Name: "p"}, &pgproto3.Execute{Portal: "p"}, &pgproto3.Sync{})
	w.query("ROLLBACK", "ROLLBACK ready:I")
	// Outside a transaction a portal ends with Sync; exactly as many rows as there are suspend as well, and the next piece says that it is over.
	w.expect("ParseComplete BindComplete (1) PortalSuspended SELECT_0 ready:I", &pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{})
	w.expect("error:34000 ready:I", &pgproto3.Execute{}, &pgproto3.Sync{})
	// Thousands of rows with a fetch size, as JDBC reads them.
	w.query("BEGIN", "BEGIN ready:T")
	w.send(&pgproto3.Parse{Query: "SELECT n FROM numbers ORDER BY n"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 50000}, &pgproto3.Execute{MaxRows: 49999}, &pgproto3.Execute{MaxRows: 50000}, &pgproto3.Sync{})
	got = w.told()
	if strings.Count(got, "(") != 100000 || strings.Count(got, "PortalSuspended") != 2 || !strings.HasSuffix(got, "(99999) SELECT_1 ready:T") {
		t.Errorf("%d rows, %s", strings.Count(got, "("), got[max(0, len(got)-60):])
	}
}

func TestCursors(t *testing.T) {
	l := newLab(t)
	w := l.signedIn(t)
	for _, c := range [][2]string{
		{"DECLARE c CURSOR FOR SELECT 1", "error:25P01 ready:I"},
		{"BEGIN", "BEGIN ready:T"},
		{"DECLARE c NO SCROLL CURSOR WITHOUT HOLD FOR SELECT n FROM numbers ORDER BY n", "DECLARE_CURSOR ready:T"},
		{"FETCH c", "row[n:20] (0) FETCH_1 ready:T"},
		{"FETCH FORWARD 2 FROM c", "row[n:20] (1) (2) FETCH_2 ready:T"},
		{"MOVE 99995 IN c", "MOVE_99995 ready:T"},
		{"FETCH 0 c", "row[n:20] FETCH_0 ready:T"},
		{"FETCH ALL c", "row[n:20] (99998) (99999) FETCH_2 ready:T"},
		{"FETCH NEXT FROM c", "row[n:20] FETCH_0 ready:T"},
		{"CLOSE c", "CLOSE_CURSOR ready:T"},
		{"FETCH c", "error:34000 ready:E"},
		{"ROLLBACK", "ROLLBACK ready:I"},
		{"DECLARE \"SQL_CUR1\" CURSOR WITH HOLD FOR SELECT n FROM numbers ORDER BY n", "DECLARE_CURSOR ready:I"},
		{"FETCH 2 IN \"SQL_CUR1\"", "row[n:20] (0) (1) FETCH_2 ready:I"},
		{"BEGIN; COMMIT", "BEGIN COMMIT ready:I"},
		{"FETCH 1 IN \"SQL_CUR1\"", "row[n:20] (2) FETCH_1 ready:I"},
		{"DECLARE \"SQL_CUR1\" CURSOR WITH HOLD FOR SELECT 1", "error:42P03 ready:I"},
		{"CLOSE ALL", "CLOSE_CURSOR_ALL ready:I"},
		{"BEGIN; DECLARE c SCROLL CURSOR FOR SELECT 1", "BEGIN error:0A000@18 ready:E"},
		{"ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT 1; FETCH BACKWARD 1 FROM c", "ROLLBACK BEGIN DECLARE_CURSOR error:55000@55 ready:E"},
		{"ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT nowhere", "ROLLBACK BEGIN error:42703@46 ready:E"},
		{"ROLLBACK; BEGIN; DECLARE c CURSOR FOR COPY numbers TO STDOUT", "ROLLBACK BEGIN error:42601 ready:E"},
		{"ROLLBACK", "ROLLBACK ready:I"},
		{"PREPARE q (int8, text) AS SELECT $1 AS a, $2 AS b", "PREPARE ready:I"},
		{"EXECUTE q (-5, 'it''s')", "row[a:20,b:25] (-5,it's) SELECT_1 ready:I"},
		{"EXECUTE q (NULL, NULL)", "row[a:20,b:25] (NULL,NULL) SELECT_1 ready:I"},
		{"PREPARE q AS SELECT 1", "error:42P05 ready:I"},
		{"PREPARE r (there_is_none) AS SELECT 1", "error:42704@12 ready:I"},
		{"PREPARE r AS SELECT $1", "error:42P18 ready:I"},
		{"DEALLOCATE ALL", "DEALLOCATE_ALL ready:I"},
	} {
		w.query(c[0], c[1])
	}
	w.query("BEGIN; DECLARE b BINARY CURSOR FOR SELECT 1::int AS a", "BEGIN DECLARE_CURSOR ready:T")
	w.query("FETCH b", "row[a:23] (\x00\x00\x00\x01) FETCH_1 ready:T")
}

func TestCopyIsRefusedInWords(t *testing.T) {
	w := newLab(t).signedIn(t)
	for _, c := range [][2]string{
		{"COPY numbers FROM STDIN", "error:25006 ready:I"},
		{"COPY (SELECT 1) TO '/tmp/x'", "error:42501 ready:I"},
		{"COPY (SELECT 1) TO PROGRAM 'cat'", "error:42501 ready:I"},
		{"COPY (SELECT 1", "error:42601@15 ready:I"},
		{"COPY () TO STDOUT", "error:42601@9 ready:I"},
		{"COPY (SELECT nowhere) TO STDOUT", "error:42703@14 ready:I"},
		{"COPY (COPY numbers TO STDOUT) TO STDOUT", "error:42601 ready:I"},
		{"COPY (SELECT 1) TO STDOUT (FORMAT xml)", "error:42601@35 ready:I"},
		{"COPY (SELECT 1) TO STDOUT (FORMAT csv, FORMAT csv)", "error:42601@40 ready:I"},
		{"COPY (SELECT 1) TO STDOUT (DELIMITER 'ab')", "error:0A000@38 ready:I"},
		{"COPY (SELECT 1) TO STDOUT (QUOTE '''')", "error:0A000 ready:I"},
		{"COPY (SELECT 1 AS a) TO STDOUT (FORMAT csv, FORCE_QUOTE (b))", "error:42703 ready:I"},
		{"COPY (SELECT 1 AS a) TO STDOUT (FORMAT binary, HEADER)", "error:0A000 ready:I"},
		{"COPY (SELECT 1 AS a) TO STDOUT (ENCODING 'LATIN1')", "error:22023@42 ready:I"},
		{"COPY numbers (n, \"name\") TO STDOUT DELIMITER 'a'", "error:0A000 ready:I"},
	} {
		w.query(c[0], c[1])
	}
	w.send(&pgproto3.Query{String: "COPY numbers (name) TO STDOUT"})
	if got := w.told(); strings.Count(got, "copy") != 100000 || !strings.HasSuffix(got, "CopyDone COPY_100000 ready:I") {
		t.Errorf("%s … %s", got[:60], got[len(got)-60:])
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

func TestPipelinesAreAnsweredInOrder(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	c, err := pgx.Connect(ctx, l.url("alice", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()
	b := &pgx.Batch{}
	for i := range 200 {
		b.Queue("SELECT $1::bigint * 2", int64(i))
	}
	r := c.SendBatch(ctx, b)
	for i := range 200 {
		var n int64
		if err := r.QueryRow().Scan(&n); err != nil || n != int64(i)*2 {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}

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
		case <-time.After(10 * time.Second):
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
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
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

// atWork waits until the engine is at work on a question: the lab's door hears of it a moment before, and nothing tells when.
func (l *lab) atWork(t testing.TB) {
	t.Helper()
	await(t, func() bool { return l.door.open.Load() == 1 })
	<-time.After(200 * time.Millisecond)
}

func await(t testing.TB, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(10*time.Second), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen within ten seconds")
		}
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

func TestLimitsOfASession(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Statements, o.Limits.Portals = 3, 2 })
	w := l.signedIn(t)
	w.query("PREPARE a AS SELECT 1; PREPARE b AS SELECT 1; PREPARE c AS SELECT 1; PREPARE d AS SELECT 1", "PREPARE PREPARE PREPARE error:53400 ready:I")
	w.expect("error:53400 ready:I", &pgproto3.Parse{Name: "e", Query: "SELECT 1"}, &pgproto3.Sync{})
	w.query("DEALLOCATE ALL; BEGIN; DECLARE a CURSOR FOR SELECT 1; DECLARE b CURSOR FOR SELECT 1; DECLARE c CURSOR FOR SELECT 1", "DEALLOCATE_ALL BEGIN DECLARE_CURSOR DECLARE_CURSOR error:53400 ready:E")
}

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
