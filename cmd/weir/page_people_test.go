package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/weirproject/weir/internal/metric"
)

func firstAdministrator(t *testing.T, h *house) {
	w := h.tab(t, false)
	if status := w.opens(h.link); status != http.StatusOK || w.text("h1") != "Become the first administrator" {
		t.Fatalf("the link: %d %s", status, w.text("main"))
	}
	if status := w.types("Choose it and sign in", "#name", "grace", "#password", ownPassword, "#again", "something else entirely"); status != http.StatusUnprocessableEntity || !strings.Contains(w.text("[role=alert]"), "not the same") {
		t.Errorf("two passwords: %d %s", status, w.text("main"))
	}
	if status := w.types("Choose it and sign in", "#name", "grace", "#password", ownPassword, "#again", ownPassword); status != http.StatusOK || w.path() != "/" {
		t.Fatalf("chosen: %d at %s: %s", status, w.path(), w.text("main"))
	}
	w.hasOneGoodCookie()
	if seen := w.text("main"); told[int](w, "document.querySelectorAll('.tiles, svg').length") != 0 || !strings.Contains(seen, "reads no numbers") || !strings.Contains(seen, "are held back") {
		t.Errorf("an administrator sees:\n%s", seen)
	}
	for path, heading := range map[string]string{"/people": "People", "/record": "Record", "/copy": "Copy safety", "/account": "Account"} {
		if status := w.opens(path); status != http.StatusOK || w.text("h1") != heading {
			t.Errorf("%s: %d %s", path, status, w.text("h1"))
		}
	}
	if status := w.opens("/metrics/device_activations"); status != http.StatusForbidden || strings.Contains(w.text("main"), "local day") {
		t.Errorf("a metric: %d %s", status, w.text("main"))
	}
	again := h.tab(t, false)
	if status := again.opens(h.link); status != http.StatusForbidden || told[int](again, "document.forms.length") != 0 {
		t.Errorf("the link once more: %d %s", status, again.text("main"))
	}
	w.opens("/people")
	w.does(chromedp.Click(chromedp.CSS(`input[name="role"][value="analyst"]`)))
	if status := w.types("Add", "#name", "lovelace"); status != http.StatusOK {
		t.Fatalf("lovelace is added: %d %s", status, w.text("main"))
	}
	invitation := w.text(".once pre")
	her := h.tab(t, false)
	if status := her.chooses(invitation, ownPassword); status != http.StatusOK || her.text("h1") != "Overview" {
		t.Fatalf("she comes in: %d %s", status, her.text("main"))
	}
	if status := again.opens(invitation); status != http.StatusForbidden {
		t.Errorf("her link once more: %d", status)
	}
	w.opens("/record?person=lovelace")
	if entries := w.text(".entries"); !strings.Contains(entries, "device_activations") || !strings.Contains(entries, "answered") || strings.Contains(entries, ownPassword) {
		t.Errorf("the record of her:\n%s", entries)
	}
}

// hasOneGoodCookie fails the test unless the session's cookie is all that the browser keeps, and only for this host, over TLS and out of reach of scripts, until it is closed.
func (w *tab) hasOneGoodCookie() {
	w.t.Helper()
	w.does(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		all, err := cdp.Call(ctx, target, network.GetCookies, network.GetCookiesParams{})
		if err != nil {
			return err
		}
		if len(all.Cookies) != 1 {
			return fmt.Errorf("there are %d cookies", len(all.Cookies))
		}
		c := all.Cookies[0]
		if c.Name != "__Host-weir" || c.Domain != "localhost" || c.Path != "/" || !c.Secure || !c.HTTPOnly || !c.Session || c.SameSite != network.CookieSameSiteLax {
			w.t.Errorf("the cookie %s of %s%s: secure %t, http only %t, session %t, same site %s", c.Name, c.Domain, c.Path, c.Secure, c.HTTPOnly, c.Session, c.SameSite)
		}
		return nil
	}))
	if left := told[int](w, "localStorage.length + sessionStorage.length"); left != 0 {
		w.t.Error("something is kept beside the cookie")
	}
}

