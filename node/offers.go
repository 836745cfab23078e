package node

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/book"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// offers is the node's book, and its voice on the gossip network.
type offers struct {
	self   proto.PeerKey
	domain proto.Domain
	signer proto.PeerSigner
	wire   *wire.Wire
	now    func() time.Time

	mu   sync.Mutex
	book *book.Book
	past map[proto.PeerKey][2]int // leases done and failed
	news chan struct{}            // closed when the book has changed
	at   time.Time                // when it last changed
	seq  uint64
	own  map[proto.Class][]byte // this node's own offer, encoded
}

func newOffers(self proto.PeerKey, d proto.Domain, key proto.PeerSigner, devnet bool, past map[proto.PeerKey][2]int, now func() time.Time) *offers {
	o := &offers{
		self: self, domain: d, signer: key, now: now, past: past, news: make(chan struct{}), seq: uint64(now().UnixMilli()),
	}
	o.book = book.New(book.Config{Self: self, Devnet: devnet, Capacity: bookCapacity, History: func(p proto.PeerKey) book.Past {
		n := o.past[p]
		return book.Past{Done: n[0], Failed: n[1]}
	}})
	return o
}

// bookCapacity bounds the offers of a class: 100,000 take some 100 MiB.
const bookCapacity = 100_000

// take is told of every offer that passed the checks of the wire.
func (o *offers) take(offer proto.Offer, raw []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch o.book.Accept(offer, raw, o.now()) {
	case book.Added, book.Updated:
		close(o.news)
		o.news, o.at = make(chan struct{}), o.now()
	}
}

// changed returns a channel that is closed when the book changes next, and when
// it changed last.
func (o *offers) changed() (next <-chan struct{}, last time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.news, o.at
}

// raw returns the encoded offers of a class, for peers that join.
func (o *offers) raw(c proto.Class) [][]byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	raw := o.book.Raw(c, proto.MaxBookOffers-1, o.now())
	if own := o.own[c]; own != nil {
		raw = append(raw, own)
	}
	return raw
}

// publish tells the network this node's own offer.
func (o *offers) publish(ctx context.Context, offer proto.Offer) error {
	raw, err := proto.SealOffer(offer, o.domain, o.signer)
	if err != nil {
		return err
	}
	o.mu.Lock()
	o.own = map[proto.Class][]byte{offer.Class: raw}
	o.mu.Unlock()
	return o.wire.PublishOffer(ctx, raw)
}

// match returns what fits a need, of one payee only when it is given.
func (o *offers) match(n proto.Needs, most int, only common.Address) book.Answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.book.Expire(now)
	if only == (common.Address{}) {
		return o.book.Match(n, most, now)
	}
	answer := o.book.Match(n, o.book.Len()+1, now)
	answer.Matches = slices.DeleteFunc(answer.Matches, func(m book.Match) bool { return m.Offer.Identity.Payee != only })
	return answer
}

// all returns every offer that has not expired.
func (o *offers) all() []book.Match {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.book.Offers(proto.Classes, o.now())
}

// of returns the offer of a payee.
func (o *offers) of(payee common.Address) (proto.Offer, bool) {
	for _, m := range o.all() {
		if m.Offer.Identity.Payee == payee {
			return m.Offer, true
		}
	}
	return proto.Offer{}, false
}

func (o *offers) history(p proto.PeerKey) (done, failed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.past[p][0], o.past[p][1]
}

// learn adds how a lease ended to what is known of its provider.
func (o *offers) learn(l market.RequesterLease) {
	done, failed := outcome(l)
	if !done && !failed {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	n := o.past[l.Terms.ProviderPeer]
	if done {
		n[0]++
	} else {
		n[1]++
	}
	o.past[l.Terms.ProviderPeer] = n
	o.book.Reconsider(l.Terms.ProviderPeer)
}

// post tells the network what is needed, without telling what for.
func (o *offers) post(ctx context.Context, n proto.Needs) error {
	now := o.now()
	raw, err := proto.SealJobPost(proto.JobPost{
		Peer: o.self, Seq: o.next(), Issued: now, Expires: now.Add(proto.MaxJobPostLife),
		Class: proto.ClassOf(n.Resources), Needs: n, Addrs: o.wire.Addrs(),
	}, o.domain, o.signer)
	if err != nil {
		return err
	}
	return o.wire.PublishJobPost(ctx, raw)
}

// next returns a sequence number above all earlier ones, those of earlier
// processes included, as long as the clock is not set back by much.
func (o *offers) next() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq = max(o.seq+1, uint64(o.now().UnixMilli()))
	return o.seq
}
