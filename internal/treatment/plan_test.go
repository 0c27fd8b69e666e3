package treatment

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/policy"
)

func testKeys(t testing.TB) *Keys {
	t.Helper()
	k, err := NewKeys(bytes.Repeat([]byte{7}, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// treatOne runs one value of one column through a treatment and returns what the store would show, "NULL" for NULL.
func treatOne(t *testing.T, typ Type, rule policy.Column, put func(b *Builder)) (shown string, held int) {
	t.Helper()
	rule.Name = "c"
	l := &Layout{Table: "s.t", Columns: []Column{{Name: "id", Type: Type{Kind: Int64}}, {Name: "c", Type: typ}}, Key: []int{0}}
	p, err := Compile(&policy.Table{Name: "s.t", Access: policy.AccessMetrics, Columns: []policy.Column{rule}}, l, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(l)
	b.Begin(Insert)
	b.Int(1)
	put(b)
	raw, err := b.Seal()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := p.Treat(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Release()
	col := batch.Rows().Column(1)
	if col.IsNull(0) {
		return "NULL", batch.Held()["c"]
	}
	return col.ValueStr(0), batch.Held()["c"]
}

func inet(s string) func(b *Builder) {
	return func(b *Builder) {
		p := netip.MustParsePrefix(s)
		b.Bytes(AppendInet(nil, uint8(p.Bits()), p.Addr().AsSlice()))
	}
}

func text(s string) func(b *Builder)   { return func(b *Builder) { b.Bytes([]byte(s)) } }
func whole(x int64) func(b *Builder)   { return func(b *Builder) { b.Int(x) } }
func float(x float64) func(b *Builder) { return func(b *Builder) { b.Float(x) } }
func null(b *Builder)                  { b.Null() }
func decimal(x int64) func(b *Builder) { return func(b *Builder) { b.Decimal(x>>63, uint64(x)) } }
func instant(s string) func(b *Builder) {
	return func(b *Builder) {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			panic(err)
		}
		b.Int(at.UnixMicro())
	}
}

func TestTreatments(t *testing.T) {
	keep := policy.Column{Treat: policy.Keep}
	day := func(unit, zone string) policy.Column {
		return policy.Column{Treat: policy.Truncate, To: unit, Zone: zone}
	}
	for _, c := range []struct {
		name string
		typ  Type
		rule policy.Column
		put  func(b *Builder)
		want string
		held int
	}{
		{"keep bool", Type{Kind: Bool}, keep, whole(1), "true", 0},
		{"keep smallint", Type{Kind: Int16}, keep, whole(-32768), "-32768", 0},
		{"keep bigint", Type{Kind: Int64}, keep, whole(math.MinInt64), "-9223372036854775808", 0},
		{"keep null", Type{Kind: Int64}, keep, null, "NULL", 0},
		{"keep double nan", Type{Kind: Float64}, keep, float(math.NaN()), "NaN", 0},
		{"keep numeric", Type{Kind: Numeric, Precision: 5, Scale: 2}, keep, decimal(-105), "-1.05", 0},
		{"numeric nan is held back", Type{Kind: Numeric, Precision: 5, Scale: 2}, keep, func(b *Builder) { b.Held() }, "NULL", 1},
		{"keep text", Type{Kind: Text}, keep, text("héllo"), "héllo", 0},
		{"text that is not UTF-8 is held back", Type{Kind: Text}, keep, text("a\xff"), "NULL", 1},
		{"keep char without padding", Type{Kind: Char}, keep, text("DE  "), "DE", 0},
		{"keep bytes", Type{Kind: Binary}, keep, text("\x00\x01"), "AAE=", 0},
		{"keep date", Type{Kind: Date}, keep, whole(-1), "1969-12-31", 0},
		{"keep inet host", Type{Kind: Inet}, keep, inet("198.51.100.7/32"), "198.51.100.7", 0},
		{"keep inet network", Type{Kind: Inet}, keep, inet("198.51.100.7/24"), "198.51.100.7/24", 0},
		{"keep cidr", Type{Kind: CIDR}, keep, inet("10.1.0.0/16"), "10.1.0.0/16", 0},
		{"keep mac", Type{Kind: MAC}, keep, text("\x00\x1b\x44\x11\x3a\xb7"), "00:1b:44:11:3a:b7", 0},
		{"keep text list", Type{Kind: TextList}, keep, func(b *Builder) { b.TextList([][]byte{[]byte("a"), nil, {}}) }, `["a",null,""]`, 0},
		{"keep integer list", Type{Kind: Int32List}, keep, func(b *Builder) { b.Int32List([]int32{-1, 5}, []bool{true, false}) }, `[-1,null]`, 0},
		{"keep time", Type{Kind: TimestampTZ}, keep, instant("2026-11-10T10:11:12.5Z"), "2026-11-10T10:11:12.5Z", 0},
		{"presence of a value", Type{Kind: Text}, policy.Column{Treat: policy.Presence}, text(""), "true", 0},
		{"presence of null", Type{Kind: Text}, policy.Column{Treat: policy.Presence}, null, "false", 0},
		{"presence of what cannot be represented", Type{Kind: Numeric}, policy.Column{Treat: policy.Presence}, func(b *Builder) { b.Held() }, "true", 0},
		{"truncate to minute", Type{Kind: TimestampTZ}, day("minute", ""), instant("2026-11-10T10:11:12.5Z"), "2026-11-10T10:11:00Z", 0},
		{"truncate before the epoch", Type{Kind: TimestampTZ}, day("day", ""), instant("1969-12-31T10:11:12Z"), "1969-12-31T00:00:00Z", 0},
		{"truncate to week", Type{Kind: TimestampTZ}, day("week", ""), instant("2026-11-15T23:59:59Z"), "2026-11-09T00:00:00Z", 0},
		{"truncate to quarter", Type{Kind: TimestampTZ}, day("quarter", ""), instant("2026-11-15T23:59:59Z"), "2026-10-01T00:00:00Z", 0},
		{"truncate to a local day", Type{Kind: TimestampTZ}, day("day", "America/Los_Angeles"), instant("2026-11-01T08:30:00Z"), "2026-11-01T07:00:00Z", 0},
		{"truncate to a half-hour zone's hour", Type{Kind: TimestampTZ}, day("hour", "Asia/Kolkata"), instant("2026-11-01T08:40:00Z"), "2026-11-01T08:30:00Z", 0},
		{"truncate a date", Type{Kind: Date}, day("month", ""), whole(20_000), "2024-10-01", 0},
		{"bucket by width", Type{Kind: Int16}, policy.Column{Treat: policy.Bucket, Width: 10}, whole(29), "20–29", 0},
		{"bucket below zero", Type{Kind: Int16}, policy.Column{Treat: policy.Bucket, Width: 10}, whole(-1), "-10–-1", 0},
		{"bucket by edges", Type{Kind: Int32}, policy.Column{Treat: policy.Bucket, Edges: []float64{18, 65}}, whole(18), "18–64", 0},
		{"bucket below the first edge", Type{Kind: Int32}, policy.Column{Treat: policy.Bucket, Edges: []float64{18, 65}}, whole(17), "<18", 0},
		{"bucket from the last edge", Type{Kind: Int32}, policy.Column{Treat: policy.Bucket, Edges: []float64{18, 65}}, whole(65), "≥65", 0},
		{"bucket a numeric", Type{Kind: Numeric, Precision: 5, Scale: 1}, policy.Column{Treat: policy.Bucket, Width: 10}, decimal(1999), "190–<200", 0},
		{"bucket a date", Type{Kind: Date}, policy.Column{Treat: policy.Bucket, Width: 7}, whole(13), "1970-01-08", 0},
		{"prefix of a public address", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits4: 24}, inet("198.51.100.7/32"), "198.51.100.0/24", 0},
		{"prefix of a private address", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits4: 24}, inet("192.168.1.7/32"), "NULL", 0},
		{"prefix of a provider's inner address", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits4: 24}, inet("100.64.1.7/32"), "NULL", 0},
		{"prefix of a mapped private address", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits4: 24, Bits6: 48}, inet("::ffff:10.0.0.1/128"), "NULL", 0},
		{"prefix without a rule for the family", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits4: 24}, inet("2001:db8::1/128"), "NULL", 0},
		{"prefix of an IPv6 address", Type{Kind: Inet}, policy.Column{Treat: policy.Prefix, Bits6: 48}, inet("2001:db8:1:2::1/128"), "2001:db8:1::/48", 0},
		{"prefix of a text counts characters", Type{Kind: Text}, policy.Column{Treat: policy.Prefix, Chars: 2}, text("éàü"), "éà", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, held := treatOne(t, c.typ, c.rule, c.put)
			if got != c.want && !sameInstant(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if held != c.held {
				t.Errorf("held %d, want %d", held, c.held)
			}
		})
	}
}

