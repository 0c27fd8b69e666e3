package fleet

import (
	"math"
	"sort"
	"time"
)

// account and device are what all tables agree on; everything else about them comes from their own dice.
type account struct {
	created, deleted instant
	firstDevice      int // index of devices
	devices          int // how many were set up by this account
	home, network    int // ids, 0 for none
	homes            int
	networks         int
	region, isp      int
	internal, beta   bool
	ios              bool
	sessions         float64 // app sessions a day
}

type device struct {
	owner, first     int // accounts, -1 for none: now, and who set it up
	model            int
	fw0, fw1         int // firmware ids before and after updated
	updated          instant
	activated, bound instant
	rebound          instant // a second binding, to owner when that is another account
	unbound          instant
	died             instant // silent since; never for a living one
	views            float64 // connection attempts a day
	flaps            float64 // sessions a day
	skew             skew
	synthetic        bool
	privacy          bool
}

// skew is what is wrong with a device's clock (S5).
type skew uint8

const (
	skewNone skew = iota
	skewEpoch
	skewAhead
)

// Rates and shares of the generated company; sources and assumptions stand in the fleet's documentation.
const (
	shareWithoutDevice = .08
	signupsPerDay      = .0009 // of the accounts
	accountAge         = 4 * 365 * day
	shareDead          = .07
	shareDying         = .015
	shareRebound       = .15
	shareSold          = .40 // of the rebound
	shareUnbound       = .02
	shareFlapping      = .005
	sharePrivacy       = .04 // of the cameras
	shareSkewed        = .003
	deletionsPerDay    = .0005
	shareCanceled      = .02
	shareUnknown       = .007
	failedRate         = .045
	badFailedRate      = .145
	badShare           = .35 // of the model, when the rollout was halted
	internalFailedRate = .30
	shareLate          = .015
	shareVeryLate      = .0001
	shareDuplicate     = .005
	rebootFactor       = 20
	internalDevices    = 200
	christmasDevices   = 7.0
	christmasSignups   = 5.0
	christmasPresents  = .3
	christmasSessions  = 1.4
	christmasFailures  = 1.8
	maxInternal        = 20
	maxTesters         = 140
)

// company is the whole fleet in memory, a few hundred bytes per account.
type company struct {
	seed        uint64
	profile     Profile
	from, until instant
	days        int // UTC days that the span touches
	accounts    []account
	devices     []device
	firmwares   []firmware
	internals   int // accounts 1..internals are the company's own (S8)
	testers     int // the next ones test the health scale
	homes       int
	networks    int
	christmas   int // the day's number in the span, -1 when it isn't in it
	offsets     [][]span
	canaries    canaries
}

// newCompany decides who exists; it needs no database.
func newCompany(o Options) (*company, error) {
	until := at(o.Until)
	c := &company{seed: o.Seed, profile: o.Profile, until: until, from: until - span(o.Days)*day, christmas: -1}
	c.days = int((until-1-c.from.floorDay())/day) + 1
	for d := range c.days {
		if t := c.dayStart(d).time(); t.Month() == time.December && t.Day() == 25 {
			c.christmas = d
		}
	}
	if err := c.loadOffsets(); err != nil {
		return nil, err
	}
	c.firmwares = firmwares(c.from, until)
	if o.Accounts >= 20 {
		c.internals = min(maxInternal, max(1, o.Accounts/500))
		c.testers = min(maxTesters, max(2, o.Accounts*14/100))
	}
	c.found(o.Accounts)
	c.furnish()
	c.canaries = newCanaries(c)
	return c, nil
}

func (c *company) dayStart(d int) instant { return c.from.floorDay() + span(d)*day }

// loadOffsets reads each region's offset from UTC for each day.
func (c *company) loadOffsets() error {
	c.offsets = make([][]span, len(regions))
	for i, r := range regions {
		zone, err := time.LoadLocation(r.zone)
		if err != nil {
			return errNoZones(err)
		}
		c.offsets[i] = make([]span, c.days+1)
		for d := range c.offsets[i] {
			_, off := c.dayStart(d).time().Add(12 * time.Hour).In(zone).Zone()
			c.offsets[i][d] = span(off) * second
		}
	}
	return nil
}

// local is the instant on day d at which the region's clocks show that second of the day.
func (c *company) local(region, d int, secondOfDay float64) instant {
	return c.dayStart(d) + span(secondOfDay*float64(second)) - c.offsets[region][d]
}

// dayWeights weighs the days of the span, weekends a little more, with a factor for the 25th of December that fades over two days.
func (c *company) dayWeights(christmas float64) weighted {
	w := make([]float64, c.days)
	for d := range w {
		w[d] = 1
		if wd := c.dayStart(d).time().Weekday(); wd == time.Saturday || wd == time.Sunday {
			w[d] = 1.12
		}
		if c.christmas >= 0 {
			switch d - c.christmas {
			case 0:
				w[d] *= christmas
			case 1:
				w[d] *= 1 + (christmas-1)*.35
			case 2:
				w[d] *= 1 + (christmas-1)*.15
			}
		}
	}
	return newWeighted(w...)
}

