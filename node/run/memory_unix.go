//go:build unix

package run

import (
	"context"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// guestMemory is the linear memory of one job. It reserves addresses for the
// whole grant at once and makes them usable as the module grows, so growing
// copies nothing, and it remembers whether the module asked for more than its
// grant: wazero's own limit would refuse without telling.
type guestMemory struct {
	grant  uint64 // bytes
	region []byte
	size   uint64
	denied bool
}

// newGuestMemory gives a context that makes wazero use m.
func newGuestMemory(ctx context.Context, grant int64) (context.Context, *guestMemory) {
	m := &guestMemory{grant: uint64(grant)}
	allocate := func(_, most uint64) experimental.LinearMemory {
		m.grant = min(m.grant, most)
		m.denied = false
		return m
	}
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(allocate)), m
}

// Reallocate implements experimental.LinearMemory; nil refuses the growth.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > m.grant {
		m.denied = true
		return nil
	}
	if m.region == nil {
		region, err := unix.Mmap(-1, 0, int(max(m.grant, 1)), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
		if err != nil {
			m.denied = true
			return nil
		}
		m.region = region
	}
	if size > m.size {
		if err := unix.Mprotect(m.region[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			m.denied = true
			return nil
		}
		m.size = size
	}
	return m.region[:size:size]
}

// Free implements experimental.LinearMemory.
func (m *guestMemory) Free() {
	if m.region != nil {
		// Unmapping a region that was mapped cannot fail.
		_ = unix.Munmap(m.region)
		m.region = nil
	}
}
