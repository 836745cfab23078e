package wire

import (
	"context"
	"sync"
)

// EventLog is an EventRing between one lease, which never waits for a reader, and
// the streams that follow it.
type EventLog struct {
	mu    sync.Mutex
	ring  EventRing
	fresh chan struct{} // closed at the next Append
}

// NewEventLog returns a log that numbers from last+1.
func NewEventLog(last uint64) *EventLog {
	return &EventLog{ring: *NewEventRing(last), fresh: make(chan struct{})}
}

// Append adds an event, wakes the readers, and returns its number.
func (l *EventLog) Append(b EventBody) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := l.ring.Append(b)
	close(l.fresh)
	l.fresh = make(chan struct{})
	return seq
}

// Ack forgets the events up to seq.
func (l *EventLog) Ack(seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring.Ack(seq)
}

// Acked returns the number up to which events were acknowledged, and Last that
// of the newest.
func (l *EventLog) Acked() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.Acked()
}

// Last returns the number of the newest event.
func (l *EventLog) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.Last()
}

// Next returns events behind after, waiting until there is one or ctx ends.
func (l *EventLog) Next(ctx context.Context, after uint64) ([]Event, error) {
	const most = 64
	for {
		l.mu.Lock()
		events, fresh := l.ring.After(after, most), l.fresh
		l.mu.Unlock()
		if len(events) > 0 {
			return events, nil
		}
		select {
		case <-fresh:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
