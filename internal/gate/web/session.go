package web

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// setSession puts the session's token into the browser, until it is closed or the session is over.
func (c *call) setSession(token people.Secret) {
	http.SetCookie(c.w, &http.Cookie{Name: cookieName, Value: token.Reveal(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (c *call) clearSession() {
	http.SetCookie(c.w, &http.Cookie{Name: cookieName, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// signInPage is what the page for signing in shows.
type signInPage struct {
	Name, To string
	Fault    *fault.Error
}

func showSignIn(c *call) error {
	to := returnPath(c.r.URL.Query().Get("to"))
	if c.visitor != nil {
		c.redirect(to)
		return nil
	}
	c.render(http.StatusOK, "sign-in", &view{Title: "Sign in", Data: signInPage{To: to}})
	return nil
}

func signIn(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	to := returnPath(f.Get("to"))
	token, _, err := c.s.o.Door.SignIn(c.ctx(), c.caller(f.Get("name")), f.Get("password"), people.PageSession)
	if err != nil {
		if fault.KindOf(err) == fault.Internal {
			return err
		}
		c.person, c.visitor = Person{}, nil
		c.render(c.excuse(err), "sign-in", &view{Title: "Sign in", Data: signInPage{Name: f.Get("name"), To: to, Fault: public(err)}})
		return nil
	}
	c.setSession(token)
	c.redirect(to)
	return nil
}

func signOut(c *call) error {
	if err := c.visitor.SignOut(c.ctx()); err != nil {
		return err
	}
	c.clearSession()
	c.redirect("/sign-in")
	return nil
}

// linkPage is what the page of a single-use link shows.
type linkPage struct {
	Administrator bool
	Name          string // an invitation's account; what was typed, for the first administrator
	Link          people.Link
	Fault         *fault.Error
}

func showLink(c *call) error {
	link, err := c.s.o.Door.Look(c.ctx(), c.caller(""), c.r.PathValue("token"))
	if err != nil {
		return err
	}
	c.showLink(http.StatusOK, linkPage{Link: link, Name: string(link.Account)})
	return nil
}

func (c *call) showLink(status int, p linkPage) {
	p.Administrator = p.Link.Kind == people.AdministratorLink
	c.person, c.visitor = Person{}, nil // the page is about whom the link is for, not about who is signed in
	title := "Choose your password"
	if p.Administrator {
		title = "Become the first administrator"
	}
	c.render(status, "link", &view{Title: title, Data: p})
}

func useLink(c *call) error {
	token := c.r.PathValue("token")
	f, err := c.form()
	if err != nil {
		return err
	}
	link, err := c.s.o.Door.Look(c.ctx(), c.caller(""), token)
	if err != nil {
		return err
	}
	name := string(link.Account)
	if link.Kind == people.AdministratorLink {
		name = f.Get("name")
	}
	var session people.Secret
	if err = sameTwice(f.Get("password"), f.Get("again")); err == nil {
		session, _, err = c.s.o.Door.UseLink(c.ctx(), c.caller(name), token, f.Get("password"))
	}
	if kind := fault.KindOf(err); err != nil && (kind == fault.Invalid || kind == fault.Usage || slow(err)) {
		c.showLink(c.excuse(err), linkPage{Link: link, Name: name, Fault: public(err)})
		return nil
	}
	if err != nil {
		return err
	}
	c.setSession(session)
	c.redirect("/")
	return nil
}

// sameTwice says that a password was typed as it was meant.
func sameTwice(password, again string) error {
	if password != again {
		return fault.New(fault.Invalid, "the two passwords are not the same", "type the same one twice")
	}
	return nil
}

var (
	localPath  = regexp.MustCompile(`^/([A-Za-z0-9_.@-]+(/[A-Za-z0-9_.@-]+)*)?$`)
	localQuery = regexp.MustCompile(`^[A-Za-z0-9_.~:&=%+,@/-]*$`)
)

// returnPath is where somebody goes after signing in: what they asked for, if it is a page of ours, else the overview. Nothing but plain letters is let through in the path, so that there is no
// way of writing that a browser would take for another host.
func returnPath(asked string) string {
	p, query, has := strings.Cut(asked, "?")
	if len(asked) > 2048 || !localPath.MatchString(p) || !localQuery.MatchString(query) || path.Clean(p) != p {
		return "/"
	}
	for _, never := range []string{"/sign-in", "/sign-out", "/link", "/api", "/static"} {
		if p == never || strings.HasPrefix(p, never+"/") {
			return "/"
		}
	}
	if values, err := url.ParseQuery(query); has && (err != nil || len(values) == 0) {
		return p
	}
	if has {
		return p + "?" + query
	}
	return p
}