// sameInstant compares times with and without the mark of UTC.
func sameInstant(a, b string) bool {
	a = strings.Replace(strings.TrimSuffix(a, "Z"), " ", "T", 1)
	return a == strings.TrimSuffix(b, "Z")
}

func TestInfinitiesSurvive(t *testing.T) {
	for _, c := range []struct {
		in   int64
		rule policy.Column
		want int64
	}{
		{Infinity, policy.Column{Treat: policy.Keep}, math.MaxInt64},
		{NegInfinity, policy.Column{Treat: policy.Keep}, -math.MaxInt64},
		{Infinity, policy.Column{Treat: policy.Truncate, To: "day"}, math.MaxInt64},
		{NegInfinity, policy.Column{Treat: policy.Truncate, To: "month"}, -math.MaxInt64},
	} {
		c.rule.Name = "c"
		l := &Layout{Table: "s.t", Columns: []Column{{Name: "c", Type: Type{Kind: TimestampTZ}}}, Key: []int{0}}
		p, err := Compile(&policy.Table{Name: "s.t", Columns: []policy.Column{c.rule}}, l, testKeys(t))
		if err != nil {
			t.Fatal(err)
		}
		b := NewBuilder(l)
		b.Begin(Insert)
		b.Int(c.in)
		raw, _ := b.Seal()
		batch, err := p.Treat(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := int64(batch.Rows().Column(1).(*array.Timestamp).Value(0)); got != c.want { //nolint:errcheck // a test's own type
			t.Errorf("%d: got %d, want %d", c.in, got, c.want)
		}
	}
}

func TestUnfitPairsDoNotCompile(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		rule policy.Column
	}{
		{Text, policy.Column{Treat: policy.Truncate, To: "day"}},
		{Date, policy.Column{Treat: policy.Truncate, To: "hour"}},
		{TimestampTZ, policy.Column{Treat: policy.Truncate, To: "fortnight"}},
		{TimestampTZ, policy.Column{Treat: policy.Truncate, To: "day", Zone: "Mars/Base"}},
		{Int64, policy.Column{Treat: policy.Bucket}},
		{Int64, policy.Column{Treat: policy.Bucket, Edges: []float64{2, 1}}},
		{Text, policy.Column{Treat: policy.Bucket, Width: 3}},
		{Bool, policy.Column{Treat: policy.Prefix, Chars: 1}},
		{Text, policy.Column{Treat: policy.Prefix, Bits4: 1}},
		{TextList, policy.Column{Treat: policy.Pseudonym, Subject: "a"}},
		{Text, policy.Column{Treat: policy.Pseudonym}},
		{Text, policy.Column{Treat: policy.Redact}},
		{0, policy.Column{Treat: policy.Keep}},
	} {
		c.rule.Name = "c"
		l := &Layout{Table: "s.t", Columns: []Column{{Name: "c", Type: Type{Kind: c.kind, Name: "x"}}}, Key: []int{0}}
		if _, err := Compile(&policy.Table{Name: "s.t", Columns: []policy.Column{c.rule}}, l, testKeys(t)); err == nil {
			t.Errorf("%v of kind %d compiled", c.rule.Treat, c.kind)
		}
	}
}

