package run

import (
	"errors"
	"hash/fnv"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
)

// volume is one directory of this machine as a job sees it. All paths go
// through os.Root, so neither `..` nor a link leads out of it; links cannot be
// made in it, and only regular files and directories can be opened. A writable
// volume has a quota and starts empty; only the job, which has one thread,
// writes to it.
//
// File times are no part of an output, so setting them is accepted and does
// nothing.
type volume struct {
	wasisys.UnimplementedFS
	root  *os.Root
	quota *quota // nil: read-only
	fixed bool   // deterministic: all times are fixedEpoch
	// single: only one file of root is meant; inputFiles shows it.
	single bool
}

// quota bounds a writable volume. It counts sizes as a reader sees them, holes
// included, because that is what storing and sending the outputs costs.
type quota struct {
	maxBytes, maxFiles int64
	maxDepth           int
	bytes, files       int64
	exceeded           bool
	nodes              map[uint64]*node // by inode: files that exist or are open
}

// node is one file's share of the quota. An unlinked file counts until its last
// descriptor is closed.
type node struct {
	ino    uint64
	size   int64
	open   int
	linked bool
}

func newQuota(maxBytes, maxFiles int64, maxDepth int) *quota {
	return &quota{maxBytes: maxBytes, maxFiles: maxFiles, maxDepth: maxDepth, nodes: make(map[uint64]*node)}
}

// full remembers that a limit was met. wazero knows no ENOSPC; EIO is what a
// job gets for it.
func (q *quota) full() wasisys.Errno {
	q.exceeded = true
	return wasisys.EIO
}

// resize books a file's new size.
func (q *quota) resize(n *node, size int64) wasisys.Errno {
	if grown := size - n.size; grown > 0 && grown > q.maxBytes-q.bytes {
		return q.full()
	}
	q.bytes += size - n.size
	n.size = size
	return 0
}

// settle forgets a file that neither a name nor a descriptor holds any more.
func (q *quota) settle(n *node) {
	if !n.linked && n.open == 0 {
		q.bytes -= n.size
		q.files--
		delete(q.nodes, n.ino)
	}
}

// unlinked books that the name of the file with this inode is gone.
func (q *quota) unlinked(ino uint64) {
	if n := q.nodes[ino]; n != nil {
		n.linked = false
		q.settle(n)
	}
}

// room tells whether one more file or directory may be made at name.
func (q *quota) room(name string) wasisys.Errno {
	if q.files >= q.maxFiles || depth(name) > q.maxDepth {
		return q.full()
	}
	return 0
}

func depth(name string) int { return strings.Count(name, "/") + 1 }

