package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/people"
)

var preformatted = regexp.MustCompile(`(?s)<pre>(.*?)</pre>`)

// shown are the texts that a page shows to be copied.
func shown(page string) []string {
	var out []string
	for _, m := range preformatted.FindAllStringSubmatch(page, -1) {
		out = append(out, html.UnescapeString(m[1]))
	}
	return out
}

func TestWhatOpensSomethingIsShownOnceAndNowhereElse(t *testing.T) {
	l := newLab(t)
	admin, analyst := l.as(people.Admin), l.as(people.Analyst)
	var secrets []string
	take := func(b *browser, target string, form url.Values) string {
		t.Helper()
		res := b.post(target, form)
		text := b.page(res, http.StatusOK)
		if res.Header.Get("Cache-Control") != "no-store" || !strings.Contains(text, "shown this once") || !strings.Contains(text, "not shown again") {
			t.Errorf("%s is not marked as shown once", target)
		}
		for _, p := range faultsOf(text) {
			t.Errorf("%s: %s", target, p)
		}
		got := shown(text)
		if len(got) == 0 {
			t.Fatalf("%s shows nothing", target)
		}
		for _, s := range got {
			if !strings.HasPrefix(s, "psql ") {
				secrets = append(secrets, strings.TrimSpace(s))
			}
		}
		return text
	}
	text := take(analyst, "/account/sql", nil)
	if !strings.Contains(text, "psql") || !strings.Contains(text, "PGPASSWORD") || !strings.Contains(text, "sslmode=verify-full") {
		t.Error("it does not say how to connect")
	}
	take(admin, "/people", url.Values{"name": {"bob"}, "role": {"viewer"}, "kind": {"person"}})
	take(admin, "/people", url.Values{"name": {"bi"}, "role": {"viewer"}, "kind": {"service"}, "networks": {"192.0.2.0/24, 198.51.100.0/24"}})
	take(admin, "/people/bob/invite", nil)
	take(admin, "/people/bi/sql", nil)
	text = take(admin, "/people/bi/certificates", nil)
	if !strings.Contains(text, "BEGIN CERTIFICATE") || !strings.Contains(text, "PRIVATE KEY") {
		t.Error("there is no certificate with its key")
	}
	if len(secrets) != 7 {
		t.Errorf("%d texts were shown", len(secrets))
	}
	for _, target := range []string{"/people", "/people/bob", "/people/bi", "/record", "/record?kind=people", "/account", "/api/v1/people", "/api/v1/record", "/api/v1/people/bi", "/api/v1/account"} {
		for _, b := range []*browser{admin, analyst} {
			res := b.get(target)
			text := html.UnescapeString(b.page(res, res.StatusCode))
			for _, s := range secrets {
				if strings.Contains(text, s) || strings.Contains(text, s[strings.LastIndex(s, "/")+1:]) {
					t.Errorf("%s shows it again", target)
				}
			}
		}
	}
}

func TestRoleThatDoesNotAdministerIsRefusedEverywhere(t *testing.T) {
	l := newLab(t)
	l.as(people.Admin)
	for _, role := range []people.Role{people.Viewer, people.Analyst} {
		b := l.as(role)
		for _, route := range l.server.RoutesForTest() {
			if !strings.Contains(route.Pattern, "/people") {
				continue
			}
			r := request(t, route.Method, strings.ReplaceAll(fillPattern(route.Pattern), "nobody", "admin-1"))
			if route.Pattern == "/people" && route.Method == http.MethodPost {
				r.Body = http.NoBody
				form := url.Values{"name": {"eve"}, "role": {"admin"}, "kind": {"person"}}
				if res := b.post("/people", form); res.StatusCode != http.StatusForbidden {
					t.Errorf("adding: status %d", res.StatusCode)
				}
				continue
			}
			if res := b.send(r); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s: status %d", role, route.Method, route.Pattern, res.StatusCode)
			}
		}
	}
	if _, err := l.door.people.Account("eve"); err == nil {
		t.Error("somebody who may not has added an account")
	}
	viewer := l.as(people.Viewer)
	viewer.page(viewer.post("/account/sql", nil), http.StatusForbidden)
	if text := viewer.page(viewer.get("/account"), 200); strings.Contains(text, `action="/account/sql"`) {
		t.Error("a viewer is offered an SQL password")
	}
	if text := viewer.page(viewer.get("/"), 200); strings.Contains(text, `href="/people"`) {
		t.Error("a viewer is shown the way to people")
	}
}

