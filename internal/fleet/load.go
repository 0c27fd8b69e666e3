package fleet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// table is how one table is filled.
type table struct {
	name string
	fill func(*company, *rows, *tally)
}

// tables, the largest first: two workers take them in this order.
var tables = []table{
	{"device_event", (*company).deviceEvents},
	{"device_heartbeat", (*company).heartbeats},
	{"device_connectivity_event", (*company).connectivityEvents},
	{"connection_attempt", (*company).connectionAttempts},
	{"app_session", (*company).appSessions},
	{"climate_reading", (*company).climateReadings},
	{"device", (*company).devicesTable},
	{"device_binding", (*company).bindings},
	{"shipment", (*company).shipments},
	{"auth_session", (*company).authSessions},
	{"app_user", (*company).appUsers},
	{"home_network", (*company).homeNetworks},
	{"home", (*company).homesTable},
	{"setup_step_event", (*company).setupSteps},
	{"device_share", (*company).shares},
	{"firmware_update_event", (*company).firmwareUpdates},
	{"lock_event", (*company).lockEvents},
	{"setup_session", (*company).setupSessions},
	{"subscription", (*company).subscriptions},
	{"body_measurement", (*company).bodyMeasurements},
	{"integration_link", (*company).integrationLinks},
	{"support_message", (*company).supportMessages},
	{"api_key", (*company).apiKeys},
	{"support_ticket", (*company).supportTickets},
	{"admin_access_log", (*company).adminAccess},
	{"firmware_release", (*company).firmwareReleases},
	{"firmware_rollout", (*company).firmwareRollouts},
	{"product_model", (*company).productModels},
}

// Tables lists the fleet's tables by name, without the schema.
func Tables() []string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.name
	}
	return names
}

const workers = 2

// loader fills the tables; mu guards what the workers share.
type loader struct {
	c       *company
	o       Options
	started time.Time

	mu       sync.Mutex
	next     int
	rows     int64
	lastTold time.Time
	tallies  map[string]*tally
	err      error
}

// run fills all tables by two connections at once, gives each its keys when it is full, and the references at the end.
func (l *loader) run(ctx context.Context, conn *pgconn.PgConn) error {
	keysOf, references := keys()
	jobs := tables
	if l.o.Accounts == 0 {
		jobs = nil
		for _, t := range tables {
			if err := exec(ctx, conn, keysOf[t.name]); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			if err := l.work(ctx, w, conn, jobs, keysOf); err != nil {
				l.fail(err)
				cancel()
			}
		})
	}
	wg.Wait()
	if l.err != nil {
		return l.err
	}
	if err := exec(ctx, conn, references); err != nil {
		return err
	}
	if err := l.finish(ctx, conn); err != nil {
		return err
	}
	l.tell("", 0, true)
	return nil
}

func (l *loader) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

// work takes tables until none is left; worker 0 has the connection that is there already.
func (l *loader) work(ctx context.Context, worker int, conn *pgconn.PgConn, jobs []table, keysOf map[string]string) error {
	if len(jobs) == 0 {
		return nil
	}
	if worker > 0 {
		own, err := connect(ctx, l.o.URL)
		if err != nil {
			return err
		}
		defer closeConn(own)
		conn = own
	}
	if err := exec(ctx, conn, "SET synchronous_commit = off; SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 0"); err != nil {
		return err
	}
	for {
		l.mu.Lock()
		n := l.next
		l.next++
		l.mu.Unlock()
		if n >= len(jobs) {
			return nil
		}
		if err := l.fill(ctx, conn, jobs[n]); err != nil {
			return err
		}
		if err := exec(ctx, conn, keysOf[jobs[n].name]+"; ANALYZE fleet."+jobs[n].name); err != nil {
			return err
		}
	}
}

// fill copies one table: a goroutine makes the rows, this one sends them.
func (l *loader) fill(ctx context.Context, conn *pgconn.PgConn, t table) error {
	copying, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newRows(copying, func(n int64) { l.tell(t.name, n, false) })
	tl := &tally{}
	made := make(chan struct{})
	go func() {
		defer close(made)
		t.fill(l.c, r, tl)
		r.finish()
	}()
	_, err := conn.CopyFrom(copying, &reader{r: r}, "COPY fleet."+t.name+" FROM STDIN (FORMAT binary)")
	if err != nil {
		cancel()
		<-made
		return fmt.Errorf("fill %s: %w", t.name, databaseError(ctx, err))
	}
	<-made
	tl.rows = r.count
	l.mu.Lock()
	l.tallies[t.name] = tl
	l.mu.Unlock()
	return nil
}

const tellEvery = 100 * time.Millisecond

func (l *loader) tell(table string, rows int64, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rows += rows
	now := time.Now()
	if l.o.Progress == nil || !done && now.Sub(l.lastTold) < tellEvery {
		return
	}
	l.lastTold = now
	l.o.Progress(Progress{Table: table, Rows: l.rows, Expected: l.c.expected(), Elapsed: now.Sub(l.started), Done: done})
}

// expected estimates all rows: per device and day of the large tables, per account of the rest.
func (c *company) expected() int64 {
	devices, accounts, days := float64(len(c.devices)), float64(len(c.accounts)), float64(c.until-c.from)/float64(day)
	perDay := 3.55 + 2.5 + 1.3
	if c.profile == ProfileFull {
		perDay = 18 + 2.5 + 1.3 + 17 + 2
	}
	return int64(devices*(days*perDay+4) + accounts*(days*1.4+8))
}

// finish adopts sensors by hubs and sets the sequences behind the rows.
func (l *loader) finish(ctx context.Context, conn *pgconn.PgConn) error {
	var b strings.Builder
	for _, identity := range [][2]string{
		{"app_user", "user_id"},
		{"integration_link", "link_id"},
		{"home", "home_id"},
		{"home_network", "network_id"},
		{"device", "device_id"},
		{"device_binding", "binding_id"},
		{"device_share", "share_id"},
		{"connection_attempt", "attempt_id"},
		{"firmware_update_event", "event_id"},
		{"body_measurement", "measurement_id"},
	} {
		fmt.Fprintf(&b, "SELECT setval(pg_get_serial_sequence('fleet.%[1]s', '%[2]s'), max(%[2]s)) FROM fleet.%[1]s HAVING max(%[2]s) IS NOT NULL;\n", identity[0], identity[1])
	}
	b.WriteString(`UPDATE fleet.device s SET parent_device_id = h.hub
FROM (SELECT owner_user_id, min(device_id) AS hub FROM fleet.device d JOIN fleet.product_model USING (model_id)
      WHERE family = 'hub' AND owner_user_id IS NOT NULL GROUP BY owner_user_id) h,
     fleet.product_model m
WHERE s.owner_user_id = h.owner_user_id AND m.model_id = s.model_id AND m.family IN ('contact', 'motion', 'leak') AND NOT s.is_synthetic;
ANALYZE fleet.device;`)
	return exec(ctx, conn, b.String())
}
