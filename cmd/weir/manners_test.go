package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/weirproject/weir/internal/policy"
	"github.com/weirproject/weir/internal/source"
)

// mannerly fails when what a command printed is not as people and programs may expect: a failure has nothing on stdout (a finding is an answer), and says what
// happened and what to do.
func mannerly(t *testing.T, name string, r result) {
	t.Helper()
	failed := r.code == 1 || r.code == 2 || r.code == 4
	if failed && r.stdout != "" {
		t.Errorf("%s: exit %d with an answer:\n%s", name, r.code, r.stdout)
	}
	messages, hints := 0, 0
	for line := range strings.Lines(r.stderr) {
		line = strings.TrimSuffix(line, "\n")
		text, isMessage := strings.CutPrefix(line, "weir: ")
		hint, isHint := strings.CutPrefix(line, "hint: ")
		switch {
		case isMessage:
			messages++
			if text == "" || unicode.IsUpper([]rune(text)[0]) || strings.HasSuffix(text, ".") {
				t.Errorf("%s: message %q", name, text)
			}
		case isHint:
			hints++
			if hint == "" || strings.HasSuffix(hint, ".") {
				t.Errorf("%s: hint %q", name, hint)
			}
		case strings.HasPrefix(line, "      "), strings.HasPrefix(line, "time="):
		default:
			t.Errorf("%s: stderr has the line %q", name, line)
		}
	}
	if r.code != 0 && (messages == 0 || hints != 1) {
		t.Errorf("%s: exit %d with %d messages and %d hints:\n%s", name, r.code, messages, hints, r.stderr)
	}
	for _, internal := range []string{"something inside weir failed", "goroutine ", "panic", "failed to", "%!"} {
		if strings.Contains(r.stderr, internal) {
			t.Errorf("%s: %s", name, r.stderr)
		}
	}
}

// manner is a call and how it must end.
type manner struct {
	name   string
	args   []string
	code   int
	stderr string // a part of it
}

func (m manner) check(t *testing.T) result {
	t.Helper()
	r := weir(t, m.args...)
	mannerly(t, m.name, r)
	if r.code != m.code || !strings.Contains(r.stderr, m.stderr) {
		t.Errorf("%s: exit %d, want %d with %q:\n%s%s", m.name, r.code, m.code, m.stderr, r.stdout, r.stderr)
	}
	return r
}

// write makes a file below a folder.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const examplePassword = "TopSecret0815"

