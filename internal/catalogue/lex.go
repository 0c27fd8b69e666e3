package catalogue

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxText bounds the statements that are looked at: what clients ask of a catalogue is a few kilobytes.
	maxText = 1 << 18
	// maxDepth bounds how deep expressions and subqueries nest.
	maxDepth = 120
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenWord
	tokenQuoted // "identifier"
	tokenString
	tokenNumber
	tokenParam
	tokenOp    // an operator, :: too
	tokenPunct // ( ) [ ] , ; . :
)

// token is one lexeme; text is decoded: words in lower case, strings without their quotes, parameters as their number.
type token struct {
	kind tokenKind
	text string
}

// lexer cuts a statement as PostgreSQL does with standard_conforming_strings on.
type lexer struct {
	s  string
	at int
}

// tokens cuts all of s; ok is false for text that is none of PostgreSQL's, or that uses forms no client sends to a catalogue.
func tokens(s string) (list []token, ok bool) {
	if len(s) > maxText || !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return nil, false
	}
	l := &lexer{s: s}
	for {
		t, ok := l.next()
		if !ok {
			return nil, false
		}
		list = append(list, t)
		if t.kind == tokenEnd {
			return list, true
		}
	}
}

func (l *lexer) peek(n int) byte {
	if l.at+n < len(l.s) {
		return l.s[l.at+n]
	}
	return 0
}

// blank passes over blanks and comments, which nest.
func (l *lexer) blank() bool {
	for l.at < len(l.s) {
		switch c := l.s[l.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			l.at++
		case c == '-' && l.peek(1) == '-':
			end := strings.IndexAny(l.s[l.at:], "\r\n")
			if end < 0 {
				l.at = len(l.s)
			} else {
				l.at += end
			}
		case c == '/' && l.peek(1) == '*':
			depth := 0
			for {
				switch {
				case l.at >= len(l.s):
					return false
				case strings.HasPrefix(l.s[l.at:], "/*"):
					depth++
					l.at += 2
				case strings.HasPrefix(l.s[l.at:], "*/"):
					depth--
					l.at += 2
				default:
					l.at++
				}
				if depth == 0 {
					break
				}
			}
		default:
			return true
		}
	}
	return true
}

func isLetter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

const operatorBytes = "+-*/<>=~!@#%^&|`?"

func (l *lexer) next() (token, bool) {
	if !l.blank() {
		return token{}, false
	}
	if l.at >= len(l.s) {
		return token{kind: tokenEnd}, true
	}
	c := l.s[l.at]
	switch {
	case c == '\'':
		return l.quoted('\'', tokenString, false)
	case c == '"':
		return l.quoted('"', tokenQuoted, false)
	case (c == 'e' || c == 'E') && l.peek(1) == '\'':
		l.at++
		return l.quoted('\'', tokenString, true)
	case strings.IndexByte("bBxXnN", c) >= 0 && l.peek(1) == '\'', (c == 'u' || c == 'U') && l.peek(1) == '&':
		return token{}, false
	case isLetter(c):
		start := l.at
		for l.at < len(l.s) && (isLetter(l.s[l.at]) || isDigit(l.s[l.at]) || l.s[l.at] == '$') {
			l.at++
		}
		return token{tokenWord, strings.ToLower(l.s[start:l.at])}, true
	case isDigit(c), c == '.' && isDigit(l.peek(1)):
		return l.number()
	case c == '$':
		return l.dollar()
	case c == ':' && l.peek(1) == ':':
		l.at += 2
		return token{tokenOp, "::"}, true
	case strings.IndexByte("()[],;.:", c) >= 0:
		l.at++
		return token{tokenPunct, string(c)}, true
	case strings.IndexByte(operatorBytes, c) >= 0:
		return l.operator()
	}
	return token{}, false
}

// quoted reads a string or identifier; escapes says whether a backslash escapes.
func (l *lexer) quoted(quote byte, kind tokenKind, escapes bool) (token, bool) {
	var b strings.Builder
	for l.at++; l.at < len(l.s); l.at++ {
		c := l.s[l.at]
		switch {
		case c == quote && l.peek(1) == quote:
			b.WriteByte(quote)
			l.at++
		case c == quote:
			l.at++
			return token{kind, b.String()}, kind != tokenQuoted || b.Len() > 0
		case c == '\\' && escapes:
			l.at++
			if !l.escape(&b) {
				return token{}, false
			}
		default:
			b.WriteByte(c)
		}
	}
	return token{}, false
}

// escape decodes what stands behind a backslash; escapes by number are not taken, because no client writes them here.
func (l *lexer) escape(b *strings.Builder) bool {
	switch c := l.peek(0); c {
	case 0, 'x', 'u', 'U', '0', '1', '2', '3', '4', '5', '6', '7':
		return false
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	default:
		b.WriteByte(c)
	}
	return true
}

func (l *lexer) number() (token, bool) {
	start := l.at
	for l.at < len(l.s) && (isDigit(l.s[l.at]) || l.s[l.at] == '.' && isDigit(l.peek(1))) {
		l.at++
	}
	if c := l.peek(0); c == 'e' || c == 'E' {
		n := 1
		if s := l.peek(1); s == '+' || s == '-' {
			n = 2
		}
		if !isDigit(l.peek(n)) {
			return token{}, false
		}
		for l.at += n; isDigit(l.peek(0)); l.at++ {
		}
	}
	if isLetter(l.peek(0)) {
		return token{}, false
	}
	text := l.s[start:l.at]
	if _, err := strconv.ParseFloat(text, 64); err != nil {
		return token{}, false
	}
	return token{tokenNumber, text}, true
}

// dollar reads $1, $$text$$ and $tag$text$tag$.
func (l *lexer) dollar() (token, bool) {
	end := l.at + 1
	if end < len(l.s) && isDigit(l.s[end]) {
		for end < len(l.s) && isDigit(l.s[end]) {
			end++
		}
		text := l.s[l.at+1 : end]
		l.at = end
		n, err := strconv.Atoi(text)
		return token{tokenParam, text}, err == nil && n >= 1 && n <= 65535 && !isLetter(l.peek(0))
	}
	for end < len(l.s) && (isLetter(l.s[end]) || isDigit(l.s[end])) {
		end++
	}
	if end >= len(l.s) || l.s[end] != '$' {
		return token{}, false
	}
	tag := l.s[l.at : end+1]
	body, _, found := strings.Cut(l.s[end+1:], tag)
	if !found {
		return token{}, false
	}
	l.at = end + 1 + len(body) + len(tag)
	return token{tokenString, body}, true
}

// operator reads the longest operator; a comment's start ends it, and a trailing + or - belongs to it only beside the rarer characters.
func (l *lexer) operator() (token, bool) {
	end := l.at
	for end < len(l.s) && strings.IndexByte(operatorBytes, l.s[end]) >= 0 {
		if rest := l.s[end:]; end > l.at && (strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*")) {
			break
		}
		end++
	}
	text := l.s[l.at:end]
	for len(text) > 1 && (text[len(text)-1] == '+' || text[len(text)-1] == '-') && !strings.ContainsAny(text[:len(text)-1], "~!@#%^&|`?") {
		text = text[:len(text)-1]
	}
	l.at += len(text)
	if text == "!=" {
		text = "<>"
	}
	return token{tokenOp, text}, true
}
