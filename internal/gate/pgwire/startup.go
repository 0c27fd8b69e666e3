package pgwire

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// protocolName is PostgreSQL's name in TLS (ALPN).
const protocolName = "postgresql"

// The codes that a first message can carry instead of a version.
const (
	codeCancel = 80877102
	codeSSL    = 80877103
	codeGSS    = 80877104
	version3   = 3 << 16
	newest     = version3 | 2
)

// The longest first message and the longest message of sign-in, as PostgreSQL has them.
const (
	maxStartup = 10000
	maxSignIn  = 65536
)

var errTLSRequired = stated(fault.Refused, "28000", "TLS is required before anybody signs in", "connect with sslmode=verify-full")

// hello is what a start-up message says.
type hello struct {
	version    uint32
	parameters map[string]string
	order      []string // of the parameters
	unknown    []string // protocol options that this server does not know
}

// startUp brings a connection from its first byte to the first ReadyForQuery. An error is what the client is told last; errGone ends it in silence.
func (c *connection) startUp(ctx context.Context, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.server.o.Limits.Startup)
	defer cancel()
	_ = c.raw.SetDeadline(time.Now().Add(c.server.o.Limits.Startup))
	if ctx.Err() != nil {
		return errGone
	}
	h, err := c.negotiate(ctx)
	if err != nil {
		return err
	}
	if full {
		return &fatalError{stated(fault.Unavailable, "53300", "there are too many connections", "close some, or connect again in a moment")}
	}
	if err := c.signIn(ctx, h); err != nil {
		return err
	}
	_ = c.raw.SetDeadline(time.Time{})
	return nil
}

// negotiate reads first messages until one starts a session, and has TLS by then.
func (c *connection) negotiate(ctx context.Context) (*hello, error) {
	for gss := false; ; {
		var first [1]byte
		if _, err := io.ReadFull(c.in, first[:]); err != nil {
			return nil, errGone
		}
		if first[0] == 0x16 && c.tls == nil { // a TLS handshake without the question before it
			if err := c.secure(ctx, first[:], true); err != nil {
				return nil, err
			}
			continue
		}
		code, rest, err := c.readFirst(first[0])
		if err != nil {
			return nil, err
		}
		switch {
		case code == codeSSL && c.tls == nil && len(rest) == 0:
			if _, err := c.raw.Write([]byte("S")); err != nil {
				return nil, errGone
			}
			if err := c.secure(ctx, nil, false); err != nil {
				return nil, err
			}
		case code == codeGSS && c.tls == nil && len(rest) == 0 && !gss:
			gss = true
			if _, err := c.raw.Write([]byte("N")); err != nil {
				return nil, errGone
			}
		case code == codeCancel:
			// libpq before version 17 asks for it without TLS always, so it is taken either way. Who overhears it can cancel questions of that one session, and nothing else.
			if len(rest) >= 8 && len(rest) <= 4+256 {
				c.server.cancel(binary.BigEndian.Uint32(rest), rest[4:])
			}
			return nil, errGone
		case code>>16 == 3:
			if c.tls == nil {
				return nil, &fatalError{errTLSRequired}
			}
			return parseHello(code, rest)
		default:
			return nil, &fatalError{stated(fault.Invalid, "08P01", "this protocol is not supported", "use a client that speaks PostgreSQL's protocol, version 3")}
		}
	}
}

