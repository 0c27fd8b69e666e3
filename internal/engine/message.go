package engine

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// settings is what an engine is told over its control socket before anything else.
type settings struct {
	Path     string `json:"path"` // the database file; empty for none
	From     string `json:"from"` // not empty: copy this database to Path and end
	Spill    string `json:"spill"`
	SpillMax int64  `json:"spill_max"`
	Memory   int64  `json:"memory"`
	Threads  int    `json:"threads"`
	Sessions int    `json:"sessions"`
}

// mode is how a query runs.
type mode byte

const (
	modeAny      mode = iota
	modeSelect        // nothing but a SELECT
	modeReadOnly      // nothing but a SELECT, in a read-only transaction of its own
)

type wire struct{ b []byte }

func (w *wire) u64(x uint64) *wire {
	w.b = binary.LittleEndian.AppendUint64(w.b, x)
	return w
}

func (w *wire) text(s string) *wire {
	w.b = binary.LittleEndian.AppendUint32(w.b, uint32(len(s))) //nolint:gosec // bounded by maxFrame
	w.b = append(w.b, s...)
	return w
}

func (w *wire) byte(x byte) *wire {
	w.b = append(w.b, x)
	return w
}

// unwire reads what wire wrote; a short message gives zeros and sets bad.
type unwire struct {
	b   []byte
	bad bool
}

func (u *unwire) take(n int) []byte {
	if n < 0 || n > len(u.b) {
		u.bad, u.b = true, nil
		return nil
	}
	p := u.b[:n]
	u.b = u.b[n:]
	return p
}

func (u *unwire) u64() uint64 {
	if p := u.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (u *unwire) byte() byte {
	if p := u.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (u *unwire) text() string {
	p := u.take(4)
	if p == nil {
		return ""
	}
	return string(u.take(int(binary.LittleEndian.Uint32(p))))
}

// The tags of arguments.
const (
	argNull byte = iota
	argBool
	argInt
	argUint
	argFloat
	argText
	argBlob
	argUUID
	argTime
	argTexts
)

// arguments encodes the values of a query's parameters. The error names the position, never the value.
func (w *wire) arguments(args []any) error {
	w.u64(uint64(len(args)))
	for i, a := range args {
		switch v := a.(type) {
		case nil:
			w.byte(argNull)
		case bool:
			w.byte(argBool)
			if v {
				w.byte(1)
			} else {
				w.byte(0)
			}
		case int:
			w.byte(argInt).u64(uint64(v)) //nolint:gosec // the bit pattern is what is sent
		case int16:
			w.byte(argInt).u64(uint64(v)) //nolint:gosec // the bit pattern is what is sent
		case int32:
			w.byte(argInt).u64(uint64(v)) //nolint:gosec // the bit pattern is what is sent
		case int64:
			w.byte(argInt).u64(uint64(v)) //nolint:gosec // the bit pattern is what is sent
		case uint64:
			w.byte(argUint).u64(v)
		case float32:
			w.byte(argFloat).u64(math.Float64bits(float64(v)))
		case float64:
			w.byte(argFloat).u64(math.Float64bits(v))
		case string:
			w.byte(argText).text(v)
		case []byte:
			w.byte(argBlob).text(string(v))
		case [16]byte:
			w.byte(argUUID).text(string(v[:]))
		case time.Time:
			w.byte(argTime).u64(uint64(v.UnixMicro()))
		case []string:
			w.byte(argTexts).u64(uint64(len(v)))
			for _, s := range v {
				w.text(s)
			}
		default:
			return fault.Newf(fault.Invalid, "argument %d is of a type that a query cannot take", i+1).
				WithHint("pass booleans, numbers, text, bytes, a uuid, a time or a list of text")
		}
	}
	return nil
}
