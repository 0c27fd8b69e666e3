package node

import (
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// elsewhere serves h over TLS and returns its URL and the file that vouches for it.
func elsewhere(t *testing.T, h http.HandlerFunc) (at, ca string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of handshakes that are to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return s.URL, ca
}

// loginAt signs in with a password that must reach nobody but the server that was meant.
func loginAt(t *testing.T, at, ca string) (*Login, error) {
	t.Helper()
	e, err := NewElsewhere(at, ca)
	if err != nil {
		return nil, err
	}
	return e.Login(t.Context(), "ada", "page password")
}

// goodWeir answers as a weir does, and notes what it was asked.
type goodWeir struct {
	mu    sync.Mutex // guards asked
	asked []string
	login string
}

func (g *goodWeir) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	g.asked = append(g.asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
	g.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /api/v1/session":
		_, _ = io.WriteString(w, `{"token":"t0"}`)
	case "POST /api/v1/account/sql":
		_, _ = io.WriteString(w, g.login)
	case "DELETE /api/v1/session":
		w.WriteHeader(http.StatusNoContent)
	}
}

func answer(host, user string, port int) string {
	return fmt.Sprintf(`{"host":%q,"port":%d,"database":"weir","user":%q,"password":"AAAA","expires":"2026-11-20T20:00:00Z","ca":"/there/ca.pem","conninfo":"host=h"}`, host, port, user)
}

func TestLoginElsewhereSignsInRenewsAndSignsOut(t *testing.T) {
	g := &goodWeir{login: answer("localhost", "ada", 6432)}
	at, ca := elsewhere(t, g.ServeHTTP)
	l, err := loginAt(t, at+"/", ca)
	if err != nil {
		t.Fatal(err)
	}
	want := Login{Host: "127.0.0.1", Port: 6432, Database: "weir", User: "ada", Password: "AAAA", Expires: time.Date(2026, 11, 20, 20, 0, 0, 0, time.UTC), CA: ca}
	if *l != want {
		t.Errorf("%+v", l)
	}
	asked := strings.Join(g.asked, "\n")
	if asked != `POST /api/v1/session  {"name":"ada","password":"page password"}`+"\nPOST /api/v1/account/sql Bearer t0 \nDELETE /api/v1/session Bearer t0 " {
		t.Errorf("asked:\n%s", asked)
	}
	for _, bad := range []string{answer("/tmp", "ada", 6432), answer("h", "ada\x1b[2J", 6432), answer("h", "ada", 70000), answer("h", "", 6432), "[]", "nothing", ""} {
		g.asked, g.login = nil, bad
		if l, err := loginAt(t, at, ca); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%s: %+v, %v", bad, l, err)
		}
		if last := g.asked[len(g.asked)-1]; !strings.HasPrefix(last, "DELETE ") {
			t.Errorf("the session was left open: %s", last)
		}
	}
}

func TestLoginElsewhereShowsAPasswordToNobodyElse(t *testing.T) {
	stolen := make(chan string, 1)
	thief, _ := elsewhere(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		stolen <- string(body)
	})
	redirecting, ca := elsewhere(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief, http.StatusTemporaryRedirect)
	})
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	port := func(at string) string {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		return u.Port()
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, at, ca string
		kind         fault.Kind
		says         string
	}{
		{"a certificate that nobody vouches for", thief, "", fault.Refused, "vouches"},
		{"a name that is not in the certificate", "https://localhost:" + port(redirecting), ca, fault.Refused, "not one of localhost"},
		{"a redirect", redirecting, ca, fault.Refused, "another address"},
		{"a server without TLS", "https://127.0.0.1:" + port(plain.URL), ca, fault.Unavailable, "does not speak TLS"},
		{"nobody", "https://127.0.0.1:" + port(closed.URL), ca, fault.Unavailable, "nobody answers"},
		{"a plain address", plain.URL, ca, fault.Usage, "not the address"},
		{"an address with a path", thief + "/other", ca, fault.Usage, "not the address"},
		{"an address with a password", "https://a:b@localhost:1", ca, fault.Usage, "not the address"},
		{"no address", "weir", ca, fault.Usage, "not the address"},
		{"no such file", thief, empty + ".not", fault.Unavailable, "cannot be read"},
		{"a file without certificates", thief, empty, fault.Invalid, "no certificate"},
	} {
		_, err := loginAt(t, c.at, c.ca)
		f := fault.Public(err)
		if err == nil || f.Kind != c.kind || !strings.Contains(f.Message, c.says) || f.Hint == "" {
			t.Errorf("%s: %v (%v)", c.name, err, fault.KindOf(err))
		}
	}
	select {
	case s := <-stolen:
		t.Errorf("somebody else got %s", s)
	default:
	}
}

func TestLoginElsewhereTellsWhatTheOtherSideSays(t *testing.T) {
	for _, c := range []struct {
		status       int
		body         string
		kind         fault.Kind
		message, why string
	}{
		{403, `{"error":{"kind":"refused","message":"the name or the password is wrong","hint":"try again"}}`, fault.Refused, "the name or the password is wrong", "try again"},
		{429, `{"error":{"kind":"refused","message":"wait\u001b[2J\n","hint":"a\u0007b"}}`, fault.Refused, "wait [2J ", "a b"},
		{503, `{"error":{"kind":"unavailable","message":"later","hint":"h"}}`, fault.Unavailable, "later", "h"},
		{500, `{"error":{"kind":"internal","message":"oh","hint":"h"}}`, fault.Unavailable, "oh", "h"},
		{404, `<html>`, fault.Unavailable, "what answers there is no weir, or one of another version", "name the address of gate.web as --at"},
		{200, `{"token":"` + strings.Repeat("a", 80<<10) + `"}`, fault.Unavailable, "what answers there is no weir, or one of another version", "name the address of gate.web as --at"},
		{200, `{"token":"a\r\nb"}`, fault.Unavailable, "what answers there is no weir, or one of another version", "name the address of gate.web as --at"},
		{200, `{}`, fault.Unavailable, "what answers there is no weir, or one of another version", "name the address of gate.web as --at"},
	} {
		at, ca := elsewhere(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := loginAt(t, at, ca)
		if f := fault.Public(err); err == nil || f.Kind != c.kind || f.Message != c.message || f.Hint != c.why {
			t.Errorf("%d %.60s: %v %q %q", c.status, c.body, f.Kind, f.Message, f.Hint)
		}
	}
}
