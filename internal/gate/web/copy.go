package web

import (
	"net/http"
	"slices"
	"strings"
)

// copyPage is what the page of copy safety shows.
type copyPage struct {
	*Copy
	Q, Class string // the filter
	Filtered bool
	Shown    int // columns that the filter lets through
}

func showCopy(c *call) error {
	all, err := c.visitor.Copy(c.ctx())
	if err != nil {
		return err
	}
	query := c.r.URL.Query()
	p := copyPage{Copy: all, Q: strings.TrimSpace(query.Get("q")), Class: query.Get("class")}
	p.Filtered = p.Q != "" || p.Class != ""
	if p.Filtered {
		p.Copy = p.narrow()
	}
	for _, t := range p.Tables {
		p.Shown += len(t.Columns)
	}
	c.render(http.StatusOK, "copy", &view{Title: "Copy safety", Section: "copy", Data: p})
	return nil
}

// narrow is the copy with only the columns that the filter asks for. What is said about the whole stays about the whole.
func (p copyPage) narrow() *Copy {
	out := *p.Copy
	out.Tables, out.HeldBack = nil, nil
	words := strings.ToLower(p.Q)
	has := func(texts ...string) bool {
		return words == "" || slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), words) })
	}
	for _, t := range p.Tables {
		var columns []CopiedColumn
		for _, col := range t.Columns {
			if (p.Class == "" || col.Class == p.Class) && has(append([]string{t.Table + "." + col.Column, col.Class, col.Treatment, col.Form, col.Access, col.Type}, col.Metrics...)...) {
				columns = append(columns, col)
			}
		}
		if len(columns) > 0 {
			t.Columns = columns
			out.Tables = append(out.Tables, t)
		}
	}
	for _, h := range p.HeldBack {
		if (p.Class == "" || h.Class == p.Class) && has(h.Table+"."+h.Column, h.Class, h.Why) {
			out.HeldBack = append(out.HeldBack, h)
		}
	}
	return &out
}
