package web_test

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/people"
)

var (
	empty = regexp.MustCompile(`<(meta|link|input|br|hr)((?: [^>]*)?)>`)
	flag  = regexp.MustCompile(` (required|readonly|selected|checked|open)([ >])`)
)

// faultsOf says what is wrong with a page: tags that do not match, places that are named twice or not there, fields without a label, tables without a caption, anything that could run.
func faultsOf(page string) []string {
	page = empty.ReplaceAllString(flag.ReplaceAllString(page, ` $1=""$2`), "<$1$2/>") // what HTML leaves out, so that the rest can be held to XML
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	var open, problems []string
	count, ids := map[string]int{}, map[string]int{}
	var refers, labels, fields []string
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return append(problems, "it cannot be parsed: "+err.Error())
		}
		switch x := token.(type) {
		case xml.StartElement:
			name := x.Name.Local
			at := map[string]string{}
			for _, a := range x.Attr {
				at[a.Name.Local] = a.Value
			}
			open = append(open, name)
			count[name]++
			if at["id"] != "" {
				ids[at["id"]]++
			}
			refers = append(refers, strings.Fields(at["aria-labelledby"]+" "+at["aria-describedby"])...)
			problems = append(problems, elementFaults(name, at)...)
			switch {
			case name == "label" && at["for"] != "":
				labels = append(labels, at["for"])
			case (name == "input" || name == "select") && at["type"] != "hidden" && !slices.Contains(open, "label"):
				fields = append(fields, at["id"])
			}
		case xml.EndElement: // the decoder has looked that it closes something
			open = open[:len(open)-1]
		}
	}
	for id, n := range ids {
		if n > 1 {
			problems = append(problems, "the id "+id+" stands there twice")
		}
	}
	for _, id := range refers {
		if ids[id] == 0 {
			problems = append(problems, "there is no "+id+" to refer to")
		}
	}
	for _, id := range fields {
		if !slices.Contains(labels, id) {
			problems = append(problems, "the field "+id+" has no label")
		}
	}
	if count["h1"] != 1 || count["main"] != 1 || count["title"] < 1 || count["table"] != count["caption"] || len(open) > 0 {
		problems = append(problems, "it lacks a landmark, a heading or a caption")
	}
	return problems
}

func elementFaults(name string, at map[string]string) (problems []string) {
	for a := range at {
		if a == "style" || strings.HasPrefix(a, "on") || strings.HasPrefix(strings.ToLower(at[a]), "javascript:") {
			problems = append(problems, name+" has "+a)
		}
	}
	switch {
	case slices.Contains([]string{"script", "style", "iframe", "object", "embed", "base"}, name):
		problems = append(problems, "there is a "+name)
	case name == "th" && at["scope"] == "":
		problems = append(problems, "a heading of a table has no scope")
	case name == "svg" && at["role"] != "img":
		problems = append(problems, "a drawing is no picture")
	case at["type"] == "password" && at["autocomplete"] == "":
		problems = append(problems, "a password without autocomplete")
	}
	return problems
}

func TestEveryPageIsWellMade(t *testing.T) {
	l := newLab(t)
	admin, analyst := l.as(people.Admin), l.as(people.Analyst)
	admin.page(admin.post("/people", url.Values{"name": {"bi"}, "role": {"viewer"}, "kind": {"service"}, "networks": {"192.0.2.0/24"}}), http.StatusOK)
	link, err := l.door.people.Invite(t.Context(), local, "analyst-1")
	check(t, err)
	for _, c := range []struct {
		browser *browser
		target  string
		status  int
		title   string
	}{
		{l.browser(), "/sign-in", 200, "Sign in"},
		{l.browser(), "/link/" + link.Token.Reveal(), 200, "Choose your password"},
		{l.browser(), "/link/none", 403, ""},
		{analyst, "/", 200, "Overview"},
		{admin, "/", 200, "Overview"},
		{analyst, "/metrics/failed_connection_rate", 200, "Failed connection rate"},
		{analyst, "/metrics/failed_connection_rate?by=isp&span=28", 200, "Failed connection rate"},
		{analyst, "/metrics/attempts?by=model&grain=hour&span=7", 200, "Connection attempts"},
		{analyst, "/metrics/attempts?grain=week&span=182", 200, "Connection attempts"},
		{analyst, "/metrics/connect_ms_p50?from=2020-01-01&to=2020-01-05", 200, "Time to connect, median"},
		{analyst, "/metrics/attempts?by=none", 422, "Connection attempts"},
		{analyst, "/metrics/none", 404, "Not found"},
		{admin, "/metrics/attempts", 403, "Not allowed"},
		{analyst, "/copy", 200, "Copy safety"},
		{analyst, "/copy?q=model&class=telemetry", 200, "Copy safety"},
		{analyst, "/copy?q=nothing+of+that+name", 200, "Copy safety"},
		{analyst, "/record", 200, "Record"},
		{admin, "/record?person=analyst-1&kind=questions", 200, "Record"},
		{admin, "/record?kind=people&before=5", 200, "Record"},
		{admin, "/record?kind=cats", 422, "Record"},
		{admin, "/record?from=2026-11-20&to=2026-11-19", 422, "Record"},
		{admin, "/record?from=2026-11-20&to=2026-11-20", 422, "Record"},
		{analyst, "/account", 200, "Account"},
		{admin, "/account?done=password", 200, "Account"},
		{admin, "/people", 200, "People"},
		{admin, "/people/bi", 200, "bi"},
		{admin, "/people/analyst-1", 200, "analyst-1"},
		{admin, "/people/bi/remove", 200, "Remove bi?"},
		{analyst, "/people", 403, "Not allowed"},
		{analyst, "/nothing", 404, "Not found"},
	} {
		text := c.browser.page(c.browser.get(c.target), c.status)
		for _, p := range faultsOf(text) {
			t.Errorf("%s: %s", c.target, p)
		}
		if c.title != "" && !strings.Contains(text, "<title>"+c.title+" · shop · weir</title>") {
			t.Errorf("%s has another title", c.target)
		}
		if current := strings.Count(text, "aria-current=\"page\""); c.status == 200 && c.browser.cookie != "" && current > 1 {
			t.Errorf("%s: %d places are the current one", c.target, current)
		}
	}
}

