package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"github.com/weirproject/weir/examples"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/postmaster"
)

// DemoOptions say what the demo is like.
type DemoOptions struct {
	Dir      string // everything of the demo; a folder of an earlier demo is used anew
	Accounts int
	Days     int
	Seed     uint64
	Live     time.Duration // how long the fleet goes on living; 0: until ctx ends
	Log      *slog.Logger
	Say      func(format string, args ...any) // prints a line
	Creating func(fleet.Progress)
	Copying  func(flow.Status)
}

// demoMark is the file by which a demo knows a folder as one of its own, which it may empty. It holds the place of the private PostgreSQL.
const demoMark = ".weir-demo"

// Demo is the whole product on one machine: a private PostgreSQL with a living fleet, the copy, the numbers. It ends with ctx and leaves no process.
func Demo(ctx context.Context, o DemoOptions) (err error) {
	server, err := o.startServer(ctx)
	if err != nil {
		return quietly(ctx, err)
	}
	defer func() { err = errors.Join(err, server.remove()) }()
	url := server.URL("postgres")
	if _, err := fleet.Create(ctx, fleet.Options{URL: url, Accounts: o.Accounts, Days: o.Days, Seed: o.Seed, Progress: o.Creating}); err != nil {
		return quietly(ctx, err)
	}
	config, err := LoadConfig(filepath.Join(o.Dir, "fleet", defaultConfig))
	if err != nil {
		return err
	}
	config.State = filepath.Join(o.Dir, "state")
	config.Source.URL = url
	config.Gate.SQL, config.Gate.Web = "127.0.0.1:0", "127.0.0.1:0"
	n, err := Open(ctx, config, o.Log)
	if err != nil {
		return quietly(ctx, err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel(nil)
	administrator := make(chan string, 1)
	running.Go(func() {
		if err := n.Run(ctx, RunOptions{Apply: true, Link: func(url string) { administrator <- url }}); err != nil {
			cancel(err)
		}
	})
	if err := n.untilFollowing(ctx, o.Copying); err != nil {
		return quietly(ctx, err)
	}
	if err := o.showNumbers(ctx, n); err != nil {
		return quietly(ctx, err)
	}
	o.showHeldBack(ctx, n)
	if err := o.showWaysIn(ctx, n, administrator); err != nil {
		return quietly(ctx, err)
	}
	running.Go(func() {
		if err := fleet.Live(ctx, fleet.LiveOptions{URL: url, Speed: 1, Seed: o.Seed}); err != nil && ctx.Err() == nil {
			cancel(err)
		}
	})
	return quietly(ctx, o.live(ctx, n))
}

// quietly makes an end that was asked for no error, and gives the cause of any other.
func quietly(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// demoServer is the private PostgreSQL. It lives apart from the demo's folder, because its user may not be able to walk there.
type demoServer struct {
	*postmaster.Server
	dir  string
	lock *os.File
}

func (s *demoServer) remove() error {
	err := s.Stop()
	_ = s.lock.Close()
	if rmErr := os.RemoveAll(s.dir); err == nil && rmErr != nil {
		err = fmt.Errorf("remove the demo's server: %w", rmErr)
	}
	return err
}

func (o DemoOptions) startServer(ctx context.Context) (*demoServer, error) {
	mark := filepath.Join(o.Dir, demoMark)
	if entries, err := os.ReadDir(o.Dir); err == nil && len(entries) > 0 {
		old, err := os.ReadFile(mark)
		if err != nil {
			return nil, fault.Newf(fault.Refused, "%s is not a folder of an earlier demo, and the demo empties its folder", o.Dir).WithHint("choose another with --dir")
		}
		if other, err := lockMark(mark); err != nil {
			return nil, fault.Newf(fault.Unavailable, "a demo is running in %s", o.Dir).WithHint("end it first, or choose another folder with --dir").WithCause(err)
		} else if err := other.Close(); err != nil {
			return nil, fmt.Errorf("close mark: %w", err)
		}
		if dir := strings.TrimSpace(string(old)); strings.HasPrefix(filepath.Base(dir), "weir-demo-") {
			_ = os.RemoveAll(dir) // of a demo that was killed
		}
		if err := os.RemoveAll(o.Dir); err != nil {
			return nil, fault.Newf(fault.Unavailable, "the folder of the earlier demo, %s, cannot be emptied", o.Dir).WithHint("remove it, or choose another with --dir").WithCause(err)
		}
	}
	dir, err := os.MkdirTemp("", "weir-demo-")
	if err == nil {
		err = os.Chmod(dir, 0o755) //nolint:gosec // PostgreSQL's own user must be able to walk through; its data lies below, closed
	}
	if err == nil {
		err = os.MkdirAll(o.Dir, 0o750)
	}
	if err == nil {
		err = os.WriteFile(mark, []byte(dir+"\n"), 0o600)
	}
	var lock *os.File
	if err == nil {
		lock, err = lockMark(mark)
	}
	if err == nil {
		err = os.CopyFS(o.Dir, examples.Fleet)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fault.Newf(fault.Unavailable, "the demo's folder %s cannot be written", o.Dir).WithHint("choose another with --dir").WithCause(err)
	}
	// The demo's production is thrown away at its end, so it need not survive a power cut.
	server, err := postmaster.Start(ctx, postmaster.Options{Dir: filepath.Join(dir, "postgres"), Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "256MB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
		"maintenance_work_mem": "256MB",
	}})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	return &demoServer{server, dir, lock}, nil
}

// lockMark says that the demo of this folder is running, for as long as the file is open; it fails when another demo says so.
func lockMark(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// untilFollowing waits until everything is copied.
func (n *Node) untilFollowing(ctx context.Context, show func(flow.Status)) error {
	for {
		if f := n.currentFlow(); f != nil {
			s := f.Status()
			if show != nil {
				show(s)
			}
			if s.Phase == flow.Following && !s.AsOf.IsZero() {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (o DemoOptions) showNumbers(ctx context.Context, n *Node) error {
	to := time.Now().UTC().Truncate(24 * time.Hour)
	from := to.AddDate(0, 0, -7)
	for _, name := range []string{"device_activations", "failed_connection_rate"} {
		shown, err := n.ask(ctx, localPrincipal(os.Getuid()), metric.Question{Metric: name, From: &from, To: &to})
		if err != nil {
			return err
		}
		o.Say("%s", strings.TrimRight(shown.Text, "\n"))
		o.Say("")
	}
	return nil
}

// showHeldBack says what never left production, and three things to try.
func (o DemoOptions) showHeldBack(ctx context.Context, n *Node) {
	if r, err := Plan(ctx, n.config); err == nil {
		o.Say("held back: %d of %d columns never left production:", r.Summary.HeldBack+r.Summary.Unnamed, r.Summary.Columns)
		for _, c := range r.Classes {
			if c.HeldBack > 0 {
				o.Say("  %4d of %-4d %-18s %s", c.HeldBack, c.HeldBack+c.Crossing, c.Class, c.Is)
			}
		}
		o.Say("")
	}
	weir, state := typed(ourselves()), "--state "+typed(n.state.Dir)
	o.Say("try, in another terminal:")
	o.Say("  %s metric show failed_connection_rate --by model --grain week %s", weir, state)
	o.Say("  %s verify %s", weir, state)
	o.Say("  %s ledger verify --key %s %s", weir, typed(n.state.path("ledger", "public.key")), typed(n.state.path("ledger")))
	o.Say("")
}

// showWaysIn says how people come in: an analyst's page and SQL, and the first administrator's link.
func (o DemoOptions) showWaysIn(ctx context.Context, n *Node, administrator <-chan string) error {
	u, err := n.AddUser(ctx, ourUser(), UserRequest{Name: "analyst", Role: string(gate.Analyst)})
	if err != nil {
		return err
	}
	link, err := n.people.Invite(ctx, people.Caller{Name: ourUser()}, people.Name(u.User))
	if err != nil {
		return err
	}
	o.Say("the page is at %s", n.pageURL())
	o.Say("  its certificate is from weir's own authority, %s", typed(u.SQL.CA))
	o.Say("  each of these links works once: choose a password, and you are in")
	o.Say("  as an analyst                 %s", n.linkURL(link))
	select {
	case url := <-administrator:
		o.Say("  as the first administrator    %s", url)
	default: // there is one
	}
	o.Say("")
	o.Say("in SQL, as the same analyst:")
	o.Say("  PGPASSWORD=%s psql \"%s\" -c 'SELECT model_id, count(*) FROM fleet.device GROUP BY ALL ORDER BY 2 DESC'", u.SQL.Password, u.SQL.Conninfo())
	o.Say("")
	o.Say("the fleet lives on; Ctrl-C ends everything")
	return nil
}

// ourselves is how this program is called from here.
func ourselves() string {
	self, err := os.Executable()
	if err != nil {
		return "weir"
	}
	if found, err := exec.LookPath("weir"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil && found == self {
			return "weir"
		}
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, self); err == nil && fs.ValidPath(filepath.ToSlash(rel)) {
			return "." + string(filepath.Separator) + rel
		}
	}
	return self
}

// typed is a word as it is typed in a shell.
func typed(word string) string {
	if strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("/._-+:@%,", r)
	}) {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

const liveEvery = 5 * time.Second

// live prints today's numbers as they move.
func (o DemoOptions) live(ctx context.Context, n *Node) error {
	var end <-chan time.Time
	if o.Live > 0 {
		timer := time.NewTimer(o.Live)
		defer timer.Stop()
		end = timer.C
	}
	ticker := time.NewTicker(liveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-end:
			return nil
		case <-ticker.C:
		}
		line, err := n.today(ctx)
		if fault.KindOf(err) == fault.Unavailable { // an engine that starts again, or that somebody else's question fills
			continue
		}
		if err != nil {
			return err
		}
		o.Say("%s", line)
	}
}

// today is one line of today's numbers.
func (n *Node) today(ctx context.Context) (string, error) {
	from := time.Now().UTC().Truncate(24 * time.Hour)
	to := from.AddDate(0, 0, 1)
	line := ""
	for _, name := range []string{"failed_connection_rate", "device_activations"} {
		q := metric.Question{Metric: name, From: &from, To: &to}
		a, err := n.askMetric(ctx, localPrincipal(os.Getuid()), q)
		if err != nil {
			return "", err
		}
		if line == "" {
			line = "as of " + a.AsOf.Format(time.TimeOnly) + " UTC"
		}
		for _, r := range a.Rows {
			switch {
			case r.Value == nil:
			case r.Denominator != nil:
				line += fmt.Sprintf("   failed connections today %.2f %% (%.0f of %.0f)", 100**r.Value, *r.Numerator, *r.Denominator)
			default:
				line += fmt.Sprintf("   devices activated today %.0f", *r.Value)
			}
		}
	}
	if f := n.currentFlow(); f != nil {
		var changes int64
		for _, t := range f.Status().Tables {
			changes += t.Changes
		}
		line += fmt.Sprintf("   changes followed %d", changes)
	}
	return line, nil
}
