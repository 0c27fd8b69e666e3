package fleet

import (
	"context"
	"strconv"
	"time"
)

// activate is somebody setting up a new device: session, steps, device, binding, first connection.
func (l *life) activate(ctx context.Context) error {
	u, ok := l.user()
	if !ok {
		return nil
	}
	d := l.d
	model := l.models[d.below(len(l.models))]
	if len(l.models) == len(models) {
		model = modelPick.pick(d) + 1
	}
	v := liveDevice{model: model, firmware: l.newest[model], owner: u.id}
	if err := l.tx.QueryRow(ctx, "SELECT nextval(pg_get_serial_sequence('fleet.device', 'device_id'))").Scan(&v.id); err != nil {
		return err
	}
	mac := hardware(0x021f00000000 | uint64(uint32(v.id)*0x9E3779B1)) //nolint:gosec // a bijection of 32 bits
	bound := l.now.Add(-time.Duration(d.between(5, 15)) * time.Second)
	serial := "HL" + strconv.Itoa(10+model) + strconv.Itoa(1_000_000_000+v.id)
	var enr []byte
	enr = appendBase64(enr, d, 16)
	if err := l.exec(ctx, `INSERT INTO fleet.device (device_id, mac, serial, p2p_id, enr_secret, model_id, hardware_rev, owner_user_id, home_id, nickname, room,
  network_id, local_ip, public_ip, rssi_dbm, firmware_id, time_zone, manufactured_on, first_activated_at, first_bound_at, bound_at, conn_state, conn_state_at, last_seen_at, updated_at)
OVERRIDING SYSTEM VALUE
SELECT $1, $2, $3, $4, $5, $6, 'r3', $7, h.home_id, $8, $9, n.network_id, $10, n.public_ip, -55, nullif($11::int, 0), $12, $13, $14, $15, $15, 1, $15, $16, $16
FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT home_id FROM fleet.home WHERE owner_user_id = $7 LIMIT 1) h ON true
LEFT JOIN LATERAL (SELECT network_id, public_ip FROM fleet.home_network x WHERE x.home_id = h.home_id LIMIT 1) n ON true`,
		v.id, mac, serial, "P"+word(d, upperDigits, 12)+strconv.Itoa(v.id), string(enr), model, u.id, string(appendNickname(nil, d)), rooms[roomPick.pick(d)],
		localIP(d, byte(d.below(4))), v.firmware, regions[u.region].zone, l.now.AddDate(0, -3, 0), bound.Add(-5*time.Second), bound, l.now); err != nil { //nolint:gosec // a byte
		return err
	}
	if err := l.exec(ctx, "INSERT INTO fleet.device_binding (device_id, user_id, bound_at, reason) VALUES ($1, $2, $3, 'first_setup')", v.id, u.id, bound); err != nil {
		return err
	}
	if err := l.exec(ctx, "INSERT INTO fleet.shipment (serial, model_id, channel, shipped_on, country_code) VALUES ($1, $2, 'web', $3, $4)",
		serial, model, l.now.AddDate(0, 0, -9), regions[u.region].country); err != nil {
		return err
	}
	if err := l.setUp(ctx, u, mac.String(), model, bound); err != nil {
		return err
	}
	l.after = append(l.after, func() { l.devices = append(l.devices, v) })
	return l.connected(ctx, v.id)
}

