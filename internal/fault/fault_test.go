package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
)

func TestEveryKindHasItsExitStatusAndName(t *testing.T) {
	for kind, want := range map[fault.Kind]struct {
		code int
		name string
	}{
		fault.Internal: {1, "internal"}, fault.Usage: {2, "usage"}, fault.Invalid: {1, "invalid"}, fault.NotFound: {1, "not found"},
		fault.Unavailable: {1, "unavailable"}, fault.Found: {3, "found"}, fault.Refused: {4, "refused"}, fault.Kind(99): {1, "internal"},
	} {
		err := fmt.Errorf("read table: %w", fault.New(kind, "message", "hint"))
		if code := fault.ExitCode(err); code != want.code {
			t.Errorf("%s: exit status %d, want %d", want.name, code, want.code)
		}
		if kind.String() != want.name {
			t.Errorf("named %s, want %s", kind, want.name)
		}
	}
	if fault.ExitCode(nil) != 0 || fault.ExitCode(errors.New("x")) != 1 {
		t.Error("no error is 0, an error of nobody is 1")
	}
}

var errCause = errors.New("duplicate key (email)=(ann@example.com)")

// A cause is for programs: no way of printing an error for people shows it.
func TestCauseIsKeptAndNeverShown(t *testing.T) {
	err := fault.Newf(fault.Unavailable, "table %s cannot be read", "device").WithHint("look at %s", "it").WithCause(errCause)
	if !errors.Is(err, errCause) {
		t.Error("the cause is lost")
	}
	for _, shown := range []string{err.Error(), fmt.Sprint(err), fmt.Sprintf("%s|%v|%q", err, err, err), fmt.Sprint(fmt.Errorf("copy: %w", err))} {
		if want := "table device cannot be read"; !strings.Contains(shown, want) || strings.Contains(shown, "ann@") {
			t.Errorf("shown as %s", shown)
		}
	}
	if err.Hint != "look at it" || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%+v", err)
	}
}

func TestPublicIsTheOutermostFault(t *testing.T) {
	inner := fault.New(fault.Refused, "inner", "hint")
	outer := fault.New(fault.NotFound, "outer", "hint").WithCause(inner)
	if got := fault.Public(fmt.Errorf("a: %w", outer)); got.Message != "outer" {
		t.Errorf("shown: %s", got.Message)
	}
	if got := fault.Public(fmt.Errorf("a: %w", errors.Join(errCause, inner))); got.Message != "inner" {
		t.Errorf("shown: %s", got.Message)
	}
	got := fault.Public(errCause)
	if got.Kind != fault.Internal || strings.Contains(got.Message+got.Hint, "ann@") || got.Hint == "" || !errors.Is(got, errCause) {
		t.Errorf("an error of nobody: %+v", got)
	}
	if fault.Public(nil) != nil {
		t.Error("no error becomes one")
	}
}

func TestCopiesLeaveTheOriginalAlone(t *testing.T) {
	e := fault.New(fault.Usage, "message", "")
	_ = e.WithHint("hint").WithCause(errCause)
	if e.Hint != "" || errors.Is(e, errCause) {
		t.Errorf("%+v", e)
	}
}
