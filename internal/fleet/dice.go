package fleet

import (
	"math"
	"math/rand/v2"
)

// dice is a stream of random numbers that belongs to one table and one entity: rows don't depend on the order in which they are made.
// The zero value is not usable; see newDice.
type dice struct {
	pcg  *rand.PCG
	rand *rand.Rand
	seed uint64
}

// newDice makes the streams of one table (or purpose) of a seed.
func newDice(seed uint64, purpose string) *dice {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(purpose) {
		h = (h ^ uint64(purpose[i])) * 1099511628211
	}
	pcg := rand.NewPCG(seed, h)
	return &dice{pcg: pcg, rand: rand.New(pcg), seed: mix(seed ^ mix(h))} //nolint:gosec // reproducible, not secret: the values are synthetic
}

// at turns the dice to the stream of one entity.
func (d *dice) at(entity int) *dice {
	k := mix(d.seed + uint64(entity)) //nolint:gosec // a wrap is as good a seed as any
	d.pcg.Seed(k, mix(k))
	return d
}

// mix is a bijection that spreads neighbouring numbers (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (d *dice) u64() uint64 { return d.pcg.Uint64() }

// unit is uniform in [0,1).
func (d *dice) unit() float64 { return float64(d.pcg.Uint64()>>11) / (1 << 53) }

func (d *dice) chance(p float64) bool { return d.unit() < p }

// below is uniform in [0,n); n is positive. The bias of the multiplication is under n/2^32.
func (d *dice) below(n int) int {
	return int((d.pcg.Uint64() >> 32) * uint64(n) >> 32) //nolint:gosec // n is positive and below 2^32
}

// between is uniform in [lo,hi].
func (d *dice) between(lo, hi int) int { return lo + d.below(hi-lo+1) }

// lognormal has the given mean (not median) and sigma.
func (d *dice) lognormal(mean, sigma float64) float64 {
	return mean * math.Exp(sigma*d.rand.NormFloat64()-sigma*sigma/2)
}

func (d *dice) exp(mean float64) float64 { return mean * d.rand.ExpFloat64() }

// poisson counts events of the given mean.
func (d *dice) poisson(mean float64) int {
	if mean <= 0 {
		return 0
	}
	if mean > 30 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*d.rand.NormFloat64())))
	}
	limit, n := math.Exp(-mean), 0
	for p := d.unit(); p > limit; p *= d.unit() {
		n++
	}
	return n
}

// weighted picks an index by cumulative weights; the last weight is the total.
type weighted []float64

func newWeighted(weights ...float64) weighted {
	w := make(weighted, len(weights))
	sum := 0.0
	for i, x := range weights {
		sum += x
		w[i] = sum
	}
	return w
}

// zipf weights n ranks by 1/rank^s.
func zipf(n int, s float64) weighted {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -s)
	}
	return newWeighted(weights...)
}

func (w weighted) pick(d *dice) int {
	x := d.unit() * w[len(w)-1]
	lo, hi := 0, len(w)-1
	for lo < hi {
		mid := (lo + hi) / 2
		if w[mid] <= x {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// negativeBinomial is the weights of NegBin(r,p) for 0, 1, 2 … until the tail no longer matters.
func negativeBinomial(r, p float64) weighted {
	var weights []float64
	mass := math.Pow(p, r)
	for k := 0; k < 400; k++ {
		weights = append(weights, mass)
		mass *= (r + float64(k)) / float64(k+1) * (1 - p)
	}
	return newWeighted(weights...)
}
