package run

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of a shim's processes, for whoever looks at them by hand.
const (
	shimOK    = 0
	shimError = 1
	shimUsage = 2
)

// ShimMain is the main function of a shim's processes: `lode shim ROLE` calls it
// with what follows "shim". Only this package starts them; they find their
// sockets at descriptor 3.
func ShimMain(args []string) int {
	// Children are told to die with the thread that started them, so it must stay.
	runtime.LockOSThread()
	role := ""
	if len(args) > 0 {
		role = args[0]
	}
	var err error
	switch {
	case role == "guard" && len(args) == 2:
		err = guardMain(args[1])
	case role == "worker" && len(args) == 1:
		err = workerMain()
	case role == "compile" && len(args) == 1:
		err = compileMain()
	case role == "reaper" && len(args) == 1:
		err = reaperMain()
	default:
		fmt.Fprintln(os.Stderr, "lode shim is started by a node, not by hand")
		return shimUsage
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lode shim %s: %v\n", role, err)
		return shimError
	}
	return shimOK
}

// newWorkload makes what a guard of this kind drives. dir is the driver's
// directory, settings are its own, passed through the greeting.
func newWorkload(kind, dir string, settings json.RawMessage) (workload, error) {
	switch kind {
	case kindWasm:
		return newWasmWorkload(dir)
	case kindDocker:
		return newDockerJob(settings)
	default:
		return nil, fmt.Errorf("%w: no workload %q", ErrSpec, kind)
	}
}

// inheritedConn is the socket that the starter passed at descriptor 3.
func inheritedConn() (*net.UnixConn, error) {
	file := os.NewFile(3, "socket")
	if file == nil {
		return nil, fmt.Errorf("descriptor 3 is no socket")
	}
	unix.CloseOnExec(3)
	return connOf(file)
}

// socketPair gives one end for this process and one to pass to a child, which
// the caller closes once the child has started.
func socketPair() (*net.UnixConn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("socket pair: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "socket")
	ours, err := connOf(os.NewFile(uintptr(fds[0]), "socket"))
	if err != nil {
		// The error to report is the one at hand.
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// connOf takes file over.
func connOf(file *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(file)
	// FileConn has its own copy.
	_ = file.Close()
	if err != nil {
		return nil, err
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		// Nothing was sent on it.
		_ = conn.Close()
		return nil, fmt.Errorf("descriptor is a %T, not a Unix socket", conn)
	}
	return unixConn, nil
}
