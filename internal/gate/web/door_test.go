package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// fillPattern is an address of a route's pattern.
func fillPattern(pattern string) string {
	return strings.NewReplacer("{$}", "", "{name}", "nobody", "{token}", "no-token", "{id}", "none", "{serial}", "00").Replace(pattern)
}

// request is one as programs and browsers of these days send it, with the body that the route takes.
func request(t testing.TB, method, target string) *http.Request {
	t.Helper()
	body, kind := "", ""
	if method == http.MethodPost {
		body, kind = "x=1", "application/x-www-form-urlencoded"
		if strings.HasPrefix(target, "/api/") {
			body, kind = "{}", "application/json"
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

var wantHeaders = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
}

func TestEveryAnswerProtectsItself(t *testing.T) {
	l := newLab(t)
	for _, b := range []*browser{l.browser(), l.as(people.Viewer), l.as(people.Admin)} {
		paths := []web.RouteForTest{{Method: "GET", Pattern: "/nothing"}, {Method: "GET", Pattern: "/api/v1/nothing"}, {Method: "PUT", Pattern: "/copy"}, {Method: "GET", Pattern: "/static/other.css"}}
		for _, route := range append(paths, l.server.RoutesForTest()...) {
			if strings.HasPrefix(route.Pattern, "/sign-out") || route.Pattern == "/api/v1/session" && route.Method == http.MethodDelete {
				continue // it would end the walk
			}
			res := b.send(request(t, route.Method, fillPattern(route.Pattern)))
			for name, want := range wantHeaders {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q", route.Method, route.Pattern, name, got)
				}
			}
			static := strings.HasPrefix(route.Pattern, "/static/weir.") || strings.HasPrefix(route.Pattern, "/static/icon.")
			if cache := res.Header.Get("Cache-Control"); static != (cache == "public, max-age=31536000, immutable") || !static && cache != "no-store" {
				t.Errorf("%s %s: Cache-Control is %q", route.Method, route.Pattern, cache)
			}
			if p := res.Header.Get("Permissions-Policy"); !strings.Contains(p, "camera=()") {
				t.Errorf("%s %s: Permissions-Policy is %q", route.Method, route.Pattern, p)
			}
			if res.StatusCode >= 500 {
				t.Errorf("%s %s: status %d", route.Method, route.Pattern, res.StatusCode)
			}
		}
	}
}

func TestNothingIsShownToWhoeverIsNotSignedIn(t *testing.T) {
	l := newLab(t)
	for name, cookie := range map[string]string{"no session": "", "a made-up session": "made-up", "an ended one": l.ended(), "a huge one": strings.Repeat("x", 4000)} {
		b := l.browser()
		open := 0
		for _, route := range append(l.server.RoutesForTest(), web.RouteForTest{Method: "GET", Pattern: "/nothing"}, web.RouteForTest{Method: "GET", Pattern: "/api/v1/nothing"}, web.RouteForTest{Method: "POST", Pattern: "/copy"}) {
			b.cookie = cookie
			if route.Open {
				open++
				continue
			}
			target := fillPattern(route.Pattern)
			res := b.send(request(t, route.Method, target))
			if strings.HasPrefix(target, "/api/") {
				if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s: %s %s: status %d", name, route.Method, target, res.StatusCode)
				}
			} else if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != "/sign-in" && !strings.HasPrefix(to, "/sign-in?to=") {
				t.Errorf("%s: %s %s: status %d to %q", name, route.Method, target, res.StatusCode, to)
			}
		}
		if open != 8 { // sign-in and link, each with its form; the description, the API's sign-in, two static files
			t.Errorf("%d routes are open", open)
		}
	}
}

// ended is the token of a session that is over.
func (l *lab) ended() string {
	b := l.as(people.Viewer)
	token := b.cookie
	if res := b.post("/sign-out", nil); res.StatusCode != http.StatusSeeOther {
		l.t.Errorf("signing out: status %d", res.StatusCode)
	}
	if b.cookie != "" {
		l.t.Error("the browser keeps its cookie")
	}
	return token
}

