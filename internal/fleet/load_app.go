package fleet

import "net/netip"

// bumps is the diurnal shape of what people do: 7–9 h and 17–22 h local time, by half hours.
var bumps = func() weighted {
	w := make([]float64, 48)
	for i := range w {
		switch h := i / 2; {
		case h < 6:
			w[i] = .15
		case h >= 7 && h < 9:
			w[i] = 1.8
		case h >= 17 && h < 22:
			w[i] = 2.2
		default:
			w[i] = .8
		}
	}
	return newWeighted(w...)
}()

// secondOfDay draws from the bumps.
func secondOfDay(d *dice) float64 { return (float64(bumps.pick(d)) + d.unit()) * 1800 }

func weekendFactor(t instant) float64 {
	if wd := (t/day + 4) % 7; wd == 0 || wd == 6 { // 1970-01-01 was a Thursday
		return 1.12
	}
	return 1
}

// attempts is the connection attempts while they are written.
type attempts struct {
	c  *company
	r  *rows
	tl *tally
	d  *dice
	id int
}

var (
	purposes     = []string{"live_view", "playback", "settings", "firmware_check", "two_way_talk"}
	purposePick  = newWeighted(62, 18, 12, 3, 5)
	transports   = []string{"p2p", "relay", "local"}
	transportPic = newWeighted(60, 25, 15)
	failures     = []string{"DEVICE_OFFLINE", "P2P_TIMEOUT", "RELAY_UNAVAILABLE", "AUTH_REJECTED", "STREAM_STALLED", "DNS_FAILURE"}
	failurePick  = newWeighted(35, 30, 12, 6, 12, 5)
	badPick      = newWeighted(2, 25, 3, 1, 68, 1)
)

const (
	codeOffline   = "DEVICE_OFFLINE"
	codeCancelled = "USER_CANCELLED"
)

func (c *company) connectionAttempts(r *rows, tl *tally) {
	w := attempts{c: c, r: r, tl: tl, d: newDice(c.seed, "connection_attempt")}
	for i := range c.devices {
		v := &c.devices[i]
		from, to, ok := c.alive(v)
		if !ok || v.first < 0 {
			continue
		}
		w.d.at(i)
		views := v.views
		if i == 0 {
			views = max(views, 8)
		}
		for n := range c.days {
			for range w.d.poisson(views * weekendFactor(c.dayStart(n))) {
				t := c.local(c.accounts[v.first].region, n, secondOfDay(w.d))
				if t >= from && t < to-minute {
					w.group(i, v, t)
				}
			}
		}
	}
}

// try is one row of connection_attempt.
type try struct {
	uuid1, uuid2, group1, group2 uint64
	no, device, user, ms, fw     int
	shared, known, ok            bool
	ios                          bool
	code, purpose, transport     string
	app                          string
	t, received                  instant
	ip                           netip.Addr
	asn, region                  int
}

// group writes one logical attempt: its tries and how it ended.
func (w *attempts) group(i int, v *device, t instant) {
	d, c := w.d, w.c
	owner := v.ownerAt(t)
	user := owner
	y := try{device: i, fw: v.firmwareAt(t), t: t, group1: d.u64(), group2: d.u64(), known: true}
	internal := c.accounts[owner].internal
	if !internal && d.chance(.12) { // the company shares its own devices with nobody
		if u := d.below(len(c.accounts)); u > c.internals && c.accounts[u].created < t && c.accounts[u].deleted == never {
			user, y.shared = u, u != owner
		}
	}
	a := &c.accounts[user]
	y.user, y.ios, y.asn, y.region = user, a.ios, isps[a.isp].asn, a.region
	y.purpose, y.transport = purposes[purposePick.pick(d)], transports[transportPic.pick(d)]
	y.app = appVersions[appPick.pick(d)]
	y.ip = publicIP(d)
	if user == 0 {
		y.ip = c.canaries.addrs["connection_attempt.client_ip"]
	}
	bad := c.firmwares[y.fw-1].bad
	rate, codes := failedRate, failurePick
	if bad {
		rate, codes = badFailedRate, badPick
	}
	if internal {
		rate = internalFailedRate
	}
	o := w.outcome(d, rate)
	w.tl.attempt(o, bad, internal || v.synthetic)
	fails := 0
	switch {
	case o == outcomeFailed:
		fails = 1 + d.poisson(.9)
	case d.chance(.05):
		fails = 1 + d.poisson(.2)
	}
	code := failures[codes.pick(d)]
	if o == outcomeFailed && code == codeOffline {
		w.tl.attemptOffline(bad, internal || v.synthetic)
	}
	for k := range fails {
		y.no, y.ok, y.code, y.ms = k+1, false, code, 1500+int(d.exp(5000))
		w.put(y)
		y.t += span(y.ms)*1000 + span(d.between(800, 9000))*1000
	}
	if o == outcomeFailed {
		return
	}
	y.no, y.ok, y.code = fails+1, true, ""
	y.ms = int(d.lognormal(1100, .6))
	switch o {
	case outcomeUnknown:
		y.known = false
	case outcomeCancelled:
		y.ok, y.code = false, codeCancelled
	case outcomeOK, outcomeFailed:
	}
	w.put(y)
}

