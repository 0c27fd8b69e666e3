// Command report prints what `go test -json` says the way `go test` does, and fails where a test was skipped: a test that does not run
// protects nothing, and nobody reads the log of a green run.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of `go test -json` (see `go doc test2json`).
type event struct {
	Action, Package, Test, Output string
}

func main() {
	failed, err := report(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
	}
	if failed || err != nil {
		os.Exit(1)
	}
}

// report copies the output of packages and of tests that failed, and says which tests were skipped.
func report(in io.Reader, out io.Writer) (failed bool, err error) {
	held := map[string]*strings.Builder{} // the output of each test that has not ended, by package and name
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	var skipped []string
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return true, fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		key := e.Package + " " + e.Test
		switch {
		case e.Action == "build-output", e.Action == "output" && e.Test == "" && e.Output != "PASS\n":
			if _, err := io.WriteString(out, e.Output); err != nil {
				return true, fmt.Errorf("write output: %w", err)
			}
		case e.Action == "output" && e.Test != "":
			if held[key] == nil {
				held[key] = &strings.Builder{}
			}
			held[key].WriteString(e.Output)
		case e.Action == "fail" && held[key] != nil:
			if _, err := io.WriteString(out, held[key].String()); err != nil {
				return true, fmt.Errorf("write output: %w", err)
			}
			delete(held, key)
		case e.Action == "pass":
			delete(held, key)
		case e.Action == "skip" && e.Test != "":
			skipped = append(skipped, key)
		}
		failed = failed || e.Action == "fail" || e.Action == "build-fail"
	}
	for _, key := range skipped {
		if _, err := fmt.Fprintf(out, "--- SKIP: %s\n%s", key, held[key]); err != nil {
			return true, fmt.Errorf("write output: %w", err)
		}
	}
	if len(skipped) > 0 {
		_, err = fmt.Fprintf(out, "FAIL: %d tests were skipped; let them run or take them out\n", len(skipped))
	}
	return failed || len(skipped) > 0, err
}
