//go:build unix && !linux

package postmaster

import (
	"os"
	"syscall"
)

// attributes starts a process as the account in its own process group; only Linux can tie its life to ours.
func attributes(a account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

func (a account) owns(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == a.uid && st.Mode().Perm()&0o100 != 0
}

// worksIn cannot be known without /proc.
func worksIn(_ int, _ string) (runs, known bool) { return false, false }
