package pgwire_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

func connect(t testing.TB, url string) *pgconn.PgConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal("connect:", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// values are pairs of expressions, DuckDB's and PostgreSQL's, that mean the same; one text is both.
var values = [][2]string{
	{"true"},
	{"false"},
	{"NULL::BOOLEAN"},
	{"0::TINYINT", "0::int2"},
	{"(-128)::TINYINT", "(-128)::int2"},
	{"255::UTINYINT", "255::int2"},
	{"32767::SMALLINT", "32767::int2"},
	{"(-32768)::SMALLINT", "(-32768)::int2"},
	{"65535::USMALLINT", "65535::int4"},
	{"2147483647::INTEGER", "2147483647::int4"},
	{"(-2147483648)::INTEGER", "(-2147483648)::int4"},
	{"4294967295::UINTEGER", "4294967295::int8"},
	{"9223372036854775807::BIGINT", "9223372036854775807::int8"},
	{"(-9223372036854775807-1)::BIGINT", "(-9223372036854775807-1)::int8"},
	{"18446744073709551615::UBIGINT", "18446744073709551615::numeric"},
	{"0::UBIGINT", "0::numeric"},
	{"170141183460469231731687303715884105727::HUGEINT", "170141183460469231731687303715884105727::numeric"},
	{"(-170141183460469231731687303715884105727)::HUGEINT", "(-170141183460469231731687303715884105727)::numeric"},
	{"0::HUGEINT", "0::numeric"},
	{"10000::HUGEINT", "10000::numeric"},
	{"18446744073709551616::HUGEINT", "18446744073709551616::numeric"},
	{"100000000000000000000000000000000000000::HUGEINT", "100000000000000000000000000000000000000::numeric"},
	{"340282366920938463463374607431768211455::UHUGEINT", "340282366920938463463374607431768211455::numeric"},
	{"0.00::DECIMAL(5,2)", "0.00::numeric(5,2)"},
	{"1.50::DECIMAL(5,2)", "1.50::numeric(5,2)"},
	{"-0.05::DECIMAL(5,2)", "-0.05::numeric(5,2)"},
	{"-999.99::DECIMAL(5,2)", "-999.99::numeric(5,2)"},
	{"0.0001::DECIMAL(9,4)", "0.0001::numeric(9,4)"},
	{"0.00001::DECIMAL(9,5)", "0.00001::numeric(9,5)"},
	{"10000.00001::DECIMAL(18,5)", "10000.00001::numeric(18,5)"},
	{"100000000::DECIMAL(9,0)", "100000000::numeric(9,0)"},
	{"12345678901234567890.123456789::DECIMAL(38,9)", "12345678901234567890.123456789::numeric(38,9)"},
	{"0.00000000000000000000000000000000000001::DECIMAL(38,38)", "0.00000000000000000000000000000000000001::numeric(38,38)"},
	{"-99999999999999999999999999999999999999::DECIMAL(38,0)", "-99999999999999999999999999999999999999::numeric"},
	{"0::FLOAT", "0::float4"},
	{"1.1::FLOAT", "1.1::float4"},
	{"1e6::FLOAT", "1e6::float4"},
	{"999999::FLOAT", "999999::float4"},
	{"1e-4::FLOAT", "1e-4::float4"},
	{"9.9e-5::FLOAT", "9.9e-5::float4"},
	{"3.4028235e38::FLOAT", "3.4028235e38::float4"},
	{"1e-45::FLOAT", "1e-45::float4"},
	{"'NaN'::FLOAT", "'NaN'::float4"},
	{"16777216::FLOAT", "16777216::float4"},
	{"0::DOUBLE", "0::float8"},
	{"'-0'::DOUBLE", "'-0'::float8"},
	{"0.1::DOUBLE", "0.1::float8"},
	{"(1.0/3)::DOUBLE", "(1.0::float8/3)"},
	{"1e15::DOUBLE", "1e15::float8"},
	{"999999999999999::DOUBLE", "999999999999999::float8"},
	{"123456789012345.6::DOUBLE", "123456789012345.6::float8"},
	{"1e-4::DOUBLE", "1e-4::float8"},
	{"0.00001::DOUBLE", "0.00001::float8"},
	{"1e300::DOUBLE", "1e300::float8"},
	{"5e-324::DOUBLE", "5e-324::float8"},
	{"1.7976931348623157e308::DOUBLE", "1.7976931348623157e308::float8"},
	{"'NaN'::DOUBLE", "'NaN'::float8"},
	{"'Infinity'::DOUBLE", "'Infinity'::float8"},
	{"'-Infinity'::DOUBLE", "'-Infinity'::float8"},
	{"''", "''::text"},
	{"'a'", "'a'::text"},
	{"'Grüße, 東京 🎉'", "'Grüße, 東京 🎉'::text"},
	{"'a' || chr(10) || chr(9) || chr(92)", "'a' || chr(10) || chr(9) || chr(92)"},
	{"NULL::VARCHAR", "NULL::text"},
	{"''::BLOB", "''::bytea"},
	{"'\\x00\\xFF\\x10abc'::BLOB", "'\\x00ff10616263'::bytea"},
	{"'123e4567-e89b-12d3-a456-426614174000'::UUID"},
	{"'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID"},
	{"NULL::UUID"},
	{"'2026-11-20'::DATE"},
	{"'1970-01-01'::DATE"},
	{"'2000-02-29'::DATE"},
	{"'1900-03-01'::DATE"},
	{"'0001-01-01'::DATE"},
	{"'9999-12-31'::DATE"},
	{"'10000-01-01'::DATE"},
	{"'0044-03-15 (BC)'::DATE", "'0044-03-15 BC'::date"},
	{"'4713-11-24 (BC)'::DATE", "'4713-11-24 BC'::date"},
	{"'5874897-12-31'::DATE"},
	{"'infinity'::DATE"},
	{"'-infinity'::DATE"},
	{"'00:00:00'::TIME"},
	{"'23:59:59.999999'::TIME"},
	{"'12:34:56.7'::TIME"},
	{"'24:00:00'::TIME"},
	{"'2026-11-20 15:04:05'::TIMESTAMP"},
	{"'2026-11-20 15:04:05.000001'::TIMESTAMP"},
	{"'1969-12-31 23:59:59.999999'::TIMESTAMP"},
	{"'1999-12-31 23:59:59.5'::TIMESTAMP"},
	{"'infinity'::TIMESTAMP"},
	{"'-infinity'::TIMESTAMP"},
	{"'0044-03-15 (BC) 12:00:00'::TIMESTAMP", "'0044-03-15 12:00:00 BC'::timestamp"},
	{"'4713-11-24 (BC) 00:00:00'::TIMESTAMP", "'4713-11-24 00:00:00 BC'::timestamp"},
	{"'294246-12-31 23:59:59.999999'::TIMESTAMP"},
	{"'2026-11-20 15:04:05'::TIMESTAMP_S", "'2026-11-20 15:04:05'::timestamp"},
	{"'2026-11-20 15:04:05.123'::TIMESTAMP_MS", "'2026-11-20 15:04:05.123'::timestamp"},
	{"'2026-11-20 15:04:05.123456789'::TIMESTAMP_NS", "'2026-11-20 15:04:05.123456'::timestamp"},
	{"'infinity'::TIMESTAMP_S", "'infinity'::timestamp"},
	{"'-infinity'::TIMESTAMP_MS", "'-infinity'::timestamp"},
	{"'infinity'::TIMESTAMP_NS", "'infinity'::timestamp"},
	{"'1969-12-31 23:59:59.999999999'::TIMESTAMP_NS", "'1969-12-31 23:59:59.999999'::timestamp"},
	{"'2026-11-20 15:04:05.25+02'::TIMESTAMPTZ"},
	{"'infinity'::TIMESTAMPTZ"},
	{"'0044-03-15 (BC) 12:00:00+00'::TIMESTAMPTZ", "'0044-03-15 12:00:00+00 BC'::timestamptz"},
	{"INTERVAL 0 SECONDS", "interval '0'"},
	{"INTERVAL '1 year 2 months 3 days 4 hours 5 minutes 6.5 seconds'"},
	{"INTERVAL '-1 month 2 days'"},
	{"INTERVAL '-14 months -3 days -04:05:06'"},
	{"INTERVAL '1 month -1 hour'"},
	{"INTERVAL '-1 day 01:00:00'"},
	{"INTERVAL '1 day'"},
	{"INTERVAL '-2 days'"},
	{"INTERVAL '1000 hours'"},
	{"INTERVAL '0.000001 seconds'"},
	{"INTERVAL '-1 microsecond'"},
	{"INTERVAL '13 months'"},
	{"[1,2,3]::INTEGER[]", "'{1,2,3}'::int4[]"},
	{"[]::INTEGER[]", "'{}'::int4[]"},
	{"[1,NULL,3]::BIGINT[]", "'{1,NULL,3}'::int8[]"},
	{"[true,false,NULL]", "'{t,f,NULL}'::bool[]"},
	{"[1.5,NULL]::DOUBLE[]", "'{1.5,NULL}'::float8[]"},
	{"[1::HUGEINT, NULL]", "'{1,NULL}'::numeric[]"},
	{"['a','','NULL','null','a b','a,b','{','}','\"','\\', 'a\tb', chr(11), 'ü', NULL]", "ARRAY['a','','NULL','null','a b','a,b','{','}','\"','\\', 'a\tb', chr(11), 'ü', NULL]::text[]"},
	{"[1.50,-0.05]::DECIMAL(5,2)[]", "'{1.50,-0.05}'::numeric(5,2)[]"},
	{"['2026-11-20'::DATE, 'infinity'::DATE]", "'{2026-11-20,infinity}'::date[]"},
	{"['2026-11-20 15:04:05'::TIMESTAMP]", "ARRAY['2026-11-20 15:04:05'::timestamp]"},
	{"['2026-11-20 15:04:05+00'::TIMESTAMPTZ]", "ARRAY['2026-11-20 15:04:05+00'::timestamptz]"},
	{"['123e4567-e89b-12d3-a456-426614174000'::UUID]", "ARRAY['123e4567-e89b-12d3-a456-426614174000'::uuid]"},
	{"['\\xAB'::BLOB]", "ARRAY['\\xab'::bytea]"},
	{"[INTERVAL '1 day 02:00:00']", "ARRAY[interval '1 day 02:00:00']"},
	{"['12:00:00'::TIME]", "ARRAY['12:00:00'::time]"},
	{"[1.5,2.5]::FLOAT[]", "'{1.5,2.5}'::float4[]"},
	{"[1,2]::SMALLINT[]", "'{1,2}'::int2[]"},
	{"NULL::INTEGER[]", "NULL::int4[]"},
	{"[[1,2],[3],NULL,[]]", "'[[1,2],[3],null,[]]'::json"},
	{"{'a': 1, 'b': 'x\"y', 'c': NULL, 'd': 1.50::DECIMAL(3,2), 'e': true}", `'{"a":1,"b":"x\"y","c":null,"d":1.50,"e":true}'::json`},
	{"{'when': '2026-11-20 15:04:05'::TIMESTAMP, 'nan': 'NaN'::DOUBLE, 'id': '123e4567-e89b-12d3-a456-426614174000'::UUID, 'big': 1::HUGEINT}", `'{"when":"2026-11-20 15:04:05","nan":"NaN","id":"123e4567-e89b-12d3-a456-426614174000","big":1}'::json`},
	{"MAP {'k': 1, 'l\"': NULL}", `'{"k":1,"l\"":null}'::json`},
	{"MAP {1: 'x'}", `'[{"key":1,"value":"x"}]'::json`},
	{"[{'a': [true]}]", `'[{"a":[true]}]'::json`},
	{"union_value(num := 2)", "'2'::json"},
	{"{'a': chr(1) || 'ü'}", `'{"a":"\u0001ü"}'::json`},
	{`'{"a": 1}'::JSON`},
	{"'happy'::ENUM('sad', 'happy')", "'happy'::text"},
	{"['sad'::ENUM('sad', 'happy')]", "'{sad}'::text[]"},
}

// Every value has the type and the bytes that PostgreSQL has for it, in both forms, with rows of NULL around it.
func TestValuesAreWhatPostgresSends(t *testing.T) {
	l := newLab(t)
	ours, theirs := connect(t, l.url("alice", "")), connect(t, postmastertest.Database(t)+"&timezone=UTC")
	for _, v := range values {
		if v[1] == "" {
			v[1] = v[0]
		}
		for _, format := range []int16{0, 1} {
			got := ours.ExecParams(t.Context(), "SELECT CASE WHEN i = 1 THEN "+v[0]+" END AS x FROM range(3) r(i) ORDER BY i", nil, nil, nil, []int16{format}).Read()
			want := theirs.ExecParams(t.Context(), "SELECT CASE WHEN i = 1 THEN "+v[1]+" END AS x FROM generate_series(0, 2) i ORDER BY i", nil, nil, nil, []int16{format}).Read()
			if got.Err != nil || want.Err != nil {
				t.Errorf("%s: %v, PostgreSQL: %v", v[0], got.Err, want.Err)
				continue
			}
			g, w := got.FieldDescriptions[0], want.FieldDescriptions[0]
			if g.Name != w.Name || g.DataTypeOID != w.DataTypeOID || g.DataTypeSize != w.DataTypeSize {
				t.Errorf("%s: described as %+v, PostgreSQL %+v", v[0], g, w)
			}
			if len(got.Rows) != 3 || !same(got.Rows[1][0], want.Rows[1][0]) || got.Rows[0][0] != nil || got.Rows[2][0] != nil {
				t.Errorf("%s, format %d: got %q, PostgreSQL sends %q", v[0], format, got.Rows, want.Rows)
			}
		}
	}
}

func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// COPY's three formats, byte for byte.
func TestCopyIsWhatPostgresWrites(t *testing.T) {
	l := newLab(t)
	ours, theirs := connect(t, l.url("alice", "")), connect(t, postmastertest.Database(t)+"&timezone=UTC")
	const rows = `SELECT * FROM (VALUES
		(1, 'plain', 1.5::double precision, true, '2026-11-20'::date, '2026-11-20 15:04:05.5'::timestamp, 12.30::numeric(5,2)),
		(2, '', -0.5, false, '1999-01-01', '1969-12-31 23:59:59', -0.05), (3, NULL, NULL, NULL, NULL, NULL, NULL), (4, 'a,b;c|d', 1e20, true, NULL, NULL, 0.00), (5, 'say "hi"', 0, NULL, NULL, NULL, NULL),
		(6, 'tab' || chr(9) || 'line' || chr(10) || 'return' || chr(13) || 'back' || chr(92) || 'bell' || chr(8) || chr(11) || chr(12), 0, NULL, NULL, NULL, NULL),
		(7, '\N', 0, NULL, NULL, NULL, NULL), (8, '\.', 0, NULL, NULL, NULL, NULL), (9, 'NULL', 0, NULL, NULL, NULL, NULL), (10, 'ü € 🎉', 0, NULL, NULL, NULL, NULL), (11, ' lead and trail ', 0, NULL, NULL, NULL, NULL)
	) AS v(id, name, f, b, d, ts, amount) ORDER BY id`
	for _, options := range []string{
		"", "(FORMAT text)", "(FORMAT csv)", "(FORMAT binary)", "WITH BINARY", "CSV", "WITH CSV HEADER", "(FORMAT csv, HEADER)", "(FORMAT csv, HEADER true, DELIMITER ';')", "(FORMAT csv, FORCE_QUOTE *)",
		"(FORMAT csv, FORCE_QUOTE (id, name))", "CSV FORCE QUOTE name, f", "(FORMAT csv, NULL 'NULL')", "(FORMAT csv, QUOTE '''', ESCAPE '\\')", "CSV QUOTE AS '|' ESCAPE AS '|'", "(FORMAT csv, ESCAPE '\\')", "(DELIMITER '|')", "(DELIMITER ',', NULL 'nil')",
		"DELIMITER AS ';' NULL AS ''", "(FORMAT text, HEADER)", "(FORMAT csv, DELIMITER '1')", "(FORMAT csv, NULL '2')", "(FORMAT csv, QUOTE '5')", "(DELIMITER '-')", "(ENCODING 'UTF8')",
	} {
		for _, question := range []string{rows, "SELECT name FROM (" + rows + ") x ORDER BY id"} {
			if strings.Contains(options, "id, name") && strings.HasPrefix(question, "SELECT name") || strings.Contains(options, "name, f") && strings.HasPrefix(question, "SELECT name") {
				continue
			}
			sql := "COPY (" + question + ") TO STDOUT " + options
			var got, want bytes.Buffer
			tag, err := ours.CopyTo(t.Context(), &got, sql)
			wantTag, wantErr := theirs.CopyTo(t.Context(), &want, sql)
			if err != nil || wantErr != nil {
				t.Errorf("%s: %v, PostgreSQL: %v", options, err, wantErr)
				continue
			}
			if tag != wantTag || !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Errorf("%s: %s\n%q\nPostgreSQL %s:\n%q", options, tag, got.Bytes(), wantTag, want.Bytes())
			}
		}
	}
}