// found makes the accounts, oldest first.
func (c *company) found(n int) {
	d := newDice(c.seed, "account")
	perDevice := negativeBinomial(.646, .233)
	recent := min(n/2, int(math.Round(float64(n)*signupsPerDay*float64(c.until-c.from)/float64(day))))
	when := c.signups(n, recent)
	c.accounts = make([]account, n)
	for i := range c.accounts {
		d.at(i)
		a := &c.accounts[i]
		a.created = when[i]
		a.region, a.isp = regionPick.pick(d), ispPick.pick(d)
		a.ios = d.chance(.45)
		a.beta = d.chance(.01)
		if !d.chance(shareWithoutDevice) {
			a.devices = 1 + perDevice.pick(d)
		}
		u := d.unit()
		a.sessions = 1.4 * 4 * u * u * u
		if d.chance(deletionsPerDay * float64(c.until-c.from) / float64(day)) {
			a.deleted = max(c.from, a.created+day) + span(d.unit()*float64(c.until-max(c.from, a.created+day)))
		}
		switch {
		case i == 0: // carries the canaries of its tables
			a.devices, a.deleted, a.beta = max(a.devices, 3), never, false
		case i <= c.internals:
			a.internal, a.deleted = true, never
			a.devices = internalDevices + d.below(60)
		case i <= c.internals+c.testers:
			a.beta, a.deleted = true, never
			a.devices = max(a.devices, 1)
		}
		if a.deleted > c.until-hour {
			a.deleted = never
		}
		if a.devices > 0 {
			c.settle(a, d)
		}
	}
}

// settle gives the account homes and networks.
func (c *company) settle(a *account, d *dice) {
	a.homes, a.networks = 1, 1
	if d.chance(.01) {
		a.homes = 2
	}
	if d.chance(.18) {
		a.networks = 2
	}
	a.home, a.network = c.homes+1, c.networks+1
	c.homes += a.homes
	c.networks += a.networks
}

// signups are the times at which n accounts were made, in order; the last of them fall into the span.
func (c *company) signups(n, recent int) []instant {
	d := newDice(c.seed, "signup")
	old := n - recent
	when := make([]instant, n)
	for i := range old {
		u := (float64(i) + d.unit()) / float64(old)
		when[i] = c.from - hour - span(math.Pow(1-u, 1.3)*float64(accountAge))
	}
	days := c.dayWeights(christmasSignups)
	for i := old; i < n; i++ {
		when[i] = c.inSpan(c.dayStart(days.pick(d)) + span(d.unit()*float64(day)))
	}
	sort.Slice(when, func(i, j int) bool { return when[i] < when[j] })
	return when
}

// inSpan keeps a time inside the span: partial days at the ends fold into the middle of it.
func (c *company) inSpan(t instant) instant {
	length := c.until - c.from
	switch {
	case t < c.from:
		return c.from + (c.from-t)%length
	case t >= c.until:
		return c.until - 1 - (t-c.until)%length
	}
	return t
}

// furnish makes the devices, account by account.
func (c *company) furnish() {
	d := newDice(c.seed, "device")
	days := c.dayWeights(christmasDevices)
	for i := range c.accounts {
		a := &c.accounts[i]
		a.firstDevice = len(c.devices)
		for k := range a.devices {
			d.at(len(c.devices))
			c.devices = append(c.devices, c.newDevice(d, days, i, k))
		}
	}
}

func (c *company) newDevice(d *dice, days weighted, owner, k int) device {
	a := &c.accounts[owner]
	v := device{owner: owner, first: owner, model: modelPick.pick(d), privacy: d.chance(sharePrivacy)}
	switch {
	case owner == 0 && k < 3:
		v.model = []int{badModel, lockModel, scaleModel}[k]
	case k == 0 && owner > c.internals && owner <= c.internals+c.testers:
		v.model = betaScale
	}
	v.bound = c.setUpAt(d, days, a, k)
	v.activated = v.bound - span(d.between(3, 20))*second
	camera := models[v.model].family == familyCamera
	v.views = d.lognormal(.27, .8)
	if camera {
		v.views = d.lognormal(2.0, 1.03) // a tenth of the cameras gets 40 % of the views
	}
	v.flaps = d.lognormal(.845, .8)
	if d.chance(shareFlapping) {
		v.flaps = 72
	}
	c.chooseFirmware(&v, d, a)
	c.chooseFate(&v, d, a, owner == 0)
	return v
}

