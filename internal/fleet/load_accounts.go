package fleet

import (
	"net/netip"
	"strconv"
)

// email is the address of an account; user ids make it unique.
func (c *company) appendEmail(b []byte, d *dice, i int) []byte {
	a := &c.accounts[i]
	d.at(i)
	p := newPerson(d)
	switch {
	case i == 0:
		return append(b, c.canaries.texts["app_user.email"]...)
	case a.deleted != never:
		b = append(b, "deleted-"...)
		b = strconv.AppendInt(b, int64(i+1), 10)
		return append(b, "@deleted.invalid"...)
	case a.internal:
		b = append(b, "rig-"...)
		b = strconv.AppendInt(b, int64(i), 10)
		return append(b, "@"+companyDomain...)
	}
	return appendEmail(b, d, p, i+1)
}

func (c *company) appUsers(r *rows, _ *tally) {
	d, mail := newDice(c.seed, "app_user"), newDice(c.seed, "email")
	var b []byte
	for i := range c.accounts {
		a := &c.accounts[i]
		d.at(i)
		reg := &regions[a.region]
		gone := a.deleted != never
		p := newPerson(mail.at(i))
		r.begin(25)
		r.i64(i + 1)
		r.uuid(d.u64(), d.u64())
		b = c.appendEmail(b[:0], mail, i)
		r.bytes(b)
		c.identity(r, d, i, p)
		c.body(r, d, a)
		r.text(reg.country)
		r.text(reg.code)
		switch {
		case i == 0:
			r.text(c.canaries.texts["app_user.postal_code"])
		case gone:
			r.null()
		default:
			r.open()
			r.buf = appendFrom(append(r.buf, reg.postal...), d, digits, 3)
			r.close()
		}
		r.text(reg.zone)
		r.text(reg.locale)
		r.boolean(d.chance(.3))
		r.boolean(a.internal)
		r.boolean(a.beta)
		c.accountTimes(r, d, a)
	}
}

// identity writes phone, password hash, TOTP secret, nickname and photo; of deleted accounts nothing is left (S12).
func (c *company) identity(r *rows, d *dice, i int, p person) {
	k := c.canaries
	if i == 0 {
		r.text(k.texts["app_user.phone"])
		r.text(k.texts["app_user.password_hash"])
		r.bytes(k.blobs["app_user.totp_secret"])
		r.text(k.texts["app_user.nickname"])
		r.text(k.texts["app_user.photo_url"])
		return
	}
	if c.accounts[i].deleted != never {
		r.null()
		r.text("")
		r.null()
		r.null()
		r.null()
		return
	}
	if d.chance(.6) {
		r.open()
		r.buf = appendPhone(r.buf, d)
		r.close()
	} else {
		r.null()
	}
	r.open()
	r.buf = appendArgon2(r.buf, d)
	r.close()
	if d.chance(.15) {
		var secret [20]byte
		r.bytes(d.fill(secret[:]))
	} else {
		r.null()
	}
	r.open()
	r.buf = append(append(append(r.buf, p.first...), ' '), p.last...)
	r.close()
	if d.chance(.4) {
		r.open()
		r.buf = append(appendFrom(append(r.buf, "https://photos."+companyDomain+"/u/"...), d, hexDigits, 24), ".jpg"...)
		r.close()
	} else {
		r.null()
	}
}

// body writes birth date, gender and height, which a third of the people filled in.
func (c *company) body(r *rows, d *dice, a *account) {
	if a.deleted != never || !d.chance(.35) {
		r.null()
		r.null()
		r.null()
		return
	}
	r.date(c.until.floorDay() - span(d.between(18*365, 80*365))*day)
	r.i16(d.between(0, 2))
	r.numeric(d.between(1480, 2010), 1)
}

func (c *company) accountTimes(r *rows, d *dice, a *account) {
	login := c.until - span(d.exp(float64(4*day)))
	login = max(login, a.created)
	if a.deleted != never {
		login = min(login, a.deleted)
	}
	r.time(a.created)
	r.time(max(login, a.deleted))
	if d.chance(.95) {
		r.time(a.created + span(d.exp(float64(10*minute))))
	} else {
		r.null()
	}
	r.time(login)
	if d.chance(.3) {
		r.time(min(login+span(d.exp(float64(hour))), c.until))
	} else {
		r.null()
	}
	r.timeOrNull(a.deleted)
}

// appendPhoneID is the stable id of an account's n-th handset.
func (c *company) appendPhoneID(b []byte, d *dice, i, n int) []byte {
	if i == 0 && n == 0 {
		return append(b, c.canaries.texts["auth_session.phone_id"]...)
	}
	d.at(i*4 + n)
	return appendFrom(b, d, hexDigits, 32)
}

