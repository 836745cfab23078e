package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// hold is one lease in its guard: a single goroutine asks the meter what is
// due and makes the workload do it. Sockets, disk and the workload's logs are
// served beside it and reach it by channels, so none of them can delay a freeze.
type hold struct {
	order    order
	workload workload
	lease    lease
	journal  *journal
	recorder *recorder
	server   *leaseServer

	calls chan func()  // run by the loop, one at a time
	known atomic.Int64 // the loop's last usage in ns, for who must not wait for it
	ended chan struct{}

	meter  *meter
	shown  State // what the workload was last told
	cause  Code  // why the guard killed the job; 0 while it did not
	detail string
	killed time.Time
	over   bool  // the job has ended; there is nothing to drive any more
	last   Stats // valid once ended is closed
}

func newHold(held workload, o order) (_ *hold, err error) {
	h := &hold{
		order: o, workload: held,
		calls: make(chan func()), ended: make(chan struct{}),
		shown: StateStarting,
	}
	h.lease = lease{spec: &h.order.Spec, dir: o.Dir, out: filepath.Join(o.Dir, outDir), log: h.log}
	if err := os.Mkdir(h.lease.out, 0o700); err != nil {
		return nil, err
	}
	if h.journal, err = newJournal(o.Dir, o.Spec.Limits.Log); err != nil {
		return nil, err
	}
	if err := saveRecord(o.Dir, Stats{State: StateStarting, Cover: o.Cover, GraceLeft: o.Spec.Grace}); err != nil {
		return nil, err
	}
	if h.server, err = serveLease(h); err != nil {
		return nil, err
	}
	return h, nil
}

// log is what the workload's logs go through.
func (h *hold) log(stream Stream, data []byte) {
	for len(data) > 0 {
		n := min(len(data), maxLogChunk)
		h.journal.add(Event{Kind: EventLog, Usage: time.Duration(h.known.Load()), Stream: stream, Data: append([]byte(nil), data[:n]...)})
		data = data[n:]
	}
}

// run holds the lease to its end and returns what could not be put on disk.
func (h *hold) run(ctx context.Context, started func(error)) error {
	h.recorder = newRecorder(h.order.Dir)
	err := h.workload.prepare(ctx, h.lease)
	if err == nil {
		err = h.workload.start(ctx)
	}
	if err != nil {
		h.meter = newMeter(time.Now(), 0, 0, 0)
		failed := h.finish(ctx, outcome{code: CodeFailedToStart, detail: err.Error()}, false)
		started(fmt.Errorf("%w: %w", ErrFailedToStart, err))
		return errors.Join(failed, h.leave())
	}
	h.meter = newMeter(time.Now(), h.order.Cover, h.order.Spec.MaxUsage, h.order.Spec.Grace)
	h.shown = StateRunning
	h.journal.add(Event{Kind: EventStarted})
	h.recorder.note(h.stats())
	started(nil)
	done := make(chan outcome, 1)
	go func() { done <- h.workload.wait() }()
	failed := h.finish(ctx, h.loop(done), true)
	return errors.Join(failed, h.leave())
}

// loop meters the job until it has ended.
func (h *hold) loop(done <-chan outcome) outcome {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	reported := time.Now()
	for {
		h.apply()
		h.known.Store(int64(h.meter.usage()))
		if wait, ok := h.meter.next(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case out := <-done:
			h.meter.stop(time.Now())
			h.over = true
			return out
		case call := <-h.calls:
			h.meter.advance(time.Now())
			call()
		case <-timer.C:
			h.meter.advance(time.Now())
		case now := <-ticks.C:
			h.meter.advance(time.Now())
			h.apply()
			h.recorder.note(h.stats())
			if h.shown == StateRunning && now.Sub(reported) >= usageEvery {
				reported = now
				h.journal.add(Event{Kind: EventUsage, Usage: h.meter.usage()})
			}
			if h.cause != 0 && now.Sub(h.killed) >= killTimeout {
				h.kill()
			}
		}
	}
}