func TestAdministratorWithoutNumbersIsToldWhoGrantsThem(t *testing.T) {
	l := newLab(t)
	admin := l.as(people.Admin)
	text := admin.page(admin.get("/"), 200)
	if !strings.Contains(text, "by itself reads no numbers") || !strings.Contains(text, "an account of the role viewer or analyst") || !strings.Contains(text, "208 of 312 columns") {
		t.Error(text)
	}
}

func TestAccountsAreAdministeredFromThePage(t *testing.T) {
	l := newLab(t)
	admin := l.as(people.Admin)
	bob := l.as(people.Viewer)
	admin.page(admin.post("/people", url.Values{"name": {"bi"}, "role": {"viewer"}, "kind": {"service"}, "networks": {"192.0.2.0/24"}}), 200)
	follow := func(target, to string) {
		t.Helper()
		res := admin.post(target, nil)
		if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != to {
			t.Fatalf("%s: status %d to %q", target, res.StatusCode, res.Header.Get("Location"))
		}
		if text := admin.page(admin.get(to), 200); !strings.Contains(text, `role="status"`) {
			t.Errorf("%s does not say that it is done", target)
		}
	}
	follow("/people/viewer-1/sessions/end", "/people/viewer-1?done=ended")
	if res := bob.get("/account"); res.StatusCode != http.StatusSeeOther {
		t.Error("an ended session goes on")
	}
	admin.page(admin.post("/people/bi/certificates", nil), 200)
	a, err := l.door.people.Account("bi")
	check(t, err)
	follow("/people/bi/certificates/"+a.Certificates[0].Serial+"/revoke", "/people/bi?done=revoked")
	follow("/people/bi/sql/end", "/people/bi?done=sql")
	if text := admin.page(admin.get("/people/bi/remove"), 200); !strings.Contains(text, `method="post" action="/people/bi/remove"`) || strings.Contains(text, "your own account") {
		t.Error("removing is not asked for")
	}
	follow("/people/bi/remove", "/people?done=removed")
	admin.page(admin.get("/people/bi"), http.StatusNotFound)
	admin.page(admin.post("/people/bi/sql/end", nil), http.StatusNotFound)
	text := admin.page(admin.post("/people", url.Values{"name": {"Not A Name"}, "role": {"analyst"}, "kind": {"service"}, "networks": {"192.0.2.0/24"}}), http.StatusUnprocessableEntity)
	if !strings.Contains(text, `value="Not A Name"`) || !strings.Contains(text, `value="analyst" checked`) || !strings.Contains(text, `value="192.0.2.0/24"`) || !strings.Contains(text, `value="service" checked`) {
		t.Error("what was typed is not kept")
	}
	admin.page(admin.post("/people", url.Values{"name": {"x"}, "role": {"viewer"}, "kind": {"cat"}}), http.StatusUnprocessableEntity)
	text = admin.page(admin.post("/people", url.Values{"name": {"bi-2"}, "role": {"analyst"}, "kind": {"service"}, "networks": {" , "}}), http.StatusUnprocessableEntity)
	if !strings.Contains(text, "A service needs the networks that it comes from.") || !strings.Contains(text, "the field for networks") || !strings.Contains(text, `value="bi-2"`) {
		t.Errorf("a service without networks: %s", text)
	}
	for _, what := range []string{"sql", "certificates"} {
		if text := admin.page(admin.post("/people/viewer-1/"+what, nil), http.StatusUnprocessableEntity); !strings.Contains(text, "Only a service gets") {
			t.Errorf("%s of a person: %s", what, text)
		}
	}
}

func TestOwnPasswordAndSessions(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	other := l.browser()
	res := other.post("/sign-in", url.Values{"name": {"viewer-1"}, "password": {password}})
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("status %d", res.StatusCode)
	}
	const chosen = "another battery of horses"
	text := b.page(b.post("/account/password", url.Values{"old": {"wrong"}, "password": {chosen}, "again": {chosen}}), http.StatusForbidden)
	if strings.Contains(text, chosen) {
		t.Error("a password is shown again")
	}
	b.page(b.post("/account/password", url.Values{"old": {password}, "password": {chosen}, "again": {chosen + "x"}}), http.StatusUnprocessableEntity)
	if res := b.post("/account/password", url.Values{"old": {password}, "password": {chosen}, "again": {chosen}}); res.Header.Get("Location") != "/account?done=password" {
		t.Fatalf("status %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if res := other.get("/account"); res.StatusCode != http.StatusSeeOther {
		t.Error("the other session goes on")
	}
	third := l.browser()
	third.post("/sign-in", url.Values{"name": {"viewer-1"}, "password": {chosen}})
	own := regexp.MustCompile(`action="(/account/sessions/[^"]+/end)"`).FindAllStringSubmatch(b.page(b.get("/account"), 200), -1)
	if len(own) != 2 {
		t.Fatalf("%d sessions are shown", len(own))
	}
	if res := b.post("/account/sessions/end", nil); res.Header.Get("Location") != "/account?done=sessions" {
		t.Errorf("status %d", res.StatusCode)
	}
	if res := third.get("/account"); res.StatusCode != http.StatusSeeOther {
		t.Error("the third session goes on")
	}
	own = regexp.MustCompile(`action="(/account/sessions/[^"]+/end)"`).FindAllStringSubmatch(b.page(b.get("/account"), 200), -1)
	if res := b.post(own[0][1], nil); res.Header.Get("Location") != "/sign-in" || b.cookie != "" {
		t.Errorf("ending one's own session: to %q", res.Header.Get("Location"))
	}
}

