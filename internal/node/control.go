package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/flow"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/metric"
)

const socketName = "weir.sock"

// control is the socket on which commands find a running node. Its callers are known by the operating system.
type control struct {
	node   *Node
	server *http.Server
	done   sync.WaitGroup
	path   string
}

type uidKey struct{}

// serveControl answers on state/run/weir.sock until close.
func (n *Node) serveControl(ctx context.Context) (*control, error) {
	path := n.state.path("run", socketName)
	_ = os.Remove(path) // of a node that was killed: the lock says that it is gone
	bind, release, err := shortSocketPath(path)
	if err != nil {
		return nil, err
	}
	defer release()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", bind)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, fault.Newf(fault.Unavailable, "the control socket cannot be made in %s", n.state.path("run")).WithHint("look at the folder's permissions").WithCause(err)
	}
	c := &control{node: n, path: path}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", c.handle(c.status))
	mux.HandleFunc("GET /v1/metrics", c.handle(c.metrics))
	mux.HandleFunc("POST /v1/ask", c.handle(c.ask))
	mux.HandleFunc("POST /v1/verify", c.verify)
	mux.HandleFunc("POST /v1/query", c.handle(c.query))
	mux.HandleFunc("POST /v1/query/explain", c.handle(c.explainQuery))
	c.accountRoutes(mux)
	c.server = &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 1 << 16,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			uid, err := peerUID(conn)
			if err != nil {
				uid = -1
			}
			return context.WithValue(ctx, uidKey{}, uid)
		},
	}
	c.done.Add(1)
	go func() {
		defer c.done.Done()
		_ = c.server.Serve(l)
	}()
	return c, nil
}

func (c *control) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
	c.done.Wait()
	_ = os.Remove(c.path)
}

// caller returns the operating system's user at the other end. Only the user that runs the node, and root, may speak to it.
func (c *control) caller(r *http.Request) (gate.Principal, error) {
	uid, ok := r.Context().Value(uidKey{}).(int)
	if !ok || uid < 0 || uid != os.Getuid() && uid != 0 {
		return gate.Principal{}, fault.New(fault.Refused, "this weir is run by another user", "ask as that user")
	}
	return localPrincipal(uid), nil
}

func localPrincipal(uid int) gate.Principal {
	return gate.Principal{Name: osUser(uid), Address: "local", Role: gate.Viewer}
}

// ourUser names the user that runs this program.
func ourUser() string { return osUser(os.Getuid()) }

// osUser names a user of the operating system; its number when it has no name.
func osUser(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return "uid:" + strconv.Itoa(uid)
	}
	return u.Username
}

// wireFault is how an error crosses the socket.
type wireFault struct {
	Kind    fault.Kind `json:"kind"`
	Message string     `json:"message"`
	Hint    string     `json:"hint"`
}

func toWire(err error) *wireFault {
	f := fault.Public(err)
	return &wireFault{f.Kind, f.Message, f.Hint}
}

func (w *wireFault) fault() error { return fault.New(w.Kind, w.Message, w.Hint) }

type reply struct {
	Value any        `json:"value,omitempty"`
	Error *wireFault `json:"error,omitempty"`
}

func (c *control) handle(f func(*http.Request, gate.Principal) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		var out reply
		p, err := c.caller(r)
		if err == nil {
			out.Value, err = f(r, p)
		}
		if err != nil {
			out = reply{Error: toWire(err)}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(out)
	}
}

func (c *control) status(r *http.Request, _ gate.Principal) (any, error) {
	return c.node.Status(r.Context())
}

func (c *control) metrics(*http.Request, gate.Principal) (any, error) {
	return c.node.metrics.Metrics(), nil
}

func (c *control) ask(r *http.Request, p gate.Principal) (any, error) {
	q, err := read[metric.Question](r)
	if err != nil {
		return nil, err
	}
	return c.node.ask(r.Context(), p, q)
}

// statement is a question in SQL, as it crosses the socket.
type statement struct {
	SQL string `json:"sql"`
}

