package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/policy"
)

func roleOf(t *testing.T, p *policy.Policy, name string) policy.Role {
	t.Helper()
	all := p.Roles()
	at := slices.IndexFunc(all, func(r policy.Role) bool { return r.Name == name })
	if at < 0 {
		t.Fatalf("no role %s", name)
	}
	return all[at]
}

func TestRolesHaveTheWidestLimitsWhereThePolicySaysNothing(t *testing.T) {
	var names []string
	for _, r := range (*policy.Policy)(nil).Roles() {
		names = append(names, r.Name)
		reads := slices.Contains(r.May, policy.ReadMetrics) || slices.Contains(r.May, policy.AskSQL)
		if limited := r.Limits.Rows > 0 && r.Limits.Time > 0 && r.Limits.AtATime > 0; limited != reads {
			t.Errorf("%s may %v within %+v", r.Name, r.May, r.Limits)
		}
		if reads && slices.Contains(r.May, policy.ManagePeople) {
			t.Errorf("%s makes accounts and reads data", r.Name)
		}
	}
	if !slices.Equal(names, []string{"viewer", "analyst", "admin"}) {
		t.Errorf("the roles are %v", names)
	}
	said := parse(t, "role: viewer\nrows: 100000\ntime: 60s\nat_a_time: 4\n")
	if said.Hash() != (&policy.Policy{}).Hash() || len(policy.Diff(nil, said)) != 0 {
		t.Error("saying what is so anyway is another policy")
	}
}

func TestPolicyTakesFromARoleAndSaysSo(t *testing.T) {
	tables := "table: a.b\naccess: sql\ncolumns:\n  c: {class: public, treat: keep}\n"
	free, limited := parse(t, tables), parse(t, tables+"---\nrole: analyst\nrows: 1000\ntime: 90s\nat_a_time: 2\n")
	analyst, viewer := roleOf(t, limited, "analyst"), roleOf(t, limited, "viewer")
	if analyst.Limits != (policy.Limits{Rows: 1000, Time: 90 * time.Second, AtATime: 2}) || analyst.Pos.Line != 6 || viewer.Limits != roleOf(t, free, "viewer").Limits {
		t.Errorf("%+v, %+v", analyst, viewer)
	}
	if limited.Hash() == free.Hash() || limited.Tables[0].Hash() != free.Tables[0].Hash() {
		t.Error("the hash of the policy does not tell, or that of a table does")
	}
	partly := parse(t, "role: analyst\ntime: 90s\n")
	if got := roleOf(t, partly, "analyst").Limits; got != (policy.Limits{Rows: 20_000_000, Time: 90 * time.Second, AtATime: 4}) {
		t.Errorf("of a role whose time alone is limited: %+v", got)
	}
	for _, c := range []struct {
		from, to *policy.Policy
		weaker   bool
		what     string
	}{
		{free, limited, false, "20000000 rows of an answer are now 1000; 5m for a question are now 1m30s; 4 questions at a time are now 2"},
		{limited, free, true, "1000 rows of an answer are now 20000000; 1m30s for a question are now 5m; 2 questions at a time are now 4"},
	} {
		var what []string
		for _, change := range policy.Diff(c.from, c.to) {
			what = append(what, change.What)
			if change.Weaker != c.weaker || change.Role != "analyst" || change.Table != "" {
				t.Errorf("%+v", change)
			}
		}
		if got := strings.Join(what, "; "); got != c.what {
			t.Errorf("got %s", got)
		}
	}
}
