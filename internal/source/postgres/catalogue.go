package postgres

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/source"
)

// catalogue is one consistent look at production's catalogue.
type catalogue struct {
	lsn         LSN // production's log had been written to here, or less far, when the look was taken; 0 on a standby
	tables      map[string]*table
	byOID       map[uint32]*table
	publication *publication // nil when it is not there
}

type table struct {
	oid         uint32
	name        string
	kind        byte // 'r' or 'p'
	identity    byte // relreplident
	persistence byte
	filtered    bool // row-level security would filter what we read
	rows        int64
	columns     []source.Column
	primary     *index
	parts       map[uint32]*part // all of the tree below a partitioned table
}

type index struct {
	immediate, valid bool
	columns          []string
}

// part is a member of a partitioned table's tree.
type part struct {
	oid          uint32
	name         string
	kind         byte
	identity     byte
	persistence  byte
	file         string // its storage: a new one after TRUNCATE and rewrites
	changedBy    string // the transaction that last wrote its row of pg_class
	bornAttached bool   // made by CREATE TABLE … PARTITION OF, so it had no rows when it came in
}

type publication struct {
	allTables, schemas, viaRoot      bool
	insert, update, delete, truncate bool
	tables                           map[uint32]*publishedTable
}

type publishedTable struct {
	name       string
	filtered   bool // has a WHERE
	allColumns bool
	columns    map[string]bool
}

const ours = `c.relkind IN ('r','p') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`

// The statements of a look, in the order in which look reads their results. pg_inherits is walked by hand because pg_partition_tree takes locks.
const (
	sqlTables = `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relpersistence, greatest(c.reltuples, 0)::bigint, row_security_active(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ` + ours
	sqlColumns = `SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.attnum > 0 AND NOT a.attisdropped AND ` + ours + ` ORDER BY a.attrelid, a.attnum`
	sqlKeys = `SELECT i.indrelid, i.indimmediate, i.indisvalid, a.attname
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indisprimary AND k.ord <= i.indnkeyatts AND ` + ours + ` ORDER BY i.indrelid, k.ord`
	// A partition that was attached after it was made has had its columns' rows rewritten by the ATTACH; one that was made in its place still has them as they were
	// made, together with those of its system columns, which nothing ever rewrites.
	sqlPartitions = `WITH RECURSIVE tree AS (
SELECT i.inhparent AS root, i.inhrelid AS oid
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT i.inhdetachpending AND ` + ours + `
UNION ALL
SELECT t.root, i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending)
SELECT t.root, t.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.relpersistence, c.relfilenode, c.xmin::text, greatest(c.reltuples, 0)::bigint,
EXISTS (SELECT FROM pg_attribute a JOIN pg_attribute y ON y.attrelid = a.attrelid AND y.attnum = -1
  WHERE a.attrelid = t.oid AND a.attnum > 0 AND a.attinhcount > 0 AND a.xmin = y.xmin AND a.cmin = y.cmin)
FROM tree t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace`
	sqlPublication = `SELECT p.puballtables, EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid), p.pubviaroot, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate
FROM pg_publication p WHERE p.pubname = %[1]s;
SELECT r.prrelid, n.nspname, c.relname, r.prqual IS NOT NULL, r.prattrs IS NULL, a.attname
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL unnest(r.prattrs::int2[]) k(attnum) ON true LEFT JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.attnum
WHERE p.pubname = %[1]s`
)

// look reads the catalogue under one snapshot, in one exchange.
func (s *Source) look(ctx context.Context, conn *pgconn.PgConn) (*catalogue, error) {
	statements := []string{
		"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", sqlTables, sqlColumns, sqlKeys, sqlPartitions, fmt.Sprintf(sqlPublication, quoteText(s.name)),
		"SELECT CASE WHEN pg_is_in_recovery() THEN '0/0'::pg_lsn ELSE pg_current_wal_insert_lsn() END", "COMMIT",
	}
	r, err := simple(ctx, conn, strings.Join(statements, ";\n"))
	if err != nil {
		return nil, s.failure(ctx, "show its catalogue", err)
	}
	const want = 9
	if len(r) != want {
		return nil, s.failure(ctx, "show its catalogue", errMessage)
	}
	c := &catalogue{tables: make(map[string]*table), byOID: make(map[uint32]*table)}
	s.readTables(c, r[1])
	readColumns(c, r[2])
	readKeys(c, r[3])
	readPartitions(c, r[4])
	readPublication(c, r[5], r[6])
	if c.lsn, err = cellLSN(r[7:8]); err != nil {
		return nil, s.failure(ctx, "show its catalogue", err)
	}
	c.lsn = c.lsn.recordEnd()
	return c, nil
}

func cellOID(b []byte) uint32 {
	n, _ := strconv.ParseUint(string(b), 10, 32) // an oid of the catalogue; 0 is none
	return uint32(n)
}

func cellInt(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64) // a number of the catalogue
	return n
}

func cellBool(b []byte) bool { return len(b) == 1 && b[0] == 't' }

func cellByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func (s *Source) readTables(c *catalogue, rows result) {
	for _, r := range rows {
		schema := string(r[1])
		if strings.Contains(schema, ".") || s.schemas != nil && !s.schemas[schema] {
			continue
		}
		t := &table{
			oid: cellOID(r[0]), name: schema + "." + string(r[2]), kind: cellByte(r[3]), identity: cellByte(r[4]), persistence: cellByte(r[5]),
			rows: cellInt(r[6]), filtered: cellBool(r[7]),
		}
		if t.kind == 'p' {
			t.rows, t.parts = 0, make(map[uint32]*part) // the leaves count
		}
		c.tables[t.name], c.byOID[t.oid] = t, t
	}
}

