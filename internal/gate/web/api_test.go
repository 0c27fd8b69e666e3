package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/weirproject/weir/internal/people"
)

func jsonRequest(t testing.TB, method, target, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// description is the API as its file describes it.
type description struct {
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas map[string]map[string]any `yaml:"schemas"`
	} `yaml:"components"`
}

type parameter struct {
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

type operation struct {
	ID         string              `yaml:"operationId"`
	Parameters []parameter         `yaml:"parameters"`
	Security   *[]any              `yaml:"security"`
	Responses  map[string]response `yaml:"responses"`
}

type response struct {
	Content map[string]struct {
		Schema map[string]any `yaml:"schema"`
	} `yaml:"content"`
}

func theDescription(t testing.TB) *description {
	t.Helper()
	data, err := os.ReadFile("openapi.yaml")
	check(t, err)
	d := &description{}
	check(t, yaml.Unmarshal(data, d))
	return d
}

func TestEveryRouteOfTheAPIIsDescribedAndEveryDescribedOneIsThere(t *testing.T) {
	d := theDescription(t)
	l := newLab(t)
	routed := map[string]bool{}
	for _, r := range l.server.RoutesForTest() {
		path, ok := strings.CutPrefix(r.Pattern, "/api/v1")
		if !ok {
			continue
		}
		routed[r.Method+" "+path] = true
		o, ok := d.Paths[path][strings.ToLower(r.Method)]
		if !ok {
			t.Errorf("%s %s is not described", r.Method, path)
			continue
		}
		if open := o.Security != nil && len(*o.Security) == 0; open != r.Open {
			t.Errorf("%s %s: described as open: %v", r.Method, path, open)
		}
		for _, part := range strings.Split(path, "/") {
			if name := strings.Trim(part, "{}"); name != part && !slices.Contains(o.Parameters, parameter{Name: name, In: "path"}) {
				t.Errorf("%s %s: the parameter %s is not described", r.Method, path, name)
			}
		}
	}
	ids := map[string]bool{}
	for path, methods := range d.Paths {
		for method, o := range methods {
			if !routed[strings.ToUpper(method)+" "+path] {
				t.Errorf("%s %s is described and not there", method, path)
			}
			if o.ID == "" || ids[o.ID] {
				t.Errorf("%s %s: the name %q", method, path, o.ID)
			}
			ids[o.ID] = true
		}
	}
	if len(ids) < 20 {
		t.Errorf("only %d operations", len(ids))
	}
}

// fits says where a value is not what its schema describes: another type, a property too many or too few.
func (d *description) fits(at string, schema map[string]any, v any) []string {
	if ref, ok := schema["$ref"].(string); ok {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		found, ok := d.Components.Schemas[name]
		if !ok {
			return []string{at + ": there is no schema " + name}
		}
		return d.fits(at, found, v)
	}
	if several, ok := schema["anyOf"].([]any); ok {
		var problems []string
		for _, one := range several {
			p := d.fits(at, one.(map[string]any), v) //nolint:errcheck,forcetypeassert // the file is ours
			if len(p) == 0 {
				return nil
			}
			problems = append(problems, p...)
		}
		return problems
	}
	if !typed(schema["type"], v) {
		return []string{fmt.Sprintf("%s: %T is no %v", at, v, schema["type"])}
	}
	var problems []string
	switch v := v.(type) {
	case []any:
		items, _ := schema["items"].(map[string]any)
		for i, one := range v {
			problems = append(problems, d.fits(fmt.Sprintf("%s[%d]", at, i), items, one)...)
		}
	case map[string]any:
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return nil // a map
		}
		for name, one := range v {
			p, ok := properties[name].(map[string]any)
			if !ok {
				problems = append(problems, at+": "+name+" is not described")
				continue
			}
			problems = append(problems, d.fits(at+"."+name, p, one)...)
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[fmt.Sprint(name)]; !ok {
				problems = append(problems, fmt.Sprintf("%s: %v is missing", at, name))
			}
		}
	}
	return problems
}

