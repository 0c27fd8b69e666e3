package decision

import (
	"strings"
	"unicode/utf8"
)

const (
	maxLength = 256 << 10
	maxNodes  = 40000
	maxDepth  = 200
)

// checkBytes refuses text that could read differently to two readers. It returns the rule and the byte it breaks at.
//
// It need not know where quotes end as exactly as the parser does: what runs is text made from the parser's tree. Where it is unsure it refuses.
func checkBytes(sql string) (Rule, int) {
	if len(sql) > maxLength {
		return RuleLength, -1
	}
	if !utf8.ValidString(sql) || strings.IndexByte(sql, 0) >= 0 {
		return RuleBytes, -1
	}
	for i := 0; i < len(sql); {
		if n := quoted(sql[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(sql[i:])
		if !plain(r) {
			return RuleBytes, i
		}
		i += n
	}
	return "", 0
}

// plain says whether a character may stand outside of quotes: what is a blank to one reader and a letter to another may not.
func plain(r rune) bool {
	switch {
	case r == ' ' || r == '\t' || r == '\r' || r == '\n':
		return true
	case r < 0x20 || r >= 0x7f && r <= 0xa0: // control characters, U+0085, U+00A0
		return false
	case r < 0x7f:
		return true
	case r == 0xad, r == 0x034f, r == 0x061c, r == 0x1680, r == 0x180e, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0, r == 0x2800:
		return false
	case r >= 0x2000 && r <= 0x200f, r >= 0x2028 && r <= 0x202f, r >= 0x205f && r <= 0x206f, r == 0x3000, r == 0xfeff, r == 0xfffd:
		return false
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0000, r >= 0xd800 && r <= 0xf8ff: // selectors, tags, private use
		return false
	default:
		return true
	}
}

// quoted returns the length of the string, quoted name or comment that s begins with, 0 when it begins with none.
func quoted(s string) int {
	switch {
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexAny(s, "\r\n"); i >= 0 {
			return i
		}
		return len(s)
	case strings.HasPrefix(s, "/*"):
		if i := strings.Index(s[2:], "*/"); i >= 0 {
			return i + 4
		}
		return len(s)
	case s[0] == '\'' || s[0] == '"':
		if i := strings.IndexByte(s[1:], s[0]); i >= 0 {
			return i + 2
		}
		return len(s)
	case s[0] == '$':
		return dollarQuoted(s)
	default:
		return 0
	}
}

// dollarQuoted is quoted for $tag$ … $tag$.
func dollarQuoted(s string) int {
	end := strings.IndexByte(s[1:], '$')
	if end < 0 {
		return 0
	}
	tag := s[:end+2]
	for i, r := range tag[1 : end+1] {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return 0
		}
	}
	if i := strings.Index(s[len(tag):], tag); i >= 0 {
		return i + 2*len(tag)
	}
	return len(s)
}

// position turns a byte of the text into a character of it, from 1; 0 when there is none.
func position(sql string, at int) int {
	if at < 0 || at > len(sql) {
		return 0
	}
	return utf8.RuneCountInString(sql[:at]) + 1
}

// fold is how the engine compares names: without the case of ASCII letters.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
