package postgres

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/sourcetest"
	"github.com/weirproject/weir/internal/treatment"
)

// recorder takes values as a Builder does and shows them.
type recorder struct {
	values []string
	rows   int
}

func (r *recorder) add(format string, args ...any) {
	r.values = append(r.values, fmt.Sprintf(format, args...))
}
func (r *recorder) Begin(op treatment.Op) { r.rows++; r.add("op%d", op) }
func (r *recorder) Null()                 { r.add("NULL") }
func (r *recorder) Same()                 { r.add("same") }
func (r *recorder) Held()                 { r.add("held") }
func (r *recorder) Int(x int64)           { r.add("%d", x) }
func (r *recorder) Float(x float64)       { r.add("%v", x) }
func (r *recorder) Bytes(p []byte)        { r.add("%x", p) }
func (r *recorder) Decimal(hi int64, lo uint64) {
	v := new(big.Int).Lsh(big.NewInt(hi), 64)
	r.add("%s", v.Add(v, new(big.Int).SetUint64(lo)))
}

func (r *recorder) TextList(elements [][]byte) {
	parts := make([]string, len(elements))
	for i, e := range elements {
		if parts[i] = string(e); e == nil {
			parts[i] = "NULL"
		}
	}
	r.add("{%s}", strings.Join(parts, ","))
}

func (r *recorder) Int32List(elements []int32, valid []bool) {
	parts := make([]string, len(elements))
	for i, e := range elements {
		if parts[i] = fmt.Sprint(e); !valid[i] {
			parts[i] = "NULL"
		}
	}
	r.add("{%s}", strings.Join(parts, ","))
}

