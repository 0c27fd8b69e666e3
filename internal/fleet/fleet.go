package fleet

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
)

// Profile says how much telemetry is generated.
type Profile string

const (
	// ProfileThin has heartbeats every six hours and only a sample of device events and climate readings: about 23 rows per account and day.
	ProfileThin Profile = "thin"
	// ProfileFull has everything that such a company has: about 113 rows per account and day.
	ProfileFull Profile = "full"
)

// DefaultDays is the length of the generated span when Options.Days is 0.
const DefaultDays = 30

// Options says what to generate. The same Accounts, Days, Seed, Profile and Until always give the same rows.
type Options struct {
	// URL is the database that gets the schema named fleet.
	URL string
	// Accounts may be 0: then only the empty schema is made.
	Accounts int
	// Days is the length of the span in days; 0 stands for DefaultDays.
	Days    int
	Seed    uint64
	Profile Profile // the zero value is ProfileThin
	// Until is the end of the span, exclusive; the zero value is the last UTC midnight.
	Until time.Time
	// Progress is called now and then, never by two goroutines at once; it may be nil.
	Progress func(Progress)
}

// Progress is how far Create has come.
type Progress struct {
	Table    string        // the table that is being filled, or that gets its keys
	Rows     int64         // written so far, over all tables
	Expected int64         // an estimate of all rows; Rows may pass it a little
	Elapsed  time.Duration // since Create was called
	Done     bool
}

const maxDays = 3 * 366

// normal checks the options and fills in the defaults.
func (o Options) normal() (Options, error) {
	if o.Profile == "" {
		o.Profile = ProfileThin
	}
	if o.Days == 0 {
		o.Days = DefaultDays
	}
	if o.Until.IsZero() {
		o.Until = time.Now().UTC().Truncate(24 * time.Hour)
	}
	o.Until = o.Until.UTC().Truncate(time.Microsecond)
	switch {
	case o.Profile != ProfileThin && o.Profile != ProfileFull:
		return o, fault.New(fault.Usage, "there is no such profile of the fleet", "use thin or full")
	case o.Accounts < 0:
		return o, fault.New(fault.Usage, "a fleet cannot have fewer than 0 accounts", "use 0 for the empty schema")
	case o.Days < 1 || o.Days > maxDays:
		return o, fault.Newf(fault.Usage, "a fleet spans 1 to %d days", maxDays).WithHint("choose fewer days")
	case o.Until.Before(time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)):
		return o, fault.New(fault.Usage, "the fleet's span cannot end before 2016", "choose a later end")
	}
	return o, nil
}

// Create makes the schema fleet in the database and fills it; it returns what is true about the rows. A schema that is there already is
// left as it is and is an error. When it fails in the middle, the schema that it made is removed again. Errors for people are *fault.Error.
func Create(ctx context.Context, o Options) (Truth, error) {
	o, err := o.normal()
	if err != nil {
		return Truth{}, err
	}
	conn, err := connect(ctx, o.URL)
	if err != nil {
		return Truth{}, err
	}
	defer closeConn(conn)
	c, err := newCompany(o)
	if err != nil {
		return Truth{}, err
	}
	if err := makeSchema(ctx, conn, c.from, c.until, o.Accounts == 0); err != nil {
		return Truth{}, err
	}
	l := loader{c: c, o: o, started: time.Now(), tallies: map[string]*tally{}}
	if err := l.run(ctx, conn); err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		if c2, cerr := connect(undo, o.URL); cerr == nil {
			_ = exec(undo, c2, "DROP SCHEMA fleet CASCADE") // the first error is the one to report
			closeConn(c2)
		}
		return Truth{}, err
	}
	return c.truth(o, l.tallies), nil
}

// connect opens a connection for COPY and plain statements.
func connect(ctx context.Context, url string) (*pgconn.PgConn, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, fault.New(fault.Usage, "the fleet's database URL cannot be read", "write it as postgres://user:password@host:port/database")
	}
	config.RuntimeParams["application_name"] = "weir fleet"
	config.RuntimeParams["timezone"] = "UTC"
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, databaseError(ctx, err)
	}
	return conn, nil
}

func closeConn(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // the work is done or has failed already
}

// exec runs statements without parameters.
func exec(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	if err := conn.Exec(ctx, sql).Close(); err != nil {
		return databaseError(ctx, err)
	}
	return nil
}
