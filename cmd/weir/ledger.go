package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
)

func (a *app) ledgerCommand() *cobra.Command {
	return noun("ledger", "the record that outsiders can verify", a.ledgerShowCommand(), a.ledgerVerifyCommand())
}

func (a *app) ledgerShowCommand() *cobra.Command {
	var asked entryQuestion
	c := &cobra.Command{
		Use: "show", Short: "the entries, oldest first", Args: takes(0, 0),
		Example: "  weir ledger show --reads fleet.device.model_id --from 2026-11-01 --to 2026-12-01\n  weir ledger show --type question --person ada",
	}
	c.Flags().Int64Var(&asked.first, "from-entry", 0, "begin with the entry of this `NUMBER`")
	c.Flags().StringVar(&asked.kind, "type", "", "only entries of this `TYPE`: "+strings.Join(entryTypes, ", "))
	c.Flags().StringVar(&asked.person, "person", "", "only entries by the account of this `NAME`: who asked")
	c.Flags().StringVar(&asked.reads, "reads", "", "only questions that read this `COLUMN`, written as schema.table.column")
	c.Flags().StringVar(&asked.since, "from", "", "first `TIME`, inclusive: a date or RFC 3339")
	c.Flags().StringVar(&asked.until, "to", "", "last `TIME`, exclusive: a date or RFC 3339")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		f, err := asked.filter()
		if err != nil {
			return err
		}
		config, err := a.load(cmd)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(a.stdout) // a record may be long
		nothing := true
		for e, err := range ledger.FindDir(cmd.Context(), filepath.Join(config.State, "ledger"), f) {
			if err != nil {
				return errors.Join(out.Flush(), err)
			}
			nothing = false
			if err := a.showEntry(out, e); err != nil {
				return err
			}
		}
		if nothing {
			a.complain("no entry of the record matches")
		}
		return out.Flush()
	})
	return c
}

// entryTypes are the types that entries of the record have.
var entryTypes = []string{"start", "stop", "source_script", "policy", "batch", "question", "answer", "people", "verification"}

