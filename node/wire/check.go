package wire

import (
	"errors"
	"sync"
	"time"

	"github.com/lode-market/lode/proto"
)

// verdict says at which check an offer or job post stopped.
type verdict string

// The verdicts in the order of the checks, cheap ones first; size and the
// forwarder's rate stand before all of them.
const (
	tooLarge       verdict = "size"
	overForwarded  verdict = "forwarder rate" // more than one peer may pass on
	badForm        verdict = "form"
	early          verdict = "early" // from a clock ahead of ours
	late           verdict = "expiry"
	badPeer        verdict = "peer signature"
	wrongClass     verdict = "class" // in another topic than it belongs to
	pretended      verdict = "simulated"
	overAuthored   verdict = "author rate"
	stale          verdict = "sequence"
	badAccount     verdict = "account signature"
	tooManyAuthors verdict = "too many authors"
	accepted       verdict = "accepted"
)

// malformed reports whether whoever passed it on broke the protocol: any honest
// node would have stopped it. What depends on clocks, order or load is nobody's fault.
func (v verdict) malformed() bool {
	switch v {
	case tooLarge, badForm, badPeer, wrongClass, pretended, badAccount:
		return true
	}
	return false
}

// checker checks what is gossiped. It keeps no offers, only what it must know of
// their authors.
type checker struct {
	domain  proto.Domain
	devnet  bool
	clock   func() time.Time
	authors *authors
	counts  *counts
}

func newChecker(cfg Config, c *counts) *checker {
	return &checker{domain: cfg.Domain, devnet: cfg.Devnet, clock: cfg.Clock, authors: newAuthors(cfg.Limits), counts: c}
}

// check opens an offer that came as one of class.
func (c *checker) check(raw []byte, class proto.Class) (o proto.Offer, v verdict) {
	defer func() { c.counts.add(v) }()
	open := func(now time.Time) (err error) {
		o, err = proto.OpenOffer(raw, c.domain, now, VerifyPeer)
		return err
	}
	now := c.clock()
	if v := c.open(raw, now, open); v != accepted {
		return proto.Offer{}, v
	}
	switch {
	case o.Class != class:
		return proto.Offer{}, wrongClass
	case o.Simulated && !c.devnet:
		return proto.Offer{}, pretended
	}
	a := author{o.Identity.Peer, o.Class}
	if v := c.authors.look(a, o.Seq, now); v != accepted {
		return proto.Offer{}, v
	}
	if o.VerifyIdentity(c.domain) != nil {
		return proto.Offer{}, badAccount
	}
	return o, c.authors.take(a, o.Seq, o.Expires, now)
}

// checkPost opens a job post that came as one of class.
func (c *checker) checkPost(raw []byte, class proto.Class) (p proto.JobPost, v verdict) {
	defer func() { c.counts.add(v) }()
	open := func(now time.Time) (err error) {
		p, err = proto.OpenJobPost(raw, c.domain, now, VerifyPeer)
		return err
	}
	now := c.clock()
	if v := c.open(raw, now, open); v != accepted {
		return proto.JobPost{}, v
	}
	if p.Class != class {
		return proto.JobPost{}, wrongClass
	}
	return p, c.authors.take(author{p.Peer, p.Class}, p.Seq, p.Expires, now)
}

func (c *checker) open(raw []byte, now time.Time, open func(time.Time) error) verdict {
	if len(raw) > proto.MaxOffer {
		return tooLarge
	}
	err := open(now)
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, errExpired):
		return late
	case errors.Is(err, errBadSignature):
		return badPeer
	}
	// A forwarder whose clock is ahead, by as much as is allowed, has taken what
	// we can't yet: if a little later it would be well-formed, nobody is to blame.
	// Else an author could set honest nodes against each other by its dates.
	if err := open(now.Add(2 * proto.MaxClockSkew)); err == nil || errors.Is(err, errExpired) || errors.Is(err, errBadSignature) {
		return early
	}
	return badForm
}

// What refusals of package proto are compared with.
var (
	errExpired      = proto.Refuse(proto.CodeExpired, "", "", "")
	errBadSignature = proto.Refuse(proto.CodeBadSignature, "", "", "")
)

// author is whose sequence numbers are followed: a peer may sell machines of
// several classes, one offer for each.
type author struct {
	peer  proto.PeerKey
	class proto.Class
}

type authorState struct {
	seq     uint64
	expires time.Time // of the offer with that number: a replay is refused until then
	free    time.Time // when its allowance is whole again
}

// authors remembers the last sequence number and the rate of each author.
type authors struct {
	rate Rate
	most int

	mu     sync.Mutex
	states map[author]authorState
	pruned time.Time
}

func newAuthors(l Limits) *authors {
	return &authors{rate: l.Authored, most: l.Authors, states: map[author]authorState{}}
}

// look checks rate and sequence and changes nothing: what has not passed the
// last check may be a forgery, and must not use up the author's allowance.
func (s *authors) look(a author, seq uint64, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v := s.next(a, seq, now)
	return v
}

func (s *authors) next(a author, seq uint64, now time.Time) (time.Time, verdict) {
	st, known := s.states[a]
	free, ok := s.rate.take(st.free, now)
	switch {
	case !ok:
		return free, overAuthored
	case known && seq <= st.seq:
		return free, stale
	case !known && len(s.states) >= s.most && !s.prune(now):
		return free, tooManyAuthors
	}
	return free, accepted
}

// take is look that counts. Another message of the author may have come first.
func (s *authors) take(a author, seq uint64, expires, now time.Time) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, v := s.next(a, seq, now)
	if v == accepted {
		s.states[a] = authorState{seq, expires, free}
	}
	return v
}

// prune forgets authors whose last word is over: a replay of it would be expired.
// It looks at most once a second, since a flood would ask for it at each message.
func (s *authors) prune(now time.Time) bool {
	if now.Sub(s.pruned) < time.Second {
		return false
	}
	s.pruned = now
	for a, st := range s.states {
		if !st.expires.After(now) && !st.free.After(now) {
			delete(s.states, a)
		}
	}
	return len(s.states) < s.most
}

// counts counts verdicts.
type counts struct {
	mu sync.Mutex
	n  map[verdict]uint64
}

func (c *counts) add(v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[v]++
}

func (c *counts) snapshot() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]uint64, len(c.n))
	for v, n := range c.n {
		out[string(v)] = n
	}
	return out
}
