package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

const sqlServer = `SELECT current_setting('wal_level'), current_setting('server_encoding'), pg_is_in_recovery(), current_setting('synchronous_standby_names'),
current_setting('max_slot_wal_keep_size'), current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication), (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user),
current_user, current_database(), current_setting('server_version')`

// needSenders is what weir takes at most at the same time: the stream, and a snapshot beside it. The snapshot's temporary slot is the one beside the permanent.
const needSenders = 2

// Check implements source.Source.
func (s *Source) Check(ctx context.Context, sel source.Selection) ([]source.Finding, error) {
	var found []source.Finding
	err := s.admin(ctx, func(conn *pgconn.PgConn) error {
		c, err := s.look(ctx, conn)
		if err != nil {
			return err
		}
		r, err := simple(ctx, conn, sqlServer)
		if err != nil {
			return s.failure(ctx, "show its settings", err)
		}
		have, err := s.slotState(ctx, conn)
		if err != nil {
			return err
		}
		found = s.checkServer(r[0][0], have)
		healthy := true
		for _, l := range sel {
			problems := c.problems(l)
			healthy = healthy && len(problems) == 0
			found = append(found, problems...)
		}
		rights, err := s.checkRights(ctx, conn, c, sel, string(r[0][0][8]))
		if err != nil {
			return err
		}
		found = append(found, rights...)
		unlimited := string(r[0][0][4]) == "-1"
		if unlimited {
			found = append(found, stop("slot_limit", "max_slot_wal_keep_size is not set: a slot that nobody reads would fill production's disk",
				"let a DBA run:\nALTER SYSTEM SET max_slot_wal_keep_size = '"+keepSize+"';\nSELECT pg_reload_conf();"))
		}
		found = append(found, s.checkPublication(c, sel, healthy, unlimited)...)
		if len(sel) > 0 {
			found = append(found, s.consent())
		}
		return nil
	})
	return found, err
}

func stop(code, message, fix string) source.Finding {
	return source.Finding{Severity: source.Stop, Code: code, Message: message, Fix: fix}
}

func (s *Source) checkServer(r [][]byte, have *slot) []source.Finding {
	var found []source.Finding
	if level := string(r[0]); level != "logical" {
		found = append(found, stop("wal_level", "wal_level is "+level+": changes are not in the log in a readable form",
			"let a DBA run ALTER SYSTEM SET wal_level = 'logical'; and restart postgres (the setting takes effect by a restart only)"))
	}
	if encoding := string(r[1]); encoding != "UTF8" {
		found = append(found, stop("encoding", "the database is encoded in "+encoding+"; weir reads UTF8", "copy the database into one that is made with ENCODING 'UTF8'"))
	}
	if cellBool(r[2]) {
		found = append(found, stop("standby", "this server is a standby", "put the primary's address into the source's URL"))
	}
	if names := string(r[3]); standsFor(names, "weir") {
		found = append(found, stop("synchronous_standby", "synchronous_standby_names matches weir: production's commits would wait until weir has stored them",
			"let a DBA name the standbys in synchronous_standby_names one by one, without * and without weir"))
	}
	need := int64(2)
	if have != nil {
		need = 1
	}
	if free := cellInt(r[5]); free < need {
		found = append(found, stop("slots", fmt.Sprintf("%d replication slots are free and %d are needed", free, need),
			"let a DBA raise max_replication_slots and restart postgres, or drop a slot that nobody reads"))
	}
	if free := cellInt(r[6]); free < needSenders && (have == nil || !have.active) {
		found = append(found, stop("senders", fmt.Sprintf("%d WAL senders are free and %d are needed", free, needSenders), "let a DBA raise max_wal_senders and restart postgres"))
	}
	if !cellBool(r[7]) {
		found = append(found, stop("replication_right", "the role "+string(r[8])+" may not replicate", "let a DBA run ALTER ROLE "+quoteName(string(r[8]))+" REPLICATION;"))
	}
	if have != nil && have.lost {
		found = append(found, source.Finding{
			Severity: source.Warn, Code: "slot_lost", Message: "the slot " + s.name + " lost its log; everything is copied again", Fix: "raise max_slot_wal_keep_size if it happens again",
		})
	}
	if len(found) == 0 {
		found = append(found, source.Finding{Severity: source.OK, Code: "server", Message: "postgres " + string(r[10]) + " can be read"})
	}
	return found
}

// standsFor tells whether a list of synchronous standbys would take a session of this application_name for one.
func standsFor(names, application string) bool {
	for _, n := range strings.FieldsFunc(names, func(r rune) bool { return strings.ContainsRune("(), ", r) }) {
		if n = strings.Trim(n, `"`); n == "*" || strings.EqualFold(n, application) {
			return true
		}
	}
	return false
}

