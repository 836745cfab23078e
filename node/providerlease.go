package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// seqAhead is how many event numbers a write of the lease reserves. After a
// restart numbering goes on behind them, so that none is used twice.
const seqAhead = 4096

// providerLease is the actor of one lease: the only one that steps its machine.
type providerLease struct {
	p         *provider
	id        proto.LeaseID
	requester proto.PeerKey
	channel   proto.ChannelKey
	terms     proto.SignedTerms // as in rec, for all goroutines
	job       *proto.Job        // nil once the lease has finished
	events    *wire.EventLog
	box       *mailbox

	// ctx ends with the lease, and with it what prepares it; preparing is what
	// still does.
	ctx       context.Context
	cancel    context.CancelFunc
	preparing sync.WaitGroup

	// Owned by the actor.
	rec    store.ProviderLease
	task   run.Task
	meter  *time.Timer // reads the meter when credit runs low
	paused bool        // by us, because a reorg took the money back

	mu       sync.Mutex
	seen     store.ProviderLease // a copy of rec for lists
	log      logPosition
	stamping bool // more event numbers are being reserved
	// brought is what the inputs take of the disk that was asked for, in bytes.
	brought int64
}

// logPosition is how far the shim's events were taken over.
type logPosition struct {
	seq     uint64
	offsets [2]uint64
}

func newProviderLease(p *provider, rec store.ProviderLease, job *proto.Job) *providerLease {
	l := &providerLease{
		p: p, id: rec.ID, requester: rec.Terms.RequesterPeer, channel: rec.Terms.Channel, terms: rec.Terms, job: job,
		events: wire.NewEventLog(rec.Seq), box: newMailbox(),
		rec: rec, seen: rec, log: logPosition{rec.LogSeq, rec.LogOffsets},
	}
	l.ctx, l.cancel = context.WithCancel(p.ctx)
	return l
}

// emit tells the requester something. Event numbers are reserved on disk before
// they run out, so that none is used twice, whatever happens.
func (l *providerLease) emit(b wire.EventBody) {
	last := l.events.Append(b)
	l.mu.Lock()
	low := last+seqAhead/4 > l.seen.Seq && !l.stamping
	l.stamping = l.stamping || low
	l.mu.Unlock()
	if low {
		l.box.post(l.checkpoint)
	}
}

// start begins the actor with the effects that are due.
func (l *providerLease) start(effects []market.ProviderEffect) {
	l.box.post(func() { l.perform(effects, l.rec.State) })
	l.p.done.Go(func() {
		l.box.run(l.p.ctx, func() bool { return l.rec.State == market.ProviderFinished && l.task == nil })
	})
}

// post hands an event to the actor.
func (l *providerLease) post(ev market.ProviderEvent) { l.box.post(func() { l.apply(ev) }) }

// snapshot returns the lease as it was last written.
func (l *providerLease) snapshot() store.ProviderLease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// apply steps the machine: the new state is on disk before its effects happen.
func (l *providerLease) apply(ev market.ProviderEvent) {
	before := l.rec.State
	next, effects, err := l.rec.Step(ev)
	if err != nil {
		l.p.log.Error("lease", "lease", l.id, "err", err)
		return
	}
	rec := l.rec
	rec.ProviderLease = next
	if err := l.write(&rec, effects, before); err != nil {
		// What can't be written down must not be done, and this process can't go
		// on without: a full disk ends up here. The next one asks shims and
		// books again.
		l.p.fatal(fmt.Errorf("lease %s could not be written: %w", l.id, err))
		return
	}
	l.rec = rec
	l.mu.Lock()
	l.seen = rec
	l.mu.Unlock()
	l.perform(effects, before)
	l.watchMeter()
}

// watchMeter has the meter read when half a slice is left, so that the next one
// is asked for in time however short slices are.
func (l *providerLease) watchMeter() {
	if l.meter != nil {
		l.meter.Stop()
	}
	asked := l.rec.Credit.Less(l.rec.Asked)
	if l.rec.State != market.ProviderRunning || l.task == nil || asked || l.rec.Covered() >= l.terms.MaxDuration {
		return
	}
	task := l.task
	left := l.rec.Covered() - l.rec.Usage - l.terms.Slice/2
	l.meter = time.AfterFunc(max(left, 0)+time.Millisecond, func() {
		stats, err := task.Stats(l.p.ctx)
		if err != nil {
			return // it ended; its exit is on the way
		}
		l.post(market.ProviderMetered{Usage: stats.Usage})
	})
}

