package decision_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
)

// spices are what mutations put into statements.
var spices = []string{
	"canary_mac", "canary_secret", "_weir_key", "rowid", "fleet.canary_token", "canary_token", "vault.canary_person", "main.canary_main", "fleet.device", "fleet.home", "d", "device", "*", "d.*",
	"device.*", "COLUMNS(*)", "COLUMNS('.*')", "COLUMNS(c -> c LIKE 'c%')", "#1", "#2", "#3", "(SELECT value FROM fleet.canary_token LIMIT 1)", "(FROM vault.canary_person)", "(SELECT canary_mac)",
	"(SELECT max(canary_mac) FROM fleet.device)", "query('FROM fleet.canary_token')", "query_table('fleet.canary_token')", "duckdb_columns()", "stats(id)", "NATURAL JOIN fleet.device x",
	"JOIN fleet.device y USING (canary_mac)", "EXCLUDE (id)", "REPLACE (canary_mac AS id)", "RENAME (id AS canary_mac)", "AS canary_mac", "AS fleet", "AS device(canary_mac)", "UNION ALL FROM fleet.canary_token",
	"UNION BY NAME SELECT 1 AS canary_mac", "WITH device AS (SELECT 1)", "WITH canary_token AS (FROM fleet.device)", "fleet", "fleet.device.canary_mac", "struct_extract(d, 'canary_mac')", "d['canary_mac']",
	"(d).canary_mac", "d.device.canary_mac", "to_json(d)", "LATERAL (SELECT canary_mac)", ", LATERAL (FROM fleet.canary_token) z", "ORDER BY canary_mac", "GROUP BY ALL", "WHERE canary_mac = 'canary'", "unnest(d)",
	"list_transform([1], lambda x: canary_mac)", "/*", "*/", "--", "'", "\"", "$$", ";", "(", ")", ",", ".", "1", "NULL", "SELECT", "FROM", "AS", "IN", "->", "::VARCHAR", "POSITIONAL JOIN fleet.canary_token", "AT (VERSION => 1)",
	"TABLESAMPLE 50%", "PIVOT (max(canary_mac) FOR id IN (1))", "QUALIFY max(canary_mac) OVER () > ''", "LIMIT (SELECT count(canary_mac) FROM fleet.device)", "_weir_with_1", "temp.", "memory.", "system.main.", "main.",
}

// mutate changes a statement by words: puts some in, takes some out, swaps some, or takes some of another statement.
func mutate(r *rand.Rand, sql, other string) string {
	words := strings.Fields(sql)
	for range 1 + r.IntN(3) {
		if len(words) == 0 {
			break
		}
		i := r.IntN(len(words))
		spice := spices[r.IntN(len(spices))]
		switch r.IntN(6) {
		case 0:
			words[i] = spice
		case 1:
			words = append(words[:i:i], append([]string{spice}, words[i:]...)...)
		case 2:
			words = append(words[:i:i], words[i+1:]...)
		case 3:
			j := r.IntN(len(words))
			words[i], words[j] = words[j], words[i]
		case 4:
			if theirs := strings.Fields(other); len(theirs) > 0 {
				words = append(words[:i:i], theirs[r.IntN(len(theirs)):]...)
			}
		case 5: // a name becomes a forbidden one
			for _, name := range []string{"id", "model", "country", "tags", "device", "home", "event"} {
				words[i] = strings.Replace(words[i], name, spice, 1)
			}
		}
	}
	return strings.Join(words, " ")
}

// clock tells text whose answer changes from one moment to the next.
func clock(sql string) bool {
	sql = strings.ToLower(sql)
	return slices.ContainsFunc([]string{"now", "current", "today", "localtime", "ago", "transaction_timestamp", "age"}, func(w string) bool { return strings.Contains(sql, w) })
}

