package node

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// page is the house as the page needs it: people come in by the registry, questions go to the gate, and whether a role may do something is asked of the gate's rights.
type page struct{ node *Node }

var _ web.Door = page{}

func (d page) SignIn(ctx context.Context, who people.Caller, password string, kind people.SessionKind) (people.Secret, web.Visitor, error) {
	p, err := d.node.people.VerifyPage(ctx, who, password)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return d.begin(ctx, p, who, kind)
}

func (d page) begin(ctx context.Context, p people.Principal, who people.Caller, kind people.SessionKind) (people.Secret, web.Visitor, error) {
	token, s, err := d.node.people.BeginSession(ctx, p, who, kind)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return token, d.visitor(p, s, who.Address), nil
}

func (d page) Visit(ctx context.Context, token string, from netip.Addr) (web.Visitor, error) {
	p, s, err := d.node.people.Session(ctx, token)
	if err != nil {
		return nil, err
	}
	return d.visitor(p, s, from), nil
}

func (d page) Look(ctx context.Context, who people.Caller, token string) (people.Link, error) {
	return d.node.people.Look(ctx, who, token)
}

func (d page) UseLink(ctx context.Context, who people.Caller, token, password string) (people.Secret, web.Visitor, error) {
	p, err := d.node.people.Use(ctx, who, token, password)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return d.begin(ctx, p, who, people.PageSession)
}

func (d page) visitor(p people.Principal, s people.Session, from netip.Addr) *reader {
	r := &reader{node: d.node, principal: p, session: s, from: from}
	r.asking = d.node.gate.Session(gate.Principal{Name: string(p.Name), Address: from.String(), Role: gate.Role(p.Role), Session: string(s.ID)})
	return r
}

// reader is somebody signed in to the page.
type reader struct {
	node      *Node
	principal people.Principal
	session   people.Session
	from      netip.Addr
	asking    *gate.Session
}

var _ web.Visitor = (*reader)(nil)

// by is who does a change.
func (r *reader) by() people.Caller {
	return people.Caller{Name: string(r.principal.Name), Address: r.from}
}

func (r *reader) Person() web.Person {
	rights := r.asking.Rights()
	return web.Person{
		Name: r.principal.Name, Role: r.principal.Role, Session: r.session.ID, Temporary: r.principal.PageTemporary,
		Metrics: rights.Metrics, SQL: rights.SQL, People: rights.People, Limits: rights,
	}
}

func (r *reader) SignOut(ctx context.Context) error {
	return r.node.people.EndSession(ctx, r.by(), r.principal.Name, r.session.ID)
}

func (r *reader) Metrics() []metric.Info {
	if !r.asking.Rights().Metrics {
		return nil
	}
	return r.node.metrics.Metrics()
}

func (r *reader) Ask(ctx context.Context, q metric.Question) (*metric.Answer, error) {
	a, err := r.asking.Ask(ctx, gate.Question{Metric: &q})
	if err != nil {
		return nil, err
	}
	return a.Metric, r.stillHere()
}

// stillHere refuses whoever was let go while the answer was made: the account is gone, or the session was ended.
func (r *reader) stillHere() error {
	if _, err := r.node.people.Standing(r.principal, r.by()); err != nil {
		return err
	}
	if !slices.ContainsFunc(r.node.people.Sessions(r.principal.Name), func(s people.Session) bool { return s.ID == r.session.ID }) {
		return fault.New(fault.Refused, "your session was ended", "sign in again")
	}
	return nil
}

// refuse records that something was refused by the role, and returns why.
func (r *reader) refuse(ctx context.Context, kind string, why *fault.Error) error {
	return r.asking.Refuse(ctx, kind, "role", why)
}

func (r *reader) Query(ctx context.Context, sql string) (*web.Table, error) {
	t, err := answerTable(ctx, r.asking, sql)
	if err != nil {
		return nil, err
	}
	return &web.Table{Columns: t.Columns, Types: t.Types, Rows: t.Rows}, r.stillHere()
}

func (r *reader) Explain(ctx context.Context, sql string) (*web.Explanation, error) {
	e, err := explain(ctx, r.asking, sql)
	if err != nil {
		return nil, err
	}
	return &web.Explanation{Allowed: e.Allowed, SQL: e.SQL, Reads: readColumns(e.Reads), Columns: e.Columns}, nil
}

