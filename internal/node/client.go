package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/metric"
)

// Weir is what commands ask: the node that runs on the state folder, or one that the command opened because none runs. Close it.
type Weir interface {
	Status(ctx context.Context) (*Status, error)
	Metrics(ctx context.Context) ([]metric.Info, error)
	Ask(ctx context.Context, q metric.Question) (*Shown, error)
	// Verify proves that the store equals the source; a node that was opened for it follows the source until then.
	Verify(ctx context.Context, progress func(table string, rows int64)) (*flow.Report, error)
	Query(ctx context.Context, sql string) (*Table, error)
	ExplainQuery(ctx context.Context, sql string) (*Explained, error)
	Accounts
	Close() error
}

// Connect finds the running node of a configuration's state folder, or opens one.
func Connect(ctx context.Context, c *Config, log *slog.Logger) (Weir, error) {
	socket := filepath.Join(c.State, "run", socketName)
	remote, err := dial(ctx, socket)
	if err == nil {
		return remote, nil
	}
	if !errors.Is(err, errNoNode) {
		return nil, err
	}
	_, err = os.Stat(filepath.Join(c.State, "state.json"))
	if errors.Is(err, os.ErrPermission) {
		return nil, fault.Newf(fault.Refused, "the state folder %s is closed to you", c.State).WithHint("ask as the user that runs weir")
	}
	if err != nil {
		return nil, fault.Newf(fault.NotFound, "there is no copy in %s", c.State).WithHint("make one with weir run, or name another folder with --state")
	}
	n, err := Open(ctx, c, log)
	if errors.Is(err, errInUse) { // by a node that was starting just now
		if remote, err := dial(ctx, socket); err == nil {
			return remote, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &local{n}, nil
}

// local is a node that a command opened for itself.
type local struct{ *Node }

func (l *local) Metrics(context.Context) ([]metric.Info, error) { return l.metrics.Metrics(), nil }

func (l *local) Ask(ctx context.Context, q metric.Question) (*Shown, error) {
	return l.ask(ctx, localPrincipal(os.Getuid()), q)
}

// sourcePatience is how long a command waits for a source that is away.
const sourcePatience = 20 * time.Second

func (l *local) Query(ctx context.Context, sql string) (*Table, error) {
	return l.Node.Query(ctx, localPrincipal(os.Getuid()), sql)
}

func (l *local) ExplainQuery(ctx context.Context, sql string) (*Explained, error) {
	return l.Node.ExplainQuery(ctx, localPrincipal(os.Getuid()), sql)
}

// Verify follows the source for as long as it takes.
func (l *local) Verify(ctx context.Context, progress func(string, int64)) (*flow.Report, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Run(ctx, RunOptions{}); err != nil {
			cancel(err)
		}
	})
	defer running.Wait()
	defer cancel(nil)
	for {
		if f := l.currentFlow(); f != nil {
			s := f.Status()
			if s.Phase == flow.Following {
				break
			}
			if s.Phase == flow.Waiting && time.Since(l.opened) > sourcePatience {
				return nil, fault.New(fault.Unavailable, s.Reason, "look at weir check, then verify again")
			}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
	report, err := l.verify(ctx, ourUser(), progress)
	if err != nil && context.Cause(ctx) != nil {
		return nil, context.Cause(ctx)
	}
	return report, err
}

// remote is a node in another process.
type remote struct {
	http *http.Client
	path string
}

func dial(ctx context.Context, path string) (*remote, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, errNoNode
	}
	r := &remote{path: path}
	r.http = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		short, release, err := shortSocketPath(path)
		if err != nil {
			return nil, err
		}
		defer release()
		var d net.Dialer
		return d.DialContext(ctx, "unix", short)
	}}}
	conn, err := r.http.Transport.(*http.Transport).DialContext(ctx, "", "") //nolint:errcheck,forcetypeassert // made above
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, fault.Newf(fault.Refused, "the weir on this state folder is run by another user").WithHint("ask as that user")
		}
		return nil, errNoNode // a socket that a killed node left behind
	}
	_ = conn.Close()
	return r, nil
}

func (r *remote) call(ctx context.Context, method, path string, body, value any) error {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("marshal question: %w", err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://weir"+path, in)
	if err != nil {
		return fmt.Errorf("ask node: %w", err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return r.gone(err)
	}
	defer func() { _ = res.Body.Close() }()
	out := struct {
		Value any        `json:"value"`
		Error *wireFault `json:"error"`
	}{Value: value}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return r.gone(err)
	}
	if out.Error != nil {
		return out.Error.fault()
	}
	return nil
}

func (r *remote) gone(err error) error {
	return fault.New(fault.Unavailable, "the running weir did not answer", "look whether it is still running, then try again").WithCause(err)
}

func (r *remote) Status(ctx context.Context) (*Status, error) {
	var s Status
	return &s, r.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

func (r *remote) Metrics(ctx context.Context) ([]metric.Info, error) {
	var m []metric.Info
	err := r.call(ctx, http.MethodGet, "/v1/metrics", nil, &m)
	return m, err
}

func (r *remote) Ask(ctx context.Context, q metric.Question) (*Shown, error) {
	var s Shown
	return &s, r.call(ctx, http.MethodPost, "/v1/ask", q, &s)
}

func (r *remote) Query(ctx context.Context, sql string) (*Table, error) {
	var t Table
	return &t, r.call(ctx, http.MethodPost, "/v1/query", statement{sql}, &t)
}

func (r *remote) ExplainQuery(ctx context.Context, sql string) (*Explained, error) {
	var e Explained
	return &e, r.call(ctx, http.MethodPost, "/v1/query/explain", statement{sql}, &e)
}

func (r *remote) Verify(ctx context.Context, progress func(string, int64)) (*flow.Report, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://weir/v1/verify", nil)
	if err != nil {
		return nil, fmt.Errorf("ask node: %w", err)
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, r.gone(err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var l verifyLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, r.gone(err)
		}
		switch {
		case l.Error != nil:
			return nil, l.Error.fault()
		case l.Report != nil:
			return l.Report, nil
		case progress != nil:
			progress(l.Table, l.Rows)
		}
	}
	return nil, r.gone(lines.Err())
}

func (r *remote) Close() error {
	r.http.CloseIdleConnections()
	return nil
}
