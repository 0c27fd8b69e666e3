package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
)

func (a *app) initCommand() *cobra.Command {
	dir := "."
	c := &cobra.Command{
		Use: "init --source URL", Short: "write weir.yaml and a policy in which every column stands, guessed and held back", Args: takes(0, 0),
		Long: "init looks at production's catalogue, not at its rows, and writes weir.yaml and one policy file for each table: every column with a guessed class, everything held back.\nIt copies nothing and overwrites nothing.",
	}
	c.Flags().StringVar(&dir, "dir", ".", "the `FOLDER` to write to")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if a.source == "" {
			return fault.New(fault.Usage, "weir init needs the source to look at", "weir init --source postgres://user@host/database")
		}
		written, err := node.Init(cmd.Context(), a.source, dir)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(struct {
				Written []string `json:"written"`
			}{written})
		}
		for _, w := range written {
			a.printf("%s\n", w)
		}
		a.complain("nothing crosses yet: fill in the policy, then look at weir plan --config %s --source URL", written[0])
		return nil
	})
	return c
}

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "is the source ready, the exact fix for what isn't, and what our being there can do to production", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			config, err := a.load(cmd)
			if err != nil {
				return err
			}
			findings, err := node.CheckSource(cmd.Context(), config)
			if err != nil {
				return err
			}
			stops := 0
			for _, f := range findings {
				if f.Severity == source.Stop || f.Severity == source.Consent {
					stops++
				}
			}
			if a.json {
				if err := a.printJSON(findings); err != nil {
					return err
				}
			} else {
				for _, f := range findings {
					a.printf("%-7s  %s: %s\n", f.Severity, f.Code, f.Message)
					if f.Fix != "" && f.Severity != source.OK {
						a.printf("         fix: %s\n", indent(f.Fix, "              "))
					}
				}
			}
			if stops > 0 {
				return fault.Newf(fault.Found, "weir cannot run on this source yet: %d of %d checks stand in the way", stops, len(findings)).WithHint("each says what to do")
			}
			return nil
		}),
	}
}

// comment is a path as one line of an SQL comment can hold it.
func comment(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, path)
}

func (a *app) sourceCommand() *cobra.Command {
	script := &cobra.Command{
		Use: "script", Short: "print the SQL that a DBA runs before weir can read the source", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			config, err := a.load(cmd)
			if err != nil {
				return err
			}
			sql, err := node.SourceScript(cmd.Context(), config)
			if err != nil {
				return err
			}
			if sql == "" {
				a.complain("nothing is to be done: the source is as the policy needs it")
				return nil
			}
			// The names in it are the state's: a run with another state would look for others.
			a.printf("-- Made for the weir whose state folder is %s.\n%s", comment(config.State), sql)
			return nil
		}),
	}
	var apply bool
	release := &cobra.Command{
		Use: "release", Short: "print the SQL that takes everything of weir away from the source; with --apply, do it", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			config, err := a.load(cmd)
			if err != nil {
				return err
			}
			sql, err := node.Release(cmd.Context(), config, apply)
			if err != nil {
				return err
			}
			if apply {
				a.complain("slot and publication are gone from the source")
				return nil
			}
			a.printf("%s", sql)
			return nil
		}),
	}
	release.Flags().BoolVar(&apply, "apply", false, "do it")
	return noun("source", "what weir needs at the source, and how to take it away", script, release)
}

func (a *app) planCommand() *cobra.Command {
	var html string
	c := &cobra.Command{
		Use: "plan", Short: "what would cross and how, what is held back, what nothing asked for", Args: takes(0, 0),
		Long: "plan holds the policy against production's catalogue. It copies nothing. Exit status 3 when it finds a column that is copied and that nothing asked for.",
	}
	c.Flags().StringVar(&html, "html", "", "write a page for the person who signs it to `FILE` (- for standard output)")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		config, err := a.load(cmd)
		if err != nil {
			return err
		}
		r, err := node.Plan(cmd.Context(), config)
		if err != nil {
			return err
		}
		if err := a.showPlan(r, html); err != nil {
			return err
		}
		if n := len(r.Findings); n > 0 {
			return fault.Newf(fault.Found, "the plan has %s", several(n, "finding")).WithHint("each is listed with what to do about it")
		}
		return nil
	})
	return c
}

func (a *app) showPlan(r *policy.Report, html string) error {
	switch {
	case html == "-":
		return r.HTML(a.stdout)
	case html != "":
		return writeFile(html, r.HTML)
	case a.json:
		return a.printJSON(r)
	}
	return r.Text(a.stdout)
}

func writeFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.Newf(fault.Unavailable, "%s cannot be written", path).WithHint("look at the folder's permissions").WithCause(err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("close file: %w", closeErr)
		}
	}()
	return write(f)
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use: "explain TABLE.COLUMN", Short: "class, treatment, who asked for it, since when", Args: takes(1, 1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			config, err := a.load(cmd)
			if err != nil {
				return err
			}
			e, err := node.Explain(cmd.Context(), config, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(e)
			}
			a.printf("%s\n", e.Text)
			if e.Since != nil {
				a.printf("In force since %s, put there by %s.\n", e.Since.Format("2006-01-02 15:04:05 MST"), e.By)
			} else {
				a.printf("Not in force yet: weir has not run with this policy of the table here.\n")
			}
			return nil
		}),
	}
}

func indent(s, with string) string {
	out := ""
	for i, r := range s {
		out += string(r)
		if r == '\n' && i < len(s)-1 {
			out += with
		}
	}
	return out
}
