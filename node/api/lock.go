package api

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrLocked is returned by LockHome while another process holds the home.
var ErrLocked = errors.New("another process holds this home")

// Lock is the exclusive right to a home. A channel has one signer, so a home has
// one process: two that signed for the same channel would promise the same money
// twice.
type Lock struct{ file *os.File }

// LockHome takes the lock or returns ErrLocked. The kernel lets go of it when
// the process ends, however it ends.
func LockHome(dir string) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock home: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(fmt.Errorf("lock home %s: %w", dir, err), f.Close())
	}
	return &Lock{f}, nil
}

// Release lets go of the lock.
func (l *Lock) Release() error { return l.file.Close() }
