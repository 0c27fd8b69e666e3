package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
)

// idleCatalogues is how many emulated catalogues are kept that nobody uses: to make one takes a tenth of a second, and tools come and go with their connections.
const idleCatalogues = 8

// nothing exists for whoever may not ask SQL.
var nothing = &decision.Catalog{}

// catalogues are the emulated catalogues, one for each person and what exists for them. Names of people stand in them (current_user, the list of roles), so that two people never share one.
type catalogues struct {
	mu   sync.Mutex // guards all below
	kept map[catalogueKey]*sharedCatalogue
	idle []*sharedCatalogue // without users, the longest first
}

type catalogueKey struct {
	user    string
	visible *decision.Catalog // by its pointer, which is another one after every change; the entry keeps it alive
}

type sharedCatalogue struct {
	key   catalogueKey
	users int // under catalogues.mu

	mu   sync.Mutex // guards made: it is made once, by whoever comes first
	made *catalogue.Catalogue
}

// take returns the catalogue of what exists for somebody. Whoever takes it gives it back.
func (c *catalogues) take(ctx context.Context, e catalogue.Engine, user string, visible *decision.Catalog) (*sharedCatalogue, error) {
	key := catalogueKey{user, visible}
	c.mu.Lock()
	if c.kept == nil {
		c.kept = map[catalogueKey]*sharedCatalogue{}
	}
	s := c.kept[key]
	if s == nil {
		s = &sharedCatalogue{key: key}
		c.kept[key] = s
	}
	s.users++
	c.idle = slices.DeleteFunc(c.idle, func(x *sharedCatalogue) bool { return x == s })
	c.mu.Unlock()
	if err := s.make(ctx, e); err != nil {
		c.giveBack(s)
		return nil, err
	}
	return s, nil
}

func (s *sharedCatalogue) make(ctx context.Context, e catalogue.Engine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != nil {
		return nil
	}
	made, err := catalogue.New(ctx, e, s.key.user, databaseName, s.key.visible)
	if err != nil {
		return err
	}
	s.made = made
	return nil
}

// giveBack ends one use. Of those that nobody uses any more, the longest idle go.
func (c *catalogues) giveBack(s *sharedCatalogue) {
	c.mu.Lock()
	var gone *sharedCatalogue
	if s.users--; s.users == 0 {
		if c.idle = append(c.idle, s); len(c.idle) > idleCatalogues {
			gone = c.idle[0]
			c.idle = slices.Delete(c.idle, 0, 1)
			delete(c.kept, gone.key)
		}
	}
	c.mu.Unlock()
	if gone == nil {
		return
	}
	gone.mu.Lock()
	defer gone.mu.Unlock()
	if gone.made != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_ = gone.made.Close(ctx) // the engine forgets it at its own end otherwise
		cancel()
	}
}
