package node

import (
	"slices"

	"github.com/weirproject/weir/internal/metric"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
	"github.com/weirproject/weir/internal/store"
	"github.com/weirproject/weir/internal/treatment"
)

// policySchema gives the catalogue of a source in the policy's words.
func policySchema(s *source.Schema) policy.Schema {
	var out policy.Schema
	for _, t := range s.Tables {
		pt := policy.SchemaTable{Name: t.Name, KeyProblem: t.KeyProblem}
		for _, c := range t.Columns {
			pt.Columns = append(pt.Columns, policy.SchemaColumn{Name: c.Name, Type: c.TypeName, Kind: kindWord(c.Type.Kind), Key: slices.Contains(t.Key, c.Name)})
		}
		out.Tables = append(out.Tables, pt)
	}
	return out
}

// kindWord is the policy's word for a kind; empty for a type that weir does not read yet.
func kindWord(k treatment.Kind) string {
	switch k {
	case treatment.Bool:
		return "bool"
	case treatment.Int16, treatment.Int32, treatment.Int64:
		return "int"
	case treatment.Float32, treatment.Float64:
		return "float"
	case treatment.Numeric:
		return "numeric"
	case treatment.Text, treatment.Char:
		return "text"
	case treatment.Binary:
		return "bytes"
	case treatment.UUID:
		return "uuid"
	case treatment.Date:
		return "date"
	case treatment.TimestampTZ:
		return "time"
	case treatment.Inet, treatment.CIDR:
		return "inet"
	case treatment.MAC:
		return "mac"
	case treatment.TextList, treatment.Int32List:
		return "list"
	}
	return ""
}

// storeFacts gives the facts of the metrics in the store's words.
func storeFacts(c *metric.Catalog) []store.Fact {
	var out []store.Fact
	for _, f := range c.Facts() {
		sf := store.Fact{Name: f.Name, Hash: f.Hash, Key: f.Key, Select: f.Select}
		for _, in := range f.Inputs {
			sf.Inputs = append(sf.Inputs, store.Input(in))
		}
		out = append(out, sf)
	}
	return out
}

// policyReads gives what the metrics read in the policy's words.
func policyReads(c *metric.Catalog) []policy.Read {
	var out []policy.Read
	for _, r := range c.Reads() {
		out = append(out, policy.Read{Table: r.Table, Columns: r.Columns, Metric: r.Metric})
	}
	return out
}
