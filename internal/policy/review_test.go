package policy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
)

const reviewed = `
table: fleet.device
access: sql
purpose: [uptime_rate, gone]
columns:
  device_id: {class: identifier, treat: pseudonym, subject: device}
  mac: {class: direct_identifier}
  made_on: {class: telemetry, treat: keep}
  seen_at: {class: behaviour, treat: truncate, to: hour}
  uptime: {class: telemetry, treat: keep, access: metrics}
  room: {class: free_text}
  address: {class: network, treat: prefix, bits4: 24, bits6: 48}
  temperature: {class: telemetry, treat: truncate, to: day}
  tags: {class: free_text}
`

func reviewReads() []policy.Read {
	return []policy.Read{
		{Metric: "uptime_rate", Table: "fleet.device", Columns: []string{"device_id", "uptime", "seen_at"}},
		{Metric: "room_rate", Table: "fleet.device", Columns: []string{"room"}},
		{Metric: "room_rate", Table: "fleet.note", Columns: []string{"line"}},
	}
}

func TestReviewFindsWhatAPersonShouldLookAt(t *testing.T) {
	r := policy.Review(parse(t, reviewed), house(), reviewReads())
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Code+" "+f.Table+"."+f.Column+": "+f.What)
		if f.Do == "" {
			t.Errorf("%s does not say what to do", f.What)
		}
	}
	want := []string{
		"misfit .: policy/test.yaml:13: temperature: truncate does not take the type real",
		"unnamed fleet.device.: fleet.device has 1 column without a class: settings; held back",
		"unasked fleet.device.address: fleet.device.address is copied and nothing asked for it",
		"unasked fleet.device.made_on: fleet.device.made_on is copied and nothing asked for it",
		"unanswerable fleet.device.room: room_rate reads fleet.device.room, which is held back",
		"fine fleet.device.seen_at: fleet.device.seen_at opens the hour of what somebody did to SQL",
		"unasked fleet.device.temperature: fleet.device.temperature is copied and nothing asked for it",
		"purpose_missing fleet.device.: the purpose of fleet.device does not name what reads it: room_rate",
		"purpose_unknown fleet.device.: the purpose of fleet.device names what reads nothing of it: gone",
		"unanswerable fleet.note.: room_rate reads fleet.note, which the policy does not name",
		"unnamed .: production has 2 tables that the policy does not name; held back whole",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s := r.Summary; s != (policy.Summary{
		Tables: 3, TablesCrossing: 1, Columns: 12, Crossing: 6, HeldBack: 3, Unnamed: 3, SQL: 5, MetricsOnly: 1, AsTheyAre: 2, Findings: len(want),
	}) {
		t.Errorf("summary %+v", s)
	}
}

func TestExplorationAsksForWhatSQLMayReadAndForNothingElse(t *testing.T) {
	text := "table: fleet.device\naccess: sql\nexploration: why\ncolumns:\n  device_id: {class: identifier}\n  made_on: {class: telemetry, treat: keep}\n" +
		"  uptime: {class: telemetry, treat: keep, access: metrics}\n"
	asked := map[string]bool{}
	for _, f := range policy.Review(parse(t, text), house(), nil).Findings {
		if f.Code == policy.FindingUnasked {
			asked[f.Column] = true
		}
	}
	if asked["made_on"] || !asked["uptime"] || asked["device_id"] {
		t.Errorf("unasked %v", asked)
	}
}

func TestKeyIsNotAFindingForBeingUnasked(t *testing.T) {
	text := "table: fleet.device\naccess: sql\ncolumns:\n  device_id: {class: identifier, treat: pseudonym, subject: device}\n"
	for _, f := range policy.Review(parse(t, text), house(), nil).Findings {
		if f.Code == policy.FindingUnasked {
			t.Errorf("found %s", f.What)
		}
	}
}

func TestExplainSaysWhatAColumnBecomesAndWhoAsked(t *testing.T) {
	r := policy.Review(parse(t, strings.Replace(reviewed, "purpose", "exploration: what is in the field\npurpose", 1)), house(), reviewReads())
	for name, want := range map[string]string{
		"device_id": "fleet.device.device_id (bigint) is of the class identifier: a key of production. With pseudonym, what crosses is a keyed pseudonym that " +
			"cannot be turned back (pseudonym of device); people by SQL, and metrics, may read it. It is part of the table's key: it is read in any case, and a " +
			"one-way row key is computed from it. Asked for by uptime_rate, and by an exploration: \"what is in the field\".",
		"uptime": "fleet.device.uptime (integer) is of the class telemetry: about the device. With keep, what crosses is the value as it is; metrics " +
			"alone, and no SQL of anybody, may read it. Asked for by uptime_rate.",
		"made_on": "fleet.device.made_on (date) is of the class telemetry: about the device. With keep, what crosses is the value as it is; people by " +
			"SQL, and metrics, may read it. Asked for by an exploration: \"what is in the field\".",
		"mac": "fleet.device.mac (macaddr) is of the class direct_identifier: something that names a person or a device by itself. It is held back: it does not " +
			"exist in the copy. It names a person or a device by itself, so its text never crosses; a pseudonym or the fact that it is filled in may. Nothing asked for it.",
		"settings": "The policy does not name fleet.device.settings (jsonb), so it is held back: weir never asks production for it. Nothing asked for it.",
	} {
		got, err := r.Explain("fleet.device", name)
		if err != nil || got != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, want)
		}
	}
	if got, err := r.Explain("fleet.log", "line"); err != nil || got != "The policy does not name the table fleet.log, so nothing of it crosses." {
		t.Errorf("unnamed table: %q, %v", got, err)
	}
	for _, c := range []struct{ table, column, hint string }{
		{"fleet.devices", "mac", "did you mean fleet.device?"},
		{"shop.x", "mac", "weir plan lists the tables"},
		{"fleet.device", "macs", "did you mean mac?"},
		{"fleet.device", "invoice", "weir plan lists its columns"},
	} {
		_, err := r.Explain(c.table, c.column)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != fault.NotFound || f.Hint != c.hint {
			t.Errorf("%s.%s: %v", c.table, c.column, err)
		}
	}
}

