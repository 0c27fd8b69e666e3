package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/policy"
)

// admitted is the admission table as the documentation has it, written down a second time. "metrics" after a treatment: only where no more than metrics can read.
var admitted = map[policy.Class]string{
	policy.Secret:           "drop",
	policy.Health:           "drop",
	policy.DirectIdentifier: "drop presence pseudonym domain",
	policy.Identifier:       "drop presence pseudonym",
	policy.Network:          "drop presence prefix map",
	policy.Location:         "drop presence prefix bucket map",
	policy.Behaviour:        "drop presence truncate count keep/metrics",
	policy.Attribute:        "drop presence bucket truncate map keep",
	policy.FreeText:         "drop presence redact",
	policy.Telemetry:        "drop keep presence truncate bucket prefix domain map count redact fields",
	policy.Public:           "drop keep presence pseudonym truncate bucket prefix domain map count redact fields",
}

// built are the treatments of this release with the parameters that make them complete.
var built = map[policy.Treatment]string{
	policy.Drop: "", policy.Keep: "", policy.Presence: "", policy.Pseudonym: ", subject: user", policy.Truncate: ", to: day", policy.Bucket: ", width: 10",
	policy.Prefix: ", bits4: 24, bits6: 48",
}

func TestEveryPairOfClassAndTreatmentIsAdmittedOrRefusedAsTheTableSays(t *testing.T) {
	if len(policy.Classes()) != len(admitted) || len(policy.Treatments()) != 12 {
		t.Fatalf("%d classes, %d treatments", len(policy.Classes()), len(policy.Treatments()))
	}
	for _, class := range policy.Classes() {
		for _, treat := range policy.Treatments() {
			for _, access := range []policy.Access{policy.AccessSQL, policy.AccessMetrics} {
				row := strings.Fields(admitted[class])
				may := slices.Contains(row, string(treat)) || access == policy.AccessMetrics && slices.Contains(row, string(treat)+"/metrics")
				if got := slices.Contains(class.Admits(access), treat); got != may {
					t.Errorf("%s admits %s with %s: %v", class, treat, access, got)
				}
				parameters, is := built[treat]
				text := fmt.Sprintf("table: a.b\naccess: %s\ncolumns:\n  c: {class: %s, treat: %s%s}\n", access, class, treat, parameters)
				_, err := policy.Parse([]policy.File{{Name: "x.yaml", Data: []byte(text)}})
				want := ""
				switch {
				case !may && slices.Contains(row, string(treat)+"/metrics"):
					want = fmt.Sprintf("x.yaml:4: c: class %s does not admit %s where SQL can read it; ", class, treat)
				case !may:
					want = fmt.Sprintf("x.yaml:4: c: class %s does not admit %s; it admits drop", class, treat)
				case !is:
					want = fmt.Sprintf("x.yaml:4: c: %s is not there yet; use drop", treat)
				}
				if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s + %s + %s: %v, want %q", class, treat, access, err, want)
				}
			}
		}
	}
}

func TestColumnOfATableForSQLMayBeKeptForMetricsAlone(t *testing.T) {
	p := parse(t, "table: a.b\naccess: sql\ncolumns:\n  at: {class: behaviour, treat: keep, access: metrics}\n  day: {class: behaviour, treat: truncate, to: day}\n")
	at, _ := p.Table("a.b").Column("at")
	day, _ := p.Table("a.b").Column("day")
	if at.Access != policy.AccessMetrics || day.Access != policy.AccessSQL {
		t.Errorf("at %s, day %s", at.Access, day.Access)
	}
}

// takes is the treatment table's second column, for the kinds in the order of policy.Kinds and, last, a type that weir does not read.
var takes = map[policy.Treatment]string{
	//                 int float numeric text bytes uuid date time bool inet mac list -
	policy.Drop:      "yes yes yes yes yes yes yes yes yes yes yes yes yes",
	policy.Keep:      "yes yes yes yes yes yes yes yes yes yes yes yes no",
	policy.Presence:  "yes yes yes yes yes yes yes yes yes yes yes yes no",
	policy.Pseudonym: "yes yes yes yes yes yes yes yes yes yes yes no no",
	policy.Truncate:  "no no no no no no yes yes no no no no no",
	policy.Bucket:    "yes yes yes no no no yes no no no no no no",
	policy.Prefix:    "no no no yes no no no no no yes no no no",
}

func TestEveryTreatmentTakesTheKindsThatTheTableSays(t *testing.T) {
	kinds := append(policy.Kinds(), "")
	for treat, row := range takes {
		answers := strings.Fields(row)
		if len(answers) != len(kinds) {
			t.Fatalf("%s: %d answers for %d kinds", treat, len(answers), len(kinds))
		}
		for i, kind := range kinds {
			want := answers[i] == "yes"
			if got := treat.Takes(kind); got != want {
				t.Errorf("%s takes %q: %v", treat, kind, got)
			}
			parameters := built[treat]
			if treat == policy.Prefix && kind == policy.KindText {
				parameters = ", chars: 2"
			}
			p := parse(t, fmt.Sprintf("table: a.b\naccess: sql\ncolumns:\n  c: {class: public, treat: %s%s}\n", treat, parameters))
			problems := p.Check(policy.Schema{Tables: []policy.SchemaTable{{Name: "a.b", Columns: []policy.SchemaColumn{{Name: "c", Type: "sometype", Kind: kind, Key: true}}}}})
			if (len(problems) == 0) != want {
				t.Errorf("check of %s on %q: %v", treat, kind, problems)
			}
		}
	}
	for _, treat := range policy.Treatments() {
		if _, is := takes[treat]; is != treat.Built() {
			t.Errorf("%s built: %v", treat, treat.Built())
		}
		if treat.Does() == "" {
			t.Errorf("%s does nothing that can be said", treat)
		}
	}
}

func TestEveryClassSaysWhatItIsAndWhyItIsHeldBack(t *testing.T) {
	for _, c := range policy.Classes() {
		if c.Is() == "" || !strings.HasSuffix(c.Why(), ".") || strings.Count(c.Why(), ".") != 1 {
			t.Errorf("%s: %q, %q", c, c.Is(), c.Why())
		}
	}
	if policy.Class("x").Is() != "" || policy.Class("x").Why() != "" || policy.Class("x").Admits(policy.AccessSQL) != nil || policy.Treatment("x").Takes(policy.KindInt) {
		t.Error("an unknown class or treatment says something")
	}
}

// parse parses one file that must be right.
func parse(t *testing.T, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]policy.File{{Name: "policy/test.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// problems parses one file that must be wrong.
func problems(t *testing.T, text string) []policy.Problem {
	t.Helper()
	_, err := policy.Parse([]policy.File{{Name: "policy/test.yaml", Data: []byte(text)}})
	var list *policy.ProblemsError
	if !errors.As(err, &list) {
		t.Fatalf("not refused: %v", err)
	}
	return list.Problems
}
