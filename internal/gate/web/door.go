package web

import (
	"context"
	"net/netip"
	"time"

	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/people"
)

// Door is the house as the page needs it. Everything behind it decides whether whoever asks may, and records what is to be recorded; the page decides nothing. All of it may be called from many
// goroutines. Errors are *fault.Error; one of kind Refused with a *people.SlowDownError in its chain says how long to wait.
type Door interface {
	// SignIn lets somebody in by name and page password. The token is the session's, shown this once.
	SignIn(ctx context.Context, who people.Caller, password string, kind people.SessionKind) (people.Secret, Visitor, error)
	// Visit returns whose session a token is of, as long as it lives.
	Visit(ctx context.Context, token string, from netip.Addr) (Visitor, error)
	// Look says what a single-use link is for, and uses nothing up. who has no name yet.
	Look(ctx context.Context, who people.Caller, token string) (people.Link, error)
	// UseLink uses it up: whoever has it chooses a page password (and, as the first administrator, who.Name) and is signed in.
	UseLink(ctx context.Context, who people.Caller, token, password string) (people.Secret, Visitor, error)
}

// Visitor is somebody signed in, for one request. What a visitor's role does not allow is a fault of kind Refused that says who can grant it.
type Visitor interface {
	Person() Person
	SignOut(ctx context.Context) error

	// Metrics are the numbers that there are; none for a role that may not read them.
	Metrics() []metric.Info
	Ask(ctx context.Context, q metric.Question) (*metric.Answer, error)
	// Query answers one statement, whole, up to a limit that is small beside what the SQL door moves.
	Query(ctx context.Context, sql string) (*Table, error)
	// Explain decides on a statement and runs nothing.
	Explain(ctx context.Context, sql string) (*Explanation, error)

	// Copy is what crosses, under which protection, and what is held back.
	Copy(ctx context.Context) (*Copy, error)
	// Record is who asked what, newest first: everybody's for an administrator, one's own for others.
	Record(ctx context.Context, q RecordQuery) (*RecordPage, error)

	// One's own account.
	Account(ctx context.Context) (*Account, error)
	ChangePassword(ctx context.Context, old, chosen string) error // ends all other sessions
	RenewSQL(ctx context.Context) (*Login, error)
	EndSession(ctx context.Context, id people.SessionID) error
	EndOtherSessions(ctx context.Context) error

	// Other people's, for administrators.
	Accounts(ctx context.Context) ([]Account, error)
	AddAccount(ctx context.Context, a NewAccount) (*Opened, error)
	Invite(ctx context.Context, name people.Name) (*Opened, error) // a link with which the person chooses a new page password
	RenewService(ctx context.Context, name people.Name) (*Opened, error)
	IssueCertificate(ctx context.Context, name people.Name) (*Opened, error)
	RevokeCertificate(ctx context.Context, name people.Name, serial string) error
	EndSessionsOf(ctx context.Context, name people.Name) error
	EndSQLOf(ctx context.Context, name people.Name) error
	RemoveAccount(ctx context.Context, name people.Name) error
}

// Person is who a visitor is.
type Person struct {
	Name      people.Name      `json:"name"`
	Role      people.Role      `json:"role"`
	Session   people.SessionID `json:"session"`
	Temporary bool             `json:"temporary"` // the page password was made by weir, so that somebody else may have seen it: ask for another
	Metrics   bool             `json:"metrics"`   // may read them
	SQL       bool             `json:"sql"`       // may ask in it
	People    bool             `json:"people"`    // may administer them
	Limits    gate.Rights      `json:"-"`
}

// Account is an account and its sessions.
type Account struct {
	people.Account
	Sessions []people.Session `json:"sessions"`
}

// NewAccount is what an administrator asks for. A person gets an invitation, a service an SQL password.
type NewAccount struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Service  bool     `json:"service"`
	Networks []string `json:"networks"` // of a service: 192.0.2.0/24
}

// Opened is what opens something, shown this once: the fields of what was asked for are set.
type Opened struct {
	User        people.Name `json:"user"`
	Link        string      `json:"link,omitempty"` // an absolute URL
	LinkExpires time.Time   `json:"link_expires,omitzero"`
	SQL         *Login      `json:"sql,omitempty"`
	Certificate *KeyPair    `json:"certificate,omitempty"`
}

// Login is what somebody connects to SQL with, shown this once.
type Login struct {
	Host     string    `json:"host"`
	Port     int       `json:"port"` // 0: the gate does not listen for SQL
	Database string    `json:"database"`
	User     string    `json:"user"`
	Password string    `json:"password"`
	Expires  time.Time `json:"expires"`
	CA       string    `json:"ca"`       // a file's path on the machine of weir
	Conninfo string    `json:"conninfo"` // all but the password, as libpq takes it
}

// KeyPair is a client certificate and its key, PEM.
type KeyPair struct {
	Serial      string    `json:"serial"`
	Certificate string    `json:"certificate"`
	Key         string    `json:"key"`
	Expires     time.Time `json:"expires"`
}

// Table is a small answer as text.
type Table struct {
	Columns []string    `json:"columns"`
	Types   []string    `json:"types"` // of DuckDB
	Rows    [][]*string `json:"rows"`  // nil is NULL
}

// Explanation is a decision.
type Explanation struct {
	Allowed bool         `json:"allowed"`
	SQL     string       `json:"sql"` // what runs in the statement's place
	Reads   []ReadColumn `json:"reads"`
	Columns []string     `json:"columns"` // of the answer
}

// ReadColumn is a column of the copy that a question reads.
type ReadColumn struct {
	Table  string `json:"table"`
	Column string `json:"column"`
}

