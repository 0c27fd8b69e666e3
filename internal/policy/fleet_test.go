package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirproject/weir/internal/policy"
)

// kindsOf are the kinds of the fleet's types.
var kindsOf = map[string]string{
	"bigint": policy.KindInt, "integer": policy.KindInt, "smallint": policy.KindInt, "real": policy.KindFloat, "double precision": policy.KindFloat,
	"numeric": policy.KindNumeric, "text": policy.KindText, "char": policy.KindText, "bytea": policy.KindBytes, "uuid": policy.KindUUID, "date": policy.KindDate,
	"timestamptz": policy.KindTime, "boolean": policy.KindBool, "inet": policy.KindInet, "cidr": policy.KindInet, "macaddr": policy.KindMAC,
	"text[]": policy.KindList, "integer[]": policy.KindList,
}

var (
	tableForm  = regexp.MustCompile(`(?ms)^CREATE TABLE (\w+) \((.*?)^\)`)
	columnForm = regexp.MustCompile(`(?m)^  (\w+) +((double precision|\w+)(?:\([\d,]+\))?(\[\])?)`)
	keyForm    = regexp.MustCompile(`(?s)ALTER TABLE fleet\.(\w+)[^;]*?ADD PRIMARY KEY \(([^)]*)\)`)
)

// fleetSchema reads the schema of the fleet from the SQL that makes it.
func fleetSchema(t *testing.T) policy.Schema {
	t.Helper()
	tables, keys := read(t, "../fleet/schema.sql"), read(t, "../fleet/keys.sql")
	var s policy.Schema
	for _, m := range tableForm.FindAllStringSubmatch(tables, -1) {
		st := policy.SchemaTable{Name: "fleet." + m[1]}
		var key []string
		for _, k := range keyForm.FindAllStringSubmatch(keys, -1) {
			if k[1] == m[1] {
				key = strings.Split(k[2], ", ")
			}
		}
		for _, c := range columnForm.FindAllStringSubmatch(m[2], -1) {
			kind, known := kindsOf[c[3]+c[4]]
			if !known {
				t.Fatalf("%s.%s: type %s", m[1], c[1], c[2])
			}
			st.Columns = append(st.Columns, policy.SchemaColumn{Name: c[1], Type: c[2], Kind: kind, Key: slices.Contains(key, c[1])})
		}
		s.Tables = append(s.Tables, st)
	}
	if len(s.Tables) != 28 {
		t.Fatalf("the fleet has %d tables", len(s.Tables))
	}
	return s
}

