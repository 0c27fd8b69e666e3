package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// sent is a parameter as a client sends it.
type sent struct {
	oid   uint32 // as it was declared; 0: not
	value string // the bytes; "NULL" is NULL
	form  int16  // 1: binary
}

// text and untyped are what clients send most.
func text(oid uint32, value string) sent { return sent{oid: oid, value: value} }
func untyped(value string) sent          { return sent{value: value} }

// number32 is an integer in its binary form.
func number32(n uint32) sent {
	return sent{oid: 23, value: string(binary.BigEndian.AppendUint32(nil, n)), form: 1}
}

// list is an array in its binary form, as pgx and JDBC's setArray send it. An element "NULL" is NULL.
func list(oid, element uint32, elements ...string) sent {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, element)
	b = binary.BigEndian.AppendUint32(b, uint32(len(elements)))
	b = binary.BigEndian.AppendUint32(b, 1)
	if len(elements) == 0 {
		b = append(make([]byte, 8), b[8:12]...)
	}
	for _, e := range elements {
		if e == "NULL" {
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(e))), e...)
	}
	return sent{oid: oid, value: string(b), form: 1}
}

func int4(n int32) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func int8(n int64) string { return string(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// askWith prepares, binds and runs a statement. The answer is its rows with commas between the fields and blanks between the rows, or the SQLSTATE of its refusal.
func askWith(t *testing.T, c *pgx.Conn, form int16, sql string, parameters ...sent) (oids []uint32, answer string) {
	t.Helper()
	var types []uint32
	var values [][]byte
	var forms []int16
	for _, p := range parameters {
		types, forms = append(types, p.oid), append(forms, p.form)
		if p.value == "NULL" {
			values = append(values, nil)
		} else {
			values = append(values, []byte(p.value))
		}
	}
	r := c.PgConn().ExecParams(t.Context(), sql, values, types, forms, []int16{form})
	for _, f := range r.FieldDescriptions() {
		oids = append(oids, f.DataTypeOID)
	}
	var rows []string
	for r.NextRow() {
		var fields []string
		for _, v := range r.Values() {
			switch {
			case v == nil:
				fields = append(fields, "NULL")
			case form == 1:
				fields = append(fields, hex.EncodeToString(v))
			default:
				fields = append(fields, string(v))
			}
		}
		rows = append(rows, strings.Join(fields, ","))
	}
	_, err := r.Close()
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return oids, refused.Code
	}
	if err != nil {
		t.Fatalf("%s: the connection is lost: %v", sql, err)
	}
	return oids, strings.Join(rows, " ")
}

func TestParametersOfEveryClientAreTakenByTheirType(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	c, err := g.connect(ada.SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	var device, models, days string
	if err := c.QueryRow(t.Context(), "SELECT min(device_id)::text, string_agg(DISTINCT model_id, ',' ORDER BY model_id), min(first_activated_at)::date::text FROM fleet.device").Scan(&device, &models, &days); err != nil {
		t.Fatal(err)
	}
	model, _, _ := strings.Cut(models, ",")
	raw, err := hex.DecodeString(strings.ReplaceAll(device, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	const byDevice, byModel = "SELECT count(*) FROM fleet.device WHERE device_id ", "SELECT count(*) > 0 FROM fleet.device WHERE model_id "
	for _, q := range []struct {
		sql  string
		with []sent
		want string
	}{
		{"SELECT $1, $2", []sent{text(23, "7"), text(25, "x")}, "7,x"},
		{"SELECT $1, $2", []sent{number32(7), text(1043, "x")}, "7,x"},
		{"SELECT $1, $2", []sent{text(701, "1.5"), text(1043, "x")}, "1.5,x"},
		{"SELECT $1", []sent{number32(7)}, "7"},
		{"SELECT $1", []sent{text(23, "NULL")}, "NULL"},
		{"SELECT $1", []sent{untyped("7")}, "42P18"},
		{"SELECT $1, $2", []sent{text(1700, "1.5"), text(25, "x")}, "42P18"},
		{"SELECT $1::decimal(18,2)", []sent{text(1700, "1.5")}, "1.50"},
		{"SELECT count(*) > 0 FROM fleet.device WHERE model_id > $1", []sent{text(1700, "0.5")}, "t"},
		{"SELECT $1, model_id > 0 FROM fleet.device WHERE device_id = $2", []sent{text(25, "x"), text(25, device)}, "x,t"},
		// A UUID, as psycopg, node-postgres, pgx and JDBC send it.
		{byDevice + "= $1", []sent{untyped(device)}, "1"},
		{byDevice + "= $1", []sent{text(25, device)}, "1"},
		{byDevice + "= $1", []sent{text(1043, device)}, "1"},
		{byDevice + "= $1", []sent{text(2950, device)}, "1"},
		{byDevice + "= $1", []sent{{oid: 2950, value: string(raw), form: 1}}, "1"},
		{byDevice + "= $1::text::uuid", []sent{untyped(device)}, "1"},
		{byDevice + "= $1", []sent{untyped("nobody")}, "22P02"},
		// Arrays as text.
		{byDevice + "= ANY($1)", []sent{untyped("{" + device + ",NULL}")}, "1"},
		{byDevice + "= ANY($1)", []sent{text(1009, `{"`+device+`"}`)}, "1"},
		{byDevice + "= ANY($1)", []sent{text(2951, "{"+device+"}")}, "1"},
		{byDevice + "= ANY($1::uuid[])", []sent{untyped("{" + device + "}")}, "1"},
		{byDevice + "= ANY($1::uuid[])", []sent{text(25, "{"+device+"}")}, "1"},
		{byDevice + "= ANY($1::text[]::uuid[])", []sent{untyped("{" + device + "}")}, "1"},
		{byDevice + "= ANY($1)", []sent{untyped("{}")}, "0"},
		{byDevice + "<> ALL($1) AND model_id < 0", []sent{untyped("{}")}, "0"},
		{byModel + "= ANY($1)", []sent{untyped("{" + model + ", -1}")}, "t"},
		{byModel + "= ANY($1)", []sent{text(1005, "{"+model+"}")}, "t"},
		{byModel + "= ANY($1)", []sent{text(1016, "{"+model+"}")}, "t"},
		{byModel + "= ANY($1)", []sent{text(1231, "{"+model+".0}")}, "t"},
		{byModel + "= ANY($1)", []sent{text(1231, "{"+model+".4}")}, "f"},
		{byModel + "= ANY($1)", []sent{untyped("{1.5}")}, "22P02"},
		{byModel + "= ANY($1::text::int[])", []sent{untyped("[" + model + "]")}, "t"},
		{byModel + "<> ALL($1)", []sent{untyped("{" + models + "}")}, "f"},
		{"SELECT $1::int[]", []sent{untyped("{1,NULL,-3}")}, "{1,NULL,-3}"},
		{"SELECT $1::int[]", []sent{untyped("{}")}, "{}"},
		{"SELECT $1", []sent{text(1009, `{"a\"b","c\\d","",NULL,"NULL","it's, {x}",[y]}`)}, `{"a\"b","c\\d","",NULL,"NULL","it's, {x}",[y]}`},
		{"SELECT unnest($1::date[])", []sent{untyped("{2026-01-02,NULL}")}, "2026-01-02 NULL"},
		{"SELECT $1", []sent{text(1182, "{2026-01-02}")}, "{2026-01-02}"},
		{"SELECT $1", []sent{text(1000, "{t,f}")}, "{t,f}"},
		{"SELECT $1", []sent{text(1022, "{1.5,NaN}")}, "{1.5,NaN}"},
		{"SELECT $1::int[]", []sent{untyped("{{1},{2}}")}, "22P02"},
		{"SELECT $1::int[]", []sent{untyped("{1")}, "22P02"},
		{"SELECT $1::int[]", []sent{untyped("{a}")}, "22P02"},
		// Arrays in binary form.
		{byModel + "= ANY($1)", []sent{list(1007, 23, int4(-1), "NULL")}, "f"},
		{byDevice + "= ANY($1)", []sent{list(2951, 2950, string(raw))}, "1"},
		{byDevice + "= ANY($1)", []sent{list(1009, 25, device)}, "1"},
		{"SELECT $1", []sent{list(1016, 20, int8(5), "NULL", int8(-6))}, "{5,NULL,-6}"},
		{"SELECT $1::int[]", []sent{list(1007, 23)}, "{}"},
		{"SELECT $1", []sent{list(1007, 25, "x")}, "22P02"},
		{"SELECT $1", []sent{{oid: 1007, value: "\x00\x00\x00\x02", form: 1}}, "22P02"},
		// Literals, as psycopg2 writes them.
		{"SELECT '{1,2}'::int[], '{\"a b\",NULL}'::text[]", nil, `{1,2},{"a b",NULL}`},
		{byModel + "= ANY('{}')", nil, "f"},
		{byModel + "= ANY('{" + models + "}')", nil, "t"},
		{byDevice + "= ANY('{" + device + "}'::uuid[])", nil, "1"},
		{"SELECT '{{1}}'::int[]", nil, "22P02"},
		// Where the place says it.
		{"SELECT 'a' || $1", []sent{untyped("b")}, "ab"},
		{"SELECT 'a' || $1", []sent{text(23, "5")}, "a5"},
		{"SELECT concat('a', $1, $2)", []sent{untyped("b"), text(25, "c")}, "abc"},
		{"SELECT date_trunc($1, DATE '2026-05-17')::date", []sent{untyped("month")}, "2026-05-01"},
		{"SELECT CASE WHEN $1 > 1 THEN $2 ELSE $3 END", []sent{text(23, "2"), text(25, "yes"), text(25, "no")}, "yes"},
		{"SELECT (TIMESTAMP '2026-05-17' - $1)::date", []sent{text(1186, "1 day")}, "2026-05-16"},
		{"SELECT DATE '2025-07-24' = $1", []sent{untyped("2025-07-24 +00")}, "t"},
		{"SELECT TIMESTAMP '2025-07-24 00:00:00' = $1", []sent{untyped("2025-07-24 +00")}, "t"},
		{"SELECT count(*) FROM fleet.device WHERE first_activated_at < $1", []sent{untyped(days + " +00")}, "0"},
		{"SELECT $1 + 1", []sent{number32(41)}, "42"},
		// One parameter in several places, cast in one of them: a filter that may be left out.
		{"SELECT count(*) > 0 FROM fleet.device WHERE ($1::int IS NULL OR model_id = $1)", []sent{untyped("NULL")}, "t"},
		{"SELECT count(*) > 0 FROM fleet.device WHERE ($1::int IS NULL OR model_id = $1)", []sent{untyped("-1")}, "f"},
		{"SELECT count(*) FROM fleet.device WHERE ($1::uuid[] IS NULL OR device_id = ANY($1))", []sent{untyped("{" + device + "}")}, "1"},
		// Where the engine tells nothing before it has the values.
		{"SELECT * FROM generate_series($1::int, $2::int)", []sent{untyped("1"), untyped("3")}, "1 2 3"},
		{"SELECT * FROM generate_series($1, $2)", []sent{number32(1), text(20, "3")}, "1 2 3"},
		{"SELECT d::date FROM generate_series($1::timestamp, $2::timestamp, $3::interval) AS d", []sent{untyped("2026-01-01"), untyped("2026-01-02"), untyped("1 day")}, "2026-01-01 2026-01-02"},
		{"SELECT count(*), '$1' AS \"$2\" FROM unnest($1::uuid[]) AS d JOIN fleet.device ON device_id = d", []sent{untyped("{" + device + ",NULL}")}, "1,$1"},
		{"SELECT * FROM unnest($1)", []sent{list(1016, 20, int8(5), "NULL")}, "5 NULL"},
		{"SELECT count(*) FROM unnest($1::int[])", []sent{untyped("{}")}, "0"},
		{"SELECT array_length($1::int[], 1), 'x', $2::text", []sent{untyped("{4,5}"), untyped("y")}, "2,x,y"},
		{"SELECT quantile_cont(n, $1) FROM range(5) AS n", []sent{text(701, "0.5")}, "2"},
		{"SELECT strftime(DATE '2026-05-17', $1), string_agg(n::text, $2) FROM range(3) AS n", []sent{untyped("%Y"), untyped("-")}, "2026,0-1-2"},
		{"SELECT * FROM generate_series(1, $1)", []sent{untyped("3")}, "42P18"},
		{"SELECT * FROM generate_series(1, $1::int)", []sent{untyped("x")}, "22P02"},
		// Where the engine takes no wider integer.
		{"SELECT round(1.55::double, $1), chr($2)", []sent{number32(1), text(20, "65")}, "1.6,A"},
		{"SELECT round(1.55::double, $1)", []sent{text(23, "NULL")}, "NULL"},
		{"SELECT $1::numeric(18,2) = ANY($2)", []sent{text(1700, "1.50"), text(1231, "{1.5}")}, "t"},
		{"SELECT upper(hardware_rev) = ANY($1), hardware_rev || $2 = $3 FROM fleet.device LIMIT 1", []sent{untyped("{?}"), untyped("x"), untyped("")}, "f,f"},
		// Bytes as psycopg2, SQLAlchemy and JDBC's simple mode write them.
		{"SELECT '\\x00ff'::bytea, octet_length('\\x00ff10'::bytea), '{\"\\\\x00ff\"}'::bytea[]", nil, `\x00ff,3,{"\\x00ff"}`},
	} {
		if _, answer := askWith(t, c, 0, q.sql, q.with...); answer != q.want {
			t.Errorf("%s of %+v: %q, want %q", q.sql, q.with, answer, q.want)
		}
	}
	for _, q := range []struct {
		sql  string
		with sent
		oid  uint32
		want string
	}{
		{"SELECT $1", number32(7), 23, "00000007"},
		{"SELECT $1", text(20, "7"), 20, "0000000000000007"},
		{"SELECT $1", text(25, "7"), 25, "37"},
		{"SELECT $1::int[]", list(1007, 23), 1007, "000000000000000000000017"},
	} {
		if oids, answer := askWith(t, c, 1, q.sql, q.with); answer != q.want || !slices.Equal(oids, []uint32{q.oid}) {
			t.Errorf("%s in binary: %v %s, want %d %s", q.sql, oids, answer, q.oid, q.want)
		}
	}
}

func TestPreparedStatementsOfSQLTakeArrays(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	c, err := g.connect(g.add("ada", "--role", "analyst").SQL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(t.Context()) }()
	results, err := c.PgConn().Exec(t.Context(), "PREPARE q (int[], text[3]) AS SELECT count(*) FROM range(9) AS n WHERE n = ANY($1) AND 'a' = ANY($2); EXECUTE q ('{1,2,NULL}', '{a}')").ReadAll()
	if err != nil || string(results[1].Rows[0][0]) != "2" {
		t.Errorf("%v: %v", results, err)
	}
	if _, err := c.PgConn().Exec(t.Context(), "PREPARE r (name[[]) AS SELECT 1").ReadAll(); err == nil {
		t.Error("a type that is none was taken")
	}
}

func TestPgxTakesListsInEveryMode(t *testing.T) {
	t.Parallel()
	g := newGated(t)
	ada := g.add("ada", "--role", "analyst")
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		c, err := g.connect(ada.SQL, "")
		if err != nil {
			t.Fatal(err)
		}
		words := []string{"a", `b"c`, `d\e`, "", "NULL", "f,g", "{h}", " i ", "ü\n", "[j]", "it's", "'k'"}
		var back []string
		if err := c.QueryRow(t.Context(), "SELECT $1::text[]", mode, words).Scan(&back); err != nil || !slices.Equal(back, words) {
			t.Errorf("%v: %q, %v", mode, back, err)
		}
		var found bool
		if err := c.QueryRow(t.Context(), "SELECT count(*) > 0 FROM fleet.device WHERE model_id <> ALL($1) AND first_activated_at > $2", mode, []int32{-1, -2}, time.Unix(0, 0)).Scan(&found); err != nil || !found {
			t.Errorf("%v: %v, %v", mode, found, err)
		}
		if err := c.Close(t.Context()); err != nil {
			t.Error(fmt.Errorf("close: %w", err))
		}
	}
}
