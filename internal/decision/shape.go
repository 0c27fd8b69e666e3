package decision

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
	"sync"
	"unicode/utf8"
)

// hashLength is how much of a hash stands in a shape, in bytes: enough to tell literals apart, and the key is needed to try one.
const hashLength = 8

// hasher makes keyed hashes of literals and of names that somebody made up. One goroutine uses it at a time.
type hasher struct {
	keyed hash.Hash
	buf   []byte
}

func (d *Decider) hasher() *hasher { return &hasher{keyed: hmac.New(sha256.New, d.key)} }

func (h *hasher) hash(kind, s string) string {
	h.keyed.Reset()
	h.buf = append(append(append(append(h.buf[:0], "weir shape\x00"...), kind...), 0), s...)
	_, _ = h.keyed.Write(h.buf)
	h.buf = h.keyed.Sum(h.buf[:0])
	return hex.EncodeToString(h.buf[:hashLength])
}

// written are the words that the parser writes by itself. Every word that is not among them, no function and not in the catalogue was made up by whoever
// wrote the statement, and may hold anything.
var written = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(`select distinct on from where group by having qualify order asc desc nulls first last limit offset union all except
		intersect name as join inner left right full outer semi anti asof positional cross natural using lateral with recursive materialized not values case
		when then else end cast try_cast try and or in is null between exists any over partition rows range groups unbounded preceding following current
		row exclude ties others no filter within ignore respect grouping sets columns replace rename collate array ordinality true false interval
		system main nocase noaccent nfc binary c posix lambda unpack
		boolean tinyint smallint integer bigint hugeint utinyint usmallint uinteger ubigint uhugeint float double decimal varchar blob bit date time
		time_ns timestamp timestamp_s timestamp_ms timestamp_ns zone interval uuid list struct map json numeric dec text string char bpchar
		current_date current_time current_timestamp localtime localtimestamp valueslist coalesce elem __array_internal_idx_1 _weir_none _weir_part`) {
		m[w] = true
	}
	for name := range allowedFunctions() {
		m[name] = true
	}
	return m
})

// shape replaces every literal, and every name that is neither the engine's nor in the catalogue, by a keyed hash. It reads text that the parser wrote, which has
// no comments and one way to write each thing.
func (d *Decider) shape(sql string, c *Catalog) string {
	known, own := written(), c.indexed().names
	h := d.hasher()
	var out strings.Builder
	for i := 0; i < len(sql); {
		n, kind := token(sql[i:])
		t := sql[i : i+n]
		i += n
		switch kind {
		case tokenString:
			out.WriteString("'#" + h.hash("string", unquote(t)) + "'")
		case tokenNumber:
			out.WriteString("#" + h.hash("number", t))
		case tokenWord, tokenQuoted:
			name := t
			if kind == tokenQuoted {
				name = unquote(t)
			}
			if f := fold(name); known[f] || own[f] || isCTE(f) || short(f) {
				out.WriteString(t)
			} else {
				out.WriteString(`"#` + h.hash("name", f) + `"`)
			}
		case tokenOther:
			out.WriteString(t)
		}
	}
	return out.String()
}

// short tells names like d, n and t1, which can hold nobody's secret and make a shape readable.
func short(name string) bool {
	return name != "" && len(name) <= 2 && wordByte(name[0]) && name[len(name)-1] < utf8.RuneSelf && name[0] < utf8.RuneSelf
}

// isCTE tells the names that CTEs are given.
func isCTE(name string) bool {
	digits, ok := strings.CutPrefix(name, "_weir_with_")
	return ok && strings.Trim(digits, "0123456789") == "" && len(digits) < 6
}

func unquote(t string) string {
	if len(t) < 2 {
		return t
	}
	q := t[:1]
	return strings.ReplaceAll(t[1:len(t)-1], q+q, q)
}

type tokenKind uint8

const (
	tokenOther tokenKind = iota
	tokenString
	tokenQuoted
	tokenNumber
	tokenWord
)

func wordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// token reads the first token of s, which is not empty.
func token(s string) (int, tokenKind) {
	c := s[0]
	switch {
	case c == '\'' || c == '"':
		kind := tokenString
		if c == '"' {
			kind = tokenQuoted
		}
		for i := 1; i < len(s); i++ {
			if s[i] != c {
				continue
			}
			if i+1 < len(s) && s[i+1] == c {
				i++
				continue
			}
			return i + 1, kind
		}
		return len(s), tokenString // it does not end: the parser writes no such thing
	case wordByte(c):
		i := 1
		for i < len(s) && (wordByte(s[i]) || digit(s[i]) || s[i] == '$') {
			i++
		}
		return i, tokenWord
	case digit(c):
		return number(s), tokenNumber
	case (c == '$' || c == '#') && len(s) > 1 && digit(s[1]): // a parameter, a position
		i := 1
		for i < len(s) && digit(s[i]) {
			i++
		}
		return i, tokenOther
	default:
		return 1, tokenOther
	}
}

func number(s string) int {
	i := 0
	for i < len(s) && (digit(s[i]) || s[i] == '.' || s[i] == '_') {
		i++
	}
	if i+1 < len(s) && (s[i] == 'e' || s[i] == 'E') {
		j := i + 1
		if s[j] == '+' || s[j] == '-' {
			j++
		}
		for j < len(s) && digit(s[j]) {
			j++
			i = j
		}
	}
	return i
}
