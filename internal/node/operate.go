package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/people"
)

// UserRequest asks for a new account.
type UserRequest struct {
	Name     string   `json:"name"`
	Role     string   `json:"role"`
	Service  bool     `json:"service"`
	Networks []string `json:"networks"` // of a service
	// Certificate gives a service a client certificate in the place of an SQL password. It may then come from anywhere, unless networks are named.
	Certificate bool `json:"certificate"`
}

// addition is the request as the registry takes it.
func (q UserRequest) addition() (people.Addition, error) {
	a := people.Addition{Name: people.Name(q.Name), Role: people.Role(q.Role), Kind: people.Person, SQL: people.DefaultSQLLife}
	if q.Service {
		if _, err := people.ParseRole(q.Role); err == nil { // of one that there is not, the registry says so
			if err := asksSQL(a.Role); err != nil { // it would have nothing to come in for: the page is for people
				return a, err
			}
		}
		a.Kind, a.SQL = people.Service, people.MaxServiceLife
		for _, text := range q.Networks {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return a, fault.New(fault.Usage, "an address range is not one", "write it as 192.0.2.0/24").WithCause(err)
			}
			a.Networks = append(a.Networks, p)
		}
		if len(a.Networks) == 0 && !q.Certificate {
			return a, fault.New(fault.Usage, "a service needs the addresses that it comes from, or a certificate",
				"weir user add NAME --role analyst --service --network 192.0.2.0/24; or with --certificate DIR")
		}
	}
	if len(q.Networks) > 0 && !q.Service {
		return a, fault.New(fault.Usage, "only a service is bound to addresses", "say that it is a service, or leave the address ranges out")
	}
	if q.Certificate && !q.Service {
		return a, fault.New(fault.Usage, "only a service signs in with a certificate", "add --service, or leave --certificate out: people renew an SQL password with weir login")
	}
	if q.Certificate || !gate.Role(q.Role).Widest().SQL {
		a.SQL = 0
	}
	return a, nil
}

// AddUser makes an account for somebody; by is who asks.
func (n *Node) AddUser(ctx context.Context, by string, q UserRequest) (*NewUser, error) {
	a, err := q.addition()
	if err != nil {
		return nil, err
	}
	added, err := n.people.Add(ctx, people.Caller{Name: by}, a)
	if err != nil {
		return nil, err
	}
	out := &NewUser{User: string(added.Account.Name), Role: string(added.Account.Role)}
	if !added.PagePassword.IsZero() {
		out.PagePassword = added.PagePassword.Reveal()
	}
	if added.SQL != nil {
		out.SQL = n.login(*added.SQL)
	}
	if q.Certificate {
		if out.Certificate, err = n.IssueCertificate(ctx, people.Caller{Name: by}, out.User); err != nil {
			return nil, errors.Join(err, n.people.Remove(context.WithoutCancel(ctx), people.Caller{Name: by}, added.Account.Name)) // all of it, or nothing
		}
	}
	return out, nil
}

// login says where and with what to connect.
func (n *Node) login(c people.SQLCredential) *Login {
	l := &Login{Database: databaseName, User: string(c.User), Password: c.Password.Reveal(), Expires: c.Expires.UTC(), CA: n.authority.RootFile()}
	if abs, err := filepath.Abs(l.CA); err == nil && l.CA != "" {
		l.CA = abs
	}
	address := n.config.Gate.SQL
	n.mu.Lock()
	if n.listening != "" {
		address = n.listening
	}
	n.mu.Unlock()
	l.Host, l.Port = n.reached(address)
	return l
}

// Conninfo is the login without its password, as libpq's programs take it.
func (l *Login) Conninfo() string {
	quoted := func(s string) string {
		if strings.ContainsAny(s, ` '\\`) {
			return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
		}
		return s
	}
	info := fmt.Sprintf("host=%s port=%d dbname=%s user=%s sslmode=verify-full", quoted(l.Host), l.Port, quoted(l.Database), quoted(l.User))
	if l.CA != "" {
		info += " sslrootcert=" + quoted(l.CA)
	} else {
		info += " sslrootcert=system" // libpq 16 and later; without it libpq looks for a file that nobody has
	}
	if l.Certificate != "" {
		info += " sslcert=" + quoted(l.Certificate) + " sslkey=" + quoted(l.Key)
	}
	return info
}

// Login renews the SQL password of a person who knows the page password.
func (n *Node) Login(ctx context.Context, name, password string) (*Login, error) {
	who := people.Caller{Name: name}
	p, err := n.people.VerifyPage(ctx, who, password)
	if err != nil {
		return nil, err
	}
	if err := asksSQL(p.Role); err != nil {
		return nil, err
	}
	c, err := n.people.RenewSQL(ctx, people.Caller{Name: string(p.Name)}, p.Name, 0)
	if err != nil {
		return nil, err
	}
	return n.login(c), nil
}

// Users lists the accounts.
func (n *Node) Users() []people.Account { return n.people.List() }

// RemoveUser ends an account and everything that it opened.
func (n *Node) RemoveUser(ctx context.Context, by, name string) error {
	a, err := n.account(name)
	if err != nil {
		return err
	}
	return n.people.Remove(ctx, people.Caller{Name: by}, a.Name)
}
