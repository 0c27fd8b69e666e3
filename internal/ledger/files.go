package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// What stands in a ledger's folder.
const (
	formatFile     = "format"
	publicKeyFile  = "public.key"
	entriesDir     = "entries"
	hashesFile     = "hashes"
	checkpointFile = "checkpoint"
	// newSuffix marks a file that is about to replace another.
	newSuffix = ".new"
	// segmentSuffix ends the name of a segment; before it stands the index of its first entry.
	segmentSuffix = ".jsonl"
	// segmentDigits makes the order of names that of entries.
	segmentDigits = 19
)

// formatText is the whole content of the format file: the version of everything in the folder.
const formatText = "weir-ledger 1\n"

const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// segmentName is the file that begins with the entry of that index.
func segmentName(first int64) string {
	return fmt.Sprintf("%0*d%s", segmentDigits, first, segmentSuffix)
}

// segmentFirst is the reverse of segmentName.
func segmentFirst(name string) (int64, bool) {
	first, err := strconv.ParseInt(strings.TrimSuffix(name, segmentSuffix), 10, 64)
	return first, err == nil && segmentName(first) == name
}

// segments lists the segments of the ledger in order, and what else lies in their folder.
func segments(dir string) (names, foreign []string, err error) {
	found, err := os.ReadDir(filepath.Join(dir, entriesDir))
	if err != nil {
		return nil, nil, fmt.Errorf("list segments: %w", err)
	}
	for _, e := range found {
		if _, ok := segmentFirst(e.Name()); ok && e.Type().IsRegular() {
			names = append(names, e.Name())
		} else {
			foreign = append(foreign, e.Name())
		}
	}
	slices.Sort(names)
	return names, foreign, nil
}

// createDurable makes a new, empty file, its name durable too.
func createDurable(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return nil, fmt.Errorf("create file: %w", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// writeDurable puts b at path, wholly or not at all, and returns when that would survive a power cut.
func writeDurable(path string, b []byte) error {
	f, err := os.OpenFile(path+newSuffix, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Rename(path+newSuffix, path); err != nil {
		return fmt.Errorf("rename file: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
