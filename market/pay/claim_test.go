package pay_test

import (
	"testing"
	"time"

	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

func TestShouldClaim(t *testing.T) {
	deadline := simEpoch.Add(time.Hour)
	normal := pay.ClaimPolicy{GasMultiple: 50}
	thorough := pay.ClaimPolicy{GasMultiple: 50, Shutdown: true}
	open := pay.ChainState{Deposited: units(5000)}
	claimed := func(s pay.ChainState, n uint64) pay.ChainState { s.Claimed = units(n); return s }
	closing := func(s pay.ChainState) pay.ChainState { s.ClosesAt = simEpoch.Add(closeDelay); return s }
	closed := func(s pay.ChainState) pay.ChainState { s.Closed = true; return s }
	for _, c := range []struct {
		name     string
		policy   pay.ClaimPolicy
		signed   uint64
		state    pay.ChainState
		consent  time.Time
		gas      proto.Amount
		at       time.Time
		stopping bool
		want     bool
	}{
		{"no voucher", normal, 0, open, time.Time{}, units(0), simEpoch, false, false},
		{"gas is free", normal, 1, open, time.Time{}, units(0), simEpoch, false, true},
		{"fifty times the gas", normal, 500, open, time.Time{}, units(10), simEpoch, false, true},
		{"one short of it", normal, 499, open, time.Time{}, units(10), simEpoch, false, false},
		{"what was claimed is gone", normal, 1000, claimed(open, 501), time.Time{}, units(10), simEpoch, false, false},
		{"what is unclaimed pays", normal, 1000, claimed(open, 500), time.Time{}, units(10), simEpoch, false, true},
		{"all was claimed", normal, 1000, claimed(open, 1000), time.Time{}, units(0), simEpoch, false, false},
		{"more was claimed than this book knows of", normal, 1000, claimed(open, 2000), time.Time{}, units(0), simEpoch, false, false},
		{"the deposit is the limit", normal, 500, pay.ChainState{Deposited: units(499)}, time.Time{}, units(10), simEpoch, false, false},
		{"gas dearer than anything", normal, 500, open, time.Time{}, proto.MaxAmount, simEpoch, false, false},

		{"closing: more than the gas", normal, 11, closing(open), time.Time{}, units(10), simEpoch, false, true},
		{"closing: the gas", normal, 10, closing(open), time.Time{}, units(10), simEpoch, false, false},
		{"closing: the delay is over, and nobody withdrew", normal, 11, closing(open), time.Time{}, units(10), simEpoch.Add(2 * closeDelay), false, true},
		{"closing: nothing is left", normal, 500, claimed(closing(open), 500), time.Time{}, units(0), simEpoch, false, false},
		{"closed", normal, 500, closed(open), time.Time{}, units(0), simEpoch, false, false},

		{"stopping: more than the gas", thorough, 11, open, time.Time{}, units(10), simEpoch, true, true},
		{"stopping: the gas", thorough, 10, open, time.Time{}, units(10), simEpoch, true, false},
		{"stopping, not asked to", normal, 499, open, time.Time{}, units(10), simEpoch, true, false},
		{"stopping, not asked to, and worth it", normal, 500, open, time.Time{}, units(10), simEpoch, true, true},
		{"asked to, not stopping", thorough, 499, open, time.Time{}, units(10), simEpoch, false, false},

		{"consented: the settlement pays", normal, 500, open, deadline, units(10), simEpoch, false, false},
		{"consented, stopping", thorough, 500, open, deadline, units(10), simEpoch, true, false},
		{"consented, closing", normal, 500, closing(open), deadline, units(10), simEpoch, false, false},
		{"consented, a block may still be as old", normal, 500, closing(open), deadline, units(10), deadline.Add(clockMargin - 1), false, false},
		{"nobody submitted the consent", normal, 500, open, deadline, units(10), deadline.Add(clockMargin), false, true},
		{"nobody submitted the consent, closing", normal, 11, closing(open), deadline, units(10), deadline.Add(clockMargin), false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayee(t, c.signed, 0)
			b.Observe(c.state, c.state.Deposited)
			b.Consent = pay.Consent{Deadline: c.consent}
			unchanged(t, b, func() {
				if got := c.policy.ShouldClaim(b, c.gas, c.at, c.stopping); got != c.want {
					t.Errorf("claims %s for a gas of %s: %t", b.Claimable(), c.gas, got)
				}
			})
		})
	}
}

// By default gas eats at most a fiftieth.
func TestDefaultClaimPolicy(t *testing.T) {
	for signed, want := range map[uint64]bool{49: false, 50: true} {
		if got := pay.DefaultClaimPolicy.ShouldClaim(newPayee(t, signed, 100), units(1), simEpoch, false); got != want {
			t.Errorf("claims %d for a gas of 1: %t", signed, got)
		}
	}
}
