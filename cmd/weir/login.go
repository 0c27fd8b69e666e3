package main

import (
	"bufio"
	"context"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) loginCommand() *cobra.Command {
	var user, at, ca string
	c := &cobra.Command{
		Use: "login --user NAME", Short: "a new SQL password for somebody who knows their page password", Args: cobra.NoArgs,
		Long: `login asks for the page password, on the terminal or as the first line of standard input, and gives an SQL password that lives some hours. The one before is no longer good.
Where weir runs it asks weir itself. From any other machine, --at names the address of its page, and --ca the file that vouches for its certificate: ca.pem of weir's key folder, brought over on a way
that can be trusted. Without --ca the certificates that this machine knows must do.`,
		Example: "  weir login --user ada\n  weir login --user ada --at https://weir.example.com:8443 --ca weir-ca.pem",
	}
	c.Flags().StringVar(&user, "user", "", "`NAME` of the account")
	c.Flags().StringVar(&at, "at", "", "the `URL` of the page of a weir on another machine")
	c.Flags().StringVar(&ca, "ca", "", "the `FILE` of certificates that vouches for --at")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if user == "" {
			return fault.New(fault.Usage, "whose login it is must be said", "weir login --user NAME")
		}
		if at != "" {
			return a.loginElsewhere(cmd.Context(), at, ca, user)
		}
		if ca != "" {
			return fault.New(fault.Usage, "--ca vouches for a weir on another machine, and none is named", "name its page with --at https://HOST:PORT, or leave --ca out")
		}
		password, err := a.askPassword()
		if err != nil {
			return err
		}
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			l, err := w.Login(ctx, user, password)
			if err != nil {
				return err
			}
			return a.answerLogin(l)
		})
	})
	return c
}

func (a *app) loginElsewhere(ctx context.Context, at, ca, user string) error {
	e, err := node.NewElsewhere(at, ca)
	if err != nil {
		return err
	}
	password, err := a.askPassword()
	if err != nil {
		return err
	}
	l, err := e.Login(ctx, user, password)
	if err != nil {
		return err
	}
	return a.answerLogin(l)
}

func (a *app) answerLogin(l *node.Login) error {
	if a.json {
		return a.printJSON(l)
	}
	a.showLogin(l)
	return nil
}

// askPassword reads a password without showing it.
func (a *app) askPassword() (string, error) {
	if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
		_, _ = a.stderr.Write([]byte("page password: "))
		p, err := term.ReadPassword(fd)
		_, _ = a.stderr.Write([]byte("\n"))
		if err != nil {
			return "", fault.New(fault.Unavailable, "the password cannot be read from the terminal", "pipe it to standard input").WithCause(err)
		}
		return string(p), nil
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && line == "" {
		return "", fault.New(fault.Usage, "there is no password on standard input", "pipe it, or call weir login from a terminal").WithCause(err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
