package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/source"
)

// refusedByPostgres runs a statement that production's own PostgreSQL must refuse, and returns its SQLSTATE.
func (s *site) refusedByPostgres(sql string) string {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(s.t.Context(), sql)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		s.t.Fatalf("%s was not refused: %v", sql, err)
	}
	return refused.Code
}

// rows returns how many rows a report has of a table, and whether the table is in it.
func rows(r flow.Report, table string) (n int64, held bool) {
	for _, t := range r.Tables {
		if t.Table == table {
			return t.StoreRows, true
		}
	}
	return 0, false
}

// copied waits until the table was copied and the flow follows.
func (s *site) copied(p *process, table string) {
	s.t.Helper()
	eventually(s.t, table+" is copied", func() bool {
		p.mustRun(s.t)
		st, ok := s.status()
		return ok && st.Flow.Phase == flow.Following && slices.ContainsFunc(st.Flow.Tables, func(t flow.TableStatus) bool { return t.Table == table && t.Copied })
	})
}

// again starts weir anew: a restart after a drift must work as well.
func (s *site) again(p *process) *process {
	s.t.Helper()
	if code := p.stop(s.t, syscall.SIGTERM); code != 0 {
		s.t.Fatalf("exit %d\n%s", code, p.output())
	}
	p = s.run()
	s.following(p)
	s.equal()
	return p
}

func TestCatalogueDriftIsSeenAndTheRestFlows(t *testing.T) {
	t.Parallel()
	const more = "INSERT INTO shop.setting SELECT 'more' || count(*), 'x' FROM shop.setting"
	cases := []struct {
		name string
		do   []string // at production, while weir follows
		seen []string // items, one of which must show
		more string   // a statement after it, whose rows must arrive
		gone string   // a table that is no longer copied
		keep string   // a table that still is, with its rows
	}{
		{
			name: "a column is added", do: []string{"ALTER TABLE shop.customer ADD COLUMN phone text DEFAULT 'p'"}, seen: []string{"column_added shop.customer phone"},
			more: "INSERT INTO shop.customer VALUES (9001, 'e', 'FR', 'new', 3, 'n', '0123')", keep: "shop.customer",
		},
		{
			name: "an unlisted column is dropped", do: []string{"ALTER TABLE shop.customer DROP COLUMN email"}, seen: []string{"column_dropped shop.customer email"},
			more: "INSERT INTO shop.customer VALUES (9001, 'FR', 'new', 3, 'n')", keep: "shop.customer",
		},
		{
			name: "a listed column is renamed", do: []string{"ALTER TABLE shop.visit RENAME page TO path"}, seen: []string{"column_dropped shop.visit page", "column_missing shop.visit page"},
			more: "INSERT INTO shop.visit VALUES (9001, '2026-01-05', 3, 'p', 4)", keep: "shop.visit",
		},
		{name: "a listed column is dropped with cascade", do: []string{"ALTER TABLE shop.customer DROP COLUMN label CASCADE"}, seen: []string{"unpublished shop.customer"}, more: more, gone: "shop.customer"},
		{name: "a table is added", do: []string{"CREATE TABLE shop.parcel (id bigint PRIMARY KEY)", "INSERT INTO shop.parcel VALUES (1)"}, seen: []string{"table_added shop.parcel"}, more: more},
		{name: "a table is dropped", do: []string{"DROP TABLE shop.customer"}, seen: []string{"table_dropped shop.customer"}, more: more, gone: "shop.customer"},
		{name: "a table is renamed", do: []string{"ALTER TABLE shop.customer RENAME TO client"}, seen: []string{"table_dropped shop.customer"}, more: more, gone: "shop.customer"},
		{
			name: "a type is changed as check says", do: []string{`DO $$ BEGIN EXECUTE (SELECT format('ALTER PUBLICATION %I DROP TABLE shop.customer', pubname) FROM pg_publication); END $$`, "ALTER TABLE shop.customer ALTER spent TYPE double precision"},
			seen: []string{"unpublished shop.customer"}, more: more, gone: "shop.customer",
		},
		{
			name: "a key gets a column that the policy does not name", do: []string{"ALTER TABLE shop.setting ADD COLUMN site int NOT NULL DEFAULT 1", "ALTER TABLE shop.setting DROP CONSTRAINT setting_pkey, ADD PRIMARY KEY (name, site)"},
			seen: []string{"key_changed shop.setting"}, more: "INSERT INTO shop.customer VALUES (9001, 'e', 'FR', 'new', 3, 'n')", gone: "shop.setting", keep: "shop.customer",
		},
		{
			name: "a table loses its key", do: []string{"ALTER TABLE shop.setting DROP CONSTRAINT setting_pkey"},
			seen: []string{"key_changed shop.setting"}, more: "INSERT INTO shop.customer VALUES (9001, 'e', 'FR', 'new', 3, 'n')", gone: "shop.setting", keep: "shop.customer",
		},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			p := s.run()
			s.following(p)
			before := s.equal()
			s.exec(c.do...)
			s.seen(p, c.seen...)
			s.following(p)
			s.exec(c.more)
			report := s.equal()
			if _, held := rows(report, c.gone); held {
				t.Errorf("%s is still compared: %+v", c.gone, report.Tables)
			}
			if c.keep != "" {
				was, _ := rows(before, c.keep)
				if n, _ := rows(report, c.keep); n != was+1 {
					st, _ := s.status()
					t.Errorf("%s has %d rows, want %d\n%+v", c.keep, n, was+1, st.Flow.Items)
				}
			}
			p.stop(t, syscall.SIGTERM)
			s.goesOnOrSaysWhatToDo()
		})
	}
}

