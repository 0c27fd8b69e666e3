package pgwire

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// Limits bound what a server spends on its clients. A zero value is replaced by the default that stands beside it.
type Limits struct {
	Connections int           // at the same time; 200
	PerAddress  int           // of them from one address, or one /64 of IPv6; 50
	Startup     time.Duration // from the first byte to the end of sign-in; 15 s
	Idle        time.Duration // without a message, also in a transaction; 1 h
	Stall       time.Duration // for one write to a client that does not read; 2 min
	Message     int           // bytes of one message of a client; 16 MiB
	Statements  int           // prepared statements of one session; 1000
	Portals     int           // answers that one session has open; 32
	Kept        int           // bytes of text and parameters of both, as far as they have names; 2 MiB
}

// Options are what a server works with. Door, TLS and EndPointHash are needed.
type Options struct {
	Door Door
	// TLS is the server's configuration. A client certificate that it verified signs in the user whose name is its common name; it must not verify certificates of an authority that is not weir's own.
	TLS *tls.Config
	// EndPointHash is the channel binding of the certificate that is served at the moment (see the function of this name). Where it gives nil, channel binding is not offered.
	EndPointHash func() []byte
	Log          *slog.Logger // nil: nothing is logged
	Limits       Limits
}

// Server serves PostgreSQL's protocol on listeners. It is safe for concurrent use.
type Server struct {
	o   Options
	tls *tls.Config

	// base is the context of every connection; end is called by Close.
	base context.Context //nolint:containedctx // the server's own life, which begins with New and ends with Close
	end  context.CancelCauseFunc

	mu       sync.Mutex // guards what follows
	closed   bool
	wg       sync.WaitGroup // every Serve; Add only with mu held and closed false
	open     int
	perAddr  map[netip.Addr]int
	sessions map[uint32]*connection // by the number that a cancel request names
}

// errShutdown ends the connections when the server closes.
var errShutdown = stated(fault.Unavailable, "57P01", "weir is shutting down", "connect again in a moment")

// spare is how many connections beyond the limit are kept long enough to be told so, and to carry requests to cancel.
const spare = 16

// New returns a server.
func New(o Options) (*Server, error) {
	if o.Door == nil || o.TLS == nil || o.EndPointHash == nil {
		return nil, errors.New("a PostgreSQL endpoint needs a door, a TLS configuration and its certificate's hash")
	}
	l := &o.Limits
	l.Connections, l.PerAddress = cmp.Or(l.Connections, 200), cmp.Or(l.PerAddress, 50)
	l.Startup, l.Idle, l.Stall = cmp.Or(l.Startup, 15*time.Second), cmp.Or(l.Idle, time.Hour), cmp.Or(l.Stall, 2*time.Minute)
	l.Message, l.Statements, l.Portals = cmp.Or(l.Message, 16<<20), cmp.Or(l.Statements, 1000), cmp.Or(l.Portals, 32)
	l.Kept = cmp.Or(l.Kept, 2<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	t := o.TLS.Clone()
	t.NextProtos = []string{protocolName}
	t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	s := &Server{o: o, tls: t, perAddr: map[netip.Addr]int{}, sessions: map[uint32]*connection{}}
	s.base, s.end = context.WithCancelCause(context.Background())
	return s, nil
}

// Serve accepts connections until ctx ends or the server is closed, and returns when all goroutines of its connections have ended. It returns nil when it was told to end, and closes the listener in any case.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.wg.Add(1)
	s.mu.Unlock()
	defer s.wg.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(s.base, func() { cancel(errShutdown) })
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	var mine sync.WaitGroup
	err := s.accept(ctx, l, &mine)
	cancel(errShutdown)
	stop()
	unhook()
	_ = l.Close()
	mine.Wait()
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener, mine *sync.WaitGroup) error {
	wait := 5 * time.Millisecond
	for {
		raw, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = raw.Close()
			}
			return nil
		}
		if err != nil {
			var ne net.Error
			if !errors.As(err, &ne) || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, or a client that left at once: later it goes on.
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
			wait = min(2*wait, time.Second)
			continue
		}
		wait = 5 * time.Millisecond
		address := addressOf(raw)
		full, ok := s.admit(network(address))
		if !ok {
			_ = raw.Close()
			continue
		}
		mine.Go(func() {
			defer s.dismiss(network(address))
			s.serve(ctx, raw, address, full)
		})
	}
}

// admit counts a connection in. full says that it must be told that there are too many.
func (s *Server) admit(a netip.Addr) (full, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= s.o.Limits.Connections+spare || s.perAddr[a] >= s.o.Limits.PerAddress+spare {
		return false, false
	}
	full = s.open >= s.o.Limits.Connections || s.perAddr[a] >= s.o.Limits.PerAddress
	s.open++
	s.perAddr[a]++
	return full, true
}

func (s *Server) dismiss(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.perAddr[a]--; s.perAddr[a] <= 0 {
		delete(s.perAddr, a)
	}
}

// Close ends every connection, which are told, and returns when all goroutines have ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end(errShutdown)
	s.wg.Wait()
}

// serve is one connection's life.
func (s *Server) serve(ctx context.Context, raw net.Conn, address netip.Addr, full bool) {
	defer func() { _ = raw.Close() }()
	c := newConnection(s, raw, address)
	// What is left unsaid when the server must end gets a moment to be said.
	stop := context.AfterFunc(ctx, func() { _ = raw.SetReadDeadline(time.Now()); _ = raw.SetWriteDeadline(time.Now().Add(2 * time.Second)) })
	defer stop()
	if err := c.startUp(ctx, full); err != nil {
		c.last(err)
		return
	}
	c.live(ctx)
}

// register gives a session the number and the secret that cancel it. Clients of protocol 3.0 can keep 4 bytes of secret; later ones get 32.
func (s *Server) register(c *connection, long bool) (id uint32, key []byte) {
	key = make([]byte, 4)
	if long {
		key = make([]byte, 32)
	}
	_, _ = rand.Read(key) // never fails
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		id = binary.BigEndian.Uint32(b[:]) & 0x7fffffff
		if id != 0 && s.sessions[id] == nil {
			break
		}
	}
	c.id, c.key = id, key
	s.sessions[id] = c
	return id, key
}

func (s *Server) forget(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, id)
}

// cancel ends what a session runs, when the secret is right; nobody is told whether it was.
func (s *Server) cancel(id uint32, key []byte) {
	s.mu.Lock()
	c := s.sessions[id]
	s.mu.Unlock()
	if c != nil && subtle.ConstantTimeCompare(c.key, key) == 1 {
		c.interrupt(errCancelled)
	}
}

// addressOf is the network address of the other end; the zero address for anything that has none.
func addressOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// network is what counts as one address: a /64 of IPv6 is what one customer gets, and one machine can come from any address of it.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	p, _ := a.Prefix(64) // fails for no IPv6 address
	return p.Addr()
}
