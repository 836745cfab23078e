package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func dirOf(t Task) string { return t.(*task).dir }

// guardOf finds the process that holds a lease, by the lock it holds.
func guardOf(tb testing.TB, t Task) int {
	tb.Helper()
	name := filepath.Join(dirOf(t), lockFile)
	for _, pid := range processes(tb) {
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			tb.Fatal(err)
		}
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil && target == name && pid != os.Getpid() {
				return pid
			}
		}
	}
	tb.Fatalf("nobody holds %s", name)
	return 0
}

// workerOf finds a guard's only child.
func workerOf(tb testing.TB, guard int) int {
	tb.Helper()
	for _, pid := range processes(tb) {
		if _, parent := processState(pid); parent == guard {
			return pid
		}
	}
	tb.Fatalf("guard %d has no worker", guard)
	return 0
}

func processes(tb testing.TB) []int {
	tb.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		tb.Fatal(err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processState gives a process's state letter and parent; "" when it is gone.
func processState(pid int) (state string, parent int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, _ = strconv.Atoi(fields[1])
	return fields[0], parent
}

func gone(pid int) bool {
	state, _ := processState(pid)
	return state == "" || state == "Z" || state == "X"
}

func kill(tb testing.TB, pid int) {
	tb.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		tb.Fatal(err)
	}
}

// cpuTime is what a process has used, in clock ticks: proof of running or not.
func cpuTime(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return -1
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return user + system
}
