package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/people"
)

func TestReturnPathStaysHere(t *testing.T) {
	for asked, want := range map[string]string{
		"/": "/", "/copy": "/copy", "/copy?q=mac": "/copy?q=mac", "/metrics/attempts?by=model&span=28": "/metrics/attempts?by=model&span=28", "/people/ann@example.com": "/people/ann@example.com",
		"/record?person=a%40b": "/record?person=a%40b",
		"":                     "/", "copy": "/", "//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\/evil.example`: "/", "/%2fevil.example": "/", "/%5cevil.example": "/", "/%09/evil.example": "/",
		"/\t/evil.example": "/", "/\n/evil.example": "/", "\t//evil.example": "/", " //evil.example": "/", "https://evil.example": "/", "https:evil.example": "/", "javascript:alert(1)": "/", "/copy/../..//evil.example": "/",
		"/./copy": "/", "/copy//x": "/", "/@evil.example": "/@evil.example", "/copy#x": "/", "/copy?x=\r\nSet-Cookie:a": "/", "/copy?<script>": "/", "/copy?a=%zz": "/copy", "/ⅇvil": "/", "/\u2028": "/",
		"/sign-in": "/", "/sign-in?to=/copy": "/", "/sign-out": "/", "/link/abc": "/", "/api/v1/me": "/", "/static/x": "/", "/" + strings.Repeat("a", 3000): "/",
	} {
		if got := web.ReturnPathForTest(asked); got != want {
			t.Errorf("%q becomes %q, not %q", asked, got, want)
		}
	}
}

func FuzzReturnPath(f *testing.F) {
	for _, s := range []string{"/copy", "//evil.example", `/\evil`, "/%2f%2fevil", "/a?b=c&d=%41", "/../x", "/\x00", "https://x/", "/a b", "/a;b", "?x", "/a/", "/.//x"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "https", Host: "weir.example"}
	f.Fuzz(func(t *testing.T, asked string) {
		got := web.ReturnPathForTest(asked)
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q becomes %q", asked, got)
		}
		if to := base.ResolveReference(u); to.Host != "weir.example" || to.Scheme != "https" {
			t.Errorf("%q leads to %s", asked, to)
		}
		if strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t \"<>") || !strings.HasPrefix(got, "/") || path.Clean(u.Path) != u.Path {
			t.Errorf("%q becomes %q", asked, got)
		}
		if web.ReturnPathForTest(got) != got {
			t.Errorf("%q becomes %q, and that another", asked, got)
		}
	})
}

func FuzzCookie(f *testing.F) {
	l := newLab(f)
	token := l.token(people.Viewer)
	for _, cookie := range []string{"", "__Host-weir=", "__Host-weir=x", "__Host-weir=x; __Host-weir=y", "weir=x", "__Host-weir=\"x\"", strings.Repeat("a=b; ", 50), "__Host-weir=" + strings.Repeat("x", 300), "\x00"} {
		for _, target := range []string{"/", "/copy", "/metrics/attempts.csv", "/people/a/remove", "/api/v1/me", "/nothing", "/link/x", "/static/../copy", "//", "/%2e%2e/copy", "*"} {
			f.Add(cookie, target, "Bearer x")
		}
	}
	f.Fuzz(func(t *testing.T, cookie, target, authorization string) {
		if strings.Contains(cookie, token) || strings.Contains(authorization, token) {
			return
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if u, err := url.ParseRequestURI(target); err == nil {
			r.URL, r.RequestURI = u, target
		} else {
			r.URL = &url.URL{Path: target}
		}
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		l.handler.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("status %d", w.Code)
		}
		if w.Header().Get("Set-Cookie") != "" {
			t.Error("a session is given")
		}
		open := strings.HasPrefix(r.URL.Path, "/static/") || r.URL.Path == "/sign-in" || r.URL.Path == "/api/v1/openapi.yaml"
		if w.Code == http.StatusOK && !open {
			t.Errorf("%q is shown", r.URL.Path)
		}
		if to := w.Header().Get("Location"); to != "" && to != "/sign-in" && !strings.HasPrefix(to, "/sign-in?to=%2F") {
			t.Errorf("sent to %q", to)
		}
	})
}
