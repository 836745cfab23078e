package chain

import (
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/contracts"
)

func TestDecodeRevert(t *testing.T) {
	packed := func(name string, args ...any) []byte {
		t.Helper()
		e, ok := contracts.NewChannels().GetABI().Errors[name]
		if !ok {
			if e, ok = contracts.NewDevToken().GetABI().Errors[name]; !ok {
				t.Fatalf("no error %s in the contracts", name)
			}
		}
		b, err := e.Inputs.Pack(args...)
		if err != nil {
			t.Fatal(err)
		}
		return append(e.ID.Bytes()[:4], b...)
	}
	for _, tt := range []struct {
		raw  []byte
		says []string
	}{
		{nil, []string{"without a reason"}},
		{[]byte{1, 2}, []string{"without a reason"}},
		{[]byte{1, 2, 3, 4, 5}, []string{"0x01020304", "not in the contracts"}},
		{packed("ChannelIsClosed", [32]byte{0xab}), []string{"ChannelIsClosed", "id 0xab00", "new channel"}},
		{packed("ChannelIsClosed", [32]byte{0xab})[:20], []string{"ChannelIsClosed", "malformed"}},
		{packed("InvalidCloseDelay", uint32(7), uint32(3600), uint32(2592000)), []string{"InvalidCloseDelay", "actual 7", "min 3600", "max 2592000"}},
		{packed("NotPayer", common.Address{0xcd}), []string{"NotPayer", common.Address{0xcd}.Hex()}},
		{common.FromHex("0x08c379a0" + // Error(string)
			"0000000000000000000000000000000000000000000000000000000000000020" +
			"0000000000000000000000000000000000000000000000000000000000000005" +
			"68656c6c6f000000000000000000000000000000000000000000000000000000"), []string{"hello"}},
		{common.FromHex("0x4e487b71" + // Panic(uint256)
			"0000000000000000000000000000000000000000000000000000000000000011"), []string{"overflow"}},
	} {
		r := decodeRevert(tt.raw)
		if !errors.Is(r, ErrReverted) {
			t.Errorf("%x is not a revert", tt.raw)
		}
		for _, s := range tt.says {
			if !strings.Contains(r.Error(), s) {
				t.Errorf("%x: %q does not say %q", tt.raw, r, s)
			}
		}
	}
}

// TestMendsAreOfRealErrors keeps the advice from outliving the errors that it is for.
func TestMendsAreOfRealErrors(t *testing.T) {
	channels, token := contracts.NewChannels().GetABI().Errors, contracts.NewDevToken().GetABI().Errors
	for name := range mends {
		_, one := channels[name]
		_, other := token[name]
		if !one && !other {
			t.Errorf("no contract has an error %s", name)
		}
	}
}

func FuzzDecodeRevert(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, r := range decodeRevert(raw).Error() {
			if r < ' ' {
				t.Fatalf("%x steers the terminal", raw)
			}
		}
	})
}
