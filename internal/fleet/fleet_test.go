package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/weirproject/weir/internal/fault"
	"github.com/weirproject/weir/internal/postmaster/postmastertest"
)

// small is the fleet of most tests.
func small(url string) Options {
	return Options{URL: url, Accounts: 300, Days: 10, Seed: 7, Until: testUntil}
}

func create(t *testing.T, o Options) (Truth, *pgx.Conn) {
	t.Helper()
	truth, err := Create(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return truth, open(t, o.URL)
}

func open(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func number(t *testing.T, conn *pgx.Conn, sql string, args ...any) float64 {
	t.Helper()
	var n *float64
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if n == nil {
		return math.NaN()
	}
	return *n
}

// checksums are one per table, over all rows in any order.
func checksums(t *testing.T, conn *pgx.Conn) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, table := range Tables() {
		var sum string
		sql := "SELECT coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint)::text, '') || '/' || count(*) FROM fleet." + table + " t"
		if err := conn.QueryRow(t.Context(), sql).Scan(&sum); err != nil {
			t.Fatal(err)
		}
		sums[table] = sum
	}
	return sums
}

func TestSameSeedMakesTheSameRowsAndAnotherDoesNot(t *testing.T) {
	first, conn := create(t, small(postmastertest.Database(t)))
	want := checksums(t, conn)
	again, conn := create(t, small(postmastertest.Database(t)))
	got := checksums(t, conn)
	other := small(postmastertest.Database(t))
	other.Seed++
	_, conn = create(t, other)
	differs := checksums(t, conn)
	for _, table := range Tables() {
		if got[table] != want[table] {
			t.Errorf("%s: %s, then %s from the same seed", table, want[table], got[table])
		}
		if table != "product_model" && table != "firmware_release" && differs[table] == want[table] {
			t.Errorf("%s: the same rows from another seed", table)
		}
		if want[table] == "/0" {
			t.Errorf("%s is empty", table)
		}
	}
	a, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(again)
	if err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) {
		t.Error("the truth differs between two runs of the same seed")
	}
}