// pseudonyms returns the pseudonym of one value of a type under a subject.
func pseudonymFor(t *testing.T, typ Type, subject string, put func(b *Builder)) string {
	t.Helper()
	s, _ := treatOne(t, typ, policy.Column{Treat: policy.Pseudonym, Subject: subject}, put)
	return s
}

func TestEqualValuesHaveOnePseudonym(t *testing.T) {
	equal := [][]string{
		{pseudonymFor(t, Type{Kind: Int16}, "user", whole(5)), pseudonymFor(t, Type{Kind: Int64}, "user", whole(5)), pseudonymFor(t, Type{Kind: Numeric, Scale: 2}, "user", decimal(500))},
		{pseudonymFor(t, Type{Kind: Numeric, Scale: 1}, "user", decimal(-15)), pseudonymFor(t, Type{Kind: Numeric, Scale: 3}, "user", decimal(-1500))},
		{pseudonymFor(t, Type{Kind: Float64}, "user", float(0)), pseudonymFor(t, Type{Kind: Float32}, "user", float(math.Copysign(0, -1)))},
		{pseudonymFor(t, Type{Kind: Char}, "user", text("ab  ")), pseudonymFor(t, Type{Kind: Text}, "user", text("ab"))},
	}
	seen := map[string]int{}
	for g, group := range equal {
		for _, p := range group {
			if p != group[0] {
				t.Errorf("group %d: %v", g, group)
			}
		}
		if other, ok := seen[group[0]]; ok {
			t.Errorf("groups %d and %d share a pseudonym", g, other)
		}
		seen[group[0]] = g
	}
	if pseudonymFor(t, Type{Kind: Int64}, "user", whole(5)) == pseudonymFor(t, Type{Kind: Int64}, "device", whole(5)) {
		t.Error("two subjects share a pseudonym")
	}
	if pseudonymFor(t, Type{Kind: Int64}, "user", null) != "NULL" {
		t.Error("NULL has a pseudonym")
	}
}

