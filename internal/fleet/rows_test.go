package fleet

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func TestBinaryFieldsArriveAsWritten(t *testing.T) {
	conn := open(t, postmastertest.Database(t))
	if _, err := conn.Exec(t.Context(), `CREATE TEMP TABLE x (b boolean, i2 smallint, i4 integer, i8 bigint, f4 real, f8 double precision, t text, n text, y bytea, u uuid,
ts timestamptz, d date, m macaddr, i inet, i6 inet, c cidr, n1 numeric(5,1), n2 numeric(6,2), n3 numeric(5,2), ta text[], ia integer[])`); err != nil {
		t.Fatal(err)
	}
	r := newRows(t.Context(), nil)
	go func() {
		r.begin(21)
		r.boolean(true)
		r.i16(-61)
		r.i32(-70000)
		r.i64(1 << 40)
		r.f32(.5)
		r.f64(-118.25)
		r.text("Föhrenried")
		r.textOrNull("")
		r.bytes([]byte{0, 255})
		r.uuid(0x0123456789abcdef, 0xffffffffffffffff)
		r.time(at(time.Date(1970, 1, 2, 0, 0, 0, 1000, time.UTC)))
		r.date(at(time.Date(1961, 4, 12, 9, 7, 0, 0, time.UTC)))
		r.mac(0x02cafe000102)
		r.inet(netip.MustParseAddr("192.168.1.7"))
		r.inet(netip.MustParseAddr("2001:db8:1111:2222:3333:4444:5555:6666"))
		r.cidr(netip.MustParsePrefix("10.9.8.0/24"))
		r.numeric(1805, 1)
		r.numeric(123456, 2)
		r.numeric(5, 2)
		r.texts("person", "pet")
		r.integers(1, -2)
		r.finish()
	}()
	if _, err := conn.PgConn().CopyFrom(t.Context(), &reader{r: r}, "COPY x FROM STDIN (FORMAT binary)"); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := conn.QueryRow(t.Context(), "SET TIME ZONE 'UTC'").Scan(&got); err == nil {
		t.Fatal("SET returned a row")
	}
	if err := conn.QueryRow(t.Context(), "SELECT x::text FROM x").Scan(&got); err != nil {
		t.Fatal(err)
	}
	want := `(t,-61,-70000,1099511627776,0.5,-118.25,Föhrenried,,"\\x00ff",01234567-89ab-4def-bfff-ffffffffffff,"1970-01-02 00:00:00.000001+00",1961-04-12,` +
		`02:ca:fe:00:01:02,192.168.1.7,2001:db8:1111:2222:3333:4444:5555:6666,10.9.8.0/24,180.5,1234.56,0.05,"{person,pet}","{1,-2}")`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRowsEndWhenNobodyReadsThem(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newRows(ctx, nil)
	cancel()
	for range 1_000_000 { // many chunks more than there are
		r.begin(1)
		r.i64(1)
	}
	r.finish()
	if _, err := io.ReadAll(&reader{r: r}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("read cancelled rows: %v", err)
	}
	if !r.failed {
		t.Error("the writer did not notice that its reader is gone")
	}
}

func TestWritingARowDoesNotAllocate(t *testing.T) {
	r := newRows(t.Context(), nil)
	d := newDice(1, "allocation")
	ip := netip.MustParseAddr("198.18.0.1")
	if n := testing.AllocsPerRun(100, func() {
		r.buf = r.buf[:0]
		r.begin(6)
		r.uuid(d.u64(), d.u64())
		r.time(pgEpoch)
		r.inet(ip)
		r.text("connected")
		r.open()
		r.buf = appendJWT(r.buf, d, 7, pgEpoch)
		r.close()
		r.i32(7)
	}); n > 1 { // the address as a slice
		t.Errorf("%v allocations a row", n)
	}
}
