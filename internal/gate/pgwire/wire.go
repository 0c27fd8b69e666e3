package pgwire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirproject/weir/internal/fault"
)

// flushAt is the size of the outgoing buffer at which it is written: big enough for few TLS records, small enough to keep memory per connection low.
const flushAt = 128 << 10

// keepAtMost is the capacity above which a buffer is given back to the collector rather than kept for the next message.
const keepAtMost = 1 << 20

// readStep is how much of an announced message is believed in advance: memory grows with what has arrived, not with what was announced.
const readStep = 64 << 10

// fatalError ends the connection after it was told.
type fatalError struct{ cause error }

func (e *fatalError) Error() string { return "end the connection" }
func (e *fatalError) Unwrap() error { return e.cause }

// The ends that have nobody left to be told.
var (
	errGone      = errors.New("client is gone")
	errTerminate = errors.New("client said goodbye")
)

// withinError is about a part of the text that the client sent: its place counts from that part's beginning.
type withinError struct {
	cause error
	shift int // characters in front of the part
}

func (e *withinError) Error() string { return "answer a part of the text" }
func (e *withinError) Unwrap() error { return e.cause }

func within(shift int, err error) error {
	if err == nil || shift == 0 {
		return err
	}
	return &withinError{cause: err, shift: shift}
}

// stated makes an error for people with an SQLSTATE.
func stated(kind fault.Kind, state, message, hint string) error {
	return fault.New(kind, message, hint).WithCause(&StateError{SQLState: state})
}

// statedAt is stated about a place in the statement's text (1-based, in characters).
func statedAt(state, message, hint string, position int) error {
	return fault.New(fault.Invalid, message, hint).WithCause(&StateError{SQLState: state, Position: position})
}

// violation is a message that the protocol does not allow here.
func violation(message string) error {
	return stated(fault.Invalid, "08P01", message, "the client does not speak PostgreSQL's protocol correctly: try another version of its driver")
}

// frame is one message of the client. Its body is valid until the frame is given back.
type frame struct {
	kind byte
	body []byte
	err  error // instead of a message: what was wrong with it
}

// readFrame reads one message into buf (grown as needed).
func readFrame(r io.Reader, buf []byte, limit int) (frame, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return frame{}, errGone
	}
	// Before its length is believed: what is no message at all would be waited for.
	if strings.IndexByte("QPBDECHSFdcfXp", head[0]) < 0 {
		return frame{}, &fatalError{violation("a message has an unknown kind")}
	}
	n := int64(binary.BigEndian.Uint32(head[1:])) - 4
	if n < 0 || n > 1<<31 {
		return frame{}, &fatalError{violation("a message has an impossible length")}
	}
	if n > int64(limit) {
		return frame{}, &fatalError{stated(fault.Refused, "54000", "a message is longer than this server takes", "send shorter statements and parameters")}
	}
	body, err := readBody(r, buf[:0], int(n))
	if err != nil {
		return frame{}, errGone
	}
	return frame{kind: head[0], body: body}, nil
}

