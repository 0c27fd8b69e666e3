package postgres

import (
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
)

// keptTruncations is how many TRUNCATEs of a table are remembered; each explains the changed storage of its partitions.
const keptTruncations = 64

// truncations remembers which transactions truncated a whole table. Read's goroutine alone uses it.
type truncations map[string][]string

func (t truncations) add(table, xid string) {
	known := append(t[table], xid)
	if len(known) > keptTruncations {
		known = known[1:]
	}
	t[table] = known
}

func (t truncations) explain(table, xid string) bool {
	for _, known := range t[table] {
		if known == xid {
			return true
		}
	}
	return false
}

// looked measures a look at the catalogue against the last one, tells the drift, and returns source.ErrSelection when the selection is wrong by it.
func (t *stream) looked(now *catalogue) error {
	s := t.source
	s.seenMu.Lock()
	before := s.seen
	s.seenMu.Unlock()
	if before == nil {
		before = now
	}
	var tell []drift
	for _, d := range compare(before, now, t.selection) {
		if d.until > t.end {
			s.held = append(s.held, d)
		} else if d.by == "" || !s.truncations.explain(d.Table, d.by) {
			tell = append(tell, d)
		}
	}
	s.setSeen(now)
	if err := t.tell(tell); err != nil {
		return err
	}
	for _, l := range t.selection {
		tab := now.tables[l.Table]
		if tab == nil {
			continue
		}
		switch listed, all := now.publication.listed(tab); {
		case !now.publication.exceeds(tab, l):
			s.fitted[l.Table] = listed
		case all || listed > s.fitted[l.Table]: // no more than before is a column that production renamed: it comes as it always came, and is not read
			return fault.Newf(fault.Refused, "production publishes more of %s than the policy lets cross", l.Table).
				WithHint("let a DBA run the output of weir source script: it lists exactly the policy's columns")
		}
	}
	return nil
}

// settle decides on partitions with new storage once the stream has passed the look that saw it.
func (t *stream) settle(passed LSN) error {
	s := t.source
	if len(s.held) == 0 {
		return nil
	}
	var tell, wait []drift
	for _, d := range s.held {
		switch {
		case s.truncations.explain(d.Table, d.by):
		case d.until <= passed:
			tell = append(tell, d)
		default:
			wait = append(wait, d)
		}
	}
	s.held = wait
	return t.tell(tell)
}

// tell gives drift to the sink, each once, and ends with source.ErrSelection when one of it makes the selection wrong.
func (t *stream) tell(found []drift) error {
	told := make(map[source.Drift]bool, len(found))
	wrong := ""
	for _, d := range found {
		if d.wrong && wrong == "" {
			wrong = d.Table
		}
		if told[d.Drift] {
			continue
		}
		told[d.Drift] = true
		if err := t.sink.Drift(d.Drift); err != nil {
			return err
		}
	}
	if wrong != "" {
		return selectionError(wrong, "changed in production")
	}
	return nil
}
