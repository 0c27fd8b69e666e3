package fleet

import (
	"context"
	"os"
	"testing"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func TestMain(m *testing.M) { os.Exit(postmastertest.Main(m)) }

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}
