package node

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/weirproject/weir/internal/catalogue"
	"github.com/weirproject/weir/internal/decision"
	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/gate"
	"github.com/weirproject/weir/internal/gate/pgwire"
	"github.com/weirproject/weir/internal/people"
	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/store"
)

// databaseName is what clients connect to.
const databaseName = "weir"

// door is the gate as the PostgreSQL protocol needs it: people come in by the registry, questions go to the gate.
type door struct {
	node *Node

	catalogues catalogues // emulated, of those inside

	mu     sync.Mutex // guards inside
	inside map[*visitor]bool
}

var _ pgwire.Door = (*door)(nil)

func (d *door) Verifier(ctx context.Context, user string, address netip.Addr) (pgwire.Verifier, error) {
	v, err := d.node.people.SCRAMFor(ctx, people.Caller{Name: user, Address: address})
	if err != nil {
		return pgwire.Verifier{}, stated(err, "28000")
	}
	return pgwire.Verifier{Salt: v.Salt, Iterations: v.Iterations, StoredKey: v.StoredKey, ServerKey: v.ServerKey, State: v}, nil
}

func (d *door) Enter(ctx context.Context, e pgwire.Entry) (pgwire.Session, error) {
	who := people.Caller{Name: e.User, Address: e.Address, Session: gate.NewSessionID()}
	var p people.Principal
	var err error
	if len(e.TLS.VerifiedChains) > 0 {
		if !e.Proved {
			who.Name = "" // the certificate is somebody else's: nobody vouches for the name
		}
		p, err = d.node.people.VerifyCertificate(ctx, who, e.TLS.PeerCertificates[0])
	} else {
		v, ok := e.Verifier.State.(people.Verifier)
		if !ok {
			return nil, fault.New(fault.Internal, "a sign-in came without what it was proved against", "report it with weir's version")
		}
		p, err = d.node.people.AfterSCRAM(ctx, who, v, e.Proved)
	}
	if err != nil {
		return nil, stated(err, "28000")
	}
	v := &visitor{door: d, principal: p, from: who, done: make(chan struct{})}
	v.session = d.node.gate.Session(gate.Principal{Name: string(p.Name), Address: e.Address.String(), Role: gate.Role(p.Role), Session: who.Session})
	if e.Database != databaseName {
		return nil, v.refuse(ctx, "protocol", otherDatabase(e.Database, e.User))
	}
	if !d.admit(v) {
		return nil, v.refuse(ctx, "protocol", fault.Newf(fault.Refused, "you have %d connections already, which is the limit", sessionsEach).
			WithHint("close some, or end them on your account's page").WithCause(&pgwire.StateError{SQLState: "53300"}))
	}
	if !p.Expires.IsZero() {
		v.expiry = time.AfterFunc(time.Until(p.Expires), v.check)
	}
	v.check() // what changed before it was inside was not told to it
	return v, nil
}

// sessionsEach is how many connections one person or machine has at a time, from wherever: nobody takes the places of all others.
const sessionsEach = 50

// admit lets a visitor in when there is room for one more of that name.
func (d *door) admit(v *visitor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for other := range d.inside {
		if other.principal.Name == v.principal.Name {
			n++
		}
	}
	if n >= sessionsEach {
		return false
	}
	d.inside[v] = true
	return true
}

// dismiss makes room for another of that name.
func (d *door) dismiss(v *visitor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, v)
}

// otherDatabase is what somebody is told who has signed in and asks for another database than the one there is, in the words that PostgreSQL has for it. Strangers never get so far.
func otherDatabase(asked, user string) error {
	message := "this database does not exist"
	if len(asked) <= 63 && !strings.ContainsFunc(asked, func(r rune) bool { return !unicode.IsPrint(r) }) { // as long as PostgreSQL's names are
		message = fmt.Sprintf("database %q does not exist", asked)
	}
	hint := "the database is called " + databaseName + ": connect with dbname=" + databaseName
	if asked == user {
		hint += "; a connection that names no database asks for one that is called like its user"
	}
	return fault.New(fault.NotFound, message, hint).WithCause(&pgwire.StateError{SQLState: "3D000"})
}

// changed asks everybody whose account was changed for their standing again.
func (d *door) changed(e people.Event) {
	d.mu.Lock()
	var theirs []*visitor
	for v := range d.inside {
		if v.principal.Name == e.Account {
			theirs = append(theirs, v)
		}
	}
	d.mu.Unlock()
	for _, v := range theirs {
		v.checkAfter(&e)
	}
}