// fleetReport is the report of the examples, as weir plan would make it.
func fleetReport(t *testing.T) *policy.Report {
	t.Helper()
	r := policy.Review(fleetPolicy(t), fleetSchema(t), fleetReads())
	r.Source, r.Date = "fleet", "2026-11-20"
	return r
}

func TestPlanInTextTellsTheWholePolicyOfATable(t *testing.T) {
	var b bytes.Buffer
	if err := fleetReport(t).Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"75 of 300 columns cross, of 10 of 28 tables. 50 are open to SQL, 25 to metrics alone. 225 are held back by name, 0 were never named.\n",
		"\nfleet.device_binding (access: metrics)\n" +
			"  purpose: device_activations\n" +
			"  binding_id  identifier  pseudonym of binding  metrics  device_activations\n" +
			"  bound_at    behaviour   as it is              metrics  device_activations\n" +
			"  device_id   identifier  pseudonym of device   metrics  device_activations\n" +
			"  user_id     identifier  pseudonym of user     metrics  device_activations\n" +
			"  held back: reason, unbound_at\n",
		"\nfleet.body_measurement is held back (20 columns)\n",
		"\nnothing found\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not in it: %s", want)
		}
	}
	b.Reset()
	if err := policy.Review(parse(t, reviewed), house(), reviewReads()).Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"  never named: settings\n", "  fleet.log (1 column)\n", "\n11 findings\n", "  fine: fleet.device.seen_at opens the hour", "    hold it back with treat: drop"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not in it: %s", want)
		}
	}
}

func TestPlanInJSONHasNoNullLists(t *testing.T) {
	for _, p := range []*policy.Policy{{}, parse(t, reviewed)} {
		data, err := json.Marshal(policy.Review(p, house(), nil))
		if err != nil || strings.Contains(string(data), "null") {
			t.Errorf("%v: %s", err, data)
		}
		for _, key := range []string{`"policy_hash":"`, `"summary":{"tables":3,`, `"classes":[`, `"tables":[`, `"unnamed_tables":[`, `"findings":[`} {
			if !strings.Contains(string(data), key) {
				t.Errorf("no %s in %s", key, data)
			}
		}
	}
}

func TestPlanAsAPageLoadsAndRunsNothing(t *testing.T) {
	var b bytes.Buffer
	if err := fleetReport(t).HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, never := range []string{"<script", "<link", "<img", "<iframe", " style=", " onload=", " onclick=", "http:", "https:", "url(", "@import", "ZgotmplZ"} {
		if strings.Contains(text, never) {
			t.Errorf("%s in the page", never)
		}
	}
	_, after, _ := strings.Cut(text, "<style>")
	style, _, _ := strings.Cut(after, "</style>")
	sum := sha256.Sum256([]byte(style))
	// The attribute's + and = may be written as references.
	plain := strings.NewReplacer("&#43;", "+", "&#39;", "'", "&#61;", "=").Replace(text)
	if !strings.Contains(plain, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'") {
		t.Error("the page's policy does not allow the page's own style, or allows more")
	}
	for _, want := range []string{
		"<title>What crosses from fleet</title>", "2026-11-20", fleetPolicy(t).Hash(), "<strong>75 cross</strong>", "Nothing found", "Signature", "fleet.body_measurement",
		"Whoever holds it can open an account", "pseudonym of device",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("not in the page: %s", want)
		}
	}
}

func TestPageEscapesWhateverProductionCallsThings(t *testing.T) {
	const evil = `<script>alert(1)</script>`
	s := policy.Schema{Tables: []policy.SchemaTable{
		{Name: "a." + evil, Columns: []policy.SchemaColumn{{Name: evil, Type: evil, Kind: policy.KindText, Key: true}}},
		{Name: "b." + evil, Columns: []policy.SchemaColumn{{Name: evil, Type: evil, Kind: policy.KindText, Key: true}}},
	}}
	p := &policy.Policy{Tables: []*policy.Table{{
		Name: "a." + evil, Access: policy.AccessSQL, Exploration: evil, Purpose: []string{evil},
		Columns: []policy.Column{{Name: evil, Class: policy.Public, Treat: policy.Pseudonym, Subject: evil, Access: policy.AccessSQL}},
	}}}
	r := policy.Review(p, s, []policy.Read{{Table: "a." + evil, Columns: []string{evil}, Metric: evil}})
	r.Source, r.Date = evil, evil
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") || !strings.Contains(b.String(), "&lt;script&gt;") {
		t.Error("a name got into the page as markup")
	}
}

func TestPlanReportsAWriterThatFails(t *testing.T) {
	r := fleetReport(t)
	if err := r.Text(brokenWriter{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("text: %v", err)
	}
	if err := r.HTML(brokenWriter{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("page: %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }
