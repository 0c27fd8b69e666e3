package catalogue

import (
	_ "embed"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
)

const (
	systemSchema      = "pg_catalog"
	informationSchema = "information_schema"

	oidSystemSchema      uint32 = 11
	oidInformationSchema uint32 = 13207
	oidOwner             uint32 = 10 // whom everything in the catalogue belongs to
	ownerName                   = "weir"
)

// attribute is a column of a relation.
type attribute struct {
	name     string
	kind     uint32
	modifier int32
	required bool
}

// relation is a table or view that clients see: the catalogue's own, or one of the role's.
type relation struct {
	schema, name string
	oid          uint32
	kind         string // r or v
	columns      []attribute
}

//go:embed facts/relations.txt
var relationFacts string

//go:embed facts/procedures.txt
var procedureFacts string

//go:embed facts/keywords.txt
var keywordFacts string

//go:embed facts/settings.txt
var settingFacts string

type relationBook struct {
	list   []*relation
	byName map[string]*relation // schema.name
}

// systemRelations are all relations of pg_catalog and information_schema that version 15 has, with their columns.
var systemRelations = sync.OnceValue(func() *relationBook {
	b := &relationBook{byName: map[string]*relation{}}
	for line := range strings.Lines(relationFacts) {
		f := strings.Fields(line)
		if len(f) < 4 {
			continue
		}
		r := &relation{schema: systemSchema, name: f[0], oid: number(f[1]), kind: f[2]}
		if name, ok := strings.CutPrefix(f[0], informationSchema+"."); ok {
			r.schema, r.name = informationSchema, name
		}
		for _, c := range f[3:] {
			name, kind, _ := strings.Cut(c, ":")
			a := attribute{name: name, modifier: -1}
			kind, a.required = strings.CutSuffix(kind, "!")
			if base, modifier, ok := strings.Cut(kind, "("); ok {
				kind = base
				if n, err := strconv.Atoi(strings.TrimSuffix(modifier, ")")); err == nil && kind == "varchar" {
					a.modifier = int32(n) + 4 //nolint:gosec // a length of ours
				}
			}
			a.kind = oidText
			if t := baseTypes().byName[kind]; t != nil {
				a.kind = t.oid
			}
			r.columns = append(r.columns, a)
		}
		b.list = append(b.list, r)
		b.byName[r.schema+"."+r.name] = r
	}
	return b
})

// systemRelation finds what a name in FROM means to PostgreSQL: pg_catalog comes first in every search path.
func systemRelation(schema, name string) *relation {
	switch schema {
	case "", systemSchema:
		return systemRelations().byName[systemSchema+"."+name]
	case informationSchema:
		return systemRelations().byName[informationSchema+"."+name]
	}
	return nil
}

// withheld are relations that only a superuser may read.
var withheld = map[string]bool{
	"pg_authid": true, "pg_shadow": true, "pg_statistic": true, "pg_statistic_ext_data": true, "pg_user_mapping": true, "pg_largeobject": true,
	"pg_hba_file_rules": true, "pg_ident_file_mappings": true, "pg_file_settings": true, "pg_config": true, "pg_backend_memory_contexts": true, "pg_shmem_allocations": true,
	"pg_replication_origin_status": true,
}

// procedures are the functions that pg_type refers to, by name.
var procedures = sync.OnceValue(func() map[string]uint32 {
	m := map[string]uint32{}
	for line := range strings.Lines(procedureFacts) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(f) >= 2 {
			m[f[1]] = number(f[0])
		}
	}
	return m
})

// stableOID makes an object's id from its name, so that it stays through reconnects and restarts. PostgreSQL's own ids are below.
func stableOID(kind, name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(kind + "\x00" + name))
	return h.Sum32()&0x3fffffff | 0x40000000
}