func readColumns(reads []decision.Read) []web.ReadColumn {
	out := []web.ReadColumn{}
	for _, t := range reads {
		for _, c := range t.Columns {
			out = append(out, web.ReadColumn{Table: t.Table, Column: c})
		}
	}
	return out
}

func (r *reader) Account(context.Context) (*web.Account, error) { return r.account(r.principal.Name) }

func (r *reader) account(name people.Name) (*web.Account, error) {
	a, err := r.node.people.Account(name)
	if err != nil {
		return nil, err
	}
	return &web.Account{Account: a, Sessions: r.node.people.Sessions(name)}, nil
}

func (r *reader) ChangePassword(ctx context.Context, old, chosen string) error {
	return r.node.people.ChangePassword(ctx, r.by(), old, chosen, r.session.ID)
}

func (r *reader) RenewSQL(ctx context.Context) (*web.Login, error) {
	if !r.asking.Rights().SQL {
		return nil, r.refuse(ctx, "account", fault.New(fault.Refused, "your role may not ask SQL", "an administrator makes an account of the role analyst"))
	}
	c, err := r.node.people.RenewSQL(ctx, r.by(), r.principal.Name, 0)
	if err != nil {
		return nil, err
	}
	return pageLogin(r.node.login(c)), nil
}

func pageLogin(l *Login) *web.Login {
	return &web.Login{Host: l.Host, Port: l.Port, Database: l.Database, User: l.User, Password: l.Password, Expires: l.Expires, CA: l.CA, Conninfo: l.Conninfo()}
}

func (r *reader) EndSession(ctx context.Context, id people.SessionID) error {
	return r.node.people.EndSession(ctx, r.by(), r.principal.Name, id)
}

func (r *reader) EndOtherSessions(ctx context.Context) error {
	for _, s := range r.node.people.Sessions(r.principal.Name) {
		if s.ID == r.session.ID {
			continue
		}
		if err := r.EndSession(ctx, s.ID); err != nil && fault.KindOf(err) != fault.NotFound { // one that ended by itself is ended
			return err
		}
	}
	return nil
}

// administers refuses whoever may not administer people.
func (r *reader) administers(ctx context.Context) error {
	if !r.asking.Rights().People {
		return r.refuse(ctx, peopleEntry, fault.New(fault.Refused, "your role may not administer people", "ask an administrator"))
	}
	return nil
}

func (r *reader) Accounts(ctx context.Context) ([]web.Account, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	if _, err := r.asking.Lookup(ctx, peopleEntry); err != nil {
		return nil, err
	}
	out := []web.Account{}
	for _, a := range r.node.people.List() {
		out = append(out, web.Account{Account: a, Sessions: r.node.people.Sessions(a.Name)})
	}
	return out, nil
}

func (r *reader) AddAccount(ctx context.Context, a web.NewAccount) (*web.Opened, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	q, err := UserRequest{Name: a.Name, Role: a.Role, Service: a.Service, Networks: a.Networks}.addition()
	if err != nil {
		return nil, err
	}
	if !a.Service {
		// Whoever administers people hands out a link and no password: the person chooses the one for the page, and fetches the one for SQL there.
		q.SQL = 0
	}
	added, err := r.node.people.Add(ctx, r.by(), q)
	if err != nil {
		return nil, err
	}
	if a.Service {
		o := &web.Opened{User: added.Account.Name}
		if added.SQL != nil {
			o.SQL = pageLogin(r.node.login(*added.SQL))
		}
		return o, nil
	}
	opened, err := r.Invite(ctx, added.Account.Name)
	if err != nil { // an account that nobody was told how to open is in the way of the next try
		return nil, errors.Join(err, r.node.people.Remove(context.WithoutCancel(ctx), r.by(), added.Account.Name))
	}
	return opened, nil
}

func (r *reader) Invite(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	i, err := r.node.Invite(ctx, r.by(), string(name))
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, Link: i.Link, LinkExpires: i.Expires}, nil
}

func (r *reader) RenewService(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	l, err := r.node.RenewPassword(ctx, r.by(), string(name))
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, SQL: pageLogin(l)}, nil
}

