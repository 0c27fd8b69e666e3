package metric_test

import (
	"encoding/json"
	"testing"

	"github.com/weirproject/weir/internal/metric"
)

// try is one row of fleet.connection_attempt; empty fields are NULL but for those with a usual value.
type try struct {
	group, id string
	no        int
	device    string // usual: camera
	user      string // usual: anna
	started   string
	received  string // usual: two seconds after started
	ok        string // true, false or NULL
	code      string
	firmware  int
	ms        int
}

func (l *lab) attempt(r try) {
	l.t.Helper()
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	usual := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	var ms, firmware any
	if r.ms > 0 {
		ms = r.ms
	}
	if r.firmware > 0 {
		firmware = r.firmware
	}
	l.exec(`INSERT INTO fleet.connection_attempt (try_uuid, attempt_group, try_no, device_id, user_id, is_shared_user, purpose, transport, started_at, received_at,
			duration_ms, ok, error_code, firmware_id, app_os, app_version, isp_asn, region_code)
		SELECT id($1), id($2), $3, id($4), id($5), false, 'live', 'p2p', CAST($6 AS TIMESTAMP), coalesce(CAST($7 AS TIMESTAMP), CAST($6 AS TIMESTAMP) + INTERVAL 2 SECOND),
			$8, CAST($9 AS BOOLEAN), $10, $11, 'ios', '3.1', 7922, 'US-CA'`,
		usual(r.id, r.group), r.group, max(r.no, 1), usual(r.device, "camera"), usual(r.user, "anna"), r.started, null(r.received), ms,
		null(r.ok), null(r.code), firmware)
}

// people fills the tables around the attempts.
func (l *lab) people() {
	l.t.Helper()
	l.exec(`INSERT INTO fleet.product_model VALUES (1, 'CAM-V3', 'camera'), (2, 'PLUG-1', 'plug')`)
	l.exec(`INSERT INTO fleet.firmware_release VALUES (31, '4.36.1'), (32, '4.36.2')`)
	l.exec(`INSERT INTO fleet.device (device_id, model_id, is_synthetic) VALUES (id('camera'), 1, false), (id('plug'), 2, false), (id('probe'), 1, true), (id('odd'), NULL, NULL)`)
	l.exec(`INSERT INTO fleet.app_user (user_id, is_internal, deleted_at) VALUES (id('anna'), false, NULL), (id('ben'), false, NULL), (id('tester'), true, NULL),
		(id('gone'), false, TIMESTAMP '2026-10-01 12:00:00')`)
}

