//go:build linux

package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// beginning is something that somebody sends before anybody knows who it is, and what must be answered. Whatever gets as far as being asked for a proof is an attempt at signing in.
type beginning struct {
	name string
	tls  bool
	send []byte
	want string
	as   string // the account whose name was given; nobody: there is none of that name
}

// nobody is whom the ledger names for attempts under names that no account has: what somebody typed there can be a secret.
const nobody = "unknown"

func beginnings() []beginning {
	ada := hello(3<<16, "user", "ada", "database", "weir")
	nonce := "n,,n=,r=" + canaryLiteral
	proof := ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	asked, challenged := "AuthenticationSASL ", "AuthenticationSASL AuthenticationSASLContinue "
	return []beginning{
		{"start-up without TLS", false, ada, "fatal:28000 closed", ""},
		{"start-up without TLS, of replication", false, hello(3<<16, "user", "ada", "replication", "true"), "fatal:28000 closed", ""},
		{"protocol 2", false, first(8, 2<<16), "fatal:08P01 closed", ""},
		{"protocol 4", true, first(9, 4<<16, 0), "fatal:08P01 closed", ""},
		{"a length of nothing", false, first(0, 0), "fatal:08P01 closed", ""},
		{"a huge length", false, first(0x7fffffff, 3<<16), "fatal:08P01 closed", ""},
		{"a negative length", true, first(0xffffffff, 3<<16), "fatal:08P01 closed", ""},
		{"HTTP", false, []byte("GET /" + canaryLiteral + " HTTP/1.1\r\nHost: x\r\n\r\n"), "fatal:08P01 closed", ""},
		{"TLS inside TLS", true, first(8, sslRequest), "fatal:08P01 closed", ""},
		{"GSS encryption inside TLS", true, first(8, gssRequest), "fatal:08P01 closed", ""},
		{"a query before anything", true, query("SELECT 1"), "fatal:08P01 closed", ""},
		{"cancel with a wrong key", false, first(16, cancelRequest, 0, 0, 0, 1, 0, 0, 0, 0), "closed", ""},
		{"cancel with a giant key", true, first(900, cancelRequest, make([]byte, 892)...), "closed", ""},
		{"cancel without a key", false, first(8, cancelRequest), "closed", ""},
		{"no user", true, hello(3<<16, "database", "weir"), "fatal:28000 closed", ""},
		{"parameters beyond all measure", true, hello(3<<16, "user", "ada", "application_name", strings.Repeat("x", 10000)), "fatal:08P01 closed", ""},
		{"a thousand parameters", true, hello(3<<16, append([]string{"user", "ada"}, strings.Split(strings.Repeat("a,b,", 1000)+"a,b", ",")...)...), asked + "closed", "ada"},
		{"parameters without an end", true, first(13, 3<<16, 'u', 's', 'e', 'r', 0), "fatal:08P01 closed", ""},
		{"a NUL within a name", true, hello(3<<16, "user", "ada\x00"+canaryLiteral), "fatal:08P01 closed", ""},
		{"a user that is not UTF-8", true, hello(3<<16, "user", "ada\xff"), "fatal:22021 closed", ""},
		{"physical replication", true, hello(3<<16, "user", "ada", "replication", "true"), "fatal:0A000 closed", ""},
		{"logical replication", true, hello(3<<16, "user", "ada", "database", "weir", "replication", "database"), "fatal:0A000 closed", ""},
		{"a query in place of a proof", true, joined(ada, query("SELECT '"+canaryLiteral+"'")), asked + "fatal:08P01 closed", "ada"},
		{"statements in front of a proof", true, joined(ada, message('P', "\x00SELECT 1\x00\x00\x00"), message('S', "")), asked + "fatal:08P01 closed", "ada"},
		{"a password as it is", true, joined(ada, message('p', canaryLiteral+"\x00")), asked + "fatal:08P01 closed", "ada"},
		{"a giant proof", true, joined(ada, message('p', "", 1<<30)), asked + "fatal:54000 closed", "ada"},
		{"a way that was not offered", true, joined(ada, sasl("PLAIN", "\x00ada\x00"+canaryLiteral)), asked + "fatal:08P01 closed", "ada"},
		{"a proof of negative length", true, joined(ada, message('p', "SCRAM-SHA-256\x00\xff\xff\xff\xff")), asked + "fatal:08P01 closed", "ada"},
		{"channel binding taken out", true, joined(ada, sasl("SCRAM-SHA-256", "y,,n=,r="+canaryLiteral)), asked + "fatal:28000 closed", "ada"},
		{"channel binding not used", true, joined(ada, sasl("SCRAM-SHA-256-PLUS", nonce)), asked + "fatal:28000 closed", "ada"},
		{"channel binding of another kind", true, joined(ada, sasl("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abcdefgh")), asked + "fatal:28000 closed", "ada"},
		{"channel binding to another certificate", true, joined(ada, sasl("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abcdefgh"), message('p', "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAAA,r=x"+proof)), challenged + "fatal:28000 closed", "ada"},
		{"on behalf of an administrator", true, joined(ada, sasl("SCRAM-SHA-256", "n,a=ruth,n=,r=abcdefgh")), asked + "fatal:0A000 closed", "ada"},
		{"another's nonce", true, joined(ada, sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=other"+proof)), challenged + "fatal:08P01 closed", "ada"},
		{"a proof too short", true, joined(ada, sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=x,p=AAAA")), challenged + "fatal:08P01 closed", "ada"},
		{"somebody who has no SQL", true, joined(hello(3<<16, "user", "vera"), sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=other"+proof)), challenged + "fatal:08P01 closed", "vera"},
		{"nobody", true, joined(hello(3<<16, "user", canaryLiteral), sasl("SCRAM-SHA-256", nonce), message('p', "c=biws,r=other"+proof)), challenged + "fatal:08P01 closed", nobody},
		{"a name of SQL", true, joined(hello(3<<16, "user", "ada'; DROP TABLE people; --"), message('X', "")), asked + "closed", nobody},
	}
}

// begin sends every hostile beginning.
func (s *siege) begin(t *testing.T) int {
	all := beginnings()
	for _, b := range all {
		conn := s.dial(t, "127.0.0.1", b.tls)
		if _, err := conn.Write(b.send); err != nil {
			t.Fatal(err)
		}
		if b.name == "a thousand parameters" {
			if _, err := conn.Write(message('X', "")); err != nil {
				t.Fatal(err)
			}
		}
		if got := hear(pgproto3.NewFrontend(conn, io.Discard), 0); got != b.want {
			t.Errorf("%s: got %s, want %s", b.name, got, b.want)
		}
		if strings.Contains(b.want, "AuthenticationSASL") {
			s.owe(b.as, "sign_in_refused", "sql", "")
		}
		_ = conn.Close()
	}
	return len(all)
}

// smuggle puts words in front of the handshake, which must never be taken for what was said behind it.
func (s *siege) smuggle(t *testing.T) int {
	words := joined(hello(3<<16, "user", "ada", "database", "weir"), query("SELECT '"+canaryLiteral+"'"))
	for _, together := range []bool{true, false} {
		conn := s.dial(t, "127.0.0.1", false)
		send := first(8, sslRequest)
		if together {
			send = joined(send, words)
		}
		if _, err := conn.Write(send); err != nil {
			t.Fatal(err)
		}
		if !together {
			var b [1]byte
			if _, err := io.ReadFull(conn, b[:]); err != nil || b[0] != 'S' {
				t.Fatalf("%q, %v", b, err)
			}
			if _, err := conn.Write(words); err != nil {
				t.Fatal(err)
			}
		}
		said, err := io.ReadAll(conn)
		said = bytes.TrimPrefix(said, []byte("S"))
		if len(said) > 0 && said[0] != 0x15 { // a handshake's alert, and no message
			t.Errorf("in front of the handshake, together %v: %q, %v", together, said, err)
		}
		_ = conn.Close()
	}
	// And nothing of it is left for a handshake that comes after all.
	conn := s.dial(t, "127.0.0.1", false)
	if _, err := conn.Write(joined(first(8, sslRequest), query("SELECT 1"))); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := io.ReadFull(conn, b[:]); err != nil || b[0] != 'S' {
		t.Fatalf("%q, %v", b, err)
	}
	if err := tls.Client(conn, s.clientTLS(t)).HandshakeContext(t.Context()); err == nil {
		t.Error("a handshake behind smuggled words succeeded")
	}
	return 3
}
