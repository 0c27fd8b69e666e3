package node

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/ledger"
	"github.com/weirproject/weir/internal/policy"
)

// accepted returns, by table, the hash of the policy with which the last run began, after it had been held against production's catalogue. Without a record there is none.
func accepted(ctx context.Context, dir string) (map[string]string, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var last PolicyEntry
	for e, err := range ledger.FindDir(ctx, dir, ledger.Filter{Types: []string{"policy"}, NewestFirst: true}) {
		if err != nil {
			return nil, err
		}
		raw, _ := e.Body.(json.RawMessage)
		if err := json.Unmarshal(raw, &last); err != nil {
			return nil, fault.New(fault.Invalid, "an entry of the ledger cannot be read", "run weir ledger verify").WithCause(err)
		}
		break
	}
	return last.Tables, nil
}

// unproven is the policy without the tables that fitted production when they were accepted: where they do not fit any more, production has changed. That is held back and
// shown, and is no reason to stop the rest; a policy that never fitted is a mistake.
func unproven(p *policy.Policy, accepted map[string]string) *policy.Policy {
	left := &policy.Policy{}
	for _, t := range p.Tables {
		if accepted[t.Name] != t.Hash() {
			left.Tables = append(left.Tables, t)
		}
	}
	return left
}
