package web_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/people"
)

// lab is a page with an administrator, an analyst and a viewer.
type lab struct {
	t       testing.TB
	door    *door
	server  *web.Server
	handler http.Handler
}

const password = "correct horse battery staple"

var local = people.Caller{Name: "test", Address: netip.MustParseAddr("192.0.2.1")}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, door: newDoor(t)}
	var err error
	l.server, err = web.New(web.Options{Door: l.door, TLS: l.door.authority.TLSConfig(tls.NoClientCert), Source: "shop", Version: "1.2.3"})
	check(t, err)
	t.Cleanup(l.server.Close)
	l.handler = l.server.Handler()
	return l
}

// browser is somebody's browser: it keeps the cookie, and says where a request comes from as browsers do.
type browser struct {
	t       testing.TB
	handler http.Handler
	cookie  string
}

func (l *lab) browser() *browser { return &browser{t: l.t, handler: l.handler} }

// as is the browser of a new account of the role, signed in. Where there is no administrator yet, the first of them comes in by the link.
func (l *lab) as(role people.Role) *browser {
	l.t.Helper()
	b := l.browser()
	b.cookie = l.token(role)
	return b
}

func (l *lab) token(role people.Role) string {
	l.t.Helper()
	ctx := l.t.Context()
	name := people.Name(string(role) + "-1")
	var link people.Link
	var err error
	if role == people.Admin && !l.door.people.HasAdministrator() {
		link, err = l.door.people.AdministratorLink(ctx, local)
	} else {
		if _, missing := l.door.people.Account(name); missing != nil {
			_, err = l.door.people.Add(ctx, local, people.Addition{Name: name, Role: role, Kind: people.Person})
			check(l.t, err)
		}
		link, err = l.door.people.Invite(ctx, local, name)
	}
	check(l.t, err)
	p, err := l.door.people.Use(ctx, people.Caller{Name: string(name), Address: local.Address}, link.Token.Reveal(), password)
	check(l.t, err)
	token, _, err := l.door.people.BeginSession(ctx, p, local, people.PageSession)
	check(l.t, err)
	return token.Reveal()
}

// do sends a request as the browser would; a body is a form.
func (b *browser) do(method, target string, form url.Values) *http.Response {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(context.WithoutCancel(b.t.Context()), method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(r)
}

func (b *browser) send(r *http.Request) *http.Response {
	b.t.Helper()
	if b.cookie != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-weir", Value: b.cookie})
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		if c.Name == "__Host-weir" {
			b.cookie = c.Value
		}
	}
	return res
}

func (b *browser) get(target string) *http.Response { return b.do(http.MethodGet, target, nil) }

func (b *browser) post(target string, form url.Values) *http.Response {
	if form == nil {
		form = url.Values{}
	}
	return b.do(http.MethodPost, target, form)
}

// page is the text of an answer that must have the status.
func (b *browser) page(res *http.Response, status int) string {
	b.t.Helper()
	text, err := io.ReadAll(res.Body)
	check(b.t, err)
	if res.StatusCode != status {
		b.t.Fatalf("status %d instead of %d: %s", res.StatusCode, status, text)
	}
	return string(text)
}

// TestPagesCanBeLookedAt serves the lab for a person's own eyes on the address that WEIR_SHOW_PAGES names, until the test's time is over; without one it looks that serving ends with its context.
func TestPagesCanBeLookedAt(t *testing.T) {
	address, life := os.Getenv("WEIR_SHOW_PAGES"), 50*time.Minute
	if address == "" {
		address, life = "127.0.0.1:0", 50*time.Millisecond
	}
	l := newLab(t)
	for _, role := range []people.Role{people.Admin, people.Analyst, people.Viewer} {
		l.token(role)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	check(t, err)
	t.Logf("https://%s: sign in as admin-1, analyst-1 or viewer-1 with the password %q", listener.Addr(), password)
	ctx, cancel := context.WithTimeout(t.Context(), life)
	defer cancel()
	check(t, l.server.Serve(ctx, listener))
	if ctx.Err() == nil {
		t.Error("serving ended by itself")
	}
}
