package main

import (
	"bufio"
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) queryCommand() *cobra.Command {
	var explain bool
	c := &cobra.Command{
		Use: "query SQL", Short: "ask the copy in SQL, through the gate, like everybody else", Args: takes(1, 1),
		Long: `query answers one SELECT in DuckDB's language over what is open to SQL. It is decided on, limited and recorded like everybody's; its literals stand in the record as keyed hashes.
With --explain it shows the decision and runs nothing.`,
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

func (a *app) userCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "the accounts of people and machines", Args: cobra.NoArgs,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				accounts, err := w.Users(ctx)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(accounts)
				}
				rows := [][]string{{"NAME", "ROLE", "KIND", "SINCE", "SQL PASSWORD UNTIL"}}
				for _, u := range accounts {
					until := "none"
					if u.SQLExpires != nil {
						until = u.SQLExpires.UTC().Format(time.DateTime)
					}
					rows = append(rows, []string{string(u.Name), string(u.Role), string(u.Kind), u.Created.UTC().Format(time.DateOnly), until})
				}
				a.table(rows)
				return nil
			})
		}),
	}
	remove := &cobra.Command{
		Use: "remove NAME", Short: "end an account, its connections and everything that it opened", Args: takes(1, 1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				if err := w.RemoveUser(ctx, args[0]); err != nil {
					return err
				}
				a.complain("the account is gone, and whoever used it is out")
				return nil
			})
		}),
	}
	return noun("user", "who may come to the gate", a.userAddCommand(), list, remove)
}

func (a *app) userAddCommand() *cobra.Command {
	var q node.UserRequest
	c := &cobra.Command{
		Use: "add NAME --role ROLE", Short: "make an account; what opens it is shown this once", Args: takes(1, 1),
		Long: `add makes an account. A person gets a page password and, with a role that may ask SQL, an SQL password that lives some hours and is renewed by weir login. With --service it is a machine's:
its SQL password lives ninety days at most and works from the given address ranges only.

The roles: viewer (metrics), analyst (metrics, and SELECT over what is open to SQL), admin (people and settings; no data by that).`,
	}
	c.Flags().StringVar(&q.Role, "role", "", "viewer, analyst or admin")
	c.Flags().BoolVar(&q.Service, "service", false, "a machine")
	c.Flags().StringSliceVar(&q.Networks, "network", nil, "an address `RANGE` that the machine comes from")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		q.Name = args[0]
		if q.Role == "" {
			return fault.New(fault.Usage, "a new account needs a role", "weir user add NAME --role viewer, analyst or admin")
		}
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			u, err := w.AddUser(ctx, q)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(u)
			}
			a.printf("user           %s\nrole           %s\n", u.User, u.Role)
			if u.PagePassword != "" {
				a.printf("page password  %s\n", u.PagePassword)
			}
			if u.SQL != nil {
				a.showLogin(u.SQL)
			}
			a.complain("nothing of this is shown again")
			return nil
		})
	})
	return c
}

func (a *app) showLogin(l *node.Login) {
	a.printf("SQL password   %s  (until %s)\n", l.Password, l.Expires.Format(time.RFC3339))
	if l.Port == 0 {
		a.complain("the gate does not listen: set gate.sql in the configuration, for example 127.0.0.1:6432")
		return
	}
	a.printf("connect        psql \"%s\"\n", l.Conninfo())
}

func (a *app) loginCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use: "login --user NAME", Short: "a new SQL password for somebody who knows their page password", Args: cobra.NoArgs,
		Long: "login asks for the page password, on the terminal or as the first line of standard input, and gives an SQL password that lives some hours. The one before is no longer good.",
	}
	c.Flags().StringVar(&user, "user", "", "`NAME` of the account")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if user == "" {
			return fault.New(fault.Usage, "whose login it is must be said", "weir login --user NAME")
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
			if a.json {
				return a.printJSON(l)
			}
			a.showLogin(l)
			return nil
		})
	})
	return c
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
