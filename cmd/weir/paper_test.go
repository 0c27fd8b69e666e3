package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/postmaster"
)

// paperRows are typed by hand, so that every number below can be had with paper and pencil. 3 March 2026 is a Tuesday.
//
//	accounts  1 in New York, 2 in Tokyo, 3 the company's own
//	devices   1 a camera, bound by account 1 at 22:00 of 2 March in New York, sold to account 2 on the 10th
//	          2 a bulb, bound by account 2 at 01:00 of 3 March in Tokyo
//	          3 a camera of the company's own account
//	          4 a camera, bound and never seen by the cloud
//	attempts  a 3 March, 10:59:50: a try that failed, and a retry that worked, in the next hour
//	          b 3 March, 11:30: the device was offline; delivered twice, and the later delivery says that it worked
//	          c 3 March, 12:00: worked, with a clock that says 1970
//	          d 3 March, 13:00: the company's own account, failed
//	          e 3 March, 14:00: the app went away
//	          f 4 March, 09:00: cancelled
//	          g 9 March, 00:00: worked
const paperRows = `
INSERT INTO fleet.product_model (model_id, model, family, power, always_connected, heartbeat_interval_s, offline_after_s, launched_on) VALUES
  (1, 'CAM-A', 'camera', 'mains', true, 60, 300, '2024-01-01'),
  (2, 'BULB-B', 'light', 'mains', true, 60, 300, '2024-01-01');
INSERT INTO fleet.firmware_release (firmware_id, model_id, version, channel, released_at) VALUES (10, 1, '1.0.0', 'stable', '2026-01-01');
INSERT INTO fleet.app_user (user_id, email, password_hash, time_zone, country_code, is_internal, created_at) OVERRIDING SYSTEM VALUE VALUES
  (1, 'ann@paper.example', 'x1', 'America/New_York', 'US', false, '2026-03-01'),
  (2, 'ben@paper.example', 'x2', 'Asia/Tokyo',       'JP', false, '2026-03-01'),
  (3, 'qa@paper.example',  'x3', 'UTC',              'US', true,  '2026-03-01');
INSERT INTO fleet.device (device_id, mac, serial, enr_secret, model_id, owner_user_id, firmware_id, first_activated_at, first_bound_at) OVERRIDING SYSTEM VALUE VALUES
  (1, '02:00:00:00:00:01', 'SERIAL-1', 's1', 1, 2, 10,   '2026-03-03 03:01Z', '2026-03-03 03:00Z'),
  (2, '02:00:00:00:00:02', 'SERIAL-2', 's2', 2, 2, NULL, '2026-03-02 16:01Z', '2026-03-02 16:00Z'),
  (3, '02:00:00:00:00:03', 'SERIAL-3', 's3', 1, 3, 10,   '2026-03-03 12:01Z', '2026-03-03 12:00Z'),
  (4, '02:00:00:00:00:04', 'SERIAL-4', 's4', 1, 1, 10,   NULL,                '2026-03-03 12:00Z');
INSERT INTO fleet.device_binding (device_id, user_id, bound_at, unbound_at, reason) VALUES
  (1, 1, '2026-03-03 03:00Z', '2026-03-10 08:00Z', 'first_setup'),
  (1, 2, '2026-03-10 09:00Z', NULL, 'transfer'),
  (2, 2, '2026-03-02 16:00Z', NULL, 'first_setup'),
  (3, 3, '2026-03-03 12:00Z', NULL, 'first_setup'),
  (4, 1, '2026-03-03 12:00Z', NULL, 'first_setup');
INSERT INTO fleet.connection_attempt
  (attempt_group, try_uuid, try_no, device_id, user_id, is_shared_user, purpose, transport, started_at, received_at, duration_ms, ok, error_code, firmware_id, app_os, region_code) VALUES
  ('0000000a-0000-0000-0000-000000000000', '000000a1-0000-0000-0000-000000000000', 1, 1, 1, false, 'live_view', 'p2p',   '2026-03-03 10:59:50Z', '2026-03-03 10:59:52Z', 2000, false, 'TIMEOUT',        10,   'ios',     'US-NY'),
  ('0000000a-0000-0000-0000-000000000000', '000000a2-0000-0000-0000-000000000000', 2, 1, 1, false, 'live_view', 'relay', '2026-03-03 11:00:05Z', '2026-03-03 11:00:06Z', 800,  true,  NULL,             10,   'ios',     'US-NY'),
  ('0000000b-0000-0000-0000-000000000000', '000000b1-0000-0000-0000-000000000000', 1, 1, 1, false, 'live_view', 'relay', '2026-03-03 11:30:00Z', '2026-03-03 11:30:09Z', 9000, false, 'DEVICE_OFFLINE', 10,   'ios',     'US-NY'),
  ('0000000b-0000-0000-0000-000000000000', '000000b1-0000-0000-0000-000000000000', 1, 1, 1, false, 'live_view', 'relay', '2026-03-03 11:30:00Z', '2026-03-03 11:45:00Z', 9000, true,  NULL,             10,   'ios',     'US-NY'),
  ('0000000c-0000-0000-0000-000000000000', '000000c1-0000-0000-0000-000000000000', 1, 2, 2, false, 'settings',  'local', '1970-01-01 00:00:09Z', '2026-03-03 12:00:05Z', 1200, true,  NULL,             NULL, 'android', 'JP-13'),
  ('0000000d-0000-0000-0000-000000000000', '000000d1-0000-0000-0000-000000000000', 1, 3, 3, false, 'live_view', 'p2p',   '2026-03-03 13:00:00Z', '2026-03-03 13:00:01Z', 50,   false, 'AUTH',           10,   'ios',     'US-CA'),
  ('0000000e-0000-0000-0000-000000000000', '000000e1-0000-0000-0000-000000000000', 1, 1, 1, false, 'live_view', 'p2p',   '2026-03-03 14:00:00Z', '2026-03-03 14:00:01Z', NULL, NULL,  NULL,             10,   'ios',     'US-NY'),
  ('0000000f-0000-0000-0000-000000000000', '000000f1-0000-0000-0000-000000000000', 1, 1, 1, false, 'live_view', 'p2p',   '2026-03-04 09:00:00Z', '2026-03-04 09:00:01Z', 700,  false, 'USER_CANCELLED', 10,   'ios',     'US-NY'),
  ('000000aa-0000-0000-0000-000000000000', '000000aa-0000-0000-0000-000000000000', 1, 2, 2, true,  'settings',  'local', '2026-03-09 00:00:00Z', '2026-03-09 00:00:01Z', 400,  true,  NULL,             NULL, 'android', 'JP-13');
`

