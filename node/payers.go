package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/proto"
)

// payers keeps the books of the channels that this node pays from, and makes
// sure that there is money in them.
type payers struct {
	store  *store.Store
	chain  *chain.Client
	sender *chain.Sender
	domain proto.Domain
	signer interface {
		typedSigner
		Address() common.Address
	}
	token common.Address
	log   *slog.Logger
	// sync asks a payee for its last voucher on a channel.
	sync func(context.Context, proto.ChannelKey) (proto.Voucher, error)

	mu    sync.Mutex
	books map[proto.ChannelID]*payerBook
	// funding has one lock for each payee, so that jobs which start together
	// share a channel instead of opening one each.
	funding map[common.Address]chan struct{}

	depositing sync.Mutex
}

// payerBook is one channel's book with its lock. What is in book is on disk.
type payerBook struct {
	mu   sync.Mutex
	book *pay.Payer
	// shunned: until then the payee gives no credit on the channel, for it has
	// agreed to settle it.
	shunned time.Time
	// reserved is the most that each live lease may come to, so that leases
	// which start together do not count on the same deposit.
	reserved map[proto.LeaseID]proto.Amount
}

// free is the part of the deposit that no lease counts on. The caller holds e.mu.
func (e *payerBook) free() proto.Amount {
	free := e.book.Free()
	for lease, most := range e.reserved {
		free = free.Sub(most.Sub(e.book.Paid[lease]))
	}
	return free
}

// reserve sets aside what a lease may come to.
func (p *payers) reserve(key proto.ChannelKey, lease proto.LeaseID, most proto.Amount) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reserved == nil {
		e.reserved = make(map[proto.LeaseID]proto.Amount)
	}
	e.reserved[lease] = most
}

// unreserve lets go of what a lease did not come to.
func (p *payers) unreserve(key proto.ChannelKey, lease proto.LeaseID) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.reserved, lease)
}

// short is what has to be deposited so that all that was reserved is covered.
func (p *payers) short(key proto.ChannelKey) proto.Amount {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	need := e.book.Finished
	for lease, most := range e.reserved {
		need = need.Add(proto.MaxOf(most, e.book.Paid[lease]))
	}
	for lease, paid := range e.book.Paid {
		if _, ok := e.reserved[lease]; !ok {
			need = need.Add(paid)
		}
	}
	return need.Sub(e.book.State.Deposited)
}

// load takes up the books of an earlier process, and finds channels of this
// account on the chain that the store does not know.
func (p *payers) load(ctx context.Context, from uint64) error {
	p.books = make(map[proto.ChannelID]*payerBook)
	p.funding = make(map[common.Address]chan struct{})
	if err := p.store.View(ctx, func(tx *store.Tx) error {
		books, err := tx.Payers()
		if err != nil {
			return err
		}
		for _, b := range books {
			p.books[b.ID()] = &payerBook{book: b}
		}
		return nil
	}); err != nil {
		return err
	}
	opened, _, err := p.chain.OpenedChannels(ctx, chain.Parties{Payer: p.sender.Address()}, from)
	if err != nil {
		return err
	}
	for _, o := range opened {
		// A channel that somebody opened in our name with a signer of theirs is
		// theirs to spend; the money in it was never ours.
		if o.Key.PayerSigner != p.signer.Address() || o.Key.Token != p.token || p.books[o.Key.ID()] != nil {
			continue
		}
		p.log.Info("found a channel of this account on the chain", "channel", o.Key.ID(), "payee", o.Key.Payee)
		p.books[o.Key.ID()] = &payerBook{book: &pay.Payer{Key: o.Key, Unsynced: true}}
	}
	return nil
}

func (p *payers) find(id proto.ChannelID) *payerBook {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.books[id]
}

func (p *payers) entry(key proto.ChannelKey) *payerBook {
	id := key.ID()
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.books[id]
	if !ok {
		e = &payerBook{book: &pay.Payer{Key: key}}
		p.books[id] = e
	}
	return e
}

func (p *payers) all() []*payerBook {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*payerBook, 0, len(p.books))
	for _, e := range p.books {
		all = append(all, e)
	}
	return all
}

// change applies fn to a copy of the book and writes it before others see it.
// The caller holds e.mu.
func (p *payers) change(ctx context.Context, e *payerBook, fn func(*pay.Payer) error, also func(*store.Tx) error) error {
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
		return tx.PutPayer(next)
	}); err != nil {
		return err
	}
	e.book = next
	return nil
}

