package pgwire_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate/pgwire"
)

// hearing is a door whose sessions hear of refusals.
type hearing struct {
	pgwire.Door
	mu     sync.Mutex // guards all below
	states []string
	fail   error
}

type hearingSession struct {
	pgwire.Session
	door *hearing
}

func (h *hearing) Enter(ctx context.Context, e pgwire.Entry) (pgwire.Session, error) {
	s, err := h.Door.Enter(ctx, e)
	if s == nil {
		return nil, err
	}
	return hearingSession{s, h}, err
}

func (s hearingSession) Refused(_ context.Context, refusal error) error {
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	var state *pgwire.StateError
	if errors.As(refusal, &state) {
		s.door.states = append(s.door.states, state.SQLState)
	}
	if s.door.fail != nil {
		return s.door.fail
	}
	return refusal
}

func TestWhatTheProtocolRefusesIsHeardOfFirst(t *testing.T) {
	h := &hearing{}
	l := newLab(t, func(o *pgwire.Options) { h.Door, o.Door = o.Door, h })
	w := l.signedIn(t)
	for _, c := range [][2]string{
		{"SELECT 1 AS a; SHOW timezone", "row[a:23] (1) SELECT_1 row[TimeZone:25] (UTC) SHOW ready:I"},
		{"SELECT nowhere", "error:42703@8 ready:I"}, // the door's own
		{"COPY numbers FROM STDIN", "error:25006 ready:I"},
		{"COPY numbers TO '/tmp/x'", "error:42501 ready:I"},
		{"SET ROLE postgres", "error:22023 ready:I"},
		{"SET there_is_none = 1", "error:42704 ready:I"},
		{"LISTEN x", "error:0A000 ready:I"},
		{"BEGIN ISOLATION LEVEL CHAOS", "error:42601@23 ready:I"},
		{"SELECT $1::int", "error:42P02 ready:I"},
		{"EXECUTE nothing", "error:26000 ready:I"}, // nothing was asked
	} {
		w.query(c[0], c[1])
	}
	w.expect("error:42601 ready:I", &pgproto3.Parse{Query: "SELECT 1; SELECT 2"}, &pgproto3.Sync{})
	w.expect("ParseComplete error:22P02 ready:I", &pgproto3.Parse{Query: "SELECT $1::int"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("five")}}, &pgproto3.Sync{})
	w.expect("error:0A000 ready:I", &pgproto3.FunctionCall{Function: 1})
	want := []string{"25006", "42501", "22023", "42704", "0A000", "42601", "42P02", "42601", "22P02", "0A000"}
	h.mu.Lock()
	if !slices.Equal(h.states, want) {
		t.Errorf("heard of %v, want %v", h.states, want)
	}
	h.fail = fault.New(fault.Unavailable, "the record cannot be written", "make room").WithCause(&pgwire.StateError{SQLState: "57P03"})
	h.mu.Unlock()
	w.query("COPY numbers FROM STDIN", "error:57P03 ready:I")
	w.query("SELECT 1 AS a", "row[a:23] (1) SELECT_1 ready:I")
}
