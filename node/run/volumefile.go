package run

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// volumeFile is an open file or directory of a volume. It keeps its own offset,
// so that appending and booking sizes need no help from the kernel.
type volumeFile struct {
	wasisys.UnimplementedFile
	volume *volume
	file   *os.File
	name   string // at the time of opening
	node   *node  // the booked size; nil in read-only volumes and for directories
	dir    bool
	append bool

	readable, writable bool
	offset             int64
	entries            []wasisys.Dirent // of a directory, sorted
	listed             bool
	closed             bool
}

// seekOffset is int64 by another name, because go vet takes any Seek(int64, int)
// for io.Seeker's and this one is WASI's.
type seekOffset = int64

// Ino implements wasisys.File.
func (f *volumeFile) Ino() (sys.Inode, wasisys.Errno) { return pathIno(f.name), 0 }

// IsDir implements wasisys.File.
func (f *volumeFile) IsDir() (bool, wasisys.Errno) { return f.dir, 0 }

// IsAppend implements wasisys.File.
func (f *volumeFile) IsAppend() bool { return f.append }

// SetAppend implements wasisys.File.
func (f *volumeFile) SetAppend(enable bool) wasisys.Errno {
	if f.dir {
		return wasisys.EISDIR
	}
	f.append = enable
	return 0
}

// Stat implements wasisys.File.
func (f *volumeFile) Stat() (sys.Stat_t, wasisys.Errno) {
	info, err := f.file.Stat()
	if err != nil {
		return sys.Stat_t{}, errnoOf(err)
	}
	return statOf(info, f.name, f.volume.fixed), 0
}

// Read implements wasisys.File.
func (f *volumeFile) Read(buf []byte) (int, wasisys.Errno) {
	n, errno := f.Pread(buf, f.offset)
	f.offset += int64(n)
	return n, errno
}

// Pread implements wasisys.File.
func (f *volumeFile) Pread(buf []byte, offset int64) (int, wasisys.Errno) {
	switch {
	case f.dir:
		return 0, wasisys.EISDIR
	case !f.readable:
		return 0, wasisys.EBADF
	case offset < 0:
		return 0, wasisys.EINVAL
	}
	n, err := f.file.ReadAt(buf, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errnoOf(err)
}

// Seek implements wasisys.File.
func (f *volumeFile) Seek(offset seekOffset, whence int) (int64, wasisys.Errno) {
	if f.dir {
		if offset != 0 || whence != io.SeekStart {
			return 0, wasisys.EINVAL
		}
		f.entries, f.listed = nil, false
		return 0, 0
	}
	base := int64(0)
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		base = f.offset
	case io.SeekEnd:
		info, err := f.file.Stat()
		if err != nil {
			return 0, errnoOf(err)
		}
		base = info.Size()
	default:
		return 0, wasisys.EINVAL
	}
	if offset > math.MaxInt64-base || base+offset < 0 {
		return 0, wasisys.EINVAL
	}
	f.offset = base + offset
	return f.offset, 0
}

// Readdir implements wasisys.File. Names come sorted, so that a listing tells
// nothing but the content.
func (f *volumeFile) Readdir(n int) ([]wasisys.Dirent, wasisys.Errno) {
	if !f.dir {
		return nil, wasisys.ENOTDIR
	}
	if !f.listed {
		entries, errno := f.list()
		if errno != 0 {
			return nil, errno
		}
		f.entries, f.listed = entries, true
	}
	if n <= 0 || n > len(f.entries) {
		n = len(f.entries)
	}
	part := f.entries[:n]
	f.entries = f.entries[n:]
	return slices.Clone(part), 0
}

func (f *volumeFile) list() ([]wasisys.Dirent, wasisys.Errno) {
	if _, err := f.file.Seek(0, io.SeekStart); err != nil {
		return nil, errnoOf(err)
	}
	found, err := f.file.ReadDir(-1)
	if err != nil {
		return nil, errnoOf(err)
	}
	slices.SortFunc(found, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	entries := make([]wasisys.Dirent, 0, len(found))
	for _, e := range found {
		entries = append(entries, wasisys.Dirent{Ino: pathIno(path.Join(f.name, e.Name())), Name: e.Name(), Type: e.Type()})
	}
	return entries, 0
}

// Write implements wasisys.File.
func (f *volumeFile) Write(buf []byte) (int, wasisys.Errno) {
	if f.append && f.node != nil {
		f.offset = f.node.size
	}
	n, errno := f.Pwrite(buf, f.offset)
	f.offset += int64(n)
	return n, errno
}

// Pwrite implements wasisys.File. What does not fit the quota is not written at all.
func (f *volumeFile) Pwrite(buf []byte, offset int64) (int, wasisys.Errno) {
	switch {
	case f.dir:
		return 0, wasisys.EISDIR
	case !f.writable || f.node == nil:
		return 0, wasisys.EBADF
	case offset < 0:
		return 0, wasisys.EINVAL
	case len(buf) == 0:
		return 0, 0
	case offset > math.MaxInt64-int64(len(buf)):
		return 0, f.volume.quota.full()
	}
	before := f.node.size
	if end := offset + int64(len(buf)); end > before {
		if errno := f.volume.quota.resize(f.node, end); errno != 0 {
			return 0, errno
		}
	}
	n, err := f.file.WriteAt(buf, offset)
	if end := offset + int64(n); err != nil {
		// A short write: book what is really there. Shrinking always succeeds.
		_ = f.volume.quota.resize(f.node, max(before, end))
	}
	return n, errnoOf(err)
}

// Truncate implements wasisys.File.
func (f *volumeFile) Truncate(size int64) wasisys.Errno {
	switch {
	case f.dir:
		return wasisys.EISDIR
	case !f.writable || f.node == nil:
		return wasisys.EBADF
	case size < 0:
		return wasisys.EINVAL
	}
	return f.truncate(size)
}

func (f *volumeFile) truncate(size int64) wasisys.Errno {
	before := f.node.size
	if errno := f.volume.quota.resize(f.node, size); errno != 0 {
		return errno
	}
	if err := f.file.Truncate(size); err != nil {
		// Nothing changed on disk, and going back to what was booked always fits.
		_ = f.volume.quota.resize(f.node, before)
		return errnoOf(err)
	}
	return 0
}

// Utimens implements wasisys.File; see volume.
func (f *volumeFile) Utimens(_, _ int64) wasisys.Errno {
	if f.volume.quota == nil {
		return wasisys.EROFS
	}
	return 0
}

// Close implements wasisys.File.
func (f *volumeFile) Close() wasisys.Errno {
	if f.closed {
		return 0
	}
	f.closed = true
	err := f.file.Close()
	if f.node != nil {
		f.node.open--
		f.volume.quota.settle(f.node)
	}
	return errnoOf(err)
}
