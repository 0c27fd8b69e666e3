package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// startDemo runs a small demo in a folder whose name has a space, as people's folders do; temporary files go to a folder that can be looked into.
func startDemo(t *testing.T, temp, dir string, args ...string) *process {
	t.Helper()
	return caller{env: []string{"TMPDIR=" + temp}}.start(t, append([]string{"demo", "--accounts", "300", "--days", "5", "--dir", dir}, args...)...)
}

// openTemp is a temporary folder that PostgreSQL's user can walk through.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "weir-demo-test-") //nolint:usetesting // root's other temporary folders are closed to the server's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// processTree returns the process ids below a process.
func processTree(t *testing.T, pid int) []int {
	t.Helper()
	var all []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		data, err := os.ReadFile(task)
		if err != nil {
			continue // that thread has ended
		}
		for _, f := range strings.Fields(string(data)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(append(all, child), processTree(t, child)...)
		}
	}
	return all
}

// gone tells whether a process has ended, joined or not.
func gone(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(state, "Z")
}

// leavesNothing fails when a process of the demo or a temporary folder outlives it.
func leavesNothing(t *testing.T, temp string, pids []int) {
	t.Helper()
	if len(pids) < 3 {
		t.Fatalf("a running demo has only %d processes", len(pids))
	}
	eventually(t, "all processes have ended", func() bool {
		for _, pid := range pids {
			if !gone(pid) {
				return false
			}
		}
		return true
	})
	left, err := filepath.Glob(filepath.Join(temp, "weir-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v %v", left, err)
	}
}

// tries returns the commands that the demo proposes.
func tries(t *testing.T, printed string) []string {
	t.Helper()
	_, rest, found := strings.Cut(printed, "try, in another terminal:\n")
	if !found {
		t.Fatalf("the demo proposes nothing:\n%s", printed)
	}
	var all []string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "  ") {
			break
		}
		all = append(all, strings.TrimSpace(line))
	}
	return all
}

// letsIn opens a link that the demo printed, chooses a password and looks for a text on the page behind it.
func letsIn(t *testing.T, printed, as, want string) {
	t.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(as) + ` +(https://\S+)`).FindStringSubmatch(printed)
	ca := regexp.MustCompile(`from weir's own authority, '?([^'\n]+)'?`).FindStringSubmatch(printed)
	if link == nil || ca == nil {
		t.Fatalf("the demo prints no link %s, or no authority:\n%s", as, printed)
	}
	pem, err := os.ReadFile(ca[1])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	const password = "a few words that do not belong together"
	r, err := client.PostForm(link[1], url.Values{"name": {"boss"}, "password": {password}, "again": {password}}) //nolint:noctx // its client has a time
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	page, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || !strings.Contains(string(page), want) {
		t.Errorf("%s: status %d, %v; the page does not say %q:\n%s", as, r.StatusCode, err, want, page)
	}
}

