package fleet

import (
	"os"
	"testing"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func TestMain(m *testing.M) { os.Exit(postmastertest.Main(m)) }
