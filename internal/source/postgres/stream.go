package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// progressEvery is how often Progress is told at most.
const progressEvery = 200 * time.Millisecond

// Messages inside the replication stream.
const (
	streamData      = 'w'
	streamKeepalive = 'k'
	dataHeader      = 1 + 8 + 8 + 8
	keepaliveSize   = 1 + 8 + 8 + 1
)

// followed is a table of the selection.
type followed struct {
	layout  *treatment.Layout
	decoder *rowDecoder
}

// mapped is a relation of the stream as the selection sees it.
type mapped struct {
	table  *followed // nil: not of the selection
	width  int
	from   []int // for each column of the layout its place in the stream's rows
	misfit []source.Drift
	row    []field // in the layout's order, used again for each row
	old    []field
}

// stream is one run of Read. All of it belongs to Read's goroutine but what watch says.
type stream struct {
	source    *Source
	sink      source.Sink
	selection source.Selection
	watch     *watch

	tables    map[string]*followed
	relations map[uint32]*mapped
	change    change

	open bool      // inside a transaction
	xid  uint32    // of it
	end  LSN       // everything before has been told
	at   time.Time // production's clock as last told
	told time.Time // our clock when Progress was last told
}

// Read implements source.Source.
func (s *Source) Read(ctx context.Context, sel source.Selection, from source.Position, sink source.Sink) error {
	if !s.readMu.TryLock() {
		return fault.New(fault.Internal, "the source is being read already", "")
	}
	defer s.readMu.Unlock()
	s.reading.Store(true)
	defer s.reading.Store(false)
	start, err := parsePosition(from)
	if err != nil {
		return err
	}
	t := &stream{source: s, sink: sink, selection: sel, end: start, tables: make(map[string]*followed), relations: make(map[uint32]*mapped)}
	for _, l := range sel {
		d, err := newRowDecoder(l)
		if err != nil {
			return s.failure(ctx, "read "+l.Table, err)
		}
		t.tables[l.Table] = &followed{layout: l, decoder: d}
	}
	return t.read(ctx, start)
}

func (t *stream) read(ctx context.Context, start LSN) error {
	s := t.source
	side, err := s.connect(ctx, false)
	if err != nil {
		return err
	}
	defer closeConn(side)
	if err := s.readable(ctx, side, start); err != nil {
		return err
	}
	first, err := s.look(ctx, side)
	if err != nil {
		return err
	}
	if err := t.looked(first); err != nil {
		return err
	}
	conn, err := s.connect(ctx, true)
	if err != nil {
		return err
	}
	s.lastPID.Store(conn.PID())
	if err := s.startReplication(ctx, conn, start); err != nil {
		closeConn(conn)
		return err
	}
	t.watch = s.newWatch(ctx, conn.Conn(), side)
	err = t.follow(ctx, conn)
	closeConn(conn)
	t.watch.join()
	return err
}

// startReplication puts the session into the replication stream.
func (s *Source) startReplication(ctx context.Context, conn *pgconn.PgConn, start LSN) error {
	conn.Frontend().SendQuery(&pgproto3.Query{String: fmt.Sprintf("START_REPLICATION SLOT %s LOGICAL %s (proto_version '1', publication_names %s, binary 'true')",
		quoteName(s.name), start, quoteText(quoteName(s.name)))})
	if err := conn.Frontend().Flush(); err != nil {
		return s.streamFailure(ctx, err)
	}
	for {
		m, err := conn.ReceiveMessage(ctx)
		if err != nil {
			return s.streamFailure(ctx, err)
		}
		switch m := m.(type) {
		case *pgproto3.CopyBothResponse:
			return nil
		case *pgproto3.ErrorResponse:
			return s.streamFailure(ctx, pgconn.ErrorResponseToPgError(m))
		}
	}
}

