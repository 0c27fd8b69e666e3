package node

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/treatment"
)

// openPeople opens the accounts and the certificate authority, making both where there are none.
func (n *Node) openPeople() (err error) {
	g := n.config.Gate
	n.authority, err = people.OpenAuthority(people.AuthorityOptions{
		Dir: filepath.Join(n.state.Keys, "tls"), Hosts: g.Hosts, CertificateFile: g.Certificate, KeyFile: g.Key, RootFile: g.Root, Log: n.log,
	})
	if err != nil {
		return err
	}
	n.door = &door{node: n, inside: map[*visitor]bool{}}
	n.people, err = people.Open(people.Options{
		Dir: n.state.path("people"), Authority: n.authority, Log: n.log, Changed: n.door.changed,
		Record: n.recordEvent,
	})
	return err
}

// recordEvent records what happened to an account.
func (n *Node) recordEvent(ctx context.Context, e people.Event) error {
	_, err := n.ledger.Append(ctx, ledger.Entry{Time: e.At, Type: "people", Principal: cmp.Or(e.By, nobodyKnown), Body: e})
	return err
}

// nobodyKnown is whose entries those are of whoever gave no name that an account has.
const nobodyKnown = "unknown"

// expireEvery is how soon the record tells that something has expired.
const expireEvery = time.Minute

// expiring forgets sessions and links that have expired until the function that it returns is called, which waits for it.
func (n *Node) expiring(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			if err := n.people.Expire(ctx); err != nil {
				n.log.WarnContext(ctx, "what has expired could not be recorded", "reason", fault.Public(err).Message)
			}
			select {
			case <-time.After(expireEvery*9/10 + rand.N(expireEvery/5)): //nolint:gosec // spreads work, hides nothing
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// lazyDecider decides with the parser of a fileless engine that starts when the first statement comes: most commands need none.
type lazyDecider struct {
	lazyEngine
	keys *treatment.Keys
}

// Decide implements gate.Decider.
func (l *lazyDecider) Decide(ctx context.Context, r decision.Request) (*decision.Decision, error) {
	e, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return decision.New(engine.NewParser(e), l.keys.Literals()).Decide(ctx, r)
}

// lazyEngine is a fileless engine that starts when it is first needed, for catalogue.Catalogue.
type lazyEngine struct {
	log *slog.Logger

	mu     sync.Mutex // guards all below
	engine *engine.Engine
	closed bool
}

// Session implements catalogue.Engine. An engine that died is replaced.
func (l *lazyEngine) Session(ctx context.Context) (catalogue.Session, error) {
	e, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.Reader(ctx)
	if err != nil {
		return nil, err
	}
	return catalogueSession{s}, nil
}

func (l *lazyEngine) get(ctx context.Context) (*engine.Engine, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosing
	}
	if l.engine != nil {
		select {
		case <-l.engine.Done():
			l.engine = nil
		default:
			return l.engine, nil
		}
	}
	e, err := engine.Start(ctx, engine.Config{MemoryBytes: 256 << 20, Threads: 1, Readers: 8, Log: l.log})
	if err != nil {
		return nil, err
	}
	l.engine = e
	return e, nil
}

func (l *lazyEngine) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.engine == nil {
		return nil
	}
	e := l.engine
	l.engine = nil
	return e.Close()
}

// catalogueSession is an engine's session as catalogue needs it.
type catalogueSession struct{ *engine.Session }

func (s catalogueSession) Select(ctx context.Context, sql string) (catalogue.Reader, error) {
	rows, err := s.Session.Select(ctx, sql)
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Login is what somebody connects to SQL with. It is shown once.
type Login struct {
	Host     string    `json:"host"`
	Port     int       `json:"port"`
	Database string    `json:"database"`
	User     string    `json:"user"`
	Password string    `json:"password,omitempty"`
	Expires  time.Time `json:"expires"`
	CA       string    `json:"ca"` // a file's path

	// Of whoever signs in with a certificate: its file, and its key's.
	Certificate string `json:"sslcert,omitempty"`
	Key         string `json:"sslkey,omitempty"`
}

// NewUser is an account that was just made. It is shown once.
type NewUser struct {
	User         string          `json:"user"`
	Role         string          `json:"role"`
	PagePassword string          `json:"page_password,omitempty"`
	SQL          *Login          `json:"sql,omitempty"`
	Certificate  *NewCertificate `json:"certificate,omitempty"`
}
