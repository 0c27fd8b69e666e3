package postgres

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/weirproject/weir/internal/source/sourcetest"
	"github.com/weirproject/weir/internal/treatment"
)

func BenchmarkDecodeCopy(b *testing.B) {
	const rows = 100_000
	l, data := copyBytes(rows)
	b.ReportAllocs()
	for b.Loop() {
		builder := treatment.NewBuilder(l)
		c, err := newCopyReader(l, func() (appender, error) {
			if builder.Len() == 20_000 {
				if _, err := builder.Seal(); err != nil {
					return nil, err
				}
			}
			return builder, nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for at := 0; at < len(data); at += readBuffer { // most rows whole, one cut in each piece
			if _, err := c.Write(data[at:min(at+readBuffer, len(data))]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCopyFromServer is a whole copy: the server, the socket and the decoding, with one connection.
func BenchmarkCopyFromServer(b *testing.B) {
	const rows = 500_000
	p := newProduction(b)
	p.Exec(b, fmt.Sprintf(`CREATE TABLE app.bench AS SELECT g::bigint AS id, gen_random_uuid() AS u, (g %% 1000)::bigint AS d, 'connected' AS k, now() AS a, now() AS r,
g::integer AS f, g %% 2 = 0 AS ok, '192.0.2.1'::inet AS ip, CASE WHEN g %% 3 = 0 THEN NULL ELSE 5::smallint END AS s, 12.5::numeric(5,1) AS n FROM generate_series(1, %d) g`, rows),
		"ALTER TABLE app.bench ADD PRIMARY KEY (id)", "VACUUM ANALYZE app.bench")
	s := p.open(b, Options{})
	sel := sourcetest.Select(b, s, map[string][]string{"app.bench": nil})
	n, err := s.Snapshot(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = n.Close() }()
	builder := treatment.NewBuilder(sel[0])
	for b.Loop() {
		err := n.Copy(b.Context(), sel[0], func() (*treatment.Builder, error) {
			if builder.Len() == 20_000 {
				if _, err := builder.Seal(); err != nil {
					return nil, err
				}
			}
			return builder, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func BenchmarkDecodeStream(b *testing.B) {
	const rows = 20_000
	l, data := copyBytes(rows)
	d, err := newRowDecoder(l)
	if err != nil {
		b.Fatal(err)
	}
	reader := copyReader{decoder: d, row: make([]field, len(l.Columns))}
	var messages [][]byte
	for at := copyHeader; len(messages) < rows; {
		size, _, err := reader.scan(data[at:])
		if err != nil {
			b.Fatal(err)
		}
		m := []byte{0, 0, 0, 1, 'N', 0, byte(len(l.Columns))}
		for _, f := range reader.row {
			m = append(m, f.form)
			if f.form == fieldBinary {
				m = append(binary.BigEndian.AppendUint32(m, uint32(len(f.data))), f.data...)
			}
		}
		messages, at = append(messages, m), at+size
	}
	m := &mapped{table: &followed{layout: l, decoder: d}, width: len(l.Columns), row: make([]field, len(l.Columns))}
	for i := range l.Columns {
		m.from = append(m.from, i)
	}
	var c change
	b.ReportAllocs()
	for b.Loop() {
		builder := treatment.NewBuilder(l)
		for _, message := range messages {
			if err := c.parse(messageInsert, message); err != nil {
				b.Fatal(err)
			}
			if err := m.append(builder, &c); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
