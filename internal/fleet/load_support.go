package fleet

import "strconv"

// bodyMeasurements are of the testers of the health scale alone: a daily weighing of somebody of the family.
func (c *company) bodyMeasurements(r *rows, _ *tally) {
	d := newDice(c.seed, "body_measurement")
	id := 0
	for n := range c.testers {
		i := c.internals + 1 + n
		if i >= len(c.accounts) {
			return
		}
		a := &c.accounts[i]
		d.at(i)
		gender, age := d.below(2), d.between(22, 71)
		height, weight := d.between(1520, 1960), 52+40*d.unit()
		for k := range c.days {
			t := c.local(a.region, k, 3600*6.5+3600*d.unit())
			if k > 0 && !d.chance(.85) || t < c.from || t >= c.until || t < a.created {
				continue
			}
			id++
			weight += d.unit() - .5
			bmi := weight / (float64(height) / 1000) / (float64(height) / 1000)
			r.begin(20)
			r.i64(id)
			r.i64(a.firstDevice + 1)
			r.i64(i + 1)
			if id == 1 {
				member, _ := strconv.Atoi(c.canaries.texts["body_measurement.family_member_id"]) // 16 digits by construction
				r.i64(member)
			} else {
				r.i64(i*10 + d.below(3))
			}
			r.time(t)
			r.i16(age)
			r.i16(gender)
			r.numeric(height, 1)
			r.numeric(int(weight*100), 2)
			r.numeric(int(bmi*100), 2)
			r.i32(1200 + int(weight*6))
			for _, about := range []int{2200, 5500, 290} { // fat, water, bone mineral
				r.numeric(about+d.below(about/5), 2)
			}
			r.numeric(int(weight*45), 2)
			r.numeric(1600+d.below(300), 2)
			r.numeric(600+d.below(700), 2)
			r.i16(age + d.between(-8, 8))
			r.integers(d.between(400, 600), d.between(400, 600), d.between(20, 30), d.between(200, 300))
			r.i16(d.between(52, 96))
		}
	}
}

// tickets is how many there are: what a month brings, and enough to read in a small fleet.
func (c *company) tickets() int {
	n := len(c.accounts) * 250 * c.days / 1_000_000
	return min(len(c.accounts), max(n, 40))
}

const messagesPerTicket = 4

func (c *company) ticketOwner(d *dice, n int) (user, device int) {
	user = d.below(len(c.accounts))
	if n == 0 {
		user = 0
	}
	a := &c.accounts[user]
	if a.devices > 0 {
		device = a.firstDevice + d.below(a.devices) + 1
	}
	return user, device
}

func (c *company) ticketOpened(d *dice) instant {
	return c.from + span(d.unit()*float64(c.until-c.from))*9/10
}

func (c *company) supportTickets(r *rows, _ *tally) {
	d := newDice(c.seed, "support_ticket")
	subjects := []string{"%s's camera is offline since Sunday", "cannot log in any more", "refund for order of %s", "lock opens by itself", "shared my camera with the wrong %s"}
	for n := range c.tickets() {
		d.at(n)
		user, device := c.ticketOwner(d, n)
		opened := c.ticketOpened(d)
		r.begin(9)
		r.i64(n + 1)
		r.i64(user + 1)
		r.key(device)
		r.text([]string{"email", "chat", "phone", "forum"}[d.below(4)])
		r.text([]string{"connectivity", "account", "billing", "privacy", "setup"}[d.below(5)])
		if n == 0 {
			r.text(c.canaries.texts["support_ticket.subject"])
		} else {
			r.open()
			r.buf = appendFilled(r.buf, d, subjects[d.below(len(subjects))])
			r.close()
		}
		r.time(opened)
		if d.chance(.8) {
			r.time(min(opened+span(d.exp(float64(2*day))), c.until))
			r.i16(d.between(1, 5))
		} else {
			r.null()
			r.null()
		}
	}
}

