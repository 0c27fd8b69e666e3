package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	browserlog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"github.com/weirproject/weir/internal/fleet"
)

// The stories of the page share one weir, whose fleet has the eight weeks that the page looks back over, and one browser.
const (
	pageAccounts = 120
	pageDays     = 64
	pagePatience = patience // for whatever a page does
)

// needs finds a program or file of the machine. Without it the test is skipped, which under CI is a failure: .ci/prepare clients installs them all.
func needs(t *testing.T, places ...string) string {
	t.Helper()
	for _, p := range places {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
		if _, err := os.Stat(p); err == nil && filepath.IsAbs(p) {
			return p
		}
	}
	t.Skipf("none of %v is here: run .ci/prepare clients", places)
	return ""
}

// house is a weir with a page, and a browser that trusts weir's own authority.
type house struct {
	*gated
	production string // where its numbers come from
	browser    context.Context
	link       string // the first administrator's, as weir run printed it
	at         string // https://localhost:port
}

var printedLink = regexp.MustCompile(`https://localhost:\d+/link/[A-Za-z0-9_-]{43}`)

func newHouse(t *testing.T) *house {
	t.Helper()
	chromium, certutil := needs(t, "chromium", "chromium-browser", "google-chrome"), needs(t, "certutil")
	server, _ := privateServer(t, fast) // it takes long to fill, which others would have to wait for
	production := server.URL("postgres")
	// The fleet has lived until now, so that the days that the page looks back over have numbers.
	if _, err := fleet.Create(t.Context(), fleet.Options{URL: production, Accounts: pageFleet(), Days: pageDays, Seed: 7, Until: time.Now()}); err != nil {
		t.Fatal(err)
	}
	h := &house{gated: newGatedOver(t, production), production: production}
	eventually(t, "weir prints the first administrator's link", func() bool { return printedLink.MatchString(h.run.output()) })
	h.link = printedLink.FindString(h.run.output())
	h.at = h.link[:strings.Index(h.link, "/link/")]
	h.browser = startBrowser(t, chromium, trusting(t, certutil, h.add("ada", "--role", "analyst").SQL.CA))
	if status := h.tab(t, false).chooses(strings.TrimSpace(h.does(t, "user", "invite", "ada")), ownPassword); status != http.StatusOK {
		t.Fatalf("ada's link: %d", status)
	}
	return h
}

// trusting makes a home whose browser verifies with the one authority beside those of the system, as somebody does who imports it.
func trusting(t *testing.T, certutil, ca string) (home string) {
	t.Helper()
	home = t.TempDir()
	store := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(store, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "weir", "-t", "C,,", "-i", ca}} {
		if out, err := exec.CommandContext(t.Context(), certutil, append([]string{"-d", "sql:" + store}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return home
}

// startBrowser starts a browser that ends with the test.
func startBrowser(t *testing.T, path, home string) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Env("HOME="+home),
		chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	all, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	browser, closeBrowser := chromedp.NewContext(all)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	return browser
}

// tab is one person's browser, with cookies of its own. It watches for what no page may do.
type tab struct {
	t   *testing.T
	h   *house
	ctx context.Context

	mu    sync.Mutex // guards wrong
	wrong []string
}

// tab opens one. Unless scripts are asked for, none would run: nothing on a page needs them.
func (h *house) tab(t *testing.T, scripts bool) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(h.browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	w := &tab{t: t, h: h, ctx: ctx}
	if err := chromedp.Listen(ctx, w.watch); err != nil {
		t.Fatal(err)
	}
	w.does(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, audits.Enable, cdp.Empty{})
		if err == nil && !scripts {
			_, err = cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		}
		return err
	}))
	w.looks(1440, "light")
	t.Cleanup(w.wasGood)
	return w
}

// watch notes what no page may do: ask another origin for something, ask for what is not there, break its own content policy, or write to the console.
func (w *tab) watch(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	note := func(format string, args ...any) { w.wrong = append(w.wrong, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, w.h.at+"/") && !strings.HasPrefix(u, "data:") {
			note("asked for %s", u)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 && e.Type != network.ResourceTypeDocument {
			note("%s %s: %d", e.Type, e.Response.URL, e.Response.Status)
		}
	case *network.EventLoadingFailed:
		note("%s: %s", e.Type, e.ErrorText)
	case *browserlog.EventEntryAdded:
		if e.Entry.Source != browserlog.EntrySourceNetwork || !strings.HasPrefix(e.Entry.Text, "Failed to load resource: the server responded with a status of 4") { // the document's status, which the tests look at
			note("%s: %s", e.Entry.Source, e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled, *runtime.EventExceptionThrown:
		note("a script ran: %v", e)
	case *audits.EventIssueAdded:
		note("the browser complains: %s", e.Issue.Code)
	}
}

// wasGood fails the test for everything that was noted.
func (w *tab) wasGood() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.wrong {
		w.t.Errorf("a page %s", s)
	}
}

// does runs steps that lead to no other page.
func (w *tab) does(steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	if err := chromedp.Do(w.ctx); err != nil { // the tab's life is not bound to one step
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.ctx, pagePatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatal(w.seen(err))
	}
}

// goes runs steps that lead to another page, and returns its status.
func (w *tab) goes(steps ...chromedp.Action[chromedp.Void]) (status int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, pagePatience)
	defer cancel()
	r, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		w.t.Fatal(w.seen(err))
	}
	if active := told[int](w, `document.scripts.length + document.querySelectorAll('[style], iframe, object, embed').length + [...document.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length`); active != 0 {
		w.t.Errorf("%s has %d things that are scripts, styles of their own or foreign", r.URL, active)
	}
	if r.SecurityState != security.StateSecure || r.SecurityDetails.SubjectName != "localhost" && !slices.Contains(r.SecurityDetails.SanList, "localhost") {
		w.t.Errorf("%s is %s, with a certificate of %s", r.URL, r.SecurityState, r.SecurityDetails.SubjectName)
	}
	if policy, _ := r.Headers["content-security-policy"].(string); !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "unsafe") {
		w.t.Errorf("%s has the content policy %q", r.URL, policy)
	}
	return r.Status
}