func (c *company) os(a *account) string {
	if a.ios {
		return "ios"
	}
	return "android"
}

func (c *company) authSessions(r *rows, _ *tally) {
	d, phone := newDice(c.seed, "auth_session"), newDice(c.seed, "phone_id")
	k := c.canaries
	var b []byte
	for i := range c.accounts {
		a := &c.accounts[i]
		if a.deleted != never {
			continue
		}
		d.at(i)
		for n := range 1 + d.poisson(.6) {
			if n == 4 {
				break
			}
			issued := max(a.created, c.until-span(d.exp(float64(25*day))))
			first := i == 0 && n == 0
			r.begin(14)
			r.uuid(d.u64(), d.u64())
			r.i64(i + 1)
			b = c.appendPhoneID(b[:0], phone, i, n)
			r.bytes(b)
			r.text(c.os(a))
			r.text(appVersions[appPick.pick(d)])
			r.text(strconv.Itoa(d.between(13, 19)))
			half := len(phoneModels) / 2
			if a.ios {
				r.text(phoneModels[half+d.below(half)])
			} else {
				r.text(phoneModels[d.below(half)])
			}
			c.sessionTokens(r, d, i, issued, first)
			if first {
				r.inet(k.addrs["auth_session.ip"])
			} else {
				r.inet(publicIP(d))
			}
			r.time(issued)
			r.time(issued + 30*day)
			if !first && d.chance(.1) {
				r.time(min(issued+span(d.exp(float64(10*day))), c.until))
			} else {
				r.null()
			}
		}
	}
}

func (c *company) sessionTokens(r *rows, d *dice, i int, issued instant, first bool) {
	if first {
		for _, column := range []string{"access_token", "refresh_token", "push_token"} {
			r.text(c.canaries.texts["auth_session."+column])
		}
		return
	}
	r.open()
	r.buf = appendJWT(r.buf, d, i+1, issued+30*day)
	r.close()
	r.open()
	r.buf = appendRefreshToken(r.buf, d)
	r.close()
	if d.chance(.8) {
		r.open()
		r.buf = appendPushToken(r.buf, d)
		r.close()
	} else {
		r.null()
	}
}

func (c *company) apiKeys(r *rows, _ *tally) {
	d := newDice(c.seed, "api_key")
	var secret [32]byte
	for i := range c.accounts {
		a := &c.accounts[i]
		if d.at(i); a.deleted != never || i > 0 && !d.chance(.01) {
			continue
		}
		created := a.created + span(d.unit()*float64(c.until-a.created))
		r.begin(6)
		r.uuid(d.u64(), d.u64())
		r.i64(i + 1)
		if i == 0 {
			r.bytes(c.canaries.blobs["api_key.secret_hash"])
		} else {
			r.bytes(d.fill(secret[:]))
		}
		r.time(created)
		r.time(created + span(d.unit()*float64(c.until-created)))
		r.null()
	}
}

var (
	providers    = []string{"alexa", "google_assistant", "ifttt", "smartthings", "apple_home", "matter"}
	providerPick = newWeighted(50, 28, 9, 6, 4, 3)
)

func (c *company) integrationLinks(r *rows, _ *tally) {
	d := newDice(c.seed, "integration_link")
	k := c.canaries
	id := 0
	for i := range c.accounts {
		a := &c.accounts[i]
		if d.at(i); a.deleted != never || i > 0 && !d.chance(.06) {
			continue
		}
		id++
		provider := providers[providerPick.pick(d)]
		linked := a.created + span(d.unit()*float64(c.until-a.created))
		if i == 0 {
			provider = "alexa"
		}
		r.begin(10)
		r.i64(id)
		r.i64(i + 1)
		r.text(provider)
		if i == 0 {
			for _, column := range []string{"external_user_id", "access_token", "refresh_token"} {
				r.text(k.texts["integration_link."+column])
			}
		} else {
			r.open()
			r.buf = appendFrom(append(r.buf, "amzn1.account."...), d, upperDigits, 28)
			r.close()
			for _, refresh := range []bool{false, true} {
				r.open()
				r.buf = appendProviderToken(r.buf, d, provider, refresh)
				r.close()
			}
		}
		r.texts("devices:read", "devices:control", "profile")
		r.time(linked)
		r.time(linked + span(d.unit()*float64(c.until-linked)))
		if i > 0 && (id == 2 || d.chance(.12)) {
			r.time(linked + span(d.unit()*float64(c.until-linked)))
		} else {
			r.null()
		}
	}
}

