package pay

import (
	"time"

	"github.com/lode-market/lode/proto"
)

// ClaimPolicy says when the payee turns vouchers into money.
type ClaimPolicy struct {
	// GasMultiple is how many times a claim's gas the unclaimed value must be.
	GasMultiple uint64
	// Shutdown claims whatever pays for its gas before the node stops.
	Shutdown bool
}

// DefaultClaimPolicy lets gas eat at most a fiftieth of what is claimed.
var DefaultClaimPolicy = ClaimPolicy{GasMultiple: 50}

// ShouldClaim decides for one channel. gas is what the claim costs, in base units
// of the channel's token by the owner's own rate; stopping is true before a shutdown.
func (p ClaimPolicy) ShouldClaim(b *Payee, gas proto.Amount, now time.Time, stopping bool) bool {
	value := b.Claimable()
	switch {
	case value.IsZero():
		return false
	case b.consented(now):
		return false // the settlement pays
	case !b.State.ClosesAt.IsZero():
		// The payer wants its money back: from ClosesAt it can have what is not
		// claimed, dear gas or not.
		return gas.Less(value)
	case stopping && p.Shutdown:
		return gas.Less(value)
	}
	return gas.Mul(p.GasMultiple).Cmp(value) <= 0
}
