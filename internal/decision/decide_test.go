package decision_test

import (
	"os"
	"testing"

	"github.com/weirproject/weir/internal/engine"
)

func TestMain(m *testing.M) {
	engine.Main()
	os.Exit(m.Run())
}
