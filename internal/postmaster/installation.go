package postmaster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/weirproject/weir/internal/fault"
)

const minMajor = 15 // publications with column lists

// installation is a folder of server binaries that belong together.
type installation struct {
	bin   string
	major int
}

// installations lists folders that may hold server binaries: the packagers' places first (programs on the PATH may be wrappers that
// talk to the system's cluster), then whatever the PATH names.
func installations() []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/lib64/pgsql/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	} {
		found, err := filepath.Glob(pattern)
		if err == nil {
			dirs = append(dirs, found...)
		}
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	return dirs
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// find returns the newest usable installation among dirs.
func find(ctx context.Context, dirs []string) (installation, error) {
	var usable []installation
	for _, dir := range dirs {
		if inst, ok := inspect(ctx, dir); ok {
			usable = append(usable, inst)
		}
	}
	if len(usable) == 0 {
		return installation{}, fault.Newf(fault.Unavailable, "no PostgreSQL server (%d or later) is installed on this machine", minMajor).
			WithHint("apt-get install -y postgresql")
	}
	slices.SortStableFunc(usable, func(a, b installation) int { return b.major - a.major })
	return usable[0], nil
}

// inspect says whether dir holds both programs that a server needs, of a version that we can use.
func inspect(ctx context.Context, dir string) (installation, bool) {
	for _, program := range []string{"postgres", "initdb"} {
		st, err := os.Stat(filepath.Join(dir, program))
		if err != nil || !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
			return installation{}, false
		}
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, false
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return installation{}, false
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil || major < minMajor {
		return installation{}, false
	}
	return installation{bin: dir, major: major}, true
}
