package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
)

const (
	slotRelease = 5 * time.Second       // how long the server may need to notice that our last session ended
	slotPoll    = 50 * time.Millisecond // how often we look whether it has
)

// slot is what the server says of our replication slot.
type slot struct {
	ours      bool // made by pgoutput, in this database
	active    bool
	pid       uint32
	lost      bool // its log was removed: max_slot_wal_keep_size was reached
	confirmed LSN  // everything before may be gone
}

// slotState returns nil when there is no slot.
func (s *Source) slotState(ctx context.Context, conn *pgconn.PgConn) (*slot, error) {
	r, err := simple(ctx, conn, `SELECT coalesce(plugin = 'pgoutput' AND database = current_database() AND NOT temporary, false), active, coalesce(active_pid, 0),
coalesce(wal_status = 'lost', false), coalesce(confirmed_flush_lsn, '0/0') FROM pg_replication_slots WHERE slot_name = `+quoteText(s.name))
	if err != nil {
		return nil, s.failure(ctx, "show its replication slots", err)
	}
	if len(r[0]) == 0 {
		return nil, nil //nolint:nilnil // no slot is an answer
	}
	row := r[0][0]
	lsn, err := parseLSN(string(row[4]))
	if err != nil {
		return nil, s.failure(ctx, "show its replication slots", err)
	}
	return &slot{ours: cellBool(row[0]), active: cellBool(row[1]), pid: cellOID(row[2]), lost: cellBool(row[3]), confirmed: lsn}, nil
}

// Start implements source.Source. A slot that has been invalidated, or that stands where it cannot be decoded, is made anew.
func (s *Source) Start(ctx context.Context) (from source.Position, made bool, err error) {
	err = s.admin(ctx, func(conn *pgconn.PgConn) error {
		have, err := s.slotState(ctx, conn)
		if err != nil {
			return err
		}
		if have != nil && !have.ours {
			return fault.Newf(fault.Refused, "the replication slot %s is not weir's", s.name).
				WithHint("drop it with SELECT pg_drop_replication_slot(%s), or give this source another id", quoteText(s.name))
		}
		if have != nil && !have.lost && !s.spoiled {
			from = position(have.confirmed)
			return nil
		}
		// decoding uses the catalogue as it was: a slot older than its publication could never be read
		r, err := simple(ctx, conn, "SELECT FROM pg_publication WHERE pubname = "+quoteText(s.name))
		if err != nil {
			return s.failure(ctx, "show its publications", err)
		}
		if len(r[0]) == 0 {
			return s.unpublished()
		}
		if have != nil {
			if err := s.awaitRelease(ctx, conn); err != nil {
				return err
			}
			if _, err := simple(ctx, conn, "SELECT pg_drop_replication_slot("+quoteText(s.name)+")"); err != nil && stateOf(err) != stateUndefinedObject {
				return s.failure(ctx, "drop the replication slot that cannot be read any more", err)
			}
		}
		s.acked.Store(0) // positions of the old slot mean nothing to the new one
		from, err = s.makeSlot(ctx)
		made = err == nil
		s.spoiled = s.spoiled && !made
		return err
	})
	return from, made, err
}

func (s *Source) unpublished() error {
	return fault.Newf(fault.Unavailable, "the publication %s is not there", s.name).WithHint("let a DBA run the output of weir source script, then run weir check")
}

// makeSlot creates the permanent slot. PostgreSQL waits with it for the transactions that are open.
func (s *Source) makeSlot(ctx context.Context) (source.Position, error) {
	conn, err := s.connect(ctx, true)
	if err != nil {
		return "", err
	}
	defer closeConn(conn)
	r, err := simple(ctx, conn, "CREATE_REPLICATION_SLOT "+quoteName(s.name)+" LOGICAL pgoutput (SNAPSHOT 'nothing')")
	if err == nil && (len(r) != 1 || len(r[0]) != 1 || len(r[0][0]) < 2) {
		err = errMessage
	}
	if err != nil {
		return "", s.failure(ctx, "make the replication slot", err)
	}
	lsn, err := parseLSN(string(r[0][0][1]))
	if err != nil {
		return "", s.failure(ctx, "make the replication slot", err)
	}
	return position(lsn), nil
}

// awaitRelease waits until nobody reads from the slot, if the one who does is a session of ours that has ended.
func (s *Source) awaitRelease(ctx context.Context, conn *pgconn.PgConn) error {
	patience := time.NewTimer(slotRelease)
	defer patience.Stop()
	poll := time.NewTicker(slotPoll)
	defer poll.Stop()
	for {
		have, err := s.slotState(ctx, conn)
		if err != nil {
			return err
		}
		if have == nil || !have.active {
			return nil
		}
		inUse := s.inUse(have.pid)
		if have.pid != s.lastPID.Load() {
			return inUse
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return inUse
		case <-poll.C:
		}
	}
}

func (s *Source) inUse(pid uint32) error {
	busy := fault.Newf(fault.Unavailable, "the replication slot %s is in use by another session", s.name)
	if pid == 0 {
		return busy.WithHint("another weir with the same state reads this source: end it")
	}
	return busy.WithHint("it is process %d of postgres: another weir with the same state reads this source, or one that was killed has not been noticed yet", pid)
}

// gone is source.ErrGone with its reason.
func (s *Source) gone(why string) error {
	return fault.Newf(fault.Unavailable, "the replication slot %s %s", s.name, why).WithCause(source.ErrGone).
		WithHint("everything is copied again; if it happens again, raise max_slot_wal_keep_size so that production keeps its log longer")
}

// readable checks that the slot can bring everything after from.
func (s *Source) readable(ctx context.Context, conn *pgconn.PgConn, from LSN) error {
	if err := s.awaitRelease(ctx, conn); err != nil {
		return err
	}
	have, err := s.slotState(ctx, conn)
	switch {
	case err != nil:
		return err
	case have == nil:
		return s.gone("is not there")
	case have.lost:
		return s.gone("lost its log")
	case !have.ours:
		return s.gone("is not weir's")
	case from != 0 && from < have.confirmed:
		return s.gone("is ahead of what is stored")
	}
	return nil
}

// streamFailure classifies what ended the replication stream.
func (s *Source) streamFailure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch stateOf(err) {
	case stateObjectInUse:
		return s.inUse(0) // between our look at the slot and now somebody else was faster
	case stateNotInState:
		return s.gone("lost its log")
	case stateUndefinedObject:
		// the slot, or in the middle of the stream the publication, which decoding looks up as it was at that time
		s.adminMu.Lock()
		s.spoiled = true
		s.adminMu.Unlock()
		return s.gone("cannot be read from where it stands")
	}
	return s.failure(ctx, "send its changes", err)
}
