package pgwire_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

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