// TestAttemptIsFolded holds the paper-and-pencil cases of metrics.md's M3: one logical attempt each.
func TestAttemptIsFolded(t *testing.T) {
	const day = "2026-10-01 "
	cases := []struct {
		name  string
		tries []try
		// outcome, first outcome, error class, first_at, tries, repaired, excluded, duration
		want string
	}{
		{"a success", []try{{started: day + "10:00:00", ok: "true", ms: 700}}, "succeeded succeeded none 2026-10-01 10:00:00 1 0 false 700"},
		{"a failure", []try{{started: day + "10:00:00", ok: "false", code: "TIMEOUT", ms: 9000}}, "failed failed TIMEOUT 2026-10-01 10:00:00 1 0 false -"},
		{"a failure without a code", []try{{started: day + "10:00:00", ok: "false"}}, "failed failed - 2026-10-01 10:00:00 1 0 false -"},
		{"a retry that succeeds", []try{
			{id: "a", no: 1, started: day + "10:00:00", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "10:00:20", ok: "true", ms: 800},
		}, "succeeded failed none 2026-10-01 10:00:00 2 0 false 800"},
		{"a retry that fails in another way", []try{
			{id: "a", no: 1, started: day + "10:00:00", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "10:00:20", ok: "false", code: "DEVICE_OFFLINE"},
		}, "failed failed DEVICE_OFFLINE 2026-10-01 10:00:00 2 0 false -"},
		{"tries received in the wrong order", []try{
			{id: "b", no: 2, started: day + "10:00:20", received: day + "10:00:21", ok: "true", ms: 800},
			{id: "a", no: 1, started: day + "10:00:00", received: day + "16:00:00", ok: "false", code: "TIMEOUT"},
		}, "succeeded failed none 2026-10-01 10:00:00 2 0 false 800"},
		{"a retry in the next hour belongs to the first", []try{
			{id: "a", no: 1, started: day + "10:59:50", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "11:00:10", ok: "false", code: "TIMEOUT"},
		}, "failed failed TIMEOUT 2026-10-01 10:59:50 2 0 false -"},
		{"a duplicate with another result, received later, loses", []try{
			{id: "a", started: day + "10:00:00", received: day + "10:03:00", ok: "true", ms: 100},
			{id: "a", started: day + "10:00:00", received: day + "10:00:02", ok: "false", code: "TIMEOUT"},
		}, "failed failed TIMEOUT 2026-10-01 10:00:00 1 0 false -"},
		{"an equal duplicate counts once", []try{
			{id: "a", started: day + "10:00:00", ok: "true", ms: 5},
			{id: "a", started: day + "10:00:00", ok: "true", ms: 5},
		}, "succeeded succeeded none 2026-10-01 10:00:00 1 0 false 5"},
		{"two tries of equal values are two tries", []try{
			{id: "a", started: day + "10:00:00", ok: "true", ms: 5},
			{id: "b", started: day + "10:00:00", ok: "true", ms: 5},
		}, "succeeded succeeded none 2026-10-01 10:00:00 2 0 false 5"},
		{"a clock at 1970", []try{{started: "1970-01-01 00:00:07", received: day + "10:00:02", ok: "true", ms: 7}}, "succeeded succeeded none 2026-10-01 10:00:02 1 1 false 7"},
		{"a clock 25 hours ahead", []try{{started: "2026-10-02 11:00:00", received: day + "10:00:00", ok: "true", ms: 7}}, "succeeded succeeded none 2026-10-01 10:00:00 1 1 false 7"},
		{"a clock 24 hours ahead is believed", []try{{started: "2026-10-02 10:00:00", received: day + "10:00:00", ok: "true", ms: 7}}, "succeeded succeeded none 2026-10-02 10:00:00 1 0 false 7"},
		{"the first moment of 2015 is believed", []try{{started: "2015-01-01 00:00:00", received: day + "10:00:00", ok: "true", ms: 7}}, "succeeded succeeded none 2015-01-01 00:00:00 1 0 false 7"},
		{"a clock at infinity", []try{{started: "infinity", received: day + "10:00:00", ok: "true", ms: 7}}, "succeeded succeeded none 2026-10-01 10:00:00 1 1 false 7"},
		{"a repaired clock doesn't reorder tries", []try{
			{id: "a", no: 1, started: "1970-01-01 00:00:00", received: day + "10:00:30", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "10:00:20", received: day + "10:00:25", ok: "true", ms: 3},
		}, "succeeded failed none 2026-10-01 10:00:30 2 1 false 3"},
		{"cancelled", []try{{started: day + "10:00:00", ok: "false", code: "USER_CANCELLED"}}, "cancelled cancelled USER_CANCELLED 2026-10-01 10:00:00 1 0 false -"},
		{"cancelled without a result", []try{{started: day + "10:00:00", code: "USER_CANCELLED"}}, "cancelled cancelled USER_CANCELLED 2026-10-01 10:00:00 1 0 false -"},
		{"cancelled at the second try", []try{
			{id: "a", no: 1, started: day + "10:00:00", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "10:00:05", ok: "false", code: "USER_CANCELLED"},
		}, "cancelled failed USER_CANCELLED 2026-10-01 10:00:00 2 0 false -"},
		{"the app went away", []try{{started: day + "10:00:00"}}, "unknown unknown - 2026-10-01 10:00:00 1 0 false -"},
		{"the app went away at the second try", []try{
			{id: "a", no: 1, started: day + "10:00:00", ok: "false", code: "TIMEOUT"},
			{id: "b", no: 2, started: day + "10:00:05"},
		}, "unknown failed - 2026-10-01 10:00:00 2 0 false -"},
		{"an internal account", []try{{user: "tester", started: day + "10:00:00", ok: "false", code: "TIMEOUT"}}, "failed failed TIMEOUT 2026-10-01 10:00:00 1 0 true -"},
		{"a synthetic device", []try{{device: "probe", started: day + "10:00:00", ok: "false", code: "TIMEOUT"}}, "failed failed TIMEOUT 2026-10-01 10:00:00 1 0 true -"},
		{"before the account's deletion", []try{{user: "gone", started: day + "11:59:59", ok: "true", ms: 1}}, "succeeded succeeded none 2026-10-01 11:59:59 1 0 false 1"},
		{"after the account's deletion", []try{{user: "gone", started: day + "12:00:01", ok: "true", ms: 1}}, "succeeded succeeded none 2026-10-01 12:00:01 1 0 true 1"},
		{"an account that the copy lacks", []try{{user: "stranger", started: day + "10:00:00", ok: "true", ms: 1}}, "succeeded succeeded none 2026-10-01 10:00:00 1 0 false 1"},
		{"a device that the copy lacks", []try{{device: "nowhere", started: day + "10:00:00", ok: "true", ms: 1}}, "succeeded succeeded none 2026-10-01 10:00:00 1 0 false 1"},
		{"a device with unknown flags", []try{{device: "odd", started: day + "10:00:00", ok: "true", ms: 1}}, "succeeded succeeded none 2026-10-01 10:00:00 1 0 false 1"},
	}
	l := newLab(t)
	l.people()
	for _, c := range cases {
		for _, r := range c.tries {
			r.group = c.name
			if r.id == "" {
				r.id = "only"
			}
			l.attempt(r)
		}
	}
	l.derive()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := l.one(`SELECT concat_ws(' ', outcome, first_outcome, coalesce(error_class, '-'), CAST(first_at AS VARCHAR), tries, clock_repaired, excluded,
				coalesce(CAST(duration_ms AS VARCHAR), '-')) FROM metric.connection_attempt WHERE attempt_group = id($1)`, c.name)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if got := l.one("SELECT CAST(count(*) AS VARCHAR) FROM metric.connection_attempt"); got != l.one("SELECT CAST(count(DISTINCT attempt_group) AS VARCHAR) FROM fleet.connection_attempt") {
		t.Errorf("%s rows for as many groups", got)
	}
}

