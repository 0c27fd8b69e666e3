package people

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/weirproject/weir/internal/fault"
)

// fileFormat is the version of the file. A newer one is refused. docs/formats/people.md describes it.
const fileFormat = 1

// Bounds of what is accepted, so that a damaged or planted file cannot ask for the machine.
const (
	maxFile     = 64 << 20
	maxAccounts = 10_000
	maxSessions = 50_000
	maxLinks    = 10_000
)

var errDamaged = errors.New("the file of accounts is damaged")

// state is everything that is durable. It is never changed once it is published: a change works on a clone, and replaces slices and pointed-to values instead of writing into them.
type state struct {
	mockKey  []byte
	accounts map[Name]account
	sessions map[digest]session
	links    map[digest]link
}

func (s *state) clone() *state {
	return &state{mockKey: s.mockKey, accounts: maps.Clone(s.accounts), sessions: maps.Clone(s.sessions), links: maps.Clone(s.links)}
}

// account is a row of the file.
type account struct {
	ID           string         `json:"id"`
	Name         Name           `json:"name"`
	Role         Role           `json:"role"`
	Kind         Kind           `json:"kind"`
	Created      time.Time      `json:"created"`
	CreatedBy    string         `json:"created_by"`
	Disabled     bool           `json:"disabled,omitempty"`
	Networks     []netip.Prefix `json:"networks,omitempty"`
	Page         *pagePassword  `json:"page,omitempty"`
	SQL          *sqlPassword   `json:"sql,omitempty"`
	Certificates []Certificate  `json:"certificates,omitempty"`
}

type pagePassword struct {
	Hash      argonHash `json:"hash"`
	Temporary bool      `json:"temporary,omitempty"` // made by weir; somebody else has seen it
}

type sqlPassword struct {
	ID         string    `json:"id"`
	Salt       []byte    `json:"salt"`
	Iterations int       `json:"iterations"`
	StoredKey  []byte    `json:"stored_key"`
	ServerKey  []byte    `json:"server_key"`
	Expires    time.Time `json:"expires"`
}

type session struct {
	Token    digest      `json:"token"`
	ID       string      `json:"id"`
	Account  Name        `json:"account"`
	Kind     SessionKind `json:"kind"`
	Address  string      `json:"address"`
	Created  time.Time   `json:"created"`
	LastSeen time.Time   `json:"last_seen"`
	Expires  time.Time   `json:"expires"`
}

type link struct {
	Token   digest     `json:"token"`
	Kind    LinkKind   `json:"kind"`
	Account Name       `json:"account,omitempty"`
	Expires *time.Time `json:"expires,omitempty"` // nil: until used
}

type fileForm struct {
	Format   int       `json:"format"`
	MockKey  []byte    `json:"mock_key"`
	Accounts []account `json:"accounts"`
	Sessions []session `json:"sessions"`
	Links    []link    `json:"links"`
}

// encode writes the state in one spelling: sorted, indented.
func encode(s *state) ([]byte, error) {
	form := fileForm{
		Format: fileFormat, MockKey: s.mockKey,
		Accounts: slices.SortedFunc(maps.Values(s.accounts), func(a, b account) int { return strings.Compare(string(a.Name), string(b.Name)) }),
		Sessions: slices.SortedFunc(maps.Values(s.sessions), func(a, b session) int { return bytes.Compare(a.Token[:], b.Token[:]) }),
		Links:    slices.SortedFunc(maps.Values(s.links), func(a, b link) int { return bytes.Compare(a.Token[:], b.Token[:]) }),
	}
	data, err := json.MarshalIndent(form, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// decode is strict: what it does not know, or what encode would not write, is damage; nothing missing is taken to mean that more is allowed. The error is errDamaged or a fault.
func decode(data []byte) (*state, error) {
	if len(data) > maxFile {
		return nil, errDamaged
	}
	// A newer format may look different everywhere else, so its number is read first.
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &version); err != nil || version.Format < 1 {
		return nil, errDamaged
	}
	if version.Format > fileFormat {
		return nil, fault.Newf(fault.Refused, "the accounts were written by a newer weir (format %d; this one knows %d)", version.Format, fileFormat).WithHint("use the newer weir")
	}
	var form fileForm
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&form); err != nil {
		return nil, errDamaged
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errDamaged
	}
	return form.state()
}

func (form fileForm) state() (*state, error) {
	if form.Format != fileFormat || len(form.MockKey) != mockKeySize || len(form.Accounts) > maxAccounts || len(form.Sessions) > maxSessions || len(form.Links) > maxLinks {
		return nil, errDamaged
	}
	s := &state{mockKey: form.MockKey, accounts: map[Name]account{}, sessions: map[digest]session{}, links: map[digest]link{}}
	ids := map[string]bool{}
	for _, a := range form.Accounts {
		if !a.valid() || ids[a.ID] {
			return nil, errDamaged
		}
		if _, twice := s.accounts[a.Name]; twice {
			return nil, errDamaged
		}
		ids[a.ID] = true
		s.accounts[a.Name] = a
	}
	for _, v := range form.Sessions {
		_, twice := s.sessions[v.Token]
		a, known := s.accounts[v.Account]
		if twice || !known || a.Kind != Person || a.Disabled || v.ID == "" || ids[v.ID] || !v.Kind.valid() || !sane(v.Created) || !sane(v.LastSeen) || !sane(v.Expires) {
			return nil, errDamaged
		}
		ids[v.ID] = true
		s.sessions[v.Token] = v
	}
	for _, l := range form.Links {
		_, twice := s.links[l.Token]
		a, known := s.accounts[l.Account]
		ofAdmin := l.Kind == AdministratorLink && l.Account == ""
		ofAccount := l.Kind == InvitationLink && known && a.Kind == Person && l.Expires != nil
		if twice || !ofAdmin && !ofAccount || l.Expires != nil && !sane(*l.Expires) {
			return nil, errDamaged
		}
		s.links[l.Token] = l
	}
	return s, nil
}

// valid says whether the row could have been written by this package.
func (a account) valid() bool {
	name, err := ParseName(string(a.Name))
	if err != nil || name != a.Name || a.ID == "" || a.Role.rights() == 0 || !sane(a.Created) {
		return false
	}
	if networks, err := checkNetworks(a.Networks); err != nil || !slices.Equal(networks, a.Networks) {
		return false
	}
	switch a.Kind {
	case Person:
		if len(a.Networks) > 0 || len(a.Certificates) > 0 {
			return false
		}
	case Service:
		// A service's password without an address range, or a machine that administers people, is nothing that this package ever wrote.
		if a.Page != nil || a.Role == Admin || a.SQL != nil && len(a.Networks) == 0 {
			return false
		}
	default:
		return false
	}
	serials := map[string]bool{}
	for _, c := range a.Certificates {
		if c.Serial == "" || serials[c.Serial] || !sane(c.Expires) {
			return false
		}
		serials[c.Serial] = true
	}
	return a.SQL == nil || a.SQL.valid()
}

func (p *sqlPassword) valid() bool {
	return p.ID != "" && len(p.Salt) == saltSize && p.Iterations == scramIterations && len(p.StoredKey) == scramKeySize && len(p.ServerKey) == scramKeySize && sane(p.Expires)
}

// sane refuses times that were never set, and those that JSON could not write again.
func sane(t time.Time) bool { return t.Location() == time.UTC && t.Year() > 2000 && t.Year() < 3000 }