func (c *control) query(r *http.Request, p gate.Principal) (any, error) {
	q, err := read[statement](r)
	if err != nil {
		return nil, err
	}
	return c.node.Query(r.Context(), p, q.SQL)
}

func (c *control) explainQuery(r *http.Request, p gate.Principal) (any, error) {
	q, err := read[statement](r)
	if err != nil {
		return nil, err
	}
	return c.node.ExplainQuery(r.Context(), p, q.SQL)
}

// read reads the body of a request.
func read[T any](r *http.Request) (T, error) {
	var v T
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		return v, fault.New(fault.Usage, "the question cannot be read", "ask with a weir of the same version").WithCause(err)
	}
	return v, nil
}

// Shown is an answer in its two forms.
type Shown struct {
	JSON json.RawMessage `json:"json"`
	Text string          `json:"text"`
}

func (n *Node) ask(ctx context.Context, p gate.Principal, q metric.Question) (*Shown, error) {
	a, err := n.askMetric(ctx, p, q)
	if err != nil {
		return nil, err
	}
	j, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("marshal answer: %w", err)
	}
	var text strings.Builder
	if err := a.Text(&text); err != nil {
		return nil, fmt.Errorf("show answer: %w", err)
	}
	return &Shown{JSON: j, Text: text.String()}, nil
}

func (n *Node) askMetric(ctx context.Context, p gate.Principal, q metric.Question) (*metric.Answer, error) {
	a, err := n.gate.Session(p).Ask(ctx, gate.Question{Metric: &q})
	if err != nil {
		return nil, err
	}
	return a.Metric, nil
}

// verifyLine is one line of the stream that a verification answers with.
type verifyLine struct {
	Table  string       `json:"table,omitempty"`
	Rows   int64        `json:"rows,omitempty"`
	Report *flow.Report `json:"report,omitempty"`
	Error  *wireFault   `json:"error,omitempty"`
}

func (c *control) verify(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	by, err := c.caller(r)
	if err != nil {
		_ = enc.Encode(verifyLine{Error: toWire(err)})
		return
	}
	var last time.Time
	report, err := c.node.verify(r.Context(), by.Name, func(table string, rows int64) {
		if time.Since(last) < 200*time.Millisecond {
			return
		}
		last = time.Now()
		_ = enc.Encode(verifyLine{Table: table, Rows: rows})
		_ = http.NewResponseController(w).Flush()
	})
	if err != nil {
		_ = enc.Encode(verifyLine{Error: toWire(err)})
		return
	}
	_ = enc.Encode(verifyLine{Report: report})
}

// Verified is the body of a ledger entry of type "verification".
type Verified struct {
	Position string `json:"position"`
	Equal    bool   `json:"equal"`
	Tables   int    `json:"tables"`
	Rows     int64  `json:"rows"`
}

func (n *Node) verify(ctx context.Context, by string, progress func(string, int64)) (*flow.Report, error) {
	f := n.currentFlow()
	if f == nil {
		return nil, fault.New(fault.Unavailable, "weir is not following the source yet", "wait a moment and look at weir status")
	}
	report, err := f.Verify(ctx, progress)
	if err != nil {
		return nil, err
	}
	v := Verified{Position: string(report.Position), Equal: report.Equal, Tables: len(report.Tables)}
	for _, t := range report.Tables {
		v.Rows += t.StoreRows
	}
	return report, n.recordVerification(ctx, by, v)
}

// shortSocketPath gives a path to the same place that is short enough for a socket's address, for as long as release is not called.
func shortSocketPath(path string) (short string, release func(), err error) {
	const limit = 100 // of 108 bytes, the smallest among the systems we know
	if len(path) < limit {
		return path, func() {}, nil
	}
	i := strings.LastIndexByte(path, '/')
	dir, err := os.Open(path[:i])
	if err != nil {
		return "", nil, fault.Newf(fault.Unavailable, "the folder of the control socket cannot be opened").WithCause(err)
	}
	return fmt.Sprintf("/proc/self/fd/%d%s", dir.Fd(), path[i:]), func() { _ = dir.Close() }, nil
}

// errNoNode says that no node runs on a state folder.
var errNoNode = errors.New("no weir is running on this state folder")