// threeHours is a small day whose numbers can be counted by hand:
//
//	10 h: camera 4.36.1: success after a failed try, DEVICE_OFFLINE; plug: TIMEOUT, success; cancelled; internal failure
//	11 h: only an attempt without a result
//	12 h: camera 4.36.2: TIMEOUT by ben and twice by anna; unknown device: success
func (l *lab) threeHours() {
	l.t.Helper()
	l.people()
	const day = "2026-10-01 "
	for _, r := range []try{
		{group: "1", id: "1a", no: 1, started: day + "10:00:00", ok: "false", code: "TIMEOUT", firmware: 31},
		{group: "1", id: "1b", no: 2, started: day + "10:00:10", ok: "true", ms: 1000, firmware: 32},
		{group: "2", started: day + "10:59:59.999999", received: day + "11:00:01", ok: "false", code: "DEVICE_OFFLINE", firmware: 31},
		{group: "3", device: "plug", started: day + "10:10:00", ok: "false", code: "TIMEOUT"},
		{group: "4", device: "plug", started: day + "10:20:00", ok: "true", ms: 200},
		{group: "5", started: day + "10:30:00", ok: "false", code: "USER_CANCELLED", firmware: 31},
		{group: "6", user: "tester", started: day + "10:40:00", ok: "false", code: "TIMEOUT", firmware: 31},
		{group: "7", started: day + "11:00:00", firmware: 31},
		{group: "8", user: "ben", started: day + "12:00:00", ok: "false", code: "TIMEOUT", firmware: 32},
		{group: "9", started: day + "12:01:00", ok: "false", code: "TIMEOUT", firmware: 32},
		{group: "10", started: day + "12:02:00", ok: "false", code: "TIMEOUT", firmware: 99},
		{group: "11", device: "nowhere", started: "1970-01-01 00:00:00", received: day + "12:30:00", ok: "true", ms: 400},
	} {
		l.attempt(r)
	}
	l.derive()
}

