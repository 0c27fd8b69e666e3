package fleet

import "net/netip"

// arrival is when the cloud got a row of a device that happened at t: soon, late (S6), or a second time (S7).
func (c *company) arrival(d *dice, t instant, tl *tally) instant {
	delay := span(d.between(200, 2500)) * span(1000)
	switch u := d.unit(); {
	case u < shareVeryLate:
		if late := t + span(d.unit()*float64(14*day)); late < c.until {
			tl.late++
			return max(late, t+delay)
		}
	case u < shareLate:
		if late := t + span(d.unit()*float64(6*hour)); late < c.until {
			tl.late++
			return max(late, t+delay)
		}
	}
	return t + delay
}

// clock is what the device's own clock said at t (S5): right, some time in 1970, or more than a day ahead.
func (v *device) clock(c *company, t instant, tl *tally) instant {
	switch v.skew {
	case skewEpoch:
		tl.skewed++
		return (t-c.from)%(90*day) + day + 1 // counts from 1970 since its last cold start
	case skewAhead:
		tl.skewed++
		return t + 26*hour
	case skewNone:
	}
	return t
}

func (c *company) heartbeats(r *rows, tl *tally) {
	d := newDice(c.seed, "device_heartbeat")
	for i := range c.devices {
		v := &c.devices[i]
		from, to, ok := c.alive(v)
		if !ok {
			continue
		}
		d.at(i)
		every := c.heartbeatInterval(v.model)
		battery := models[v.model].battery
		charge := d.between(35, 100)
		start := from
		for t := from + span(d.unit()*float64(every)); t < to; t += every {
			if d.chance(.005) {
				start = t // lost, and the device has started anew since
				continue
			}
			h := heartbeat{t: t + span(d.below(4000))*1000, start: start, every: every, battery: battery, charge: charge}
			h.occurred = v.clock(c, h.t, tl)
			h.received = c.arrival(d, h.t, tl)
			fw := v.firmwareAt(t)
			reboots := .005
			if c.firmwares[fw-1].bad {
				reboots *= rebootFactor
			}
			h.reboots = d.poisson(reboots)
			if h.reboots > 0 {
				start = t
			}
			if d.chance(.2) && charge > 3 {
				charge--
			}
			h.values = d.u64()
			c.heartbeat(r, i, fw, h)
			if d.chance(shareDuplicate) {
				tl.duplicates++
				h.received += span(d.between(1, 900)) * second
				c.heartbeat(r, i, fw, h)
			}
		}
	}
}

// heartbeat is one row before it is written; values are the random bits of its gauges, so that a duplicate says the same.
type heartbeat struct {
	t, start, occurred, received instant
	every                        span
	reboots, charge              int
	battery                      bool
	values                       uint64
}

func (c *company) heartbeat(r *rows, v, fw int, h heartbeat) {
	bits := func(shift, n int) int { return int(h.values>>shift&0xffff) * n >> 16 }
	expected := int(h.every / 1000)
	r.begin(13)
	r.i64(v + 1)
	r.time(h.occurred)
	r.time(h.received)
	r.i32(fw)
	r.i16(-35 - bits(0, 50))
	r.i32(int((h.t - h.start) / second))
	r.i32(8000 + bits(16, 24000))
	if reconnects := bits(32, 100) - 92; reconnects > 0 {
		r.i32(expected - reconnects*30000)
		r.i32(expected)
		r.i16(reconnects)
	} else {
		r.i32(expected)
		r.i32(expected)
		r.i16(0)
	}
	r.i16(h.reboots)
	if h.battery {
		r.i16(2400 + 8*h.charge)
		r.i16(h.charge)
	} else {
		r.null()
		r.null()
	}
}

var (
	disconnectReasons = []string{
		"CONNECTION_LOST", "MQTT_KEEP_ALIVE_TIMEOUT", "CLIENT_INITIATED_DISCONNECT", "SERVER_INITIATED_DISCONNECT", "DUPLICATE_CLIENTID",
		"SERVER_ERROR", "CLIENT_ERROR", "THROTTLED", "AUTH_ERROR", "WEBSOCKET_TTL_EXPIRATION", "FORBIDDEN_ACCESS",
	}
	disconnectPick = newWeighted(40, 30, 10, 6, 5, 3, 2, 1.5, 1, 1, .5)
)

// connectivity is the events of one device's sessions while they are written.
type connectivity struct {
	c     *company
	r     *rows
	tl    *tally
	d     *dice
	v     *device
	i     int
	net   *dice
	lan   lan
	owner int // whose network lan is
	local netip.Addr
}