// visitor is somebody inside.
type visitor struct {
	door      *door
	principal people.Principal
	from      people.Caller
	session   *gate.Session
	expiry    *time.Timer

	once   sync.Once
	done   chan struct{}
	reason error // set before done is closed

	endMu sync.Mutex // guards how and by
	how   pgwire.End
	by    *people.Event // the change that ended the session

	catalogueMu sync.Mutex         // guards catalogues
	catalogues  []*sharedCatalogue // taken, the current one last: statements that were prepared still use the others
}

// check ends the session when its holder may not be here any more, or is something else now.
func (v *visitor) check() { v.checkAfter(nil) }

// checkAfter is check after a change, which is what ended the session then.
func (v *visitor) checkAfter(change *people.Event) {
	p, err := v.door.node.people.Standing(v.principal, v.from)
	if err == nil && p.Role != v.principal.Role {
		err = fault.New(fault.Refused, "your role was changed", "sign in again")
	}
	if err != nil {
		if change != nil {
			v.endMu.Lock()
			v.by = change
			v.endMu.Unlock()
		}
		v.once.Do(func() {
			v.reason = stated(err, "57P01")
			close(v.done)
		})
	}
}

func (v *visitor) Done() <-chan struct{} { return v.done }

func (v *visitor) Reason() error {
	<-v.done
	return v.reason
}

// Settle implements pgwire.Settler.
func (v *visitor) Settle(ctx context.Context) error {
	if err := v.session.Settle(ctx); err != nil {
		return stated(err, "XX000")
	}
	return nil
}

// Left implements pgwire.Leaver.
func (v *visitor) Left(how pgwire.End) {
	v.endMu.Lock()
	defer v.endMu.Unlock()
	v.how = how
}

// recordEnd records how the connection ended and who ended it.
func (v *visitor) recordEnd() {
	v.endMu.Lock()
	how, change := v.how, v.by
	v.endMu.Unlock()
	name := string(v.principal.Name)
	e := people.Event{
		Kind: people.ConnectionEnded, Account: v.principal.Name, By: name, Address: v.from.Address.Unmap().WithZone("").String(), At: time.Now().UTC(),
		Way: v.principal.Way, Session: v.from.Session, Reason: string(cmp.Or(how, pgwire.EndLost)),
	}
	switch {
	case how == pgwire.EndDismissed && change != nil:
		e.By, e.Reason = change.By, string(change.Kind)
	case how == pgwire.EndDismissed:
		e.By, e.Reason = selfPrincipal, endExpired
	case how == pgwire.EndIdle, how == pgwire.EndStopped, how == pgwire.EndBroken:
		e.By = selfPrincipal
	}
	// Nobody waits for it and nothing is answered after it: when it cannot be recorded, whoever is inside is refused the next question.
	if err := v.door.node.recordEvent(context.Background(), e); err != nil {
		v.door.node.log.Error("the end of a connection could not be recorded", "reason", fault.Public(err).Message)
	}
}

// endExpired is the reason of an end that came with the end of the credential; selfPrincipal is who ends what nobody else does.
const (
	endExpired    = "expired"
	selfPrincipal = "weir"
)

func (v *visitor) Close() {
	v.recordEnd()
	if v.expiry != nil {
		v.expiry.Stop()
	}
	v.catalogueMu.Lock()
	for _, c := range v.catalogues {
		v.door.catalogues.giveBack(c)
	}
	v.catalogues = nil
	v.catalogueMu.Unlock()
	v.door.dismiss(v)
}

// emulated returns the catalogue of what the visitor's role may see at the moment.
func (v *visitor) emulated(ctx context.Context) (*catalogue.Catalogue, error) {
	visible := nothing
	if v.session.Rights().SQL {
		var err error
		if visible, err = v.door.node.catalogNow(ctx); err != nil {
			return nil, err
		}
	}
	v.catalogueMu.Lock()
	defer v.catalogueMu.Unlock()
	if n := len(v.catalogues); n > 0 && v.catalogues[n-1].key.visible == visible {
		return v.catalogues[n-1].made, nil
	}
	c, err := v.door.catalogues.take(ctx, &v.door.node.emulated, string(v.principal.Name), visible)
	if err != nil {
		return nil, err
	}
	v.catalogues = append(v.catalogues, c)
	return c.made, nil
}

// aboutItself prepares a question about the database itself. It reads nothing of the copy.
func (v *visitor) aboutItself(ctx context.Context, sql string) (pgwire.Statement, error) {
	c, err := v.emulated(ctx)
	if err != nil {
		return nil, stated(err, "XX000")
	}
	schema, parameters, err := c.Describe(ctx, sql)
	if err != nil {
		return nil, v.refuse(ctx, "catalogue", stated(err, "42601"))
	}
	return &lookup{visitor: v, catalogue: c, sql: sql, schema: schema, parameters: parameters}, nil
}