func TestUnknownAddressLooksLikeAKnownOneFromOutside(t *testing.T) {
	l := newLab(t)
	for _, pair := range [][2]string{{"/people", "/nothing"}, {"/metrics/attempts", "/metrics/hunter2"}, {"/api/v1/copy", "/api/v1/nothing"}, {"/people/admin", "/people/nobody"}} {
		known, unknown := l.browser().get(pair[0]), l.browser().get(pair[1])
		a, b := l.browser().page(known, known.StatusCode), l.browser().page(unknown, known.StatusCode)
		if a != b || strings.Replace(known.Header.Get("Location"), url.QueryEscape(pair[0]), url.QueryEscape(pair[1]), 1) != unknown.Header.Get("Location") {
			t.Errorf("%s and %s can be told apart", pair[0], pair[1])
		}
	}
	b := l.as(people.Viewer)
	for _, target := range []string{"/nothing", "/metrics/nothing", "/copy/", "/static/none.css", "/metrics/a/b", "//copy", "/x/../copy"} {
		b.page(b.get(target), http.StatusNotFound)
	}
}

func TestSignInSetsACookieThatOnlyThisHostGetsAndGoesWhereWasAsked(t *testing.T) {
	l := newLab(t)
	l.as(people.Viewer)
	b := l.browser()
	res := b.get("/metrics/attempts?span=28&grain=day")
	to := res.Header.Get("Location")
	if res.StatusCode != http.StatusSeeOther || to != "/sign-in?to=%2Fmetrics%2Fattempts%3Fspan%3D28%26grain%3Dday" {
		t.Fatalf("status %d to %q", res.StatusCode, to)
	}
	form := b.page(b.get(to), http.StatusOK)
	if !strings.Contains(form, `name="to" value="/metrics/attempts?span=28&amp;grain=day"`) {
		t.Errorf("the form does not know where to go on: %s", form)
	}
	res = b.post("/sign-in", url.Values{"name": {"viewer-1"}, "password": {password}, "to": {"/metrics/attempts?span=28&grain=day"}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/metrics/attempts?span=28&grain=day" {
		t.Errorf("status %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	line := res.Header.Get("Set-Cookie")
	name, attributes, _ := strings.Cut(line, "; ")
	if !strings.HasPrefix(name, "__Host-weir=") || attributes != "Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Errorf("the cookie is %s, with %s", name, attributes)
	}
	b.page(b.get("/metrics/attempts"), http.StatusOK)
	if res := b.get("/sign-in"); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" {
		t.Errorf("signing in again: status %d", res.StatusCode)
	}
}

func TestWrongPasswordAndUnknownNameLookAlikeAndGuessingIsSlowed(t *testing.T) {
	l := newLab(t)
	l.as(people.Viewer)
	try := func(name, secret string) (string, *http.Response) {
		b := l.browser()
		res := b.post("/sign-in", url.Values{"name": {name}, "password": {secret}, "to": {"/copy"}})
		text := b.page(res, res.StatusCode)
		if strings.Contains(text, secret) || b.cookie != "" {
			t.Error("a wrong password is shown again, or lets in")
		}
		return strings.ReplaceAll(text, name, "NAME"), res
	}
	a, res := try("viewer-1", "a wrong password")
	b, res2 := try("nobody-1", "a wrong password")
	if a != b || res.StatusCode != http.StatusForbidden || res2.StatusCode != http.StatusForbidden {
		t.Errorf("%d and %d, the same: %v", res.StatusCode, res2.StatusCode, a == b)
	}
	if !strings.Contains(a, `value="NAME"`) || !strings.Contains(a, `value="/copy"`) {
		t.Error("what was typed is not kept")
	}
	for range 12 {
		if _, res = try("viewer-1", "a wrong password"); res.StatusCode == http.StatusTooManyRequests {
			break
		}
	}
	if wait := res.Header.Get("Retry-After"); res.StatusCode != http.StatusTooManyRequests || wait == "" || wait == "0" {
		t.Errorf("status %d, Retry-After %q", res.StatusCode, wait)
	}
	r := jsonRequest(t, http.MethodPost, "/api/v1/session", `{"name":"viewer-1","password":"a wrong password"}`)
	if res := l.browser().send(r); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("the API: status %d", res.StatusCode)
	}
}

