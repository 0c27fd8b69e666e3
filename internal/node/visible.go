package node

import (
	"context"
	"sync"

	"github.com/weirproject/weir/internal/decision"
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
