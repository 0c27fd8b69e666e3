package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// view is a kind of page, and the way to one of that kind.
type view struct {
	name   string
	status int64
	open   func(w *tab) int64
}

func at(name, path string, status int64) view {
	return view{name, status, func(w *tab) int64 { return w.opens(path) }}
}

// strangerViews are what is seen without being signed in.
func (h *house) strangerViews(t *testing.T) []view {
	return []view{
		at("sign-in", "/sign-in", http.StatusOK),
		{"sign-in-wrong", http.StatusForbidden, func(w *tab) int64 { return w.types("Sign in", "#name", "nobody-here", "#password", "not the password") }},
		at("link-invitation", strings.TrimSpace(h.does(t, "user", "invite", longName)), http.StatusOK),
		at("link-used", "/link/"+strings.Repeat("A", 43), http.StatusForbidden),
	}
}

// longName is the longest name that an account may have.
var longName = "a.very-long.name_of-somebody@" + strings.Repeat("x", 63-29)

// readerViews are what an analyst sees.
func readerViews() []view {
	return []view{
		at("overview", "/", http.StatusOK),
		at("metric", "/metrics/device_activations", http.StatusOK),
		at("metric-by", "/metrics/failed_connection_rate?by=model&grain=day&span=28", http.StatusOK),
		at("metric-hours", "/metrics/failed_connection_rate?grain=hour&span=7", http.StatusOK),
		at("metric-nothing", "/metrics/device_activations?by=family&from=2001-01-01&to=2001-01-08", http.StatusOK),
		at("metric-refused", "/metrics/failed_connection_rate?from=2026-11-20&to=2026-11-01", http.StatusUnprocessableEntity),
		at("copy", "/copy", http.StatusOK),
		at("copy-filtered", "/copy?q=email", http.StatusOK),
		at("record", "/record?limit=12", http.StatusOK),
		at("record-nothing", "/record?to=2001-01-01", http.StatusOK),
		at("account", "/account", http.StatusOK),
		{"account-once", http.StatusOK, func(w *tab) int64 { return w.presses("Make") }},
		at("not-found", "/nothing/here", http.StatusNotFound),
		at("not-allowed", "/people", http.StatusForbidden),
	}
}

// administratorViews are what an administrator sees and nobody else.
func administratorViews() []view {
	return []view{
		at("overview-administrator", "/", http.StatusOK),
		at("record-everybody", "/record?limit=12", http.StatusOK),
		at("people", "/people", http.StatusOK),
		{"people-added", http.StatusOK, func(w *tab) int64 {
			w.does(chromedp.Click(chromedp.CSS(`input[value="service"]`)), chromedp.Click(chromedp.CSS(`input[value="analyst"]`)))
			return w.types("Add", "#name", "grafana", "#networks", "192.0.2.0/24, 2001:db8::/32")
		}},
		at("person", "/people/"+longName, http.StatusOK),
		{"person-invited", http.StatusOK, func(w *tab) int64 { return w.presses("Invite again") }},
		{"service-certificate", http.StatusOK, func(w *tab) int64 {
			w.opens("/people/grafana")
			return w.presses("Issue a certificate")
		}},
		at("remove", "/people/grafana/remove", http.StatusOK),
	}
}

// everyView goes through all views, each as somebody who sees it.
func (h *house) everyView(t *testing.T, see func(w *tab, v view)) {
	t.Helper()
	long := h.add(longName, "--role", "viewer").PagePassword
	through := func(w *tab, views []view) {
		for _, v := range views {
			if status := v.open(w); status != v.status {
				t.Errorf("%s: status %d, want %d\n%s", v.name, status, v.status, w.text("main"))
			}
			see(w, v)
		}
	}
	through(h.tab(t, true), h.strangerViews(t))
	through(h.tab(t, true), []view{{"overview-long-name", http.StatusOK, func(w *tab) int64 { return w.signsIn(longName, long) }}})
	through(h.ada(t, true), readerViews())
	keeper := h.tab(t, true)
	keeper.signsIn("keeper", h.add("keeper", "--role", "admin").PagePassword)
	through(keeper, administratorViews())
}