func (r *reader) IssueCertificate(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := r.administers(ctx); err != nil {
		return nil, err
	}
	c, err := r.node.IssueCertificate(ctx, r.by(), string(name))
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, Certificate: &web.KeyPair{Serial: c.Serial, Certificate: c.Certificate, Key: c.Key, Expires: c.Expires}}, nil
}

func (r *reader) RevokeCertificate(ctx context.Context, name people.Name, serial string) error {
	return r.administer(ctx, func() error { return r.node.people.RevokeCertificate(ctx, r.by(), name, serial) })
}

func (r *reader) EndSessionsOf(ctx context.Context, name people.Name) error {
	return r.administer(ctx, func() error { return r.node.people.EndSessions(ctx, r.by(), name) })
}

func (r *reader) EndSQLOf(ctx context.Context, name people.Name) error {
	return r.administer(ctx, func() error { return r.node.people.EndSQL(ctx, r.by(), name) })
}

func (r *reader) RemoveAccount(ctx context.Context, name people.Name) error {
	return r.administer(ctx, func() error { return r.node.people.Remove(ctx, r.by(), name) })
}

func (r *reader) administer(ctx context.Context, do func() error) error {
	if err := r.administers(ctx); err != nil {
		return err
	}
	return do()
}

// pageURL is where people find the page, or will when weir runs; empty when it listens nowhere, or nobody knows on which port.
func (n *Node) pageURL() string {
	n.mu.Lock()
	address := n.pageAt
	n.mu.Unlock()
	if address == "" {
		address = n.config.Gate.Web
	}
	host, port := n.reached(address)
	if port == 0 {
		return ""
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// linkURL is the address of a single-use link. A token is a path of its own, so that it stands in no query that programs on the way write down.
func (n *Node) linkURL(l people.Link) string {
	base := n.pageURL()
	if base == "" {
		return ""
	}
	return base + "/link/" + url.PathEscape(l.Token.Reveal())
}

// reached is how clients reach an address on which we listen.
func (n *Node) reached(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text)
	if len(n.config.Gate.Hosts) > 0 {
		return n.config.Gate.Hosts[0], port
	}
	if a, err := netip.ParseAddr(host); err == nil && (a.IsLoopback() || a.IsUnspecified()) {
		host = "localhost"
	}
	return host, port
}

// administratorLink is a link for the first administrator; empty when there is one already, or no page to open it on.
func (n *Node) administratorLink(ctx context.Context) (string, error) {
	if n.people.HasAdministrator() || n.pageURL() == "" {
		return "", nil
	}
	l, err := n.people.AdministratorLink(ctx, people.Caller{Name: ourUser()})
	if err != nil {
		return "", err
	}
	return n.linkURL(l), nil
}

// servePage answers browsers on the configured address until close.
func (n *Node) servePage(ctx context.Context) (address string, closePage func(), err error) {
	server, err := web.New(web.Options{Door: page{n}, TLS: n.authority.TLSConfig(tls.NoClientCert), Log: n.log, Source: n.config.Source.Name, Version: Version()})
	if err != nil {
		return "", nil, err
	}
	l, err := listen(ctx, n.config.Gate.Web, "gate.web")
	if err != nil {
		server.Close()
		return "", nil, err
	}
	return l.Addr().String(), n.serveUntilClosed(ctx, l, server), nil
}

// wayIn is a server of one protocol.
type wayIn interface {
	Serve(ctx context.Context, l net.Listener) error
	Close()
}

// serveUntilClosed serves in the background; the function that it returns ends that and waits for it.
func (n *Node) serveUntilClosed(ctx context.Context, l net.Listener, s wayIn) (closeWay func()) {
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(ctx, l); err != nil && ctx.Err() == nil {
			n.log.ErrorContext(ctx, "a way in stopped listening", "address", l.Addr().String(), "reason", fault.Public(err).Message)
		}
	})
	return func() {
		s.Close()
		running.Wait()
	}
}

// listen opens an address of the configuration.
func listen(ctx context.Context, address, setting string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "the gate cannot listen on %s", address).
			WithHint("choose another address as %s in the configuration, or end what listens there", setting).WithCause(err)
	}
	return l, nil
}
