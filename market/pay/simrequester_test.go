package pay_test

import (
	"maps"
	"time"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

// requesterDisk is what a requester has written: one copy for each commit.
type requesterDisk struct {
	book   *pay.Payer
	leases map[proto.LeaseID]market.RequesterLease
	wrote  time.Time
}

func (d requesterDisk) clone() requesterDisk {
	return requesterDisk{d.book.Clone(), maps.Clone(d.leases), d.wrote}
}

type requester struct {
	node
	disk  requesterDisk // what survives
	mem   requesterDisk
	lines map[proto.LeaseID]*connection
	conns int
	most  int // leases that were live at a time
}

// connection is a lease's stream as this side knows it. Frames that come before
// those in front of them wait.
type connection struct {
	conn     int
	accepted bool
	heard    time.Time
	waiting  map[uint64]simEvent
	cutAt    time.Time // when the lease was first cut off, for patience
}

func newRequester(w *world) *requester {
	r := &requester{node: node{w: w, alive: true}}
	book := &pay.Payer{Key: simKey}
	book.Observe(pay.ChainState{Deposited: w.cfg.deposit})
	r.disk = requesterDisk{book, map[proto.LeaseID]market.RequesterLease{}, w.now}
	r.back = r.restart
	r.reset()
	return r
}

func (r *requester) reset() {
	r.mem = r.disk.clone()
	r.lines = make(map[proto.LeaseID]*connection)
}

func (r *requester) restart() {
	r.w.log("requester is back")
	r.reset()
	for _, id := range sorted(r.mem.leases) {
		if l := r.mem.leases[id]; !l.State.Ended() {
			l, _, err := l.Step(market.RequesterCut{Now: r.disk.wrote}) // Resume says what to do
			if err != nil {
				r.w.t.Fatalf("requester %.2s: %v", id, err)
			}
			r.mem.leases[id] = l
		}
	}
	r.commit()
	for _, id := range sorted(r.mem.leases) {
		if l := r.mem.leases[id]; !l.State.Ended() {
			r.lines[id] = &connection{cutAt: r.w.now}
			r.perform(id, l.Resume())
			r.watch(id)
		}
	}
}

func (r *requester) commit() {
	r.mayCrash()
	r.mem.wrote = r.w.now
	r.disk = r.mem.clone()
	r.mayCrash()
}

func (r *requester) openWhenAlive(id proto.LeaseID) {
	if !r.alive {
		r.w.after(time.Second, func() { r.openWhenAlive(id) })
		return
	}
	r.step(func() {
		l, effects := market.NewRequesterLease(id, proto.SignedTerms{Terms: r.w.cfg.terms})
		r.mem.leases[id] = l
		r.commit()
		r.lines[id] = &connection{cutAt: r.w.now}
		r.perform(id, effects)
		r.watch(id)
	})
}

func (r *requester) apply(id proto.LeaseID, ev market.RequesterEvent) {
	was := r.mem.leases[id]
	l, effects, err := was.Step(ev)
	if err != nil {
		r.w.t.Fatalf("requester %.2s: %v", id, err)
	}
	r.w.log("requester %.2s: %T%+v: %s -> %s own %s %+v", id, ev, ev, was.State, l.State, l.Own, effects)
	r.mem.leases[id] = l
	for _, e := range effects {
		if e, ok := e.(market.BookLease); ok {
			r.mem.book.Finish(id, e.Due) // written together with the lease
		}
	}
	r.commit()
	r.perform(id, effects)
}

func (r *requester) perform(id proto.LeaseID, effects []market.RequesterEffect) {
	for _, e := range effects {
		r.mayCrash()
		l := r.mem.leases[id]
		switch e := e.(type) {
		case market.PayLease:
			v := r.raise(id, e.Want, l.Bound())
			promised := r.mem.book.Paid[id]
			r.w.send(func() { r.w.p.step(func() { r.w.p.voucher(id, v, promised) }) })
		case market.OpenLease:
			v, conn := r.raise(id, l.Want, l.Bound()), r.dial(id)
			r.w.send(func() { r.w.p.step(func() { r.w.p.open(id, v, conn) }) })
		case market.AttachLease:
			conn := r.dial(id)
			r.w.send(func() { r.w.p.step(func() { r.w.p.attach(id, l.Seq, conn) }) })
		case market.CancelLease:
			r.w.send(func() { r.w.p.step(func() { r.w.p.cancel(id) }) })
		case market.FetchResult:
			r.later(r.w.within(time.Second), func() {
				if r.mem.leases[id].State == market.RequesterFetching {
					r.apply(id, market.RequesterFetchedResult{})
				}
			})
		}
	}
}

// raise signs what the book allows; a voucher is on disk before it leaves.
func (r *requester) raise(id proto.LeaseID, want, bound proto.Amount) proto.Voucher {
	cumulative, sign := r.mem.book.Raise(id, want, bound)
	if sign {
		r.bounded(cumulative)
		r.mem.book.Signed(signVoucher(payerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: cumulative}))
	}
	r.commit()
	return r.mem.book.Voucher
}

