package proto

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func amounts() *rapid.Generator[Amount] {
	return rapid.Custom(func(t *rapid.T) Amount {
		a, err := AmountFromBytes(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "bytes"))
		if err != nil {
			t.Fatal(err)
		}
		return a
	})
}

// The dumb model of amounts is big.Int, clamped.
func TestAmountAgainstBig(t *testing.T) {
	clamp := func(b *big.Int) string {
		if b.Sign() < 0 {
			return "0"
		}
		if b.Cmp(MaxAmount.Big()) > 0 {
			return MaxAmount.String()
		}
		return b.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := amounts().Draw(t, "a"), amounts().Draw(t, "b")
		n := rapid.Uint64().Draw(t, "n")
		if got, want := a.Add(b).String(), clamp(new(big.Int).Add(a.Big(), b.Big())); got != want {
			t.Fatalf("add: %s, want %s", got, want)
		}
		if got, want := a.Sub(b).String(), clamp(new(big.Int).Sub(a.Big(), b.Big())); got != want {
			t.Fatalf("sub: %s, want %s", got, want)
		}
		if got, want := a.Mul(n).String(), clamp(new(big.Int).Mul(a.Big(), new(big.Int).SetUint64(n))); got != want {
			t.Fatalf("mul: %s, want %s", got, want)
		}
		if a.Cmp(b) != a.Big().Cmp(b.Big()) {
			t.Fatal("cmp")
		}
		back, err := AmountFromBytes(a.Bytes())
		if err != nil || back != a {
			t.Fatalf("bytes: %v, %v", back, err)
		}
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var c Amount
		if err := json.Unmarshal(text, &c); err != nil || c != a {
			t.Fatalf("json: %v, %v", c, err)
		}
	})
}

func TestDueRoundsUpAndCoversInverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := PerHour(NewAmount(rapid.Uint64().Draw(t, "price")))
		d := time.Duration(rapid.Int64Range(0, MaxSpan.Milliseconds()-1).Draw(t, "ms")) * time.Millisecond
		exact := new(big.Int).Mul(p.Amount().Big(), big.NewInt(d.Milliseconds()))
		up := exact.Add(exact, big.NewInt(msPerHour-1))
		up.Div(up, big.NewInt(msPerHour))
		if up.BitLen() <= 96 && p.Due(d).Big().Cmp(up) != 0 {
			t.Fatalf("due %s, want %s", p.Due(d), up)
		}
		a := NewAmount(rapid.Uint64().Draw(t, "amount"))
		c := p.Covers(a)
		if p.Due(c).Cmp(a) > 0 {
			t.Fatalf("%s pays for %s, which costs %s", a, c, p.Due(c))
		}
		if c < MaxSpan && p.Due(c+time.Millisecond).Cmp(a) <= 0 {
			t.Fatalf("%s would also pay for a millisecond more than %s", a, c)
		}
	})
}

func TestParseAmountRefuses(t *testing.T) {
	for _, s := range []string{"", "-1", "+1", "1.0", "0x10", "1e3", " 1", "79228162514264337593543950336", "1_000"} {
		if _, err := ParseAmount(s); !errors.Is(err, ErrAmount) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if a, err := ParseAmount("79228162514264337593543950335"); err != nil || a != MaxAmount {
		t.Errorf("2^96-1: %v, %v", a, err)
	}
}
