package flow

import (
	"encoding/json"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
)

// Memory keeps a few bytes from one process to the next. Losing them is no harm that a verification would not show.
type Memory interface {
	// Load returns what was last saved, nothing when nothing was.
	Load() ([]byte, error)
	// Save replaces it, durable when it returns.
	Save([]byte) error
}

// remembered is how production's partitions stood when the copy was last known to follow them. While weir runs, the reader watches them; what happened to a single leaf while it
// did not run is found by comparing.
type remembered struct {
	Identity string                        `json:"identity"`
	Tables   map[string][]source.Partition `json:"tables"`
}

// recall marks the tables whose partitions were changed alone since they were last seen.
func (f *Flow) recall(p *plan) error {
	if f.o.Memory == nil {
		return nil
	}
	data, err := f.o.Memory.Load()
	if err != nil || len(data) == 0 {
		return err
	}
	var before remembered
	if err := json.Unmarshal(data, &before); err != nil {
		return fault.New(fault.Invalid, "what weir remembers of production's partitions is damaged", "remove run/partitions.json in the state folder, then run weir verify").WithCause(err)
	}
	if before.Identity != p.layout.Identity {
		return nil
	}
	for _, t := range p.tables {
		was, known := before.Tables[t.name()]
		if !known || !source.Unannounced(was, t.partitions) {
			continue
		}
		f.stale[t.name()] = true
		f.status.item(driftItem(source.Drift{Kind: source.PartitionChanged, Table: t.name()}))
	}
	return nil
}

// remember notes how the partitions stand, once everything that they made necessary is copied.
func (f *Flow) remember(p *plan) error {
	if f.o.Memory == nil {
		return nil
	}
	now := remembered{Identity: p.layout.Identity, Tables: map[string][]source.Partition{}}
	for _, t := range p.tables {
		if t.partitions != nil {
			now.Tables[t.name()] = t.partitions
		}
	}
	data, err := json.Marshal(now)
	if err != nil {
		return err
	}
	return f.o.Memory.Save(data)
}
