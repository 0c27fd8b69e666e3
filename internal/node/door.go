package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/pgwire"
	"github.com/weirproject/weir/internal/people"
)

// databaseName is what clients connect to.
const databaseName = "weir"

// door is the gate as the PostgreSQL protocol needs it: people come in by the registry, questions go to the gate.
type door struct {
	node *Node

	catalogues catalogues // emulated, of those inside

	mu     sync.Mutex // guards inside
	inside map[*visitor]bool
}

var _ pgwire.Door = (*door)(nil)

func (d *door) Verifier(ctx context.Context, user string, address netip.Addr) (pgwire.Verifier, error) {
	v, err := d.node.people.SCRAMFor(ctx, people.Caller{Name: user, Address: address})
	if err != nil {
		return pgwire.Verifier{}, stated(err, "28000")
	}
	return pgwire.Verifier{Salt: v.Salt, Iterations: v.Iterations, StoredKey: v.StoredKey, ServerKey: v.ServerKey, State: v}, nil
}

func (d *door) Enter(ctx context.Context, e pgwire.Entry) (pgwire.Session, error) {
	who := people.Caller{Name: e.User, Address: e.Address, Session: gate.NewSessionID()}
	var p people.Principal
	var err error
	if len(e.TLS.VerifiedChains) > 0 {
		if !e.Proved {
			who.Name = "" // the certificate is somebody else's: nobody vouches for the name
		}
		p, err = d.node.people.VerifyCertificate(ctx, who, e.TLS.PeerCertificates[0])
	} else {
		v, ok := e.Verifier.State.(people.Verifier)
		if !ok {
			return nil, fault.New(fault.Internal, "a sign-in came without what it was proved against", "report it with weir's version")
		}
		p, err = d.node.people.AfterSCRAM(ctx, who, v, e.Proved)
	}
	if err != nil {
		return nil, stated(err, "28000")
	}
	v := &visitor{door: d, principal: p, from: who, done: make(chan struct{})}
	v.session = d.node.gate.Session(gate.Principal{Name: string(p.Name), Address: e.Address.String(), Role: gate.Role(p.Role), Session: who.Session})
	if e.Database != databaseName {
		return nil, v.refuse(ctx, "protocol", otherDatabase(e.Database, e.User))
	}
	if !d.admit(v) {
		return nil, v.refuse(ctx, "protocol", fault.Newf(fault.Refused, "you have %d connections already, which is the limit", sessionsEach).
			WithHint("close some, or end them on your account's page").WithCause(&pgwire.StateError{SQLState: "53300"}))
	}
	if !p.Expires.IsZero() {
		v.expiry = time.AfterFunc(time.Until(p.Expires), v.check)
	}
	v.check() // what changed before it was inside was not told to it
	return v, nil
}

// sessionsEach is how many connections one person or machine has at a time, from wherever: nobody takes the places of all others.
const sessionsEach = 50

// admit lets a visitor in when there is room for one more of that name.
func (d *door) admit(v *visitor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for other := range d.inside {
		if other.principal.Name == v.principal.Name {
			n++
		}
	}
	if n >= sessionsEach {
		return false
	}
	d.inside[v] = true
	return true
}

// dismiss makes room for another of that name.
func (d *door) dismiss(v *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, v)
}

// otherDatabase is what somebody is told who has signed in and asks for another database than the one there is, in the words that PostgreSQL has for it. Strangers never get so far.
func otherDatabase(asked, user string) error {
	message := "this database does not exist"
	if len(asked) <= 63 && !strings.ContainsFunc(asked, func(r rune) bool { return !unicode.IsPrint(r) }) { // as long as PostgreSQL's names are
		message = fmt.Sprintf("database %q does not exist", asked)
	}
	hint := "the database is called " + databaseName + ": connect with dbname=" + databaseName
	if asked == user {
		hint += "; a connection that names no database asks for one that is called like its user"
	}
	return fault.New(fault.NotFound, message, hint).WithCause(&pgwire.StateError{SQLState: "3D000"})
}

// changed asks everybody whose account was changed for their standing again.
func (d *door) changed(e people.Event) {
	d.mu.Lock()
	var theirs []*visitor
	for v := range d.inside {
		if v.principal.Name == e.Account {
			theirs = append(theirs, v)
		}
	}
	d.mu.Unlock()
	for _, v := range theirs {
		v.checkAfter(&e)
	}
}

// serveSQL answers the PostgreSQL protocol on the configured address until close.
func (n *Node) serveSQL(ctx context.Context) (address string, closeDoor func(), err error) {
	server, err := pgwire.New(pgwire.Options{
		Door: n.door, TLS: n.authority.TLSConfig(tls.VerifyClientCertIfGiven), Log: n.log,
		EndPointHash: func() []byte {
			_, hash, err := n.authority.Pinned(tls.VerifyClientCertIfGiven)
			if err != nil {
				return nil
			}
			return hash
		},
	})
	if err != nil {
		return "", nil, err
	}
	l, err := listen(ctx, n.config.Gate.SQL, "gate.sql")
	if err != nil {
		server.Close()
		return "", nil, err
	}
	return l.Addr().String(), n.serveUntilClosed(ctx, l, server), nil
}
