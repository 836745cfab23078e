package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// requesterLease is the actor of one lease on the requester's side.
type requesterLease struct {
	r   *requester
	j   *job
	id  proto.LeaseID
	key proto.ChannelKey
	box *mailbox

	// Owned by the actor.
	rec      store.RequesterLease
	conn     *wire.LeaseConn
	dialing  bool
	backoff  time.Duration
	promised proto.Amount // by the last voucher, to this lease
	// taken: the provider has said that it has the lease.
	taken bool
	// began is when this process took the lease up, entered when it came into its
	// present state, and cancelled when its end was asked for: what patience is
	// counted from.
	began, entered, cancelled time.Time
	unpaid                    bool // the provider waits for more than our clock allowed so far
	blocks                    [][]byte
	err                       error

	mu      sync.Mutex
	seen    store.RequesterLease
	abandon context.CancelFunc // ends the fetching of the result, while it is fetched
}

func newRequesterLease(j *job, rec store.RequesterLease) *requesterLease {
	now := j.r.now()
	return &requesterLease{
		r: j.r, j: j, id: rec.ID, key: rec.Terms.Channel, box: newMailbox(), rec: rec, seen: rec,
		taken: rec.State != market.RequesterOpening, began: now, entered: now,
	}
}

func (l *requesterLease) post(ev market.RequesterEvent) { l.box.post(func() { l.apply(ev) }) }

func (l *requesterLease) snapshot() store.RequesterLease {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}

// open sends Open for the first time, within a search: what the provider
// refuses is the search's to judge. Where its answer was lost it may have taken
// the lease, and run on the first voucher: open then leaves the connection to
// drive, which opens again until the provider says so or patience is over.
func (l *requesterLease) open(ctx context.Context) error {
	// On disk before anything is signed for it or sent.
	if err := l.r.store.Update(ctx, func(tx *store.Tx) error { return tx.PutRequesterLease(l.rec) }); err != nil {
		return err
	}
	if err := l.grant(ctx); err != nil {
		return err
	}
	first, err := l.first(ctx)
	if err != nil {
		return err
	}
	for {
		conn, err := l.r.wire.Open(ctx, l.rec.Terms.ProviderPeer, first)
		var refusal *proto.Refusal
		switch {
		case err == nil:
			l.conn = conn
			return nil
		case errors.Is(err, proto.Refuse(proto.CodeUnderfunded, "", "", "")), errors.Is(err, proto.Refuse(proto.CodeUnconfirmed, "", "", "")),
			errors.Is(err, proto.Refuse(proto.CodeRateLimited, "", "", "")):
			// The deposit is on the chain, but not final enough for this
			// provider, or its endpoint is behind ours.
			l.j.note(fmt.Sprintf("waiting for the deposit to be final: %v", err))
			if !l.rec.Terms.Expires.After(l.r.now()) {
				return err
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return err
			}
		case errors.As(err, &refusal), errors.Is(err, wire.ErrUnreachable):
			return err
		default:
			l.j.note(fmt.Sprintf("the provider's answer was lost, asking again: %v", err))
			return nil
		}
	}
}

// first signs for the credit without which a lease does not start.
func (l *requesterLease) first(ctx context.Context) (wire.Open, error) {
	v, promised, err := l.r.payers.raise(ctx, l.key, l.id, market.FirstCredit(l.rec.Terms.Terms), l.rec.Bound())
	l.count(promised)
	return wire.Open{Terms: l.rec.Terms, Job: l.j.rec.Canonical, Salt: l.rec.Salt, Voucher: v}, err
}

// forget closes the books of a lease that no provider took.
func (l *requesterLease) forget() {
	l.revoke()
	next, _, err := l.rec.Step(market.RequesterRefusedBy{Reason: "not opened"})
	if err != nil {
		l.r.log.Error("lease", "lease", l.id, "err", err)
		return
	}
	l.rec.RequesterLease = next
	if err := l.book(proto.Amount{}, &l.rec); err != nil {
		l.r.fatal(fmt.Errorf("lease %s could not be written: %w", l.id, err))
	}
}

