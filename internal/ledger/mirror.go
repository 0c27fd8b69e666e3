package ledger

import (
	"bytes"
	"errors"
	"io/fs"
	"os"

	"github.com/weirproject/weir/internal/fault"
)

// TypeMirror is the type of the entry that says that a mirror was begun behind existing entries: it vouches for nothing older.
const TypeMirror = "mirror"

// openMirror opens the operator's file of checkpoints and returns its last one, and what must be recorded of that.
func (l *Ledger) openMirror(path string, fresh bool) (checkpoint, []Entry, error) {
	if path == "" {
		return checkpoint{}, nil, nil
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return checkpoint{}, nil, fault.New(fault.Invalid, "the ledger's mirror is not a file", "name a file: weir must read back what it wrote there")
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, nil, mirrorFault(err)
	}
	if l.mirror, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, fileMode); err != nil {
		return checkpoint{}, nil, mirrorFault(err)
	}
	// A crash may have left half a line, and half a line says nothing.
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if len(whole) < len(text) {
		if err := l.mirror.Truncate(int64(len(whole))); err != nil {
			return checkpoint{}, nil, mirrorFault(err)
		}
	}
	if len(whole) == 0 {
		if fresh {
			return checkpoint{}, nil, nil
		}
		return checkpoint{}, []Entry{{Type: TypeMirror, Principal: principalSelf}}, nil
	}
	last := whole[bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1 : len(whole)-1]
	verifier, err := l.public.verifier()
	if err != nil {
		return checkpoint{}, nil, err
	}
	signed, err := noteOfLine(last)
	if err != nil {
		return checkpoint{}, nil, foreignMirror()
	}
	c, err := openCheckpoint(signed, verifier)
	if err != nil {
		return checkpoint{}, nil, foreignMirror()
	}
	return c, nil, nil
}

func foreignMirror() error {
	return fault.New(fault.Found, "the mirror's last line is not a checkpoint of this ledger",
		"point the mirror at a file of its own, or find out who changed it")
}

func mirrorFault(err error) error {
	return fault.New(fault.Unavailable, "the ledger's mirror cannot be opened",
		"make its folder, or give weir's user the right to append there").WithCause(err)
}

// catchUpMirror appends the newest checkpoint where a crash kept it from the mirror.
func (l *Ledger) catchUpMirror(mirrored checkpoint) error {
	if l.mirror == nil || mirrored.size == l.published.size {
		return nil
	}
	line, err := checkpointLine(l.published.note)
	if err != nil {
		return err
	}
	if _, err := l.mirror.Write(line); err != nil {
		return mirrorFault(err)
	}
	return nil
}
