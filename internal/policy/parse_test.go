package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones that the policy may name

	"github.com/weirproject/weir/internal/policy"
)

const devicePolicy = `# what may cross of the devices
table: fleet.device
access: sql
purpose: [devices_connected_per_account, device_activations]
exploration: which models
  are in the field
columns:
  device_id:          {class: identifier, treat: pseudonym, subject: device}
  mac:                {class: direct_identifier, treat: drop}
  enr_secret:         {class: secret}                      # drop is all there is
  age:
    class: attribute
    treat: bucket
    edges: [0, 18, 65.5]
  first_activated_at: {class: behaviour, treat: truncate, to: day, zone: Europe/Zurich}
  public_ip:          {class: network, treat: prefix, bits4: 24, bits6: 48}
  region:             {class: location, treat: prefix, chars: 2}
  weight:             {class: attribute, treat: bucket, width: 5}
  last_seen_at:       {class: behaviour, treat: keep, access: metrics}
---
table: fleet.home
access: metrics
columns:
  "name": {class: free_text}
`

func TestPolicyIsReadWithEveryParameterAndItsPlace(t *testing.T) {
	p := parse(t, devicePolicy)
	at := func(line int) policy.Pos { return policy.Pos{File: "policy/test.yaml", Line: line} }
	sql, metrics := policy.AccessSQL, policy.AccessMetrics
	want := &policy.Policy{Tables: []*policy.Table{
		{
			Name: "fleet.device", Access: sql, Purpose: []string{"device_activations", "devices_connected_per_account"},
			Exploration: "which models are in the field", Pos: at(2),
			Columns: []policy.Column{
				{Name: "age", Class: policy.Attribute, Treat: policy.Bucket, Access: sql, Edges: []float64{0, 18, 65.5}, Pos: at(11)},
				{Name: "device_id", Class: policy.Identifier, Treat: policy.Pseudonym, Access: sql, Subject: "device", Pos: at(8)},
				{Name: "enr_secret", Class: policy.Secret, Treat: policy.Drop, Access: sql, Pos: at(10)},
				{Name: "first_activated_at", Class: policy.Behaviour, Treat: policy.Truncate, Access: sql, To: "day", Zone: "Europe/Zurich", Pos: at(15)},
				{Name: "last_seen_at", Class: policy.Behaviour, Treat: policy.Keep, Access: metrics, Pos: at(19)},
				{Name: "mac", Class: policy.DirectIdentifier, Treat: policy.Drop, Access: sql, Pos: at(9)},
				{Name: "public_ip", Class: policy.Network, Treat: policy.Prefix, Access: sql, Bits4: 24, Bits6: 48, Pos: at(16)},
				{Name: "region", Class: policy.Location, Treat: policy.Prefix, Access: sql, Chars: 2, Pos: at(17)},
				{Name: "weight", Class: policy.Attribute, Treat: policy.Bucket, Access: sql, Width: 5, Pos: at(18)},
			},
		},
		{
			Name: "fleet.home", Access: metrics, Pos: at(21),
			Columns: []policy.Column{{Name: "name", Class: policy.FreeText, Treat: policy.Drop, Access: metrics, Pos: at(24)}},
		},
	}}
	if !reflect.DeepEqual(p, want) {
		for i := range p.Tables {
			t.Errorf("got  %+v\nwant %+v", *p.Tables[i], *want.Tables[i])
		}
	}
}

func TestNothingMeansThatNothingCrosses(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# only a comment\n", "---\n---\n", "~\n"} {
		if p := parse(t, text); len(p.Tables) != 0 {
			t.Errorf("%q: %d tables", text, len(p.Tables))
		}
	}
	p, err := policy.Parse(nil)
	if err != nil || len(p.Tables) != 0 {
		t.Errorf("no files: %v, %v", p, err)
	}
}

func TestLinesAreCountedAlikeWithAnyLineEndAndMark(t *testing.T) {
	text := "\ufeff" + strings.ReplaceAll("# x\ntable: a.b\naccess: sql\ncolumns:\n  c: {class: public}\n  d: {class: nothing}\n", "\n", "\r\n")
	got := problems(t, text)
	if len(got) != 1 || got[0].Pos.Line != 6 {
		t.Errorf("got %v", got)
	}
}

func TestColumnsMayBeCalledWhatYAMLTakesForSomethingElse(t *testing.T) {
	p := parse(t, "table: a.b\naccess: sql\ncolumns:\n  on: {class: public}\n  null: {class: public}\n  1: {class: public}\n  true: {class: public}\n  'first name': {class: public}\n  0x1F: {class: public}\n")
	var names []string
	for _, c := range p.Tables[0].Columns {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, "|"); got != "0x1F|1|first name|null|on|true" {
		t.Errorf("got %s", got)
	}
}

func TestSameTableInTwoFilesIsRefusedWithBothPlaces(t *testing.T) {
	file := func(name string) policy.File {
		return policy.File{Name: name, Data: []byte("# one\ntable: a.b\naccess: sql\ncolumns: {c: {class: public}}\n")}
	}
	_, err := policy.Parse([]policy.File{file("policy/one.yaml"), file("policy/two.yaml")})
	if err == nil || err.Error() != "policy/two.yaml:2: table a.b has a policy already; it stands at policy/one.yaml:2; make the two one" {
		t.Errorf("got %v", err)
	}
}

func TestFilesTooLargeTooLongOrTooDeepAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"larger":     strings.Repeat("# padding to fill it\n"+strings.Repeat("#", 1000)+"\n", 300),
		"more lines": strings.Repeat("a:\n", 20_000),
		"longer":     "table: " + strings.Repeat("a", 5000),
		"nested":     "table: " + strings.Repeat("[\n", 2000),
		"nested map": "table: " + strings.Repeat("{a: \n", 2000),
	} {
		if got := problems(t, text); len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestMessagesCutAndQuoteWhatTheFileSays(t *testing.T) {
	got := problems(t, "table: a.b\naccess: sql\ncolumns:\n  c: {class: \"x\\e[31m\\n"+strings.Repeat("é", 500)+"\"}\n")
	if len(got) != 1 || len(got[0].What) > 300 || strings.ContainsAny(got[0].String(), "\n\x1b") {
		t.Errorf("got %q", got)
	}
}

func TestEveryZoneThatThePolicyKnowsCanBeLoaded(t *testing.T) {
	for _, zone := range policy.Zones() {
		if _, err := time.LoadLocation(zone); err != nil {
			t.Errorf("%s: %v", zone, err)
		}
	}
	if len(policy.Zones()) < 500 {
		t.Errorf("%d zones", len(policy.Zones()))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(devicePolicy))
	f.Add([]byte("table: a.b\naccess: sql\ncolumns:\n  ? x\n  : *y\n"))
	f.Add([]byte("{{{{[[[[&a *a !!b <<: |"))
	f.Add([]byte("- - - - - - -\n? ? ? ?\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.Parse([]policy.File{{Name: "x.yaml", Data: data}})
		if (p == nil) == (err == nil) {
			t.Fatalf("policy %v and error %v", p, err)
		}
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "x.yaml:") {
					t.Fatalf("a problem without a place: %q", line)
				}
			}
			return
		}
		for _, table := range p.Tables {
			for _, c := range table.Columns {
				if table.Name == "" || c.Name == "" || c.Class.Is() == "" || !c.Treat.Built() || c.Access == "" || c.Pos.Line == 0 {
					t.Fatalf("accepted half of a column: %+v", c)
				}
			}
		}
		if p.Hash() == "" || len(policy.Diff(p, p)) != 0 {
			t.Fatal("a policy differs from itself")
		}
	})
}
