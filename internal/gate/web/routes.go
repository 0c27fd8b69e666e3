package web

import (
	"net/http"
	"path"
	"strings"
)

// How much a request's body may hold.
const (
	bodyLimit = 64 << 10
	sqlLimit  = 1 << 20
)

// route is one thing that can be asked for.
type route struct {
	method, pattern string
	open            bool // without being signed in
	limit           int64
	do              func(c *call) error
}

// routes finds a request's route.
type routes struct {
	mux  *http.ServeMux
	list []route
}

// api begins the path of every route that speaks JSON.
const api = "/api/v1/"

func (s *Server) newRoutes() *routes {
	t := &routes{mux: http.NewServeMux()}
	t.list = append(t.list, pageRoutes()...)
	t.list = append(t.list, apiRoutes()...)
	for name := range s.pages.static {
		t.list = append(t.list, route{method: http.MethodGet, pattern: name, open: true, do: serveStatic})
	}
	for i := range t.list {
		r := &t.list[i]
		if r.limit == 0 {
			r.limit = bodyLimit
		}
		t.mux.HandleFunc(r.method+" "+r.pattern, func(w http.ResponseWriter, q *http.Request) { s.answer(*r, w, q) })
	}
	return t
}

func pageRoutes() []route {
	get, post := http.MethodGet, http.MethodPost
	return append(personRoutes(), []route{
		{method: get, pattern: "/sign-in", open: true, do: showSignIn},
		{method: post, pattern: "/sign-in", open: true, do: signIn},
		{method: post, pattern: "/sign-out", do: signOut},
		{method: get, pattern: "/link/{token}", open: true, do: showLink},
		{method: post, pattern: "/link/{token}", open: true, do: useLink},
		{method: get, pattern: "/{$}", do: showOverview},
		{method: get, pattern: "/metrics/{name}", do: showMetric},
		{method: get, pattern: "/copy", do: showCopy},
		{method: get, pattern: "/record", do: showRecord},
		{method: get, pattern: "/account", do: showAccount},
		{method: post, pattern: "/account/password", do: changePassword},
		{method: post, pattern: "/account/sql", do: renewSQL},
		{method: post, pattern: "/account/sessions/end", do: endOtherSessions},
		{method: post, pattern: "/account/sessions/{id}/end", do: endSession},
		{method: get, pattern: "/people", do: showPeople},
		{method: post, pattern: "/people", do: addAccount},
	}...)
}

// has says whether there is a route for the request, whose handler is then the mux's. Where there is none, allowed are the methods that its path has.
func (t *routes) has(r *http.Request) (ok bool, allowed []string) {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p {
		return false, nil // the mux would redirect, and nothing of ours is written like that
	}
	if _, pattern := t.mux.Handler(r); pattern != "" {
		return true, nil
	}
	probe := &http.Request{URL: r.URL, Host: r.Host}
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		probe.Method = m
		if _, pattern := t.mux.Handler(probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	return false, allowed
}
