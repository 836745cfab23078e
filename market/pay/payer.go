package pay

import (
	"maps"

	"github.com/lode-market/lode/proto"
)

// Payer is the payer's book of one channel.
type Payer struct {
	Key proto.ChannelKey
	// State is what the chain said last.
	State ChainState
	// Voucher is the last one that was signed; it is on disk before it is sent.
	Voucher proto.Voucher
	// Finished is what finished leases came to: min(due, own bound) of each.
	Finished proto.Amount
	// Unsynced: the channel is known from the chain only, after this side lost its
	// store. What was signed on it is not known, so nothing may be signed before
	// the payee has told.
	Unsynced bool `json:",omitempty"`
	// Paid is what was signed for each live lease, in all.
	Paid map[proto.LeaseID]proto.Amount
}

// ID returns the channel's id.
func (b *Payer) ID() proto.ChannelID { return b.Key.ID() }

// Committed is what finished leases came to and what live ones were paid.
func (b *Payer) Committed() proto.Amount {
	sum := b.Finished
	for _, p := range b.Paid {
		sum = sum.Add(p)
	}
	return sum
}

// Free is the part of the deposit that is not committed.
func (b *Payer) Free() proto.Amount {
	if b.State.Closed || !b.State.ClosesAt.IsZero() {
		return proto.Amount{}
	}
	// A voucher that a lost store forgot the reason of binds all the same.
	return b.State.Deposited.Sub(b.Committed())
}

// Raise commits up to want for a lease, never beyond bound nor the deposit, and
// returns the cumulative amount to sign. Nothing is to be signed when it is no
// higher than the last voucher: what an earlier lease left over pays first.
func (b *Payer) Raise(lease proto.LeaseID, want, bound proto.Amount) (cumulative proto.Amount, sign bool) {
	had := b.Paid[lease]
	more := proto.MinAmount(want, bound).Sub(had)
	paid := had.Add(proto.MinAmount(more, b.Free()))
	if b.Paid == nil {
		b.Paid = make(map[proto.LeaseID]proto.Amount)
	}
	b.Paid[lease] = paid
	// A receipt may have come to more than was signed for its lease, and a reorg
	// may have taken part of the deposit: what is not there is not promised.
	cumulative = proto.MinAmount(b.Committed(), b.State.Deposited)
	return cumulative, b.Voucher.Cumulative.Less(cumulative)
}

// Signed takes over a voucher that was signed for what Raise returned.
func (b *Payer) Signed(v proto.Voucher) {
	if b.Voucher.Cumulative.Less(v.Cumulative) {
		b.Voucher = v
	}
}

// Finish books what a lease came to: due, which the caller has bounded by the
// lease's own clock, and never more than was signed. A lease that is not live has
// been booked before.
func (b *Payer) Finish(lease proto.LeaseID, due proto.Amount) {
	if _, ok := b.Paid[lease]; !ok {
		return
	}
	delete(b.Paid, lease)
	b.Finished = b.Finished.Add(proto.MinAmount(due, b.Voucher.Cumulative.Sub(b.Finished)))
}

// Recover takes over the payee's last voucher, after this side lost its store.
// Everything that it covers counts as spent: whoever lost the books can't tell
// what of it is still owed, and must not sign the same slice twice.
func (b *Payer) Recover(v proto.Voucher, d proto.Domain) error {
	if v.Channel != b.ID() {
		return proto.Refuse(proto.CodeWrongChannel, v.Channel.String(), b.ID().String(), "the payee answered for another channel; close this one instead")
	}
	if v.Cumulative.Cmp(b.Voucher.Cumulative) <= 0 {
		return nil
	}
	if err := d.Verify(v, v.Signature, b.Key.PayerSigner); err != nil {
		return proto.Refuse(proto.CodeBadSignature, err.Error(), b.Key.PayerSigner.String(), "the payee showed a voucher that this side never signed; close the channel instead")
	}
	if short := v.Cumulative.Sub(b.Committed()); !short.IsZero() {
		b.Finished = b.Finished.Add(short)
	}
	b.Voucher = v
	return nil
}

// Observe takes over what the chain says.
func (b *Payer) Observe(s ChainState) { b.State = s }

// Clone returns a copy that shares nothing with b.
func (b *Payer) Clone() *Payer {
	c := *b
	c.Paid = maps.Clone(b.Paid)
	return &c
}

// Clone returns a copy that shares nothing with b.
func (b *Payee) Clone() *Payee {
	c := *b
	c.Grants, c.Promised = maps.Clone(b.Grants), maps.Clone(b.Promised)
	return &c
}
