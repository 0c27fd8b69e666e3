package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/metric"
)

func (a *app) ledgerCommand() *cobra.Command {
	return noun("ledger", "the record that outsiders can verify", a.ledgerShowCommand(), a.ledgerVerifyCommand())
}

func (a *app) ledgerShowCommand() *cobra.Command {
	var from int64
	var kind, reads, since, until string
	c := &cobra.Command{
		Use: "show", Short: "the entries, oldest first", Args: takes(0, 0),
		Example: "  weir ledger show --reads fleet.device.model_id --from 2026-11-01 --to 2026-12-01",
	}
	c.Flags().Int64Var(&from, "from-entry", 0, "begin with the entry of this `NUMBER`")
	c.Flags().StringVar(&kind, "type", "", "only entries of this `TYPE`: start, stop, policy, batch, question, answer, people, verification …")
	c.Flags().StringVar(&reads, "reads", "", "only questions that read this `COLUMN`, written as schema.table.column")
	c.Flags().StringVar(&since, "from", "", "first `TIME`, inclusive: a date or RFC 3339")
	c.Flags().StringVar(&until, "to", "", "last `TIME`, exclusive: a date or RFC 3339")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		f, err := newEntryFilter(kind, reads, since, until)
		if err != nil {
			return err
		}
		config, err := a.load(cmd)
		if err != nil {
			return err
		}
		for e, err := range ledger.ReadDir(cmd.Context(), filepath.Join(config.State, "ledger"), ledger.Index(from), f.words...) {
			if err != nil {
				return err
			}
			body, _ := e.Body.(json.RawMessage)
			if !f.shows(e, body) {
				continue
			}
			if a.json {
				line, err := json.Marshal(map[string]any{"index": e.Index, "time": e.Time, "type": e.Type, "principal": e.Principal, "body": body})
				if err != nil {
					return err
				}
				a.printf("%s\n", line)
				continue
			}
			a.printf("%6d  %s  %-12s  %-10s  %s\n", e.Index, e.Time.UTC().Format(time.DateTime), e.Type, e.Principal, body)
		}
		return nil
	})
	return c
}

// entryFilter says which entries are shown.
type entryFilter struct {
	kind          string
	table, column string
	from, to      *time.Time
	words         []string // that every shown entry's line holds
}

func newEntryFilter(kind, reads, since, until string) (*entryFilter, error) {
	f := &entryFilter{kind: kind}
	if reads != "" {
		i := strings.LastIndexByte(reads, '.')
		if i <= 0 || !strings.Contains(reads[:i], ".") {
			return nil, fault.New(fault.Usage, "--reads is not the name of a column", "write it as schema.table.column: fleet.device.model_id")
		}
		f.table, f.column = reads[:i], reads[i+1:]
		for _, w := range []string{f.table, f.column} {
			quoted, err := json.Marshal(w)
			if err != nil {
				return nil, err
			}
			f.words = append(f.words, string(quoted))
		}
	}
	for _, t := range []struct {
		flag, text string
		into       **time.Time
	}{{"--from", since, &f.from}, {"--to", until, &f.to}} {
		if t.text == "" {
			continue
		}
		at, err := metric.ParseTime(t.flag, t.text)
		if err != nil {
			return nil, err
		}
		*t.into = &at
	}
	return f, nil
}

func (f *entryFilter) shows(e ledger.Entry, body []byte) bool {
	if f.kind != "" && e.Type != f.kind || f.from != nil && e.Time.Before(*f.from) || f.to != nil && !e.Time.Before(*f.to) {
		return false
	}
	return f.table == "" || readsColumn(body, f.table, f.column)
}

// readsColumn tells whether a recorded question reads a column, by a metric or by SQL.
func readsColumn(body []byte, table, column string) bool {
	type read struct {
		Table   string   `json:"table"`
		Columns []string `json:"columns"`
	}
	var asked struct {
		Reads   []read `json:"reads"`
		Columns []read `json:"columns"`
	}
	if json.Unmarshal(body, &asked) != nil {
		return false
	}
	return slices.ContainsFunc(append(asked.Reads, asked.Columns...), func(r read) bool {
		return r.Table == table && slices.Contains(r.Columns, column)
	})
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
