package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// errLocked is returned when a living process holds the lock.
var errLocked = errors.New("locked by a living process")

// lockFileIn takes the lock of a directory. The kernel lets it go when the
// holder dies, however it dies; so whoever gets it knows that the holder is
// gone and that no other will come.
func lockFileIn(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		// The error to report is the one at hand.
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s: %w", dir, errLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return file, nil
}

// makeLocked makes the folder dir, locked from the moment that it has its name:
// a sweep at that time must not take it for one whose guard is dead. What another
// process of the same number left there is gone.
func makeLocked(dir string) (*os.File, error) {
	fresh := filepath.Join(filepath.Dir(dir), freshPrefix+filepath.Base(dir))
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(fresh), os.MkdirAll(filepath.Dir(dir), 0o700), makePassage(fresh)); err != nil {
		return nil, err
	}
	lock, err := lockFileIn(fresh)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// freshPrefix begins the name of a folder that makeLocked has not locked yet.
const freshPrefix = "."

// sweepWork deletes what workers left whose guards are dead. Folders that are
// just being made are for a sweep before any guard is started, with fresh set.
func sweepWork(dir string, fresh bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed error
	for _, e := range entries {
		if !fresh && strings.HasPrefix(e.Name(), freshPrefix) {
			continue
		}
		work := filepath.Join(dir, e.Name())
		lock, err := lockFileIn(work)
		if errors.Is(err, errLocked) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		failed = errors.Join(failed, os.RemoveAll(work), lock.Close())
	}
	return failed
}

// ignoreMissing makes deleting what is not there a success.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
