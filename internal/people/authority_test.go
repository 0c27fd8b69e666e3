package people

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

func openAuthority(t *testing.T, o AuthorityOptions) *Authority {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "keys")
	}
	a, err := OpenAuthority(o)
	must(t, err)
	return a
}

// shake connects over loopback and returns what client and server saw, or the client's first error: with TLS 1.3 a refused certificate shows at the first read.
func shake(t *testing.T, server, client *tls.Config) (seenByClient, seenByServer tls.ConnectionState, err error) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	got := make(chan tls.ConnectionState, 1)
	go func() {
		defer close(got)
		raw, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = raw.Close() }()
		c := tls.Server(raw, server)
		if c.HandshakeContext(ctx) == nil {
			_, _ = c.Write([]byte("x"))
			got <- c.ConnectionState()
		}
	}()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	must(t, err)
	defer func() { _ = raw.Close() }()
	c := tls.Client(raw, client)
	if err := c.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, tls.ConnectionState{}, err
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		return tls.ConnectionState{}, tls.ConnectionState{}, err
	}
	return c.ConnectionState(), <-got, nil
}

func clientOf(a *Authority, name string, pairs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.RootPEM())
	return &tls.Config{RootCAs: pool, ServerName: name, Certificates: pairs, Time: a.o.Clock, MinVersion: tls.VersionTLS12}
}

func TestTheFirstStartMakesCertificatesThatStay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	a := openAuthority(t, AuthorityOptions{Dir: dir})
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		c, _, err := shake(t, a.TLSConfig(tls.NoClientCert), clientOf(a, name))
		must(t, err)
		if c.Version != tls.VersionTLS13 || c.PeerCertificates[0].IsCA || c.PeerCertificates[0].PublicKeyAlgorithm != x509.ECDSA {
			t.Errorf("%s: %x", name, c.Version)
		}
	}
	if _, _, err := shake(t, a.TLSConfig(tls.NoClientCert), clientOf(a, "weir.example.com")); err == nil {
		t.Error("it answers for a name that it has not")
	}
	root, server := a.RootPEM(), a.server.Leaf.Raw
	again := openAuthority(t, AuthorityOptions{Dir: dir})
	if !bytes.Equal(root, again.RootPEM()) || !bytes.Equal(server, again.server.Leaf.Raw) {
		t.Error("they were made anew")
	}
	text, err := os.ReadFile(again.RootFile())
	must(t, err)
	if !bytes.Equal(text, root) {
		t.Error("the file for clients is another's")
	}
	renamed := openAuthority(t, AuthorityOptions{Dir: dir, Hosts: []string{"weir.example.com", "192.0.2.1"}})
	for _, name := range []string{"weir.example.com", "192.0.2.1"} {
		_, _, err := shake(t, renamed.TLSConfig(tls.NoClientCert), clientOf(renamed, name))
		must(t, err)
	}
	if !bytes.Equal(root, renamed.RootPEM()) {
		t.Error("another name made another authority")
	}
}