func TestWrongConfigurationsAreNamedByLineAndNeverShown(t *testing.T) {
	dir := t.TempDir()
	const url = "postgres://weir:" + examplePassword + "@127.0.0.1:1/db"
	for _, c := range []struct {
		name, text string
		code       int
		stderr     string
	}{
		{"broken syntax", "source:\n  url: " + url + "\n   bad: [\n", 1, "broken-syntax.yaml:"},
		{"unknown setting", "source:\n  url: " + url + "\n  urll: x\n", 1, "unknown-setting.yaml:3: there is no such setting"},
		{"password for a mapping", "source: " + url + "\n", 1, "password-for-a-mapping.yaml:1: this is not what is expected here"},
		{"password in a list", "source:\n  url: [" + url + "]\n", 1, "password-in-a-list.yaml:2: this is not what is expected here"},
		{"password for a number", "policy: p\nengine: {memory_mb: " + url + "}\n", 1, "password-for-a-number.yaml:2: this is not what is expected here"},
		{"an alias of itself", "a: &x [*x]\n", 1, "an-alias-of-itself.yaml:1"},
		{"bytes", "\x00\x01" + url, 1, "bytes.yaml:1"},
		{"two urls", "source: {url: '" + url + "', url_file: other}\n", 1, "names both source.url and source.url_file"},
		{"negative memory", "engine: {memory_mb: -1}\n", 1, "cannot be negative"},
		{"no policy", "source: {url: '" + url + "'}\n", 1, "there is no policy at"},
		{"an impossible port", "policy: good\nsource: {url: 'postgres://weir:" + examplePassword + "@h:99999/db'}\n", 2, "the source's URL cannot be read"},
		{"nobody there", "policy: good\nsource: {url: '" + url + "'}\n", 1, "does not answer"},
		{"no file of the url", "policy: good\nsource: {url_file: nowhere}\n", 1, "the file of source.url_file cannot be read"},
		{"an open file of the url", "policy: good\nsource: {url_file: open.url}\n", 4, "can be read by others"},
		{"no source", "policy: good\n", 2, "no source is named"},
		{"empty", "", 1, "there is no policy at"},
	} {
		write(t, dir, "good/device.yaml", "table: s.device\naccess: sql\nexploration: to see\ncolumns:\n  id: {class: telemetry, treat: keep}\n")
		if err := os.Chmod(write(t, dir, "open.url", url), 0o644); err != nil {
			t.Fatal(err)
		}
		path := write(t, dir, strings.ReplaceAll(c.name, " ", "-")+".yaml", c.text)
		for _, verb := range []string{"plan", "check"} {
			r := manner{c.name + ", " + verb, []string{verb, "--config", path, "--state", filepath.Join(dir, "state")}, c.code, c.stderr}.check(t)
			if strings.Contains(r.stdout+r.stderr, examplePassword) || strings.Contains(r.stderr, "urll") {
				t.Errorf("%s: the file's content is shown: %s", c.name, r.stderr)
			}
		}
	}
}

