package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

// yieldEvery is how often a running copy looks whether production waits for it.
const yieldEvery = 500 * time.Millisecond

// errYield is why a copy was ended: a statement of production waited for its lock.
var errYield = errors.New("production waits for the copy")

// snapshot is an exported snapshot of a temporary slot. Its session must stay idle: the next command on it would end the snapshot.
type snapshot struct {
	source   *Source
	slot     *pgconn.PgConn
	name     string
	position source.Position
	taken    time.Time

	lookout *pgconn.PgConn // sees whether production waits for a copy
	stop    context.CancelFunc
	joined  chan struct{}

	mu     sync.Mutex // guards copies
	copies map[uint32]context.CancelCauseFunc
}

// Snapshot implements source.Source. Production's clock is read first, so that everything that had committed by Time is in the snapshot.
func (s *Source) Snapshot(ctx context.Context) (source.Snapshot, error) {
	n := &snapshot{source: s, joined: make(chan struct{}), copies: make(map[uint32]context.CancelCauseFunc)}
	var err error
	if n.lookout, err = s.connect(ctx, false); err != nil {
		return nil, err
	}
	if n.slot, err = s.connect(ctx, true); err != nil {
		closeConn(n.lookout)
		return nil, err
	}
	if err := n.open(ctx); err != nil {
		closeConn(n.lookout)
		closeConn(n.slot)
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background())
	n.stop = stop
	go n.yield(watch)
	return n, nil
}

func (n *snapshot) open(ctx context.Context) error {
	r, err := simple(ctx, n.lookout, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
	if err != nil {
		return n.source.failure(ctx, "tell its time", err)
	}
	n.taken = time.UnixMicro(cellInt(r[0][0][0])).UTC()
	slot := fmt.Sprintf("%s_copy%d", n.source.name, n.slot.PID())
	r, err = simple(ctx, n.slot, "CREATE_REPLICATION_SLOT "+quoteName(slot)+" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')")
	if err != nil {
		return n.source.failure(ctx, "make a temporary replication slot for the snapshot", err)
	}
	if len(r) != 1 || len(r[0]) != 1 || len(r[0][0]) != 4 {
		return n.source.failure(ctx, "make a temporary replication slot for the snapshot", errMessage)
	}
	lsn, err := parseLSN(string(r[0][0][1]))
	if err != nil {
		return n.source.failure(ctx, "make a temporary replication slot for the snapshot", err)
	}
	n.position, n.name = position(lsn), string(r[0][0][2])
	return nil
}

func (n *snapshot) Position() source.Position { return n.position }
func (n *snapshot) Time() time.Time           { return n.taken }

// Close ends the snapshot and its slot. Copies that still run go on with what they have, for their transactions are their own.
func (n *snapshot) Close() error {
	n.stop()
	<-n.joined
	closeConn(n.lookout)
	closeConn(n.slot)
	return nil
}

// yield ends a copy for which a statement of production waits: an ALTER TABLE behind a long copy would stop every query behind itself.
func (n *snapshot) yield(ctx context.Context) {
	defer close(n.joined)
	tick := time.NewTicker(yieldEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n.mu.Lock()
		running := len(n.copies)
		n.mu.Unlock()
		if running == 0 {
			continue
		}
		r, err := simple(ctx, n.lookout, "SELECT DISTINCT b FROM pg_locks w CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) b WHERE NOT w.granted")
		n.mu.Lock()
		if err != nil { // blind: better no copy than one that production may wait for
			for _, end := range n.copies {
				end(errYield)
			}
			n.mu.Unlock()
			return
		}
		for _, row := range r[0] {
			if end := n.copies[cellOID(row[0])]; end != nil {
				end(errYield)
			}
		}
		n.mu.Unlock()
	}
}

// Copy implements source.Snapshot.
func (n *snapshot) Copy(ctx context.Context, l *treatment.Layout, rows func() (*treatment.Builder, error)) error {
	reader, err := newCopyReader(l, func() (appender, error) { return rows() })
	if err != nil {
		return n.source.failure(ctx, "copy "+l.Table, err)
	}
	conn, err := n.source.connect(ctx, false)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	copying, end := context.WithCancelCause(ctx)
	defer end(nil)
	n.mu.Lock()
	n.copies[conn.PID()] = end
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.copies, conn.PID())
	}()
	return n.outcome(ctx, copying, reader, l, n.copy(copying, conn, reader, l))
}