func TestEveryColumnHasValues(t *testing.T) {
	_, conn := create(t, small(postmastertest.Database(t)))
	columns, err := conn.Query(t.Context(), `SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'fleet' AND table_name = ANY($1) ORDER BY 1, ordinal_position`, Tables())
	if err != nil {
		t.Fatal(err)
	}
	type column struct{ Table, Name string }
	all, err := pgx.CollectRows(columns, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 240 {
		t.Fatalf("only %d columns", len(all))
	}
	empty := map[string]bool{"api_key.revoked_at": true} // nobody has taken one back yet
	for _, c := range all {
		sql := fmt.Sprintf("SELECT count(%q)::float8 FROM fleet.%q", c.Name, c.Table)
		if n := number(t, conn, sql); n == 0 && !empty[c.Table+"."+c.Name] {
			t.Errorf("%s.%s is NULL everywhere", c.Table, c.Name)
		}
	}
}

func TestCanariesStandWhereTheTruthSays(t *testing.T) {
	truth, conn := create(t, small(postmastertest.Database(t)))
	if len(truth.Canaries) < 45 {
		t.Errorf("only %d canaries", len(truth.Canaries))
	}
	values := map[string]bool{}
	for _, k := range truth.Canaries {
		expression := fmt.Sprintf("%q::text", k.Column)
		if k.Encoding == "hex" {
			expression = fmt.Sprintf("encode(%q, 'hex')", k.Column)
		}
		sql := fmt.Sprintf("SELECT count(*)::float8 FROM fleet.%q WHERE %s = $1", k.Table, expression)
		if k.Column == "public_ip" || k.Column == "local_ip" || k.Column == "ip" || k.Column == "client_ip" {
			sql = fmt.Sprintf("SELECT count(*)::float8 FROM fleet.%q WHERE host(%q) = $1", k.Table, k.Column)
		}
		if n := number(t, conn, sql, k.Value); n == 0 {
			t.Errorf("%s.%s: the canary %q is not there", k.Table, k.Column, k.Value)
		}
		values[k.Value] = true
	}
	if len(values) < 38 {
		t.Errorf("only %d different canaries", len(values))
	}
}

func TestSkewIsThatOfTheSources(t *testing.T) {
	o := small("")
	o.Accounts, o.Profile = 20_000, ProfileThin
	c, err := newCompany(o)
	if err != nil {
		t.Fatal(err)
	}
	var none, one, many, devices, customers float64
	for i := range c.accounts {
		a := &c.accounts[i]
		if a.internal {
			continue
		}
		customers++
		devices += float64(a.devices)
		switch {
		case a.devices == 0:
			none++
		case a.devices == 1:
			one++
		case a.devices > 3:
			many++
		}
	}
	owners := customers - none
	near(t, "devices per account", devices/customers, 2.87, .1)
	near(t, "accounts without a device", none/customers, .08, .01)
	near(t, "owners of exactly one", one/owners, .39, .02)
	near(t, "owners of more than three", many/owners, .27, .03)
	var cameras, views, resold, skewed float64
	for i := range c.devices {
		v := &c.devices[i]
		if models[v.model].family == familyCamera {
			cameras++
			views += v.views
		}
		if v.rebound != never {
			resold++
		}
		if v.skew != skewNone {
			skewed++
		}
	}
	near(t, "share of cameras", cameras/float64(len(c.devices)), .463, .02)
	near(t, "views of a camera and day", views/cameras, 2.0, .15)
	near(t, "devices with a wrong clock", skewed/float64(len(c.devices)), shareSkewed, .001)
	if resold == 0 {
		t.Error("no device was bound twice")
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s: %.4f, want %.4f ± %.4f", what, got, want, tolerance)
	}
}

const lastTries = `WITH tries AS (SELECT DISTINCT ON (try_uuid) * FROM fleet.connection_attempt ORDER BY try_uuid, received_at),
last AS (SELECT DISTINCT ON (attempt_group) * FROM tries ORDER BY attempt_group, try_no DESC),
eligible AS (SELECT l.* FROM last l JOIN fleet.app_user u USING (user_id) JOIN fleet.device d USING (device_id)
  WHERE NOT u.is_internal AND NOT d.is_synthetic AND l.ok IS NOT NULL AND l.error_code IS DISTINCT FROM 'USER_CANCELLED') `

func TestRatesAreWhatTheTruthSays(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts = 1500
	truth, conn := create(t, o)
	eligible := truth.Attempts.Attempts - truth.Attempts.Cancelled - truth.Attempts.Unknown
	if n := number(t, conn, lastTries+"SELECT count(*)::float8 FROM eligible"); int(n) != eligible {
		t.Errorf("%d eligible attempts in the table, %d in the truth", int(n), eligible)
	}
	if n := number(t, conn, lastTries+"SELECT count(*)::float8 FROM eligible WHERE NOT ok"); int(n) != truth.Attempts.Failed {
		t.Errorf("%d failed attempts in the table, %d in the truth", int(n), truth.Attempts.Failed)
	}
	if n := number(t, conn, lastTries+"SELECT count(*)::float8 FROM eligible WHERE error_code = 'DEVICE_OFFLINE'"); int(n) != truth.Attempts.Offline {
		t.Errorf("%d offline attempts in the table, %d in the truth", int(n), truth.Attempts.Offline)
	}
	near(t, "failed rate", truth.Attempts.FailedRate(), .047, .008)
	bad := lastTries + "SELECT avg((NOT ok)::int)::float8 FROM eligible WHERE firmware_id = $1"
	near(t, "failed rate of the bad firmware", number(t, conn, bad, truth.BadFirmware.FirmwareID), .145, .035)
	if r := truth.AttemptsNaive.FailedRate(); r < truth.Attempts.FailedRate()+.01 {
		t.Errorf("with internal accounts the failed rate is %.4f: too near to the right one to be noticed", r)
	}
	near(t, "share of the model with the bad firmware", float64(truth.BadFirmware.Devices)/float64(truth.BadFirmware.ModelDevices), badShare, .07)
	for table, key := range map[string]string{
		"device_heartbeat": "device_id, occurred_at", "device_connectivity_event": "event_id", "connection_attempt": "try_uuid",
	} {
		total := number(t, conn, "SELECT count(*)::float8 FROM fleet."+table)
		repeated := total - number(t, conn, "SELECT count(*)::float8 FROM (SELECT DISTINCT "+key+" FROM fleet."+table+") x")
		if int64(repeated) < truth.Duplicates.Rows[table] {
			t.Errorf("%s: %d duplicates in the table, %d in the truth", table, int64(repeated), truth.Duplicates.Rows[table])
		}
		near(t, table+" duplicates", repeated/total, shareDuplicate, .0015)
		if int64(total) != truth.Rows[table] {
			t.Errorf("%s: %d rows in the table, %d in the truth", table, int64(total), truth.Rows[table])
		}
	}
	near(t, "late rows", number(t, conn, "SELECT avg((received_at > occurred_at + interval '1 minute')::int)::float8 FROM fleet.device_heartbeat WHERE occurred_at > '2020-01-01'"), .015, .006)
	reboots := "SELECT avg(unexpected_reboots)::float8 FROM fleet.device_heartbeat WHERE (firmware_id = $1) = $2"
	factor := number(t, conn, reboots, truth.BadFirmware.FirmwareID, true) / number(t, conn, reboots, truth.BadFirmware.FirmwareID, false)
	near(t, "reboots of the bad firmware", factor, rebootFactor, 9)
}

func TestActivationsAreWhatTheTruthSays(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts, o.Days, o.Until = 3000, 20, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	truth, conn := create(t, o)
	if truth.Christmas == nil || truth.Christmas.Day != "2025-12-25" {
		t.Fatalf("no Christmas in %v", truth.Christmas)
	}
	rows, err := conn.Query(t.Context(), `SELECT to_char(first_bound_at, 'YYYY-MM-DD'), count(*)::int
FROM fleet.device d JOIN (SELECT DISTINCT ON (device_id) device_id, user_id FROM fleet.device_binding ORDER BY device_id, bound_at) b USING (device_id)
JOIN fleet.app_user u ON u.user_id = b.user_id
WHERE first_activated_at IS NOT NULL AND first_bound_at >= $1 AND NOT u.is_internal AND NOT d.is_synthetic GROUP BY 1`, truth.From)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	var day string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&day, &n}, func() error { got[day] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(truth.Activations) {
		t.Errorf("activations per day:\n table %v\n truth %v", got, truth.Activations)
	}
	sum := 0
	for _, n := range truth.Activations {
		sum += n
	}
	ordinary := float64(sum-truth.Activations["2025-12-25"]) / float64(len(truth.Activations))
	if christmas := float64(truth.Activations["2025-12-25"]); christmas < 4*ordinary {
		t.Errorf("%v activations on Christmas Day, %.1f on others", christmas, ordinary)
	}
}

func TestHistoryHangsTogether(t *testing.T) {
	truth, conn := create(t, small(postmastertest.Database(t)))
	for what, sql := range map[string]string{
		"devices bound without a binding": "SELECT count(*)::float8 FROM fleet.device d WHERE first_bound_at IS NOT NULL AND NOT EXISTS (SELECT FROM fleet.device_binding b WHERE b.device_id = d.device_id AND b.reason = 'first_setup' AND b.bound_at = d.first_bound_at)",
		"owners who are not the last ones bound": `SELECT count(*)::float8 FROM fleet.device d WHERE owner_user_id IS NOT NULL AND owner_user_id <>
			(SELECT user_id FROM fleet.device_binding b WHERE b.device_id = d.device_id ORDER BY bound_at DESC LIMIT 1)`,
		"groups whose tries are not 1 to n":       "SELECT count(*)::float8 FROM (SELECT FROM fleet.connection_attempt GROUP BY attempt_group HAVING max(try_no) <> count(DISTINCT try_no) OR min(try_no) <> 1) x",
		"tries after a success":                   "SELECT count(*)::float8 FROM fleet.connection_attempt a JOIN fleet.connection_attempt b USING (attempt_group) WHERE a.ok AND b.try_no > a.try_no",
		"attempts on a firmware of another model": "SELECT count(*)::float8 FROM fleet.connection_attempt a JOIN fleet.device d USING (device_id) JOIN fleet.firmware_release f ON f.firmware_id = a.firmware_id WHERE f.model_id <> d.model_id",
		"attempts before activation":              "SELECT count(*)::float8 FROM fleet.connection_attempt a JOIN fleet.device d USING (device_id) WHERE a.started_at < d.first_activated_at",
		"sessions of deleted accounts":            "SELECT count(*)::float8 FROM fleet.auth_session JOIN fleet.app_user u USING (user_id) WHERE u.deleted_at IS NOT NULL",
		"deleted accounts with a name":            "SELECT count(*)::float8 FROM fleet.app_user WHERE deleted_at IS NOT NULL AND (nickname IS NOT NULL OR phone IS NOT NULL OR email NOT LIKE 'deleted-%')",
		"rows that arrived before they happened":  "SELECT count(*)::float8 FROM fleet.connection_attempt WHERE received_at < started_at",
		"measurements of others than testers":     "SELECT count(*)::float8 FROM fleet.body_measurement b JOIN fleet.app_user u USING (user_id) WHERE NOT is_beta",
	} {
		if n := number(t, conn, sql); n != 0 {
			t.Errorf("%s: %v", what, n)
		}
	}
	for what, sql := range map[string]string{
		"open old bindings of sold devices": "SELECT count(*)::float8 FROM fleet.device_binding a JOIN fleet.device_binding b USING (device_id) WHERE b.reason = 'transfer' AND a.unbound_at > b.bound_at",
		"rows at 1970":                      "SELECT count(*)::float8 FROM fleet.device_heartbeat_default",
		"retries":                           "SELECT count(*)::float8 FROM fleet.connection_attempt WHERE try_no > 1",
		"unknown outcomes":                  "SELECT count(*)::float8 FROM fleet.connection_attempt WHERE ok IS NULL",
		"cancelled ones":                    "SELECT count(*)::float8 FROM fleet.connection_attempt WHERE error_code = 'USER_CANCELLED'",
		"shares with strangers":             "SELECT count(*)::float8 FROM fleet.device_share WHERE grantee_user_id IS NULL",
		"internal accounts with 200":        "SELECT count(*)::float8 FROM (SELECT FROM fleet.device d JOIN fleet.app_user u ON owner_user_id = user_id WHERE is_internal GROUP BY user_id HAVING count(*) >= 200) x",
		"sensors adopted by a hub":          "SELECT count(parent_device_id)::float8 FROM fleet.device",
		"identities that go on":             "SELECT (nextval(pg_get_serial_sequence('fleet.device', 'device_id')) = (SELECT max(device_id) + 1 FROM fleet.device))::int::float8",
	} {
		if n := number(t, conn, sql); n == 0 {
			t.Errorf("%s: none", what)
		}
	}
	if truth.Resales == 0 {
		t.Error("the truth knows of no resale")
	}
	if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.app_user WHERE deleted_at IS NOT NULL"); int(n) != len(truth.Deletions.Accounts) {
		t.Errorf("%v deleted accounts in the table, %d in the truth", n, len(truth.Deletions.Accounts))
	}
}