// grant lets the provider, and nobody else, fetch what the job needs.
func (l *requesterLease) grant(ctx context.Context) error {
	peer, err := wire.PeerID(l.rec.Terms.ProviderPeer)
	if err != nil {
		return err
	}
	for i, root := range rootsOf(l.j.doc) {
		// One name for each root: a grant is of one DAG.
		if err := l.r.data.Grant(ctx, fmt.Sprintf("%s/%d", l.id, i), peer, root); err != nil {
			return err
		}
	}
	return nil
}

func (l *requesterLease) revoke() {
	for i := range len(l.j.doc.Inputs) + 1 {
		l.r.data.Revoke(fmt.Sprintf("%s/%d", l.id, i))
	}
}

// drive runs the lease to its end. It returns an error only when the job has to
// end for another reason than the lease's own.
func (l *requesterLease) drive() error {
	ctx := l.r.ctx
	l.began = l.r.now()
	l.entered = l.began
	defer l.revoke()
	if l.conn != nil {
		l.box.post(func() { l.attached(l.conn, nil) })
	} else {
		if err := l.grant(ctx); err != nil {
			return err
		}
		// The time that this side was down is a gap like a lost connection: it
		// began, at the latest, when the lease was last written.
		l.box.post(func() {
			if l.rec.Cut.IsZero() {
				l.rec.Cut = l.lastSeen()
				l.rec.Since = time.Time{}
			}
			l.perform(l.rec.Resume())
		})
	}
	quarter := time.NewTicker(max(l.rec.Terms.Slice/4, 50*time.Millisecond))
	defer quarter.Stop()
	ticks := make(chan struct{})
	defer close(ticks)
	go func() {
		for {
			select {
			case <-quarter.C:
				l.box.post(l.tick)
			case <-ticks:
				return
			}
		}
	}()
	l.box.run(ctx, func() bool { return l.rec.State.Ended() || l.err != nil })
	if l.conn != nil {
		if err := l.conn.Close(); err != nil {
			l.r.log.Debug("close lease stream", "lease", l.id, "err", err)
		}
	}
	if l.rec.State.Ended() {
		l.r.offers.learn(l.rec.RequesterLease)
	}
	return l.err
}

// lastSeen is when this side last knew of the lease.
func (l *requesterLease) lastSeen() time.Time {
	if !l.rec.Since.IsZero() {
		return l.rec.Since
	}
	return l.rec.Created
}

// tick pays what our clock did not allow when it was asked for, and gives up a
// provider that was silent for too long.
func (l *requesterLease) tick() {
	now := l.r.now()
	if l.unpaid && l.conn != nil && (l.rec.State == market.RequesterRunning || l.rec.State == market.RequesterFrozen) {
		l.apply(market.RequesterTick{Now: now})
	}
	if reason := l.lostPatience(now); reason != "" {
		l.apply(market.RequesterGaveUp{Reason: reason})
	}
}

// preparePatience is how long a provider may prepare: twice what a cautious one
// takes before it gives up itself.
const preparePatience = 30 * time.Minute

// lostPatience says why a lease is given up, or nothing. A provider that is
// silent is not the only one that holds a job for ever: one may give signs of
// life and nothing else.
func (l *requesterLease) lostPatience(now time.Time) string {
	patience := l.rec.Terms.Grace + l.r.patience
	// Taking large results in is not told, and a cancelled or ended job's are too.
	attended := patience + preparePatience
	var longest time.Duration // in the present state
	switch l.rec.State {
	case market.RequesterOpening, market.RequesterPreparing:
		longest = preparePatience
	case market.RequesterRunning:
		longest = l.rec.Terms.MaxDuration + attended
	case market.RequesterFrozen:
		longest = attended
	default:
		return ""
	}
	silent := l.began
	if l.rec.Cut.After(silent) {
		silent = l.rec.Cut
	}
	switch {
	case l.conn == nil && !l.rec.Cut.IsZero() && now.Sub(silent) > patience:
		return fmt.Sprintf("nothing was heard for %s", patience)
	case !l.cancelled.IsZero() && now.Sub(l.cancelled) > attended:
		return fmt.Sprintf("it was not ended within %s of being cancelled", attended)
	case now.Sub(l.entered) > longest:
		return fmt.Sprintf("%s for longer than %s", l.rec.State, longest)
	}
	return ""
}

