package run

import (
	"io"
	"sync"
	"time"
)

// logDelay is how long small writes are gathered into one event.
const logDelay = 10 * time.Millisecond

// jobLog gathers what a job prints into chunks of at most maxLogChunk, in the
// order of both streams. The first write after a silence leaves at once, by the
// writer's own hand: a module that computes for long may keep timers from running.
type jobLog struct {
	send func(stream Stream, data []byte) error

	mu     sync.Mutex
	from   Stream // whose bytes are gathered
	data   []byte
	sent   time.Time
	armed  bool
	failed error
}

// stream is the writer of one stream. It always takes everything: whether the
// guard is still there is no business of the job.
func (l *jobLog) stream(s Stream) io.Writer { return jobStream{l, s} }

type jobStream struct {
	log    *jobLog
	stream Stream
}

func (s jobStream) Write(p []byte) (int, error) {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from != s.stream {
		l.flushLocked()
		l.from = s.stream
	}
	for rest := p; len(rest) > 0; {
		n := min(len(rest), maxLogChunk-len(l.data))
		l.data = append(l.data, rest[:n]...)
		rest = rest[n:]
		if len(l.data) == maxLogChunk {
			l.flushLocked()
		}
	}
	switch {
	case time.Since(l.sent) >= logDelay:
		l.flushLocked()
	case len(l.data) > 0 && !l.armed:
		l.armed = true
		time.AfterFunc(logDelay, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.armed = false
			l.flushLocked()
		})
	}
	return len(p), nil
}

// flush sends what is gathered and tells the first error of sending.
func (l *jobLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flushLocked()
	return l.failed
}

func (l *jobLog) flushLocked() {
	if len(l.data) == 0 {
		return
	}
	if err := l.send(l.from, l.data); err != nil && l.failed == nil {
		l.failed = err
	}
	l.data = l.data[:0]
	l.sent = time.Now()
}
