package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/source"
)

// SQLSTATEs that mean something to us.
const (
	stateObjectInUse     = "55006"
	stateUndefinedObject = "42704"
	stateNotInState      = "55000" // for a slot: its log is gone
	stateLockTimeout     = "55P03"
)

// hints by SQLSTATE, then by class: what to do about the common refusals.
var hints = map[string]string{
	"28":    "check user and password of the source's URL and the line for it in pg_hba.conf",
	"28000": "check the user of the source's URL and the line for it in pg_hba.conf; where that says hostssl, the URL needs sslmode=require or stricter",
	"3D":    "check the database name in the source's URL",
	"42501": "run weir check: it names the right that is missing and the statement that grants it",
	"53300": "all connections are taken: raise max_connections or max_wal_senders, or end sessions that nobody uses",
	"53400": "all replication slots are taken: raise max_replication_slots or drop a slot that nobody reads",
	"57P":   "postgres is starting, stopping or ended the connection: weir tries again",
	"55P03": "a lock could not be had in time, so that production did not have to wait: run it again at a quieter moment",
	"42P01": "the table is not there any more: run weir plan",
	"42703": "a column is not there any more: run weir plan",
	"42704": "run weir check: something that weir reads by is missing",
	"22P04": "run weir plan: the table changed while it was copied",
	"0A":    "run weir check",
	"25006": "the role may not write: connect as the database's owner or a superuser to run the script",
}

func hintFor(state string) string {
	for _, n := range []int{5, 3, 2} {
		if len(state) >= n {
			if h, ok := hints[state[:n]]; ok {
				return h
			}
		}
	}
	return "run weir check"
}

// stateOf returns the SQLSTATE of a refusal by the server, or nothing.
func stateOf(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}

// transient tells whether the same attempt can succeed later without anybody's doing.
func transient(state string) bool {
	switch state[:2] {
	case "08", "53", "57", "58", "40":
		return true
	default:
		return state == stateObjectInUse || state == stateLockTimeout
	}
}

// failure turns an error of the driver into one for people. Its text is dropped here, because the server quotes values and the driver the URL. Only the SQLSTATE stays.
// An error that is already ours passes unchanged; the end of ctx is told as itself.
func (s *Source) failure(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var ours *fault.Error
	if errors.As(err, &ours) || errors.Is(err, source.ErrSelection) {
		return err
	}
	if state := stateOf(err); len(state) == 5 {
		kind := fault.Invalid
		switch {
		case transient(state):
			kind = fault.Unavailable
		case state[:2] == "28" || state == "42501":
			kind = fault.Refused
		}
		return fault.Newf(kind, "postgres refused to %s (SQLSTATE %s)", doing, state).WithHint("%s", hintFor(state))
	}
	if errors.Is(err, errField) || errors.Is(err, errCopy) || errors.Is(err, errMessage) {
		return fault.Newf(fault.Internal, "postgres sent what weir cannot read: %s", doing).WithCause(err).
			WithHint("report this as a defect of weir, with the version of postgres and the types of the table's columns")
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return fault.Newf(fault.Unavailable, "postgres at %s does not answer", s.address).
			WithHint("check that it runs, that host and port in the source's URL are right, and that this machine may reach it")
	}
	return fault.Newf(fault.Unavailable, "the connection to postgres at %s was lost: %s", s.address, doing).
		WithHint("weir tries again; if it stays, check that postgres runs and can be reached")
}

// closedDoor is failure for a session that did not begin. What the certificates are is told by the types of the errors, and where a certificate failed TLS
// nothing was sent but the greeting: no user and no password.
func (s *Source) closedDoor(ctx context.Context, err error) error {
	told := s.failure(ctx, "let weir in", err)
	var ours *fault.Error
	if stateOf(err) != "" || !errors.As(told, &ours) {
		return told
	}
	var (
		nameless *net.DNSError
		network  *net.OpError
		cert     *tls.CertificateVerificationError
		host     x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &nameless):
		return fault.Newf(fault.Unavailable, "no address is known for the host of %s", s.address).WithHint("check the host in the source's URL, and that this machine can look up names")
	case errors.As(err, &network) && network.Op == "dial":
		return told
	case errors.As(err, &host):
		return fault.Newf(fault.Unavailable, "the certificate of postgres at %s is for another name", s.address).
			WithHint("put the name that the certificate is for into the source's URL; sslmode=verify-ca does not look at the name")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fault.Newf(fault.Unavailable, "the certificate of postgres at %s has expired, or is not valid yet", s.address).WithHint("let a DBA renew it; check this machine's clock")
	case errors.As(err, &cert):
		return fault.Newf(fault.Unavailable, "the certificate of postgres at %s is not from an authority that weir was told to trust", s.address).
			WithHint("name the authority's file in the source's URL: sslrootcert=ca.pem; if that is the right file, something else answers at this address")
	default:
		return fault.Newf(fault.Unavailable, "what answers at %s ended the connection before it let weir in", s.address).
			WithHint("check that it is postgres, and that it speaks TLS if the source's URL asks for it: sslmode=verify-full needs ssl = on there")
	}
}