func TestEmptySchemaTakesRowsTypedByHand(t *testing.T) {
	o := Options{URL: postmastertest.Database(t), Until: testUntil}
	truth, conn := create(t, o)
	if len(truth.Canaries) != 0 || truth.Devices != 0 {
		t.Errorf("an empty fleet has %d canaries and %d devices", len(truth.Canaries), truth.Devices)
	}
	for _, sql := range []string{
		"INSERT INTO fleet.app_user (email, password_hash) VALUES ('a@post.example', 'x')",
		"INSERT INTO fleet.device_heartbeat (device_id, occurred_at) VALUES (1, '2025-10-15'), (1, '2026-12-31 23:00'), (1, '1970-01-02')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Error(err)
		}
	}
	if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.device_heartbeat_default"); n != 1 {
		t.Errorf("%v rows in the DEFAULT partition, want the one of 1970", n)
	}
	for what, want := range map[string]float64{"p": 28, "f": 18, "u": 6} { // primary keys, references, unique ones of the schema
		sql := `SELECT count(*)::float8 FROM pg_constraint WHERE connamespace = 'fleet'::regnamespace AND contype = $1 AND conparentid = 0`
		if n := number(t, conn, sql, what); n != want {
			t.Errorf("%v constraints of type %s, want %v", n, what, want)
		}
	}
}

