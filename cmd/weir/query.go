package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/node"
)

func (a *app) queryCommand() *cobra.Command {
	var explain bool
	c := &cobra.Command{
		Use: "query SQL", Short: "ask the copy in SQL, through the gate, like everybody else", Args: takes(1, 1),
		Long: `query answers one SELECT in DuckDB's language over what is open to SQL. It is decided on, limited and recorded like everybody's; its literals stand in the record as keyed hashes.
With --explain it shows the decision and runs nothing; that the question was put is recorded then, too.`,
		Example: `  weir query "SELECT model_id, count(*) FROM fleet.device GROUP BY ALL ORDER BY 2 DESC"`,
	}
	c.Flags().BoolVar(&explain, "explain", false, "show the decision: what would run, and which columns it reads")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			if explain {
				return a.showDecision(ctx, w, args[0])
			}
			t, err := w.Query(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			rows := [][]string{t.Columns}
			for _, r := range t.Rows {
				line := make([]string, len(r))
				for i, cell := range r {
					if line[i] = "NULL"; cell != nil {
						line[i] = printable(*cell)
					}
				}
				rows = append(rows, line)
			}
			a.table(rows)
			return nil
		})
	})
	return c
}

// printable keeps control characters of a value from the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}

func (a *app) showDecision(ctx context.Context, w node.Weir, sql string) error {
	e, err := w.ExplainQuery(ctx, sql)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(e)
	}
	a.printf("allowed; this runs:\n  %s\n\nit reads:\n", e.SQL)
	for _, r := range e.Reads {
		a.printf("  %s: %s\n", r.Table, strings.Join(r.Columns, ", "))
	}
	return nil
}
