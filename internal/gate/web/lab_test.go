package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/store"
)

// door is a house of the simplest kind: a real registry of people before the site's real gate and ledger. It decides on no SQL: an analyst's statement runs as it is.
type door struct {
	site      *site
	people    *people.Registry
	authority *people.Authority
	copied    func() *web.Copy
	asked     func(ctx context.Context, q metric.Question) // by Ask, before it answers; nil: nothing
	early     bool                                         // Ask answers as before the first copy is done

	mu   sync.Mutex // guards what follows
	fail error      // of the next call that could fail
}

// newDoor is a door with the registry in a folder of its own, which begins with the files of another folder.
func newDoor(t testing.TB, from string) *door {
	t.Helper()
	d := &door{site: theSite(t), copied: exampleCopy}
	dir := t.TempDir()
	if from != "" {
		check(t, os.CopyFS(dir, os.DirFS(from)))
		check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error { // a copy is open to others
			if err != nil || e.IsDir() {
				return errors.Join(err, os.Chmod(path, 0o700))
			}
			return os.Chmod(path, 0o600)
		}))
	}
	check(t, d.open(dir))
	t.Cleanup(func() { check(t, d.people.Close()) })
	return d
}

func (d *door) open(dir string) (err error) {
	if d.authority, err = people.OpenAuthority(people.AuthorityOptions{Dir: filepath.Join(dir, "tls")}); err != nil {
		return err
	}
	d.people, err = people.Open(people.Options{Dir: filepath.Join(dir, "people"), Authority: d.authority, Record: func(ctx context.Context, e people.Event) error {
		_, err := d.site.ledger.Append(ctx, ledger.Entry{Type: "people", Principal: e.By, Body: e})
		return err
	}})
	return err
}

func (d *door) next() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.fail
	d.fail = nil
	return err
}