// appendFilled puts a name for each %s.
func appendFilled(b []byte, d *dice, format string) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] == '%' {
			b = append(b, firstNames[d.below(len(firstNames))]...)
			i++
			continue
		}
		b = append(b, format[i])
	}
	return b
}

// supportMessages repeat in free text everything that has a column of its own elsewhere.
func (c *company) supportMessages(r *rows, _ *tally) {
	d, ticket := newDice(c.seed, "support_message"), newDice(c.seed, "support_ticket")
	mail, net := newDice(c.seed, "email"), newDice(c.seed, "lan")
	var l lan
	for n := range c.tickets() {
		ticket.at(n)
		user, _ := c.ticketOwner(ticket, n)
		opened := c.ticketOpened(ticket)
		d.at(n)
		c.network(&l, net, max(user, 1)%len(c.accounts))
		for k := range messagesPerTicket {
			r.begin(5)
			r.i64(n*messagesPerTicket + k + 1)
			r.i64(n + 1)
			if k%2 == 0 {
				r.text("customer")
			} else {
				r.text("agent")
			}
			if n == 0 && k == 0 {
				r.text(c.canaries.texts["support_message.body"])
			} else {
				r.open()
				r.buf = c.appendMessage(r.buf, d, mail, user, (n+k)%5, &l)
				r.close()
			}
			r.time(min(opened+span(k)*20*minute, c.until))
		}
	}
}

func (c *company) appendMessage(b []byte, d, mail *dice, user, kind int, l *lan) []byte {
	a := &c.accounts[user]
	reg := &regions[a.region]
	switch kind {
	case 0:
		b = append(append(b, "Hi, this is "...), newPerson(d).first...)
		b = append(b, ", my address for the return is "...)
		b = c.appendAddress(b, d, reg)
		b = append(b, ", reach me at "...)
		if a.deleted == never && user > 0 {
			b = c.appendEmail(b, mail, user)
		} else {
			b = appendEmail(b, d, newPerson(d), d.below(1<<20))
		}
		return appendPhone(append(b, " or "...), d)
	case 1:
		b = append(b, "I have reset your session. For our records the old token was "...)
		b = appendJWT(b, d, user+1, c.until)
		return append(b, " and it no longer works."...)
	case 2:
		b = append(b, "log dump:\n[wifi] joined ssid=\""...)
		b = append(append(b, l.ssid...), "\" psk=****** bssid="...)
		b = appendMAC(b, d.u64()&0xfcffffffffff|0x020000000000)
		b = append(append(b, "\n[net] ip="...), localIP(d, l.subnet).String()...)
		b = append(append(b, " public="...), l.public.String()...)
		b = append(b, "\n[cloud] Authorization: Bearer "...)
		b = appendJWT(b, d, user+1, c.until)
		b = append(b, "\n[upload] AWS_ACCESS_KEY_ID="...)
		return append(appendAccessKeyID(b, d), " 403"...)
	case 3:
		b = append(b, "Escalated in chat with "...)
		b = appendSlackToken(b, d)
		return append(b, ", please don't share outside."...)
	}
	b = append(b, "Clip of the incident: "...)
	return appendClipURL(b, d, word(d, hexDigits, 16), c.until-day)
}

func (c *company) adminAccess(r *rows, _ *tally) {
	d := newDice(c.seed, "admin_access_log")
	n := 0
	if len(c.accounts) > 0 {
		n = 60 + len(c.accounts)*100*c.days/1_000_000
	}
	for i := range n {
		d.at(i)
		p := newPerson(d)
		r.begin(5)
		r.i64(i + 1)
		r.open()
		if i == 0 {
			r.buf = append(r.buf, c.canaries.texts["admin_access_log.employee"]...)
		} else {
			r.buf = append(append(append(r.buf, p.first...), '.'), p.last...)
			r.buf = append(r.buf, "@"+companyDomain...)
		}
		r.close()
		r.text([]string{"view_account", "reset_password", "view_clip", "export", "impersonate"}[d.below(5)])
		r.i64(d.below(len(c.accounts)) + 1)
		r.time(c.from + span(d.unit()*float64(c.until-c.from)))
	}
}
