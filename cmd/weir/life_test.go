package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestSignalsEndWeirInOrder(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	production := busy(t, url, 9)
	end := func(p *process, sig syscall.Signal, when string) {
		t.Helper()
		engines := children(t, p.cmd.Process.Pid)
		if code := p.stop(t, sig); code != 0 {
			t.Errorf("%v %s: exit %d\n%s", sig, when, code, p.output())
		}
		for _, pid := range engines {
			if alive(pid) {
				t.Errorf("%v %s: engine %d lives on", sig, when, pid)
			}
		}
		if _, err := os.Lstat(filepath.Join(s.state, "run", "weir.sock")); err == nil {
			t.Errorf("%v %s: the socket is left", sig, when)
		}
	}
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM, syscall.SIGINT} {
		p := s.run()
		eventually(t, "the engines run", func() bool { p.mustRun(t); return len(children(t, p.cmd.Process.Pid)) == 2 })
		wait(t, time.Duration(i)*150*time.Millisecond)
		end(p, sig, "while it starts and copies")
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := s.run()
		s.following(p)
		end(p, sig, "while it follows")
	}
	production.stop()
	s.equal() // opens the state itself: nobody holds it
}

func TestSecondWeirSaysSoAndStops(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 30, 2)
	s := fleetSite(t, url)
	p := s.run()
	s.following(p)
	before, err := os.ReadFile(filepath.Join(s.state, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	r := weir(t, s.args("run")...)
	if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "another weir is using the state folder") || len(strings.Split(strings.TrimSpace(r.stderr), "\n")) != 2 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	after, err := os.ReadFile(filepath.Join(s.state, "state.json"))
	if err != nil || string(after) != string(before) {
		t.Errorf("the second weir changed the state (%v)", err)
	}
	if st, ok := s.status(); !ok || !st.Running || st.PID != p.cmd.Process.Pid {
		t.Errorf("the status is not that of the running weir: %+v", st)
	}
	s.equal()
	s.numbers("failed_connection_rate")
	entries := must(t, s.args("ledger", "show", "--json")...)
	if n := strings.Count(entries, `"verification"`); n == 0 {
		t.Error("the verification is not in the record of the running weir")
	}

	// Killed, it leaves its socket behind; that must confuse nobody.
	p.kill()
	if _, err := os.Lstat(filepath.Join(s.state, "run", "weir.sock")); err != nil {
		t.Fatal("the killed weir left no socket, so nothing is tested:", err)
	}
	if st, ok := s.status(); !ok || st.Running || len(st.Flow.Tables) == 0 {
		t.Errorf("the status of a killed weir: %v %+v", ok, st)
	}
	s.numbers("device_activations")
	s.equal()
	p = s.run()
	s.following(p)
}

func TestCommandsWhileWeirStartsFindIt(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	s := fleetSite(t, url)
	must(t, s.args("run", "--apply", "--once")...)
	for i := range 4 {
		p := s.run()
		wait(t, time.Duration(i)*80*time.Millisecond)
		if _, ok := s.status(); !ok {
			t.Errorf("status was refused %d ms after the start", i*80)
		}
		s.following(p)
		p.kill()
	}
}
