package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) userInviteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "invite NAME", Short: "a link with which a person chooses a new page password", Args: takes(1, 1),
		Long: `invite makes a link to the page that works once, within a day. Whoever opens it chooses the account's page password, so give it to its owner alone. An earlier link of the account is worthless from
here on; the present password stays good until the link is used.`,
		RunE: does(func(cmd *cobra.Command, args []string) error {
			return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
				i, err := w.Invite(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(i)
				}
				a.printf("%s\n", i.Link)
				a.complain("it works once, until %s, and is not shown again", i.Expires.Format(time.RFC3339))
				return nil
			})
		}),
	}
}

func (a *app) userPasswordCommand() *cobra.Command {
	var end bool
	c := &cobra.Command{
		Use: "password NAME", Short: "a new SQL password for a service, or none any more", Args: takes(1, 1),
		Long: `password gives a service a new SQL password that lives ninety days. The one before is no longer good, and connections that were begun with it end. People renew theirs with weir login.
With --end it takes an SQL password back, a person's too, and gives none.`,
	}
	c.Flags().BoolVar(&end, "end", false, "take the SQL password back; connections that were begun with it end")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			if end {
				if err := w.EndPassword(ctx, args[0]); err != nil {
					return err
				}
				return a.done("the SQL password is no longer good, and whoever came in with it is out")
			}
			l, err := w.RenewPassword(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(l)
			}
			a.showLogin(l)
			a.complain("nothing of this is shown again")
			return nil
		})
	})
	return c
}

func (a *app) userCertificateCommand() *cobra.Command {
	var out, revoke string
	c := &cobra.Command{
		Use: "certificate NAME", Short: "a client certificate for a service, or none any more", Args: takes(1, 1),
		Long: `certificate gives a service a client certificate that lives ninety days, in DIR/NAME.crt, with its key in DIR/NAME.key. Nothing else has the key. Others that the service has stay good: it can change
from one to the next, and then the old one is revoked. Address ranges of the service hold for certificates too.
With --revoke it ends one certificate, by the serial number that weir user show shows, and the connections that were begun with it.`,
		Example: "  weir user certificate grafana --out keys",
	}
	c.Flags().StringVar(&out, "out", "", "the `DIR` for the certificate and its key; neither file may exist")
	c.Flags().StringVar(&revoke, "revoke", "", "end the certificate of this `SERIAL` number, as weir or openssl prints it")
	c.RunE = does(func(cmd *cobra.Command, args []string) error {
		if (out == "") == (revoke == "") {
			return fault.New(fault.Usage, "weir user certificate makes one or ends one", "weir user certificate NAME --out DIR, or weir user certificate NAME --revoke SERIAL")
		}
		return a.connected(cmd, func(ctx context.Context, w node.Weir) error {
			if revoke != "" {
				if err := w.RevokeCertificate(ctx, args[0], revoke); err != nil {
					return err
				}
				return a.done("the certificate is no longer good, and whoever came in with it is out")
			}
			u, err := w.User(ctx, args[0]) // who does not exist gets no files
			if err != nil {
				return err
			}
			files, err := node.NewKeyFiles(out, string(u.Name))
			if err != nil {
				return err
			}
			certificate, err := w.IssueCertificate(ctx, string(u.Name))
			if err != nil {
				files.Discard()
				return err
			}
			if err := files.Keep(certificate); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(certificate)
			}
			a.showCertificate(certificate)
			return nil
		})
	})
	return c
}

func (a *app) showCertificate(c *node.NewCertificate) {
	a.printf("certificate    %s  (serial %s, until %s)\nkey            %s\n", c.SQL.Certificate, c.Serial, c.Expires.Format(time.RFC3339), c.SQL.Key)
	a.showConnect(c.SQL)
}
