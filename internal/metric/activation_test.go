package metric_test

import (
	"testing"
	"time"

	"github.com/weirproject/weir/internal/metric"
)

// unit is a device and its first binding.
type unit struct {
	name      string
	bound     string // first_bound_at, UTC
	inactive  bool   // never contacted the cloud
	user      string // of the first binding; "" for no binding row
	owner     string // today's
	model     int
	synthetic bool
}

func (l *lab) unit(u unit) {
	l.t.Helper()
	var bound, owner, model any
	if u.bound != "" {
		bound = u.bound
	}
	if u.owner != "" {
		owner = u.owner
	}
	if u.model != 0 {
		model = u.model
	}
	l.exec(`INSERT INTO fleet.device (device_id, model_id, owner_user_id, first_activated_at, first_bound_at, is_synthetic)
		SELECT id($1), $2, id($3), CASE WHEN $4 THEN NULL ELSE TIMESTAMP '1970-01-01 00:00:00' END, CAST($5 AS TIMESTAMP), $6`,
		u.name, model, owner, u.inactive, bound, u.synthetic)
	if u.user != "" {
		l.bind(u.name, u.user, u.bound, "first_setup")
	}
}

func (l *lab) bind(device, user, when, reason string) {
	l.t.Helper()
	l.exec(`INSERT INTO fleet.device_binding (binding_id, device_id, user_id, bound_at, reason) SELECT uuid(), id($1), id($2), CAST($3 AS TIMESTAMP), $4`, device, user, when, reason)
}

// owners fills the tables around the devices: one account per time zone, named after it.
func (l *lab) owners() {
	l.t.Helper()
	l.exec(`INSERT INTO fleet.product_model VALUES (1, 'CAM-V3', 'camera'), (2, 'PLUG-1', 'plug')`)
	for user, zone := range map[string]any{
		"los angeles": "America/Los_Angeles", "kolkata": "Asia/Kolkata", "kiritimati": "Pacific/Kiritimati", "apia": "Pacific/Apia", "pago": "Pacific/Pago_Pago",
		"utc": "UTC", "mars": "Mars/Olympus_Mons", "empty": "", "quote": "'; DROP TABLE x", "nozone": nil,
	} {
		l.exec("INSERT INTO fleet.app_user (user_id, is_internal, time_zone, country_code) SELECT id($1), false, $2, 'US'", user, zone)
	}
	l.exec(`INSERT INTO fleet.app_user (user_id, is_internal, time_zone, country_code, deleted_at) VALUES (id('tester'), true, 'UTC', 'DE', NULL),
		(id('gone'), false, 'UTC', 'DE', TIMESTAMP '2026-03-01 00:00:00')`)
}

