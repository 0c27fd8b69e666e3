package pgwire

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// serverVersion is what clients take apart to know what they may ask: the PostgreSQL whose protocol, types and text forms these are.
const (
	serverVersion       = "15.0 (weir)"
	serverVersionNumber = "150000"
)

// setting is a parameter that clients set or ask for.
type setting struct {
	name   string                       // as it is shown
	value  string                       // at the beginning
	check  func(string) (string, error) // nil: it cannot be set
	report bool                         // the client is told of it at the beginning and when it changes
	about  string
}

// settings are the parameters of one session, with what a transaction may take back.
type settings struct {
	now     map[string]string // by name in lower case; what differs from the beginning of the table
	initial map[string]string // what the start-up message asked for: where RESET leads
	saved   map[string]string // as they were before the open transaction; nil: nothing was set in it
	local   map[string]string // what the end of the transaction gives back in any case
}

func newSettings() *settings { return &settings{now: map[string]string{}} }

func fixed(allowed ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		for _, a := range allowed {
			if strings.EqualFold(v, a) {
				return allowed[0], nil
			}
		}
		return "", stated(fault.Invalid, "22023", "this parameter cannot have that value here", "weir answers with "+allowed[0]+"; leave the parameter as it is")
	}
}

func oneOf(allowed ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		for _, a := range allowed {
			if strings.EqualFold(v, a) {
				return a, nil
			}
		}
		return "", stated(fault.Invalid, "22023", "this parameter has no such value", "use one of: "+strings.Join(allowed, ", "))
	}
}

func anything(v string) (string, error) {
	if len(v) > 1024 {
		return "", stated(fault.Invalid, "22023", "the value is too long", "use at most 1024 bytes")
	}
	return v, nil
}

// application keeps what PostgreSQL keeps of a program's name: printable ASCII, at most 63 characters.
func application(v string) (string, error) {
	b := []byte(v)
	for i := range b {
		if b[i] < 0x20 || b[i] > 0x7e {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), 63)]), nil
}

func boolean(v string) (string, error) {
	if b, ok := parseBool(v); ok {
		if b {
			return "on", nil
		}
		return "off", nil
	}
	return "", stated(fault.Invalid, "22023", "this parameter is on or off", "write on or off")
}

func always(word string) func(string) (string, error) {
	return func(v string) (string, error) {
		got, err := boolean(v)
		if err == nil && got != word {
			err = stated(fault.Invalid, "22023", "this parameter is always "+word+" here", "leave it as it is")
		}
		return got, err
	}
}

func integer(low, high int) func(string) (string, error) {
	return func(v string) (string, error) {
		n, err := strconv.Atoi(strings.TrimSpace(v))
		if err != nil || n < low || n > high {
			return "", stated(fault.Invalid, "22023", "this parameter is an integer from "+strconv.Itoa(low)+" to "+strconv.Itoa(high), "write such a number")
		}
		return strconv.Itoa(n), nil
	}
}

