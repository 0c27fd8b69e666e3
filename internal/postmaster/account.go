package postmaster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/weirproject/weir/internal/fault"
)

// account is the operating-system user that the server runs as; the zero value is the user of this process.
type account struct {
	switched bool
	uid, gid uint32
}

// serverAccount picks the user: PostgreSQL refuses to run as root, so root hands over to postgres or nobody.
func serverAccount() (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil || uid == 0 {
			continue
		}
		return account{switched: true, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return account{}, fault.New(fault.Unavailable, "PostgreSQL does not run as root and there is no other user to run it as",
		"run weir as an ordinary user, or add a user named postgres")
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.switched {
		return nil
	}
	if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give folder to the server's user: %w", err)
	}
	return nil
}

// reach checks that the account can walk down to dir: a folder under a parent that only root may enter is of no use to it.
func (a account) reach(dir string) error {
	if !a.switched {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		st, err := os.Stat(parent)
		if errors.Is(err, fs.ErrNotExist) {
			continue // Start makes it so that everybody may enter
		}
		if err != nil {
			return fmt.Errorf("look at parent folder: %w", err)
		}
		if st.Mode().Perm()&0o001 == 0 && !a.owns(st) {
			return fault.New(fault.Unavailable, "the server's user cannot enter "+parent, "use a folder below one that everybody may enter, or chmod o+x "+parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}