func TestEveryWayToFailSaysWhatHappenedAndWhatToDo(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	dir := t.TempDir()
	state := filepath.Join(dir, "a state")
	flags := copyFlags(url, state)
	with := func(args ...string) []string { return append(args, flags...) }
	instead := func(flag, value string, args ...string) []string {
		all := with(args...)
		all[slices.Index(all, flag)+1] = value
		return all
	}
	open := write(t, dir, "folder/file", "")
	before := []manner{
		{"no copy yet", []string{"status", "--state", state}, 1, "there is no copy in"},
		{"verify without a copy", with("verify"), 1, "there is no copy in"},
		{"ledger without a copy", with("ledger", "show"), 1, "there is no ledger in"},
		{"release without a state", with("source", "release"), 1, "there is no state in"},
		{"no configuration", []string{"run"}, 1, "there is no configuration at weir.yaml"},
		{"no configuration at", []string{"run", "--config", filepath.Join(dir, "none.yaml")}, 1, "there is no configuration at"},
		{"a configuration that is a folder", []string{"run", "--config", dir}, 1, "cannot be read"},
		{"wrong password", instead("--source", strings.Replace(url, "weir:", "weir:x"+examplePassword, 1), "run", "--once"), 4, "refused to let weir in"},
		{"no such database", instead("--source", strings.Replace(url, "/test_", "/none_", 1), "plan"), 1, "refused to let weir in"},
		{"no such scheme", instead("--source", "mysql://weir:"+examplePassword+"@h/d", "check"), 2, "the source's URL cannot be read"},
		{"state in a file", instead("--state", open, "run", "--once"), 1, "cannot be made"},
		{"no rights yet", with("run", "--once"), 4, "weir cannot run on this source yet"},
		{"not ready", with("check"), 3, "weir cannot run on this source yet"},
		{"a page nowhere", with("plan", "--html", filepath.Join(dir, "no", "where.html")), 1, "cannot be written"},
		{"fleet without a server", []string{"fleet", "create", "--to", "postgres://weir:" + examplePassword + "@127.0.0.1:1/d"}, 1, "cannot be reached"},
		{"a fleet there already", []string{"fleet", "create", "--to", url}, 1, "has a schema named fleet already"},
	}
	for _, m := range before {
		if r := m.check(t); strings.Contains(r.stdout+r.stderr, examplePassword) {
			t.Errorf("%s: the password is shown: %s", m.name, r.stderr)
		}
	}
	mannerly(t, "the first run", weir(t, with("run", "--once", "--apply")...))
	key := filepath.Join(state, "ledger", "public.key")
	for _, m := range []manner{
		{"unknown metric", with("metric", "show", "failed_conection_rate"), 1, "did you mean failed_connection_rate?"},
		{"unknown dimension", with("metric", "show", "failed_connection_rate", "--by", "modl"), 2, "did you mean model?"},
		{"unknown grain", with("metric", "show", "failed_connection_rate", "--grain", "month"), 2, "there are hour, day, week"},
		{"a span that ends before it begins", with("metric", "show", "failed_connection_rate", "--from", "2026-02-01", "--to", "2026-01-01"), 2, "the time range is empty"},
		{"unknown column", with("explain", "fleet.device.modelid"), 1, "fleet.device has no column modelid"},
		{"unknown table", with("explain", "fleet.devices.mac"), 1, "fleet.devices"},
		{"no column", with("explain", "mac"), 2, "is not the name of a column"},
		{"no ledger there", []string{"ledger", "verify", "--key", key, dir}, 3, "ledger"},
		{"a key that is none", []string{"ledger", "verify", "--key", "abc", filepath.Join(state, "ledger")}, 1, "public key"},
		{"no policy to compare", []string{"policy", "diff", filepath.Join(dir, "none"), dir}, 1, "there is no policy at"},
		{"a policy folder without a policy", []string{"policy", "diff", filepath.Dir(open), dir}, 1, "holds no .yaml file"},
		{"keys inside the state", []string{"status", "--state", state, "--config", write(t, dir, "in.yaml", "keys: "+filepath.Join(state, "keys")+"\npolicy: "+absolute(t, "../../examples/fleet/policy")+"\n")}, 4, "the key folder lies inside the state folder"},
	} {
		m.check(t)
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func TestJSONHasAStableShape(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	state := filepath.Join(t.TempDir(), "state")
	flags := append(copyFlags(url, state), "--json")
	keys := func(want string, args ...string) {
		t.Helper()
		r := weir(t, append(args, flags...)...)
		mannerly(t, args[0], r)
		var got any
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || r.code != 0 {
			t.Errorf("%v: exit %d, %v\n%s%s", args, r.code, err, r.stdout, r.stderr)
			return
		}
		if list, is := got.([]any); is {
			if len(list) == 0 {
				t.Errorf("%v: an empty list", args)
				return
			}
			got = list[0]
		}
		object, _ := got.(map[string]any)
		var names []string
		for k := range object {
			names = append(names, k)
		}
		slices.Sort(names)
		if strings.Join(names, " ") != want {
			t.Errorf("%v has %q, want %q", args, strings.Join(names, " "), want)
		}
	}
	keys("column since text", "explain", "fleet.device.model_id")
	keys("facts flow lag_seconds ledger policy running source", "run", "--once", "--apply")
	keys("facts flow lag_seconds ledger policy running source", "status")
	keys("as_of equal position seconds tables", "verify")
	keys("as_of grain metric rows version", "metric", "show", "failed_connection_rate")
	keys("definition dimensions fact grains label name owner reads type version watermark", "metric", "list")
	keys("hash tables", "policy", "check")
	keys("by column since text", "explain", "fleet.device.model_id")
	keys("classes date findings policy_hash roles source summary tables unnamed_tables", "plan")
	r := weir(t, append([]string{"ledger", "show"}, flags...)...)
	types := map[string]bool{}
	for line := range strings.Lines(r.stdout) {
		var e struct {
			Index     *int64
			Time      *string
			Type      string
			Principal string
			Body      json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Index == nil || e.Time == nil || e.Principal == "" {
			t.Errorf("ledger show: %v: %s", err, line)
		}
		types[e.Type] = true
	}
	for _, want := range []string{"source_script", "start", "policy", "batch", "question", "answer", "verification", "stop"} {
		if !types[want] {
			t.Errorf("the ledger has no entry of type %s: %v", want, types)
		}
	}
	var findings []source.Finding
	if out := must(t, append([]string{"check"}, flags...)...); json.Unmarshal([]byte(out), &findings) != nil || len(findings) == 0 {
		t.Errorf("check: %s", out)
	}
	dir := absolute(t, "../../examples/fleet/policy")
	var changes []policy.Change
	if out := must(t, "policy", "diff", dir, dir, "--json"); json.Unmarshal([]byte(out), &changes) != nil || len(changes) != 0 {
		t.Errorf("policy diff: %s", out)
	}
}

func TestNewPolicyHoldsEverythingBackUntilSomebodyFillsItIn(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	dir := filepath.Join(t.TempDir(), "a new place")
	config := filepath.Join(dir, "weir.yaml")
	flags := []string{"--config", config, "--source", url}
	with := func(args ...string) []string { return append(args, flags...) }
	written := strings.Fields(strings.ReplaceAll(must(t, "init", "--source", url, "--dir", dir), "a new place", "a-new-place"))
	if len(written) != 29 { // weir.yaml and 28 tables
		t.Errorf("init wrote %d files", len(written))
	}
	manner{"init twice", []string{"init", "--source", url, "--dir", dir}, 4, "weir init overwrites nothing"}.check(t)
	if out := must(t, with("policy", "check")...); !strings.Contains(out, "the policy is sound: 28 tables") {
		t.Error(out)
	}
	if out := must(t, with("plan")...); !strings.HasPrefix(out, "0 of 300 columns cross") {
		t.Errorf("plan: %.200s", out)
	}
	for _, args := range [][]string{{"run", "--once"}, {"run", "--once", "--apply"}, {"run", "--apply"}} {
		manner{"a run without anything to copy", with(args...), 1, "the policy holds back everything that production has"}.check(t)
	}
	untouched := func() {
		t.Helper()
		if left := sourceValues(t, url, "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database() UNION SELECT pubname FROM pg_publication"); len(left) != 0 {
			t.Errorf("left at the source: %v", left)
		}
	}
	untouched()

	// One column is let through: weaker than before, and said so.
	path := filepath.Join(dir, "policy", "product_model.yaml")
	before := filepath.Join(t.TempDir(), "before")
	if err := os.CopyFS(before, os.DirFS(filepath.Join(dir, "policy"))); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "policy/product_model.yaml", "table: fleet.product_model\naccess: sql\ncolumns:\n  model_id: {class: public, treat: keep}\n  model: {class: public, treat: keep}\n")
	manner{"weaker", []string{"policy", "diff", before, filepath.Join(dir, "policy")}, 3, "the policy becomes weaker by "}.check(t)
	if out := must(t, "policy", "diff", filepath.Join(dir, "policy"), before); !strings.Contains(out, "stronger") {
		t.Errorf("stronger: %s", out)
	}
	if r := (manner{"nothing asked for it", with("plan"), 3, "the plan has 2 findings"}).check(t); !strings.Contains(r.stdout, "fleet.product_model.model") {
		t.Errorf("plan does not name it:\n%s", r.stdout)
	}
	write(t, dir, "policy/product_model.yaml", "table: fleet.product_model\naccess: sql\nexploration: what there is\ncolumns:\n  model_id: {class: public, treat: keep}\n  model: {class: public, treat: keep}\n  offline_after_s: {class: telemetry, treat: pseudonym, subject: user}\n")
	if r := (manner{"a pair that is not admitted", with("plan"), 1, "product_model.yaml:7"}).check(t); !strings.Contains(r.stderr, "offline_after_s") {
		t.Error(r.stderr)
	}
	write(t, dir, "policy/product_model.yaml", "table: fleet.product_model\naccess: sql\nexploration: what there is\ncolumns:\n  model_id: {class: public, treat: keep}\n  model: {class: public, treat: keep}\n"+
		"  family: {class: public}\n  power: {class: public}\n  always_connected: {class: public}\n  heartbeat_interval_s: {class: public}\n"+
		"  offline_after_s: {class: public}\n  launched_on: {class: public}\n  eol_on: {class: public}\n")
	must(t, with("plan")...)
	manner{"consent is needed", with("run", "--once", "--apply"), 4, "production_ddl"}.check(t)
	untouched()
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "weir.yaml", strings.Replace(string(data), "  # accept: [production_ddl]", "  accept: [production_ddl]", 1))
	must(t, with("run", "--once", "--apply")...)
	if out := must(t, with("verify")...); !strings.Contains(out, "fleet.product_model  sql") {
		t.Errorf("verify: %s", out)
	}

	// Everything is held back again: what was copied goes at once.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := (manner{"held back again", with("run", "--once"), 1, "what was copied before is removed"}).check(t); r.code != 1 {
		t.Error(r)
	}
	if out := must(t, with("status")...); strings.Contains(out, "product_model") {
		t.Errorf("still there:\n%s", out)
	}
}