// write makes the new state durable where it must be: a bare reading of the
// meter need not, as the shim keeps its own.
func (l *providerLease) write(rec *store.ProviderLease, effects []market.ProviderEffect, before market.ProviderState) error {
	ctx := context.WithoutCancel(l.p.ctx)
	finished := slices.ContainsFunc(effects, func(e market.ProviderEffect) bool { return e == market.ProviderEffect(market.FinishLease{}) })
	if len(effects) == 0 && rec.State == before {
		return nil // and no event number is reserved
	}
	l.stamp(rec)
	if finished {
		return l.finish(ctx, rec)
	}
	return l.p.store.Update(ctx, func(tx *store.Tx) error { return tx.PutProviderLease(*rec) })
}

// stamp reserves event numbers and notes how far the shim was heard.
func (l *providerLease) stamp(rec *store.ProviderLease) {
	l.mu.Lock()
	rec.LogSeq, rec.LogOffsets = l.log.seq, l.log.offsets
	l.mu.Unlock()
	rec.Seq = l.events.Last() + seqAhead
}

// finish signs the receipt, and writes it with the ledger's booking in one step.
func (l *providerLease) finish(ctx context.Context, rec *store.ProviderLease) error {
	r := proto.Receipt{
		Lease: l.id, Usage: rec.Usage, Due: rec.Due(), End: rec.End, ExitCode: rec.ExitCode, Result: rec.Result,
	}
	sig, err := l.p.signer.SignTyped(l.p.domain, r)
	if err != nil {
		return err
	}
	r.Signature = sig
	rec.Receipt, rec.Ended = r, l.p.now()
	rec.Job = nil // not needed any more
	return l.p.payees.finish(ctx, rec.Terms.Channel, l.id, r.Due, func(tx *store.Tx) error { return tx.PutProviderLease(*rec) })
}

// perform does what the machine wants done. What takes long runs apart and posts
// its outcome.
func (l *providerLease) perform(effects []market.ProviderEffect, before market.ProviderState) {
	for _, e := range effects {
		switch e := e.(type) {
		case market.PrepareJob:
			l.preparing.Add(1)
			l.p.done.Go(func() {
				defer l.preparing.Done()
				l.post(l.prepare(l.ctx))
			})
		case market.AskCredit:
			if err := l.p.payees.want(l.p.ctx, l.rec.Terms.Channel, l.id, e.Want); err != nil {
				l.p.log.Error("ask for credit", "lease", l.id, "err", err)
			}
			l.emit(wire.Usage{Usage: l.rec.Usage, Due: l.rec.Due(), Want: e.Want})
		case market.StartJob:
			l.startJob(e)
		case market.CoverJob:
			if l.task == nil {
				break // what was to be covered did not survive a restart
			}
			if err := l.task.Cover(l.p.ctx, e.Until); err != nil && !errors.Is(err, run.ErrEnded) && !errors.Is(err, run.ErrGone) {
				l.p.log.Error("cover", "lease", l.id, "err", err)
			}
		case market.StopJob:
			if l.task == nil {
				break // it did not survive a restart
			}
			if err := l.task.Stop(l.p.ctx, stopCodes[e.End]); err != nil && !errors.Is(err, run.ErrGone) {
				l.p.log.Error("stop", "lease", l.id, "err", err)
			}
		case market.RecoverJob:
			l.recoverJob()
		case market.CollectResult:
			if l.task == nil {
				l.task = l.ended()
			}
			task, end := l.task, l.rec.End
			l.p.done.Go(func() { l.post(l.collect(l.p.ctx, task, end)) })
		case market.FinishLease:
			l.finished()
		case market.Notify:
			l.emit(l.stateEvent(before, e))
		}
	}
}

func (l *providerLease) stateEvent(before market.ProviderState, n market.Notify) wire.EventBody {
	switch {
	case l.rec.State == market.ProviderFrozen:
		return wire.Frozen{Usage: l.rec.Usage, GraceLeft: n.GraceLeft}
	case before == market.ProviderFrozen:
		return wire.Thawed{}
	}
	return wire.Started{}
}

