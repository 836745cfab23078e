package wire

import (
	"sync"
	"time"

	"github.com/lode-market/lode/proto"
)

// Limits bound what peers can make this node do. Sizes are constants of the
// protocol and stand in package proto.
type Limits struct {
	// Open is how long a peer has for its first frame.
	Open time.Duration
	// Write is how long a frame may take to leave.
	Write time.Duration
	// Reply is how long an answer may take, its handler included.
	Reply time.Duration
	// LeaseIdle is how long a lease stream may be silent. Both sides give a sign
	// of life every third of it.
	LeaseIdle time.Duration

	// Requests and Leases bound the streams that are served at a time.
	Requests, Leases Streams

	// Frames is how fast a requester may speak on a lease's stream: a voucher costs
	// the provider a signature's check and a write to disk.
	Frames Rate
	// What one peer may ask for.
	Quotes, Opens, Channels, Books Rate

	// Forwarded is what one peer may pass on by gossip: all offers of a network
	// of a hundred thousand providers, refreshed every ten minutes, are 170 a
	// second.
	Forwarded Rate
	// Authored is what one author may send of one kind in one class. The burst
	// is for jitter on the way, not for the author.
	Authored Rate
	// Authors bounds the authors that are remembered, and Peers the peers whose
	// rates are.
	Authors, Peers int

	// Connections are pruned down to ConnsLow when there are more than ConnsHigh.
	ConnsLow, ConnsHigh int
}

// Streams bounds concurrent streams.
type Streams struct{ PerPeer, Total int }

// Rate is a steady rate with a burst: one in Every, Burst at once after a pause.
type Rate struct {
	Every time.Duration
	Burst int
}

// DefaultLimits are what a node on a home line can bear.
func DefaultLimits() Limits {
	return Limits{
		Open: proto.StreamOpen, Write: proto.StreamWrite, Reply: 30 * time.Second, LeaseIdle: proto.LeaseIdle,
		Requests: Streams{PerPeer: 16, Total: 256},
		Leases:   Streams{PerPeer: 256, Total: 2048},
		Frames:   Rate{20 * time.Millisecond, 256},
		Quotes:   Rate{5 * time.Millisecond, 200},
		Opens:    Rate{5 * time.Millisecond, 200},
		Channels: Rate{50 * time.Millisecond, 40},
		// A node asks for each class once when it joins, and a command that lists
		// offers may be a node for a moment, ten times in a row.
		Books:     Rate{2 * time.Second, 10 * len(proto.Classes)},
		Forwarded: Rate{4 * time.Millisecond, 1024},
		Authored:  Rate{proto.OfferResend, 3},
		Authors:   200_000, Peers: 4096,
		ConnsLow: 160, ConnsHigh: 192,
	}
}

// pacer keeps a Rate for each key. It remembers one time for each: when the
// allowance used so far will have grown back (GCRA).
type pacer[K comparable] struct {
	rate Rate
	most int

	mu   sync.Mutex
	free map[K]time.Time
}

func newPacer[K comparable](r Rate, most int) *pacer[K] {
	return &pacer[K]{rate: r, most: most, free: map[K]time.Time{}}
}

// allow counts one event of k, or refuses it.
func (p *pacer[K]) allow(k K, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	free, known := p.free[k]
	if !known && len(p.free) >= p.most && !p.prune(now) {
		return false // full of keys that are all in use: a flood of identities
	}
	next, ok := p.rate.take(free, now)
	p.free[k] = next
	return ok
}

// prune forgets the keys whose allowance is whole again, and reports whether
// that made room.
func (p *pacer[K]) prune(now time.Time) bool {
	for k, free := range p.free {
		if !free.After(now) {
			delete(p.free, k)
		}
	}
	return len(p.free) < p.most
}

// take uses up one event of an allowance that is whole again at free, and
// returns its new state and whether there was one left.
func (r Rate) take(free, now time.Time) (time.Time, bool) {
	if free.Before(now) {
		free = now
	}
	if free.Sub(now) > time.Duration(r.Burst-1)*r.Every {
		return free, false
	}
	return free.Add(r.Every), true
}

// slots counts the streams being served.
type slots struct {
	limit Streams

	mu     sync.Mutex
	total  int
	byPeer map[proto.PeerKey]int
}

func newSlots(s Streams) *slots { return &slots{limit: s, byPeer: map[proto.PeerKey]int{}} }

func (s *slots) take(k proto.PeerKey) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.total >= s.limit.Total || s.byPeer[k] >= s.limit.PerPeer {
		return false
	}
	s.total++
	s.byPeer[k]++
	return true
}

func (s *slots) give(k proto.PeerKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.byPeer[k]--; s.byPeer[k] == 0 {
		delete(s.byPeer, k)
	}
}