// outcome says which of the things that can end a copy did.
func (n *snapshot) outcome(ctx, copying context.Context, reader *copyReader, l *treatment.Layout, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(context.Cause(copying), errYield):
		return fault.Newf(fault.Unavailable, "the copy of %s was ended because a statement of production waited for it", l.Table).
			WithHint("weir copies the table again; a table that production alters often is best copied at a quiet moment")
	case reader.failed != nil && !errors.Is(reader.failed, errField) && !errors.Is(reader.failed, errCopy):
		return reader.failed // what rows returned
	default:
		return n.source.failure(ctx, "copy "+l.Table, err)
	}
}

func (n *snapshot) copy(ctx context.Context, conn *pgconn.PgConn, reader *copyReader, l *treatment.Layout) error {
	schema, name, _ := strings.Cut(l.Table, ".")
	r, err := simple(ctx, conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT "+quoteText(n.name)+
		"; SELECT c.relkind, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = "+quoteText(schema)+" AND c.relname = "+quoteText(name))
	if err != nil {
		return err
	}
	if len(r[2]) == 0 {
		return selectionError(l.Table, "is not there")
	}
	query := selectList(l, cellByte(r[2][0][0]))
	// describing the query takes its locks, so what it says holds until the copy is done
	d, err := conn.Prepare(ctx, "", query, nil)
	switch state := stateOf(err); {
	case state == "42P01" || state == "42703":
		return selectionError(l.Table, "lost a column or is not there any more")
	case err != nil:
		return err
	}
	for i, f := range d.Fields {
		if !sameType(typeOf(f.DataTypeOID, f.TypeModifier), l.Columns[i].Type) {
			return selectionError(l.Table, "has another type in column "+l.Columns[i].Name)
		}
	}
	if _, err := conn.CopyTo(ctx, reader, "COPY ("+query+") TO STDOUT (FORMAT binary)"); err != nil {
		return err
	}
	if err := reader.close(); err != nil {
		return err
	}
	if err := unmoved(ctx, conn, l.Table, cellOID(r[2][0][1])); err != nil {
		return err
	}
	_, err = simple(ctx, conn, "COMMIT")
	return err
}

// unmoved makes sure, while the copy's locks are still held, that what was read was the table of the snapshot: TRUNCATE, a rewriting ALTER TABLE and the attaching and detaching of
// partitions are not transactional in PostgreSQL, so that an older snapshot sees the rows of such a table come or go. A query of pg_class answers as of the snapshot, its
// functions as of now.
func unmoved(ctx context.Context, conn *pgconn.PgConn, table string, oid uint32) error {
	r, err := simple(ctx, conn, fmt.Sprintf(`WITH RECURSIVE tree(oid) AS (SELECT %[1]d::oid UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid),
kind AS (SELECT relkind = 'p' AS parts FROM pg_class WHERE oid = %[1]d),
own AS (SELECT oid FROM tree WHERE oid = %[1]d OR (SELECT parts FROM kind)),
now AS (SELECT relid::oid AS oid FROM pg_partition_tree(%[1]d) UNION SELECT %[1]d::oid)
SELECT EXISTS (SELECT FROM own JOIN pg_class c USING (oid) WHERE c.relkind <> 'f' AND c.relfilenode <> coalesce(pg_relation_filenode(c.oid), 0))
OR EXISTS (SELECT oid FROM own EXCEPT SELECT oid FROM now) OR EXISTS (SELECT oid FROM now EXCEPT SELECT oid FROM own)`, oid))
	if err != nil {
		return err
	}
	if cellBool(r[0][0][0]) {
		return fault.Newf(fault.Unavailable, "production truncated or rebuilt %s while it was copied", table).WithHint("weir copies the table again")
	}
	return nil
}

// selectList asks for the layout's columns and nothing else. A partitioned table is read from its root; a plain one without tables that inherit from it, for those
// are tables of their own.
func selectList(l *treatment.Layout, kind byte) string {
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Name
	}
	only := "ONLY "
	if kind == 'p' {
		only = ""
	}
	return "SELECT " + quoteNames(names) + " FROM " + only + quoteTable(l.Table)
}

// selectionError is source.ErrSelection with its reason.
func selectionError(table, what string) error {
	return fault.Newf(fault.Invalid, "the table %s %s", table, what).WithCause(source.ErrSelection).
		WithHint("weir plans anew with the catalogue as it is now; weir plan shows what changes")
}
