package engine

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// wrote is a connection that keeps what is written to it.
type wrote struct {
	net.Conn
	bytes  bytes.Buffer
	writes int
}

func (w *wrote) Write(p []byte) (int, error) {
	w.writes++
	return w.bytes.Write(p)
}

func TestWhatWasGatheredGoesOutInFrontOfTheNextFrame(t *testing.T) {
	room := smallSize - headSize // behind gathered data
	for _, c := range []struct{ gathered, payload, writes int }{
		{0, 0, 1}, {0, 10, 1}, {1, 0, 1}, {1, 10, 1}, {room - 10, 10, 1}, {room, 0, 1}, {room - 10, 11, 2}, {room, 1, 2}, {smallSize - 1, 0, 2}, {100, smallSize, 2}, {100, dataPiece, 2},
	} {
		out := &wrote{}
		w := newFrameWriter(out)
		data, payload := bytes.Repeat([]byte{'d'}, c.gathered), bytes.Repeat([]byte{'p'}, c.payload)
		for range 2 { // the second time with a buffer that was used
			out.bytes.Reset()
			out.writes = 0
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
			if err := w.send(frameOK, payload); err != nil {
				t.Fatal(err)
			}
			if out.writes != c.writes {
				t.Errorf("%d gathered bytes and a payload of %d went out in %d writes, not %d", c.gathered, c.payload, out.writes, c.writes)
			}
			in := &dataReader{f: newFrameReader(&out.bytes)}
			got, err := io.ReadAll(in)
			if err != nil || !bytes.Equal(got, data) || in.end != frameOK || !bytes.Equal(in.last, payload) {
				t.Errorf("%d gathered bytes and a payload of %d came as %d and %q with %d, %v", c.gathered, c.payload, len(got), in.end, len(in.last), err)
			}
			if out.bytes.Len() > 0 {
				t.Errorf("%d bytes came behind it", out.bytes.Len())
			}
		}
	}
}
