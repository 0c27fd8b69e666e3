package postmaster

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// attributes starts a process as the account, in its own process group (Ctrl-C is for weir, which then stops the server in order), and
// has the kernel end it when weir ends. SIGQUIT, because nobody is left to wait for a slower shutdown; the next start recovers.
func attributes(a account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if a.switched {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// owns says whether the file belongs to the account and its owner may enter it.
func (a account) owns(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == a.uid && st.Mode().Perm()&0o100 != 0
}

// worksIn says whether the process pid lives and has dir as its working directory, as a PostgreSQL server has its data directory.
func worksIn(pid int, dir string) (runs, known bool) {
	cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	if err != nil {
		return false, os.IsNotExist(err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false, false
	}
	return cwd == real, true
}
