package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
)

// LiveOptions says how a company that exists goes on living.
type LiveOptions struct {
	URL string
	// Speed multiplies how much happens in a second; timestamps stay those of the real clock. 0 stands for 1.
	Speed float64
	// Seed is mixed with the time of the call, so that a life that goes on does not repeat itself.
	Seed uint64
	// Stats is called about once a second by the goroutine that Live runs in; it may be nil.
	Stats func(Stats)
}

// Stats counts what has happened since Live was called.
type Stats struct {
	Signups, Activations, Resales, Deletions, Shares int64
	Attempts, Heartbeats, Connectivity               int64
	Sessions, Refreshes                              int64
	Reconnects                                       int64 // to the database
	Elapsed                                          time.Duration
}

const (
	tickEvery   = 200 * time.Millisecond
	statsEvery  = time.Second
	longestTick = 2 * time.Second // after a pause the company doesn't catch up
	reconnects  = 8
	maxSpeed    = 10_000
	fewestUsers = 5 // nobody leaves a company this small
	firstUser   = 1 // carries the canaries of the truth: it neither leaves nor sells nor gets new tokens
	handles     = 20_000
)

// Live lets the fleet in the database live until ctx ends, which is no error: people sign up, set up devices, look at cameras, share,
// sell and leave. It begins with whatever is there. A lost connection is made again; other failures end it as a *fault.Error.
func Live(ctx context.Context, o LiveOptions) error {
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Speed < 0 || o.Speed > maxSpeed {
		return fault.Newf(fault.Usage, "the speed of a living fleet is above 0 and at most %d", maxSpeed).WithHint("choose another speed")
	}
	l := &life{o: o, d: newDice(o.Seed, "live "+time.Now().UTC().Format(time.RFC3339Nano)), sessions: map[int][16]byte{}}
	defer l.close()
	err := l.open(ctx)
	if err == nil {
		err = l.run(ctx)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// life is the state of a running Live; one goroutine owns it.
type life struct {
	o       LiveOptions
	d       *dice
	conn    *pgx.Conn
	tx      pgx.Tx
	now     time.Time
	stats   Stats
	started time.Time

	users    []liveUser
	devices  []liveDevice
	handsets []handset
	sessions map[int][16]byte // open cloud sessions that Live itself has opened, by device id
	returns  []comeback
	newest   map[int]int // current firmware by model id
	models   []int       // ids of what is sold, weighted by modelPick when they are ours
	after    []func()    // what a commit makes true
}

type liveUser struct {
	id, region int
	internal   bool
}

type liveDevice struct {
	id, model, firmware, owner int
}

type handset struct {
	session [16]byte
	user    int
}

// comeback is a device that has lost its connection and returns.
type comeback struct {
	device int
	due    time.Time
}

func (l *life) close() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // nothing is open on it that matters
}

// open connects and reads who exists.
func (l *life) open(ctx context.Context) error {
	l.close()
	config, err := pgx.ParseConfig(l.o.URL)
	if err != nil {
		return fault.New(fault.Usage, "the fleet's database URL cannot be read", "write it as postgres://user:password@host:port/database")
	}
	config.RuntimeParams["application_name"] = "weir fleet live"
	config.RuntimeParams["timezone"] = "UTC"
	l.conn, err = pgx.ConnectConfig(ctx, config)
	if err != nil {
		l.conn = nil
		return databaseError(ctx, err)
	}
	var there bool
	if err := l.conn.QueryRow(ctx, "SELECT to_regclass('fleet.app_user') IS NOT NULL").Scan(&there); err != nil {
		return databaseError(ctx, err)
	}
	if !there {
		return fault.New(fault.NotFound, "there is no fleet in this database", "make one first: weir fleet create")
	}
	return l.read(ctx)
}

func (l *life) read(ctx context.Context) error {
	if err := l.readCatalogue(ctx); err != nil {
		return err
	}
	regionOf := map[string]int{}
	for i, r := range regions {
		regionOf[r.code] = i
	}
	l.users, l.devices, l.handsets, l.after, l.returns = nil, nil, nil, nil, nil
	var u liveUser
	var code string
	err := l.each(ctx, "SELECT user_id, coalesce(region_code, ''), is_internal FROM fleet.app_user WHERE deleted_at IS NULL", []any{&u.id, &code, &u.internal}, func() {
		u.region = regionOf[code]
		l.users = append(l.users, u)
	})
	if err != nil {
		return err
	}
	var v liveDevice
	err = l.each(ctx, "SELECT device_id, model_id::int, coalesce(firmware_id, 0), owner_user_id FROM fleet.device WHERE owner_user_id IS NOT NULL AND unbound_at IS NULL",
		[]any{&v.id, &v.model, &v.firmware, &v.owner}, func() { l.devices = append(l.devices, v) })
	if err != nil {
		return err
	}
	var h handset
	return l.each(ctx, "SELECT session_id, user_id FROM fleet.auth_session WHERE revoked_at IS NULL LIMIT $1", []any{&h.session, &h.user}, func() {
		l.handsets = append(l.handsets, h)
	}, handles)
}

// readCatalogue reads what is sold; an empty schema gets our own catalogue first.
func (l *life) readCatalogue(ctx context.Context) error {
	var n int
	if err := l.conn.QueryRow(ctx, "SELECT count(*) FROM fleet.product_model").Scan(&n); err != nil {
		return databaseError(ctx, err)
	}
	if n == 0 {
		c, err := newCompany(Options{Days: DefaultDays, Profile: ProfileThin, Until: time.Now().UTC().Truncate(24 * time.Hour)})
		if err != nil {
			return err
		}
		fill := loader{c: c, tallies: map[string]*tally{}}
		for _, t := range []table{{"product_model", (*company).productModels}, {"firmware_release", (*company).firmwareReleases}} {
			if err := fill.fill(ctx, l.conn.PgConn(), t); err != nil {
				return err
			}
		}
	}
	l.newest, l.models = map[int]int{}, nil
	var model, firmware int
	return l.each(ctx, `SELECT m.model_id::int, coalesce(max(f.firmware_id), 0) FROM fleet.product_model m
LEFT JOIN fleet.firmware_release f ON f.model_id = m.model_id AND f.channel = 'stable' AND f.withdrawn_at IS NULL AND f.released_at <= now()
GROUP BY 1 ORDER BY 1`, []any{&model, &firmware}, func() {
		l.newest[model] = firmware
		l.models = append(l.models, model)
	})
}

func (l *life) each(ctx context.Context, sql string, into []any, row func(), args ...any) error {
	rows, err := l.conn.Query(ctx, sql, args...)
	if err != nil {
		return databaseError(ctx, err)
	}
	if _, err := pgx.ForEachRow(rows, into, func() error { row(); return nil }); err != nil {
		return databaseError(ctx, err)
	}
	return nil
}

// act is one thing that happens: how often in a second, and what.
type act struct {
	rate  func(users, devices float64) float64
	do    func(*life, context.Context) error
	count func(*Stats) *int64
}

const secondsOfDay = 86_400

// acts happen at the rates of the generated company, but never so seldom that a small fleet looks dead.
var acts = []act{
	{func(u, _ float64) float64 { return max(.05, u*signupsPerDay/secondsOfDay) }, (*life).signUp, func(s *Stats) *int64 { return &s.Signups }},
	{func(_, v float64) float64 { return max(.1, v*.001/secondsOfDay) }, (*life).activate, func(s *Stats) *int64 { return &s.Activations }},
	{func(_, v float64) float64 { return max(3, v*1.2/secondsOfDay) }, (*life).attempt, func(s *Stats) *int64 { return &s.Attempts }},
	{func(_, v float64) float64 { return max(3, v*4/secondsOfDay) }, (*life).beat, func(s *Stats) *int64 { return &s.Heartbeats }},
	{func(_, v float64) float64 { return max(1, v*1.2/secondsOfDay) }, (*life).connectivity, func(s *Stats) *int64 { return &s.Connectivity }},
	{func(u, _ float64) float64 { return max(1, u*1.4/secondsOfDay) }, (*life).useApp, func(s *Stats) *int64 { return &s.Sessions }},
	{func(u, _ float64) float64 { return max(.2, u*.045/secondsOfDay) }, (*life).refresh, func(s *Stats) *int64 { return &s.Refreshes }},
	{func(u, _ float64) float64 { return max(.05, u*.0007/secondsOfDay) }, (*life).share, func(s *Stats) *int64 { return &s.Shares }},
	{func(_, v float64) float64 { return max(.03, v*.0002/secondsOfDay) }, (*life).resell, func(s *Stats) *int64 { return &s.Resales }},
	{func(u, _ float64) float64 { return max(.02, u*deletionsPerDay/secondsOfDay) }, (*life).leave, func(s *Stats) *int64 { return &s.Deletions }},
}

func (l *life) run(ctx context.Context) error {
	l.started = time.Now()
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	last, told := l.started, l.started
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		l.now = time.Now().UTC()
		elapsed := min(l.now.Sub(last), longestTick).Seconds() * l.o.Speed
		last = l.now
		if err := l.tick(ctx, elapsed); err != nil {
			if err := l.recover(ctx, err); err != nil {
				return err
			}
		}
		if l.o.Stats != nil && l.now.Sub(told) >= statsEvery {
			told = l.now
			l.stats.Elapsed = l.now.Sub(l.started)
			l.o.Stats(l.stats)
		}
	}
}