// bounded is design section 5: the finished leases, and the bounds of the live ones.
func (r *requester) bounded(cumulative proto.Amount) {
	sum := r.mem.book.Finished
	for id := range r.mem.book.Paid {
		sum = sum.Add(r.mem.leases[id].Bound())
	}
	if sum.Less(cumulative) {
		r.w.t.Fatalf("signs %s, finished leases and bounds are %s%s", cumulative, sum, r.w)
	}
}

func (r *requester) dial(id proto.LeaseID) int {
	r.conns++
	line := r.lines[id]
	*line = connection{conn: r.conns + r.life*1_000_000, heard: r.w.now, waiting: make(map[uint64]simEvent), cutAt: line.cutAt}
	return line.conn
}

// watch looks after one lease: silence and holes are a lost connection, and
// while the job is live the clock ticks.
func (r *requester) watch(id proto.LeaseID) {
	slice := r.w.cfg.terms.Slice
	r.later(slice/4, func() {
		l, line := r.mem.leases[id], r.lines[id]
		if l.State.Ended() {
			return
		}
		patience := 4*r.w.cfg.terms.MaxDuration + time.Minute
		idle := r.w.now.Sub(line.heard) > 2*slice
		switch {
		case l.State == market.RequesterFetching:
		case !line.cutAt.IsZero() && r.w.p.gone && r.w.now.Sub(line.cutAt) > patience:
			r.apply(id, market.RequesterGaveUp{Reason: "silence"})
		case idle:
			if line.cutAt.IsZero() {
				line.cutAt = r.w.now
			}
			r.apply(id, market.RequesterCut{Now: r.w.now})
		case line.accepted && l.State != market.RequesterOpening:
			r.apply(id, market.RequesterTick{Now: r.w.now})
		}
		r.watch(id)
	})
}

func (r *requester) accepted(id proto.LeaseID, conn int) {
	line := r.lines[id]
	if line == nil || line.conn != conn || line.accepted || r.done(id) {
		return
	}
	line.accepted, line.heard, line.cutAt = true, r.w.now, time.Time{}
	r.apply(id, market.RequesterAccepted{Now: r.w.now})
	r.drain(id)
}

func (r *requester) refused(id proto.LeaseID, conn int, reason string) {
	if line := r.lines[id]; line != nil && line.conn == conn && r.mem.leases[id].State == market.RequesterOpening {
		r.apply(id, market.RequesterRefusedBy{Reason: reason})
	}
}

func (r *requester) done(id proto.LeaseID) bool {
	s := r.mem.leases[id].State
	return s.Ended() || s == market.RequesterFetching
}

func (r *requester) event(id proto.LeaseID, conn int, e simEvent) {
	if line := r.lines[id]; line != nil && line.conn == conn {
		line.waiting[e.seq] = e
		r.drain(id)
	}
}

// drain applies the events that are next in their order.
func (r *requester) drain(id proto.LeaseID) {
	for line := r.lines[id]; line.accepted && !r.done(id); {
		l := r.mem.leases[id]
		next, ok := uint64(0), false
		for seq, e := range line.waiting {
			if seq <= l.Seq {
				delete(line.waiting, seq)
			} else if seq == l.Seq+1+e.lost {
				next, ok = seq, true
			}
		}
		if !ok {
			return
		}
		e := line.waiting[next]
		delete(line.waiting, next)
		line.heard = r.w.now
		l.Seq = e.seq
		r.mem.leases[id] = l
		switch now := r.w.now; e.kind {
		case "started":
			r.apply(id, market.RequesterStarted{Now: now})
		case "froze":
			r.apply(id, market.RequesterFroze{Now: now, Usage: e.usage})
		case "thawed":
			r.apply(id, market.RequesterThawed{Now: now})
		case "usage":
			r.apply(id, market.RequesterUsage{Now: now, Usage: e.usage, Want: e.want})
		case "finished":
			r.apply(id, market.RequesterClosed{Now: now, Receipt: e.receipt})
		}
	}
}
