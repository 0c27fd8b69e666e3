// Command weir copies production data into a fast database that is easy to query and safe to lose. It reads flags and configuration, wires, and forwards
// signals; what happens is internal/node's.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/weirproject/weir/internal/engine"
)

func main() {
	engine.Main() // returns at once unless this process is an engine
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
