package catalogue_test

import (
	"strings"
	"testing"
)

// What a session knows of itself may be asked in any mixture, as in PostgreSQL.
func TestWhatASessionKnowsOfItselfIsAnsweredTogether(t *testing.T) {
	c := open(t, start(t), "ada", shop())
	functions := []string{
		"current_user", "session_user", "user", "current_role", "current_catalog", "current_schema", "current_schema()", "current_database()", "version()", "now()", "current_date", "current_timestamp",
		"localtimestamp", "localtime", "clock_timestamp()", "statement_timestamp()", "transaction_timestamp()", "pg_backend_pid()", "inet_server_addr()",
		"inet_server_port()", "inet_client_addr()", "inet_client_port()", "pg_is_in_recovery()", "txid_current()", "pg_postmaster_start_time()", "current_schemas(true)", "pg_my_temp_schema()",
	}
	for _, f := range functions {
		for _, sql := range []string{"SELECT now(), " + f, "SELECT " + f + ", current_user", "SELECT current_database(), " + f + "::text AS x WHERE current_user = 'ada'"} {
			a, err := ask(t.Context(), c, sql)
			if err != nil || len(a.rows) != 1 {
				t.Errorf("%s: %v %v", sql, a, err)
			}
		}
	}
	a, err := ask(t.Context(), c, "SELECT "+strings.Join(functions, ", "))
	if err != nil || len(a.rows) != 1 || len(a.rows[0]) != len(functions) {
		t.Errorf("all: %v %v", a, err)
	}
}