func TestRatesAreThoseOfPaperAndPencil(t *testing.T) {
	l := newLab(t)
	l.threeHours()
	hour := func(name string, by ...string) metric.Question {
		return metric.Question{Metric: name, By: by, Grain: "hour"}
	}

	l.wants(hour("failed_connection_rate"), "2026-10-01T10 2/4=0.5", "2026-10-01T11 0/0=null", "2026-10-01T12 3/4=0.75")
	l.wants(metric.Question{Metric: "failed_connection_rate"}, "2026-10-01T00 5/8=0.625")
	l.wants(metric.Question{Metric: "failed_connection_rate", Grain: "week"}, "2026-09-28T00 5/8=0.625")
	l.wants(hour("failed_connection_rate_reachable"), "2026-10-01T10 1/4=0.25", "2026-10-01T11 0/0=null", "2026-10-01T12 3/4=0.75")
	l.wants(hour("first_try_failure_rate"), "2026-10-01T10 3/4=0.75", "2026-10-01T11 0/0=null", "2026-10-01T12 3/4=0.75")
	l.wants(hour("unknown_connection_rate"), "2026-10-01T10 0/4=0", "2026-10-01T11 1/1=1", "2026-10-01T12 0/4=0")
	l.wants(metric.Question{Metric: "clock_repaired_rate"}, "2026-10-01T00 1/11=0.09091")
	l.wants(hour("affected_accounts"), "2026-10-01T10 1/null=1", "2026-10-01T11 0/null=0", "2026-10-01T12 2/null=2")
	l.wants(metric.Question{Metric: "affected_accounts"}, "2026-10-01T00 2/null=2") // not 3: distinct over the day
	l.wants(hour("connect_ms_p50"), "2026-10-01T10 600/null=600", "2026-10-01T11 null/null=null", "2026-10-01T12 400/null=400")
	l.wants(hour("connect_ms_p95"), "2026-10-01T10 960/null=960", "2026-10-01T11 null/null=null", "2026-10-01T12 400/null=400")

	l.wants(metric.Question{Metric: "failed_connection_rate", By: []string{"model"}},
		"2026-10-01T00 model=CAM-V3 4/5=0.8", "2026-10-01T00 model=PLUG-1 1/2=0.5", "2026-10-01T00 model=unknown 0/1=0")
	l.wants(metric.Question{Metric: "failed_connection_rate", By: []string{"firmware"}}, // of the first try; 99 is not in the catalogue
		"2026-10-01T00 firmware=4.36.1 1/2=0.5", "2026-10-01T00 firmware=4.36.2 2/2=1", "2026-10-01T00 firmware=unknown 2/4=0.5")
	l.wants(metric.Question{Metric: "failed_connection_rate", By: []string{"error_class", "family"}},
		"2026-10-01T00 error_class=DEVICE_OFFLINE family=camera 1/1=1",
		"2026-10-01T00 error_class=TIMEOUT family=camera 3/3=1",
		"2026-10-01T00 error_class=TIMEOUT family=plug 1/1=1",
		"2026-10-01T00 error_class=USER_CANCELLED family=camera 0/0=null",
		"2026-10-01T00 error_class=none family=camera 0/1=0",
		"2026-10-01T00 error_class=none family=plug 0/1=0",
		"2026-10-01T00 error_class=none family=unknown 0/1=0",
		"2026-10-01T00 error_class=unknown family=camera 0/0=null")
	l.wants(metric.Question{Metric: "failed_connection_rate", By: []string{"shared", "isp", "region", "transport", "purpose", "app_os", "app_version"}},
		"2026-10-01T00 app_os=ios app_version=3.1 isp=7922 purpose=live region=US-CA shared=false transport=p2p 5/8=0.625")
}

func TestRangeIncludesItsBeginningAndExcludesItsEnd(t *testing.T) {
	l := newLab(t)
	l.threeHours()
	ask := func(from, to string) metric.Question {
		q := metric.Question{Metric: "failed_connection_rate", Grain: "hour"}
		if from != "" {
			q.From = at(t, from)
		}
		if to != "" {
			q.To = at(t, to)
		}
		return q
	}
	l.wants(ask("2026-10-01T12:00:00Z", ""), "2026-10-01T12 3/4=0.75")
	l.wants(ask("2026-10-01T12:00:00.000001Z", ""), "2026-10-01T12 2/3=0.6667")
	l.wants(ask("", "2026-10-01T11:00:00Z"), "2026-10-01T10 2/4=0.5")
	l.wants(ask("", "2026-10-01T10:59:59.999999Z"), "2026-10-01T10 1/3=0.3333")
	l.wants(ask("2026-10-01T14:00:00+02:00", "2026-10-01T14:01:00+02:00"), "2026-10-01T12 1/1=1")
	l.wants(ask("2026-10-02", "2026-10-03"))
}

// Production's tables hold times that are none: sentinels, and the years of typing errors.
func TestRowsWhoseTimeIsOnNoCalendarAreInNoInterval(t *testing.T) {
	for _, open := range []metric.Question{
		{Metric: "failed_connection_rate", Grain: "hour"},
		{Metric: "failed_connection_rate", Grain: "hour", From: at(t, "2026-10-01T12:00:00Z")},
		{Metric: "failed_connection_rate", Grain: "hour", To: at(t, "2026-10-01T11:00:00Z")},
	} {
		l := newLab(t)
		l.threeHours()
		whole := l.ask(at(t, "2026-10-02").UTC(), open)
		for _, never := range []string{"infinity", "-infinity", "294000-01-01", "10000-01-01", "0044-03-15 (BC)"} {
			l.exec("INSERT INTO metric.connection_attempt BY NAME SELECT * REPLACE (CAST(md5('" + never + "') AS UUID) AS attempt_group, CAST('" + never +
				"' AS TIMESTAMP) AS first_at) FROM metric.connection_attempt LIMIT 1")
		}
		got := l.ask(at(t, "2026-10-02").UTC(), open)
		if len(whole.Rows) == 0 || len(got.Rows) != len(whole.Rows) {
			t.Errorf("%+v has %d intervals with such rows, and %d without", open, len(got.Rows), len(whole.Rows))
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error("the answer is no JSON:", err)
		}
	}
}
