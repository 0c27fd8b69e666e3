package main

import (
	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
	"github.com/weirproject/weir/internal/policy"
)

func (a *app) policyCommand() *cobra.Command {
	check := &cobra.Command{
		Use: "check", Short: "read the policy; with a source, hold it against production's catalogue", Args: takes(0, 0),
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			config, err := a.load(cmd)
			if err != nil {
				return err
			}
			p, err := node.CheckPolicy(cmd.Context(), config)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(struct {
					Hash   string `json:"hash"`
					Tables int    `json:"tables"`
				}{p.Hash(), len(p.Tables)})
			}
			a.printf("the policy is sound: %d tables, hash %s\n", len(p.Tables), p.Hash())
			return nil
		}),
	}
	diff := &cobra.Command{
		Use: "diff OLD [NEW]", Short: "what a changed policy makes stronger and what weaker; exit status 3 when anything is weaker", Args: takes(1, 2),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			from, err := node.LoadPolicy(args[0])
			if err != nil {
				return err
			}
			var to string
			if len(args) == 2 {
				to = args[1]
			} else {
				config, err := a.load(cmd)
				if err != nil {
					return err
				}
				to = config.Policy
			}
			with, err := node.LoadPolicy(to)
			if err != nil {
				return err
			}
			return a.showDiff(policy.Diff(from, with))
		}),
	}
	return noun("policy", "the policy as code", check, diff)
}

func (a *app) showDiff(changes []policy.Change) error {
	weaker := 0
	for _, c := range changes {
		if c.Weaker {
			weaker++
		}
	}
	if a.json {
		if err := a.printJSON(changes); err != nil {
			return err
		}
	} else {
		for _, c := range changes {
			direction := "stronger"
			if c.Weaker {
				direction = "weaker"
			}
			name := c.Table
			switch {
			case c.Role != "":
				name = "role " + c.Role
			case c.Column != "":
				name += "." + c.Column
			}
			a.printf("%-8s  %s: %s\n", direction, name, c.What)
		}
	}
	if weaker > 0 {
		return fault.Newf(fault.Found, "the policy becomes weaker by %s", several(weaker, "change")).WithHint("let a second person look at them before they are run")
	}
	return nil
}
