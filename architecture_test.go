// Package weir_test holds what must be true of the whole tree: which package may import what, which package owns which dependency,
// and a few habits that reviews would otherwise have to watch. It reads the source itself and runs no other program: a test that
// asks the go command passes from the test cache after a violation has been added.
package weir_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "github.com/weirproject/weir/"

// mayImport is the law: each package of ours, and the packages of ours that it may import. What is not listed is forbidden. A new
// package needs a row, and a new name in a row needs a reason in the commit that adds it.
var mayImport = map[string][]string{
	// The command shows what node hands it: that is why it knows the types of source and flow. It composes nothing itself.
	"cmd/weir": {"node", "fault", "engine", "fleet", "flow", "ledger", "metric", "policy", "postmaster", "source"},

	"examples":         {}, // the synthetic company's policy and metrics, built in for the demo
	"fault":            {},
	"policy":           {"fault"},
	"detect":           {"fault", "policy"},
	"treatment":        {"fault", "policy", "detect"},
	"source":           {"fault", "treatment"},
	"source/postgres":  {"source", "treatment", "fault"},
	"source/mysql":     {"source", "treatment", "fault"},
	"fleet":            {"fault"},
	"postmaster":       {"fault"},
	"engine":           {"fault"},
	"store":            {"fault", "treatment"},
	"store/duckdb":     {"store", "engine", "treatment", "fault"},
	"store/clickhouse": {"store", "engine", "treatment", "fault"},
	"flow":             {"source", "policy", "treatment", "store", "ledger", "fault"},
	"metric":           {"fault"},
	"gate":             {"store", "policy", "ledger", "metric", "catalogue", "decision", "fault"},
	"gate/pgwire":      {"arrays", "gate", "metric", "fault"},
	"gate/web":         {"gate", "gate/web/chart", "metric", "people", "fault"}, // people: names, accounts, sessions and secrets as they are shown to their owners
	"gate/web/chart":   {},
	"ledger":           {"fault"},
	"people":           {"fault"},
	"catalogue":        {"fault", "decision"},
	"decision":         {"arrays", "fault"},
	"arrays":           {},
	"guard":            {"ledger", "detect", "policy", "fault"},
	"incident":         {"ledger", "fault"},
	"node": {
		"fault", "policy", "detect", "treatment", "source", "source/postgres", "source/mysql", "fleet", "postmaster", "engine", "store",
		"store/duckdb", "store/clickhouse", "flow", "metric", "gate", "gate/pgwire", "gate/web", "ledger", "guard", "incident", "examples",
		"decision", "people", "catalogue",
	},

	// Measures the rooms together, as node would run them; nothing imports it.
	"benchmark": {"fault", "policy", "treatment", "source/postgres", "fleet", "postmaster", "engine", "store", "store/duckdb", "flow", "ledger"},

	// Support for tests: conformance suites and private servers. No production file imports them.
	"source/sourcetest":         {"source", "treatment", "policy", "fault"},
	"store/storetest":           {"store", "treatment", "policy", "fault"},
	"postmaster/postmastertest": {"postmaster", "fault"},
}

// support are the packages for tests alone; any test may import them.
var support = []string{"source/sourcetest", "store/storetest", "postmaster/postmastertest"}

// testsMayImport is what tests may import of ours besides their package's own row and support. Each is there to run a package against
// the real thing. The empty name is for all tests.
var testsMayImport = map[string][]string{
	"":     {"fault", "fleet", "policy", "postmaster"},
	"flow": {"source/postgres", "store/duckdb", "engine"},
	"gate": {"engine", "store/duckdb", "treatment"},

	"catalogue":       {"engine", "gate/pgwire"},
	"decision":        {"engine"},
	"gate/pgwire":     {"store", "ledger", "engine", "store/duckdb", "treatment"},
	"gate/web":        {"store", "ledger", "engine", "store/duckdb", "treatment"},
	"metric":          {"engine"},
	"store/storetest": {"engine"},
}

