package people

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// How long a session lives.
const (
	SessionIdle = time.Hour      // without being used
	SessionLife = 12 * time.Hour // at all
)

const (
	// seenEvery is how old the file's last use of a session may be: not every use is worth a write.
	seenEvery = 5 * time.Minute
	// maxPerAccount bounds the sessions of one account; one more ends the one that was used longest ago.
	maxPerAccount = 32
)

// SessionKind says what a session is of.
type SessionKind string

// The kinds of sessions.
const (
	PageSession    SessionKind = "page"    // a browser
	CommandSession SessionKind = "command" // weir login
)

func (k SessionKind) valid() bool { return k == PageSession || k == CommandSession }

// SessionID names a session in a list. It opens nothing.
type SessionID string

// Session is what may be shown of a session.
type Session struct {
	ID       SessionID   `json:"id"`
	Account  Name        `json:"account"`
	Kind     SessionKind `json:"kind"`
	Address  string      `json:"address"` // where it was begun from
	Created  time.Time   `json:"created"`
	LastSeen time.Time   `json:"last_seen"`
	Expires  time.Time   `json:"expires"` // at the latest
}

// BeginSession begins a session of somebody whom VerifyPage has just let in. The token is shown this once; of it only a hash is kept.
func (r *Registry) BeginSession(ctx context.Context, p Principal, who Caller, kind SessionKind) (Secret, Session, error) {
	if !kind.valid() {
		return Secret{}, Session{}, fault.New(fault.Internal, "there is no such kind of session", "")
	}
	token, kept := newToken()
	var begun session
	err := r.change(ctx, func(s *state, now time.Time) (Event, error) {
		a, ok := s.accounts[p.Name]
		if !ok || a.ID != p.account || a.Disabled || a.Kind != Person || p.Way != ByPage {
			return Event{}, wrongSignIn()
		}
		begun = session{Token: kept, ID: newID(), Account: a.Name, Kind: kind, Address: who.place(), Created: now, LastSeen: now, Expires: now.Add(SessionLife)}
		r.seen.crowd(s, a.Name)
		if len(s.sessions) >= maxSessions {
			return Event{}, fault.New(fault.Unavailable, "there are too many sessions", "end those that nobody uses, or wait: they end by themselves")
		}
		s.sessions[kept] = begun
		e := Caller{Name: string(a.Name), Address: who.Address}.event(SessionBegun, a.Name)
		e.Role, e.Way, e.Session, e.Expires = a.Role, ByPage, begun.ID, &begun.Expires
		return e, nil
	})
	if err != nil {
		return Secret{}, Session{}, err
	}
	return token, begun.public(begun.LastSeen), nil
}

// Session says whose session a token is of, and marks it as used. Unknown, ended and expired ones get the same error, a fault of kind Refused. The role is the account's of this moment.
func (r *Registry) Session(ctx context.Context, token string) (Principal, Session, error) {
	kept := digestOf(token)
	s := r.now.Load()
	now := r.time()
	v, ok := s.sessions[kept]
	if !ok || r.seen.over(kept, v, now) {
		return Principal{}, Session{}, fault.New(fault.Refused, "you are not signed in", "sign in again")
	}
	a := s.accounts[v.Account]
	if r.seen.use(kept, v, now) >= seenEvery {
		r.writeSeen(ctx)
	}
	p := Principal{Name: a.Name, Role: a.Role, Kind: a.Kind, Way: ByPage, Expires: v.Expires, PageTemporary: a.Page != nil && a.Page.Temporary, account: a.ID}
	return p, v.public(now), nil
}

// writeSeen makes durable when sessions were last used. Nothing is lost when it cannot: then somebody may have to sign in again after a restart.
func (r *Registry) writeSeen(ctx context.Context) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if r.closed {
		return
	}
	if err := r.write(r.now.Load().clone()); err != nil {
		r.o.Log.WarnContext(ctx, "the last use of sessions could not be written", "err", err)
	}
}

// Sessions returns the sessions of an account, the one used last first.
func (r *Registry) Sessions(name Name) []Session {
	s, now := r.now.Load(), r.time()
	out := []Session{}
	for d, v := range s.sessions {
		if v.Account == name && !r.seen.over(d, v, now) {
			out = append(out, v.public(r.seen.last(d, v)))
		}
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.ID, b.ID)) })
	return out
}

// EndSession ends one session of the account.
func (r *Registry) EndSession(ctx context.Context, by Caller, name Name, id SessionID) error {
	return r.change(ctx, func(s *state, _ time.Time) (Event, error) {
		before := len(s.sessions)
		maps.DeleteFunc(s.sessions, func(_ digest, v session) bool { return v.Account == name && v.ID == string(id) })
		if len(s.sessions) == before {
			return Event{}, fault.New(fault.NotFound, "there is no such session", "it may have ended by itself")
		}
		e := by.event(SessionEnded, name)
		e.Session = string(id)
		return e, nil
	})
}

// EndSessions ends all sessions of the account, also when there is none.
func (r *Registry) EndSessions(ctx context.Context, by Caller, name Name) error {
	return r.update(ctx, name, func(s *state, _ *account, _ time.Time) (Event, error) {
		maps.DeleteFunc(s.sessions, func(_ digest, v session) bool { return v.Account == name })
		return by.event(SessionsEnded, name), nil
	})
}

func (v session) public(last time.Time) Session {
	return Session{ID: SessionID(v.ID), Account: v.Account, Kind: v.Kind, Address: v.Address, Created: v.Created, LastSeen: last, Expires: v.Expires}
}

// lastSeen is when sessions were last used, which the file knows only roughly.
type lastSeen struct {
	mu sync.Mutex // guards at
	at map[digest]time.Time
}

func (l *lastSeen) last(d digest, v session) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return later(l.at[d], v.LastSeen)
}

// over says whether a session's time is over.
func (l *lastSeen) over(d digest, v session, now time.Time) bool {
	return !now.Before(v.Expires) || now.Sub(l.last(d, v)) >= SessionIdle
}

// use marks a session as used and says how old the file's knowledge of it is.
func (l *lastSeen) use(d digest, v session, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at[d] = later(l.at[d], now)
	return now.Sub(v.LastSeen)
}

// merge puts into s what is known better, and forgets the sessions that s does not have.
func (l *lastSeen) merge(s *state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d, at := range l.at {
		v, ok := s.sessions[d]
		if !ok {
			delete(l.at, d)
			continue
		}
		v.LastSeen = later(at, v.LastSeen)
		s.sessions[d] = v
	}
}

// crowd makes room for one more session of the account.
func (l *lastSeen) crowd(s *state, name Name) {
	var oldest digest
	var at time.Time
	n := 0
	for d, v := range s.sessions {
		if v.Account != name {
			continue
		}
		if last := l.last(d, v); n == 0 || last.Before(at) {
			oldest, at = d, last
		}
		n++
	}
	if n >= maxPerAccount {
		delete(s.sessions, oldest)
	}
}
