package pgwire

import (
	"strings"
	"unicode/utf8"
)

// kind says what a token is.
type tokenKind uint8

const (
	ended  tokenKind = iota // no token: the text is over
	word                    // an identifier or a keyword as written; value is in lower case
	quoted                  // "an identifier"; value is without quotes
	str                     // a string; value is what it means
	number
	parameter // $1
	symbol    // one character of anything else
)

// token is one piece of SQL. raw is what was written, at its byte offset at.
type token struct {
	kind  tokenKind
	raw   string
	value string
	at    int
}

// is says whether the token is the keyword or symbol.
func (t token) is(s string) bool { return (t.kind == word || t.kind == symbol) && t.value == s }

// name says whether the token can be a name.
func (t token) name() bool { return t.kind == word || t.kind == quoted }

// scanner cuts SQL into tokens as PostgreSQL's lexer does: nested comments, strings with and without escapes, dollar quotes. What never ends reaches to the end of the text. It finds statements and reads those
// that the protocol answers itself; nothing that it says is a decision about a question.
type scanner struct {
	text string
	at   int
}

func letter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
func digit(c byte) bool { return c >= '0' && c <= '9' }

// skip passes over blanks and comments.
func (s *scanner) skip() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			s.at++
		case strings.HasPrefix(s.text[s.at:], "--"):
			end := strings.IndexAny(s.text[s.at:], "\r\n")
			if end < 0 {
				s.at = len(s.text)
				return
			}
			s.at += end
		case strings.HasPrefix(s.text[s.at:], "/*"):
			s.comment()
		default:
			return
		}
	}
}

// comment passes over a comment, with those inside it.
func (s *scanner) comment() {
	depth := 0
	for s.at < len(s.text) {
		switch {
		case strings.HasPrefix(s.text[s.at:], "/*"):
			depth++
			s.at += 2
		case strings.HasPrefix(s.text[s.at:], "*/"):
			depth--
			s.at += 2
			if depth == 0 {
				return
			}
		default:
			s.at++
		}
	}
}

// next is the next token.
func (s *scanner) next() token {
	s.skip()
	if s.at >= len(s.text) {
		return token{kind: ended, at: s.at}
	}
	t := token{at: s.at}
	switch c := s.text[s.at]; {
	case (c == 'e' || c == 'E') && s.follows(1, '\''):
		s.at++
		t.kind, t.value = str, s.quote('\'', true)
	case (c == 'n' || c == 'N') && s.follows(1, '\''):
		s.at++
		t.kind, t.value = str, s.quote('\'', false)
	case c == '\'':
		t.kind, t.value = str, s.quote('\'', false)
	case c == '"':
		t.kind, t.value = quoted, s.quote('"', false)
	case letter(c):
		for s.at < len(s.text) && (letter(s.text[s.at]) || digit(s.text[s.at]) || s.text[s.at] == '$') {
			s.at++
		}
		t.kind, t.value = word, lower(s.text[t.at:s.at])
	case digit(c) || c == '.' && s.at+1 < len(s.text) && digit(s.text[s.at+1]):
		s.number()
		t.kind, t.value = number, s.text[t.at:s.at]
	case c == '$':
		s.dollar(&t)
	default:
		_, n := utf8.DecodeRuneInString(s.text[s.at:])
		s.at += n
		t.kind, t.value = symbol, s.text[t.at:s.at]
	}
	t.raw = s.text[t.at:s.at]
	return t
}

func (s *scanner) follows(n int, c byte) bool { return s.at+n < len(s.text) && s.text[s.at+n] == c }

// number passes over a number, with its exponent.
func (s *scanner) number() {
	for s.at < len(s.text) && (digit(s.text[s.at]) || s.text[s.at] == '.') {
		s.at++
	}
	if s.at < len(s.text) && (s.text[s.at]|0x20) == 'e' {
		end := s.at + 1
		if end < len(s.text) && (s.text[end] == '+' || s.text[end] == '-') {
			end++
		}
		if end < len(s.text) && digit(s.text[end]) {
			for end < len(s.text) && digit(s.text[end]) {
				end++
			}
			s.at = end
		}
	}
}

// quote reads a quoted text, whose quote is written twice inside it, and gives what it means.
func (s *scanner) quote(q byte, escapes bool) string {
	s.at++
	var out strings.Builder
	for s.at < len(s.text) {
		c := s.text[s.at]
		switch {
		case c == q && s.follows(1, q):
			out.WriteByte(q)
			s.at += 2
		case c == q:
			s.at++
			return out.String()
		case escapes && c == '\\' && s.at+1 < len(s.text):
			out.WriteByte(unescape(s.text[s.at+1]))
			s.at += 2
		default:
			out.WriteByte(c)
			s.at++
		}
	}
	return out.String()
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return c
}

// dollar reads $1, $tag$text$tag$, or a dollar sign alone.
func (s *scanner) dollar(t *token) {
	end := s.at + 1
	if end < len(s.text) && digit(s.text[end]) {
		for end < len(s.text) && digit(s.text[end]) {
			end++
		}
		t.kind, t.value, s.at = parameter, s.text[s.at+1:end], end
		return
	}
	for end < len(s.text) && (letter(s.text[end]) || digit(s.text[end])) {
		end++
	}
	if end < len(s.text) && s.text[end] == '$' {
		tag := s.text[s.at : end+1]
		rest := s.text[end+1:]
		t.kind = str
		if n := strings.Index(rest, tag); n >= 0 {
			t.value = rest[:n]
			s.at = end + 1 + n + len(tag)
		} else {
			t.value = rest
			s.at = len(s.text)
		}
		return
	}
	t.kind, t.value = symbol, "$"
	s.at++
}

// lower is strings.ToLower for ASCII alone: what an identifier's letters beyond it fold to is not the protocol's to say.
func lower(s string) string {
	for i := range len(s) {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// piece is one statement of a text, without the semicolon, and where it begins.
type piece struct {
	text string
	at   int // in characters, before it
}

// split cuts a text at its semicolons. Empty statements are left out.
func split(text string) []piece {
	var out []piece
	s := scanner{text: text}
	begin, some := -1, 0
	counted, characters := 0, 0 // up to which byte the characters were counted
	add := func(end int) {
		if begin >= 0 {
			characters += utf8.RuneCountInString(text[counted:begin])
			counted = begin
			out = append(out, piece{text: text[begin:end], at: characters})
		}
		begin = -1
	}
	for {
		t := s.next()
		switch {
		case t.kind == ended:
			add(some)
			return out
		case t.is(";"):
			add(some)
		default:
			if begin < 0 {
				begin = t.at
			}
			some = s.at
		}
	}
}

// tokens are all tokens of a statement, without what ends it.
func tokens(text string) []token {
	var out []token
	s := scanner{text: text}
	for t := s.next(); t.kind != ended; t = s.next() {
		out = append(out, t)
	}
	return out
}
