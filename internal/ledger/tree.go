package ledger

import (
	"crypto/sha256"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is the right edge of the Merkle tree (RFC 6962) over all entries: the roots of its complete subtrees, largest first.
// It is all that appending needs, so a damaged hashes file can never find its way into a signed root.
type tree struct {
	size int64
	edge []subtree
}

type subtree struct {
	leaves int64
	hash   tlog.Hash
}

// add puts one leaf at the end and returns the hashes that became final with it, in the order in which the hashes file holds them.
func (t *tree) add(leaf tlog.Hash) []tlog.Hash {
	final := []tlog.Hash{leaf}
	node := subtree{leaves: 1, hash: leaf}
	for n := len(t.edge); n > 0 && t.edge[n-1].leaves == node.leaves; n = len(t.edge) {
		node = subtree{leaves: 2 * node.leaves, hash: tlog.NodeHash(t.edge[n-1].hash, node.hash)}
		t.edge = t.edge[:n-1]
		final = append(final, node.hash)
	}
	t.edge = append(t.edge, node)
	t.size++
	return final
}

// root is the tree's hash; that of a tree without entries is the SHA-256 of nothing.
func (t *tree) root() tlog.Hash {
	if len(t.edge) == 0 {
		return sha256.Sum256(nil)
	}
	h := t.edge[len(t.edge)-1].hash
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i].hash, h)
	}
	return h
}

// clone is a copy that add does not change.
func (t *tree) clone() tree {
	return tree{size: t.size, edge: append([]subtree(nil), t.edge...)}
}

// hashReader reads the hashes file for proofs.
type hashReader struct{ file io.ReaderAt }

// ReadHashes implements tlog.HashReader.
func (r hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if _, err := r.file.ReadAt(hashes[i][:], index*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("read hash %d: %w", index, err)
		}
	}
	return hashes, nil
}