func TestUnreadableTypeIsRefusedByName(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 0, 1)
	typeSQL(t, url, "CREATE TABLE fleet.zone (zone_id int PRIMARY KEY, shape polygon, span tstzrange)")
	dir := t.TempDir()
	write(t, dir, "policy/zone.yaml", "table: fleet.zone\naccess: sql\nexploration: shapes\ncolumns:\n  zone_id: {class: telemetry, treat: keep}\n  shape: {class: location, treat: drop}\n  span: {class: telemetry, treat: keep}\n")
	config := write(t, dir, "weir.yaml", "source: {schemas: [fleet], accept: [production_ddl]}\n")
	for _, verb := range [][]string{{"plan"}, {"run", "--once", "--apply"}} {
		r := manner{verb[0], append(verb, "--config", config, "--source", url), 1, "zone.yaml:7"}.check(t)
		if !strings.Contains(r.stderr, "tstzrange") || strings.Contains(r.stderr, "polygon") {
			t.Errorf("%s: %s", verb[0], r.stderr)
		}
	}
	write(t, dir, "policy/zone.yaml", "table: fleet.zone\naccess: sql\nexploration: shapes\ncolumns:\n  zone_id: {class: telemetry, treat: keep}\n  shape: {class: location, treat: presence}\n  span: {class: telemetry, treat: drop}\n")
	manner{"presence of a polygon", []string{"plan", "--config", config, "--source", url}, 1, "polygon"}.check(t)
}

