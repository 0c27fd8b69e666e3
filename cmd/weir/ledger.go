package main

import (
	"encoding/hex"
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
		line := entryLine
		if a.json {
			line = entryJSON
		}
		written, err := ledger.WriteDir(cmd.Context(), filepath.Join(config.State, "ledger"), f, a.stdout, line)
		if written == 0 && err == nil {
			a.complain("no entry of the record matches")
		}
		return err
	})
	return c
}

// entryTypes are the types that entries of the record have.
var entryTypes = []string{"start", "stop", "source_script", "policy", "batch", "question", "answer", "people", "verification", ledger.TypeRecovered, ledger.TypeMirror}

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
		wanted := newColumn(table, column)
		f.Words = []string{wanted.tableWord, wanted.nameWord}
		f.Keep = wanted.readBy
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
