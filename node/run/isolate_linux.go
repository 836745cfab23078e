package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// confinement is what a process that touches a stranger's code is left with.
type confinement struct {
	read, write []string // directories below which it may read, or do all
	readFiles   []string // single files that it may read
	uid         int      // taken when started by root
	memory      int64    // bytes of private memory
	fileSize    int64    // bytes in one file
}

// firstUID is where the uids of confined processes begin when the node runs as
// root: one for each living process, because pids are added to it. It lies above
// what containers and system users get, and pids end at 2^22.
const firstUID = 2_000_000_000

// limitedProcesses bounds the threads of a confined process that has a uid of
// its own. The Go runtime needs about a dozen.
const limitedProcesses = 256

// confine gives up, for good, all that c does not name. It must be called from
// the thread that outlives all others, see dieWithParent. Memory safety of the
// runtime is the first wall; this is the second.
func confine(c confinement) (Isolation, error) {
	var got Isolation
	if err := limit(c, &got); err != nil {
		return got, err
	}
	// Before the user changes, who may not even reach these folders.
	if err := dropFiles(c, &got); err != nil {
		return got, err
	}
	parent := os.Getppid()
	if err := dropUser(c.uid, &got); err != nil {
		return got, err
	}
	// Changing the user cleared it. A parent that died in between has sent no signal.
	if err := dieWithParent(); err != nil {
		return got, err
	}
	if os.Getppid() != parent {
		return got, errors.New("parent died")
	}
	got.Applied = append(got.Applied, "dies with its guard")
	if err := llsys.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return got, fmt.Errorf("no_new_privs: %w", err)
	}
	got.Applied = append(got.Applied, "no new privileges")
	return got, nil
}

func limit(c confinement, got *Isolation) error {
	limits := []struct {
		name  string
		what  int
		value uint64
	}{
		{"core files", unix.RLIMIT_CORE, 0},
		{"open files", unix.RLIMIT_NOFILE, maxOpenFiles},
		{"file size", unix.RLIMIT_FSIZE, uint64(c.fileSize)},
		{"memory", unix.RLIMIT_DATA, uint64(c.memory)},
	}
	if os.Geteuid() == 0 {
		limits = append(limits, struct {
			name  string
			what  int
			value uint64
		}{"processes", unix.RLIMIT_NPROC, limitedProcesses})
	}
	var names []string
	for _, l := range limits {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.what, &now); err != nil {
			return fmt.Errorf("limit of %s: %w", l.name, err)
		}
		value := min(l.value, now.Max)
		if err := unix.Setrlimit(l.what, &unix.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("limit of %s to %d: %w", l.name, value, err)
		}
		names = append(names, l.name)
	}
	got.Applied = append(got.Applied, "limits on "+strings.Join(names, ", "))
	return nil
}

// dropUser leaves root for a uid that nothing else has.
func dropUser(uid int, got *Isolation) error {
	if os.Geteuid() != 0 {
		got.Missing = append(got.Missing, "a user of its own: the node does not run as root")
		return nil
	}
	if err := errors.Join(syscall.Setgroups([]int{}), syscall.Setresgid(uid, uid, uid), syscall.Setresuid(uid, uid, uid)); err != nil {
		return fmt.Errorf("become uid %d: %w", uid, err)
	}
	// Changing the user also closed /proc/self to this process itself.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	got.Applied = append(got.Applied, "a user of its own")
	return nil
}

// dropFiles leaves only what c names of the file system, and no TCP, no signals
// and no abstract sockets to outside.
func dropFiles(c confinement, got *Isolation) error {
	version, err := llsys.LandlockGetABIVersion()
	if err != nil || version < 1 {
		got.Missing = append(got.Missing, "Landlock: the kernel has none (5.13 or later with CONFIG_SECURITY_LANDLOCK)")
		return nil
	}
	var rules []landlock.Rule
	if len(c.read) > 0 {
		rules = append(rules, landlock.RODirs(c.read...))
	}
	if len(c.readFiles) > 0 {
		rules = append(rules, landlock.ROFiles(c.readFiles...))
	}
	if len(c.write) > 0 {
		// Rename between directories needs the right to refer.
		rules = append(rules, landlock.RWDirs(c.write...).WithRefer())
	}
	if err := landlock.V8.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	got.Applied = append(got.Applied, fmt.Sprintf("Landlock version %d", version))
	return nil
}

// dieWithParent has the kernel kill this process when the thread that started it
// ends, and is bound to the calling thread.
func dieWithParent() error {
	return unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
}

// spawn starts this binary's shim in another role, with an empty environment,
// no descriptors but files (from 3 on), and a network and IPC of its own where
// that can be had. The child is killed when the calling thread ends, so the
// caller must be locked to one that stays.
func spawn(role string, stderr io.Writer, files ...*os.File) (*exec.Cmd, Isolation, error) {
	command := func(attr syscall.SysProcAttr) *exec.Cmd {
		attr.Pdeathsig = syscall.SIGKILL
		cmd := exec.Command(ownBinary, "shim", role)
		cmd.Env = []string{}
		cmd.Dir = "/"
		cmd.Stderr = stderr
		cmd.ExtraFiles = files
		cmd.SysProcAttr = &attr
		return cmd
	}
	apart := syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC}
	if uid, gid := os.Geteuid(), os.Getegid(); uid != 0 {
		apart.Cloneflags |= syscall.CLONE_NEWUSER
		apart.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		apart.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	cmd := command(apart)
	refused := cmd.Start()
	if refused == nil {
		return cmd, Isolation{Applied: []string{"an empty network"}}, nil
	}
	cmd = command(syscall.SysProcAttr{})
	if err := cmd.Start(); err != nil {
		return nil, Isolation{}, err
	}
	return cmd, Isolation{Missing: []string{"an empty network: " + refused.Error()}}, nil
}

// ownBinary is the running binary itself, even when its file was replaced by an
// upgrade or lies in a folder that a confined process cannot enter.
const ownBinary = "/proc/self/exe"

// memoryOf is the resident memory of a process in bytes, 0 when it is gone.
func memoryOf(pid int) int64 {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// supported tells whether shims can be had on this system.
func supported() error { return nil }