func TestOldTLSAndWeakSuitesAreRefused(t *testing.T) {
	a := openAuthority(t, AuthorityOptions{})
	for name, change := range map[string]func(c *tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC suite": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
	} {
		c := clientOf(a, "localhost")
		change(c)
		if _, _, err := shake(t, a.TLSConfig(tls.NoClientCert), c); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	c := clientOf(a, "localhost")
	c.MaxVersion = tls.VersionTLS12
	_, _, err := shake(t, a.TLSConfig(tls.NoClientCert), c)
	must(t, err)
}

func TestTheServersCertificateIsRenewedWhileItRuns(t *testing.T) {
	h := &house{t: t, now: start}
	a := openAuthority(t, AuthorityOptions{Clock: h.clock})
	config := a.TLSConfig(tls.NoClientCert)
	pinned, binding, err := a.Pinned(tls.NoClientCert)
	must(t, err)
	first, _, err := shake(t, config, clientOf(a, "localhost"))
	must(t, err)
	h.pass(serverLife - serverRenewal + time.Second)
	second, _, err := shake(t, config, clientOf(a, "localhost"))
	must(t, err)
	if bytes.Equal(first.PeerCertificates[0].Raw, second.PeerCertificates[0].Raw) {
		t.Error("it was not renewed")
	}
	// A connection that had begun before shows what its binding is of.
	old, _, err := shake(t, pinned, clientOf(a, "localhost"))
	must(t, err)
	if !bytes.Equal(ServerEndPointHash(old.PeerCertificates[0]), binding) {
		t.Error("binding and certificate disagree")
	}
	again := openAuthority(t, AuthorityOptions{Dir: a.o.Dir, Clock: h.clock})
	if !bytes.Equal(again.server.Leaf.Raw, second.PeerCertificates[0].Raw) {
		t.Error("the renewed one does not outlive a restart")
	}
}

func TestWhatCannotBeRenewedStaysInUse(t *testing.T) {
	h := &house{t: t, now: start}
	a := openAuthority(t, AuthorityOptions{Clock: h.clock})
	must(t, os.RemoveAll(a.o.Dir))
	h.pass(serverLife - serverRenewal + time.Second)
	_, _, err := shake(t, a.TLSConfig(tls.NoClientCert), clientOf(a, "localhost"))
	must(t, err)
	must(t, os.Mkdir(a.o.Dir, 0o700))
	h.pass(givenCheck + time.Second)
	c, _, err := shake(t, a.TLSConfig(tls.NoClientCert), clientOf(a, "localhost"))
	must(t, err)
	if c.PeerCertificates[0].NotAfter.Sub(h.clock()) < serverLife-time.Hour {
		t.Error("it was not renewed when it could be")
	}
}

func TestChannelBindingIsTheCertificatesOwnHash(t *testing.T) {
	a := openAuthority(t, AuthorityOptions{})
	config, binding, err := a.Pinned(tls.RequireAnyClientCert)
	must(t, err)
	h := openHouse(t) // a client's certificate must not be taken for the server's
	h.service("metabase")
	c, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	_, s, err := shake(t, config, clientOf(a, "localhost", pairOfIssued(t, c)))
	if err == nil {
		t.Fatal("another authority's client was let in")
	}
	_ = s
	config, binding2, err := a.Pinned(tls.NoClientCert)
	must(t, err)
	client, _, err := shake(t, config, clientOf(a, "localhost"))
	must(t, err)
	want := sha256.Sum256(client.PeerCertificates[0].Raw)
	if !bytes.Equal(binding, want[:]) || !bytes.Equal(binding2, want[:]) {
		t.Error("the binding is another")
	}
	raw := []byte("certificate")
	sum256, sum384, sum512 := sha256.Sum256(raw), sha512.Sum384(raw), sha512.Sum512(raw)
	for algorithm, want := range map[x509.SignatureAlgorithm][]byte{
		x509.SHA1WithRSA: sum256[:], x509.MD5WithRSA: sum256[:], x509.SHA256WithRSA: sum256[:], x509.ECDSAWithSHA384: sum384[:], x509.SHA512WithRSA: sum512[:], x509.PureEd25519: nil,
	} {
		if got := ServerEndPointHash(&x509.Certificate{Raw: raw, SignatureAlgorithm: algorithm}); !bytes.Equal(got, want) {
			t.Errorf("%s: %x", algorithm, got)
		}
	}
}

func pairOfIssued(t *testing.T, c IssuedCertificate) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(c.Certificate, []byte(c.Key.Reveal()))
	must(t, err)
	return pair
}

