package treatment

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"log/slog"
)

// MasterKeySize is the size of the master key in bytes.
const MasterKeySize = 32

// Keys derives all keys of the neck from one master key by HKDF-SHA-256 (RFC 5869): one for each subject, one for row keys. Nothing of it is ever printed.
type Keys struct {
	sealed func() []byte // the master key, behind a func so that printing a Keys shows nothing
}

// NewKeys takes a master key of MasterKeySize bytes.
func NewKeys(master []byte) (*Keys, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("master key: %d bytes, want %d", len(master), MasterKeySize)
	}
	held := append([]byte(nil), master...)
	return &Keys{sealed: func() []byte { return held }}, nil
}

// Fingerprint names the master key without revealing it: copies made under another key cannot be joined with each other.
func (k *Keys) Fingerprint() string { return hex.EncodeToString(k.derive("fingerprint", "")[:8]) }

// String shows nothing of the key.
func (*Keys) String() string { return "[keys]" }

// LogValue shows nothing of the key.
func (*Keys) LogValue() slog.Value { return slog.StringValue("[keys]") }

// MarshalText shows nothing of the key.
func (*Keys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }

func (k *Keys) derive(use, name string) []byte {
	key, err := hkdf.Key(sha256.New, k.sealed(), nil, "weir v1 "+use+"\x00"+name, sha256.Size)
	if err != nil {
		panic("treatment: HKDF of 32 bytes cannot fail: " + use)
	}
	return key
}

func (k *Keys) subject(name string) hash.Hash {
	return hmac.New(sha256.New, k.derive("pseudonym", name))
}

func (k *Keys) rowKey(table string) hash.Hash {
	return hmac.New(sha256.New, k.derive("row key", table))
}

// mac128 appends the first 128 bits of the HMAC of msg to dst, using sum as scratch.
func mac128(h hash.Hash, msg, sum, dst []byte) (newSum, newDst []byte) {
	h.Reset()
	_, _ = h.Write(msg)
	sum = h.Sum(sum[:0])
	return sum, append(dst, sum[:16]...)
}

// Literals derives the key under which literals of people's questions are hashed for the record.
func (k *Keys) Literals() []byte { return k.derive("literals", "") }
