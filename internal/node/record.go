package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/pgwire"
	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/policy"
)

const (
	recordLimit = 50
	recordMost  = 500
	soon        = 256     // entries within which the end of something that ended at once stands
	late        = 600_000 // and of anything: two entries for each of a thousand questions a second, for as long as the longest may take
)

// The kinds of questions that end with an answer's entry.
const (
	kindMetric = "metric"
	kindSQL    = "sql"
)

// The types of entries that the page's record shows.
const (
	questionEntry = "question"
	answerEntry   = "answer"
	peopleEntry   = "people"
)

// Record implements web.Visitor. Whoever does not administer people sees what they asked themselves, and what happened to their own account.
func (r *reader) Record(ctx context.Context, q web.RecordQuery) (*web.RecordPage, error) {
	own := !r.asking.Rights().People
	if own && q.Person != "" && q.Person != string(r.principal.Name) {
		return nil, r.refuse(ctx, "record", fault.New(fault.Refused, "your role may see its own record only", "ask an administrator"))
	}
	failed, err := r.asking.Lookup(ctx, "record")
	if err != nil {
		return nil, err
	}
	page, err := r.recordPage(ctx, q, own)
	if err != nil {
		return nil, failed("record", err)
	}
	return page, nil
}

func (r *reader) recordPage(ctx context.Context, q web.RecordQuery, own bool) (*web.RecordPage, error) {
	f, err := newRecordFilter(q)
	if err != nil {
		return nil, err
	}
	if own {
		// A name is not an account: somebody else had it before, or the user of the operating system who runs weir has it.
		a, err := r.node.people.Account(r.principal.Name)
		if err != nil {
			return nil, err
		}
		f.person, f.own = string(r.principal.Name), true
		f.Words = append(f.Words, ledger.Word(f.person))
		if f.From.Before(a.Created) {
			f.From = a.Created
		}
	}
	return r.node.recordPage(ctx, f)
}

