package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// LSN is a place in PostgreSQL's write-ahead log.
type LSN uint64

// errMessage is a message that is not pgoutput's protocol version 1.
var errMessage = errors.New("the replication stream sent what its protocol does not know")

// Kinds of pgoutput messages of protocol version 1.
const (
	messageBegin    = 'B'
	messageCommit   = 'C'
	messageRelation = 'R'
	messageInsert   = 'I'
	messageUpdate   = 'U'
	messageDelete   = 'D'
	messageTruncate = 'T'
	messageOrigin   = 'O'
	messageType     = 'Y'
	messageLogical  = 'M'
)

// relation describes a table as the rows after it are sent.
type relation struct {
	id        uint32
	namespace string
	name      string
	columns   []relationColumn
}

type relationColumn struct {
	name   string
	oid    uint32
	typmod int32
}

// scanner cuts a message; after the first thing that is missing everything is zero and bad is set.
type scanner struct {
	p   []byte
	bad bool
}

func (s *scanner) take(n int) []byte {
	if n < 0 || n > len(s.p) {
		s.bad, s.p = true, nil
		return nil
	}
	b := s.p[:n:n]
	s.p = s.p[n:]
	return b
}

func (s *scanner) byte() byte {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scanner) uint16() uint16 {
	if b := s.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *scanner) uint32() uint32 {
	if b := s.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scanner) uint64() uint64 {
	if b := s.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (s *scanner) string() string {
	end := bytes.IndexByte(s.p, 0)
	if end < 0 {
		s.bad, s.p = true, nil
		return ""
	}
	text := string(s.p[:end])
	s.p = s.p[end+1:]
	return text
}

// end is the verdict on the whole message.
func (s *scanner) end(what string) error {
	if s.bad || len(s.p) != 0 {
		return fmt.Errorf("read %s message: %w", what, errMessage)
	}
	return nil
}

// pgTime is a count of microseconds since 2000 as a time.
func pgTime(micros uint64) time.Time {
	return time.UnixMicro(int64(micros) + unixMicros).UTC() //nolint:gosec // the bit pattern of a signed number
}

type beginMessage struct {
	commit    LSN // where the commit record begins
	committed time.Time
	xid       uint32
}

func parseBegin(body []byte) (m beginMessage, err error) {
	s := scanner{p: body}
	m = beginMessage{commit: LSN(s.uint64()), committed: pgTime(s.uint64()), xid: s.uint32()}
	return m, s.end("begin")
}

// parseCommit returns where the commit record ends.
func parseCommit(body []byte) (end LSN, err error) {
	s := scanner{p: body}
	s.take(1 + 8)
	end = LSN(s.uint64())
	s.take(8)
	return end, s.end("commit")
}

func parseRelation(body []byte) (*relation, error) {
	s := scanner{p: body}
	r := &relation{id: s.uint32(), namespace: s.string(), name: s.string()}
	s.take(1) // the replica identity; the catalogue watch sees it too
	n := int(s.uint16())
	for range n {
		s.take(1)                                                                                                   // whether it is of the key
		r.columns = append(r.columns, relationColumn{name: s.string(), oid: s.uint32(), typmod: int32(s.uint32())}) //nolint:gosec // the bit pattern of a signed number
		if s.bad {
			break
		}
	}
	if r.namespace == "" {
		r.namespace = "pg_catalog"
	}
	return r, s.end("relation")
}

// tuple cuts a row's fields into row, which it returns grown as needed.
func (s *scanner) tuple(row []field) []field {
	row = row[:0]
	n := int(s.uint16())
	for range n {
		f := field{form: s.byte()}
		switch f.form {
		case fieldNull, fieldSame:
		case fieldBinary, fieldText:
			f.data = s.take(int(s.uint32()))
		default:
			s.bad, s.p = true, nil
		}
		if s.bad {
			return row[:0]
		}
		row = append(row, f)
	}
	return row
}

// change is one row change; its slices are used again for the next one.
type change struct {
	relation uint32
	kind     byte // messageInsert, messageUpdate or messageDelete
	hasOld   bool
	old, new []field
}

func (c *change) parse(kind byte, body []byte) error {
	s := scanner{p: body}
	c.kind, c.relation, c.hasOld = kind, s.uint32(), false
	part := s.byte()
	if kind != messageInsert && (part == 'K' || part == 'O') {
		c.hasOld = true
		c.old = s.tuple(c.old)
		if kind == messageUpdate {
			part = s.byte()
		}
	}
	switch {
	case kind == messageDelete && c.hasOld:
	case kind != messageDelete && part == 'N':
		c.new = s.tuple(c.new)
	default:
		s.bad = true
	}
	return s.end("row")
}

func parseTruncate(body []byte) (relations []uint32, err error) {
	s := scanner{p: body}
	n := s.uint32()
	s.take(1) // options
	for i := uint32(0); i < n && !s.bad; i++ {
		relations = append(relations, s.uint32())
	}
	return relations, s.end("truncate")
}
