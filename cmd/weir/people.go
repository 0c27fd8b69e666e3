package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) userCommand() *cobra.Command {
	return noun("user", "who may come to the gate", a.userAddCommand(), a.userListCommand(), a.userShowCommand(), a.userInviteCommand(), a.userPasswordCommand(),
		a.userCertificateCommand(), a.userSessionsCommand(), a.userRemoveCommand())
}

func moment(t time.Time) string { return t.UTC().Format(time.DateTime) }

func (a *app) userListCommand() *cobra.Command {
	return &cobra.Command{
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
				rows := [][]string{{"NAME", "ROLE", "KIND", "SINCE", "SQL PASSWORD"}}
				for _, u := range accounts {
					rows = append(rows, []string{string(u.Name), string(u.Role), string(u.Kind), u.Created.UTC().Format(time.DateOnly), expiry(u.SQLExpires)})
				}
				a.table(rows)
				return nil
			})
		}),
	}
}

func (a *app) userShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "everything that may be shown of an account", Args: takes(1, 1),
		Long: "show says what an account may do by its role, what opens it and until when, and who is signed in with it. Times are UTC. Passwords, keys and tokens are shown once, when they are made.",
		RunE: does(func(cmd *cobra.Command, args []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				u, err := w.User(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(u)
				}
				a.showUser(u)
				return nil
			})
		}),
	}
}

// roles are what each role may do.
var roles = map[string]string{
	"viewer":  "ask for metrics",
	"analyst": "ask for metrics, and SELECT over what is open to SQL",
	"admin":   "administer people and settings; see no data by that",
}

func (a *app) showUser(u *node.User) {
	page := "none"
	switch {
	case u.PageTemporary:
		page = "one that weir made; its owner should choose another"
	case u.Page:
		page = "chosen by its owner"
	}
	networks := make([]string, len(u.Networks))
	for i, n := range u.Networks {
		networks[i] = n.String()
	}
	from := strings.Join(networks, ", ")
	if from == "" {
		from = "anywhere"
	}
	a.printf("name           %s\nrole           %s\nmay            %s\nkind           %s\nadded          %s by %s\n", u.Name, u.Role, roles[string(u.Role)], u.Kind, moment(u.Created), printable(u.CreatedBy))
	if u.Disabled {
		a.printf("disabled       nothing signs it in\n")
	}
	a.printf("page password  %s\nSQL password   %s\nmay come from  %s\n", page, expiry(u.SQLExpires), from)
	if len(u.Certificates) > 0 {
		a.printf("\n")
		rows := [][]string{{"CERTIFICATE", "UNTIL"}}
		for _, c := range u.Certificates {
			rows = append(rows, []string{c.Serial, moment(c.Expires)})
		}
		a.table(rows)
	}
	if len(u.Sessions) > 0 {
		a.printf("\n")
		a.showSessions(u)
	}
}

// expiry says until when something is good.
func expiry(t *time.Time) string {
	switch {
	case t == nil:
		return "none"
	case t.Before(time.Now()):
		return "expired " + moment(*t)
	}
	return "until " + moment(*t)
}

func (a *app) showSessions(u *node.User) {
	rows := [][]string{{"SESSION", "OF", "FROM", "BEGUN", "LAST USED", "UNTIL"}}
	for _, s := range u.Sessions {
		rows = append(rows, []string{string(s.ID), string(s.Kind), s.Address, moment(s.Created), moment(s.LastSeen), moment(s.Expires)})
	}
	a.table(rows)
}

func (a *app) userRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME", Short: "end an account, its connections and everything that it opened", Args: takes(1, 1),
		RunE: does(func(cmd *cobra.Command, args []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				if err := w.RemoveUser(ctx, args[0]); err != nil {
					return err
				}
				return a.done("the account is gone, and whoever used it is out")
			})
		}),
	}
}

// done says that something was done which has no answer.
func (a *app) done(what string) error {
	a.complain("%s", what)
	if a.json {
		return a.printJSON(struct{}{})
	}
	return nil
}

