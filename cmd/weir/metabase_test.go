package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/node"
	"github.com/weirproject/weir/internal/policy"
)

// asked is a statement that Metabase sends, and how its answer must begin.
type asked struct{ name, want string }

// metabaseStatements reads testdata/metabase.sql: what the client gets, and what it must say.
func metabaseStatements(t *testing.T) (in string, all []asked) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "metabase.sql"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "=== ")
	var b strings.Builder
	for block := range strings.SplitSeq(text, "\n=== ") {
		name, rest, _ := strings.Cut(block, "\n-- = ")
		want, sql, ok := strings.Cut(rest, "\n")
		if !ok {
			t.Fatalf("%s has no answer", name)
		}
		all = append(all, asked{name, want})
		fmt.Fprintf(&b, "=== %s\n%s\n", name, strings.TrimSuffix(sql, "\n"))
	}
	return b.String(), all
}

// openColumns are the columns that the example's policy lets analysts read, and their tables.
func openColumns(t *testing.T) (tables, columns []string) {
	t.Helper()
	pol, err := node.LoadPolicy(filepath.Join("..", "..", "examples", "fleet", "policy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range pol.Tables {
		n := len(columns)
		for _, c := range table.Columns {
			if c.Treat != policy.Drop && c.Access == policy.AccessSQL {
				columns = append(columns, table.Name+"."+c.Name)
			}
		}
		if len(columns) > n {
			tables = append(tables, table.Name)
		}
	}
	slices.Sort(tables)
	slices.Sort(columns)
	return tables, columns
}

// Metabase cannot be installed everywhere; what it sends can be sent, by the driver that it has.
func TestMetabaseSynchronisesAndAsks(t *testing.T) {
	t.Parallel()
	const driver = "/usr/share/java/postgresql.jar"
	for _, needed := range []string{"java", driver} {
		if _, err := exec.LookPath(needed); err != nil && !isFile(needed) {
			t.Skipf("%s is not here: run make clients", needed)
		}
	}
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst").SQL
	in, statements := metabaseStatements(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	url := fmt.Sprintf("jdbc:postgresql://%s:%d/%s?user=%s&password=%s&sslmode=verify-full&sslrootcert=%s", ada.Host, ada.Port, ada.Database, ada.User, ada.Password, ada.CA)
	client := exec.CommandContext(ctx, "java", "-XX:TieredStopAtLevel=1", "-Duser.timezone=UTC", "-cp", driver, filepath.Join("testdata", "Metabase.java"), url)
	client.Stdin = strings.NewReader(in)
	printed, err := client.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	out := "\n" + string(printed)

	// Its look at the database shows what the role may read, and nothing else.
	tables, columns := openColumns(t)
	var gotTables, gotColumns []string
	answers := map[string]string{}
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		if f := strings.Fields(line); len(f) > 2 && f[0] == "table" && !strings.Contains(line, ": ") {
			gotTables = append(gotTables, f[1])
		} else if len(f) > 3 && f[0] == "column" {
			gotColumns = append(gotColumns, f[1])
		}
		for _, a := range statements {
			if rest, ok := strings.CutPrefix(line, a.name+":"); ok {
				answers[a.name] = strings.TrimSpace(rest)
			} else if rest, ok := strings.CutPrefix(line, a.name+" FAILED "); ok {
				answers[a.name] = "FAILED " + rest
			}
		}
	}
	slices.Sort(gotTables)
	slices.Sort(gotColumns)
	if !slices.Equal(gotTables, tables) || !slices.Equal(gotColumns, columns) || len(tables) < 5 || len(columns) < 40 {
		t.Errorf("the driver shows\n%v\n%v\nwant\n%v\n%v", gotTables, gotColumns, tables, columns)
	}
	for _, want := range []string{"product PostgreSQL 15", "schema fleet", "catalog weir", "type uuid", "type timestamptz"} {
		if !strings.Contains(out, "\n"+want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, never := range []string{"schema FAILED", "table FAILED", "column FAILED", "primary", "imported", "index ", "type FAILED", "catalog FAILED", "metric", "_weir", "first_bound_at"} {
		if strings.Contains(out, "\n"+never) {
			t.Errorf("%q is there\n%s", never, out)
		}
	}
	for _, a := range statements {
		if got, ok := answers[a.name]; !ok || !strings.HasPrefix(got, a.want) || a.want == "" && got != "" {
			t.Errorf("%s\ngot  %.300s\nwant %s", a.name, got, a.want)
		}
	}
	for _, list := range []struct {
		name string
		rows []string
		of   func(row []string) string
	}{
		{"tables", tables, func(r []string) string { return r[0] + "." + r[1] }},
		{"privileges", tables, func(r []string) string { return r[1] + "." + r[2] }},
		{"columns", columns, func(r []string) string { return r[3] + "." + r[4] + "." + r[0] }},
	} {
		var got []string
		for row := range strings.SplitSeq(answers[list.name], " | ") {
			if f := strings.Fields(row); len(f) >= 5 && len(got) < 200 && !strings.Contains(row, ",") {
				got = append(got, list.of(f))
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, list.rows) {
			t.Errorf("%s\ngot  %v\nwant %v", list.name, got, list.rows)
		}
	}
	if n := strings.Count(answers["privileges"], " false true false false"); n != len(tables) {
		t.Errorf("%d tables can be read and not be written: %s", n, answers["privileges"])
	}
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return filepath.IsAbs(name) && err == nil
}
