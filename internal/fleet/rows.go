package fleet

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net/netip"
)

const (
	chunkBytes = 128 << 10
	chunkCount = 4

	copySignature = "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// rows writes PostgreSQL's binary COPY format field by field, without reflection or allocation, and hands full chunks to a reader that
// runs in another goroutine. Its methods are called by one goroutine; after the reader gave up they do nothing.
type rows struct {
	ctx    context.Context //nolint:containedctx // the writer lives for one COPY
	buf    []byte
	full   chan []byte
	free   chan []byte
	mark   int // where the length of the open field stands
	failed bool
	count  int64
	onRows func(int64)
	told   int64
}

func newRows(ctx context.Context, onRows func(int64)) *rows {
	r := &rows{ctx: ctx, full: make(chan []byte, chunkCount), free: make(chan []byte, chunkCount), onRows: onRows}
	for range chunkCount - 1 {
		r.free <- make([]byte, 0, chunkBytes+16<<10)
	}
	r.buf = append(make([]byte, 0, chunkBytes+16<<10), copySignature...)
	return r
}

// begin opens a row of n fields; each must then be written once.
func (r *rows) begin(n int) {
	if len(r.buf) >= chunkBytes {
		r.hand()
	}
	r.count++
	r.buf = binary.BigEndian.AppendUint16(r.buf, uint16(n)) //nolint:gosec // a table has fewer than 1,600 columns
}

// hand gives the chunk away and takes an empty one.
func (r *rows) hand() {
	if r.failed {
		r.buf = r.buf[:0]
		return
	}
	select {
	case r.full <- r.buf:
	case <-r.ctx.Done():
		r.failed = true
		r.buf = r.buf[:0]
		return
	}
	if r.onRows != nil {
		r.onRows(r.count - r.told)
		r.told = r.count
	}
	select {
	case r.buf = <-r.free:
	case <-r.ctx.Done():
		r.failed = true
		r.buf = make([]byte, 0, chunkBytes)
	}
	r.buf = r.buf[:0]
}

// finish writes the trailer and lets the reader see the end.
func (r *rows) finish() {
	r.buf = append(r.buf, 0xff, 0xff)
	r.hand()
	close(r.full)
}

// reader gives the chunks to COPY.
type reader struct {
	r    *rows
	rest []byte
	hold []byte
}

func (c *reader) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.hold != nil {
			c.r.free <- c.hold // there are never more chunks than places
			c.hold = nil
		}
		select {
		case b, ok := <-c.r.full:
			if !ok {
				return 0, io.EOF
			}
			c.hold, c.rest = b, b
		case <-c.r.ctx.Done():
			return 0, c.r.ctx.Err()
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (r *rows) null() { r.buf = append(r.buf, 0xff, 0xff, 0xff, 0xff) }

func (r *rows) boolean(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	r.buf = append(r.buf, 0, 0, 0, 1, b)
}

func (r *rows) i16(v int) {
	r.buf = append(r.buf, 0, 0, 0, 2, byte(v>>8), byte(v)) //nolint:gosec // callers write smallints
}

func (r *rows) i32(v int) {
	r.buf = append(r.buf, 0, 0, 0, 4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(v)) //nolint:gosec // callers write integers
}

func (r *rows) i64(v int) {
	r.buf = append(r.buf, 0, 0, 0, 8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(v)) //nolint:gosec // the same 64 bits
}

// key writes a bigint key, NULL for zero.
func (r *rows) key(v int) {
	if v == 0 {
		r.null()
		return
	}
	r.i64(v)
}

func (r *rows) f32(v float64) {
	r.buf = append(r.buf, 0, 0, 0, 4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, math.Float32bits(float32(v)))
}

func (r *rows) f64(v float64) {
	r.buf = append(r.buf, 0, 0, 0, 8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, math.Float64bits(v))
}

func (r *rows) text(s string) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(s))) //nolint:gosec // short texts
	r.buf = append(r.buf, s...)
}

// textOrNull writes NULL for the empty text.
func (r *rows) textOrNull(s string) {
	if s == "" {
		r.null()
		return
	}
	r.text(s)
}

