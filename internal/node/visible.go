package node

import (
	"context"
	"sync"

	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
)

// visible keeps what exists for whoever may ask SQL. The policy is fixed as long as the node lives, so that only a change of the store's tables changes it.
type visible struct {
	mu      sync.Mutex // guards all below
	version uint64     // of the store's tables, read before they were looked at
	catalog *decision.Catalog
}

// now returns what was kept, or looks again when the tables have changed. The same pointer comes back only as long as nothing has changed: decisions are kept by it.
func (v *visible) now(ctx context.Context, s store.Store, look func(context.Context) (*decision.Catalog, error)) (*decision.Catalog, error) {
	version := s.Version(store.SQL)
	v.mu.Lock()
	if v.catalog != nil && v.version == version {
		defer v.mu.Unlock()
		return v.catalog, nil
	}
	v.mu.Unlock()
	c, err := look(ctx)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case v.catalog == nil || v.version < version:
		v.version, v.catalog = version, c
	case v.version == version: // somebody else looked meanwhile
		c = v.catalog
	}
	return c, nil
}

// catalogNow is what exists for whoever may ask SQL: what the store's file for SQL holds, without what the policy no longer lets cross. A policy that became tighter holds for answers
// at once, also while the copy still waits for a DBA.
func (n *Node) catalogNow(ctx context.Context) (*decision.Catalog, error) {
	return n.visible.now(ctx, n.store, n.lookAtTables)
}

func (n *Node) lookAtTables(ctx context.Context) (*decision.Catalog, error) {
	rows, err := n.store.Query(ctx, store.SQL, `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
		WHERE table_catalog = current_database() AND NOT starts_with(table_schema, '_weir') AND NOT starts_with(column_name, '_weir') ORDER BY table_schema, table_name, ordinal_position`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	state, err := n.store.State(ctx)
	if err != nil {
		return nil, err
	}
	c := &decision.Catalog{}
	for b, err := range rows.Batches() {
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			schema, name := b.Column(0).ValueStr(i), b.Column(1).ValueStr(i)
			if !n.openToSQL(schema+"."+name, b.Column(2).ValueStr(i)) {
				continue
			}
			if n := len(c.Tables); n == 0 || c.Tables[n-1].Schema != schema || c.Tables[n-1].Name != name {
				c.Tables = append(c.Tables, decision.Table{Schema: schema, Name: name, Copying: !state.Tables[schema+"."+name].Copied})
			}
			t := &c.Tables[len(c.Tables)-1]
			t.Columns = append(t.Columns, decision.Column{Name: b.Column(2).ValueStr(i), Type: b.Column(3).ValueStr(i)})
		}
	}
	return c, nil
}

// openToSQL tells whether the policy in force lets analysts read a column.
func (n *Node) openToSQL(table, column string) bool {
	t := n.policy.Table(table)
	if t == nil {
		return false
	}
	c, named := t.Column(column)
	return named && c.Treat != policy.Drop && c.Access == policy.AccessSQL
}