// lookup is a question about the database itself.
type lookup struct {
	visitor    *visitor
	catalogue  *catalogue.Catalogue
	sql        string
	schema     *arrow.Schema
	parameters []uint32
}

func (l *lookup) Parameters() []uint32  { return l.parameters }
func (l *lookup) Schema() *arrow.Schema { return l.schema }

func (l *lookup) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	if l.visitor.check(); l.visitor.ended() {
		return nil, l.visitor.reason
	}
	failed, err := l.visitor.session.Lookup(ctx, "catalogue")
	if err != nil {
		return nil, stated(err, "XX000")
	}
	rows, err := l.catalogue.Query(ctx, l.sql, parameters...)
	if err != nil {
		err = stated(err, "42601")
		return nil, failed(ruleOf("catalogue", err), err)
	}
	return lookupRows{rows, l.schema}, nil
}

// lookupRows gives every batch the schema that says which PostgreSQL types its columns have.
type lookupRows struct {
	*catalogue.Rows
	schema *arrow.Schema
}

func (r lookupRows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range r.Rows.Batches() {
			if err != nil {
				yield(nil, stated(err, "XX000"))
				return
			}
			if !slices.EqualFunc(b.Columns(), r.schema.Fields(), func(a arrow.Array, f arrow.Field) bool { return arrow.TypeEqual(a.DataType(), f.Type) }) {
				yield(nil, stated(otherShape(), "0A000"))
				return
			}
			typed := array.NewRecordBatch(r.schema, b.Columns(), b.NumRows())
			more := yield(typed, nil)
			typed.Release()
			if !more {
				return
			}
		}
	}
}

func (v *visitor) Prepare(ctx context.Context, sql string, types []uint32) (pgwire.Statement, error) {
	if v.check(); v.ended() {
		return nil, v.reason
	}
	if catalogue.Recognises(sql) {
		return v.aboutItself(ctx, sql)
	}
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = pgwire.EngineType(t)
	}
	st, err := v.session.Prepare(ctx, sql, words...)
	if err != nil {
		return nil, stated(err, "42601")
	}
	out := &question{visitor: v, statement: st}
	for i, f := range st.Parameters() {
		described, declared := pgwire.OIDOf(f), uint32(0)
		if described == 0 { // it stands in places of several types, or only in casts of what it is cast to
			described = pgwire.OIDOfEngineType(st.Casts()[i])
		}
		if i < len(types) {
			declared = types[i]
		}
		oid := pgwire.ParameterType(declared, described)
		if oid == 0 || described == 0 && pgwire.EngineType(declared) == "" { // nothing says it, or the client does in a word that the engine does not have: numeric without its digits
			example := "bigint"
			if declared != 0 {
				example = "decimal(18,2)"
			}
			return nil, v.refuse(ctx, "sql", stated(fault.Newf(fault.Usage, "the type of parameter $%d cannot be known", i+1).WithHint("cast it: $%d::%s", i+1, example), "42P18"))
		}
		out.parameters = append(out.parameters, oid)
	}
	st.Waits()
	return out, nil
}

// Refused records what the protocol refuses by itself: COPY … FROM, SET ROLE, what it does not understand.
func (v *visitor) Refused(ctx context.Context, refusal error) error {
	return v.refuse(ctx, "protocol", refusal)
}

// refuse records a refusal under who refused and its SQLSTATE.
func (v *visitor) refuse(ctx context.Context, by string, refusal error) error {
	kind := by
	if kind == "protocol" {
		kind = "sql"
	}
	err := v.session.Refuse(ctx, kind, ruleOf(by, refusal), refusal)
	if err != nil && !errors.Is(err, refusal) {
		return stated(err, "XX000")
	}
	return err
}

// ruleOf is what the record calls a refusal that no decision made: who refused, and the SQLSTATE.
func ruleOf(by string, refusal error) string {
	var s *pgwire.StateError
	if errors.As(refusal, &s) {
		return by + " " + s.SQLState
	}
	return by
}

func (v *visitor) ended() bool {
	select {
	case <-v.done:
		return true
	default:
		return false
	}
}

// question is a statement that may run.
type question struct {
	visitor    *visitor
	statement  *gate.Statement
	parameters []uint32
}

func (q *question) Parameters() []uint32  { return q.parameters }
func (q *question) Schema() *arrow.Schema { return q.statement.Schema() }

func (q *question) Run(ctx context.Context, parameters []any) (pgwire.Rows, error) {
	if q.visitor.check(); q.visitor.ended() {
		return nil, q.visitor.reason
	}
	a, err := q.statement.Run(ctx, parameters...)
	if err != nil {
		return nil, stated(err, "22000")
	}
	return statedRows{a, q.statement.Schema()}, nil
}

