package postgres

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

const (
	keepSize        = "10GB" // what the script sets where there is no limit
	publishOptions  = "publish = 'insert, update, delete, truncate', publish_via_partition_root = true"
	scriptLockLimit = "2s"
)

// scriptHead makes a script give up instead of standing in production's way.
const scriptHead = `-- A statement that cannot have its lock in time fails, so that production never waits for it: run the script again at a quieter moment.
SET lock_timeout = '` + scriptLockLimit + `';
`

// Script implements source.Source. It refuses a selection with a table whose updates would fail in production once it is published.
func (s *Source) Script(ctx context.Context, sel source.Selection) (string, error) {
	var script string
	err := s.admin(ctx, func(conn *pgconn.PgConn) error {
		c, err := s.look(ctx, conn)
		if err != nil {
			return err
		}
		for _, l := range sel {
			if problems := c.problems(l); len(problems) > 0 {
				return fault.Newf(fault.Refused, "%s cannot be published: %s", l.Table, problems[0].Message).WithHint("%s", problems[0].Fix)
			}
		}
		unlimited, err := s.unlimited(ctx, conn)
		if err != nil {
			return err
		}
		script = s.script(c, sel, unlimited)
		return nil
	})
	return script, err
}

// unlimited tells whether a slot may keep log until production's disk is full.
func (s *Source) unlimited(ctx context.Context, conn *pgconn.PgConn) (bool, error) {
	r, err := simple(ctx, conn, "SELECT current_setting('max_slot_wal_keep_size')")
	if err != nil {
		return false, s.failure(ctx, "show its settings", err)
	}
	return string(r[0][0][0]) == "-1", nil
}

func (s *Source) script(c *catalogue, sel source.Selection, unlimited bool) string {
	var b strings.Builder
	if why := c.misfit(sel); why != "" && len(sel) > 0 {
		b.WriteString("-- The publication names exactly the tables and columns that the policy lets cross, and the keys by which their rows are followed.\n-- Nothing else is ever sent.\n")
		s.publicationScript(&b, c, sel)
	}
	if unlimited {
		fmt.Fprintf(&b, `
-- Without a limit, a replication slot that nobody reads keeps log until the disk is full. With it the slot is given up instead, and weir copies anew.
-- It holds for every replication slot of this server and takes effect without a restart.
ALTER SYSTEM SET max_slot_wal_keep_size = '%s';
SELECT pg_reload_conf();
`, keepSize)
	}
	if b.Len() == 0 {
		return ""
	}
	return "-- What weir needs to read this database. Take it away with: weir source release\n" + scriptHead + "\n" + strings.TrimPrefix(b.String(), "\n")
}

func (s *Source) publicationScript(b *strings.Builder, c *catalogue, sel source.Selection) {
	tables := make([]string, len(sel))
	for i, l := range sel {
		tables[i] = "  " + published(l, c.tables[l.Table])
	}
	sort.Strings(tables)
	list := "TABLE\n" + strings.Join(tables, ",\n")
	name := quoteName(s.name)
	switch {
	case c.publication == nil:
		fmt.Fprintf(b, "CREATE PUBLICATION %s FOR %s\n  WITH (%s);\n", name, list, publishOptions)
	case c.publication.allTables || c.publication.schemas: // cannot be narrowed
		fmt.Fprintf(b, "BEGIN;\nDROP PUBLICATION %s;\nCREATE PUBLICATION %s FOR %s\n  WITH (%s);\nCOMMIT;\n", name, name, list, publishOptions)
	default: // the options first: a partitioned table takes a column list only when it is published as its root
		fmt.Fprintf(b, "BEGIN;\nALTER PUBLICATION %s SET (%s);\nALTER PUBLICATION %s SET %s;\nCOMMIT;\n", name, publishOptions, name, list)
	}
}

// published is a table with its column list as CREATE PUBLICATION takes it.
func published(l *treatment.Layout, t *table) string {
	names := make([]string, len(l.Columns))
	for i, c := range l.Columns {
		names[i] = c.Name
	}
	only := ""
	if t != nil && t.kind != 'p' {
		only = "ONLY "
	}
	return only + quoteTable(l.Table) + " (" + quoteNames(names) + ")"
}

// misfit says how the publication differs from the selection, or nothing.
func (c *catalogue) misfit(sel source.Selection) string {
	p := c.publication
	switch {
	case p == nil:
		return "it is not there"
	case p.allTables || p.schemas:
		return "it publishes more than the named tables"
	case !p.viaRoot || !p.insert || !p.update || !p.delete || !p.truncate:
		return "its options differ"
	}
	wanted := make(map[uint32]bool, len(sel))
	for _, l := range sel {
		t := c.tables[l.Table]
		if t == nil {
			return l.Table + " is not in it"
		}
		wanted[t.oid] = true
		switch listed := p.tables[t.oid]; {
		case listed == nil:
			return l.Table + " is not in it"
		case listed.filtered:
			return "it has only some rows of " + l.Table
		case !p.covers(t, l):
			return "it lacks " + strings.Join(p.lacks(t, l), ", ") + " of " + l.Table
		case p.exceeds(t, l):
			if more := p.surplus(t, l); len(more) > 0 {
				return "it has " + strings.Join(more, ", ") + " of " + l.Table + ", which the policy does not let cross (a column that production renamed stays in it under its new name)"
			}
			return "it has more columns of " + l.Table + " than the policy lets cross"
		}
	}
	for oid, listed := range p.tables {
		if !wanted[oid] {
			return "it has the table " + listed.name + ", which the policy does not let cross"
		}
	}
	return ""
}