func (c *company) connectivityEvents(r *rows, tl *tally) {
	w := connectivity{c: c, r: r, tl: tl, d: newDice(c.seed, "device_connectivity_event"), net: newDice(c.seed, "lan")}
	for i := range c.devices {
		w.v, w.i = &c.devices[i], i
		from, to, ok := c.alive(w.v)
		if !ok {
			continue
		}
		w.d.at(i)
		w.owner = -2
		w.sessions(from, to)
		if w.v.privacy && models[w.v.model].family == familyCamera {
			w.nights(from, to)
		}
	}
}

// sessions writes connects and disconnects until to. A device that was there before the span has a session open since shortly before.
func (w *connectivity) sessions(from, to instant) {
	d := w.d
	t := from
	if w.v.activated < w.c.from {
		t = from - span(d.unit()*float64(6*hour))
	}
	mean := float64(day) / w.v.flaps
	for {
		hi, lo := d.u64(), d.u64()
		w.put(hi, lo, "connected", "", t)
		t += second + span(d.exp(mean))
		if t >= to {
			if w.v.died != never && w.v.died < w.c.until {
				w.put(hi, lo, "disconnected", "MQTT_KEEP_ALIVE_TIMEOUT", to)
			}
			return
		}
		w.put(hi, lo, "disconnected", disconnectReasons[disconnectPick.pick(d)], t)
		t += w.gap()
		if t >= to {
			return
		}
	}
}

// gap is how long a device stays away: mostly seconds, sometimes hours. Flapping ones come back at once.
func (w *connectivity) gap() span {
	u := w.d.unit()
	switch {
	case u < .85 || w.v.flaps > 20:
		return 3*second + span(w.d.exp(float64(37*second)))
	case u < .97:
		return minute + span(w.d.exp(float64(24*minute)))
	}
	return hour + span(w.d.exp(float64(5*hour)))
}

// nights writes user_off and user_on of a camera in privacy mode, 23 h to 7 h local time.
func (w *connectivity) nights(from, to instant) {
	owner := w.v.first
	if owner < 0 {
		return
	}
	region := w.c.accounts[owner].region
	for day := range w.c.days {
		off, on := w.c.local(region, day, 23*3600+w.d.unit()*1800), w.c.local(region, day, 31*3600+w.d.unit()*1800)
		if off < from || on >= to {
			continue
		}
		hi, lo := w.d.u64(), w.d.u64()
		w.put(hi, lo, "user_off", "", off)
		w.put(hi, lo, "user_on", "", on)
	}
}

func (w *connectivity) put(hi, lo uint64, kind, reason string, t instant) {
	d, v := w.d, w.v
	if owner := v.ownerAt(t); owner != w.owner {
		w.owner = owner
		w.c.network(&w.lan, w.net, max(owner, 0))
		w.local = localIP(w.net, w.lan.subnet)
		if w.i == 0 {
			w.local = w.c.canaries.addrs["device.local_ip"]
		}
	}
	id1, id2 := d.u64(), d.u64()
	occurred, received := v.clock(w.c, t, w.tl), w.c.arrival(d, t, w.tl)
	copies := 1
	if d.chance(shareDuplicate) {
		w.tl.duplicates++
		copies = 2
	}
	for n := range copies {
		r := w.r
		r.begin(12)
		r.uuid(id1, id2)
		r.i64(w.i + 1)
		r.uuid(hi, lo)
		r.text(kind)
		r.textOrNull(reason)
		r.time(occurred)
		r.time(received + span(n)*(second+span(d.below(600_000_000))))
		r.i32(v.firmwareAt(t))
		if w.owner < 0 { // in the factory or a shop: no home
			r.null()
			r.null()
			r.null()
			r.null()
			continue
		}
		r.bytes(w.lan.ssid)
		r.inet(w.local)
		r.inet(w.lan.public)
		r.i32(isps[w.c.accounts[w.owner].isp].asn)
	}
}

var (
	eventTags = []string{"person", "vehicle", "pet", "package"}
	tagPick   = newWeighted(55, 25, 15, 5)
)

// eventRate is events a day of a family; cameras have a heavy tail, capped by the cooldown.
func eventRate(d *dice, family string) float64 {
	switch family {
	case familyCamera:
		return min(d.lognormal(25, 1.1), 288)
	case "motion":
		return 40
	case "contact":
		return 16
	case familyLock:
		return 8
	case "bulb", "plug":
		return 4.5
	}
	return .2
}

var eventKinds = map[string]string{familyCamera: "motion", "motion": "motion", "contact": "contact", familyLock: "lock", "leak": "leak"}

