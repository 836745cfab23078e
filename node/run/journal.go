package run

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// journal numbers a job's events and retains the newest, in memory for live
// listeners and in two files for whoever comes after the guard is gone. Both
// hold the same two generations: when the young one is full it becomes the old
// one and the old one is dropped. So retention costs at most Limits.Log bytes
// in memory and on disk, and at least half of that is always there.
//
// What a job prints beyond Limits.Log bytes is let through at Limits.Log each
// minute. The rest takes its numbers and waits: only the last maxLate bytes of
// it are retained, with the next event of any kind, so that the words before an
// end are never lost to a flood.
type journal struct {
	dir    string
	limit  int64
	budget func(cost int64) bool // whether a log event may be retained

	mu        sync.Mutex
	last      uint64 // the newest number given
	old, cur  []Event
	late      []Event // beyond the budget, not yet retained or dropped
	lateSize  int64
	curSize   int64
	file      *os.File // nil once it failed
	diskError error
	changed   chan struct{} // closed and replaced with each event
	closed    bool
}

const (
	journalFile    = "log"
	journalOldFile = "log.old"
)

// newJournal begins the events of the lease in dir.
func newJournal(dir string, limit int64) (*journal, error) {
	file, err := os.OpenFile(filepath.Join(dir, journalFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{
		dir: dir, limit: limit, file: file, changed: make(chan struct{}),
		budget: refill(limit, time.Minute, time.Now),
	}, nil
}

// refill is a token bucket that is full at first and fills again in period.
func refill(size int64, period time.Duration, now func() time.Time) func(cost int64) bool {
	left, at := float64(size), now()
	return func(cost int64) bool {
		passed := now().Sub(at)
		at = at.Add(passed)
		left = min(left+float64(size)*float64(passed)/float64(period), float64(size))
		if left < float64(cost) {
			return false
		}
		left -= float64(cost)
		return true
	}
}

// add numbers an event and retains it. A disk that fails costs the file, not
// the job: the events stay in memory.
func (j *journal) add(e Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq = j.last
	if size := eventSize(e); e.Kind == EventLog && !j.budget(size) {
		j.late = append(j.late, e)
		j.lateSize += size
		for j.lateSize > maxLate && len(j.late) > 1 {
			j.lateSize -= eventSize(j.late[0])
			j.late = j.late[1:]
		}
		return
	}
	for _, held := range j.late {
		j.retain(held)
	}
	j.late, j.lateSize = nil, 0
	j.retain(e)
	close(j.changed)
	j.changed = make(chan struct{})
}

// retain keeps a numbered event.
func (j *journal) retain(e Event) {
	size := eventSize(e)
	if j.curSize+size > j.limit/2 && len(j.cur) > 0 {
		j.turn()
	}
	j.cur = append(j.cur, e)
	j.curSize += size
	if j.file != nil {
		if err := writeFrame(j.file, e); err != nil {
			j.fail(err)
		}
	}
}

func eventSize(e Event) int64 {
	// base64 makes three bytes four on disk.
	return eventOverhead + int64(len(e.Data))*4/3
}

// turn makes the young generation the old one.
func (j *journal) turn() {
	j.old, j.cur, j.curSize = j.cur, nil, 0
	if j.file == nil {
		return
	}
	name := filepath.Join(j.dir, journalFile)
	err := errors.Join(j.file.Close(), os.Rename(name, filepath.Join(j.dir, journalOldFile)))
	if err == nil {
		j.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	}
	if err != nil {
		j.file = nil
		j.fail(err)
	}
}

func (j *journal) fail(err error) {
	if j.diskError == nil {
		j.diskError = err
	}
	if j.file != nil {
		// The write's error is the one that tells something.
		_ = j.file.Close()
		j.file = nil
	}
}

// close ends the journal: listeners get what is there and are done. It returns
// the first error of the disk.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		close(j.changed)
	}
	if j.file != nil {
		if err := j.file.Close(); err != nil {
			j.diskError = err
		}
		j.file = nil
	}
	return j.diskError
}

func (j *journal) lastSeq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// after gives what is retained above seq, what to wait on for more, and whether
// there will be more.
func (j *journal) after(seq uint64) (events []Event, changed <-chan struct{}, more bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, generation := range [][]Event{j.old, j.cur} {
		first, _ := slices.BinarySearchFunc(generation, seq+1, func(e Event, n uint64) int { return cmp.Compare(e.Seq, n) })
		events = append(events, generation[first:]...)
	}
	return events, j.changed, !j.closed
}

// follow gives the events above seq, gaps marked, until the journal is closed
// or ctx is done.
func (j *journal) follow(ctx context.Context, seq uint64) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			events, changed, more := j.after(seq)
			for _, e := range withGaps(seq, events) {
				if !yield(e) {
					return
				}
				seq = e.Seq
			}
			if !more {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}
}

// withGaps puts an EventGap before each event whose predecessor is missing.
func withGaps(seq uint64, events []Event) []Event {
	var full []Event
	for _, e := range events {
		if missed := e.Seq - seq - 1; missed > 0 {
			full = append(full, Event{Seq: e.Seq - 1, Kind: EventGap, Usage: e.Usage, Missed: missed})
		}
		full = append(full, e)
		seq = e.Seq
	}
	return full
}

// readJournal gives the retained events above seq, gaps marked, of a lease whose
// guard is gone. A frame that was cut short by the guard's death ends its file.
func readJournal(dir string, seq uint64) ([]Event, error) {
	var events []Event
	for _, name := range []string{journalOldFile, journalFile} {
		file, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		part, err := decodeJournal(bufio.NewReader(file), seq)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
		if len(part) > 0 {
			seq0 := part[len(part)-1].Seq
			events = append(events, part...)
			seq = max(seq, seq0)
		}
	}
	return events, nil
}

// decodeJournal reads rising events above seq.
func decodeJournal(r io.Reader, seq uint64) ([]Event, error) {
	var events []Event
	last := seq
	for {
		var e Event
		err := readFrame(r, maxLeaseFrame, &e)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return withGaps(seq, events), nil
		}
		if err != nil {
			return nil, err
		}
		if e.Seq > last {
			events = append(events, e)
			last = e.Seq
		}
	}
}
