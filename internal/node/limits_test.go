package node

import (
	"testing"

	"github.com/weirproject/weir/internal/gate"
)

func TestStoreLetsEveryRoleAskAsLongAsItMay(t *testing.T) {
	limit := (&Config{}).limits().Timeout
	for _, r := range []gate.Role{gate.Viewer, gate.Analyst, gate.Admin} {
		if longest := r.Widest().Timeout; limit <= longest {
			t.Errorf("the store ends a question after %v, and the role %s may ask for %v", limit, r, longest)
		}
	}
}
