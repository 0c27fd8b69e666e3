package people

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// givenCheck is how often the operator's files are looked at for a change.
const givenCheck = time.Minute

// checkHosts refuses what a certificate cannot name.
func checkHosts(hosts []string) error {
	for _, h := range hosts {
		if _, err := netip.ParseAddr(h); err == nil {
			continue
		}
		if h == "" || len(h) > 253 || strings.ContainsFunc(h, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '*'
		}) {
			return fault.New(fault.Invalid, "the server's name is not one that a certificate can hold", "use a name like weir.example.com, or an address")
		}
	}
	return nil
}

// refresh makes, renews or reads again the server's certificate, when it is time. The caller holds a.mu.
func (a *Authority) refresh(now time.Time, first bool) error {
	if a.o.CertificateFile != "" {
		return a.readGiven(now, first)
	}
	if a.server != nil && now.Before(a.server.Leaf.NotAfter.Add(-serverRenewal)) {
		return nil
	}
	if a.server != nil && now.Sub(a.checked) < givenCheck && now.After(a.checked) {
		return nil // it could not be renewed a moment ago
	}
	a.checked = now
	if first {
		pair, err := loadPair(a.path(serverFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil && a.fits(pair.Leaf, now) {
			a.server = pair
			return nil
		}
	}
	return a.makeServer(now)
}

// fits says whether a certificate of the file still is what would be made: by this authority, for these hosts, good for long enough.
func (a *Authority) fits(leaf *x509.Certificate, now time.Time) bool {
	if leaf.CheckSignatureFrom(a.root) != nil || now.Before(leaf.NotBefore) || !now.Before(leaf.NotAfter.Add(-serverRenewal)) {
		return false
	}
	for _, h := range a.o.Hosts {
		if leaf.VerifyHostname(h) != nil && !strings.Contains(h, "*") {
			return false
		}
	}
	return len(leaf.DNSNames)+len(leaf.IPAddresses) == len(a.o.Hosts)
}

func (a *Authority) makeServer(now time.Time) error {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "weir"}, NotBefore: now.Add(-clockSkew), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, h := range a.o.Hosts {
		if ip, err := netip.ParseAddr(h); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	text, err := a.sign(template)
	if err != nil {
		return err
	}
	if err := a.keep(serverFile, text, fileMode); err != nil {
		return err
	}
	pair, err := loadPair(a.path(serverFile))
	if err != nil {
		return err
	}
	a.server = pair
	return nil
}

// readGiven reads the operator's certificate when it is new. What cannot be read leaves the one before in use.
func (a *Authority) readGiven(now time.Time, first bool) error {
	if !first && now.Sub(a.checked) < givenCheck && !now.Before(a.checked) {
		return nil
	}
	a.checked = now
	changed, err := a.givenChanged()
	if err == nil && (first || !changed.Equal(a.given) || a.problem != nil) {
		var pair *tls.Certificate
		if pair, err = loadGiven(a.o.CertificateFile, a.o.KeyFile, a.o.RootFile, now); err == nil {
			a.server, a.given = pair, changed
		}
	}
	a.problem = err
	return err
}

// CheckGiven says what is wrong with an operator's certificate, key and root, which may be empty, at a time; nil: nothing. Errors are those of OpenAuthority.
func CheckGiven(certificate, key, root string, now time.Time) error {
	if (certificate == "") != (key == "") {
		return oneOfTwo()
	}
	if certificate == "" {
		return nil
	}
	a := &Authority{o: AuthorityOptions{CertificateFile: certificate, KeyFile: key}}
	if _, err := a.givenChanged(); err != nil {
		return err
	}
	_, err := loadGiven(certificate, key, root, now)
	return err
}

func oneOfTwo() error {
	return fault.New(fault.Invalid, "of the server's certificate and its key only one is named", "name both files, or neither: then weir makes its own")
}

// loadGiven reads the operator's files, and says which of them is not what it should be.
func loadGiven(certificate, key, root string, now time.Time) (*tls.Certificate, error) {
	var texts [2][]byte
	for i, path := range []string{certificate, key} {
		var err error
		if texts[i], err = os.ReadFile(path); err != nil {
			return nil, unreadable(path, err)
		}
	}
	block, _ := pem.Decode(texts[0])
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fault.Newf(fault.Invalid, "%s holds no certificate", certificate).WithHint("give a PEM file: the server's certificate first, the intermediate ones after it")
	}
	pair, err := tls.X509KeyPair(texts[0], texts[1])
	if err != nil {
		if block, _ := pem.Decode(texts[1]); block == nil {
			return nil, fault.Newf(fault.Invalid, "%s holds no key", key).WithHint("give a PEM file with the private key, without a passphrase").WithCause(err)
		}
		return nil, fault.Newf(fault.Invalid, "the key in %s is not that of the certificate in %s", key, certificate).
			WithHint("give the two that belong together: the server's certificate first in its file, its key without a passphrase").WithCause(err)
	}
	switch {
	case !now.Before(pair.Leaf.NotAfter):
		return nil, fault.Newf(fault.Invalid, "the certificate in %s expired on %s", certificate, pair.Leaf.NotAfter.UTC().Format(time.DateOnly)).WithHint("renew it; or name none, and weir makes its own")
	case now.Before(pair.Leaf.NotBefore):
		return nil, fault.Newf(fault.Invalid, "the certificate in %s is not valid before %s", certificate, pair.Leaf.NotBefore.UTC().Format(time.RFC3339)).WithHint("look at the machine's clock")
	}
	return &pair, chains(&pair, certificate, root, now)
}

// chains says whether clients that check with the root find a way to it.
func chains(pair *tls.Certificate, certificate, root string, now time.Time) error {
	if root == "" {
		return nil
	}
	text, err := os.ReadFile(root)
	if err != nil {
		return unreadable(root, err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return fault.Newf(fault.Invalid, "%s holds no certificate", root).WithHint("give the authority's certificate as a PEM file; or name none, when every client's system knows the authority")
	}
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(c)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return fault.Newf(fault.Invalid, "clients that check with %s would not trust the certificate in %s", root, certificate).
			WithHint("put the intermediate certificates behind the server's in its file, and the authority that signed the last into the root's").WithCause(err)
	}
	return nil
}

func unreadable(path string, err error) error {
	return fault.Newf(fault.Unavailable, "%s cannot be read", path).WithHint("look at its name and permissions").WithCause(err)
}

// Problem says why the operator's files, as they are now, are not in use: they were changed and the pair before stays. Nil: nothing is wrong.
func (a *Authority) Problem() error {
	_, _ = a.current() // looks, when it is time to
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.problem
}

// givenChanged is when the operator's files were changed last. A key that others may change, or that everybody may read, is refused; its group may read it, as systems with a group for keys have it.
func (a *Authority) givenChanged() (time.Time, error) {
	var last time.Time
	for _, path := range []string{a.o.CertificateFile, a.o.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return last, unreadable(path, err)
		}
		if mode := info.Mode().Perm(); path == a.o.KeyFile && mode&0o037 != 0 {
			return last, fault.Newf(fault.Refused, "%s is open to others (mode %04o)", path, mode).WithHint("chmod g-wx,o-rwx %s", path)
		}
		last = later(last, info.ModTime())
	}
	return last, nil
}