func (r *rows) bytes(b []byte) {
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(len(b))) //nolint:gosec // short values
	r.buf = append(r.buf, b...)
}

// uuid writes 128 random bits as a version 4 UUID.
func (r *rows) uuid(hi, lo uint64) {
	r.buf = append(r.buf, 0, 0, 0, 16)
	r.buf = binary.BigEndian.AppendUint64(r.buf, hi&^0xf000|0x4000)
	r.buf = binary.BigEndian.AppendUint64(r.buf, lo&^(3<<62)|1<<63)
}

func (r *rows) time(t instant) {
	r.buf = append(r.buf, 0, 0, 0, 8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(t-pgEpoch)) //nolint:gosec // two's complement is the format
}

// timeOrNull writes NULL for no time.
func (r *rows) timeOrNull(t instant) {
	if t == never {
		r.null()
		return
	}
	r.time(t)
}

func (r *rows) date(t instant) { r.i32(int(t.floorDay()-pgEpoch) / int(day)) }

// mac writes the low 48 bits.
func (r *rows) mac(m uint64) {
	r.buf = append(r.buf, 0, 0, 0, 6, byte(m>>40), byte(m>>32), byte(m>>24), byte(m>>16), byte(m>>8), byte(m)) //nolint:gosec // bytes on purpose
}

const (
	pgFamilyInet  = 2
	pgFamilyInet6 = 3
)

func (r *rows) inet(a netip.Addr) { r.network(netip.PrefixFrom(a, a.BitLen()), 0) }

func (r *rows) cidr(p netip.Prefix) { r.network(p, 1) }

func (r *rows) network(p netip.Prefix, isCIDR byte) {
	family := byte(pgFamilyInet)
	if p.Addr().Is6() {
		family = pgFamilyInet6
	}
	b := p.Addr().AsSlice()
	r.buf = append(r.buf, 0, 0, 0, byte(4+len(b)), family, byte(p.Bits()), isCIDR, byte(len(b))) //nolint:gosec // at most 128 bits, 16 bytes
	r.buf = append(r.buf, b...)
}

// numeric writes v/10^scale for a scale of 1 or 2 and a v that is not negative.
func (r *rows) numeric(v, scale int) {
	unit, shift := 10, 1000
	if scale == 2 {
		unit, shift = 100, 100
	}
	whole, fraction := v/unit, v%unit*shift
	digits := []uint16{uint16(whole / 10000), uint16(whole % 10000), uint16(fraction)} //nolint:gosec // base-10000 digits
	weight := 1
	if digits[0] == 0 {
		digits, weight = digits[1:], 0
	}
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(8+2*len(digits)))               //nolint:gosec // three digits at most
	for _, x := range []uint16{uint16(len(digits)), uint16(weight), 0, uint16(scale)} { //nolint:gosec // small
		r.buf = binary.BigEndian.AppendUint16(r.buf, x)
	}
	for _, x := range digits {
		r.buf = binary.BigEndian.AppendUint16(r.buf, x)
	}
}

const (
	oidText = 25
	oidInt4 = 23
)

func (r *rows) arrayHeader(oid, n int) {
	for _, x := range []uint32{1, 0, uint32(oid), uint32(n), 1} { //nolint:gosec // small
		r.buf = binary.BigEndian.AppendUint32(r.buf, x)
	}
}

// texts writes a text[] with at least one element.
func (r *rows) texts(values ...string) {
	r.open()
	r.arrayHeader(oidText, len(values))
	for _, v := range values {
		r.text(v)
	}
	r.close()
}

// integers writes an integer[] with at least one element.
func (r *rows) integers(values ...int) {
	r.open()
	r.arrayHeader(oidInt4, len(values))
	for _, v := range values {
		r.i32(v)
	}
	r.close()
}

// open and close frame a field whose bytes are appended to r.buf in between.
func (r *rows) open() {
	r.mark = len(r.buf)
	r.buf = append(r.buf, 0, 0, 0, 0)
}

func (r *rows) close() {
	binary.BigEndian.PutUint32(r.buf[r.mark:], uint32(len(r.buf)-r.mark-4)) //nolint:gosec // short fields
}
