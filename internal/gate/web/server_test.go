package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/gate/web"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// listen serves the lab over TLS on a free port, and gives its address and the client's side of the TLS.
func (l *lab) listen() (string, *tls.Config) {
	l.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(l.t.Context(), "tcp", "127.0.0.1:0")
	check(l.t, err)
	served := make(chan error, 1)
	go func() { served <- l.server.Serve(context.WithoutCancel(l.t.Context()), listener) }()
	l.t.Cleanup(func() {
		l.server.Close()
		check(l.t, <-served)
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(l.door.authority.RootPEM())
	return listener.Addr().String(), &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

func TestServesHTTPSAndTellsWhoeverSpeaksPlainHTTP(t *testing.T) {
	l := newLab(t)
	token := l.token(people.Viewer)
	address, config := l.listen()
	for _, second := range []bool{true, false} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: second}, Timeout: 2 * time.Minute}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/account", nil)
		check(t, err)
		r.Host = "evil.example"
		r.AddCookie(&http.Cookie{Name: "__Host-weir", Value: token})
		res, err := client.Do(r)
		check(t, err)
		text, err := io.ReadAll(res.Body)
		check(t, err)
		check(t, res.Body.Close())
		if res.StatusCode != 200 || res.ProtoMajor != map[bool]int{true: 2, false: 1}[second] || !strings.Contains(string(text), "viewer-1") || strings.Contains(string(text), "evil.example") {
			t.Errorf("status %d over %s: %s", res.StatusCode, res.Proto, text)
		}
		client.CloseIdleConnections()
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	check(t, err)
	defer func() { _ = conn.Close() }()
	check(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	check(t, err)
	answer, err := io.ReadAll(conn)
	check(t, err)
	if !strings.Contains(string(answer), "400 Bad Request") || !strings.Contains(string(answer), "HTTPS") {
		t.Errorf("plain HTTP gets %q", answer)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	l := newLab(t)
	address, config := l.listen()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	check(t, err)
	defer func() { _ = conn.Close() }()
	check(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 30<<10)+"\r\n\r\n")
	check(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("%q, %v", line, err)
	}
}

func TestServerEndsWithOpenConnections(t *testing.T) {
	l := newLab(t)
	address, config := l.listen()
	conn, err := (&tls.Dialer{Config: config}).DialContext(t.Context(), "tcp", address)
	check(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	check(t, err)
	l.server.PatienceForTest(time.Hour) // half a request is nothing that is being answered: nobody waits for it
	l.server.Close()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	check(t, l.server.Serve(t.Context(), listener)) // a closed server says nothing and serves nothing
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener of a closed server is open")
	}
}

// askedFor sends a question of a viewer to the lab's server, whose Ask is do, and returns when it is being asked.
func (l *lab) askedFor(do func(ctx context.Context)) {
	l.t.Helper()
	asked := make(chan struct{})
	l.door.asked = func(ctx context.Context, _ metric.Question) {
		close(asked)
		do(ctx)
	}
	address, config := l.listen()
	conn, err := (&tls.Dialer{Config: config}).DialContext(l.t.Context(), "tcp", address)
	check(l.t, err)
	l.t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "GET /api/v1/metrics/attempts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+l.token(people.Viewer)+"\r\n\r\n")
	check(l.t, err)
	<-asked
}

func TestClosingWaitsForWhatIsBeingAnsweredAndTellsItToEnd(t *testing.T) {
	l := newLab(t)
	closed, left := make(chan struct{}), make(chan bool, 1)
	l.askedFor(func(ctx context.Context) {
		<-ctx.Done()
		select { // what it still does takes its time
		case <-closed:
			left <- true
		case <-time.After(300 * time.Millisecond):
			left <- false
		}
	})
	l.server.Close()
	close(closed)
	if <-left {
		t.Error("the server was closed while a question was being answered")
	}
	b := l.browser()
	if text := b.page(b.get("/sign-in"), http.StatusServiceUnavailable); !strings.Contains(text, "weir is shutting down.") {
		t.Errorf("after the end: %s", text)
	}
}

func TestClosingGivesUpWhatDoesNotEnd(t *testing.T) {
	l := newLab(t)
	l.server.PatienceForTest(50 * time.Millisecond)
	never, over := make(chan struct{}), make(chan struct{})
	l.askedFor(func(context.Context) {
		<-never
		close(over)
	})
	l.server.Close() // returns, although the question does not end
	if !strings.Contains(l.log.String(), "do not end") {
		t.Errorf("logged: %s", l.log.String())
	}
	close(never)
	<-over
}

// elsewhere is a listener whose connections seem to come from other addresses, one after the other.
type elsewhere struct {
	net.Listener
	from chan string
}

func (e *elsewhere) Accept() (net.Conn, error) {
	c, err := e.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &distant{Conn: c, from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(<-e.from))}, nil
}

type distant struct {
	net.Conn
	from net.Addr
}

func (d *distant) RemoteAddr() net.Addr { return d.from }

func TestOneNetworkCountsAsOneAddress(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	far := &elsewhere{inner, make(chan string, 1)}
	bounded := web.BoundedForTest(far, 10, 1)
	defer func() { _ = bounded.Close() }()
	go func() {
		for {
			c, err := bounded.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("x")) // it stays open
		}
	}()
	for _, c := range []struct {
		from string
		in   bool
	}{
		{"[2001:db8:0:1::1]:1", true},
		{"[2001:db8:0:1:ffff::2]:1", false},
		{"[2001:db8:0:2::1]:1", true},
		{"[::ffff:192.0.2.1]:1", true},
		{"192.0.2.1:1", false},
		{"[::ffff:192.0.2.2]:1", true},
		{"[fe80::1%1]:1", true},
		{"[fe80::2%2]:1", false},
	} {
		far.from <- c.from
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		check(t, err)
		defer func() { _ = conn.Close() }()
		check(t, conn.SetReadDeadline(time.Now().Add(2*time.Minute)))
		if n, _ := conn.Read(make([]byte, 1)); (n == 1) != c.in {
			t.Errorf("%s: it is let in: %t", c.from, n == 1)
		}
	}
}

