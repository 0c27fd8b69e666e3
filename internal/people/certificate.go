package people

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// maxCertificates is how many a service may have at a time: one in use, and those that replace it.
const maxCertificates = 8

// IssuedCertificate is a new client certificate with its key, which is shown this once.
type IssuedCertificate struct {
	User        Name
	Serial      string
	Certificate []byte // PEM
	Key         Secret // PEM, PKCS #8
	Expires     time.Time
}

func noAuthority() error {
	return fault.New(fault.Unavailable, "there is no certificate authority here", "run the command where weir runs with its key folder")
}

// IssueCertificate gives a service a client certificate that lives for life; 0 is MaxServiceLife.
func (r *Registry) IssueCertificate(ctx context.Context, by Caller, name Name, life time.Duration) (IssuedCertificate, error) {
	if r.o.Authority == nil {
		return IssuedCertificate{}, noAuthority()
	}
	if life == 0 {
		life = MaxServiceLife
	}
	if err := checkLife(life, MaxServiceLife); err != nil {
		return IssuedCertificate{}, err
	}
	var out IssuedCertificate
	err := r.update(ctx, name, func(_ *state, a *account, now time.Time) (Event, error) {
		if a.Kind != Service || a.Disabled {
			return Event{}, fault.New(fault.Refused, "only a service that is not disabled gets a certificate", "people sign in with the SQL password that they renew themselves")
		}
		kept := slices.DeleteFunc(slices.Clone(a.Certificates), func(c Certificate) bool { return !now.Before(c.Expires) })
		if len(kept) >= maxCertificates {
			return Event{}, fault.Newf(fault.Refused, "this service has %d certificates", len(kept)).WithHint("revoke those that are not used")
		}
		expires := now.Add(life).Truncate(time.Second)
		text, serial, err := r.o.Authority.issue(name, expires)
		if err != nil {
			return Event{}, err
		}
		at := bytes.Index(text, []byte("-----BEGIN CERTIFICATE-----"))
		out = IssuedCertificate{User: name, Serial: serial, Certificate: bytes.Clone(text[at:]), Key: newSecret(string(text[:at])), Expires: expires}
		a.Certificates = append(kept, Certificate{Serial: serial, Expires: expires})
		e := by.event(CertificateIssued, name)
		e.Role, e.Of, e.Serial, e.Networks, e.Expires = a.Role, a.Kind, serial, a.Networks, &expires
		return e, nil
	})
	if err != nil {
		return IssuedCertificate{}, err
	}
	return out, nil
}

// RevokeCertificate makes one certificate of a service worthless. The serial number may be written as other programs print it: in capitals, with colons, with zeros in front.
func (r *Registry) RevokeCertificate(ctx context.Context, by Caller, name Name, serial string) error {
	serial = plainSerial(serial)
	return r.update(ctx, name, func(_ *state, a *account, _ time.Time) (Event, error) {
		kept := slices.DeleteFunc(slices.Clone(a.Certificates), func(c Certificate) bool { return plainSerial(c.Serial) == serial })
		if len(kept) == len(a.Certificates) {
			return Event{}, fault.New(fault.NotFound, "this service has no such certificate", "weir user show NAME shows their serial numbers")
		}
		revoked := a.Certificates[slices.IndexFunc(a.Certificates, func(c Certificate) bool { return plainSerial(c.Serial) == serial })]
		a.Certificates = kept
		e := by.event(CertificateRevoked, name)
		e.Serial = revoked.Serial
		return e, nil
	})
}

func plainSerial(s string) string {
	return strings.TrimLeft(strings.ToLower(strings.ReplaceAll(s, ":", "")), "0")
}

// VerifyCertificate says who has signed in with a client certificate, whose possession the TLS handshake has proved; who.Name is the startup message's user. Everything else about the certificate is
// judged here, whatever the server's TLS configuration asked for. The verdict is recorded before it is given.
func (r *Registry) VerifyCertificate(ctx context.Context, who Caller, c *x509.Certificate) (Principal, error) {
	if r.o.Authority == nil {
		return Principal{}, noAuthority()
	}
	if c == nil {
		return Principal{}, wrongCertificate()
	}
	pass, err := r.admit(ctx, r.slow.certificate, who, ByCertificate) // whoever has a revoked one could else fill the record with it
	if err != nil {
		return Principal{}, err
	}
	now := r.time()
	a, there := r.now.Load().accounts[Name(who.Name)]
	serial := serialOf(c)
	at := slices.IndexFunc(a.Certificates, func(c Certificate) bool { return c.Serial == serial && now.Before(c.Expires) })
	proved := r.o.Authority.issued(c) && there && !a.Disabled && c.Subject.CommonName == string(a.Name) && at >= 0
	inside := within(a.Networks, who.Address)
	e := who.event(SignInRefused, "")
	e.Way, e.At, e.By = ByCertificate, now, ""
	if there {
		e.Account, e.By = a.Name, who.Name
	}
	if proved && inside {
		e.Kind, e.Role, e.Serial, e.Expires = SignedIn, a.Role, serial, &a.Certificates[at].Expires
	}
	if err := r.record(context.WithoutCancel(ctx), e); err != nil {
		return Principal{}, err
	}
	if !proved {
		return Principal{}, wrongCertificate()
	}
	if !inside {
		return Principal{}, notNow(false)
	}
	r.slow.certificate.succeeded(r.o.Clock(), pass)
	return Principal{Name: a.Name, Role: a.Role, Kind: a.Kind, Way: ByCertificate, Expires: a.Certificates[at].Expires, account: a.ID, credential: serial}, nil
}

func wrongCertificate() error {
	return fault.New(fault.Refused, "this certificate is not good for this name, or not any more", "an administrator can issue a new one")
}
