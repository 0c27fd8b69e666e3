package pgwire_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// The engine of the whole test process: starting one for each test would take the time that the tests have.
var shared struct {
	once   sync.Once
	engine *engine.Engine
	err    error
}

func TestMain(m *testing.M) {
	engine.Main()
	code := postmastertest.Main(m)
	if shared.engine != nil {
		if err := shared.engine.Close(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, "close the engine:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func theEngine(t testing.TB) *engine.Engine {
	t.Helper()
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		shared.engine, shared.err = engine.Start(ctx, engine.Config{Readers: 8})
		if shared.err != nil {
			return
		}
		w, err := shared.engine.Writer(ctx)
		if err != nil {
			shared.err = err
			return
		}
		defer w.Release()
		_, shared.err = w.Exec(ctx, "CREATE TABLE numbers AS SELECT range::BIGINT AS n, 'row ' || range AS name, range % 7 = 0 AS lucky FROM range(100000)")
	})
	if shared.err != nil {
		t.Fatal("start the engine:", shared.err)
	}
	return shared.engine
}

// The password of everybody who is known to the lab's door.
const password = "correct horse"

// door is a gate of the simplest kind in front of the real engine: everybody with the password may ask everything that is one SELECT.
type door struct {
	engine *engine.Engine
	most   int // rows of one answer; beyond, it ends in an error; 0: no limit

	declare map[string]string // the types of columns of these names

	entries  chan pgwire.Entry
	open     atomic.Int64 // answers that were not closed
	runs     atomic.Int64
	mu       sync.Mutex
	sessions []*doorSession
	closeErr error // of the next answers: their end cannot be recorded

	settled   []string // statements that were told of before they ran
	settleErr error    // they cannot be recorded
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func (d *door) Verifier(_ context.Context, user string, _ netip.Addr) (pgwire.Verifier, error) {
	if user == "alice-too-fast" {
		return pgwire.Verifier{}, fault.New(fault.Refused, "there were too many attempts", "wait a minute").WithCause(&pgwire.StateError{SQLState: "28000"})
	}
	salt := sha256.Sum256([]byte("salt of " + user))
	secret := password
	if !strings.HasPrefix(user, "alice") {
		secret = "nobody knows " + user
	}
	salted, err := pbkdf2.Key(sha256.New, secret, salt[:16], 4096, 32)
	if err != nil {
		panic(err)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	return pgwire.Verifier{Salt: salt[:16], Iterations: 4096, StoredKey: stored[:], ServerKey: mac(salted, "Server Key"), State: user}, nil
}

func (d *door) Enter(_ context.Context, e pgwire.Entry) (pgwire.Session, error) {
	select {
	case d.entries <- e:
	default:
	}
	if e.By == "password" && e.Verifier.State != e.User {
		return nil, fault.New(fault.Internal, "the verifier was not brought back", "")
	}
	if !e.Proved {
		return nil, fault.New(fault.Refused, "no", "")
	}
	if e.User == "alice-locked" {
		return nil, fault.New(fault.Refused, "the account is locked", "ask an administrator").WithCause(&pgwire.StateError{SQLState: "28000"})
	}
	s := &doorSession{door: d, done: make(chan struct{})}
	d.mu.Lock()
	d.sessions = append(d.sessions, s)
	d.mu.Unlock()
	return s, nil
}

type doorSession struct {
	door   *door
	done   chan struct{}
	reason error
	closed atomic.Bool
	owed   []*statement // prepared and not run since Settle; of the connection's goroutine alone
}

// Settle implements pgwire.Settler.
func (s *doorSession) Settle(context.Context) error {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	for _, st := range s.owed {
		s.door.settled = append(s.door.settled, st.sql)
	}
	failed := s.owed != nil && s.door.settleErr != nil
	s.owed = nil
	if failed {
		return s.door.settleErr
	}
	return nil
}

func (s *doorSession) Done() <-chan struct{} { return s.done }
func (s *doorSession) Reason() error         { return s.reason }
func (s *doorSession) Close()                { s.closed.Store(true) }

func (s *doorSession) end(reason error) {
	s.reason = reason
	close(s.done)
}

var (
	placeholder = regexp.MustCompile(`\$(\d+)(?:::(\w+))?`)
	casts       = map[string]uint32{"int": 23, "bigint": 20, "text": 25, "date": 1082, "uuid": 2950, "timestamp": 1114, "numeric": 1700, "bool": 16, "double": 701, "blob": 17, "json": 114}
	examples    = map[uint32]any{20: int64(0), 21: int64(0), 23: int64(0), 16: false, 17: []byte{}, 700: 0.0, 701: 0.0, 1082: "2020-01-01", 1114: "2020-01-01", 1184: "2020-01-01", 2950: "00000000-0000-0000-0000-000000000000", 1700: "0", 114: "null"}
)

func state(kind fault.Kind, code, message string, position int) error {
	return fault.New(kind, message, "look at the statement").WithCause(&pgwire.StateError{SQLState: code, Position: position})
}

func (s *doorSession) Prepare(ctx context.Context, sql string, types []uint32) (pgwire.Statement, error) {
	if at := strings.Index(sql, "nowhere"); at >= 0 {
		return nil, state(fault.Invalid, "42703", "there is no such column", len([]rune(sql[:at]))+1)
	}
	st := &statement{door: s.door, session: s, sql: sql, types: append([]uint32{}, types...)}
	var arguments []any
	for _, m := range placeholder.FindAllStringSubmatch(sql, -1) {
		n, _ := strconv.Atoi(m[1])
		for len(st.types) < n {
			st.types = append(st.types, 0)
		}
		if st.types[n-1] == 0 || st.types[n-1] == 705 {
			st.types[n-1] = casts[m[2]]
		}
	}
	for _, oid := range st.types {
		if oid == 0 {
			return nil, state(fault.Invalid, "42P18", "the type of a parameter cannot be known", 0)
		}
		v, ok := examples[oid]
		if !ok {
			v = ""
		}
		arguments = append(arguments, v)
	}
	r, err := s.door.engine.Reader(ctx)
	if err != nil {
		return nil, err
	}
	defer r.Release()
	rows, err := r.Select(ctx, "SELECT * FROM ("+sql+"\n) AS q LIMIT 0", arguments...)
	if err != nil {
		return nil, classified(err)
	}
	for rows.Next() {
	}
	st.schema = s.door.declared(rows.Schema())
	s.owed = append(s.owed, st)
	return st, errors.Join(rows.Err(), rows.Close())
}

// declared puts the types that the lab was told on a schema, as the emulated catalogue does.
func (d *door) declared(s *arrow.Schema) *arrow.Schema {
	fields := s.Fields()
	for i := range fields {
		if oid, ok := d.declare[fields[i].Name]; ok {
			fields[i].Metadata = arrow.NewMetadata([]string{"pg.oid"}, []string{oid})
		}
	}
	return arrow.NewSchema(fields, nil)
}

func classified(err error) error {
	switch engine.ClassOf(err) {
	case engine.ClassSyntax:
		return state(fault.Invalid, "42601", "the statement is not understood", 0)
	case engine.ClassInterrupted:
		return state(fault.Refused, "57014", "the question was ended", 0)
	case engine.ClassCatalog, engine.ClassBinder:
		return state(fault.NotFound, "42P01", "there is no such thing", 0)
	default:
		return err
	}
}

type statement struct {
	door    *door
	session *doorSession
	sql     string
	types   []uint32
	schema  *arrow.Schema
}

func (s *statement) Parameters() []uint32  { return s.types }
func (s *statement) Schema() *arrow.Schema { return s.schema }

func (s *statement) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	s.session.owed = slices.DeleteFunc(s.session.owed, func(o *statement) bool { return o == s })
	r, err := s.door.engine.Reader(ctx)
	if err != nil {
		return nil, err
	}
	s.door.open.Add(1)
	s.door.runs.Add(1)
	rows, err := r.Select(ctx, s.sql, parameters...)
	if err != nil {
		s.door.open.Add(-1)
		r.Release()
		return nil, classified(err)
	}
	return &answer{door: s.door, session: r, rows: rows}, nil
}

type answer struct {
	door    *door
	session *engine.Session
	rows    *engine.Rows
}

func (a *answer) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		n := 0
		for a.rows.Next() {
			b := a.rows.Batch()
			if n += int(b.NumRows()); a.door.most > 0 && n > a.door.most {
				yield(nil, state(fault.Refused, "54000", "the answer has more rows than allowed", 0))
				return
			}
			if len(a.door.declare) > 0 {
				b = array.NewRecordBatch(a.door.declared(b.Schema()), b.Columns(), b.NumRows())
			}
			if !yield(b, nil) {
				return
			}
		}
		if err := a.rows.Err(); err != nil {
			yield(nil, classified(err))
		}
	}
}