// ReleaseScript implements source.Source. The script may be run any number of times; it can only end when weir does not read the slot.
func (s *Source) ReleaseScript(ctx context.Context) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `-- Takes away everything of weir from this database. Stop weir first: a slot that is being read cannot be dropped.
%s
SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s;
DROP PUBLICATION IF EXISTS %s;
`, scriptHead, quoteText(s.name), quoteName(s.name))
	err := s.admin(ctx, func(conn *pgconn.PgConn) error {
		set, err := s.limitIsOurs(ctx, conn)
		if err != nil {
			return err
		}
		others, err := s.otherSlots(ctx, conn)
		if err != nil {
			return err
		}
		if set && others {
			b.WriteString("\n-- max_slot_wal_keep_size stays: other slots of this server need a limit too.\n")
		}
		if set && !others {
			b.WriteString("\n-- The limit that weir's script had set.\nALTER SYSTEM RESET max_slot_wal_keep_size;\nSELECT pg_reload_conf();\n")
		}
		return nil
	})
	return b.String(), err
}

// otherSlots tells whether the server has replication slots that are not this source's.
func (s *Source) otherSlots(ctx context.Context, conn *pgconn.PgConn) (bool, error) {
	r, err := simple(ctx, conn, "SELECT EXISTS (SELECT FROM pg_replication_slots WHERE NOT temporary AND slot_name <> "+quoteText(s.name)+")")
	if err != nil {
		return false, s.failure(ctx, "show its slots", err)
	}
	return cellBool(r[0][0][0]), nil
}

// limitIsOurs tells whether ALTER SYSTEM set what our script sets. A role that may not see where settings come from sees the value alone.
func (s *Source) limitIsOurs(ctx context.Context, conn *pgconn.PgConn) (bool, error) {
	r, err := simple(ctx, conn, `SELECT has_table_privilege('pg_catalog.pg_file_settings', 'SELECT') AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE'),
current_setting('max_slot_wal_keep_size') = `+quoteText(keepSize))
	if err != nil {
		return false, s.failure(ctx, "show its settings", err)
	}
	if !cellBool(r[0][0][0]) {
		return cellBool(r[0][0][1]), nil
	}
	r, err = simple(ctx, conn, `SELECT FROM pg_file_settings WHERE name = 'max_slot_wal_keep_size' AND sourcefile LIKE '%postgresql.auto.conf' AND setting = `+quoteText(keepSize))
	if err != nil {
		return false, s.failure(ctx, "show its settings", err)
	}
	return len(r[0]) > 0, nil
}

// Execute implements source.Source: each statement by itself, because ALTER SYSTEM runs in no transaction.
func (s *Source) Execute(ctx context.Context, script string) error {
	conn, err := s.connect(ctx, false) // its own session, for the script changes settings
	if err != nil {
		return err
	}
	defer closeConn(conn)
	loaded, err := confLoaded(ctx, conn)
	if err != nil {
		return s.failure(ctx, "show its settings", err)
	}
	reload := false
	for _, statement := range split(script) {
		if _, err := simple(ctx, conn, statement); err != nil {
			verb, _, _ := strings.Cut(statement, "\n")
			verb, _, _ = strings.Cut(verb, `"`)
			return s.failure(ctx, "run a statement of the script ("+strings.TrimSpace(verb)+")", err)
		}
		reload = reload || strings.Contains(statement, "pg_reload_conf")
	}
	if !reload {
		return nil
	}
	return s.awaitReload(ctx, conn, loaded)
}

func confLoaded(ctx context.Context, conn *pgconn.PgConn) (string, error) {
	r, err := simple(ctx, conn, "SELECT pg_conf_load_time()")
	if err != nil {
		return "", err
	}
	return string(r[0][0][0]), nil
}

// awaitReload waits until a session sees the new settings, which pg_reload_conf only asks for, and lets the session for questions be opened anew. A server that takes
// longer is not an error: the next check says what is missing.
func (s *Source) awaitReload(ctx context.Context, conn *pgconn.PgConn, before string) error {
	patience := time.NewTimer(slotRelease)
	defer patience.Stop()
	poll := time.NewTicker(slotPoll)
	defer poll.Stop()
	for waiting := true; waiting; {
		now, err := confLoaded(ctx, conn)
		if err != nil {
			return s.failure(ctx, "show its settings", err)
		}
		if now != before {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			waiting = false
		case <-poll.C:
		}
	}
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	if s.adminConn != nil {
		closeConn(s.adminConn)
		s.adminConn = nil
	}
	return nil
}

// split cuts a script at the semicolons outside of quotes and leaves comments out.
func split(script string) []string {
	var statements []string
	var b strings.Builder
	for i := 0; i < len(script); i++ {
		switch c := script[i]; c {
		case '-':
			if strings.HasPrefix(script[i:], "--") {
				end := strings.IndexByte(script[i:], '\n')
				if end < 0 {
					end = len(script) - i
				}
				i += end - 1
				continue
			}
			b.WriteByte(c)
		case '\'', '"':
			end := strings.IndexByte(script[i+1:], c) // a doubled quote opens the next piece at once
			if end < 0 {
				end = len(script) - i - 2
			}
			b.WriteString(script[i : i+end+2])
			i += end + 1
		case ';':
			if text := strings.TrimSpace(b.String()); text != "" {
				statements = append(statements, text)
			}
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if text := strings.TrimSpace(b.String()); text != "" {
		statements = append(statements, text)
	}
	return statements
}