func TestConnectionsAreBoundedAndGiveTheirPlaceBack(t *testing.T) {
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	bounded := web.BoundedForTest(inner, 10, 2)
	defer func() { _ = bounded.Close() }()
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := bounded.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
		check(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	dial()
	first := <-accepted
	dial()
	<-accepted
	third := dial()
	check(t, third.SetReadDeadline(time.Now().Add(2*time.Minute)))
	if _, err := third.Read(make([]byte, 1)); err == nil {
		t.Error("one more than allowed is let in")
	}
	check(t, first.Close())
	_ = first.Close() // twice is once
	dial()
	if c := <-accepted; c == nil {
		t.Error("a place that was given back is not used")
	}
	fifth := dial()
	check(t, fifth.SetReadDeadline(time.Now().Add(2*time.Minute)))
	if _, err := fifth.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that was closed twice gave two places back")
	}
}

func TestServerNeedsADoorAndTLS(t *testing.T) {
	if _, err := web.New(web.Options{}); err == nil {
		t.Error("there is a server without a door")
	}
	s, err := web.New(web.Options{Door: newDoor(t, "")})
	check(t, err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	if err := s.Serve(t.Context(), listener); err == nil {
		t.Error("it serves without TLS")
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener is left open")
	}
}

func TestQuantitiesAreWrittenForPeople(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0 ms", 0.0123: "12 ms", 0.9999: "1.0 s", 2.34: "2.3 s", 45: "45 s", 119.4: "119 s", 300: "5 min", 7300: "2 h", 200000: "2 days"} {
		if got := web.DurationForTest(seconds); got != want {
			t.Errorf("%v s is %s", seconds, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 22_300: "22.3 kB", 999_700: "1 MB", 5_000_000_000: "5 GB"} {
		if got := web.BytesForTest(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
	for iso, want := range map[string]string{"PT2H": "2 hours", "P1D": "1 day", "P1DT30M": "1 day 30 minutes", "P1W": "P1W", "soon": "soon", "": ""} {
		if got := web.LengthTextForTest(iso); got != want {
			t.Errorf("%s is %q", iso, got)
		}
	}
}
