package node

import (
	"errors"
	"io/fs"
	"os"

	"github.com/weirproject/weir/internal/fault"
)

// memory keeps the flow's memory in a file of the state folder.
type memory struct{ path string }

func (m memory) Load() ([]byte, error) {
	data, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "%s cannot be read", m.path).WithHint("look at its permissions").WithCause(err)
	}
	return data, nil
}

func (m memory) Save(data []byte) error {
	if err := writeDurable(m.path, data); err != nil {
		return fault.Newf(fault.Unavailable, "%s cannot be written", m.path).WithHint("look at its permissions and at the disk's free space").WithCause(err)
	}
	return nil
}

// writeDurable replaces a file so that a crash leaves the old one or the new one, whole.
func writeDurable(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
