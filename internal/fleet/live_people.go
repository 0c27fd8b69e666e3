package fleet

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"time"
)

// newUUID is a random version 4 UUID.
func (l *life) newUUID() [16]byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], l.d.u64()&^0xf000|0x4000)
	binary.BigEndian.PutUint64(id[8:], l.d.u64()&^(3<<62)|1<<63)
	return id
}

func (l *life) user() (liveUser, bool) {
	if len(l.users) == 0 {
		return liveUser{}, false
	}
	return l.users[l.d.below(len(l.users))], true
}

func (l *life) device() (liveDevice, bool) {
	if len(l.devices) == 0 {
		return liveDevice{}, false
	}
	return l.devices[l.d.below(len(l.devices))], true
}

func hardware(m uint64) net.HardwareAddr {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], m)
	return b[2:]
}

// signUp makes an account with a home, a network and a session.
func (l *life) signUp(ctx context.Context) error {
	d, p := l.d, newPerson(l.d)
	u := liveUser{region: regionPick.pick(d)}
	reg := &regions[u.region]
	err := l.tx.QueryRow(ctx, `WITH n AS (SELECT nextval(pg_get_serial_sequence('fleet.app_user', 'user_id')) AS id)
INSERT INTO fleet.app_user (user_id, email, phone, password_hash, nickname, country_code, region_code, postal_code, time_zone, locale,
  marketing_opt_in, created_at, updated_at, email_verified_at, last_login_at)
OVERRIDING SYSTEM VALUE
SELECT id, lower($1 || '.' || $2) || id || '@' || $3, $4, $5, $1 || ' ' || $2, $6, $7, $8, $9, $10, $11, $12, $12, $12, $12 FROM n RETURNING user_id`,
		p.first, p.last, mailDomains[mailPick.pick(d)], string(appendPhone(nil, d)), string(appendArgon2(nil, d)), reg.country, reg.code,
		reg.postal+word(d, digits, 3), reg.zone, reg.locale, d.chance(.3), l.now).Scan(&u.id)
	if err != nil {
		return err
	}
	i := isps[ispPick.pick(d)]
	bssid := d.u64()&0xfcffffffffff | 0x020000000000
	subnet := byte(d.below(4)) //nolint:gosec // a byte
	if err := l.exec(ctx, `WITH h AS (
  INSERT INTO fleet.home (owner_user_id, name, address, lat, lon, region_code, time_zone, created_at)
  VALUES ($1, 'Home', $2, $3, $4, $5, $6, $7) RETURNING home_id)
INSERT INTO fleet.home_network (home_id, ssid, bssid, gateway_mac, lan_cidr, public_ip, isp_asn, isp_name, band, security, first_seen_at, last_seen_at)
SELECT home_id, $8, $9, $10, $11, $12, $13, $14, '5GHz', 'WPA3', $7, $7 FROM h`,
		u.id, string((*company)(nil).appendAddress(nil, d, reg)), reg.lat+d.unit()-.5, reg.lon+d.unit()-.5, reg.code, reg.zone, l.now,
		string(appendSSID(nil, d, p)), hardware(bssid), hardware(bssid^1), netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 168, subnet, 0}), 24),
		publicIP(d), i.asn, i.name); err != nil {
		return err
	}
	h := handset{session: l.newUUID(), user: u.id}
	if err := l.exec(ctx, `INSERT INTO fleet.auth_session (session_id, user_id, phone_id, app_os, app_version, os_version, phone_model,
  access_token, refresh_token, push_token, ip, issued_at, expires_at) VALUES ($1, $2, $3, $4, $5, '18', $6, $7, $8, $9, $10, $11, $12)`,
		h.session, u.id, word(d, hexDigits, 32), l.appOS(u.id), appVersions[0], phoneModels[d.below(len(phoneModels))],
		string(appendJWT(nil, d, u.id, at(l.now)+30*day)), string(appendRefreshToken(nil, d)), string(appendPushToken(nil, d)), publicIP(d),
		l.now, l.now.AddDate(0, 0, 30)); err != nil {
		return err
	}
	l.after = append(l.after, func() {
		l.users = append(l.users, u)
		l.handsets = append(l.handsets, h)
	})
	return nil
}

// appOS is always the same for an account.
func (l *life) appOS(user int) string {
	if mix(uint64(user))%100 < 45 { //nolint:gosec // ids are positive
		return "ios"
	}
	return "android"
}

