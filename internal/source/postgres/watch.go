package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
)

const (
	defaultBeat  = 500 * time.Millisecond // how often an idle server is asked where it is, and production's clock is read; twice as often as the catalogue at least
	statusBeats  = 4                      // after how many beats the server hears from us at least, so that wal_sender_timeout never strikes while the store is slow
	answerWithin = 5 * time.Second        // when an answer that did not come is asked for again
	lookShare    = 20                     // a look at the catalogue may take one part in so many of the time
	maxMoments   = 4096
)

// watch is what goes on beside Read's goroutine while it may be blocked in the sink: the herald tells the server that we are there and what may be forgotten, and the
// lookout reads production's clock and catalogue. They never touch the sink: what they have to say is fetched.
//
// Read's goroutine waits in the socket; poke moves the socket's deadline into the past to wake it.
type watch struct {
	source *Source
	socket net.Conn
	side   *pgconn.PgConn // the lookout's own session
	cancel context.CancelFunc
	joined sync.WaitGroup

	busy  atomic.Bool  // data came since the last beat
	asked atomic.Int64 // when an answer was asked for (our clock, ns), 0 when none is due
	wake  chan struct{}
	hurry atomic.Bool // the server asked for a status at once

	mu      sync.Mutex // guards all below
	latest  *catalogue // the last look that was not fetched
	moments []moment   // ascending
	ended   error      // why the stream must end
}

// moment says that everything that had committed by at lies before written.
type moment struct {
	at      time.Time
	written LSN
}

func (s *Source) newWatch(ctx context.Context, socket net.Conn, side *pgconn.PgConn) *watch {
	inner, cancel := context.WithCancel(ctx)
	w := &watch{source: s, socket: socket, side: side, cancel: cancel, wake: make(chan struct{}, 1)}
	s.ackMu.Lock()
	s.ackCh = w.wake
	s.ackMu.Unlock()
	w.joined.Go(func() { w.herald(inner) })
	w.joined.Go(func() { w.lookout(inner) })
	return w
}

// join ends both goroutines; the socket is closed already.
func (w *watch) join() {
	w.cancel()
	w.joined.Wait()
	w.source.ackMu.Lock()
	w.source.ackCh = nil
	w.source.ackMu.Unlock()
}

func (s *Source) beat() time.Duration { return max(min(defaultBeat, s.watch/2), time.Millisecond) }

func (w *watch) poke() {
	_ = w.socket.SetReadDeadline(time.Unix(1, 0)) // a closed socket wakes its reader by itself
}

// herald keeps the server informed. It alone writes to the socket.
func (w *watch) herald(ctx context.Context) {
	tick := time.NewTicker(w.source.beat())
	defer tick.Stop()
	last := time.Now()
	for {
		var ask, due bool
		select {
		case <-ctx.Done():
			w.poke()
			return
		case <-w.wake:
			due = true
			w.hurry.Store(false)
		case now := <-tick.C:
			asked := w.asked.Load()
			ask = !w.busy.Swap(false) && (asked == 0 || now.UnixNano()-asked > int64(answerWithin))
			due = ask || w.hurry.Swap(false) || now.Sub(last) >= statusBeats*w.source.beat()
		}
		if !due {
			continue
		}
		last = time.Now()
		if ask {
			w.asked.Store(last.UnixNano())
		}
		if _, err := w.socket.Write(status(LSN(w.source.acked.Load()), last, ask)); err != nil {
			return // Read's goroutine sees the same broken socket
		}
	}
}

// status is a standby status update as it goes over the wire. It never reports more than what Ack allowed.
func status(acked LSN, now time.Time, ask bool) []byte {
	p := make([]byte, 0, 64)
	p = append(p, 'r')
	for range 3 { // written, flushed, applied
		p = binary.BigEndian.AppendUint64(p, uint64(acked))
	}
	p = binary.BigEndian.AppendUint64(p, uint64(now.UnixMicro()-unixMicros)) //nolint:gosec // the bit pattern is what is sent
	if ask {
		p = append(p, 1)
	} else {
		p = append(p, 0)
	}
	message, err := (&pgproto3.CopyData{Data: p}).Encode(nil)
	if err != nil { // forty bytes always fit a message
		return nil
	}
	return message
}

// answered notes a keepalive, and whether it wants an answer itself.
func (w *watch) answered(wants bool) {
	w.asked.Store(0)
	if !wants {
		return
	}
	w.hurry.Store(true)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// lookout reads production's clock and catalogue. When its session ends the stream must end too: a server that shuts down ends ordinary sessions first and then waits
// for us to have taken all, which may be long when the store is slow.
func (w *watch) lookout(ctx context.Context) {
	tick := time.NewTicker(w.source.beat())
	defer tick.Stop()
	look := time.Now().Add(w.source.watch)
	for {
		if err := w.note(ctx); err != nil {
			w.fail(ctx, err)
			return
		}
		if now := time.Now(); !now.Before(look) {
			c, err := w.source.look(ctx, w.side)
			if err != nil {
				w.fail(ctx, err)
				return
			}
			look = time.Now().Add(max(w.source.watch, lookShare*time.Since(now)))
			w.mu.Lock()
			w.latest = c
			w.mu.Unlock()
			w.poke()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-time.After(max(time.Until(look), time.Millisecond)):
		}
	}
}

// note reads production's clock, then its log: in this order everything that had committed by the clock is before the place.
func (w *watch) note(ctx context.Context) error {
	r, err := simple(ctx, w.side, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint; SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return w.source.failure(ctx, "tell its time", err)
	}
	lsn, err := cellLSN(r[1:])
	if err != nil {
		return w.source.failure(ctx, "tell its time", err)
	}
	m := moment{at: time.UnixMicro(cellInt(r[0][0][0])).UTC(), written: lsn.recordEnd()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.moments); n > 0 && w.moments[n-1].written == m.written {
		w.moments[n-1] = m
		return nil
	}
	if len(w.moments) == maxMoments { // far behind: every second moment is precise enough
		for i := range maxMoments / 2 {
			w.moments[i] = w.moments[2*i]
		}
		w.moments = w.moments[:maxMoments/2]
	}
	w.moments = append(w.moments, m)
	return nil
}

// clock returns production's clock when its log had reached end at most; zero when that is not known yet.
func (w *watch) clock(end LSN) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Time{}
	n := 0
	for n < len(w.moments) && w.moments[n].written <= end {
		at = w.moments[n].at
		n++
	}
	if n > 1 {
		w.moments = append(w.moments[:0], w.moments[n-1:]...)
	}
	return at
}

// fail ends the stream from outside: closing the socket also helps when Read's goroutine is in the sink.
func (w *watch) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind == fault.Invalid || f.Kind == fault.Refused {
		f = fault.New(fault.Unavailable, "postgres stopped answering questions beside its changes", "weir tries again").WithCause(err)
	}
	w.mu.Lock()
	w.ended = f
	w.mu.Unlock()
	_ = w.socket.Close() // it is given up
}

func (w *watch) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ended
}

func (w *watch) take() *catalogue {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.latest
	w.latest = nil
	return c
}
