package engine

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/weirproject/weir/internal/fault"
)

// Session is one connection to the database inside the engine, with its own transaction. One goroutine uses it at a time, and one statement runs in it.
type Session struct {
	engine *Engine
	index  int
	conn   net.Conn
	in     *frameReader
	out    *frameWriter
	home   chan *Session
	seq    uint64
	behind int // appends that were sent and not answered
	late   Class
	known  [keptPlans]uint64 // hashes of the statements that it probably has prepared, the next place to write in turn
	next   int
}

// remember notes that the session has a statement prepared. It may be wrong about that: it is where to look first, nothing else.
func (s *Session) remember(sql string) {
	if h := s.engine.hash(sql); !s.knows(h) {
		s.known[s.next] = h
		s.next = (s.next + 1) % len(s.known)
	}
}

func (s *Session) knows(h uint64) bool { return slices.Contains(s.known[:], h) }

// Table names where an append goes. An empty Catalog is the database's own; "temp" is the session's.
type Table struct{ Catalog, Schema, Name string }

// Release gives the session back. An open transaction is rolled back by whoever opened it, before.
func (s *Session) Release() { s.home <- s }

// watch breaks off the statement when ctx ends and kills the engine when that does not help. Call the result when the statement is answered.
func (s *Session) watch(ctx context.Context) func() {
	var (
		mu    sync.Mutex
		timer *time.Timer
		over  bool
	)
	seq := s.seq
	stop := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		s.engine.interrupt(s.index, seq)
		timer = time.AfterFunc(cancelGrace, s.engine.kill)
	})
	return func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		over = true
		if timer != nil {
			timer.Stop()
		}
	}
}

// broken ends an engine whose socket failed: nothing is known of what it did.
func (s *Session) broken() error {
	s.engine.Kill()
	return gone()
}

// Abandon ends the engine, because nobody knows what became of the session's transaction. A fresh engine has what was committed.
func (s *Session) Abandon() { s.engine.Kill() }

func (s *Session) answer(ctx context.Context, kind frameKind, payload []byte) (int64, error) {
	u := unwire{b: payload}
	u.u64()
	switch kind {
	case frameOK:
		return int64(u.u64()), nil //nolint:gosec // a row count
	case frameFail:
		return 0, classFault(ctx, Class(u.byte()))
	default:
		return 0, s.broken()
	}
}

// catchUp waits for the answers to appends. The first that failed is the answer.
func (s *Session) catchUp(ctx context.Context, leave int) error {
	for s.behind > leave {
		kind, payload, err := s.in.next()
		if err != nil {
			return s.broken()
		}
		s.behind--
		if kind == frameFail && s.late == 0 {
			u := unwire{b: payload}
			u.u64()
			s.late = Class(u.byte())
		}
	}
	if s.late != 0 {
		c := s.late
		s.late = 0
		return classFault(ctx, c)
	}
	return nil
}

// Exec runs statements that give no rows and returns how many rows the last one changed.
func (s *Session) Exec(ctx context.Context, sql string) (int64, error) {
	if err := acceptable(sql); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.watch(ctx)()
	var w wire
	if err := s.out.send(frameExec, w.u64(s.seq).text(sql).b); err != nil {
		return 0, s.broken()
	}
	kind, payload, err := s.in.next()
	if err != nil {
		return 0, s.broken()
	}
	return s.answer(ctx, kind, payload)
}

func (s *Session) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return classFault(ctx, ClassInterrupted)
	}
	stop := s.watch(ctx)
	err := s.catchUp(ctx, 0)
	stop()
	s.seq++
	return err
}

// Flush waits until every append is done and returns the error of the first that failed.
func (s *Session) Flush(ctx context.Context) error {
	defer s.watch(ctx)()
	return s.catchUp(ctx, 0)
}

// Append adds the rows of a batch to a table whose columns are the batch's, in order. It returns when the batch is on its way, so that the next can be
// prepared meanwhile; whether it succeeded, the next call of the session tells. Columns marked as arrow.uuid arrive as UUID.
func (s *Session) Append(ctx context.Context, t Table, b arrow.RecordBatch) error {
	if err := ctx.Err(); err != nil {
		return classFault(ctx, ClassInterrupted)
	}
	s.seq++
	defer s.watch(ctx)()
	// One append may run while the next is sent.
	if err := s.catchUp(ctx, 1); err != nil {
		return err
	}
	var w wire
	if err := s.out.send(frameAppend, w.u64(s.seq).text(t.Catalog).text(t.Schema).text(t.Name).b); err != nil {
		return s.broken()
	}
	out := ipc.NewWriter(s.out, ipc.WithSchema(b.Schema()))
	err := out.Write(b)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return s.broken()
	}
	if err := s.out.send(frameEnd, nil); err != nil {
		return s.broken()
	}
	s.behind++
	return nil
}

// MaxStatement is how long a statement may be, in bytes.
const MaxStatement = 8 << 20

// acceptable keeps from the engine what would break the protocol with it, or end at a NUL before its end.
func acceptable(sql string) error {
	if len(sql) > MaxStatement {
		return fault.New(fault.Invalid, "the statement is too long", "ask in several statements")
	}
	if strings.ContainsRune(sql, 0) {
		return fault.New(fault.Invalid, "the statement holds a NUL", "remove it")
	}
	return nil
}

// Query runs exactly one statement and streams its rows. Arguments are bound by position ($1…). The session serves nothing else until Rows is closed.
func (s *Session) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return s.query(ctx, modeAny, sql, args)
}

