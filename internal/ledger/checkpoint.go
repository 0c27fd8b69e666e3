package ledger

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpoint says, signed, how many entries the ledger holds and what the tree's hash over them is (C2SP tlog-checkpoint).
type checkpoint struct {
	size int64
	root tlog.Hash
	note []byte // the whole signed note
}

// errNotCheckpoint is every reason why bytes are no checkpoint of this ledger.
var errNotCheckpoint = errors.New("not a checkpoint of this ledger")

// checkpointText is what is signed.
func checkpointText(origin string, size int64, root tlog.Hash) string {
	return origin + "\n" + strconv.FormatInt(size, 10) + "\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"
}

// signCheckpoint makes the signed note for the tree.
func signCheckpoint(signer note.Signer, t *tree) (checkpoint, error) {
	root := t.root()
	signed, err := note.Sign(&note.Note{Text: checkpointText(signer.Name(), t.size, root)}, signer)
	if err != nil {
		return checkpoint{}, fmt.Errorf("sign checkpoint: %w", err)
	}
	return checkpoint{size: t.size, root: root, note: signed}, nil
}

// parseCheckpoint reads a note without judging its signature. It accepts the canonical spelling only, so that no byte of a text is free.
func parseCheckpoint(signed []byte, origin string) (checkpoint, error) {
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return checkpoint{}, errNotCheckpoint
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[0] != origin {
		return checkpoint{}, errNotCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return checkpoint{}, errNotCheckpoint
	}
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != tlog.HashSize {
		return checkpoint{}, errNotCheckpoint
	}
	c := checkpoint{size: size, root: tlog.Hash(hash), note: signed}
	if checkpointText(origin, c.size, c.root) != string(text)+"\n" {
		return checkpoint{}, errNotCheckpoint
	}
	return c, nil
}

// openCheckpoint is parseCheckpoint with the signature judged: exactly one, of this key, in its canonical spelling.
func openCheckpoint(signed []byte, verifier note.Verifier) (checkpoint, error) {
	c, err := parseCheckpoint(signed, verifier.Name())
	if err != nil {
		return checkpoint{}, err
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil || len(n.Sigs) != 1 || len(n.UnverifiedSigs) != 0 {
		return checkpoint{}, errNotCheckpoint
	}
	// base64 leaves bits of its last character free; whoever spells the same signature otherwise has changed the file.
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil {
		return checkpoint{}, errNotCheckpoint
	}
	canonical := n.Text + "\n— " + verifier.Name() + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	if canonical != string(signed) {
		return checkpoint{}, errNotCheckpoint
	}
	return c, nil
}

// checkpointPrefix tells a checkpoint's line from an entry's.
const checkpointPrefix = `{"checkpoint":`

// checkpointLine is the line that carries the note in a segment and in a mirror, with its newline.
func checkpointLine(signed []byte) ([]byte, error) {
	line, err := encode(struct {
		Checkpoint string `json:"checkpoint"`
	}{string(signed)})
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}

// noteOfLine takes the note out of a line without its newline; only the spelling of checkpointLine is accepted.
func noteOfLine(line []byte) ([]byte, error) {
	var l struct {
		Checkpoint string `json:"checkpoint"`
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, errNotCheckpoint
	}
	again, err := checkpointLine([]byte(l.Checkpoint))
	if err != nil || !bytes.Equal(bytes.TrimSuffix(again, []byte("\n")), line) {
		return nil, errNotCheckpoint
	}
	return []byte(l.Checkpoint), nil
}

// isCheckpointLine tells a checkpoint's line from an entry's.
func isCheckpointLine(line []byte) bool { return bytes.HasPrefix(line, []byte(checkpointPrefix)) }