func TestFaultyPagesAreFound(t *testing.T) {
	good := `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>x</title></head><body><main><h1>x</h1>%</main></body></html>`
	if p := faultsOf(strings.Replace(good, "%", "", 1)); len(p) > 0 {
		t.Error(p)
	}
	for _, bad := range []string{`<p>`, `</div>`, `<script></script>`, `<a href="javascript:x">x</a>`, `<p style="x">x</p>`, `<p id="a"></p><p id="a"></p>`, `<input id="b">`, `<table></table>`, `<p aria-labelledby="c"></p>`, `<h1>y</h1>`} {
		if len(faultsOf(strings.Replace(good, "%", bad, 1))) == 0 {
			t.Errorf("%s is taken for good", bad)
		}
	}
}

func TestHostileNamesStayText(t *testing.T) {
	l := newLab(t)
	const evil = `"><script>alert(1)</script>`
	l.door.copied = func() *web.Copy {
		c := exampleCopy()
		c.Source, c.Policy, c.Flow.Reason = evil, evil, evil
		c.Findings = []web.Finding{{Where: evil, What: evil, Do: evil}}
		c.Classes[0].Class, c.Classes[0].Is, c.Classes[0].Why = evil, evil, evil
		c.Tables[0] = web.CopiedTable{Table: evil, Purpose: []string{evil}, Exploration: evil, Columns: []web.CopiedColumn{{Column: evil, Type: evil, Class: evil, Treatment: evil, Form: evil, Access: evil, Metrics: []string{evil}}}}
		c.HeldBack[0] = web.HeldBack{Table: evil, Column: evil, Class: evil, Why: evil}
		return c
	}
	b := l.as(people.Analyst)
	asked := url.QueryEscape(evil)
	for _, target := range []string{
		"/copy", "/", "/copy?q=" + asked, "/copy?class=" + asked, "/record?person=" + asked, "/record?reads=" + asked, "/metrics/attempts?by=" + asked, "/metrics/attempts?from=" + asked, "/metrics/attempts?grain=" + asked,
		"/metrics/attempts?by=isp", "/metrics/" + url.PathEscape(evil), "/account?done=" + asked, "/sign-in?to=" + asked,
	} {
		res := b.get(target)
		text := b.page(res, res.StatusCode)
		if strings.Contains(text, "<script") {
			t.Errorf("%s: a name became markup", target)
		}
		for _, p := range faultsOf(text) {
			if res.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: %s", target, p)
			}
		}
	}
	rows, err := csv.NewReader(strings.NewReader(b.page(b.get("/metrics/attempts.csv?by=isp"), 200))).ReadAll()
	check(t, err)
	if i := slices.IndexFunc(rows, func(r []string) bool { return strings.Contains(r[1], "script") }); i < 0 || rows[i][1] != "'"+hostile {
		t.Error("a name would be a formula in a spreadsheet")
	}
}

