package ledger

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// needleBytes is up to where bytes.Index is fast on every machine; what is longer is looked for by its beginning.
const needleBytes = 31

// sieve finds the entries that pass a filter among lines.
type sieve struct {
	filter  Filter
	needles []needle // that stand in every line that passes
	long    [][]byte // words that are longer than their needle
	nothing bool     // a word stands in no line
}

func newSieve(f Filter) *sieve {
	s := &sieve{filter: f}
	words := f.Words
	if f.Principal != "" {
		words = append([]string{`"principal":` + Word(f.Principal)}, words...)
	}
	if len(f.Types) == 1 {
		words = append([]string{`"type":` + Word(f.Types[0])}, words...)
	}
	for _, w := range words {
		word := []byte(w)
		s.nothing = s.nothing || bytes.IndexByte(word, '\n') >= 0
		if len(word) > needleBytes {
			s.long = append(s.long, word)
			word = word[:needleBytes]
		}
		if len(word) > 0 {
			s.needles = append(s.needles, needle{text: word})
		}
	}
	return s
}

// entries gives the entries that pass, in the order of their lines, each of which ends with a newline, or newest first. Their bodies are lent for the call. It ends at the first line that is no entry.
func (s *sieve) entries(lines []byte, each func(Entry)) error {
	var err error
	take := func(line []byte) {
		if err != nil || isCheckpointLine(line) {
			return
		}
		var e Entry
		var passes bool
		if e, passes, err = s.decode(line); passes && err == nil {
			each(e)
		}
	}
	if !s.filter.NewestFirst {
		s.candidates(lines, take)
		return err
	}
	var all [][]byte
	s.candidates(lines, func(line []byte) { all = append(all, line) })
	for _, line := range slices.Backward(all) {
		take(line)
	}
	return err
}

// candidates gives the lines that hold all words, without their newline. It looks for each word behind the place to which another has led, so the rarest one decides how
// often the others are looked for.
func (s *sieve) candidates(lines []byte, each func(line []byte)) {
	if s.nothing {
		return
	}
	needles := sharpened(s.needles, lines)
	next := make([]int, len(needles)) // where each needle stands next; behind at or not looked for yet
	for i := range next {
		next[i] = -1
	}
search:
	for at := 0; at < len(lines); {
		end := at + bytes.IndexByte(lines[at:], '\n')
		if end < at {
			return
		}
		for i, n := range needles {
			if next[i] < at {
				j := n.index(lines[at:])
				if j < 0 {
					return
				}
				next[i] = at + j
			}
			if next[i] > end {
				at = end + 1 + bytes.LastIndexByte(lines[end+1:next[i]], '\n') + 1
				continue search
			}
		}
		if line := lines[at:end]; s.holdsLong(line) {
			each(line)
		}
		at = end + 1
	}
}

// needle is a text that is looked for: by one of its bytes if that is rare, because the processor looks for single bytes several times faster than for texts.
type needle struct {
	text []byte
	rare bool
	at   int // where in text the rare byte stands
}

const (
	// sampleBytes is how much of a block tells which bytes are rare there.
	sampleBytes = 4 << 10
	// rareIn is how many bytes a rare one stands in on average; where it is nearer, stopping at each costs more than it saves.
	rareIn = 24
)

// sharpened are the needles for these lines.
func sharpened(needles []needle, lines []byte) []needle {
	var often [256]int
	sample := lines[:min(len(lines), sampleBytes)]
	for _, c := range sample {
		often[c]++
	}
	sharp := slices.Clone(needles)
	for i := range sharp {
		n := &sharp[i]
		for at, c := range n.text {
			if often[c] < often[n.text[n.at]] {
				n.at = at
			}
		}
		n.rare = often[n.text[n.at]]*rareIn < len(sample)
	}
	return sharp
}

// index is where the needle stands first; -1 means nowhere.
func (n *needle) index(lines []byte) int {
	if !n.rare {
		return bytes.Index(lines, n.text)
	}
	for from := n.at; from < len(lines); from++ {
		i := bytes.IndexByte(lines[from:], n.text[n.at])
		if i < 0 {
			return -1
		}
		from += i
		if bytes.HasPrefix(lines[from-n.at:], n.text) {
			return from - n.at
		}
	}
	return -1
}

func (s *sieve) holdsLong(line []byte) bool {
	for _, w := range s.long {
		if !bytes.Contains(line, w) {
			return false
		}
	}
	return true
}

// decode reads an entry's line and tells whether it passes. The entry's body is a part of the line.
func (s *sieve) decode(line []byte) (e Entry, passes bool, err error) {
	if h, ok := cutHead(line); ok {
		if !s.passes(h.time, h.kind, h.principal) {
			return Entry{}, false, nil
		}
		e = Entry{Index: h.index, Time: h.time, Type: string(h.kind), Principal: string(h.principal), Body: json.RawMessage(h.body)}
		if !s.keeps(e) {
			return Entry{}, false, nil
		}
		if json.Valid(h.body) {
			return e, true, nil
		}
	}
	// Some other spelling, or damage.
	var w wireEntry
	if err := json.Unmarshal(line, &w); err != nil || w.Index == nil {
		return Entry{}, false, fault.Newf(fault.Found, "an entry of the ledger cannot be read").WithHint("weir ledger verify tells what differs")
	}
	e = Entry{Index: *w.Index, Time: w.Time, Type: w.Type, Principal: w.Principal, Body: w.Body}
	return e, s.passes(e.Time, []byte(e.Type), []byte(e.Principal)) && s.keeps(e), nil
}

func (s *sieve) keeps(e Entry) bool { return s.filter.Keep == nil || s.filter.Keep(e) }

func (s *sieve) passes(at time.Time, kind, principal []byte) bool {
	f := &s.filter
	return (f.From.IsZero() || !at.Before(f.From)) && (f.To.IsZero() || at.Before(f.To)) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, string(kind))) && (f.Principal == "" || f.Principal == string(principal))
}

// head is an entry's line in its parts.
type head struct {
	index                 Index
	time                  time.Time
	kind, principal, body []byte
}

// cutHead takes a line apart that is spelled as this package spells it, which is much faster than to decode any JSON. The body is whatever lies in its place.
func cutHead(line []byte) (h head, ok bool) {
	index, rest, ok := cutIndex(line)
	if !ok {
		return head{}, false
	}
	h.index = Index(index)
	var at []byte
	if at, rest, ok = cutString(rest, `"time":`); !ok || h.time.UnmarshalText(at) != nil {
		return head{}, false
	}
	if h.kind, rest, ok = cutString(rest, `,"type":`); !ok {
		return head{}, false
	}
	if h.principal, rest, ok = cutString(rest, `,"principal":`); !ok {
		return head{}, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"body":`)); !ok || len(rest) < 2 || rest[len(rest)-1] != '}' {
		return head{}, false
	}
	h.body = rest[:len(rest)-1]
	return h, true
}

// cutString takes a JSON string that stands behind key, when it holds nothing but plain characters.
func cutString(line []byte, key string) (value, rest []byte, ok bool) {
	if len(line) <= len(key) || string(line[:len(key)]) != key || line[len(key)] != '"' {
		return nil, nil, false
	}
	line = line[len(key)+1:]
	for i, c := range line {
		if c == '"' {
			return line[:i], line[i+1:], true
		}
		if c < ' ' || c > '~' || c == '\\' {
			break
		}
	}
	return nil, nil, false
}