// Select is Query for a statement that must be a SELECT: any other kind is refused before it runs.
func (s *Session) Select(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return s.query(ctx, modeSelect, sql, args)
}

// Read is Select in a read-only transaction of its own, which ends with the rows, all in one round. The session must not have a transaction. The engine keeps the statement
// prepared for the next time, until something is written.
func (s *Session) Read(ctx context.Context, sql string, args ...any) (*Rows, error) {
	s.remember(sql)
	return s.query(ctx, modeReadOnly, sql, args)
}

func (s *Session) query(ctx context.Context, m mode, sql string, args []any) (*Rows, error) {
	var w wire
	if err := s.request(ctx, &w, []byte{byte(m)}, sql, args); err != nil {
		return nil, err
	}
	return s.stream(ctx, frameQuery, w.b)
}

// request begins a statement and writes what is asked.
func (s *Session) request(ctx context.Context, w *wire, front []byte, sql string, args []any) error {
	if err := acceptable(sql); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	w.u64(s.seq)
	w.b = append(w.b, front...)
	if err := w.text(sql).arguments(args); err != nil {
		return err
	}
	if len(w.b) > maxFrame {
		return fault.New(fault.Invalid, "the statement's arguments are too long", "pass less at once")
	}
	return nil
}

// Texts runs one SELECT that gives one row of texts, none of them NULL, and returns them. It is the short way for short answers: no stream is made, and the engine keeps the
// statement prepared. The session must not have a transaction.
func (s *Session) Texts(ctx context.Context, sql string, args ...any) ([]string, error) {
	var w wire
	if err := s.request(ctx, &w, nil, sql, args); err != nil {
		return nil, err
	}
	defer s.watch(ctx)()
	if err := s.out.send(frameTexts, w.b); err != nil {
		return nil, s.broken()
	}
	kind, payload, err := s.in.next()
	if err != nil {
		return nil, s.broken()
	}
	if kind != frameTexts {
		if _, err := s.answer(ctx, kind, payload); err != nil {
			return nil, err
		}
		return nil, s.broken() // a plain success is no answer
	}
	u := unwire{b: payload}
	u.u64()
	var out []string
	for len(u.b) > 0 {
		out = append(out, u.text())
	}
	if u.bad {
		return nil, s.broken()
	}
	return out, nil
}

// stream sends a request whose answer is an Arrow stream.
func (s *Session) stream(ctx context.Context, kind frameKind, request []byte) (*Rows, error) {
	stop := s.watch(ctx)
	if err := s.out.send(kind, request); err != nil {
		stop()
		return nil, s.broken()
	}
	r := &Rows{session: s, ctx: ctx, stop: stop, data: &dataReader{f: s.in}}
	reader, err := ipc.NewReader(r.data)
	if err != nil {
		return nil, r.finish()
	}
	r.reader = reader
	return r, nil
}

// Rows is the answer to a query. Close it.
type Rows struct {
	session *Session
	ctx     context.Context
	stop    func()
	data    *dataReader
	reader  *ipc.Reader
	closed  bool
	err     error
	count   int64 // what the answer's last word says
}

// Schema is the answer's schema.
func (r *Rows) Schema() *arrow.Schema { return r.reader.Schema() }

// Next moves to the next batch; false at the end and after an error.
func (r *Rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	if r.reader.Next() {
		return true
	}
	r.err = r.finish()
	return false
}

// Batch is the current batch, valid until the next step.
func (r *Rows) Batch() arrow.RecordBatch { return r.reader.RecordBatch() }

// Err is the error that ended the rows.
func (r *Rows) Err() error { return r.err }

// finish reads the rest of the answer and its last word.
func (r *Rows) finish() error {
	if r.closed {
		return r.err
	}
	r.closed = true
	defer r.stop()
	if r.reader != nil {
		r.reader.Release()
	}
	if err := r.data.drain(); err != nil {
		r.err = r.session.broken()
		return r.err
	}
	r.count, r.err = r.session.answer(r.ctx, r.data.end, r.data.last)
	return r.err
}

// Close ends the query, if it still runs, and makes the session free for the next.
func (r *Rows) Close() error {
	if r.closed {
		return nil
	}
	r.session.engine.interrupt(r.session.index, r.session.seq)
	err := r.finish()
	if IsGone(err) {
		return fmt.Errorf("close rows: %w", err)
	}
	return nil // an interruption is what was asked for
}

// Description is what a statement takes and gives. A parameter whose type would only be known from its value is of type Null.
type Description struct {
	Parameters []arrow.Field // a type alone does not tell a UUID from bytes
	Schema     *arrow.Schema
}

// Describe prepares one SELECT without running it. The session must not have a transaction.
func (s *Session) Describe(ctx context.Context, sql string) (*Description, error) {
	if err := acceptable(sql); err != nil {
		return nil, err
	}
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.remember(sql)
	var w wire
	rows, err := s.stream(ctx, frameDescribe, w.u64(s.seq).text(sql).b)
	if err != nil {
		return nil, err
	}
	schema := rows.Schema()
	if rows.Next() {
		return nil, s.broken() // a description has no rows
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	n := int(rows.count)
	if n > schema.NumFields() {
		return nil, s.broken()
	}
	fields := schema.Fields()
	return &Description{Parameters: fields[:n:n], Schema: arrow.NewSchema(fields[n:], nil)}, nil
}