func (d *door) failWith(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func (d *door) enter(ctx context.Context, p people.Principal, who people.Caller, kind people.SessionKind) (people.Secret, web.Visitor, error) {
	token, s, err := d.people.BeginSession(ctx, p, who, kind)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return token, d.visitor(p, s, who.Address), nil
}

func (d *door) visitor(p people.Principal, s people.Session, from netip.Addr) *visitor {
	return &visitor{door: d, principal: p, session: s, from: people.Caller{Name: string(p.Name), Address: from}}
}

func (d *door) SignIn(ctx context.Context, who people.Caller, password string, kind people.SessionKind) (people.Secret, web.Visitor, error) {
	p, err := d.people.VerifyPage(ctx, who, password)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return d.enter(ctx, p, who, kind)
}

func (d *door) Visit(ctx context.Context, token string, from netip.Addr) (web.Visitor, error) {
	p, s, err := d.people.Session(ctx, token)
	if err != nil {
		return nil, err
	}
	return d.visitor(p, s, from), nil
}

func (d *door) Look(ctx context.Context, who people.Caller, token string) (people.Link, error) {
	return d.people.Look(ctx, who, token)
}

func (d *door) UseLink(ctx context.Context, who people.Caller, token, password string) (people.Secret, web.Visitor, error) {
	p, err := d.people.Use(ctx, who, token, password)
	if err != nil {
		return people.Secret{}, nil, err
	}
	return d.enter(ctx, p, who, people.PageSession)
}

// visitor is somebody inside.
type visitor struct {
	door      *door
	principal people.Principal
	session   people.Session
	from      people.Caller
}

func (v *visitor) Person() web.Person {
	rights := gate.Role(v.principal.Role).Widest()
	return web.Person{
		Name: v.principal.Name, Role: v.principal.Role, Session: v.session.ID, Temporary: v.principal.PageTemporary,
		Metrics: rights.Metrics, SQL: rights.SQL, People: v.principal.Role == people.Admin, Limits: rights,
	}
}

func (v *visitor) SignOut(ctx context.Context) error {
	return v.door.people.EndSession(ctx, v.from, v.principal.Name, v.session.ID)
}

func (v *visitor) gate() *gate.Session {
	return v.door.site.gate.Session(gate.Principal{Name: string(v.principal.Name), Address: v.from.Address.String(), Role: gate.Role(v.principal.Role)})
}

func (v *visitor) Metrics() []metric.Info {
	if !v.Person().Metrics {
		return nil
	}
	return theCatalog().Metrics()
}

func (v *visitor) Ask(ctx context.Context, q metric.Question) (*metric.Answer, error) {
	if err := v.door.next(); err != nil {
		return nil, err
	}
	if v.door.asked != nil {
		v.door.asked(ctx, q)
	}
	a, err := v.gate().Ask(ctx, gate.Question{Metric: &q})
	if err != nil {
		return nil, err
	}
	if v.door.early {
		a.Metric.Rows, a.Metric.AsOf = nil, nil
	}
	return a.Metric, nil
}

func (v *visitor) Query(ctx context.Context, sql string) (*web.Table, error) {
	if !v.Person().SQL {
		return nil, fault.New(fault.Refused, "your role asks nothing in SQL", "an administrator can make another account for you, of the role analyst")
	}
	rows, err := v.door.site.store.Query(ctx, store.SQL, sql)
	if err != nil {
		return nil, err
	}
	out := &web.Table{}
	for _, f := range rows.Schema().Fields() {
		out.Columns, out.Types = append(out.Columns, f.Name), append(out.Types, f.Type.String())
	}
	for b, err := range rows.Batches() {
		if err != nil {
			return nil, errors.Join(err, rows.Close())
		}
		for i := range int(b.NumRows()) {
			row := make([]*string, b.NumCols())
			for j := range row {
				if column := b.Column(j); !column.IsNull(i) {
					text := column.ValueStr(i)
					row[j] = &text
				}
			}
			out.Rows = append(out.Rows, row)
		}
	}
	return out, rows.Close()
}

func (v *visitor) Explain(ctx context.Context, sql string) (*web.Explanation, error) {
	d, err := v.door.site.store.Describe(ctx, store.SQL, sql)
	if err != nil {
		return nil, err
	}
	out := &web.Explanation{Allowed: v.Person().SQL, SQL: sql, Reads: []web.ReadColumn{{Table: "shop.attempt", Column: "model"}}}
	for _, f := range d.Schema.Fields() {
		out.Columns = append(out.Columns, f.Name)
	}
	return out, nil
}

func (v *visitor) Copy(context.Context) (*web.Copy, error) {
	if err := v.door.next(); err != nil {
		return nil, err
	}
	return v.door.copied(), nil
}

// Record reads the whole ledger, which is small here.
func (v *visitor) Record(ctx context.Context, q web.RecordQuery) (*web.RecordPage, error) {
	if q.Limit == 0 {
		q.Limit = 50
	}
	outcomes := map[ledger.Index]gate.Outcome{}
	page := &web.RecordPage{}
	for e, err := range v.door.site.ledger.Find(ctx, ledger.Filter{NewestFirst: true}) {
		if err != nil {
			return nil, err
		}
		body, _ := e.Body.(json.RawMessage)
		if e.Type == "answer" {
			var o gate.Outcome
			if err := json.Unmarshal(body, &o); err != nil {
				return nil, err
			}
			outcomes[o.Question] = o
			continue
		}
		entry, ok, err := v.entry(e, body, outcomes)
		if err != nil {
			return nil, err
		}
		if !ok || !v.matches(entry, q) {
			continue
		}
		if len(page.Entries) == q.Limit {
			page.Next = page.Entries[q.Limit-1].Entry
			break
		}
		page.Entries = append(page.Entries, entry)
	}
	return page, nil
}

func (v *visitor) matches(e web.RecordEntry, q web.RecordQuery) bool {
	reads := q.Reads == "" || slices.ContainsFunc(e.Reads, func(c web.ReadColumn) bool { return c.Table+"."+c.Column == q.Reads })
	question := e.Verdict != "" || e.Metric != ""
	kind := q.Kind == "" || (q.Kind == "questions") == question
	mine := v.Person().People || e.Person == string(v.principal.Name)
	return reads && kind && mine && (q.Person == "" || q.Person == e.Person) && (q.From.IsZero() || !e.At.Before(q.From)) && (q.To.IsZero() || e.At.Before(q.To)) &&
		(q.Before == 0 || e.Entry < q.Before)
}

func (v *visitor) entry(e ledger.Entry, body []byte, outcomes map[ledger.Index]gate.Outcome) (web.RecordEntry, bool, error) {
	out := web.RecordEntry{Entry: int64(e.Index), At: e.Time, Person: e.Principal}
	switch e.Type {
	case "question":
		var asked gate.Asked
		if err := json.Unmarshal(body, &asked); err != nil {
			return out, false, err
		}
		out.Address, out.Kind, out.Metric, out.By, out.Grain, out.From, out.To = asked.Address, asked.Kind, asked.Metric, asked.By, asked.Grain, asked.From, asked.To
		for _, r := range asked.Reads {
			for _, c := range r.Columns {
				out.Reads = append(out.Reads, web.ReadColumn{Table: r.Table, Column: c})
			}
		}
		if o, ok := outcomes[e.Index]; ok {
			out.Verdict, out.Rows, out.Bytes, out.Seconds = string(o.Verdict), o.Rows, o.Bytes, o.Seconds
		}
		return out, true, nil
	case "people":
		var event people.Event
		if err := json.Unmarshal(body, &event); err != nil {
			return out, false, err
		}
		out.Address, out.Kind, out.Account = event.Address, string(event.Kind), string(event.Account)
		return out, true, nil
	}
	return out, false, nil
}

func (v *visitor) account(name people.Name) (*web.Account, error) {
	a, err := v.door.people.Account(name)
	if err != nil {
		return nil, err
	}
	return &web.Account{Account: a, Sessions: v.door.people.Sessions(name)}, nil
}

func (v *visitor) Account(context.Context) (*web.Account, error) { return v.account(v.principal.Name) }

func (v *visitor) ChangePassword(ctx context.Context, old, chosen string) error {
	return v.door.people.ChangePassword(ctx, v.from, old, chosen, v.session.ID)
}

func (v *visitor) login(c people.SQLCredential) *web.Login {
	return &web.Login{
		Host: "weir.example", Port: 5439, Database: "weir", User: string(c.User), Password: c.Password.Reveal(), Expires: c.Expires, CA: "/etc/weir/root.crt",
		Conninfo: "host=weir.example port=5439 dbname=weir user=" + string(c.User) + " sslmode=verify-full sslrootcert=root.crt",
	}
}

func (v *visitor) RenewSQL(ctx context.Context) (*web.Login, error) {
	if !v.Person().SQL {
		return nil, fault.New(fault.Refused, "your role asks nothing in SQL", "an administrator can make another account for you, of the role analyst")
	}
	c, err := v.door.people.RenewSQL(ctx, v.from, v.principal.Name, 0)
	if err != nil {
		return nil, err
	}
	return v.login(c), nil
}

func (v *visitor) EndSession(ctx context.Context, id people.SessionID) error {
	return v.door.people.EndSession(ctx, v.from, v.principal.Name, id)
}

func (v *visitor) EndOtherSessions(ctx context.Context) error {
	for _, s := range v.door.people.Sessions(v.principal.Name) {
		if s.ID != v.session.ID {
			if err := v.EndSession(ctx, s.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *visitor) administers() error {
	if v.Person().People {
		return nil
	}
	return fault.New(fault.Refused, "only an administrator may do this", "ask one")
}

func (v *visitor) Accounts(context.Context) ([]web.Account, error) {
	if err := v.administers(); err != nil {
		return nil, err
	}
	var out []web.Account
	for _, a := range v.door.people.List() {
		out = append(out, web.Account{Account: a, Sessions: v.door.people.Sessions(a.Name)})
	}
	return out, nil
}

func (v *visitor) AddAccount(ctx context.Context, a web.NewAccount) (*web.Opened, error) {
	if err := v.administers(); err != nil {
		return nil, err
	}
	name, err := people.ParseName(a.Name)
	if err != nil {
		return nil, err
	}
	what := people.Addition{Name: name, Role: people.Role(a.Role), Kind: people.Person}
	if a.Service {
		what.Kind, what.SQL = people.Service, people.MaxServiceLife
	}
	for _, n := range a.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, fault.New(fault.Invalid, "a network is no address range", "write it as 192.0.2.0/24")
		}
		what.Networks = append(what.Networks, p)
	}
	added, err := v.door.people.Add(ctx, v.from, what)
	if err != nil {
		return nil, err
	}
	if a.Service {
		return &web.Opened{User: name, SQL: v.login(*added.SQL)}, nil
	}
	return v.Invite(ctx, name)
}

func (v *visitor) Invite(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := v.administers(); err != nil {
		return nil, err
	}
	l, err := v.door.people.Invite(ctx, v.from, name)
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, Link: "https://weir.example/link/" + l.Token.Reveal(), LinkExpires: l.Expires}, nil
}

func (v *visitor) RenewService(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := v.administers(); err != nil {
		return nil, err
	}
	c, err := v.door.people.RenewSQL(ctx, v.from, name, 0)
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, SQL: v.login(c)}, nil
}