// outcome decides how a logical attempt ends; rate is of those that are neither cancelled nor unknown.
func (w *attempts) outcome(d *dice, rate float64) outcome {
	switch u := d.unit(); {
	case u < shareCanceled:
		return outcomeCancelled
	case u < shareCanceled+shareUnknown:
		return outcomeUnknown
	}
	if d.chance(rate) {
		return outcomeFailed
	}
	return outcomeOK
}

func (w *attempts) put(y try) {
	d := w.d
	y.uuid1, y.uuid2 = d.u64(), d.u64()
	y.received = w.c.arrival(d, y.t+span(y.ms)*1000, w.tl)
	w.write(y)
	if d.chance(shareDuplicate) {
		w.tl.duplicates++
		y.received += span(d.between(1, 900)) * second
		w.write(y)
	}
}

func (w *attempts) write(y try) {
	r := w.r
	w.id++
	r.begin(20)
	r.i64(w.id)
	r.uuid(y.uuid1, y.uuid2)
	r.uuid(y.group1, y.group2)
	r.i16(y.no)
	r.i64(y.device + 1)
	r.i64(y.user + 1)
	r.boolean(y.shared)
	r.text(y.purpose)
	r.text(y.transport)
	r.time(y.t)
	r.time(y.received)
	if y.known {
		r.i32(y.ms)
		r.boolean(y.ok)
	} else {
		r.null()
		r.null()
	}
	r.textOrNull(y.code)
	r.i32(y.fw)
	if y.ios {
		r.text("ios")
	} else {
		r.text("android")
	}
	r.text(y.app)
	r.inet(y.ip)
	r.i32(y.asn)
	r.text(regions[y.region].code)
}

func (c *company) appSessions(r *rows, _ *tally) {
	d, phone := newDice(c.seed, "app_session"), newDice(c.seed, "phone_id")
	var id []byte
	for i := range c.accounts {
		a := &c.accounts[i]
		d.at(i)
		id = c.appendPhoneID(id[:0], phone, i, 0)
		ip := publicIP(d)
		rate := a.sessions
		if i == 0 {
			rate, ip = max(rate, 4), c.canaries.addrs["app_session.ip"]
		}
		last := c.until
		if a.deleted != never {
			last = a.deleted
		}
		for n := range c.days {
			factor := weekendFactor(c.dayStart(n))
			if n == c.christmas {
				factor = christmasSessions
			}
			for range d.poisson(rate * factor) {
				t := c.local(a.region, n, secondOfDay(d))
				foreground := 0
				if !d.chance(.03) {
					foreground = 1 + int(d.lognormal(90, 1))
				}
				if t < max(a.created, c.from) || t >= last {
					continue
				}
				r.begin(11)
				r.uuid(d.u64(), d.u64())
				r.i64(i + 1)
				r.bytes(id)
				r.text(c.os(a))
				r.text(appVersions[appPick.pick(d)])
				r.time(t)
				r.time(t + span(foreground+2)*second)
				r.i32(foreground)
				r.inet(ip)
				r.text(regions[a.region].country)
				r.i16(1 + foreground/40%300)
			}
		}
	}
}