// paperNumbers are what the rows above give.
var paperNumbers = []struct{ ask, rows string }{
	{"failed_connection_rate", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":3,"value":0.3333333333333333,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --grain hour", `
		{"start":"2026-03-03T10:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T11:00:00Z","dimensions":{},"numerator":1,"denominator":1,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T12:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T13:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T14:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T09:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --grain week", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":3,"value":0.3333333333333333,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --grain hour --from 2026-03-03T12:00:00Z --to 2026-03-09", `
		{"start":"2026-03-03T12:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T13:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T14:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T09:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --from 2026-03-09 --to 2026-03-10", `
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --from 2026-04-01 --to 2026-05-01", ``},
	{"failed_connection_rate --by family,app_os --to 2026-03-04", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{"app_os":"ios","family":"camera"},"numerator":1,"denominator":2,"value":0.5,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T00:00:00Z","dimensions":{"app_os":"android","family":"light"},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --by firmware --grain week --to 2026-03-09", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{"firmware":"1.0.0"},"numerator":1,"denominator":2,"value":0.5,"provisional":false,"suppressed":false}
		{"start":"2026-03-02T00:00:00Z","dimensions":{"firmware":"unknown"},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate_reachable --grain week --from 2026-03-02 --to 2026-03-09", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":0,"denominator":3,"value":0,"provisional":false,"suppressed":false}`},
	{"first_try_failure_rate --grain week", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":2,"denominator":3,"value":0.6666666666666666,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"unknown_connection_rate", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":4,"value":0.25,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"affected_accounts --grain week", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":null,"value":0,"provisional":false,"suppressed":false}`},
	{"connect_ms_p50", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1000,"denominator":null,"value":1000,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":null,"denominator":null,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":400,"denominator":null,"value":400,"provisional":false,"suppressed":false}`},
	{"connect_ms_p95 --to 2026-03-04", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1180,"denominator":null,"value":1180,"provisional":false,"suppressed":false}`},
	{"clock_repaired_rate", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":5,"value":0.2,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}`},
	{"device_activations", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}`},
	{"device_activations --from 2026-03-01 --to 2026-03-05", `
		{"start":"2026-03-01T00:00:00Z","dimensions":{},"numerator":0,"denominator":null,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":0,"denominator":null,"value":0,"provisional":false,"suppressed":false}`},
	{"device_activations --by model,country --grain week", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{"country":"JP","model":"BULB-B"},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-02T00:00:00Z","dimensions":{"country":"US","model":"CAM-A"},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}`},
}

// laterRows are typed when the rows above have been copied: the camera's owner deletes nothing, the bulb's try turns out to be internal, a retry comes late.
const laterRows = `
INSERT INTO fleet.connection_attempt
  (attempt_group, try_uuid, try_no, device_id, user_id, is_shared_user, purpose, transport, started_at, received_at, duration_ms, ok, error_code, firmware_id, app_os, region_code) VALUES
  ('0000000b-0000-0000-0000-000000000000', '000000b2-0000-0000-0000-000000000000', 2, 1, 1, false, 'live_view', 'relay', '2026-03-03 11:31:00Z', '2026-03-03 15:00:00Z', 500, true, NULL, 10, 'ios', 'US-NY'),
  ('000000bb-0000-0000-0000-000000000000', '000000bb-0000-0000-0000-000000000000', 1, 2, 2, false, 'settings', 'local', '2026-03-09 00:10:00Z', '2026-03-09 00:10:01Z', 100, false, 'TIMEOUT', NULL, 'android', 'JP-13');
UPDATE fleet.app_user SET is_internal = false WHERE user_id = 3;
DELETE FROM fleet.connection_attempt WHERE attempt_group = '0000000c-0000-0000-0000-000000000000';
UPDATE fleet.device SET first_activated_at = '2026-03-04 00:00Z' WHERE device_id = 4;
`

var laterNumbers = []struct{ ask, rows string }{
	// a worked, b worked at last, c is gone, d counts now and failed, e without a result, f cancelled; on the 9th one of two failed.
	{"failed_connection_rate", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":1,"denominator":3,"value":0.3333333333333333,"provisional":false,"suppressed":false}
		{"start":"2026-03-04T00:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":1,"denominator":2,"value":0.5,"provisional":false,"suppressed":false}`},
	{"failed_connection_rate --grain hour --to 2026-03-04", `
		{"start":"2026-03-03T10:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T11:00:00Z","dimensions":{},"numerator":0,"denominator":1,"value":0,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T13:00:00Z","dimensions":{},"numerator":1,"denominator":1,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T14:00:00Z","dimensions":{},"numerator":0,"denominator":0,"value":null,"provisional":false,"suppressed":false}`},
	{"clock_repaired_rate --to 2026-03-04", `
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":0,"denominator":6,"value":0,"provisional":false,"suppressed":false}`},
	{"affected_accounts --grain week", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-09T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}`},
	{"device_activations", `
		{"start":"2026-03-02T00:00:00Z","dimensions":{},"numerator":1,"denominator":null,"value":1,"provisional":false,"suppressed":false}
		{"start":"2026-03-03T00:00:00Z","dimensions":{},"numerator":3,"denominator":null,"value":3,"provisional":false,"suppressed":false}`},
}

// ownServer is a PostgreSQL that a test may stop, with the fleet's empty schema.
func ownServer(t *testing.T) (*postmaster.Server, string) {
	t.Helper()
	s, _ := privateServer(t, fast)
	url := s.URL("postgres")
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: url, Accounts: 0, Until: fleetUntil}); err != nil {
		t.Fatal(err)
	}
	return s, url
}

// typeSQL runs statements as a person at the database would.
func typeSQL(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if _, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// runScript gives a script to psql, or to a connection where there is no psql.
func runScript(t *testing.T, url, sql string) {
	t.Helper()
	psql, err := exec.LookPath("psql")
	if err != nil {
		typeSQL(t, url, sql)
		return
	}
	cmd := exec.CommandContext(t.Context(), psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url)
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s\n%s", err, out, sql)
	}
}

// shown is the stable shape of metric show --json.
type shown struct {
	Metric  string     `json:"metric"`
	Version int        `json:"version"`
	Grain   string     `json:"grain"`
	AsOf    *time.Time `json:"as_of"`
	Rows    []json.RawMessage
}

// ask shows a metric as JSON, from the state alone, and returns its rows, one line each.
func ask(t testing.TB, state, question string) (shown, string) {
	t.Helper()
	args := append([]string{"metric", "show"}, strings.Fields(question)...)
	out := must(t, append(args, "--state", state, "--json")...)
	var s shown
	dec := json.NewDecoder(strings.NewReader(out))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatalf("metric show %s: %v\n%s", question, err, out)
	}
	var lines bytes.Buffer
	for _, r := range s.Rows {
		if err := json.Compact(&lines, r); err != nil {
			t.Fatal(err)
		}
		lines.WriteByte('\n')
	}
	return s, lines.String()
}

func sameNumbers(t *testing.T, state string, want []struct{ ask, rows string }) {
	t.Helper()
	for _, w := range want {
		s, got := ask(t, state, w.ask)
		expected := ""
		for line := range strings.Lines(w.rows) {
			if line = strings.TrimSpace(line); line != "" {
				expected += line + "\n"
			}
		}
		if got != expected {
			t.Errorf("%s\ngot\n%swant\n%s", w.ask, got, expected)
		}
		name, _, _ := strings.Cut(w.ask, " ")
		if s.Metric != name || s.Version != 1 || s.AsOf == nil || time.Since(*s.AsOf) > time.Hour {
			t.Errorf("%s: head %+v", w.ask, s)
		}
	}
}

func TestNumbersAreThoseOfPaperAndPencil(t *testing.T) {
	t.Parallel()
	server, url := ownServer(t)
	typeSQL(t, url, paperRows)
	state := filepath.Join(t.TempDir(), "state")
	must(t, append([]string{"run", "--once", "--apply"}, copyFlags(url, state)...)...)
	sameNumbers(t, state, paperNumbers)

	typeSQL(t, url, laterRows)
	must(t, append([]string{"run", "--once"}, copyFlags(url, state)...)...)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	sameNumbers(t, state, laterNumbers)
}

func TestNumbersStandWhenTheSourceIsGone(t *testing.T) {
	t.Parallel()
	server, url := ownServer(t)
	typeSQL(t, url, paperRows)
	state := filepath.Join(t.TempDir(), "state")
	flags := copyFlags(url, state)
	before := weir(t, append([]string{"run", "--once"}, flags...)...)
	if before.code != 4 || before.stdout != "" || !strings.Contains(before.stderr, "weir source script") {
		t.Fatalf("a run before the script: %+v", before)
	}
	runScript(t, url, must(t, append([]string{"source", "script"}, flags...)...))
	again := weir(t, append([]string{"source", "script"}, flags...)...)
	if again.code != 0 || again.stdout != "" || !strings.Contains(again.stderr, "nothing is to be done") {
		t.Fatalf("the script after the script: %+v", again)
	}
	must(t, append([]string{"run", "--once"}, flags...)...)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	sameNumbers(t, state, paperNumbers)
	if r := weir(t, append([]string{"run", "--once"}, flags...)...); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "hint: ") {
		t.Fatalf("a run without the source: %+v", r)
	}
	sameNumbers(t, state, paperNumbers[:1])
}

func TestNumbersMoveWhileTheSourceIsFollowed(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 0, 1)
	typeSQL(t, url, paperRows)
	state := filepath.Join(t.TempDir(), "state")
	p := start(t, append([]string{"run", "--apply"}, copyFlags(url, state)...)...)
	eventually(t, "following", func() bool { return strings.Contains(p.output(), "following production") })
	sameNumbers(t, state, paperNumbers[:2])

	typeSQL(t, url, laterRows)
	eventually(t, "the numbers move", func() bool {
		p.mustRun(t)
		_, rows := ask(t, state, "failed_connection_rate --from 2026-03-09")
		return strings.Contains(rows, `"numerator":1,"denominator":2,"value":0.5`)
	})
	sameNumbers(t, state, laterNumbers)
	if code := p.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.output())
	}
	sameNumbers(t, state, laterNumbers)
}

func TestAnswersStayCurrentWhileNothingHappens(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 0, 1)
	typeSQL(t, url, paperRows)
	state := filepath.Join(t.TempDir(), "state")
	p := start(t, append([]string{"run", "--apply"}, copyFlags(url, state)...)...)
	eventually(t, "following", func() bool { return strings.Contains(p.output(), "following production") })
	first, _ := ask(t, state, "device_activations")
	eventually(t, "an answer as of three seconds later", func() bool {
		next, _ := ask(t, state, "device_activations")
		return next.AsOf.Sub(*first.AsOf) >= 3*time.Second
	})
}
