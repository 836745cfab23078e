package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/proto"
)

// typedSigner signs EIP-712 values with the account that vouchers and terms name.
type typedSigner interface {
	SignTyped(proto.Domain, proto.Typed) (proto.Signature, error)
}

// channelReader reads a channel from the chain, at its head and as far as it is final.
type channelReader interface {
	Channel(context.Context, proto.ChannelID) (chain.ChannelView, error)
}

// payees keeps the books of the channels that pay this node.
type payees struct {
	store    *store.Store
	chain    channelReader
	domain   proto.Domain
	signer   typedSigner
	exposure proto.Amount // of a deposit that is not final
	now      func() time.Time
	log      *slog.Logger
	// credited is told of every grant that grew. It must not block.
	credited func(lease proto.LeaseID, credit proto.Amount)

	// looks bounds how often strangers make this node ask its RPC server.
	looks *rate.Limiter

	mu    sync.Mutex
	books map[proto.ChannelID]*payeeBook
}

// payeeBook is one channel's book with its lock. What is in book is on disk.
type payeeBook struct {
	mu   sync.Mutex
	book *pay.Payee
	// wants is what live leases have asked for in all; a voucher or a deposit
	// serves them in this order.
	wants []want
	seen  time.Time // when the chain was last read
	users int       // who may still write it; guarded by payees.mu
}

type want struct {
	lease  proto.LeaseID
	amount proto.Amount
}

// looksPerSecond is more than honest requesters need and less than a free RPC
// endpoint gives.
const looksPerSecond = 20

// load takes up the books of an earlier process.
func (p *payees) load(ctx context.Context) error {
	p.books = make(map[proto.ChannelID]*payeeBook)
	p.looks = rate.NewLimiter(looksPerSecond, 4*looksPerSecond)
	return p.store.View(ctx, func(tx *store.Tx) error {
		books, err := tx.Payees()
		if err != nil {
			return err
		}
		for _, b := range books {
			p.books[b.ID()] = &payeeBook{book: b}
		}
		return nil
	})
}

func (p *payees) entry(key proto.ChannelKey) *payeeBook {
	id := key.ID()
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.books[id]
	if !ok {
		// Nothing is on disk until something of worth is: a stranger's quotes
		// for channels that do not exist must not fill it.
		e = &payeeBook{book: &pay.Payee{Key: key}}
		p.books[id] = e
	}
	return e
}

// use returns a channel's book for somebody who may be the first to write it, and
// what to call when done: a book that holds nothing then, and that nobody else
// uses, is dropped.
func (p *payees) use(key proto.ChannelKey) (e *payeeBook, done func()) {
	e = p.entry(key)
	p.mu.Lock()
	if now, ok := p.books[key.ID()]; ok {
		e = now // dropped and made again between the two locks
	} else {
		p.books[key.ID()] = e
	}
	e.users++
	p.mu.Unlock()
	return e, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if e.users--; e.users > 0 {
			return
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.book.Voucher.Cumulative.IsZero() && len(e.book.Grants) == 0 && e.book.Finished.IsZero() {
			delete(p.books, key.ID())
		}
	}
}

func (p *payees) find(id proto.ChannelID) *payeeBook {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.books[id]
}

func (p *payees) all() []*payeeBook {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*payeeBook, 0, len(p.books))
	for _, e := range p.books {
		all = append(all, e)
	}
	return all
}

// change applies fn to a copy of the book, writes it together with what else
// belongs to the same step, and only then lets others see it. The caller holds e.mu.
func (p *payees) change(ctx context.Context, e *payeeBook, fn func(*pay.Payee) error, also func(*store.Tx) error) error {
	next := e.book.Clone()
	if err := fn(next); err != nil {
		return err
	}
	if err := p.store.Update(ctx, func(tx *store.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		return tx.PutPayee(next)
	}); err != nil {
		return err
	}
	e.book = next
	return nil
}

// grant serves the leases that wait for credit, as far as it is free, and
// returns those whose credit grew.
func (e *payeeBook) grant(b *pay.Payee, now time.Time) (grown []want) {
	for _, w := range e.wants {
		had := b.Grants[w.lease]
		if has := b.Grant(w.lease, w.amount, now); had.Less(has) {
			grown = append(grown, want{w.lease, has})
		}
	}
	return grown
}

func (p *payees) announce(grown []want) {
	for _, g := range grown {
		p.credited(g.lease, g.amount)
	}
}

// refresh reads the channel from the chain and takes over what it says. What a
// reorg took back is taken back here as well.
func (p *payees) refresh(ctx context.Context, e *payeeBook) error {
	e.mu.Lock()
	id := e.book.ID()
	e.mu.Unlock()
	view, err := p.chain.Channel(ctx, id)
	if err != nil {
		return err
	}
	state := payState(view.Latest)
	funded := pay.Weigh(view.Latest.Deposited, view.Final.Deposited, p.exposure)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = p.now()
	if e.book.State == state && e.book.Funded == proto.MinAmount(funded, state.Deposited) {
		return nil
	}
	var grown []want
	err = p.change(ctx, e, func(b *pay.Payee) error {
		b.Observe(state, funded)
		grown = e.grant(b, p.now())
		return nil
	}, nil)
	if err == nil {
		p.announce(grown)
	}
	return err
}