func typed(want, v any) bool {
	if several, ok := want.([]any); ok {
		return slices.ContainsFunc(several, func(one any) bool { return typed(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

// call asks the API by a token, and holds its answer against the description.
func (d *description) call(t *testing.T, b *browser, token, method, path, target, body string, status int) map[string]any {
	t.Helper()
	r := jsonRequest(t, method, "/api/v1"+target, body)
	r.Header.Del("Sec-Fetch-Site")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res := b.send(r)
	text := b.page(res, status)
	if status == http.StatusNoContent {
		if text != "" {
			t.Errorf("%s %s: %s", method, target, text)
		}
		return nil
	}
	if kind := res.Header.Get("Content-Type"); kind != "application/json" {
		t.Fatalf("%s %s: Content-Type %q", method, target, kind)
	}
	var v map[string]any
	check(t, json.Unmarshal([]byte(text), &v))
	schema := map[string]any{"$ref": "#/components/schemas/Problem"}
	if status < 300 {
		described, ok := d.Paths[path][strings.ToLower(method)].Responses[fmt.Sprint(status)]
		if !ok {
			t.Fatalf("%s %s: status %d is not described", method, path, status)
		}
		schema = described.Content["application/json"].Schema
	}
	for _, p := range d.fits(method+" "+path, schema, v) {
		t.Error(p)
	}
	return v
}

func TestAnswersOfTheAPIAreAsDescribed(t *testing.T) {
	d := theDescription(t)
	l := newLab(t)
	l.token(people.Analyst)
	l.token(people.Admin)
	b := l.browser()
	ask := func(token, method, path, target, body string, status int) map[string]any {
		t.Helper()
		return d.call(t, b, token, method, path, target, body, status)
	}
	in := ask("", "POST", "/session", "/session", `{"name":"analyst-1","password":"`+password+`"}`, 201)
	analyst := fmt.Sprint(in["token"])
	admin := fmt.Sprint(ask("", "POST", "/session", "/session", `{"name":"admin-1","password":"`+password+`"}`, 201)["token"])
	ask("", "POST", "/session", "/session", `{"name":"admin-1","password":"another one"}`, 401)

	ask(analyst, "GET", "/me", "/me", "", 200)
	ask(analyst, "GET", "/metrics", "/metrics", "", 200)
	rows, _ := ask(analyst, "GET", "/metrics/{name}", "/metrics/failed_connection_rate?by=model&by=isp&grain=week", "", 200)["rows"].([]any)
	if len(rows) < 50 {
		t.Errorf("%d rows", len(rows))
	}
	ask(analyst, "GET", "/metrics/{name}", "/metrics/none", "", 404)
	ask(analyst, "GET", "/metrics/{name}", "/metrics/attempts?by=none", "", 422)
	ask(analyst, "GET", "/metrics/{name}", "/metrics/attempts?from=yesterday", "", 422)
	ask(analyst, "GET", "/metrics/{name}", "/metrics/attempts?colour=red", "", 422)
	ask(admin, "GET", "/metrics/{name}", "/metrics/attempts", "", 403)
	ask(analyst, "POST", "/query", "/query", `{"sql":"SELECT model, count(*), NULL FROM shop.attempt GROUP BY model"}`, 200)
	ask(analyst, "POST", "/query", "/query", `{"sql":" "}`, 422)
	ask(admin, "POST", "/query", "/query", `{"sql":"SELECT 1"}`, 403)
	ask(analyst, "POST", "/query/explain", "/query/explain", `{"sql":"SELECT model FROM shop.attempt"}`, 200)
	ask(analyst, "GET", "/copy", "/copy", "", 200)
	page := ask(admin, "GET", "/record", "/record?limit=3&kind=questions", "", 200)
	if entries, _ := page["entries"].([]any); len(entries) != 3 || page["next"] == 0.0 {
		t.Errorf("a part of the record: %v", page)
	}
	ask(analyst, "GET", "/record", "/record?kind=cats", "", 422)
	ask(analyst, "GET", "/record", "/record?limit=500", "", 200)
	ask(analyst, "GET", "/record", "/record?limit=501", "", 422)
	ask(analyst, "GET", "/account", "/account", "", 200)
	ask(analyst, "POST", "/account/sql", "/account/sql", "", 201)
	ask(admin, "POST", "/account/sql", "/account/sql", "", 403)
	ask(analyst, "POST", "/account/password", "/account/password", `{"old":"wrong","new":"another long password"}`, 403)
	ask(analyst, "GET", "/people", "/people", "", 403)

	ask(admin, "GET", "/people", "/people", "", 200)
	ask(admin, "POST", "/people", "/people", `{"name":"bob","role":"viewer"}`, 201)
	ask(admin, "POST", "/people", "/people", `{"name":"bi","role":"viewer","service":true,"networks":["192.0.2.0/24"]}`, 201)
	ask(admin, "POST", "/people", "/people", `{"name":"bi","role":"viewer","service":true,"networks":["here"]}`, 422)
	for _, path := range []string{"/people", "/people/bob/sql", "/people/bob/certificates"} {
		body, described := "", strings.Replace(path, "bob", "{name}", 1)
		if path == "/people" {
			body = `{"name":"bi-2","role":"analyst","service":true}`
		}
		said := fmt.Sprint(ask(admin, "POST", described, path, body, 422))
		if !strings.Contains(said, "service") || strings.Contains(said, "--") || strings.Contains(said, "weir ") {
			t.Errorf("%s speaks of commands: %s", path, said)
		}
	}
	ask(admin, "GET", "/people/{name}", "/people/bi", "", 200)
	ask(admin, "GET", "/people/{name}", "/people/nobody", "", 404)
	ask(admin, "POST", "/people/{name}/invitation", "/people/bob/invitation", "", 201)
	ask(admin, "POST", "/people/{name}/sql", "/people/bi/sql", "", 201)
	certificate, _ := ask(admin, "POST", "/people/{name}/certificates", "/people/bi/certificates", "", 201)["certificate"].(map[string]any)
	ask(admin, "DELETE", "/people/{name}/certificates/{serial}", "/people/bi/certificates/"+fmt.Sprint(certificate["serial"]), "", 204)
	ask(admin, "DELETE", "/people/{name}/sql", "/people/bi/sql", "", 204)
	ask(admin, "DELETE", "/people/{name}/sessions", "/people/bob/sessions", "", 204)
	ask(admin, "DELETE", "/people/{name}", "/people/bob", "", 204)
	ask(admin, "GET", "/people/{name}", "/people/bob", "", 404)

	ask(analyst, "DELETE", "/account/sessions", "/account/sessions", "", 204)
	ask(analyst, "POST", "/account/password", "/account/password", `{"old":"`+password+`","new":"another long password"}`, 204)
	ask(analyst, "GET", "/me", "/me", "", 200)
	ask(analyst, "DELETE", "/account/sessions/{id}", "/account/sessions/"+fmt.Sprint(in["session"]), "", 204)
	ask(analyst, "GET", "/me", "/me", "", 401)
	ask(admin, "DELETE", "/session", "/session", "", 204)
	ask(admin, "GET", "/me", "/me", "", 401)
}

func TestBodyThatIsNotTheDescribedObjectIsRefusedAndNotRepeated(t *testing.T) {
	d := theDescription(t)
	l := newLab(t)
	token := l.token(people.Admin)
	for body, status := range map[string]int{
		`{"name":"x","role":"viewer","hunter2":1}`: 422,
		`{"name":12345,"role":"viewer"}`:           422,
		`{"name":"x"} {"name":"hunter2"}`:          422,
		`["hunter2"]`:                              422,
		`hunter2`:                                  422,
		``:                                         422,
		`{"name":"x","role":"viewer","service":"yes"}`: 422,
	} {
		v := fmt.Sprint(d.call(t, l.browser(), token, "POST", "/people", "/people", body, status))
		if strings.Contains(v, "hunter2") || strings.Contains(v, "12345") {
			t.Errorf("%s: %s", body, v)
		}
	}
	b := l.browser()
	r := jsonRequest(t, "POST", "/api/v1/people", `{}`)
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "text/plain")
	b.page(b.send(r), http.StatusUnsupportedMediaType)
}

func TestHeaderOfAnotherSortLetsNobodyIn(t *testing.T) {
	l := newLab(t)
	token := l.token(people.Viewer)
	for _, header := range []string{"", "Bearer", "Bearer ", "Basic " + token, token, "Bearer " + token + " x", "Bearer  " + token} {
		b := l.browser()
		b.cookie = token // a header that is there is what counts
		r := jsonRequest(t, "GET", "/api/v1/me", "")
		r.Header["Authorization"] = []string{header}
		b.page(b.send(r), http.StatusUnauthorized)
	}
	b := l.browser()
	r := jsonRequest(t, "GET", "/copy", "")
	r.Header.Set("Authorization", "Bearer "+token)
	if res := b.send(r); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a page by a token: status %d", res.StatusCode)
	}
}
