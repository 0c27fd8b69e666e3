package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// What ends a running statement from outside.
var (
	errCancelled = stated(fault.Refused, "57014", "the question was cancelled", "ask again")
	errTimeout   = stated(fault.Refused, "57014", "the question took longer than statement_timeout", "ask for less, or set statement_timeout higher")
)

// What ends a connection that says nothing.
var (
	errIdle        = stated(fault.Unavailable, "57P05", "the connection was idle for too long", "connect again")
	errIdleInBlock = stated(fault.Unavailable, "25P03", "the connection was idle for too long", "connect again")
)

// The states that ReadyForQuery tells.
const (
	idle    = 'I'
	inBlock = 'T'
	failed  = 'E'
)

// connection is one client. Its own goroutine, which runs live, owns everything in it but what mu guards; receive reads ahead by one message.
type connection struct {
	server  *Server
	raw     net.Conn
	tls     *tls.Conn // nil until there is TLS
	in      io.Reader
	out     outbox
	address netip.Addr

	user     string
	session  Session
	settings *settings
	told     map[string]string // reported parameters as the client knows them
	id       uint32            // id and key are written before the session is registered, and never after
	key      []byte

	ctx    context.Context //nolint:containedctx // the session's life, which messages share
	cancel context.CancelCauseFunc
	frames chan frame
	free   chan []byte

	mu      sync.Mutex
	running context.CancelCauseFunc // ends what runs at the moment; nil: nothing does

	status     byte
	savepoints []string
	prepared   map[string]*prepared
	portals    map[string]*portal
	skipping   bool // until Sync, after an error in the extended protocol
}

func newConnection(s *Server, raw net.Conn, a netip.Addr) *connection {
	return &connection{
		server: s, raw: raw, in: raw, out: outbox{to: raw, stall: s.o.Limits.Stall}, address: a, settings: newSettings(), told: map[string]string{},
		frames: make(chan frame), free: make(chan []byte, 2), status: idle, prepared: map[string]*prepared{}, portals: map[string]*portal{},
	}
}

// live serves a session that has begun, until it ends, and joins its goroutines.
func (c *connection) live(ctx context.Context) {
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(nil)
	c.free <- nil
	c.free <- nil
	if s, ok := c.session.(Settler); ok {
		c.out.settle = func() error { return s.Settle(c.ctx) }
	}
	var wg sync.WaitGroup
	wg.Go(c.receive)
	wg.Go(c.watch)
	err := c.guarded()
	c.server.forget(c.id)
	if ctx.Err() != nil && !errors.Is(err, errTerminate) {
		err = &fatalError{errShutdown}
	}
	c.closePortals(true)
	c.cancel(errGone)
	c.last(err)
	_ = c.raw.Close()
	wg.Wait()
	if l, ok := c.session.(Leaver); ok {
		l.Left(c.end(err))
	}
	c.session.Close()
}

// end says how the connection ended, by the error that ended it.
func (c *connection) end(err error) End {
	var fatal *fatalError
	switch {
	case errors.Is(err, errTerminate):
		return EndLeft
	case errors.Is(err, errShutdown):
		return EndStopped
	case errors.Is(err, errIdle), errors.Is(err, errIdleInBlock):
		return EndIdle
	case !errors.As(err, &fatal):
		return EndLost
	}
	select {
	case <-c.session.Done():
		return EndDismissed
	default:
		return EndBroken
	}
}

// guarded turns a panic into the end of this one connection. The panic's value is not logged: it can hold values of the answer.
func (c *connection) guarded() (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.server.o.Log.ErrorContext(c.ctx, "a connection broke", "stack", string(debug.Stack()))
			err = &fatalError{fault.New(fault.Internal, "something inside weir failed", "ask again; if it fails again, report it")}
		}
	}()
	return c.loop()
}

