package gate

import "testing"

func TestOnlyNamesThatThePolicyKnowsStandInTheRecord(t *testing.T) {
	known := map[string]bool{"fleet": true, "device": true, "mac": true, "Odd Name": true}
	g := New(Options{Known: func(name string) bool { return known[name] }})
	for _, c := range []struct {
		name, sql string
		position  int
		want      string
	}{
		{"a column", "SELECT mac FROM fleet.device", 8, "mac"},
		{"a table with its schema", "SELECT 1 FROM fleet.device", 15, "fleet.device"},
		{"in other letters", "SELECT MAC", 8, "mac"},
		{"quoted", `SELECT "Odd Name"`, 8, "Odd Name"},
		{"behind letters of more than one byte", "SELECT 'ü', mac", 13, "mac"},
		{"as far as it is known", "SELECT fleet.device.hunter2", 8, "fleet.device"},
		{"behind an alias", "SELECT d.mac FROM fleet.device d", 8, "mac"},
		{"what somebody typed by mistake", "SELECT hunter2 FROM fleet.device", 8, ""},
		{"a quote that does not end", `SELECT "mac`, 8, ""},
		{"nowhere", "SELECT mac", 0, ""},
		{"behind the end", "SELECT mac", 99, ""},
		{"no name at all", "SELECT (", 8, ""},
		{"the end", "mac.", 1, "mac"},
	} {
		if got := g.named(c.sql, c.position); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if got := New(Options{}).named("mac", 1); got != "" {
		t.Errorf("without knowing any name: %q", got)
	}
}
