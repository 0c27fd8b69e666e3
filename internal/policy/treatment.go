package policy

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of values, as a Schema names them. The empty kind is a type that weir does not read yet.
const (
	KindInt     = "int"
	KindFloat   = "float"
	KindNumeric = "numeric"
	KindText    = "text"
	KindBytes   = "bytes"
	KindUUID    = "uuid"
	KindDate    = "date"
	KindTime    = "time"
	KindBool    = "bool"
	KindInet    = "inet"
	KindMAC     = "mac"
	KindList    = "list"
)

// Kinds returns every kind that weir reads.
func Kinds() []string {
	return []string{KindInt, KindFloat, KindNumeric, KindText, KindBytes, KindUUID, KindDate, KindTime, KindBool, KindInet, KindMAC, KindList}
}

// treatmentRow is one row of the treatment table.
type treatmentRow struct {
	treat      Treatment
	built      bool
	takes      []string // kinds; nil takes every kind that weir reads
	parameters []string // keys that a column with it may carry
	does       string   // what crosses, after "what crosses is"
}

// treatments is the treatment table, in the order in which it is documented.
var treatments = []treatmentRow{
	{treat: Drop, built: true, does: "nothing; the column does not exist in the copy"},
	{treat: Keep, built: true, does: "the value as it is"},
	{treat: Presence, built: true, does: "whether there is a value, true or false"},
	{
		treat: Pseudonym, built: true, parameters: []string{"subject"}, does: "a keyed pseudonym that cannot be turned back",
		takes: []string{KindInt, KindFloat, KindNumeric, KindText, KindBytes, KindUUID, KindDate, KindTime, KindBool, KindInet, KindMAC},
	},
	{treat: Truncate, built: true, parameters: []string{"to", "zone"}, takes: []string{KindDate, KindTime}, does: "the time cut to a coarser one"},
	// rare_below takes text; it is not there yet, and with it text goes back into the list.
	{treat: Bucket, built: true, parameters: []string{"width", "edges"}, takes: []string{KindInt, KindFloat, KindNumeric, KindDate}, does: "the lower edge of the range that the value is in"},
	{treat: Prefix, built: true, parameters: []string{"bits4", "bits6", "chars"}, takes: []string{KindInet, KindText}, does: "the beginning of the value"},
	{treat: Domain, takes: []string{KindText}, does: "the part of an email address after the @"},
	{treat: Map, does: "the word that a table of values gives for it"},
	{treat: Count, takes: []string{KindList, KindText}, does: "how many elements it has"},
	{treat: Redact, takes: []string{KindText}, does: "the text with whatever was recognised taken out"},
	{treat: Fields, does: "the named fields of the document"},
}

// laterParameters are keys of treatments that the design names and that are not built yet.
var laterParameters = map[string]string{"rare_below": "width or edges", "table": "drop", "else": "drop", "rules": "drop", "fields": "drop"}

// grains are what truncate cuts to, from the finest to the coarsest.
var grains = []string{"second", "minute", "hour", "day", "week", "month", "quarter", "year"}

// Treatments returns every treatment, built or not, in the order of their documentation.
func Treatments() []Treatment {
	all := make([]Treatment, len(treatments))
	for i, r := range treatments {
		all[i] = r.treat
	}
	return all
}

func treatmentOf(t Treatment) *treatmentRow {
	for i := range treatments {
		if treatments[i].treat == t {
			return &treatments[i]
		}
	}
	return nil
}

// Built tells whether the treatment can be used in this release.
func (t Treatment) Built() bool {
	row := treatmentOf(t)
	return row != nil && row.built
}

// Takes tells whether values of the kind can be treated so.
func (t Treatment) Takes(kind string) bool {
	row := treatmentOf(t)
	switch {
	case row == nil:
		return false
	case t == Drop:
		return true
	case kind == "":
		return false
	case row.takes == nil:
		return true
	}
	return slices.Contains(row.takes, kind)
}

// Does says what crosses of a value treated so: "whether there is a value, true or false".
func (t Treatment) Does() string {
	if row := treatmentOf(t); row != nil {
		return row.does
	}
	return ""
}

// takers returns the built treatments that the class admits and that take the kind.
func takers(c Class, a Access, kind string) []Treatment {
	var all []Treatment
	for _, t := range c.Admits(a) {
		if t.Built() && t.Takes(kind) {
			all = append(all, t)
		}
	}
	return all
}

// Form says in words how the column crosses, with the parameters: "pseudonym of user", "to day (UTC)". It is empty for a column that is held back.
func (c Column) Form() string {
	switch c.Treat {
	case Keep:
		return "as it is"
	case Presence:
		return "whether there is one"
	case Pseudonym:
		return "pseudonym of " + c.Subject
	case Truncate:
		zone := c.Zone
		if zone == "" {
			zone = "UTC"
		}
		return fmt.Sprintf("cut to the %s (%s)", c.To, zone)
	case Bucket:
		if c.Width > 0 {
			return fmt.Sprintf("in ranges of %s", decimal(c.Width))
		}
		edges := make([]string, len(c.Edges))
		for i, e := range c.Edges {
			edges[i] = decimal(e)
		}
		return "in ranges from " + strings.Join(edges, ", ")
	case Prefix:
		if c.Chars > 0 {
			return fmt.Sprintf("its first %d characters", c.Chars)
		}
		return fmt.Sprintf("its network (/%d or /%d), public addresses only", c.Bits4, c.Bits6)
	case Drop, Domain, Map, Count, Redact, Fields:
	}
	return ""
}
