package pgwire

import (
	"context"
	"crypto/tls"
	"iter"
	"net/netip"

	"github.com/apache/arrow-go/v18/arrow"
)

// Door is what the protocol needs of the gate. All of it may be called from many goroutines. Errors are *fault.Error; when one carries an SQLSTATE it does so as *StateError in its chain.
type Door interface {
	// Verifier returns the SCRAM-SHA-256 verifier of a user, a stable false one for a user that does not exist or may not come: nobody can tell which. An error (somebody guesses too fast) is shown to
	// everybody alike. Every verifier is brought back by Enter, also when the client just went away.
	Verifier(ctx context.Context, user string, address netip.Addr) (Verifier, error)
	// Enter decides whether the user comes in, after the password was proved (or not: proved false is an attempt to be recorded and slowed down).
	Enter(ctx context.Context, e Entry) (Session, error)
}

// Verifier is what a server keeps of a SCRAM-SHA-256 password (RFC 5802, RFC 7677).
type Verifier struct {
	Salt                 []byte
	Iterations           int
	StoredKey, ServerKey []byte
	State                any // the door's own: Enter gets it back
}

// Entry is somebody at the door.
type Entry struct {
	User, Database, Application string
	Address                     netip.Addr
	TLS                         tls.ConnectionState
	Proved                      bool     // by password, or by a client certificate of our own authority whose name is User
	By                          string   // password or certificate
	Verifier                    Verifier // what a password was proved against
}

// Session is somebody inside.
type Session interface {
	// Prepare decides on one statement without running it. A statement of another kind than a question (BEGIN, SET, SHOW …) never gets here: the protocol answers it. types are what the
	// client said of its parameters, 0 where it said nothing; a parameter whose type cannot be known is an error with SQLSTATE 42P18.
	Prepare(ctx context.Context, sql string, types []uint32) (Statement, error)
	// Done is closed when the session must end (its password expired, somebody ended it), with the reason.
	Done() <-chan struct{}
	Reason() error
	Close()
}

// End is how a connection ended.
type End string

// The ends.
const (
	EndLeft      End = "left"      // the client said so
	EndLost      End = "lost"      // the client was gone, or did not take what was sent
	EndIdle      End = "idle"      // it said nothing for too long
	EndDismissed End = "dismissed" // the session was done
	EndStopped   End = "stopped"   // the server closed
	EndBroken    End = "broken"    // the client broke the protocol, or the server failed
)

// Leaver is a Session that hears how its connection ended, before it is closed. One that never got so far as to ask hears nothing.
type Leaver interface {
	Left(how End)
}

// Settler is a Session that owes entries in the record for what it has answered.
type Settler interface {
	// Settle records what Prepare has answered since it was called last, except for what was run: that has entries of its own. It is called before anything is sent; after an error nothing of it is sent,
	// and the connection ends with that error.
	Settle(ctx context.Context) error
}

// Refuser is a Session that hears of the statements that the protocol refuses by itself, because they never get to Prepare.
type Refuser interface {
	// Refused records a refusal and returns it; when it cannot be recorded it returns that instead, and the client is told nothing else.
	Refused(ctx context.Context, refusal error) error
}

// Statement is a statement that may run. It belongs to its session.
type Statement interface {
	Parameters() []uint32  // type OIDs
	Schema() *arrow.Schema // of its rows
	// Run answers it once, recorded. Parameters are values of the Go types string, int64, float64, bool, []byte, or nil.
	Run(ctx context.Context, parameters []any) (Rows, error)
}

// Rows is a running answer. Close records its end; only after Close returned nil may the protocol say that it is complete.
type Rows interface {
	Batches() iter.Seq2[arrow.RecordBatch, error]
	Close() error
}

// StateError carries an SQLSTATE in the chain of a *fault.Error, and the place in the statement's text that it is about.
type StateError struct {
	SQLState string // five characters
	Position int    // 1-based, in characters; 0: none
}

// Error names the SQLSTATE.
func (e *StateError) Error() string { return "sqlstate " + e.SQLState }