func (a *app) userSessionsCommand() *cobra.Command {
	var end string
	c := &cobra.Command{
		Use: "sessions NAME", Short: "where a person is signed in to the page, and an end to it", Args: takes(1, 1),
		Long: "sessions lists a person's sessions on the page and of weir login. They end by themselves after an hour without use and twelve hours at all. SQL connections are not among them: weir user password NAME --end ends those.",
	}
	c.Flags().StringVar(&end, "end", "", "end the session of this `ID`, or all")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			if end != "" {
				if err := w.EndSessions(ctx, args[0], end); err != nil {
					return err
				}
				return a.done("whoever had it open is out; the password stays good (weir user invite NAME lets its owner choose another)")
			}
			u, err := w.User(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(u.Sessions)
			}
			a.showSessions(u)
			return nil
		})
	})
	return c
}

func (a *app) userAddCommand() *cobra.Command {
	var q node.UserRequest
	var dir string
	c := &cobra.Command{
		Use: "add NAME --role ROLE", Short: "make an account; what opens it is shown this once", Args: takes(1, 1),
		Long: `add makes an account. A person gets a page password and, with a role that may ask SQL, an SQL password that lives some hours and is renewed by weir login. With --service it is a machine's:
an SQL password that lives ninety days at most and works from the given address ranges only, or with --certificate a client certificate and no password.

The roles: viewer (metrics), analyst (metrics, and SELECT over what is open to SQL), admin (people and settings; no data by that).`,
		Example: `  weir user add ada --role analyst
  weir user add grafana --role analyst --service --network 192.0.2.0/24
  weir user add airflow --role analyst --service --certificate keys`,
	}
	c.Flags().StringVar(&q.Role, "role", "", "viewer, analyst or admin")
	c.Flags().BoolVar(&q.Service, "service", false, "a machine")
	c.Flags().StringSliceVar(&q.Networks, "network", nil, "an address `RANGE` that the machine comes from")
	c.Flags().StringVar(&dir, "certificate", "", "the `DIR` for a machine's certificate and key, in the place of a password")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		q.Name, q.Certificate = args[0], dir != ""
		if q.Role == "" {
			return fault.New(fault.Usage, "a new account needs a role", "weir user add NAME --role viewer, analyst or admin")
		}
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			u, err := addUser(ctx, w, q, dir)
			if f := fault.Public(err); err != nil && f.Kind == fault.Invalid { // all that it takes stands on the command line
				return fault.New(fault.Usage, f.Message, f.Hint).WithCause(err)
			}
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
			if u.Certificate != nil {
				a.showCertificate(u.Certificate)
			}
			if u.PagePassword != "" || u.SQL != nil {
				a.complain("nothing of this is shown again")
			}
			return nil
		})
	})
	return c
}

// addUser makes an account, and the files for its certificate when it gets one.
func addUser(ctx context.Context, w node.Weir, q node.UserRequest, dir string) (*node.NewUser, error) {
	if !q.Certificate {
		return w.AddUser(ctx, q)
	}
	files, err := node.NewKeyFiles(dir, q.Name)
	if err != nil {
		return nil, err
	}
	u, err := w.AddUser(ctx, q)
	if err != nil {
		files.Discard()
		return nil, err
	}
	return u, files.Keep(u.Certificate)
}

func (a *app) showLogin(l *node.Login) {
	a.printf("SQL password   %s  (until %s)\n", l.Password, l.Expires.Format(time.RFC3339))
	a.showConnect(l)
}

// showConnect prints what to type.
func (a *app) showConnect(l *node.Login) {
	if l.Port == 0 {
		a.complain("the gate does not listen: set gate.sql in the configuration, for example 127.0.0.1:6432")
		return
	}
	info := `"` + l.Conninfo() + `"`
	if strings.ContainsAny(l.Conninfo(), "\"$`\\!") { // a shell would read them
		info = "'" + strings.ReplaceAll(l.Conninfo(), "'", `'\''`) + "'"
	}
	a.printf("connect        psql %s\n", info)
}
