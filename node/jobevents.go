package node

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/node/api/apiv1"
)

// maxJobEvents bounds, in bytes, what is kept of a job for those who watch it.
const maxJobEvents = 4 << 20

// jobEvents is what happened to a job, numbered from 1, for any number of
// watchers. A watcher that comes late finds the newest maxJobEvents.
type jobEvents struct {
	mu     sync.Mutex
	events []*apiv1.WatchJobResponse
	last   uint64
	bytes  int
	ended  bool
	fresh  chan struct{} // closed at the next event
}

func newJobEvents() *jobEvents { return &jobEvents{fresh: make(chan struct{})} }

func (e *jobEvents) append(m *apiv1.WatchJobResponse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last++
	m.Number = e.last
	e.events = append(e.events, m)
	e.bytes += proto.Size(m)
	for e.bytes > maxJobEvents && len(e.events) > 1 {
		e.bytes -= proto.Size(e.events[0])
		e.events[0] = nil
		e.events = e.events[1:]
	}
	e.wake()
}

// end tells watchers that nothing more comes.
func (e *jobEvents) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.wake()
}

func (e *jobEvents) wake() {
	close(e.fresh)
	e.fresh = make(chan struct{})
}

// watch sends the events behind after, and those to come until the job has
// ended; with replay only those that are there.
func (e *jobEvents) watch(ctx context.Context, after uint64, replay bool, send func(*apiv1.WatchJobResponse) error) error {
	for {
		e.mu.Lock()
		var due []*apiv1.WatchJobResponse
		if n := len(e.events); n > 0 && e.last > after {
			due = e.events[max(0, n-int(e.last-after)):]
		}
		ended, fresh := e.ended, e.fresh
		e.mu.Unlock()
		for _, m := range due {
			if err := send(m); err != nil {
				return err
			}
			after = m.GetNumber()
		}
		if len(due) > 0 {
			continue
		}
		if ended || replay {
			return nil
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