// raise commits more of the channel to a lease, within bound, and returns the
// voucher to send and what of it is meant for the lease. Both are on disk before
// they are returned. Where an earlier lease left enough over, the voucher is the
// last one again.
func (p *payers) raise(ctx context.Context, key proto.ChannelKey, lease proto.LeaseID, want, bound proto.Amount) (v proto.Voucher, promised proto.Amount, err error) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.book.Unsynced {
		return v, promised, fmt.Errorf("channel %s: what was signed on it before is not known here", key.ID())
	}
	next := e.book.Clone()
	cumulative, sign := next.Raise(lease, want, bound)
	switch {
	case sign:
		v = proto.Voucher{Channel: key.ID(), Cumulative: cumulative}
		if v.Signature, err = p.signer.SignTyped(p.domain, v); err != nil {
			return v, promised, err
		}
	case next.Paid[lease] == e.book.Paid[lease]:
		return e.book.Voucher, e.book.Paid[lease], nil
	}
	err = p.change(ctx, e, func(b *pay.Payer) error {
		b.Raise(lease, want, bound)
		if sign {
			b.Signed(v)
		}
		return nil
	}, nil)
	return e.book.Voucher, e.book.Paid[lease], err
}

// finish books what a lease came to, and writes the lease in the same step.
func (p *payers) finish(ctx context.Context, key proto.ChannelKey, lease proto.LeaseID, due proto.Amount, put func(*store.Tx) error) error {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := p.change(ctx, e, func(b *pay.Payer) error { b.Finish(lease, due); return nil }, put); err != nil {
		return err
	}
	delete(e.reserved, lease)
	return nil
}

// refresh reads a channel from the chain.
func (p *payers) refresh(ctx context.Context, e *payerBook) error {
	e.mu.Lock()
	id := e.book.ID()
	e.mu.Unlock()
	view, err := p.chain.Channel(ctx, id)
	if err != nil {
		return err
	}
	state := payState(view.Latest)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.book.State == state {
		return nil
	}
	return p.change(ctx, e, func(b *pay.Payer) error { b.Observe(state); return nil }, nil)
}

// refreshAll reads every channel that may have changed.
func (p *payers) refreshAll(ctx context.Context, reorged bool) error {
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

// choose returns the key of the channel to use with a provider: the open one with
// most free money, else one whose first deposit is still on its way or never got
// through, else a new one. Its salt is random, so that two machines with the same
// account never share a key.
func (p *payers) choose(payee, payeeSigner common.Address, closeDelay uint32) proto.ChannelKey {
	var key proto.ChannelKey
	var most proto.Amount
	found, funded := false, false
	now := time.Now()
	for _, e := range p.all() {
		e.mu.Lock()
		b, free, shunned := e.book, e.free(), e.shunned
		e.mu.Unlock()
		if now.Before(shunned) || b.Key.Payee != payee || b.Key.PayeeSigner != payeeSigner || b.Key.Token != p.token || b.Key.PayerSigner != p.signer.Address() ||
			b.Key.CloseDelay < closeDelay || b.State.Closed || !b.State.ClosesAt.IsZero() {
			continue
		}
		opened := !b.State.Deposited.IsZero()
		if !found || (opened && (!funded || most.Less(free))) {
			key, most, found, funded = b.Key, free, true, opened
		}
	}
	if found {
		return key
	}
	var salt [8]byte
	rand.Read(salt[:]) // never fails, by its documentation
	return proto.ChannelKey{
		Payer: p.sender.Address(), PayerSigner: p.signer.Address(), Payee: payee, PayeeSigner: payeeSigner,
		Token: p.token, CloseDelay: closeDelay, Salt: binary.BigEndian.Uint64(salt[:]),
	}
}

// shun passes a channel over until its payee's consent to settle it has expired. A
// provider that refuses a channel by itself is not believed so far: each refusal
// would cost a deposit in a new one.
func (p *payers) shun(key proto.ChannelKey, until time.Time) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	if most := time.Now().Add(settleLife); until.After(most) {
		until = most
	}
	e.shunned = until
}

// fundingPatience is how long a job waits for another that funds the channel with
// the same payee: a quote takes milliseconds, a deposit a block or two, in which
// another provider can be asked.
const fundingPatience = 300 * time.Millisecond

// lockFunding takes the lock under which the channel with payee is chosen and
// funded; false when another job has held it for longer than this one waits.
func (p *payers) lockFunding(ctx context.Context, payee common.Address) (unlock func(), ok bool) {
	p.mu.Lock()
	lock, known := p.funding[payee]
	if !known {
		lock = make(chan struct{}, 1)
		p.funding[payee] = lock
	}
	p.mu.Unlock()
	patience := time.NewTimer(fundingPatience)
	defer patience.Stop()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, true
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil, false
}

// ErrNoFunds is returned when the account holds less of the token than is to be deposited.
var ErrNoFunds = errors.New("not enough funds")