func TestDemoShowsTheProductAndLeavesNothing(t *testing.T) {
	t.Parallel()
	temp := openTemp(t)
	dir := filepath.Join(t.TempDir(), "my demo")
	for round := range 2 { // the second time the folder of the first is used anew
		p := startDemo(t, temp, dir)
		eventually(t, "the demo shows today's numbers", func() bool { return strings.Contains(p.output(), "changes followed") })
		out := p.output()
		for _, want := range []string{"Device activations, version 1", "Failed connection rate, version 1", "columns never left production", "secret ", "direct_identifier ", "Ctrl-C ends everything"} {
			if !strings.Contains(out, want) {
				t.Errorf("the demo does not print %q:\n%s", want, out)
			}
		}
		if _, sql, found := strings.Cut(out, "in SQL, as the same analyst:\n"); found {
			line, _, _ := strings.Cut(sql, "\n")
			if answer, err := exec.CommandContext(t.Context(), "bash", "-c", strings.TrimSpace(line)).CombinedOutput(); err != nil || !strings.Contains(string(answer), "model_id") {
				t.Errorf("%s: %v\n%s", line, err, answer)
			}
		} else {
			t.Errorf("the demo shows no way for an analyst:\n%s", out)
		}
		letsIn(t, out, "as an analyst", "Device activations")
		letsIn(t, out, "as the first administrator", "reads no numbers")
		proposed := tries(t, out)
		if len(proposed) != 3 {
			t.Errorf("the demo proposes %q", proposed)
		}
		for _, command := range proposed {
			program, rest, _ := strings.Cut(command, " ") // here the program is the test, which is weir only by its other name
			if info, err := os.Stat(program); err != nil || info.Mode()&0o100 == 0 {
				t.Errorf("%s is no program: %v", program, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			got, err := exec.CommandContext(ctx, "sh", "-c", weirPath+" "+rest).CombinedOutput()
			cancel()
			if err != nil || len(got) == 0 {
				t.Errorf("%s: %v\n%s", command, err, got)
			}
		}
		if r := weir(t, "demo", "--dir", dir); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "a demo is running") {
			t.Errorf("a second demo in the same folder: %+v", r)
		}
		pids := processTree(t, p.cmd.Process.Pid)
		if code := p.stop(t, os.Interrupt); code != 0 {
			t.Errorf("round %d: exit %d\n%s", round, code, p.output())
		}
		leavesNothing(t, temp, pids)
	}
	r := weir(t, "metric", "show", "device_activations", "--state", filepath.Join(dir, "state"))
	if r.code != 0 || !strings.Contains(r.stdout, "Device activations") {
		t.Errorf("the numbers are gone after the demo: %+v", r)
	}
}

func TestDemoEndsAtAnyMoment(t *testing.T) {
	t.Parallel()
	temp := openTemp(t)
	for _, moment := range []time.Duration{0, 400 * time.Millisecond, 1500 * time.Millisecond, 3 * time.Second} {
		p := startDemo(t, temp, filepath.Join(t.TempDir(), "demo"))
		eventually(t, "the demo has begun", func() bool { return len(processTree(t, p.cmd.Process.Pid)) > 0 }) // before, nobody listens for the signal
		select {
		case <-time.After(moment):
		case <-p.done:
		}
		pids := processTree(t, p.cmd.Process.Pid)
		code := p.stop(t, os.Interrupt)
		if code != 0 || strings.Contains(p.output(), "hint: ") {
			t.Errorf("after %s: exit %d\n%s", moment, code, p.output())
		}
		for _, pid := range pids {
			eventually(t, "all processes have ended", func() bool { return gone(pid) })
		}
		if left, _ := filepath.Glob(filepath.Join(temp, "weir-demo-*")); len(left) > 0 {
			t.Errorf("after %s: left %v", moment, left)
		}
	}
}

func TestDemoOfALimitedLifeEndsByItself(t *testing.T) {
	t.Parallel()
	temp := openTemp(t)
	p := startDemo(t, temp, filepath.Join(t.TempDir(), "demo"), "--live", "6s")
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("the demo did not end:\n%s", p.output())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(p.output(), "as of ") {
		t.Errorf("exit %d\n%s", code, p.output())
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "weir-demo-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestDemoRefusesAFolderThatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "thesis.txt")
	if err := os.WriteFile(mine, []byte("years of work"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := weir(t, "demo", "--accounts", "10", "--days", "1", "--live", "1s", "--dir", dir)
	if r.code != 4 || r.stdout != "" || !strings.Contains(r.stderr, "hint: choose another with --dir") {
		t.Errorf("%+v", r)
	}
	if data, err := os.ReadFile(mine); err != nil || string(data) != "years of work" {
		t.Errorf("the folder was touched: %v", err)
	}
	if r := weir(t, "demo", "--dir", mine); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("a file as the folder: %+v", r)
	}
}
