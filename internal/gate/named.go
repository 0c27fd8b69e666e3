package gate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostNamed is how many parts a name has at most: schema, table, column.
const mostNamed = 3

// named is the name at a place of a refused statement, as far as the policy knows its parts: so the record says which closed column somebody tried, and holds nothing of what people type by mistake. Position
// counts characters from 1; 0 is nowhere.
func (g *Gate) named(sql string, position int) string {
	if g.o.Known == nil || position <= 0 {
		return ""
	}
	rest := sql
	for ; position > 1 && rest != ""; position-- {
		_, n := utf8.DecodeRuneInString(rest)
		rest = rest[n:]
	}
	var parts []string
	for range mostNamed {
		part, after := identifier(rest)
		if part != "" && g.o.Known(part) { // an alias is somebody's own word
			parts = append(parts, part)
		}
		if !strings.HasPrefix(after, ".") {
			break
		}
		rest = after[1:]
	}
	return strings.Join(parts, ".")
}

// identifier reads an identifier at the beginning of a text, in lower case unless it is quoted.
func identifier(text string) (name, rest string) {
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		name, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", ""
		}
		return name, rest
	}
	end := strings.IndexFunc(text, func(r rune) bool { return r != '_' && r != '$' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(text)
	}
	return strings.ToLower(text[:end]), text[end:]
}