// values is for each type an SQL expression and what must arrive.
var values = []struct{ typ, sql, want string }{
	{"boolean", "true", "1"},
	{"boolean", "false", "0"},
	{"smallint", "-32768", "-32768"},
	{"integer", "2147483647", "2147483647"},
	{"integer", "-2147483648", "-2147483648"},
	{"bigint", "-9223372036854775808", "-9223372036854775808"},
	{"bigint", "9223372036854775807", "9223372036854775807"},
	{"real", "1.5", "1.5"},
	{"real", "'NaN'", "NaN"},
	{"double precision", "'-Infinity'", "-Inf"},
	{"double precision", "1e300", "1e+300"},
	{"double precision", "'-0'", "-0"},
	{"numeric(5,1)", "1234.5", "12345"},
	{"numeric(5,1)", "-0.1", "-1"},
	{"numeric(5,1)", "0", "0"},
	{"numeric(5,2)", "10", "1000"},
	{"numeric(5,2)", "100.01", "10001"},
	{"numeric(5,2)", "'NaN'", "held"},
	{"numeric(10,0)", "1000000000", "1000000000"},
	{"numeric(10,0)", "20000", "20000"},
	{"numeric(38,0)", "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
	{"numeric(38,0)", "-99999999999999999999999999999999999999", "-99999999999999999999999999999999999999"},
	{"numeric(38,0)", "10000000000000000000000000000000000000", "10000000000000000000000000000000000000"},
	{"numeric(38,37)", "9.9999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
	{"numeric(38,38)", "-0.00000000000000000000000000000000000001", "-1"},
	{"numeric(38,1)", "9999999999999999999999999999999999999.9", "99999999999999999999999999999999999999"},
	{"numeric(38,5)", "0.00001", "1"},
	{"text", "'Grüße'", hex.EncodeToString([]byte("Grüße"))},
	{"text", "''", ""},
	{"text", "repeat('x', 10000)", strings.Repeat("78", 10000)},
	{"varchar(5)", "'Grüße'", hex.EncodeToString([]byte("Grüße"))},
	{"varchar(5)", "'ab '", hex.EncodeToString([]byte("ab "))},
	{"varchar", "'ab'", hex.EncodeToString([]byte("ab"))},
	{"char(5)", "'ab'", hex.EncodeToString([]byte("ab   "))},
	{"bytea", `'\x00ff'`, "00ff"},
	{"bytea", `'\x'`, ""},
	{"uuid", "'00112233-4455-6677-8899-aabbccddeeff'", "00112233445566778899aabbccddeeff"},
	{"date", "'1970-01-02'", "1"},
	{"date", "'4713-01-01 BC'", "-2440550"},
	{"date", "'5874897-12-31'", "2145042905"},
	{"date", "'infinity'", fmt.Sprint(treatment.Infinity)},
	{"date", "'-infinity'", fmt.Sprint(treatment.NegInfinity)},
	{"timestamptz", "'1970-01-01 00:00:01.000001+00'", "1000001"},
	{"timestamptz", "'1969-12-31 23:59:59+00'", "-1000000"},
	{"timestamptz", "'2026-11-20 12:00:00+02'", "1795168800000000"},
	{"timestamptz", "'infinity'", fmt.Sprint(treatment.Infinity)},
	{"timestamptz", "'-infinity'", fmt.Sprint(treatment.NegInfinity)},
	{"timestamptz", "'294276-12-31 23:59:59+00'", "held"},
	{"timestamptz", "'294246-01-01 00:00:00+00'", "9223339708800000000"},
	{"timestamptz(0)", "'1970-01-01 00:00:01.4+00'", "1000000"},
	{"inet", "'192.0.2.1'", "20c0000201"},
	{"inet", "'192.0.2.1/24'", "18c0000201"},
	{"inet", "'2001:db8::1'", "8020010db8000000000000000000000001"},
	{"cidr", "'10.0.0.0/8'", "080a000000"},
	{"macaddr", "'08:00:2b:01:02:03'", "08002b010203"},
	{"text[]", "'{a,NULL,\"\",\"c d\"}'", "{a,NULL,,c d}"},
	{"text[]", "'{}'", "{}"},
	{"text[]", "'{{a},{b}}'", "held"},
	{"text[]", "'[0:1]={a,b}'", "held"},
	{"integer[]", "'{1,NULL,-3}'", "{1,NULL,-3}"},
	{"integer[]", "'{}'", "{}"},
	{"integer[]", "'[2:2]={7}'", "held"},
}

// TestEveryTypeArrivesAlikeByCopyAndByStream writes each value before the snapshot and again after it, and reads the one by COPY and the other by replication.
func TestEveryTypeArrivesAlikeByCopyAndByStream(t *testing.T) {
	p := newProduction(t)
	columns, exprs := []string{"id bigint PRIMARY KEY"}, []string{"%d"}
	for i, v := range values {
		columns = append(columns, fmt.Sprintf("c%d %s", i, v.typ))
		exprs = append(exprs, strings.ReplaceAll(v.sql, "%", "%%"))
	}
	p.Exec(t, "CREATE TABLE app.every ("+strings.Join(columns, ", ")+")")
	s := p.open(t, Options{})
	sel := sourcetest.Select(t, s, map[string][]string{"app.every": nil})
	for i, v := range values {
		if sel[0].Columns[i+1].Type.Name != v.typ {
			t.Errorf("%s is called %q", v.typ, sel[0].Columns[i+1].Type.Name)
		}
	}
	sourcetest.Prepare(t, s, sel)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	insert := "INSERT INTO app.every VALUES (" + strings.Join(exprs, ", ") + ")"
	p.Exec(t, fmt.Sprintf(insert, 1))

	snapshot, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	copied := copyRecorded(t, s, snapshot, sel[0])
	if err := snapshot.Close(); err != nil {
		t.Error(err)
	}
	streamed := streamRecorded(t, p, s, sel[0])
	for i, v := range values {
		if got := copied.values[i+2]; got != v.want {
			t.Errorf("%s %s is %s by COPY, want %s", v.typ, v.sql, got, v.want)
		}
		if got := streamed.values[i+2]; got != v.want {
			t.Errorf("%s %s is %s by the stream, want %s", v.typ, v.sql, got, v.want)
		}
	}
	if copied.rows != 1 || streamed.rows != 1 {
		t.Error("rows:", copied.rows, streamed.rows)
	}

	// and through the neck both ways give the same
	both := sourcetest.NewMirror(t, sel)
	r := sourcetest.Follow(t, s, sel, from, both)
	both.AwaitPosition(t, sourcetest.Now(t, s))
	r.Stop(t)
	fresh := sourcetest.NewMirror(t, sel)
	fresh.Copy(t, s)
	both.SameAs(t, fresh)
	if both.HeldValues() == 0 {
		t.Error("no value was counted as held")
	}
}

// copyRecorded copies a table into a recorder.
func copyRecorded(t *testing.T, s *Source, from source.Snapshot, l *treatment.Layout) *recorder {
	t.Helper()
	n, ok := from.(*snapshot)
	if !ok {
		t.Fatal("not a snapshot of ours")
	}
	out := &recorder{}
	reader, err := newCopyReader(l, func() (appender, error) { return out, nil })
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.connect(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn)
	if err := n.copy(t.Context(), conn, reader, l); err != nil {
		t.Fatal(err)
	}
	return out
}

// streamRecorded decodes the inserts of a table as the server's own function sends them.
func streamRecorded(t *testing.T, p *production, s *Source, l *treatment.Layout) *recorder {
	t.Helper()
	d, err := newRowDecoder(l)
	if err != nil {
		t.Fatal(err)
	}
	tables := &stream{source: s, tables: map[string]*followed{l.Table: {layout: l, decoder: d}}}
	out := &recorder{}
	var m *mapped
	for _, line := range p.ask(t, "SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('"+s.name+
		"', NULL, NULL, 'proto_version', '1', 'publication_names', '"+s.name+"', 'binary', 'true')") {
		data, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		switch data[0] {
		case messageRelation:
			r, err := parseRelation(data[1:])
			if err != nil {
				t.Fatal(err)
			}
			m = tables.mapRelation(r)
		case messageInsert:
			var c change
			if err := c.parse(data[0], data[1:]); err != nil {
				t.Fatal(err)
			}
			if err := m.append(out, &c); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func TestTypesThatAreNotReadHaveNoKind(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TYPE app.mood AS ENUM ('calm')", "CREATE DOMAIN app.mail AS text",
		`CREATE TABLE app.odd (id bigint PRIMARY KEY, a char[], b timestamp, c jsonb, d app.mood, e app.mail, f numeric, g numeric(39,1), h numeric(3,-1), i numeric(2,5), j bigint[], k bpchar, l interval)`)
	s := p.open(t, Options{})
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range schema.Table("app.odd").Columns[1:] {
		if c.Type.Kind != 0 {
			t.Error(c.Name, "has kind", c.Type.Kind)
		}
		names = append(names, c.TypeName)
	}
	want := []string{
		"character(1)[]", "timestamp without time zone", "jsonb", "app.mood", "app.mail", "numeric", "numeric(39,1)", "numeric(3,-1)", "numeric(2,5)",
		"bigint[]", "bpchar", "interval",
	}
	if !slices.Equal(names, want) {
		t.Errorf("type names are %q", names)
	}
}

func TestNumericThatDoesNotFitIsHeldBackNotRounded(t *testing.T) {
	digits := func(weight int16, sign uint16, d ...uint16) []byte {
		p := binary.BigEndian.AppendUint16(nil, uint16(len(d)))
		p = binary.BigEndian.AppendUint16(p, uint16(weight))
		p = binary.BigEndian.AppendUint16(p, sign)
		p = binary.BigEndian.AppendUint16(p, 0)
		for _, x := range d {
			p = binary.BigEndian.AppendUint16(p, x)
		}
		return p
	}
	for _, c := range []struct {
		field            []byte
		precision, scale int
		want             string
	}{
		{digits(0, 0, 12, 3400), 5, 2, "1234"},
		{digits(0, 0, 12, 3450), 5, 2, "held"},  // a third digit after the point
		{digits(0, 0, 12, 0, 1), 5, 2, "held"},  // one far behind it
		{digits(1, 0, 10, 0), 5, 0, "held"},     // 100000 has six digits
		{digits(30000, 0, 1), 38, 0, "held"},    // far above
		{digits(-20, 0, 1), 38, 0, "held"},      // far below
		{digits(32767, 0), 38, 0, "0"},          // zero has no place
		{digits(0, numericNegative), 5, 2, "0"}, // nor a sign
		{digits(0, numericInf), 5, 2, "held"},
		{digits(0, numericNegInf), 5, 2, "held"},
	} {
		out := &recorder{}
		if err := numericDecoder(c.precision, c.scale)(&scratch{}, out, c.field); err != nil || !slices.Equal(out.values, []string{c.want}) {
			t.Errorf("%x as numeric(%d,%d) is %v (%v), want %s", c.field, c.precision, c.scale, out.values, err, c.want)
		}
	}
	if err := numericDecoder(5, 2)(&scratch{}, &recorder{}, digits(0, 0, 10000)); !errors.Is(err, errField) {
		t.Error("a digit above 9999 is", err)
	}
}

// copyBytes is a COPY of rows with the benchmark's eleven columns.
func copyBytes(rows int) (*treatment.Layout, []byte) {
	types := []treatment.Type{
		{Kind: treatment.Int64},
		{Kind: treatment.UUID},
		{Kind: treatment.Int64},
		{Kind: treatment.Text},
		{Kind: treatment.TimestampTZ},
		{Kind: treatment.TimestampTZ},
		{Kind: treatment.Int32},
		{Kind: treatment.Bool},
		{Kind: treatment.Inet},
		{Kind: treatment.Int16},
		{Kind: treatment.Numeric, Precision: 5, Scale: 1},
	}
	l := &treatment.Layout{Table: "app.bench", Key: []int{0}}
	for i, typ := range types {
		l.Columns = append(l.Columns, treatment.Column{Name: fmt.Sprint("c", i), Type: typ})
	}
	b := append([]byte(nil), copySignature...)
	b = append(b, make([]byte, 8)...)
	put := func(p ...byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	for i := range rows {
		b = binary.BigEndian.AppendUint16(b, uint16(len(types)))
		put(binary.BigEndian.AppendUint64(nil, uint64(i))...)
		put(make([]byte, 16)...)
		put(binary.BigEndian.AppendUint64(nil, uint64(i%1000))...)
		put([]byte("connected")...)
		put(binary.BigEndian.AppendUint64(nil, uint64(i)*1000)...)
		put(binary.BigEndian.AppendUint64(nil, uint64(i)*1001)...)
		put(binary.BigEndian.AppendUint32(nil, uint32(i))...)
		put(byte(i & 1))
		put(afInet, 32, 0, 4, 192, 0, 2, byte(i))
		if i%3 == 0 {
			b = binary.BigEndian.AppendUint32(b, math.MaxUint32)
		} else {
			put(0, byte(i))
		}
		put(0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x13, 0x88) // 12.5
	}
	return l, binary.BigEndian.AppendUint16(b, math.MaxUint16)
}

func TestACopyCutAnywhereIsReadAlike(t *testing.T) {
	l, data := copyBytes(7)
	read := func(pieces ...[]byte) []string {
		out := &recorder{}
		c, err := newCopyReader(l, func() (appender, error) { return out, nil })
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pieces {
			if n, err := c.Write(p); err != nil || n != len(p) {
				t.Fatal(n, err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		return out.values
	}
	whole := read(data)
	if len(whole) != 7*12 {
		t.Fatal(len(whole), "values")
	}
	for cut := range data {
		if got := read(data[:cut], data[cut:]); !slices.Equal(got, whole) {
			t.Fatal("cut at", cut, "gives", got)
		}
	}
	var bytewise [][]byte
	for i := range data {
		bytewise = append(bytewise, data[i:i+1])
	}
	if got := read(bytewise...); !slices.Equal(got, whole) {
		t.Fatal("byte by byte gives", got)
	}
}

func TestACopyThatIsCutShortIsAnError(t *testing.T) {
	l, data := copyBytes(2)
	for end := range data {
		c, err := newCopyReader(l, func() (appender, error) { return &recorder{}, nil })
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Write(data[:end])
		if err == nil {
			err = c.close()
		}
		if !errors.Is(err, errCopy) {
			t.Fatal("cut at", end, "is", err)
		}
	}
}

func FuzzCopyReader(f *testing.F) {
	l, data := copyBytes(3)
	f.Add(data, 5)
	f.Add(data[:40], 40)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		c, err := newCopyReader(l, func() (appender, error) { return treatment.NewBuilder(l), nil })
		if err != nil {
			t.Fatal(err)
		}
		cut = max(0, min(cut, len(data)))
		if _, err := c.Write(data[:cut]); err != nil {
			return
		}
		if _, err := c.Write(data[cut:]); err == nil && c.close() == nil && !c.ended {
			t.Error("a copy without an end was accepted")
		}
	})
}

func FuzzFieldDecoders(f *testing.F) {
	for kind := range 18 {
		f.Add(kind+1, []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 'x'})
		f.Add(kind+1, []byte{0, 2, 0, 0, 0, 0, 0, 1, 0, 12, 0x13, 0x88})
	}
	f.Fuzz(func(t *testing.T, kind int, data []byte) {
		typ := treatment.Type{Kind: treatment.Kind(kind), Precision: 38, Scale: 7}
		decode, err := decoderOf(typ)
		if err != nil {
			return
		}
		out := &recorder{}
		if err := decode(&scratch{}, out, data); err == nil && len(out.values) != 1 || err != nil && len(out.values) != 0 {
			t.Errorf("kind %d of %x appended %d values and returned %v", kind, data, len(out.values), err)
		}
	})
}

func FuzzStreamMessages(f *testing.F) {
	relation := append([]byte{messageRelation, 0, 0, 0, 1}, "app\x00bench\x00d\x00\x01\x01id\x00\x00\x00\x00\x14\xff\xff\xff\xff"...)
	f.Add(relation, append([]byte{messageInsert, 0, 0, 0, 1, 'N', 0, 1, 'b', 0, 0, 0, 8}, make([]byte, 8)...))
	f.Add(relation, append([]byte{messageUpdate, 0, 0, 0, 1, 'K', 0, 1, 'b', 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 'N', 0, 1, 'b', 0, 0, 0, 8}, make([]byte, 8)...))
	f.Add(relation, []byte{messageDelete, 0, 0, 0, 1, 'O', 0, 1, 'n'})
	f.Add(relation, []byte{messageTruncate, 0, 0, 0, 1, 0, 0, 0, 0, 1})
	f.Add(relation, append([]byte{messageBegin}, make([]byte, 20)...))
	f.Add(relation, append([]byte{messageCommit}, make([]byte, 25)...))
	l := &treatment.Layout{Table: "app.bench", Key: []int{0}, Columns: []treatment.Column{{Name: "id", Type: treatment.Type{Kind: treatment.Int64, Name: "bigint"}}}}
	d, err := newRowDecoder(l)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		m := sourcetest.NewMirror(t, []*treatment.Layout{l})
		s := &Source{truncations: make(truncations)}
		r := &stream{source: s, sink: m, watch: &watch{source: s}, tables: map[string]*followed{l.Table: {layout: l, decoder: d}}, relations: map[uint32]*mapped{}}
		for _, p := range [][]byte{append([]byte{messageBegin}, make([]byte, 20)...), first, second} {
			if err := r.data(context.Background(), p); err != nil {
				return
			}
		}
	})
}
