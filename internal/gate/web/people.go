package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// peoplePage is what the page of all accounts shows.
type peoplePage struct {
	Accounts []Account
	Roles    []people.Role
	New      NewAccount // what was typed
	Networks string
	Done     string
	Fault    *fault.Error
	Opened   *Opened // shown this once
}

// personPage is what the page of one account shows.
type personPage struct {
	Account Account
	Self    bool
	Service bool
	Done    string
	Fault   *fault.Error
	Opened  *Opened // shown this once
}

func showPeople(c *call) error {
	return c.showPeople(peoplePage{New: NewAccount{Role: string(people.Viewer)}, Done: done[c.r.URL.Query().Get("done")]}, nil)
}

func (c *call) showPeople(p peoplePage, problem error) error {
	all, err := c.visitor.Accounts(c.ctx())
	if err != nil {
		return err
	}
	p.Accounts, p.Roles = all, []people.Role{people.Viewer, people.Analyst, people.Admin}
	status := http.StatusOK
	if problem != nil {
		status, p.Fault = c.excuse(problem), public(problem)
	}
	c.render(status, "people", &view{Title: "People", Section: "people", Data: p})
	return nil
}

func addAccount(c *call) error {
	f, err := c.form()
	if err != nil {
		return err
	}
	p := peoplePage{Networks: f.Get("networks"), New: NewAccount{Name: strings.TrimSpace(f.Get("name")), Role: f.Get("role"), Service: f.Get("kind") == string(people.Service)}}
	p.New.Networks = strings.FieldsFunc(p.Networks, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ' ' || r == '\t' })
	if kind := f.Get("kind"); kind != string(people.Person) && kind != string(people.Service) {
		return c.showPeople(p, fault.New(fault.Usage, "an account is somebody's or a machine's", "choose person or service"))
	}
	opened, err := c.add(p.New, "write them into the field for networks, such as 192.0.2.0/24")
	if err != nil {
		return c.showPeople(p, err)
	}
	return c.showPeople(peoplePage{New: NewAccount{Role: string(people.Viewer)}, Opened: opened}, nil)
}

// add adds an account. A service needs networks here: with none it could come in by a certificate alone, of which the house speaks as of a command. how is how to say them. Whoever may not add
// anybody is told that by the house and nothing else.
func (c *call) add(a NewAccount, how string) (*Opened, error) {
	if c.person.People && a.Service && len(a.Networks) == 0 {
		return nil, fault.New(fault.Usage, "a service needs the networks that it comes from", how)
	}
	return c.visitor.AddAccount(c.ctx(), a)
}

// renewService and issueCertificate are for services alone; of a person the house would speak as of a command.
func renewService(c *call, a Account) (*Opened, error) {
	if err := isService(a); err != nil {
		return nil, err
	}
	return c.visitor.RenewService(c.ctx(), a.Name)
}

func issueCertificate(c *call, a Account) (*Opened, error) {
	if err := isService(a); err != nil {
		return nil, err
	}
	return c.visitor.IssueCertificate(c.ctx(), a.Name)
}

func isService(a Account) error {
	if a.Kind == people.Service {
		return nil
	}
	return fault.New(fault.Usage, "only a service gets an SQL password or a certificate from somebody else", "a person makes an SQL password on the account page")
}

func invite(c *call, a Account) (*Opened, error) { return c.visitor.Invite(c.ctx(), a.Name) }

func showPerson(c *call) error {
	return c.showPerson(nil, nil, done[c.r.URL.Query().Get("done")])
}

// account finds the account that the address names.
func (c *call) account() (Account, error) {
	all, err := c.visitor.Accounts(c.ctx())
	if err != nil {
		return Account{}, err
	}
	i := slices.IndexFunc(all, func(a Account) bool { return string(a.Name) == c.r.PathValue("name") })
	if i < 0 {
		return Account{}, fault.New(fault.NotFound, "there is no such account", "the list of people shows which there are")
	}
	return all[i], nil
}

func (c *call) showPerson(problem error, opened *Opened, said string) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	p := personPage{Account: a, Self: a.Name == c.person.Name, Service: a.Kind == people.Service, Done: said, Opened: opened}
	status := http.StatusOK
	if problem != nil {
		status, p.Fault = c.excuse(problem), public(problem)
	}
	c.render(status, "person", &view{Title: string(a.Name), Section: "people", Data: p})
	return nil
}

// opens answers with what an act opened; acts, with a sentence after it.
func opens(do func(c *call, a Account) (*Opened, error)) func(c *call) error {
	return func(c *call) error {
		a, err := c.account()
		if err != nil {
			return err
		}
		opened, err := do(c, a)
		return c.showPerson(err, opened, "")
	}
}

func acts(said string, do func(c *call, name people.Name) error) func(c *call) error {
	return func(c *call) error {
		a, err := c.account()
		if err != nil {
			return err
		}
		if err := do(c, a.Name); err != nil {
			return c.showPerson(err, nil, "")
		}
		c.redirect("/people/" + string(a.Name) + "?done=" + said)
		return nil
	}
}

func confirmRemoval(c *call) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	c.render(http.StatusOK, "remove", &view{Title: "Remove " + string(a.Name) + "?", Section: "people", Data: personPage{Account: a, Self: a.Name == c.person.Name}})
	return nil
}

func removeAccount(c *call) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if err := c.visitor.RemoveAccount(c.ctx(), a.Name); err != nil {
		return c.showPerson(err, nil, "")
	}
	c.redirect("/people?done=removed")
	return nil
}

func personRoutes() []route {
	get, post := http.MethodGet, http.MethodPost
	return []route{
		{method: get, pattern: "/people/{name}", do: showPerson},
		{method: post, pattern: "/people/{name}/invite", do: opens(invite)},
		{method: post, pattern: "/people/{name}/sql", do: opens(renewService)},
		{method: post, pattern: "/people/{name}/certificates", do: opens(issueCertificate)},
		{method: post, pattern: "/people/{name}/certificates/{serial}/revoke", do: acts("revoked", func(c *call, n people.Name) error {
			return c.visitor.RevokeCertificate(c.ctx(), n, c.r.PathValue("serial"))
		})},
		{method: post, pattern: "/people/{name}/sessions/end", do: acts("ended", func(c *call, n people.Name) error { return c.visitor.EndSessionsOf(c.ctx(), n) })},
		{method: post, pattern: "/people/{name}/sql/end", do: acts("sql", func(c *call, n people.Name) error { return c.visitor.EndSQLOf(c.ctx(), n) })},
		{method: get, pattern: "/people/{name}/remove", do: confirmRemoval},
		{method: post, pattern: "/people/{name}/remove", do: removeAccount},
	}
}