// follow takes messages until something ends it. A poked deadline of the socket interrupts the waiting: see watch.
func (t *stream) follow(ctx context.Context, conn *pgconn.PgConn) error {
	front := conn.Frontend()
	for {
		m, err := front.Receive()
		var network net.Error
		switch {
		case err == nil:
		case errors.As(err, &network) && network.Timeout():
			if err := t.attend(ctx, conn.Conn()); err != nil {
				return err
			}
			continue
		default:
			if ended := t.watch.failure(); ended != nil && ctx.Err() == nil {
				return ended
			}
			return t.source.streamFailure(ctx, err)
		}
		switch m := m.(type) {
		case *pgproto3.CopyData:
			err = t.message(ctx, m.Data)
		case *pgproto3.ErrorResponse:
			err = t.source.streamFailure(ctx, pgconn.ErrorResponseToPgError(m))
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		default: // the server ends the stream: it is shutting down
			err = t.source.failure(ctx, "send its changes", errClosed)
		}
		if err != nil {
			return err
		}
	}
}

// errClosed is a stream that the server ended in good order.
var errClosed = errors.New("the server ended the stream")

// attend does what the goroutine was woken for. The deadline is cleared first, so that a poke after it is not lost.
func (t *stream) attend(ctx context.Context, socket net.Conn) error {
	if err := socket.SetReadDeadline(time.Time{}); err != nil {
		return t.source.streamFailure(ctx, err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := t.watch.failure(); err != nil {
		return err
	}
	return t.news()
}

// news tells what the catalogue watch saw, between transactions.
func (t *stream) news() error {
	if t.open {
		return nil
	}
	if c := t.watch.take(); c != nil {
		return t.looked(c)
	}
	return nil
}

func (t *stream) message(ctx context.Context, p []byte) error {
	switch {
	case len(p) >= dataHeader && p[0] == streamData:
		t.watch.busy.Store(true)
		if err := t.data(ctx, p[dataHeader:]); err != nil {
			return err
		}
	case len(p) == keepaliveSize && p[0] == streamKeepalive:
		s := scanner{p: p[1:]}
		end := LSN(s.uint64())
		s.uint64()
		t.watch.answered(s.byte() == 1)
		return t.progress(ctx, end)
	default:
		return t.source.failure(ctx, "send its changes", errMessage)
	}
	return nil
}

// progress tells how far the server has looked, when it has sent everything before.
func (t *stream) progress(ctx context.Context, end LSN) error {
	if t.open || end < t.end {
		return nil
	}
	if err := t.settle(end); err != nil {
		return err
	}
	if err := t.news(); err != nil {
		return err
	}
	now := time.Now()
	if now.Sub(t.told) < min(progressEvery, t.source.beat()/2) {
		return nil
	}
	at := t.watch.clock(end)
	if at.IsZero() || end == t.end && !at.After(t.at) {
		return ctx.Err()
	}
	if err := t.sink.Progress(position(end), at); err != nil {
		return err
	}
	t.end, t.at, t.told = end, at, now
	return nil
}

// data handles one pgoutput message.
func (t *stream) data(ctx context.Context, p []byte) error {
	if len(p) == 0 {
		return t.source.failure(ctx, "send its changes", errMessage)
	}
	body := p[1:]
	switch p[0] {
	case messageInsert, messageUpdate, messageDelete:
		return t.row(ctx, p[0], body)
	case messageBegin:
		m, err := parseBegin(body)
		if err != nil {
			return t.source.failure(ctx, "send its changes", err)
		}
		t.open, t.xid = true, m.xid
		return t.sink.Begin(position(m.commit), m.committed)
	case messageCommit:
		end, err := parseCommit(body)
		if err != nil {
			return t.source.failure(ctx, "send its changes", err)
		}
		t.open, t.end = false, end
		if err := t.sink.Commit(position(end)); err != nil {
			return err
		}
		if err := t.settle(end); err != nil {
			return err
		}
		return t.news()
	case messageRelation:
		r, err := parseRelation(body)
		if err != nil {
			return t.source.failure(ctx, "send its changes", err)
		}
		t.relations[r.id] = t.mapRelation(r)
		return nil
	case messageTruncate:
		return t.truncate(ctx, body)
	case messageOrigin, messageType, messageLogical:
		return nil
	default:
		return t.source.failure(ctx, "send its changes", errMessage)
	}
}

// mapRelation finds the layout's columns in a relation. What is missing matters only once a row is wanted: while the stream passes a time before the publication
// was changed, its rows are in a snapshot that was taken after.
func (t *stream) mapRelation(r *relation) *mapped {
	f := t.tables[r.namespace+"."+r.name]
	m := &mapped{table: f, width: len(r.columns)}
	if f == nil {
		return m
	}
	at := make(map[string]int, len(r.columns))
	for i, c := range r.columns {
		at[c.name] = i
	}
	m.from, m.row, m.old = make([]int, len(f.layout.Columns)), make([]field, len(f.layout.Columns)), make([]field, len(f.layout.Columns))
	for i, c := range f.layout.Columns {
		place, ok := at[c.Name]
		switch {
		case !ok:
			m.misfit = append(m.misfit, source.Drift{Kind: source.ColumnDropped, Table: f.layout.Table, Column: c.Name})
		case !sameType(typeOf(r.columns[place].oid, r.columns[place].typmod), c.Type):
			m.misfit = append(m.misfit, source.Drift{Kind: source.ColumnRetyped, Table: f.layout.Table, Column: c.Name})
		}
		m.from[i] = place
	}
	return m
}

func (t *stream) row(ctx context.Context, kind byte, body []byte) error {
	if err := t.change.parse(kind, body); err != nil {
		return t.source.failure(ctx, "send its changes", err)
	}
	m := t.relations[t.change.relation]
	if m == nil {
		return t.source.failure(ctx, "send its changes", errMessage)
	}
	if m.table == nil {
		return nil
	}
	out, err := t.sink.Rows(m.table.layout.Table)
	if err != nil || out == nil {
		return err
	}
	if len(m.misfit) > 0 {
		for _, d := range m.misfit {
			if err := t.sink.Drift(d); err != nil {
				return err
			}
		}
		return selectionError(m.table.layout.Table, "changed its columns")
	}
	if err := m.append(out, &t.change); err != nil {
		return t.source.failure(ctx, "send rows of "+m.table.layout.Table, err)
	}
	return nil
}

// append appends a change; an update that changes the key is two rows.
func (m *mapped) append(out appender, c *change) error {
	if c.kind != messageInsert && c.hasOld && len(c.old) != m.width || c.kind != messageDelete && len(c.new) != m.width {
		return errMessage
	}
	d := m.table.decoder
	if c.kind == messageDelete {
		return d.appendKey(out, treatment.Delete, m.arrange(m.old, c.old))
	}
	row := m.arrange(m.row, c.new)
	switch {
	case c.kind == messageInsert:
		return d.append(out, treatment.Insert, row)
	case !c.hasOld:
		return d.append(out, treatment.Update, row)
	}
	old := m.arrange(m.old, c.old)
	moved := false
	for _, k := range m.table.layout.Key {
		if row[k].form == fieldSame { // a long key that did not change: the old row has it
			row[k] = old[k]
		}
		moved = moved || row[k].form != old[k].form || !bytes.Equal(row[k].data, old[k].data)
	}
	if !moved {
		return d.append(out, treatment.Update, row)
	}
	if err := d.appendKey(out, treatment.MoveFrom, old); err != nil {
		return err
	}
	return d.append(out, treatment.MoveTo, row)
}

func (m *mapped) arrange(into, fields []field) []field {
	for i, place := range m.from {
		into[i] = fields[place]
	}
	return into
}

func (t *stream) truncate(ctx context.Context, body []byte) error {
	relations, err := parseTruncate(body)
	if err != nil {
		return t.source.failure(ctx, "send its changes", err)
	}
	for _, id := range relations {
		m := t.relations[id]
		if m == nil || m.table == nil {
			continue
		}
		name := m.table.layout.Table
		t.source.truncations.add(name, strconv.FormatUint(uint64(t.xid), 10))
		if err := t.sink.Truncate(name); err != nil {
			return err
		}
	}
	return nil
}
