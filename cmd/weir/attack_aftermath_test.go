//go:build linux

package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// grown are the files that the attacks may change, and why: all of it is the record of them.
var grown = []string{
	"state/ledger/entries/0000000000000000000.jsonl", // every attempt
	"state/ledger/hashes",                            // the tree over the entries
	"state/ledger/checkpoint",                        // its signed head
}

// unharmed holds the weir after the attacks against what it was before.
func (s *siege) unharmed(t *testing.T) {
	after := s.everything()
	for _, path := range slices.Sorted(maps.Keys(after)) {
		was, there := s.files[path]
		name, err := filepath.Rel(s.dir, path)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !there:
			t.Errorf("there is a new file: %s", name)
		case was != after[path] && !slices.Contains(grown, name):
			t.Errorf("a file was changed: %s", name)
		}
	}
	stores := 0
	for path := range s.files {
		if _, there := after[path]; !there {
			t.Errorf("a file is gone: %s", path)
		}
		if strings.HasPrefix(path, filepath.Join(s.dir, "state", "store")) {
			stores++
		}
	}
	if stores < 2 {
		t.Errorf("only %d files of the store were looked at", stores)
	}
	if now := s.engines(); !maps.Equal(now, s.children) || len(now) < 5 {
		t.Errorf("the processes were %v and are %v", s.children, now)
	}
}

// remembered holds the ledger against what was tried: every attempt stands there, under its person, and nothing else does.
func (s *siege) remembered(t *testing.T) {
	got := map[attempt]int{}
	questions := map[int64]attempt{}
	ended := map[string]bool{}
	for _, e := range s.entries(s.began) {
		switch e.Type {
		case "question":
			if e.Body.Kind == "prepare" { // was described and not run by then: a question of its own, beside what was owed for the statement
				continue
			}
			questions[e.Index] = attempt{e.Principal, e.Body.Kind, "", e.Body.Rule}
		case "answer":
			q, ok := questions[e.Body.Question]
			if !ok {
				t.Errorf("entry %d answers a question that nobody asked", e.Index)
			}
			if q.verdict = e.Body.Verdict; q.kind == "catalogue" && q.rule == "" {
				q.rule = e.Body.Reason // it was found out only when it ran
			}
			questions[e.Body.Question] = q
		case "people":
			if e.Body.Kind == "connection_ended" { // of one that signed in; no attempt
				if ended[e.Body.Session] || e.Body.Session == "" || e.Body.Account == "" {
					t.Errorf("entry %d ends the connection %q of %q", e.Index, e.Body.Session, e.Body.Account)
				}
				ended[e.Body.Session] = true
				continue
			}
			got[attempt{e.Principal, e.Body.Kind, e.Body.Way, ""}]++
		default:
			t.Errorf("entry %d is of the type %s", e.Index, e.Type)
		}
	}
	for _, q := range questions {
		got[q]++
	}
	for _, a := range slices.Collect(maps.Keys(s.owed)) {
		if _, ok := got[a]; !ok {
			got[a] = 0
		}
	}
	n := 0
	for a, k := range got {
		if n += k; k != s.owed[a] {
			t.Errorf("the ledger holds %d times, and there were %d: %s", k, s.owed[a], a)
		}
	}
	t.Logf("%d attempts of %d sorts stand in the ledger", n, len(got))
	if r := weir(t, "ledger", "verify", "--key", filepath.Join(s.dir, "state", "ledger", "public.key"), filepath.Join(s.dir, "state", "ledger")); r.code != 0 {
		t.Errorf("the ledger: %+v", r)
	}
}

// unsaid looks for the attacks' literals in all that weir keeps and prints.
func (s *siege) unsaid(t *testing.T) {
	h := &haystack{}
	h.addFiles(t, "after the attacks", s.dir)
	h.addFiles(t, "after the attacks", s.temp)
	h.add("what weir prints", []byte(s.run.output()))
	h.add("the ledger as it is shown", []byte(must(t, append([]string{"ledger", "show", "--json"}, s.state...)...)))
	n := newNeedles()
	n.add([]byte(canaryLiteral), "a literal of an attack")
	for label, places := range n.find(h) {
		t.Errorf("found %s: %s", label, strings.Join(places, "; "))
	}
	for _, p := range h.parts {
		if strings.Contains(p.where, filepath.Join("ledger", "entries")) && len(p.data) > 1<<16 {
			return
		}
	}
	t.Error("the ledger was not looked at")
}

// answering asks a question that has an answer, over a session that was there before and over a new one.
func (s *siege) answering(t *testing.T, before way) {
	for _, w := range []way{before, s.sql("simple", "ada", s.ada.SQL), s.api(s.bob)} {
		a, err := w.ask(t.Context(), "SELECT count(*) > 0 FROM fleet.device", nil)
		if err != nil || a.refused() || !strings.Contains(a.rows, "t") {
			t.Errorf("%s of %s after the attacks: %+v, %v", w.name(), w.person(), a, err)
		}
	}
	select {
	case <-s.run.done:
		t.Errorf("weir ended:\n%s", s.run.output())
	default:
	}
	if _, err := os.Stat(filepath.Join(s.dir, "state", "run", "weir.sock")); err != nil {
		t.Error(err)
	}
}
