package pay

import (
	"fmt"
	"time"

	"github.com/lode-market/lode/proto"
)

// Payee is the payee's book of one channel. Its zero value with a Key is a new
// channel that nothing is known of yet.
type Payee struct {
	Key proto.ChannelKey
	// Voucher is the best one so far.
	Voucher proto.Voucher
	// Funded is how much of the deposit counts, by its finality.
	Funded proto.Amount
	// State is what the chain said last.
	State ChainState
	// Finished is what finished leases came to.
	Finished proto.Amount
	// Grants is the credit of each live lease, in all and not what is left of it.
	Grants map[proto.LeaseID]proto.Amount
	// Promised is how much of the vouchers the payer means for each live lease.
	Promised map[proto.LeaseID]proto.Amount
	// Consent is the last consent to settle, if any.
	Consent Consent
}

// ChainState is a channel as the chain has it.
type ChainState struct {
	Deposited proto.Amount
	Claimed   proto.Amount
	ClosesAt  time.Time // zero unless closing
	Closed    bool
}

// Consent is a signed agreement to a final total.
type Consent struct {
	Amount   proto.Amount
	Deadline time.Time // zero: none was given
}

// ID returns the channel's id.
func (b *Payee) ID() proto.ChannelID { return b.Key.ID() }

// Earned is what the vouchers are worth: the best one, as far as it is funded.
func (b *Payee) Earned() proto.Amount { return proto.MinAmount(b.Voucher.Cumulative, b.Funded) }

// Free is the credit that belongs to no lease yet.
func (b *Payee) Free() proto.Amount { return b.Earned().Sub(b.Committed()) }

// Committed is what finished leases came to and live ones may come to.
func (b *Payee) Committed() proto.Amount {
	sum := b.Finished
	for _, g := range b.Grants {
		sum = sum.Add(g)
	}
	return sum
}

// Overdrawn reports that the chain took back money on which leases run.
func (b *Payee) Overdrawn() bool { return b.Earned().Less(b.Committed()) }

// Claimable is what a claim would pay now.
func (b *Payee) Claimable() proto.Amount {
	if b.State.Closed {
		return proto.Amount{}
	}
	return proto.MinAmount(b.Voucher.Cumulative, b.State.Deposited).Sub(b.State.Claimed)
}

// Take accepts a voucher. One that is no higher than the best one changes
// nothing: the vouchers of a pair's leases travel on a stream each, and may
// overtake each other. It is refused when it is for another channel or not by
// the payer's signer.
func (b *Payee) Take(v proto.Voucher, d proto.Domain) error {
	if v.Channel != b.ID() {
		return proto.Refuse(proto.CodeWrongChannel, v.Channel.String(), b.ID().String(), "sign for the channel in the terms")
	}
	if v == b.Voucher {
		return nil
	}
	if err := d.Verify(v, v.Signature, b.Key.PayerSigner); err != nil {
		return proto.Refuse(proto.CodeBadSignature, err.Error(), b.Key.PayerSigner.String(), "sign with the key that the channel names")
	}
	if b.Voucher.Cumulative.Less(v.Cumulative) {
		b.Voucher = v
	}
	return nil
}

// Promise notes what the payer means for a live lease, in all. It never shrinks.
// Granting no lease more than that keeps the two books alike: credit that is free
// is not spent on a lease for which the payer, by its own clock, allows no more.
func (b *Payee) Promise(lease proto.LeaseID, amount proto.Amount) {
	if _, ok := b.Grants[lease]; ok {
		if b.Promised == nil {
			b.Promised = make(map[proto.LeaseID]proto.Amount)
		}
		b.Promised[lease] = proto.MaxOf(b.Promised[lease], amount)
	}
}

// Usable says whether credit may be given on the channel at now: not when its
// money is about to leave. What was granted before stays granted, and is claimed.
func (b *Payee) Usable(now time.Time) error {
	switch {
	case b.State.Closed:
		return proto.Refuse(proto.CodeChannelClosing, "the channel is closed", "an open channel", "open a new one with another salt")
	case !b.State.ClosesAt.IsZero():
		return proto.Refuse(proto.CodeChannelClosing, "the channel closes at "+b.State.ClosesAt.UTC().Format(time.RFC3339),
			"a channel that is not closing", "open a new one with another salt")
	case b.consented(now):
		return proto.Refuse(proto.CodeChannelClosing, "the provider agreed to settle the channel until "+b.Consent.Deadline.UTC().Format(time.RFC3339),
			"a channel without a settlement under way", "submit the settlement, or open a new channel")
	}
	return nil
}

const (
	// consentMargin is how long after its deadline a consent still counts: a block
	// may carry an older time than this machine's clock.
	consentMargin = 2 * time.Minute
	// claimMargin is how long the payee keeps for a claim after a consent that
	// nobody submitted, before the payer could withdraw.
	claimMargin = 15 * time.Minute
)

