package main

import (
	"testing"

	"pgregory.net/rapid"

	lode "github.com/lode-market/lode/proto"
)

func TestMoney(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := lode.NewAmount(rapid.Uint64().Draw(t, "amount"))
		d := rapid.Uint32Range(0, 18).Draw(t, "decimals")
		back, err := parseMoney("amount", formatAmount(a, d), d)
		if err != nil || back != a {
			t.Fatalf("%s with %d decimals came back as %s, %v", formatAmount(a, d), d, back, err)
		}
	})
	for s, want := range map[string]string{"0.60": "600000", "5": "5000000", ".5": "500000", "0": "0", "0.000001": "1", "007": "7000000"} {
		if got, err := parseMoney("amount", s, 6); err != nil || got.String() != want {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ".", "-1", "1e3", "0.0000001", "abc", "1.2.3", "1,5", "99999999999999999999999999999999"} {
		if a, err := parseMoney("amount", s, 6); err == nil {
			t.Errorf("%q was read as %s", s, a)
		}
	}
}
