package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/policy"
)

// of is a policy of one table with one column.
func of(t *testing.T, rule string) *policy.Policy {
	t.Helper()
	return parse(t, "table: a.b\naccess: sql\ncolumns:\n  c: {"+rule+"}\n")
}

func told(changes []policy.Change) string {
	var b strings.Builder
	for _, c := range changes {
		mark := "="
		if c.Weaker {
			mark = "!"
		}
		_, _ = fmt.Fprintf(&b, "%s %s.%s: %s\n", mark, c.Table, c.Column, c.What)
	}
	return b.String()
}

// Each pair is compared both ways: what is stronger one way is weaker the other, and what cannot be compared is weaker both ways.
func TestEveryChangeOfAColumnIsWeakerOrStronger(t *testing.T) {
	const stronger, never = "stronger", "both weaker"
	for _, c := range []struct{ before, after, verdict string }{
		{"class: telemetry, treat: keep", "class: telemetry, treat: drop", stronger},
		{"class: telemetry, treat: keep", "class: telemetry, treat: presence", stronger},
		{"class: public, treat: keep", "class: public, treat: pseudonym, subject: s", stronger},
		{"class: telemetry, treat: keep", "class: telemetry, treat: truncate, to: second", stronger},
		{"class: telemetry, treat: truncate, to: day", "class: telemetry, treat: presence", stronger},
		{"class: identifier, treat: pseudonym, subject: s", "class: identifier, treat: presence", stronger},
		{"class: telemetry, treat: presence", "class: telemetry, treat: drop", stronger},
		{"class: telemetry, treat: truncate, to: day", "class: telemetry, treat: bucket, width: 7", never},
		{"class: public, treat: pseudonym, subject: s", "class: public, treat: bucket, width: 7", never},
		{"class: public, treat: prefix, chars: 3", "class: public, treat: pseudonym, subject: s", never},
		{"class: behaviour, treat: truncate, to: hour", "class: behaviour, treat: truncate, to: day", stronger},
		{"class: behaviour, treat: truncate, to: day", "class: behaviour, treat: truncate, to: year", stronger},
		{"class: behaviour, treat: truncate, to: day", "class: behaviour, treat: truncate, to: day, zone: Europe/Zurich", never},
		{"class: attribute, treat: bucket, width: 5", "class: attribute, treat: bucket, width: 10", stronger},
		{"class: attribute, treat: bucket, width: 4", "class: attribute, treat: bucket, width: 6", never},
		{"class: attribute, treat: bucket, width: 4", "class: attribute, treat: bucket, edges: [0, 8]", never},
		{"class: attribute, treat: bucket, edges: [0, 18, 65]", "class: attribute, treat: bucket, edges: [0, 65]", stronger},
		{"class: attribute, treat: bucket, edges: [0, 18]", "class: attribute, treat: bucket, edges: [0, 19]", never},
		{"class: network, treat: prefix, bits4: 24, bits6: 48", "class: network, treat: prefix, bits4: 16, bits6: 48", stronger},
		{"class: network, treat: prefix, bits4: 24, bits6: 32", "class: network, treat: prefix, bits4: 16, bits6: 48", never},
		{"class: location, treat: prefix, chars: 5", "class: location, treat: prefix, chars: 2", stronger},
		{"class: location, treat: prefix, chars: 5", "class: location, treat: prefix, bits4: 8, bits6: 8", never},
		{"class: identifier, treat: pseudonym, subject: user", "class: identifier, treat: pseudonym, subject: device", never},
		{"class: telemetry, treat: keep", "class: telemetry, treat: keep, access: metrics", stronger},
		{"class: behaviour, treat: keep, access: metrics", "class: behaviour, treat: truncate, to: day, access: metrics", stronger},
		{"class: telemetry", "class: secret", stronger},
		{"class: health", "class: secret", stronger},
		{"class: attribute", "class: health", stronger},
		{"class: direct_identifier", "class: identifier", stronger},
		{"class: telemetry", "class: location", stronger},
		{"class: public", "class: telemetry", stronger},
		{"class: network", "class: identifier", never},
		{"class: attribute", "class: behaviour", never},
	} {
		forward, back := policy.Diff(of(t, c.before), of(t, c.after)), policy.Diff(of(t, c.after), of(t, c.before))
		if len(forward) != 1 || len(back) != 1 {
			t.Errorf("%s → %s: %s and back %s", c.before, c.after, told(forward), told(back))
			continue
		}
		if forward[0].Weaker != (c.verdict == never) || !back[0].Weaker {
			t.Errorf("%s → %s: %s and back %s", c.before, c.after, told(forward), told(back))
		}
	}
}

func TestAccessOfWhatIsHeldBackChangesNothing(t *testing.T) {
	if got := policy.Diff(of(t, "class: telemetry, treat: drop, access: metrics"), of(t, "class: telemetry, treat: drop")); len(got) != 0 {
		t.Errorf("got %s", told(got))
	}
}