func readsNumbers(t *testing.T, h *house) {
	w := h.ada(t, false)
	type tile struct{ Name, Value, Day string }
	tiles := told[[]tile](w, `[...document.querySelectorAll('.tiles tbody tr')].map(r => ({Name: r.querySelector('a').getAttribute('href').split('/').pop(), Value: (r.querySelector('.big') || {}).innerText || '', Day: (r.querySelector('td time') || {}).dateTime || ''}))`)
	if len(tiles) < 4 {
		t.Fatalf("the overview has %d metrics", len(tiles))
	}
	for _, on := range tiles {
		day, err := time.Parse(time.DateOnly, on.Day)
		if err != nil {
			t.Errorf("%+v: %v", on, err)
			continue
		}
		a := decoded[metric.Answer](t, h.does(t, "metric", "show", on.Name, "--json", "--from", on.Day, "--to", day.AddDate(0, 0, 1).Format(time.DateOnly)))
		if len(a.Rows) != 1 || a.Rows[0].Value == nil || a.Rows[0].Provisional || !same(on.Value, *a.Rows[0].Value) {
			t.Errorf("the overview says %s on %s of %s, weir metric show %+v", on.Value, on.Day, on.Name, a.Rows)
		}
	}
	w.goes(chromedp.Click(chromedp.CSS(`a[href="/metrics/failed_connection_rate"]`)))
	if status := w.opens("/metrics/failed_connection_rate?by=model&grain=week&span=56"); status != http.StatusOK {
		t.Fatalf("by model: %d %s", status, w.text("main"))
	}
	type row struct{ At, Model, Numerator, Denominator, Value, State string }
	rows := told[[]row](w, `[...document.querySelectorAll('figure ~ * table tbody tr, details table tbody tr')].map(r => ({At: r.querySelector('time').dateTime.slice(0, 10), Model: r.cells[1].textContent, Numerator: r.cells[2].textContent, Denominator: r.cells[3].textContent, Value: r.cells[4].textContent, State: r.cells[5].textContent}))`)
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	first := rows[len(rows)-1].At
	a := decoded[metric.Answer](t, h.does(t, "metric", "show", "failed_connection_rate", "--by", "model", "--grain", "week", "--json", "--from", first))
	want := map[string]metric.Row{}
	for _, r := range a.Rows {
		want[r.Start.Format(time.DateOnly)+r.Dimensions["model"]] = r
	}
	for _, r := range rows {
		is, ok := want[r.At+r.Model]
		if !ok || is.Value == nil && r.Value != "–" || is.Value != nil && !same(r.Value, *is.Value) || !same(r.Denominator, *is.Denominator) || (r.State == "provisional") != is.Provisional {
			t.Errorf("the table says %+v, weir metric show %+v", r, is)
		}
	}
}

// same says whether a number as it is written is the number, to the digits that it is written with.
func same(written string, v float64) bool {
	number, rate := strings.CutSuffix(written, " %")
	if rate {
		v *= 100
	}
	number = strings.ReplaceAll(number, ",", "")
	got, err := strconv.ParseFloat(number, 64)
	_, digits, _ := strings.Cut(number, ".")
	return err == nil && math.Abs(got-v) <= 0.500001*math.Pow10(-len(digits))
}

// stop is where the keys have led.
type stop struct {
	Tag, Text string
	Seen      bool // the place is on the screen, and marked as being where the keys are
}

// tabsTo presses the tab key until it is at the element that shows the text, and fails when it gets lost or cannot be seen on the way.
func (w *tab) tabsTo(tag, text string) {
	w.t.Helper()
	var way []string
	for range 80 {
		w.does(chromedp.KeyEvent(kb.Tab))
		at := told[stop](w, `(e => { const r = e.getBoundingClientRect(), s = getComputedStyle(e); return {Tag: e.tagName, Text: (e.innerText || e.id).trim().split("\n")[0],
			Seen: e.matches(':focus-visible') && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 && r.width > 0 && r.bottom > 0 && r.top < innerHeight && r.right > 0 && r.left < innerWidth}; })(document.activeElement)`)
		way = append(way, at.Tag+" "+at.Text)
		if !at.Seen && at.Tag != "BODY" {
			w.t.Errorf("nobody sees that the keys are at %s %s", at.Tag, at.Text)
		}
		if at.Tag == tag && strings.HasPrefix(at.Text, text) {
			return
		}
	}
	w.t.Fatalf("the keys do not lead to %s %s but by\n%s", tag, text, strings.Join(way, "\n"))
}

