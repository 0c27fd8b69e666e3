package engine

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The frames of a session's socket: a length (4 bytes, of what follows the kind), a kind, the payload.
type frameKind byte

const (
	frameExec     frameKind = 'X' // request: seq, SQL
	frameQuery    frameKind = 'Q' // request: seq, mode, SQL, arguments
	frameTexts    frameKind = 'T' // request: seq, SQL, arguments; answer: seq, the texts of one row
	frameDescribe frameKind = 'P' // request: seq, SQL
	frameAppend   frameKind = 'A' // request: seq, table; data frames and frameEnd follow
	frameData     frameKind = 'D' // a piece of an Arrow IPC stream
	frameEnd      frameKind = 'E' // the end of the data of an append
	frameOK       frameKind = 'K' // answer: seq, rows changed
	frameFail     frameKind = 'F' // answer: seq, class
	frameConfig   frameKind = 'C' // control: the configuration
	frameStop     frameKind = 'S' // control: close the database and end
	frameBreak    frameKind = 'I' // control: session, seq: interrupt that statement
)

const (
	maxFrame  = 16 << 20  // of any frame; a longer length means that the other side is broken
	dataPiece = 1 << 20   // of an IPC stream
	smallSize = 128 << 10 // IPC writes below this are gathered
	headSize  = 5
)

var errFrame = errors.New("malformed frame")

type frameReader struct {
	r *bufio.Reader
}

func newFrameReader(r io.Reader) *frameReader { return &frameReader{r: bufio.NewReaderSize(r, 64<<10)} }

// head reads the next frame's kind and length.
func (f *frameReader) head() (frameKind, int, error) {
	var h [headSize]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return 0, 0, fmt.Errorf("read frame: %w", err)
	}
	n := binary.LittleEndian.Uint32(h[:4])
	if n > maxFrame {
		return 0, 0, errFrame
	}
	return frameKind(h[4]), int(n), nil
}

// next reads a whole frame.
func (f *frameReader) next() (frameKind, []byte, error) {
	kind, n, err := f.head()
	if err != nil {
		return 0, nil, err
	}
	p, err := f.payload(n)
	return kind, p, err
}

func (f *frameReader) payload(n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(f.r, p); err != nil {
		return nil, fmt.Errorf("read frame: %w", err)
	}
	return p, nil
}

type frameWriter struct {
	w   net.Conn
	buf []byte // gathered data, with room for its head in front
}

func newFrameWriter(w net.Conn) *frameWriter {
	return &frameWriter{w: w, buf: make([]byte, headSize, headSize+smallSize)}
}

func putHead(h []byte, kind frameKind, n int) {
	binary.LittleEndian.PutUint32(h, uint32(n)) //nolint:gosec // bounded by maxFrame
	h[4] = byte(kind)
}

// send writes one frame, after the data that was gathered. Where both fit, they go out together: each write wakes the other side.
func (f *frameWriter) send(kind frameKind, payload []byte) error {
	if len(payload) > maxFrame {
		return errFrame
	}
	if gathered := len(f.buf) - headSize; gathered > 0 && len(f.buf)+headSize+len(payload) <= cap(f.buf) {
		putHead(f.buf, frameData, gathered)
		var h [headSize]byte
		putHead(h[:], kind, len(payload))
		f.buf = append(append(f.buf, h[:]...), payload...)
		return f.out()
	}
	if err := f.flush(); err != nil {
		return err
	}
	b := make([]byte, headSize+len(payload))
	putHead(b, kind, len(payload))
	copy(b[headSize:], payload)
	if _, err := f.w.Write(b); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// Write takes a piece of an IPC stream: small ones are gathered, large ones go out without a copy.
func (f *frameWriter) Write(p []byte) (int, error) {
	if len(p) < smallSize {
		if len(f.buf)+len(p) > cap(f.buf) {
			if err := f.flush(); err != nil {
				return 0, err
			}
		}
		f.buf = append(f.buf, p...)
		return len(p), nil
	}
	if err := f.flush(); err != nil {
		return 0, err
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), dataPiece)
		var h [headSize]byte
		putHead(h[:], frameData, n)
		pieces := net.Buffers{h[:], rest[:n]}
		if _, err := pieces.WriteTo(f.w); err != nil {
			return 0, fmt.Errorf("write frame: %w", err)
		}
		rest = rest[n:]
	}
	return len(p), nil
}

func (f *frameWriter) flush() error {
	n := len(f.buf) - headSize
	if n == 0 {
		return nil
	}
	putHead(f.buf, frameData, n)
	return f.out()
}

// out writes the buffer and empties it.
func (f *frameWriter) out() error {
	_, err := f.w.Write(f.buf)
	f.buf = f.buf[:headSize]
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// dataReader reads the data frames that follow as one stream, until another frame comes, which it keeps.
type dataReader struct {
	f    *frameReader
	left int
	end  frameKind // the frame that ended the data; 0 before
	last []byte
}

func (d *dataReader) Read(p []byte) (int, error) {
	for d.left == 0 {
		if d.end != 0 {
			return 0, io.EOF
		}
		kind, n, err := d.f.head()
		if err != nil {
			return 0, err
		}
		if kind == frameData {
			d.left = n
			continue
		}
		if d.last, err = d.f.payload(n); err != nil {
			return 0, err
		}
		d.end = kind
	}
	n, err := d.f.r.Read(p[:min(len(p), d.left)])
	d.left -= n
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// drain reads what is left until the frame that ends the data.
func (d *dataReader) drain() error {
	_, err := io.Copy(io.Discard, d)
	return err
}