func TestTemporaryPasswordIsAskedToBeChanged(t *testing.T) {
	l := newLab(t)
	added, err := l.door.people.Add(t.Context(), local, people.Addition{Name: "carol", Role: people.Viewer, Kind: people.Person})
	check(t, err)
	admin := l.as(people.Admin)
	if text := admin.page(admin.get("/people/carol"), 200); !strings.Contains(text, "not chosen yet") || strings.Contains(text, ">chosen<") {
		t.Error("a password that weir made is taken for a chosen one")
	}
	if text := admin.page(admin.get("/people/viewer-1"), 200); !strings.Contains(text, "<dd>chosen</dd>") {
		t.Error("a chosen password is taken for none")
	}
	b := l.browser()
	b.post("/sign-in", url.Values{"name": {"carol"}, "password": {added.PagePassword.Reveal()}})
	if !strings.Contains(b.page(b.get("/"), 200), "Choose your own") || !strings.Contains(b.page(b.get("/account"), 200), "Choose your own password") {
		t.Error("nobody asks for another password")
	}
}

func TestSessionOfAProgramIsCalledOne(t *testing.T) {
	l := newLab(t)
	p, err := l.door.people.VerifyPage(t.Context(), people.Caller{Name: "viewer-1", Address: local.Address}, password)
	check(t, err)
	_, _, err = l.door.people.BeginSession(t.Context(), p, local, people.CommandSession)
	check(t, err)
	viewer, admin := l.as(people.Viewer), l.as(people.Admin)
	for target, b := range map[string]*browser{"/account": viewer, "/people/viewer-1": admin} {
		if text := b.page(b.get(target), 200); strings.Count(text, "<td>a program</td>") != 1 || !strings.Contains(text, "<td>a browser</td>") {
			t.Errorf("%s: %s", target, text)
		}
	}
}

func TestPagesClaimNoMoreThanIsSo(t *testing.T) {
	l := newEmptyLab(t, "")
	link, err := l.door.people.AdministratorLink(t.Context(), local)
	check(t, err)
	first := l.browser()
	texts := map[string]string{"the first administrator's link": first.page(first.get("/link/"+link.Token.Reveal()), 200)}
	full := newLab(t)
	admin, analyst := full.as(people.Admin), full.as(people.Analyst)
	for name, b := range map[string]*browser{"admin": admin, "analyst": analyst} {
		for _, target := range []string{"/", "/copy", "/record", "/account"} {
			texts[name+" "+target] = b.page(b.get(target), 200)
		}
	}
	texts["people"] = admin.page(admin.get("/people"), 200)
	for name, text := range texts {
		for _, claim := range []string{"never left", "crossed", "anywhere in weir", "no data", "give them roles", "weir login", "settings"} { // what was so may not be so now; nobody gives another role; who may invite can get in
			if strings.Contains(strings.ToLower(text), claim) {
				t.Errorf("%s claims something with %q", name, claim)
			}
		}
		if !strings.Contains(text, "<p>weir 1.2.3. ") {
			t.Errorf("%s does not say the version", name)
		}
	}
	for name, want := range map[string]string{
		"the first administrator's link": "each with a role that the account keeps", "analyst /": "<strong>208 of 312 columns</strong> are held back.", "people": "the role itself reads no numbers",
		"analyst /account": "<dd>20,000,000 rows and 5 min for one answer in SQL, 100,000 rows for one of a metric; 4 questions at a time, of both sorts</dd>",
		"analyst /copy":    "<strong>208 of 312 columns</strong> of shop are held back. Of the 104 that cross, 58 do so as they are",
	} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s lacks %q", name, want)
		}
	}
}