// owners says which packages may import which dependency, by the longest prefix of its path; "*" is every package.
// What is not listed is forbidden everywhere.
var owners = map[string][]string{
	"C":                                    {"engine"},
	"github.com/duckdb":                    {"engine"},
	"github.com/landlock-lsm":              {"engine"},
	"github.com/elastic/go-seccomp-bpf":    {"engine"},
	"golang.org/x/net/bpf":                 {"engine"},
	"github.com/jackc/pgx/v5":              {"source/postgres", "fleet", "postmaster", "postmaster/postmastertest", "benchmark"},
	"golang.org/x/mod/sumdb":               {"ledger"},
	"github.com/spf13/cobra":               {"cmd/weir"},
	"golang.org/x/term":                    {"cmd/weir"},
	"github.com/spf13/pflag":               {"cmd/weir"}, // cobra's flags
	"github.com/schollz/progressbar/v3":    {"cmd/weir"},
	"github.com/goccy/go-yaml":             {"policy", "metric", "node"},
	"golang.org/x/crypto":                  {"people"},      // argon2id
	"github.com/xdg-go/scram":              {"gate/pgwire"}, // the server's side of SCRAM
	"golang.org/x/sys":                     {"engine", "node", "postmaster", "ledger", "cmd/weir"},
	"github.com/apache/arrow-go/v18/arrow": {"treatment", "engine", "store", "store/duckdb", "store/storetest", "source/sourcetest", "flow", "metric", "catalogue", "gate", "gate/web", "gate/pgwire", "node"},
}

// testOwners is what tests may import besides; "*" is every package.
var testOwners = map[string][]string{
	"github.com/jackc/pgx/v5":              {"*"},
	"github.com/apache/arrow-go/v18/arrow": {"*"},
	"github.com/goccy/go-yaml":             {"*"},
	"github.com/chromedp":                  {"gate/web", "cmd/weir"}, // pages are looked at in a real browser
	"github.com/duckdb":                    {"metric"},               // its SQL is tried on the engine that will run it
	"github.com/google/go-cmp":             {"*"},
	"github.com/rogpeppe/go-internal":      {"cmd/weir"},
	"github.com/xdg-go/scram":              {"people"}, // its verifiers are tried with a real client and server
	"go.uber.org/goleak":                   {"*"},
	"golang.org/x/sys":                     {"*"},
	"pgregory.net/rapid":                   {"*"},
}

// nobody names a folder so: what belongs everywhere belongs nowhere.
var forbiddenFolders = []string{"util", "utils", "common", "helper", "helpers", "shared", "base", "misc"}

// node is where everything is put together; whoever else could import it would be a second such place.
func TestOnlyTheCommandImportsNode(t *testing.T) {
	for name, row := range mayImport {
		if name != "cmd/weir" && slices.Contains(row, "node") {
			t.Errorf("%s may import node", name)
		}
	}
}

func TestTheTreeKeepsItsArchitecture(t *testing.T) {
	problems, packages, err := check(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if packages < 5 {
		t.Fatalf("%d packages were found: the test looks at the wrong folder", packages)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// check reads every Go file of a tree and returns what is wrong, and how many packages it saw.
func check(tree fs.FS) (problems []string, packages int, err error) {
	documented := map[string]bool{}
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "bin" || base == "demo") {
				return fs.SkipDir
			}
			if slices.Contains(forbiddenFolders, d.Name()) {
				problems = append(problems, fmt.Sprintf("%s: a folder may not be named %s; name it after what it owns", name, d.Name()))
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || !strings.Contains(name, "/") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		f, err := parseFile(name, text)
		if err != nil {
			return err
		}
		problems = append(problems, f.imports()...)
		if !f.test && !slices.Contains(support, f.pkg) { // a test may well look at what an error says
			problems = append(problems, f.habits()...)
		}
		if !f.test {
			documented[f.pkg] = documented[f.pkg] || f.documented()
		}
		return nil
	})
	for pkg, ok := range documented {
		if !ok {
			problems = append(problems, pkg+": no file has a package comment that says what the package owns and will not do")
		}
	}
	slices.Sort(problems)
	return problems, len(documented), err
}

// file is one parsed source file.
type file struct {
	name string
	pkg  string // as in mayImport
	test bool
	ast  *ast.File
	set  *token.FileSet
}

func parseFile(name string, text []byte) (file, error) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, fmt.Errorf("parse %s: %w", name, err)
	}
	return file{
		name: name, pkg: strings.TrimPrefix(path.Dir(name), "internal/"), test: strings.HasSuffix(name, "_test.go"), ast: parsed, set: set,
	}, nil
}

// documented says whether the file carries the package's comment.
func (f file) documented() bool {
	if f.ast.Doc == nil {
		return false
	}
	text := f.ast.Doc.Text()
	return strings.HasPrefix(text, "Package "+f.ast.Name.Name+" ") || strings.HasPrefix(text, "Command ")
}

