package web

import (
	_ "embed"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// description says what the API is, in OpenAPI 3.1. A test holds it and the routes together.
//
//go:embed openapi.yaml
var description []byte

func apiRoutes() []route {
	get, post, remove := http.MethodGet, http.MethodPost, http.MethodDelete
	return append([]route{
		{method: get, pattern: api + "openapi.yaml", open: true, do: sendDescription},
		{method: post, pattern: api + "session", open: true, do: apiSignIn},
		{method: remove, pattern: api + "session", do: apiSignOut},
		{method: get, pattern: api + "me", do: apiMe},
		{method: get, pattern: api + "metrics", do: apiMetrics},
		{method: get, pattern: api + "metrics/{name}", do: apiMetric},
		{method: post, pattern: api + "query", limit: sqlLimit, do: apiQuery},
		{method: post, pattern: api + "query/explain", limit: sqlLimit, do: apiExplain},
		{method: get, pattern: api + "copy", do: apiCopy},
		{method: get, pattern: api + "record", do: apiRecord},
	}, apiPeopleRoutes()...)
}

func sendDescription(c *call) error {
	c.send(http.StatusOK, "application/yaml", description)
	return nil
}

// opened is a session, as a program gets it. The token is shown this once.
type openedSession struct {
	Token       string           `json:"token"`
	Session     people.SessionID `json:"session"`
	Expires     time.Time        `json:"expires"`      // at the latest
	IdleSeconds int64            `json:"idle_seconds"` // it ends earlier when it is not used for so long
	Person      me               `json:"person"`
}

// me is somebody signed in, with what the role allows.
type me struct {
	Person
	Limits limits `json:"limits"`
}

type limits struct {
	MaxRows        int64   `json:"max_rows"`        // of one answer in SQL
	MetricRows     int64   `json:"metric_rows"`     // of one answer of a metric
	TimeoutSeconds float64 `json:"timeout_seconds"` // of one question in SQL
	Concurrent     int     `json:"concurrent"`      // questions at a time, of both sorts
}

func meOf(p Person) me {
	return me{Person: p, Limits: limits{MaxRows: p.Limits.MaxRows, MetricRows: p.Limits.MetricRows, TimeoutSeconds: p.Limits.Timeout.Seconds(), Concurrent: p.Limits.Concurrent}}
}

func apiSignIn(c *call) error {
	var in struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if err := c.read(&in); err != nil {
		return err
	}
	token, v, err := c.s.o.Door.SignIn(c.ctx(), c.caller(in.Name), in.Password, people.CommandSession)
	if err != nil {
		if fault.KindOf(err) == fault.Refused && !slow(err) {
			return stated(http.StatusUnauthorized, err)
		}
		return err
	}
	out := openedSession{Token: token.Reveal(), Session: v.Person().Session, IdleSeconds: int64(people.SessionIdle / time.Second), Person: meOf(v.Person())}
	a, err := v.Account(c.ctx())
	if err != nil {
		return err
	}
	for _, one := range a.Sessions {
		if one.ID == out.Session {
			out.Expires = one.Expires
		}
	}
	c.sendJSON(http.StatusCreated, out)
	return nil
}

func apiSignOut(c *call) error {
	if err := c.visitor.SignOut(c.ctx()); err != nil {
		return err
	}
	c.nothing()
	return nil
}

// nothing answers that it is done.
func (c *call) nothing() { c.w.WriteHeader(http.StatusNoContent) }

func apiMe(c *call) error {
	c.sendJSON(http.StatusOK, meOf(c.person))
	return nil
}

// parameters are the address's, none of which may be unknown, and only some repeated.
func (c *call) parameters(known ...string) (url.Values, error) {
	v, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, fault.New(fault.Usage, "the parameters cannot be read", "write them as in a link: name=value&name=value")
	}
	for name, values := range v {
		if !slices.Contains(known, name) {
			hint := "it has none"
			if len(known) > 0 {
				hint = "there are " + strings.Join(known, ", ")
			}
			return nil, fault.New(fault.Usage, "there is a parameter that this does not know", hint)
		}
		if len(values) > 1 && name != "by" {
			return nil, fault.Newf(fault.Usage, "the parameter %s is given twice", name).WithHint("give it once")
		}
	}
	return v, nil
}

func apiMetrics(c *call) error {
	c.sendJSON(http.StatusOK, struct {
		Metrics []metric.Info `json:"metrics"`
	}{list(c.visitor.Metrics())})
	return nil
}

func apiMetric(c *call) error {
	v, err := c.parameters("by", "grain", "from", "to")
	if err != nil {
		return err
	}
	q := metric.Question{Metric: c.r.PathValue("name"), By: v["by"], Grain: v.Get("grain")}
	for name, into := range map[string]**time.Time{"from": &q.From, "to": &q.To} {
		if text := v.Get(name); text != "" {
			t, err := metric.ParseTime(name, text)
			if err != nil {
				return err
			}
			*into = &t
		}
	}
	a, err := c.visitor.Ask(c.ctx(), q)
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, a)
	return nil
}

// statement reads a body that holds SQL.
func (c *call) statement() (string, error) {
	var in struct {
		SQL string `json:"sql"`
	}
	if err := c.read(&in); err != nil {
		return "", err
	}
	if strings.TrimSpace(in.SQL) == "" {
		return "", fault.New(fault.Usage, "there is no statement", "give one SELECT in the field sql")
	}
	return in.SQL, nil
}

func apiQuery(c *call) error {
	sql, err := c.statement()
	if err != nil {
		return err
	}
	t, err := c.visitor.Query(c.ctx(), sql)
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, Table{Columns: list(t.Columns), Types: list(t.Types), Rows: list(t.Rows)})
	return nil
}

func apiExplain(c *call) error {
	sql, err := c.statement()
	if err != nil {
		return err
	}
	e, err := c.visitor.Explain(c.ctx(), sql)
	if err != nil {
		return err
	}
	out := *e
	out.Reads, out.Columns = list(e.Reads), list(e.Columns)
	c.sendJSON(http.StatusOK, out)
	return nil
}

func apiCopy(c *call) error {
	if _, err := c.parameters(); err != nil {
		return err
	}
	all, err := c.visitor.Copy(c.ctx())
	if err != nil {
		return err
	}
	out := *all
	out.Classes, out.HeldBack, out.Findings, out.Tables = list(all.Classes), list(all.HeldBack), list(all.Findings), slices.Clone(list(all.Tables))
	for i := range out.Tables {
		t := &out.Tables[i]
		t.Purpose, t.Columns = list(t.Purpose), slices.Clone(list(t.Columns))
		for j := range t.Columns {
			t.Columns[j].Metrics = list(t.Columns[j].Metrics)
		}
	}
	c.sendJSON(http.StatusOK, out)
	return nil
}

func apiRecord(c *call) error {
	v, err := c.parameters("person", "reads", "kind", "from", "to", "before", "limit")
	if err != nil {
		return err
	}
	q, err := readRecordQuery(v)
	if err != nil {
		return err
	}
	p, err := c.visitor.Record(c.ctx(), q)
	if err != nil {
		return err
	}
	c.sendJSON(http.StatusOK, RecordPage{Entries: list(p.Entries), Next: p.Next})
	return nil
}

// list is all, and [] where there is nothing: programs count on a list.
func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
