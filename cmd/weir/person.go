package main

import (
	"fmt"
	"strings"
	"time"
)

// personEvent is what a people entry's body may hold.
type personEvent struct {
	Kind     string     `json:"kind"`
	Account  string     `json:"account"`
	By       string     `json:"by"`
	Address  string     `json:"address"`
	Role     string     `json:"role"`
	FromRole string     `json:"from_role"`
	Of       string     `json:"of"`
	Way      string     `json:"way"`
	Session  string     `json:"session"`
	Serial   string     `json:"serial"`
	Networks []string   `json:"networks"`
	Expires  *time.Time `json:"expires"`
	Ended    []string   `json:"ended"`
	Reason   string     `json:"reason"`
	Count    int64      `json:"count"`
	Since    *time.Time `json:"since"`
}

// personKinds says what happened, by the kind of event; %s is whom it is about.
var personKinds = map[string]string{
	"account_added":       "the account %s was added",
	"account_removed":     "the account %s was removed",
	"account_disabled":    "the account %s was disabled",
	"account_enabled":     "the account %s was enabled",
	"role_changed":        "the role of %s was changed",
	"networks_changed":    "the address ranges of %s were changed",
	"password_changed":    "%s chose another page password",
	"sql_renewed":         "the SQL password of %s was renewed",
	"sql_ended":           "the SQL password of %s was taken back",
	"certificate_issued":  "a certificate of %s was issued",
	"certificate_revoked": "a certificate of %s was revoked",
	"session_begun":       "a session of %s began",
	"session_ended":       "a session of %s was ended",
	"sessions_ended":      "all sessions of %s were ended",
	"sessions_expired":    "sessions of %s expired",
	"link_made":           "a link for %s was made",
	"link_opened":         "the link for %s was looked at",
	"link_used":           "the link for %s was used",
	"link_refused":        "a link that is not good was tried",
	"link_expired":        "the link for %s expired",
	"signed_in":           "%s signed in",
	"sign_in_refused":     "a sign-in as %s was refused",
	"sign_in_untried":     "a sign-in as %s was not looked at: there were too many wrong ones, or too many at once",
	"connection_ended":    "a connection of %s ended",
}

// personWays says how somebody showed who they are.
var personWays = map[string]string{"page": "page password", "sql": "SQL password", "certificate": "certificate"}

// personEnds says how a connection ended; otherwise a change ended it, which has the reason's name.
var personEnds = map[string]string{
	"left": "the client left", "lost": "the client was gone", "idle": "it was idle for too long", "expired": "what it was opened with expired", "stopped": "weir stopped",
	"broken": "the protocol was broken",
}

// told says in one line what happened, who did it, and from where; otherwise is what to say of a kind that this program does not know.
func (p *personEvent) told(otherwise string) string {
	what, known := personKinds[p.Kind]
	if !known {
		return otherwise
	}
	whom := p.Account
	if whom == "" {
		whom = "nobody known"
		if strings.HasPrefix(p.Kind, "link_") {
			whom = "the first administrator"
		}
	}
	if strings.Contains(what, "%s") {
		what = fmt.Sprintf(what, whom)
	}
	parts := []string{what}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if p.Count > 0 && p.Since != nil {
		add("%d times more since %s", p.Count, p.Since.UTC().Format(time.DateTime))
	}
	switch {
	case p.FromRole != "" && p.Role != "":
		add("from %s to %s", p.FromRole, p.Role)
	case p.Role+p.FromRole != "":
		add("%s", strings.TrimSpace(p.Of+" with the role "+p.Role+p.FromRole))
	}
	if way := personWays[p.Way]; way != "" {
		add("by %s", way)
	}
	if p.Serial != "" {
		add("certificate %s", p.Serial)
	}
	if len(p.Networks) > 0 {
		add("bound to %s", strings.Join(p.Networks, ", "))
	}
	if p.Expires != nil {
		add("until %s", p.Expires.UTC().Format(time.DateTime))
	}
	if p.Reason != "" {
		how, plain := personEnds[p.Reason]
		if !plain {
			how = "after " + strings.ReplaceAll(p.Reason, "_", " ")
		}
		add("%s", how)
	}
	if p.Session != "" {
		add("session %s", p.Session)
	}
	if len(p.Ended) > 0 {
		add("ended the sessions %s", strings.Join(p.Ended, ", "))
	}
	if p.By != "" {
		add("by %s", p.By)
	}
	add("from %s", p.Address)
	return strings.Join(parts, "; ")
}
