package proto

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"time"

	"github.com/holiman/uint256"
)

// ErrAmount is returned for an amount that is not a whole number of base units in 96 bits.
var ErrAmount = errors.New("not an amount of base units in 96 bits")

// MaxAmount is 2^96 - 1, the largest amount that a channel can hold.
var MaxAmount = Amount{*new(uint256.Int).SubUint64(new(uint256.Int).Lsh(uint256.NewInt(1), 96), 1)}

// Amount is a number of a token's base units, at most 96 bits wide as in the
// contract. It is comparable, and its zero value is zero.
//
// Its arithmetic saturates. A debt that saturates at MaxAmount can be covered by
// no channel and a remainder that saturates at zero buys nothing, so an overflow
// stops a lease instead of giving something away.
type Amount struct{ v uint256.Int }

// NewAmount returns n base units.
func NewAmount(n uint64) Amount { return Amount{*uint256.NewInt(n)} }

// ParseAmount reads a decimal number of base units, without sign or separators.
func ParseAmount(s string) (Amount, error) {
	if s == "" || len(s) > len("79228162514264337593543950335") {
		return Amount{}, fmt.Errorf("%q: %w", s, ErrAmount)
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return Amount{}, fmt.Errorf("%q: %w", s, ErrAmount)
		}
	}
	b, _ := new(big.Int).SetString(s, 10) // the digits were checked above
	return AmountFromBig(b)
}

// AmountFromBig converts b, which must be in [0, 2^96).
func AmountFromBig(b *big.Int) (Amount, error) {
	if b == nil || b.Sign() < 0 || b.BitLen() > 96 {
		return Amount{}, fmt.Errorf("%v: %w", b, ErrAmount)
	}
	return Amount{*uint256.MustFromBig(b)}, nil
}

// AmountFromBytes reads a big-endian number of at most 12 bytes; none is zero.
func AmountFromBytes(b []byte) (Amount, error) {
	if len(b) > 12 {
		return Amount{}, fmt.Errorf("%d bytes: %w", len(b), ErrAmount)
	}
	return Amount{*new(uint256.Int).SetBytes(b)}, nil
}

// Bytes returns a as a big-endian number without leading zeros; zero is empty.
func (a Amount) Bytes() []byte { return a.v.Bytes() }

// Big returns a as a new big.Int.
func (a Amount) Big() *big.Int { return a.v.ToBig() }

// Uint64 returns a, or the largest uint64 when a is larger.
func (a Amount) Uint64() uint64 {
	if !a.v.IsUint64() {
		return math.MaxUint64
	}
	return a.v.Uint64()
}

// String returns a in decimal base units.
func (a Amount) String() string { return a.v.Dec() }

// Cmp compares a and b: -1, 0 or 1.
func (a Amount) Cmp(b Amount) int { return a.v.Cmp(&b.v) }

// Less reports whether a < b.
func (a Amount) Less(b Amount) bool { return a.v.Lt(&b.v) }

// IsZero reports whether a is zero.
func (a Amount) IsZero() bool { return a.v.IsZero() }

// Add returns a + b, or MaxAmount when that does not fit.
func (a Amount) Add(b Amount) Amount {
	var c Amount
	c.v.Add(&a.v, &b.v)
	return c.cap()
}

// Sub returns a - b, or zero when b is larger.
func (a Amount) Sub(b Amount) Amount {
	if a.v.Lt(&b.v) {
		return Amount{}
	}
	var c Amount
	c.v.Sub(&a.v, &b.v)
	return c
}

// Mul returns n * a, or MaxAmount when that does not fit.
func (a Amount) Mul(n uint64) Amount {
	var c Amount
	c.v.Mul(&a.v, uint256.NewInt(n)) // 96 + 64 bits fit in 256
	return c.cap()
}

func (a Amount) cap() Amount {
	if a.v.Gt(&MaxAmount.v) {
		return MaxAmount
	}
	return a
}

// MinAmount returns the smaller of a and b.
func MinAmount(a, b Amount) Amount {
	if a.Less(b) {
		return a
	}
	return b
}

// MaxOf returns the larger of a and b.
func MaxOf(a, b Amount) Amount {
	if a.Less(b) {
		return b
	}
	return a
}

// MarshalText writes decimal base units, the form of JSON and of the store.
func (a Amount) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads decimal base units.
func (a *Amount) UnmarshalText(text []byte) error {
	v, err := ParseAmount(string(text))
	if err != nil {
		return err
	}
	*a = v
	return nil
}

// Price is base units per hour of lease. Tokens with 6 decimals would lose half
// a percent if it were per second.
type Price struct{ perHour Amount }

// msPerHour is the number of milliseconds that a Price pays for.
const msPerHour = 3_600_000

// PerHour returns the price of a base units per hour.
func PerHour(a Amount) Price { return Price{a} }

// Amount returns the price of one hour.
func (p Price) Amount() Amount { return p.perHour }

// String returns base units per hour in decimal.
func (p Price) String() string { return p.perHour.String() }

// Cmp compares p and q: -1, 0 or 1.
func (p Price) Cmp(q Price) int { return p.perHour.Cmp(q.perHour) }

// MarshalText writes decimal base units per hour.
func (p Price) MarshalText() ([]byte, error) { return p.perHour.MarshalText() }

// UnmarshalText reads decimal base units per hour.
func (p *Price) UnmarshalText(text []byte) error { return p.perHour.UnmarshalText(text) }

// Due returns what usage costs: price x milliseconds / 3,600,000, rounded up.
// Usage counts in whole milliseconds; a negative one costs nothing.
func (p Price) Due(usage time.Duration) Amount {
	ms := usage.Milliseconds()
	if ms <= 0 {
		return Amount{}
	}
	var c Amount
	c.v.Mul(&p.perHour.v, uint256.NewInt(uint64(ms)))
	c.v.AddUint64(&c.v, msPerHour-1)
	c.v.Div(&c.v, uint256.NewInt(msPerHour))
	return c.cap()
}

// Covers returns the longest usage, in whole milliseconds, whose Due is at most
// a. It is the inverse of Due: Due(Covers(a)) <= a < Due(Covers(a) + 1 ms). A
// price of zero is covered for ever, which is MaxSpan.
func (p Price) Covers(a Amount) time.Duration {
	if p.perHour.IsZero() {
		return MaxSpan
	}
	var ms uint256.Int
	ms.Mul(&a.v, uint256.NewInt(msPerHour))
	ms.Div(&ms, &p.perHour.v)
	limit := uint64(MaxSpan.Milliseconds())
	if !ms.IsUint64() || ms.Uint64() > limit {
		return MaxSpan
	}
	return time.Duration(ms.Uint64()) * time.Millisecond
}

// MaxSpan is the longest span that the protocol carries: ten years.
const MaxSpan = 10 * 365 * 24 * time.Hour