// model applies changes one by one, as production did, to a map of rows; the property tests hold the net effect against it.
type model map[int64][2]string // key → (v, toast)

// TestNetEffectEqualsOneByOne applies random runs of changes by their net effect and one by one.
func TestNetEffectEqualsOneByOne(t *testing.T) {
	l := &Layout{Table: "s.t", Columns: []Column{{Name: "id", Type: Type{Kind: Int64}}, {Name: "v", Type: Type{Kind: Text}}, {Name: "big", Type: Type{Kind: Text}}}, Key: []int{0}}
	plan, err := Compile(&policy.Table{Name: "s.t", Columns: []policy.Column{
		{Name: "id", Treat: policy.Keep}, {Name: "v", Treat: policy.Keep}, {Name: "big", Treat: policy.Keep},
	}}, l, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		stored := map[string][3]string{} // row key → id, v, big
		truth := model{}
		for range 4 {
			b := NewBuilder(l)
			for range 1 + rng.IntN(12) {
				change(rng, b, truth)
			}
			raw, err := b.Seal()
			if err != nil {
				t.Fatal(err)
			}
			batch, err := plan.Treat(raw)
			if err != nil {
				t.Fatal(err)
			}
			applyTo(stored, batch)
			batch.Release()
			if got, want := show(stored), truth.show(); got != want {
				t.Fatalf("round %d:\ngot  %s\nwant %s", round, got, want)
			}
		}
	}
}

// change makes one random change that production could make, in the builder and in the model.
func change(rng *rand.Rand, b *Builder, m model) {
	id, other := rng.Int64N(6), rng.Int64N(6)
	v, big := fmt.Sprint(rng.IntN(1000)), fmt.Sprint(rng.IntN(1000))
	row := func(op Op, id int64, unchanged bool) {
		b.Begin(op)
		b.Int(id)
		b.Bytes([]byte(v))
		if unchanged {
			b.Same()
		} else {
			b.Bytes([]byte(big))
		}
	}
	only := func(op Op, id int64) { b.Begin(op); b.Int(id); b.Null(); b.Null() }
	old, exists := m[id]
	_, taken := m[other]
	unchanged := rng.IntN(2) == 0
	switch {
	case !exists:
		row(Insert, id, false)
		m[id] = [2]string{v, big}
	case rng.IntN(4) == 0:
		only(Delete, id)
		delete(m, id)
	case rng.IntN(3) == 0 && !taken:
		only(MoveFrom, id)
		row(MoveTo, other, unchanged)
		delete(m, id)
		m[other] = [2]string{v, big}
		if unchanged {
			m[other] = [2]string{v, old[1]}
		}
	default:
		row(Update, id, unchanged)
		m[id] = [2]string{v, big}
		if unchanged {
			m[id] = [2]string{v, old[1]}
		}
	}
}

// applyTo does what a store does with a batch.
func applyTo(stored map[string][3]string, b *Batch) {
	rec := b.Rows()
	at := map[string]int{}
	for i, f := range rec.Schema().Fields() {
		at[f.Name] = i
	}
	fresh := map[string][3]string{}
	for i := range int(rec.NumRows()) {
		r := [3]string{rec.Column(at["id"]).ValueStr(i), rec.Column(at["v"]).ValueStr(i), rec.Column(at["big"]).ValueStr(i)}
		for _, c := range b.Patched() {
			if rec.Column(at[SamePrefix+c]).(*array.Boolean).Value(i) { //nolint:errcheck // a test's own type
				r[2] = stored[rec.Column(at[BaseColumn]).ValueStr(i)][2]
			}
		}
		fresh[rec.Column(0).ValueStr(i)] = r
	}
	for i := range int(b.Deletes().NumRows()) {
		delete(stored, b.Deletes().Column(0).ValueStr(i))
	}
	for k, r := range fresh {
		if _, there := stored[k]; there {
			r[0] = "doubled " + r[0]
		}
		stored[k] = r
	}
}

