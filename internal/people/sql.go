package people

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// How long an SQL password lives.
const (
	DefaultSQLLife    = 8 * time.Hour       // a person's: a working day
	MaxSQLLife        = 12 * time.Hour      // a person's
	MaxServiceLife    = 90 * 24 * time.Hour // a service's, and a certificate's
	minCredentialLife = time.Minute
)

// scramIterations is the least that RFC 7677 allows, because more would protect nothing: an SQL password is 130 random bits of weir's making, which nobody finds by trying, however fast a try is.
const (
	scramIterations = 4096
	scramKeySize    = sha256.Size
	saltSize        = 16
	mockKeySize     = 32
)

// SQLCredential is what somebody signs in to SQL with. The password is shown this once.
type SQLCredential struct {
	User     Name
	Password Secret
	Expires  time.Time
}

// RenewSQL replaces an account's SQL password by a new one that lives for life; 0 is DefaultSQLLife for a person and MaxServiceLife for a service. A person's is renewed by nobody but the person:
// an administrator has no data, and would have it by that.
func (r *Registry) RenewSQL(ctx context.Context, by Caller, name Name, life time.Duration) (SQLCredential, error) {
	var out SQLCredential
	err := r.update(ctx, name, func(s *state, a *account, now time.Time) (_ Event, err error) {
		if a.Kind == Person && by.Name != string(name) {
			return Event{}, fault.New(fault.Refused, "an SQL password is renewed by the one who uses it", "they renew it with weir login")
		}
		if a.Disabled {
			return Event{}, fault.New(fault.Refused, "this account is disabled", "ask an administrator to enable it")
		}
		if life == 0 {
			life = DefaultSQLLife
			if a.Kind == Service {
				life = MaxServiceLife
			}
		}
		if out, err = a.renew(s.mockKey, life, now); err != nil {
			return Event{}, err
		}
		e := by.event(SQLRenewed, name)
		e.Role, e.Of, e.Networks, e.Expires = a.Role, a.Kind, a.Networks, &out.Expires
		return e, nil
	})
	if err != nil {
		return SQLCredential{}, err
	}
	return out, nil
}

// EndSQL takes an account's SQL password back. Connections that were begun with it end too, as Standing says.
func (r *Registry) EndSQL(ctx context.Context, by Caller, name Name) error {
	return r.update(ctx, name, func(_ *state, a *account, _ time.Time) (Event, error) {
		if a.SQL == nil {
			return Event{}, fault.New(fault.NotFound, "this account has no SQL password", "weir user list shows who has one")
		}
		a.SQL = nil
		return by.event(SQLEnded, name), nil
	})
}

func needsNetworks() error {
	return fault.New(fault.Refused, "a service's password is good only from address ranges, and this service has none", "name them, or give the service a client certificate instead")
}

// renew gives the account a new SQL password.
func (a *account) renew(mockKey []byte, life time.Duration, now time.Time) (SQLCredential, error) {
	longest := MaxSQLLife
	if a.Kind == Service {
		if len(a.Networks) == 0 {
			return SQLCredential{}, needsNetworks()
		}
		longest = MaxServiceLife
	}
	if err := checkLife(life, longest); err != nil {
		return SQLCredential{}, err
	}
	password := rand.Text() // 26 of A-Z2-7: 130 bits, the same through SASLprep, in a URL and in a file
	salted, err := pbkdf2.Key(sha256.New, password, saltOf(mockKey, string(a.Name)), scramIterations, scramKeySize)
	if err != nil {
		return SQLCredential{}, fmt.Errorf("derive key: %w", err)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	a.SQL = &sqlPassword{
		ID: newID(), Salt: saltOf(mockKey, string(a.Name)), Iterations: scramIterations, StoredKey: stored[:], ServerKey: mac(salted, "Server Key"),
		Expires: now.Add(life).Truncate(time.Second),
	}
	return SQLCredential{User: a.Name, Password: newSecret(password), Expires: a.SQL.Expires}, nil
}

func checkLife(life, longest time.Duration) error {
	if life < minCredentialLife || life > longest {
		return fault.New(fault.Invalid, "that is no life for a password or a certificate", "").WithHint("choose from a minute to %d hours (people: at most %d hours, services: at most %d days)",
			int(longest.Hours()), int(MaxSQLLife.Hours()), int(MaxServiceLife.Hours()/24))
	}
	return nil
}

func mac(key []byte, parts ...string) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
	}
	return h.Sum(nil)
}

// saltOf is the salt of a name, whether an account has it or not. It stays the same when a password is renewed, when an account comes and when it goes: a salt that changed would tell whoever
// asks twice that there is somebody. A salt used again protects as well as a new one here, because the passwords are random.
func saltOf(mockKey []byte, name string) []byte { return mac(mockKey, "salt\x00", name)[:saltSize] }

// Verifier is what a server needs for SCRAM-SHA-256 (RFC 5802, RFC 7677), as PostgreSQL keeps it. The password cannot be found from it, and it still is a secret: whoever has it can pretend to be
// the server. It does not print.
type Verifier struct {
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte

	account    string // the account's ID; empty: a mock
	credential string // the password's ID
	admission  admission
}

// Format shows that there is a verifier.
func (v Verifier) Format(f fmt.State, _ rune) { seal(f) }

