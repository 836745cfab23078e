package data

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

// resend is how long a fetch waits before it repeats its wants: a server may
// have dropped some, when its queue was full or a stream broke.
const resend = 2 * time.Second

// Progress is what a fetch has so far, blocks that were here already included.
type Progress struct {
	Blocks int64
	Bytes  int64 // of blocks, as they are stored
}

// Fetch brings the DAG of root into the store from one peer, which alone is
// asked. When it returns nil the whole DAG is here, durable and within limits.
//
// Every block is checked against its CID and its kind, and counted before its
// links are followed. Blocks that are here are not asked for, so a fetch that
// was cut off goes on where it stopped. Progress, if not nil, is called from
// one goroutine at a time and must not block. The deadline is ctx's.
func (s *Store) Fetch(ctx context.Context, root cid.Cid, from peer.ID, limits Limits, progress func(Progress)) error {
	if err := checkCid(root); err != nil {
		return err
	}
	op := s.begin()
	defer s.end(op)
	if err := s.fetch(ctx, op, root, from, limits, progress); err != nil {
		// What came so far is worth keeping for the next attempt.
		return errors.Join(fmt.Errorf("fetching %s: %w", root, err), op.flush())
	}
	// Blocks that are shared were counted once so far.
	if _, err := s.Measure(ctx, root, limits); err != nil {
		return fmt.Errorf("fetching %s: %w", root, err)
	}
	return op.flush()
}

func (s *Store) fetch(ctx context.Context, op *operation, root cid.Cid, from peer.ID, limits Limits, progress func(Progress)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	f := &fetch{
		from:     from,
		ctx:      ctx,
		cancel:   cancel,
		op:       op,
		swap:     s.swap,
		stall:    s.config.Stall,
		progress: progress,
		budget:   budget{limits: limits},
		in:       make(chan arrival, workers),
		waiting:  make(map[cid.Cid]place),
		seen:     map[cid.Cid]bool{root: true},
		todo:     []step{{cid: root}},
	}
	if err := f.budget.addEntries(1, root.String()); err != nil {
		return err
	}
	if s.swap != nil {
		if err := s.swap.join(f); err != nil {
			return err
		}
		defer f.leave()
	}
	f.writers.SetLimit(workers)
	err := f.run()
	// A writer that fails cancels the walk, which then returns that very error.
	if writeErr := f.writers.Wait(); err == nil {
		err = writeErr
	}
	return err
}

// fetch is one walk over a DAG, with up to window blocks on their way. All but
// its channel and its context belong to the goroutine in run.
type fetch struct {
	from     peer.ID
	ctx      context.Context
	cancel   context.CancelCauseFunc
	op       *operation
	swap     *exchange
	stall    time.Duration
	progress func(Progress)
	writers  errgroup.Group

	budget budget // of unique blocks
	done   Progress

	todo    []step            // found, not yet looked for; a stack, so that it stays small
	seen    map[cid.Cid]bool  // ever in todo
	waiting map[cid.Cid]place // asked for
	in      chan arrival

	strays atomic.Int64 // blocks that nobody asked for
}

// step is a block to get, and where in the tree it was first seen.
type step struct {
	cid cid.Cid
	place
}

type place struct {
	depth   int // directories above it
	nesting int // blocks between it and its entry
}

func (f *fetch) run() error {
	tick := time.NewTicker(min(resend, f.stall/2))
	defer tick.Stop()
	last := time.Now()
	for {
		if err := f.refill(); err != nil {
			return f.cause(err)
		}
		if len(f.waiting) == 0 {
			return nil
		}
		select {
		case a := <-f.in:
			if err := f.receive(a); err != nil {
				return f.cause(err)
			}
			last = time.Now()
		case <-tick.C:
			silent := time.Since(last)
			if silent >= f.stall {
				return fmt.Errorf("%w: %s sent nothing of %d blocks asked for in %v, and %d that were not", ErrStalled, f.from, len(f.waiting), silent.Round(time.Millisecond), f.strays.Load())
			}
			if silent < resend {
				continue
			}
			if err := f.swap.want(f.ctx, f, slices.Collect(maps.Keys(f.waiting))); err != nil {
				return f.cause(err)
			}
		case <-f.ctx.Done():
			return context.Cause(f.ctx)
		}
	}
}