func byKeys(t *testing.T, h *house) {
	w := h.ada(t, false)
	w.opens("/")
	w.tabsTo("A", "Skip to the content")
	w.does(chromedp.KeyEvent(kb.Enter))
	w.tabsTo("A", "Failed connection rate")
	if told[int](w, `document.querySelector('main').compareDocumentPosition(document.activeElement) & 16`) == 0 {
		t.Error("skipping does not lead into the content")
	}
	w.goes(chromedp.KeyEvent(kb.Enter))
	w.tabsTo("SELECT", "")
	w.does(chromedp.KeyEvent("model"))
	w.tabsTo("BUTTON", "Break down")
	w.goes(chromedp.KeyEvent(kb.Enter))
	if at := w.path(); !strings.Contains(at, "by=model") {
		t.Fatalf("the breakdown leads to %s", at)
	}
	w.tabsTo("A", "4 weeks")
	w.goes(chromedp.KeyEvent(kb.Enter))
	if at := w.path(); !strings.Contains(at, "by=model") || !strings.Contains(at, "span=28") {
		t.Fatalf("four weeks lead to %s", at)
	}
	type drawing struct{ Title, Desc, Caption string }
	d := told[drawing](w, `(s => ({Title: s.querySelector('title').textContent, Desc: s.querySelector('desc').textContent, Caption: s.closest('figure').querySelector('figcaption').innerText}))(document.querySelector('figure svg[role=img]'))`)
	if !strings.Contains(d.Title, "Failed connection rate") || !strings.Contains(d.Desc, " %") || !strings.Contains(d.Caption, " %") {
		t.Errorf("who does not see the drawing is told %+v", d)
	}
	w.tabsTo("SUMMARY", "The same as a table")
	w.does(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible(chromedp.CSS("details[open] table caption")))
	w.tabsTo("DIV", "") // the table scrolls by keys
	if rows := told[int](w, "document.activeElement.querySelectorAll('tbody tr').length"); rows < 28 {
		t.Errorf("the table has %d rows", rows)
	}
}

