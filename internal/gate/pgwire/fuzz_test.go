package pgwire

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"iter"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weirproject/weir/internal/fault"
)

// openDoor lets everybody in and answers every question with two rows: fuzzing is about the protocol, and must be fast.
type openDoor struct{ done chan struct{} }

func (openDoor) Verifier(context.Context, string, netip.Addr) (Verifier, error) {
	return Verifier{Salt: []byte("salt"), Iterations: 4096, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32)}, nil
}

func (d openDoor) Enter(_ context.Context, e Entry) (Session, error) {
	if !e.Proved {
		return nil, fault.New(fault.Refused, "no", "")
	}
	return d, nil
}

func (d openDoor) Done() <-chan struct{} { return d.done }
func (openDoor) Reason() error           { return nil }
func (openDoor) Close()                  {}

func (openDoor) Prepare(_ context.Context, sql string, types []uint32) (Statement, error) {
	n := strings.Count(sql, "$")
	for len(types) < n {
		types = append(types, oidText)
	}
	return twoRows{types}, nil
}

type twoRows struct{ types []uint32 }

var twoSchema = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}, {Name: "t", Type: arrow.BinaryTypes.String}}, nil)

func (s twoRows) Parameters() []uint32                   { return s.types }
func (twoRows) Schema() *arrow.Schema                    { return twoSchema }
func (twoRows) Run(context.Context, []any) (Rows, error) { return twoRows{}, nil }
func (twoRows) Close() error                             { return nil }

func (twoRows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, twoSchema)
		if err := b.UnmarshalJSON([]byte(`{"n": 1, "t": "a\tb"}`)); err != nil {
			panic(err)
		}
		if err := b.UnmarshalJSON([]byte(`{"n": null, "t": ""}`)); err != nil {
			panic(err)
		}
		yield(b.NewRecordBatch(), nil)
	}
}

var fuzzCertificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func fuzzServer(t testing.TB) *Server {
	t.Helper()
	s, err := New(Options{
		Door: openDoor{make(chan struct{})}, TLS: &tls.Config{Certificates: []tls.Certificate{fuzzCertificate()}}, EndPointHash: func() []byte { return []byte("hash") },
		Limits: Limits{Startup: 5 * time.Second, Stall: 5 * time.Second, Message: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// talk sends bytes to what serve serves, and returns everything that it answers. serve must return when the other side has gone.
func talk(t *testing.T, sent []byte, serve func(net.Conn)) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() { serve(theirs) })
	wg.Go(func() {
		_, _ = ours.Write(sent)
		_ = ours.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // what is answered is answered by then; the rest waits for more
	})
	answer, _ := io.ReadAll(ours)
	_ = ours.Close()
	wg.Wait()
	return answer
}

// wellFormed says whether bytes are whole messages of a server, the last of which may be cut.
func wellFormed(b []byte) bool {
	for len(b) >= 5 {
		n := int(binary.BigEndian.Uint32(b[1:]))
		if n < 4 || strings.IndexByte("RKSZTDCIEN123ntsvHdcG", b[0]) < 0 {
			return false
		}
		b = b[min(len(b), n+1):]
	}
	return true
}

// Nothing that is sent before TLS gets more than an S, an N or an error.
func FuzzBeginning(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 47})
	f.Add([]byte{0, 0, 0, 8, 4, 210, 22, 48, 0, 0, 0, 9, 0, 3, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2})
	f.Add([]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, sent []byte) {
		answer := talk(t, sent, func(c net.Conn) { s.serve(t.Context(), c, addressOf(c), false) })
		for len(answer) > 0 && (answer[0] == 'S' || answer[0] == 'N') {
			answer = answer[1:]
		}
		if len(answer) > 0 && answer[0] != 'E' && answer[0] != 0x15 && answer[0] != 0x16 { // an error, or TLS
			t.Errorf("answered %q", answer)
		}
	})
}

// Start-up messages inside TLS are read without surprises.
func FuzzHello(f *testing.F) {
	f.Add(uint32(version3), []byte("user\x00alice\x00database\x00weir\x00options\x00-c a=b\\ c\x00\x00"))
	f.Add(uint32(newest), []byte("user\x00alice\x00_pq_.x\x001\x00\x00"))
	f.Fuzz(func(t *testing.T, version uint32, rest []byte) {
		h, err := parseHello(version, rest)
		if err == nil && h.parameters["user"] == "" {
			t.Error("nobody was let through")
		}
		if err == nil {
			_ = (&connection{settings: newSettings()}).options(h.parameters["options"])
		}
		v, _ := openDoor{}.Verifier(t.Context(), "", netip.Addr{})
		x := newScram(v, []byte("hash"))
		if _, err := x.first(mechanismPlain, string(rest)); err == nil {
			if _, proved, _ := x.final(string(rest)); proved {
				t.Error("a password was proved")
			}
		}
	})
}

// Whatever somebody sends who is in, the answer is whole messages, and the session ends when the client does.
func FuzzMessages(f *testing.F) {
	m := func(kind byte, text string) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(text)+4)), text...)
	}
	for _, sql := range []string{
		"SELECT 1; SELECT 2", "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; FETCH 1 FROM c; MOVE ALL c; CLOSE c", "COPY (SELECT 1) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)", "COPY t (a, b) TO STDOUT CSV QUOTE AS '|'",
		"SET LOCAL statement_timeout = '5min'; SHOW ALL; RESET ALL; DISCARD ALL", "PREPARE a (int, text) AS SELECT $1; EXECUTE a (1, 'x'::text); DEALLOCATE a", "SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT AND CHAIN",
		"SELECT $$x$$, $a$ $$ $a$, E'\\'', U&'x', /* /* */ */ 1e5 -- x", "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY", "SET TIME ZONE 'UTC'; SET NAMES 'UTF8'; SET SESSION AUTHORIZATION DEFAULT",
	} {
		f.Add(m('Q', sql+"\x00"))
	}
	f.Add(append(append(append(m('P', "s\x00SELECT $1\x00\x00\x01\x00\x00\x06\xa4"), m('B', "\x00s\x00\x00\x01\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x01\x00\x00\x00\x00\x00\x01\x00\x05\x00\x01\x00\x01")...), m('E', "\x00\x00\x00\x00\x01")...), m('S', "")...))
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, sent []byte) {
		goodbye := append(sent[:len(sent):len(sent)], m('X', "")...) // so that most sessions end by themselves
		answer := talk(t, goodbye, func(n net.Conn) {
			c := newConnection(s, n, addressOf(n))
			c.session, c.user = openDoor{make(chan struct{})}, "alice"
			c.live(t.Context())
			_ = n.Close()
		})
		if !wellFormed(answer) {
			t.Errorf("answered %q", answer)
		}
	})
}
