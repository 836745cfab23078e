//go:build unix && !linux

package run

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// Shims rest on Linux: namespaces, Landlock and a death signal. Elsewhere the
// package builds, for requesters, and its drivers say so.

type confinement struct {
	read, write []string
	readFiles   []string
	uid         int
	memory      int64
	fileSize    int64
}

const (
	firstUID  = 0
	ownBinary = ""
)

func supported() error {
	return fmt.Errorf("%w: running jobs needs Linux, this is %s", ErrUnsupported, runtime.GOOS)
}

func confine(confinement) (Isolation, error) { return Isolation{}, supported() }

func spawn(string, io.Writer, ...*os.File) (*exec.Cmd, Isolation, error) {
	return nil, Isolation{}, supported()
}

func memoryOf(int) int64 { return 0 }
