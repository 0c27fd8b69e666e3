package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

// vocabulary are the words of the commands: what the documentation calls things. A command of another name is a change of the vocabulary first.
var vocabulary = map[string][]string{
	"demo": nil, "init": nil, "check": nil, "source": {"script", "release"}, "plan": nil, "run": nil, "status": nil, "verify": nil, "explain": nil, "query": nil,
	"metric": {"list", "show"}, "policy": {"check", "diff"}, "approval": {"list", "grant"}, "user": {"add", "list", "show", "invite", "password", "certificate", "sessions", "remove"}, "login": nil, "ledger": {"show", "verify"},
	"audit": nil, "guard": {"run", "findings"}, "incident": {"open", "report", "contain", "notify", "close"}, "fleet": {"create", "live"}, "key": {"rotate"}, "erase": nil,
	"help": nil, "completion": {"bash", "zsh", "fish", "powershell"},
}

// everyCommand calls f with every command below the root, by its words.
func everyCommand(root *cobra.Command, f func(words []string, c *cobra.Command)) {
	var walk func(c *cobra.Command, words []string)
	walk = func(c *cobra.Command, words []string) {
		for _, child := range c.Commands() {
			w := append(slices.Clone(words), child.Name())
			f(w, child)
			walk(child, w)
		}
	}
	walk(root, nil)
}

// called runs a command line within the test.
func called(t *testing.T, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := run(t.Context(), append([]string{}, args...), &out, &errOut) // no nil: that would be the test's own
	return result{code, out.String(), errOut.String()}
}

func TestCommandsAreOfTheVocabularyAndHaveHelp(t *testing.T) {
	n := 0
	everyCommand((&app{}).root(), func(words []string, c *cobra.Command) {
		n++
		name := strings.Join(words, " ")
		verbs, known := vocabulary[words[0]]
		if !known || len(words) > 2 || len(words) == 2 && !slices.Contains(verbs, words[1]) {
			t.Errorf("weir %s is not of the vocabulary", name)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") || unicode.IsUpper(rune(c.Short[0])) {
			t.Errorf("weir %s: short help %q", name, c.Short)
		}
		if !c.Runnable() {
			t.Errorf("weir %s does nothing", name)
		}
		for _, args := range [][]string{append([]string{"help"}, words...), append(slices.Clone(words), "--help")} {
			r := called(t, args...)
			if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, c.Short) && !strings.Contains(r.stdout, c.Long) || !strings.Contains(r.stdout, "Usage:\n  weir "+name) {
				t.Errorf("weir %s: %+v", strings.Join(args, " "), r)
			}
		}
		for line := range strings.Lines(c.Example) {
			parses(t, strings.Fields(line))
		}
	})
	if n < 20 {
		t.Fatalf("only %d commands", n)
	}
	if r := called(t); r.code != 0 || !strings.Contains(r.stdout, "Exit status: 0 done, 1 failed, 2 wrong usage, 3 something was found") {
		t.Errorf("weir alone: %+v", r)
	}
}

// parses fails unless there is such a command with such flags.
func parses(t *testing.T, words []string) {
	t.Helper()
	if len(words) == 0 || words[0] != "weir" {
		t.Errorf("%q is no command line", words)
		return
	}
	c, rest, err := (&app{}).root().Find(words[1:])
	if err == nil {
		err = c.ParseFlags(rest)
	}
	if err != nil || c.HasSubCommands() {
		t.Errorf("%q cannot be called: %v", strings.Join(words, " "), err)
	}
}

var mentioned = regexp.MustCompile(`\bweir ([a-z]+)(?: ([a-z]+))?((?: --[a-z-]+)*)`)

