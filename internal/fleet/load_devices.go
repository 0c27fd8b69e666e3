package fleet

import (
	"strconv"
	"time"
)

func (c *company) productModels(r *rows, _ *tally) {
	for i, m := range models {
		beat, silent := c.heartbeatInterval(i), 2*c.heartbeatInterval(i)
		r.begin(9)
		r.i16(i + 1)
		r.text(m.name)
		r.text(m.family)
		if m.battery {
			r.text("battery")
		} else {
			r.text("mains")
		}
		r.boolean(m.always)
		r.i32(int(beat / second))
		r.i32(int(silent / second))
		r.date(c.from - span(1700-60*i)*day)
		if i == 1 {
			r.date(c.until + 200*day)
		} else {
			r.null()
		}
	}
}

// heartbeatInterval is 6 h for everything in the thin profile but scales, which report once a day.
func (c *company) heartbeatInterval(model int) span {
	switch m := models[model]; {
	case m.family == familyScale:
		return day
	case c.profile == ProfileThin:
		return 6 * hour
	case m.battery:
		return 3 * hour
	}
	return hour
}

func (c *company) firmwareReleases(r *rows, _ *tally) {
	for i, f := range c.firmwares {
		r.begin(6)
		r.i32(i + 1)
		r.i16(f.model + 1)
		r.text(f.version)
		r.text(f.channel)
		r.time(f.released)
		if f.bad {
			r.time(c.haltedAt())
		} else {
			r.null()
		}
	}
}

// haltedAt is when the rollout of the bad firmware was stopped.
func (c *company) haltedAt() instant {
	return c.firmwares[release(badModel, oldReleases+1)-1].released + (c.until-c.from)*22/100
}

// rollout ids are the firmware ids: each release has one.
func (c *company) firmwareRollouts(r *rows, _ *tally) {
	d, mail := newDice(c.seed, "firmware_rollout"), newDice(c.seed, "email")
	for i, f := range c.firmwares {
		r.begin(7)
		r.i32(i + 1)
		r.i32(i + 1)
		r.open()
		switch {
		case f.bad:
			r.buf = append(r.buf, c.canaries.texts["firmware_rollout.target_filter"]...)
		case f.channel == "beta" && len(c.devices) > 0:
			r.buf = c.appendBetaFilter(r.buf, d.at(i), mail)
		default:
			r.buf = append(append(append(r.buf, "model = '"...), models[f.model].name...), '\'')
		}
		r.close()
		switch {
		case f.bad:
			r.i16(50)
			r.text("halted")
		case i%releaseCount == oldReleases+1:
			r.i16(60)
			r.text("running")
		default:
			r.i16(100)
			r.text("done")
		}
		r.time(f.released)
		if f.bad {
			r.time(c.haltedAt())
		} else {
			r.time(f.released + 5*day)
		}
	}
}

// appendBetaFilter lists the hardware and the people of a beta test: a rule with personal data in it.
func (c *company) appendBetaFilter(b []byte, d, mail *dice) []byte {
	b = append(b, "mac IN ("...)
	for n := range 3 {
		if n > 0 {
			b = append(b, ", "...)
		}
		b = append(b, '\'')
		b = append(appendMAC(b, c.mac(d.below(len(c.devices)))), '\'')
	}
	b = append(b, ") OR owner_email IN ('"...)
	b = c.appendEmail(b, mail, c.internals+d.below(max(1, len(c.accounts)-c.internals)))
	return append(b, "')"...)
}

// mac is a bijection of the device's number below a locally administered prefix.
func (c *company) mac(v int) uint64 {
	if v == 0 {
		return c.canaries.macs["device.mac"]
	}
	const low = 1<<30 - 1
	return 0x021ec0000000 | (uint64(v)*0x2545F491+0x1234567)&low //nolint:gosec // device numbers are not negative
}

func (c *company) appendSerial(b []byte, model, v int) []byte {
	if v == 0 {
		return append(b, c.canaries.texts["device.serial"]...)
	}
	b = append(b, "HS"...)
	b = strconv.AppendInt(b, int64(10+model), 10)
	n := strconv.Itoa(v)
	for range 9 - len(n) {
		b = append(b, '0')
	}
	return append(b, n...)
}

