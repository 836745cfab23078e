package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/proto"
)

// headEvery is how often the chain's head is looked at: a fraction of the
// fastest block time that matters.
const headEvery = time.Second

// followChain reads the channels again whenever the chain has moved.
func (n *Node) followChain() {
	if err := n.sender.Tend(n.ctx); err != nil && n.ctx.Err() == nil {
		n.log.Warn("transactions of an earlier process", "err", err)
	}
	for head, err := range n.chain.Heads(n.ctx, headEvery) {
		n.mu.Lock()
		n.chainErr = err
		if err == nil {
			n.head = head.Head
		}
		n.mu.Unlock()
		if err != nil {
			n.log.Warn("chain", "err", err)
			continue
		}
		if head.Reorged {
			n.cfg.Notice(fmt.Sprintf("the chain was reorganised up to block %d; channels are read again", head.Number))
		}
		if err := errors.Join(n.payees.refreshAll(n.ctx, head.Reorged), n.payers.refreshAll(n.ctx, head.Reorged)); err != nil && n.ctx.Err() == nil {
			n.log.Warn("channels", "err", err)
		}
		if err := n.sender.Tend(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Warn("transactions", "err", err)
		}
		if n.provider != nil {
			n.provider.recheck()
		}
		n.claimDue(n.ctx, false)
	}
}

// A book is compared with a peer's soon after the start, when gossip still finds
// its way, and ever less often.
const (
	bookFirst = time.Second
	bookLast  = 5 * time.Minute
)

// join fills the book from peers' books, so that a fresh node need not wait for
// the next round of gossip, and goes on to fill its gaps.
func (n *Node) join() {
	n.done.Go(func() {
		if _, err := n.wire.JoinBook(n.ctx, proto.Classes); err != nil && n.ctx.Err() == nil {
			n.log.Info("no peer told its book; offers come by gossip", "err", err)
		}
	})
	for wait := bookFirst; ; wait = min(2*wait, bookLast) {
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(wait/2 + rand.N(wait)):
		}
		if err := n.wire.RefreshBook(n.ctx, proto.Classes); err != nil && n.ctx.Err() == nil {
			n.log.Debug("a peer's book could not be read", "err", err)
		}
	}
}

// announce publishes the provider's offer, again before it expires, and when
// more peers listen than before: what is said before they subscribe reaches
// nobody. Jitter lets providers that started together drift apart.
func (n *Node) announce() {
	const (
		look   = 250 * time.Millisecond
		settle = time.Second // a peer is in the mesh after the next heartbeat
	)
	class := proto.ClassOf(n.provider.cfg.Resources)
	heard, again := 0, proto.OfferResend
	var due, last time.Time
	for {
		now, followers := time.Now(), n.wire.Followers(class)
		if followers > heard {
			soon := now.Add(settle)
			if next := last.Add(proto.OfferResend); heard > 0 && next.After(soon) {
				soon = next
			}
			if due.After(soon) {
				due = soon
			}
		}
		heard = followers
		if !now.Before(due) {
			if err := n.publishOffer(); err != nil && n.ctx.Err() == nil {
				n.log.Warn("offer", "err", err)
			}
			// Soon again at first: who heard the first one is not known.
			last, due = now, now.Add(again/2+rand.N(again/2))
			again = min(2*again, proto.OfferRefresh)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(look):
		}
	}
}

// identityLife is how long the binding of peer and account in an offer is good.
const identityLife = 24 * time.Hour

func (n *Node) publishOffer() error {
	p, now := n.provider, time.Now().Truncate(time.Millisecond)
	id := proto.Identity{Peer: p.self, Payee: p.payee, PayeeSigner: p.signer.Address(), Expires: now.Add(identityLife)}
	sig, err := p.signer.SignTyped(p.domain, id)
	if err != nil {
		return err
	}
	id.Signature = sig
	var drivers []proto.Driver
	for d := range p.drivers {
		drivers = append(drivers, d)
	}
	slices.Sort(drivers)
	return n.offers.publish(n.ctx, proto.Offer{
		Identity: id, Seq: n.offers.next(), Issued: now, Expires: now.Add(proto.MaxOfferLife), Class: proto.ClassOf(p.cfg.Resources),
		Token: p.token, Price: p.cfg.Price, Resources: p.cfg.Resources, Drivers: drivers, Slice: p.cfg.Slice, StartFee: p.cfg.StartFee,
		MaxDuration: p.cfg.MaxDuration, MinCloseDelay: p.cfg.MinCloseDelay, Addrs: n.wire.Addrs(), Simulated: p.cfg.Simulated,
	})
}

// answerPost answers a requester that finds no offer, when this machine fits: by
// telling its offer again. Not every provider that fits does, so that answers
// stay few.
func (n *Node) answerPost(p proto.JobPost) {
	select {
	case <-n.provider.ready:
	default:
		return
	}
	if !fits(p.Needs.Resources, proto.Resources{}, n.provider.cfg.Resources) || n.provider.drivers[p.Needs.Driver] == nil {
		return
	}
	const answers = 4 // wanted, of a class whose size the book tells
	if peers := len(n.offers.all()); peers > answers && rand.IntN(peers) >= answers {
		return
	}
	if err := n.publishOffer(); err != nil {
		n.log.Info("answer to a job post", "err", err)
	}
}

