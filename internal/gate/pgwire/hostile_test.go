package pgwire_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/gate/pgwire"
)

// hello is a start-up message.
func hello(version uint32, parameters ...string) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 4), version)
	for _, p := range parameters {
		b = append(append(b, p...), 0)
	}
	b = append(b, 0)
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// first is a first message with any length and code.
func first(length, code uint32, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, length), code), rest...)
}

// message is a message of any kind, with its right length unless told otherwise.
func message(kind byte, body string, length ...uint32) []byte {
	n := uint32(len(body) + 4)
	if len(length) > 0 {
		n = length[0]
	}
	return append(binary.BigEndian.AppendUint32([]byte{kind}, n), body...)
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// sasl is a first message of sign-in.
func sasl(mechanism, data string) []byte {
	return message('p', mechanism+"\x00"+string(binary.BigEndian.AppendUint32(nil, uint32(len(data))))+data)
}

// answers reads everything that a server says and puts it in short.
func answers(conn net.Conn) string {
	f := pgproto3.NewFrontend(conn, io.Discard)
	var out []string
	for {
		m, err := f.Receive()
		if err != nil {
			return strings.Join(append(out, "closed"), " ")
		}
		out = append(out, short(m))
	}
}

const sslRequest = 80877103

// What comes before sign-in, without TLS and with it, and what must be answered. Nothing of it may reach the door as somebody who is in.
func TestHostileBeginnings(t *testing.T) {
	l := newLab(t)
	base := runtime.NumGoroutine()
	alice := hello(3<<16, "user", "alice")
	nonce := "n,,n=,r=abcdefgh"
	for name, c := range map[string]beginning{
		"plain start-up":              {false, alice, "fatal:28000 closed"},
		"plain start-up, version 2":   {false, first(8, 2<<16), "fatal:08P01 closed"},
		"version 4":                   {true, first(9, 4<<16, 0), "fatal:08P01 closed"},
		"a short length":              {false, first(4, 0), "fatal:08P01 closed"},
		"no length":                   {false, first(0, 0), "fatal:08P01 closed"},
		"a giant length":              {false, first(0x7fffffff, 3<<16), "fatal:08P01 closed"},
		"a negative length":           {true, first(0xffffffff, 3<<16), "fatal:08P01 closed"},
		"HTTP":                        {false, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "fatal:08P01 closed"},
		"GSS twice":                   {false, joined(first(8, 80877104), first(8, 80877104)), "N fatal:08P01 closed"},
		"TLS inside TLS":              {true, first(8, sslRequest), "fatal:08P01 closed"},
		"a long SSL request":          {false, first(9, sslRequest, 0), "fatal:08P01 closed"},
		"cancel without a key":        {false, first(12, 80877102, 0, 0, 0, 1), "closed"},
		"cancel with a wrong key":     {false, first(16, 80877102, 0, 0, 0, 1, 0, 0, 0, 0), "closed"},
		"cancel with a giant key":     {true, first(900, 80877102, make([]byte, 892)...), "closed"},
		"no user":                     {true, hello(3<<16, "database", "x"), "fatal:28000 closed"},
		"an empty user":               {true, hello(3<<16, "user", ""), "fatal:28000 closed"},
		"parameters without an end":   {true, first(13, 3<<16, 'u', 's', 'e', 'r', 0), "fatal:08P01 closed"},
		"bytes behind the end":        {true, append(first(uint32(len(alice))+1, 3<<16), append(alice[8:], 'x')...), "fatal:08P01 closed"},
		"a user that is not UTF-8":    {true, hello(3<<16, "user", "\xff\xfe"), "fatal:22021 closed"},
		"replication":                 {true, hello(3<<16, "user", "alice", "replication", "database"), "fatal:0A000 closed"},
		"a query instead of a proof":  {true, joined(alice, message('Q', "SELECT 1\x00")), "AuthenticationSASL fatal:08P01 closed"},
		"goodbye instead of a proof":  {true, joined(alice, message('X', "")), "AuthenticationSASL closed"},
		"a giant proof":               {true, joined(alice, message('p', "", 1<<30)), "AuthenticationSASL fatal:54000 closed"},
		"a proof of negative length":  {true, joined(alice, message('p', "", 3)), "AuthenticationSASL fatal:08P01 closed"},
		"a password":                  {true, joined(alice, message('p', "secret\x00")), "AuthenticationSASL fatal:08P01 closed"},
		"an unknown mechanism":        {true, joined(alice, sasl("PLAIN", "\x00alice\x00secret")), "AuthenticationSASL fatal:08P01 closed"},
		"no data":                     {true, joined(alice, message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff")), "AuthenticationSASL fatal:08P01 closed"},
		"a wrong data length":         {true, joined(alice, message('p', "SCRAM-SHA-256\x00\x00\x00\x00\x64n,,n=,r=a")), "AuthenticationSASL fatal:08P01 closed"},
		"an offer taken out":          {true, joined(alice, sasl("SCRAM-SHA-256", "y,,n=,r=abcdefgh")), "AuthenticationSASL fatal:28000 closed"},
		"binding that is not used":    {true, joined(alice, sasl("SCRAM-SHA-256-PLUS", nonce)), "AuthenticationSASL fatal:28000 closed"},
		"binding under another name":  {true, joined(alice, sasl("SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abcdefgh")), "AuthenticationSASL fatal:28000 closed"},
		"binding of another type":     {true, joined(alice, sasl("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abcdefgh")), "AuthenticationSASL fatal:28000 closed"},
		"on behalf of somebody":       {true, joined(alice, sasl("SCRAM-SHA-256", "n,a=root,n=,r=abcdefgh")), "AuthenticationSASL fatal:0A000 closed"},
		"an empty nonce":              {true, joined(alice, sasl("SCRAM-SHA-256", "n,,n=,r=")), "AuthenticationSASL fatal:08P01 closed"},
		"an extension that is needed": {true, joined(alice, sasl("SCRAM-SHA-256", "n,,m=x,n=,r=abcdefgh")), "AuthenticationSASL fatal:08P01 closed"},
		"no second message's parts":   {true, joined(alice, sasl("SCRAM-SHA-256", nonce), message('p', "c=biws")), "AuthenticationSASL AuthenticationSASLContinue fatal:08P01 closed"},
		"another nonce":               {true, joined(alice, sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=other,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "AuthenticationSASL AuthenticationSASLContinue fatal:08P01 closed"},
		"another header":              {true, joined(alice, sasl("SCRAM-SHA-256", nonce), message('p', "c=eSws,r=other,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "AuthenticationSASL AuthenticationSASLContinue fatal:28000 closed"},
		"another binding":             {true, joined(alice, sasl("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abcdefgh"), message('p', "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAAA,r=x,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "AuthenticationSASL AuthenticationSASLContinue fatal:28000 closed"},
		"a short proof":               {true, joined(alice, sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=x,p=AAAA")), "AuthenticationSASL AuthenticationSASLContinue fatal:08P01 closed"},
		"an unknown protocol option":  {true, joined(hello(3<<16|9, "user", "alice", "_pq_.x", "1"), message('X', "")), "NegotiateProtocolVersion AuthenticationSASL closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.holds(t, l)
		})
	}
	l.nobodyGotIn(t, base)
}

// Whoever begins and does not go on is let go when the time for it is over. It is short here, but long enough to begin on a busy machine.
func TestBeginningsWithoutAnEndAreLetGo(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Startup = 3 * time.Second })
	base := runtime.NumGoroutine()
	alice := hello(3<<16, "user", "alice")
	for name, c := range map[string]beginning{
		"nothing":                   {false, nil, "closed"},
		"half a message":            {false, []byte{0, 0}, "closed"},
		"half a message inside TLS": {true, alice[:9], "closed"},
		"half a handshake":          {false, []byte{0x16, 3, 1, 2}, "closed"},
		"no proof":                  {true, alice, "AuthenticationSASL closed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.holds(t, l)
		})
	}
	l.nobodyGotIn(t, base)
}

// beginning is what somebody sends before sign-in, and what must be answered.
type beginning struct {
	tls  bool
	send []byte
	want string
}

func (c beginning) holds(t *testing.T, l *lab) {
	t.Helper()
	conn := l.dial(t, c.tls)
	if _, err := conn.Write(c.send); err != nil {
		t.Fatal(err)
	}
	got := ""
	if strings.HasPrefix(c.want, "N ") {
		var n [1]byte
		if _, err := io.ReadFull(conn, n[:]); err != nil {
			t.Fatal(err)
		}
		got = string(n[:]) + " "
	}
	if got += answers(conn); got != c.want {
		t.Errorf("got %s, want %s", got, c.want)
	}
}

// nobodyGotIn looks, after the parallel tests and before the lab is closed, whether somebody is in or a goroutine is left.
func (l *lab) nobodyGotIn(t *testing.T, base int) {
	t.Helper()
	t.Cleanup(func() {
		if len(l.door.sessions) != 0 {
			t.Error("somebody got in")
		}
		settled(t, base)
	})
}

// dial opens a connection, with TLS behind an SSLRequest or without.
func (l *lab) dial(t *testing.T, withTLS bool) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if !withTLS {
		return conn
	}
	if _, err := conn.Write(first(8, sslRequest)); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil || b[0] != 'S' {
		t.Fatalf("%q %v", b, err)
	}
	c := tls.Client(conn, &tls.Config{RootCAs: l.certs.pool, ServerName: "localhost"})
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, base int) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for runtime.NumGoroutine() > base {
		select {
		case <-tick.C:
		case <-deadline:
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), base, buf[:runtime.Stack(buf, true)])
		}
	}
}

// What somebody who is in can send, what must be answered, and whether the session still answers afterwards. All ends with Sync, which only errors of the extended protocol need.
func TestHostileMessages(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Message = 1 << 20 })
	base := runtime.NumGoroutine()
	parse := message('P', "\x00SELECT 1\x00\x00\x00")
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"an unknown kind":                {message('?', ""), "fatal:08P01 closed"},
		"a zero kind":                    {message(0, ""), "fatal:08P01 closed"},
		"a proof out of place":           {message('p', "secret\x00"), "fatal:08P01 closed"},
		"a start-up message again":       {hello(3<<16, "user", "root"), "fatal:08P01 closed"},
		"a length below four":            {message('Q', "", 3), "fatal:08P01 closed"},
		"no length":                      {message('Q', "", 0), "fatal:08P01 closed"},
		"a negative length":              {message('Q', "", 0xffffffff), "fatal:08P01 closed"},
		"a giant message":                {message('Q', "", 0x7fffffff), "fatal:54000 closed"},
		"a message just too long":        {message('Q', "", 1<<20+5), "fatal:54000 closed"},
		"a query without its end":        {message('Q', "SELECT 1"), "error:08P01 ready:I ready:I"},
		"a query with more behind":       {message('Q', "SELECT 1\x00SELECT 2\x00"), "error:08P01 ready:I ready:I"},
		"a query that is not UTF-8":      {message('Q', "SELECT '\xff'\x00"), "error:22021 ready:I ready:I"},
		"Parse without its end":          {message('P', "x"), "error:08P01 ready:I"},
		"Parse with too many types":      {message('P', "\x00SELECT 1\x00\x7f\xff\x00\x00\x00\x00"), "error:08P01 ready:I"},
		"Parse with negative types":      {message('P', "\x00SELECT 1\x00\xff\xff"), "error:08P01 ready:I"},
		"Parse that is not UTF-8":        {message('P', "\x00SELECT '\xff'\x00\x00\x00"), "error:22021 ready:I"},
		"Bind before Parse":              {message('B', "\x00\x00\x00\x00\x00\x00\x00\x00"), "error:26000 ready:I"},
		"Bind without its end":           {joined(parse, message('B', "\x00\x00\x00")), "ParseComplete error:08P01 ready:I"},
		"Bind with giant counts":         {joined(parse, message('B', "\x00\x00\x7f\xff\x7f\xff")), "ParseComplete error:08P01 ready:I"},
		"Bind with a giant value":        {joined(parse, message('B', "\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff")), "ParseComplete error:08P01 ready:I"},
		"Bind with a negative value":     {joined(parse, message('B', "\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00")), "ParseComplete error:08P01 ready:I"},
		"Bind with more behind":          {joined(parse, message('B', "\x00\x00\x00\x00\x00\x00\x00\x00x")), "ParseComplete error:08P01 ready:I"},
		"Execute before Bind":            {message('E', "\x00\x00\x00\x00\x00"), "error:34000 ready:I"},
		"Execute without its end":        {message('E', "\x00\x00"), "error:08P01 ready:I"},
		"Execute with a negative count":  {joined(parse, message('B', "\x00\x00\x00\x00\x00\x00\x00\x00"), message('E', "\x00\xff\xff\xff\xff")), "ParseComplete BindComplete (1) SELECT_1 ready:I"},
		"Describe of what is none":       {message('D', "X\x00"), "error:08P01 ready:I"},
		"Describe without its end":       {message('D', ""), "error:08P01 ready:I"},
		"Close of what is none":          {message('C', "X\x00"), "error:08P01 ready:I"},
		"Close without its end":          {message('C', "S"), "error:08P01 ready:I"},
		"copy data out of place":         {joined(message('d', "1\n"), message('c', ""), message('f', "no\x00")), "ready:I"},
		"a copy into a table":            {joined(message('Q', "COPY numbers FROM STDIN\x00"), message('d', "1\n"), message('c', "")), "error:25006 ready:I ready:I"},
		"a function call":                {message('F', "\x00\x00\x00\x01"), "error:0A000 ready:I ready:I"},
		"Sync with something in it":      {message('S', "xyz"), "ready:I ready:I"},
		"errors until Sync":              {joined(message('E', "none\x00\x00\x00\x00\x00"), parse, parse, message('Q', "SELECT 1\x00"), message('H', "")), "error:34000 ready:I"},
		"an unknown kind after an error": {joined(message('E', "none\x00\x00\x00\x00\x00"), message('?', "")), "error:34000 fatal:08P01 closed"},
		"goodbye in the middle":          {joined(parse, message('X', "")), "closed"},
		"comments without end":           {message('Q', "/* "+strings.Repeat("/*", 1000)+"\x00"), "EmptyQueryResponse ready:I ready:I"},
		"a string without end":           {message('Q', "SELECT 'x; SELECT 2\x00"), "error:42601 ready:I ready:I"},
		"a million semicolons":           {message('Q', strings.Repeat(";", 1<<20-10)+"\x00"), "EmptyQueryResponse ready:I ready:I"},
		"a set without end":              {message('Q', "SET "+strings.Repeat("a.", 10000)+"\x00"), "error:42601@20005 ready:I ready:I"},
		"half a message":                 {message('Q', "SELECT", 100), "closed"},
		"a zero byte in a parameter":     {joined(message('P', "\x00SELECT $1::text\x00\x00\x00"), message('B', "\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00")), "ParseComplete error:22021 ready:I"},
		"a parameter that is not UTF-8":  {joined(message('P', "\x00SELECT $1::text\x00\x00\x00"), message('B', "\x00\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x01\xff\x00\x00")), "ParseComplete error:22021 ready:I"},
		"a numeric of nonsense":          {joined(message('P', "\x00SELECT $1::numeric\x00\x00\x00"), message('B', "\x00\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x08\x7f\xff\x7f\xff\x00\x00\x7f\xff\x00\x00")), "ParseComplete error:22P03 ready:I"},
		"a date before time":             {joined(message('P', "\x00SELECT $1::date\x00\x00\x00"), message('B', "\x00\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x04\x80\x00\x00\x01\x00\x00")), "ParseComplete error:22P03 ready:I"},
	} {
		t.Run(name, func(t *testing.T) {
			w := l.signedIn(t)
			send := joined(c.send, message('S', ""))
			if name == "half a message" {
				send = c.send
			}
			go func() { // a server that has had enough stops reading
				_, _ = w.conn.Write(send)
				if name == "half a message" {
					if t, ok := w.conn.(*tls.Conn); ok {
						_ = t.CloseWrite()
					}
				}
			}()
			var got []string
			for range strings.Count(c.want, "ready") {
				got = append(got, w.told())
			}
			if strings.HasSuffix(c.want, "closed") {
				got = append(got, w.told())
				if s := strings.Join(got, " "); s != c.want {
					t.Errorf("got %s, want %s", s, c.want)
				}
				return
			}
			if s := strings.Join(got, " "); s != c.want {
				t.Errorf("got %s, want %s", s, c.want)
			}
			w.query("SELECT 1 AS a", "row[a:23] (1) SELECT_1 ready:I")
			_ = w.conn.Close()
		})
	}
	settled(t, base)
}

// A pipeline without end whose answers nobody reads is let go, with bounded memory.
func TestAnEndlessPipelineIsLetGo(t *testing.T) {
	l := newLab(t, func(o *pgwire.Options) { o.Limits.Stall = 300 * time.Millisecond })
	w := l.signedIn(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	some := bytes.Repeat(message('Q', "SHOW ALL\x00"), 1000)
	for ctx.Err() == nil {
		if _, err := w.conn.Write(some); err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Error("the pipeline never ended")
	}
}
