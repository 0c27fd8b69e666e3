package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) metricCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "the metrics there are, with their definitions", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				metrics, err := w.Metrics(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(metrics)
				}
				if len(metrics) == 0 {
					a.complain("no metrics are defined: name their folder as metrics: in the configuration")
				}
				for _, m := range metrics {
					a.printf("%s  (version %d, owner %s)\n  %s\n  by %s; grains %s\n\n", m.Name, m.Version, m.Owner, m.Definition, strings.Join(m.Dimensions, ", "), strings.Join(m.Grains, ", "))
				}
				return nil
			})
		}),
	}
	return noun("metric", "business questions, defined once, and their numbers", list, a.metricShowCommand())
}

func (a *app) metricShowCommand() *cobra.Command {
	var q metric.Question
	var from, to string
	c := &cobra.Command{
		Use: "show NAME", Short: "the numbers of a metric", Args: takes(1, 1),
		Example: "  weir metric show failed_connection_rate --by model --grain week --from 2026-11-01 --to 2026-12-01",
	}
	c.Flags().StringSliceVar(&q.By, "by", nil, "break down by `DIMENSION` (several: a,b)")
	c.Flags().StringVar(&q.Grain, "grain", "", "interval: hour, day or week (default day)")
	c.Flags().StringVar(&from, "from", "", "first `TIME`, inclusive: a date or RFC 3339")
	c.Flags().StringVar(&to, "to", "", "last `TIME`, exclusive: a date or RFC 3339")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		q.Metric = args[0]
		for _, t := range []struct {
			flag, text string
			into       **time.Time
		}{{"--from", from, &q.From}, {"--to", to, &q.To}} {
			if t.text == "" {
				continue
			}
			at, err := metric.ParseTime(t.flag, t.text)
			if err != nil {
				return err
			}
			*t.into = &at
		}
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			shown, err := w.Ask(ctx, q)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(shown.JSON)
			}
			a.printf("%s", shown.Text)
			return nil
		})
	})
	return c
}
