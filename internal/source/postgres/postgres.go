package postgres

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/treatment"
)

const (
	flushPatience = time.Second // above three times wal_writer_delay, after which asynchronous commits are flushed

	walPage     = 8192 // pages of the log and their headers, as PostgreSQL is built unless somebody builds it otherwise
	shortHeader = 24
	longHeader  = 40
)

// DefaultWatch is how often Read looks at the catalogue.
const DefaultWatch = 2 * time.Second

// Options says which database is read and how.
type Options struct {
	URL     string        // a connection URL; it is a secret of production
	ID      string        // [a-z0-9]{4,16}, kept in the state: slot and publication are called weir_<ID>
	Schemas []string      // the schemas to look at; none means all but the system's
	Watch   time.Duration // how often Read looks at the catalogue; DefaultWatch when 0
}

var idPattern = regexp.MustCompile(`^[a-z0-9]{4,16}$`)

// Source is one PostgreSQL database.
type Source struct {
	config  *pgconn.Config
	address string // host:port, for messages
	name    string // of slot and publication
	schemas map[string]bool
	watch   time.Duration

	adminMu   sync.Mutex // one question at a time; guards the three below
	adminConn *pgconn.PgConn
	closed    bool
	spoiled   bool // the slot cannot be decoded from where it stands: Start makes it anew

	acked atomic.Uint64 // the LSN up to which everything may be forgotten; only grows
	ackMu sync.Mutex    // guards ackCh
	ackCh chan struct{} // wakes the running Read's herald; nil without one

	readMu  sync.Mutex // held by the one Read
	reading atomic.Bool

	seenMu sync.Mutex // guards seen
	seen   *catalogue // what drift is measured against: what Schema last returned, or Read last reported

	truncations truncations    // these three belong to the goroutine of the one Read
	fitted      map[string]int // by table, how many columns were published when that was exactly what was asked for
	held        []drift        // partitions with new storage that a TRUNCATE still to come may explain

	lastPID atomic.Uint32 // of the last replication session, whose end the server may not have noticed yet
}

var _ source.Source = (*Source)(nil)

// Open connects to the database and refuses one that cannot be read at all. Close the Source when done.
func Open(ctx context.Context, o Options) (*Source, error) {
	if !idPattern.MatchString(o.ID) {
		return nil, fault.New(fault.Usage, "the id of a source is 4 to 16 small letters and digits", "")
	}
	c, err := config(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Source{
		config: c, address: net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), name: "weir_" + o.ID, watch: o.Watch, truncations: make(truncations), fitted: make(map[string]int),
	}
	if s.watch <= 0 {
		s.watch = DefaultWatch
	}
	if len(o.Schemas) > 0 {
		s.schemas = make(map[string]bool, len(o.Schemas))
		for _, n := range o.Schemas {
			s.schemas[n] = true
		}
	}
	err = s.admin(ctx, func(conn *pgconn.PgConn) error {
		if v := majorVersion(conn); v < oldestVersion {
			return fault.Newf(fault.Refused, "postgres at %s is version %d; weir reads %d and later", s.address, v, oldestVersion).
				WithHint("upgrade postgres: only since %d can a publication list columns, and without that everything would be sent", oldestVersion)
		}
		return nil
	})
	if err != nil {
		_ = s.Close() // the error above is the one to tell
		return nil, err
	}
	return s, nil
}

// Close ends the session that is kept for questions. Snapshots and a running Read end by their own Close and context.
func (s *Source) Close() error {
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	s.closed = true
	if s.adminConn != nil {
		closeConn(s.adminConn)
		s.adminConn = nil
	}
	return nil
}

// Now returns what production has flushed to its log. Transactions that committed without waiting for the disk (synchronous_commit = off) are visible before
// they are flushed: Now waits a moment for them.
func (s *Source) Now(ctx context.Context) (source.Position, error) {
	var p source.Position
	err := s.admin(ctx, func(conn *pgconn.PgConn) error {
		r, err := simple(ctx, conn, "SELECT pg_current_wal_insert_lsn()")
		if err != nil {
			return s.failure(ctx, "tell how far its log is", err)
		}
		written, err := cellLSN(r)
		if err != nil {
			return s.failure(ctx, "tell how far its log is", err)
		}
		written = written.recordEnd()
		patience := time.NewTimer(flushPatience)
		defer patience.Stop()
		poll := time.NewTicker(slotPoll)
		defer poll.Stop()
		for {
			if r, err = simple(ctx, conn, "SELECT pg_current_wal_flush_lsn()"); err != nil {
				return s.failure(ctx, "tell how far its log is", err)
			}
			flushed, err := cellLSN(r)
			if err != nil {
				return s.failure(ctx, "tell how far its log is", err)
			}
			if p = position(min(flushed, written)); flushed >= written {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-patience.C: // what is not flushed by now is of transactions that have not committed
				return nil
			case <-poll.C:
			}
		}
	})
	return p, err
}

// recordEnd returns where the last record before l ends: at the beginning of a page PostgreSQL's insert position is behind the page's header, and no record ever
// ends there.
func (l LSN) recordEnd() LSN {
	if into := l % walPage; into == shortHeader || into == longHeader {
		return l - into
	}
	return l
}

// Ack implements source.Source.
func (s *Source) Ack(p source.Position) {
	lsn, err := parsePosition(p)
	if err != nil {
		return // not a position of ours: nothing is forgotten
	}
	for {
		old := s.acked.Load()
		if uint64(lsn) <= old {
			return
		}
		if s.acked.CompareAndSwap(old, uint64(lsn)) {
			break
		}
	}
	s.ackMu.Lock()
	defer s.ackMu.Unlock()
	select {
	case s.ackCh <- struct{}{}:
	default: // nobody reads, or the herald has been woken already
	}
}

// position writes an LSN so that positions sort as strings.
func position(l LSN) source.Position { return source.Position(fmt.Sprintf("%016X", uint64(l))) }

func parsePosition(p source.Position) (LSN, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(p), 16, 64)
	if err != nil || len(p) != 16 {
		return 0, fault.New(fault.Internal, "this is not a position of a postgres source", "the state belongs to another source")
	}
	return LSN(n), nil
}

// String writes an LSN as PostgreSQL does.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) } //nolint:gosec // the two halves

func parseLSN(text string) (LSN, error) {
	var hi, lo uint32
	if n, err := fmt.Sscanf(text, "%X/%X", &hi, &lo); err != nil || n != 2 {
		return 0, errMessage
	}
	return LSN(uint64(hi)<<32 | uint64(lo)), nil
}

// cellLSN reads the one LSN of a result.
func cellLSN(r []result) (LSN, error) {
	if len(r) == 0 || len(r[0]) == 0 || len(r[0][0]) == 0 {
		return 0, errMessage
	}
	return parseLSN(string(r[0][0][0]))
}

// typeNamed is for messages: what production calls a column's type.
func typeNamed(t treatment.Type, name string) string {
	if t.Name != "" {
		return t.Name
	}
	return name
}
