package pgwire_test

import (
	"context"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// counted counts what passes.
type counted struct{ n int64 }

func (c *counted) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// wide is a question with many columns, as BI tools ask them; narrow has one.
const (
	wide   = "SELECT n, n + 1 AS a, n * 1.5::DOUBLE AS b, name, lucky, DATE '2020-01-01' + (n % 1000)::INTEGER AS d, TIMESTAMP '2026-01-01' + to_seconds(n) AS t, (n / 7.0)::DECIMAL(18,4) AS m, name || ' and so on' AS more, uuid() AS id FROM numbers"
	narrow = "SELECT n FROM numbers"
)

// The rows of an answer through TLS, from the engine to a client that throws them away.
func BenchmarkRows(b *testing.B) {
	l := newLab(b)
	for _, c := range []struct {
		name, sql string
		format    int16
	}{{"wide/binary", wide, 1}, {"wide/text", wide, 0}, {"narrow/binary", narrow, 1}, {"narrow/text", narrow, 0}} {
		b.Run(c.name, func(b *testing.B) {
			w := l.signedIn(b)
			h := w.conn
			buf := make([]byte, 256<<10)
			var messages []byte
			for _, m := range []pgproto3.FrontendMessage{&pgproto3.Parse{Query: c.sql}, &pgproto3.Bind{ResultFormatCodes: []int16{c.format}}, &pgproto3.Execute{}, &pgproto3.Sync{}} {
				var err error
				if messages, err = m.Encode(messages); err != nil {
					b.Fatal(err)
				}
			}
			var bytes int64
			b.ResetTimer()
			for b.Loop() {
				if _, err := h.Write(messages); err != nil {
					b.Fatal(err)
				}
				for { // the answer ends in ReadyForQuery, and nothing comes behind it
					n, err := h.Read(buf)
					if err != nil {
						b.Fatal(err)
					}
					bytes += int64(n)
					if n >= 6 && string(buf[n-6:n]) == "Z\x00\x00\x00\x05I" {
						break
					}
				}
			}
			b.SetBytes(bytes / int64(b.N))
			b.ReportMetric(100000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	l := newLab(b)
	for _, format := range []string{"binary", "text", "csv"} {
		b.Run(format, func(b *testing.B) {
			c := connect(b, l.url("alice", ""))
			var sink counted
			for b.Loop() {
				if _, err := c.CopyTo(b.Context(), io.Writer(&sink), "COPY ("+wide+") TO STDOUT (FORMAT "+format+")"); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(sink.n / int64(b.N))
			b.ReportMetric(100000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// Short questions one after the other.
func BenchmarkQuestions(b *testing.B) {
	l := newLab(b)
	b.Run("gate-answered", func(b *testing.B) {
		c := connect(b, l.url("alice", ""))
		for b.Loop() {
			if err := discard(b.Context(), c, "SHOW timezone"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("prepared", func(b *testing.B) {
		c, err := pgx.Connect(b.Context(), l.url("alice", ""))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close(context.WithoutCancel(b.Context())) }()
		for b.Loop() {
			var n int64
			if err := c.QueryRow(b.Context(), "SELECT $1::bigint", int64(1)).Scan(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func discard(ctx context.Context, c *pgconn.PgConn, sql string) error {
	_, err := c.Exec(ctx, sql).ReadAll()
	return err
}
