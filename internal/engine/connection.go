package engine

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	bindings "github.com/duckdb/duckdb-go-bindings"
	"github.com/duckdb/duckdb-go/v2/arrowmapping"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// connection is one DuckDB connection, in the child alone.
type connection struct {
	conn       mapping.Connection
	plans      plans
	begin, end mapping.PreparedStatement // of a read-only transaction
}

func (c *connection) interrupt() { mapping.Interrupt(c.conn) }

func (c *connection) close() {
	c.plans.drop()
	mapping.DestroyPrepare(&c.begin)
	mapping.DestroyPrepare(&c.end)
	mapping.Disconnect(&c.conn)
}

// classes translates DuckDB's error types; the rest is ClassOther.
var classes = map[mapping.ErrorType]Class{
	mapping.ErrorTypeParser: ClassSyntax, mapping.ErrorTypeSyntax: ClassSyntax,
	mapping.ErrorTypeBinder: ClassBinder, mapping.ErrorTypePlanner: ClassBinder, mapping.ErrorTypeExpression: ClassBinder,
	mapping.ErrorTypeParameterNotResolved: ClassBinder,
	mapping.ErrorTypeCatalog:              ClassCatalog, mapping.ErrorTypeDependency: ClassCatalog,
	mapping.ErrorTypeConversion: ClassConversion, mapping.ErrorTypeOutOfRange: ClassConversion, mapping.ErrorTypeDecimal: ClassConversion,
	mapping.ErrorTypeDivideByZero: ClassConversion, mapping.ErrorTypeMismatchType: ClassConversion, mapping.ErrorTypeInvalidType: ClassConversion,
	mapping.ErrorTypeConstraint:   ClassConstraint,
	mapping.ErrorTypeInvalidInput: ClassInput, mapping.ErrorTypeParameterNotAllowed: ClassInput,
	mapping.ErrorTypeTransaction: ClassTransaction,
	mapping.ErrorTypeOutOfMemory: ClassMemory, mapping.ErrorTypeObjectSize: ClassMemory,
	mapping.ErrorTypeErrorIO: ClassIO, mapping.ErrorTypeSerialization: ClassIO,
	mapping.ErrorTypePermission: ClassPermission, mapping.ErrorTypeSettings: ClassPermission, mapping.ErrorTypeMissingExtension: ClassPermission,
	mapping.ErrorTypeAutoload:       ClassPermission,
	mapping.ErrorTypeInterrupt:      ClassInterrupted,
	mapping.ErrorTypeNotImplemented: ClassUnsupported,
	mapping.ErrorTypeFatal:          ClassFatal, mapping.ErrorTypeInternal: ClassInternal,
}

func classify(t mapping.ErrorType) Class {
	if c, ok := classes[t]; ok {
		return c
	}
	return ClassOther
}

func dataClass(ed mapping.ErrorData) Class {
	defer mapping.DestroyErrorData(&ed)
	if !mapping.ErrorDataHasError(ed) {
		return 0
	}
	return classify(mapping.ErrorDataErrorType(ed))
}

func (c *connection) exec(sql string) (int64, Class) {
	var res mapping.Result
	state := mapping.Query(c.conn, sql, &res)
	defer mapping.DestroyResult(&res)
	if state == mapping.StateError {
		return 0, classify(mapping.ResultErrorType(&res))
	}
	return int64(mapping.RowsChanged(&res)), 0 //nolint:gosec // a row count
}

// append adds batches to a table by an appender, which needs no plan and no index.
func (c *connection) append(t Table, batches []arrow.RecordBatch) (int64, Class) {
	var rows int64
	defer func() {
		for _, b := range batches {
			b.Release()
		}
	}()
	var a mapping.Appender
	state := mapping.AppenderCreateExt(c.conn, t.Catalog, t.Schema, t.Name, &a)
	defer mapping.AppenderDestroy(&a)
	if state == mapping.StateError {
		return 0, c.appenderClass(a)
	}
	for _, b := range batches {
		if class := c.appendBatch(a, b); class != 0 {
			mapping.AppenderClear(a) // or the destructor writes what is left
			return 0, class
		}
		rows += b.NumRows()
	}
	if mapping.AppenderFlush(a) == mapping.StateError {
		class := c.appenderClass(a)
		mapping.AppenderClear(a)
		return 0, class
	}
	return rows, 0
}

