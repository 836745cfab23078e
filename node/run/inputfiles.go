package run

import (
	"io/fs"
	"maps"
	"slices"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// inputFiles is a read-only guest directory made of single files that may come
// from anywhere on this machine, and shows nothing else of where they lie.
type inputFiles struct {
	wasisys.UnimplementedFS
	files map[string]inputFile // by name in the guest directory
}

type inputFile struct {
	volume *volume // the directory that holds it
	name   string  // in that directory
}

// OpenFile implements wasisys.FS.
func (d *inputFiles) OpenFile(name string, flag wasisys.Oflag, perm fs.FileMode) (wasisys.File, wasisys.Errno) {
	clean, errno := local(name)
	if errno != 0 {
		return nil, errno
	}
	if clean == "." {
		return &inputFilesDir{files: d}, 0
	}
	file, ok := d.files[clean]
	if !ok {
		if flag&wasisys.O_CREAT != 0 {
			return nil, wasisys.EROFS
		}
		return nil, wasisys.ENOENT
	}
	return file.volume.OpenFile(file.name, flag, perm)
}

// Stat implements wasisys.FS.
func (d *inputFiles) Stat(name string) (sys.Stat_t, wasisys.Errno) {
	clean, errno := local(name)
	if errno != 0 {
		return sys.Stat_t{}, errno
	}
	if clean == "." {
		return sys.Stat_t{Ino: pathIno("."), Mode: fs.ModeDir | 0o500, Nlink: 1, Atim: fixedEpoch, Mtim: fixedEpoch, Ctim: fixedEpoch}, 0
	}
	file, ok := d.files[clean]
	if !ok {
		return sys.Stat_t{}, wasisys.ENOENT
	}
	return file.volume.Stat(file.name)
}

// Lstat implements wasisys.FS.
func (d *inputFiles) Lstat(name string) (sys.Stat_t, wasisys.Errno) { return d.Stat(name) }

// inputFilesDir is the open directory.
type inputFilesDir struct {
	wasisys.DirFile
	files *inputFiles
	read  int
}

// Stat implements wasisys.File.
func (f *inputFilesDir) Stat() (sys.Stat_t, wasisys.Errno) { return f.files.Stat(".") }

// Seek implements wasisys.File.
func (f *inputFilesDir) Seek(offset seekOffset, whence int) (int64, wasisys.Errno) {
	if offset != 0 || whence != 0 {
		return 0, wasisys.EINVAL
	}
	f.read = 0
	return 0, 0
}

// Readdir implements wasisys.File.
func (f *inputFilesDir) Readdir(n int) ([]wasisys.Dirent, wasisys.Errno) {
	names := slices.Sorted(maps.Keys(f.files.files))[f.read:]
	if n > 0 && n < len(names) {
		names = names[:n]
	}
	f.read += len(names)
	entries := make([]wasisys.Dirent, 0, len(names))
	for _, name := range names {
		entries = append(entries, wasisys.Dirent{Ino: pathIno(name), Name: name})
	}
	return entries, 0
}

// The rest of wasisys.File, which DirFile leaves open.

// Dev implements wasisys.File.
func (f *inputFilesDir) Dev() (uint64, wasisys.Errno) { return 0, 0 }

// Ino implements wasisys.File.
func (f *inputFilesDir) Ino() (sys.Inode, wasisys.Errno) { return pathIno("."), 0 }

// Sync implements wasisys.File.
func (f *inputFilesDir) Sync() wasisys.Errno { return 0 }

// Datasync implements wasisys.File.
func (f *inputFilesDir) Datasync() wasisys.Errno { return 0 }

// Utimens implements wasisys.File.
func (f *inputFilesDir) Utimens(_, _ int64) wasisys.Errno { return wasisys.EROFS }

// Close implements wasisys.File.
func (f *inputFilesDir) Close() wasisys.Errno { return 0 }