// timeUnits are what PostgreSQL understands behind a number of time.
var timeUnits = []struct {
	name string
	in   time.Duration
}{{"us", time.Microsecond}, {"ms", time.Millisecond}, {"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

// span reads a time as PostgreSQL does, milliseconds where nothing is said.
func span(v string) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	unit := time.Millisecond
	end := strings.LastIndexAny(v, "0123456789.") + 1
	if name := strings.TrimSpace(v[end:]); name != "" {
		at := slices.IndexFunc(timeUnits, func(u struct {
			name string
			in   time.Duration
		},
		) bool {
			return u.name == name
		})
		if at < 0 {
			return 0, false
		}
		unit = timeUnits[at].in
	}
	n, err := strconv.ParseFloat(v[:end], 64)
	if err != nil || n < 0 || n*float64(unit) > float64(1<<31)*float64(time.Millisecond) {
		return 0, false
	}
	return time.Duration(n * float64(unit)).Round(time.Millisecond), true
}

// timeLimit keeps a time as PostgreSQL shows it: in the largest unit that fits.
func timeLimit(v string) (string, error) {
	d, ok := span(v)
	if !ok {
		return "", stated(fault.Invalid, "22023", "this parameter is a time", "write it as 500ms, 30s, 5min or 1h")
	}
	if d == 0 {
		return "0", nil
	}
	for i := len(timeUnits) - 1; i > 0; i-- {
		if u := timeUnits[i]; d%u.in == 0 {
			return strconv.FormatInt(int64(d/u.in), 10) + u.name, nil
		}
	}
	return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms", nil
}

// dateStyle takes what asks for ISO dates: the order of day and month is of input alone, and input is ISO as well.
func dateStyle(v string) (string, error) {
	order := "MDY"
	for part := range strings.SplitSeq(v, ",") {
		switch p := strings.ToUpper(strings.TrimSpace(part)); p {
		case "ISO", "DEFAULT":
		case "MDY", "DMY", "YMD":
			order = p
		default:
			return "", stated(fault.Invalid, "22023", "dates are written in the style ISO", "leave DateStyle as it is")
		}
	}
	return "ISO, " + order, nil
}

var isolation = oneOf("read committed", "repeatable read", "serializable", "read uncommitted")

// known are all parameters, by name in lower case.
var known = func() map[string]setting {
	utc := fixed("UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "Universal", "UCT", "0", "+0", "+00", "+00:00", "Z")
	table := map[string]setting{}
	for _, s := range []setting{
		{"application_name", "", application, true, "the program's name, as the record keeps it"},
		{"array_nulls", "on", always("on"), false, "NULL in arrays is NULL"},
		{"bytea_output", "hex", fixed("hex"), false, "how bytea is written"},
		{"check_function_bodies", "on", boolean, false, "nothing here has a body"},
		{"client_encoding", "UTF8", fixed("UTF8", "UTF-8", "unicode", "utf_8"), true, "the text's encoding"},
		{"client_min_messages", "notice", oneOf("debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "notice", "warning", "error"), false, "which messages the client wants"},
		{"datestyle", "ISO, MDY", dateStyle, true, "how dates are written"},
		{"default_transaction_deferrable", "off", boolean, false, "no transaction waits"},
		{"default_transaction_isolation", "read committed", isolation, false, "every question sees one state of the store"},
		{"default_transaction_read_only", "on", boolean, true, "nothing can be written in any case"},
		{"extra_float_digits", "1", integer(-15, 3), false, "floats are always written so that they read back the same"},
		{"geqo", "on", boolean, false, "kept, without effect"},
		{"idle_in_transaction_session_timeout", "0", timeLimit, false, "how long a transaction may be idle"},
		{"idle_session_timeout", "0", timeLimit, false, "how long a session may be idle"},
		{"in_hot_standby", "off", nil, true, "no standby"},
		{"integer_datetimes", "on", nil, true, "times are integers in binary form"},
		{"intervalstyle", "postgres", fixed("postgres"), true, "how intervals are written"},
		{"is_superuser", "off", nil, true, "nobody is"},
		{"lc_collate", "C", nil, false, "text is ordered by its bytes"},
		{"lc_ctype", "C", nil, false, "letters are ASCII's"},
		{"lc_messages", "C", fixed("C"), false, "messages are in English"},
		{"lc_monetary", "C", fixed("C"), false, "no money is written"},
		{"lc_numeric", "C", fixed("C"), false, "numbers are written with a point"},
		{"lc_time", "C", fixed("C"), false, "names of days are in English"},
		{"lock_timeout", "0", timeLimit, false, "nothing locks"},
		{"max_identifier_length", "63", nil, false, "of names"},
		{"max_index_keys", "32", nil, false, "there are no indexes"},
		{"quote_all_identifiers", "off", boolean, false, "kept, without effect"},
		{"role", "none", fixed("none"), false, "roles come from signing in"},
		{"row_security", "on", boolean, false, "the policy holds in any case"},
		{"search_path", `"$user", public`, anything, false, "kept, without effect: names are looked up in what the role may see"},
		{"server_encoding", "UTF8", nil, true, "the store's encoding"},
		{"server_version", serverVersion, nil, true, "the PostgreSQL whose protocol this is"},
		{"server_version_num", serverVersionNumber, nil, false, "the same as a number"},
		{"session_authorization", "", nil, true, "who signed in"},
		{"ssl", "on", nil, false, "there is no connection without"},
		{"ssl_renegotiation_limit", "0", fixed("0"), false, "kept, without effect"},
		{"standard_conforming_strings", "on", always("on"), true, "a backslash is a character"},
		{"statement_timeout", "0", timeLimit, false, "how long a statement may run; it can lower the gate's limit"},
		{"synchronize_seqscans", "on", boolean, false, "kept, without effect"},
		{"timezone", "UTC", utc, true, "times are written in UTC"},
		{"transaction_deferrable", "off", boolean, false, "no transaction waits"},
		{"transaction_isolation", "read committed", isolation, false, "every question sees one state of the store"},
		{"transaction_read_only", "on", boolean, false, "nothing can be written in any case"},
		{"work_mem", "4MB", anything, false, "kept, without effect"},
		{"xmloption", "content", oneOf("content", "document"), false, "there is no XML"},
	} {
		table[s.name] = s
	}
	for lower, shown := range map[string]string{"datestyle": "DateStyle", "timezone": "TimeZone", "intervalstyle": "IntervalStyle"} {
		s := table[lower]
		s.name = shown
		table[lower] = s
	}
	return table
}()

// reported are the names of the parameters that the client is told of, in their order.
var reported = func() []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(known)) {
		if known[k].report {
			out = append(out, k)
		}
	}
	return out
}()

func unknownParameter() error {
	return stated(fault.NotFound, "42704", "there is no such parameter", "SHOW ALL lists those that can be shown and set")
}

// start takes a parameter of the start-up message. What asks for another time zone is answered by the one that there is, and a notice: drivers send the machine's unasked.
func (s *settings) start(name, value string) (notice, err error) {
	k := lower(name)
	v, err := s.checked(k, value)
	if err != nil && k == "timezone" {
		return stated(fault.Invalid, "01000", "times are written in UTC, whatever time zone the client is in", "convert them where they are shown"), nil
	}
	if err != nil {
		return nil, err
	}
	s.now[k] = v
	return nil, nil //nolint:nilnil // no notice and no error is the usual case
}

// begun makes what the start-up message asked for the value that RESET leads to.
func (s *settings) begun() { s.initial = maps.Clone(s.now) }

// maxSetting is how many bytes a parameter's value may have: a session keeps several of each.
const maxSetting = 8 << 10

func (s *settings) checked(k, value string) (string, error) {
	p, ok := known[k]
	switch {
	case !ok:
		return "", unknownParameter()
	case p.check == nil:
		return "", stated(fault.Invalid, "55P02", "this parameter cannot be changed", "leave it as it is")
	case len(value) > maxSetting:
		return "", stated(fault.Refused, "22023", "the parameter's value is too long", "set a shorter one")
	}
	return p.check(value)
}

// get is a known parameter's value.
func (s *settings) get(c *connection, k string) string {
	switch k {
	case "session_authorization":
		return c.user
	case "default_transaction_read_only", "transaction_read_only":
		return "on" // whatever was set: it is the truth
	}
	if v, ok := s.now[k]; ok {
		return v
	}
	return known[k].value
}

// set changes a parameter, until the end of the transaction when local. A nil value is RESET.
func (s *settings) set(k string, value *string, local bool) error {
	v, has := s.initial[k]
	if value != nil {
		var err error
		if v, err = s.checked(k, *value); err != nil {
			return err
		}
		has = true
	} else if _, ok := known[k]; !ok {
		return unknownParameter()
	}
	s.save()
	if local {
		if s.local == nil {
			s.local = map[string]string{}
		}
		if _, twice := s.local[k]; !twice {
			s.local[k] = s.now[k]
		}
	} else {
		delete(s.local, k)
	}
	if has {
		s.now[k] = v
	} else {
		delete(s.now, k)
	}
	return nil
}

func (s *settings) save() {
	if s.saved == nil {
		s.saved = maps.Clone(s.now)
	}
}

// resetAll gives every parameter the value that the session began with.
func (s *settings) resetAll() {
	s.save()
	s.now, s.local = maps.Clone(s.initial), nil
}

// end ends a transaction, and gives back what it must.
func (s *settings) end(committed bool) {
	if s.saved != nil && !committed {
		s.now = s.saved
	} else {
		for k, v := range s.local {
			if v == "" {
				delete(s.now, k)
			} else {
				s.now[k] = v
			}
		}
	}
	s.saved, s.local = nil, nil
}

// reported are the parameters that the client is told of, as shown, with their values.
func (s *settings) reported(c *connection) [][2]string {
	out := make([][2]string, len(reported))
	for i, k := range reported {
		out[i] = [2]string{known[k].name, s.get(c, k)}
	}
	return out
}

// limit is a time that a parameter sets; 0 is none.
func (s *settings) limit(k string) time.Duration {
	d, _ := span(s.now[k])
	return d
}
