package duckdb

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// format is the version of what is in the files. A newer one is refused.
const format = 1

// session is an engine's session with what this package asks of it.
type session struct {
	*engine.Session
	free func()
}

// writer is the writing session of a file.
type writer struct {
	session
	f *file
}

func (s *Store) openWriter(ctx context.Context, f *file) (*writer, error) {
	e, release, err := f.acquire(ctx)
	if err != nil {
		return nil, err
	}
	sess, err := e.Writer(ctx)
	if err != nil {
		release()
		return nil, fmt.Errorf("open writer of %s: %w", f.access, err)
	}
	return &writer{session{sess, func() { sess.Release(); release() }}, f}, nil
}

func (w *writer) close() { w.free() }

func (s *session) exec(ctx context.Context, sql string) error {
	if _, err := s.Exec(ctx, sql); err != nil {
		return fmt.Errorf("write store: %w", err)
	}
	return nil
}

// rollback ends the transaction whatever happened in it. Where that fails too, for want of memory, the session would stay in it for ever, and nothing more could be written.
func (s *session) rollback(ctx context.Context) {
	_ = s.Flush(ctx) // an append may have failed meanwhile; it doesn't matter any more
	// Of the class transaction is that there is none any more.
	if _, err := s.Exec(ctx, "ROLLBACK"); err != nil && engine.ClassOf(err) != engine.ClassTransaction {
		s.Abandon()
	}
}

// transaction runs work in a transaction of the writer.
func (s *session) transaction(ctx context.Context, work func() error) error {
	if err := s.exec(ctx, "BEGIN TRANSACTION"); err != nil {
		return err
	}
	if err := work(); err != nil {
		s.rollback(context.WithoutCancel(ctx))
		return err
	}
	if err := s.exec(ctx, "COMMIT"); err != nil {
		s.rollback(context.WithoutCancel(ctx))
		return err
	}
	return nil
}

