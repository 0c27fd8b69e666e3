package metric

import "strings"

// scanSQL walks SQL text: it returns it without comments, and what makes it unfit to stand inside another statement ("" when nothing does). It is no parser:
// definitions are written by those who run weir. It catches what would end or swallow the statement around it.
func scanSQL(sql string) (clean, wrong string) {
	var b strings.Builder
	depth := 0
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		switch {
		case c == '\'' || c == '"':
			end := strings.IndexByte(sql[i+1:], c)
			if end < 0 {
				return "", "a quote is not closed"
			}
			if strings.ContainsRune(sql[i:i+end+2], '\n') {
				return "", "a quote spans lines"
			}
			b.WriteString(sql[i : i+end+2])
			i += end + 1
			continue
		case strings.HasPrefix(sql[i:], "--"):
			end := strings.IndexByte(sql[i:], '\n')
			if end < 0 {
				end = len(sql) - i
			}
			i += end - 1
			continue
		case strings.HasPrefix(sql[i:], "/*"):
			return "", "it has a comment of the form /* */"
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return "", "a parenthesis is closed that was not opened"
			}
		case c == ';':
			return "", "it has a semicolon"
		case c == '$' || c == '?':
			return "", "it has a parameter"
		case c == 0:
			return "", "it has a zero byte"
		}
		b.WriteByte(c)
	}
	if depth > 0 {
		return "", "a parenthesis is not closed"
	}
	return tidy(b.String()), ""
}

// tidy drops what comments left behind: blanks at line ends and empty lines. No literal spans lines, so it changes none.
func tidy(sql string) string {
	var lines []string
	for line := range strings.Lines(sql) {
		if line = strings.TrimRight(line, " \t\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// expression returns a value that must be one SQL expression, or "".
func (v value) expression(what string) string {
	s := v.needed(what)
	if s == "" {
		return ""
	}
	clean, wrong := scanSQL(s)
	if wrong != "" {
		v.wrong("write one SQL expression", "%s is no expression: %s", what, wrong)
		return ""
	}
	return clean
}

// query returns a value that must be one SELECT, or "".
func (v value) query(what string) string {
	s := v.needed(what)
	if s == "" {
		return ""
	}
	clean, wrong := scanSQL(s)
	if wrong == "" {
		first, _, _ := strings.Cut(strings.Join(strings.Fields(clean), " "), " ")
		if first = strings.ToUpper(first); first != "SELECT" && first != "WITH" {
			wrong = "it does not begin with SELECT or WITH"
		}
	}
	if wrong != "" {
		v.wrong("write one SELECT", "%s is no query: %s", what, wrong)
		return ""
	}
	return clean
}