func TestSchemaThatExistsIsLeftAlone(t *testing.T) {
	o := Options{URL: postmastertest.Database(t), Until: testUntil}
	_, conn := create(t, o)
	if _, err := conn.Exec(t.Context(), "INSERT INTO fleet.app_user (email, password_hash) VALUES ('a@post.example', 'x')"); err != nil {
		t.Fatal(err)
	}
	o.Accounts = 50
	_, err := Create(t.Context(), o)
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Hint == "" {
		t.Fatalf("got %v, want a fault with a hint", err)
	}
	if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.app_user"); n != 1 {
		t.Errorf("%v rows are left of 1", n)
	}
}

func TestCancelledCreateLeavesNoSchema(t *testing.T) {
	o := small(postmastertest.Database(t))
	o.Accounts = 3000
	ctx, cancel := contextWithCancel(t)
	o.Progress = func(p Progress) {
		if p.Rows > 0 {
			cancel()
		}
	}
	if _, err := Create(ctx, o); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("got %v, want an interrupted work", err)
	}
	if n := number(t, open(t, o.URL), "SELECT count(*)::float8 FROM pg_namespace WHERE nspname = 'fleet'"); n != 0 {
		t.Error("half a schema is left")
	}
}

func TestErrorsNeverQuoteTheDatabase(t *testing.T) {
	for what, url := range map[string]string{
		"unreadable":  "postgres://user:pa ss@[::",
		"unreachable": "postgres://somebody:hunter2@127.0.0.1:1/nowhere",
		"no database": strings.Replace(postmastertest.ForTest(t).URL("postgres"), "/postgres?", "/secretname?", 1),
	} {
		_, err := Create(t.Context(), Options{URL: url})
		var f *fault.Error
		if !errors.As(err, &f) || f.Hint == "" {
			t.Fatalf("%s: got %v, want a fault with a hint", what, err)
		}
		if text := err.Error() + f.Hint; strings.Contains(text, "hunter2") || strings.Contains(text, "secretname") || strings.Contains(text, "somebody") {
			t.Errorf("%s: %q gives something away", what, text)
		}
	}
}