// fleetPolicy reads the policies of the fleet.
func fleetPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	names, err := filepath.Glob("../../examples/fleet/policy/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []policy.File
	for _, name := range names {
		files = append(files, policy.File{Name: "policy/" + filepath.Base(name), Data: []byte(read(t, name))})
	}
	p, err := policy.Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fleetReads is what the metrics of the fleet read.
func fleetReads() []policy.Read {
	var reads []policy.Read
	for _, m := range []string{
		"affected_accounts", "clock_repaired_rate", "connect_ms_p50", "connect_ms_p95", "failed_connection_rate", "failed_connection_rate_reachable",
		"first_try_failure_rate", "unknown_connection_rate",
	} {
		reads = append(reads,
			policy.Read{Metric: m, Table: "fleet.connection_attempt", Columns: []string{
				"try_uuid", "attempt_group", "try_no", "device_id", "user_id", "is_shared_user", "purpose", "transport", "started_at", "received_at", "duration_ms", "ok",
				"error_code", "firmware_id", "app_os", "app_version", "isp_asn", "region_code",
			}},
			policy.Read{Metric: m, Table: "fleet.device", Columns: []string{"device_id", "model_id", "is_synthetic"}},
			policy.Read{Metric: m, Table: "fleet.product_model", Columns: []string{"model_id", "model", "family"}},
			policy.Read{Metric: m, Table: "fleet.firmware_release", Columns: []string{"firmware_id", "version"}},
			policy.Read{Metric: m, Table: "fleet.app_user", Columns: []string{"user_id", "is_internal", "deleted_at"}},
		)
	}
	return append(reads,
		policy.Read{Metric: "device_activations", Table: "fleet.device", Columns: []string{
			"device_id", "model_id", "owner_user_id", "first_activated_at", "first_bound_at", "is_synthetic",
		}},
		policy.Read{Metric: "device_activations", Table: "fleet.device_binding", Columns: []string{"binding_id", "device_id", "user_id", "bound_at"}},
		policy.Read{Metric: "device_activations", Table: "fleet.app_user", Columns: []string{"user_id", "is_internal", "time_zone", "country_code", "deleted_at"}},
		policy.Read{Metric: "device_activations", Table: "fleet.product_model", Columns: []string{"model_id", "model", "family"}},
	)
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFleetPolicyFitsTheFleetAndLeavesNothingToFind(t *testing.T) {
	r := policy.Review(fleetPolicy(t), fleetSchema(t), fleetReads())
	for _, f := range r.Findings {
		t.Errorf("%s: %s; %s", f.Code, f.What, f.Do)
	}
	if r.Summary.Unnamed != 0 || len(r.Unnamed) != 0 || len(r.Tables) != 28 || r.Summary.Crossing == 0 {
		t.Errorf("summary %+v, %d tables", r.Summary, len(r.Tables))
	}
}

// TestFleetOpensNobodysHoursToSQL is the promise of the examples: no time of anything that somebody did is finer than a day where SQL can read it.
func TestFleetOpensNobodysHoursToSQL(t *testing.T) {
	days := []string{"day", "week", "month", "quarter", "year"}
	for _, table := range fleetPolicy(t).Tables {
		for _, c := range table.Columns {
			if c.Class != policy.Behaviour || c.Treat == policy.Drop || c.Access == policy.AccessMetrics {
				continue
			}
			if c.Treat != policy.Truncate || !slices.Contains(days, c.To) {
				t.Errorf("%s.%s: %s %s is open to SQL", table.Name, c.Name, c.Treat, c.To)
			}
		}
	}
}

// TestFleetClassesEveryTrapForWhatItIs names the columns that were planted to be taken for something harmless.
func TestFleetClassesEveryTrapForWhatItIs(t *testing.T) {
	p := fleetPolicy(t)
	for name, class := range map[string]policy.Class{
		"device.enr_secret": policy.Secret, "device_event.clip_key": policy.Secret, "device_event.clip_url": policy.Secret, "api_key.secret_hash": policy.Secret,
		"app_user.totp_secret": policy.Secret, "app_user.password_hash": policy.Secret, "auth_session.push_token": policy.Secret,
		"integration_link.access_token": policy.Secret, "device_share.grantee_email": policy.DirectIdentifier, "device.mac": policy.DirectIdentifier,
		"device.serial": policy.DirectIdentifier, "device.p2p_id": policy.DirectIdentifier, "auth_session.phone_id": policy.DirectIdentifier,
		"setup_session.phone_id": policy.DirectIdentifier, "shipment.serial": policy.DirectIdentifier, "lock_event.key_name": policy.FreeText,
		"support_message.body": policy.FreeText, "firmware_rollout.target_filter": policy.FreeText, "device_connectivity_event.ssid": policy.Network,
		"admin_access_log.employee": policy.DirectIdentifier, "app_user.height_cm": policy.Health, "body_measurement.user_id": policy.Health,
		"home.address": policy.DirectIdentifier, "app_user.last_login_at": policy.Behaviour, "device.conn_state": policy.Behaviour,
	} {
		table, column, _ := strings.Cut(name, ".")
		c, ok := p.Table("fleet." + table).Column(column)
		if !ok || c.Class != class || c.Treat != policy.Drop {
			t.Errorf("%s: %s, %s, want %s held back", name, c.Class, c.Treat, class)
		}
	}
}

// TestFleetLetsNoNameOrSecretCross says the same of whole classes.
func TestFleetLetsNoNameOrSecretCross(t *testing.T) {
	never := []policy.Class{policy.Secret, policy.Health, policy.DirectIdentifier, policy.Network, policy.FreeText}
	for _, table := range fleetPolicy(t).Tables {
		for _, c := range table.Columns {
			if slices.Contains(never, c.Class) && c.Treat != policy.Drop {
				t.Errorf("%s.%s: %s crosses", table.Name, c.Name, c.Class)
			}
		}
	}
}
