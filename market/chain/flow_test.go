package chain_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/proto"
)

// TestWholeLife takes one channel through deposit, claim and settle, and another through a close by the payer, and
// compares what the chain says at every step and in its books.
func TestWholeLife(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	payer, payee := w.sender(w.payer, &chain.MemStore{}), w.sender(w.payee, &chain.MemStore{})

	meta, err := c.TokenMeta(t.Context())
	if err != nil || meta.Symbol != "DEV" || meta.Decimals != 6 {
		t.Errorf("token %+v, %v", meta, err)
	}
	w.fund(payer, c, 1_000_000)
	if a, err := c.Allowance(t.Context(), w.payer.Address()); err != nil || a != proto.NewAmount(1_000_000) {
		t.Errorf("allowance %v, %v", a, err)
	}

	settled, withdrawn := w.key(1), w.key(2)
	if s := w.latest(c, settled); s != (chain.State{}) || s.Open() {
		t.Errorf("before it was opened: %+v", s)
	}
	w.send(payer, "deposit 1", c.DepositCall(settled, proto.NewAmount(600)))
	w.send(payer, "deposit 1 more", c.DepositCall(settled, proto.NewAmount(100)))
	for i, call := range c.DepositManyCalls([]chain.Deposit{{Key: withdrawn, Amount: proto.NewAmount(300)}}) {
		w.send(payer, fmt.Sprint("deposit 2 ", i), call)
	}
	if s := w.latest(c, settled); s.Deposited != proto.NewAmount(700) || !s.Open() || s.Left() != proto.NewAmount(700) {
		t.Errorf("after the deposits: %+v", s)
	}

	for i, call := range c.ClaimCalls([]chain.Claim{{settled, w.voucher(settled, 250)}, {withdrawn, w.voucher(withdrawn, 50)}}) {
		w.send(payee, fmt.Sprint("claim ", i), call)
	}
	if s := w.latest(c, settled); s.Claimed != proto.NewAmount(250) || s.Left() != proto.NewAmount(450) {
		t.Errorf("after the claim: %+v", s)
	}

	settle := w.send(payer, "settle", c.SettleCall(settled, w.settlement(settled, 400), w.voucher(settled, 500)))
	if s := w.latest(c, settled); !s.Closed || s.Claimed != proto.NewAmount(400) || !s.Left().IsZero() || s.Open() {
		t.Errorf("after the settlement: %+v", s)
	}

	w.send(payer, "close", c.StartCloseCall(withdrawn))
	if s := w.latest(c, withdrawn); s.ClosesAt.IsZero() || s.Open() || s.Closed {
		t.Errorf("while closing: %+v", s)
	}
	_, err = payer.Send(w.deadline(), "too early", c.WithdrawCall(withdrawn))
	wantRevert(t, err, "CloseDelayRunning")
	if err := w.chain.AdjustTime(2 * time.Hour); err != nil {
		t.Fatal(err)
	}
	w.send(payer, "withdraw", c.WithdrawCall(withdrawn))
	_, err = payer.Send(w.deadline(), "again", c.DepositCall(withdrawn, proto.NewAmount(1)))
	wantRevert(t, err, "ChannelIsClosed")

	if b, err := c.TokenBalance(t.Context(), w.payee.Address()); err != nil || b != proto.NewAmount(450) {
		t.Errorf("the payee holds %v, %v; want 450", b, err)
	}
	books, err := c.Books(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := books.Balance(); err != nil {
		t.Error(err)
	}
	if len(books.Channels) != 2 {
		t.Fatalf("%d channels in the books", len(books.Channels))
	}
	first, second := books.Channels[0], books.Channels[1]
	if first.Key != settled || first.Deposited != proto.NewAmount(700) || first.Paid != proto.NewAmount(400) ||
		first.Returned != proto.NewAmount(300) || first.Close.Tx != settle.Tx || first.Close.GasUsed != settle.GasUsed || len(first.Claims) != 1 {
		t.Errorf("the settled channel's book: %+v", first)
	}
	if second.Paid != proto.NewAmount(50) || second.Returned != proto.NewAmount(250) {
		t.Errorf("the withdrawn channel's book: %+v", second)
	}
	if books.Sent[w.payee.Address()] != proto.NewAmount(450) || books.Received[w.payer.Address()] != proto.NewAmount(1000) {
		t.Errorf("transfers: sent %v, received %v", books.Sent, books.Received)
	}
}

func TestBooksThatDoNotBalance(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	payer := w.sender(w.payer, &chain.MemStore{})
	w.fund(payer, c, 1000)
	w.send(payer, "deposit", c.DepositCall(w.key(1), proto.NewAmount(10)))
	books, err := c.Books(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := books.Balance(); !errors.Is(err, chain.ErrUnbalanced) {
		t.Errorf("an open channel balances: %v", err)
	}
	w.send(payer, "settle", c.SettleCall(w.key(1), w.settlement(w.key(1), 4), w.voucher(w.key(1), 4)))
	if books, err = c.Books(t.Context(), []proto.ChannelID{w.key(1).ID()}, 0); err != nil {
		t.Fatal(err)
	}
	if err := books.Balance(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*chain.Books){
		"a channel that kept some": func(b *chain.Books) { b.Channels[0].Returned = proto.NewAmount(5) },
		"a payee who got less":     func(b *chain.Books) { b.Sent[w.payee.Address()] = proto.NewAmount(3) },
		"a stranger who got some":  func(b *chain.Books) { b.Sent[common.Address{1}] = proto.NewAmount(1) },
		"more came in":             func(b *chain.Books) { b.Received[common.Address{1}] = proto.NewAmount(1) },
	} {
		b, err := c.Books(t.Context(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		spoil(&b)
		if err := b.Balance(); !errors.Is(err, chain.ErrUnbalanced) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Books(t.Context(), []proto.ChannelID{{9}}, 0); err == nil {
		t.Error("the books of a channel that never was")
	}
}

func TestDepositCountsWhenFinal(t *testing.T) {
	w := newWorld(t)
	c := w.client(func(cfg *chain.Config) { cfg.Finality.Confirmations = 3 })
	payer := w.sender(w.payer, &chain.MemStore{})
	w.fund(payer, c, 1000)
	mined := w.send(payer, "deposit", c.DepositCall(w.key(1), proto.NewAmount(10))).Block
	for range 4 {
		v, err := c.Channel(t.Context(), w.key(1).ID())
		if err != nil {
			t.Fatal(err)
		}
		onTop, want := v.Head.Number-mined, proto.Amount{}
		if onTop >= 3 {
			want = proto.NewAmount(10)
		}
		if v.Latest.Deposited != proto.NewAmount(10) || v.Final.Deposited != want {
			t.Errorf("with %d blocks on top: latest %v, final %v, want %v", onTop, v.Latest.Deposited, v.Final.Deposited, want)
		}
		w.commit(1)
	}
	// The devnet calls a block final at the end of each epoch of 32.
	tagged := w.client(func(cfg *chain.Config) { cfg.Finality.Tag = "finalized" })
	v, err := tagged.Channel(t.Context(), w.key(1).ID())
	if err != nil || !v.Final.Deposited.IsZero() || v.Latest.Deposited.IsZero() {
		t.Errorf("by tag at first: %+v, %v", v, err)
	}
	w.commit(64)
	if v, err = tagged.Channel(t.Context(), w.key(1).ID()); err != nil || v.Final.Deposited != proto.NewAmount(10) {
		t.Errorf("by tag in the end: %+v, %v", v, err)
	}
}

func TestOpenedChannels(t *testing.T) {
	w := newWorld(t)
	c := w.client(func(cfg *chain.Config) { cfg.LogChunk = 3 })
	payer := w.sender(w.payer, &chain.MemStore{})
	w.fund(payer, c, 1000)
	mine := w.key(1)
	other := w.key(2)
	other.Payee = common.Address{5}
	third := w.key(3)
	var block uint64
	for i, k := range []proto.ChannelKey{mine, other, third} {
		block = w.send(payer, fmt.Sprint("deposit ", i), c.DepositCall(k, proto.NewAmount(10))).Block
	}
	for _, tt := range []struct {
		name string
		who  chain.Parties
		from uint64
		want []proto.ChannelKey
	}{
		{"all", chain.Parties{}, 0, []proto.ChannelKey{mine, other, third}},
		{"by payee", chain.Parties{Payee: w.payee.Address()}, 0, []proto.ChannelKey{mine, third}},
		{"by payer", chain.Parties{Payer: w.payer.Address()}, 0, []proto.ChannelKey{mine, other, third}},
		{"by stranger", chain.Parties{Payer: common.Address{6}}, 0, nil},
		{"from the last", chain.Parties{}, block, []proto.ChannelKey{third}},
		{"from the future", chain.Parties{}, block + 100, nil},
	} {
		got, to, err := c.OpenedChannels(t.Context(), tt.who, tt.from)
		if err != nil {
			t.Fatal(err)
		}
		if to < block || len(got) != len(tt.want) {
			t.Fatalf("%s: %d channels up to block %d, want %d", tt.name, len(got), to, len(tt.want))
		}
		for i := range got {
			if got[i].Key != tt.want[i] {
				t.Errorf("%s: channel %d is %+v", tt.name, i, got[i].Key)
			}
		}
	}
}

// TestBatchesFit measures what one more claim and deposit cost in a batch, at their dearest, against what the cuts
// assume.
func TestBatchesFit(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	payer, payee := w.sender(w.payer, &chain.MemStore{}), w.sender(w.payee, &chain.MemStore{})
	w.fund(payer, c, 1_000_000)
	const n = 21
	var deposits []chain.Deposit
	var claims []chain.Claim
	for salt := range uint64(n) {
		k := w.key(1<<60 + salt)
		deposits = append(deposits, chain.Deposit{Key: k, Amount: proto.NewAmount(100)})
		claims = append(claims, chain.Claim{Key: k, Voucher: w.voucher(k, 60)})
	}
	one, err := payer.Preview(t.Context(), c.DepositManyCalls(deposits[:1])[0])
	if err != nil {
		t.Fatal(err)
	}
	all := w.send(payer, "deposits", c.DepositManyCalls(deposits)[0])
	perDeposit := (all.GasUsed - one.Gas) / (n - 1)
	if perDeposit > chain.DepositEach || one.Gas > chain.BatchBase {
		t.Errorf("a deposit in a batch takes %d gas, %d alone", perDeposit, one.Gas)
	}
	one, err = payee.Preview(t.Context(), c.ClaimCalls(claims[:1])[0])
	if err != nil {
		t.Fatal(err)
	}
	all = w.send(payee, "claims", c.ClaimCalls(claims)[0])
	perClaim := (all.GasUsed - one.Gas) / (n - 1)
	if perClaim > chain.ClaimEach || one.Gas > chain.BatchBase {
		t.Errorf("a claim in a batch takes %d gas, %d alone", perClaim, one.Gas)
	}
	t.Logf("gas under Osaka rules, each further in a batch: deposit %d, claim %d", perDeposit, perClaim)
	if b, err := c.TokenBalance(t.Context(), w.payee.Address()); err != nil || b != proto.NewAmount(60*n) {
		t.Errorf("the payee holds %v, %v", b, err)
	}
}

func TestBatchesAreCut(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	var claims []chain.Claim
	other := common.Address{5}
	for i := range uint64(2*chain.ClaimsPerTx + 1) {
		k := w.key(i)
		if i%2 == 1 {
			k.Payee = other
		}
		claims = append(claims, chain.Claim{Key: k})
	}
	if n := len(c.ClaimCalls(claims)); n != 3 { // ClaimsPerTx + 1 for one payee, ClaimsPerTx for the other
		t.Errorf("%d calls for %d claims to two payees", n, len(claims))
	}
	if n := len(c.DepositManyCalls(make([]chain.Deposit, chain.DepositsPerTx+1))); n != 2 {
		t.Errorf("%d calls for one deposit too many", n)
	}
	if len(c.ClaimCalls(nil))+len(c.DepositManyCalls(nil)) != 0 {
		t.Error("calls for nothing")
	}
}

func wantRevert(t *testing.T, err error, name string) {
	t.Helper()
	var r *chain.Revert
	if !errors.Is(err, chain.ErrReverted) || !errors.As(err, &r) || r.Name != name {
		t.Errorf("error %v, want a revert by %s", err, name)
	}
}