// What has no form is refused as a whole, and not sent as something else.
func TestWhatHasNoFormIsRefused(t *testing.T) {
	l := newLab(t)
	c := connect(t, l.url("alice", ""))
	for sql, want := range map[string]string{
		"SELECT '101'::BIT":                                      "0A000",
		"SELECT [{'a': '101'::BIT}]":                             "0A000",
		"SELECT '5877642-06-25 (BC)'::DATE":                      "22008",
		"SELECT '290000-01-01 (BC)'::TIMESTAMP":                  "22008",
		"SELECT ['290000-01-01 (BC)'::TIMESTAMP]":                "22008",
		"COPY (SELECT '290000-01-01 (BC)'::TIMESTAMP) TO STDOUT": "22008",
	} {
		_, err := c.Exec(t.Context(), sql).ReadAll()
		if got := stateOf(err); got != want {
			t.Errorf("%s: %s (%v), want %s", sql, got, err, want)
		}
	}
}

// Parameters arrive as what they were, in text and binary.
func TestParametersArrive(t *testing.T) {
	l := newLab(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			ctx := t.Context()
			c, err := pgx.Connect(ctx, l.url("alice", "&default_query_exec_mode="+strings.ReplaceAll(mode.String(), " ", "_")))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close(ctx) }()
			when := time.Date(2026, 11, 20, 15, 4, 5, 123456000, time.UTC)
			for range 2 { // the second time from the cache
				var n int64
				var name, id, day, amount string
				var lucky bool
				var raw []byte
				var f float64
				var at time.Time
				err = c.QueryRow(ctx, "SELECT n, name, lucky, $2::text, $3::uuid::VARCHAR, $4::date::VARCHAR, $5::numeric::VARCHAR, $6::double, $7::timestamp FROM numbers WHERE n = $1::bigint",
					int64(77), "Grüße '", "123e4567-e89b-12d3-a456-426614174000", "2026-02-28", "12.5", 0.1, when).Scan(&n, &name, &lucky, &name, &id, &day, &amount, &f, &at)
				if err != nil {
					t.Fatal(err)
				}
				if n != 77 || !lucky || name != "Grüße '" || id != "123e4567-e89b-12d3-a456-426614174000" || day != "2026-02-28" || !strings.HasPrefix(amount, "12.5") || f != 0.1 || !at.Equal(when) {
					t.Errorf("%d %v %q %s %s %s %v %v", n, lucky, name, id, day, amount, f, at)
				}
				if err := c.QueryRow(ctx, "SELECT $1::blob, $2::bool", []byte{0, 1, 255}, true).Scan(&raw, &lucky); err != nil && mode != pgx.QueryExecModeSimpleProtocol {
					t.Fatal(err)
				}
				if mode != pgx.QueryExecModeSimpleProtocol && (!bytes.Equal(raw, []byte{0, 1, 255}) || !lucky) {
					t.Errorf("%x %v", raw, lucky)
				}
			}
			var null *string
			if err := c.QueryRow(ctx, "SELECT $1::text", nil).Scan(&null); err != nil || null != nil {
				t.Errorf("NULL came back as %v (%v)", null, err)
			}
			if mode != pgx.QueryExecModeSimpleProtocol && mode != pgx.QueryExecModeExec {
				if err := c.QueryRow(ctx, "SELECT $1", "x").Scan(&null); stateOf(err) != "42P18" {
					t.Errorf("an unknown type was guessed: %v", err)
				}
			}
		})
	}
}