func TestLinkWorksOnceAndLookingUsesNothingUp(t *testing.T) {
	l := newEmptyLab(t, "")
	link, err := l.door.people.AdministratorLink(t.Context(), local)
	check(t, err)
	path := "/link/" + link.Token.Reveal()
	b := l.browser()
	for range 2 {
		text := b.page(b.get(path), http.StatusOK)
		if !strings.Contains(text, "first administrator") || strings.Contains(text, link.Token.Reveal()) {
			t.Errorf("the page of the link: %s", text)
		}
	}
	text := b.page(b.post(path, url.Values{"name": {"ann"}, "password": {password}, "again": {"something else"}}), http.StatusUnprocessableEntity)
	if !strings.Contains(text, `value="ann"`) || strings.Contains(text, password) {
		t.Error("what was typed is not kept, or a password is")
	}
	b.page(b.post(path, url.Values{"name": {"ann"}, "password": {"short"}, "again": {"short"}}), http.StatusUnprocessableEntity)
	res := b.post(path, url.Values{"name": {"ann"}, "password": {password}, "again": {password}})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/" || b.cookie == "" {
		t.Fatalf("using it: status %d", res.StatusCode)
	}
	if !strings.Contains(b.page(b.get("/people"), http.StatusOK), `href="/people/ann"`) {
		t.Error("there is no account of that name")
	}
	other := l.browser()
	for _, res := range []*http.Response{other.get(path), other.post(path, url.Values{"name": {"eve"}, "password": {password}, "again": {password}}), other.get("/link/made-up")} {
		if res.StatusCode < 400 || res.StatusCode >= 500 || other.cookie != "" {
			t.Errorf("a used link: status %d", res.StatusCode)
		}
	}
}

func TestAnotherSiteCannotSendWhatChangesSomething(t *testing.T) {
	l := newLab(t)
	admin := l.as(people.Admin)
	for _, route := range l.server.RoutesForTest() {
		if route.Method == http.MethodGet {
			continue
		}
		for name, set := range map[string]func(*http.Request){
			"cross-site":             func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"a sibling":              func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"an old browser":         func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
			"an old browser's frame": func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		} {
			r := request(t, route.Method, fillPattern(route.Pattern))
			set(r)
			if res := admin.send(r); res.StatusCode != http.StatusForbidden {
				t.Errorf("%s: %s %s: status %d", name, route.Method, route.Pattern, res.StatusCode)
			}
		}
	}
	admin.page(admin.get("/"), http.StatusOK)
}

func TestOtherMethodIsNotAllowedAndSaysWhichAre(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	for target, allow := range map[string]string{"/copy": "GET, HEAD", "/account/sql": "POST", "/api/v1/session": "POST, DELETE", "/sign-in": "GET, HEAD, POST"} {
		for _, method := range []string{http.MethodPut, http.MethodPatch, http.MethodOptions, "BREW"} {
			res := b.send(request(t, method, target))
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != allow {
				t.Errorf("%s %s: status %d, Allow %q", method, target, res.StatusCode, res.Header.Get("Allow"))
			}
		}
	}
}

func TestHeadIsAnsweredAsGetIs(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	for _, target := range []string{"/", "/copy", "/record", "/account", "/metrics/attempts", "/api/v1/me", "/nothing"} {
		get, head := b.get(target), b.do(http.MethodHead, target, nil)
		if get.StatusCode != head.StatusCode || get.Header.Get("Content-Type") != head.Header.Get("Content-Type") {
			t.Errorf("%s: %d and %d", target, get.StatusCode, head.StatusCode)
		}
	}
}

func TestMuchIsNotRead(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Analyst)
	long := strings.Repeat("x", 70<<10)
	b.page(b.post("/account/password", url.Values{"old": {long}}), http.StatusRequestEntityTooLarge)
	b.page(l.browser().post("/sign-in", url.Values{"name": {"a"}, "password": {long}}), http.StatusRequestEntityTooLarge)
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/account/password", `{"old":"`+long+`"}`)), http.StatusRequestEntityTooLarge)
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/query", `{"sql":"SELECT 1 -- `+long+`"}`)), http.StatusOK)
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/query", `{"sql":"SELECT 1 -- `+strings.Repeat("x", 1<<20)+`"}`)), http.StatusRequestEntityTooLarge)
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/session", long)), http.StatusRequestEntityTooLarge) // too long, and no JSON either
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/session", `{"name":"a","password":"b","more":"`+long+`"}`)), http.StatusRequestEntityTooLarge)
	r := request(t, http.MethodPost, "/account/password")
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	b.page(b.send(r), http.StatusUnsupportedMediaType)
}