func (c *company) devicesTable(r *rows, _ *tally) {
	d, net := newDice(c.seed, "device row"), newDice(c.seed, "lan")
	var l lan
	for i := range c.devices {
		v := &c.devices[i]
		d.at(i)
		r.begin(29)
		r.i64(i + 1)
		r.mac(c.mac(i))
		r.open()
		r.buf = c.appendSerial(r.buf, v.model, i)
		r.close()
		c.deviceSecrets(r, d, v, i)
		r.i16(v.model + 1)
		r.text([]string{"r1", "r2", "r2", "r3"}[d.below(4)])
		r.key(v.owner + 1)
		if v.owner >= 0 {
			c.network(&l, net, v.owner)
			r.key(c.accounts[v.owner].home)
		} else {
			r.null()
		}
		r.null() // parent: hubs adopt in a later statement
		c.deviceNames(r, d, v, i)
		if v.owner >= 0 {
			r.key(c.accounts[v.owner].network)
			if i == 0 {
				r.inet(c.canaries.addrs["device.local_ip"])
			} else {
				r.inet(localIP(d, l.subnet))
			}
			r.inet(l.public)
		} else {
			r.null()
			r.null()
			r.null()
		}
		r.i16(-d.between(32, 88))
		r.i32(v.firmwareAt(c.until))
		if v.owner >= 0 {
			r.text(regions[c.accounts[v.owner].region].zone)
		} else {
			r.null()
		}
		c.deviceLife(r, d, v)
	}
}

func (c *company) deviceSecrets(r *rows, d *dice, v *device, i int) {
	camera := models[v.model].family == familyCamera
	switch {
	case i == 0:
		r.text(c.canaries.texts["device.p2p_id"])
		r.text(c.canaries.texts["device.enr_secret"])
		return
	case camera:
		r.open()
		r.buf = appendFrom(r.buf, d, upperDigits, 12)
		r.buf = strconv.AppendInt(r.buf, int64(i), 10)
		r.close()
	default:
		r.null()
	}
	r.open()
	r.buf = appendBase64(r.buf, d, 16)
	r.close()
}

func (c *company) deviceNames(r *rows, d *dice, v *device, i int) {
	room := rooms[roomPick.pick(d)]
	switch {
	case i == 0:
		r.text(c.canaries.texts["device.nickname"])
	case v.owner < 0:
		r.null()
	default:
		r.open()
		r.buf = appendNickname(r.buf, d)
		r.close()
	}
	r.text(room)
}

func appendNickname(b []byte, d *dice) []byte {
	name := nicknames[nickPick.pick(d)]
	for i := 0; i < len(name); i++ {
		if name[i] == '%' {
			b = append(b, firstNames[d.below(len(firstNames))]...)
			i++
			continue
		}
		b = append(b, name[i])
	}
	return b
}

func (c *company) deviceLife(r *rows, d *dice, v *device) {
	made := v.bound
	if made == never {
		made = v.activated
	}
	r.date(made - span(d.between(30, 300))*day)
	r.timeOrNull(v.activated)
	r.timeOrNull(v.bound)
	bound := v.bound
	if v.rebound != never {
		bound = v.rebound
	}
	r.timeOrNull(bound)
	r.timeOrNull(v.unbound)
	seen := c.until - span(d.unit()*float64(min(c.heartbeatInterval(v.model), max(c.until-v.activated, 1))))
	if v.died != never {
		seen = v.died
	}
	online := v.died == never && v.activated != never && d.chance(.98)
	if online {
		r.i16(1)
	} else {
		r.i16(0)
	}
	if v.activated == never {
		seen = never
	}
	r.timeOrNull(seen)
	r.timeOrNull(seen)
	r.boolean(v.privacy && models[v.model].family == familyCamera && d.chance(.3))
	r.boolean(v.synthetic)
	r.time(max(seen, bound, v.unbound))
}

func (c *company) bindings(r *rows, t *tally) {
	d := newDice(c.seed, "device_binding")
	id := 0
	put := func(v, user int, bound, unbound instant, reason string) {
		id++
		r.begin(6)
		r.i64(id)
		r.i64(v + 1)
		r.i64(user + 1)
		r.time(bound)
		r.timeOrNull(unbound)
		r.text(reason)
	}
	for i := range c.devices {
		v := &c.devices[i]
		if v.bound == never {
			continue
		}
		d.at(i)
		switch {
		case v.sold(): // S9: the old binding stays open for a day
			t.resales++
			put(i, v.first, v.bound, v.rebound+day, "first_setup")
			put(i, v.owner, v.rebound, never, "transfer")
		case v.rebound != never:
			put(i, v.first, v.bound, v.rebound, "first_setup")
			put(i, v.first, v.rebound, never, []string{"rebind", "factory_reset"}[d.below(2)])
		default:
			put(i, v.first, v.bound, v.unbound, "first_setup")
		}
	}
}

