package treatment

import (
	"fmt"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/policy"
)

// NewLayout returns the columns that must be asked for under the policy of a table: those that cross in any form, and the key. have are production's columns in its
// order. Columns that the policy lets cross and production does not have are returned as missing: they are held back, the rest flows.
// A key column that production does not have is an error.
func NewLayout(t *policy.Table, have []Column, key []string) (l *Layout, missing []string, err error) {
	l = &Layout{Table: t.Name}
	isKey := make(map[string]bool, len(key))
	for _, k := range key {
		isKey[k] = true
	}
	at := make(map[string]int, len(have))
	for _, c := range have {
		p, named := t.Column(c.Name)
		crosses := named && p.Treat != policy.Drop
		if !crosses && !isKey[c.Name] {
			continue
		}
		at[c.Name] = len(l.Columns)
		l.Columns = append(l.Columns, c)
	}
	for _, p := range t.Columns {
		if _, ok := at[p.Name]; !ok && p.Treat != policy.Drop {
			missing = append(missing, p.Name)
		}
	}
	for _, k := range key {
		i, ok := at[k]
		if !ok {
			return nil, missing, fault.New(fault.Invalid, fmt.Sprintf("the key column %s of %s is not among its columns", k, t.Name), "run weir check")
		}
		l.Key = append(l.Key, i)
	}
	if len(l.Key) == 0 {
		return nil, missing, fault.New(fault.Invalid, fmt.Sprintf("%s has no key that updates and deletes could be followed by", t.Name), "run weir check to see what it needs")
	}
	return l, missing, nil
}