func show(stored map[string][3]string) string {
	var lines []string
	for _, r := range stored {
		lines = append(lines, fmt.Sprint(r[0], "=", r[1], "/", r[2]))
	}
	sort.Strings(lines)
	return strings.Join(lines, " ")
}

func (m model) show() string {
	var lines []string
	for id, r := range m {
		lines = append(lines, fmt.Sprint(id, "=", r[0], "/", r[1]))
	}
	sort.Strings(lines)
	return strings.Join(lines, " ")
}

func TestTruncateForgetsWhatWasBefore(t *testing.T) {
	l := &Layout{Table: "s.t", Columns: []Column{{Name: "id", Type: Type{Kind: Int64}}}, Key: []int{0}}
	p, err := Compile(&policy.Table{Name: "s.t", Columns: []policy.Column{{Name: "id", Treat: policy.Keep}}}, l, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(l)
	b.Begin(Insert)
	b.Int(1)
	raw, _ := b.Seal()
	batch, err := p.TreatTruncated(raw)
	if err != nil {
		t.Fatal(err)
	}
	if !batch.Truncate() || batch.Deletes().NumRows() != 0 || batch.Rows().NumRows() != 1 {
		t.Errorf("truncate %v, %d deletes, %d rows", batch.Truncate(), batch.Deletes().NumRows(), batch.Rows().NumRows())
	}
	if empty, err := p.TreatTruncated(Raw{}); err != nil || empty.Rows().NumRows() != 0 {
		t.Errorf("an empty truncate: %v", err)
	}
}

func TestAKeyThatCannotBeEncodedStopsTheBatchWithoutItsValue(t *testing.T) {
	l := &Layout{Table: "s.t", Columns: []Column{{Name: "id", Type: Type{Kind: Numeric}}}, Key: []int{0}}
	p, err := Compile(&policy.Table{Name: "s.t"}, l, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(l)
	b.Begin(Insert)
	b.Held()
	raw, _ := b.Seal()
	if _, err := p.Treat(raw); err == nil {
		t.Fatal("a row without a key was treated")
	}
}

func TestADroppedKeyColumnIsAskedForAndNotKept(t *testing.T) {
	tab := &policy.Table{Name: "s.t", Columns: []policy.Column{{Name: "serial", Treat: policy.Drop}, {Name: "model", Treat: policy.Keep}, {Name: "gone", Treat: policy.Keep}}}
	have := []Column{{Name: "serial", Type: Type{Kind: Text}}, {Name: "secret", Type: Type{Kind: Text}}, {Name: "model", Type: Type{Kind: Text}}}
	l, missing, err := NewLayout(tab, have, []string{"serial"})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Columns) != 2 || l.Columns[0].Name != "serial" || l.Columns[1].Name != "model" || len(missing) != 1 || missing[0] != "gone" {
		t.Errorf("layout %v, missing %v", l.Columns, missing)
	}
	p, err := Compile(tab, l, testKeys(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Schema().NumFields(); got != 2 || p.Schema().Field(1).Name != "model" {
		t.Errorf("schema %v", p.Schema())
	}
}

func BenchmarkTreatElevenColumns(b *testing.B) {
	l := &Layout{Table: "s.t", Key: []int{0}}
	tab := &policy.Table{Name: "s.t", Access: policy.AccessMetrics}
	add := func(name string, k Kind, c policy.Column) {
		l.Columns = append(l.Columns, Column{Name: name, Type: Type{Kind: k}})
		c.Name = name
		tab.Columns = append(tab.Columns, c)
	}
	add("id", Int64, policy.Column{Treat: policy.Drop})
	add("device", Int64, policy.Column{Treat: policy.Pseudonym, Subject: "device"})
	add("at", TimestampTZ, policy.Column{Treat: policy.Truncate, To: "hour"})
	for i := range 8 {
		add(fmt.Sprint("n", i), Int32, policy.Column{Treat: policy.Keep})
	}
	p, err := Compile(tab, l, testKeys(b))
	if err != nil {
		b.Fatal(err)
	}
	const n = 100_000
	bl := NewBuilder(l)
	b.ReportAllocs()
	for b.Loop() {
		for i := range n {
			bl.Begin(Insert)
			for range l.Columns {
				bl.Int(int64(i))
			}
		}
		raw, _ := bl.Seal()
		batch, err := p.Treat(raw)
		if err != nil {
			b.Fatal(err)
		}
		batch.Release()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
