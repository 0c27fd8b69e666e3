package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
)

// app is one call of the command: its streams and the flags that every command has.
type app struct {
	stdout, stderr io.Writer

	config, source, state string
	json, debug           bool
}

// run executes a command line and returns its exit status: 0 done, 1 failed, 2 wrong usage, 3 something was found, 4 refused.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return fault.ExitDone
	}
	var ran *ranError
	if !errors.As(err, &ran) { // cobra's own: an unknown command or flag, a missing argument
		err = fault.New(fault.Usage, strings.TrimSpace(firstLine(err.Error())), "weir help shows the commands, weir help COMMAND one of them")
	}
	shown := fault.Public(err)
	if ctx.Err() != nil && (shown.Kind == fault.Internal || shown.Kind == fault.Unavailable) {
		shown = fault.New(fault.Unavailable, "weir was interrupted before it was done", "run the command again").WithCause(err)
	}
	if shown.Message != "" {
		a.complain("%s", shown.Message)
	}
	if shown.Hint != "" {
		a.hint(shown.Hint)
	}
	if a.debug && shown.Kind == fault.Internal {
		// The cause of an internal error may quote an engine, so it is shown only where the operator asked for it, as types.
		for cause := error(shown); cause != nil; cause = errors.Unwrap(cause) {
			a.complain("cause: %T", cause)
		}
	}
	return fault.ExitCode(shown)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// ranError marks what a command returned, to tell it from cobra's own errors.
type ranError struct{ error }

func (e *ranError) Unwrap() error { return e.error }

// does makes a cobra function of ours.
func does(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd, args); err != nil {
			return &ranError{err}
		}
		return nil
	}
}

func (a *app) complain(format string, args ...any) {
	for i, line := range strings.Split(fmt.Sprintf(format, args...), "\n") {
		prefix := "weir: "
		if i > 0 {
			prefix = "      "
		}
		_, _ = fmt.Fprintln(a.stderr, prefix+line)
	}
}

func (a *app) hint(text string) {
	for i, line := range strings.Split(text, "\n") {
		prefix := "hint: "
		if i > 0 {
			prefix = "      "
		}
		_, _ = fmt.Fprintln(a.stderr, prefix+line)
	}
}

func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stdout, format, args...)
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fault.New(fault.Unavailable, "the answer cannot be written", "look at where the output goes").WithCause(err)
	}
	return nil
}

// log is the operator's log: warnings, and everything with --debug.
func (a *app) log() *slog.Logger {
	level := slog.LevelWarn
	if a.debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// load finds the configuration: --config, or what the state folder of --state was last run with, or weir.yaml here. Without a file, flags alone must do.
func (a *app) load(cmd *cobra.Command) (*node.Config, error) {
	return node.FindConfig(node.Find{
		Config: a.config, ConfigGiven: cmd.Flags().Changed("config"), State: a.state, Source: a.source,
	})
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "copies production data into a fast database that is easy to query and safe to lose",
		Long: `weir copies production data into a fast database that is easy to query and safe to lose: secrets never cross, people become pseudonyms, one guarded gate
answers every question and remembers who asked.

Answers go to standard output, everything else to standard error. Exit status: 0 done, 1 failed, 2 wrong usage, 3 something was found (a difference,
a finding), 4 refused.`,
		SilenceErrors: true, SilenceUsage: true, Version: node.Version(),
		Args: cobra.ArbitraryArgs,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		}),
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpCommand(helpCommand(root))
	f := root.PersistentFlags()
	f.StringVar(&a.config, "config", "weir.yaml", "the configuration `FILE`")
	f.StringVar(&a.source, "source", "", "connection `URL` of the source; overrides the configuration")
	f.StringVar(&a.state, "state", "", "state `DIR`; overrides the configuration")
	f.BoolVar(&a.json, "json", false, "answer as JSON of a stable shape")
	f.BoolVar(&a.debug, "debug", false, "log everything to standard error")
	root.AddCommand(
		a.demoCommand(), a.initCommand(), a.checkCommand(), a.sourceCommand(), a.planCommand(), a.runCommand(), a.statusCommand(), a.verifyCommand(),
		a.explainCommand(), a.queryCommand(), a.metricCommand(), a.userCommand(), a.loginCommand(), a.policyCommand(), a.ledgerCommand(), a.fleetCommand(),
	)
	return root
}

// noun makes a command that only groups others.
func noun(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: does(func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return fault.Newf(fault.Usage, "weir %s needs to know what to do", use).WithHint("weir help %s shows what there is", use)
	})}
	c.AddCommand(children...)
	return c
}