func psqlTakesIt(t *testing.T, h *house) {
	psql := needs(t, "psql")
	w := h.ada(t, false)
	w.opens("/account")
	if status := w.presses("Make "); status != http.StatusOK {
		t.Fatalf("an SQL password: %d %s", status, w.text("main"))
	}
	shown := told[[]string](w, "[...document.querySelectorAll('.once pre')].map(e => e.innerText)")
	if len(shown) != 2 || !strings.HasPrefix(shown[1], "psql ") {
		t.Fatalf("shown: %d things", len(shown))
	}
	line := shown[1]
	ask := func(password string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", line+` -X -w -A -t -c "SELECT count(*) > 0 FROM fleet.device"`)
		cmd.Env = append(os.Environ(), "PGPASSWORD="+password, "HOME="+t.TempDir())
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if said, err := ask(shown[0]); err != nil || said != "t" {
		t.Fatalf("%s: %v %s", psql, err, said)
	}
	w.opens("/account")
	if strings.Contains(told[string](w, "document.documentElement.innerHTML"), shown[0]) {
		t.Error("the password is shown a second time")
	}
	if status := w.presses("Make a new one, in place"); status != http.StatusOK {
		t.Fatalf("a new one: %d", status)
	}
	if said, err := ask(shown[0]); err == nil {
		t.Errorf("the password before still opens: %s", said)
	}
	if said, err := ask(w.text(".once pre")); err != nil || said != "t" {
		t.Errorf("the new one: %v %s", err, said)
	}
}

func newPassword(t *testing.T, h *house) {
	made := h.add("changes", "--role", "viewer").PagePassword
	here, there := h.tab(t, false), h.tab(t, false)
	here.signsIn("changes", made)
	if said := here.text("[role=note]"); !strings.Contains(said, "Somebody else has seen your password") {
		t.Errorf("about a password that weir made: %s", said)
	}
	if status := there.signsIn("changes", made); status != http.StatusOK || there.path() != "/" {
		t.Fatalf("a second browser: %d at %s", status, there.path())
	}
	here.opens("/account")
	const next = "nineteen otters at noon"
	change := func(old string) int64 {
		return here.types("Change it", "#old", old, "#new", next, "#again", next)
	}
	if status := change("not the old one at all"); status < 400 || here.text("[role=alert]") == "" {
		t.Errorf("without the old one: %d %s", status, here.text("main"))
	}
	if status := change(made); status != http.StatusOK || !strings.Contains(here.text("[role=status]"), "password is changed") {
		t.Fatalf("changed: %d %s", status, here.text("main"))
	}
	there.opens("/")
	if at := there.path(); at != "/sign-in" {
		t.Errorf("the other browser is still at %s", at)
	}
	if status := there.signsIn("changes", made); status != http.StatusForbidden {
		t.Errorf("the old password: %d", status)
	}
	if status := there.signsIn("changes", next); status != http.StatusOK || there.path() != "/" {
		t.Errorf("the new password: %d at %s", status, there.path())
	}
}

func signsOut(t *testing.T, h *house) {
	w := h.ada(t, false)
	w.opens("/metrics/failed_connection_rate?by=model")
	if status := w.presses("Sign out"); status != http.StatusOK || w.path() != "/sign-in" {
		t.Fatalf("signed out: %d at %s", status, w.path())
	}
	w.goes(chromedp.NavigateBack())
	if at := w.path(); !strings.HasPrefix(at, "/sign-in") || strings.Contains(w.text("main"), "Failed") {
		t.Errorf("going back shows %s:\n%s", at, w.text("main"))
	}
	w.types("Sign in", "#name", "ada", "#password", ownPassword)
	if at := w.path(); at != "/metrics/failed_connection_rate?by=model" {
		t.Errorf("signing in leads to %s and not back", at)
	}
}

func refusals(t *testing.T, h *house) {
	boss := h.comesIn(t, "boss", "admin")
	vera := h.comesIn(t, "vera", "viewer")
	alan := h.comesIn(t, "alan", "analyst")
	for _, w := range []*tab{vera, alan} {
		for _, path := range []string{"/people", "/people/boss", "/people/boss/remove"} {
			if status := w.opens(path); status != http.StatusForbidden || !strings.Contains(w.text("main"), "administrator") {
				t.Errorf("%s: %d %s", path, status, w.text("main"))
			}
		}
		if status := w.opens("/record?person=boss"); status != http.StatusForbidden || strings.Contains(w.text("main"), "signed in") {
			t.Errorf("somebody else's record: %d %s", status, w.text("main"))
		}
	}
	vera.opens("/account")
	if strings.Contains(vera.text("main"), "psql") {
		t.Error("a viewer is offered SQL")
	}
	boss.opens("/people/alan")
	if status := boss.presses("End all sessions"); status != http.StatusOK {
		t.Fatalf("alan's sessions: %d", status)
	}
	alan.opens("/record")
	if at := alan.path(); at != "/sign-in?to=%2Frecord" {
		t.Errorf("with an ended session at %s", at)
	}
	boss.opens("/people/vera")
	boss.presses("Remove the account")
	if status := boss.presses("Remove vera"); status != http.StatusOK || strings.Contains(boss.text("table"), "vera") {
		t.Errorf("vera is removed: %d %s", status, boss.text("main"))
	}
	vera.opens("/")
	if at := vera.path(); at != "/sign-in" {
		t.Errorf("without an account at %s", at)
	}
}

func guesses(t *testing.T, h *house) {
	right := h.add("guessed", "--role", "viewer").PagePassword
	w := h.tab(t, false)
	said := map[string]string{}
	for _, name := range []string{"guessed", "nobody-of-this-name"} {
		if status := w.signsIn(name, "a guess that is wrong"); status != http.StatusForbidden {
			t.Errorf("a wrong password of %s: %d", name, status)
		}
		said[name] = w.text("main")
	}
	if said["guessed"] != said["nobody-of-this-name"] {
		t.Errorf("a wrong password says\n%s\nan unknown name\n%s", said["guessed"], said["nobody-of-this-name"])
	}
	var status int64
	for range 20 {
		if status = w.signsIn("guessed", "a guess that is wrong"); status != http.StatusForbidden {
			break
		}
	}
	if status != http.StatusTooManyRequests || !strings.Contains(w.text("[role=alert]"), "Wait ") {
		t.Fatalf("after many guesses: %d %s", status, w.text("main"))
	}
	eventually(t, "the right password opens after the wait", func() bool { return w.signsIn("guessed", right) == http.StatusOK })
}