// problems are what keeps a table of the selection from ever being published.
func (c *catalogue) problems(l *treatment.Layout) []source.Finding {
	t := c.tables[l.Table]
	if t == nil {
		return []source.Finding{stop("table_missing", "the table "+l.Table+" is not there", "take it out of the policy or correct its name")}
	}
	var found []source.Finding
	switch key, problem := t.key(); {
	case problem != "":
		found = append(found, stop("no_key", l.Table+": "+problem+". Published with updates, production's own UPDATE and DELETE of it would fail, so it is not published", keyFix(t)))
	case !sameKey(t, l):
		found = append(found, stop("key_columns", "the key of "+l.Table+" is "+strings.Join(key, ", ")+", and the selection has another", "run weir plan: the policy must class every key column"))
	}
	if t.filtered {
		found = append(found, stop("row_security", "row-level security hides rows of "+l.Table+" from this role: the copy would miss them",
			"let a DBA give the role BYPASSRLS, or read as a role that sees all rows"))
	}
	for _, want := range l.Columns {
		switch have := t.column(want.Name); {
		case have == nil:
			found = append(found, stop("column_missing", "the column "+l.Table+"."+want.Name+" is not there", "take it out of the policy or correct its name"))
		case have.Generated:
			found = append(found, stop("generated_column", l.Table+"."+want.Name+" is computed by production, which does not replicate such columns", "say drop for it in the policy, and compute it from the columns that cross"))
		case have.Type.Kind == 0:
			found = append(found, stop("unsupported_type", "weir does not read the type "+have.TypeName+" of "+l.Table+"."+want.Name+" yet", "say drop for it in the policy"))
		case !sameType(have.Type, want.Type):
			found = append(found, stop("column_type", l.Table+"."+want.Name+" is "+have.TypeName+" and was planned as "+want.Type.Name, "run weir plan again"))
		}
	}
	return found
}

func keyFix(t *table) string {
	name := quoteTable(t.name)
	switch {
	case t.persistence == 'u':
		return "ALTER TABLE " + name + " SET LOGGED; if its contents matter, or take the table out of the policy"
	case t.identity == 'f' || t.identity == 'n' || t.identity == 'i':
		return "ALTER TABLE " + name + " REPLICA IDENTITY DEFAULT; when it has a primary key, or take the table out of the policy"
	}
	for _, p := range t.sortedParts() {
		if p.kind != 'p' && p.kind != 'f' && p.identity != 'd' {
			return "ALTER TABLE " + quoteTable(p.name) + " REPLICA IDENTITY DEFAULT;"
		}
	}
	return "give the table a primary key that is not deferrable, or take it out of the policy"
}

// checkRights asks what the role may read, column by column.
func (s *Source) checkRights(ctx context.Context, conn *pgconn.PgConn, c *catalogue, sel source.Selection, role string) ([]source.Finding, error) {
	var found []source.Finding
	for _, l := range sel {
		t := c.tables[l.Table]
		if t == nil {
			continue
		}
		schema, _, _ := strings.Cut(l.Table, ".")
		asks := []string{"has_schema_privilege(" + quoteText(schema) + ", 'USAGE')"}
		var names []string
		for _, want := range l.Columns {
			if t.column(want.Name) != nil {
				asks = append(asks, fmt.Sprintf("has_column_privilege(%d::oid, %s, 'SELECT')", t.oid, quoteText(want.Name)))
				names = append(names, want.Name)
			}
		}
		r, err := simple(ctx, conn, "SELECT "+strings.Join(asks, ", "))
		if err != nil {
			return nil, s.failure(ctx, "show its rights", err)
		}
		if !cellBool(r[0][0][0]) {
			found = append(found, stop("schema_right", "the role "+role+" may not use the schema "+schema, "GRANT USAGE ON SCHEMA "+quoteName(schema)+" TO "+quoteName(role)+";"))
		}
		var missing []string
		for i, n := range names {
			if !cellBool(r[0][0][i+1]) {
				missing = append(missing, n)
			}
		}
		if len(missing) > 0 {
			found = append(found, stop("select_right", "the role "+role+" may not read "+strings.Join(missing, ", ")+" of "+l.Table,
				"GRANT SELECT ("+quoteNames(missing)+") ON "+quoteTable(l.Table)+" TO "+quoteName(role)+";"))
		}
	}
	return found, nil
}

func (s *Source) checkPublication(c *catalogue, sel source.Selection, healthy, unlimited bool) []source.Finding {
	if len(sel) == 0 {
		return nil // nothing is to be published
	}
	why := c.misfit(sel)
	switch {
	case why == "":
		return []source.Finding{{Severity: source.OK, Code: "publication", Message: "the publication " + s.name + " names exactly what the policy lets cross"}}
	case !healthy:
		return []source.Finding{stop("publication", "the publication "+s.name+" does not fit the policy: "+why, "mend what stands above first; then weir source script prints what a DBA runs")}
	default:
		return []source.Finding{stop("publication", "the publication "+s.name+" does not fit the policy: "+why, "let a DBA run (weir source script prints it):\n"+s.script(c, sel, unlimited))}
	}
}

// consent is what a publication with column lists does to production's own statements, as PostgreSQL 15 was seen to do it.
func (s *Source) consent() source.Finding {
	name := quoteName(s.name)
	return source.Finding{
		Severity: source.Consent, Code: "production_ddl",
		Message: "while the publication " + s.name + " lists a column, production's ALTER TABLE … DROP COLUMN and ALTER COLUMN … TYPE of that column fail; " +
			"DROP COLUMN … CASCADE works and takes the whole table out of the publication; " +
			"and UPDATE and DELETE of a listed table fail from the moment its primary key is dropped or gets a column that is not listed, or it is given REPLICA IDENTITY FULL or NOTHING",
		Fix: "accept it in the configuration; before such a change of a table, let a DBA run ALTER PUBLICATION " + name + " DROP TABLE schema.table; (nothing of production fails then), " +
			"and afterwards the output of weir source script",
	}
}