// useApp is somebody opening the app.
func (l *life) useApp(ctx context.Context) error {
	u, ok := l.user()
	if !ok {
		return nil
	}
	d := l.d
	foreground := 1 + int(d.lognormal(60, 1))%600
	begin := l.now.Add(-time.Duration(foreground+2) * time.Second)
	if err := l.exec(ctx, `INSERT INTO fleet.app_session (session_id, user_id, phone_id, app_os, app_version, started_at, ended_at, foreground_s, ip, country_code, screens)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		l.newUUID(), u.id, word(newDice(l.o.Seed, "live phone").at(u.id), hexDigits, 32), l.appOS(u.id), appVersions[appPick.pick(d)], begin, l.now, foreground,
		publicIP(d), regions[u.region].country, 1+foreground/40); err != nil {
		return err
	}
	return l.exec(ctx, "UPDATE fleet.app_user SET last_login_at = $2, updated_at = $3 WHERE user_id = $1", u.id, begin, l.now)
}

// refresh gives a session new tokens.
func (l *life) refresh(ctx context.Context) error {
	if len(l.handsets) == 0 {
		return nil
	}
	h := l.handsets[l.d.below(len(l.handsets))]
	if h.user == firstUser {
		return nil
	}
	return l.exec(ctx, `UPDATE fleet.auth_session SET access_token = $2, refresh_token = $3, ip = $4, issued_at = $5, expires_at = $6 WHERE session_id = $1`,
		h.session, string(appendJWT(nil, l.d, h.user, at(l.now)+30*day)), string(appendRefreshToken(nil, l.d)), publicIP(l.d), l.now, l.now.AddDate(0, 0, 30))
}

// share invites somebody, half the time no customer.
func (l *life) share(ctx context.Context) error {
	v, ok := l.device()
	if !ok {
		return nil
	}
	if g, ok := l.user(); ok && g.id != v.owner && l.d.chance(.5) {
		return l.exec(ctx, `INSERT INTO fleet.device_share (device_id, owner_user_id, grantee_email, grantee_user_id, invited_at, accepted_at)
SELECT $1, $2, email, user_id, $4, $4 FROM fleet.app_user WHERE user_id = $3`, v.id, v.owner, g.id, l.now)
	}
	email := "family." + string(appendEmail(nil, l.d, newPerson(l.d), l.d.below(1<<30)))
	return l.exec(ctx, "INSERT INTO fleet.device_share (device_id, owner_user_id, grantee_email, invited_at) VALUES ($1, $2, $3, $4)", v.id, v.owner, email, l.now)
}

// leave deletes an account (S12): what names the person is blanked, sessions and shares go, devices lose their owner.
func (l *life) leave(ctx context.Context) error {
	if len(l.users) <= fewestUsers {
		return nil
	}
	u, _ := l.user()
	if u.internal || u.id == firstUser {
		return nil
	}
	for _, sql := range []string{
		"DELETE FROM fleet.device_share WHERE owner_user_id = $1 OR grantee_user_id = $1 OR lower(grantee_email) = (SELECT lower(email) FROM fleet.app_user WHERE user_id = $1)",
		"DELETE FROM fleet.auth_session WHERE user_id = $1",
		"UPDATE fleet.home SET name = NULL, address = NULL, lat = NULL, lon = NULL WHERE owner_user_id = $1",
	} {
		if err := l.exec(ctx, sql, u.id); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		`UPDATE fleet.device SET owner_user_id = NULL, home_id = NULL, network_id = NULL, nickname = NULL, local_ip = NULL, public_ip = NULL,
  unbound_at = $2, conn_state = 0, conn_state_at = $2, updated_at = $2 WHERE owner_user_id = $1`,
		"UPDATE fleet.device_binding SET unbound_at = $2 WHERE user_id = $1 AND unbound_at IS NULL",
		"UPDATE fleet.integration_link SET unlinked_at = $2, access_token = NULL, refresh_token = NULL, external_user_id = NULL WHERE user_id = $1",
		`UPDATE fleet.app_user SET email = 'deleted-' || user_id || '@deleted.invalid', phone = NULL, password_hash = '', totp_secret = NULL, nickname = NULL,
  photo_url = NULL, birth_date = NULL, gender = NULL, height_cm = NULL, postal_code = NULL, updated_at = $2, deleted_at = $2 WHERE user_id = $1`,
	} {
		if err := l.exec(ctx, sql, u.id, l.now); err != nil {
			return err
		}
	}
	l.after = append(l.after, func() { l.forget(u.id) })
	return nil
}

// forget takes a person and what was theirs out of the memory.
func (l *life) forget(user int) {
	keepUsers, keepDevices, keepHandsets := l.users[:0], l.devices[:0], l.handsets[:0]
	for _, u := range l.users {
		if u.id != user {
			keepUsers = append(keepUsers, u)
		}
	}
	for _, v := range l.devices {
		if v.owner != user {
			keepDevices = append(keepDevices, v)
		} else {
			delete(l.sessions, v.id)
		}
	}
	for _, h := range l.handsets {
		if h.user != user {
			keepHandsets = append(keepHandsets, h)
		}
	}
	l.users, l.devices, l.handsets = keepUsers, keepDevices, keepHandsets
}