func (c *connection) appenderClass(a mapping.Appender) Class {
	if class := dataClass(mapping.AppenderErrorData(a)); class != 0 {
		return class
	}
	return ClassOther
}

func (c *connection) appendBatch(a mapping.Appender, b arrow.RecordBatch) Class {
	schema, ed := arrowmapping.SchemaFromArrow(c.conn, b.Schema())
	defer arrowmapping.DestroyArrowConvertedSchema(&schema)
	if class := dataClass(ed); class != 0 {
		return class
	}
	chunk, ed := arrowmapping.DataChunkFromArrow(c.conn, b, schema)
	if class := dataClass(ed); class != 0 {
		return class
	}
	defer mapping.DestroyDataChunk(&chunk)
	if mapping.AppendDataChunk(a, chunk) == mapping.StateError {
		return c.appenderClass(a)
	}
	return 0
}

// cursor is a statement that runs.
type cursor struct {
	c      *connection
	plan   *plan
	stmt   mapping.PreparedStatement // the plan's
	res    mapping.Result
	opts   arrowmapping.ArrowOptions
	raw    *arrow.Schema // as DuckDB gives it
	schema *arrow.Schema // as it goes out
}

// reset ends what runs and leaves the plan.
func (q *cursor) reset() {
	if q.opts.Ptr != nil {
		arrowmapping.DestroyArrowOptions(&q.opts)
	}
	mapping.DestroyResult(&q.res)
}

// close ends it. A plan that did its work well is kept, if it may be.
func (q *cursor) close(well bool) {
	q.reset()
	if !well || !q.c.plans.keep(q.plan) {
		mapping.DestroyPrepare(&q.plan.stmt)
	}
}

// query prepares, binds and starts exactly one statement. With keep, a plan from before is used, and this one is kept; then the connection is not in a transaction that was
// begun by somebody else.
func (c *connection) query(sql string, m mode, keep bool, args *unwire) (*cursor, Class) {
	given := *args
	q, class := c.begun(sql, m, keep, args)
	if class == 0 && q.plan.again && !c.plans.current(q.plan) {
		// Something was written between the look at the plan and the moment at which its transaction began to see: it may be planned for less than it sees.
		q.close(false)
		*args = given
		q, class = c.begun(sql, m, false, args)
	}
	return q, class
}

func (c *connection) begun(sql string, m mode, keep bool, args *unwire) (*cursor, Class) {
	q, class := c.prepare(sql, keep)
	if class != 0 {
		return nil, class
	}
	if m != modeAny && mapping.PreparedStatementType(q.stmt) != mapping.StatementTypeSelect {
		q.close(false)
		return nil, ClassPermission
	}
	if class = q.bind(args); class == 0 {
		class = q.start()
	}
	if class != 0 {
		q.close(false)
		return nil, class
	}
	return q, 0
}

// prepare prepares exactly one statement, or takes the plan that was kept.
func (c *connection) prepare(sql string, keep bool) (*cursor, Class) {
	if keep {
		if p := c.plans.take(sql); p != nil {
			return &cursor{c: c, plan: p, stmt: p.stmt}, 0
		}
	}
	p := c.plans.begin(sql, keep)
	var stmts mapping.ExtractedStatements
	n := mapping.ExtractStatements(c.conn, sql, &stmts)
	defer mapping.DestroyExtracted(&stmts)
	if n != 1 {
		return nil, ClassSyntax
	}
	if mapping.PrepareExtractedStatement(c.conn, stmts, 0, &p.stmt) == mapping.StateError {
		mapping.DestroyPrepare(&p.stmt)
		return nil, c.prepareClass(sql)
	}
	p.keep = p.keep && settledParameters(p.stmt)
	return &cursor{c: c, plan: p, stmt: p.stmt}, 0
}

// settledParameters says whether the types of all parameters are known without values. Where they are not, the first values decide them for the plan.
func settledParameters(stmt mapping.PreparedStatement) bool {
	for i := range mapping.NParams(stmt) {
		t := mapping.ParamLogicalType(stmt, i+1)
		kind := mapping.GetTypeId(t)
		mapping.DestroyLogicalType(&t)
		if kind == mapping.TypeInvalid || kind == mapping.TypeAny || kind == mapping.TypeSQLNull {
			return false
		}
	}
	return true
}

