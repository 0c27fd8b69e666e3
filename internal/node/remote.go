package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/weirproject/weir/internal/fault"
)

const (
	// elsewherePatience is how long one answer of a weir elsewhere is waited for.
	elsewherePatience = 30 * time.Second
	// elsewhereAnswer is how many bytes of it are read.
	elsewhereAnswer = 64 << 10
	// elsewhereAuthority is how large a file of certificates may be.
	elsewhereAuthority = 1 << 20
)

// Elsewhere is a weir on another machine, asked over the API of its page. It is asked for nothing before its certificate is verified, and never sends us on to another.
type Elsewhere struct {
	base   *url.URL
	ca     string // absolute path; empty: the system's list
	client *http.Client
}

// NewElsewhere says where a weir is: https://host:port, and the file of certificates that vouches for it (empty: the system's list). Nothing is asked yet.
func NewElsewhere(at, ca string) (*Elsewhere, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fault.New(fault.Usage, "--at is not the address of a weir", "write it as https://weir.example.com:8443").WithCause(err)
	}
	e := &Elsewhere{base: &url.URL{Scheme: "https", Host: u.Host}}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		if config.RootCAs, err = authorities(ca); err != nil {
			return nil, err
		}
		if e.ca, err = filepath.Abs(ca); err != nil {
			return nil, fault.New(fault.Unavailable, "this folder has no path", "go to another folder").WithCause(err)
		}
	}
	e.client = &http.Client{
		Timeout: elsewherePatience,
		Transport: &http.Transport{
			TLSClientConfig: config, TLSHandshakeTimeout: elsewherePatience, MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a password goes where it was meant to go
	}
	return e, nil
}

func authorities(path string) (*x509.CertPool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s cannot be read", path).WithHint("name the file ca.pem of that weir as --ca").WithCause(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, elsewhereAuthority))
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(text) {
		return nil, fault.Newf(fault.Invalid, "%s holds no certificate", path).WithHint("name the file ca.pem of that weir as --ca").WithCause(err)
	}
	return pool, nil
}

// Login signs in, renews the SQL password of whoever knows the page password, and signs out again.
func (e *Elsewhere) Login(ctx context.Context, name, password string) (*Login, error) {
	defer e.client.CloseIdleConnections()
	var session struct {
		Token string `json:"token"`
	}
	if err := e.ask(ctx, http.MethodPost, "session", "", credentials{name, password}, &session); err != nil {
		return nil, err
	}
	if session.Token == "" || strings.ContainsFunc(session.Token, notPlain) {
		return nil, notWeir(nil)
	}
	// The session has done its work, however this ends. One that cannot be ended ends by itself.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = e.ask(ctx, http.MethodDelete, "session", session.Token, nil, nil)
	}()
	l := &Login{}
	if err := e.ask(ctx, http.MethodPost, "account/sql", session.Token, nil, l); err != nil {
		return nil, err
	}
	return l, e.settle(l)
}

// plainHost is a name or an address, and no path of a socket.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]*$`)

// settle makes of an answer something that is good here. What is printed and pasted into a shell is looked at first, although it comes from a server that was verified.
func (e *Elsewhere) settle(l *Login) error {
	for _, text := range []string{l.Database, l.User, l.Password} {
		if text == "" || strings.ContainsFunc(text, notPlain) {
			return notWeir(nil)
		}
	}
	if l.Port < 0 || l.Port > 65535 || l.Port != 0 && !plainHost.MatchString(l.Host) {
		return notWeir(nil)
	}
	if a, err := netip.ParseAddr(l.Host); l.Host == "localhost" || err == nil && a.IsLoopback() {
		l.Host = e.base.Hostname() // its own machine is not ours; what it shows us a certificate for is the same machine
	}
	l.CA, l.Certificate, l.Key = e.ca, "", ""
	return nil
}

func notPlain(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }

// ask asks one question of the API. A nil value takes no answer.
func (e *Elsewhere) ask(ctx context.Context, method, path, token string, body, value any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fault.New(fault.Internal, "the question cannot be written", "").WithCause(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, e.base.JoinPath("api", "v1", path).String(), in)
	if err != nil {
		return fault.New(fault.Usage, "--at is not the address of a weir", "write it as https://weir.example.com:8443").WithCause(err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := e.client.Do(req)
	if err != nil {
		return e.unanswered(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, elsewhereAnswer+1))
	if err != nil {
		return e.unanswered(err)
	}
	if len(answer) > elsewhereAnswer {
		return notWeir(nil)
	}
	return answered(res.StatusCode, answer, value)
}

func answered(status int, answer []byte, value any) error {
	if status >= 300 && status < 400 {
		return fault.New(fault.Refused, "what answers there wants to send us to another address, and a password goes to no other", "name the address of the page itself as --at")
	}
	if status >= 200 && status < 300 {
		if value == nil {
			return nil
		}
		if err := json.Unmarshal(answer, value); err != nil {
			return notWeir(err)
		}
		return nil
	}
	var refusal struct {
		Error struct {
			Kind    string `json:"kind"`
			Message string `json:"message"`
			Hint    string `json:"hint"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &refusal); err != nil || refusal.Error.Message == "" {
		return notWeir(err)
	}
	kind := fault.Unavailable
	for _, k := range []fault.Kind{fault.Usage, fault.Invalid, fault.NotFound, fault.Found, fault.Refused} {
		if k.String() == refusal.Error.Kind {
			kind = k
		}
	}
	return fault.New(kind, oneLine(refusal.Error.Message), oneLine(refusal.Error.Hint))
}

// oneLine keeps another machine's control characters from the terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// unanswered says why there is no answer.
func (e *Elsewhere) unanswered(err error) error {
	var wrong *tls.CertificateVerificationError
	var name x509.HostnameError
	var plain tls.RecordHeaderError
	var dial *net.OpError
	switch {
	case errors.As(err, &name):
		return fault.Newf(fault.Refused, "the certificate that was shown is not one of %s, so the password was not sent", e.base.Hostname()).
			WithHint("use a name that weir has in gate.hosts of its configuration").WithCause(err)
	case errors.As(err, &wrong):
		return fault.Newf(fault.Refused, "nobody we know vouches for the certificate of %s, so the password was not sent", e.base.Host).
			WithHint("get the file ca.pem of that weir from its administrator, not from the network, and name it as --ca").WithCause(err)
	case errors.As(err, &plain), errors.Is(err, http.ErrSchemeMismatch):
		return fault.Newf(fault.Unavailable, "what answers at %s does not speak TLS", e.base.Host).WithHint("name the address of gate.web as --at").WithCause(err)
	case errors.As(err, &dial) && dial.Op == "dial":
		return fault.Newf(fault.Unavailable, "nobody answers at %s", e.base.Host).WithHint("look at --at: it is the address of gate.web, and weir run must be running there").WithCause(err)
	}
	return fault.Newf(fault.Unavailable, "the answer of %s did not come", e.base.Host).WithHint("try again").WithCause(err)
}

func notWeir(err error) error {
	return fault.New(fault.Unavailable, "what answers there is no weir, or one of another version", "name the address of gate.web as --at").WithCause(err)
}
