package gate

import (
	"testing"
	"time"
)

// SmallAtATime is how many decisions and lookups of one principal are worked on at a time.
const SmallAtATime = smallAtATime

// AwaitNoTurns waits until nobody has a turn, and nothing is kept of those who had.
func (g *Gate) AwaitNoTurns(t *testing.T) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		g.mu.Lock()
		n := len(g.asking)
		g.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-time.After(time.Millisecond):
		case <-limit:
			t.Fatalf("%d principals have turns", n)
		}
	}
}

// Options are what the gate works with.
func (g *Gate) Options() Options { return g.o }
