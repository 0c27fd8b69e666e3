package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/source/sourcetest"
)

func partitioned(t *testing.T, p *production) {
	t.Helper()
	p.Exec(t,
		"CREATE TABLE app.event (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL DEFAULT '2026-01-01', n integer DEFAULT 1, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)",
		"CREATE INDEX ON app.event (n)",
		"CREATE TABLE app.event_1 PARTITION OF app.event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')",
		"CREATE TABLE app.event_2 PARTITION OF app.event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')",
		"INSERT INTO app.event (at, n) SELECT '2026-01-15'::date + g % 40, g FROM generate_series(1, 100) g")
}

func TestAPartitionedTableIsFollowedAsItsRoot(t *testing.T) {
	p := newProduction(t)
	partitioned(t, p)
	s, sel, m, r := follow(t, p, map[string][]string{"app.event": nil})
	schema, err := s.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := partitionNames(schema.Table("app.event")); !slices.Equal(got, []string{"app.event_1", "app.event_2"}) || schema.Table("app.event_1") != nil {
		t.Error("partitions are", got)
	}
	p.Exec(t, "UPDATE app.event SET n = 500 WHERE n = 1", "UPDATE app.event SET at = '2026-02-27' WHERE n = 500", "DELETE FROM app.event WHERE n = 2", "INSERT INTO app.event_1 (id, at, n) OVERRIDING SYSTEM VALUE VALUES (9999, '2026-01-02', 7)")
	// a partition made empty in its place brings no rows, and what comes into it is announced
	p.Exec(t, "CREATE TABLE app.event_3 PARTITION OF app.event FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
		"ALTER TABLE app.event_3 OWNER TO CURRENT_USER; GRANT SELECT ON app.event_3 TO pg_monitor; COMMENT ON TABLE app.event_3 IS 'x'; ALTER TABLE app.event ADD CHECK (n < 100000)", "INSERT INTO app.event (at, n) VALUES ('2026-03-03', 3)")
	p.Transaction(t, "CREATE TABLE app.event_4 PARTITION OF app.event DEFAULT", "INSERT INTO app.event (at, n) VALUES ('2030-01-01', 4)")
	// a TRUNCATE of the whole is announced
	p.Transaction(t, "TRUNCATE app.event", "INSERT INTO app.event (at, n) VALUES ('2026-02-02', 22)")
	p.Exec(t, "CREATE TABLE app.marker (id bigint)")
	m.AwaitDrift(t, source.Drift{Kind: source.TableAdded, Table: "app.marker"})
	settled(t, s, sel, m, r)
	if got := m.Drifts(); len(got) != 1 {
		t.Error("drift is", got)
	}
	if got := m.Values("app.event", "n"); !slices.Equal(got, []string{"22"}) {
		t.Error("n is", got)
	}
}

func TestRowsThatComeOrGoWithAPartitionMakeTheSelectionWrong(t *testing.T) {
	for name, statements := range map[string][]string{
		"attached": {
			"CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer)", "INSERT INTO app.more VALUES (5000, '2026-04-04', 4)",
			"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
		},
		"filled and attached in one transaction": {
			"BEGIN; CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer); INSERT INTO app.more VALUES (5000, '2026-04-04', 4); " +
				"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"made of a query and attached in one transaction": {
			"BEGIN; CREATE TABLE app.more AS SELECT 5000::bigint AS id, '2026-04-04'::date AS at, 4 AS n; ALTER TABLE app.more ALTER id SET NOT NULL, ALTER at SET NOT NULL; " +
				"ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"attached below an attached one": {
			"BEGIN; CREATE TABLE app.more (id bigint NOT NULL, at date NOT NULL, n integer) PARTITION BY RANGE (at); CREATE TABLE app.more_1 PARTITION OF app.more DEFAULT; " +
				"INSERT INTO app.more VALUES (5000, '2026-04-04', 4); ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"moved from another table": {
			"CREATE TABLE app.elsewhere (id bigint NOT NULL, at date NOT NULL, n integer) PARTITION BY RANGE (at)", "CREATE TABLE app.more PARTITION OF app.elsewhere DEFAULT",
			"INSERT INTO app.elsewhere VALUES (5000, '2026-04-04', 4)",
			"BEGIN; ALTER TABLE app.elsewhere DETACH PARTITION app.more; ALTER TABLE app.event ATTACH PARTITION app.more FOR VALUES FROM ('2026-04-01') TO ('2026-05-01'); COMMIT",
		},
		"detached":              {"ALTER TABLE app.event DETACH PARTITION app.event_2"},
		"detached concurrently": {"ALTER TABLE app.event DETACH PARTITION app.event_2 CONCURRENTLY"},
		"dropped":               {"DROP TABLE app.event_2"},
		"truncated alone":       {"TRUNCATE app.event_2"},
		"truncated alone after the whole": {
			"TRUNCATE app.event", "INSERT INTO app.event (at, n) VALUES ('2026-02-02', 22)", "TRUNCATE app.event_2",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProduction(t)
			partitioned(t, p)
			s, sel, m, r := follow(t, p, map[string][]string{"app.event": nil})
			p.Exec(t, statements...)
			if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
				t.Fatal("read returned", sourcetest.Explain(err))
			}
			if got := m.Drifts(); !slices.Contains(got, source.Drift{Kind: source.PartitionChanged, Table: "app.event"}) {
				t.Error("drift is", got)
			}
			// copied anew it is right again, and nothing is told twice
			again := sourcetest.NewMirror(t, sel)
			r = sourcetest.Follow(t, s, sel, again.Copy(t, s), again)
			p.Exec(t, "INSERT INTO app.event (at, n) VALUES ('2026-01-05', 77)", "CREATE TABLE app.marker (id bigint)")
			again.AwaitDrift(t, source.Drift{Kind: source.TableAdded, Table: "app.marker"})
			settled(t, s, sel, again, r)
		})
	}
}

