package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) runCommand() *cobra.Command {
	var o node.RunOptions
	c := &cobra.Command{
		Use: "run", Short: "copy and follow the source, and answer questions", Args: takes(0, 0),
		Long: `run copies what is not copied yet, follows production's changes, keeps the numbers current and answers the other commands. It ends on Ctrl-C or SIGTERM and goes on
where it was when it is started again. It never changes the source by itself: weir source script prints what a DBA runs first.`,
	}
	c.Flags().BoolVar(&o.Once, "once", false, "end when everything is copied that production had committed at the start")
	c.Flags().BoolVar(&o.Apply, "apply", false, "run the source script ourselves, which needs the rights for it")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		config, err := a.load(cmd)
		if err != nil {
			return err
		}
		n, err := node.Open(cmd.Context(), config, a.log())
		if err != nil {
			return endedBySignal(cmd.Context(), o, err)
		}
		defer func() { _ = n.Close() }()
		p := newProgress(a.stderr)
		defer p.end()
		o.Link = func(url string) {
			a.complain("there is no administrator yet; this link makes the first one, and works once:")
			a.complain("  %s", url)
		}
		err = n.WatchWhile(cmd.Context(), 500*time.Millisecond, p.show, func(ctx context.Context) error { return n.Run(ctx, o) })
		if err != nil {
			return endedBySignal(cmd.Context(), o, err)
		}
		p.end()
		if o.Once && cmd.Context().Err() != nil {
			return fault.New(fault.Unavailable, "weir was interrupted before everything was copied", "run it again: it goes on where it was")
		}
		if o.Once {
			return a.showStatus(cmd.Context(), n)
		}
		return nil
	})
	return c
}

// endedBySignal takes what a signal broke off for what it is: weir run is ended by one, and that is no failure. With --once something was left undone.
func endedBySignal(ctx context.Context, o node.RunOptions, err error) error {
	if kind := fault.KindOf(err); ctx.Err() != nil && !o.Once && (kind == fault.Internal || kind == fault.Unavailable) {
		return nil
	}
	return err
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "one screen: flow, lag, facts, ledger, what is held back", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error { return a.showStatus(ctx, w) })
		}),
	}
}

// connected asks the running node, or one opened for this command.
func (a *app) connected(cmd *cobra.Command, ask func(context.Context, node.Weir) error) (err error) {
	config, err := a.load(cmd)
	if err != nil {
		return err
	}
	w, err := node.Connect(cmd.Context(), config, a.log())
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	return ask(cmd.Context(), w)
}

type stature interface {
	Status(ctx context.Context) (*node.Status, error)
}

func (a *app) showStatus(ctx context.Context, w stature) error {
	s, err := w.Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(s)
	}
	running := "not running; these are the numbers of its last run"
	if s.Running {
		running = fmt.Sprintf("%s, process %d, since %s", s.Flow.Phase, s.PID, s.Since.Format(time.DateTime))
		if s.Flow.Reason != "" {
			running += ": " + s.Flow.Reason
		}
	}
	a.printf("weir     %s\nsource   %s\npolicy   %.16s\n", running, s.Source, s.Policy)
	if s.Lag != nil {
		a.printf("as of    %s (%s ago)\n", s.Flow.AsOf.UTC().Format(time.DateTime), time.Duration(*s.Lag*float64(time.Second)).Round(time.Second))
	} else {
		a.printf("as of    nothing was copied yet\n")
	}
	a.printf("ledger   %d entries in %s\n         public key %s\n\n", s.Ledger.Entries, s.Ledger.Dir, s.Ledger.PublicKey)
	rows := [][]string{{"TABLE", "ROWS COPIED", "CHANGES", "STATE"}}
	for _, t := range s.Flow.Tables {
		state := "not copied"
		if t.Copied {
			state = "copied"
		}
		if t.Held > 0 {
			state += fmt.Sprintf(", %d values held back", t.Held)
		}
		rows = append(rows, []string{t.Table, count(t.Rows), count(t.Changes), state})
	}
	for _, f := range s.Facts {
		state := "not derived yet"
		if !f.AsOf.IsZero() {
			state = "derived, as of " + f.AsOf.UTC().Format(time.DateTime)
		}
		rows = append(rows, []string{f.Fact, count(f.Rows), "", state})
	}
	if len(rows) > 1 {
		a.table(rows)
	}
	if s.Certificate != "" {
		a.printf("\nthe gate's renewed certificate is not in use, the one before is: %s\n", s.Certificate)
	}
	if len(s.Flow.Items) > 0 {
		a.printf("\nheld back or changed: %d\n", len(s.Flow.Items))
		for _, i := range s.Flow.Items {
			a.printf("  %s\n    %s\n", i.Message, i.Hint)
		}
	}
	return nil
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "prove that the store equals the source under the policy, or name the first row key that differs", Args: takes(0, 0),
		Long: `verify opens a snapshot of production, lets the flow reach exactly its position, treats every row once more and compares counts and order-independent checksums of the treated
values with what the store holds, file by file. Production and the flow go on meanwhile. Exit status 3 when something differs.`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				p := newProgress(a.stderr)
				defer p.end()
				report, err := w.Verify(ctx, p.verifying)
				if err != nil {
					return err
				}
				p.end()
				return a.showReport(report)
			})
		}),
	}
}

func (a *app) showReport(r *flow.Report) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		rows := [][]string{{"TABLE", "FILE", "SOURCE ROWS", "STORE ROWS", "RESULT"}}
		for _, t := range r.Tables {
			result := "equal"
			if d := t.Difference; d != nil {
				result = fmt.Sprintf("%s: row key %s", d.Kind, d.RowKey)
			}
			rows = append(rows, []string{t.Table, string(t.Access), count(t.SourceRows), count(t.StoreRows), result})
		}
		a.table(rows)
		if r.Equal {
			a.printf("\nthe store equals the source under the policy at position %s, %s (%.1f s)\n", r.Position, r.AsOf.Format(time.RFC3339), r.Seconds)
		}
	}
	if !r.Equal {
		return fault.New(fault.Found, "the store differs from the source under the policy", "the table says where; weir copies a table anew when its policy changes or the state folder is moved away")
	}
	return nil
}

// table prints rows in aligned columns; the first is the head.
func (a *app) table(rows [][]string) {
	width := map[int]int{}
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, c := range r {
			line.WriteString(c)
			if i < len(r)-1 {
				line.WriteString(strings.Repeat(" ", width[i]-len([]rune(c))+2))
			}
		}
		a.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// several counts things.
func several(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return count(int64(n)) + " " + thing
}

// count writes a number with thousands apart.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
