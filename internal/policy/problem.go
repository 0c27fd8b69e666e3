package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproject/weir/internal/fault"
)

// Problem is one thing that is wrong with a policy: where it stands, what is wrong, and what would be right.
type Problem struct {
	Pos   Pos    `json:"at"`
	What  string `json:"what"`  // lower case, no full stop
	Right string `json:"right"` // what would be right, in the same form
}

// String is the problem as people read it: policy/device.yaml:7: what is wrong; what would be right.
func (p Problem) String() string {
	s := p.What
	if p.Right != "" {
		s += "; " + p.Right
	}
	switch {
	case p.Pos.File == "":
		return s
	case p.Pos.Line == 0:
		return p.Pos.File + ": " + s
	}
	return fmt.Sprintf("%s:%d: %s", p.Pos.File, p.Pos.Line, s)
}

// ProblemsError carries every problem of a policy for programs; it is the cause of the *fault.Error that Parse returns.
type ProblemsError struct {
	Problems []Problem // sorted by place
}

// Error lists the problems, one a line.
func (e *ProblemsError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Refuse makes the one error of a list of problems, sorted by place, and nil of an empty list. errors.As finds the *ProblemsError in it.
func Refuse(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	sorted := slices.Clone(problems)
	sortProblems(sorted)
	all := &ProblemsError{Problems: sorted}
	hint := "change the line that is named as it says, then run weir policy check"
	if len(sorted) > 1 {
		hint = fmt.Sprintf("change the %d places that are named as they say, then run weir policy check", len(sorted))
	}
	return fault.New(fault.Invalid, all.Error(), hint).WithCause(all)
}

func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if c := strings.Compare(a.Pos.File, b.Pos.File); c != 0 {
			return c
		}
		return a.Pos.Line - b.Pos.Line
	})
}

// didYouMean returns `did you mean "x"?` for the candidate nearest to the word, or the fallback when none is near.
func didYouMean(word string, candidates []string, fallback string) string {
	if near := nearest(word, candidates); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return fallback
}

// nearest returns the candidate that a slip of the hand turns into the word, or "".
func nearest(word string, candidates []string) string {
	if len(word) > maxName {
		return ""
	}
	w := strings.ToLower(strings.ReplaceAll(word, "-", "_"))
	best, bestDistance := "", 1+max(1, len(w)/3)
	for _, c := range candidates {
		if len(c) > maxName {
			continue
		}
		d := fault.EditDistance(w, strings.ToLower(c))
		if len(c) >= 4 && strings.HasPrefix(w, c) {
			d = 1 // the word and more
		}
		if d < bestDistance || (d == bestDistance && best != "" && c < best) {
			best, bestDistance = c, d
		}
	}
	return best
}

// list writes words as people do: a, b or c.
func list[T ~string](words []T, last string) string {
	s := make([]string, len(words))
	for i, w := range words {
		s[i] = string(w)
	}
	switch len(s) {
	case 0:
		return ""
	case 1:
		return s[0]
	}
	return strings.Join(s[:len(s)-1], ", ") + " " + last + " " + s[len(s)-1]
}