// apply makes the workload do what the meter says.
func (h *hold) apply() {
	now := h.meter.state
	if h.over || h.cause != 0 || now == h.shown {
		return
	}
	var err error
	switch {
	case now == StateEnded:
		h.end(h.meter.ended, "")
		return
	case now == StateRunning:
		if err = h.workload.thaw(); err == nil {
			h.journal.add(Event{Kind: EventThawed, Usage: h.meter.usage(), State: now})
		}
	default:
		if h.shown == StateRunning {
			err = h.workload.freeze()
		}
		if err == nil {
			h.journal.add(Event{Kind: EventFrozen, Usage: h.meter.usage(), State: now})
		}
	}
	if err != nil {
		// Neither unpaid work nor a job that is paid for and stands still.
		h.end(CodeKilled, fmt.Sprintf("could not be frozen or thawed: %v", err))
		return
	}
	h.shown = now
	h.recorder.note(h.stats())
}

// end kills the job, for a cause that Exit will carry.
func (h *hold) end(cause Code, detail string) {
	if h.cause == 0 && !h.over {
		h.cause, h.detail = cause, detail
		h.kill()
	}
}

func (h *hold) kill() {
	h.killed = time.Now()
	if err := h.workload.kill(); err != nil {
		// Tried again after killTimeout.
		h.detail = fmt.Sprintf("kill: %v", err)
	}
}

func (h *hold) stats() Stats {
	return Stats{
		State: h.shown, Usage: h.meter.usage(), Cover: h.meter.cover,
		GraceLeft: h.meter.grace - h.meter.spent, LastSeq: h.journal.lastSeq(),
		Memory: h.workload.memory(), Isolation: h.workload.isolation(),
	}
}

// finish keeps the outputs, puts the exit on disk and then tells it.
func (h *hold) finish(ctx context.Context, out outcome, ran bool) error {
	exit := Exit{Code: out.code, ExitCode: out.exitCode, Usage: h.meter.usage(), Detail: clip(out.detail, maxDetail)}
	if h.cause != 0 && out.code != CodeExited {
		exit = Exit{Code: h.cause, Usage: exit.Usage, Detail: h.detail}
	}
	var failed error
	if ran {
		if failed = h.collect(ctx); failed != nil {
			exit.Detail = clip(failed.Error(), maxDetail)
			tooMuch := errors.Is(failed, errOutputLimit)
			switch {
			case exit.Code == CodeExited && tooMuch:
				exit.Code = CodeOutputLimit
			case exit.Code == CodeExited:
				exit.Code = CodeOutputsMissing
			}
			if tooMuch {
				failed = nil // the job's fault, and told
			}
		}
	}
	driverDir := filepath.Dir(filepath.Dir(h.order.Dir))
	exit.Detail = clip(places{driverDir: driverPlace}.ofJob(&h.order.Spec).hide(exit.Detail), maxDetail)
	h.last = h.stats()
	h.last.State, h.last.Exit, h.last.Memory = StateEnded, &exit, 0
	h.last.LastSeq++ // Exited itself
	failed = errors.Join(failed, h.recorder.finish(h.last))
	h.journal.add(Event{Kind: EventExited, Usage: exit.Usage, Exit: &exit})
	failed = errors.Join(failed, h.journal.close())
	close(h.ended)
	return failed
}

// collect puts the outputs in place and answers calls meanwhile. The meter has
// stopped, so none of them changes anything.
func (h *hold) collect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, collectTimeout)
	defer cancel()
	collected := make(chan error, 1)
	go func() { collected <- h.workload.collect(ctx) }()
	for {
		select {
		case call := <-h.calls:
			call()
		case err := <-collected:
			if err != nil {
				return fmt.Errorf("collect outputs: %w", err)
			}
			return nil
		}
	}
}

// leave lets the job's remains and the listeners go.
func (h *hold) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	return errors.Join(h.workload.release(ctx), h.server.close())
}

// call runs f in the loop, with the meter brought up to now. It tells ErrEnded
// once there is no loop.
func (h *hold) call(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case h.calls <- func() { f(); h.apply(); close(done) }:
		<-done
		return nil
	case <-h.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}