// readFirst reads a first message: it has no kind. Without TLS nothing beyond it is read, so that nothing written in front of the handshake can be taken for what comes after it.
func (c *connection) readFirst(first byte) (uint32, []byte, error) {
	head := [8]byte{first}
	if _, err := io.ReadFull(c.in, head[1:]); err != nil {
		return 0, nil, errGone
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 8 || n > maxStartup {
		return 0, nil, &fatalError{violation("the first message has an impossible length")}
	}
	rest, err := readBody(c.in, nil, int(n)-8)
	if err != nil {
		return 0, nil, errGone
	}
	return binary.BigEndian.Uint32(head[4:]), rest, nil
}

// secure puts TLS on the connection.
func (c *connection) secure(ctx context.Context, read []byte, direct bool) error {
	under := c.raw
	if len(read) > 0 {
		under = &begunConn{Conn: c.raw, begun: read}
	}
	t := tls.Server(under, c.server.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		return errGone
	}
	// Who leaves the question out must say which protocol it is: otherwise a browser could be led here.
	if direct && t.ConnectionState().NegotiatedProtocol != protocolName {
		return errGone
	}
	c.tls, c.in = t, bufio.NewReaderSize(t, 16<<10)
	c.out.to = t
	return nil
}

// begunConn is a connection whose first bytes were read already.
type begunConn struct {
	net.Conn
	begun []byte
}

func (b *begunConn) Read(p []byte) (int, error) {
	if len(b.begun) > 0 {
		n := copy(p, b.begun)
		b.begun = b.begun[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// parseHello reads a start-up message behind its version.
func parseHello(version uint32, rest []byte) (*hello, error) {
	h := &hello{version: version, parameters: map[string]string{}}
	b := body{rest: rest}
	for {
		name := b.text()
		if name == "" {
			break
		}
		value := b.text()
		if strings.HasPrefix(name, "_pq_.") {
			h.unknown = append(h.unknown, name)
			continue
		}
		if _, twice := h.parameters[name]; !twice {
			h.order = append(h.order, name)
		}
		h.parameters[name] = value
	}
	if !b.done() {
		return nil, &fatalError{violation("the start-up message is malformed")}
	}
	for _, v := range h.parameters {
		if err := clean(v); err != nil {
			return nil, &fatalError{err}
		}
	}
	if h.parameters["user"] == "" {
		return nil, &fatalError{stated(fault.Invalid, "28000", "the start-up message names no user", "connect with a user's name")}
	}
	return h, nil
}

// signIn proves who it is, asks the door, and says what a session begins with.
func (c *connection) signIn(ctx context.Context, h *hello) error {
	if h.version > newest || len(h.unknown) > 0 {
		c.out.open('v')
		c.out.int32(int(min(h.version, newest)))
		c.out.int32(len(h.unknown))
		for _, u := range h.unknown {
			c.out.text(u)
		}
		c.out.close()
	}
	user := h.parameters["user"]
	database := h.parameters["database"]
	if database == "" {
		database = user
	}
	c.user = user
	if r := h.parameters["replication"]; r != "" && r != "false" && r != "0" && r != "off" && r != "no" {
		return &fatalError{stated(fault.Refused, "0A000", "weir does not replicate to anybody", "ask questions in SQL")}
	}
	e := Entry{User: user, Database: database, Application: h.parameters["application_name"], Address: c.address, TLS: c.tls.ConnectionState()}
	broken := c.prove(ctx, &e)
	if broken != nil && e.By == "" {
		return broken // nothing was begun that the door would have to hear of
	}
	// The door hears of every attempt, also of one that was broken off or took too long.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.server.o.Limits.Startup)
	defer cancel()
	session, err := c.server.o.Door.Enter(late, e)
	if broken != nil {
		if session != nil {
			session.Close()
		}
		return broken
	}
	switch {
	case err != nil && e.Proved:
		return &fatalError{err}
	case err != nil || !e.Proved:
		if session != nil {
			session.Close()
		}
		if e.By == byCertificate {
			return &fatalError{stated(fault.Refused, "28000", "the client certificate is another user's", "sign in as the user whose name is the certificate's common name")}
		}
		// One answer, whatever it was.
		return &fatalError{stated(fault.Refused, "28P01", "user and password do not fit", "check the name and the password; weir login makes a new one")}
	}
	c.session = session
	if err := c.welcome(h); err != nil {
		session.Close()
		return err
	}
	return nil
}

// The ways to sign in, as Entry names them.
const (
	byPassword    = "password"
	byCertificate = "certificate"
)

// prove finds out whether somebody is who they say. It says in e by what; an error is an attempt that was broken off.
func (c *connection) prove(ctx context.Context, e *Entry) error {
	if len(e.TLS.VerifiedChains) > 0 {
		e.By = byCertificate
		e.Proved = e.TLS.PeerCertificates[0].Subject.CommonName == e.User
		return nil
	}
	var err error
	if e.Verifier, err = c.server.o.Door.Verifier(ctx, e.User, e.Address); err != nil {
		return &fatalError{err}
	}
	e.By = byPassword
	x := newScram(e.Verifier, c.server.o.EndPointHash())
	c.out.open('R')
	c.out.int32(10)
	for _, m := range x.mechanisms() {
		c.out.text(m)
	}
	c.out.text("")
	c.out.close()
	b, err := c.response()
	if err != nil {
		return err
	}
	mechanism := b.text()
	n := b.int32()
	message := b.take(n)
	if n < 0 || !b.done() {
		return &fatalError{malformed()}
	}
	challenge, err := x.first(mechanism, string(message))
	if err != nil {
		return &fatalError{err}
	}
	c.authentication(11, challenge)
	if b, err = c.response(); err != nil {
		return err
	}
	signature, proved, err := x.final(string(b.rest))
	if err != nil {
		return &fatalError{err}
	}
	e.Proved = proved
	if proved {
		c.authentication(12, signature)
	}
	return nil
}

// authentication writes one of the messages of sign-in.
func (c *connection) authentication(code int, data string) {
	c.out.open('R')
	c.out.int32(code)
	c.out.buf = append(c.out.buf, data...)
	c.out.close()
}

// response sends what was written and reads the client's part of sign-in.
func (c *connection) response() (body, error) {
	if err := c.out.flush(); err != nil {
		return body{}, err
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.server.o.Limits.Startup))
	f, err := readFrame(c.in, nil, maxSignIn)
	if err != nil {
		return body{}, err
	}
	if f.kind != 'p' {
		if f.kind == 'X' {
			return body{}, errGone
		}
		return body{}, &fatalError{violation("a message of sign-in was expected")}
	}
	return body{rest: f.body}, nil
}

// welcome says that the client is in, and what its session is like.
func (c *connection) welcome(h *hello) error {
	c.authentication(0, "")
	var notices []error
	for _, name := range h.order {
		switch name {
		case "user", "database", "replication":
			continue
		case "options":
			if err := c.options(h.parameters[name]); err != nil {
				return &fatalError{err}
			}
			continue
		}
		notice, err := c.settings.start(name, h.parameters[name])
		if err != nil {
			return &fatalError{err}
		}
		if notice != nil {
			notices = append(notices, notice)
		}
	}
	c.settings.begun()
	for _, p := range c.settings.reported(c) {
		c.parameterStatus(p[0], p[1])
	}
	id, key := c.server.register(c, h.version > version3)
	c.out.open('K')
	c.out.int32(int(id))
	c.out.buf = append(c.out.buf, key...)
	c.out.close()
	for _, n := range notices {
		c.out.report('N', "NOTICE", n)
	}
	return c.ready()
}

func (c *connection) parameterStatus(name, value string) {
	c.out.open('S')
	c.out.text(name)
	c.out.text(value)
	c.out.close()
}

// options reads what libpq calls options: -c name=value, --name=value; a backslash makes the next character ordinary.
func (c *connection) options(text string) error {
	var words []string
	var w strings.Builder
	in := false
	for i := 0; i < len(text); i++ {
		switch ch := text[i]; {
		case ch == '\\' && i+1 < len(text):
			i++
			w.WriteByte(text[i])
			in = true
		case ch == ' ' || ch >= '\t' && ch <= '\r':
			if in {
				words = append(words, w.String())
			}
			w.Reset()
			in = false
		default:
			w.WriteByte(ch)
			in = true
		}
	}
	if in {
		words = append(words, w.String())
	}
	for i := 0; i < len(words); i++ {
		setting := ""
		switch {
		case words[i] == "-c" && i+1 < len(words):
			i++
			setting = words[i]
		case strings.HasPrefix(words[i], "--"):
			setting = words[i][2:]
		case strings.HasPrefix(words[i], "-c"):
			setting = words[i][2:]
		}
		name, value, ok := strings.Cut(setting, "=")
		if !ok {
			return stated(fault.Invalid, "42601", "the option options is not understood", "write it as options='-c name=value'")
		}
		if _, err := c.settings.start(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

// last tells the client the error that ends the connection, when it can still be told.
func (c *connection) last(err error) {
	var f *fatalError
	if !errors.As(err, &f) {
		return
	}
	c.out.report('E', "FATAL", f.cause)
	_ = c.out.flush()
	c.linger()
}

// linger lets what was written arrive: closing a socket with unread bytes in it would throw the answer away. It takes what the other side still sends, for a moment.
func (c *connection) linger() {
	if c.tls != nil {
		_ = c.tls.CloseWrite()
	}
	if t, ok := c.raw.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
	_ = c.raw.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = io.CopyN(io.Discard, c.raw, 1<<20)
}
