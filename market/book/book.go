package book

import (
	"slices"
	"sync"
	"time"

	"github.com/lode-market/lode/proto"
)

// Result says what became of an offer.
type Result string

// What can become of an offer.
const (
	Added     Result = "added"     // the first of its peer in its class
	Updated   Result = "updated"   // takes the place of an older one
	Stale     Result = "stale"     // not later than the one that is held
	Expired   Result = "expired"   // its time is over
	Own       Result = "own"       // by this node
	Simulated Result = "simulated" // a pretended GPU outside a devnet
	Full      Result = "full"      // no room, and not cheap enough to push out another
)

// Past is what one's own leases with a peer came to.
type Past struct{ Done, Failed int }

// Standing says on which shelf a peer's offers are kept.
type Standing string

// The standings.
const (
	Known    Standing = "known"    // jobs done, and no more failures than those
	Newcomer Standing = "newcomer" // no history
	Poor     Standing = "poor"     // more failures than jobs done: the last resort
)

// standings are all of them, the best first.
var standings = []Standing{Known, Newcomer, Poor}

// rank is the place of s among the standings; the best is 0.
func rank(s Standing) int { return slices.Index(standings, s) }

func (p Past) standing() Standing {
	switch {
	case p.Failed > p.Done:
		return Poor
	case p.Done > 0:
		return Known
	}
	return Newcomer
}

// Config is what a book needs to know. The zero value holds nothing.
type Config struct {
	Self    proto.PeerKey            // this node: its own offers are no match
	Devnet  bool                     // take simulated offers
	History func(proto.PeerKey) Past // nil: nobody has a history
	// Capacity bounds the offers of each class.
	Capacity int
}

// DefaultCapacity bounds the offers of each class: at a few hundred bytes each,
// all classes together stay under 200 MB.
const DefaultCapacity = 50_000

// name is what an offer replaces another by: a peer may sell machines of
// several classes, one offer for each.
type name struct {
	peer  proto.PeerKey
	class proto.Class
}

// entry is an offer on a shelf.
type entry struct {
	offer    proto.Offer
	raw      []byte
	standing Standing
	// arrival numbers peers in the order in which they came. It breaks ties of
	// price, so that no choice of a key buys a better rank.
	arrival uint64
}

func (e *entry) name() name { return name{e.offer.Identity.Peer, e.offer.Class} }

// Book holds offers. It is safe for concurrent use.
type Book struct {
	cfg Config

	mu       sync.RWMutex
	entries  map[name]*entry
	shelves  map[shelfKey]*shelf
	arrivals uint64
}

type shelfKey struct {
	class    proto.Class
	standing Standing
}

// New returns an empty book.
func New(cfg Config) *Book {
	if cfg.History == nil {
		cfg.History = func(proto.PeerKey) Past { return Past{} }
	}
	b := &Book{cfg: cfg, entries: map[name]*entry{}, shelves: map[shelfKey]*shelf{}}
	for _, c := range proto.Classes {
		for _, s := range standings {
			b.shelves[shelfKey{c, s}] = &shelf{}
		}
	}
	return b
}

// Accept files an offer whose signatures have been checked. raw is its encoding,
// kept to be handed to others.
func (b *Book) Accept(o proto.Offer, raw []byte, now time.Time) Result {
	switch {
	case o.Identity.Peer == b.cfg.Self:
		return Own
	case o.Simulated && !b.cfg.Devnet:
		return Simulated
	case o.Expires.UnixMilli() <= now.UnixMilli():
		return Expired
	}
	standing := b.cfg.History(o.Identity.Peer).standing()

	b.mu.Lock()
	defer b.mu.Unlock()
	e := &entry{offer: o, raw: raw, standing: standing}
	old, held := b.entries[e.name()]
	if held {
		if o.Seq <= old.offer.Seq {
			return Stale
		}
		e.arrival = old.arrival
		if s := b.shelves[shelfKey{o.Class, standing}]; old.standing == standing && s.replace(old, e) {
			b.entries[e.name()] = e
		} else {
			b.remove(old)
			b.add(e)
		}
		return Updated
	}
	b.arrivals++
	e.arrival = b.arrivals
	if !b.makeRoom(e) {
		return Full
	}
	b.add(e)
	return Added
}

// makeRoom pushes out the dearest offer of the lowest standing there is. An offer
// never pushes out one of a better standing, and one of its own standing only by
// being cheaper.
func (b *Book) makeRoom(e *entry) bool {
	if b.count(e.offer.Class) < b.cfg.Capacity {
		return true
	}
	for _, s := range slices.Backward(standings) {
		dearest := b.shelves[shelfKey{e.offer.Class, s}].last()
		if dearest == nil {
			continue
		}
		if rank(e.standing) > rank(s) || (e.standing == s && compare(rowOf(e), rowOf(dearest)) >= 0) {
			return false
		}
		b.remove(dearest)
		return true
	}
	return false // a book without any capacity
}

func (b *Book) count(c proto.Class) (n int) {
	for _, s := range standings {
		n += b.shelves[shelfKey{c, s}].len()
	}
	return n
}

func (b *Book) add(e *entry) {
	b.entries[e.name()] = e
	b.shelves[shelfKey{e.offer.Class, e.standing}].insert(e)
}

func (b *Book) remove(e *entry) {
	delete(b.entries, e.name())
	b.shelves[shelfKey{e.offer.Class, e.standing}].remove(e)
}

// Reconsider files the offers of a peer anew after its history has changed.
func (b *Book) Reconsider(peer proto.PeerKey) {
	standing := b.cfg.History(peer).standing()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range proto.Classes {
		if e, ok := b.entries[name{peer, c}]; ok && e.standing != standing {
			b.remove(e)
			e.standing = standing
			b.add(e)
		}
	}
}

// Expire forgets the offers whose time is over and returns how many there were.
func (b *Book) Expire(now time.Time) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.shelves {
		for _, e := range s.expire(now) {
			delete(b.entries, e.name())
			n++
		}
	}
	return n
}

// Len returns how many offers are held, expired ones that are not yet forgotten
// included.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.entries)
}

// Raw returns the encodings of up to most unexpired offers of a class, the best
// standing first and cheap before dear: what a peer that joins is told.
func (b *Book) Raw(c proto.Class, most int, now time.Time) [][]byte {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out [][]byte
	for _, standing := range standings {
		for _, r := range b.shelf(c, standing) {
			if len(out) == most {
				return out
			}
			if r.expires > now.UnixMilli() {
				out = append(out, r.raw)
			}
		}
	}
	return out
}

// Offers returns all unexpired offers of the given classes, cheap before dear
// within each class and standing.
func (b *Book) Offers(classes []proto.Class, now time.Time) []Match {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []Match
	for _, c := range classes {
		for _, standing := range standings {
			for _, r := range b.shelf(c, standing) {
				if r.expires > now.UnixMilli() {
					out = append(out, Match{r.offer, standing})
				}
			}
		}
	}
	return out
}

func (b *Book) shelf(c proto.Class, s Standing) []row {
	if sh, ok := b.shelves[shelfKey{c, s}]; ok {
		return sh.rows
	}
	return nil
}
