package pgwire_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

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