// statedRows gives errors their SQLSTATE.
type statedRows struct {
	a         *gate.Answering
	described *arrow.Schema
}

func (r statedRows) Close() error { return stated(r.a.Close(), "XX000") }

func (r statedRows) Batches() iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range r.a.Batches() {
			if err == nil && !pgwire.Fits(r.described, b) { // recorded as what it is: nobody gets these rows
				yield(nil, stated(r.a.GiveUp(otherShape()), "0A000"))
				return
			}
			if !yield(b, stated(err, "22000")) {
				return
			}
		}
	}
}

// otherShape is about an answer whose columns are not those that were described.
func otherShape() *fault.Error {
	return fault.New(fault.Usage, "the answer has other types than the statement was described with", "cast the statement's parameters: $1::bigint")
}

// stated gives an error the SQLSTATE that its refusal names, or by its kind, or the fallback.
func stated(err error, fallback string) error {
	if err == nil {
		return nil
	}
	var has *pgwire.StateError
	if errors.As(err, &has) {
		return err
	}
	var looked *catalogue.StateError
	if errors.As(err, &looked) {
		return fault.Public(err).WithCause(&pgwire.StateError{SQLState: looked.SQLState})
	}
	s := &pgwire.StateError{SQLState: fallback}
	var refusal *decision.RefusalError
	switch {
	case errors.As(err, &refusal):
		s.SQLState, s.Position = refusal.SQLState, refusal.Position
	case fault.KindOf(err) == fault.Unavailable:
		s.SQLState = "57014"
	case fault.KindOf(err) == fault.Internal:
		s.SQLState = "XX000"
	}
	return fault.Public(err).WithCause(s)
}

// catalogNow is what exists for whoever may ask SQL: what the store's file for SQL holds, without what the policy no longer lets cross. A policy that became tighter holds for answers
// at once, also while the copy still waits for a DBA.
func (n *Node) catalogNow(ctx context.Context) (*decision.Catalog, error) {
	return n.visible.now(ctx, n.store, n.lookAtTables)
}

func (n *Node) lookAtTables(ctx context.Context) (*decision.Catalog, error) {
	rows, err := n.store.Query(ctx, store.SQL, `SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns
		WHERE table_catalog = current_database() AND NOT starts_with(table_schema, '_weir') AND NOT starts_with(column_name, '_weir') ORDER BY table_schema, table_name, ordinal_position`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	state, err := n.store.State(ctx)
	if err != nil {
		return nil, err
	}
	c := &decision.Catalog{}
	for b, err := range rows.Batches() {
		if err != nil {
			return nil, err
		}
		for i := range int(b.NumRows()) {
			schema, name := b.Column(0).ValueStr(i), b.Column(1).ValueStr(i)
			if !n.openToSQL(schema+"."+name, b.Column(2).ValueStr(i)) {
				continue
			}
			if n := len(c.Tables); n == 0 || c.Tables[n-1].Schema != schema || c.Tables[n-1].Name != name {
				c.Tables = append(c.Tables, decision.Table{Schema: schema, Name: name, Copying: !state.Tables[schema+"."+name].Copied})
			}
			t := &c.Tables[len(c.Tables)-1]
			t.Columns = append(t.Columns, decision.Column{Name: b.Column(2).ValueStr(i), Type: b.Column(3).ValueStr(i)})
		}
	}
	return c, nil
}

// openToSQL tells whether the policy in force lets analysts read a column.
func (n *Node) openToSQL(table, column string) bool {
	t := n.policy.Table(table)
	if t == nil {
		return false
	}
	c, named := t.Column(column)
	return named && c.Treat != policy.Drop && c.Access == policy.AccessSQL
}

// serveSQL answers the PostgreSQL protocol on the configured address until close.
func (n *Node) serveSQL(ctx context.Context) (address string, closeDoor func(), err error) {
	server, err := pgwire.New(pgwire.Options{
		Door: n.door, TLS: n.authority.TLSConfig(tls.VerifyClientCertIfGiven), Log: n.log,
		EndPointHash: func() []byte {
			_, hash, err := n.authority.Pinned(tls.VerifyClientCertIfGiven)
			if err != nil {
				return nil
			}
			return hash
		},
	})
	if err != nil {
		return "", nil, err
	}
	l, err := listen(ctx, n.config.Gate.SQL, "gate.sql")
	if err != nil {
		server.Close()
		return "", nil, err
	}
	return l.Addr().String(), n.serveUntilClosed(ctx, l, server), nil
}