// cause names what cancelled the fetch, if that is why err came about.
func (f *fetch) cause(err error) error {
	if f.ctx.Err() != nil {
		return context.Cause(f.ctx)
	}
	return err
}

// refill takes in what is here and asks for what is not. It waits until half
// the window is free, so that wants travel in company.
func (f *fetch) refill() error {
	if len(f.waiting) > window/2 {
		return nil
	}
	var ask []cid.Cid
	for len(f.todo) > 0 && len(f.waiting) < window {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		next := f.todo[len(f.todo)-1]
		f.todo = f.todo[:len(f.todo)-1]
		block, err := f.op.lean(next.cid)
		if errors.Is(err, ErrMissing) {
			f.waiting[next.cid] = next.place
			ask = append(ask, next.cid)
			continue
		}
		if err != nil {
			return err
		}
		if err := f.accept(next, block); err != nil {
			return err
		}
	}
	if len(ask) == 0 {
		return nil
	}
	if f.swap == nil {
		clear(f.waiting)
		return fmt.Errorf("%w: %s is not here", ErrOffline, ask[0])
	}
	return f.swap.want(f.ctx, f, ask)
}

func (f *fetch) receive(a arrival) error {
	at, ok := f.waiting[a.cid]
	if !ok {
		return nil // asked for twice and answered twice
	}
	if a.block == nil {
		return fmt.Errorf("%w: %s from %s", ErrNotServed, a.cid, f.from)
	}
	delete(f.waiting, a.cid)
	data := a.block.RawData()
	if err := f.accept(step{a.cid, at}, data); err != nil {
		return err
	}
	f.writers.Go(func() error {
		err := f.op.put(a.cid, data)
		if err != nil {
			f.cancel(err)
		}
		return err
	})
	return nil
}

// accept counts a block whose bytes match its CID and notes where it leads.
func (f *fetch) accept(at step, block []byte) error {
	n, err := decode(at.cid, block)
	if err != nil {
		return err
	}
	if err := f.budget.addContent(int64(len(n.data)), at.cid.String()); err != nil {
		return err
	}
	if err := f.budget.addStructure(int64(len(block) - len(n.data))); err != nil {
		return err
	}
	if n.size > f.budget.limits.Bytes {
		return fmt.Errorf("%w: %s declares %d, the limit is %d bytes", ErrTooManyBytes, at.cid, n.size, f.budget.limits.Bytes)
	}
	if err := f.budget.addEntries(n.entries(), at.cid.String()); err != nil {
		return err
	}
	for _, l := range slices.Backward(n.links) {
		next := step{l.cid, place{at.depth, at.nesting + 1}}
		if l.role == roleEntry {
			next.place = place{depth: at.depth + 1}
		}
		if err := f.budget.checkDepth(next.depth, l.name); err != nil {
			return err
		}
		if err := checkNesting(next.nesting, l.cid); err != nil {
			return err
		}
		if !f.seen[l.cid] {
			f.seen[l.cid] = true
			f.todo = append(f.todo, next)
		}
	}
	f.done.Blocks++
	f.done.Bytes += int64(len(block))
	if f.progress != nil {
		f.progress(f.done)
	}
	return nil
}

// deliver is called by the exchange, and waits until there is room.
func (f *fetch) deliver(a arrival) {
	select {
	case f.in <- a:
	case <-f.ctx.Done():
	}
}

func (f *fetch) fail(err error) { f.cancel(err) }

// unasked counts blocks that nobody waits for. Some are late answers to an
// earlier fetch; more than a window of them can't be.
func (f *fetch) unasked() {
	if n := f.strays.Add(1); n > window {
		f.fail(fmt.Errorf("%w: %d of them from %s", ErrUnwanted, n, f.from))
	}
}

// leave tells the peer that nothing more is wanted.
func (f *fetch) leave() {
	f.cancel(nil) // lets go whoever is in deliver
	orphans := f.swap.leave(f)
	if len(orphans) == 0 {
		return
	}
	// A fetch that failed may not hold up its caller, nor is it worth another
	// error: a peer that misses this sends a window of blocks into a closed door.
	go func() {
		ctx, done := context.WithTimeout(context.Background(), resend)
		defer done()
		_ = f.swap.cancel(ctx, f.from, orphans)
	}()
}