// apply steps the machine: the new state is on disk before its effects happen.
func (l *requesterLease) apply(ev market.RequesterEvent) {
	next, effects, err := l.rec.Step(ev)
	if err != nil {
		// The provider spoke out of turn. What it says is not acted on.
		l.r.log.Warn("lease", "lease", l.id, "err", err)
		return
	}
	rec := l.rec
	rec.RequesterLease = next
	if err := l.write(&rec, effects); err != nil {
		l.err = fmt.Errorf("lease %s could not be written: %w", l.id, err)
		l.r.fatal(l.err)
		return
	}
	changed := l.rec.State != rec.State
	if changed {
		l.entered = l.r.now()
	}
	if rec.Cancelled && l.cancelled.IsZero() {
		l.cancelled = l.r.now()
	}
	l.set(rec)
	l.perform(effects)
	if changed {
		l.j.tell()
	}
}

func (l *requesterLease) set(rec store.RequesterLease) {
	l.rec = rec
	l.mu.Lock()
	l.seen = rec
	l.mu.Unlock()
}

// write makes the new state durable, with the ledger's booking in one step.
func (l *requesterLease) write(rec *store.RequesterLease, effects []market.RequesterEffect) error {
	for _, e := range effects {
		if b, ok := e.(market.BookLease); ok {
			return l.book(b.Due, rec)
		}
	}
	if len(effects) == 0 && rec.State == l.rec.State {
		return nil // own time alone: a crash forgets at most what a gap may add
	}
	return l.r.store.Update(context.WithoutCancel(l.r.ctx), func(tx *store.Tx) error { return tx.PutRequesterLease(*rec) })
}

func (l *requesterLease) book(due proto.Amount, rec *store.RequesterLease) error {
	return l.r.payers.finish(context.WithoutCancel(l.r.ctx), l.key, l.id, due, func(tx *store.Tx) error { return tx.PutRequesterLease(*rec) })
}

// perform does what the machine wants done.
func (l *requesterLease) perform(effects []market.RequesterEffect) {
	for _, e := range effects {
		switch e := e.(type) {
		case market.PayLease:
			l.pay(e.Want)
		case market.OpenLease, market.AttachLease:
			l.dial()
		case market.CancelLease:
			if l.conn != nil {
				if err := l.conn.Cancel(); err != nil {
					l.r.log.Debug("cancel", "lease", l.id, "err", err) // it is sent again when attached
				}
			}
		case market.BookLease:
			// Done by write; after a crash finish finds it done.
			if err := l.book(e.Due, &l.rec); err != nil {
				l.err = err
				l.r.fatal(err)
			}
		case market.FetchResult:
			rec, blocks := l.rec, l.blocks
			l.r.done.Go(func() { l.post(l.fetch(rec, blocks)) })
		}
	}
}

// count counts a voucher that promises more to the lease than those before it.
func (l *requesterLease) count(promised proto.Amount) {
	if l.promised.Less(promised) {
		l.promised = promised
		rec := l.rec
		rec.Vouchers++
		l.set(rec)
	}
}

// pay raises the voucher towards want, as far as our own clock allows.
func (l *requesterLease) pay(want proto.Amount) {
	v, promised, err := l.r.payers.raise(context.WithoutCancel(l.r.ctx), l.key, l.id, want, l.rec.Bound())
	if err != nil {
		l.r.log.Error("pay", "lease", l.id, "err", err)
		return
	}
	l.count(promised)
	l.unpaid = promised.Less(want)
	if l.conn == nil || v.Signature.IsZero() {
		return
	}
	if err := l.conn.SendVoucher(v, promised); err != nil {
		l.r.log.Debug("send voucher", "lease", l.id, "err", err) // sent again when attached
	}
}

