package pay_test

import (
	"maps"
	"slices"
	"time"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

// shim is the dumbest model of one: it counts, freezes at its cover, ends when
// grace is over, and outlives its node.
type shim struct {
	p       *provider
	id      proto.LeaseID
	at      time.Time
	length  time.Duration // of the job
	covered time.Duration
	usage   time.Duration
	grace   time.Duration // left
	frozen  bool
	ended   *market.ProviderExited
	wake    int
}

// advance accounts the time since the last look.
func (s *shim) advance() {
	passed := s.p.w.now.Sub(s.at)
	s.at = s.p.w.now
	switch {
	case s.ended != nil:
	case s.frozen:
		s.grace = max(s.grace-passed, 0)
	default:
		s.usage = min(s.usage+passed, s.covered, s.length, s.p.w.cfg.terms.MaxDuration)
	}
}

// run decides what happens now, tells the node, and looks again when something could change.
func (s *shim) run() {
	s.advance()
	longest := s.p.w.cfg.terms.MaxDuration
	wait := s.grace
	switch {
	case s.ended != nil:
		return
	case s.usage >= s.length:
		s.end(market.ProviderExited{End: proto.EndExited})
		return
	case s.usage >= longest:
		s.end(market.ProviderExited{End: proto.EndMaxDuration})
		return
	case s.frozen && s.covered > s.usage:
		s.frozen = false
		s.p.tell(s.id, market.ProviderThawed{})
	case s.frozen && s.grace == 0:
		s.end(market.ProviderExited{End: proto.EndGrace})
		return
	case !s.frozen && s.covered <= s.usage:
		s.frozen = true
		s.p.tell(s.id, market.ProviderFroze{Usage: s.usage, GraceLeft: s.grace})
	case !s.frozen:
		s.p.tell(s.id, market.ProviderMetered{Usage: s.usage})
	}
	if !s.frozen {
		wait = min(s.covered-s.usage, s.length-s.usage, longest-s.usage, s.p.w.cfg.terms.Slice/8)
	}
	s.wake++
	wake := s.wake
	s.p.w.after(max(wait, time.Millisecond), func() {
		if s.wake == wake {
			s.run()
		}
	})
}

func (s *shim) cover(until time.Duration) {
	s.advance()
	if until > s.covered {
		s.covered = until
		s.p.w.after(0, s.run)
	}
}

func (s *shim) end(x market.ProviderExited) {
	s.advance()
	if s.ended == nil {
		x.Usage = s.usage
		s.ended = &x
		s.p.tell(s.id, x)
	}
}

// simEvent is one numbered event of a lease.
type simEvent struct {
	seq, lost uint64
	kind      string
	usage     time.Duration
	want      proto.Amount
	receipt   proto.Receipt
}

// providerDisk is what a provider has written: one copy for each commit.
type providerDisk struct {
	book    *pay.Payee
	leases  map[proto.LeaseID]market.ProviderLease
	seq     map[proto.LeaseID]uint64
	refused map[proto.LeaseID]string
}

func (d providerDisk) clone() providerDisk {
	return providerDisk{d.book.Clone(), maps.Clone(d.leases), maps.Clone(d.seq), maps.Clone(d.refused)}
}

type provider struct {
	node
	gone  bool
	disk  providerDisk // what survives
	mem   providerDisk
	wants []proto.LeaseID // that wait for credit, in order; how much is Asked
	ring  map[proto.LeaseID][]simEvent
	conn  map[proto.LeaseID]int
	shims map[proto.LeaseID]*shim
}

func newProvider(w *world) *provider {
	p := &provider{node: node{w: w, alive: true}, shims: make(map[proto.LeaseID]*shim)}
	book := &pay.Payee{Key: simKey}
	book.Observe(pay.ChainState{Deposited: w.cfg.deposit}, w.cfg.deposit)
	p.disk = providerDisk{book, map[proto.LeaseID]market.ProviderLease{}, map[proto.LeaseID]uint64{}, map[proto.LeaseID]string{}}
	p.back = p.restart
	p.reset()
	return p
}

func (p *provider) reset() {
	p.mem = p.disk.clone()
	p.wants, p.ring, p.conn = nil, map[proto.LeaseID][]simEvent{}, map[proto.LeaseID]int{}
}

func (p *provider) restart() {
	if p.gone {
		p.alive = false
		return
	}
	p.w.log("provider is back")
	p.reset()
	for _, id := range sorted(p.mem.leases) {
		if l := p.mem.leases[id]; l.State != market.ProviderFinished && l.Credit.Less(l.Asked) {
			p.wants = append(p.wants, id)
		}
	}
	for _, id := range sorted(p.mem.leases) {
		p.perform(id, p.mem.leases[id].Resume())
	}
}

func sorted[V any](m map[proto.LeaseID]V) []proto.LeaseID {
	return slices.SortedFunc(maps.Keys(m), func(a, b proto.LeaseID) int { return slices.Compare(a[:], b[:]) })
}

// commit writes everything at once, and may be the last thing that it does.
func (p *provider) commit() {
	p.mayCrash()
	p.disk = p.mem.clone()
	p.mayCrash()
}

// tell brings what a shim says to its node, if there is one.
func (p *provider) tell(id proto.LeaseID, ev market.ProviderEvent) {
	p.step(func() { p.apply(id, ev) })
}

func (p *provider) apply(id proto.LeaseID, ev market.ProviderEvent) {
	was := p.mem.leases[id]
	l, effects, err := was.Step(ev)
	if err != nil {
		p.w.t.Fatalf("provider %.2s: %v", id, err)
	}
	p.w.log("provider %.2s: %T%+v: %s -> %s credit %s asked %s %+v", id, ev, ev, was.State, l.State, l.Credit, l.Asked, effects)
	p.mem.leases[id] = l
	finished := slices.ContainsFunc(effects, func(e market.ProviderEffect) bool { return e == market.ProviderEffect(market.FinishLease{}) })
	if finished {
		p.mem.book.Finish(id, l.Due()) // written together with the lease
		p.wants = slices.DeleteFunc(p.wants, func(w proto.LeaseID) bool { return w == id })
	}
	p.commit()
	p.perform(id, effects)
	if finished {
		p.grant() // what it left over
	}
}

func (p *provider) perform(id proto.LeaseID, effects []market.ProviderEffect) {
	for _, e := range effects {
		p.mayCrash()
		l := p.mem.leases[id]
		switch e := e.(type) {
		case market.PrepareJob:
			p.later(p.w.within(p.w.cfg.terms.Slice), func() {
				if l := p.mem.leases[id]; l.State == market.ProviderPreparing {
					p.apply(id, market.ProviderPrepared{})
				}
			})
		case market.AskCredit:
			if !slices.Contains(p.wants, id) {
				p.wants = append(p.wants, id)
			}
			p.emit(id, simEvent{kind: "usage", usage: l.Usage, want: e.Want})
			p.grant()
		case market.StartJob:
			p.start(id, e.Cover)
		case market.CoverJob:
			p.shims[id].cover(e.Until)
		case market.StopJob:
			p.shims[id].end(market.ProviderExited{End: e.End})
		case market.RecoverJob:
			p.recoverJob(id)
		case market.CollectResult:
			p.later(p.w.within(time.Second), func() { p.apply(id, market.ProviderCollected{Result: []byte("cid")}) })
		case market.FinishLease:
			p.emit(id, p.finished(id))
		case market.Notify:
			switch {
			case l.State == market.ProviderFrozen:
				p.emit(id, simEvent{kind: "froze", usage: l.Usage})
			case p.started(id):
				p.emit(id, simEvent{kind: "thawed"})
			default:
				p.emit(id, simEvent{kind: "started"})
			}
		}
	}
}

// started reports whether the requester was told of the start in this life.
func (p *provider) started(id proto.LeaseID) bool {
	return slices.ContainsFunc(p.ring[id], func(e simEvent) bool { return e.kind == "started" })
}

func (p *provider) start(id proto.LeaseID, cover time.Duration) {
	if p.shims[id] == nil {
		t := p.w.cfg.terms
		s := &shim{p: p, id: id, at: p.w.now, covered: cover, grace: t.Grace, length: time.Millisecond + p.w.within(t.MaxDuration*5/4)}
		p.shims[id] = s
		p.w.after(0, s.run)
	}
	p.later(0, func() { p.apply(id, market.ProviderStarted{}) })
}

// recoverJob finds the shim again, and has it tell its story.
func (p *provider) recoverJob(id proto.LeaseID) {
	s, l := p.shims[id], p.mem.leases[id]
	if s == nil {
		p.start(id, l.Covered()) // the order never reached it
		return
	}
	s.advance()
	if l.State == market.ProviderStarting || l.State == market.ProviderRunning {
		p.apply(id, market.ProviderStarted{})
	}
	switch {
	case s.ended != nil:
		p.apply(id, *s.ended)
	case s.frozen:
		p.apply(id, market.ProviderFroze{Usage: s.usage, GraceLeft: s.grace})
	case l.State == market.ProviderFrozen:
		p.apply(id, market.ProviderThawed{})
	default:
		p.apply(id, market.ProviderMetered{Usage: s.usage})
	}
}

// grant serves who waits, in order, from what is free.
func (p *provider) grant() {
	grown := make(map[proto.LeaseID]proto.Amount)
	for _, id := range p.wants {
		had := p.mem.book.Grants[id]
		if has := p.mem.book.Grant(id, p.mem.leases[id].Asked, p.w.now); had.Less(has) {
			grown[id] = has
		}
	}
	if len(grown) == 0 {
		return
	}
	p.commit()
	for _, id := range sorted(grown) {
		p.apply(id, market.ProviderCredited{Credit: grown[id]})
	}
}

func (p *provider) finished(id proto.LeaseID) simEvent {
	l := p.mem.leases[id]
	return simEvent{kind: "finished", receipt: proto.Receipt{Lease: id, Usage: l.Usage, Due: l.Due(), End: l.End, ExitCode: l.ExitCode, Result: l.Result}}
}

// emit numbers an event, keeps it, and sends it to whoever is attached.
func (p *provider) emit(id proto.LeaseID, e simEvent) {
	p.mem.seq[id]++
	e.seq = p.mem.seq[id]
	p.commit()
	p.ring[id] = append(p.ring[id], e)
	p.stream(id, e)
}

func (p *provider) stream(id proto.LeaseID, e simEvent) {
	if conn, ok := p.conn[id]; ok {
		p.w.send(func() { p.w.r.step(func() { p.w.r.event(id, conn, e) }) })
	}
}

// open is the requester's Open; the same again attaches.
func (p *provider) open(id proto.LeaseID, v proto.Voucher, conn int) {
	if _, ok := p.mem.leases[id]; ok {
		p.attach(id, 0, conn)
		return
	}
	reason, refused := p.mem.refused[id]
	if !refused {
		err := p.mem.book.Take(v, simDomain)
		if err == nil {
			_, err = p.mem.book.Open(id, market.FirstCredit(p.w.cfg.terms), p.w.now)
		}
		if err != nil {
			// A refusal is remembered: an Open that was sent twice and overtaken
			// must not start a lease that its requester has written off.
			reason, refused = err.Error(), true
			p.mem = p.disk.clone()
			p.mem.refused[id] = reason
			p.commit()
		}
	}
	if refused {
		p.w.send(func() { p.w.r.step(func() { p.w.r.refused(id, conn, reason) }) })
		return
	}
	l, effects := market.NewProviderLease(id, proto.SignedTerms{Terms: p.w.cfg.terms}, p.mem.book.Grants[id])
	p.mem.leases[id] = l
	p.commit()
	p.attach(id, 0, conn)
	p.perform(id, effects)
}

func (p *provider) voucher(id proto.LeaseID, v proto.Voucher, promised proto.Amount) {
	if err := p.mem.book.Take(v, simDomain); err != nil {
		p.w.t.Fatalf("voucher refused: %v", err)
	}
	p.mem.book.Promise(id, promised)
	p.commit()
	p.grant()
}

func (p *provider) cancel(id proto.LeaseID) {
	if _, ok := p.mem.leases[id]; ok {
		p.apply(id, market.ProviderStop{End: proto.EndCancelled})
	}
}

// attach accepts, sends what was missed, or how things stand where that is
// forgotten, and says again what the lease waits for.
func (p *provider) attach(id proto.LeaseID, after uint64, conn int) {
	if p.conn[id] >= conn {
		return // an attach that a later one overtook
	}
	p.conn[id] = conn
	p.w.send(func() { p.w.r.step(func() { p.w.r.accepted(id, conn) }) })
	l := p.mem.leases[id]
	kept := p.ring[id]
	if first := p.mem.seq[id] - uint64(len(kept)); after < first {
		delete(p.ring, id)
		s := p.shims[id]
		var story []simEvent
		if s != nil && l.State >= market.ProviderRunning && l.State <= market.ProviderStopping {
			story = append(story, simEvent{kind: "started"})
		}
		if l.State == market.ProviderFrozen {
			story = append(story, simEvent{kind: "froze", usage: l.Usage})
		}
		if l.State == market.ProviderFinished {
			story = append(story, p.finished(id))
		}
		story = append(story, simEvent{kind: "usage", usage: l.Usage, want: l.Asked})
		story[0].lost = p.mem.seq[id] - after
		for _, e := range story {
			p.emit(id, e)
		}
		return
	}
	for _, e := range kept {
		if e.seq > after {
			p.stream(id, e)
		}
	}
	p.emit(id, simEvent{kind: "usage", usage: l.Usage, want: l.Asked})
}
