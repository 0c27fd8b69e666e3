package fleet

import (
	"fmt"
	"net/netip"
)

// Canary is a value that stands in exactly one place (or wherever the same fact is repeated) and must never be found outside production.
type Canary struct {
	Table    string `json:"table"`
	Column   string `json:"column"`
	Value    string `json:"value"`
	Encoding string `json:"encoding"` // text, or hex for a value stored as bytes
}

// canaries are the planted values by "table.column".
type canaries struct {
	list  []Canary
	texts map[string]string
	macs  map[string]uint64
	addrs map[string]netip.Addr
	nets  map[string]netip.Prefix
	blobs map[string][]byte
}

const canaryLetters = "abcdefghijkmnpqrstuvwxyz23456789"

// newCanaries makes one canary for each held-back column and odd place.
func newCanaries(c *company) canaries {
	d := newDice(c.seed, "canary")
	k := canaries{texts: map[string]string{}, macs: map[string]uint64{}, addrs: map[string]netip.Addr{}, nets: map[string]netip.Prefix{}, blobs: map[string][]byte{}}
	id := func() string { return word(d, canaryLetters, 12) }
	text := func(table, column, value string) {
		k.texts[table+"."+column] = value
		k.list = append(k.list, Canary{table, column, value, "text"})
	}
	also := func(value, fromTable, fromColumn string) { // the same fact, repeated in another table
		text(fromTable, fromColumn, value)
	}
	mac := func(table, column string) {
		m := uint64(0x02cafe)<<24 | d.u64()&0xffffff
		k.macs[table+"."+column] = m
		k.list = append(k.list, Canary{table, column, string(appendMAC(nil, m)), "text"})
	}
	addr := func(table, column string, a netip.Addr) {
		k.addrs[table+"."+column] = a
		k.list = append(k.list, Canary{table, column, a.String(), "text"})
	}
	blob := func(table, column string, n int) {
		b := d.fill(make([]byte, n))
		k.blobs[table+"."+column] = b
		k.list = append(k.list, Canary{table, column, fmt.Sprintf("%x", b), "hex"})
	}
	k.people(d, id, text, blob)
	k.places(d, id, text, mac, addr)
	k.things(d, id, text, mac, also)
	return k
}

type textCanary = func(table, column, value string)

func (k *canaries) people(d *dice, id func() string, text textCanary, blob func(string, string, int)) {
	text("app_user", "email", "canary-"+id()+"@gmail.example")
	text("app_user", "phone", "+1999"+word(d, "23456789", 3)+"55501"+word(d, digits, 4))
	text("app_user", "password_hash", string(appendArgon2(nil, d)))
	blob("app_user", "totp_secret", 20)
	text("app_user", "nickname", "Canary "+id())
	text("app_user", "photo_url", "https://photos."+companyDomain+"/u/"+id()+".jpg")
	text("app_user", "postal_code", "CNRY-"+id())
	phone := "handset-" + id() + word(d, hexDigits, 16)
	for _, table := range []string{"auth_session", "app_session", "setup_session"} {
		text(table, "phone_id", phone)
	}
	text("auth_session", "access_token", string(appendJWT(nil, d, 1, pgEpoch+40*365*day)))
	text("auth_session", "refresh_token", string(appendRefreshToken(nil, d)))
	text("auth_session", "push_token", string(appendPushToken(nil, d)))
	blob("api_key", "secret_hash", 32)
	text("integration_link", "external_user_id", "amzn1.account."+word(d, upperDigits, 28))
	text("integration_link", "access_token", string(appendProviderToken(nil, d, "alexa", false)))
	text("integration_link", "refresh_token", string(appendProviderToken(nil, d, "alexa", true)))
	text("device_share", "grantee_email", "canary-grandma-"+id()+"@yahoo.example")
	text("body_measurement", "family_member_id", "77"+word(d, "123456789", 14))
	text("admin_access_log", "employee", "canary-"+id()+"@"+companyDomain)
	text("support_ticket", "subject", "my camera named canary "+id()+" is offline")
	text("support_message", "body", "please write to canary-ticket-"+id()+"@proton.example or call +1998"+word(d, "23456789", 3)+"55501"+word(d, digits, 4)+
		", we live at "+word(d, digits, 4)+" Canary Lane "+id()+", the token in the log is "+string(appendSlackToken(nil, d)))
	text("lock_event", "key_name", "Canary "+id()+"'s code")
}

func (k *canaries) places(d *dice, id func() string, text textCanary, mac func(string, string), addr func(string, string, netip.Addr)) {
	text("home", "name", "Canary Cottage "+id())
	text("home", "address", word(d, "123456789", 3)+" Canary Street "+id())
	ssid := "CanaryNet-" + id()
	text("home_network", "ssid", ssid)
	text("device_connectivity_event", "ssid", ssid)
	mac("home_network", "bssid")
	mac("home_network", "gateway_mac")
	lan := netip.AddrFrom4([4]byte{10, byte(d.between(20, 250)), byte(d.between(20, 250)), 0}) //nolint:gosec // bytes
	k.nets["home_network.lan_cidr"] = netip.PrefixFrom(lan, 24)
	k.list = append(k.list, Canary{"home_network", "lan_cidr", lan.String() + "/24", "text"})
	b := lan.As4()
	b[3] = byte(d.between(30, 250)) //nolint:gosec // a byte
	addr("device", "local_ip", netip.AddrFrom4(b))
	addr("device_connectivity_event", "local_ip", netip.AddrFrom4(b))
	public := canaryAddress(d)
	for _, table := range []string{"home_network", "device", "device_connectivity_event"} {
		addr(table, "public_ip", public)
	}
	handset := canaryAddress(d)
	addr("auth_session", "ip", handset)
	addr("app_session", "ip", handset)
	addr("connection_attempt", "client_ip", handset)
}

// canaryAddress is of the documentation prefix; no group starts with a zero, so that there is one way to write it.
func canaryAddress(d *dice) netip.Addr {
	b := [16]byte{0x20, 0x01, 0x0d, 0xb8}
	for i := 4; i < 16; i += 2 {
		b[i], b[i+1] = byte(d.between(0x11, 0xfe)), byte(d.below(256)) //nolint:gosec // bytes
	}
	return netip.AddrFrom16(b)
}

func (k *canaries) things(d *dice, id func() string, text textCanary, mac func(string, string), also func(value, table, column string)) {
	mac("device", "mac")
	serial := "CNRY" + word(d, upperDigits, 14)
	text("device", "serial", serial)
	also(serial, "shipment", "serial")
	text("device", "p2p_id", "CANARYP2P"+word(d, upperDigits, 15))
	text("device", "enr_secret", string(appendBase64(nil, d, 18)))
	text("device", "nickname", "Canary crib "+id())
	mac("setup_session", "device_mac")
	key := word(d, hexDigits, 40)
	text("device_event", "clip_key", key)
	text("device_event", "clip_url", string(appendClipURL(nil, d, "canary-"+id(), pgEpoch+26*365*day)))
	text("firmware_rollout", "target_filter", "model = '"+models[badModel].name+"' AND (mac = '"+string(appendMAC(nil, k.macs["device.mac"]))+
		"' OR owner_email = 'canary-beta-"+id()+"@post.example')")
}