// LogValue shows that there is a verifier.
func (v Verifier) LogValue() slog.Value { return slog.StringValue(sealed) }

// MarshalText shows that there is a verifier.
func (v Verifier) MarshalText() ([]byte, error) { return []byte(sealed), nil }

// SCRAMFor returns what to check a sign-in to SQL with. who.Name is the startup message's user: clients leave SCRAM's own user name empty. A name without an account, or with one that cannot
// sign in, gets a mock that is always the same for that name and that no password fits. Errors are faults, for accounts and other names alike: Refused with a *SlowDownError as cause, or Unavailable when
// that could not be recorded.
// Every try that got a verifier must be brought to AfterSCRAM, also when the client just goes away.
func (r *Registry) SCRAMFor(ctx context.Context, who Caller) (Verifier, error) {
	pass, err := r.admit(ctx, r.slow.sql, who, BySQL)
	if err != nil {
		return Verifier{}, err
	}
	s := r.now.Load()
	name := who.Name
	if len(name) > maxName {
		name = name[:maxName+1] // no account has it; a long name makes no more work
	}
	v := Verifier{
		Salt: saltOf(s.mockKey, name), Iterations: scramIterations, StoredKey: mac(s.mockKey, "stored\x00", name), ServerKey: mac(s.mockKey, "server\x00", name), admission: pass,
	}
	if a, ok := s.accounts[Name(who.Name)]; ok && a.SQL != nil && !a.Disabled {
		v.Salt, v.StoredKey, v.ServerKey = slices.Clone(a.SQL.Salt), slices.Clone(a.SQL.StoredKey), slices.Clone(a.SQL.ServerKey)
		v.account, v.credential = a.ID, a.SQL.ID
	}
	return v, nil
}

// AfterSCRAM says who has signed in to SQL, once the exchange with v is over; ok is whether its proof was right. The verdict is recorded before it is given. Who had the right password but came too
// late or from elsewhere is told so; everybody else gets one and the same error.
func (r *Registry) AfterSCRAM(ctx context.Context, who Caller, v Verifier, ok bool) (Principal, error) {
	now := r.time()
	name := Name(who.Name)
	a, there := r.now.Load().accounts[name]
	sql := a.SQL
	if sql == nil {
		sql = &sqlPassword{}
	}
	inside := within(a.Networks, who.Address)
	intime := now.Before(sql.Expires)
	proved := ok && there && v.account != "" && a.ID == v.account && sql.ID == v.credential && !a.Disabled
	e := who.event(SignInRefused, "")
	e.Way, e.At, e.By = BySQL, now, ""
	if there {
		e.Account, e.By = name, who.Name
	}
	if proved && inside && intime {
		e.Kind, e.Role, e.Expires = SignedIn, a.Role, &sql.Expires
	}
	if err := r.record(context.WithoutCancel(ctx), e); err != nil {
		return Principal{}, err
	}
	if !proved {
		return Principal{}, fault.New(fault.Refused, "the name or the password is wrong", "renew the SQL password with weir login")
	}
	if !inside || !intime {
		return Principal{}, notNow(inside) // it goes on counting: what tries an expired password for ever is slowed
	}
	r.slow.sql.succeeded(r.o.Clock(), v.admission)
	return Principal{Name: a.Name, Role: a.Role, Kind: a.Kind, Way: BySQL, Expires: sql.Expires, account: a.ID, credential: sql.ID}, nil
}

func notNow(inside bool) error {
	if !inside {
		return fault.New(fault.Refused, "this service may not sign in from this address", "ask an administrator to look at the service's address ranges")
	}
	return fault.New(fault.Refused, "the SQL password has expired", "renew it with weir login; an administrator renews that of a service with weir user password")
}

// Standing says what a principal is at this moment, for connections that live on: its role may have changed. The error is a fault of kind Refused when the account is gone or disabled, when the password
// or certificate has expired or was revoked. A person's connection outlives the renewal of the SQL password that it was begun with, until that one's time is over; a service's does not, because its password
// is renewed when it has leaked. It takes no lock and may be asked for every statement.
func (r *Registry) Standing(p Principal, from Caller) (Principal, error) {
	a, ok := r.now.Load().accounts[p.Name]
	if !ok || a.ID != p.account || a.Disabled {
		return Principal{}, fault.New(fault.Refused, "this account may not sign in any more", "ask an administrator")
	}
	if !p.Expires.IsZero() && !r.time().Before(p.Expires) {
		return Principal{}, fault.New(fault.Refused, "what you signed in with has expired", "renew it and sign in again")
	}
	if p.Way == BySQL && (a.SQL == nil || a.Kind == Service && a.SQL.ID != p.credential) {
		return Principal{}, fault.New(fault.Refused, "the SQL password was taken back", "sign in with the new one")
	}
	if p.Way == ByCertificate && !slices.ContainsFunc(a.Certificates, func(c Certificate) bool { return c.Serial == p.credential }) {
		return Principal{}, fault.New(fault.Refused, "the certificate was revoked", "ask an administrator for a new one")
	}
	if !within(a.Networks, from.Address) {
		return Principal{}, notNow(false)
	}
	p.Role = a.Role
	return p, nil
}