// setup is one setup_session; failedStep is an index of the steps, -1 when it worked.
type setup struct {
	id1, id2   uint64
	account    int
	model      int
	mac        uint64
	started    instant
	ended      instant
	failedStep int
	gone       bool // abandoned rather than failed
	attemptNo  int
}

var setupErrors = []string{"WIFI_PASSWORD", "WIFI_NOT_FOUND", "BLE_TIMEOUT", "CLOUD_TIMEOUT", "QR_UNREADABLE", "ALREADY_BOUND"}

// setups calls put for every setup session of the span, in the same way for both tables that are made of them.
func (c *company) setups(put func(setup)) {
	d := newDice(c.seed, "setup_session")
	if len(c.accounts) > 0 { // carries the canaries
		d.at(len(c.devices))
		t := c.from + (c.until-c.from)/2
		put(setup{id1: d.u64(), id2: d.u64(), mac: c.canaries.macs["setup_session.device_mac"], started: t, ended: t + minute, failedStep: 4, attemptNo: 1})
	}
	for i := range c.devices {
		v := &c.devices[i]
		if v.bound == never || v.bound < c.from+2*hour {
			continue
		}
		d.at(i)
		failing := .18
		if c.christmas >= 0 && int((v.bound-c.from.floorDay())/day) == c.christmas {
			failing *= christmasFailures
		}
		before := 0
		for before < 4 && d.chance(failing) {
			before++
		}
		s := setup{account: v.first, model: v.model, mac: c.mac(i), failedStep: -1, attemptNo: before + 1}
		for n := range before {
			f := s
			f.id1, f.id2 = d.u64(), d.u64()
			f.attemptNo, f.failedStep, f.gone = n+1, d.between(2, 5), d.chance(.35)
			f.started = v.bound - span(before-n)*span(d.between(5, 12))*minute - 5*minute
			f.ended = f.started + span(d.between(40, 200))*second
			put(f)
		}
		s.id1, s.id2 = d.u64(), d.u64()
		s.started, s.ended = v.bound-span(d.between(60, 200))*second, v.bound+span(d.between(4, 20))*second
		put(s)
	}
}

func (c *company) setupSessions(r *rows, _ *tally) {
	phone := newDice(c.seed, "phone_id")
	c.setups(func(s setup) {
		a := &c.accounts[s.account]
		r.begin(13)
		r.uuid(s.id1, s.id2)
		r.i64(s.account + 1)
		r.mac(s.mac)
		r.i16(s.model + 1)
		r.open()
		r.buf = c.appendPhoneID(r.buf, phone, s.account, 0)
		r.close()
		r.text(c.os(a))
		r.text(appVersions[0])
		r.time(s.started)
		r.time(s.ended)
		switch {
		case s.failedStep < 0:
			r.text("success")
			r.null()
			r.null()
		case s.gone:
			r.text("abandoned")
			r.text(stepsOf(s.model)[s.failedStep])
			r.null()
		default:
			r.text("failed")
			r.text(stepsOf(s.model)[s.failedStep])
			r.text(setupErrors[mix(s.id1)%uint64(len(setupErrors))])
		}
		r.i16(s.attemptNo)
	})
}

func stepsOf(model int) []string {
	if models[model].family == familyCamera {
		return cameraSteps
	}
	return setupSteps
}

func (c *company) setupSteps(r *rows, _ *tally) {
	c.setups(func(s setup) {
		steps := stepsOf(s.model)
		last := len(steps) - 1
		if s.failedStep >= 0 {
			last = s.failedStep
		}
		for n := range last + 1 {
			t := s.started + (s.ended-s.started)*span(n)/span(last+1)
			failed := n == s.failedStep && !s.gone
			r.begin(7)
			r.uuid(s.id1, s.id2)
			r.i16(n + 1)
			r.text(steps[n])
			r.time(t)
			r.time(t + second)
			r.boolean(!failed)
			if failed {
				r.text(setupErrors[mix(s.id1)%uint64(len(setupErrors))])
			} else {
				r.null()
			}
		}
	})
}
