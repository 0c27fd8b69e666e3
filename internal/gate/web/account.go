package web

import (
	"net/http"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// accountPage is what the page of one's own account shows.
type accountPage struct {
	Account *Account
	Current people.SessionID
	Done    string // what was just done
	Fault   *fault.Error
	Login   *Login // shown this once
}

// done are the sentences that say that something was done, by what the address says.
var done = map[string]string{
	"password": "The password is changed. All other sessions are ended.",
	"session":  "The session is ended.",
	"sessions": "All other sessions are ended.",
	"ended":    "All sessions of this account are ended.",
	"sql":      "The SQL password is taken back, and what was connected with it is ended.",
	"revoked":  "The certificate is revoked.",
	"removed":  "The account is removed, with everything that opened something for it.",
}

func showAccount(c *call) error {
	return c.showAccount(nil, nil, done[c.r.URL.Query().Get("done")])
}

// showAccount shows one's own account, with what just went wrong or was made. What is shown once stands in the answer to the request that made it and nowhere else: there is no address of it.
func (c *call) showAccount(problem error, login *Login, said string) error {
	a, err := c.visitor.Account(c.ctx())
	if err != nil {
		return err
	}
	p := accountPage{Account: a, Current: c.person.Session, Done: said, Login: login}
	status := http.StatusOK
	if problem != nil {
		status, p.Fault = c.excuse(problem), public(problem)
	}
	c.render(status, "account", &view{Title: "Account", Section: "account", Data: p})
	return nil
}

func changePassword(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	if err = sameTwice(f.Get("password"), f.Get("again")); err == nil {
		err = c.visitor.ChangePassword(c.ctx(), f.Get("old"), f.Get("password"))
	}
	if err != nil {
		return c.showAccount(err, nil, "")
	}
	c.redirect("/account?done=password")
	return nil
}

func renewSQL(c *call) error {
	login, err := c.visitor.RenewSQL(c.ctx())
	if err != nil {
		return c.showAccount(err, nil, "")
	}
	return c.showAccount(nil, login, "")
}

func endSession(c *call) error {
	id := people.SessionID(c.r.PathValue("id"))
	if err := c.visitor.EndSession(c.ctx(), id); err != nil {
		return c.showAccount(err, nil, "")
	}
	if id == c.person.Session {
		c.clearSession()
		c.redirect("/sign-in")
		return nil
	}
	c.redirect("/account?done=session")
	return nil
}

func endOtherSessions(c *call) error {
	if err := c.visitor.EndOtherSessions(c.ctx()); err != nil {
		return c.showAccount(err, nil, "")
	}
	c.redirect("/account?done=sessions")
	return nil
}
