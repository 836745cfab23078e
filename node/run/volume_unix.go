//go:build unix

package run

import (
	"errors"
	"io/fs"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

// inode is the file's number on its own file system.
func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}

// hasErrno tells an error of the kernel from one of the os package's own.
func hasErrno(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}
