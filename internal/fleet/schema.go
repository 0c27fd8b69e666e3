package fleet

import (
	"context"
	_ "embed" // schema.sql and keys.sql
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

var (
	//go:embed schema.sql
	schemaSQL string
	//go:embed keys.sql
	keysSQL string
)

var partitioned = []string{"connection_attempt", "device_connectivity_event", "device_heartbeat", "device_event", "climate_reading"}

const (
	monthsBack  = 13 // of an empty schema, so that rows typed by hand have a place
	monthsAhead = 2
)

// makeSchema makes tables and partitions in one transaction: all or nothing.
func makeSchema(ctx context.Context, conn *pgconn.PgConn, from, until instant, empty bool) error {
	first, last := from-7*hour, until
	if empty {
		first = min(first, at(until.time().AddDate(0, -monthsBack, 0)))
	}
	sql := "BEGIN;\n" + schemaSQL + partitionsSQL(first, last) + "COMMIT;"
	err := conn.Exec(ctx, sql).Close()
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42P06" { // duplicate_schema
		return errSchemaExists
	}
	return databaseError(ctx, err)
}

// partitionsSQL makes monthly partitions from the month of first to two after last's, and the DEFAULT ones (S5 puts rows at 1970).
func partitionsSQL(first, last instant) string {
	var b strings.Builder
	for _, table := range partitioned {
		start, end := monthOf(first.time()), monthOf(last.time()).AddDate(0, monthsAhead+1, 0)
		for m := start; m.Before(end); m = m.AddDate(0, 1, 0) {
			fmt.Fprintf(&b, "CREATE TABLE fleet.%s_%s PARTITION OF fleet.%s FOR VALUES FROM ('%s+00') TO ('%s+00');\n",
				table, m.Format("2006_01"), table, m.Format(time.DateTime), m.AddDate(0, 1, 0).Format(time.DateTime))
		}
		fmt.Fprintf(&b, "CREATE TABLE fleet.%s_default PARTITION OF fleet.%s DEFAULT;\n", table, table)
	}
	return b.String()
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// keys are the statements of keys.sql by table, and the references, which need all tables.
func keys() (byTable map[string]string, references string) {
	byTable = map[string]string{}
	before, references, _ := strings.Cut(keysSQL, "-- references\n")
	for _, block := range strings.Split(before, "\n\n") {
		_, statement, _ := strings.Cut(block, "ALTER TABLE fleet.")
		name, _, _ := strings.Cut(statement, " ")
		byTable[name] = block
	}
	return byTable, references
}
