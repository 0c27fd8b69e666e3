package metric_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/metric"
)

// randomChange is one statement against the copied tables: anything that production may do, in a world so small that rows meet.
func randomChange(r *rand.Rand) string {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	id := func(kind string, n int) string { return fmt.Sprintf("id('%s%d')", kind, r.IntN(n)) }
	moment := func() string {
		return fmt.Sprintf("TIMESTAMP '2026-10-0%d %02d:%02d:00'", 1+r.IntN(3), r.IntN(24), r.IntN(60))
	}
	switch r.IntN(16) {
	case 0, 1, 2, 3:
		group := r.IntN(12)
		return fmt.Sprintf("INSERT INTO fleet.connection_attempt SELECT id('try%d-%d'), id('group%d'), %d, %s, %s, %s, 'live', '%s', %s, %s, %d, %s, %s, %d, 'ios', '3.1', %d, 'US-CA'",
			group, r.IntN(4), group, 1+r.IntN(3), id("device", 6), id("user", 5), pick("true", "false"), pick("p2p", "relay"),
			pick(moment(), "TIMESTAMP '1970-01-01 00:00:00'", "TIMESTAMP '2026-12-01 00:00:00'"), moment(), r.IntN(900),
			pick("true", "false", "NULL"), pick("NULL", "'TIMEOUT'", "'USER_CANCELLED'", "'DEVICE_OFFLINE'"), r.IntN(4), 100+r.IntN(2))
	case 4:
		return "DELETE FROM fleet.connection_attempt WHERE attempt_group = " + id("group", 12) + " AND try_no = " + pick("1", "2", "3")
	case 5:
		return "UPDATE fleet.app_user SET is_internal = NOT is_internal WHERE user_id = " + id("user", 5)
	case 6:
		return "UPDATE fleet.app_user SET time_zone = '" + pick("UTC", "Asia/Kolkata", "America/Los_Angeles", "Mars/X") + "', deleted_at = " + pick("NULL", moment()) + " WHERE user_id = " + id("user", 5)
	case 7:
		return "DELETE FROM fleet.app_user WHERE user_id = " + id("user", 5)
	case 8:
		return fmt.Sprintf("INSERT INTO fleet.app_user SELECT u, false, 'Asia/Kolkata', '%s', NULL FROM (SELECT %s AS u) WHERE u NOT IN (SELECT user_id FROM fleet.app_user)", pick("DE", "US"), id("user", 5))
	case 9:
		return fmt.Sprintf("INSERT INTO fleet.device SELECT d, %d, %s, %s, %s, NULL, %s FROM (SELECT %s AS d) WHERE d NOT IN (SELECT device_id FROM fleet.device)",
			r.IntN(3), id("user", 5), pick("NULL", moment()), pick("NULL", moment()), pick("true", "false", "false"), id("device", 6))
	case 10:
		return fmt.Sprintf("UPDATE fleet.device SET model_id = %d, owner_user_id = %s, first_activated_at = %s, first_bound_at = %s, is_synthetic = %s WHERE device_id = %s",
			r.IntN(3), id("user", 5), pick("NULL", moment(), moment()), moment(), pick("true", "false"), id("device", 6))
	case 11:
		return "DELETE FROM fleet.device WHERE device_id = " + id("device", 6)
	case 12:
		return fmt.Sprintf("INSERT INTO fleet.device_binding SELECT uuid(), %s, %s, %s, NULL, 'rebind'", id("device", 6), id("user", 5), moment())
	case 13:
		return "DELETE FROM fleet.device_binding WHERE device_id = " + id("device", 6) + " AND user_id = " + id("user", 5)
	case 14:
		return fmt.Sprintf("DELETE FROM fleet.product_model WHERE model_id = %[1]d; INSERT INTO fleet.product_model VALUES (%[1]d, 'M%[2]d', '%[3]s')", r.IntN(3), r.IntN(9), pick("camera", "plug"))
	default:
		return fmt.Sprintf("DELETE FROM fleet.firmware_release WHERE firmware_id = %[1]d; INSERT INTO fleet.firmware_release VALUES (%[1]d, '4.%[2]d')", r.IntN(4), r.IntN(9))
	}
}