// deposit puts money into channels, in one transaction behind an approval where
// that is needed, and returns the transactions.
//
// The intents name what the channels held before: after a crash the same deposit
// is awaited and not sent a second time, for a deposit only grows.
func (p *payers) deposit(ctx context.Context, deposits ...chain.Deposit) ([]chain.Receipt, error) {
	p.depositing.Lock() // an approval replaces the one before
	defer p.depositing.Unlock()
	var total proto.Amount
	before := make([]proto.Amount, len(deposits))
	intent := ""
	for i, d := range deposits {
		total = total.Add(d.Amount)
		e := p.entry(d.Key)
		// The book is on disk before the money moves: after a crash the channel
		// is known here, whether the deposit got through or not.
		e.mu.Lock()
		before[i] = e.book.State.Deposited
		intent += fmt.Sprintf(" %s after %s", d.Key.ID(), before[i])
		err := p.change(ctx, e, func(*pay.Payer) error { return nil }, nil)
		e.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
	account := p.sender.Address()
	balance, err := p.chain.TokenBalance(ctx, account)
	if err != nil {
		return nil, err
	}
	if balance.Less(total) {
		return nil, fmt.Errorf("%w: account %s holds %s base units of the token, the deposit is %s; put funds in, or lower the budget or the longest duration",
			ErrNoFunds, account, balance, total)
	}
	allowed, err := p.chain.Allowance(ctx, account)
	if err != nil {
		return nil, err
	}
	var receipts []chain.Receipt
	send := func(intent string, call chain.Call) error {
		r, err := sendIntent(ctx, p.sender, intent, call)
		if err == nil {
			receipts = append(receipts, r)
		}
		return err
	}
	if allowed.Less(total) {
		// An approval replaces the one before, so sending it twice is harmless; one
		// that was mined earlier may have been used up since.
		if err := send(fmt.Sprintf("approve %s %s", total, rand.Text()), p.chain.ApproveCall(total)); err != nil {
			return receipts, err
		}
	}
	if len(deposits) == 1 {
		err = send("deposit"+intent, p.chain.DepositCall(deposits[0].Key, deposits[0].Amount))
	} else {
		for i, call := range p.chain.DepositManyCalls(deposits) {
			if err = send(fmt.Sprintf("deposits %d%s", i, intent), call); err != nil {
				break
			}
		}
	}
	if err != nil {
		return receipts, err
	}
	for i, d := range deposits {
		if err := p.awaitDeposited(ctx, p.entry(d.Key), before[i]); err != nil {
			return receipts, err
		}
	}
	return receipts, nil
}

// awaitDeposited reads a channel until it holds more than before: another server
// than the one that gave the receipt may be a few blocks behind.
func (p *payers) awaitDeposited(ctx context.Context, e *payerBook, before proto.Amount) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := p.refresh(ctx, e)
		e.mu.Lock()
		there := before.Less(e.book.State.Deposited)
		e.mu.Unlock()
		if err == nil && there {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the deposit is in a block, but channel %s does not show it yet: %w", e.book.ID(), ctx.Err()), err)
		case <-time.After(time.Second):
		}
	}
}

// recover asks the payee for the last voucher of a channel that is known from
// the chain only.
func (p *payers) recover(ctx context.Context, key proto.ChannelKey) error {
	e := p.entry(key)
	e.mu.Lock()
	unsynced := e.book.Unsynced
	e.mu.Unlock()
	if !unsynced {
		return nil
	}
	v, err := p.sync(ctx, key)
	if err != nil {
		return fmt.Errorf("ask the payee what was signed on channel %s: %w", key.ID(), err)
	}
	if err := p.refresh(ctx, e); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return p.change(ctx, e, func(b *pay.Payer) error {
		b.Unsynced = false
		if v.Signature.IsZero() {
			return nil // the payee holds none
		}
		return b.Recover(v, p.domain)
	}, nil)
}

// checkSettlement checks the payee's consent against this side's own book: it never
// agrees to pay more than its leases came to by its own clock.
func (p *payers) checkSettlement(key proto.ChannelKey, s proto.Settlement, now time.Time) (proto.Voucher, error) {
	e := p.entry(key)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case s.Channel != key.ID():
		return proto.Voucher{}, proto.Refuse(proto.CodeWrongChannel, s.Channel.String(), key.ID().String(), "")
	case !s.Deadline.After(now):
		return proto.Voucher{}, proto.Refuse(proto.CodeExpired, s.Deadline.UTC().Format(time.RFC3339), "later than now", "ask again")
	case e.book.Finished.Less(s.Amount):
		return proto.Voucher{}, proto.Refuse(proto.CodeUnderfunded, "the provider wants "+s.Amount.String(),
			"at most "+e.book.Finished.String()+", by this side's own book", "close the channel instead: it costs a delay, and the provider can claim its vouchers")
	}
	if err := p.domain.Verify(s, s.Signature, key.PayeeSigner); err != nil {
		return proto.Voucher{}, proto.Refuse(proto.CodeBadSignature, err.Error(), key.PayeeSigner.String(), "")
	}
	return e.book.Voucher, nil
}

// snapshot returns copies of all books.
func (p *payers) snapshot() []*pay.Payer {
	var all []*pay.Payer
	for _, e := range p.all() {
		e.mu.Lock()
		all = append(all, e.book.Clone())
		e.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b *pay.Payer) int {
		x, y := a.ID(), b.ID()
		return slices.Compare(x[:], y[:])
	})
	return all
}