// TestActivationIsOnTheLocalDayOfTheFirstBinding holds the paper-and-pencil cases of metrics.md's M1: one device each.
func TestActivationIsOnTheLocalDayOfTheFirstBinding(t *testing.T) {
	type later struct{ user, when, reason string }
	cases := []struct {
		unit
		later []later
		want  string // day and whether it is excluded; "" for no activation
	}{
		{unit: unit{name: "utc just before midnight", user: "utc", bound: "2026-03-08 23:59:59.999999"}, want: "2026-03-08 false"},
		{unit: unit{name: "utc at midnight", user: "utc", bound: "2026-03-09 00:00:00"}, want: "2026-03-09 false"},
		{unit: unit{name: "los angeles in winter, before its midnight", user: "los angeles", bound: "2026-03-08 07:59:59"}, want: "2026-03-07 false"},
		{unit: unit{name: "los angeles in winter, at its midnight", user: "los angeles", bound: "2026-03-08 08:00:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "the day of 23 hours ends at 7", user: "los angeles", bound: "2026-03-09 06:59:59"}, want: "2026-03-08 false"},
		{unit: unit{name: "the day after it begins at 7", user: "los angeles", bound: "2026-03-09 07:00:00"}, want: "2026-03-09 false"},
		{unit: unit{name: "the day of 25 hours begins at 7", user: "los angeles", bound: "2026-11-01 07:00:00"}, want: "2026-11-01 false"},
		{unit: unit{name: "the day of 25 hours ends at 8", user: "los angeles", bound: "2026-11-02 07:59:59"}, want: "2026-11-01 false"},
		{unit: unit{name: "the day after it begins at 8", user: "los angeles", bound: "2026-11-02 08:00:00"}, want: "2026-11-02 false"},
		{unit: unit{name: "kolkata before its midnight", user: "kolkata", bound: "2026-03-08 18:29:59"}, want: "2026-03-08 false"},
		{unit: unit{name: "kolkata at its midnight", user: "kolkata", bound: "2026-03-08 18:30:00"}, want: "2026-03-09 false"},
		{unit: unit{name: "the first zone", user: "kiritimati", bound: "2026-03-08 10:00:00"}, want: "2026-03-09 false"},
		{unit: unit{name: "the last zone", user: "pago", bound: "2026-03-08 10:59:59"}, want: "2026-03-07 false"},
		{unit: unit{name: "a day that a zone never had", user: "apia", bound: "2011-12-30 10:00:00"}, want: "2011-12-31 false"},
		{unit: unit{name: "an unknown zone is utc", user: "mars", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "an empty zone is utc", user: "empty", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "a hostile zone is utc", user: "quote", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "no zone is utc", user: "nozone", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "a missing account is utc", user: "stranger", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "without a binding row the owner's zone", owner: "kolkata", bound: "2026-03-08 20:00:00"}, want: "2026-03-09 false"},
		{unit: unit{name: "neither binding nor owner", bound: "2026-03-08 23:30:00"}, want: "2026-03-08 false"},
		{unit: unit{name: "never contacted", user: "utc", bound: "2026-03-08 10:00:00", inactive: true}, want: ""},
		{unit: unit{name: "never bound"}, want: ""},
		{unit: unit{name: "bound at infinity", owner: "utc", bound: "infinity"}, want: ""},
		{unit: unit{name: "internal", user: "tester", bound: "2026-03-08 10:00:00"}, want: "2026-03-08 true"},
		{unit: unit{name: "synthetic", user: "utc", bound: "2026-03-08 10:00:00", synthetic: true}, want: "2026-03-08 true"},
		{unit: unit{name: "after the account's deletion", user: "gone", bound: "2026-03-08 10:00:00"}, want: "2026-03-08 true"},
		{unit: unit{name: "before the account's deletion", user: "gone", bound: "2026-02-08 10:00:00"}, want: "2026-02-08 false"},
		{
			unit:  unit{name: "resold to another zone", user: "los angeles", owner: "kolkata", bound: "2026-03-08 20:00:00"},
			later: []later{{"kolkata", "2026-06-01 20:00:00", "transfer"}}, want: "2026-03-08 false",
		},
		{
			unit:  unit{name: "resold by the company", user: "tester", owner: "utc", bound: "2026-03-08 20:00:00"},
			later: []later{{"utc", "2026-06-01 20:00:00", "transfer"}}, want: "2026-03-08 true",
		},
		{
			unit:  unit{name: "sold to the company", user: "utc", owner: "tester", bound: "2026-03-08 20:00:00"},
			later: []later{{"tester", "2026-06-01 20:00:00", "transfer"}}, want: "2026-03-08 false",
		},
		{
			unit:  unit{name: "rebound and reset", user: "utc", owner: "utc", bound: "2026-03-08 20:00:00"},
			later: []later{{"utc", "2026-03-09 20:00:00", "rebind"}, {"utc", "2026-03-10 20:00:00", "factory_reset"}}, want: "2026-03-08 false",
		},
	}
	l := newLab(t)
	l.owners()
	for _, c := range cases {
		l.unit(c.unit)
		for _, b := range c.later {
			l.bind(c.name, b.user, b.when, b.reason)
		}
	}
	l.derive()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := l.one("SELECT string_agg(concat_ws(' ', activated_on, excluded), '; ') FROM metric.device_activation WHERE device_id = id($1)", c.name)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestActivationsFillEveryIntervalOfTheRange(t *testing.T) {
	l := newLab(t)
	l.owners()
	for _, u := range []unit{
		{name: "a", user: "utc", model: 1, bound: "2026-03-02 10:00:00"}, // a Monday
		{name: "b", user: "utc", model: 1, bound: "2026-03-02 11:00:00"},
		{name: "c", user: "utc", model: 2, bound: "2026-03-05 10:00:00"},
		{name: "d", user: "tester", model: 2, bound: "2026-03-05 10:00:00"},
		{name: "e", user: "gone", model: 9, bound: "2026-02-28 10:00:00"},
	} {
		l.unit(u)
	}
	l.derive()
	ask := func(grain, from, to string, by ...string) metric.Question {
		q := metric.Question{Metric: "device_activations", Grain: grain, By: by}
		if from != "" {
			q.From = at(t, from)
		}
		if to != "" {
			q.To = at(t, to)
		}
		return q
	}
	l.wants(ask("", "2026-03-01", "2026-03-07"), "2026-03-01T00 0/null=0", "2026-03-02T00 2/null=2", "2026-03-03T00 0/null=0",
		"2026-03-04T00 0/null=0", "2026-03-05T00 1/null=1", "2026-03-06T00 0/null=0")
	l.wants(ask("", "", ""), "2026-02-28T00 1/null=1", "2026-03-01T00 0/null=0", "2026-03-02T00 2/null=2", "2026-03-03T00 0/null=0",
		"2026-03-04T00 0/null=0", "2026-03-05T00 1/null=1")
	l.wants(ask("", "2026-03-04", ""), "2026-03-04T00 0/null=0", "2026-03-05T00 1/null=1")
	l.wants(ask("", "", "2026-03-02"), "2026-02-28T00 1/null=1", "2026-03-01T00 0/null=0")
	l.wants(ask("", "2030-01-01", "2030-01-02T00:00:00.000001Z"), "2030-01-01T00 0/null=0", "2030-01-02T00 0/null=0")
	l.wants(ask("", "2030-01-01", ""))
	l.wants(ask("week", "2026-02-23", "2026-03-16"), "2026-02-23T00 1/null=1", "2026-03-02T00 3/null=3", "2026-03-09T00 0/null=0")
	l.wants(ask("", "2026-03-04", "2026-03-06", "model", "country"), "2026-03-04T00 country=DE model=PLUG-1 0/null=0", "2026-03-04T00 country=US model=PLUG-1 0/null=0",
		"2026-03-05T00 country=DE model=PLUG-1 0/null=0", "2026-03-05T00 country=US model=PLUG-1 1/null=1")
	l.wants(ask("week", "2026-02-23", "2026-03-02", "family"), "2026-02-23T00 family=unknown 1/null=1")
}

func TestEngineMakesOneRowMoreThanAnAnswerMayHaveAndNoMore(t *testing.T) {
	l := newLab(t)
	l.owners()
	for _, u := range []unit{
		{name: "a", user: "utc", model: 1, bound: "2026-03-02 10:00:00"},
		{name: "b", user: "utc", model: 2, bound: "2026-03-05 10:00:00"},
		{name: "c", user: "gone", model: 9, bound: "2026-03-04 10:00:00"},
	} {
		l.unit(u)
	}
	l.derive()
	for _, c := range []struct {
		name     string
		from, to *time.Time
		by       []string
		max      int64
		rows     int
	}{
		{"as many days as allowed", nil, nil, nil, 4, 4},
		{"one more", nil, nil, nil, 3, 4},
		{"two more", nil, nil, nil, 2, 3},
		{"since year one", at(t, "0001-01-01"), nil, nil, 50, 51},
		{"since year one, with the real limit", at(t, "0001-01-01"), nil, []string{"model", "country"}, most, most + 1},
		{"until the last year", nil, at(t, "9999-01-01"), nil, 50, 51},
		{"until the last year, in cells", nil, at(t, "9999-01-01"), []string{"family"}, 50, 51},
		{"days times cells", at(t, "2026-03-01"), at(t, "2026-03-09"), []string{"model", "country"}, 10, 11},
		{"no cell at all", at(t, "2027-01-01"), nil, []string{"model"}, 10, 0},
		{"without a limit", at(t, "2000-01-01"), nil, nil, 0, 9561},
	} {
		a := l.askFor(time.Time{}, metric.Question{Metric: "device_activations", By: c.by, From: c.from, To: c.to}, c.max)
		if len(a.Rows) != c.rows {
			t.Errorf("%s: %d rows, want %d", c.name, len(a.Rows), c.rows)
		}
	}
	l.threeHours()
	l.derive()
	if a := l.askFor(time.Time{}, metric.Question{Metric: "failed_connection_rate", Grain: "hour", By: []string{"model"}}, 2); len(a.Rows) != 3 {
		t.Errorf("a metric without a row for each interval: %d rows", len(a.Rows))
	}
}

func TestIntervalIsProvisionalUntilItsWatermarkHasPassed(t *testing.T) {
	l := newLab(t)
	l.threeHours()
	q := metric.Question{Metric: "failed_connection_rate", Grain: "hour"} // watermark two hours
	for _, c := range []struct {
		asOf string
		want []bool // of 10, 11 and 12 o'clock
	}{
		{"2026-10-01T12:59:59Z", []bool{true, true, true}},
		{"2026-10-01T13:00:00Z", []bool{false, true, true}},
		{"2026-10-01T14:59:59.999Z", []bool{false, false, true}},
		{"2026-10-01T17:00:00+02:00", []bool{false, false, false}},
	} {
		a := l.ask(*at(t, c.asOf), q)
		for i, r := range a.Rows {
			if r.Provisional != c.want[i] {
				t.Errorf("as of %s the interval from %v is provisional: %v", c.asOf, r.Start, r.Provisional)
			}
		}
	}
	for _, r := range l.ask(time.Time{}, q).Rows {
		if !r.Provisional {
			t.Errorf("without a position %v is not provisional", r.Start)
		}
	}
	if a := l.ask(*at(t, "2026-10-01T14:59:59Z"), metric.Question{Metric: "failed_connection_rate", Grain: "week"}); !a.Rows[0].Provisional {
		t.Error("a week that has not ended is not provisional")
	}
}
