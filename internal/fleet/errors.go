package fleet

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/fault"
)

// databaseError turns a driver's error into one for people. The server's text stays behind: it may quote a row.
func databaseError(ctx context.Context, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		return fault.New(fault.Unavailable, "the fleet's work was interrupted", "run the command again").WithCause(ctxErr)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fault.New(fault.Unavailable, "the fleet's database cannot be reached", "check that the server runs and that the URL is right").WithCause(errConnection)
	}
	f := fault.Newf(fault.Unavailable, "the fleet's database refused a statement (SQLSTATE %s)", pg.Code)
	hint := "look at the server's log"
	switch pg.Code[:2] {
	case "28":
		f, hint = fault.New(fault.Unavailable, "the fleet's database refused the sign-in", ""), "check user and password in the URL"
	case "3D":
		f, hint = fault.New(fault.NotFound, "there is no such database", ""), "create it first, or correct the URL"
	case "42":
		if pg.Code == "42501" {
			hint = "use a role that may create schemas in this database"
		}
	case "53":
		hint = "free disk space or connections on the server"
	}
	return f.WithHint("%s", hint).WithCause(stateError(pg.Code))
}

// stateError keeps the SQLSTATE for programs.
type stateError string

func (e stateError) Error() string { return "SQLSTATE " + string(e) }

// errConnection stands for a connection that could not be made or was lost.
var errConnection = errors.New("connection lost")

func errNoZones(err error) error {
	return fault.New(fault.Unavailable, "this machine has no time zone data", "apt-get install -y tzdata").WithCause(err)
}

var errSchemaExists = fault.New(fault.Invalid, "the database has a schema named fleet already; nothing was changed",
	"use another database, or remove it yourself: DROP SCHEMA fleet CASCADE")