func (a *answer) Close() error {
	err := a.rows.Close()
	a.session.Release()
	a.door.open.Add(-1)
	a.door.mu.Lock()
	defer a.door.mu.Unlock()
	return errors.Join(err, a.door.closeErr)
}

// certificates are an authority and what it signed.
type certificates struct {
	server tls.Certificate
	hash   []byte
	pool   *x509.CertPool
	root   string // file
	key    *ecdsa.PrivateKey
	ca     *x509.Certificate
}

func newCertificates(t testing.TB) *certificates {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificates{key: key, pool: x509.NewCertPool()}
	if c.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	c.pool.AddCert(c.ca)
	c.root = filepath.Join(t.TempDir(), "root.crt")
	write(t, c.root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c.server = c.sign(t, "localhost", x509.ExtKeyUsageServerAuth)
	leaf, err := x509.ParseCertificate(c.server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	c.hash = pgwire.EndPointHash(leaf)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (c *certificates) sign(t testing.TB, name string, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.ca, key.Public(), c.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lab is a running server.
type lab struct {
	door    *door
	server  *pgwire.Server
	certs   *certificates
	address string
	port    int
}

// newLab starts a server; at the end of the test it is closed, and everything that it opened must be closed as well.
func newLab(t testing.TB, change ...func(*pgwire.Options)) *lab {
	t.Helper()
	l := &lab{door: &door{engine: theEngine(t), entries: make(chan pgwire.Entry, 100)}, certs: newCertificates(t)}
	o := pgwire.Options{
		Door: l.door, EndPointHash: func() []byte { return l.certs.hash },
		TLS:    &tls.Config{Certificates: []tls.Certificate{l.certs.server}, ClientCAs: l.certs.pool, ClientAuth: tls.VerifyClientCertIfGiven},
		Limits: pgwire.Limits{Startup: patience, Idle: patience, Stall: patience},
	}
	for _, f := range change {
		f(&o)
	}
	s, err := pgwire.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.server = s
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.address = listener.Addr().String()
	_, port, err := net.SplitHostPort(l.address)
	if err != nil {
		t.Fatal(err)
	}
	if l.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.WithoutCancel(t.Context()), listener) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error("serve:", err)
		}
		if n := l.door.open.Load(); n != 0 {
			t.Errorf("%d answers were never closed", n)
		}
		for _, s := range l.door.sessions {
			if !s.closed.Load() {
				t.Error("a session was never closed")
			}
		}
	})
	return l
}

// url is the server's address for a user.
func (l *lab) url(user, more string) string {
	return fmt.Sprintf("postgres://%s:%s@localhost:%d/weir?sslmode=verify-full&sslrootcert=%s%s", user, strings.ReplaceAll(password, " ", "%20"), l.port, l.certs.root, more)
}
