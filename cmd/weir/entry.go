package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/weirproject/weir/internal/ledger"
)

// entryJSON appends an entry as one line of JSON.
func entryJSON(out []byte, e ledger.Entry) []byte {
	raw, _ := e.Body.(json.RawMessage)
	out = append(append(out, `{"body":`...), raw...)
	out = fmt.Appendf(out, `,"index":%d,"principal":%s,"time":%q,"type":%s}`, e.Index, ledger.Word(e.Principal), e.Time.Format(time.RFC3339Nano), ledger.Word(e.Type))
	return append(out, '\n')
}

// entryLine appends an entry as a line for people.
func entryLine(out []byte, e ledger.Entry) []byte {
	raw, _ := e.Body.(json.RawMessage)
	text := string(raw)
	var body entryBody
	switch {
	case e.Type == "question" && json.Unmarshal(raw, &body) == nil:
		text = body.question()
	case e.Type == "answer" && json.Unmarshal(raw, &body) == nil:
		text = body.answer()
	case e.Type == "people":
		var event personEvent
		if json.Unmarshal(raw, &event) == nil {
			text = event.told(text)
		}
	}
	return fmt.Appendf(out, "%6d  %s  %-12s  %-10s  %s\n", e.Index, e.Time.UTC().Format(time.DateTime), e.Type, oneLine(e.Principal), oneLine(text))
}

// column is one column of the copy, in plain and as it stands in an entry.
type column struct {
	table, name         string
	tableWord, nameWord string
}

func newColumn(table, name string) *column {
	return &column{table: table, name: name, tableWord: ledger.Word(table), nameWord: ledger.Word(name)}
}

// readBy tells whether a recorded question reads the column, by a metric or by SQL.
func (c *column) readBy(e ledger.Entry) bool {
	raw, _ := e.Body.(json.RawMessage)
	if reads, ok := spelledReads(raw, c.tableWord, c.nameWord); ok {
		return reads
	}
	var asked struct {
		Reads   []entryReads `json:"reads"`
		Columns []entryReads `json:"columns"`
	}
	return json.Unmarshal(raw, &asked) == nil && slices.ContainsFunc(append(asked.Reads, asked.Columns...), func(r entryReads) bool {
		return r.Table == c.table && slices.Contains(r.Columns, c.name)
	})
}

// spelledReads is readBy without decoding, for questions whose reads are spelled as weir spells them; ok tells whether they are. The names are JSON. A quote inside a string is escaped, so
// what is looked for stands in no statement.
func spelledReads(raw []byte, table, column string) (reads, ok bool) {
	const key, list = `"table":`, `,"columns":[`
	for {
		i := bytes.Index(raw, []byte(key))
		if i < 0 {
			return reads, true
		}
		name, rest, plain := cutWord(raw[i+len(key):])
		if rest, plain = cutText(rest, list, plain); !plain {
			return false, false
		}
		for len(rest) > 0 && rest[0] == '"' && plain {
			var element []byte
			element, rest, plain = cutWord(rest)
			reads = reads || string(name) == table && string(element) == column
			if len(rest) > 0 && rest[0] == ',' {
				rest = rest[1:]
			}
		}
		if rest, plain = cutText(rest, "]", plain); !plain {
			return false, false
		}
		raw = rest
	}
}

// cutWord takes a JSON string, with its quotes, from the beginning of text; plain tells whether there is one without escapes.
func cutWord(text []byte) (word, rest []byte, plain bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, text, false
	}
	end := 1 + bytes.IndexByte(text[1:], '"')
	if end < 1 || bytes.IndexByte(text[:end], '\\') >= 0 {
		return nil, text, false
	}
	return text[:end+1], text[end+1:], true
}

// cutText takes what must stand at the beginning of text, if everything was plain so far.
func cutText(text []byte, begin string, plain bool) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(text, []byte(begin))
	return rest, ok && plain
}

// entryBody is what a question's or an answer's body may hold.
type entryBody struct {
	Address   string       `json:"address"`
	Kind      string       `json:"kind"`
	Metric    string       `json:"metric"`
	By        []string     `json:"by"`
	Grain     string       `json:"grain"`
	From      *time.Time   `json:"from"`
	To        *time.Time   `json:"to"`
	Statement string       `json:"statement"`
	Rule      string       `json:"rule"`
	Named     string       `json:"named"`
	Reads     []entryReads `json:"reads"`   // by a metric
	Columns   []entryReads `json:"columns"` // by SQL

	Question int64   `json:"question"`
	Verdict  string  `json:"verdict"`
	Reason   string  `json:"reason"`
	Rows     int64   `json:"rows"`
	Bytes    int64   `json:"bytes"`
	Seconds  float64 `json:"seconds"`
}

type entryReads struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

// addReads appends the columns that a question reads, by table, both sorted.
func (b *entryBody) addReads(out []byte) []byte {
	all := slices.Concat(b.Reads, b.Columns)
	slices.SortStableFunc(all, func(x, y entryReads) int { return cmp.Compare(x.Table, y.Table) })
	for i := 0; i < len(all); {
		table, names := all[i].Table, all[i].Columns
		for i++; i < len(all) && all[i].Table == table; i++ {
			names = slices.Concat(names, all[i].Columns)
		}
		slices.Sort(names)
		if len(out) > 0 {
			out = append(out, ", "...)
		}
		out = append(append(out, table...), " ("...)
		for i, name := range slices.Compact(names) {
			if i > 0 {
				out = append(out, ", "...)
			}
			out = append(out, name...)
		}
		out = append(out, ')')
	}
	return out
}

// question says in one line from where, what, and of which columns.
func (b *entryBody) question() string {
	what := b.Statement
	if b.Metric != "" {
		what = b.Metric
		if len(b.By) > 0 {
			what += " by " + strings.Join(b.By, ", ")
		}
		if b.Grain != "" {
			what += " per " + b.Grain
		}
		if b.From != nil {
			what += " from " + b.From.UTC().Format(time.RFC3339)
		}
		if b.To != nil {
			what += " to " + b.To.UTC().Format(time.RFC3339)
		}
	}
	parts := []string{"from " + b.Address, strings.TrimSpace(b.Kind + " " + what)}
	if b.Rule != "" {
		parts = append(parts, strings.TrimSpace("refused by "+b.Rule+" "+b.Named))
	}
	if reads := b.addReads(nil); len(reads) > 0 {
		parts = append(parts, "reads "+string(reads))
	}
	return strings.Join(parts, "; ")
}

// answer says in one line how a question ended.
func (b *entryBody) answer() string {
	verdict := b.Verdict
	if b.Reason != "" {
		verdict += " (" + b.Reason + ")"
	}
	return fmt.Sprintf("to %d: %s, %d rows, %d bytes in %.3f s", b.Question, verdict, b.Rows, b.Bytes, b.Seconds)
}

// isOneLine tells whether a text is what oneLine would make of it; false is always allowed.
func isOneLine(text string) bool {
	last := byte(' ')
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && last == ' ' {
			return false
		}
		last = c
	}
	return last != ' '
}

// oneLine makes one line of a text, without what a terminal would act on.
func oneLine(text string) string {
	if isOneLine(text) {
		return text
	}
	plain := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	return strings.Join(strings.Fields(plain), " ")
}