func TestReleaseTakesEverythingAwayAndRunBringsItBack(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	state := filepath.Join(t.TempDir(), "state")
	flags := copyFlags(url, state)
	with := func(args ...string) []string { return append(args, flags...) }
	objects := func() string {
		return strings.Join(sourceValues(t, url, `SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database() UNION ALL SELECT pubname FROM pg_publication
			UNION ALL SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()
			UNION ALL SELECT relname FROM pg_class WHERE relname LIKE '%weir%'`), " ")
	}
	if got := objects(); got != "" {
		t.Fatalf("before: %s", got)
	}
	p := start(t, with("run", "--apply")...)
	eventually(t, "following", func() bool { return strings.Contains(p.output(), "following production") })
	if got := objects(); strings.Count(got, "weir_") < 2 {
		t.Fatalf("running: %s", got)
	}
	manner{"release while running", with("source", "release", "--apply"), 1, "end it first"}.check(t)
	manner{"a second run", with("run"), 1, "another weir is using the state folder"}.check(t)
	if code := p.stop(t, os.Interrupt); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.output())
	}
	printed := must(t, with("source", "release")...)
	if objects() == "" || !strings.Contains(printed, "pg_drop_replication_slot") || !strings.Contains(printed, "DROP PUBLICATION") {
		t.Errorf("the script alone: %s", printed)
	}
	if r := (manner{"release", with("source", "release", "--apply"), 0, "gone from the source"}).check(t); r.stdout != "" {
		t.Errorf("release: %+v", r)
	}
	if got := objects(); got != "" {
		t.Errorf("after the release: %s", got)
	}
	manner{"release twice", with("source", "release", "--apply"), 0, ""}.check(t)
	must(t, with("metric", "show", "failed_connection_rate")...)
	manner{"a run after the release", with("run", "--once"), 4, "weir source script"}.check(t)
	must(t, with("run", "--once", "--apply")...)
	if out := must(t, with("verify")...); !strings.Contains(out, "the store equals the source") {
		t.Error(out)
	}
	runScript(t, url, must(t, with("source", "release")...))
	if got := objects(); got != "" {
		t.Errorf("after the script: %s", got)
	}
}

