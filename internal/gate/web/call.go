package web

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// call is one request while it is being answered.
type call struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	from    netip.Addr
	api     bool
	token   string  // of the session that it came with
	visitor Visitor // nil: nobody is signed in
	person  Person
}

// contentPolicy lets a page have our stylesheet and pictures, and send forms to us; nothing else, and no script at all.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'"

// protect sets the headers of every response. There is no Strict-Transport-Security: browsers ignore it from a certificate that they do not trust by themselves, as of weir's own authority, and for
// an operator's name it would bind everything else on that host as well. Nothing answers without TLS anyway. Referrer-Policy is not for the curious links alone: an invitation's token stands in a path.
func protect(h http.Header) {
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("Cache-Control", "no-store")
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	protect(w.Header())
	c := s.newCall(w, r)
	if !s.begin() {
		c.fail(fault.New(fault.Unavailable, "weir is shutting down", "try again in a moment"))
		return
	}
	defer s.answers.Done()
	defer c.recovered()
	ok, allowed := s.routes.has(r)
	if ok {
		s.routes.mux.ServeHTTP(w, r)
		return
	}
	// Whoever is not signed in cannot tell what there is from what there is not.
	if err := c.identify(); err != nil {
		c.fail(err)
		return
	}
	switch {
	case c.visitor == nil && !s.isOpen(r):
		c.turnAway()
	case len(allowed) > 0:
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.fail(stated(http.StatusMethodNotAllowed, fault.New(fault.Usage, "this cannot be done here", "the methods of this address are "+strings.Join(allowed, ", "))))
	default:
		c.fail(fault.New(fault.NotFound, "there is nothing at this address", "start from the overview"))
	}
}

// isOpen says whether the path is one that everybody may see, whatever the method.
func (s *Server) isOpen(r *http.Request) bool {
	probe := &http.Request{URL: r.URL, Host: r.Host}
	for _, route := range s.routes.list {
		probe.Method = route.method
		if route.open {
			if _, pattern := s.routes.mux.Handler(probe); pattern == route.method+" "+route.pattern {
				return true
			}
		}
	}
	return false
}

func (s *Server) newCall(w http.ResponseWriter, r *http.Request) *call {
	return &call{s: s, w: w, r: r, from: addressOf(r.RemoteAddr), api: strings.HasPrefix(r.URL.Path, "/api/")}
}

// answer does what every route has in common, and then what it is for.
func (s *Server) answer(t route, w http.ResponseWriter, r *http.Request) {
	c := s.newCall(w, r)
	defer c.recovered()
	// Browsers say where a request comes from, in a header that no page can set. Programs say nothing, and have no cookie that somebody else could make them send.
	if err := s.cross.Check(r); err != nil {
		c.fail(fault.New(fault.Refused, "this was sent from another site", "open weir's own page and do it there"))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, t.limit)
	if err := c.identify(); err != nil && !t.open {
		c.fail(err)
		return
	}
	if c.visitor == nil && !t.open {
		c.turnAway()
		return
	}
	if err := t.do(c); err != nil {
		c.fail(err)
	}
}

// recovered answers when something of ours went wrong in a way that nobody thought of. What it was may quote a value; its type and place do not.
func (c *call) recovered() {
	what := recover()
	if what == nil {
		return
	}
	if err, ok := what.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(what)
	}
	c.fail(c.panicked())
}

// panicked logs where it was, and returns what may be said of it. It is called while what panicked is still on the stack.
func (c *call) panicked() *fault.Error {
	c.s.o.Log.ErrorContext(c.r.Context(), "a page went wrong", "route", c.r.Pattern, "stack", string(debug.Stack()))
	return fault.New(fault.Internal, "something inside weir went wrong", "try again; weir's log says where it was")
}

// cookieName names the session's cookie. The prefix makes browsers insist on Secure, on this host alone and on all of its paths.
const cookieName = "__Host-weir"

// identify finds out whose session the request came with. No error and no visitor: nobody's.
func (c *call) identify() error {
	token, ok := c.credential()
	if !ok {
		return nil
	}
	v, err := c.s.o.Door.Visit(c.r.Context(), token, c.from)
	if fault.KindOf(err) == fault.Refused && !slow(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.token, c.visitor, c.person = token, v, v.Person()
	return nil
}

// credential is the token that the request came with: the API's in a header, else the one cookie. Two cookies of the name are nobody's doing but an attacker's.
func (c *call) credential() (string, bool) {
	if given, ok := c.r.Header["Authorization"]; ok && c.api {
		if len(given) != 1 {
			return "", false
		}
		scheme, token, ok := strings.Cut(given[0], " ")
		return token, ok && strings.EqualFold(scheme, "Bearer") && plausible(token)
	}
	cookies := c.r.CookiesNamed(cookieName)
	if len(cookies) != 1 || !plausible(cookies[0].Value) {
		return "", false
	}
	return cookies[0].Value, true
}

// plausible says whether a token is worth asking about.
func plausible(token string) bool { return token != "" && len(token) <= 256 }

// turnAway sends whoever is not signed in to where they can be.
func (c *call) turnAway() {
	if c.api {
		c.fail(stated(http.StatusUnauthorized, fault.New(fault.Refused, "you are not signed in, or not any more", "get a token from POST /api/v1/session and send it as Authorization: Bearer")))
		return
	}
	to := "/sign-in"
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		if back := returnPath(c.r.URL.RequestURI()); back != "/" {
			to += "?" + url.Values{"to": {back}}.Encode()
		}
	}
	c.redirect(to)
}

// redirect sends the browser to a path of ours. The address is never made from the Host header.
func (c *call) redirect(path string) {
	c.w.Header().Set("Location", path)
	c.w.WriteHeader(http.StatusSeeOther)
}

func (c *call) ctx() context.Context { return c.r.Context() }

// caller is whoever is asking, under the name that they gave.
func (c *call) caller(name string) people.Caller { return people.Caller{Name: name, Address: c.from} }

// form reads the body's fields. Nothing is read from the address: what is sent does not end in a history.
func (c *call) form() (url.Values, error) {
	kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, stated(http.StatusUnsupportedMediaType, fault.New(fault.Usage, "this is not a form", "send it from the page"))
	}
	if err := c.r.ParseForm(); err != nil {
		return nil, unread(err)
	}
	return c.r.PostForm, nil
}

// unread says why a body could not be read.
func unread(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return stated(http.StatusRequestEntityTooLarge, fault.Newf(fault.Usage, "this is more than the %d bytes that may be sent here", long.Limit).WithHint("send less"))
	}
	return fault.New(fault.Usage, "what was sent cannot be read", "send it again")
}
