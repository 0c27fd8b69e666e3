package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// signed is a certificate with its key.
type signed struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// sign makes a certificate; without an issuer it signs itself.
func sign(t *testing.T, issuer *signed, name string, authority bool, ends time.Time) *signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: ends, IsCA: authority, BasicConstraintsValid: true,
	}
	if authority {
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		template.DNSNames, template.KeyUsage, template.ExtKeyUsage = []string{"localhost"}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signed{c, key}
}

// pemFile writes certificates, or a key, and returns the file's name.
func pemFile(t *testing.T, name string, kind string, all ...[]byte) string {
	t.Helper()
	var text []byte
	for _, der := range all {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (s *signed) keyFile(t *testing.T, name string) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return pemFile(t, name, "PRIVATE KEY", der)
}

func TestTheOperatorsOwnCertificateIsServedWithItsChain(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	soon := time.Now().Add(24 * time.Hour)
	root := sign(t, nil, "company root", true, soon)
	between := sign(t, root, "company servers", true, soon)
	server, other, old := sign(t, between, "weir", false, soon), sign(t, between, "other", false, soon), sign(t, between, "old", false, time.Now().Add(-time.Hour))
	rootFile := pemFile(t, at("root.pem"), "CERTIFICATE", root.certificate.Raw)
	chain := pemFile(t, at("chain.pem"), "CERTIFICATE", server.certificate.Raw, between.certificate.Raw)
	key := server.keyFile(t, at("server.key"))

	url, _ := fleetDatabase(t, 40, 5)
	g := newGatedWith(t, url, fmt.Sprintf(", certificate: '%s', key: '%s', root: '%s'", chain, key, rootFile))
	ada := g.add("ada", "--role", "analyst").SQL
	if ada.CA != rootFile || ada.Host != "localhost" {
		t.Errorf("clients are told to check %s with %s", ada.Host, ada.CA)
	}
	out, err := exec.CommandContext(t.Context(), "psql", dsn(ada, "channel_binding=require"), "-XAtc", "SELECT 1").CombinedOutput()
	if err != nil || string(out) != "1\n" {
		t.Errorf("psql: %v %s", err, out)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root.certificate)
	page := regexp.MustCompile(`https://localhost:\d+`).FindString(g.run.output())
	browser := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := browser.Do(request)
	if err != nil {
		t.Fatalf("the page at %q: %v", page, err)
	}
	_ = answer.Body.Close()
	if shown := answer.TLS.PeerCertificates[0]; !shown.Equal(server.certificate) {
		t.Errorf("the page shows the certificate of %s", shown.Subject)
	}

	// What cannot be used is said by weir check, and stops weir run, in the same words.
	readable := server.keyFile(t, at("readable.key"))
	if err := os.Chmod(readable, 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(g.dir, "weir.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	bad := at("weir.yaml")
	for name, c := range map[string]struct{ certificate, key, root, want string }{
		"another's key":   {chain, other.keyFile(t, at("other.key")), rootFile, "is not that of the certificate in"},
		"expired":         {pemFile(t, at("old.pem"), "CERTIFICATE", old.certificate.Raw, between.certificate.Raw), old.keyFile(t, at("old.key")), rootFile, "expired on"},
		"missing":         {chain, at("nothing.key"), rootFile, "cannot be read"},
		"open to others":  {chain, readable, rootFile, "is open to others (mode 0644)"},
		"no intermediate": {pemFile(t, at("short.pem"), "CERTIFICATE", server.certificate.Raw), key, rootFile, "would not trust"},
		"no certificate":  {key, key, rootFile, "holds no certificate"},
		"no root":         {chain, key, key, "holds no certificate"},
	} {
		text := strings.NewReplacer("'"+chain+"'", "'"+c.certificate+"'", "'"+key+"'", "'"+c.key+"'", "'"+rootFile+"'", "'"+c.root+"'").Replace(string(config))
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := weir(t, "check", "--config", bad, "--source", url, "--state", at("none")); r.code != 3 || !strings.Contains(r.stdout, "gate_certificate: ") || !strings.Contains(r.stdout, c.want) {
			t.Errorf("%s: check says %+v", name, r)
		}
		if r := weir(t, "run", "--apply", "--config", bad, "--source", url, "--state", at(name)); r.code == 0 || !strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "weir: ") != 1 {
			t.Errorf("%s: run says %+v", name, r)
		}
	}
}