// describe returns the types of a statement's parameters and columns without running it: first a field for each parameter, then one for each column. A type that
// DuckDB would only know from the value is Null.
func (c *connection) describe(sql string) (schema *arrow.Schema, parameters int, class Class) {
	q, class := c.prepare(sql, true)
	if class != 0 {
		return nil, 0, class
	}
	defer func() { q.close(class == 0) }()
	if mapping.PreparedStatementType(q.stmt) != mapping.StatementTypeSelect {
		return nil, 0, ClassPermission
	}
	arrowmapping.ConnectionGetArrowOptions(c.conn, &q.opts)
	parameters = int(mapping.NParams(q.stmt))                           //nolint:gosec // a statement has at most as many as it has bytes
	n := parameters + int(mapping.PreparedStatementColumnCount(q.stmt)) //nolint:gosec // as above
	fields := make([]arrow.Field, n)
	var at []int // the fields whose types are known, which are asked for together
	var names []string
	var types []mapping.LogicalType
	defer func() {
		for i := range types {
			mapping.DestroyLogicalType(&types[i])
		}
	}()
	for i := range n {
		var t mapping.LogicalType
		if i < parameters {
			t = mapping.ParamLogicalType(q.stmt, mapping.IdxT(i+1))
		} else {
			c := mapping.IdxT(i - parameters) //nolint:gosec // not negative here
			fields[i].Name, t = mapping.PreparedStatementColumnName(q.stmt, c), mapping.PreparedStatementColumnLogicalType(q.stmt, c)
		}
		switch mapping.GetTypeId(t) {
		case mapping.TypeInvalid, mapping.TypeAny, mapping.TypeSQLNull:
			fields[i].Type, fields[i].Nullable = arrow.Null, true
			mapping.DestroyLogicalType(&t)
		default:
			at, names, types = append(at, i), append(names, fields[i].Name), append(types, t)
		}
	}
	if len(types) > 0 {
		known, ed := arrowmapping.NewArrowSchema(q.opts, types, names)
		if class := dataClass(ed); class != 0 {
			return nil, 0, class
		}
		plain := plainSchema(known)
		for i, f := range plain.Fields() {
			fields[at[i]] = f
		}
		if parameters == 0 && len(types) == n { // it is what cursor.shape would find out
			q.plan.raw, q.plan.schema = known, plain
		}
	}
	return arrow.NewSchema(fields, nil), parameters, 0
}

// prepareClass asks for the error again where DuckDB gives it a type: preparing by its API tells only a text. The statement is known to be one.
func (c *connection) prepareClass(sql string) Class {
	_, class := c.exec("PREPARE weir_probe AS " + sql)
	if class == 0 {
		_, _ = c.exec("DEALLOCATE weir_probe")
		return ClassOther
	}
	return class
}

func (q *cursor) bind(args *unwire) Class {
	n := args.u64()
	if n != uint64(mapping.NParams(q.stmt)) {
		return ClassInput
	}
	for i := range n {
		v, ok := value(args)
		if !ok || args.bad {
			return ClassInput
		}
		state := mapping.BindValue(q.stmt, mapping.IdxT(i+1), v)
		mapping.DestroyValue(&v)
		if state == mapping.StateError {
			return ClassInput
		}
	}
	return 0
}

func value(u *unwire) (mapping.Value, bool) {
	switch u.byte() {
	case argNull:
		return mapping.CreateNullValue(), true
	case argBool:
		return mapping.CreateBool(u.byte() == 1), true
	case argInt:
		return mapping.CreateInt64(int64(u.u64())), true //nolint:gosec // the bit pattern is what was sent
	case argUint:
		return mapping.CreateUInt64(u.u64()), true
	case argFloat:
		return mapping.CreateDouble(math.Float64frombits(u.u64())), true
	case argText:
		return textValue(u.text()), true
	case argBlob:
		return mapping.CreateBlob([]byte(u.text())), true
	case argUUID:
		b := []byte(u.text())
		if len(b) != 16 {
			return mapping.Value{}, false
		}
		return mapping.CreateUUID(mapping.NewUHugeInt(binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[:8]))), true
	case argTime:
		return mapping.CreateTimestamp(mapping.NewTimestamp(int64(u.u64()))), true //nolint:gosec // the bit pattern is what was sent
	case argTexts:
		return textsValue(u)
	default:
		return mapping.Value{}, false
	}
}