// texts returns the answer's cells as text; NULL is empty.
func (s *session) texts(ctx context.Context, sql string, args ...any) ([][]string, error) {
	rows, err := s.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	var out [][]string
	for rows.Next() {
		b := rows.Batch()
		for i := range int(b.NumRows()) {
			row := make([]string, b.NumCols())
			for j := range row {
				row[j] = cellText(b.Column(j), i)
			}
			out = append(out, row)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	return out, nil
}

func cellText(a arrow.Array, i int) string {
	if a.IsNull(i) {
		return ""
	}
	if s, ok := a.(*array.String); ok {
		return s.Value(i)
	}
	return a.ValueStr(i)
}

// number returns the one number that the statement gives.
func (s *session) number(ctx context.Context, sql string, args ...any) (int64, error) {
	rows, err := s.texts(ctx, sql, args...)
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 || len(rows[0]) == 0 {
		return 0, fault.New(fault.Internal, "the store gave no number", "report it with weir's version")
	}
	n, err := strconv.ParseInt(rows[0][0], 10, 64)
	if err != nil {
		return 0, fault.New(fault.Internal, "the store gave no number", "report it with weir's version")
	}
	return n, nil
}

func (w *writer) initialise(ctx context.Context) error {
	if err := w.refuseForeign(ctx); err != nil {
		return err
	}
	n, err := w.number(ctx, "SELECT count(*) FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = '_weir' AND table_name = 'meta'")
	if err != nil {
		return err
	}
	if n == 0 {
		return w.transaction(ctx, func() error {
			return w.exec(ctx, `CREATE SCHEMA IF NOT EXISTS _weir;
CREATE TABLE _weir.meta (format INTEGER, identity VARCHAR, position VARCHAR, as_of TIMESTAMP, renew BOOLEAN);
CREATE TABLE _weir.tables (name VARCHAR, hash VARCHAR, shape VARCHAR, copied BOOLEAN, since VARCHAR);
CREATE TABLE _weir.facts (name VARCHAR, hash VARCHAR, shape VARCHAR, position VARCHAR, as_of TIMESTAMP, derive BOOLEAN);
CREATE TABLE _weir.deltas (name VARCHAR, shape VARCHAR);
INSERT INTO _weir.meta VALUES (`+strconv.Itoa(format)+`, '', '', NULL, false)`)
		})
	}
	have, err := w.number(ctx, "SELECT format FROM _weir.meta")
	if err != nil {
		return err
	}
	if have > format {
		return fault.Newf(fault.Refused, "the store was written by a newer weir (format %d, this one knows %d)", have, format).
			WithHint("use the newer weir, or start with an empty store")
	}
	return nil
}

// refuseForeign refuses a file in which somebody made functions, types or views. weir makes none; in the place of an engine's own function one of them would run whenever the decision on SQL
// allows that name.
func (w *writer) refuseForeign(ctx context.Context) error {
	n, err := w.number(ctx, `SELECT (SELECT count(*) FROM duckdb_functions() WHERE NOT internal) + (SELECT count(*) FROM duckdb_views() WHERE NOT internal) +
		(SELECT count(*) FROM duckdb_types() WHERE NOT internal)`)
	if err != nil {
		return err
	}
	if n > 0 {
		return fault.Newf(fault.Refused, "the store's file for %s holds functions, types or views that weir did not make", w.f.access).
			WithHint("somebody wrote into it: keep it for whoever looks into that, and start with an empty store; weir run copies everything anew")
	}
	return nil
}

// fileState is what one file knows.
type fileState struct {
	identity string
	mark     treatment.Mark
	renew    bool
	tables   map[string]store.TableState
	shapes   map[string]string
	facts    map[string]factState
}

type factState struct {
	hash   string
	shape  string
	mark   treatment.Mark
	derive bool
	rows   int64
}

// mark reads how far the file is.
func (s *session) mark(ctx context.Context) (treatment.Mark, error) {
	rows, err := s.texts(ctx, "SELECT position, epoch_us(as_of) FROM _weir.meta")
	if err != nil {
		return treatment.Mark{}, err
	}
	if len(rows) != 1 {
		return treatment.Mark{}, damaged()
	}
	return parseMark(rows[0][0], rows[0][1])
}

func damaged() error {
	return fault.New(fault.Internal, "the store's own records are damaged", "start with an empty store; the copy is made anew")
}

func parseMark(position, micros string) (treatment.Mark, error) {
	m := treatment.Mark{Position: treatment.Position(position)}
	if micros != "" {
		us, err := strconv.ParseInt(micros, 10, 64)
		if err != nil {
			return m, damaged()
		}
		m.AsOf = time.UnixMicro(us).UTC()
	}
	return m, nil
}

// markSQL is the mark as values of position and as_of.
func markSQL(m treatment.Mark) (string, string) {
	asOf := "NULL"
	if !m.AsOf.IsZero() {
		asOf = "make_timestamp(" + strconv.FormatInt(m.AsOf.UnixMicro(), 10) + "::BIGINT)"
	}
	return literal(string(m.Position)), asOf
}

// state reads all that the file knows; rows are counted when asked for.
func (s *session) state(ctx context.Context, count bool) (fileState, error) {
	st := fileState{tables: map[string]store.TableState{}, shapes: map[string]string{}, facts: map[string]factState{}}
	rows, err := s.texts(ctx, "SELECT identity, position, epoch_us(as_of), renew FROM _weir.meta")
	if err != nil {
		return st, err
	}
	if len(rows) != 1 {
		return st, damaged()
	}
	st.identity, st.renew = rows[0][0], rows[0][3] == "true"
	if st.mark, err = parseMark(rows[0][1], rows[0][2]); err != nil {
		return st, err
	}
	if rows, err = s.texts(ctx, "SELECT name, hash, shape, copied, since FROM _weir.tables"); err != nil {
		return st, err
	}
	for _, r := range rows {
		st.tables[r[0]] = store.TableState{Hash: r[1], Copied: r[3] == "true", Since: treatment.Position(r[4])}
		st.shapes[r[0]] = r[2]
	}
	if rows, err = s.texts(ctx, "SELECT name, hash, shape, position, epoch_us(as_of), derive FROM _weir.facts"); err != nil {
		return st, err
	}
	for _, r := range rows {
		m, err := parseMark(r[3], r[4])
		if err != nil {
			return st, err
		}
		st.facts[r[0]] = factState{hash: r[1], shape: r[2], mark: m, derive: r[5] == "true"}
	}
	if count {
		err = s.countRows(ctx, &st)
	}
	return st, err
}

func (s *session) countRows(ctx context.Context, st *fileState) error {
	var names, parts []string
	add := func(name string) error {
		p, err := parsePlace(name)
		if err != nil {
			return err
		}
		parts = append(parts, fmt.Sprintf("SELECT %d AS i, count(*) AS n FROM %s", len(names), p.sql()))
		names = append(names, name)
		return nil
	}
	for name := range st.tables {
		if err := add(name); err != nil {
			return err
		}
	}
	tables := len(names)
	for name := range st.facts {
		if err := add(name); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		return nil
	}
	rows, err := s.texts(ctx, strings.Join(parts, " UNION ALL "))
	if err != nil {
		return err
	}
	for _, r := range rows {
		i, err1 := strconv.Atoi(r[0])
		n, err2 := strconv.ParseInt(r[1], 10, 64)
		if err1 != nil || err2 != nil || i >= len(names) {
			return damaged()
		}
		if i < tables {
			t := st.tables[names[i]]
			t.Rows = n
			st.tables[names[i]] = t
		} else {
			f := st.facts[names[i]]
			f.rows = n
			st.facts[names[i]] = f
		}
	}
	return nil
}