func TestFleetsOfAnySizeCanBeMade(t *testing.T) {
	for _, accounts := range []int{1, 2, 19, 50} {
		o := small(postmastertest.Database(t))
		o.Accounts, o.Days, o.Profile = accounts, 3, ProfileFull
		o.Until = time.Date(2026, 3, 9, 13, 37, 0, 0, time.UTC)
		truth, conn := create(t, o)
		if n := number(t, conn, "SELECT count(*)::float8 FROM fleet.app_user"); int(n) != accounts {
			t.Errorf("%v accounts, want %d", n, accounts)
		}
		if late := number(t, conn, "SELECT count(*)::float8 FROM fleet.connection_attempt WHERE started_at >= $1", truth.Until); late != 0 {
			t.Errorf("%v attempts after the end of the span", late)
		}
	}
}

func TestTruthIsReadAsItWasWritten(t *testing.T) {
	truth, _ := create(t, small(postmastertest.Database(t)))
	path := filepath.Join(t.TempDir(), "truth.json")
	if err := WriteTruth(path, truth); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", st.Mode())
	}
	got, err := ReadTruth(path)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprintf("%+v", got.Canaries) != fmt.Sprintf("%+v", truth.Canaries) || got.Attempts != truth.Attempts || !got.From.Equal(truth.From) {
		t.Error("the truth changed on its way through the file")
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	for _, o := range []Options{{Accounts: -1}, {Days: -1}, {Days: maxDays + 1}, {Profile: "fat"}, {Until: time.Unix(0, 0)}} {
		if _, err := Create(t.Context(), o); fault.KindOf(err) != fault.Usage {
			t.Errorf("%+v: got %v, want a usage fault", o, err)
		}
	}
}
