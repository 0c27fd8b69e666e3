package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/metric"
)

// The screenshot that the README shows. With WEIR_WRITE_DOCS=1 the test makes it anew, from a larger fleet; otherwise it looks whether the page still has the parts seen in it.
var (
	picture   = filepath.Join("..", "..", "docs", "images", "overview.png")
	writeDocs = os.Getenv("WEIR_WRITE_DOCS") == "1"
)

const (
	pictureWidth  = 1440
	pictureMost   = 300_000 // bytes
	pictureFleet  = 6_000   // accounts
	fewestColours = 40      // of a page with letters and lines, whose edges are smoothed
	leastPaper    = 0.6     // of the picture is of the colour that there is most of
	mostPaper     = 0.98    // more is an empty page
)

// pageFleet is how many accounts the page's fleet has.
func pageFleet() int {
	if writeDocs {
		return pictureFleet
	}
	return pageAccounts
}

func screenshot(t *testing.T, h *house) {
	w := h.ada(t, false)
	h.does(t, "verify")
	eventually(t, "at least four metrics have a number of today that is marked as provisional", func() bool {
		h.connects(t) // however young the day is
		w.opens("/")
		return told[int](w, "document.querySelectorAll('.provisional-mark').length") >= 4
	})
	seen := w.text("main")
	for _, m := range decoded[[]metric.Info](t, h.does(t, "metric", "list", "--json")) {
		if !strings.Contains(seen, m.Label) {
			t.Errorf("the overview does not show %s", m.Label)
		}
	}
	for _, part := range []string{"Last whole day", "Against a week before", "Copy safety", "are held back", "following", "equal, "} {
		if !strings.Contains(seen, part) {
			t.Errorf("the overview does not show %q:\n%s", part, seen)
		}
	}
	now := w.shot()
	if writeDocs {
		if err := os.WriteFile(picture, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inReadme, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	for what, data := range map[string][]byte{"the overview": now, "the README's picture of it": inReadme} {
		looksLikeAPage(t, what, data)
	}
}

// connects lets a customer open a camera now.
func (h *house) connects(t *testing.T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), h.production)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	tag, err := conn.Exec(t.Context(), `INSERT INTO fleet.connection_attempt
  (attempt_group, try_uuid, try_no, device_id, user_id, is_shared_user, purpose, transport, started_at, received_at, duration_ms, ok, firmware_id, app_os, region_code)
SELECT gen_random_uuid(), gen_random_uuid(), 1, device_id, user_id, false, 'live_view', 'p2p', $1, $1, 700, true, firmware_id, 'ios', 'US-CA'
FROM fleet.device JOIN fleet.app_user ON user_id = owner_user_id JOIN fleet.product_model USING (model_id)
WHERE family = 'camera' AND NOT is_internal AND NOT is_synthetic AND deleted_at IS NULL ORDER BY device_id LIMIT 1`, time.Now())
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%v, %v", tag, err)
	}
}

// shot is a picture of the whole page.
func (w *tab) shot() []byte {
	w.t.Helper()
	data, err := chromedp.Run(w.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		w.t.Fatal(w.seen(err))
	}
	return data
}

// looksLikeAPage fails the test when a picture is not one of a page with letters and lines on much paper.
func looksLikeAPage(t *testing.T, what string, data []byte) {
	t.Helper()
	p, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	size := p.Bounds()
	if size.Dx() != pictureWidth || size.Dy() < 600 || size.Dy() > 1600 || len(data) > pictureMost {
		t.Errorf("%s is %v and has %d bytes", what, size, len(data))
	}
	colours, paper := palette(p)
	if len(colours) < fewestColours {
		t.Errorf("%s has %d colours", what, len(colours))
	}
	all := float64(size.Dx() * size.Dy())
	if of := float64(colours[paper]) / all; of < leastPaper || of > mostPaper {
		t.Errorf("%s is to %.2f of one colour", what, of)
	}
}

// palette counts a picture's colours, and says which there is most of.
func palette(p image.Image) (count map[color.Color]int, most color.Color) {
	count = map[color.Color]int{}
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y++ {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x++ {
			count[p.At(x, y)]++
		}
	}
	for c, n := range count {
		if n > count[most] {
			most = c
		}
	}
	return count, most
}
