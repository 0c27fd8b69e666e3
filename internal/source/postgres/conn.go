package postgres

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/weirproject/weir/internal/fault"
)

const (
	oldestVersion  = 15 // the first with column lists in publications
	connectTimeout = 10 * time.Second
	readBuffer     = 256 << 10 // one system call then brings thousands of rows
)

// config reads the URL and sets what every session of ours must have.
func config(url string) (*pgconn.Config, error) {
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		// the cause is dropped: it quotes the URL
		var file *fs.PathError
		if errors.As(err, &file) {
			return nil, fault.Newf(fault.Usage, "the file %s, which the source's URL names, cannot be read", file.Path).WithHint("sslrootcert, sslcert and sslkey are paths of this machine")
		}
		return nil, fault.New(fault.Usage, "the source's URL cannot be read",
			"write it as postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=ca.pem; in a password, : / @ ? # and % are written as %3A %2F %40 %3F %23 and %25")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	for name, value := range map[string]string{
		"application_name":                    "weir",
		"client_encoding":                     "UTF8",
		"search_path":                         "pg_catalog", // so that nobody's function of the same name is ours
		"row_security":                        "off",        // a policy that would filter rows silently is an error instead
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"default_transaction_read_only":       "off",
		"jit":                                 "off",
	} {
		c.RuntimeParams[name] = value
	}
	c.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(bufio.NewReaderSize(r, readBuffer), w)
	}
	return c, nil
}

// connect opens a session, a replication session when replication is set.
func (s *Source) connect(ctx context.Context, replication bool) (*pgconn.PgConn, error) {
	c := s.config.Copy()
	if replication {
		c.RuntimeParams["replication"] = "database"
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, s.closedDoor(ctx, err)
	}
	return conn, nil
}

// closeConn ends a session, whatever state it is in, within a second.
func closeConn(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // there is nothing to do about a session that does not end cleanly: its socket is closed
}

// admin runs f on the session that is kept for questions, and opens it anew when it was lost.
func (s *Source) admin(ctx context.Context, f func(*pgconn.PgConn) error) error {
	s.adminMu.Lock()
	defer s.adminMu.Unlock()
	if s.closed {
		return fault.New(fault.Internal, "the source is closed", "")
	}
	if s.adminConn != nil && s.adminConn.Ping(ctx) != nil {
		closeConn(s.adminConn)
		s.adminConn = nil
	}
	if s.adminConn == nil {
		conn, err := s.connect(ctx, false)
		if err != nil {
			return err
		}
		s.adminConn = conn
	}
	err := f(s.adminConn)
	if s.adminConn.IsClosed() {
		s.adminConn = nil
	}
	return err
}

// result is the rows of one statement, as text; NULL is nil.
type result [][][]byte

// simple runs statements in one message and returns a result for each.
func simple(ctx context.Context, conn *pgconn.PgConn, sql string) ([]result, error) {
	answers, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	results := make([]result, len(answers))
	for i, a := range answers {
		if a.Err != nil {
			return nil, a.Err
		}
		results[i] = a.Rows
	}
	return results, nil
}

// majorVersion reads the version that the server told at the start of a session; 0 when it told none.
func majorVersion(conn *pgconn.PgConn) int {
	text := conn.ParameterStatus("server_version")
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.Atoi(text[:end])
	if err != nil {
		return 0
	}
	return n
}

// quoteName writes an SQL identifier.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteText writes an SQL literal; sessions of ours have standard_conforming_strings, which PostgreSQL has by default.
func quoteText(text string) string {
	quoted := strings.ReplaceAll(text, `'`, `''`)
	if strings.Contains(text, `\`) {
		return ` E'` + strings.ReplaceAll(quoted, `\`, `\\`) + `'`
	}
	return `'` + quoted + `'`
}

// quoteTable writes a table's qualified name. Schemas with a dot in their name are not read at all, so the first dot ends the schema.
func quoteTable(name string) string {
	schema, table, _ := strings.Cut(name, ".")
	return quoteName(schema) + "." + quoteName(table)
}

func quoteNames(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quoteName(n)
	}
	return strings.Join(quoted, ", ")
}