func textValue(s string) mapping.Value {
	return mapping.CreateVarcharLength(s, mapping.IdxT(len(s)))
}

func textsValue(u *unwire) (mapping.Value, bool) {
	n := u.u64()
	if n > uint64(len(u.b)) {
		return mapping.Value{}, false
	}
	values := make([]mapping.Value, n)
	for i := range values {
		values[i] = textValue(u.text())
	}
	t := mapping.CreateLogicalType(mapping.TypeVarchar)
	list := mapping.CreateListValue(t, values)
	for i := range values {
		mapping.DestroyValue(&values[i])
	}
	mapping.DestroyLogicalType(&t)
	return list, !u.bad
}

// start runs the statement until its first rows can be fetched. The rows are not gathered: they stream.
func (q *cursor) start() Class {
	var pending mapping.PendingResult
	state := bindings.PendingPreparedStreaming(q.stmt, &pending) // there is no other way to stream
	defer mapping.DestroyPending(&pending)
	if state == mapping.StateError || mapping.ExecutePending(pending, &q.res) == mapping.StateError {
		if class := classify(mapping.ResultErrorType(&q.res)); class != ClassOther {
			return class
		}
		return ClassOther
	}
	return 0
}

// shape finds out the schema of what runs, before its first rows.
func (q *cursor) shape() Class {
	q.opts = arrowmapping.ResultGetArrowOptions(&q.res)
	if q.plan.schema != nil {
		q.raw, q.schema = q.plan.raw, q.plan.schema
		return 0
	}
	n := mapping.ColumnCount(&q.res)
	names, types := make([]string, n), make([]mapping.LogicalType, n)
	for i := range n {
		names[i], types[i] = mapping.ColumnName(&q.res, i), mapping.ColumnLogicalType(&q.res, i)
	}
	schema, ed := arrowmapping.NewArrowSchema(q.opts, types, names)
	for i := range types {
		mapping.DestroyLogicalType(&types[i])
	}
	if class := dataClass(ed); class != 0 {
		return class
	}
	q.raw, q.schema = schema, plainSchema(schema)
	if mapping.NParams(q.stmt) == 0 { // the types of what it gives may depend on the values that it takes
		q.plan.raw, q.plan.schema = q.raw, q.schema
	}
	return 0
}

// next returns the next rows, nil at the end.
func (q *cursor) next() (arrow.RecordBatch, Class) {
	chunk := mapping.FetchChunk(q.res)
	if chunk.Ptr == nil {
		if mapping.ResultError(&q.res) != "" {
			return nil, classify(mapping.ResultErrorType(&q.res))
		}
		return nil, 0
	}
	defer mapping.DestroyDataChunk(&chunk)
	b, ed := arrowmapping.DataChunkToArrowArray(q.opts, q.raw, chunk)
	if class := dataClass(ed); class != 0 {
		return nil, class
	}
	return plainBatch(b, q.schema), 0
}

// row writes the one row of texts.
func (q *cursor) row(out *wire) Class {
	chunk := mapping.FetchChunk(q.res)
	if chunk.Ptr == nil {
		if mapping.ResultError(&q.res) != "" {
			return classify(mapping.ResultErrorType(&q.res))
		}
		return ClassInput
	}
	defer mapping.DestroyDataChunk(&chunk)
	if mapping.DataChunkGetSize(chunk) != 1 {
		return ClassInput
	}
	for i := range mapping.DataChunkGetColumnCount(chunk) {
		v := mapping.DataChunkGetVector(chunk, i)
		t := mapping.VectorGetColumnType(v)
		kind := mapping.GetTypeId(t)
		mapping.DestroyLogicalType(&t)
		if mask := mapping.VectorGetValidity(v); kind != mapping.TypeVarchar || mask != nil && !mapping.ValidityRowIsValid(mask, 0) {
			return ClassInput
		}
		out.text(mapping.StringTData((*mapping.StringT)(mapping.VectorGetData(v))))
	}
	return 0
}
