package node

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/pgwire"
	"github.com/weirproject/weir/internal/people"
)

// visitor is somebody inside.
type visitor struct {
	door      *door
	principal people.Principal
	from      people.Caller
	session   *gate.Session
	expiry    *time.Timer

	once   sync.Once
	done   chan struct{}
	reason error // set before done is closed

	endMu sync.Mutex // guards how and by
	how   pgwire.End
	by    *people.Event // the change that ended the session

	catalogueMu sync.Mutex         // guards catalogues
	catalogues  []*sharedCatalogue // taken, the current one last: statements that were prepared still use the others
}

// check ends the session when its holder may not be here any more, or is something else now.
func (v *visitor) check() { v.checkAfter(nil) }

// checkAfter is check after a change, which is what ended the session then.
func (v *visitor) checkAfter(change *people.Event) {
	p, err := v.door.node.people.Standing(v.principal, v.from)
	if err == nil && p.Role != v.principal.Role {
		err = fault.New(fault.Refused, "your role was changed", "sign in again")
	}
	if err != nil {
		if change != nil {
			v.endMu.Lock()
			v.by = change
			v.endMu.Unlock()
		}
		v.once.Do(func() {
			v.reason = stated(err, "57P01")
			close(v.done)
		})
	}
}

func (v *visitor) Done() <-chan struct{} { return v.done }

func (v *visitor) Reason() error {
	<-v.done
	return v.reason
}

// Settle implements pgwire.Settler.
func (v *visitor) Settle(ctx context.Context) error {
	if err := v.session.Settle(ctx); err != nil {
		return stated(err, "XX000")
	}
	return nil
}

// Left implements pgwire.Leaver.
func (v *visitor) Left(how pgwire.End) {
	v.endMu.Lock()
	defer v.endMu.Unlock()
	v.how = how
}

// recordEnd records how the connection ended and who ended it.
func (v *visitor) recordEnd() {
	v.endMu.Lock()
	how, change := v.how, v.by
	v.endMu.Unlock()
	name := string(v.principal.Name)
	e := people.Event{
		Kind: people.ConnectionEnded, Account: v.principal.Name, By: name, Address: v.from.Address.Unmap().WithZone("").String(), At: time.Now().UTC(),
		Way: v.principal.Way, Session: v.from.Session, Reason: string(cmp.Or(how, pgwire.EndLost)),
	}
	switch {
	case how == pgwire.EndDismissed && change != nil:
		e.By, e.Reason = change.By, string(change.Kind)
	case how == pgwire.EndDismissed:
		e.By, e.Reason = selfPrincipal, endExpired
	case how == pgwire.EndIdle, how == pgwire.EndStopped, how == pgwire.EndBroken:
		e.By = selfPrincipal
	}
	// Nobody waits for it and nothing is answered after it: when it cannot be recorded, whoever is inside is refused the next question.
	if err := v.door.node.recordEvent(context.Background(), e); err != nil {
		v.door.node.log.Error("the end of a connection could not be recorded", "reason", fault.Public(err).Message)
	}
}

// endExpired is the reason of an end that came with the end of the credential; selfPrincipal is who ends what nobody else does.
const (
	endExpired    = "expired"
	selfPrincipal = "weir"
)

func (v *visitor) Close() {
	v.recordEnd()
	if v.expiry != nil {
		v.expiry.Stop()
	}
	v.catalogueMu.Lock()
	for _, c := range v.catalogues {
		v.door.catalogues.giveBack(c)
	}
	v.catalogues = nil
	v.catalogueMu.Unlock()
	v.door.dismiss(v)
}
