package fault

import "testing"

func TestEditDistanceCountsSlipsOfTheHand(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"keep", "", 4},
		{"keep", "keep", 0},
		{"kepe", "keep", 1}, // swapped
		{"kep", "keep", 1},
		{"keeep", "keep", 1},
		{"deep", "keep", 1},
		{"drop", "keep", 3},
		{"ca", "abc", 3}, // a swap does not go apart again
	} {
		if got := EditDistance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
		if got := EditDistance(c.b, c.a); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