func (v *visitor) IssueCertificate(ctx context.Context, name people.Name) (*web.Opened, error) {
	if err := v.administers(); err != nil {
		return nil, err
	}
	c, err := v.door.people.IssueCertificate(ctx, v.from, name, 0)
	if err != nil {
		return nil, err
	}
	return &web.Opened{User: name, Certificate: &web.KeyPair{Serial: c.Serial, Certificate: string(c.Certificate), Key: c.Key.Reveal(), Expires: c.Expires}}, nil
}

func (v *visitor) RevokeCertificate(ctx context.Context, name people.Name, serial string) error {
	return errors.Join(v.administers(), v.door.people.RevokeCertificate(ctx, v.from, name, serial))
}

func (v *visitor) EndSessionsOf(ctx context.Context, name people.Name) error {
	return errors.Join(v.administers(), v.door.people.EndSessions(ctx, v.from, name))
}

func (v *visitor) EndSQLOf(ctx context.Context, name people.Name) error {
	return errors.Join(v.administers(), v.door.people.EndSQL(ctx, v.from, name))
}

func (v *visitor) RemoveAccount(ctx context.Context, name people.Name) error {
	return errors.Join(v.administers(), v.door.people.Remove(ctx, v.from, name))
}

func exampleCopy() *web.Copy {
	lag := 1.8
	at := time.Now().UTC().Add(-3 * time.Hour)
	c := &web.Copy{
		Source: "shop", Policy: "sha256:7c1d0e5b1f6fa6e0d9b6f6b1c0fba7d2", Looked: at.Add(2 * time.Hour),
		Flow:         web.FlowState{Phase: "following", Since: at.Add(-40 * time.Hour), AsOf: time.Now().UTC().Add(-2 * time.Second), Lag: &lag, Changes: 1_284_113},
		Verification: &web.Verification{At: at, By: "ann", Equal: true, Tables: 28, Rows: 2_310_554, Entry: 4711},
		Count:        web.ColumnCount{All: 312, Crossing: 104, HeldBack: 208, SQL: 71, MetricsOnly: 33, AsTheyAre: 58},
		Classes: []web.ClassCount{
			{Class: "secret", Is: "opens something: tokens, keys, hashes of passwords", Why: "a secret helps nobody who counts", HeldBack: 19},
			{Class: "health", Is: "about a body", Why: "nothing about a body crosses before it can be published with noise", HeldBack: 14},
			{Class: "direct_identifier", Is: "names a person or a device by itself", Why: "who it is changes no number", Crossing: 3, HeldBack: 61},
			{Class: "identifier", Is: "a key of production", Why: "joins work on pseudonyms as well", Crossing: 38, HeldBack: 22},
			{Class: "behaviour", Is: "when and what somebody did", Why: "a day is enough for a count of days", Crossing: 12, HeldBack: 40},
			{Class: "telemetry", Is: "about the device: model, firmware, outcome", Why: "it says how devices do, not who has them", Crossing: 51, HeldBack: 52},
		},
		Findings: []web.Finding{{Where: "shop.attempt.isp", What: "a copied column that no metric asks for", Do: "name a metric that needs it, or hold it back"}},
	}
	metrics := []string{"attempts", "failed_connection_rate"}
	for _, name := range []string{"shop.attempt", "shop.device", "shop.app_user"} {
		c.Tables = append(c.Tables, web.CopiedTable{Table: name, Purpose: metrics, Copied: true, Rows: 18_204, Columns: []web.CopiedColumn{
			{Column: "attempt_id", Type: "bigint", Class: "identifier", Treatment: "pseudonym", Form: "a pseudonym of its subject, the same wherever it stands", Access: "metrics", Metrics: metrics},
			{Column: "model", Type: "text", Class: "telemetry", Treatment: "keep", Form: "as it is", Access: "sql", Metrics: metrics},
			{Column: "first_at", Type: "timestamp with time zone", Class: "behaviour", Treatment: "truncate", Form: "cut to the hour, in UTC", Access: "sql", Metrics: metrics[:1]},
			{Column: "isp", Type: "text", Class: "network", Treatment: "map", Form: "the name of the provider, from a table; else other", Access: "sql"},
		}})
		c.HeldBack = append(c.HeldBack,
			web.HeldBack{Table: name, Column: "email", Class: "direct_identifier", Why: "the policy drops it"},
			web.HeldBack{Table: name, Column: "new_token", Why: "the policy does not name it: it is new in production"})
	}
	c.HeldBack = append(c.HeldBack, web.HeldBack{Table: "shop.body_measurement", Columns: 14, Class: "health", Why: "the policy drops every column of it"})
	slices.SortFunc(c.HeldBack, func(a, b web.HeldBack) int { return strings.Compare(a.Table+a.Column, b.Table+b.Column) })
	return c
}