func (c *company) shares(r *rows, _ *tally) {
	d, mail := newDice(c.seed, "device_share"), newDice(c.seed, "email")
	id := 0
	for i := range c.devices {
		v := &c.devices[i]
		d.at(i)
		n := d.poisson(.42 * .5)
		if models[v.model].family == familyCamera {
			n = d.poisson(.42 * .8)
		}
		if i == 0 {
			n = max(n, 1)
		}
		if v.owner < 0 || c.accounts[v.owner].internal || v.bound == never {
			continue
		}
		for k := range n {
			id++
			invited := max(v.bound, v.rebound)
			invited += span(d.unit() * float64(c.until-invited))
			r.begin(10)
			r.i64(id)
			r.i64(i + 1)
			r.i64(v.owner + 1)
			c.grantee(r, d, mail, i == 0 && k == 0)
			r.text([]string{"viewer", "viewer", "controller"}[d.below(3)])
			r.time(invited)
			switch outcome := d.unit(); {
			case outcome < .15: // pending
				r.null()
				r.null()
				r.null()
			case outcome < .20:
				r.null()
				r.time(min(invited+span(d.exp(float64(day))), c.until))
				r.null()
			default:
				accepted := min(invited+span(d.exp(float64(day))), c.until)
				r.time(accepted)
				r.null()
				if d.chance(.1) {
					r.time(accepted + span(d.unit()*float64(c.until-accepted)))
				} else {
					r.null()
				}
			}
		}
	}
}

// grantee writes who a device is shared with: half of them are no customers and only an address.
func (c *company) grantee(r *rows, d, mail *dice, canary bool) {
	if canary {
		r.text(c.canaries.texts["device_share.grantee_email"])
		r.null()
		return
	}
	if g := d.below(len(c.accounts)); d.chance(.5) && g > c.internals && c.accounts[g].deleted == never {
		r.open()
		r.buf = c.appendEmail(r.buf, mail, g)
		r.close()
		r.i64(g + 1)
		return
	}
	r.open()
	r.buf = append(r.buf, "family."...)
	r.buf = appendEmail(r.buf, d, newPerson(d), d.below(1<<30))
	r.close()
	r.null()
}

func (c *company) shipments(r *rows, _ *tally) {
	d := newDice(c.seed, "shipment")
	channels := []string{"web", "marketplace", "retail", "retail", "carrier"}
	put := func(v, model int, shipped instant, country string) {
		r.begin(5)
		r.open()
		r.buf = c.appendSerial(r.buf, model, v)
		r.close()
		r.i16(model + 1)
		r.text(channels[d.below(len(channels))])
		r.date(shipped)
		r.text(country)
	}
	for i := range c.devices {
		v := &c.devices[i]
		d.at(i)
		country := "US"
		if v.first >= 0 {
			country = regions[c.accounts[v.first].region].country
		}
		put(i, v.model, max(v.bound, v.activated)-span(d.between(4, 90))*day, country)
	}
	for n := range len(c.devices) / 10 { // shipped, not activated yet
		d.at(len(c.devices) + n)
		put(len(c.devices)+n, modelPick.pick(d), c.until-span(d.between(1, 120))*day, "US")
	}
}

func (c *company) firmwareUpdates(r *rows, _ *tally) {
	d := newDice(c.seed, "firmware_update_event")
	stages := []string{"offered", "downloaded", "installed", "booted"}
	id := 0
	put := func(v int, from, to int, stage string, ok bool, code string, t instant) {
		id++
		r.begin(9)
		r.i64(id)
		r.i64(v + 1)
		r.i32(to)
		r.i32(from)
		r.i32(to)
		r.text(stage)
		r.boolean(ok)
		r.textOrNull(code)
		r.time(t)
	}
	for i := range c.devices {
		v := &c.devices[i]
		d.at(i)
		if v.updated == never || v.died != never && v.died < v.updated {
			continue
		}
		t := v.updated - span(d.between(300, 1500))*second
		if d.chance(.03) { // a first try that did not work out
			put(i, v.fw0, v.fw1, "offered", true, "", t-6*hour)
			put(i, v.fw0, v.fw1, "rolled_back", false, "VERIFY_FAILED", t-6*hour+4*minute)
		}
		for k, stage := range stages {
			put(i, v.fw0, v.fw1, stage, true, "", t+(v.updated-t)*span(k)/span(len(stages)-1))
		}
	}
}

// localDay is the date on the wall of a region at t.
func localDay(t instant, zone *time.Location) string {
	return t.time().In(zone).Format(time.DateOnly)
}
