package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// What happens to a single partition is not announced by the stream, and least of all while nobody reads it.
func TestAPartitionTruncatedWhileWeirDoesNotRunIsSeenAtTheNextStart(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 40, 5)
	flags := copyFlags(url, filepath.Join(t.TempDir(), "state"))
	must(t, append([]string{"run", "--once", "--apply"}, flags...)...)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var leaf string
	err = conn.QueryRow(t.Context(), `SELECT tableoid::regclass::text FROM fleet.connection_attempt GROUP BY 1 ORDER BY count(*) DESC LIMIT 1`).Scan(&leaf)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "TRUNCATE "+leaf); err != nil {
		t.Fatal(err)
	}
	must(t, append([]string{"run", "--once"}, flags...)...)
	must(t, append([]string{"verify"}, flags...)...)
	batches := must(t, append([]string{"ledger", "show", "--type", "batch"}, flags...)...)
	if got := copies(batches, "fleet.connection_attempt"); got != 2 {
		t.Errorf("the table was copied %d times, want 2:\n%s", got, batches)
	}
	// A second start finds nothing new to copy.
	before := strings.Count(batches, "\n")
	must(t, append([]string{"run", "--once"}, flags...)...)
	after := strings.Count(must(t, append([]string{"ledger", "show", "--type", "batch"}, flags...)...), "\n")
	if after != before {
		t.Errorf("%d batches were recorded by a start that had nothing to do", after-before)
	}
}

// copies counts the snapshots of a table among the batches of a ledger.
func copies(batches, table string) int {
	n := 0
	for line := range strings.Lines(batches) {
		if strings.Contains(line, `"from":""`) && strings.Contains(line, `"tables":{"`+table+`":`) {
			n++
		}
	}
	return n
}