// Copy is what a security engineer asks about the copy. It holds names of tables and columns, and counts; never a value.
type Copy struct {
	Source string    `json:"source"`
	Policy string    `json:"policy"` // hash
	Looked time.Time `json:"looked"` // when production's catalogue was last compared with the policy; zero: not since weir started

	Flow         FlowState     `json:"flow"`
	Verification *Verification `json:"verification"` // the last one; null: there was none
	Count        ColumnCount   `json:"count"`
	Classes      []ClassCount  `json:"classes"` // the strictest first
	Tables       []CopiedTable `json:"tables"`
	HeldBack     []HeldBack    `json:"held_back"`
	Findings     []Finding     `json:"findings"`
}

// FlowState is how the copy follows production.
type FlowState struct {
	Phase   string    `json:"phase"` // copying, following, waiting, stopped
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	AsOf    time.Time `json:"as_of,omitzero"` // production's clock at the last change that is in the copy
	Lag     *float64  `json:"lag_seconds"`    // null when nothing was copied yet
	Changes int64     `json:"changes"`        // row changes followed since weir started
}

// Verification is a proof that the copy equals production under the policy.
type Verification struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Equal  bool      `json:"equal"`
	Tables int       `json:"tables"`
	Rows   int64     `json:"rows"`
	Entry  int64     `json:"entry"` // of the ledger
}

// ColumnCount counts columns of production by what the policy does to them as it is now: what it did before, and what is copied already, is another matter.
type ColumnCount struct {
	All         int `json:"all"`
	Crossing    int `json:"crossing"`
	HeldBack    int `json:"held_back"` // dropped by the policy, or not named by it
	SQL         int `json:"sql"`
	MetricsOnly int `json:"metrics_only"`
	AsTheyAre   int `json:"as_they_are"` // cross without a treatment that changes them
}

// ClassCount is what becomes of the columns of one class.
type ClassCount struct {
	Class    string `json:"class"`
	Is       string `json:"is"`  // what belongs to it
	Why      string `json:"why"` // it is treated as it is
	Crossing int    `json:"crossing"`
	HeldBack int    `json:"held_back"`
}

// CopiedTable is one table of the copy.
type CopiedTable struct {
	Table       string         `json:"table"`
	Purpose     []string       `json:"purpose"` // metrics
	Exploration string         `json:"exploration,omitempty"`
	Copied      bool           `json:"copied"`
	Rows        int64          `json:"rows"` // at the last snapshot
	Columns     []CopiedColumn `json:"columns"`
}

// CopiedColumn is one column of the copy.
type CopiedColumn struct {
	Column    string   `json:"column"`
	Type      string   `json:"type"` // in production
	Class     string   `json:"class"`
	Treatment string   `json:"treatment"`
	Form      string   `json:"form"`    // how it crosses, in words
	Access    string   `json:"access"`  // sql or metrics
	Metrics   []string `json:"metrics"` // that read it: who asked for it
	Explored  bool     `json:"explored"`
}

// HeldBack is a column, or a whole table, that the policy holds back as it is now.
type HeldBack struct {
	Table   string `json:"table"`
	Column  string `json:"column,omitempty"`  // empty: the whole table
	Columns int    `json:"columns,omitempty"` // of a whole table
	Class   string `json:"class,omitempty"`
	Why     string `json:"why"`
}

// Finding is something that a person should look at.
type Finding struct {
	Where string `json:"where"` // table or table.column
	What  string `json:"what"`
	Do    string `json:"do"`
}

// RecordQuery asks for a part of the record. Zero fields ask for everything.
type RecordQuery struct {
	Person string    // who asked; for administrators
	Reads  string    // only questions that read this column: schema.table.column
	Kind   string    // questions, or people (sign-ins and changes to accounts); empty: both
	From   time.Time // inclusive
	To     time.Time // exclusive
	Before int64     // only entries with a smaller number; 0: from the newest
	Limit  int       // up to 500; 0: 50
}

// RecordPage is a part of the record, newest first.
type RecordPage struct {
	Entries []RecordEntry `json:"entries"`
	Next    int64         `json:"next"` // the Before of what is older; 0: there is nothing
}

// RecordEntry is one question with its end, or one thing that happened to an account. What it does not have is left empty.
type RecordEntry struct {
	Entry   int64     `json:"entry"` // its number in the ledger
	At      time.Time `json:"at"`
	Person  string    `json:"person"`
	Address string    `json:"address"`
	Kind    string    `json:"kind"` // metric, sql, prepare, catalogue, copy, record; or an event's: signed_in, sign_in_refused, account_added …

	Metric    string       `json:"metric,omitempty"`
	By        []string     `json:"by,omitempty"`
	Grain     string       `json:"grain,omitempty"`
	From      *time.Time   `json:"from,omitempty"`
	To        *time.Time   `json:"to,omitempty"`
	Statement string       `json:"statement,omitempty"` // its literals are keyed hashes
	Reads     []ReadColumn `json:"reads,omitempty"`
	Verdict   string       `json:"verdict,omitempty"` // answered, refused, failed; empty: it has no end in the record (yet)
	Rule      string       `json:"rule,omitempty"`    // of a refusal
	Named     string       `json:"named,omitempty"`   // the name that it was refused for, when it is one that the policy knows
	Rows      int64        `json:"rows"`
	Bytes     int64        `json:"bytes"`
	Seconds   float64      `json:"seconds"`

	Account string `json:"account,omitempty"` // that the event is about
	Detail  string `json:"detail,omitempty"`  // of the event, in words
}
