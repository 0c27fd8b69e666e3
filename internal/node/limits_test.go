package node

import (
	"testing"

	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/people"
)

func TestStoreLetsEveryRoleAskAsLongAsItMay(t *testing.T) {
	limit := (&Config{}).limits().Timeout
	for _, r := range []gate.Role{gate.Viewer, gate.Analyst, gate.Admin} {
		if longest := r.Widest().Timeout; limit <= longest {
			t.Errorf("the store ends a question after %v, and the role %s may ask for %v", limit, r, longest)
		}
	}
}

func TestOnePersonCannotTakeThePlacesOfAllOthers(t *testing.T) {
	d := &door{inside: map[*visitor]bool{}}
	visit := func(name people.Name) *visitor {
		return &visitor{door: d, principal: people.Principal{Name: name}, done: make(chan struct{})}
	}
	var first *visitor
	for i := range sessionsEach {
		v := visit("ada")
		if !d.admit(v) {
			t.Fatalf("connection %d is refused", i+1)
		}
		first = v
	}
	if d.admit(visit("ada")) {
		t.Errorf("more than %d connections of one person are let in", sessionsEach)
	}
	if !d.admit(visit("bob")) {
		t.Error("somebody else is refused")
	}
	d.dismiss(first)
	if !d.admit(visit("ada")) {
		t.Error("there is no room after one went")
	}
}
