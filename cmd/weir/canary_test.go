package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproject/weir/internal/fleet"
	"github.com/weirproject/weir/internal/node"
)

// printed runs a command, whatever its exit status, and adds what it prints.
func (h *haystack) printed(t *testing.T, args ...string) result {
	t.Helper()
	r := weir(t, args...)
	h.add("weir "+strings.Join(args[:min(2, len(args))], " "), []byte(r.stdout+r.stderr))
	return r
}

// everyCommand runs every command that looks at a state, and some that fail.
func (h *haystack) everyCommand(t *testing.T, flags []string, state string) {
	t.Helper()
	with := func(args ...string) []string { return append(args, flags...) }
	page := filepath.Join(t.TempDir(), "plan.html")
	for _, args := range [][]string{
		with("plan"), with("plan", "--json"), with("plan", "--html", "-"), with("plan", "--html", page), with("check"), with("check", "--json"), with("source", "script"),
		with("status"), with("status", "--json"), with("explain", "fleet.app_user.email"), with("explain", "fleet.device.mac", "--json"), with("policy", "check"),
		with("verify", "--debug"), with("verify", "--json"), with("metric", "list"), with("ledger", "show"), with("ledger", "show", "--json"), with("source", "release"),
		with("metric", "show", "failed_connection_rate", "--by", "model,region,isp,firmware", "--grain", "hour"),
		with("metric", "show", "device_activations", "--by", "country", "--json"),
		{"ledger", "verify", "--key", filepath.Join(state, "ledger", "public.key"), filepath.Join(state, "ledger")},
	} {
		if r := h.printed(t, args...); r.code != 0 {
			t.Errorf("weir %s: exit %d\n%s", strings.Join(args, " "), r.code, r.stderr)
		}
	}
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	h.add("the plan's page", data)
	for _, args := range [][]string{
		with("metric", "show", "nothing"), with("metric", "show", "device_activations", "--by", "email"), with("explain", "fleet.app_user.nothing"),
		{"run", "--once", "--config", flags[1], "--state", state + "-other", "--source", "postgres://weir:wrong@127.0.0.1:1/none"},
	} {
		if r := h.printed(t, args...); r.code == 0 {
			t.Errorf("weir %s: exit 0", strings.Join(args, " "))
		}
	}
}

// oddRows are values that no treatment and no store likes, beside values of people; some cannot be kept as they are.
const oddRows = `
UPDATE fleet.app_user SET deleted_at = '-infinity', created_at = 'infinity', nickname = 'Canary tamper zq8w7' WHERE user_id = 7;
UPDATE fleet.device SET first_activated_at = '294276-12-31', first_bound_at = '4713-01-01 BC', nickname = 'Canary tamper zq8w7' WHERE device_id = 5;
UPDATE fleet.app_user SET time_zone = 'Canary/Tamper_zq8w7' WHERE user_id = 8;
UPDATE fleet.connection_attempt SET started_at = received_at + interval '30 days', client_ip = '2001:db8:7a7a:8b8b:9c9c:1d1d:2e2e:3f3f'
  WHERE attempt_id = (SELECT min(attempt_id) FROM fleet.connection_attempt);`

func TestNothingOfPeopleIsInWhatCanBeLost(t *testing.T) {
	t.Parallel()
	url, truth := fleetDatabase(t, 200, 6)
	state := filepath.Join(t.TempDir(), "state")
	flags := copyFlags(url, state)
	password := url[strings.Index(url, "weir:")+5 : strings.Index(url, "@")]
	h := &haystack{}
	if r := h.printed(t, append([]string{"run", "--once", "--apply", "--debug"}, flags...)...); r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}

	live, stopLiving := context.WithCancel(t.Context())
	lived := make(chan error, 1)
	go func() { lived <- fleet.Live(live, fleet.LiveOptions{URL: url, Speed: 20, Seed: 3}) }()
	p := start(t, append([]string{"run", "--debug"}, flags...)...)
	eventually(t, "following", func() bool { return strings.Contains(p.output(), "following production") })
	typeSQL(t, url, oddRows)
	h.everyCommand(t, flags, state)
	h.addFiles(t, "running", state)
	p.kill() // in the middle of whatever it does
	h.add("run, killed", []byte(p.output()))
	h.addFiles(t, "killed", state)

	p = start(t, append([]string{"run", "--debug"}, flags...)...)
	eventually(t, "following again", func() bool { return strings.Contains(p.output(), "following production") })
	stopLiving()
	if err := <-lived; err != nil {
		t.Fatal(err)
	}
	if code := p.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.output())
	}
	h.add("run, ended", []byte(p.output()))
	if r := h.printed(t, append([]string{"run", "--once", "--debug"}, flags...)...); r.code != 0 {
		t.Fatalf("exit %d\n%s", r.code, r.stderr)
	}
	h.everyCommand(t, flags, state)
	h.addFiles(t, "ended", state)
	h.addTables(t, state)

	pol, err := node.LoadPolicy(filepath.Join("..", "..", "examples", "fleet", "policy"))
	if err != nil {
		t.Fatal(err)
	}
	n := newNeedles()
	n.addCanaries(t, truth)
	n.addSource(t, url, pol)
	n.addGuesses(2000, sourceValues(t, url, "SELECT email FROM fleet.app_user"))
	n.add([]byte(password), "the source's password")
	n.put([]byte("tamper zq8w7"), "a tampered nickname")
	n.put([]byte("2001:db8:7a7a:8b8b:9c9c"), "a tampered address")
	began := time.Now()
	for label, places := range n.find(h) {
		t.Errorf("found %s: %s", label, strings.Join(places, "; "))
	}
	size := 0
	for _, s := range h.parts {
		size += len(s.data)
	}
	t.Logf("%d values in %d forms looked for in %d MB, %d places, in %s", n.values, len(n.seen), size>>20, len(h.parts), time.Since(began).Round(time.Millisecond))
}

// A password that stands in url_file is in no output, no file of ours and no command line, also not of the engines.
func TestPasswordOfTheSourceIsWrittenNowhere(t *testing.T) {
	t.Parallel()
	_, url := ownServer(t) // the password of the others' server stands in their command lines
	password := url[strings.Index(url, "weir:")+5 : strings.Index(url, "@")]
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	secret := filepath.Join(dir, "source.url")
	if err := os.WriteFile(secret, []byte(url+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs(filepath.Join("..", "..", "examples", "fleet"))
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "weir.yaml")
	text := "source:\n  url_file: source.url\n  schemas: [fleet]\n  accept: [production_ddl]\npolicy: " + examples + "/policy\nmetrics: " + examples + "/metrics\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &haystack{}
	p := start(t, "run", "--apply", "--debug", "--config", config)
	eventually(t, "following", func() bool { return strings.Contains(p.output(), "following production") })
	if out, err := exec.CommandContext(t.Context(), "ps", "-eo", "args").Output(); err == nil {
		h.add("the command lines", out)
	}
	h.everyCommand(t, []string{"--config", config}, state)
	if code := p.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.output())
	}
	h.add("run", []byte(p.output()))
	h.addFiles(t, "ended", state)
	h.addFiles(t, "ended", state+"-keys")
	n := newNeedles()
	n.add([]byte(password), "the source's password")
	if found := n.find(h); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}
