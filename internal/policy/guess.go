package policy

import (
	"slices"
	"strings"
	"unicode"
)

// hints is one rule of the guess: a column whose name holds one of the words is probably of the class.
type hints struct {
	class Class
	words []string // nil for every name
	kinds []string // nil for every kind
}

// guesses are tried in order; the stricter ones come first, so that a name that could be two things becomes the stricter one. A word with blanks is words
// that follow each other; one that ends with $ must end the name.
var guesses = []hints{
	{class: Secret, words: []string{
		"password", "passwd", "passphrase", "pwd", "secret", "token", "totp", "otp", "mfa", "apikey", "credential", "credentials", "hash", "salt", "enr",
		"signature", "signed", "cookie", "jwt", "pin", "private", "otk", "psk", "clip",
	}},
	{class: DirectIdentifier, words: []string{"photo", "avatar", "picture", "selfie", "portrait"}},
	{class: Secret, words: []string{"key$", "keys$", "url$", "uri$", "link$"}, kinds: []string{KindText, KindBytes, KindList}},
	{class: Health, words: []string{
		"health", "weight", "height", "bmi", "bmr", "fat", "muscle", "bone", "protein", "visceral", "metabolic", "heart", "pulse", "blood", "glucose", "impedance",
		"body water", "diagnosis", "medication", "pregnant", "sleep", "allergy",
	}},
	{class: Network, words: []string{"ssid", "bssid", "gateway", "lan", "subnet", "cidr", "ip", "hostname", "dns", "wifi", "wlan", "vlan"}},
	{class: Network, kinds: []string{KindInet}},
	{class: DirectIdentifier, kinds: []string{KindMAC}},
	{class: Attribute, words: []string{"isp", "asn"}},
	{class: Telemetry, words: []string{"phone model", "model", "firmware", "hardware"}},
	{class: Location, words: []string{"lat", "lon", "lng", "latitude", "longitude", "geo", "gps", "postal", "postcode", "zip", "city", "region", "location", "coordinates"}},
	{class: Behaviour, kinds: []string{KindTime}},
	{class: DirectIdentifier, words: []string{
		"email", "mail", "phone", "mobile", "msisdn", "nickname", "username", "firstname", "lastname", "surname", "fullname", "mac", "serial", "imei", "imsi",
		"iccid", "p2p", "address", "street", "employee", "author", "ssn", "passport", "iban", "external", "first name", "last name", "full name", "user name",
		"display name", "nick name", "handle",
	}},
	{class: Attribute, words: []string{
		"country", "locale", "language", "timezone", "time zone", "tz", "gender", "sex", "birth", "birthday", "age", "plan", "opt in", "internal", "beta",
		"occupation", "income", "marital",
	}},
	{class: FreeText, words: []string{
		"name", "body", "message", "comment", "note", "notes", "description", "subject", "title", "text", "filter", "label", "query", "content", "payload",
		"feedback", "answer", "bio", "room", "memo", "remark",
	}, kinds: []string{KindText, KindList, ""}},
	{class: Identifier, words: []string{"id$", "ids$", "uuid", "guid", "group$"}},
	{class: Behaviour, words: []string{"kind", "action", "activity", "motion", "presence", "user off", "conn", "online", "occupied", "tags", "scopes", "screens", "foreground"}},
	{class: Telemetry, words: []string{
		"version", "os", "code", "error", "ok", "transport", "outcome", "step", "stage", "state", "status", "channel", "duration", "ms", "rssi", "dbm", "battery",
		"uptime", "mem", "reconnects", "reboots", "percent", "power", "interval", "synthetic", "reason", "no$", "count", "band", "failed",
	}},
	{class: Attribute, words: []string{"provider", "category", "role", "purpose", "security", "type", "source"}},
}

// bodyTables are words in the name of a table that make everything in it health: beside a body's numbers, an id or a time is about that body too.
var bodyTables = []string{"body", "health", "medical", "patient", "fitness", "vitals"}

// catalogues are the words of tables that tell the world about products.
var catalogues = []string{"product", "catalog", "catalogue", "firmware release"}

// guess returns the class that a column has by its name and type. It errs on the strict side, and is a proposal that a person reads.
func guess(table string, c SchemaColumn) Class {
	_, name, _ := strings.Cut(table, ".")
	in := nameWords(name)
	if slices.ContainsFunc(bodyTables, func(w string) bool { return hasWord(in, w) }) {
		return Health
	}
	words := nameWords(c.Name)
	for _, h := range guesses {
		if h.kinds != nil && !slices.Contains(h.kinds, c.Kind) {
			continue
		}
		if h.words != nil && !slices.ContainsFunc(h.words, func(w string) bool { return hasWord(words, w) }) {
			continue
		}
		harmless := h.class == Telemetry || h.class == FreeText || h.class == Identifier || h.class == Attribute || h.class == Behaviour
		if harmless && slices.ContainsFunc(catalogues, func(w string) bool { return hasWord(in, w) }) {
			return Public
		}
		return h.class
	}
	switch c.Kind {
	case KindBytes:
		return Secret
	case KindUUID:
		return Identifier
	case KindText, KindList, "":
		return FreeText
	case KindDate:
		return Behaviour
	}
	if c.Key {
		return Identifier
	}
	return Attribute
}

// nameWords are the words of a name in lower case: user_id and userId are both user, id.
func nameWords(name string) []string {
	var words []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			words = append(words, string(word))
		}
		word = nil
	}
	lower := false
	for _, c := range name {
		switch {
		case !unicode.IsLetter(c) && !unicode.IsDigit(c):
			end()
			lower = false
			continue
		case unicode.IsUpper(c) && lower:
			end()
		}
		lower = unicode.IsLower(c)
		word = append(word, unicode.ToLower(c))
	}
	end()
	return words
}

// hasWord tells whether the words have the pattern in them.
func hasWord(words []string, pattern string) bool {
	last := strings.HasSuffix(pattern, "$")
	wanted := strings.Fields(strings.TrimSuffix(pattern, "$"))
	for i := 0; i+len(wanted) <= len(words); i++ {
		if last && i+len(wanted) != len(words) {
			continue
		}
		if slices.Equal(words[i:i+len(wanted)], wanted) {
			return true
		}
	}
	return false
}