// interferes runs the text of a decision where forbidden things exist and where they do not. It says what is different, or sings: there must be nothing.
func interferes(ctx context.Context, whole, some *engine.Engine, x *decision.Decision) (difference string, answered bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	args := make([]any, x.Parameters)
	names, rows, err := answer(ctx, whole, x.SQL, args...)
	if err != nil {
		if _, _, err := answer(ctx, some, x.SQL, args...); err == nil && ctx.Err() == nil {
			return "it fails where forbidden things exist", false
		}
		return "", false
	}
	if all := strings.ToLower(fmt.Sprint(names, rows)); strings.Contains(all, song) {
		return all, true
	}
	theirNames, theirs, err := answer(ctx, some, x.SQL, args...)
	if ctx.Err() != nil {
		return "", true
	}
	if err != nil {
		return "it fails where forbidden things do not exist", true
	}
	slices.Sort(rows)
	slices.Sort(theirs)
	if !slices.Equal(names, theirNames) || !slices.Equal(rows, theirs) && !clock(x.SQL) {
		return fmt.Sprintf("%q, and without forbidden things %q", rows, theirs), true
	}
	return "", true
}

func TestMutatedStatementsNeverReachWhatIsForbidden(t *testing.T) {
	d, cat := decider(t), catalog()
	whole, some := must(t, true, false), must(t, false, true)
	seeds := lines(t, "allowed.sql")
	for _, a := range attacks(t) {
		seeds = append(seeds, a.sql)
	}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	allowed, answered := 0, 0
	until := time.Now().Add(8 * time.Second)
	for n := 0; time.Now().Before(until) || answered < 20 && n < 10_000; n++ { // a slow machine gets somewhere, too
		sql := mutate(r, seeds[r.IntN(len(seeds))]+" ", seeds[r.IntN(len(seeds))]+" ")
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: cat, MaxRows: 20})
		if err != nil {
			if ruleOf(err) == "" && engine.IsGone(err) {
				t.Fatalf("seed %d: the parser died of %q", seed, sql)
			}
			continue
		}
		allowed++
		checkReads(t, x)
		difference, ok := interferes(t.Context(), whole, some, x)
		if ok {
			answered++
		}
		if difference != "" {
			t.Fatalf("seed %d: %s\n\t%s\n\t%s", seed, sql, x.SQL, difference)
		}
	}
	t.Logf("%d allowed, %d answered", allowed, answered)
	if answered < 20 {
		t.Errorf("only %d of the mutations were answered: the test tries nothing", answered)
	}
}

// checkReads holds a decision's reads against the catalogue.
func checkReads(t testing.TB, x *decision.Decision) {
	t.Helper()
	have := map[string]bool{}
	for _, table := range catalog().Tables {
		for _, c := range table.Columns {
			have[fmt.Sprintf("%s.%s.%s", table.Schema, table.Name, c.Name)] = true
		}
	}
	for _, read := range x.Reads {
		for _, c := range read.Columns {
			if !have[read.Table+"."+c] {
				t.Errorf("%s reads %s of %s", x.SQL, c, read.Table)
			}
		}
	}
}

// FuzzDecide looks for statements that break the decider or its parser, or whose text reads something that is not in the catalogue.
func FuzzDecide(f *testing.F) {
	for i, l := range lines(f, "allowed.sql") {
		if i%10 == 0 {
			f.Add(l)
		}
	}
	for i, a := range attacks(f) {
		if i%20 == 0 {
			f.Add(a.sql)
		}
	}
	d, cat := decider(f), catalog()
	whole, some := must(f, true, false), must(f, false, true)
	f.Fuzz(func(t *testing.T, sql string) {
		x, err := d.Decide(t.Context(), decision.Request{SQL: sql, Catalog: cat, MaxRows: 20})
		if err != nil {
			if x != nil || ruleOf(err) == "" && engine.IsGone(err) {
				t.Fatalf("%v, %v", x, err)
			}
			return
		}
		checkReads(t, x)
		if difference, _ := interferes(t.Context(), whole, some, x); difference != "" {
			t.Fatalf("%s: %s", x.SQL, difference)
		}
	})
}

const dashboard = `SELECT date_trunc('day', e.ts) AS day, h.country, count(DISTINCT d.id) AS devices, round(avg(e.amount), 2) AS amount
FROM fleet.event e JOIN fleet.device d ON d.id = e.device_id LEFT JOIN fleet.home h ON h.id = d.home_id
WHERE e.ts >= DATE '2024-01-01' AND e.ts < DATE '2024-02-01' AND d.model IN ('CAM', 'LOCK') AND e.kind = $1
GROUP BY ALL HAVING count(*) > 5 ORDER BY day, devices DESC LIMIT 500`