// imports returns the imports that no row lists.
func (f file) imports() []string {
	row, listed := mayImport[f.pkg]
	if !listed {
		return []string{f.name + ": package " + f.pkg + " has no row in the table of the architecture test"}
	}
	var problems []string
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			problems = append(problems, f.name+": "+err.Error())
			continue
		}
		ours, isOurs := strings.CutPrefix(imported, module)
		switch {
		case isOurs:
			ours = strings.TrimPrefix(ours, "internal/")
			if !slices.Contains(row, ours) && !f.testMayImport(ours) {
				problems = append(problems, fmt.Sprintf("%s: %s may not import %s", f.name, f.pkg, ours))
			}
		case imported == "C" || strings.Contains(strings.Split(imported, "/")[0], "."):
			if !owns(owners, imported, f.pkg) && (!f.test || !owns(testOwners, imported, f.pkg)) {
				problems = append(problems, fmt.Sprintf("%s: %s may not import %s", f.name, f.pkg, imported))
			}
		}
	}
	return problems
}

func (f file) testMayImport(ours string) bool {
	return f.test && (ours == f.pkg || slices.Contains(support, ours) || slices.Contains(testsMayImport[""], ours) ||
		slices.Contains(testsMayImport[f.pkg], ours) || f.pkg == "cmd/weir" || f.pkg == "node")
}

// owns looks up the longest listed prefix of a dependency's path.
func owns(table map[string][]string, imported, pkg string) bool {
	for prefix := imported; prefix != "."; prefix = path.Dir(prefix) {
		if listed, ok := table[prefix]; ok {
			return slices.Contains(listed, pkg) || slices.Contains(listed, "*")
		}
	}
	return false
}

// habits finds, in production files, errors that are classified by their text, errors that say that they are errors, and sleeping.
func (f file) habits() []string {
	var problems []string
	report := func(at ast.Node, what string) {
		problems = append(problems, fmt.Sprintf("%s:%d: %s", f.name, f.set.Position(at.Pos()).Line, what))
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && (isErrorText(n.X) || isErrorText(n.Y)) {
				report(n, "an error is told by its text; use errors.Is or errors.As")
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && isErrorText(n.Tag) {
				report(n, "an error is told by its text; use errors.Is or errors.As")
			}
		case *ast.CallExpr:
			f.call(n, report)
		}
		return true
	})
	return problems
}

// call judges one call.
func (f file) call(c *ast.CallExpr, report func(ast.Node, string)) {
	name := calledName(c)
	if (strings.HasPrefix(name, "strings.") || strings.HasPrefix(name, "regexp.") || strings.HasSuffix(name, ".MatchString")) &&
		slices.ContainsFunc(c.Args, isErrorText) {
		report(c, "an error is told by its text; use errors.Is or errors.As")
	}
	switch name {
	case "time.Sleep":
		report(c, "production code does not sleep; wait for what should happen, or for a timer beside ctx.Done")
	case "errors.New", "fmt.Errorf", "fault.New", "fault.Newf":
		for _, arg := range c.Args {
			text := strings.ToLower(literal(arg))
			for _, prefix := range []string{"failed to", "error ", "error:"} {
				if strings.HasPrefix(text, prefix) {
					report(c, "an error says what happened, as verb and object, not that it is an error")
				}
			}
		}
	}
}

// isErrorText says whether e is x.Error().
func isErrorText(e ast.Expr) bool {
	c, ok := e.(*ast.CallExpr)
	if !ok || len(c.Args) != 0 {
		return false
	}
	s, ok := c.Fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Error"
}

// calledName is "package.Function" or "value.Method" as written; empty for anything else.
func calledName(c *ast.CallExpr) string {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}

// literal is the text of a string literal; empty for anything else.
func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return text
}