// showEntry writes an entry's line.
func (a *app) showEntry(out io.Writer, e ledger.Entry) error {
	raw, _ := e.Body.(json.RawMessage)
	if a.json {
		line, err := json.Marshal(map[string]any{"index": e.Index, "time": e.Time, "type": e.Type, "principal": e.Principal, "body": raw})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	text := string(raw)
	var body entryBody
	switch {
	case e.Type == "question" && json.Unmarshal(raw, &body) == nil:
		text = oneLine(body.question())
	case e.Type == "answer" && json.Unmarshal(raw, &body) == nil:
		text = oneLine(body.answer())
	}
	_, err := fmt.Fprintf(out, "%6d  %s  %-12s  %-10s  %s\n", e.Index, e.Time.UTC().Format(time.DateTime), e.Type, e.Principal, text)
	return err
}

// entryQuestion is what the flags of weir ledger show say.
type entryQuestion struct {
	first                             int64
	kind, person, reads, since, until string
}

// filter is what they ask of the ledger.
func (q *entryQuestion) filter() (ledger.Filter, error) {
	f := ledger.Filter{First: ledger.Index(q.first), Principal: q.person}
	if q.kind != "" {
		if !slices.Contains(entryTypes, q.kind) {
			hint := "there are " + strings.Join(entryTypes, ", ")
			if near := nearest(q.kind, entryTypes); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return f, fault.New(fault.Usage, "--type is none of the types that entries have", hint)
		}
		f.Types = []string{q.kind}
	}
	if q.reads != "" {
		i := strings.LastIndexByte(q.reads, '.')
		if i <= 0 || !strings.Contains(q.reads[:i], ".") {
			return f, fault.New(fault.Usage, "--reads is not the name of a column", "write it as schema.table.column: fleet.device.model_id")
		}
		table, column := q.reads[:i], q.reads[i+1:]
		f.Words = []string{ledger.Word(table), ledger.Word(column)}
		f.Keep = func(e ledger.Entry) bool { return readsColumn(e, table, column) }
	}
	for _, t := range []struct {
		flag, text string
		into       *time.Time
	}{{"--from", q.since, &f.From}, {"--to", q.until, &f.To}} {
		if t.text == "" {
			continue
		}
		at, err := metric.ParseTime(t.flag, t.text)
		if err != nil {
			return f, err
		}
		*t.into = at
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To) {
		return f, fault.New(fault.Usage, "the time range is empty: its end is not after its beginning", "from is inclusive and to is exclusive: for one day, give the day and the day after it")
	}
	return f, nil
}

// readsColumn tells whether a recorded question reads a column, by a metric or by SQL.
func readsColumn(e ledger.Entry, table, column string) bool {
	var asked struct {
		Reads   []entryReads `json:"reads"`
		Columns []entryReads `json:"columns"`
	}
	raw, _ := e.Body.(json.RawMessage)
	return json.Unmarshal(raw, &asked) == nil && slices.ContainsFunc(append(asked.Reads, asked.Columns...), func(r entryReads) bool {
		return r.Table == table && slices.Contains(r.Columns, column)
	})
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

// reads are the columns that a question reads, by table.
func (b *entryBody) reads() map[string][]string {
	all := map[string][]string{}
	for _, r := range append(slices.Clone(b.Reads), b.Columns...) {
		all[r.Table] = append(all[r.Table], r.Columns...)
	}
	return all
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
	reads := b.reads()
	var tables []string
	for _, t := range slices.Sorted(maps.Keys(reads)) {
		names := slices.Sorted(slices.Values(reads[t]))
		tables = append(tables, t+" ("+strings.Join(slices.Compact(names), ", ")+")")
	}
	if len(tables) > 0 {
		parts = append(parts, "reads "+strings.Join(tables, ", "))
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

// oneLine makes one line of a text, without what a terminal would act on.
func oneLine(text string) string {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	return strings.Join(strings.Fields(plain), " ")
}

func (a *app) ledgerVerifyCommand() *cobra.Command {
	var key, known string
	c := &cobra.Command{
		Use: "verify --key PUB DIR", Short: "prove, with the public key and the folder alone, that the record is whole", Args: takes(1, 1),
		Long: `verify needs nothing but the ledger's folder and its public key, which it should have from elsewhere than the folder (weir status prints it). It recomputes every hash and every
signed checkpoint. Exit status 3 when something was changed, cut or replaced. A folder that was put back whole to an earlier day is only found against a
checkpoint from elsewhere: --known.`,
	}
	c.Flags().StringVar(&key, "key", "", "the public key, or a `FILE` that holds it")
	c.Flags().StringVar(&known, "known", "", "a `FILE` with checkpoints from elsewhere: the mirror, or one that was kept")
	c.RunE = does(func(_ *cobra.Command, args []string) error {
		if key == "" {
			return fault.New(fault.Usage, "weir ledger verify needs the public key", "weir ledger verify --key FILE DIR; weir status prints the key")
		}
		if data, err := os.ReadFile(key); err == nil {
			key = string(data)
		}
		var checkpoints [][]byte
		if known != "" {
			data, err := os.ReadFile(known)
			if err != nil {
				return fault.Newf(fault.NotFound, "the known checkpoints %s cannot be read", known).WithHint("name the mirror's file").WithCause(err)
			}
			checkpoints = append(checkpoints, data)
		}
		r, err := ledger.Verify(args[0], ledger.PublicKey(strings.TrimSpace(key)), checkpoints...)
		if err != nil {
			return err
		}
		root := hex.EncodeToString(r.Root[:])
		if a.json {
			return a.printJSON(map[string]any{"origin": r.Origin, "entries": r.Entries, "checkpoints": r.Checkpoints, "known": r.Known, "root": root})
		}
		a.printf("the ledger %s is whole: %d entries under %d signed checkpoints, root %s\n", r.Origin, r.Entries, r.Checkpoints, root)
		return nil
	})
	return c
}