func TestAServiceSignsInWithItsCertificate(t *testing.T) {
	h := openHouse(t)
	a := h.o.Authority
	h.service("metabase")
	h.service("other")
	c, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	_, server, err := shake(t, a.TLSConfig(tls.VerifyClientCertIfGiven), clientOf(a, "localhost", pairOfIssued(t, c)))
	must(t, err)
	shown := server.PeerCertificates[0]
	who := at("metabase", office)
	p, err := h.VerifyCertificate(t.Context(), who, shown)
	must(t, err)
	if p.Name != "metabase" || p.Kind != Service || p.Way != ByCertificate || !p.Expires.Equal(h.clock().Add(MaxServiceLife)) {
		t.Errorf("got %+v", p)
	}
	if e := h.last(); e.Kind != SignedIn || e.Serial != c.Serial {
		t.Errorf("recorded %+v", e)
	}
	for name, c := range map[string]struct {
		who Caller
		c   *x509.Certificate
	}{
		"another's name":    {at("other", office), shown},
		"nobody's name":     {at("nobody-here", office), shown},
		"no certificate":    {who, nil},
		"the server's":      {at("weir", office), a.server.Leaf},
		"the authority's":   {who, a.root},
		"another authority": {who, forged(t, shown)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.VerifyCertificate(t.Context(), c.who, c.c)
			isKind(t, err, fault.Refused)
		})
	}
	must(t, h.SetNetworks(t.Context(), root, "metabase", []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}))
	_, err = h.VerifyCertificate(t.Context(), who, shown)
	isKind(t, err, fault.Refused)
	must(t, h.SetNetworks(t.Context(), root, "metabase", nil))
	_, err = h.Standing(p, who)
	must(t, err)
	isKind(t, h.RevokeCertificate(t.Context(), root, "metabase", c.Serial[1:]), fault.NotFound)
	printed := strings.ToUpper(regexp.MustCompile(`..\B`).ReplaceAllString(c.Serial, "$0:")) // as openssl prints it
	if !strings.Contains(printed, ":") {
		t.Fatal(printed)
	}
	must(t, h.RevokeCertificate(t.Context(), root, "metabase", printed))
	_, err = h.Standing(p, who)
	isKind(t, err, fault.Refused)
	_, err = h.VerifyCertificate(t.Context(), who, shown)
	isKind(t, err, fault.Refused)
}

// forged is a certificate that says the same, of an authority that is not ours.
func forged(t *testing.T, like *x509.Certificate) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := *like
	template.SignatureAlgorithm, template.PublicKeyAlgorithm, template.PublicKey = 0, 0, nil
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

func TestACertificateEnds(t *testing.T) {
	h := openHouse(t)
	h.service("metabase")
	shown := func(c IssuedCertificate) *x509.Certificate { return pairOfIssued(t, c).Leaf }
	who := at("metabase", office)
	short, err := h.IssueCertificate(t.Context(), root, "metabase", time.Hour)
	must(t, err)
	long, err := h.IssueCertificate(t.Context(), root, "metabase", 0)
	must(t, err)
	p, err := h.VerifyCertificate(t.Context(), who, shown(short))
	must(t, err)
	h.pass(time.Hour)
	_, err = h.Standing(p, who)
	isKind(t, err, fault.Refused)
	_, err = h.VerifyCertificate(t.Context(), who, shown(short))
	isKind(t, err, fault.Refused)
	_, err = h.VerifyCertificate(t.Context(), who, shown(long))
	must(t, err)
	must(t, h.Remove(t.Context(), root, "metabase"))
	h.service("metabase")
	_, err = h.VerifyCertificate(t.Context(), who, shown(long))
	isKind(t, err, fault.Refused) // another metabase
	for range maxCertificates {
		_, err = h.IssueCertificate(t.Context(), root, "metabase", 0)
		must(t, err)
	}
	_, err = h.IssueCertificate(t.Context(), root, "metabase", 0)
	isKind(t, err, fault.Refused)
	_, err = h.IssueCertificate(t.Context(), root, "metabase", MaxServiceLife+time.Hour)
	isKind(t, err, fault.Invalid)
	h.add("ana", Analyst)
	_, err = h.IssueCertificate(t.Context(), root, "ana", 0)
	isKind(t, err, fault.Refused)
}

