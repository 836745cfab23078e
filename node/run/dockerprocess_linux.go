package run

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// initProcess is a container's first process, held so that it can be ended
// without the engine: with it the kernel kills all others of its PID namespace.
type initProcess struct {
	fd     int
	memory string // file that tells what the container's processes hold, in bytes
}

// holdProcess finds a living process. It returns nil for one that is gone.
func holdProcess(pid int) (*initProcess, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("hold process %d: %w", pid, err)
	}
	return &initProcess{fd: fd, memory: memoryFile(pid)}, nil
}

// kill is no error when the process is gone.
func (p *initProcess) kill() error {
	if err := unix.PidfdSendSignal(p.fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill container: %w", err)
	}
	return nil
}

// gone waits at most so long for the process to end.
func (p *initProcess) gone(timeout time.Duration) bool {
	poll := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(timeout); ; {
		left := max(time.Until(deadline), 0)
		n, err := unix.Poll(poll, int(left.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return err == nil && n == 1
	}
}

func (p *initProcess) close() error { return unix.Close(p.fd) }

// used is what the container holds, 0 where unknown.
func (p *initProcess) used() int64 {
	text, err := os.ReadFile(p.memory)
	if err != nil {
		return 0
	}
	used, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0
	}
	return used
}

// memoryFile finds the memory cgroup of a process, of either version.
func memoryFile(pid int) string {
	const root = "/sys/fs/cgroup"
	groups, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	unified := ""
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if fields[1] == "memory" {
			return filepath.Join(root, "memory", fields[2], "memory.usage_in_bytes")
		}
		if fields[0] == "0" {
			unified = filepath.Join(root, fields[2], "memory.current")
		}
	}
	return unified
}
