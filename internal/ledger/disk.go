package ledger

import (
	"fmt"
	"os"
)

// disk is everything the ledger changes on the machine while it appends. It exists so that tests can make each single write fail,
// vanish or lie; the ledger itself always runs on realDisk.
type disk interface {
	// write appends b to f; which says what of the ledger it is.
	write(which step, f *os.File, b []byte) error
	// sync returns when everything written to f is durable.
	sync(which step, f *os.File) error
	// replace puts b in the place of the file at path, at once or not at all.
	replace(which step, path string, b []byte) error
	// create makes a new, empty file and makes its name durable.
	create(which step, path string) (*os.File, error)
}

// step names a write of the ledger.
type step string

const (
	stepSegment     step = "create segment"
	stepEntries     step = "write entries"
	stepEntriesSync step = "sync entries"
	stepHashes      step = "write hashes"
	stepPublish     step = "publish checkpoint"
	stepMirror      step = "write mirror"
)

type realDisk struct{}

func (realDisk) write(which step, f *os.File, b []byte) error {
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("%s: %w", which, err)
	}
	return nil
}

func (realDisk) sync(which step, f *os.File) error {
	if err := syncData(f); err != nil {
		return fmt.Errorf("%s: %w", which, err)
	}
	return nil
}

// replace does not wait for the disk: after a power cut the older file may be back, and Open takes the newer one from the segments.
func (realDisk) replace(which step, path string, b []byte) error {
	if err := os.WriteFile(path+newSuffix, b, fileMode); err != nil {
		return fmt.Errorf("%s: %w", which, err)
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return fmt.Errorf("%s: %w", which, err)
	}
	return nil
}

func (realDisk) create(which step, path string) (*os.File, error) {
	f, err := createDurable(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", which, err)
	}
	return f, nil
}