// tick lets happen what falls into so many seconds of the company's life: one transaction for each kind of act.
func (l *life) tick(ctx context.Context, seconds float64) error {
	for _, a := range acts {
		n := l.d.poisson(a.rate(float64(len(l.users)), float64(len(l.devices))) * seconds)
		if n == 0 {
			continue
		}
		if err := l.transact(ctx, func() error {
			for range n {
				if err := a.do(l, ctx); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		*a.count(&l.stats) += int64(n)
	}
	if due := l.takeReturns(); len(due) > 0 {
		return l.transact(ctx, func() error {
			for _, device := range due {
				if err := l.connected(ctx, device); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return nil
}

// takeReturns takes the devices whose gap is over.
func (l *life) takeReturns() []int {
	var due []int
	l.returns = slices.DeleteFunc(l.returns, func(r comeback) bool {
		if r.due.After(l.now) {
			return false
		}
		due = append(due, r.device)
		return true
	})
	return due
}

// transact runs do in a transaction; what do put into l.after becomes true with the commit.
func (l *life) transact(ctx context.Context, do func() error) error {
	l.after = l.after[:0]
	tx, err := l.conn.Begin(ctx)
	if err != nil {
		return err
	}
	l.tx = tx
	if err := do(); err != nil {
		return errors.Join(err, rollback(ctx, tx))
	}
	if err := tx.Commit(ctx); err != nil {
		return err
	}
	for _, f := range l.after {
		f()
	}
	return nil
}

func rollback(ctx context.Context, tx pgx.Tx) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return err
	}
	return nil
}

// recover decides what a failed tick means: a conflict passes, a lost connection is made again, anything else is the end.
func (l *life) recover(ctx context.Context, err error) error {
	var pg *pgconn.PgError
	if !l.conn.IsClosed() {
		if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "40") { // transaction rollback: deadlock, serialization
			return nil
		}
		return databaseError(ctx, err)
	}
	wait := 100 * time.Millisecond
	for range reconnects {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return databaseError(ctx, err)
		case <-timer.C:
		}
		wait = min(2*wait, 5*time.Second)
		if err = l.open(ctx); err == nil {
			l.stats.Reconnects++
			return nil
		}
	}
	return fault.Public(err)
}

func (l *life) exec(ctx context.Context, sql string, args ...any) error {
	_, err := l.tx.Exec(ctx, sql, args...)
	return err
}
