package postmastertest

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestDatabasesAreFreshAndGoWithTheirSlots(t *testing.T) {
	var first string
	t.Run("one", func(t *testing.T) {
		first = Database(t)
		conn, err := pgx.Connect(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{"CREATE TABLE x()", "SELECT pg_create_logical_replication_slot('s', 'pgoutput')"} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	})
	if _, err := pgx.Connect(t.Context(), first); err == nil {
		t.Error("the database of a finished test is still there")
	}
	second := Database(t)
	conn, err := pgx.Connect(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	var tables, slots int
	if err := conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public'), (SELECT count(*) FROM pg_replication_slots)").Scan(&tables, &slots); err != nil {
		t.Fatal(err)
	}
	if tables != 0 || slots != 0 {
		t.Errorf("%d tables and %d slots in a fresh database", tables, slots)
	}
}

func TestACopyHasWhatItsTemplateHasAndLeavesItAsItIs(t *testing.T) {
	exec := func(url, sql string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(t.Context()) }()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(Template(t, "of_two"), "CREATE TABLE x AS SELECT generate_series(1, 2) AS n")
	for range 2 {
		exec(Copy(t, "of_two"), "DO $$ BEGIN ASSERT (SELECT sum(n) FROM x) = 3; DROP TABLE x; END $$")
	}
}