// ended finds a job again that had ended when the node was restarted, for its
// outputs; nil when there is none.
func (l *providerLease) ended() run.Task {
	driver := l.p.drivers[l.terms.Driver]
	if driver == nil {
		return nil
	}
	task, err := driver.Recover(l.p.ctx, l.id.String())
	if err != nil && !errors.Is(err, run.ErrUnknown) && !errors.Is(err, run.ErrGone) {
		l.p.log.Error("find an ended job", "lease", l.id, "err", err)
	}
	return task
}

func (l *providerLease) startJob(e market.StartJob) {
	task, err := l.p.drivers[l.terms.Driver].Start(l.p.ctx, l.spec(), e.Cover)
	if err != nil {
		if l.p.ctx.Err() != nil {
			return // the next process finds out whether it started
		}
		l.apply(market.ProviderExited{End: proto.EndStartFailed, Detail: err.Error()})
		return
	}
	l.task = task
	l.pump()
}

// recoverJob finds the shim again after a restart.
func (l *providerLease) recoverJob() {
	if l.p.drivers[l.terms.Driver] == nil {
		l.apply(market.ProviderExited{End: proto.EndProviderRestarted, Usage: l.rec.Usage, Detail: "the provider no longer runs " + string(l.terms.Driver) + " jobs"})
		return
	}
	task, err := l.p.drivers[l.terms.Driver].Recover(l.p.ctx, l.id.String())
	l.task = task
	switch {
	case errors.Is(err, run.ErrUnknown) && l.rec.State == market.ProviderStarting:
		// The crash came before the shim got its order. Inputs may be gone.
		if ev, ok := l.prepare(l.p.ctx).(market.ProviderPrepareFailed); ok {
			l.apply(market.ProviderExited{End: proto.EndStartFailed, Detail: ev.Detail})
			return
		}
		l.startJob(market.StartJob{Cover: l.rec.Covered()})
	case errors.Is(err, run.ErrUnknown):
		l.apply(market.ProviderExited{End: proto.EndProviderRestarted, Usage: l.rec.Usage, Detail: "the job did not survive"})
	case err != nil && !errors.Is(err, run.ErrGone):
		l.p.log.Error("recover", "lease", l.id, "err", err)
		l.apply(market.ProviderExited{End: proto.EndProviderRestarted, Usage: l.rec.Usage, Detail: "the job could not be found again"})
	default:
		if err == nil {
			l.retell(task)
			// Orders that the crash may have swallowed: both are harmless twice.
			l.perform([]market.ProviderEffect{market.CoverJob{Until: l.rec.Covered()}}, l.rec.State)
			if l.rec.State == market.ProviderStopping {
				l.perform([]market.ProviderEffect{market.StopJob{End: l.rec.Stop}}, l.rec.State)
			}
		}
		l.pump()
	}
}

// retell says again how the job stands: what was said before a restart may not
// have reached the requester.
func (l *providerLease) retell(task run.Task) {
	stats, err := task.Stats(l.p.ctx)
	if err != nil {
		l.p.log.Debug("stats", "lease", l.id, "err", err)
		return
	}
	l.paused = stats.State == run.StatePaused
	switch l.rec.State {
	case market.ProviderRunning, market.ProviderStopping:
		l.emit(wire.Started{})
	case market.ProviderFrozen:
		l.emit(wire.Started{})
		l.emit(wire.Frozen{Usage: l.rec.Usage, GraceLeft: stats.GraceLeft})
	}
}

// pump turns the shim's events into the lease's.
func (l *providerLease) pump() {
	task := l.task
	l.mu.Lock()
	after := l.log.seq
	l.mu.Unlock()
	l.p.done.Go(func() {
		var last run.Exit
		for e, err := range task.Events(l.p.ctx, after) {
			if err != nil {
				break
			}
			if e.Exit != nil {
				last = *e.Exit
			}
			l.hear(task, e)
		}
		if l.p.ctx.Err() != nil {
			return
		}
		if last.Code == 0 {
			exit, err := task.Wait(l.p.ctx)
			if err != nil && !errors.Is(err, run.ErrGone) {
				l.p.log.Error("wait", "lease", l.id, "err", err)
			}
			if last = exit; last.Code == 0 {
				last = run.Exit{Code: run.CodeShimLost, Usage: l.snapshot().Usage}
			}
		}
		l.post(market.ProviderExited{End: endOf(last.Code), ExitCode: int32(last.ExitCode), Usage: last.Usage, Detail: last.Detail})
	})
}

