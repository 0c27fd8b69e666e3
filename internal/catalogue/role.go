package catalogue

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/weirproject/weir/internal/decision"
)

// banner is what version() says; clients read the number out of it. It and the settings say the version that the protocol says.
const banner = "PostgreSQL 15.0 (weir)"

// role is everything that exists for one asker, in the form that PostgreSQL gives it.
type role struct {
	schema         string // of its tables in the engine
	user, database string
	userOID        uint32
	path           []string // search path: the schemas that hold something
	relations      []*relation
	rowTypes       map[*relation]uint32
	rowArrays      map[*relation]uint32
	namespaces     map[string]uint32
	settings       map[string]string
	visible        map[uint32]bool
	aliases        map[uint32]map[string]uint32 // kind → name → object
	shown          map[uint32]map[uint32]string // kind → object → name
	filled         map[string]bool              // relations that have a table in the engine; the others are empty
}

// issuer gives object ids by name and no id twice.
type issuer map[uint32]bool

func (i issuer) issue(kind, name string) uint32 {
	for {
		oid := stableOID(kind, name)
		if !i[oid] {
			i[oid] = true
			return oid
		}
		name += "\x00"
	}
}

func newRole(schema, user, database string, catalog *decision.Catalog) *role {
	o := &role{
		schema: schema, user: user, database: database, rowTypes: map[*relation]uint32{}, rowArrays: map[*relation]uint32{}, visible: map[uint32]bool{}, filled: map[string]bool{},
		namespaces: map[string]uint32{systemSchema: oidSystemSchema, informationSchema: oidInformationSchema},
		aliases:    map[uint32]map[string]uint32{}, shown: map[uint32]map[uint32]string{},
	}
	ids := issuer{}
	o.userOID = oidOwner
	if user != ownerName {
		o.userOID = ids.issue("role", user)
	}
	tables := slices.Clone(catalog.Tables)
	slices.SortFunc(tables, func(a, b decision.Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	seen := map[string]bool{}
	for _, t := range tables {
		if o.namespaces[t.Schema] == 0 {
			o.namespaces[t.Schema] = ids.issue("schema", t.Schema)
			o.path = append(o.path, t.Schema)
		}
		full := t.Schema + "\x00" + t.Name
		rel := &relation{schema: t.Schema, name: t.Name, oid: ids.issue("table", full), kind: "r"}
		o.rowTypes[rel], o.rowArrays[rel] = ids.issue("type", full), ids.issue("array", full)
		for _, c := range t.Columns {
			kind, modifier := TypeOf(c.Type)
			rel.columns = append(rel.columns, attribute{name: c.Name, kind: kind, modifier: modifier})
		}
		o.relations = append(o.relations, rel)
		if !seen[t.Name] && systemRelation("", t.Name) == nil {
			o.visible[rel.oid] = true
		}
		seen[t.Name] = true
	}
	for _, rel := range systemRelations().list {
		if rel.schema == systemSchema {
			o.visible[rel.oid] = true
		}
	}
	o.name()
	o.settings = o.settle()
	return o
}

// name fills what the reg… types translate.
func (o *role) name() {
	add := func(kind, oid uint32, schema, name string, visible bool) {
		if o.aliases[kind] == nil {
			o.aliases[kind], o.shown[kind] = map[string]uint32{}, map[uint32]string{}
		}
		bare := quoteIdent(name)
		full := bare
		if schema != "" {
			full = quoteIdent(schema) + "." + bare
			o.aliases[kind][full] = oid
			o.aliases[kind][quoteName(schema)+"."+quoteName(name)] = oid
		}
		if visible {
			if _, taken := o.aliases[kind][bare]; !taken {
				o.aliases[kind][bare] = oid
				o.aliases[kind][quoteName(name)] = oid
			}
			full = bare
		}
		o.shown[kind][oid] = full
	}
	for _, rel := range slices.Concat(systemRelations().list, o.relations) {
		add(oidRegclass, rel.oid, rel.schema, rel.name, o.visible[rel.oid])
	}
	for _, t := range baseTypes().list {
		add(oidRegtype, t.oid, systemSchema, t.name, true)
		o.shown[oidRegtype][t.oid] = display(t)
		o.aliases[oidRegtype][display(t)] = t.oid
	}
	for name, base := range spellings {
		o.aliases[oidRegtype][name] = baseTypes().byName[base].oid
		o.aliases[oidRegtype][name+"[]"] = baseTypes().byName[base].array
	}
	o.aliases[oidRegtype]["char"] = oidBpchar
	for _, rel := range o.relations {
		add(oidRegtype, o.rowTypes[rel], rel.schema, rel.name, o.visible[rel.oid])
		add(oidRegtype, o.rowArrays[rel], rel.schema, "_"+rel.name, o.visible[rel.oid])
		shown := o.shown[oidRegtype][o.rowTypes[rel]] + "[]"
		o.shown[oidRegtype][o.rowArrays[rel]], o.aliases[oidRegtype][shown] = shown, o.rowArrays[rel]
	}
	for name, oid := range procedures() {
		add(oidRegproc, oid, systemSchema, name, true)
	}
	for name, oid := range o.namespaces {
		add(oidRegnspace, oid, "", name, true)
	}
	add(oidRegrole, o.userOID, "", o.user, true)
	add(oidRegrole, oidOwner, "", ownerName, true)
}

// find is the object that a written name means.
func (o *role) find(text string, kind uint32) (uint32, bool) {
	text = strings.TrimSpace(text)
	if oid, ok := o.aliases[kind][text]; ok {
		return oid, true
	}
	bare, isArray := strings.CutSuffix(text, "[]")
	parts, ok := splitName(bare)
	if !ok || len(parts) > 2 {
		return 0, false
	}
	for i := range parts {
		parts[i] = quoteIdent(parts[i])
	}
	oid, ok := o.aliases[kind][strings.Join(parts, ".")]
	if ok && isArray && kind == oidRegtype {
		oid = arrayOf(oid)
		return oid, oid != 0
	}
	return oid, ok && !isArray
}

// own names a table of the role's schema in the engine.
func (o *role) own(name string) string { return quoteName(o.schema) + "." + quoteName(name) }

// place is where a relation's rows are: a table, or nothing at all in the relation's form.
func (o *role) place(rel *relation) string {
	if o.filled[rel.schema+"."+rel.name] {
		return o.own(rel.schema + "." + rel.name)
	}
	items := make([]string, len(rel.columns))
	for i, c := range rel.columns {
		items[i] = "CAST(NULL AS " + storage(c.kind) + ") AS " + quoteName(c.name)
	}
	return "(SELECT " + strings.Join(items, ", ") + " WHERE false)"
}

// nameOf is the text that an object id of a reg… type prints as.
func (o *role) nameOf(text string, kind uint32) string {
	return "(CASE WHEN " + text + " = 0 THEN '-' WHEN " + text + " IS NOT NULL THEN coalesce((SELECT min(weir_name) FROM " + o.own("weir_shown") +
		" WHERE weir_kind = " + decimal(kind) + " AND weir_oid = " + text + "), CAST(" + text + " AS VARCHAR)) END)"
}

func (o *role) hasSetting(name string) bool {
	_, ok := o.settings[strings.ToLower(name)]
	return ok
}

// settle returns the settings as they are for the role.
func (o *role) settle() map[string]string {
	m := map[string]string{}
	for _, f := range settingLines() {
		m[strings.ToLower(f[0])] = f[1]
	}
	quoted := make([]string, len(o.path))
	for i, s := range o.path {
		quoted[i] = quoteIdent(s)
	}
	m["search_path"] = strings.Join(quoted, ", ")
	m["session_authorization"] = o.user
	return m
}

// settingLines are name, setting, unit, category, context, kind and description of each setting.
var settingLines = sync.OnceValue(func() [][]string {
	var list [][]string
	for line := range strings.Lines(settingFacts) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "|"); len(f) == 7 {
			list = append(list, f)
		}
	}
	return list
})

// keywords are PostgreSQL's, with their kind: U for those that need no quotes as names.
var keywords = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for _, f := range strings.Fields(keywordFacts) {
		if p := strings.Split(f, ":"); len(p) == 3 {
			m[p[0]] = p[1]
		}
	}
	return m
})

// quoteIdent is PostgreSQL's quote_ident.
func quoteIdent(s string) string {
	plain := s != "" && !isDigit(s[0])
	for i := range len(s) {
		if c := s[i]; c != '_' && (c < 'a' || c > 'z') && !isDigit(c) {
			plain = false
		}
	}
	if k, is := keywords()[s]; plain && (!is || k == "U") {
		return s
	}
	return quoteName(s)
}