// Redialling: quick at first, for a provider that was restarted.
const (
	redialFirst = 100 * time.Millisecond
	redialMost  = 10 * time.Second
)

// dial opens or attaches in the background.
func (l *requesterLease) dial() {
	if l.dialing {
		return
	}
	l.dialing = true
	provider, after := l.rec.Terms.ProviderPeer, l.rec.Seq
	call := func(ctx context.Context) (*wire.LeaseConn, error) {
		return l.r.wire.Attach(ctx, provider, wire.Attach{Lease: l.id, After: after})
	}
	if l.rec.State == market.RequesterOpening {
		first, err := l.first(l.r.ctx)
		if err != nil {
			l.attached(nil, err)
			return
		}
		call = func(ctx context.Context) (*wire.LeaseConn, error) { return l.r.wire.Open(ctx, provider, first) }
	}
	wait := l.backoff
	l.backoff = min(max(2*l.backoff, redialFirst), redialMost)
	l.r.done.Go(func() {
		select {
		case <-time.After(wait/2 + rand.N(wait/2+1)):
		case <-l.r.ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(l.r.ctx, 30*time.Second)
		defer cancel()
		conn, err := call(ctx)
		if !l.box.do(func() { l.attached(conn, err) }) && conn != nil {
			if err := conn.Close(); err != nil { // nobody is left to listen
				l.r.log.Debug("close lease stream", "lease", l.id, "err", err)
			}
		}
	})
}

// attached takes over a connection, or judges why there is none.
func (l *requesterLease) attached(conn *wire.LeaseConn, err error) {
	l.dialing = false
	var refusal *proto.Refusal
	switch {
	case errors.As(err, &refusal) && final(refusal.Code) && l.rec.State == market.RequesterOpening:
		// An Open before this one may have been taken, and run on the first
		// voucher: what was signed stays booked.
		l.apply(market.RequesterGaveUp{Reason: refusal.Error()})
	case errors.As(err, &refusal) && final(refusal.Code):
		l.apply(market.RequesterRefusedBy{Reason: refusal.Error()})
	case err != nil:
		l.r.log.Info("provider not reached", "lease", l.id, "err", err)
		l.apply(market.RequesterCut{Now: l.r.now()})
	default:
		l.conn, l.backoff, l.taken = conn, 0, true
		l.apply(market.RequesterAccepted{Now: l.r.now()})
		l.r.done.Go(func() { l.listen(conn) })
	}
}

// final tells a refusal that asking again would not change.
func final(c proto.Code) bool {
	switch c {
	case proto.CodeBusy, proto.CodeRateLimited, proto.CodeShuttingDown, proto.CodeInternal, proto.CodeUnderfunded, proto.CodeUnconfirmed:
		return false
	}
	return true
}

// listen passes on what the provider tells until the stream ends.
func (l *requesterLease) listen(conn *wire.LeaseConn) {
	for {
		e, err := conn.Recv()
		if err != nil {
			l.box.post(func() {
				if l.conn != conn {
					return
				}
				l.r.log.Info("lease stream ended", "lease", l.id, "err", err)
				l.conn = nil
				l.apply(market.RequesterCut{Now: l.r.now()})
			})
			return
		}
		// One at a time: a provider that floods waits for its own events.
		if !l.box.do(func() { l.hear(conn, e) }) {
			return
		}
	}
}

// ackEvery is how many events may be repeated after a crash.
const ackEvery = 64

func (l *requesterLease) hear(conn *wire.LeaseConn, e wire.Event) {
	if e.Lost > 0 {
		l.j.note(fmt.Sprintf("%d events were lost to a flood or a restart of the provider", e.Lost))
	}
	now := l.r.now()
	before := l.rec.Seq
	rec := l.rec
	rec.Seq = e.Seq
	l.set(rec) // written with the next transition
	switch b := e.Body.(type) {
	case wire.Preparing:
		l.j.events.append(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Progress{
			Progress: &apiv1.Progress{Stage: b.Stage, Done: b.Done, Total: b.Total},
		}})
	case wire.Started:
		l.apply(market.RequesterStarted{Now: now})
	case wire.Log:
		fresh, err := l.j.output.write(b)
		if err != nil {
			l.j.note(err.Error())
		}
		if len(fresh) > 0 {
			l.j.events.append(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Log{
				Log: &apiv1.Log{Stream: uint32(b.Stream), Data: fresh, Offset: b.Offset + uint64(len(b.Data)-len(fresh))},
			}})
		}
	case wire.Usage:
		l.apply(market.RequesterUsage{Now: now, Usage: b.Usage, Want: b.Want})
		l.j.tell()
	case wire.Frozen:
		l.j.note(fmt.Sprintf("the job stands still for want of credit; %s of grace left", b.GraceLeft))
		l.apply(market.RequesterFroze{Now: now, Usage: b.Usage})
	case wire.Thawed:
		l.apply(market.RequesterThawed{Now: now})
	case wire.Finished:
		l.close(now, b)
	}
	if e.Seq/ackEvery != before/ackEvery || l.rec.State.Ended() || l.rec.State == market.RequesterFetching {
		l.ack(conn, e.Seq)
	}
}

