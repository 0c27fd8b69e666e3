package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/policy"
)

func TestProposalNamesEveryColumnSortedAndHoldsEverythingBack(t *testing.T) {
	s := fleetSchema(t)
	files := policy.Propose(s)
	if len(files) != len(s.Tables) || !slices.ContainsFunc(files, func(f policy.File) bool { return f.Name == "policy/device.yaml" }) {
		t.Fatalf("%d files, first %s", len(files), files[0].Name)
	}
	p, err := policy.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	if problems := p.Check(s); len(problems) != 0 {
		t.Errorf("does not fit its own schema: %v", problems)
	}
	for _, st := range s.Tables {
		table := p.Table(st.Name)
		if table == nil || len(table.Columns) != len(st.Columns) || table.Crosses() || table.Access != policy.AccessMetrics {
			t.Errorf("%s: %+v", st.Name, table)
			continue
		}
		if !slices.IsSortedFunc(table.Columns, func(a, b policy.Column) int { return a.Pos.Line - b.Pos.Line }) {
			t.Errorf("%s: columns are not in the order of their names", st.Name)
		}
	}
	r := policy.Review(p, s, nil)
	if r.Summary.Crossing != 0 || len(r.Findings) != 0 {
		t.Errorf("%+v, %v", r.Summary, r.Findings)
	}
}

// TestGuessTakesNothingStrictForSomethingFreer holds the guess against the fleet's policies, which people made: in the classes that name, open or describe
// somebody it has to agree with them, and almost everywhere else.
func TestGuessTakesNothingStrictForSomethingFreer(t *testing.T) {
	made := fleetPolicy(t)
	p, err := policy.Parse(policy.Propose(fleetSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	strict := []policy.Class{policy.Secret, policy.Health, policy.DirectIdentifier, policy.Identifier, policy.Location}
	agree, all := 0, 0
	for _, table := range made.Tables {
		for _, want := range table.Columns {
			got, _ := p.Table(table.Name).Column(want.Name)
			all++
			switch {
			case got.Class == want.Class:
				agree++
			case slices.Contains(strict, want.Class):
				t.Errorf("%s.%s: guessed %s, is %s", table.Name, want.Name, got.Class, want.Class)
			}
		}
	}
	if agree*10 < all*9 {
		t.Errorf("agrees in %d of %d", agree, all)
	}
}

func TestGuessGoesByNameThenType(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		want       policy.Class
	}{
		{"wifi_password_hint", policy.KindText, policy.Secret},
		{"enr_secret", policy.KindText, policy.Secret},
		{"clip_key", policy.KindText, policy.Secret},
		{"secret_hash", policy.KindBytes, policy.Secret},
		{"totp", policy.KindText, policy.Secret},
		{"accessToken", policy.KindText, policy.Secret},
		{"download_url", policy.KindText, policy.Secret},
		{"blob", policy.KindBytes, policy.Secret},
		{"key_id", policy.KindUUID, policy.Identifier},
		{"userId", policy.KindInt, policy.Identifier},
		{"photo_url", policy.KindText, policy.DirectIdentifier},
		{"contact_email", policy.KindText, policy.DirectIdentifier},
		{"phone_model", policy.KindText, policy.Telemetry},
		{"hardware_id", policy.KindMAC, policy.DirectIdentifier},
		{"x", policy.KindMAC, policy.DirectIdentifier},
		{"x", policy.KindInet, policy.Network},
		{"gateway_mac", policy.KindMAC, policy.Network},
		{"x", policy.KindTime, policy.Behaviour},
		{"x", policy.KindDate, policy.Behaviour},
		{"birth_date", policy.KindDate, policy.Attribute},
		{"x", policy.KindText, policy.FreeText},
		{"x", policy.KindList, policy.FreeText},
		{"x", "", policy.FreeText},
		{"x", policy.KindUUID, policy.Identifier},
		{"x", policy.KindInt, policy.Attribute},
		{"battery_pct", policy.KindInt, policy.Telemetry},
		{"lat", policy.KindFloat, policy.Location},
		{"weight_kg", policy.KindNumeric, policy.Health},
		{"plateau", policy.KindInt, policy.Attribute}, // not lat
	} {
		s := policy.Schema{Tables: []policy.SchemaTable{{Name: "a.b", Columns: []policy.SchemaColumn{{Name: c.name, Type: "t", Kind: c.kind}}}}}
		p, err := policy.Parse(policy.Propose(s))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Tables[0].Columns[0].Class; got != c.want {
			t.Errorf("%s (%s): %s, want %s", c.name, c.kind, got, c.want)
		}
	}
}

func TestProposalSurvivesNamesThatWereNotMadeForIt(t *testing.T) {
	column := func(names ...string) (all []policy.SchemaColumn) {
		for _, n := range names {
			all = append(all, policy.SchemaColumn{Name: n, Type: "weird\ntype: {x}", Kind: policy.KindText})
		}
		return all
	}
	s := policy.Schema{Tables: []policy.SchemaTable{
		{Name: "a.b", Columns: column("null", "first name", "it's", "a: {b", "x\ny: {class: public}", "dot.ted", "_weir_key", "Mail", "mail", "# no", "1", "größe")},
		{Name: "c.b", Columns: column("x")},
		{Name: "C.B", Columns: column("x")},
		{Name: "c.Ü", Columns: column("x")},
		{Name: "c.Ö", Columns: column("x")},
		{Name: "c.../../etc", Columns: column("x")},
		{Name: "nodot", Columns: column("x")},
		{Name: "c.only", Columns: column("a.b")},
		{Name: "c.none"},
	}}
	files := policy.Propose(s)
	p, err := policy.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	var names, columns []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	for _, c := range p.Table("a.b").Columns {
		columns = append(columns, c.Name)
	}
	if got := strings.Join(names, " "); got != "policy/a.b.yaml policy/c._-2.yaml policy/c._.yaml policy/c.b.yaml" {
		t.Errorf("files %s", got)
	}
	for _, name := range names {
		if strings.Contains(name, "..") || strings.Count(name, "/") != 1 {
			t.Errorf("file %s", name)
		}
	}
	if got, want := strings.Join(columns, "|"), "# no|1|Mail|a: {b|first name|größe|it's|null"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	if p.Table("c.Ü") == nil || p.Table("c.Ö") == nil || len(p.Tables) != 4 {
		t.Errorf("%d tables", len(p.Tables))
	}
}

func TestProposalSaysWhereATableHasNoKey(t *testing.T) {
	column := policy.SchemaColumn{Name: "at", Type: "timestamptz", Kind: policy.KindTime}
	keyed := column
	keyed.Key = true
	for _, f := range policy.Propose(policy.Schema{Tables: []policy.SchemaTable{
		{Name: "s.log", Columns: []policy.SchemaColumn{column}},
		{Name: "s.odd", Columns: []policy.SchemaColumn{column}, KeyProblem: "its key is deferrable"},
		{Name: "s.good", Columns: []policy.SchemaColumn{keyed}},
	}}) {
		want := map[string]string{"policy/log.yaml": "the table has no primary key", "policy/odd.yaml": "its key is deferrable"}[f.Name]
		if says := strings.Contains(string(f.Data), "can cross as it is"); says != (want != "") || !strings.Contains(string(f.Data), want) {
			t.Errorf("%s should say %q:\n%s", f.Name, want, f.Data)
		}
	}
}
