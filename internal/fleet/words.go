package fleet

import (
	"encoding/base64"
	"net/netip"
	"strconv"
)

// These append values in the shape that the real thing has. All of them are made up: reserved domains, reserved numbers, address
// ranges for documentation and benchmarks, secrets from dice.

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	urlSafe      = alphanumeric + "-_"
	upperDigits  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hexDigits    = "0123456789abcdef"
	digits       = "0123456789"
)

func appendFrom(b []byte, d *dice, alphabet string, n int) []byte {
	for range n {
		b = append(b, alphabet[d.below(len(alphabet))])
	}
	return b
}

func word(d *dice, alphabet string, n int) string { return string(appendFrom(nil, d, alphabet, n)) }

func appendBase64(b []byte, d *dice, n int) []byte {
	var raw [48]byte
	return base64.StdEncoding.AppendEncode(b, d.fill(raw[:n]))
}

// fill fills b with random bytes.
func (d *dice) fill(b []byte) []byte {
	for i := 0; i < len(b); i += 8 {
		x := d.u64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(x)
			x >>= 8
		}
	}
	return b
}

// person is a made-up name.
type person struct{ first, last string }

func newPerson(d *dice) person {
	return person{firstNames[d.below(len(firstNames))], lastNames[d.below(len(lastNames))]}
}

// appendEmail is unique by n: it stands in the local part.
func appendEmail(b []byte, d *dice, p person, n int) []byte {
	start := len(b)
	b = append(b, p.first...)
	b = append(b, '.')
	b = append(b, p.last...)
	for i := start; i < len(b); i++ {
		b[i] |= 0x20 // ASCII lower case; '.' stays
	}
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, '@')
	return append(b, mailDomains[mailPick.pick(d)]...)
}

// appendPhone uses the exchange 555-01xx, which is kept for fiction.
func appendPhone(b []byte, d *dice) []byte {
	b = append(b, "+1"...)
	b = strconv.AppendInt(b, int64(d.between(201, 989)), 10)
	b = append(b, "55501"...)
	return appendFrom(b, d, digits, 2)
}

// appendJWT is header.payload.signature with a real JSON payload.
func appendJWT(b []byte, d *dice, user int, expires instant) []byte {
	b = append(b, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."...)
	var payload [128]byte
	p := append(payload[:0], `{"sub":"`...)
	p = strconv.AppendInt(p, int64(user), 10)
	p = append(p, `","sid":"`...)
	p = appendFrom(p, d, hexDigits, 16)
	p = append(p, `","exp":`...)
	p = strconv.AppendInt(p, int64(expires/second), 10)
	p = append(p, '}')
	b = base64.RawURLEncoding.AppendEncode(b, p)
	b = append(b, '.')
	return appendFrom(b, d, urlSafe, 43)
}

func appendRefreshToken(b []byte, d *dice) []byte {
	return appendFrom(append(b, "rt_live_"...), d, alphanumeric, 40)
}

// appendPushToken has the shape of a mobile push registration.
func appendPushToken(b []byte, d *dice) []byte {
	b = appendFrom(b, d, urlSafe, 22)
	b = append(b, ":APA91b"...)
	return appendFrom(b, d, urlSafe, 64)
}

func appendArgon2(b []byte, d *dice) []byte {
	var raw [32]byte
	b = append(b, "$argon2id$v=19$m=65536,t=3,p=4$"...)
	b = base64.RawStdEncoding.AppendEncode(b, d.fill(raw[:16]))
	b = append(b, '$')
	return base64.RawStdEncoding.AppendEncode(b, d.fill(raw[:32]))
}

// appendProviderToken has the shape of each provider's tokens; refresh tokens differ where the provider's do.
func appendProviderToken(b []byte, d *dice, provider string, refresh bool) []byte {
	switch provider {
	case "alexa":
		if refresh {
			return appendFrom(append(b, "Atzr|IwEBI"...), d, urlSafe, 120)
		}
		return appendFrom(append(b, "Atza|IwEBI"...), d, urlSafe, 150)
	case "google_assistant":
		if refresh {
			return appendFrom(append(b, "1//0"...), d, urlSafe, 60)
		}
		return appendFrom(append(b, "ya29.a0"...), d, urlSafe, 120)
	default:
		return appendFrom(b, d, hexDigits, 64)
	}
}

func appendSlackToken(b []byte, d *dice) []byte {
	b = append(b, "xoxb-"...)
	b = appendFrom(b, d, digits, 12)
	b = append(b, '-')
	b = appendFrom(b, d, digits, 13)
	b = append(b, '-')
	return appendFrom(b, d, alphanumeric, 24)
}

func appendAccessKeyID(b []byte, d *dice) []byte {
	return appendFrom(append(b, "AKIA"...), d, upperDigits, 16)
}

// appendClipURL is a presigned URL: whoever has it sees the clip.
func appendClipURL(b []byte, d *dice, key string, t instant) []byte {
	stamp := t.time().Format("20060102T150405Z")
	b = append(b, "https://clips."+companyDomain+"/"...)
	b = append(b, key...)
	b = append(b, ".mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="...)
	b = appendAccessKeyID(b, d)
	b = append(b, "%2F"...)
	b = append(b, stamp[:8]...)
	b = append(b, "%2Fus-west-2%2Fs3%2Faws4_request&X-Amz-Date="...)
	b = append(b, stamp...)
	b = append(b, "&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature="...)
	return appendFrom(b, d, hexDigits, 64)
}

func appendSSID(b []byte, d *dice, p person) []byte {
	switch d.below(5) {
	case 0:
		b = append(append(b, "The "...), p.last...)
		return append(b, "s WiFi"...)
	case 1:
		return appendFrom(append(b, "NETGATE-"...), d, hexDigits, 4)
	case 2:
		b = append(append(b, p.first...), '-')
		return append(b, "home-5G"...)
	case 3:
		return appendFrom(append(b, "FRITZ!Kiste "...), d, digits, 4)
	default:
		return appendFrom(append(b, "CascadeCable-"...), d, upperDigits, 6)
	}
}

func appendMAC(b []byte, m uint64) []byte {
	for shift := 40; shift >= 0; shift -= 8 {
		b = append(b, hexDigits[m>>(shift+4)&15], hexDigits[m>>shift&15])
		if shift > 0 {
			b = append(b, ':')
		}
	}
	return b
}

// publicIP is of 198.18.0.0/15, the range kept for benchmarks.
func publicIP(d *dice) netip.Addr {
	x := d.u64()
	return netip.AddrFrom4([4]byte{198, 18 + byte(x&1), byte(x >> 8), byte(x >> 16)}) //nolint:gosec // bytes on purpose
}

// localIP is one of the two subnets that home routers hand out.
func localIP(d *dice, subnet byte) netip.Addr {
	return netip.AddrFrom4([4]byte{192, 168, subnet, byte(d.between(2, 254))}) //nolint:gosec // a byte
}
