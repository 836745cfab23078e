package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math"
	"net"
	"os"
	"path/filepath"
	"time"
)

// task is one lease as the node sees it. It holds nothing but the lease's
// directory: every call finds the guard by its socket, or what it left on disk.
type task struct {
	id, dir string
}

var _ Task = (*task)(nil)

// retry is how long a call waits between two tries to reach a guard that lives
// and does not answer: it is just starting, or about to write the last state.
const retry = 5 * time.Millisecond

func (t *task) ID() string { return t.id }

func (t *task) OutputPath() string { return filepath.Join(t.dir, outDir) }

func (t *task) Cover(ctx context.Context, until time.Duration) error {
	_, err := t.live(ctx, request{Op: opCover, Until: until})
	return err
}

func (t *task) Freeze(ctx context.Context) error {
	_, err := t.live(ctx, request{Op: opFreeze})
	return err
}

func (t *task) Thaw(ctx context.Context) error {
	_, err := t.live(ctx, request{Op: opThaw})
	return err
}

func (t *task) Stop(ctx context.Context, code Code) error {
	_, err := t.live(ctx, request{Op: opStop, Code: code})
	if errors.Is(err, ErrEnded) || errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

func (t *task) Stats(ctx context.Context) (Stats, error) {
	stats, _, err := t.call(ctx, request{Op: opStats})
	return stats, err
}

func (t *task) Wait(ctx context.Context) (Exit, error) {
	stats, _, err := t.call(ctx, request{Op: opWait})
	if err != nil {
		return Exit{}, err
	}
	if stats.Exit == nil {
		return Exit{}, fmt.Errorf("%w: the guard answered without an exit", errFrame)
	}
	return *stats.Exit, lostError(stats)
}

// lostError is ErrGone for a lease whose shim died before its job ended.
func lostError(stats Stats) error {
	if stats.Exit != nil && stats.Exit.Code == CodeShimLost {
		return fmt.Errorf("%w: last known usage is %v", ErrGone, stats.Exit.Usage)
	}
	return nil
}

// live is for requests that mean nothing to an ended job.
func (t *task) live(ctx context.Context, req request) (Stats, error) {
	stats, answered, err := t.call(ctx, req)
	if err == nil && !answered {
		if err = lostError(stats); err == nil {
			err = ErrEnded
		}
	}
	return stats, err
}

// call asks the guard. Where there is none any more it gives the lease's last
// state instead, and answered is false.
func (t *task) call(ctx context.Context, req request) (stats Stats, answered bool, err error) {
	for {
		stats, err := t.ask(ctx, req)
		if !errors.Is(err, errUnreached) {
			return stats, true, err
		}
		stats, ended, err := t.afterlife()
		if ended || err != nil {
			return stats, false, err
		}
		if err := pause(ctx, retry); err != nil {
			return Stats{}, false, err
		}
	}
}

// errUnreached is returned when no guard answered.
var errUnreached = errors.New("guard does not answer")

func (t *task) ask(ctx context.Context, req request) (Stats, error) {
	conn, err := t.dial(ctx, req)
	if err != nil {
		return Stats{}, err
	}
	defer closeQuietly(conn)
	defer context.AfterFunc(ctx, func() { expire(conn) })()
	if req.Op != opWait {
		if err := conn.SetReadDeadline(time.Now().Add(callTimeout)); err != nil {
			return Stats{}, err
		}
	}
	var answer reply
	if err := readFrame(conn, maxLeaseFrame, &answer); err != nil {
		return Stats{}, unreached(ctx, err)
	}
	return answer.Stats, answer.Error.asError()
}

// dial connects to the guard and sends the request.
func (t *task) dial(ctx context.Context, req request) (*net.UnixConn, error) {
	conn, err := dialIn(ctx, t.dir)
	if err != nil {
		return nil, unreached(ctx, err)
	}
	if err := writeFrame(conn, req); err != nil {
		closeQuietly(conn)
		return nil, unreached(ctx, err)
	}
	return conn, nil
}

func unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", errUnreached, err)
}

// closeQuietly ends a connection from which all that matters has been read.
func closeQuietly(conn *net.UnixConn) { _ = conn.Close() }