// saneName tells whether a path can be shown, stored and fetched anywhere. It
// refuses all that node/data's checkName refuses: a result with one name that
// cannot be added would be lost as a whole.
func saneName(name string) bool {
	if len(name) > maxPath || !utf8.ValidString(name) || strings.Contains(name, `\`) || strings.ContainsFunc(name, unicode.IsControl) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > maxName {
			return false
		}
	}
	return true
}

// local cleans a guest path. wazero already refuses what escapes; this does not
// rely on it.
func local(name string) (string, wasisys.Errno) {
	clean := path.Clean(strings.TrimPrefix(name, "/"))
	if name == "" {
		clean = "."
	}
	if !fs.ValidPath(clean) {
		return "", wasisys.EPERM
	}
	if !saneName(clean) {
		return "", wasisys.EINVAL
	}
	return clean, 0
}

// OpenFile implements wasisys.FS.
func (v *volume) OpenFile(name string, flag wasisys.Oflag, _ fs.FileMode) (wasisys.File, wasisys.Errno) {
	clean, errno := local(name)
	if errno != 0 {
		return nil, errno
	}
	const modes = wasisys.O_RDONLY | wasisys.O_RDWR | wasisys.O_WRONLY
	write := flag&modes != wasisys.O_RDONLY
	if v.quota == nil && (write || flag&(wasisys.O_CREAT|wasisys.O_TRUNC) != 0) {
		return nil, wasisys.EROFS
	}
	if strings.HasSuffix(name, "/") {
		flag |= wasisys.O_DIRECTORY
	}
	if flag&wasisys.O_CREAT != 0 && flag&wasisys.O_DIRECTORY != 0 || flag&wasisys.O_TRUNC != 0 && !write {
		return nil, wasisys.EINVAL
	}
	// O_NONBLOCK: opening a FIFO must not hang.
	mode := os.O_RDONLY | nonblock
	if write {
		mode = os.O_RDWR | nonblock
	}
	file, created, errno := v.open(clean, mode, flag)
	if errno != 0 {
		return nil, errno
	}
	opened, errno := v.adopt(file, clean, flag, created)
	if errno != 0 {
		// The refusal is what the job is told.
		_ = file.Close()
		return nil, errno
	}
	return opened, 0
}

// open finds or makes the file. O_TRUNC is left to adopt, which books it.
func (v *volume) open(name string, mode int, flag wasisys.Oflag) (_ *os.File, created bool, _ wasisys.Errno) {
	exclusive := flag&wasisys.O_EXCL != 0
	if flag&wasisys.O_CREAT == 0 || !exclusive {
		file, err := v.root.OpenFile(name, mode, 0)
		if err == nil || flag&wasisys.O_CREAT == 0 || !errors.Is(err, fs.ErrNotExist) {
			return file, false, errnoOf(err)
		}
	}
	if errno := v.quota.room(name); errno != 0 {
		return nil, false, errno
	}
	file, err := v.root.OpenFile(name, mode|os.O_CREATE|os.O_EXCL, 0o600)
	return file, true, errnoOf(err)
}

// adopt checks what was opened and books it.
func (v *volume) adopt(file *os.File, name string, flag wasisys.Oflag, created bool) (wasisys.File, wasisys.Errno) {
	info, err := file.Stat()
	if err != nil {
		return nil, errnoOf(err)
	}
	opened := &volumeFile{volume: v, file: file, name: name, append: flag&wasisys.O_APPEND != 0}
	switch {
	case info.IsDir():
		if flag&(wasisys.O_RDWR|wasisys.O_WRONLY) != 0 {
			return nil, wasisys.EISDIR
		}
		opened.dir = true
		return opened, 0
	case !info.Mode().IsRegular():
		return nil, wasisys.EPERM
	case flag&wasisys.O_DIRECTORY != 0:
		return nil, wasisys.ENOTDIR
	}
	opened.readable = flag&wasisys.O_WRONLY == 0
	opened.writable = flag&(wasisys.O_RDWR|wasisys.O_WRONLY) != 0
	if v.quota == nil {
		return opened, 0
	}
	ino := inode(info)
	if created {
		v.quota.files++
		v.quota.nodes[ino] = &node{ino: ino, linked: true}
	}
	opened.node = v.quota.nodes[ino]
	if opened.node == nil {
		return nil, wasisys.EIO // not made by this job: nothing else may write here
	}
	opened.node.open++
	if flag&wasisys.O_TRUNC != 0 {
		if errno := opened.truncate(0); errno != 0 {
			opened.node.open--
			return nil, errno
		}
	}
	return opened, 0
}

// Stat implements wasisys.FS.
func (v *volume) Stat(name string) (sys.Stat_t, wasisys.Errno) {
	return v.stat(name, (*os.Root).Stat)
}

// Lstat implements wasisys.FS.
func (v *volume) Lstat(name string) (sys.Stat_t, wasisys.Errno) {
	return v.stat(name, (*os.Root).Lstat)
}

func (v *volume) stat(name string, how func(*os.Root, string) (fs.FileInfo, error)) (sys.Stat_t, wasisys.Errno) {
	clean, errno := local(name)
	if errno != 0 {
		return sys.Stat_t{}, errno
	}
	info, err := how(v.root, clean)
	if err != nil {
		return sys.Stat_t{}, errnoOf(err)
	}
	return statOf(info, clean, v.fixed), 0
}

// Mkdir implements wasisys.FS.
func (v *volume) Mkdir(name string, _ fs.FileMode) wasisys.Errno {
	clean, errno := v.writable(name)
	if errno != 0 {
		return errno
	}
	if _, err := v.root.Lstat(clean); err == nil {
		return wasisys.EEXIST
	}
	if errno := v.quota.room(clean); errno != 0 {
		return errno
	}
	if err := v.root.Mkdir(clean, 0o700); err != nil {
		return errnoOf(err)
	}
	v.quota.files++
	return 0
}

func (v *volume) writable(name string) (string, wasisys.Errno) {
	if v.quota == nil {
		return "", wasisys.EROFS
	}
	return local(name)
}

// Rename implements wasisys.FS. A directory may not move to a deeper level,
// where what it holds could pass the depth limit.
func (v *volume) Rename(from, to string) wasisys.Errno {
	from, errno := v.writable(from)
	if errno != 0 {
		return errno
	}
	to, errno = v.writable(to)
	if errno != 0 {
		return errno
	}
	moved, err := v.root.Lstat(from)
	if err != nil {
		return errnoOf(err)
	}
	if depth(to) > v.quota.maxDepth {
		return v.quota.full()
	}
	if moved.IsDir() && depth(to) > depth(from) {
		return wasisys.ENOTSUP
	}
	replaced, err := v.root.Lstat(to)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errnoOf(err)
	}
	if replaced != nil && os.SameFile(moved, replaced) {
		return 0
	}
	if err := v.root.Rename(from, to); err != nil {
		return errnoOf(err)
	}
	switch {
	case replaced == nil:
	case replaced.IsDir():
		v.quota.files--
	default:
		v.quota.unlinked(inode(replaced))
	}
	return 0
}

// Rmdir implements wasisys.FS.
func (v *volume) Rmdir(name string) wasisys.Errno {
	clean, info, errno := v.doomed(name)
	switch {
	case errno != 0:
		return errno
	case !info.IsDir():
		return wasisys.ENOTDIR
	case clean == ".":
		return wasisys.EINVAL
	}
	if err := v.root.Remove(clean); err != nil {
		return errnoOf(err)
	}
	v.quota.files--
	return 0
}

// Unlink implements wasisys.FS.
func (v *volume) Unlink(name string) wasisys.Errno {
	clean, info, errno := v.doomed(name)
	switch {
	case errno != 0:
		return errno
	case info.IsDir():
		return wasisys.EISDIR
	}
	if err := v.root.Remove(clean); err != nil {
		return errnoOf(err)
	}
	v.quota.unlinked(inode(info))
	return 0
}

func (v *volume) doomed(name string) (string, fs.FileInfo, wasisys.Errno) {
	clean, errno := v.writable(name)
	if errno != 0 {
		return "", nil, errno
	}
	info, err := v.root.Lstat(clean)
	return clean, info, errnoOf(err)
}

// Link implements wasisys.FS: no job makes links.
func (v *volume) Link(_, _ string) wasisys.Errno { return wasisys.EPERM }

// Symlink implements wasisys.FS: no job makes links.
func (v *volume) Symlink(_, _ string) wasisys.Errno { return wasisys.EPERM }

// Utimens implements wasisys.FS; see volume.
func (v *volume) Utimens(name string, _, _ int64) wasisys.Errno {
	if v.quota == nil {
		return wasisys.EROFS
	}
	_, errno := v.Stat(name)
	return errno
}

// statOf shows a file without telling which machine it lies on: the inode is a
// hash of its path, and nothing has more than one name.
func statOf(info fs.FileInfo, name string, fixed bool) sys.Stat_t {
	at := info.ModTime().UnixNano()
	if fixed {
		at = fixedEpoch
	}
	size := info.Size()
	if info.IsDir() {
		size = 0
	}
	return sys.Stat_t{Ino: pathIno(name), Mode: info.Mode() & (fs.ModeType | 0o700), Nlink: 1, Size: size, Atim: at, Mtim: at, Ctim: at}
}

func pathIno(name string) uint64 {
	h := fnv.New64a()
	// A hash never fails to be written to.
	_, _ = h.Write([]byte(name))
	return h.Sum64() | 1 // 0 would mean unknown
}

// errnoOf is what a job is told of an error; whatever os.Root refuses because it
// leads out has no errno and becomes EPERM.
func errnoOf(err error) wasisys.Errno {
	if err == nil {
		return 0
	}
	if errno := wasisys.UnwrapOSError(err); errno != 0 && errno != wasisys.EIO {
		return errno
	}
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) || errors.As(err, &link) {
		if !hasErrno(err) {
			return wasisys.EPERM
		}
	}
	return wasisys.EIO
}