func (l *providerLease) hear(task run.Task, e run.Event) {
	switch e.Kind {
	case run.EventStarted:
		l.post(market.ProviderStarted{})
	case run.EventUsage:
		l.post(market.ProviderMetered{Usage: e.Usage})
	case run.EventFrozen:
		if e.State == run.StatePaused {
			break // our own doing
		}
		stats, err := task.Stats(l.p.ctx)
		if err != nil {
			l.p.log.Debug("stats", "lease", l.id, "err", err)
		}
		l.post(market.ProviderFroze{Usage: e.Usage, GraceLeft: stats.GraceLeft})
	case run.EventThawed:
		l.post(market.ProviderThawed{})
	case run.EventLog:
		l.hearLog(e)
		return
	}
	l.mu.Lock()
	l.log.seq = e.Seq
	l.mu.Unlock()
}

// hearLog passes output on, in pieces that fit the wire.
func (l *providerLease) hearLog(e run.Event) {
	i := 0
	stream := wire.Stdout
	if e.Stream == run.Stderr {
		i, stream = 1, wire.Stderr
	}
	l.mu.Lock()
	offset := l.log.offsets[i]
	l.log.offsets[i] += uint64(len(e.Data))
	l.log.seq = e.Seq
	l.mu.Unlock()
	for data := e.Data; len(data) > 0; {
		n := min(len(data), proto.MaxLogChunk)
		l.emit(wire.Log{Stream: stream, Offset: offset, Data: data[:n]})
		data, offset = data[n:], offset+uint64(n)
	}
}

// checkpoint reserves more event numbers.
func (l *providerLease) checkpoint() {
	defer func() {
		l.mu.Lock()
		l.stamping = false
		l.mu.Unlock()
	}()
	rec := l.rec
	if rec.State == market.ProviderFinished || l.events.Last()+seqAhead/4 <= rec.Seq {
		return
	}
	l.stamp(&rec)
	if err := l.p.store.Update(context.WithoutCancel(l.p.ctx), func(tx *store.Tx) error { return tx.PutProviderLease(rec) }); err != nil {
		l.p.log.Error("checkpoint", "lease", l.id, "err", err)
		return
	}
	l.rec = rec
	l.mu.Lock()
	l.seen = rec
	l.mu.Unlock()
}

// checkFunds freezes the job while a reorg keeps from us what it runs on. The
// grace budget is the shim's and is not spent: the requester did nothing.
func (l *providerLease) checkFunds() {
	if l.task == nil || l.rec.State == market.ProviderFinished {
		return
	}
	over := l.p.payees.overdrawn(l.rec.Terms.Channel)
	var err error
	switch {
	case over && !l.paused:
		l.p.notice(fmt.Sprintf("lease %s stands still: a reorg took back the deposit that it runs on", l.id.String()[:12]))
		err = l.task.Freeze(l.p.ctx)
	case !over && l.paused:
		err = l.task.Thaw(l.p.ctx)
	default:
		return
	}
	if err != nil && !errors.Is(err, run.ErrEnded) && !errors.Is(err, run.ErrGone) {
		l.p.log.Error("freeze or thaw", "lease", l.id, "err", err)
		return
	}
	l.paused = over
}

// finished tells the requester, and gives back what the lease held.
func (l *providerLease) finished() {
	l.p.grantResult(l.rec)
	l.events.Append(l.finishedEvent())
	// What prepares a lease that was cancelled holds what the lease holds.
	l.cancel()
	l.preparing.Wait()
	l.p.release(l.rec.Terms.Resources)
	if l.task != nil {
		// Outputs are in the block store by now.
		if err := l.task.Remove(context.WithoutCancel(l.p.ctx)); err != nil {
			l.p.log.Error("remove job", "lease", l.id, "err", err)
		}
		l.task = nil
	}
	if err := l.p.removeJobDir(l.id); err != nil {
		l.p.log.Error("remove job", "lease", l.id, "err", err)
	}
	l.p.notice(fmt.Sprintf("lease %s ended (%s), earned %s", l.id.String()[:12], l.rec.End, l.rec.Receipt.Due))
}

