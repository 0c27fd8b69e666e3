//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/node"
)

const (
	sslRequest    = 80877103
	gssRequest    = 80877104
	cancelRequest = 80877102
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

// first is a first message of any length and code.
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

func query(sql string) []byte { return message('Q', sql+"\x00") }

// sasl is a first message of sign-in.
func sasl(mechanism, data string) []byte {
	return message('p', mechanism+"\x00"+string(binary.BigEndian.AppendUint32(nil, uint32(len(data))))+data)
}

// wire is a connection on which a test says what it wants.
type wire struct {
	conn net.Conn
	f    *pgproto3.Frontend
	id   uint32
	key  []byte
}

// dial opens a connection from an address of this machine, with TLS behind an SSLRequest or without.
func (s *siege) dial(t *testing.T, from string, withTLS bool) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.ada.SQL.Port))
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
		t.Fatalf("%q, %v", b, err)
	}
	c := tls.Client(conn, s.clientTLS(t))
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *siege) clientTLS(t *testing.T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(s.ada.SQL.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// inside is a connection behind its sign-in.
func (s *siege) inside(t *testing.T, who string, l *node.Login) *wire {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, dsn(l, ""))
	if err != nil {
		t.Fatal(err)
	}
	s.owe(who, "signed_in", "sql", "")
	h, err := c.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	_ = h.Conn.SetDeadline(time.Now().Add(patience))
	return &wire{h.Conn, h.Frontend, h.PID, h.SecretKey}
}

// hear writes down messages until so many ReadyForQuery, or the end of the connection, in short.
func hear(f *pgproto3.Frontend, ready int) string {
	var out []string
	for {
		m, err := f.Receive()
		if err != nil {
			return strings.Join(append(out, "closed"), " ")
		}
		out = append(out, short(m))
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			if ready--; ready == 0 {
				return squeezed(out)
			}
		}
	}
}

// squeezed writes what comes many times in a row as once, with the number.
func squeezed(words []string) string {
	var out []string
	for i := 0; i < len(words); {
		n := 1
		for i+n < len(words) && words[i+n] == words[i] {
			n++
		}
		if n > 3 {
			out = append(out, fmt.Sprintf("%s×%d", words[i], n))
		} else {
			out = append(out, words[i:i+n]...)
		}
		i += n
	}
	return strings.Join(out, " ")
}

// readies is how many ReadyForQuery an answer has, as squeezed writes them.
func readies(want string) (n int) {
	for w := range strings.FieldsSeq(want) {
		if word, times, many := strings.Cut(w, "×"); strings.HasPrefix(word, "ready:") {
			k, err := strconv.Atoi(times)
			if err != nil || !many {
				k = 1
			}
			n += k
		}
	}
	return n
}

func short(m pgproto3.BackendMessage) string {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		return "ready:" + string(m.TxStatus)
	case *pgproto3.ErrorResponse:
		s := strings.ToLower(m.Severity) + ":" + m.Code
		if m.Message == "" || m.Hint == "" || m.Detail+m.Where+m.File+m.Routine+m.InternalQuery != "" || strings.Contains(m.Message+m.Hint, canaryLiteral) {
			s += fmt.Sprintf("!%+v", m)
		}
		return s
	case *pgproto3.CommandComplete:
		return strings.ReplaceAll(string(m.CommandTag), " ", "_")
	case *pgproto3.DataRow:
		return "row"
	case *pgproto3.ParameterStatus:
		return m.Name
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
}