// TestEveryViolationIsSeen tries the check itself: one bad file each, and what must be said about it.
func TestEveryViolationIsSeen(t *testing.T) {
	const doc = "// Package x owns x.\n"
	for name, c := range map[string]struct {
		path, source, want string
	}{
		"what is fine":                {"internal/ledger/a.go", doc + "package x\nimport (\n_ \"" + module + "internal/fault\"\n_ \"golang.org/x/mod/sumdb/tlog\"\n_ \"os\")\nfunc f() { errors.New(\"read file\") }", ""},
		"a row that does not list it": {"internal/ledger/a.go", doc + "package x\nimport _ \"" + module + "internal/policy\"", "ledger may not import policy"},
		"a package without a row":     {"internal/gadget/a.go", doc + "package x", "gadget has no row"},
		"a folder of everything":      {"internal/gate/util/a.go", doc + "package x", "may not be named util"},
		"the composer":                {"internal/gate/a.go", doc + "package x\nimport _ \"" + module + "internal/node\"", "gate may not import node"},
		"one source in another":       {"internal/source/mysql/a.go", doc + "package x\nimport _ \"" + module + "internal/source/postgres\"", "may not import source/postgres"},
		"what a test may do":          {"internal/store/storetest/a.go", "// Package x owns x.\npackage x\nfunc f(err error) bool { return strings.Contains(err.Error(), canary) }", ""},
		"test support in production":  {"internal/flow/a.go", doc + "package x\nimport _ \"" + module + "internal/store/storetest\"", "flow may not import store/storetest"},
		"a driver outside":            {"internal/gate/a.go", doc + "package x\nimport _ \"github.com/duckdb/duckdb-go/v2\"", "gate may not import github.com/duckdb"},
		"a driver in a test":          {"internal/gate/a_test.go", "package x\nimport _ \"github.com/duckdb/duckdb-go/v2\"", "gate may not import github.com/duckdb"},
		"PostgreSQL in the store":     {"internal/store/a.go", doc + "package x\nimport _ \"github.com/jackc/pgx/v5/pgconn\"", "store may not import github.com/jackc/pgx"},
		"PostgreSQL in a test":        {"internal/store/a_test.go", "package x\nimport _ \"github.com/jackc/pgx/v5/pgconn\"", ""},
		"cgo":                         {"internal/store/a.go", doc + "package x\nimport \"C\"", "store may not import C"},
		"an unknown dependency":       {"internal/gate/a.go", doc + "package x\nimport _ \"example.com/left/pad\"", "may not import example.com/left/pad"},
		"behind a build tag":          {"internal/gate/a.go", "//go:build never\n\n" + doc + "package x\nimport _ \"" + module + "internal/flow\"", "gate may not import flow"},
		"no package comment":          {"internal/gate/a.go", "package gate", "no file has a package comment"},
		"a comment about another":     {"internal/gate/a.go", doc + "package gate", "no file has a package comment"},
		"an error by its text":        {"internal/gate/a.go", doc + "package x\nfunc f(err error) bool { return strings.Contains(err.Error(), \"refused\") }", "a.go:3: an error is told by its text"},
		"an error compared":           {"internal/gate/a.go", doc + "package x\nfunc f(err error) bool { return \"x\" == err.Error() }", "an error is told by its text"},
		"an error switched on":        {"internal/gate/a.go", doc + "package x\nfunc f(err error) { switch err.Error() { } }", "an error is told by its text"},
		"an error by pattern":         {"internal/gate/a.go", doc + "package x\nfunc f(err error) bool { return pattern.MatchString(err.Error()) }", "an error is told by its text"},
		"an error that failed to":     {"internal/gate/a.go", doc + "package x\nvar e = fmt.Errorf(\"failed to read: %w\", x)", "an error says what happened"},
		"an error that is an error":   {"internal/gate/a.go", doc + "package x\nvar e = fault.New(fault.Found, \"Error reading\", \"\")", "an error says what happened"},
		"sleep":                       {"internal/gate/a.go", doc + "package x\nfunc f() { time.Sleep(1) }", "does not sleep"},
	} {
		t.Run(name, func(t *testing.T) {
			problems, _, err := check(fstest.MapFS{c.path: {Data: []byte(c.source)}})
			if err != nil {
				t.Fatal(err)
			}
			// A small bad file may be bad in a second way; only the expected one is looked for.
			problems = slices.DeleteFunc(problems, func(p string) bool { return c.want != "" && !strings.Contains(p, c.want) })
			if (c.want == "") != (len(problems) == 0) {
				t.Errorf("got %q, want %q", problems, cmp.Or(c.want, "nothing"))
			}
		})
	}
}

func TestBrokenSourceIsAnError(t *testing.T) {
	if _, _, err := check(fstest.MapFS{"internal/gate/a.go": {Data: []byte("package")}}); err == nil {
		t.Error("a file that cannot be parsed was passed over")
	}
}
