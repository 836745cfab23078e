package keys_test

import (
	"context"
	"errors"
	"math/big"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"pgregory.net/rapid"

	"github.com/lode-market/lode/node/keys"
	"github.com/lode-market/lode/proto"
)

func TestTypedSignaturesRecover(t *testing.T) {
	signer := account(t, create(t, light(t, "")), keys.Signer)
	rapid.Check(t, func(t *rapid.T) {
		domain := proto.Domain{
			ChainID:  rapid.Uint64Min(1).Draw(t, "chain"),
			Channels: common.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "channels")),
		}
		v := proto.Voucher{
			Channel:    proto.ChannelID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "channel")),
			Cumulative: proto.NewAmount(rapid.Uint64().Draw(t, "cumulative")),
		}
		sig, err := signer.SignTyped(domain, v)
		if err != nil {
			t.Fatal(err)
		}
		// Recover refuses an s in the upper half and a v other than 27 and 28.
		got, err := domain.Recover(v, sig)
		if err != nil || got != signer.Address() {
			t.Fatalf("recovered %s, %v; required: %s", got, err, signer.Address())
		}
		domain.ChainID++
		if got, err := domain.Recover(v, sig); err == nil && got == signer.Address() {
			t.Fatal("the signature holds on another chain")
		}
	})
}

func transactions(chainID *big.Int) []*types.Transaction {
	to := common.HexToAddress("0x1111111111111111111111111111111111111111")
	return []*types.Transaction{
		types.NewTx(&types.DynamicFeeTx{ChainID: chainID, Nonce: 7, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(9), Gas: 21000, To: &to, Value: big.NewInt(5)}),
		types.NewTx(&types.AccessListTx{ChainID: chainID, Nonce: 8, GasPrice: big.NewInt(9), Gas: 21000, To: &to}),
		types.NewTx(&types.LegacyTx{Nonce: 9, GasPrice: big.NewInt(9), Gas: 21000, To: &to}),
	}
}

func TestTransactionsAreSignedForOneChain(t *testing.T) {
	ctx := t.Context()
	funds := account(t, create(t, light(t, "")), keys.Funds)
	chainID := big.NewInt(31337)
	for _, tx := range transactions(chainID) {
		signed, err := funds.SignTx(ctx, tx, chainID)
		if err != nil {
			t.Fatal(err)
		}
		from, err := types.Sender(types.LatestSignerForChainID(chainID), signed)
		if err != nil || from != funds.Address() {
			t.Errorf("type %d: sender %s, %v", tx.Type(), from, err)
		}
		if signed.ChainId().Cmp(chainID) != 0 || !signed.Protected() {
			t.Errorf("type %d can be replayed on another chain", tx.Type())
		}
		if signed.Nonce() != tx.Nonce() || signed.Value().Cmp(tx.Value()) != 0 || signed.Gas() != tx.Gas() {
			t.Errorf("type %d was changed", tx.Type())
		}
		for _, none := range []*big.Int{nil, new(big.Int), big.NewInt(-1)} {
			if _, err := funds.SignTx(ctx, tx, none); !errors.Is(err, keys.ErrChainID) {
				t.Errorf("type %d for chain %v: %v", tx.Type(), none, err)
			}
		}
		if tx.Type() != types.LegacyTxType {
			if _, err := funds.SignTx(ctx, tx, big.NewInt(1)); !errors.Is(err, keys.ErrChainID) {
				t.Errorf("type %d for another chain: %v", tx.Type(), err)
			}
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := funds.SignTx(cancelled, transactions(chainID)[0], chainID); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestConcurrentSigning(t *testing.T) {
	k := create(t, light(t, ""))
	domain := proto.Domain{ChainID: 1}
	chainID := big.NewInt(1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			a, err := k.Account([]keys.Name{keys.Funds, keys.Signer}[i%2])
			if err != nil {
				t.Error(err)
				return
			}
			for n := range 50 {
				v := proto.Voucher{Cumulative: proto.NewAmount(uint64(n))}
				sig, err := a.SignTyped(domain, v)
				if err == nil {
					err = domain.Verify(v, sig, a.Address())
				}
				if err != nil {
					t.Error(err)
				}
				if _, err := a.SignTx(t.Context(), transactions(chainID)[0], chainID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