// readBody reads n bytes, and takes no more memory than what has arrived asks for.
func readBody(r io.Reader, buf []byte, n int) ([]byte, error) {
	for len(buf) < n {
		step := min(n-len(buf), max(readStep, len(buf)))
		at := len(buf)
		if cap(buf) < at+step {
			grown := make([]byte, at, at+step)
			copy(grown, buf)
			buf = grown
		}
		buf = buf[:at+step]
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// body reads the fields of a message. After the first field that is not there all others are zero, and done says so.
type body struct {
	rest []byte
	bad  bool
}

func (b *body) take(n int) []byte {
	if b.bad || n < 0 || n > len(b.rest) {
		b.bad = true
		return nil
	}
	out := b.rest[:n]
	b.rest = b.rest[n:]
	return out
}

func (b *body) byte() byte {
	if v := b.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (b *body) int16() int {
	if v := b.take(2); v != nil {
		return int(int16(binary.BigEndian.Uint16(v))) //nolint:gosec // the wire's own sign
	}
	return 0
}

func (b *body) int32() int {
	if v := b.take(4); v != nil {
		return int(int32(binary.BigEndian.Uint32(v))) //nolint:gosec // the wire's own sign
	}
	return 0
}

func (b *body) uint32() uint32 {
	if v := b.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// text reads a string that ends with a zero byte.
func (b *body) text() string {
	if b.bad {
		return ""
	}
	for i, c := range b.rest {
		if c == 0 {
			s := string(b.rest[:i])
			b.rest = b.rest[i+1:]
			return s
		}
	}
	b.bad = true
	return ""
}

// done says whether everything was there and nothing else.
func (b *body) done() bool { return !b.bad && len(b.rest) == 0 }

// outbox collects messages and writes them. Only the connection's own goroutine uses it.
type outbox struct {
	to     net.Conn
	stall  time.Duration // how long one write may take
	settle func() error  // records what is owed for what was collected; nil before there is a session
	buf    []byte
	start  int // of the open message's length field
	err    error
}

// open begins a message; close ends it.
func (o *outbox) open(kind byte) {
	o.buf = append(o.buf, kind, 0, 0, 0, 0)
	o.start = len(o.buf) - 4
}

func (o *outbox) close() {
	binary.BigEndian.PutUint32(o.buf[o.start:], uint32(len(o.buf)-o.start)) //nolint:gosec // rows are bounded by the engine's own values, below 2^31
}

func (o *outbox) text(s string) {
	// A zero byte would end the string early and begin a field that nobody wrote.
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	o.buf = append(append(o.buf, s...), 0)
}

func (o *outbox) int16(v int) { o.buf = binary.BigEndian.AppendUint16(o.buf, uint16(v)) } //nolint:gosec // the wire's own width
func (o *outbox) int32(v int) { o.buf = binary.BigEndian.AppendUint32(o.buf, uint32(v)) } //nolint:gosec // the wire's own width

// empty writes a message without a body.
func (o *outbox) empty(kind byte) { o.buf = append(o.buf, kind, 0, 0, 0, 4) }

// complete is CommandComplete.
func (o *outbox) complete(tag string) {
	o.open('C')
	o.text(tag)
	o.close()
}

// flush writes what was collected, and is the only way out of a connection. What cannot be recorded is not sent. After a write that failed nobody is there any more.
func (o *outbox) flush() error {
	if o.err != nil {
		return o.err
	}
	if len(o.buf) == 0 {
		return nil
	}
	if o.settle != nil {
		if err := o.settle(); err != nil {
			o.buf = o.buf[:0]
			return &fatalError{err}
		}
	}
	_ = o.to.SetWriteDeadline(time.Now().Add(o.stall))
	_, err := o.to.Write(o.buf)
	if cap(o.buf) > keepAtMost {
		o.buf = nil
	}
	o.buf = o.buf[:0]
	if err != nil {
		o.err = errGone
	}
	return o.err
}

// full writes when enough was collected.
func (o *outbox) full() error {
	if len(o.buf) < flushAt {
		return o.err
	}
	return o.flush()
}

// report is ErrorResponse or NoticeResponse.
func (o *outbox) report(kind byte, severity string, err error) {
	shown := fault.Public(err)
	state, position := stateOf(err)
	var within *withinError
	if errors.As(err, &within) {
		position += within.shift
	}
	o.open(kind)
	field := func(code byte, text string) {
		if text != "" {
			o.buf = append(o.buf, code)
			o.text(text)
		}
	}
	field('S', severity)
	field('V', severity)
	field('C', state)
	field('M', shown.Message)
	field('H', shown.Hint)
	if _, told := stateOf(err); told > 0 {
		field('P', itoa(position))
	}
	o.buf = append(o.buf, 0)
	o.close()
}

// stateOf is the SQLSTATE of an error, and its place in the statement.
func stateOf(err error) (string, int) {
	var s *StateError
	if errors.As(err, &s) && len(s.SQLState) == 5 {
		return s.SQLState, s.Position
	}
	switch fault.KindOf(err) {
	case fault.Usage:
		return "42601", 0
	case fault.Invalid:
		return "22023", 0
	case fault.NotFound:
		return "42P01", 0
	case fault.Unavailable:
		return "57P03", 0
	case fault.Refused:
		return "42501", 0
	case fault.Found, fault.Internal:
	}
	return "XX000", 0
}

// clean says whether text of a client can be text at all.
func clean(s string) error {
	if !utf8.ValidString(s) {
		return stated(fault.Invalid, "22021", "the text is not valid UTF-8", "set the client's encoding to UTF8")
	}
	return nil
}
