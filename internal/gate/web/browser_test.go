package web_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	tokens  map[people.Role][]string
	log     bytes.Buffer // to be read when the server is closed
}

const password = "correct horse battery staple"

var local = people.Caller{Name: "test", Address: netip.MustParseAddr("192.0.2.1")}

func newLab(t testing.TB) *lab {
	t.Helper()
	h := theHousehold(t)
	l := newEmptyLab(t, h.dir)
	for role, tokens := range h.tokens {
		l.tokens[role] = slices.Clone(tokens)
	}
	return l
}

// newEmptyLab is a page whose accounts are those of a folder; without one, there is nobody.
func newEmptyLab(t testing.TB, from string) *lab {
	t.Helper()
	l := &lab{t: t, door: newDoor(t, from), tokens: map[people.Role][]string{}}
	var err error
	l.server, err = web.New(web.Options{Door: l.door, TLS: l.door.authority.TLSConfig(tls.NoClientCert), Source: "shop", Version: "1.2.3", Log: slog.New(slog.NewTextHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelError}))})
	check(t, err)
	t.Cleanup(l.server.Close)
	l.handler = l.server.Handler()
	return l
}

// household is a folder with an administrator, an analyst and a viewer, each with some sessions. It is made once: a password costs as much as all else of a test.
type household struct {
	dir    string
	tokens map[people.Role][]string
	err    error
}

var (
	householdOnce sync.Once
	everybody     household
)

func theHousehold(t testing.TB) household {
	t.Helper()
	s := theSite(t)
	householdOnce.Do(func() {
		everybody = household{dir: filepath.Join(s.dir, "household"), tokens: map[people.Role][]string{}}
		everybody.err = everybody.make(s)
	})
	check(t, everybody.err)
	return everybody
}

func (h *household) make(s *site) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		return err
	}
	d := &door{site: s}
	if err := d.open(h.dir); err != nil {
		return err
	}
	for _, role := range []people.Role{people.Admin, people.Analyst, people.Viewer} {
		name := people.Name(string(role) + "-1")
		link, err := d.people.AdministratorLink(ctx, local)
		if role != people.Admin {
			if _, err = d.people.Add(ctx, local, people.Addition{Name: name, Role: role, Kind: people.Person}); err != nil {
				return err
			}
			link, err = d.people.Invite(ctx, local, name)
		}
		if err != nil {
			return err
		}
		p, err := d.people.Use(ctx, people.Caller{Name: string(name), Address: local.Address}, link.Token.Reveal(), password)
		if err != nil {
			return err
		}
		for range 6 {
			token, _, err := d.people.BeginSession(ctx, p, local, people.PageSession)
			if err != nil {
				return err
			}
			h.tokens[role] = append(h.tokens[role], token.Reveal())
		}
	}
	return d.people.Close()
}

// browser is somebody's browser: it keeps the cookie, and says where a request comes from as browsers do.
type browser struct {
	t       testing.TB
	handler http.Handler
	cookie  string
}

func (l *lab) browser() *browser { return &browser{t: l.t, handler: l.handler} }

// as is a browser in which somebody of the role is signed in.
func (l *lab) as(role people.Role) *browser {
	l.t.Helper()
	b := l.browser()
	b.cookie = l.token(role)
	return b
}

// token is of a session that no one else in the test has.
func (l *lab) token(role people.Role) string {
	l.t.Helper()
	if len(l.tokens[role]) == 0 {
		l.t.Fatalf("there is no session of %s left", role)
	}
	token := l.tokens[role][0]
	l.tokens[role] = l.tokens[role][1:]
	return token
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
