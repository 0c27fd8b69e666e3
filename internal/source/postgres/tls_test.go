package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/postmaster"
)

// authority signs certificates for servers.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key := newKey(t)
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{cert: cert, key: key, file: filepath.Join(t.TempDir(), "ca.pem")}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// server signs a certificate for the name localhost, good until then, and returns it with its key.
func (a *authority) server(t *testing.T, until time.Time) (cert, key string) {
	t.Helper()
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
	}, a.cert, k.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// withTLS gives a running server a certificate, by its own hand so that the files are its own.
func withTLS(t *testing.T, url, cert, key string) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(conn)
	for _, sql := range []string{
		"COPY (SELECT unnest(string_to_array(" + quoteText(cert) + ", E'\\n'))) TO PROGRAM 'cat > weir.crt'",
		"COPY (SELECT unnest(string_to_array(" + quoteText(key) + ", E'\\n'))) TO PROGRAM 'umask 077; cat > weir.key'",
		"ALTER SYSTEM SET ssl_cert_file = 'weir.crt'", "ALTER SYSTEM SET ssl_key_file = 'weir.key'", "ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()",
	} {
		if _, err := simple(t.Context(), conn, sql); err != nil {
			t.Fatal(err)
		}
	}
}

// presented waits until a new session is answered with the certificate.
func presented(t *testing.T, server, cert string) {
	t.Helper()
	block, _ := pem.Decode([]byte(cert))
	want, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgconn.ParseConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		var seen *x509.Certificate
		if c.TLSConfig != nil {
			c.TLSConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
				seen, err = x509.ParseCertificate(raw[0])
				return err
			}
		}
		if conn, err := pgconn.ConnectConfig(t.Context(), c); err == nil {
			closeConn(conn)
		}
		if seen != nil && seen.Equal(want) {
			tick.Stop()
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the server never showed its certificate")
		case <-tick.C:
		}
	}
}

func TestSourceIsReadOverTLSThatIsVerifiedAndNothingElse(t *testing.T) {
	server, err := postmaster.Start(t.Context(), postmaster.Options{Dir: serverDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	plain := server.URL("postgres")
	good, other := newAuthority(t, "the right authority"), newAuthority(t, "another authority")
	at := func(host string, parameters ...string) string {
		u, err := url.Parse(plain)
		if err != nil {
			t.Fatal(err)
		}
		u.Host, u.RawQuery = net.JoinHostPort(host, u.Port()), strings.Join(parameters, "&")
		return u.String()
	}
	refused := func(name, url, message, hint string) {
		t.Helper()
		s, err := Open(t.Context(), Options{URL: url, ID: "tlstest"})
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: the source was opened", name)
			return
		}
		told := fault.Public(err)
		if !strings.Contains(told.Message, message) || !strings.Contains(told.Hint, hint) {
			t.Errorf("%s: it says %q, %q; want %q, %q", name, told.Message, told.Hint, message, hint)
		}
	}
	full, root := "sslmode=verify-full", "sslrootcert="+good.file
	refused("no TLS there", at("localhost", full, root), "ended the connection before it let weir in", "ssl = on")

	cert, key := good.server(t, time.Now().Add(time.Hour))
	withTLS(t, plain, cert, key)
	presented(t, at("localhost", "sslmode=require"), cert)
	s, err := Open(t.Context(), Options{URL: at("localhost", full, root), ID: "tlstest"})
	if err != nil {
		t.Fatal("with the right authority:", fault.Public(err).Message)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	refused("another authority", at("localhost", full, "sslrootcert="+other.file), "is not from an authority", "sslrootcert")
	refused("no authority named", at("localhost", full), "is not from an authority", "sslrootcert")
	refused("another name", at("127.0.0.1", full, root), "is for another name", "into the source's URL")
	refused("no such file", at("localhost", full, "sslrootcert="+good.file+".not"), "the file "+good.file+".not", "sslrootcert")

	cert, key = good.server(t, time.Now().Add(-time.Hour))
	withTLS(t, plain, cert, key)
	presented(t, at("localhost", "sslmode=require"), cert)
	refused("expired", at("localhost", full, root), "has expired", "renew")
}

func TestHostThatNobodyKnowsIsSaidToBeUnknown(t *testing.T) {
	_, err := Open(t.Context(), Options{URL: "postgres://weir@nowhere.invalid/db", ID: "nohost"})
	if told := fault.Public(err); !strings.Contains(told.Message, "no address is known") || !strings.Contains(told.Hint, "host") {
		t.Errorf("it says %q, %q", told.Message, told.Hint)
	}
}