// setUpAt is when the account bound its k-th device: the first right after signing up, most others in the first weeks, so that new accounts
// make the growth. Of what new accounts add, some is a present of the 25th of December (S4). The company's own rigs (S8) were half of
// them set up inside the span.
func (c *company) setUpAt(d *dice, days weighted, a *account, k int) instant {
	last := c.until
	if a.deleted != never {
		last = a.deleted
	}
	t := a.created + minute + span(d.exp(float64(20*minute)))
	late, present := d.unit(), d.chance(christmasPresents)
	switch christmas := c.dayStart(max(c.christmas, 0)); {
	case a.internal:
		t = c.until - span(2*late*float64(c.until-c.from)) - minute
	case k == 0:
	case a.created >= c.from:
		t += span(d.exp(float64(12 * hour)))
		if present && c.christmas >= 0 && a.created < christmas {
			t = christmas + span(late*float64(day))
		}
		if t >= last {
			t = a.created + span(late*float64(last-a.created))
		}
	default:
		t += span(math.Pow(late, 12) * float64(last-t))
		if t >= c.from {
			t = c.inSpan(c.dayStart(days.pick(d)) + span(d.unit()*float64(day)))
		}
	}
	return min(max(t, a.created+minute), last-minute)
}

func (c *company) chooseFirmware(v *device, d *dice, a *account) {
	v.fw0 = release(v.model, oldReleases-1-min(oldReleases-1, int(d.exp(.9))))
	if a.beta && d.chance(.5) {
		v.fw0 = release(v.model, oldReleases)
	}
	next := c.firmwares[release(v.model, oldReleases+1)-1]
	length := float64(c.until - c.from)
	u := d.unit()
	if v.model == badModel {
		// S1: 1 % on the first day, 10 % soon after, then on the way to 50 % until it was halted at 35 %.
		if u >= badShare || a.internal {
			return
		}
		wait := 0.0
		switch {
		case u >= .10:
			wait = length * (.10 + .10*d.unit())
		case u >= .01:
			wait = length * (.05 + .03*d.unit())
		}
		v.updated = next.released + span(wait)
	} else {
		if u >= .60 {
			return
		}
		v.updated = next.released + span(d.exp(length*.3))
	}
	if v.updated >= c.until-hour || v.updated <= v.bound+hour {
		v.updated = never
		return
	}
	v.fw1 = release(v.model, oldReleases+1)
}

// chooseFate is what happens to the device later: silence, a new owner, a wrong clock.
func (c *company) chooseFate(v *device, d *dice, a *account, spared bool) {
	fate, when := d.unit(), d.unit()
	rebound, sold, unbound := d.chance(shareRebound), d.chance(shareSold), d.chance(shareUnbound)
	skewed, ahead, never1, never2 := d.chance(shareSkewed), d.chance(.5), d.chance(.005), d.chance(.005)
	if spared {
		return
	}
	if skewed {
		v.skew = skewEpoch
		if ahead {
			v.skew = skewAhead
		}
	}
	if a.internal {
		v.synthetic = d.chance(.7)
		return
	}
	switch {
	case fate < shareDead && v.bound < c.from-30*day:
		v.died = v.bound + day + span(when*float64(c.from-v.bound-2*day))
	case fate < shareDead+shareDying:
		v.died = max(v.bound, c.from) + span(when*float64(c.until-max(v.bound, c.from)))
	}
	switch {
	case a.deleted != never:
		v.owner, v.unbound = -1, a.deleted
		v.died = earlier(v.died, a.deleted)
	case never1: // bound, but never seen by the cloud
		v.activated, v.died = never, v.bound
	case never2: // seen by the cloud, but never bound
		v.activated, v.bound, v.owner, v.first = v.bound, never, -1, -1
		v.died = v.activated + minute
	case rebound:
		c.rebind(v, d, sold)
	case unbound:
		v.unbound = v.bound + span(when*float64(c.until-v.bound))
		v.owner = -1
		v.died = earlier(v.died, v.unbound)
	}
}

// rebind gives the device a second binding: to the same account after a reset, or (S9) to another one.
func (c *company) rebind(v *device, d *dice, sold bool) {
	t := v.bound + 2*day + span(d.unit()*float64(c.until-v.bound))
	if t >= c.until-2*day {
		return
	}
	v.rebound = t
	if !sold {
		return
	}
	for range 4 {
		buyer := d.below(len(c.accounts))
		b := &c.accounts[buyer]
		if buyer > c.internals && b.home != 0 && b.created < t && b.deleted == never && buyer != v.owner {
			v.owner = buyer
			return
		}
	}
}

func earlier(a, b instant) instant {
	if a == never || b < a {
		return b
	}
	return a
}

// sold says whether the second binding is another account's.
func (v *device) sold() bool { return v.rebound != never && v.owner != v.first && v.owner >= 0 }

// ownerAt is the account that the device belonged to at t.
func (v *device) ownerAt(t instant) int {
	if v.sold() && t >= v.rebound {
		return v.owner
	}
	return v.first
}

// firmwareAt is the firmware id at t.
func (v *device) firmwareAt(t instant) int {
	if v.updated != never && t >= v.updated {
		return v.fw1
	}
	return v.fw0
}

// alive is the part of the span in which the device talks to the cloud; ok is false when there is none.
func (c *company) alive(v *device) (from, to instant, ok bool) {
	if v.activated == never {
		return 0, 0, false
	}
	from, to = max(c.from, v.activated), c.until
	if v.died != never {
		to = min(to, v.died)
	}
	return from, to, from < to
}