// TestRenewedFactEqualsDerivedFact changes the copied tables at random and, after every batch, compares the fact that was renewed by keys with the one that is
// derived anew.
func TestRenewedFactEqualsDerivedFact(t *testing.T) {
	l := newLab(t)
	l.derive()
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	seen := 0
	for batch := range 60 {
		var log []string
		l.renew(func() {
			for range 1 + r.IntN(6) {
				change := randomChange(r)
				log = append(log, change)
				l.exec(change)
			}
		})
		for _, f := range l.catalog.Facts() {
			whole := scoped(f, "", "SELECT * FROM (\n"+f.Select+"\n)")
			differ := fmt.Sprintf("SELECT count(*) FROM ((FROM %[1]s EXCEPT ALL FROM (%[2]s)) UNION ALL (FROM (%[2]s) EXCEPT ALL FROM %[1]s))", f.Name, whole)
			var n, rows int
			if err := l.db.QueryRowContext(l.t.Context(), differ).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				t.Fatalf("seed %d, batch %d: %d rows of %s differ after\n%s", seed, batch, n, f.Name, strings.Join(log, "\n"))
			}
			if err := l.db.QueryRowContext(l.t.Context(), "SELECT count(*) FROM "+f.Name).Scan(&rows); err != nil {
				t.Fatal(err)
			}
			seen = max(seen, rows)
		}
	}
	if seen < 5 {
		t.Errorf("seed %d: no fact ever had more than %d rows: nothing was tested", seed, seen)
	}
}

// TestFactReadsTheColumnsThatItDeclares takes away one declared column after the other: each must be missed, so that no column is copied for nothing. That it reads
// no others is what every derivation of the lab shows: it sees only the declared ones.
func TestFactReadsTheColumnsThatItDeclares(t *testing.T) {
	l := newLab(t)
	l.derive()
	for _, f := range l.catalog.Facts() {
		for i, in := range f.Inputs {
			for j, column := range in.Columns {
				less := f
				less.Inputs = slices.Clone(f.Inputs)
				less.Inputs[i].Columns = slices.Delete(slices.Clone(in.Columns), j, j+1)
				if len(less.Inputs[i].Columns) == 0 {
					continue
				}
				_, err := l.db.ExecContext(t.Context(), "EXPLAIN "+scoped(less, "", "SELECT * FROM (\n"+f.Select+"\n)"))
				if err == nil {
					t.Errorf("%s doesn't read %s.%s", f.Name, in.Table, column)
				}
			}
		}
	}
}

