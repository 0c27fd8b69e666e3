package policy

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

var page = template.Must(template.New("plan").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(pageStyle) }, //nolint:gosec // it is our own file, compiled in
	"policy":   contentPolicy,
	"who":      func(t TableReport, c ColumnReport) string { return t.asked(c) },
	"held":     func(t TableReport) []ColumnReport { return t.in(HeldBack) },
	"unnamed":  func(t TableReport) []ColumnReport { return t.in(Unnamed) },
	"crosses":  func(t TableReport) []ColumnReport { return t.in(Crosses) },
	"nice":     func(c Class) string { return strings.ReplaceAll(string(c), "_", " ") },
	"code":     func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	"counted":  counted,
	"sentence": sentence,
}).Parse(pageText))

// contentPolicy lets the page load nothing and run nothing; only its own style applies.
func contentPolicy() string {
	h := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'; base-uri 'none'; form-action 'none'"
}

// HTML writes the report as one self-contained page without scripts, to be read, printed and signed. It returns the writer's first error.
func (r *Report) HTML(w io.Writer) error {
	var b bytes.Buffer
	if err := page.Execute(&b, r); err != nil {
		return fmt.Errorf("render plan: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return nil
}

func (t *TableReport) in(s State) []ColumnReport {
	var all []ColumnReport
	for _, c := range t.Columns {
		if c.State == s {
			all = append(all, c)
		}
	}
	return all
}

// sentence begins a text that was written for a line of a terminal with a capital letter, unless it begins with a name.
func sentence(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if s == "" || strings.ContainsAny(word, "._:") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