// setUp writes the setup session that ends at bound, sometimes with one that failed before it.
func (l *life) setUp(ctx context.Context, u liveUser, mac string, model int, bound time.Time) error {
	d := l.d
	steps := setupSteps
	if model <= len(models) {
		steps = stepsOf(model - 1)
	}
	tries := 1
	if d.chance(.18) {
		tries = 2
	}
	phone := word(newDice(l.o.Seed, "live phone").at(u.id), hexDigits, 32)
	for n := range tries {
		ok, last := n == tries-1, len(steps)-1
		begin := bound.Add(-2 * time.Minute)
		outcome, failedStep, code := "success", any(nil), any(nil)
		if !ok {
			last = d.between(2, 5)
			begin = bound.Add(-10 * time.Minute)
			outcome, failedStep, code = "failed", steps[last], setupErrors[d.below(len(setupErrors))]
		}
		id := l.newUUID()
		if err := l.exec(ctx, `INSERT INTO fleet.setup_session (setup_id, user_id, device_mac, model_id, phone_id, app_os, app_version, started_at, ended_at, outcome, failed_step, error_code, attempt_no)
VALUES ($1, $2, $3::text::macaddr, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
			id, u.id, mac, model, phone, l.appOS(u.id), appVersions[0], begin, begin.Add(2*time.Minute), outcome, failedStep, code, n+1); err != nil {
			return err
		}
		for k := range last + 1 {
			failed := !ok && k == last
			stepCode := any(nil)
			if failed {
				stepCode = code
			}
			t := begin.Add(time.Duration(k) * 2 * time.Minute / time.Duration(len(steps)))
			if err := l.exec(ctx, "INSERT INTO fleet.setup_step_event (setup_id, step_no, step, occurred_at, received_at, ok, error_code) VALUES ($1, $2, $3, $4, $5, $6, $7)",
				id, k+1, steps[k], t, t.Add(time.Second), !failed, stepCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// attempt is one logical connection attempt with all its tries, just over.
func (l *life) attempt(ctx context.Context) error {
	v, ok := l.device()
	if !ok {
		return nil
	}
	d := l.d
	user, shared := v.owner, false
	if d.chance(.1) {
		if u, ok := l.user(); ok && !u.internal {
			user, shared = u.id, u.id != v.owner
		}
	}
	o := (*attempts)(nil).outcome(d, failedRate)
	fails := 0
	if o == outcomeFailed {
		fails = 1 + d.poisson(.9)
	} else if d.chance(.05) {
		fails = 1
	}
	code := failures[failurePick.pick(d)]
	group, t := l.newUUID(), l.now.Add(-time.Duration(fails+1)*8*time.Second)
	purpose, transport := purposes[purposePick.pick(d)], transports[transportPic.pick(d)]
	app, ip := appVersions[appPick.pick(d)], publicIP(d)
	put := func(no, ms int, result, errorCode any) error {
		id := l.newUUID()
		received := t.Add(time.Duration(ms+300) * time.Millisecond)
		copies := 1
		if d.chance(shareDuplicate) {
			copies = 2
		}
		for n := range copies {
			if err := l.exec(ctx, `INSERT INTO fleet.connection_attempt (try_uuid, attempt_group, try_no, device_id, user_id, is_shared_user, purpose, transport, started_at,
  received_at, duration_ms, ok, error_code, firmware_id, app_os, app_version, client_ip, isp_asn, region_code)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, nullif($14::int, 0), $15, $16, $17, $18, region_code FROM fleet.app_user WHERE user_id = $5`,
				id, group, no, v.id, user, shared, purpose, transport, t, received.Add(time.Duration(n)*time.Second), ms, result, errorCode,
				v.firmware, l.appOS(user), app, ip, isps[user%len(isps)].asn); err != nil {
				return err
			}
		}
		t = t.Add(time.Duration(ms)*time.Millisecond + 2*time.Second)
		return nil
	}
	for k := range fails {
		if err := put(k+1, 1500+int(d.exp(2000)), false, code); err != nil {
			return err
		}
	}
	ms := int(d.lognormal(1100, .6))
	switch o {
	case outcomeOK:
		return put(fails+1, ms, true, nil)
	case outcomeCancelled:
		return put(fails+1, ms, false, codeCancelled)
	case outcomeUnknown:
		return put(fails+1, ms, nil, nil)
	case outcomeFailed:
	}
	return nil
}

// beat is a heartbeat and what the device's row then says.
func (l *life) beat(ctx context.Context) error {
	v, ok := l.device()
	if !ok {
		return nil
	}
	d := l.d
	rssi := -d.between(35, 85)
	if err := l.exec(ctx, `INSERT INTO fleet.device_heartbeat (device_id, occurred_at, received_at, firmware_id, rssi_dbm, uptime_s, free_mem_kb, connected_ms, expected_ms, reconnects, unexpected_reboots)
SELECT $1, $2, $3, nullif($4::int, 0), $5, $6, $7, heartbeat_interval_s * 1000, heartbeat_interval_s * 1000, 0, 0 FROM fleet.product_model WHERE model_id = $8
ON CONFLICT DO NOTHING`,
		v.id, l.now.Add(-time.Duration(d.between(1, 999_999))*time.Microsecond), l.now, v.firmware, rssi, d.below(1_000_000), d.between(8000, 32000), v.model); err != nil {
		return err
	}
	return l.exec(ctx, "UPDATE fleet.device SET last_seen_at = $2, conn_state = 1, rssi_dbm = $3, updated_at = $2 WHERE device_id = $1", v.id, l.now, rssi)
}

// connectivity ends a session that Live has opened, or opens one where it doesn't know of any (the device then takes its old one over).
func (l *life) connectivity(ctx context.Context) error {
	v, ok := l.device()
	if !ok {
		return nil
	}
	session, open := l.sessions[v.id]
	if !open {
		return l.connected(ctx, v.id)
	}
	d := l.d
	if err := l.event(ctx, v.id, session, "disconnected", disconnectReasons[disconnectPick.pick(d)]); err != nil {
		return err
	}
	delete(l.sessions, v.id) // at once: it must not end twice in one transaction
	due := l.now.Add(time.Duration(3+d.exp(20)) * time.Second)
	l.after = append(l.after, func() { l.returns = append(l.returns, comeback{v.id, due}) })
	return l.exec(ctx, "UPDATE fleet.device SET conn_state = 0, conn_state_at = $2, updated_at = $2 WHERE device_id = $1", v.id, l.now)
}

func (l *life) connected(ctx context.Context, device int) error {
	session := l.newUUID()
	if err := l.event(ctx, device, session, "connected", nil); err != nil {
		return err
	}
	l.after = append(l.after, func() { l.sessions[device] = session })
	return l.exec(ctx, "UPDATE fleet.device SET conn_state = 1, conn_state_at = $2, last_seen_at = $2, updated_at = $2 WHERE device_id = $1", device, l.now)
}

// event writes a connectivity event with what the device's home network looks like.
func (l *life) event(ctx context.Context, device int, session [16]byte, kind string, reason any) error {
	return l.exec(ctx, `INSERT INTO fleet.device_connectivity_event (event_id, device_id, session_id, kind, reason, occurred_at, received_at, firmware_id, ssid, local_ip, public_ip, isp_asn)
SELECT $1, d.device_id, $3, $4, $5, $6, $7, d.firmware_id, n.ssid, d.local_ip, d.public_ip, n.isp_asn
FROM fleet.device d LEFT JOIN fleet.home_network n USING (network_id) WHERE d.device_id = $2`,
		l.newUUID(), device, session, kind, reason, l.now.Add(-400*time.Millisecond), l.now)
}

// resell gives a device to another account (S9): the old binding stays open for a day, the shares of the old owner end.
func (l *life) resell(ctx context.Context) error {
	v, ok := l.device()
	buyer, has := l.user()
	if !ok || !has || buyer.id == v.owner || buyer.internal || v.owner == firstUser {
		return nil
	}
	for _, statement := range []struct {
		sql  string
		args []any
	}{
		{`UPDATE fleet.device_binding SET unbound_at = $2 WHERE device_id = $1 AND unbound_at IS NULL
  AND bound_at < (SELECT max(bound_at) FROM fleet.device_binding WHERE device_id = $1)`, []any{v.id, l.now}}, // open since an earlier sale
		{"INSERT INTO fleet.device_binding (device_id, user_id, bound_at, reason) VALUES ($1, $2, $3, 'transfer')", []any{v.id, buyer.id, l.now}},
		{"DELETE FROM fleet.device_share WHERE device_id = $1", []any{v.id}},
		{
			`UPDATE fleet.device d SET owner_user_id = $2, nickname = $3, bound_at = $4, updated_at = $4, local_ip = $5,
  home_id = (SELECT min(home_id) FROM fleet.home WHERE owner_user_id = $2),
  network_id = (SELECT min(network_id) FROM fleet.home_network JOIN fleet.home USING (home_id) WHERE owner_user_id = $2) WHERE device_id = $1`,
			[]any{v.id, buyer.id, string(appendNickname(nil, l.d)), l.now, localIP(l.d, 1)},
		},
		{`UPDATE fleet.device_binding a SET unbound_at = b.bound_at + interval '1 day' FROM fleet.device_binding b
  WHERE a.device_id = b.device_id AND a.unbound_at IS NULL AND a.binding_id < b.binding_id AND b.reason = 'transfer' AND b.bound_at < $1::timestamptz - interval '1 day'`, []any{l.now}},
	} {
		if err := l.exec(ctx, statement.sql, statement.args...); err != nil {
			return err
		}
	}
	l.after = append(l.after, func() {
		for i := range l.devices {
			if l.devices[i].id == v.id {
				l.devices[i].owner = buyer.id
			}
		}
	})
	return nil
}