func TestDiffTellsTablesColumnsAndPurposes(t *testing.T) {
	before := parse(t, `
table: fleet.device
access: metrics
purpose: [a, b]
columns:
  device_id: {class: identifier, treat: pseudonym, subject: device}
  gone: {class: telemetry, treat: keep}
  held: {class: telemetry}
  model: {class: telemetry, treat: keep}
---
table: fleet.old
access: sql
columns: {x: {class: public, treat: keep}}
`)
	after := parse(t, `
table: fleet.device
access: sql
purpose: [b, c]
exploration: why not
columns:
  device_id: {class: identifier, treat: presence}
  model: {class: telemetry, treat: keep}
  room: {class: free_text}
  region: {class: location, treat: prefix, chars: 2}
---
table: fleet.new
access: sql
columns: {x: {class: public, treat: keep}, y: {class: secret}}
---
table: fleet.quiet
access: sql
columns: {y: {class: secret}}
`)
	want := `! fleet.device.: access metrics is now sql
= fleet.device.: purpose c added
= fleet.device.: purpose a removed
! fleet.device.: exploration added: "why not"
= fleet.device.device_id: pseudonym (pseudonym of device) is now presence (whether there is one)
! fleet.device.device_id: readable by sql, was metrics
= fleet.device.gone: no longer named: held back, was as it is
= fleet.device.held: no longer named, still held back
! fleet.device.model: readable by sql, was metrics
! fleet.device.region: crosses now as location, its first 2 characters, for sql
= fleet.device.room: named as free_text, held back
! fleet.new.: table added: 1 of its 2 columns cross
! fleet.new.x: crosses now as public, as it is, for sql
= fleet.new.y: named as secret, held back
= fleet.old.: table removed: all of it is held back
= fleet.quiet.: table added: 0 of its 1 column cross
= fleet.quiet.y: named as secret, held back
`
	if got := told(policy.Diff(before, after)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	all := policy.Diff(nil, before)
	for _, c := range all {
		if !c.Weaker && c.Column != "held" {
			t.Errorf("from nothing: %s", told([]policy.Change{c}))
		}
	}
	if got := policy.Diff(before, nil); len(got) != 2 || got[0].Weaker || got[1].Weaker {
		t.Errorf("to nothing: %s", told(got))
	}
}

func TestHashIsOfWhatThePolicySaysAndNotOfHow(t *testing.T) {
	a := parse(t, devicePolicy)
	docs := strings.Split(devicePolicy, "---\n")
	files := []policy.File{
		{Name: "z.yaml", Data: []byte("# another comment\n" + docs[1])},
		{Name: "a.yaml", Data: []byte(strings.ReplaceAll(docs[0], "[devices_connected_per_account, device_activations]", "[device_activations, devices_connected_per_account]"))},
	}
	b, err := policy.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash() != b.Hash() || len(a.Hash()) != 64 || len(policy.Diff(a, b)) != 0 {
		t.Errorf("%s and %s", a.Hash(), b.Hash())
	}
	utc := of(t, "class: behaviour, treat: truncate, to: day")
	if utc.Hash() != of(t, "class: behaviour, treat: truncate, to: day, zone: UTC").Hash() {
		t.Error("the default zone is not UTC")
	}
	rules := []string{
		"class: telemetry", "class: public", "class: telemetry, treat: keep", "class: telemetry, treat: keep, access: metrics", "class: public, treat: pseudonym, subject: a",
		"class: public, treat: pseudonym, subject: b", "class: behaviour, treat: truncate, to: day", "class: behaviour, treat: truncate, to: week",
		"class: behaviour, treat: truncate, to: day, zone: Europe/Zurich", "class: attribute, treat: bucket, width: 1", "class: attribute, treat: bucket, width: 2",
		"class: attribute, treat: bucket, edges: [1, 2]", "class: attribute, treat: bucket, edges: [12]", "class: location, treat: prefix, chars: 1",
		"class: location, treat: prefix, bits4: 1, bits6: 2", "class: location, treat: prefix, bits4: 2, bits6: 1",
	}
	for _, rule := range rules {
		for _, other := range rules {
			p, q := of(t, rule), of(t, other)
			if same := rule == other; (p.Hash() == q.Hash()) != same || (len(policy.Diff(p, q)) == 0) != same {
				t.Errorf("%s and %s: hash %v, differences %v", rule, other, p.Hash() == q.Hash(), policy.Diff(p, q))
			}
		}
	}
}

func TestHashOfATableChangesOnlyWithItsCopy(t *testing.T) {
	base := "table: a.b\naccess: sql\ncolumns:\n  c: {class: telemetry, treat: keep}\n"
	hash := func(text string) string { return parse(t, text).Tables[0].Hash() }
	for _, same := range []string{
		base + "  d: {class: secret}\n",
		"purpose: [m]\nexploration: why\n" + base,
		base + "---\ntable: a.c\naccess: sql\ncolumns: {x: {class: public, treat: keep}}\n",
		strings.Replace(base, "keep}", "keep, access: sql}", 1),
	} {
		if hash(same) != hash(base) {
			t.Errorf("copied anew for\n%s", same)
		}
	}
	for _, other := range []string{
		base + "  d: {class: telemetry, treat: keep}\n",
		strings.Replace(base, "a.b", "a.c", 1),
		strings.Replace(base, "access: sql", "access: metrics", 1),
		strings.Replace(base, "keep}", "keep, access: metrics}", 1),
		strings.Replace(base, "keep}", "presence}", 1),
	} {
		if hash(other) == hash(base) {
			t.Errorf("not copied anew for\n%s", other)
		}
	}
}
