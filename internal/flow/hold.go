package flow

import (
	"context"
	"sync"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
)

// hold lets somebody stop the flow between two transactions, choose a position while it stands, and look at the store when it is exactly there.
type hold struct {
	mu   sync.Mutex // guards all below
	live bool       // a stream is running
	stop *stop      // at most one at a time
}

// stop is one request. Its channels are closed by the side named.
type stop struct {
	standing chan struct{} // by the stream: it stands, everything before is applied
	chosen   chan struct{} // by the asker: position is set, go on to it
	reached  chan struct{} // by the stream: it stands at position
	released chan struct{} // by the asker: go on
	lost     chan struct{} // by the stream: it ended
	position source.Position
	stands   bool // owned by the stream
}

func (h *hold) streaming(live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.live = live
	if !live && h.stop != nil {
		close(h.stop.lost)
		h.stop = nil
	}
}

// pass is called by the stream before it takes anything at or after next. apply makes everything before durable.
func (h *hold) pass(ctx context.Context, next source.Position, apply func() error) error {
	h.mu.Lock()
	s := h.stop
	h.mu.Unlock()
	if s == nil {
		return nil
	}
	if !s.stands {
		if err := apply(); err != nil {
			return err
		}
		s.stands = true
		close(s.standing)
	}
	select {
	case <-s.chosen:
	case <-s.released:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	if next < s.position {
		return nil
	}
	if err := apply(); err != nil {
		return err
	}
	close(s.reached)
	select {
	case <-s.released:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errNotFollowing = fault.New(fault.Unavailable, "the flow is not following the source at the moment", "look at weir status, then try again")

// exactly stops the flow, calls choose, which returns a position that production has not passed when the flow stopped, lets the flow go on to exactly that position, calls look there,
// and lets it go on. Production is never waited for by anybody but us.
func (h *hold) exactly(ctx context.Context, choose func() (source.Position, error), look func() error) error {
	s := &stop{
		standing: make(chan struct{}), chosen: make(chan struct{}), reached: make(chan struct{}),
		released: make(chan struct{}), lost: make(chan struct{}),
	}
	h.mu.Lock()
	if !h.live || h.stop != nil {
		busy := h.live
		h.mu.Unlock()
		if busy {
			return fault.New(fault.Unavailable, "another verification is running", "wait until it is done")
		}
		return errNotFollowing
	}
	h.stop = s
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		if h.stop == s {
			h.stop = nil
		}
		h.mu.Unlock()
		close(s.released)
	}()
	wait := func(c chan struct{}) error {
		select {
		case <-c:
			return nil
		case <-s.lost:
			return errNotFollowing
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(s.standing); err != nil {
		return err
	}
	position, err := choose()
	if err != nil {
		return err
	}
	s.position = position
	close(s.chosen)
	if err := wait(s.reached); err != nil {
		return err
	}
	return look()
}