// given writes a certificate of the operator's own and its key.
func given(t *testing.T, dir, name string, mode os.FileMode, ends time.Time) (cert, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: start.Add(-time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	must(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	must(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), mode))
	must(t, os.Chmod(cert, 0o644)) // whatever the umask is
	must(t, os.Chmod(key, mode))
	return cert, key
}

func TestTheOperatorsOwnCertificate(t *testing.T) {
	h, dir := &house{t: t, now: start}, t.TempDir()
	cert, key := given(t, dir, "weir.example.com", 0o640, start.Add(1000*time.Hour))
	a := openAuthority(t, AuthorityOptions{CertificateFile: cert, KeyFile: key, RootFile: cert, Clock: h.clock})
	if a.RootFile() != cert || a.server.Leaf.Subject.CommonName != "weir.example.com" {
		t.Error("it is not used")
	}
	_, binding, err := a.Pinned(tls.NoClientCert)
	must(t, err)
	if binding != nil {
		t.Error("there is no binding for Ed25519")
	}
	// It is renewed on the disk, first badly.
	must(t, os.WriteFile(cert, []byte("half a file"), 0o644))
	h.pass(2 * givenCheck)
	now, err := a.current()
	must(t, err)
	if now.Leaf.Subject.CommonName != "weir.example.com" {
		t.Error("a bad file took the good one's place")
	}
	if err := a.Problem(); err == nil || err.Error() != cert+" holds no certificate" {
		t.Error("nobody is told:", err)
	}
	given(t, dir, "weir2.example.com", 0o600, start.Add(2000*time.Hour))
	must(t, os.Chtimes(cert, start, time.Now().Add(time.Hour)))
	h.pass(2 * givenCheck)
	now, err = a.current()
	must(t, err)
	if now.Leaf.Subject.CommonName != "weir2.example.com" {
		t.Error("the new one was not read")
	}
	if err := a.Problem(); err != nil {
		t.Error("it is well again:", err)
	}
}

func TestCertificatesThatAreNotTaken(t *testing.T) {
	h, dir := &house{t: t, now: start}, t.TempDir()
	later := start.Add(1000 * time.Hour)
	openWith := func(o AuthorityOptions) error {
		o.Clock = h.clock
		if o.Dir == "" {
			o.Dir = filepath.Join(t.TempDir(), "keys")
		}
		_, err := OpenAuthority(o)
		return err
	}
	cert, key := given(t, dir, "x", 0o600, later)
	isKind(t, openWith(AuthorityOptions{CertificateFile: cert}), fault.Invalid)
	isKind(t, openWith(AuthorityOptions{KeyFile: key}), fault.Invalid)
	isKind(t, openWith(AuthorityOptions{CertificateFile: cert, KeyFile: cert}), fault.Refused)
	isKind(t, openWith(AuthorityOptions{CertificateFile: cert, KeyFile: filepath.Join(dir, "nix")}), fault.Unavailable)
	isKind(t, openWith(AuthorityOptions{Hosts: []string{"a b"}}), fault.Invalid)
	given(t, dir, "x", 0o644, later)
	isKind(t, openWith(AuthorityOptions{CertificateFile: cert, KeyFile: key}), fault.Refused)
	given(t, dir, "x", 0o600, start.Add(-time.Minute))
	isKind(t, openWith(AuthorityOptions{CertificateFile: cert, KeyFile: key}), fault.Invalid)

	a := openAuthority(t, AuthorityOptions{Clock: h.clock})
	for _, path := range []string{a.o.Dir, a.path(authorityFile), a.path(serverFile)} {
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.Chmod(path, info.Mode().Perm()|0o004))
		isKind(t, openWith(AuthorityOptions{Dir: a.o.Dir}), fault.Refused)
		must(t, os.Chmod(path, info.Mode().Perm()))
	}
	must(t, os.WriteFile(a.path(authorityFile), nil, 0o600))
	isKind(t, openWith(AuthorityOptions{Dir: a.o.Dir}), fault.Invalid)
}
