package people

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
)

// Secret is a clear password, token or private key that is handed out once. Printing, logging or marshalling it in any way shows "[secret]": the value stands behind a func, because
// fmt follows fields and pointers.
type Secret struct{ reveal func() string }

func newSecret(s string) Secret { return Secret{func() string { return s }} }

// Reveal returns the value, for the one place that shows it to its owner.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero says that there is none.
func (s Secret) IsZero() bool { return s.reveal == nil }

const sealed = "[secret]"

// Format shows that there is a secret, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { seal(f) }

// LogValue shows that there is a secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(sealed) }

// MarshalText shows that there is a secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(sealed), nil }

func seal(f fmt.State) { _, _ = io.WriteString(f, sealed) }

const (
	tokenBytes = 32 // 256 bits
	idBytes    = 9  // names something in a list; opens nothing
)

// newToken returns 256 random bits as text, and what is kept of them.
func newToken() (Secret, digest) {
	var b [tokenBytes]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	text := base64.RawURLEncoding.EncodeToString(b[:])
	return newSecret(text), digestOf(text)
}

// digest is what is kept of a token. A fast hash is enough: there are 256 bits to guess.
type digest [sha256.Size]byte

func digestOf(token string) digest { return sha256.Sum256([]byte(token)) }

// MarshalText is base64.
func (d digest) MarshalText() ([]byte, error) {
	return base64.StdEncoding.AppendEncode(nil, d[:]), nil
}

// UnmarshalText accepts what MarshalText wrote, nothing else.
func (d *digest) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return errDamaged
	}
	copy(d[:], b)
	return nil
}

func newID() string {
	var b [idBytes]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// passwordAlphabet has 32 characters: 5 bits each. l and o, 1 and 0 are not told apart by everybody's eyes.
const passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// newPagePassword returns 20 random characters (100 bits) in four groups.
func newPagePassword() Secret {
	const groups, size = 4, 5
	var b [groups * size]byte
	_, _ = rand.Read(b[:])
	out := make([]byte, 0, len(b)+groups)
	for i, c := range b {
		if i > 0 && i%size == 0 {
			out = append(out, '-')
		}
		out = append(out, passwordAlphabet[c%byte(len(passwordAlphabet))])
	}
	return newSecret(string(out))
}
