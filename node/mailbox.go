package node

import (
	"context"
	"sync"
)

// mailbox hands work to the one goroutine that owns a lease. Posting never
// blocks: those who post hold locks, or are the owner itself.
type mailbox struct {
	mu     sync.Mutex
	queue  []func()
	closed bool
	fresh  chan struct{} // holds a token while the queue may hold something
	over   chan struct{} // closed with the mailbox
}

func newMailbox() *mailbox { return &mailbox{fresh: make(chan struct{}, 1), over: make(chan struct{})} }

// post adds work; a closed mailbox drops it.
func (m *mailbox) post(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	m.queue = append(m.queue, f)
	select {
	case m.fresh <- struct{}{}:
	default:
	}
}

// do posts work and waits until it is done; false when the mailbox closed first.
// The owner must not call it.
func (m *mailbox) do(f func()) bool {
	done := make(chan struct{})
	m.post(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
		return true
	case <-m.over:
		return false
	}
}

// close drops what is there and what comes.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed, m.queue = true, nil
		close(m.over)
	}
}

func (m *mailbox) next() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		return nil
	}
	f := m.queue[0]
	m.queue = m.queue[1:]
	return f
}

// run performs what is posted, in order, until ctx ends or done reports true,
// and closes the mailbox.
func (m *mailbox) run(ctx context.Context, done func() bool) {
	defer m.close()
	for ctx.Err() == nil && !done() {
		if f := m.next(); f != nil {
			f()
			continue
		}
		select {
		case <-m.fresh:
		case <-ctx.Done():
		}
	}
}
