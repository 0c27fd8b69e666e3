package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

func isSocket(fd uintptr) bool {
	domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// guardProcess lets no core be dumped and no file be readable by others.
func guardProcess() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	unix.Umask(0o077)
}

// closeStray closes what the child inherited beside its sockets. Whoever opens files without close-on-exec inside weir would hand them to the engine.
func closeStray(sockets int) {
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < controlFD+sockets {
			continue
		}
		target, err := os.Readlink(filepath.Join(folder, e.Name()))
		if err != nil || strings.HasPrefix(target, "anon_inode:") { // the runtime's own poller
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 { // our own are close-on-exec
			_ = unix.Close(fd)
		}
	}
}

// folderRights is what DuckDB needs in the store's folder once its file is open: the log and the checkpoint are written, made and removed there, and never
// read. With them read_blob of the file is refused.
const folderRights = llsys.AccessFSWriteFile | llsys.AccessFSMakeReg | llsys.AccessFSRemoveFile | llsys.AccessFSTruncate | llsys.AccessFSReadDir

// sandbox takes from the process what it no longer needs, for good. Both parts must hold: nothing is done by best effort.
func sandbox(s settings) failure {
	runtime.LockOSThread() // no_new_privs is set by one thread and needed by the next call
	defer runtime.UnlockOSThread()
	if fence(s, kernels) != nil {
		return failLandlock
	}
	if unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) != nil {
		return failSeccomp
	}
	if refuseForeignCalls() != nil || seccomp.LoadFilter(filter()) != nil {
		return failSeccomp
	}
	if !proven(s) {
		return failProof
	}
	return 0
}

// kernel is what one version of Landlock can do.
type kernel struct {
	config   landlock.Config
	truncate bool // it knows the right to truncate; before, the filter of system calls refuses truncation by name, and opening for writing is refused anyway
}

// kernels from the newest to the oldest (Linux 5.13), which is Debian 11's; Debian 12 has the second.
var kernels = []kernel{
	{landlock.V9, true},
	{landlock.V7, true},
	{landlock.V6, true},
	{landlock.V5, true},
	{landlock.V4, true},
	{landlock.V3, true},
	{landlock.V2, false},
	{landlock.V1, false},
}

// fence sets the strongest rules that this kernel has: the store's folder to be written and not read, the spill folder to be used, and nothing else.
func fence(s settings, versions []kernel) error {
	err := errors.New("no landlock")
	for _, k := range versions {
		rights := landlock.AccessFSSet(folderRights)
		if !k.truncate {
			rights &^= llsys.AccessFSTruncate
		}
		var rules []landlock.Rule
		if s.Path != "" {
			rules = append(rules, landlock.PathAccess(rights, filepath.Dir(s.Path)))
		}
		if s.Spill != "" {
			rules = append(rules, landlock.RWDirs(s.Spill))
		}
		if err = k.config.Restrict(rules...); err == nil {
			return nil
		}
	}
	return err
}

// refuseForeignCalls ends the process on a call by another architecture's table (int 0x80 on x86-64), which the filter below would let through.
func refuseForeignCalls() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("read architecture: %w", err)
	}
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4}, // seccomp_data.arch
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return fmt.Errorf("assemble filter: %w", err)
	}
	filters := make([]unix.SockFilter, len(program))
	for i, p := range program {
		filters[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]} //nolint:gosec // four
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog))) //nolint:gosec // the system call takes a pointer
	if errno != 0 {
		return errno
	}
	return nil
}

// known leaves out the calls that this architecture does not have.
func known(names []string) []string {
	info, err := arch.GetInfo("")
	if err != nil {
		return names // and LoadFilter fails
	}
	return slices.DeleteFunc(names, func(n string) bool {
		_, ok := info.SyscallNames[n]
		return !ok
	})
}

// filter refuses what an engine never does: no network, no other program, no look into other processes, no change of the system.
func filter() seccomp.Filter {
	refused := []string{
		"socket", "connect", "bind", "listen", "accept", "accept4",
		"execve", "execveat", "fork", "vfork",
		"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "kill", "tkill",
		"rt_sigqueueinfo", "rt_tgsigqueueinfo",
		"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "pivot_root", "chroot", "unshare", "setns",
		"name_to_handle_at", "open_by_handle_at", "truncate", "mknod", "mknodat", "chown", "fchown", "lchown", "fchownat", "link", "linkat", "symlink", "symlinkat",
		"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
		"keyctl", "add_key", "request_key", "init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "swapoff",
		"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset", "personality", "acct", "quotactl",
		"settimeofday", "clock_settime", "adjtimex", "sethostname", "setdomainname", "syslog", "vhangup",
	}
	return seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{
				{Action: seccomp.ActionErrno, Names: known(refused)},
				// A new process would be a clone that is no thread; clone3 hides its flags, and glibc takes clone when it isn't there.
				{Action: seccomp.ActionErrno, NamesWithCondtions: []seccomp.NameWithConditions{{
					Name: "clone", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}},
				}}},
				{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: []string{"clone3"}},
			},
		},
	}
}

// proven tries what must be refused.
func proven(s settings) bool {
	if s.Path != "" {
		if f, err := os.Open(s.Path); err == nil {
			_ = f.Close()
			return false
		}
	}
	if _, err := os.ReadDir("/"); !errors.Is(err, os.ErrPermission) {
		return false
	}
	for _, family := range []int{unix.AF_INET, unix.AF_INET6, unix.AF_UNIX, unix.AF_NETLINK} {
		if fd, err := unix.Socket(family, unix.SOCK_STREAM, 0); err == nil {
			_ = unix.Close(fd)
			return false
		}
	}
	_, err := net.ListenPacket("udp", "127.0.0.1:0") //nolint:noctx // it is refused at once
	return err != nil
}