// goesOnOrSaysWhatToDo starts weir without leave to change the source: it works, or refuses with the fix; with leave it works.
func (s *site) goesOnOrSaysWhatToDo() {
	s.t.Helper()
	r := weir(s.t, s.args("run", "--once")...)
	switch r.code {
	case 0:
	case 4:
		if !strings.Contains(r.stderr, "hint: ") {
			s.t.Errorf("a refusal without a hint:\n%s", r.stderr)
		}
		check := weir(s.t, s.args("check", "--json")...)
		var findings []source.Finding
		if err := json.Unmarshal([]byte(check.stdout), &findings); err != nil || check.code != 3 {
			s.t.Errorf("check: exit %d, %v\n%s%s", check.code, err, check.stdout, check.stderr)
		}
		for _, f := range findings {
			if f.Severity == source.Stop && f.Fix == "" {
				s.t.Errorf("no fix for %+v", f)
			}
		}
		if script := weir(s.t, s.args("source", "script")...); script.code == 0 {
			if strings.TrimSpace(script.stdout) == "" {
				s.t.Errorf("weir refuses and has no script:\n%s", r.stderr)
			}
			s.exec(script.stdout)
			must(s.t, s.args("run", "--once")...)
		}
	default:
		s.t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestListedColumnsOfProductionChangeAsCheckAnnounced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.configure("accept: []")
	refused := weir(t, s.args("run", "--apply")...)
	if refused.code != 4 || !strings.Contains(refused.stderr, "production_ddl") {
		t.Fatalf("ran without consent: exit %d\n%s", refused.code, refused.stderr)
	}
	r := weir(t, s.args("check", "--json")...)
	var findings []source.Finding
	if err := json.Unmarshal([]byte(r.stdout), &findings); err != nil {
		t.Fatal(err)
	}
	announced := slices.ContainsFunc(findings, func(f source.Finding) bool {
		return f.Severity == source.Consent && f.Code == "production_ddl" && strings.Contains(f.Message, "DROP COLUMN") && strings.Contains(f.Message, "TYPE")
	})
	if r.code != 3 || !announced {
		t.Errorf("check does not announce it: exit %d\n%s", r.code, r.stdout)
	}
	s.configure("accept: [production_ddl]")
	p := s.run()
	s.following(p)
	if code := s.refusedByPostgres("ALTER TABLE shop.customer ALTER label TYPE varchar(40)"); code != "0A000" {
		t.Errorf("ALTER TYPE: SQLSTATE %s", code)
	}
	if code := s.refusedByPostgres("ALTER TABLE shop.customer DROP COLUMN label"); code != "2BP01" {
		t.Errorf("DROP COLUMN: SQLSTATE %s", code)
	}
	s.equal()
	// A column that is held back is not ours: what production does with it changes nothing in the copy.
	if copies := s.copies(func() {
		s.exec("ALTER TABLE shop.customer ALTER note TYPE varchar(40)")
		s.seen(p, "column_retyped shop.customer note")
		s.exec("UPDATE shop.customer SET label = 'still ' || label WHERE customer_id < 20")
		if n, _ := rows(s.equal(), "shop.customer"); n != 500 {
			t.Errorf("the copy has %d rows", n)
		}
	}); len(copies) != 0 {
		t.Errorf("it copied %v", copies)
	}
}

func TestPartitionsComeAndGo(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.run()
	s.following(p)
	steps := []struct {
		name      string
		do        []string
		announced bool // the stream says it, so nothing is copied anew
	}{
		{"a partition is attached with rows", []string{
			"CREATE TABLE shop.visit_4 (LIKE shop.visit INCLUDING ALL)", "INSERT INTO shop.visit_4 SELECT i, '2026-04-02', i, 'old', 1 FROM generate_series(5001, 5100) i",
			"ALTER TABLE shop.visit ATTACH PARTITION shop.visit_4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
		}, false},
		{"a partition is made in its place", []string{
			"CREATE TABLE shop.visit_5 PARTITION OF shop.visit FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')", "INSERT INTO shop.visit SELECT i, '2026-05-02', i, 'new', 1 FROM generate_series(6001, 6100) i",
		}, true},
		{"a partition is truncated alone", []string{"TRUNCATE shop.visit_4"}, false},
		{"a partition is detached", []string{"ALTER TABLE shop.visit DETACH PARTITION shop.visit_2"}, false},
		{"a partition is dropped", []string{"DROP TABLE shop.visit_1"}, false},
		{"the root is truncated", []string{"TRUNCATE shop.visit", "INSERT INTO shop.visit VALUES (1, '2026-03-03', 1, 'a', 1), (2, '2026-03-04', 1, 'b', 1)"}, true},
		{"a row moves to another partition", []string{"UPDATE shop.visit SET day = '2026-04-20' WHERE visit_id = 1"}, true},
		{"a key changes", []string{"UPDATE shop.customer SET customer_id = customer_id + 100000 WHERE customer_id < 50"}, true},
	}
	for _, step := range steps {
		before := strings.Count(must(t, s.args("ledger", "show", "--json")...), `"from":""`)
		s.exec(step.do...)
		if !step.announced {
			s.seen(p, "partition_changed shop.visit")
		}
		s.copied(p, "shop.visit")
		s.untilEqual(step.name)
		if step.announced {
			after := strings.Count(must(t, s.args("ledger", "show", "--json")...), `"from":""`)
			if after != before {
				t.Errorf("%s: copied anew", step.name)
			}
		}
	}
	p = s.again(p)

	// While weir is away, nobody watches the catalogue.
	for _, do := range []string{
		"TRUNCATE shop.visit_3", "DROP TABLE shop.visit_4",
		"CREATE TABLE shop.visit_9 (LIKE shop.visit INCLUDING ALL); INSERT INTO shop.visit_9 VALUES (77, '2026-09-02', 7, 'away', 1); ALTER TABLE shop.visit ATTACH PARTITION shop.visit_9 FOR VALUES FROM ('2026-09-01') TO ('2026-10-01')",
	} {
		s.exec("INSERT INTO shop.visit SELECT i, '2026-03-05', i, 'before', 1 FROM generate_series(7001, 7010) i ON CONFLICT DO NOTHING")
		s.equal()
		p.stop(t, syscall.SIGTERM)
		s.exec(do)
		p = s.run()
		s.following(p)
		s.equal()
	}
}

// untilEqual verifies until the store equals the source: a partition's change is noticed a moment after it.
func (s *site) untilEqual(what string) {
	s.t.Helper()
	eventually(s.t, "equal after: "+what, func() bool {
		r := weir(s.t, s.args("verify", "--json")...)
		if r.code != 0 && r.code != 3 && r.code != 1 {
			s.t.Fatalf("%s: exit %d\n%s", what, r.code, r.stderr)
		}
		return r.code == 0
	})
}

func TestLostSlotIsHealedByCopyingAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.run()
	s.following(p)
	s.equal()
	drop := `DO $$ BEGIN
  PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active_pid IS NOT NULL;
  FOR i IN 1..200 LOOP
    BEGIN
      PERFORM pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database() AND NOT temporary;
      EXIT;
    EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01);
      PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active_pid IS NOT NULL;
    END;
  END LOOP;
END $$`
	s.exec(drop, "DELETE FROM shop.customer WHERE customer_id % 3 = 0", "INSERT INTO shop.setting VALUES ('unseen', 'x')")
	s.seen(p, "copied_again")
	s.copied(p, "shop.customer")
	s.equal()

	if code := p.stop(t, syscall.SIGTERM); code != 0 {
		t.Fatalf("exit %d", code)
	}
	s.exec(drop, "UPDATE shop.customer SET label = 'while away'")
	p = s.run()
	s.following(p)
	s.equal()
	s.again(p)
}