func TestMetricIsShownAsItWasAskedFor(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	text := b.page(b.get("/metrics/failed_connection_rate?by=model&span=28&grain=day"), 200)
	for _, want := range []string{
		"Logical attempts whose last try failed", "connectivity", `href="/copy#t-shop.attempt"`, "attempt_id, model, isp", `href="/metrics/failed_connection_rate.csv?by=model&amp;grain=day&amp;span=28"`, `<option selected>model</option>`,
		`aria-current="true">4 weeks</a>`, "chart-lines", "chart-bars", "chart-spark", "provisional", "of 10.", "from=", "2 hours",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	res := b.get("/metrics/failed_connection_rate.csv?by=model&span=28&grain=day")
	rows, err := csv.NewReader(strings.NewReader(b.page(res, 200))).ReadAll()
	check(t, err)
	if len(rows) < 1+28*8 || len(rows) > 1+28*10 || !slices.Equal(rows[0], []string{"start", "model", "numerator", "denominator", "value", "provisional"}) {
		t.Errorf("the file has %d rows, the first is %v", len(rows), rows[0])
	}
	if d := res.Header.Get("Content-Disposition"); d != `attachment; filename="failed_connection_rate.csv"` {
		t.Error(d)
	}
}

func TestPagesSayThatTheFirstCopyIsNotDone(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	const says = "Nothing was copied yet: the numbers come when the first copy is done"
	for _, target := range []string{"/", "/metrics/failed_connection_rate", "/metrics/attempts?by=model"} {
		if text := b.page(b.get(target), 200); strings.Contains(text, says) {
			t.Errorf("%s says it of a copy that is there", target)
		}
		l.door.early = true
		text := b.page(b.get(target), 200)
		if !strings.Contains(text, says) {
			t.Errorf("%s does not say it", target)
		}
		for _, problem := range faultsOf(text) {
			t.Errorf("%s: %s", target, problem)
		}
		l.door.early = false
	}
}

func TestNamesAtTheBeginningOfASentenceKeepTheirLetters(t *testing.T) {
	for text, want := range map[string]string{
		"iot.reading.at opens the hour": "iot.reading.at opens the hour.",
		"failed_rate is no metric":      "failed_rate is no metric.",
		"weir tries again":              "weir tries again.",
		"production has 1 table":        "Production has 1 table.",
		"nothing.":                      "Nothing.",
		"":                              "",
	} {
		if got := web.Sentence(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestQuestionThatCannotBeUnderstoodIsSaidWhereItWasAsked(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	for query, want := range map[string]string{
		"by=colour":                           "Choose one of model, isp.",
		"grain=minute":                        "There is no such grain.",
		"span=0":                              "The span is no number of days.",
		"span=ten":                            "The span is no number of days.",
		"span=28&from=2026-01-01":             "There is a span and there are dates.",
		"from=yesterday":                      "This is no date.",
		"from=2026-02-01&to=2026-01-01":       "The time range is empty",
		"grain=hour&span=56":                  "Hours are shown for 31 days at most.",
		"from=0001-01-01":                     "This is no date.",
		"by=model&from=2026-01-01&to=garbage": "This is no date.",
	} {
		text := b.page(b.get("/metrics/attempts?"+query), http.StatusUnprocessableEntity)
		if !strings.Contains(text, want) || !strings.Contains(text, `<select id="by"`) {
			t.Errorf("%s: %s", query, text)
		}
		b.page(b.get("/metrics/attempts.csv?"+query), http.StatusUnprocessableEntity)
	}
}

func TestFixedLinkIsAboutWholeWeeks(t *testing.T) {
	l := newLab(t)
	b := l.as(people.Viewer)
	text := b.page(b.get("/metrics/attempts?grain=week&from=2026-11-11&to=2026-11-18"), 200)
	if !strings.Contains(text, `href="/metrics/attempts?from=2026-11-09&amp;grain=week&amp;to=2026-11-23"`) {
		t.Error("Wednesday to Wednesday is not shown as its two weeks")
	}
	text = b.page(b.get("/metrics/attempts?grain=week&from=2026-11-09&to=2026-11-16"), 200)
	if !strings.Contains(text, `href="/metrics/attempts?from=2026-11-09&amp;grain=week&amp;to=2026-11-16"`) {
		t.Error("a whole week is not shown as itself")
	}
}

func TestRecordIsReadPageByPageAndOwnForOthers(t *testing.T) {
	l := newLab(t)
	viewer := l.as(people.Viewer)
	for range 60 {
		viewer.page(viewer.get("/api/v1/metrics/attempts?from=2026-01-01&to=2026-01-02"), 200)
	}
	older := regexp.MustCompile(`href="(/record\?before=\d+[^"]*)" rel="next"`)
	first := viewer.page(viewer.get("/record"), 200)
	m := older.FindStringSubmatch(first)
	if m == nil {
		t.Fatal("there is no way to what is older")
	}
	entry := regexp.MustCompile(`id="entry-(\d+)"`)
	second := viewer.page(viewer.get(strings.ReplaceAll(m[1], "&amp;", "&")), 200)
	if a, b := entry.FindAllString(first, -1), entry.FindAllString(second, -1); len(a) != 50 || len(b) == 0 || slices.Contains(a, b[0]) {
		t.Errorf("%d entries and then %d", len(a), len(b))
	}
	admin := l.as(people.Admin)
	text := admin.page(admin.get("/record?person=viewer-1&reads=shop.attempt.model"), 200)
	if !strings.Contains(text, "viewer-1") || !strings.Contains(text, `href="/copy#t-shop.attempt"`) {
		t.Error("an administrator does not see who read a column")
	}
	if strings.Contains(viewer.page(viewer.get("/record?person=admin-1"), 200), "<strong>admin-1</strong>") {
		t.Error("somebody sees another's entries")
	}
}
