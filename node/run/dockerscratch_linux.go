package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// scratch is a file system of a fixed size for one job: a file without a name,
// behind a loop device, never mounted at any path of ours. The engine mounts the
// device as a volume, so a container gets exactly this or does not start.
//
// Nothing of it can be left behind: the kernel frees device and file when the
// last user is gone, the guard's descriptors among them, however the guard dies.
type scratch struct {
	device string   // /dev/loopN
	loop   *os.File // keeps the device
	mount  *os.File // the root of a mount that is in no tree
}

// newScratch makes a file system that holds at least so many bytes in so many
// files, below mode, in dir for as long as it takes to open it. The space is
// taken from dir's disk at once, so that it cannot run out under a paid job.
func newScratch(ctx context.Context, dir string, bytes, files int64, mode uint32) (_ *scratch, err error) {
	files = max(files, leastInodes)
	size := (bytes + bytes/scratchShare + files*scratchInode + scratchBase) / 4096 * 4096
	file, err := os.CreateTemp(dir, "scratch-")
	if err != nil {
		return nil, err
	}
	s := &scratch{}
	defer func() {
		// The loop device has the file by now, or nobody needs it.
		err = errors.Join(err, os.Remove(file.Name()), file.Close())
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := reserve(file, size); err != nil {
		return nil, fmt.Errorf("reserve %d bytes in %s: %w", size, dir, err)
	}
	if err := makeFileSystem(ctx, file.Name(), files); err != nil {
		return nil, err
	}
	if err := s.attach(file); err != nil {
		return nil, err
	}
	if err := s.open(mode); err != nil {
		return nil, fmt.Errorf("mount %s: %w", s.device, err)
	}
	return s, nil
}

// scratchTools tells whether this process has what each job's folders need.
func scratchTools() error { return scratchNeeds(os.Geteuid(), mke2fsPlaces) }

// checkScratch makes a small one in dir, to tell at a driver's start what would
// fail each job's.
func checkScratch(ctx context.Context, dir string) error {
	s, err := newScratch(ctx, dir, 0, 0, 0o700)
	if err != nil {
		return fmt.Errorf("%w: a bounded folder for a container could not be made: %w", ErrUnsupported, err)
	}
	return s.close()
}

// scratchNeeds wants root and mke2fs at one of these places.
func scratchNeeds(uid int, mke2fs []string) error {
	if uid != 0 {
		return fmt.Errorf("%w: containers need bounded folders, and these loop devices and so root; this process has uid %d, required 0: run the node as root, or without the docker driver", ErrUnsupported, uid)
	}
	if findTool(mke2fs) == "" {
		return fmt.Errorf("%w: containers need bounded folders, and these mke2fs; required at one of %s: install the package e2fsprogs, or run the node without the docker driver", ErrUnsupported, strings.Join(mke2fs, ", "))
	}
	return nil
}

// reserve takes the space for file, or only its size where the disk's file
// system knows no reservations.
func reserve(file *os.File, size int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, 0, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return file.Truncate(size)
	}
	return err
}

// makeFileSystem runs mke2fs. There is no journal: nothing of it outlives a crash.
func makeFileSystem(ctx context.Context, name string, files int64) error {
	ctx, cancel := context.WithTimeout(ctx, mkfsTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, findTool(mke2fsPlaces), "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0",
		"-O", "^has_journal,^resize_inode", "-E", "nodiscard,lazy_itable_init=1",
		"-I", strconv.Itoa(scratchInode), "-N", strconv.FormatInt(files+leastInodes, 10), name)
	cmd.Env = []string{}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mke2fs (package e2fsprogs): %w: %s", err, clip(strings.ReplaceAll(string(out), name, "the file"), maxDetail))
	}
	return nil
}

// mke2fsPlaces are where distributions put it. A guard has no PATH.
var mke2fsPlaces = []string{"/usr/sbin/mke2fs", "/sbin/mke2fs", "/usr/bin/mke2fs", "/run/current-system/sw/bin/mke2fs"}

// findTool gives the first of the places where a program is, "" where there is none.
func findTool(places []string) string {
	for _, name := range places {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return name
		}
	}
	return ""
}

// attach puts file behind a free loop device.
func (s *scratch) attach(file *os.File) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("loop device: %w", err)
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("find a free loop device: %w", err)
		}
		device := "/dev/loop" + strconv.Itoa(number)
		loop, err := os.OpenFile(device, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		config := unix.LoopConfig{Fd: uint32(file.Fd()), Size: 4096}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			s.device, s.loop = device, loop
			return nil
		}
		err = errors.Join(err, loop.Close())
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("set up %s: %w", device, err)
		}
		// Another process was faster; ask for the next one.
	}
}

// open mounts the file system in no tree and empties it.
func (s *scratch) open(mode uint32) error {
	fs, err := unix.Fsopen("ext4", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	err = errors.Join(
		unix.FsconfigSetString(fs, "source", s.device),
		// Inode tables beyond the used part read as zeroes already.
		unix.FsconfigSetFlag(fs, "noinit_itable"),
	)
	if err != nil {
		return err
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC|unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return err
	}
	s.mount = os.NewFile(uintptr(fd), s.device)
	if err := unix.Unlinkat(fd, "lost+found", unix.AT_REMOVEDIR); err != nil {
		return err
	}
	// fchmod does not take an O_PATH descriptor, which is what fsmount gives.
	return unix.Fchmodat(fd, ".", mode, 0)
}

// root opens what the job has written.
func (s *scratch) root() (*os.Root, error) {
	return os.OpenRoot(filepath.Join("/proc/self/fd", strconv.Itoa(int(s.mount.Fd()))))
}

// full tells whether the job has used up so many bytes or files, or all that
// there is.
func (s *scratch) full(bytes, files int64) bool {
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(s.mount.Fd()), &stat); err != nil {
		return false
	}
	usedBytes := int64(stat.Blocks-stat.Bfree) * stat.Bsize
	usedFiles := int64(stat.Files-stat.Ffree) - reservedInodes
	return stat.Bavail == 0 || stat.Ffree == 0 || usedBytes >= bytes || usedFiles >= files
}

// reservedInodes are those that ext4 keeps for itself, and the root.
const reservedInodes = 11

// close gives all back, once the engine has, too.
func (s *scratch) close() error {
	var failed error
	if s.mount != nil {
		failed = s.mount.Close()
		s.mount = nil
	}
	if s.loop != nil {
		failed = errors.Join(failed, s.loop.Close())
		s.loop = nil
	}
	return failed
}