func TestPolicyChangesCopyOnlyTheirTables(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.exec("UPDATE shop.customer SET country = 'Zembla' || customer_id", "UPDATE shop.setting SET value = 'Quidnunc' || name")
	must(t, s.args("run", "--apply", "--once")...)
	if s.find("Zembla77") == "" || s.find("Quidnuncs7") == "" || s.find("label-77") == "" {
		t.Fatal("the values are not in the files as they are, so their absence would prove nothing")
	}
	s.equal()

	tighter := strings.Replace(customerPolicy, "country:     {class: attribute, treat: keep}", "country:     {class: attribute, treat: presence}", 1)
	s.policy("customer", tighter)
	if copies := s.copies(func() { must(t, s.args("run", "--apply", "--once")...) }); !slices.Equal(copies, []string{"shop.customer"}) {
		t.Errorf("a tighter policy copied %v", copies)
	}
	s.absent("Zembla")
	if s.find("Quidnuncs7") == "" || s.find("label-77") == "" {
		t.Error("what may stay is gone")
	}
	s.equal()

	if err := os.Remove(filepath.Join(s.config, "policy", "setting.yaml")); err != nil {
		t.Fatal(err)
	}
	if copies := s.copies(func() { must(t, s.args("run", "--apply", "--once")...) }); len(copies) != 0 {
		t.Errorf("taking a table out copied %v", copies)
	}
	s.absent("Quidnunc")
	if _, held := rows(s.equal(), "shop.setting"); held {
		t.Error("the table is still there")
	}

	s.policy("customer", customerPolicy)
	s.policy("setting", settingPolicy)
	if copies := s.copies(func() { must(t, s.args("run", "--apply", "--once")...) }); !slices.Equal(copies, []string{"shop.customer", "shop.setting"}) {
		t.Errorf("a looser policy copied %v", copies)
	}
	if s.find("Zembla77") == "" || s.find("Quidnuncs7") == "" {
		t.Error("the looser policy's values did not come")
	}
	s.equal()
}

// copies returns the tables whose copying the ledger records during do.
func (s *site) copies(do func()) []string {
	s.t.Helper()
	count := func() map[string]int {
		seen := map[string]int{}
		for line := range strings.SplitSeq(must(s.t, s.args("ledger", "show", "--json")...), "\n") {
			var e struct {
				Type string
				Body struct {
					From, To string
					Tables   map[string]int64
				}
			}
			if json.Unmarshal([]byte(line), &e) != nil || e.Type != "batch" || e.Body.From != "" {
				continue
			}
			for t := range e.Body.Tables {
				seen[t]++
			}
		}
		if len(seen) == 0 {
			s.t.Fatal("the record shows no copy at all")
		}
		return seen
	}
	before := count()
	do()
	var copied []string
	for t, n := range count() {
		if n > before[t] {
			copied = append(copied, t)
		}
	}
	slices.Sort(copied)
	return copied
}

// find returns a file below the state folder that holds the text as it is.
func (s *site) find(text string) string {
	s.t.Helper()
	found := ""
	err := filepath.WalkDir(s.state, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), text) {
			found = path
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func (s *site) absent(text string) {
	s.t.Helper()
	if path := s.find(text); path != "" {
		s.t.Errorf("%q is still in %s", text, path)
	}
}
