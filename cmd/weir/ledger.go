package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
)

func (a *app) ledgerCommand() *cobra.Command {
	return noun("ledger", "the record that outsiders can verify", a.ledgerShowCommand(), a.ledgerVerifyCommand())
}

func (a *app) ledgerShowCommand() *cobra.Command {
	var from int64
	var kind string
	c := &cobra.Command{Use: "show", Short: "the entries, oldest first", Args: takes(0, 0)}
	c.Flags().Int64Var(&from, "from-entry", 0, "begin with the entry of this `NUMBER`")
	c.Flags().StringVar(&kind, "type", "", "only entries of this `TYPE`: start, stop, policy, batch, question, answer, verification …")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		config, err := a.load(cmd)
		if err != nil {
			return err
		}
		for e, err := range ledger.ReadDir(cmd.Context(), filepath.Join(config.State, "ledger"), ledger.Index(from)) {
			if err != nil {
				return err
			}
			if kind != "" && e.Type != kind {
				continue
			}
			body, _ := e.Body.(json.RawMessage)
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