// deviceEvents are all of them in the full profile; in the thin one, a fortieth of the devices on the last three days.
func (c *company) deviceEvents(r *rows, tl *tally) {
	d := newDice(c.seed, "device_event")
	var key []byte
	id := 0
	step, first := 1, 0
	if c.profile == ProfileThin {
		step, first = 40, max(0, c.days-3)
	}
	for i := 0; i < len(c.devices); i += step {
		v := &c.devices[i]
		from, to, ok := c.alive(v)
		if !ok || v.first < 0 {
			continue
		}
		d.at(i)
		family := models[v.model].family
		rate := eventRate(d, family)
		kind := eventKinds[family]
		if kind == "" {
			kind = "switched"
		}
		planted := i != 0
		for n := first; n < c.days; n++ {
			count := d.poisson(rate)
			if !planted {
				count = max(count, 3)
			}
			for range count {
				t := c.local(c.accounts[v.first].region, n, 3600*(6+15*(d.unit()+d.unit())/2))
				if t < from || t >= to {
					continue
				}
				id++
				key = appendFrom(key[:0], d, hexDigits, 40)
				c.deviceEvent(r, tl, d, i, id, kind, t, key, !planted)
				planted = true
			}
		}
	}
}

func (c *company) deviceEvent(r *rows, tl *tally, d *dice, i, id int, kind string, t instant, key []byte, canary bool) {
	v := &c.devices[i]
	occurred, received := v.clock(c, t, tl), c.arrival(d, t, tl)
	camera := kind == "motion" && models[v.model].family == familyCamera
	r.begin(10)
	r.i64(id)
	r.i64(i + 1)
	r.text(kind)
	r.time(occurred)
	r.time(received)
	if !camera {
		r.null()
		r.null()
		r.null()
		r.null()
		r.null()
		return
	}
	r.texts(eventTags[tagPick.pick(d)])
	r.i16(d.between(40, 99))
	if canary {
		r.text(c.canaries.texts["device_event.clip_url"])
		r.text(c.canaries.texts["device_event.clip_key"])
	} else {
		r.open()
		r.buf = appendClipURL(r.buf, d, string(key[:16]), t)
		r.close()
		r.bytes(key)
	}
	if d.chance(.2) {
		r.time(min(t+span(d.exp(float64(3*hour))), c.until))
	} else {
		r.null()
	}
}

// climateReadings are one every 15 minutes; in the thin profile of a fifth of the sensors on the last three days.
func (c *company) climateReadings(r *rows, _ *tally) {
	d := newDice(c.seed, "climate_reading")
	for i := range c.devices {
		v := &c.devices[i]
		from, to, ok := c.alive(v)
		if !ok || models[v.model].family != familyClimate {
			continue
		}
		d.at(i)
		if c.profile == ProfileThin {
			if !d.chance(.2) {
				continue
			}
			from = max(from, c.until-3*day)
		}
		temp, damp := 18+5*d.unit(), 35+20*d.unit()
		for t := from + span(d.below(900))*second; t < to; t += 15 * minute {
			temp += .2*d.unit() - .1
			damp += d.unit() - .5
			r.begin(4)
			r.i64(i + 1)
			r.time(t)
			r.f32(temp)
			r.f32(damp)
		}
	}
}

// lockEvents are a sample in both profiles; the second device carries the canary.
func (c *company) lockEvents(r *rows, _ *tally) {
	d := newDice(c.seed, "lock_event")
	kinds := []string{"unlocked", "locked", "locked", "jammed"}
	id := 0
	for i := range c.devices {
		v := &c.devices[i]
		from, to, ok := c.alive(v)
		if !ok || models[v.model].family != familyLock || v.first < 0 {
			continue
		}
		d.at(i)
		n := d.poisson(.3 * float64(to-from) / float64(day))
		if i == 1 {
			n = max(n, 2)
		}
		for k := range n {
			id++
			r.begin(7)
			r.i64(id)
			r.i64(i + 1)
			r.time(from + span(d.unit()*float64(to-from)))
			r.text(kinds[d.below(len(kinds))])
			byKey := i == 1 && k == 0 || d.chance(.6)
			if byKey {
				r.null()
			} else {
				r.i64(v.first + 1)
			}
			switch {
			case i == 1 && k == 0:
				r.text(c.canaries.texts["lock_event.key_name"])
			case byKey:
				r.open()
				r.buf = append(append(r.buf, firstNames[d.below(len(firstNames))]...), "'s code"...)
				r.close()
			default:
				r.null()
			}
			r.text([]string{"keypad", "app", "auto"}[d.below(3)])
		}
	}
}
