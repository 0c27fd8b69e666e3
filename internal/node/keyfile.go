package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/people"
)

// KeyFiles are the two files that a client certificate and its key go to. They are made before the certificate is: a key that could not be written would be lost. Keep or Discard them.
type KeyFiles struct {
	certificate, key *os.File
}

// NewKeyFiles makes NAME.crt and NAME.key, empty and open to their owner alone, in a folder that is made where there is none. Neither may exist: it could be the only copy of a key in use.
func NewKeyFiles(dir, name string) (*KeyFiles, error) {
	if _, err := people.ParseName(name); err != nil { // it becomes a part of a path
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "the folder for the key cannot be made", "choose another, or look at the permissions of the one above it").WithCause(err)
	}
	k := &KeyFiles{}
	if k.certificate, err = newFile(filepath.Join(dir, name+".crt")); err != nil {
		return nil, err
	}
	if k.key, err = newFile(filepath.Join(dir, name+".key")); err != nil {
		k.Discard()
		return nil, err
	}
	return k, nil
}

func newFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fault.Newf(fault.Refused, "%s is there already", path).WithHint("it may be in use: choose another folder, or move it away").WithCause(err)
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s cannot be made", path).WithHint("look at the permissions of its folder").WithCause(err)
	}
	return f, nil
}

// Keep writes the certificate and its key, and leaves in c where they are instead. When it cannot, the files are discarded, and the certificate is to be revoked.
func (k *KeyFiles) Keep(c *NewCertificate) error {
	for _, part := range []struct {
		file *os.File
		text string
	}{{k.certificate, c.Certificate}, {k.key, c.Key}} {
		_, err := part.file.WriteString(part.text)
		if err == nil {
			err = part.file.Sync()
		}
		if err = errors.Join(err, part.file.Close()); err != nil {
			k.Discard()
			return fault.Newf(fault.Unavailable, "%s could not be written, and the key is lost", part.file.Name()).
				WithHint("look at the disk's free space; weir user certificate %s --revoke %s ends what cannot be used", c.User, c.Serial).WithCause(err)
		}
	}
	c.Certificate, c.Key = "", ""
	if c.SQL != nil {
		c.SQL.Certificate, c.SQL.Key = k.certificate.Name(), k.key.Name()
	}
	return nil
}

// Discard removes both files.
func (k *KeyFiles) Discard() {
	for _, f := range []*os.File{k.certificate, k.key} {
		if f != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}
}
