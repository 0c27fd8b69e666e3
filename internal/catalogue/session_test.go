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

// Protocols give an array as PostgreSQL's text or as the engine's list.
func TestAnArrayParameterIsTakenInBothForms(t *testing.T) {
	c := open(t, start(t), "ada", shop())
	for form, want := range map[string]string{
		`{fleet,billing}`: "billing fleet", `{"fleet", "billing"}`: "billing fleet", `["fleet", "billing"]`: "billing fleet", `[ "fleet" , NULL]`: "fleet", `{fleet,NULL}`: "fleet", `[]`: "", `{}`: "", `[" fleet"]`: "",
	} {
		a, err := ask(t.Context(), c, "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1) ORDER BY 1", form)
		var got []string
		for _, r := range a.rows {
			got = append(got, r...)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v %v, want %s", form, got, err, want)
		}
	}
	for _, wrong := range []string{"fleet", "{fleet", "[fleet}", `["fleet]`, "{{fleet}}", "", "{"} {
		if a, err := ask(t.Context(), c, "SELECT nspname FROM pg_namespace WHERE nspname = ANY($1)", wrong); err == nil {
			t.Errorf("%q was taken: %v", wrong, a.rows)
		}
	}
}
