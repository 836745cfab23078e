package chain

import (
	"errors"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/params"
	"pgregory.net/rapid"
)

func drawWei(t *rapid.T, name string) *big.Int {
	return new(big.Int).SetUint64(rapid.Uint64Range(0, 1000*params.GWei).Draw(t, name))
}

func TestOffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Fees{Ceiling: drawWei(t, "ceiling"), MinTip: drawWei(t, "least tip")}.withDefaults()
		base, suggested := drawWei(t, "base fee"), drawWei(t, "suggested tip")
		p, err := f.offer(base, suggested)
		needed := new(big.Int).Add(base, larger(suggested, f.MinTip))
		if needed.Cmp(f.Ceiling) > 0 {
			if !errors.Is(err, ErrFeeTooHigh) {
				t.Fatalf("%v of at most %v was offered: %v", needed, f.Ceiling, err)
			}
			return
		}
		switch {
		case err != nil:
			t.Fatal(err)
		case p.feeCap.Cmp(f.Ceiling) > 0:
			t.Fatalf("offers %v, above the ceiling %v", p.feeCap, f.Ceiling)
		case p.feeCap.Cmp(needed) < 0:
			t.Fatalf("offers %v, too little for %v", p.feeCap, needed)
		case p.tip.Cmp(f.MinTip) < 0:
			t.Fatalf("tips %v, under the least %v", p.tip, f.MinTip)
		case p.tip.Cmp(p.feeCap) > 0:
			t.Fatalf("tips %v of %v", p.tip, p.feeCap)
		}
	})
}

// TestReplacementsPass checks the rule of go-ethereum's pool: both prices must rise, by 10% at least.
func TestReplacementsPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Fees{Ceiling: drawWei(t, "ceiling")}.withDefaults()
		old := price{drawWei(t, "old tip"), drawWei(t, "old cap")}
		now := price{drawWei(t, "tip"), drawWei(t, "cap")}
		p, ok := f.replace(old, now)
		if ok && p.feeCap.Cmp(f.Ceiling) > 0 {
			t.Fatalf("%v is above the ceiling %v", p.feeCap, f.Ceiling)
		}
		for _, c := range []struct{ old, new *big.Int }{{old.tip, p.tip}, {old.feeCap, p.feeCap}} {
			tenth := new(big.Int).Div(new(big.Int).Mul(c.old, big.NewInt(110)), big.NewInt(100))
			if c.new.Cmp(c.old) <= 0 || c.new.Cmp(tenth) < 0 {
				t.Fatalf("%v does not replace %v", c.new, c.old)
			}
		}
	})
}

func TestGasLimit(t *testing.T) {
	for estimate, want := range map[uint64]uint64{0: 0, 50_000: 60_000, params.MaxTxGas: params.MaxTxGas} {
		if got := limit(estimate); got != want {
			t.Errorf("limit(%d) = %d, want %d", estimate, got, want)
		}
	}
}
