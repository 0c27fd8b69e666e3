package people

import (
	"net/netip"
	"time"
)

// EventKind says what happened. The words are stable: they stand in the ledger.
type EventKind string

// What can happen.
const (
	AccountAdded       EventKind = "account_added"
	AccountRemoved     EventKind = "account_removed"
	AccountDisabled    EventKind = "account_disabled"
	AccountEnabled     EventKind = "account_enabled"
	RoleChanged        EventKind = "role_changed"
	NetworksChanged    EventKind = "networks_changed"
	PasswordChanged    EventKind = "password_changed"
	SQLRenewed         EventKind = "sql_renewed"
	SQLEnded           EventKind = "sql_ended"
	CertificateIssued  EventKind = "certificate_issued"
	CertificateRevoked EventKind = "certificate_revoked"
	SessionBegun       EventKind = "session_begun"
	SessionEnded       EventKind = "session_ended"
	SessionsEnded      EventKind = "sessions_ended"
	LinkMade           EventKind = "link_made"
	LinkOpened         EventKind = "link_opened" // looked at, and not used up
	LinkUsed           EventKind = "link_used"
	SignedIn           EventKind = "signed_in"
	SignInRefused      EventKind = "sign_in_refused"
	SignInUntried      EventKind = "sign_in_untried"  // refused without a look: there were too many wrong ones, or too many at once
	LinkRefused        EventKind = "link_refused"     // not good, or not good any more
	SessionsExpired    EventKind = "sessions_expired" // of the page
	LinkExpired        EventKind = "link_expired"
	ConnectionEnded    EventKind = "connection_ended" // of the SQL door
)

// Way is how somebody showed who they are.
type Way string

// The ways.
const (
	ByPage        Way = "page"        // the page's password
	BySQL         Way = "sql"         // the SQL password
	ByCertificate Way = "certificate" // a client certificate
)

// Event is what the record holds of a change or a sign-in. It holds no secret, and no name that is not an account's: what people type by mistake where a name is asked can be a secret.
type Event struct {
	Kind     EventKind      `json:"kind"`
	Account  Name           `json:"account,omitempty"` // empty: no account has the name that was given
	By       string         `json:"by"`
	Address  string         `json:"address"` // where By came from: local, or a network address
	At       time.Time      `json:"at"`
	Role     Role           `json:"role,omitempty"`      // after the change
	FromRole Role           `json:"from_role,omitempty"` // before it
	Widens   bool           `json:"widens,omitempty"`    // the change gives a right that was not there
	Of       Kind           `json:"of,omitempty"`        // person or service
	Way      Way            `json:"way,omitempty"`
	Session  string         `json:"session,omitempty"` // the page's, or the connection's: its questions have it too
	Serial   string         `json:"serial,omitempty"`  // of a certificate
	Networks []netip.Prefix `json:"networks,omitempty"`
	Expires  *time.Time     `json:"expires,omitempty"` // of what was handed out
	Ended    []string       `json:"ended,omitempty"`   // the sessions of the page that ended with it
	Reason   string         `json:"reason,omitempty"`  // of an end

	// Of refusals that were counted: how many, and when the first of them was; At is the last.
	Count int64      `json:"count,omitempty"`
	Since *time.Time `json:"since,omitempty"`
}

// event begins an Event by a caller whose own name may be recorded because somebody vouches for it: a session, the control socket.
func (c Caller) event(kind EventKind, account Name) Event {
	return Event{Kind: kind, Account: account, By: c.Name, Address: c.place(), Session: c.Session}
}
