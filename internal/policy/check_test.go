package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/policy"
)

// house is a small schema to check policies against.
func house() policy.Schema {
	return policy.Schema{Tables: []policy.SchemaTable{
		{Name: "fleet.device", Columns: []policy.SchemaColumn{
			{Name: "device_id", Type: "bigint", Kind: policy.KindInt, Key: true},
			{Name: "mac", Type: "macaddr", Kind: policy.KindMAC},
			{Name: "room", Type: "text", Kind: policy.KindText},
			{Name: "made_on", Type: "date", Kind: policy.KindDate},
			{Name: "seen_at", Type: "timestamptz", Kind: policy.KindTime},
			{Name: "address", Type: "inet", Kind: policy.KindInet},
			{Name: "temperature", Type: "real", Kind: policy.KindFloat},
			{Name: "uptime", Type: "integer", Kind: policy.KindInt},
			{Name: "tags", Type: "text[]", Kind: policy.KindList},
			{Name: "settings", Type: "jsonb"},
		}},
		{Name: "fleet.log", Columns: []policy.SchemaColumn{{Name: "line", Type: "text", Kind: policy.KindText}}, KeyProblem: "replica identity is nothing"},
		{Name: "fleet.note", Columns: []policy.SchemaColumn{{Name: "line", Type: "text", Kind: policy.KindText}}},
	}}
}

const deviceKey = "  device_id: {class: identifier, treat: drop}\n"

func TestCheckNamesWhatDoesNotFitProductionAndWhatWould(t *testing.T) {
	device := "table: fleet.device\naccess: sql\ncolumns:\n" + deviceKey
	for text, want := range map[string]string{
		device + "  room: {class: telemetry, treat: keep}\n":                                  "",
		"table: fleet.devices\naccess: sql\ncolumns:\n" + deviceKey:                           "policy/test.yaml:1: production has no table fleet.devices; did you mean fleet.device?",
		"table: shop.invoices\naccess: sql\ncolumns:\n" + deviceKey:                           "policy/test.yaml:1: production has no table shop.invoices; remove its policy, or grant weir the right to see it",
		device + "  rom: {class: free_text}\n":                                                "policy/test.yaml:5: fleet.device has no column rom; did you mean room?",
		device + "  password: {class: secret}\n":                                              "policy/test.yaml:5: fleet.device has no column password; remove the line",
		"table: fleet.device\naccess: sql\ncolumns:\n  mac: {class: public}\n":                "policy/test.yaml:1: device_id is part of the key of fleet.device and has no class; class it, held back if need be: device_id: {class: identifier, treat: drop}",
		device + "  settings: {class: telemetry, treat: keep}\n":                              "policy/test.yaml:5: settings: weir does not read the type jsonb yet; use drop",
		device + "  settings: {class: telemetry}\n":                                           "",
		device + "  room: {class: attribute, treat: truncate, to: day}\n":                     "policy/test.yaml:5: room: truncate does not take the type text; use drop, presence or keep",
		device + "  tags: {class: identifier, treat: pseudonym, subject: tag}\n":              "policy/test.yaml:5: tags: pseudonym does not take the type text[]; use drop or presence",
		device + "  made_on: {class: telemetry, treat: truncate, to: hour}\n":                 "policy/test.yaml:5: made_on: a date has no hour; use to: day, week, month, quarter or year",
		device + "  made_on: {class: telemetry, treat: truncate, to: day, zone: UTC}":         "policy/test.yaml:5: made_on: a date has no time zone; remove zone",
		device + "  seen_at: {class: behaviour, treat: truncate, to: hour}\n":                 "",
		device + "  address: {class: telemetry, treat: prefix, chars: 3}\n":                   "policy/test.yaml:5: address: this prefix does not take the type inet; use bits4 and bits6",
		device + "  room: {class: telemetry, treat: prefix, bits4: 8, bits6: 32}\n":           "policy/test.yaml:5: room: this prefix does not take the type text; use chars",
		device + "  uptime: {class: telemetry, treat: bucket, width: 0.5}\n":                  "policy/test.yaml:5: uptime: width is not a whole number for the type integer; use a whole number up to 2147483647",
		device + "  uptime: {class: telemetry, treat: bucket, edges: [0, 1.5]}\n":             "policy/test.yaml:5: uptime: edges are not whole numbers for the type integer; use whole numbers",
		device + "  made_on: {class: telemetry, treat: bucket, edges: [0, 1]}\n":              "policy/test.yaml:5: made_on: edges do not take the type date; use width, in days, or truncate",
		device + "  made_on: {class: telemetry, treat: bucket, width: 7}\n":                   "",
		device + "  temperature: {class: telemetry, treat: bucket, width: 0.5}\n":             "",
		"table: fleet.log\naccess: sql\ncolumns:\n  line: {class: telemetry, treat: keep}\n":  "policy/test.yaml:1: fleet.log cannot be followed: replica identity is nothing; hold all of its columns back with treat: drop, or give it a key in production",
		"table: fleet.note\naccess: sql\ncolumns:\n  line: {class: telemetry, treat: keep}\n": "policy/test.yaml:1: fleet.note cannot be followed: no primary key or replica identity; hold all of its columns back with treat: drop, or give it a key in production",
		"table: fleet.log\naccess: sql\ncolumns:\n  line: {class: free_text}\n":               "",
	} {
		problems := parse(t, text).Check(house())
		var got []string
		for _, p := range problems {
			got = append(got, p.String())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, strings.Join(got, "\n"), want)
		}
		if err := policy.Refuse(problems); (err == nil) != (want == "") {
			t.Errorf("refuse: %v", err)
		}
	}
}

func TestProblemsComeInTheOrderOfTheirPlaces(t *testing.T) {
	got := parse(t, "table: fleet.device\naccess: sql\ncolumns:\n  zz: {class: public}\n  aa: {class: public}\n---\ntable: fleet.gone\naccess: sql\ncolumns: {a: {class: public}}\n").Check(house())
	var lines []int
	for _, p := range got {
		lines = append(lines, p.Pos.Line)
	}
	if !slices.Equal(lines, []int{1, 4, 5, 7}) {
		t.Errorf("got %v", got)
	}
}

func TestPolicyWithoutAFileStillSaysWhatIsWrong(t *testing.T) {
	p := &policy.Policy{Tables: []*policy.Table{{Name: "a.b", Access: policy.AccessSQL}}}
	if got := p.Check(policy.Schema{}); len(got) != 1 || got[0].String() != "production has no table a.b; remove its policy, or grant weir the right to see it" {
		t.Errorf("got %v", got)
	}
}
