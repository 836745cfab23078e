package chain

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/params"
)

// Fees bounds what gas may cost. All are wei per gas; nil takes the default.
type Fees struct {
	// Ceiling is the most that is ever paid, tip included; default 500 gwei. Above it nothing is sent.
	Ceiling *big.Int
	// MinTip is the least tip; default 1 wei. A node may accept a smaller tip than its miner asks for, and never
	// mine the transaction, which blocks every later nonce.
	MinTip *big.Int
	// StuckBlocks is after how many blocks a transaction is replaced by one that pays more; default 6.
	StuckBlocks uint64
}

func (f Fees) withDefaults() Fees {
	if f.Ceiling == nil {
		f.Ceiling = new(big.Int).SetUint64(500 * params.GWei)
	}
	if f.MinTip == nil {
		f.MinTip = big.NewInt(1)
	}
	if f.StuckBlocks == 0 {
		f.StuckBlocks = 6
	}
	return f
}

// price is what a transaction offers, in wei per gas.
type price struct{ tip, feeCap *big.Int }

// offer is the price for now: the suggested tip, and room for the base fee to double, which takes it six full
// blocks. It fails with ErrFeeTooHigh when even the present base fee is above the ceiling.
func (f Fees) offer(baseFee, suggestedTip *big.Int) (price, error) {
	tip := larger(suggestedTip, f.MinTip)
	now := new(big.Int).Add(baseFee, tip)
	if now.Cmp(f.Ceiling) > 0 {
		return price{}, &Error{Kind: ErrFeeTooHigh, Actual: gwei(now), Required: "at most " + gwei(f.Ceiling),
			Mend: "wait until the network is quieter, or raise the ceiling in the config"}
	}
	feeCap := new(big.Int).Add(now, baseFee)
	return price{tip, smaller(feeCap, f.Ceiling)}, nil
}

// replace is the price of a transaction that takes the place of one at the old price: at least an eighth more of
// both, which passes the tenth that nodes ask for. ok is false when the ceiling does not allow it.
func (f Fees) replace(old, now price) (p price, ok bool) {
	p = price{larger(now.tip, bump(old.tip)), larger(now.feeCap, bump(old.feeCap))}
	return p, p.feeCap.Cmp(f.Ceiling) <= 0
}

func bump(x *big.Int) *big.Int {
	y := new(big.Int).Add(x, new(big.Int).Rsh(x, 3))
	return y.Add(y, big.NewInt(1))
}

// limit is the gas limit for an estimate: a fifth more, since what a call costs depends on what others do before it
// is mined. It never passes what a transaction may hold.
func limit(estimate uint64) uint64 { return min(estimate+estimate/5, params.MaxTxGas) }

func larger(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return b
	}
	return a
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return b
	}
	return a
}

func gwei(wei *big.Int) string {
	return fmt.Sprintf("%s gwei", new(big.Rat).SetFrac(wei, big.NewInt(params.GWei)).FloatString(3))
}