// expire makes whatever waits for conn return. It cannot fail on an open one.
func expire(conn *net.UnixConn) { _ = conn.SetDeadline(time.Now()) }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterlife tells how the lease ended, or false while a guard holds it. A lease
// that nobody holds and that has no end is lost; that is written down, so that
// it stays so.
func (t *task) afterlife() (Stats, bool, error) {
	stats, err := t.load()
	if err != nil || stats.State == StateEnded {
		return stats, err == nil, err
	}
	lock, err := lockFileIn(t.dir)
	if errors.Is(err, errLocked) {
		return stats, false, nil
	}
	if err != nil {
		return Stats{}, false, err
	}
	// Again, because the guard may have written the end just before it let go.
	stats, err = t.load()
	if err == nil && stats.State != StateEnded {
		stats.State = StateEnded
		stats.Memory = 0
		stats.Exit = &Exit{Code: CodeShimLost, Usage: stats.Usage, Detail: "the shim died, and the job with it"}
		err = saveRecord(t.dir, stats)
	}
	return stats, err == nil, errors.Join(err, lock.Close())
}

// load gives the lease's state on disk; a lease whose guard wrote none yet is starting.
func (t *task) load() (Stats, error) {
	stats, err := loadRecord(t.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return stats, err
	}
	if _, err := os.Stat(t.dir); err != nil {
		return Stats{}, fmt.Errorf("%w: %s left no directory", ErrUnknown, t.id)
	}
	return Stats{State: StateStarting}, nil
}

func (t *task) Events(ctx context.Context, after uint64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			done, err := t.stream(ctx, &after, yield)
			if done {
				return
			}
			if !errors.Is(err, errUnreached) {
				yield(Event{}, err)
				return
			}
			stats, ended, err := t.afterlife()
			switch {
			case err != nil:
				yield(Event{}, err)
				return
			case ended:
				t.replay(stats, after, yield)
				return
			}
			if err := pause(ctx, retry); err != nil {
				yield(Event{}, err)
				return
			}
		}
	}
}

// stream passes the guard's events on and moves after along. It is done when
// Exited came or the listener has had enough.
func (t *task) stream(ctx context.Context, after *uint64, yield func(Event, error) bool) (done bool, err error) {
	conn, err := t.dial(ctx, request{Op: opEvents, After: *after})
	if err != nil {
		return false, err
	}
	defer closeQuietly(conn)
	defer context.AfterFunc(ctx, func() { expire(conn) })()
	var first reply
	if err := readFrame(conn, maxLeaseFrame, &first); err != nil {
		return false, unreached(ctx, err)
	}
	if err := first.Error.asError(); err != nil {
		return false, err
	}
	for {
		var e Event
		if err := readFrame(conn, maxLeaseFrame, &e); err != nil {
			return false, unreached(ctx, err)
		}
		*after = e.Seq
		if !yield(e, nil) || e.Kind == EventExited {
			return true, nil
		}
	}
}

// replay gives the events that an ended lease left on disk.
func (t *task) replay(stats Stats, after uint64, yield func(Event, error) bool) {
	events, err := readJournal(t.dir, after)
	if err != nil {
		yield(Event{}, err)
		return
	}
	exited := false
	for _, e := range events {
		if !yield(e, nil) {
			return
		}
		after = e.Seq
		exited = e.Kind == EventExited
	}
	if exited || after == math.MaxUint64 {
		return
	}
	if err := lostError(stats); err != nil {
		yield(Event{}, err)
		return
	}
	// The guard died between writing the end and telling it.
	if after < stats.LastSeq {
		yield(Event{Seq: stats.LastSeq, Kind: EventExited, Usage: stats.Exit.Usage, Exit: stats.Exit}, nil)
	}
}

// removedSuffix marks a lease's directory that is being deleted. It makes the name
// no lease's.
const removedSuffix = ".removed"

// removeWhole takes a lease's directory out of sight before it deletes it: whoever
// looks at the lease meanwhile finds all of it or nothing, and does not take half
// of it for a lease whose shim was lost.
func removeWhole(dir string) error {
	removed := dir + removedSuffix
	if err := os.RemoveAll(removed); err != nil { // a crash came in between
		return err
	}
	if err := os.Rename(dir, removed); err != nil {
		return err
	}
	return os.RemoveAll(removed)
}

func (t *task) Remove(ctx context.Context) error {
	if err := t.Stop(ctx, CodeOwnerStopped); err != nil {
		if errors.Is(err, ErrUnknown) {
			return nil
		}
		return err
	}
	if _, err := t.Wait(ctx); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	// The guard still clears up in this directory until it lets the lock go.
	for {
		lock, err := lockFileIn(t.dir)
		switch {
		case err == nil:
			return errors.Join(removeWhole(t.dir), lock.Close())
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, errLocked):
			return err
		}
		if err := pause(ctx, retry); err != nil {
			return err
		}
	}
}
