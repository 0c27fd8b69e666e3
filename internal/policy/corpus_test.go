package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
)

// Each bad file has its exact message beside it: what is wrong, where, and what would be right.
func TestBadFilesAreRefusedWithTheirExactMessages(t *testing.T) {
	names, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(names) < 15 {
		t.Fatalf("corpus: %d files, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(name, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			p, err := policy.Parse([]policy.File{{Name: "policy/" + filepath.Base(name), Data: data}})
			if err == nil || p != nil {
				t.Fatal("accepted")
			}
			if got := err.Error() + "\n"; got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Hint == "" {
				t.Errorf("not a fault of kind Invalid with a hint: %#v", err)
			}
			var list *policy.ProblemsError
			if !errors.As(err, &list) {
				t.Fatal("no ProblemsError in the error")
			}
			if got, lines := len(list.Problems), strings.Count(string(want), "\n"); got != lines {
				t.Errorf("%d problems for %d lines of message", got, lines)
			}
			for _, problem := range list.Problems {
				if problem.Pos.Line == 0 || problem.What == "" || problem.Right == "" {
					t.Errorf("problem without a line, a what or a right: %+v", problem)
				}
			}
		})
	}
}
