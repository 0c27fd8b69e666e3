package web

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a client may cost before anybody knows who it is, and after.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 6 * time.Minute // the longest question of a role, and the way of its answer
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	maxStreams        = 32 // requests at a time on one HTTP/2 connection
	maxConnections    = 256
	maxPerAddress     = 64                      // or per /64 of IPv6
	closingTime       = 1500 * time.Millisecond // for requests that are being answered when the server closes
	endingTime        = 5 * time.Second         // for those that have been told to end then
)

// Options are what a server works with. Door and TLS are needed; TLS may be nil for a server of which only Handler is used.
type Options struct {
	Door    Door
	TLS     *tls.Config
	Log     *slog.Logger // nil: nothing is logged
	Source  string       // what people call production; for the title bar
	Version string
}

// Server serves the page and its API. It is safe for concurrent use.
type Server struct {
	o      Options
	pages  *pages
	routes *routes
	cross  *http.CrossOriginProtection
	http   *http.Server

	// base is the context of every request; end is called by Close.
	base context.Context //nolint:containedctx // the server's own life, which begins with New and ends with Close
	end  context.CancelFunc

	patience time.Duration // endingTime; of tests, another

	mu      sync.Mutex // guards closed and ended
	closed  bool
	ended   bool
	serves  sync.WaitGroup // every Serve; Add only with mu held and closed false
	answers sync.WaitGroup // every request that is being answered; Add only with mu held and ended false
	ending  sync.Once      // shut
}

// New returns a server. The error says what is missing in o.
func New(o Options) (*Server, error) {
	if o.Door == nil {
		return nil, errors.New("a page needs a door")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, cross: http.NewCrossOriginProtection(), patience: endingTime}
	var err error
	if s.pages, err = parsePages(); err != nil {
		return nil, err
	}
	s.routes = s.newRoutes()
	s.base, s.end = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams},
		BaseContext: func(net.Listener) context.Context { return s.base },
		// What it says are handshakes that scanners gave up: worth a look when somebody cannot connect, not worth an operator's night.
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	if o.TLS != nil {
		t := o.TLS.Clone()
		t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
		t.NextProtos = []string{"h2", "http/1.1"}
		s.http.TLSConfig = t
	}
	return s, nil
}

// Serve answers TLS connections of l until ctx ends or the server is closed; then it returns nil, when what was being answered has ended. It closes l in any case. Who speaks HTTP without TLS gets one line that says so.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.o.TLS == nil {
		_ = l.Close()
		return errors.New("a page needs a TLS configuration")
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.serves.Add(1)
	s.mu.Unlock()
	defer s.serves.Done()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	err := s.http.ServeTLS(newBounded(l, maxConnections, maxPerAddress), "", "")
	if errors.Is(err, http.ErrServerClosed) {
		s.ending.Do(s.shut) // whoever closed it may still be waiting for answers; so does this
		return nil
	}
	return err
}

// Close ends the server: no new connections, a moment for what is being answered, then the end of everything. It returns when nothing is being answered any more, so that what is behind the Door
// can be closed after it; a request that does not end although it was told to is given up after about seven seconds, and logged. It may be called twice.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.ending.Do(s.shut)
	s.serves.Wait()
}

// shut gives what is being answered its moment, ends it then, and waits for it: http.Server.Close waits for nobody.
func (s *Server) shut() {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	err := s.http.Shutdown(ctx)
	s.end()
	if err != nil {
		_ = s.http.Close()
	}
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.answers.Wait()
		close(done)
	}()
	late := time.NewTimer(s.patience)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
		s.o.Log.Error("requests to the page do not end, and are left behind", "waited_seconds", (closingTime + s.patience).Seconds())
	}
}

// begin counts a request in, which is answered until s.answers is told. It says no when the server has ended.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.answers.Add(1)
	return true
}

// Handler is the server without its listener and TLS.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }
