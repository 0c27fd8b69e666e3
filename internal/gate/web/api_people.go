package web

import (
	"net/http"

	"github.com/weirproject/weir/internal/people"
)

func apiPeopleRoutes() []route {
	get, post, remove := http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{method: get, pattern: api + "account", do: apiAccount},
		{method: post, pattern: api + "account/password", do: apiPassword},
		{method: post, pattern: api + "account/sql", do: apiRenewSQL},
		{method: remove, pattern: api + "account/sessions", do: apiDone(func(c *call) error { return c.visitor.EndOtherSessions(c.ctx()) })},
		{method: remove, pattern: api + "account/sessions/{id}", do: apiDone(func(c *call) error {
			return c.visitor.EndSession(c.ctx(), people.SessionID(c.r.PathValue("id")))
		})},
		{method: get, pattern: api + "people", do: apiPeople},
		{method: post, pattern: api + "people", do: apiAdd},
		{method: get, pattern: api + "people/{name}", do: apiPerson},
		{method: remove, pattern: api + "people/{name}", do: apiOf(func(c *call, n people.Name) error { return c.visitor.RemoveAccount(c.ctx(), n) })},
		{method: post, pattern: api + "people/{name}/invitation", do: apiOpens(invite)},
		{method: post, pattern: api + "people/{name}/sql", do: apiOpens(renewService)},
		{method: remove, pattern: api + "people/{name}/sql", do: apiOf(func(c *call, n people.Name) error { return c.visitor.EndSQLOf(c.ctx(), n) })},
		{method: remove, pattern: api + "people/{name}/sessions", do: apiOf(func(c *call, n people.Name) error { return c.visitor.EndSessionsOf(c.ctx(), n) })},
		{method: post, pattern: api + "people/{name}/certificates", do: apiOpens(issueCertificate)},
		{method: remove, pattern: api + "people/{name}/certificates/{serial}", do: apiOf(func(c *call, n people.Name) error {
			return c.visitor.RevokeCertificate(c.ctx(), n, c.r.PathValue("serial"))
		})},
	}
}

// accountOf makes lists of an account's lists, also of those that are empty.
func accountOf(a Account) Account {
	a.Networks, a.Certificates, a.Sessions = list(a.Networks), list(a.Certificates), list(a.Sessions)
	return a
}

func apiAccount(c *call) error {
	a, err := c.visitor.Account(c.ctx())
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, accountOf(*a))
	return nil
}

func apiPassword(c *call) error {
	var in struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := c.read(&in); err != nil {
		return err
	}
	if err := c.visitor.ChangePassword(c.ctx(), in.Old, in.New); err != nil {
		return err
	}
	c.nothing()
	return nil
}

func apiRenewSQL(c *call) error {
	login, err := c.visitor.RenewSQL(c.ctx())
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusCreated, login)
	return nil
}

func apiPeople(c *call) error {
	all, err := c.visitor.Accounts(c.ctx())
	if err != nil {
		return err
	}
	out := make([]Account, 0, len(all))
	for _, a := range all {
		out = append(out, accountOf(a))
	}
	c.sendJSON(http.StatusOK, struct {
		Accounts []Account `json:"accounts"`
	}{out})
	return nil
}

func apiAdd(c *call) error {
	var in NewAccount
	if err := c.read(&in); err != nil {
		return err
	}
	opened, err := c.add(in, `name them as networks: ["192.0.2.0/24"]`)
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusCreated, opened)
	return nil
}

func apiPerson(c *call) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, accountOf(a))
	return nil
}

// apiDone does something that has no answer.
func apiDone(do func(c *call) error) func(c *call) error {
	return func(c *call) error {
		if err := do(c); err != nil {
			return err
		}
		c.nothing()
		return nil
	}
}

// apiOf does something to somebody that has no answer.
func apiOf(do func(c *call, name people.Name) error) func(c *call) error {
	return apiDone(func(c *call) error {
		a, err := c.account()
		if err != nil {
			return err
		}
		return do(c, a.Name)
	})
}

// apiOpens answers with what an act opened.
func apiOpens(do func(c *call, a Account) (*Opened, error)) func(c *call) error {
	return func(c *call) error {
		a, err := c.account()
		if err != nil {
			return err
		}
		opened, err := do(c, a)
		if err != nil {
			return err
		}
		c.sendJSON(http.StatusCreated, opened)
		return nil
	}
}
