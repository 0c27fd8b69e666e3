package ledger

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/weirproject/weir/internal/fault"
)

// keyFile holds the signing key in the key folder.
const keyFile = "ledger.key"

// PublicKey is the text of a note verifier key, "name+hash+key": all that an outsider needs besides the folder.
type PublicKey string

// verifier judges signatures by the key.
func (k PublicKey) verifier() (note.Verifier, error) {
	v, err := note.NewVerifier(strings.TrimSpace(string(k)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "the ledger's public key is not one",
			"give the line that stands in the ledger's public.key, as whoever runs the ledger published it").WithCause(err)
	}
	return v, nil
}

// loadKey reads the signing key; with mayCreate it makes one where there is none.
func loadKey(dir string, mayCreate bool) (note.Signer, PublicKey, error) {
	path := filepath.Join(dir, keyFile)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayCreate:
		if err := createKey(dir, path); err != nil {
			return nil, "", err
		}
		info, err = os.Stat(path)
	case errors.Is(err, fs.ErrNotExist):
		return nil, "", fault.Newf(fault.NotFound, "the key that signs this ledger is missing").
			WithHint("put %s back from its backup; a new key can only begin a new ledger", path)
	}
	if err != nil {
		return nil, "", fmt.Errorf("stat signing key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, "", fault.Newf(fault.Refused, "others than its owner may use the ledger's signing key (mode %04o)", mode).
			WithHint("chmod 600 %s", path)
	}
	if err := checkKeyFolder(dir); err != nil {
		return nil, "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, "", fmt.Errorf("read signing key: %w", err)
	}
	return parseKey(strings.TrimSpace(string(text)), path)
}

// checkKeyFolder refuses a folder in which others could put another key.
func checkKeyFolder(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("stat key folder: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fault.Newf(fault.Refused, "others than its owner may change the key folder (mode %04o)", mode).WithHint("chmod 700 %s", dir)
	}
	return nil
}

// createKey makes an Ed25519 key under a fresh name, which is also the origin line of every checkpoint.
func createKey(dir, path string) error {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	secret, _, err := note.GenerateKey(rand.Reader, "weir.ledger/"+hex.EncodeToString(id[:]))
	if err != nil {
		return fmt.Errorf("generate signing key: %w", err)
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return fmt.Errorf("create key folder: %w", err)
	}
	return writeDurable(path, []byte(secret+"\n"))
}

// parseKey takes the signer and its public half out of the key's text.
func parseKey(secret, path string) (note.Signer, PublicKey, error) {
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, "", fault.Newf(fault.Invalid, "the ledger's signing key cannot be read").WithHint("put %s back from its backup", path)
	}
	// NewSigner accepted it: "PRIVATE+KEY+name+hash+base64(algorithm, seed)". The base64 may hold plus signs, nothing before it does.
	seed, err := base64.StdEncoding.DecodeString(strings.SplitN(secret, "+", 5)[4])
	if err != nil {
		return nil, "", fmt.Errorf("decode signing key: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed[1:])
	public, err := note.NewEd25519VerifierKey(signer.Name(), ed25519.PublicKey(private[ed25519.SeedSize:]))
	if err != nil {
		return nil, "", fmt.Errorf("derive public key: %w", err)
	}
	return signer, PublicKey(public), nil
}