func (l *providerLease) finishedEvent() wire.EventBody {
	f := wire.Finished{Receipt: l.rec.Receipt, Detail: l.rec.Detail}
	if root, ok := resultRoot(l.rec); ok {
		blocks, complete, err := l.p.data.Inline(l.p.ctx, root, proto.MaxInlineResult, proto.MaxInlineBlocks)
		if err != nil {
			l.p.log.Warn("result can't ride along", "lease", l.id, "err", err) // it is fetched then
		}
		if complete {
			f.Blocks = blocks
		}
	}
	return f
}

// grantResult lets the requester, and nobody else, fetch the result.
func (p *provider) grantResult(rec store.ProviderLease) {
	root, ok := resultRoot(rec)
	if !ok {
		return
	}
	peer, err := wire.PeerID(rec.Terms.RequesterPeer)
	if err == nil {
		err = p.data.Grant(p.ctx, rec.ID.String(), peer, root)
	}
	if err != nil {
		p.log.Error("serve result", "lease", rec.ID, "err", err)
	}
}

func resultRoot(rec store.ProviderLease) (cid.Cid, bool) {
	if len(rec.Result) == 0 {
		return cid.Undef, false
	}
	root, err := cid.Cast(rec.Result)
	return root, err == nil
}

// follow tells an attached requester what happens, and takes what it says.
func (l *providerLease) follow(ctx context.Context, s *wire.LeaseStream, after uint64) error {
	if err := s.Accept(l.id); err != nil {
		return err
	}
	l.box.post(l.remind)
	var events sync.WaitGroup
	defer events.Wait()
	defer s.Stop()
	events.Go(func() {
		if err := s.Follow(l.events, after); err != nil {
			l.p.log.Debug("requester detached", "lease", l.id, "err", err)
		}
	})
	cancelled := false
	var paid proto.Amount // by the vouchers of this stream, which can't overtake each other
	for {
		m, err := s.Recv()
		if err != nil {
			return err
		}
		switch m := m.(type) {
		case wire.Voucher:
			if m.Channel != l.channel.ID() {
				return proto.Refuse(proto.CodeWrongChannel, m.Channel.String(), l.channel.ID().String(), "sign for the channel in the terms")
			}
			if m.Cumulative.Less(paid) {
				return proto.Refuse(proto.CodeVoucherTooLow, m.Cumulative.String(), "at least "+paid.String(),
					"a voucher is cumulative; ask for the last one with Sync")
			}
			if err := l.p.payees.take(ctx, l.id, m.Voucher, m.Promised); err != nil {
				return err
			}
			paid = m.Cumulative
		case wire.Cancel:
			if !cancelled { // once is enough for each stream
				cancelled = true
				l.post(market.ProviderStop{End: proto.EndCancelled})
			}
		case wire.Ack:
			l.events.Ack(m.Seq)
		}
	}
}

// remind says again what the lease waits for: a requester that lost the question
// with its connection would never answer.
func (l *providerLease) remind() {
	if l.rec.Credit.Less(l.rec.Asked) {
		l.emit(wire.Usage{Usage: l.rec.Usage, Due: l.rec.Due(), Want: l.rec.Asked})
	}
}

// endOf says in the protocol's words how a job ended.
func endOf(c run.Code) proto.End {
	if e, ok := ends[c]; ok {
		return e
	}
	return proto.EndShimLost
}

var ends = map[run.Code]proto.End{
	run.CodeExited: proto.EndExited, run.CodeTrapped: proto.EndTrapped, run.CodeMemoryLimit: proto.EndMemory,
	run.CodeOutputLimit: proto.EndOutput, run.CodeGraceOver: proto.EndGrace, run.CodeStopped: proto.EndCancelled,
	run.CodeMaxDuration: proto.EndMaxDuration, run.CodeShimLost: proto.EndShimLost, run.CodeFailedToStart: proto.EndStartFailed,
	run.CodeKilled: proto.EndShimLost, run.CodeOwnerStopped: proto.EndProviderStopped, run.CodeOutputsMissing: proto.EndResultFailed,
}

var stopCodes = map[proto.End]run.Code{
	proto.EndCancelled: run.CodeStopped, proto.EndProviderStopped: run.CodeOwnerStopped,
}
