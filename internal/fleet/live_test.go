package fleet

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// liveUntil lets a fleet live until enough is true of its statistics.
func liveUntil(t *testing.T, url string, speed float64, enough func(Stats) bool) Stats {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var last Stats
	err := Live(ctx, LiveOptions{URL: url, Speed: speed, Seed: 3, Stats: func(s Stats) {
		last = s
		if enough(s) {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !enough(last) {
		t.Fatalf("after %v only %+v", last.Elapsed, last)
	}
	return last
}

func everything(s Stats) bool {
	for _, a := range acts {
		if *a.count(&s) == 0 {
			return false
		}
	}
	return true
}

func TestLivingFleetChangesRowsOfAllKinds(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts, o.Days = 50, 2
	truth, conn := create(t, o)
	grow := []string{
		"app_user", "device", "device_binding", "shipment", "setup_session", "setup_step_event", "home_network",
		"connection_attempt", "device_heartbeat", "device_connectivity_event", "app_session",
	}
	before := map[string]float64{}
	for _, table := range grow {
		before[table] = number(t, conn, "SELECT count(*)::float8 FROM fleet."+table)
	}
	var born time.Time
	if err := conn.QueryRow(t.Context(), "SELECT now()").Scan(&born); err != nil {
		t.Fatal(err)
	}
	liveUntil(t, o.URL, 60, everything)
	for _, table := range grow {
		if n := number(t, conn, "SELECT count(*)::float8 FROM fleet."+table); n <= before[table] {
			t.Errorf("%s: %v rows before and %v after", table, before[table], n)
		}
	}
	for what, sql := range map[string]string{
		"accounts deleted softly":  "SELECT count(*)::float8 FROM fleet.app_user WHERE deleted_at > $1 AND nickname IS NULL AND email LIKE 'deleted-%'",
		"devices seen":             "SELECT count(*)::float8 FROM fleet.device WHERE last_seen_at > $1",
		"tokens made new":          "SELECT count(*)::float8 FROM fleet.auth_session WHERE issued_at > $1",
		"transfers":                "SELECT count(*)::float8 FROM fleet.device_binding WHERE bound_at > $1 AND reason = 'transfer'",
		"activations":              "SELECT count(*)::float8 FROM fleet.device WHERE first_activated_at > $1::timestamptz - interval '30 seconds'",
		"disconnects of own calls": "SELECT count(*)::float8 FROM fleet.device_connectivity_event d JOIN fleet.device_connectivity_event c USING (session_id) WHERE d.kind = 'disconnected' AND c.kind = 'connected' AND d.occurred_at > $1",
	} {
		if n := number(t, conn, sql, born); n == 0 {
			t.Errorf("%s: none", what)
		}
	}
	for what, sql := range map[string]string{
		"sessions of deleted accounts": "SELECT count(*)::float8 FROM fleet.auth_session JOIN fleet.app_user u USING (user_id) WHERE deleted_at IS NOT NULL",
		"shares of deleted accounts":   "SELECT count(*)::float8 FROM fleet.device_share JOIN fleet.app_user u ON owner_user_id = user_id OR grantee_user_id = user_id WHERE deleted_at IS NOT NULL",
		"devices of deleted accounts":  "SELECT count(*)::float8 FROM fleet.device JOIN fleet.app_user u ON owner_user_id = user_id WHERE deleted_at IS NOT NULL",
		"groups without a first try":   "SELECT count(*)::float8 FROM (SELECT FROM fleet.connection_attempt GROUP BY attempt_group HAVING min(try_no) <> 1) x",
	} {
		if n := number(t, conn, sql); n != 0 {
			t.Errorf("%s: %v", what, n)
		}
	}
	for _, k := range truth.Canaries {
		if k.Table == "app_user" && k.Column == "email" {
			if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.app_user WHERE email = $1", k.Value); n != 1 {
				t.Error("the canary account has left")
			}
		}
	}
}

func TestEmptySchemaComesToLife(t *testing.T) {
	o := Options{URL: postmastertest.Database(t)}
	_, conn := create(t, o)
	liveUntil(t, o.URL, 300, func(s Stats) bool { return s.Signups > 20 && s.Activations > 20 && s.Attempts > 100 })
	if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.connection_attempt_default"); n != 0 {
		t.Errorf("%v of today's rows lie in the DEFAULT partition", n)
	}
}

func TestLifeGoesOnAfterALostConnection(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts, o.Days = 50, 1
	_, conn := create(t, o)
	killed := false
	stats := liveUntil(t, o.URL, 5, func(s Stats) bool {
		if !killed {
			killed = true
			if _, err := conn.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'weir fleet live'"); err != nil {
				t.Error(err)
			}
		}
		return s.Reconnects > 0 && s.Attempts > 5
	})
	if stats.Reconnects != 1 {
		t.Errorf("%d reconnects, want one", stats.Reconnects)
	}
}

func TestLifeNeedsAFleet(t *testing.T) {
	err := Live(t.Context(), LiveOptions{URL: postmastertest.Database(t)})
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.NotFound || f.Hint == "" {
		t.Errorf("got %v, want a fault that says how to make a fleet", err)
	}
	if err := Live(t.Context(), LiveOptions{Speed: -1}); fault.KindOf(err) != fault.Usage {
		t.Errorf("speed -1: got %v, want a usage fault", err)
	}
}

func TestStatementsThatFailEndTheLifeWithoutQuotingAnything(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts, o.Days = 50, 1
	_, conn := create(t, o)
	if _, err := conn.Exec(t.Context(), "ALTER TABLE fleet.connection_attempt RENAME COLUMN purpose TO secret_name"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	err := Live(ctx, LiveOptions{URL: o.URL})
	var f *fault.Error
	if !errors.As(err, &f) || f.Error() != "the fleet's database refused a statement (SQLSTATE 42703)" {
		t.Errorf("got %v", err)
	}
}
