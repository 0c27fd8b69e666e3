package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// seeded returns dice of a seed that the log names, and the seed; WEIR_TEST_SEED gives one that was seen to fail.
func seeded(t *testing.T) (*rand.Rand, uint64) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("WEIR_TEST_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// The kills fall into the start and the snapshots, a little later each.
func TestKillsWhileWeirStartsAndCopiesLoseNothingAndDoubleNothing(t *testing.T) {
	t.Parallel()
	dice, seed := seeded(t)
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	production := busy(t, url, seed)
	for i := range 10 {
		p := s.run()
		wait(t, time.Duration(50+i*120+dice.IntN(120))*time.Millisecond)
		killOne(t, p, dice, i%3 == 2)
		p.kill()
	}
	p := s.run()
	s.following(p)
	s.equal()
	s.endsWell(p, production)
}

func TestKillsAtAnyMomentLoseNothingAndDoubleNothing(t *testing.T) {
	t.Parallel()
	dice, seed := seeded(t)
	url, _ := fleetDatabase(t, 60, 3)
	s := fleetSite(t, url)
	production := busy(t, url, seed)
	p := s.run()
	s.following(p)
	for range 20 {
		wait(t, time.Duration(dice.IntN(900))*time.Millisecond)
		engine := dice.IntN(3) == 0
		killOne(t, p, dice, engine)
		if !engine {
			<-p.done
			p = s.run()
			if dice.IntN(3) == 0 { // while it comes back
				wait(t, time.Duration(dice.IntN(700))*time.Millisecond)
				p.kill()
				p = s.run()
			}
		}
		s.following(p)
		s.equal()
	}
	s.endsWell(p, production)
}

// endsWell ends production's work and then weir, which was killed many times, and holds what is left against production, the record and a fresh copy.
func (s *site) endsWell(p *process, production *work) {
	s.t.Helper()
	production.stop()
	s.equal()
	if code := p.stop(s.t, syscall.SIGTERM); code != 0 {
		s.t.Errorf("weir ended with %d:\n%s", code, p.output())
	}
	must(s.t, "ledger", "verify", "--key", filepath.Join(s.state, "ledger", "public.key"), filepath.Join(s.state, "ledger"))
	s.sameAsAFreshCopy()
	if out := p.output(); strings.Contains(out, "panic") {
		s.t.Errorf("weir panicked:\n%s", out)
	}
}

// A tighter policy takes old bytes out of the files; a kill in the middle must not leave them there.
func TestKillsWhileAPolicyTakesBytesAway(t *testing.T) {
	t.Parallel()
	dice, _ := seeded(t)
	s := newShop(t)
	s.exec("INSERT INTO shop.customer SELECT i, 'e', 'FR', repeat(md5(i::text), 9), i, 'n' FROM generate_series(10001, 60000) i", // so that writing the file anew takes its time
		"UPDATE shop.setting SET value = 'Quidnunc' || name")
	tighter := strings.Replace(settingPolicy, "value: {class: telemetry, treat: keep}", "value: {class: telemetry, treat: presence}", 1)
	for range 4 {
		s.policy("setting", settingPolicy)
		must(t, s.args("run", "--apply", "--once")...)
		if s.find("Quidnuncs7") == "" {
			t.Fatal("the values are not in the files as they are, so their absence would prove nothing")
		}
		s.policy("setting", tighter)
		for range 2 {
			p := s.run()
			wait(t, time.Duration(100+dice.IntN(900))*time.Millisecond)
			killOne(t, p, dice, dice.IntN(3) == 0)
			p.kill()
		}
		must(t, s.args("run", "--apply", "--once")...)
		s.absent("Quidnunc")
		s.equal()
	}
}

// killOne kills weir or, when there is one, one of its engines.
func killOne(t testing.TB, p *process, dice *rand.Rand, engine bool) {
	t.Helper()
	eventually(t, "something is killed", func() bool {
		p.mustRun(t)
		victim := p.cmd.Process.Pid
		if engine {
			engines := children(t, victim)
			if len(engines) == 0 {
				return false
			}
			victim = engines[dice.IntN(len(engines))]
		}
		return syscall.Kill(victim, syscall.SIGKILL) == nil
	})
}

// wait lets time pass: what is tested is that any moment will do.
func wait(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
	case <-time.After(d):
	}
}

// sameAsAFreshCopy compares what the metrics say, whose facts were renewed piece by piece through everything, with what they say in a copy made now.
func (s *site) sameAsAFreshCopy() {
	s.t.Helper()
	fresh := *s
	fresh.state = filepath.Join(s.t.TempDir(), "state")
	must(s.t, fresh.args("run", "--apply", "--once")...)
	for _, name := range []string{"failed_connection_rate", "device_activations", "affected_accounts"} {
		if old, anew := s.numbers(name), fresh.numbers(name); old != anew {
			s.t.Errorf("%s differs from that of a fresh copy:\n%s\n%s", name, old, anew)
		}
	}
}

// numbers are a metric's rows.
func (s *site) numbers(name string) string {
	s.t.Helper()
	out := must(s.t, s.args("metric", "show", name, "--by", "model", "--grain", "day", "--json")...)
	var answer map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		s.t.Fatal(err)
	}
	rows := string(answer["rows"])
	if len(rows) < 100 {
		s.t.Fatalf("%s has no rows: %s", name, out)
	}
	return rows
}
