package people

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// The files of the key folder. A key and its certificate stand in one file, so that a crash cannot part them.
const (
	authorityFile = "ca.key"     // the authority's key and certificate
	rootFile      = "ca.pem"     // its certificate alone, for clients
	serverFile    = "server.key" // the server's key and certificate
)

// How long certificates live.
const (
	authorityLife = 20 * 365 * 24 * time.Hour
	serverLife    = 90 * 24 * time.Hour
	serverRenewal = 30 * 24 * time.Hour // what is left of the server's when it is renewed
	// clockSkew is how far behind a client's clock may be.
	clockSkew = time.Hour
)

// AuthorityOptions are what an authority works with.
type AuthorityOptions struct {
	// Dir is the key folder; it is made where there is none, and refused when others may enter it.
	Dir string
	// Hosts are the names and addresses by which clients reach the server; empty: localhost, 127.0.0.1 and ::1.
	Hosts []string
	// CertificateFile and KeyFile are the operator's own certificate (with its chain) and key for the server, PEM; both or neither. They are read again when they change. Client certificates come from
	// weir's own authority all the same.
	CertificateFile, KeyFile string
	// RootFile is what clients check the operator's certificate with; empty: their system's list.
	RootFile string
	Clock    func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nothing is logged
}

// Authority is weir's own certificate authority: it makes the server's certificate, when the operator gives none, and those of services. It is safe for concurrent use.
type Authority struct {
	o    AuthorityOptions
	root *x509.Certificate
	key  crypto.Signer

	mu      sync.Mutex // guards the server's certificate, and its renewal
	server  *tls.Certificate
	given   time.Time // when the operator's files were changed last
	checked time.Time // when that was looked at last
	problem error     // why what was found then is not in use
}

// OpenAuthority reads the certificates in o.Dir, making them where there are none. Errors are faults.
func OpenAuthority(o AuthorityOptions) (*Authority, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	if (o.CertificateFile == "") != (o.KeyFile == "") {
		return nil, oneOfTwo()
	}
	if err := checkHosts(o.Hosts); err != nil {
		return nil, err
	}
	if err := privateDir(o.Dir); err != nil {
		return nil, err
	}
	a := &Authority{o: o}
	if err := a.open(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(a.o.Clock(), true); err != nil {
		return nil, err
	}
	return a, nil
}

// open reads or makes the authority's own key.
func (a *Authority) open() error {
	pair, err := loadPair(a.path(authorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		pair, err = a.makeAuthority()
	}
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	now := a.o.Clock()
	if !ok || !pair.Leaf.IsCA || now.Before(pair.Leaf.NotBefore.Add(-clockSkew)) || !now.Before(pair.Leaf.NotAfter) {
		return fault.Newf(fault.Invalid, "%s is no certificate authority, or is not valid at this time", a.path(authorityFile)).WithHint("look at the machine's clock; or put the file back from a backup")
	}
	a.root, a.key = pair.Leaf, key
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
	if there, err := os.ReadFile(a.path(rootFile)); err != nil || !bytes.Equal(there, text) {
		return a.keep(rootFile, text, 0o644)
	}
	return nil
}

func (a *Authority) path(file string) string { return filepath.Join(a.o.Dir, file) }

func (a *Authority) keep(file string, data []byte, mode fs.FileMode) error {
	if err := replaceDurably(a.path(file), data, mode, nil); err != nil {
		return fault.Newf(fault.Unavailable, "%s cannot be written", a.path(file)).WithHint("look at the disk's free space and at the folder's permissions").WithCause(err)
	}
	return nil
}

// loadPair reads a key and its certificate from one private file. A missing file is fs.ErrNotExist.
func loadPair(path string) (*tls.Certificate, error) {
	if err := private(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s cannot be read", path).WithHint("look at its permissions and at the disk").WithCause(err)
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, fault.Newf(fault.Invalid, "%s is damaged", path).WithHint("put it back from a backup").WithCause(err)
	}
	return &pair, nil
}

func (a *Authority) makeAuthority() (*tls.Certificate, error) {
	now := a.o.Clock()
	id := newID()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "weir " + id}, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	text, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	if err := a.keep(authorityFile, text, fileMode); err != nil {
		return nil, err
	}
	return loadPair(a.path(authorityFile))
}

// sign makes a key and a certificate for it, and returns both as PEM: the key first. Without a root yet, it signs itself. All are ECDSA P-256 with SHA-256: every client knows it, and channel
// binding is defined for it (for Ed25519 it is not).
func (a *Authority) sign(template *x509.Certificate) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	serial := make([]byte, 16)
	_, _ = rand.Read(serial)
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always as long
	template.SerialNumber = new(big.Int).SetBytes(serial)
	template.SignatureAlgorithm = x509.ECDSAWithSHA256
	parent, signer := a.root, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}