// opens goes to an address, as somebody does who types it.
func (w *tab) opens(path string) (status int64) {
	w.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = w.h.at + path
	}
	return w.goes(chromedp.Navigate(path))
}

// seen adds to an error what the tab shows.
func (w *tab) seen(err error) error {
	ctx, cancel := context.WithTimeout(w.ctx, 30*time.Second)
	defer cancel()
	text, more := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + (document.body ? document.body.innerText : "")`))
	return errors.Join(err, errors.New(text), more)
}

// told evaluates an expression about the page.
func told[T any](w *tab, expression string) T {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, pagePatience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		w.t.Fatalf("%s: %v", expression, w.seen(err))
	}
	return v
}

// text is what the first element of a selector shows.
func (w *tab) text(selector string) string {
	w.t.Helper()
	return told[string](w, fmt.Sprintf(`(e => e ? e.innerText.trim() : "")(document.querySelector(%q))`, selector))
}

// types fills fields of a form, and sends it.
func (w *tab) types(button string, fields ...string) (status int64) {
	w.t.Helper()
	var steps []chromedp.Action[chromedp.Void]
	for i := 0; i < len(fields); i += 2 {
		steps = append(steps, chromedp.Clear(chromedp.CSS(fields[i])), chromedp.SendKeys(chromedp.CSS(fields[i]), fields[i+1]))
	}
	w.does(steps...)
	return w.presses(button)
}

// presses clicks on the button or link with that text, and returns the status of where it leads.
func (w *tab) presses(text string) (status int64) {
	w.t.Helper()
	return w.goes(chromedp.Click(fmt.Sprintf(`//main//*[self::button or self::a][starts-with(normalize-space(.), %q)] | //header//*[self::button or self::a][starts-with(normalize-space(.), %q)]`, text, text)))
}

// signsIn comes in by the form.
func (w *tab) signsIn(name, password string) (status int64) {
	w.t.Helper()
	w.opens("/sign-in")
	return w.types("Sign in", "#name", name, "#password", password)
}

// chooses opens a single-use link and chooses the password there.
func (w *tab) chooses(link, password string) (status int64) {
	w.t.Helper()
	if status := w.opens(link); status != http.StatusOK {
		return status
	}
	return w.types("Choose it and sign in", "#password", password, "#again", password)
}

// ownPassword is what everybody here chooses.
const ownPassword = "heron sluice 40 lanterns"

// comesIn makes an account and a tab in which its owner is signed in.
func (h *house) comesIn(t *testing.T, name, role string) *tab {
	t.Helper()
	w := h.tab(t, false)
	if status := w.signsIn(name, h.add(name, "--role", role).PagePassword); status != http.StatusOK || w.path() != "/" {
		t.Fatalf("%s does not come in: %d\n%s", name, status, w.text("main"))
	}
	return w
}

// ada is a tab in which the house's analyst is signed in.
func (h *house) ada(t *testing.T, scripts bool) *tab {
	t.Helper()
	w := h.tab(t, scripts)
	if status := w.signsIn("ada", ownPassword); status != http.StatusOK || w.path() != "/" {
		t.Fatalf("ada does not come in: %d\n%s", status, w.text("main"))
	}
	return w
}

// path is where the tab is.
func (w *tab) path() string {
	w.t.Helper()
	return told[string](w, "location.pathname + location.search")
}

func TestThePage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, story := range []struct {
		name string
		tell func(t *testing.T, h *house)
	}{
		{"the first administrator comes in, sees no number and lets an analyst in", firstAdministrator},
		{"an analyst reads the numbers that weir metric show gives", readsNumbers},
		{"everything on the way to a number can be done with the keys", byKeys},
		{"psql takes what the page shows", psqlTakesIt},
		{"a new password sends the other browser out", newPassword},
		{"whoever signs out leaves nothing behind", signsOut},
		{"what a role may not do is refused, and whoever is sent out is out", refusals},
		{"the screenshot of the README shows the page", screenshot},
		{"whoever guesses is slowed, and learns nothing", guesses},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, h) })
	}
}