func (c *company) homesTable(r *rows, _ *tally) {
	d := newDice(c.seed, "home")
	names := []string{"Home", "Our place", "Cabin", "Mum & Dad", "Beach house", "Flat"}
	for i := range c.accounts {
		a := &c.accounts[i]
		reg := &regions[a.region]
		d.at(i)
		for n := range a.homes {
			r.begin(9)
			r.i64(a.home + n)
			r.i64(i + 1)
			switch {
			case i == 0 && n == 0:
				r.text(c.canaries.texts["home.name"])
				r.text(c.canaries.texts["home.address"])
			case a.deleted != never:
				r.null()
				r.null()
			default:
				r.text(names[d.below(len(names))])
				r.open()
				r.buf = c.appendAddress(r.buf, d, reg)
				r.close()
			}
			if a.deleted != never {
				r.null()
				r.null()
			} else {
				r.f64(reg.lat + d.unit() - .5)
				r.f64(reg.lon + d.unit() - .5)
			}
			r.text(reg.code)
			r.text(reg.zone)
			r.time(a.created + span(n)*30*minute)
		}
	}
}

func (c *company) appendAddress(b []byte, d *dice, reg *region) []byte {
	b = strconv.AppendInt(b, int64(d.between(1, 9999)), 10)
	b = append(append(b, ' '), streets[d.below(len(streets))]...)
	b = append(append(append(b, ", "...), reg.city...), ' ')
	return appendFrom(append(b, reg.postal...), d, digits, 3)
}

// lan is what an account's first network looks like; every connectivity event repeats it.
type lan struct {
	ssid   []byte
	subnet byte
	public netip.Addr
}

// network is the same for the same account wherever it is asked for.
func (c *company) network(l *lan, d *dice, i int) {
	d.at(i)
	l.public = publicIP(d)
	l.subnet = byte(d.below(4)) //nolint:gosec // a byte
	if d.chance(.1) {
		l.subnet = byte(d.between(50, 200)) //nolint:gosec // a byte
	}
	l.ssid = appendSSID(l.ssid[:0], d, newPerson(d))
	if i == 0 {
		l.ssid = append(l.ssid[:0], c.canaries.texts["home_network.ssid"]...)
		l.public = c.canaries.addrs["home_network.public_ip"]
	}
}

func (c *company) homeNetworks(r *rows, _ *tally) {
	d, net := newDice(c.seed, "home_network"), newDice(c.seed, "lan")
	k := c.canaries
	var l lan
	for i := range c.accounts {
		a := &c.accounts[i]
		c.network(&l, net, i)
		d.at(i)
		for n := range a.networks {
			r.begin(13)
			r.i64(a.network + n)
			r.i64(a.home)
			r.open()
			r.buf = append(r.buf, l.ssid...)
			if n > 0 {
				r.buf = append(r.buf, "_guest"...)
			}
			r.close()
			bssid := d.u64()&0xfcffffffffff | 0x020000000000
			if i == 0 && n == 0 {
				r.mac(k.macs["home_network.bssid"])
				r.mac(k.macs["home_network.gateway_mac"])
				r.cidr(k.nets["home_network.lan_cidr"])
			} else {
				r.mac(bssid)
				r.mac(bssid ^ 1)
				r.cidr(netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, l.subnet + byte(n), 0}), 24))
			}
			r.inet(l.public)
			r.i32(isps[a.isp].asn)
			r.text(isps[a.isp].name)
			r.text([]string{"2.4GHz", "5GHz"}[d.below(2)])
			r.text([]string{"WPA2", "WPA3", "WPA2", "open"}[d.below(4)])
			r.time(a.created)
			r.time(max(a.created, c.until-span(d.exp(float64(day)))))
		}
	}
}

func (c *company) subscriptions(r *rows, _ *tally) {
	d := newDice(c.seed, "subscription")
	id := 0
	for i := range c.accounts {
		a := &c.accounts[i]
		if d.at(i); a.internal || !d.chance(.12) {
			continue
		}
		id++
		started := a.created + span(d.unit()*float64(c.until-a.created))
		r.begin(6)
		r.i64(id)
		r.i64(i + 1)
		r.text([]string{"cam-plus", "cam-plus", "cam-unlimited", "home-monitoring"}[d.below(4)])
		r.time(started)
		if a.deleted != never || d.chance(.2) {
			ended := started + span(d.unit()*float64(c.until-started))
			r.time(ended)
			r.time(ended + 30*day)
		} else {
			r.null()
			r.null()
		}
	}
}