func readColumns(c *catalogue, rows result) {
	for _, r := range rows {
		t := c.byOID[cellOID(r[0])]
		if t == nil {
			continue
		}
		typ := typeOf(cellOID(r[2]), int32(cellInt(r[3]))) //nolint:gosec // a type modifier is an int4
		t.columns = append(t.columns, source.Column{
			Name: string(r[1]), Type: typ, TypeName: typeNamed(typ, string(r[4])), NotNull: cellBool(r[5]), Generated: cellBool(r[6]),
		})
	}
}

func readKeys(c *catalogue, rows result) {
	for _, r := range rows {
		t := c.byOID[cellOID(r[0])]
		if t == nil {
			continue
		}
		if t.primary == nil {
			t.primary = &index{immediate: cellBool(r[1]), valid: cellBool(r[2])}
		}
		t.primary.columns = append(t.primary.columns, string(r[3]))
	}
}

func readPartitions(c *catalogue, rows result) {
	for _, r := range rows {
		t := c.byOID[cellOID(r[0])]
		if t == nil {
			continue
		}
		p := &part{
			oid: cellOID(r[1]), name: string(r[2]) + "." + string(r[3]), kind: cellByte(r[4]), identity: cellByte(r[5]), persistence: cellByte(r[6]),
			file: string(r[7]), changedBy: string(r[8]), bornAttached: cellBool(r[10]),
		}
		if p.kind != 'p' {
			t.rows += cellInt(r[9])
		}
		t.parts[p.oid] = p
	}
}

func readPublication(c *catalogue, options, tables result) {
	if len(options) == 0 {
		return
	}
	o := options[0]
	c.publication = &publication{
		allTables: cellBool(o[0]), schemas: cellBool(o[1]), viaRoot: cellBool(o[2]), insert: cellBool(o[3]), update: cellBool(o[4]), delete: cellBool(o[5]), truncate: cellBool(o[6]),
		tables: make(map[uint32]*publishedTable),
	}
	for _, r := range tables {
		oid := cellOID(r[0])
		p := c.publication.tables[oid]
		if p == nil {
			p = &publishedTable{name: string(r[1]) + "." + string(r[2]), filtered: cellBool(r[3]), allColumns: cellBool(r[4]), columns: make(map[string]bool)}
			c.publication.tables[oid] = p
		}
		if r[5] != nil {
			p.columns[string(r[5])] = true
		}
	}
}

// key returns the columns by which updates and deletes are told, or why they cannot be followed.
func (t *table) key() (columns []string, problem string) {
	switch {
	case t.persistence == 'u':
		return nil, "the table is unlogged, so its changes are in no log"
	case t.identity == 'f':
		return nil, "the table has REPLICA IDENTITY FULL, which goes with no column list"
	case t.identity == 'n':
		return nil, "the table has REPLICA IDENTITY NOTHING, so updates and deletes name no row"
	case t.identity == 'i':
		return nil, "the table has REPLICA IDENTITY USING INDEX; weir follows primary keys"
	}
	switch {
	case t.primary == nil:
		return nil, "the table has no primary key"
	case !t.primary.immediate:
		return nil, "the primary key is deferrable, so updates and deletes name no row"
	case !t.primary.valid:
		return nil, "the primary key's index is not valid"
	}
	for _, p := range t.sortedParts() {
		switch {
		case p.kind == 'f':
			return nil, "the partition " + p.name + " is a foreign table, whose changes are not in this log"
		case p.persistence == 'u':
			return nil, "the partition " + p.name + " is unlogged, so its changes are in no log"
		case p.kind != 'p' && p.identity != 'd':
			return nil, "the partition " + p.name + " has a replica identity of its own"
		}
	}
	return t.primary.columns, ""
}

func (t *table) sortedParts() []*part {
	parts := make([]*part, 0, len(t.parts))
	for _, p := range t.parts {
		parts = append(parts, p)
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].name < parts[j].name })
	return parts
}

func (t *table) column(name string) *source.Column {
	for i := range t.columns {
		if t.columns[i].Name == name {
			return &t.columns[i]
		}
	}
	return nil
}

// Schema implements source.Source. Between two Reads it also sets what the next one measures drift against.
func (s *Source) Schema(ctx context.Context) (*source.Schema, error) {
	var schema *source.Schema
	err := s.admin(ctx, func(conn *pgconn.PgConn) error {
		c, err := s.look(ctx, conn)
		if err != nil {
			return err
		}
		r, err := simple(ctx, conn, "SELECT (pg_control_system()).system_identifier || '/' || current_database()")
		if err != nil {
			return s.failure(ctx, "tell which database it is", err)
		}
		if !s.reading.Load() {
			s.setSeen(c)
		}
		schema = &source.Schema{Identity: "postgres/" + string(r[0][0][0]), Tables: c.describe()}
		return nil
	})
	return schema, err
}

func (s *Source) setSeen(c *catalogue) {
	s.seenMu.Lock()
	defer s.seenMu.Unlock()
	s.seen = c
}

func (c *catalogue) describe() []source.Table {
	tables := make([]source.Table, 0, len(c.tables))
	for _, t := range c.tables {
		key, problem := t.key()
		d := source.Table{Name: t.name, Columns: t.columns, Key: key, KeyProblem: problem, Rows: t.rows}
		for _, p := range t.sortedParts() {
			if p.kind != 'p' {
				d.Partitions = append(d.Partitions, source.Partition{Name: p.name, ID: strconv.FormatUint(uint64(p.oid), 10), Storage: p.file, Empty: p.bornAttached})
			}
		}
		tables = append(tables, d)
	}
	sort.Slice(tables, func(i, j int) bool { return tables[i].Name < tables[j].Name })
	return tables
}
