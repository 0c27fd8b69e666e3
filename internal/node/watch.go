package node

import (
	"context"
	"time"

	"github.com/weirproject/weir/internal/flow"
)

// Watch calls show with the flow's status until ctx ends, and once more at its end.
func (n *Node) Watch(ctx context.Context, every time.Duration, show func(flow.Status)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if f := n.currentFlow(); f != nil {
			show(f.Status())
		}
		select {
		case <-ctx.Done():
			if f := n.currentFlow(); f != nil {
				show(f.Status())
			}
			return
		case <-ticker.C:
		}
	}
}

// WatchWhile runs f and shows the flow's status beside it.
func (n *Node) WatchWhile(ctx context.Context, every time.Duration, show func(flow.Status), f func(context.Context) error) error {
	watched, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.Watch(watched, every, show)
	}()
	err := f(ctx)
	cancel()
	<-done
	return err
}