func (b *Payee) consented(now time.Time) bool {
	return !b.Consent.Deadline.IsZero() && now.Before(b.Consent.Deadline.Add(consentMargin))
}

// Open makes a place for a lease and grants it want, or refuses when less is free.
// A lease that is open already keeps its place: Open is idempotent.
func (b *Payee) Open(lease proto.LeaseID, want proto.Amount, now time.Time) (proto.Amount, error) {
	if g, ok := b.Grants[lease]; ok {
		return g, nil
	}
	if err := b.Usable(now); err != nil {
		return proto.Amount{}, err
	}
	if free := b.Free(); free.Less(want) {
		if b.Funded.Sub(b.Committed()).Less(want) {
			return proto.Amount{}, proto.Refuse(proto.CodeUnderfunded,
				fmt.Sprintf("%s of the deposit is free", b.Funded.Sub(b.Committed())), "at least "+want.String(),
				"deposit more, or wait until the deposit is final")
		}
		return proto.Amount{}, proto.Refuse(proto.CodeVoucherTooLow, b.Voucher.Cumulative.String(),
			"at least "+b.Committed().Add(want).String(), "sign a higher voucher")
	}
	if b.Grants == nil {
		b.Grants = make(map[proto.LeaseID]proto.Amount)
	}
	if b.Promised == nil {
		b.Promised = make(map[proto.LeaseID]proto.Amount)
	}
	b.Grants[lease], b.Promised[lease] = want, want
	return want, nil
}

// Grant raises the credit of a live lease towards want, as far as credit is free
// and promised to it, and returns what it has now. A grant never shrinks.
func (b *Payee) Grant(lease proto.LeaseID, want proto.Amount, now time.Time) proto.Amount {
	g, ok := b.Grants[lease]
	if !ok || b.Usable(now) != nil {
		return g
	}
	g = g.Add(proto.MinAmount(b.Free(), proto.MinAmount(want, b.Promised[lease]).Sub(g)))
	b.Grants[lease] = g
	return g
}

// Finish books a lease's due, which its grant bounds. A lease that is not live
// has been booked before, and nothing changes.
func (b *Payee) Finish(lease proto.LeaseID, due proto.Amount) {
	g, ok := b.Grants[lease]
	if !ok {
		return
	}
	delete(b.Grants, lease)
	delete(b.Promised, lease)
	b.Finished = b.Finished.Add(proto.MinAmount(due, g))
}

// Observe takes over what the chain says: its latest state, and how much of the
// deposit counts. Both may go back in a reorg.
func (b *Payee) Observe(s ChainState, funded proto.Amount) {
	b.State = s
	b.Funded = proto.MinAmount(funded, s.Deposited)
	if s.Closed {
		b.Funded = proto.Amount{}
	}
}

// Settle agrees to what finished leases came to as the final total. It is the
// payee's last act on the channel until the deadline has passed; live leases
// stand in its way, and so does a close whose delay would be over before the
// payee could still claim. The same consent is given again while it lasts.
func (b *Payee) Settle(now, deadline time.Time) (proto.Settlement, error) {
	if n := len(b.Grants); n > 0 {
		return proto.Settlement{}, proto.Refuse(proto.CodeNotSettled, fmt.Sprintf("%d live leases", n), "none", "wait for them or cancel them")
	}
	if b.State.Closed {
		return proto.Settlement{}, proto.Refuse(proto.CodeChannelClosing, "the channel is closed", "an open channel", "nothing is left to settle on it")
	}
	if b.consented(now) && !now.Before(b.Consent.Deadline) {
		return proto.Settlement{}, proto.Refuse(proto.CodeChannelClosing, "the last consent expired "+b.Consent.Deadline.UTC().Format(time.RFC3339),
			"some minutes, in which a block may still carry it", "ask again after "+b.Consent.Deadline.Add(consentMargin).UTC().Format(time.RFC3339))
	}
	if !b.consented(now) {
		leaves := b.State.ClosesAt // when the payer can take what is not claimed
		if leaves.IsZero() {
			leaves = now.Add(time.Duration(b.Key.CloseDelay) * time.Second)
		}
		if last := leaves.Add(-consentMargin - claimMargin); deadline.After(last) {
			return proto.Settlement{}, proto.Refuse(proto.CodeChannelClosing, "the channel can be emptied at "+leaves.UTC().Format(time.RFC3339),
				"a deadline of "+last.UTC().Format(time.RFC3339)+" or before", "let the close run its course: the provider claims what it is owed")
		}
		b.Consent = Consent{Amount: b.Finished, Deadline: deadline}
	}
	return proto.Settlement{Channel: b.ID(), Amount: b.Consent.Amount, Deadline: b.Consent.Deadline}, nil
}

// Weigh returns how much of a deposit counts: all that is final, and of what is
// not, at most the exposure that the provider chose.
func Weigh(latest, final, exposure proto.Amount) proto.Amount {
	final = proto.MinAmount(latest, final)
	return final.Add(proto.MinAmount(latest.Sub(final), exposure))
}
