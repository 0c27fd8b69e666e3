package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirproject/weir/internal/fault"
)

// takes makes the rule that a command has as many arguments as stand in capitals in its Use; those in brackets may be left out.
func takes(min, max int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= min && len(args) <= max {
			return nil
		}
		right := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(args) > max {
			return &ranError{fault.Newf(fault.Usage, "%s takes no %q", cmd.CommandPath(), args[max]).WithHint("%s; weir help %s says more", right, underRoot(cmd))}
		}
		return &ranError{fault.Newf(fault.Usage, "%s needs to know more", cmd.CommandPath()).WithHint("%s; weir help %s says more", right, underRoot(cmd))}
	}
}

// underRoot is the command as it is given to weir help.
func underRoot(cmd *cobra.Command) string {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return path
}

// unknownCommand says what could have been meant by a word that is no command.
func unknownCommand(cmd *cobra.Command, word string) error {
	hint := "weir help shows the commands"
	if path := underRoot(cmd); path != "" {
		hint = fmt.Sprintf("weir help %s shows what there is", path)
	}
	var known []string
	for _, c := range cmd.Commands() {
		known = append(known, c.Name())
	}
	if near := nearest(word, known); near != "" {
		hint = fmt.Sprintf("did you mean %s %s? %s", cmd.CommandPath(), near, hint)
	}
	return fault.Newf(fault.Usage, "there is no command %s %s", cmd.CommandPath(), word).WithHint("%s", hint)
}

// wrongFlag says what is wrong about a flag, and what could have been meant.
func wrongFlag(cmd *cobra.Command, err error) error {
	more := "weir help shows the flags"
	if path := underRoot(cmd); path != "" {
		more = fmt.Sprintf("weir help %s shows its flags", path)
	}
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name, hint := unknown.GetSpecifiedName(), more
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean --%s? %s", near, more)
		}
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return &ranError{fault.Newf(fault.Usage, "%s has no flag %s%s", cmd.CommandPath(), dashes, name).WithHint("%s", hint)}
	case errors.As(err, &empty):
		return &ranError{fault.Newf(fault.Usage, "--%s needs a value", empty.GetSpecifiedName()).WithHint("%s", more)}
	case errors.As(err, &invalid):
		return &ranError{fault.Newf(fault.Usage, "--%s cannot be %q", invalid.GetFlag().Name, invalid.GetValue()).WithHint("give a %s; %s", kindOfFlag(invalid.GetFlag()), more)}
	}
	return &ranError{fault.New(fault.Usage, "the flags cannot be read", more).WithCause(err)}
}

func kindOfFlag(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "int", "int64", "uint64":
		return "whole number"
	case "float64":
		return "number"
	case "duration":
		return "duration as 30s, 5m or 2h"
	case "bool":
		return "value: true or false"
	}
	return "value"
}

// nearest returns the known name that a typing error away from word would be, or "".
func nearest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if d := fault.EditDistance(word, k); d < least && d < len(word) {
			best, least = k, d
		}
	}
	return best
}

// helpCommand is weir help.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "help about a command", Args: cobra.ArbitraryArgs,
		RunE: does(func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil {
				return unknownCommand(root, args[0])
			}
			if len(rest) > 0 {
				return unknownCommand(cmd, rest[0])
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		}),
	}
}
