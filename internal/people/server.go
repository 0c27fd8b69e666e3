package people

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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
	if err != nil || !first && changed.Equal(a.given) {
		return err
	}
	pair, err := tls.LoadX509KeyPair(a.o.CertificateFile, a.o.KeyFile)
	if err != nil {
		return fault.Newf(fault.Invalid, "%s and %s are no certificate with its key", a.o.CertificateFile, a.o.KeyFile).WithHint("give PEM files, the server's certificate first and its chain after it").WithCause(err)
	}
	if !now.Before(pair.Leaf.NotAfter) || now.Before(pair.Leaf.NotBefore) {
		return fault.Newf(fault.Invalid, "the certificate in %s is not valid at this time", a.o.CertificateFile).WithHint("renew it; or name none, and weir makes its own")
	}
	a.server, a.given = &pair, changed
	return nil
}

// givenChanged is when the operator's files were changed last. A key that others may change, or that everybody may read, is refused; its group may read it, as systems with a group for keys have it.
func (a *Authority) givenChanged() (time.Time, error) {
	var last time.Time
	for _, path := range []string{a.o.CertificateFile, a.o.KeyFile} {
		info, err := os.Stat(path)
		if err != nil {
			return last, fault.Newf(fault.Unavailable, "%s cannot be read", path).WithHint("look at its name and permissions").WithCause(err)
		}
		if mode := info.Mode().Perm(); path == a.o.KeyFile && mode&0o037 != 0 {
			return last, fault.Newf(fault.Refused, "%s is open to others (mode %04o)", path, mode).WithHint("chmod g-wx,o-rwx %s", path)
		}
		last = later(last, info.ModTime())
	}
	return last, nil
}
