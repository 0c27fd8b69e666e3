package people

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/weirproject/weir/internal/fault"
)

// Page passwords are kept as argon2id with the second recommended parameters of RFC 9106 (64 MiB, 3 passes, 4 lanes). OWASP's smaller ones (19 MiB, 2 passes) are for machines that
// hash hundreds at a time; here a few people sign in a day, and hashSlots bounds the memory instead. There is one set of parameters: were there two, the time of an answer would tell
// accounts with the one from those with the other.
const (
	argonPasses   = 3
	argonMemory   = 64 << 10 // KiB
	argonLanes    = 4
	argonSaltSize = 16
	argonKeySize  = 32
	argonPrefix   = "$argon2id$v=19$m=65536,t=3,p=4$"
)

// Guessing cannot exhaust the machine: at most hashSlots × 64 MiB are in use, and who finds hashQueue others waiting is sent away.
const (
	hashSlots = 2
	hashQueue = 32
)

// The lengths of a password that somebody chooses: NIST SP 800-63B-4 asks for 15 characters where the password is all there is. Bytes beyond the maximum are not a password but a load.
const (
	minPassword = 15
	maxPassword = 256
)

// argonHash is an argon2id hash; as text in PHC form.
type argonHash struct {
	salt [argonSaltSize]byte
	key  [argonKeySize]byte
}

// MarshalText is the PHC form.
func (h argonHash) MarshalText() ([]byte, error) {
	e := base64.RawStdEncoding
	return []byte(argonPrefix + e.EncodeToString(h.salt[:]) + "$" + e.EncodeToString(h.key[:])), nil
}

// UnmarshalText accepts what MarshalText wrote, nothing else: a planted file cannot ask for more memory, or for less work.
func (h *argonHash) UnmarshalText(text []byte) error {
	rest, ok := strings.CutPrefix(string(text), argonPrefix)
	salt, key, ok2 := strings.Cut(rest, "$")
	e := base64.RawStdEncoding.Strict()
	s, err := e.DecodeString(salt)
	k, err2 := e.DecodeString(key)
	if !ok || !ok2 || err != nil || err2 != nil || len(s) != argonSaltSize || len(k) != argonKeySize || strings.ContainsAny(rest, "\r\n") {
		return errDamaged
	}
	copy(h.salt[:], s)
	copy(h.key[:], k)
	return nil
}

// hasher computes hashes, a few at a time.
type hasher struct {
	slots   chan struct{}
	waiting atomic.Int32
	dummy   argonHash // of no password: what a name without an account is compared with
}

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, hashSlots)}
	_, _ = rand.Read(h.dummy.salt[:])
	_, _ = rand.Read(h.dummy.key[:])
	return h
}

// derive waits for a slot and computes.
func (h *hasher) derive(ctx context.Context, password string, salt [argonSaltSize]byte) (key [argonKeySize]byte, err error) {
	if h.waiting.Add(1) > hashSlots+hashQueue {
		h.waiting.Add(-1)
		return key, fault.New(fault.Unavailable, "too many people are signing in at the moment", "try again in a minute")
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return key, fault.New(fault.Unavailable, "the sign-in was given up", "try again").WithCause(ctx.Err())
	}
	defer func() { <-h.slots }()
	copy(key[:], argon2.IDKey([]byte(password), salt[:], argonPasses, argonMemory, argonLanes, argonKeySize))
	return key, nil
}

// make hashes a new password.
func (h *hasher) make(ctx context.Context, password string) (argonHash, error) {
	var out argonHash
	_, _ = rand.Read(out.salt[:])
	key, err := h.derive(ctx, password, out.salt)
	out.key = key
	return out, err
}

// verify does the same work whatever it is given; without a hash it compares with the dummy, and says no.
func (h *hasher) verify(ctx context.Context, password string, kept *argonHash) (bool, error) {
	against, there := &h.dummy, 0
	if kept != nil {
		against, there = kept, 1
	}
	short := 1
	if len(password) > maxPassword {
		password, short = password[:maxPassword], 0
	}
	key, err := h.derive(ctx, password, against.salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(key[:], against.key[:])&there&short == 1, nil
}

// checkPassword refuses what somebody should not choose. No rule asks for digits or signs: length is what counts, and such rules make people write passwords down.
func checkPassword(name Name, password string) error {
	hint := "use at least 15 characters, for example four words that have nothing to do with each other or with you"
	switch {
	case len(password) > maxPassword:
		return fault.Newf(fault.Invalid, "the password is longer than %d bytes", maxPassword).WithHint("a shorter one is safe too")
	case !utf8.ValidString(password) || strings.ContainsFunc(password, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fault.New(fault.Invalid, "the password holds something that no keyboard types", "use letters, digits, signs and spaces")
	case utf8.RuneCountInString(password) < minPassword:
		return fault.Newf(fault.Invalid, "the password has fewer than %d characters", minPassword).WithHint("%s", hint)
	case distinct(password) < 6, strings.Contains(strings.ToLower(password), string(name)) && utf8.RuneCountInString(password)-len(name) < minPassword-3, isEasy(name, password):
		return fault.New(fault.Invalid, "the password is one of the first that somebody would guess", hint)
	}
	return nil
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, c := range s {
		seen[c] = true
	}
	return len(seen)
}