// open takes the first voucher, gives the lease its first credit, and writes the
// lease in the same step.
func (p *payees) open(ctx context.Context, key proto.ChannelKey, v proto.Voucher, lease proto.LeaseID, first proto.Amount, insert func(*store.Tx) error) error {
	e, done := p.use(key)
	defer done()
	attempt := func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		return p.change(ctx, e, func(b *pay.Payee) error {
			if err := b.Take(v, p.domain); err != nil {
				return err
			}
			_, err := b.Open(lease, first, p.now())
			return err
		}, insert)
	}
	err := attempt()
	if errors.Is(err, proto.Refuse(proto.CodeUnderfunded, "", "", "")) {
		// The deposit may be younger than our last look. Channels that do not exist
		// cost their inventors nothing, so looks are few.
		if !p.looks.Allow() {
			return proto.Refuse(proto.CodeRateLimited, "many channels that are not funded", fmt.Sprintf("at most %v a second", p.looks.Limit()), "try again in a moment")
		}
		if err := p.refresh(ctx, e); err != nil {
			return err
		}
		err = attempt()
	}
	return err
}

// take accepts a voucher in the course of a lease, for which promised of it is meant.
func (p *payees) take(ctx context.Context, lease proto.LeaseID, v proto.Voucher, promised proto.Amount) error {
	e := p.find(v.Channel)
	if e == nil {
		return proto.Refuse(proto.CodeWrongChannel, v.Channel.String(), "a channel with a lease here", "")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if v == e.book.Voucher && promised.Cmp(e.book.Promised[lease]) <= 0 {
		return nil
	}
	var grown []want
	if err := p.change(ctx, e, func(b *pay.Payee) error {
		if err := b.Take(v, p.domain); err != nil {
			return err
		}
		b.Promise(lease, promised)
		grown = e.grant(b, p.now())
		return nil
	}, nil); err != nil {
		return err
	}
	p.announce(grown)
	return nil
}

// want notes what a lease asks for, and serves it from what is free.
func (p *payees) want(ctx context.Context, key proto.ChannelKey, lease proto.LeaseID, amount proto.Amount) error {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.IndexFunc(e.wants, func(w want) bool { return w.lease == lease }); i >= 0 {
		e.wants[i].amount = proto.MaxOf(e.wants[i].amount, amount)
	} else {
		e.wants = append(e.wants, want{lease, amount})
	}
	if e.book.Free().IsZero() {
		return nil
	}
	var grown []want
	if err := p.change(ctx, e, func(b *pay.Payee) error { grown = e.grant(b, p.now()); return nil }, nil); err != nil {
		return err
	}
	p.announce(grown)
	return nil
}

// finish books a lease's due and writes the ended lease in the same step.
func (p *payees) finish(ctx context.Context, key proto.ChannelKey, lease proto.LeaseID, due proto.Amount, put func(*store.Tx) error) error {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wants = slices.DeleteFunc(e.wants, func(w want) bool { return w.lease == lease })
	var grown []want
	if err := p.change(ctx, e, func(b *pay.Payee) error {
		b.Finish(lease, due)
		grown = e.grant(b, p.now()) // what the lease left over
		return nil
	}, put); err != nil {
		return err
	}
	p.announce(grown)
	return nil
}

// credit returns what a lease was granted.
func (p *payees) credit(key proto.ChannelKey, lease proto.LeaseID) proto.Amount {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.book.Grants[lease]
}

// overdrawn reports that the chain took back money on which leases run.
func (p *payees) overdrawn(key proto.ChannelKey) bool {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.book.Overdrawn()
}

// settleLife is how long a consent to settle lasts: enough for a few blocks of a
// slow chain, and short enough that a requester which does not submit it has its
// channel back soon.
const settleLife = 30 * time.Minute

// settle signs the payee's consent to what finished leases came to.
func (p *payees) settle(ctx context.Context, key proto.ChannelKey) (proto.Settlement, error) {
	e := p.find(key.ID())
	if e == nil {
		return proto.Settlement{}, proto.Refuse(proto.CodeWrongChannel, key.ID().String(), "a channel that was used here",
			"an unused channel is closed by its payer, with a delay")
	}
	if err := p.refresh(ctx, e); err != nil {
		return proto.Settlement{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var s proto.Settlement
	if err := p.change(ctx, e, func(b *pay.Payee) (err error) {
		now := p.now()
		s, err = b.Settle(now, now.Add(settleLife).Truncate(time.Second))
		return err
	}, nil); err != nil {
		return proto.Settlement{}, err
	}
	// The consent is on disk before anybody can submit it: from here on the
	// channel counts as unfunded.
	sig, err := p.signer.SignTyped(p.domain, s)
	if err != nil {
		return proto.Settlement{}, err
	}
	s.Signature = sig
	return s, nil
}

// lastVoucher answers a payer that lost its own record.
func (p *payees) lastVoucher(key proto.ChannelKey) proto.Voucher {
	e := p.find(key.ID())
	if e == nil {
		return proto.Voucher{Channel: key.ID()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.book.Voucher
}

// snapshot returns copies of all books, for lists and for the claim policy.
func (p *payees) snapshot() []*pay.Payee {
	var all []*pay.Payee
	for _, e := range p.all() {
		e.mu.Lock()
		all = append(all, e.book.Clone())
		e.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b *pay.Payee) int {
		x, y := a.ID(), b.ID()
		return slices.Compare(x[:], y[:])
	})
	return all
}

// refreshAll reads every channel that may have changed: those that are not
// closed, and after a reorg the closed ones too.
func (p *payees) refreshAll(ctx context.Context, reorged bool) error {
	var errs []error
	for _, e := range p.all() {
		e.mu.Lock()
		closed := e.book.State.Closed
		e.mu.Unlock()
		if closed && !reorged {
			continue
		}
		if err := p.refresh(ctx, e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func payState(s chain.State) pay.ChainState {
	return pay.ChainState{Deposited: s.Deposited, Claimed: s.Claimed, ClosesAt: s.ClosesAt, Closed: s.Closed}
}
