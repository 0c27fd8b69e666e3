package node

import (
	"context"
	"net/http"
	"os"

	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/people"
)

// Accounts is what commands do with the accounts of people and machines. Everything is recorded as done by the operating system's user who runs the command.
type Accounts interface {
	Users(ctx context.Context) ([]people.Account, error)
	User(ctx context.Context, name string) (*User, error)
	AddUser(ctx context.Context, q UserRequest) (*NewUser, error)
	RemoveUser(ctx context.Context, name string) error
	// Invite makes a single-use link with which a person chooses a page password.
	Invite(ctx context.Context, name string) (*Invitation, error)
	// RenewPassword gives a service a new SQL password; EndPassword takes anybody's back.
	RenewPassword(ctx context.Context, name string) (*Login, error)
	EndPassword(ctx context.Context, name string) error
	IssueCertificate(ctx context.Context, name string) (*NewCertificate, error)
	RevokeCertificate(ctx context.Context, name, serial string) error
	// EndSessions ends a session of the account, or with "all" every one.
	EndSessions(ctx context.Context, name, session string) error
	// Login renews the SQL password of a person who knows the page password.
	Login(ctx context.Context, name, password string) (*Login, error)
}

// accountRequest names an account and what of it is meant, as it crosses the socket.
type accountRequest struct {
	Name    string `json:"name"`
	Serial  string `json:"serial,omitempty"`
	Session string `json:"session,omitempty"`
}

// accountRoutes are the questions about accounts.
func (c *control) accountRoutes(mux *http.ServeMux) {
	n := c.node
	mux.HandleFunc("GET /v1/users", c.handle(func(*http.Request, gate.Principal) (any, error) { return n.Users(), nil }))
	mux.HandleFunc("POST /v1/users/add", c.handle(func(r *http.Request, p gate.Principal) (any, error) {
		q, err := read[UserRequest](r)
		if err != nil {
			return nil, err
		}
		return n.AddUser(r.Context(), p.Name, q)
	}))
	mux.HandleFunc("POST /v1/login", c.handle(func(r *http.Request, _ gate.Principal) (any, error) {
		q, err := read[credentials](r)
		if err != nil {
			return nil, err
		}
		return n.Login(r.Context(), q.Name, q.Password)
	}))
	none := struct{}{}
	for path, do := range map[string]func(ctx context.Context, by people.Caller, q accountRequest) (any, error){
		"show": func(_ context.Context, _ people.Caller, q accountRequest) (any, error) { return n.User(q.Name) },
		"remove": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return none, n.RemoveUser(ctx, by.Name, q.Name)
		},
		"invite": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return n.Invite(ctx, by, q.Name)
		},
		"password": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return n.RenewPassword(ctx, by, q.Name)
		},
		"endpassword": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return none, n.EndPassword(ctx, by, q.Name)
		},
		"certificate": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return n.IssueCertificate(ctx, by, q.Name)
		},
		"revoke": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return none, n.RevokeCertificate(ctx, by, q.Name, q.Serial)
		},
		"endsessions": func(ctx context.Context, by people.Caller, q accountRequest) (any, error) {
			return none, n.EndSessions(ctx, by, q.Name, q.Session)
		},
	} {
		mux.HandleFunc("POST /v1/users/"+path, c.handle(func(r *http.Request, p gate.Principal) (any, error) {
			q, err := read[accountRequest](r)
			if err != nil {
				return nil, err
			}
			return do(r.Context(), people.Caller{Name: p.Name}, q)
		}))
	}
}

// credentials are what somebody signs in with.
type credentials struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

// me is the user of this machine who runs the command.
func me() people.Caller { return people.Caller{Name: osUser(os.Getuid())} }

func (l *local) Users(context.Context) ([]people.Account, error) { return l.Node.Users(), nil }

func (l *local) User(_ context.Context, name string) (*User, error) { return l.Node.User(name) }

func (l *local) AddUser(ctx context.Context, q UserRequest) (*NewUser, error) {
	return l.Node.AddUser(ctx, me().Name, q)
}

func (l *local) RemoveUser(ctx context.Context, name string) error {
	return l.Node.RemoveUser(ctx, me().Name, name)
}

func (l *local) Invite(ctx context.Context, name string) (*Invitation, error) {
	return l.Node.Invite(ctx, me(), name)
}

func (l *local) RenewPassword(ctx context.Context, name string) (*Login, error) {
	return l.Node.RenewPassword(ctx, me(), name)
}

func (l *local) EndPassword(ctx context.Context, name string) error {
	return l.Node.EndPassword(ctx, me(), name)
}

func (l *local) IssueCertificate(ctx context.Context, name string) (*NewCertificate, error) {
	return l.Node.IssueCertificate(ctx, me(), name)
}

func (l *local) RevokeCertificate(ctx context.Context, name, serial string) error {
	return l.Node.RevokeCertificate(ctx, me(), name, serial)
}

func (l *local) EndSessions(ctx context.Context, name, session string) error {
	return l.Node.EndSessions(ctx, me(), name, session)
}

func (r *remote) Users(ctx context.Context) ([]people.Account, error) {
	var a []people.Account
	err := r.call(ctx, http.MethodGet, "/v1/users", nil, &a)
	return a, err
}

func (r *remote) User(ctx context.Context, name string) (*User, error) {
	var u User
	return &u, r.call(ctx, http.MethodPost, "/v1/users/show", accountRequest{Name: name}, &u)
}

func (r *remote) AddUser(ctx context.Context, q UserRequest) (*NewUser, error) {
	var u NewUser
	return &u, r.call(ctx, http.MethodPost, "/v1/users/add", q, &u)
}

func (r *remote) RemoveUser(ctx context.Context, name string) error {
	return r.call(ctx, http.MethodPost, "/v1/users/remove", accountRequest{Name: name}, &struct{}{})
}

func (r *remote) Invite(ctx context.Context, name string) (*Invitation, error) {
	var i Invitation
	return &i, r.call(ctx, http.MethodPost, "/v1/users/invite", accountRequest{Name: name}, &i)
}

func (r *remote) RenewPassword(ctx context.Context, name string) (*Login, error) {
	var l Login
	return &l, r.call(ctx, http.MethodPost, "/v1/users/password", accountRequest{Name: name}, &l)
}

func (r *remote) EndPassword(ctx context.Context, name string) error {
	return r.call(ctx, http.MethodPost, "/v1/users/endpassword", accountRequest{Name: name}, &struct{}{})
}

func (r *remote) IssueCertificate(ctx context.Context, name string) (*NewCertificate, error) {
	var c NewCertificate
	return &c, r.call(ctx, http.MethodPost, "/v1/users/certificate", accountRequest{Name: name}, &c)
}

func (r *remote) RevokeCertificate(ctx context.Context, name, serial string) error {
	return r.call(ctx, http.MethodPost, "/v1/users/revoke", accountRequest{Name: name, Serial: serial}, &struct{}{})
}

func (r *remote) EndSessions(ctx context.Context, name, session string) error {
	return r.call(ctx, http.MethodPost, "/v1/users/endsessions", accountRequest{Name: name, Session: session}, &struct{}{})
}

func (r *remote) Login(ctx context.Context, name, password string) (*Login, error) {
	var l Login
	return &l, r.call(ctx, http.MethodPost, "/v1/login", credentials{name, password}, &l)
}
