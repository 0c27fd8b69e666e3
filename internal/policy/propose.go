package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Propose writes a first policy for a schema: a file for each table, every column in it, sorted, with a class guessed from name and type, all held back.
// The files' names are relative to the configuration: policy/device.yaml. Parse accepts them.
func Propose(s Schema) []File {
	tables := slices.Clone(s.Tables)
	slices.SortFunc(tables, func(a, b SchemaTable) int { return strings.Compare(a.Name, b.Name) })
	bare := map[string]int{}
	for _, t := range tables {
		bare[fileName(afterDot(t.Name))]++
	}
	var files []File
	taken := map[string]bool{}
	seen := map[string]bool{}
	for _, t := range tables {
		schema, table, dotted := strings.Cut(t.Name, ".")
		lower := strings.ToLower(t.Name)
		if !dotted || !nameable(schema) || !nameable(table) || seen[lower] {
			continue // a policy has no way to name it; it is held back
		}
		seen[lower] = true
		name := fileName(table)
		if bare[name] > 1 {
			name = fileName(t.Name)
		}
		for n := 2; taken[name]; n++ {
			name = fileName(t.Name) + "-" + strconv.Itoa(n)
		}
		taken[name] = true
		if data, ok := proposal(t); ok {
			files = append(files, File{Name: "policy/" + name + ".yaml", Data: data})
		}
	}
	return files
}

func afterDot(name string) string {
	_, table, _ := strings.Cut(name, ".")
	return table
}

// fileName is a name that every file system takes.
func fileName(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '_'
	}, name)
}

// proposal is the file of one table; ok is false when no column can be named.
func proposal(t SchemaTable) (data []byte, ok bool) {
	columns := slices.Clone(t.Columns)
	slices.SortFunc(columns, func(a, b SchemaColumn) int { return strings.Compare(a.Name, b.Name) })
	var lines, unnameable []string
	seen := map[string]bool{}
	wide, wideRule := 0, 0
	for _, c := range columns {
		wide, wideRule = max(wide, len(yamlKey(c.Name))), max(wideRule, len(proposedRule(guess(t.Name, c))))
	}
	for _, c := range columns {
		lower := strings.ToLower(c.Name)
		if !nameable(c.Name) || strings.HasPrefix(lower, reserved) || seen[lower] {
			unnameable = append(unnameable, strconv.QuoteToASCII(c.Name))
			continue
		}
		seen[lower] = true
		class := guess(t.Name, c)
		key := yamlKey(c.Name) + ":"
		lines = append(lines, fmt.Sprintf("  %-*s %-*s  # %s\n", wide+1, key, wideRule, proposedRule(class), about(class, c)))
	}
	var b strings.Builder
	b.WriteString(proposalHeader)
	for _, name := range unnameable {
		_, _ = fmt.Fprintf(&b, "# A policy cannot name the column %s; it is held back.\n", name)
	}
	_, _ = fmt.Fprintf(&b, "table: %s\n", yamlKey(t.Name))
	if !slices.ContainsFunc(t.Columns, func(c SchemaColumn) bool { return c.Key }) {
		why := t.KeyProblem
		if why == "" {
			why = "the table has no primary key"
		}
		_, _ = fmt.Fprintf(&b, "# Nothing of this table can cross as it is: %s.\n", why)
	}
	b.WriteString("access: metrics\n# purpose: []\n# exploration: \"\"\ncolumns:\n")
	for _, l := range lines {
		b.WriteString(l)
	}
	return []byte(b.String()), len(lines) > 0
}

// proposedRule holds a column back. A secret and a body's number can be nothing else, so it is not said.
func proposedRule(class Class) string {
	if class == Secret || class == Health {
		return fmt.Sprintf("{class: %s}", class)
	}
	return fmt.Sprintf("{class: %s, treat: %s}", class, Drop)
}

const proposalHeader = `# Proposed by weir init from names and types alone: nothing of this table crosses yet.
#
# 1. Look at every class: is the column what it says? The comment shows its type and what the class admits beside drop.
# 2. For what a question needs, change treat: drop. Leave the rest as it is.
# 3. Say why: purpose names the metrics that read it; exploration says in words what people want to find out by SQL.
# 4. access: metrics lets only metrics read it. access: sql opens it to people's questions; a single column that only
#    metrics may read then says access: metrics itself.
#
# weir policy check says what does not go together, weir plan what would cross.
`

// about is the comment beside a proposed column.
func about(class Class, c SchemaColumn) string {
	typeName := c.Type
	if typeName == "" || !nameable(strings.ReplaceAll(typeName, ".", "")) {
		typeName = strconv.QuoteToASCII(typeName)
	}
	if c.Key {
		typeName += ", key"
	}
	if c.Kind == "" {
		return typeName + "; weir does not read this type yet"
	}
	could := slices.DeleteFunc(takers(class, AccessSQL, c.Kind), func(t Treatment) bool { return t == Drop })
	if len(could) == 0 {
		return typeName
	}
	return typeName + "; could be " + list(could, "or")
}

// yamlKey writes a name as a YAML key or value that can mean nothing else.
func yamlKey(name string) string {
	plain := name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c != '_' && c != '.' && (c < 'a' || c > 'z') && (c < '0' || c > '9')
	}) && name[0] >= 'a' && name[0] <= 'z'
	if !plain || slices.Contains([]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}, name) {
		return "'" + strings.ReplaceAll(name, "'", "''") + "'"
	}
	return name
}
