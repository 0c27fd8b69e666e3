package engine

import (
	"encoding/json"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// The child's side. It writes nothing to its standard streams, because whatever it could say may quote values.

const (
	controlFD = 3 // then one for each session

	exitGone     = 3 // the parent's sockets closed
	exitRefused  = 4 // it could not start
	exitProtocol = 5
	exitFatal    = 6 // DuckDB invalidated the database
	reassert     = 5 * time.Millisecond
)

// Main turns the process into an engine when it was started as one, and then never returns. Otherwise it returns at once. Call it before anything else in
// main and in TestMain of packages that start engines. What decides is the process's name together with the socket it inherited: no setting can do it.
func Main() {
	if len(os.Args) != 1 || os.Args[0] != childName || !isSocket(controlFD) {
		return
	}
	os.Exit(serve())
}

func fileConn(fd uintptr) (net.Conn, error) {
	f := os.NewFile(fd, "engine")
	defer func() { _ = f.Close() }() // FileConn holds a copy
	return net.FileConn(f)
}

func serve() int {
	guardProcess()
	conn, err := fileConn(controlFD)
	if err != nil {
		return exitProtocol
	}
	in, out := newFrameReader(conn), newFrameWriter(conn)
	kind, payload, err := in.next()
	if err != nil || kind != frameConfig {
		return exitProtocol
	}
	var s settings
	if err := json.Unmarshal(payload, &s); err != nil {
		return exitProtocol
	}
	conns := make([]net.Conn, s.Sessions)
	for i := range conns {
		if conns[i], err = fileConn(uintptr(controlFD + 1 + i)); err != nil {
			return exitProtocol
		}
	}
	closeStray(1 + s.Sessions)
	db, fail := openDatabase(s)
	bound := memoryBound(s)
	if fail == 0 {
		fail = sandbox(s)
	}
	if fail == 0 && s.From != "" {
		fail = db.copyFrom()
	}
	if fail != 0 {
		_ = out.send(frameFail, []byte{byte(fail)})
		return exitRefused
	}
	c := &child{db: db}
	if !c.govern(s, bound) {
		_ = out.send(frameFail, []byte{byte(failOpen)})
		return exitRefused
	}
	for _, conn := range conns {
		w, ok := c.serve(conn)
		if !ok {
			_ = out.send(frameFail, []byte{byte(failOpen)})
			return exitRefused
		}
		c.workers = append(c.workers, w)
	}
	go c.governor.work()
	if fail := boundMemory(s, bound); fail != 0 {
		_ = out.send(frameFail, []byte{byte(fail)})
		return exitRefused
	}
	if err := out.send(frameOK, nil); err != nil {
		return exitGone
	}
	return c.control(in)
}

// child is the engine in its own process.
type child struct {
	db       *database
	workers  []*worker
	governor *governor
	done     sync.WaitGroup
}

// control obeys the control socket until it closes.
func (c *child) control(in *frameReader) int {
	for {
		kind, payload, err := in.next()
		if err != nil {
			return exitGone
		}
		switch kind {
		case frameBreak:
			u := unwire{b: payload}
			i, seq := u.u64(), u.u64()
			if u.bad || i >= uint64(len(c.workers)) {
				return exitProtocol
			}
			go c.workers[i].interrupt(seq)
		case frameStop:
			for _, w := range c.workers {
				w.stop()
			}
			c.done.Wait()
			c.governor.stop()
			c.db.close()
			return 0
		default:
			return exitProtocol
		}
	}
}

// job is one request, read whole.
type job struct {
	kind    frameKind
	seq     uint64
	text    string
	mode    mode
	args    unwire
	table   Table
	batches []arrow.RecordBatch
	failed  Class // it could not be read

	answered bool   // by another frame than the last word
	after    func() // what is left to do when the answer is on its way; it cannot be broken off
}

// writes says whether it may write.
func (j *job) writes() bool {
	switch j.kind {
	case frameDescribe, frameTexts:
		return false
	case frameQuery:
		return j.mode == modeAny
	default:
		return true
	}
}

// worker serves one session: one goroutine reads ahead, one works.
type worker struct {
	c        *connection
	conn     net.Conn
	in       *frameReader
	out      *frameWriter
	jobs     chan *job
	governor *governor

	mu      sync.Mutex
	running uint64    // the seq that runs; 0 between statements; under mu
	begun   uint64    // the last seq that was begun; under mu
	broken  uint64    // a seq that was broken off before it was begun; under mu
	since   time.Time // when it was begun; under mu
	spent   uint64    // the last seq that was broken off for its memory; under mu
	over    bool      // no more statements; under mu
}

func (c *child) serve(conn net.Conn) (*worker, bool) {
	cn, ok := c.db.connect()
	if !ok {
		return nil, false
	}
	w := &worker{c: cn, conn: conn, in: newFrameReader(conn), out: newFrameWriter(conn), jobs: make(chan *job), governor: c.governor}
	c.done.Add(1)
	go w.read()
	go func() {
		defer c.done.Done()
		w.work()
	}()
	return w, true
}

// stop breaks off what runs and lets the worker end.
func (w *worker) stop() {
	w.mu.Lock()
	w.over = true
	seq := w.running
	w.mu.Unlock()
	if seq != 0 {
		go w.interrupt(seq)
	}
	_ = w.conn.Close()
}

// interrupt breaks off the statement seq, if it runs. DuckDB forgets an interruption that comes before the statement has really begun, so it is repeated.
func (w *worker) interrupt(seq uint64) {
	tick := time.NewTicker(reassert)
	defer tick.Stop()
	for {
		w.mu.Lock()
		if w.running != seq {
			if seq > w.begun { // the order overtook the statement on its other socket
				w.broken = seq
			}
			w.mu.Unlock()
			return
		}
		w.c.interrupt()
		w.mu.Unlock()
		<-tick.C
	}
}

func (w *worker) read() {
	defer close(w.jobs)
	for {
		j, err := w.readJob()
		if err != nil {
			return // the parent is gone, or the control socket says what to do
		}
		w.jobs <- j
	}
}

func (w *worker) readJob() (*job, error) {
	kind, payload, err := w.in.next()
	if err != nil {
		return nil, err
	}
	u := unwire{b: payload}
	j := &job{kind: kind, seq: u.u64()}
	switch kind {
	case frameExec, frameDescribe:
		j.text = u.text()
	case frameQuery:
		j.mode = mode(u.byte())
		j.text = u.text()
		j.args = u
	case frameTexts:
		j.text = u.text()
		j.args = u
	case frameAppend:
		j.table = Table{Catalog: u.text(), Schema: u.text(), Name: u.text()}
		if err := w.readBatches(j); err != nil {
			return nil, err
		}
	default:
		return nil, errFrame
	}
	if u.bad {
		return nil, errFrame
	}
	return j, nil
}

func (w *worker) readBatches(j *job) error {
	data := &dataReader{f: w.in}
	r, err := ipc.NewReader(data)
	if err == nil {
		for r.Next() {
			b := r.RecordBatch()
			b.Retain()
			j.batches = append(j.batches, b)
		}
		err = r.Err()
		r.Release()
	}
	if err != nil {
		j.failed = ClassInput
	}
	if err := data.drain(); err != nil {
		return err
	}
	if data.end != frameEnd {
		return errFrame
	}
	return nil
}

func (w *worker) work() {
	defer w.c.close()
	for j := range w.jobs {
		w.mu.Lock()
		over := w.over
		if !over {
			w.running, w.begun, w.since = j.seq, j.seq, time.Now()
		}
		if w.broken == j.seq && j.failed == 0 {
			j.failed = ClassInterrupted
		}
		w.mu.Unlock()
		if over {
			continue
		}
		w.governor.notice()
		changed, class, err := w.do(j)
		if w.settled(j.seq) && class == ClassInterrupted {
			class = ClassMemory
		}
		if class == ClassMemory {
			w.governor.missed()
		}
		if class == ClassFatal || class == ClassInternal && j.writes() {
			os.Exit(exitFatal) // a fresh engine can use the file again; this one can't
		}
		if err == nil && !j.answered {
			err = w.reply(j.seq, changed, class)
		}
		if j.after != nil {
			j.after()
		}
		if err != nil {
			_ = w.conn.Close() // the reader ends, and with it the work
		}
	}
}

// settled ends the time in which the statement can be broken off, and tells whether it was, for its memory.
func (w *worker) settled(seq uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = 0
	return w.spent == seq
}

func (w *worker) reply(seq uint64, changed int64, class Class) error {
	var m wire
	m.u64(seq)
	if class != 0 {
		return w.out.send(frameFail, m.byte(byte(class)).b)
	}
	return w.out.send(frameOK, m.u64(uint64(changed)).b) //nolint:gosec // a row count
}

// do runs a job. The class is the database's error, the error the socket's.
func (w *worker) do(j *job) (int64, Class, error) {
	if j.failed != 0 {
		return 0, j.failed, nil
	}
	switch j.kind {
	case frameExec:
		defer w.c.plans.changing(j.text)()
		changed, class := w.c.exec(j.text)
		return changed, class, nil
	case frameAppend:
		defer w.c.plans.changing("")()
		rows, class := w.c.append(j.table, j.batches)
		return rows, class, nil
	case frameDescribe:
		return w.describe(j)
	case frameTexts:
		return w.texts(j)
	default:
		return w.query(j)
	}
}

// texts answers with the one row of texts.
func (w *worker) texts(j *job) (int64, Class, error) {
	q, class := w.c.query(j.text, modeSelect, true, &j.args)
	if class != 0 {
		return 0, class, nil
	}
	var m wire
	m.u64(j.seq)
	class = q.row(&m)
	q.close(class == 0)
	if class != 0 {
		return 0, class, nil
	}
	if len(m.b) > maxFrame {
		return 0, ClassMemory, nil
	}
	_ = w.settled(j.seq) // an order to break off that comes later is for nothing that runs
	j.answered = true
	return 0, 0, w.out.send(frameTexts, m.b)
}

// describe answers with a stream that has a schema and no rows, and with the number of parameters, whose fields come first.
func (w *worker) describe(j *job) (int64, Class, error) {
	schema, parameters, class := w.c.describe(j.text)
	if class != 0 {
		return 0, class, nil
	}
	out := ipc.NewWriter(w.out, ipc.WithSchema(schema))
	if err := out.Close(); err != nil {
		return 0, 0, errors.Join(errFrame, err)
	}
	return int64(parameters), 0, nil
}

// query streams the rows of a statement.
func (w *worker) query(j *job) (rows int64, class Class, err error) {
	widest := int64(math.MaxInt64)
	switch j.mode {
	case modeAny:
		defer w.c.plans.changing("")()
	case modeSelect:
	case modeReadOnly:
		if class := w.c.beginRead(); class != 0 {
			return 0, class, nil
		}
		j.after, widest = w.c.endRead, maxRowBytes
	default:
		return 0, ClassInput, nil
	}
	q, class := w.c.query(j.text, j.mode, j.mode == modeReadOnly, &j.args)
	if class != 0 {
		return 0, class, nil
	}
	defer func() { q.close(class == 0 && err == nil) }()
	if class = q.shape(); class != 0 {
		return 0, class, nil
	}
	out := ipc.NewWriter(w.out, ipc.WithSchema(q.schema))
	for {
		b, class := q.next()
		if class != 0 {
			return rows, class, nil
		}
		if b == nil {
			break
		}
		rows += b.NumRows()
		class, err := write(out, b, widest)
		b.Release()
		if class != 0 || err != nil {
			return rows, class, err
		}
	}
	if err := out.Close(); err != nil {
		return 0, 0, errors.Join(errFrame, err)
	}
	return rows, 0, nil
}

// write sends a batch in pieces.
func write(out *ipc.Writer, b arrow.RecordBatch, widest int64) (Class, error) {
	for part, ok := range pieces(b, widest) {
		if !ok {
			return ClassWidth, nil
		}
		if err := out.Write(part); err != nil {
			return 0, errors.Join(errFrame, err)
		}
	}
	return 0, nil
}