func TestFlippedByteInTheLedgerIsFound(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 0, 1)
	state := filepath.Join(t.TempDir(), "state")
	must(t, append([]string{"run", "--once", "--apply"}, copyFlags(url, state)...)...)
	folder := filepath.Join(state, "ledger")
	key := filepath.Join(folder, "public.key")
	if out := must(t, "ledger", "verify", "--key", key, folder); !strings.Contains(out, "is whole") {
		t.Fatal(out)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil || len(data) == 0 {
			continue
		}
		bad := slices.Clone(data)
		bad[len(bad)/2] ^= 1
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		r := weir(t, "ledger", "verify", "--key", key, folder)
		mannerly(t, "a flipped byte", r)
		if r.code != 3 || r.stdout != "" {
			t.Errorf("a byte flipped in %s: %+v", filepath.Base(file), r)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		flipped++
	}
	if flipped == 0 {
		t.Fatalf("no file of entries in %s", folder)
	}
	must(t, "ledger", "verify", "--key", key, folder)
}

func TestRelativePathsMeanTheSameFromAnywhere(t *testing.T) {
	t.Parallel()
	url, _ := fleetDatabase(t, 20, 1)
	here := t.TempDir()
	config := absolute(t, "../../examples/fleet/weir.yaml")
	caller{dir: here}.must(t, "run", "--once", "--apply", "--config", config, "--source", url, "--state", "my state")
	want := caller{dir: here}.must(t, "metric", "show", "failed_connection_rate", "--state", "my state")
	for _, from := range []struct{ dir, state string }{
		{here, "./my state/"}, {filepath.Join(here, "my state"), "."}, {filepath.Join(here, "my state", "store"), ".."}, {"/", filepath.Join(here, "my state")},
	} {
		if got := (caller{dir: from.dir}).must(t, "metric", "show", "failed_connection_rate", "--state", from.state); got != want {
			t.Errorf("from %s: %s", from.dir, got)
		}
	}
	if left, err := filepath.Glob(filepath.Join(here, "*")); err != nil || len(left) != 2 { // the state and its keys
		t.Errorf("made here: %v %v", left, err)
	}
	if left, _ := filepath.Glob("/my state*"); len(left) > 0 {
		t.Errorf("made elsewhere: %v", left)
	}
}

// Whoever may not look into the folder is told so, and not that there is nothing.
func TestStateOfAnotherUserIsNotCalledMissing(t *testing.T) {
	if os.Getuid() != 0 {
		return // to become somebody else takes root, and root alone is let into every folder
	}
	dir, err := os.MkdirTemp("/tmp", "weir-manners-") //nolint:usetesting // the other user must be able to walk there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	state := filepath.Dir(write(t, dir, "state/state.json", `{"format": 1, "id": "abc", "keys": ""}`))
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "status", "--state", state)
	cmd.Args[0], cmd.Dir = "weir", dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{exit.ExitCode(), "", string(out)}
	mannerly(t, "a stranger", r)
	if r.code != 4 || !strings.Contains(r.stderr, "is closed to you") {
		t.Errorf("%+v", r)
	}
}