func stateOf(err error) string {
	var e *pgconn.PgError
	if ok := asError(err, &e); ok {
		return e.Code
	}
	return fmt.Sprint(err)
}

// The types of the emulated catalogue, which Arrow has not: a field's metadata says them.
func TestDeclaredTypes(t *testing.T) {
	l := newLab(t)
	l.door.declare = map[string]string{"oid": "26", "relname": "19", "kind": "18", "class": "2205", "oids": "1028", "names": "1003"}
	ours, theirs := connect(t, l.url("alice", "")), connect(t, postmastertest.Database(t))
	for sql, want := range map[string]string{
		"SELECT 1259::BIGINT AS oid":                 "SELECT 1259::oid AS oid",
		"SELECT 4294967295::UINTEGER AS oid":         "SELECT 4294967295::oid AS oid",
		"SELECT 'pg_class' AS relname":               "SELECT 'pg_class'::name AS relname",
		"SELECT 'r' AS kind":                         "SELECT 'r'::\"char\" AS kind",
		"SELECT [1, 4294967295]::UINTEGER[] AS oids": "SELECT '{1,4294967295}'::oid[] AS oids",
		"SELECT ['a', NULL, 'b c'] AS names":         "SELECT '{a,NULL,b c}'::name[] AS names",
	} {
		for _, format := range []int16{0, 1} {
			got := ours.ExecParams(t.Context(), sql, nil, nil, nil, []int16{format}).Read()
			w := theirs.ExecParams(t.Context(), want, nil, nil, nil, []int16{format}).Read()
			if got.Err != nil || w.Err != nil {
				t.Errorf("%s: %v, PostgreSQL: %v", sql, got.Err, w.Err)
				continue
			}
			g, p := got.FieldDescriptions[0], w.FieldDescriptions[0]
			if g.DataTypeOID != p.DataTypeOID || g.DataTypeSize != p.DataTypeSize || !same(got.Rows[0][0], w.Rows[0][0]) {
				t.Errorf("%s, format %d: %d %d %q, PostgreSQL %d %d %q", sql, format, g.DataTypeOID, g.DataTypeSize, got.Rows[0][0], p.DataTypeOID, p.DataTypeSize, w.Rows[0][0])
			}
		}
	}
	for format, want := range []string{"", "0A000"} { // its binary form is a number that nobody has
		r := ours.ExecParams(t.Context(), "SELECT 'pg_class' AS class", nil, nil, nil, []int16{int16(format)}).Read()
		if got := stateOf(r.Err); r.Err != nil && got != want || r.Err == nil && (want != "" || string(r.Rows[0][0]) != "pg_class") {
			t.Errorf("format %d: %v", format, r.Err)
		}
	}
}