// ack writes how far we are before the provider may forget.
func (l *requesterLease) ack(conn *wire.LeaseConn, seq uint64) {
	rec := l.rec
	if err := l.r.store.Update(context.WithoutCancel(l.r.ctx), func(tx *store.Tx) error { return tx.PutRequesterLease(rec) }); err != nil {
		l.err = err
		l.r.fatal(err)
		return
	}
	if err := conn.Ack(seq); err != nil {
		l.r.log.Debug("ack", "lease", l.id, "err", err)
	}
}

// close checks the receipt: evidence for our own book has to be signed.
func (l *requesterLease) close(now time.Time, f wire.Finished) {
	if f.Receipt.Lease != l.id {
		l.r.log.Warn("a receipt for another lease", "lease", l.id, "other", f.Receipt.Lease)
		return
	}
	if err := l.r.domain.Verify(f.Receipt, f.Receipt.Signature, l.key.PayeeSigner); err != nil {
		l.r.log.Warn("a receipt that the provider did not sign", "lease", l.id, "err", err)
		return
	}
	if bound := l.rec.Bound(); bound.Less(f.Receipt.Due) {
		l.j.note(fmt.Sprintf("the provider says %s is due; by our own clock it can't be more than %s, and that is what is booked", f.Receipt.Due, bound))
	}
	l.blocks = f.Blocks
	l.apply(market.RequesterClosed{Now: now, Receipt: f.Receipt, Detail: f.Detail})
}

func resultOf(l store.RequesterLease) (cid.Cid, bool) {
	if len(l.Receipt.Result) == 0 {
		return cid.Undef, false
	}
	root, err := cid.Cast(l.Receipt.Result)
	return root, err == nil
}

// fetch brings the result into our own store, every block checked by its hash.
func (l *requesterLease) fetch(rec store.RequesterLease, blocks [][]byte) market.RequesterEvent {
	ctx, cancel := context.WithTimeout(l.r.ctx, max(rec.Terms.Retention, time.Minute))
	defer cancel()
	l.mu.Lock()
	l.abandon = cancel
	l.mu.Unlock()
	err := func() error {
		root, ok := resultOf(rec)
		if !ok {
			return errors.New("the receipt names no valid CID")
		}
		if len(blocks) > 0 {
			if err := l.r.data.PutInline(ctx, root, blocks); err == nil {
				return nil
			}
			// What rode along was not the result; it may be had by name.
		}
		return fetchFrom(ctx, l.r.data, rec.Terms.ProviderPeer, root, l.resultLimits(), goneFor, nil)
	}()
	if err != nil {
		return market.RequesterFetchedResult{Err: err.Error()}
	}
	return market.RequesterFetchedResult{}
}

// resultLimits is what a provider may make us store: what the job was given.
func (l *requesterLease) resultLimits() data.Limits { return treeLimits(l.j.doc) }

func treeLimits(doc *proto.Job) data.Limits {
	return data.Limits{Bytes: doc.Resources.Disk, Entries: maxEntries, Depth: maxDepth}
}
