package node

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/people"
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
		Record: func(ctx context.Context, e people.Event) error {
			by := e.By
			if by == "" {
				by = "unknown"
			}
			_, err := n.ledger.Append(ctx, ledger.Entry{Time: e.At, Type: "people", Principal: by, Body: e})
			return err
		},
	})
	return err
}

// lazyDecider starts the fileless engine when the first statement is decided: most commands need none.
type lazyDecider struct {
	node *Node

	mu      sync.Mutex // guards all below
	decider *decision.Decider
	parser  *engine.Engine
	closed  bool
}

// Decide implements gate.Decider. An engine that died is replaced.
func (l *lazyDecider) Decide(ctx context.Context, r decision.Request) (*decision.Decision, error) {
	d, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return d.Decide(ctx, r)
}

func (l *lazyDecider) get(ctx context.Context) (*decision.Decider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parser != nil {
		select {
		case <-l.parser.Done():
			l.parser = nil
		default:
			return l.decider, nil
		}
	}
	if l.closed {
		return nil, errClosing
	}
	e, err := engine.Start(ctx, engine.Config{MemoryBytes: 256 << 20, Threads: 1, Readers: 4, Log: l.node.log})
	if err != nil {
		return nil, err
	}
	l.parser, l.decider = e, decision.New(engine.NewParser(e), l.node.keys.Literals())
	return l.decider, nil
}

func (l *lazyDecider) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.parser == nil {
		return nil
	}
	e := l.parser
	l.parser = nil
	return e.Close()
}

// Login is what somebody connects to SQL with. It is shown once.
type Login struct {
	Host     string    `json:"host"`
	Port     int       `json:"port"`
	Database string    `json:"database"`
	User     string    `json:"user"`
	Password string    `json:"password"`
	Expires  time.Time `json:"expires"`
	CA       string    `json:"ca"` // a file's path
}

// NewUser is an account that was just made. It is shown once.
type NewUser struct {
	User         string `json:"user"`
	Role         string `json:"role"`
	PagePassword string `json:"page_password,omitempty"`
	SQL          *Login `json:"sql,omitempty"`
}