// RootFile is the path of what clients check the server's certificate with; empty when the operator's certificate is one that their system's list knows.
func (a *Authority) RootFile() string {
	if a.o.CertificateFile != "" {
		return a.o.RootFile
	}
	return a.path(rootFile)
}

// RootPEM is the certificate of weir's own authority.
func (a *Authority) RootPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// TLSConfig is what a server listens with. There is none without TLS. A server's certificate that is renewed is used from the next connection on. For a protocol with channel binding, use Pinned.
//
// TLS 1.2 is still let in, with forward-secret AEAD suites only: JDBC drivers and BI tools on older runtimes end there, and with these suites it is as good as broken by nothing. There are no session
// tickets: every connection proves itself anew, and none outlives a certificate.
func (a *Authority) TLSConfig(auth tls.ClientAuthType) *tls.Config {
	c := a.config(auth)
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.current() }
	return c
}

// Pinned is TLSConfig for one connection, and the tls-server-end-point channel binding of the certificate that it will show. A certificate that is renewed in between would otherwise make the two
// disagree. The binding is nil when RFC 5929 defines none for an operator's certificate.
func (a *Authority) Pinned(auth tls.ClientAuthType) (*tls.Config, []byte, error) {
	server, err := a.current()
	if err != nil {
		return nil, nil, err
	}
	c := a.config(auth)
	c.Certificates = []tls.Certificate{*server}
	return c, ServerEndPointHash(server.Leaf), nil
}

func (a *Authority) config(auth tls.ClientAuthType) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.root)
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		ClientAuth: auth, ClientCAs: pool, SessionTicketsDisabled: true, Time: a.o.Clock,
	}
}

// ServerEndPointHash is the tls-server-end-point channel binding of a certificate (RFC 5929, section 4.1): its hash with its signature's hash function, and SHA-256 instead of MD5 and SHA-1. It is nil
// where that names no single hash function. Do not take the hash of a certificate that the connection was shown: on a server that is the client's.
func ServerEndPointHash(c *x509.Certificate) []byte {
	var h crypto.Hash
	switch c.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(c.Raw)
		return sum[:]
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h = crypto.SHA512
	default:
		return nil
	}
	d := h.New()
	_, _ = d.Write(c.Raw)
	return d.Sum(nil)
}

// issue makes a client certificate. The serial is known before anything is handed out.
func (a *Authority) issue(name Name, expires time.Time) (text []byte, serial string, err error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: string(name)}, NotBefore: a.o.Clock().Add(-clockSkew), NotAfter: expires,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if text, err = a.sign(template); err != nil {
		return nil, "", err
	}
	return text, serialOf(template), nil
}

func serialOf(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

// issued says whether the certificate is a client's, of this authority, and good at this time.
func (a *Authority) issued(c *x509.Certificate) bool {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: a.o.Clock(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err == nil
}

// current is the server's certificate for the next connection.
func (a *Authority) current() (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.refresh(a.o.Clock(), false); err != nil {
		// What there is stays in use until it can be renewed; the clients judge it.
		a.o.Log.WarnContext(context.Background(), "the server certificate could not be renewed, the one before stays in use", "err", err)
	}
	return a.server, nil
}

// Format shows that there is an authority: its key is not to be printed.
func (a *Authority) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[authority]") }

// LogValue shows that there is an authority.
func (a *Authority) LogValue() slog.Value { return slog.StringValue("[authority]") }

// MarshalText shows that there is an authority.
func (a *Authority) MarshalText() ([]byte, error) { return []byte("[authority]"), nil }