// claimDue turns vouchers into money when that is worth its gas, or urgent. A home
// that no longer provides may hold vouchers from when it did.
func (n *Node) claimDue(ctx context.Context, stopping bool) {
	policy := pay.DefaultClaimPolicy
	if n.provider != nil {
		policy = n.provider.cfg.Claim
	}
	var due []*pay.Payee
	for _, b := range n.payees.snapshot() {
		if policy.ShouldClaim(b, n.claimGas(ctx, b), time.Now(), stopping) {
			due = append(due, b)
		}
	}
	if len(due) == 0 {
		return
	}
	receipts, err := n.claim(ctx, due)
	if err != nil {
		n.log.Warn("claim", "err", err)
		return
	}
	for _, r := range receipts {
		n.cfg.Notice(fmt.Sprintf("claimed by transaction %s, gas %d", r.Tx, r.GasUsed))
	}
}

// claimGas is what a claim costs in the token, by the owner's own rate. Without
// one a claim waits for the closing of its channel.
func (n *Node) claimGas(ctx context.Context, b *pay.Payee) proto.Amount {
	var rate proto.Amount
	if n.provider != nil {
		rate = n.provider.cfg.GasRate
	}
	unknown := proto.MaxAmount
	if !b.State.ClosesAt.IsZero() {
		unknown = proto.Amount{} // closing: whatever it costs is less than all of it, as far as is known
	}
	if rate.IsZero() {
		return unknown
	}
	preview, err := n.sender.Preview(ctx, n.chain.ClaimCalls([]chain.Claim{{Key: b.Key, Voucher: b.Voucher}})[0])
	if err != nil {
		n.log.Info("what a claim costs", "err", err)
		return unknown
	}
	wei, err := proto.AmountFromBig(preview.Cost)
	if err != nil {
		return unknown
	}
	return weiInToken(wei, rate)
}

// claim sends the best vouchers of the given channels.
func (n *Node) claim(ctx context.Context, books []*pay.Payee) ([]chain.Receipt, error) {
	var claims []chain.Claim
	intent := "claim"
	for _, b := range books {
		claims = append(claims, chain.Claim{Key: b.Key, Voucher: b.Voucher})
		// The same voucher on the same state is the same intent.
		intent += fmt.Sprintf(" %s %s after %s", b.ID(), b.Voucher.Cumulative, b.State.Claimed)
	}
	var receipts []chain.Receipt
	var errs []error
	for i, call := range n.chain.ClaimCalls(claims) {
		r, err := sendIntent(ctx, n.sender, fmt.Sprintf("%s #%d", intent, i), call)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		receipts = append(receipts, r)
	}
	for _, b := range books {
		if e := n.payees.find(b.ID()); e != nil {
			errs = append(errs, n.payees.refresh(ctx, e))
		}
	}
	return receipts, errors.Join(errs...)
}

// cleanEvery is how often what nobody needs any more is looked for.
const cleanEvery = 10 * time.Minute

func (n *Node) clean() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-time.After(cleanEvery):
		}
		if err := n.cleanOnce(n.ctx); err != nil && n.ctx.Err() == nil {
			n.log.Warn("cleaning up", "err", err)
		}
	}
}

// preparedLife is how long images and compiled modules are kept after their last
// use. A researcher comes back the next morning, and pays no second download.
const preparedLife = 24 * time.Hour

// cleanOnce lets go of results after their retention, and of content that no
// lease, job or user refers to.
func (n *Node) cleanOnce(ctx context.Context) error {
	if n.provider != nil {
		errs := []error{n.provider.reap(ctx)}
		for _, d := range n.provider.drivers {
			errs = append(errs, d.Sweep(ctx, preparedLife))
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	var keep []cid.Cid
	if err := n.store.View(ctx, func(tx *store.Tx) error {
		jobs, err := tx.Jobs(keptJobs)
		for _, j := range jobs {
			if root, err := cid.Decode(j.Result); err == nil {
				keep = append(keep, root)
			}
			if j.State.Ended() {
				continue
			}
			doc, err := proto.ParseJob(j.Canonical)
			if err != nil {
				return err
			}
			keep = append(keep, rootsOf(doc)...)
		}
		live, lerr := tx.LiveProviderLeases()
		for _, l := range live {
			doc, err := proto.ParseJob(l.Job)
			if err != nil {
				return err
			}
			keep = append(keep, rootsOf(doc)...)
		}
		return errors.Join(err, lerr)
	}); err != nil {
		return err
	}
	_, err := n.data.Collect(ctx, keep)
	return err
}

// keptJobs is how many jobs' results a requester keeps until it fetched or lost
// interest in them.
const keptJobs = 1000

// rootsOf are the trees that a job is made of.
func rootsOf(doc *proto.Job) []cid.Cid {
	var roots []cid.Cid
	if doc.Module != nil {
		roots = append(roots, *doc.Module)
	}
	for _, in := range doc.Inputs {
		roots = append(roots, in.Root)
	}
	return roots
}

// knownKey is where peers of earlier are remembered, so that a node finds the
// network again when every bootstrap peer is gone.
const knownKey = "known peers"

func knownPeers(tx *store.Tx) ([]string, error) {
	text, err := tx.Meta(knownKey)
	if err != nil || text == "" {
		return nil, err
	}
	var known []string
	if err := json.Unmarshal([]byte(text), &known); err != nil {
		return nil, fmt.Errorf("known peers: %w", err)
	}
	return known, nil
}

func (n *Node) rememberPeers(ctx context.Context) error {
	b, err := json.Marshal(n.wire.Known())
	if err != nil {
		return err
	}
	return n.store.Update(ctx, func(tx *store.Tx) error { return tx.SetMeta(knownKey, string(b)) })
}