// looks emulates a window of that width and the taste for light or dark.
func (w *tab) looks(width int64, scheme string) {
	w.t.Helper()
	height := int64(900)
	var more []chromedp.EmulateViewportOption
	if width < 600 {
		height, more = 844, []chromedp.EmulateViewportOption{chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait}
	}
	w.does(chromedp.EmulateViewport(width, height, more...), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}, // what moves is nowhere to be looked at
		}})
		return err
	}))
}

// judge is what axe-core asks of a page: the rules of WCAG 2.2 A and AA and its own best practices.
const judge = `axe.run(document, {preload: false, resultTypes: ['violations'], rules: {'target-size': {enabled: true}},
	runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}})
	.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ' (' + v.impact + ') ' + n.target.join(' ') + ': ' + n.html.slice(0, 160) + ' ' + [...n.any, ...n.all, ...n.none].map(c => c.message).join('; ').slice(0, 300))))`

// contrast is what can differ between light and dark.
const contrast = `axe.run(document, {preload: false, resultTypes: ['violations'], runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}})
	.then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ' ' + n.target.join(' ') + ': ' + n.html.slice(0, 160) + ' ' + n.any.map(c => c.message).join('; ').slice(0, 200))))`

// world puts a script beside the page, in a world of its own that the page's content policy is not about, and returns a function that evaluates there.
func (w *tab) world(script string) func(expression string) []string {
	w.t.Helper()
	var id runtime.ExecutionContextID
	run := func(expression string, into *[]string) {
		w.t.Helper()
		w.does(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			option := func(p *runtime.EvaluateParams) { p.ContextID = id }
			var err error
			if into == nil {
				_, err = chromedp.Evaluate[chromedp.Void](expression, option)(ctx, target)
				return err
			}
			*into, err = chromedp.Evaluate[[]string](expression, option, chromedp.EvalAwaitPromise)(ctx, target)
			return err
		}))
	}
	w.does(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		tree, err := cdp.Call(ctx, target, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return err
		}
		made, err := cdp.Call(ctx, target, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: tree.FrameTree.Frame.ID, WorldName: "judge"})
		id = made.ExecutionContextID
		return err
	}))
	run(script, nil)
	return func(expression string) (found []string) {
		w.t.Helper()
		run(expression, &found)
		return found
	}
}

// A house of its own, because looking at everything takes as long as all the stories of the page.
func TestEveryPageCanBeReadByEverybody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.does(t, "verify")
	h.comesIn(t, "alan", "analyst") // so that there is somebody to be seen
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	axe, err := os.ReadFile(needs(t, filepath.Join(cache, "weir-tests", "node_modules", "axe-core", "axe.min.js")))
	if err != nil {
		t.Fatal(err)
	}
	h.everyView(t, func(w *tab, v view) {
		evaluate := w.world(string(axe))
		for _, look := range []struct {
			width          int64
			scheme, asking string
		}{{1440, "light", judge}, {1440, "dark", contrast}, {390, "dark", contrast}, {390, "light", judge}} {
			w.looks(look.width, look.scheme)
			for _, violation := range evaluate(look.asking) {
				t.Errorf("%s, %d wide, %s: %s", v.name, look.width, look.scheme, violation)
			}
			w.fits(v.name, look.width)
		}
		w.looks(320, "light") // 1280 at four times the size
		w.fits(v.name, 320)
		w.looks(720, "light") // 1440 at twice
		w.fits(v.name, 720)
		w.looks(1440, "light")
	})
}

// fits fails the test when the page has to be moved sideways to be read.
func (w *tab) fits(name string, width int64) {
	w.t.Helper()
	if is := told[int64](w, "document.scrollingElement.scrollWidth"); is > width {
		w.t.Errorf("%s is %d wide in a window of %d: %s", name, is, width, told[string](w, fmt.Sprintf(`[...document.querySelectorAll('main *, header *, footer *')].filter(e => e.getBoundingClientRect().right > %d && !e.parentElement.closest('.scroll')).map(e => e.outerHTML.slice(0, 80)).slice(0, 3).join(' | ')`, width)))
	}
}