func TestEveryMetricCanBeAskedByEveryDimensionAtEveryGrain(t *testing.T) {
	l := newLab(t)
	l.threeHours()
	l.exec("INSERT INTO fleet.app_user VALUES (id('utc'), false, 'UTC', 'US', NULL)")
	l.unit(unit{name: "a", user: "utc", model: 1, bound: "2026-10-01 10:00:00"})
	l.derive()
	asked := 0
	for _, m := range l.catalog.Metrics() {
		for _, grain := range m.Grains {
			for _, by := range append(slices.Clone(m.Dimensions), "") {
				q := metric.Question{Metric: m.Name, Grain: grain, From: at(t, "2026-10-01"), To: at(t, "2026-10-02")}
				if by != "" {
					q.By = []string{by}
				}
				if a := l.ask(time.Time{}, q); len(a.Rows) == 0 {
					t.Errorf("%s by %q at %s has no rows", m.Name, by, grain)
				}
				asked++
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d questions", asked)
	}
}

// BenchmarkDeriveAttempts derives connection_attempt from two million tries of 1.3 million attempts, 1 % of them delivered twice.
func BenchmarkDeriveAttempts(b *testing.B) {
	l := newLab(b)
	l.exec(`INSERT INTO fleet.connection_attempt
		SELECT uuid(), CAST(md5(CAST(i // 3 * 2 + least(i % 3, 1) AS VARCHAR)) AS UUID), CASE WHEN i % 3 = 2 THEN 2 ELSE 1 END,
			CAST(md5('d' || hash(i // 3) % 100000) AS UUID), CAST(md5('u' || hash(i // 3) % 40000) AS UUID), i % 10 = 0, 'live', 'p2p',
			TIMESTAMP '2026-10-01' + to_seconds(i), TIMESTAMP '2026-10-01' + to_seconds(i + 2), i % 5000, CASE WHEN i % 20 = 0 THEN false WHEN i % 97 = 0 THEN NULL ELSE true END,
			CASE WHEN i % 20 = 0 THEN 'TIMEOUT' END, i % 50, 'ios', '3.' || i % 9, 7922, 'US-CA'
		FROM range(2000000) AS t(i)`)
	l.exec("INSERT INTO fleet.connection_attempt SELECT * REPLACE (received_at + INTERVAL 3 MINUTE AS received_at, false AS ok) FROM fleet.connection_attempt USING SAMPLE 20000 ROWS")
	l.exec(`INSERT INTO fleet.device SELECT CAST(md5('d' || i) AS UUID), i % 20, CAST(md5('u' || i % 40000) AS UUID), TIMESTAMP '2026-09-01' + to_seconds(i),
		TIMESTAMP '2026-09-01' + to_seconds(i), NULL, i % 1000 = 0 FROM range(100000) AS t(i)`)
	l.exec("INSERT INTO fleet.device_binding SELECT uuid(), device_id, owner_user_id, first_bound_at, NULL, 'first_setup' FROM fleet.device")
	l.exec("INSERT INTO fleet.app_user SELECT CAST(md5('u' || i) AS UUID), i % 5000 = 0, CASE i % 3 WHEN 0 THEN 'Asia/Kolkata' WHEN 1 THEN 'UTC' ELSE 'America/New_York' END, 'US', NULL FROM range(40000) AS t(i)")
	l.exec("INSERT INTO fleet.product_model SELECT i, 'M' || i, 'camera' FROM range(20) AS t(i)")
	l.exec("INSERT INTO fleet.firmware_release SELECT i, '4.' || i FROM range(50) AS t(i)")
	for _, f := range l.catalog.Facts() {
		b.Run("whole/"+f.Name, func(b *testing.B) {
			for b.Loop() {
				l.exec("CREATE OR REPLACE TABLE " + f.Name + " AS " + scoped(f, "", "SELECT * FROM (\n"+f.Select+"\n)"))
			}
		})
		driving := f.Inputs[slices.IndexFunc(f.Inputs, func(in metric.Input) bool { return in.Driving })]
		l.exec("CREATE OR REPLACE TEMP TABLE touched AS SELECT " + driving.KeyColumn + " AS k FROM " + driving.Table + " USING SAMPLE 5000 ROWS")
		b.Run("5000 keys/"+f.Name, func(b *testing.B) {
			for b.Loop() {
				l.exec("CREATE OR REPLACE TEMP TABLE piece AS " + scoped(f, "SELECT k FROM touched", "SELECT * FROM (\n"+f.Select+"\n)"))
			}
		})
	}
	for _, q := range []metric.Question{
		{Metric: "failed_connection_rate"},
		{Metric: "failed_connection_rate", Grain: "hour", By: []string{"model", "firmware"}},
		{Metric: "affected_accounts"},
		{Metric: "connect_ms_p95"},
		{Metric: "device_activations", By: []string{"model"}},
	} {
		b.Run(fmt.Sprintf("ask/%s/%s/%s", q.Metric, q.Grain, strings.Join(q.By, "+")), func(b *testing.B) {
			for b.Loop() {
				l.ask(time.Time{}, q)
			}
		})
	}
}