// Whatever weir tells people to run exists, with the flags that it names.
func TestCommandsThatHintsNameExist(t *testing.T) {
	found := 0
	for _, dir := range []string{".", "node", "flow", "gate", "policy", "metric", "source", "store", "engine", "ledger", "fleet", "people", "decision", "postmaster", "treatment"} {
		if dir != "." {
			dir = filepath.Join("..", "..", "internal", dir)
		}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && path != dir && filepath.Base(dir) == "gate" {
				return filepath.SkipDir // its ways in are packages of their own
			}
			if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					return true
				}
				for _, m := range mentioned.FindAllStringSubmatch(text, -1) {
					verbs, known := vocabulary[m[1]]
					if !known || m[1] == "help" {
						continue // a sentence about weir
					}
					found++
					words := []string{"weir", m[1]}
					if len(verbs) > 0 && slices.Contains(verbs, m[2]) {
						words = append(words, m[2])
					} else if len(verbs) > 0 {
						continue // the noun alone
					}
					for _, flag := range strings.Fields(m[3]) {
						words = append(words, flag+"=1")
					}
					parses(t, words)
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 20 {
		t.Errorf("only %d commands are named", found)
	}
}

func TestWrongWordsAndFlagsSayWhatWasMeant(t *testing.T) {
	for _, c := range []struct{ args, message, hint string }{
		{"metic show", "there is no command weir metic", "did you mean weir metric? weir help shows the commands"},
		{"metric shwo", "there is no command weir metric shwo", "did you mean weir metric show? weir help metric shows what there is"},
		{"help staus", "there is no command weir staus", "did you mean weir status? weir help shows the commands"},
		{"frobnicate", "there is no command weir frobnicate", "weir help shows the commands"},
		{"metric", "weir metric needs to know what to do", "weir help metric shows what there is"},
		{"metric show", "weir metric show needs to know more", "weir metric show NAME; weir help metric show says more"},
		{"metric show a b", `weir metric show takes no "b"`, "weir metric show NAME; weir help metric show says more"},
		{"run now", `weir run takes no "now"`, "weir run; weir help run says more"},
		{"policy diff", "weir policy diff needs to know more", "weir policy diff OLD [NEW]; weir help policy diff says more"},
		{"run --onec", "weir run has no flag --onec", "did you mean --once? weir help run shows its flags"},
		{"--sate x", "weir has no flag --sate", "did you mean --state? weir help shows the flags"},
		{"run -z", "weir run has no flag -z", "weir help run shows its flags"},
		{"run --state", "--state needs a value", "weir help run shows its flags"},
		{"demo --days ten", `--days cannot be "ten"`, "give a whole number; weir help demo shows its flags"},
		{"demo --live 5", `--live cannot be "5"`, "give a duration as 30s, 5m or 2h; weir help demo shows its flags"},
		{"init", "weir init needs the source to look at", "weir init --source postgres://user@host/database"},
		{"fleet create", "weir fleet needs a database to write to", "weir fleet create --to postgres://user@host/database --accounts 1000"},
		{"fleet create --to postgres://h/d --until soon", "--until is not a date", "write it as 2026-11-20"},
		{"fleet create --to postgres://h/d --profile thick", "there is no such profile of the fleet", "use thin or full"},
		{"fleet create --to postgres://h/d --days 0", "a fleet has at least one day of history", "--days 1 is the shortest; --accounts 0 makes the empty schema"},
		{"demo --days 0", "a fleet has at least one day of history", "--days 1 is the shortest; --accounts 0 makes the empty schema"},
		{"ledger verify dir", "weir ledger verify needs the public key", "weir ledger verify --key FILE DIR; weir status prints the key"},
		{"metric show x --from yesterday", `--from "yesterday" is no time`, "give a date (--from 2026-11-01) or an RFC 3339 time (--from 2026-11-01T13:00:00Z)"},
	} {
		r := called(t, strings.Fields(c.args)...)
		if want := "weir: " + c.message + "\nhint: " + c.hint + "\n"; r.code != 2 || r.stdout != "" || r.stderr != want {
			t.Errorf("weir %s: exit %d, %q\n%swant\n%s", c.args, r.code, r.stdout, r.stderr, want)
		}
	}
}