// receive reads messages ahead of loop, one at a time, so that a client that goes away in the middle of a question ends it.
func (c *connection) receive() {
	for {
		var buf []byte
		select {
		case buf = <-c.free:
		case <-c.ctx.Done():
			return
		}
		f, err := readFrame(c.in, buf, c.server.o.Limits.Message)
		if err != nil {
			var fatal *fatalError
			if !errors.As(err, &fatal) {
				c.cancel(errGone)
				return
			}
			f = frame{err: err}
		}
		select {
		case c.frames <- f:
		case <-c.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// watch ends the session when the door says so.
func (c *connection) watch() {
	select {
	case <-c.session.Done():
		reason := c.session.Reason()
		if reason == nil {
			reason = stated(fault.Refused, "57P01", "the session was ended", "sign in again")
		}
		c.cancel(&fatalError{reason})
		_ = c.raw.SetWriteDeadline(time.Now().Add(2 * time.Second))
	case <-c.ctx.Done():
	}
}

// loop handles messages in order.
func (c *connection) loop() error {
	if err := c.out.flush(); err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.patience())
		select {
		case f := <-c.frames:
			if f.err != nil {
				return f.err
			}
			if err := c.handle(f); err != nil {
				return err
			}
			if cap(f.body) > keepAtMost {
				f.body = nil
			}
			c.free <- f.body // has room: two buffers are about
		case <-timer.C:
			if c.status != idle {
				return &fatalError{errIdleInBlock}
			}
			return &fatalError{errIdle}
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	}
}

// patience is how long the next message may take.
func (c *connection) patience() time.Duration {
	limit := c.server.o.Limits.Idle
	name := "idle_session_timeout"
	if c.status != idle {
		name = "idle_in_transaction_session_timeout"
	}
	if d := c.settings.limit(name); d > 0 {
		limit = min(limit, d)
	}
	return limit
}

// handle does what one message asks. An error ends the connection.
func (c *connection) handle(f frame) error {
	switch f.kind {
	case 'X':
		return errTerminate
	case 'Q', 'P', 'B', 'D', 'E', 'C', 'H', 'S', 'F', 'd', 'c', 'f':
	default:
		return &fatalError{violation("a message has no place here")}
	}
	if c.skipping && f.kind != 'S' {
		return nil
	}
	b := body{rest: f.body}
	switch f.kind {
	case 'Q':
		return c.simple(&b)
	case 'F':
		if err := c.fail(c.refused(stated(fault.Refused, "0A000", "functions are not called directly here", "ask with SELECT"))); err != nil {
			return err
		}
		return c.ready()
	case 'S':
		c.skipping = false
		if c.status == idle {
			c.endTransaction(true)
		}
		return c.ready()
	case 'H':
		return c.out.flush()
	case 'd', 'c', 'f': // what is left of a copy that was refused
		return nil
	}
	err := c.extended(f.kind, &b)
	if err == nil {
		return nil
	}
	c.skipping = true
	return c.fail(err)
}

// extended does what one message of the extended protocol asks.
func (c *connection) extended(kind byte, b *body) error {
	switch kind {
	case 'P':
		return c.parse(b)
	case 'B':
		return c.bind(b)
	case 'D':
		return c.describe(b)
	case 'E':
		return c.execute(b)
	}
	return c.close(b)
}

// fail tells an error, and ends what it ends. It returns an error when the connection is over.
func (c *connection) fail(err error) error {
	if c.out.err != nil {
		return errGone
	}
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	var fatal *fatalError
	if errors.As(err, &fatal) || errors.Is(err, errGone) {
		return err
	}
	c.closePortals(false)
	c.out.report('E', "ERROR", err)
	if c.status == idle {
		c.endTransaction(false)
	} else {
		c.status = failed
	}
	return nil
}

// ready is ReadyForQuery, in front of which the client is told what changed.
func (c *connection) ready() error {
	for _, p := range c.settings.reported(c) {
		if told, ok := c.told[p[0]]; ok && told != p[1] {
			c.parameterStatus(p[0], p[1])
		}
		c.told[p[0]] = p[1]
	}
	c.out.open('Z')
	c.out.buf = append(c.out.buf, c.status)
	c.out.close()
	return c.out.flush()
}

// endTransaction ends a transaction, or what was one for a moment outside any.
func (c *connection) endTransaction(committed bool) {
	c.status, c.savepoints = idle, nil
	c.settings.end(committed)
	c.closePortals(false)
}

// closePortals ends the answers that are open; those WITH HOLD only when all.
func (c *connection) closePortals(all bool) {
	for name, p := range c.portals {
		if all || !p.hold {
			p.close()
			delete(c.portals, name)
		}
	}
}

// during makes a running statement one that can be ended from outside, until the returned function is called.
func (c *connection) during(cancel context.CancelCauseFunc) func() {
	c.mu.Lock()
	c.running = cancel
	c.mu.Unlock()
	var t *time.Timer
	if d := c.settings.limit("statement_timeout"); d > 0 {
		t = time.AfterFunc(d, func() { cancel(errTimeout) })
	}
	return func() {
		if t != nil {
			t.Stop()
		}
		c.mu.Lock()
		c.running = nil
		c.mu.Unlock()
	}
}

// interrupt ends what runs at the moment. Any goroutine may call it.
func (c *connection) interrupt(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running != nil {
		c.running(cause)
	}
}

// why is the error to tell: that it was ended from outside, when it was.
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errCancelled) || errors.Is(cause, errTimeout) {
		return cause
	}
	return err
}

func itoa(n int) string { return strconv.Itoa(n) }
