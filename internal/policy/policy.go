// Package policy owns the policy: what may cross, column by column, and in what form; its classes, the treatments each class admits; what each role may ask and how much; its comparison with an earlier one and its hash; what a review of it shows; what a first proposal of one looks like.
//
// Decisions that the file format leaves to this package:
//   - A column without treat is held back, as if it said drop.
//   - A table says its access itself; there is no default.
//   - A column may say access: metrics in a table that is open to SQL: this one column is then kept from SQL. The other way round is refused.
//   - A table may name a purpose (metrics), an exploration, both or neither: what crosses unasked is a finding of Review, not an error.
//   - A document that begins with role limits a role; it can take from what the role has, never add to it. What a role may do is no matter of a file.
//   - The hash of a policy is of everything that it says; the hash of a table is of what decides the copy of that table alone.
//
// It will not read files, clocks or databases: it is given bytes and schemas and returns decisions.
package policy

// Class is what a column is.
type Class string

// The classes, as the admission table lists them.
const (
	Secret           Class = "secret"
	Health           Class = "health"
	DirectIdentifier Class = "direct_identifier"
	Identifier       Class = "identifier"
	Network          Class = "network"
	Location         Class = "location"
	Behaviour        Class = "behaviour"
	Attribute        Class = "attribute"
	FreeText         Class = "free_text"
	Telemetry        Class = "telemetry"
	Public           Class = "public"
)

// Treatment is what is done to a value on its way.
type Treatment string

// The treatments, as the treatment table lists them. Not all are built yet: Built tells.
const (
	Drop      Treatment = "drop"
	Keep      Treatment = "keep"
	Presence  Treatment = "presence"
	Pseudonym Treatment = "pseudonym"
	Truncate  Treatment = "truncate"
	Bucket    Treatment = "bucket"
	Prefix    Treatment = "prefix"
	Domain    Treatment = "domain"
	Map       Treatment = "map"
	Count     Treatment = "count"
	Redact    Treatment = "redact"
	Fields    Treatment = "fields"
)

// Access is who may ever read a table or a column of the store.
type Access string

// The accesses; each is one store file of its own.
const (
	AccessSQL      Access = "sql"
	AccessMetrics  Access = "metrics"
	AccessReleases Access = "releases"
)

// Pos is a place in a policy file; lines count from 1. It is zero for policies that were not read from a file.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// Policy is everything that may cross from one source. What it does not name is held back.
type Policy struct {
	Tables  []*Table // sorted by name
	Limited []Role   // the roles that it leaves less than they have at most, sorted by name; Roles returns all
}

// Table is the policy of one table.
type Table struct {
	Name        string // schema-qualified, as the source names it: fleet.device
	Access      Access
	Purpose     []string // names of metrics that need it
	Exploration string   // or, in words, why it is explored
	Columns     []Column // sorted by name
	Pos         Pos
}

// Column is the policy of one column.
type Column struct {
	Name   string
	Class  Class
	Treat  Treatment
	Access Access // AccessMetrics in a table with AccessSQL keeps this one column from SQL; otherwise the table's access

	Subject string    // pseudonym: the kind of thing it stands for
	To      string    // truncate: second, minute, hour, day, week, month, quarter, year
	Zone    string    // truncate: IANA time zone, default UTC
	Width   float64   // bucket: width of equal buckets (days for dates)
	Edges   []float64 // bucket: ascending lower edges
	Bits4   int       // prefix: bits kept of an IPv4 address
	Bits6   int       // prefix: bits kept of an IPv6 address
	Chars   int       // prefix: characters kept of a text
	Pos     Pos
}

// Column returns the policy of the named column.
func (t *Table) Column(name string) (Column, bool) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c, true
		}
	}
	return Column{}, false
}

// Table returns the policy of the named table, or nil.
func (p *Policy) Table(name string) *Table {
	for _, t := range p.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
