package flow_test

import (
	"os"
	"testing"

	"github.com/weirproject/weir/internal/engine"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func TestMain(m *testing.M) {
	engine.Main() // the store's engines are this program too
	os.Exit(postmastertest.Main(m))
}