// recordPage gathers a page of the record, newest first.
func (n *Node) recordPage(ctx context.Context, f *recordFilter) (*web.RecordPage, error) {
	out := &web.RecordPage{Entries: []web.RecordEntry{}}
	for e, err := range n.ledger.Find(ctx, f.Filter) {
		if err != nil {
			return nil, err
		}
		entry, ok, err := f.entry(e)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if len(out.Entries) == f.limit {
			out.Next = out.Entries[f.limit-1].Entry
			break
		}
		if e.Type == questionEntry {
			if err := n.addOutcome(ctx, &entry); err != nil {
				return nil, err
			}
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}

// recordFilter says which entries a page of the record holds.
type recordFilter struct {
	ledger.Filter
	person        string // who asked, or whom it is about
	own           bool   // the person is an account, and whoever came in otherwise under that name is somebody else
	table, column string
	limit         int
}

func newRecordFilter(q web.RecordQuery) (*recordFilter, error) {
	f := &recordFilter{Filter: ledger.Filter{NewestFirst: true, From: q.From, To: q.To, Before: ledger.Index(q.Before)}, person: q.Person, limit: q.Limit}
	switch q.Kind {
	case "":
		f.Types = []string{questionEntry, peopleEntry}
	case "questions":
		f.Types = []string{questionEntry}
	case "people":
		f.Types = []string{peopleEntry}
	default:
		return nil, fault.New(fault.Usage, "the record has no such kind", "ask for questions or people")
	}
	if f.limit <= 0 {
		f.limit = recordLimit
	}
	f.limit = min(f.limit, recordMost)
	if q.Reads != "" {
		i := strings.LastIndexByte(q.Reads, '.')
		if i <= 0 || !strings.Contains(q.Reads[:i], ".") {
			return nil, fault.New(fault.Usage, "this is not the name of a column", "write it as schema.table.column: fleet.device.model_id")
		}
		f.table, f.column, f.Types = q.Reads[:i], q.Reads[i+1:], []string{questionEntry}
	}
	for _, w := range []string{f.person, f.table, f.column} {
		if w != "" {
			f.Words = append(f.Words, ledger.Word(w))
		}
	}
	return f, nil
}

// entry turns an entry of the ledger into one of the page, when the filter holds.
func (f *recordFilter) entry(e ledger.Entry) (out web.RecordEntry, ok bool, err error) {
	raw, _ := e.Body.(json.RawMessage)
	out = web.RecordEntry{Entry: int64(e.Index), At: e.Time, Person: e.Principal}
	if e.Type == peopleEntry {
		var event people.Event
		if err := json.Unmarshal(raw, &event); err != nil {
			return out, false, unreadable(err)
		}
		out.Address, out.Kind, out.Account, out.Detail = event.Address, string(event.Kind), string(event.Account), eventDetail(event)
		return out, f.person == "" || out.Account == f.person || e.Principal == f.person && !f.foreign(out), nil
	}
	var asked gate.Asked
	if err := json.Unmarshal(raw, &asked); err != nil {
		return out, false, unreadable(err)
	}
	out.Address, out.Kind, out.Metric, out.By, out.Grain, out.From, out.To = asked.Address, asked.Kind, asked.Metric, asked.By, asked.Grain, asked.From, asked.To
	out.Statement, out.Rule, out.Named, out.Reads = asked.Shape, asked.Rule, asked.Named, asReads(asked)
	read := f.table == "" || slices.Contains(out.Reads, web.ReadColumn{Table: f.table, Column: f.column})
	return out, read && (f.person == "" || e.Principal == f.person) && !f.foreign(out), nil
}

// foreign tells whether an entry is of the operating system's user and the record of an account is asked for.
func (f *recordFilter) foreign(e web.RecordEntry) bool { return f.own && e.Address == "local" }

func unreadable(err error) error {
	return fault.New(fault.Invalid, "an entry of the ledger cannot be read", "run weir ledger verify").WithCause(err)
}

// asReads are the columns that a question reads, by a metric or by SQL.
func asReads(asked gate.Asked) []web.ReadColumn {
	reads := asked.Columns
	for _, r := range asked.Reads {
		reads = append(reads, decision.Read{Table: r.Table, Columns: r.Columns})
	}
	return readColumns(reads)
}

// knownNames tells the words that the policy names.
func knownNames(p *policy.Policy) func(string) bool {
	known := map[string]bool{}
	for _, t := range p.Tables {
		for part := range strings.SplitSeq(t.Name, ".") {
			known[part] = true
		}
		for _, c := range t.Columns {
			known[c.Name] = true
		}
	}
	return func(name string) bool { return known[name] }
}

// addOutcome finds how a question ended. Its answer stands a few entries behind it; a question that weir's end cut off has none. A lookup has one only where it was refused, at once.
func (n *Node) addOutcome(ctx context.Context, e *web.RecordEntry) error {
	answers := ledger.Filter{First: ledger.Index(e.Entry + 1), Types: []string{answerEntry}, Words: []string{fmt.Sprintf(`"question":%d,`, e.Entry)}}
	answers.Before = answers.First + late
	if e.Kind != kindMetric && e.Kind != kindSQL {
		answers.Before = answers.First + soon
	}
	for a, err := range n.ledger.Find(ctx, answers) {
		if err != nil {
			return err
		}
		var o gate.Outcome
		raw, _ := a.Body.(json.RawMessage)
		if err := json.Unmarshal(raw, &o); err != nil {
			return unreadable(err)
		}
		if int64(o.Question) == e.Entry {
			e.Verdict, e.Rows, e.Bytes, e.Seconds = string(o.Verdict), o.Rows, o.Bytes, o.Seconds
			if o.Verdict != gate.Answered {
				e.Rule = cmp.Or(e.Rule, o.Reason)
			}
			return nil
		}
	}
	return nil
}

// endText says how a connection ended, in a few words.
func endText(reason string) string {
	switch pgwire.End(reason) {
	case pgwire.EndLeft:
		return "the client left"
	case pgwire.EndLost:
		return "the client was gone"
	case pgwire.EndIdle:
		return "idle for too long"
	case pgwire.EndStopped:
		return "weir stopped"
	case pgwire.EndBroken:
		return "the protocol was broken"
	case endExpired:
		return "what it was opened with expired"
	default:
		return "after: " + strings.ReplaceAll(reason, "_", " ") // the change that ended it
	}
}

// eventDetail says in a few words what an event adds to its kind.
func eventDetail(e people.Event) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case e.FromRole != "":
		add("from %s to %s", e.FromRole, e.Role)
	case e.Role != "":
		add("as %s", e.Role)
	}
	if e.Of == people.Service {
		add("a service")
	}
	if e.Way != "" {
		add("by %s", map[people.Way]string{people.ByPage: "page password", people.BySQL: "SQL password", people.ByCertificate: "certificate"}[e.Way])
	}
	if e.Serial != "" {
		add("certificate %s", e.Serial)
	}
	if len(e.Networks) > 0 {
		var ranges []string
		for _, p := range e.Networks {
			ranges = append(ranges, p.String())
		}
		add("from %s", strings.Join(ranges, ", "))
	}
	if e.Expires != nil {
		add("until %s UTC", e.Expires.UTC().Format(time.DateTime))
	}
	if e.Kind == people.ConnectionEnded {
		add("%s", endText(e.Reason))
	}
	if e.Since != nil {
		add("%d more since %s UTC", e.Count, e.Since.UTC().Format(time.DateTime))
	}
	switch n := len(e.Ended); {
	case n == 1:
		add("ended 1 session")
	case n > 1:
		add("ended %d sessions", n)
	}
	return strings.Join(parts, ", ")
}