func TestAFieldIsGivenOnce(t *testing.T) {
	b := newLab(t).as(people.Analyst)
	for _, body := range []string{`{"sql":"SELECT 1","sql":"SELECT 2"}`, `{"sql":"SELECT 1","SQL":"SELECT 2"}`, `{"s\u0071l":"SELECT 1","sql":"SELECT 2"}`} {
		if text := b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/query", body)), http.StatusUnprocessableEntity); !strings.Contains(text, "the body has a field twice") {
			t.Errorf("%s: %s", body, text)
		}
	}
	b.page(b.send(jsonRequest(t, http.MethodPost, "/api/v1/query", `{"sql":"SELECT 1"}`)), http.StatusOK)
}

func TestMistakeOfOursIsAnsweredAndLoggedWithoutWhatItSaw(t *testing.T) {
	l := newLab(t)
	var logged bytes.Buffer
	s, err := web.New(web.Options{Door: l.door, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	check(t, err)
	b := l.as(people.Viewer)
	b.handler = s.Handler()
	l.door.copied = func() *web.Copy { panic("hunter2") }
	for _, target := range []string{"/copy", "/api/v1/copy"} {
		if text := b.page(b.get(target), http.StatusInternalServerError); strings.Contains(text, "hunter2") || !strings.Contains(text, "nside weir went wrong") {
			t.Errorf("%s: %s", target, text)
		}
	}
	b.get("/link/hunter2")
	b.get("/metrics/hunter2?by=hunter2")
	if text := logged.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "/copy") {
		t.Errorf("logged: %s", text)
	}
}

func TestMistakeOfOursInOneMetricLeavesTheOthersOnTheOverview(t *testing.T) {
	l := newLab(t)
	var logged bytes.Buffer
	s, err := web.New(web.Options{Door: l.door, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	check(t, err)
	t.Cleanup(s.Close)
	b := l.as(people.Viewer)
	b.handler = s.Handler()
	l.door.asked = func(_ context.Context, q metric.Question) {
		if q.Metric == "attempts" {
			panic("hunter2")
		}
	}
	text := b.page(b.get("/"), http.StatusOK)
	if strings.Contains(text, "hunter2") || strings.Count(text, "Something inside weir went wrong.") != 1 || strings.Count(text, "chart-spark") < 3 || !strings.Contains(text, ">Connection attempts</a>") {
		t.Error(text)
	}
	if text := logged.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, `route="GET /{$}"`) || !strings.Contains(text, "(*call).tile") {
		t.Errorf("logged: %s", text)
	}
}

func TestFaultBecomesTheStatusThatSaysIt(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	for _, c := range []struct {
		err    error
		status int
	}{
		{fault.New(fault.Refused, "no", "ask"), 403},
		{fault.New(fault.NotFound, "no", "ask"), 404},
		{fault.New(fault.Invalid, "no", "ask"), 422},
		{fault.New(fault.Usage, "no", "ask"), 422},
		{fault.New(fault.Unavailable, "no", "ask"), 503},
		{fault.New(fault.Internal, "no", "ask"), 500},
		{fault.New(fault.Refused, "wait", "").WithCause(&people.SlowDownError{Wait: 1500 * time.Millisecond}), 429},
	} {
		l.door.failWith(c.err)
		page := b.get("/copy")
		if text := b.page(page, c.status); !strings.Contains(text, "<h1>") {
			t.Errorf("%v: %s", c.err, text)
		}
		l.door.failWith(c.err)
		b.page(b.get("/api/v1/copy"), c.status)
		if c.status == 429 && page.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After is %q", page.Header.Get("Retry-After"))
		}
	}
}
