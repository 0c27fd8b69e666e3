package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/node"
)

func (a *app) fleetCommand() *cobra.Command {
	return noun("fleet", "the synthetic smart-home company of demos, tests and benchmarks", a.fleetCreateCommand(), a.fleetLiveCommand())
}

var errNoTarget = fault.New(fault.Usage, "weir fleet needs a database to write to", "weir fleet create --to postgres://user@host/database --accounts 1000")

// errNoDays is for 0 days, which the fleet would take for those that nobody chose.
var errNoDays = fault.New(fault.Usage, "a fleet has at least one day of history", "--days 1 is the shortest; --accounts 0 makes the empty schema")

func (a *app) fleetCreateCommand() *cobra.Command {
	var o fleet.Options
	var profile, truth, until string
	c := &cobra.Command{
		Use: "create --to URL", Short: "fill an empty database with the company", Args: takes(0, 0),
		Long: "create makes the schema fleet and fills it. The same seed, accounts, days, profile and end give the same rows. --accounts 0 makes the empty schema.",
	}
	f := c.Flags()
	f.StringVar(&o.URL, "to", "", "connection `URL` of the database")
	f.IntVar(&o.Accounts, "accounts", 1000, "how many accounts; 0 makes the empty schema")
	f.IntVar(&o.Days, "days", fleet.DefaultDays, "how many days of history, at least 1")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same rows")
	f.StringVar(&profile, "profile", string(fleet.ProfileThin), "thin or full telemetry")
	f.StringVar(&until, "until", "", "end of the history, a `DATE`, exclusive (default today, UTC)")
	f.StringVar(&truth, "truth", "", "write what was planted to `FILE`, as JSON")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if o.URL == "" {
			return errNoTarget
		}
		if o.Days == 0 {
			return errNoDays
		}
		if until != "" {
			at, err := time.Parse(time.DateOnly, until)
			if err != nil {
				return fault.New(fault.Usage, "--until is not a date", "write it as 2026-11-20")
			}
			o.Until = at
		}
		o.Profile = fleet.Profile(profile)
		p := newProgress(a.stderr)
		defer p.end()
		o.Progress = p.creating
		began := time.Now()
		t, err := fleet.Create(cmd.Context(), o)
		if err != nil {
			return err
		}
		p.end()
		if truth != "" {
			if err := fleet.WriteTruth(truth, t); err != nil {
				return err
			}
		}
		var rows int64
		for _, n := range t.Rows {
			rows += n
		}
		if a.json {
			return a.printJSON(map[string]any{"rows": rows, "accounts": t.Accounts, "devices": t.Devices, "seconds": time.Since(began).Seconds()})
		}
		a.printf("%s accounts, %s devices, %s rows in %.1f s (%s rows/s)\n", count(int64(t.Accounts)), count(int64(t.Devices)), count(rows), time.Since(began).Seconds(),
			count(int64(float64(rows)/time.Since(began).Seconds())))
		return nil
	})
	return c
}

func (p *progress) creating(f fleet.Progress) {
	if !f.Done {
		p.step("making the fleet", f.Rows, f.Expected)
	}
}

func (a *app) fleetLiveCommand() *cobra.Command {
	var o fleet.LiveOptions
	c := &cobra.Command{
		Use: "live --to URL", Short: "let the company in a database go on living", Args: takes(0, 0),
	}
	c.Flags().StringVar(&o.URL, "to", "", "connection `URL` of the database")
	c.Flags().Float64Var(&o.Speed, "speed", 1, "how many times faster than life")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of what happens")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if o.URL == "" {
			return errNoTarget
		}
		if o.Speed <= 0 {
			return fault.New(fault.Usage, "--speed is not above 0", "leave it out for life's own speed")
		}
		return fleet.Live(cmd.Context(), o)
	})
	return c
}

func (a *app) demoCommand() *cobra.Command {
	o := node.DemoOptions{}
	c := &cobra.Command{
		Use: "demo", Short: "the whole product on one machine: a private PostgreSQL with a living fleet, the copy, the numbers", Args: takes(0, 0),
	}
	c.Flags().StringVar(&o.Dir, "dir", "demo", "the `FOLDER` of the demo; what an earlier demo left in it is thrown away")
	c.Flags().IntVar(&o.Accounts, "accounts", 10_000, "how many accounts the fleet has")
	c.Flags().IntVar(&o.Days, "days", 30, "how many days of history, at least 1")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "seed of the fleet")
	c.Flags().DurationVar(&o.Live, "live", 0, "end after the fleet has lived on for so long (default: until Ctrl-C)")
	c.RunE = does(func(cmd *cobra.Command, _ []string) error {
		if o.Days == 0 {
			return errNoDays
		}
		p := newProgress(a.stderr)
		defer p.end()
		o.Log, o.Creating, o.Copying = a.log(), p.creating, p.show
		o.Say = func(format string, args ...any) {
			p.end()
			a.printf(format+"\n", args...)
		}
		return node.Demo(cmd.Context(), o)
	})
	return c
}