func TestChangesOfListedColumnsMakeTheSelectionWrong(t *testing.T) {
	unpublished := source.Drift{Kind: source.Unpublished, Table: "app.item"}
	for name, c := range map[string]struct {
		statements []string
		want       []source.Drift
	}{
		"dropped with cascade": {
			[]string{"ALTER TABLE app.item DROP COLUMN name CASCADE", "INSERT INTO app.item VALUES (2, 2)"},
			[]source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}, unpublished},
		},
		"renamed": {
			[]string{"ALTER TABLE app.item RENAME COLUMN name TO title"},
			[]source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}, {Kind: source.ColumnAdded, Table: "app.item", Column: "title"}},
		},
		"taken out and retyped": {
			[]string{"BEGIN; ALTER PUBLICATION @ DROP TABLE app.item; ALTER TABLE app.item ALTER COLUMN n TYPE bigint; COMMIT"}, // at once, or reading may end between the two
			[]source.Drift{{Kind: source.ColumnRetyped, Table: "app.item", Column: "n"}, unpublished},
		},
		"key changed": {
			[]string{"ALTER TABLE app.item DROP CONSTRAINT item_pkey, ADD PRIMARY KEY (n)"},
			[]source.Drift{{Kind: source.KeyChanged, Table: "app.item"}},
		},
		"table renamed": {
			[]string{"ALTER TABLE app.item RENAME TO thing"},
			[]source.Drift{{Kind: source.TableDropped, Table: "app.item"}, {Kind: source.TableAdded, Table: "app.thing"}},
		},
		"table made anew": {
			[]string{"BEGIN; DROP TABLE app.item; CREATE TABLE app.item (id bigint PRIMARY KEY, name text, n integer NOT NULL); COMMIT"},
			[]source.Drift{{Kind: source.TableDropped, Table: "app.item"}, {Kind: source.TableAdded, Table: "app.item"}, unpublished},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProduction(t)
			p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text, n integer NOT NULL)", "INSERT INTO app.item VALUES (1, 'one', 1)")
			s, _, m, r := follow(t, p, map[string][]string{"app.item": nil})
			for _, statement := range c.statements {
				p.Exec(t, strings.ReplaceAll(statement, "@", s.name))
			}
			if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
				t.Fatal("read returned", sourcetest.Explain(err))
			}
			for _, want := range c.want {
				m.AwaitDrift(t, want)
			}
		})
	}
}

// TestARowOfARenamedColumnStopsTheReadByItself shows that the stream does not wait for the watch.
func TestARowOfARenamedColumnStopsTheReadByItself(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text)")
	s := p.open(t, Options{})
	s.watch = time.Hour
	sel := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	sourcetest.Prepare(t, s, sel)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := sourcetest.NewMirror(t, sel)
	r := sourcetest.Follow(t, s, sel, from, m)
	m.AwaitPosition(t, sourcetest.Now(t, s))
	p.Exec(t, "ALTER TABLE app.item RENAME COLUMN name TO title", "INSERT INTO app.item VALUES (1, 'x')")
	if err := r.Wait(t); !errors.Is(err, source.ErrSelection) {
		t.Fatal("read returned", sourcetest.Explain(err))
	}
	if got := m.Drifts(); !slices.Equal(got, []source.Drift{{Kind: source.ColumnDropped, Table: "app.item", Column: "name"}}) {
		t.Error("drift is", got)
	}
}

func TestRowsFromBeforeThePublicationWasWidenedDoNotDisturb(t *testing.T) {
	p := newProduction(t)
	p.Exec(t, "CREATE TABLE app.item (id bigint PRIMARY KEY, name text)")
	s := p.open(t, Options{})
	narrow := sourcetest.Select(t, s, map[string][]string{"app.item": {"id"}})
	sourcetest.Prepare(t, s, narrow)
	from, _, err := s.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Exec(t, "INSERT INTO app.item VALUES (1, 'one')")
	wide := sourcetest.Select(t, s, map[string][]string{"app.item": nil})
	sourcetest.Prepare(t, s, wide)
	m := sourcetest.NewMirror(t, wide)
	m.Copy(t, s) // the first row is in the snapshot and comes again without its name
	r := sourcetest.Follow(t, s, wide, from, m)
	p.Exec(t, "INSERT INTO app.item VALUES (2, 'two')")
	settled(t, s, wide, m, r)
}

func partitionNames(t *source.Table) []string {
	var names []string
	for _, p := range t.Partitions {
		names = append(names, p.Name)
	}
	return names
}
