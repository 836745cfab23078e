package chain_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/params"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/proto"
)

// nonces is how many transactions of a are in blocks.
func (w *world) nonces(a account) uint64 {
	w.Helper()
	n, err := w.node.NonceAt(w.Context(), a.Address(), nil)
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// eventually polls until the condition holds.
func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	ctx := w.deadline()
	for !holds() {
		select {
		case <-ctx.Done():
			w.Fatalf("%s never happened", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// result is what a Send in the background gave.
type result struct {
	chain.Receipt
	err error
}

func (w *world) sendInBackground(s *chain.Sender, intent string, call chain.Call) <-chan result {
	out := make(chan result, 1)
	ctx := w.deadline()
	go func() {
		r, err := s.Send(ctx, intent, call)
		out <- result{r, err}
	}()
	return out
}

func TestIntentIsSentOnce(t *testing.T) {
	w := newWorld(t)
	c, store := w.client(), &chain.MemStore{}
	s := w.sender(w.payer, store)
	before := w.nonces(w.payer)
	call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
	var wg sync.WaitGroup
	txs := make([]common.Hash, 8)
	for i := range txs {
		wg.Go(func() {
			r, err := s.Send(w.deadline(), "faucet", call)
			if err != nil {
				t.Error(err)
			}
			txs[i] = r.Tx
		})
	}
	wg.Wait()
	again := w.send(w.sender(w.payer, store), "faucet", call) // as after a restart
	if len(slices.Compact(append(txs, again.Tx))) != 1 {
		t.Errorf("several transactions for one intent: %v", txs)
	}
	if n := w.nonces(w.payer) - before; n != 1 {
		t.Errorf("%d transactions for one intent", n)
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Send(w.deadline(), fmt.Sprint("faucet ", i), c.FaucetCall(w.payer.Address(), proto.NewAmount(5))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if b, err := c.TokenBalance(t.Context(), w.payer.Address()); err != nil || b != proto.NewAmount(5*n) {
		t.Errorf("balance %v, %v; want %d", b, err, 5*n)
	}
}

// crashStore is a disk on which the machine dies: before or right after a write.
type crashStore struct {
	chain.MemStore
	before, after error
}

func (c *crashStore) SaveTx(ctx context.Context, tx chain.Tx) error {
	if c.before != nil {
		return c.before
	}
	if err := c.MemStore.SaveTx(ctx, tx); err != nil {
		return err
	}
	return c.after
}

var errCrash = errors.New("the machine died")

func TestCrashBeforeTheRecord(t *testing.T) {
	w := newWorld(t)
	c, store := w.client(), &crashStore{before: errCrash}
	before := w.nonces(w.payer)
	call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
	if _, err := w.sender(w.payer, store).Send(t.Context(), "faucet", call); !errors.Is(err, errCrash) {
		t.Fatalf("error %v, want the crash", err)
	}
	w.commit(1)
	if n := w.nonces(w.payer) - before; n != 0 {
		t.Fatal("a transaction left that is not on record")
	}
	store.before = nil
	w.send(w.sender(w.payer, store), "faucet", call)
	if n := w.nonces(w.payer) - before; n != 1 {
		t.Errorf("%d transactions", n)
	}
}

// TestCrashBetweenRecordAndBroadcast: what was recorded is sent by the next process, once, before anything else of
// the account.
func TestCrashBetweenRecordAndBroadcast(t *testing.T) {
	for name, resume := range map[string]func(*world, *chain.Client, *chain.Sender){
		"tend": func(w *world, _ *chain.Client, s *chain.Sender) {
			if err := s.Tend(w.Context()); err != nil {
				w.Fatal(err)
			}
		},
		"same intent": func(w *world, c *chain.Client, s *chain.Sender) {
			w.send(s, "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(5)))
		},
		"other intent": func(w *world, c *chain.Client, s *chain.Sender) {
			w.send(s, "approve", c.ApproveCall(proto.NewAmount(1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c, store := w.client(), &crashStore{after: errCrash}
			call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
			if _, err := w.sender(w.payer, store).Send(t.Context(), "faucet", call); !errors.Is(err, errCrash) {
				t.Fatalf("error %v, want the crash", err)
			}
			store.after = nil
			s := w.sender(w.payer, store)
			resume(w, c, s)
			w.send(s, "faucet", call)
			w.commit(3)
			for range 3 {
				if err := s.Tend(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if b, err := c.TokenBalance(t.Context(), w.payer.Address()); err != nil || b != proto.NewAmount(5) {
				t.Errorf("balance %v, %v; want 5: once", b, err)
			}
			if sent, err := store.SentTxs(t.Context(), w.payer.Address()); err != nil || len(sent) != 0 {
				t.Errorf("%d transactions are not done yet, %v", len(sent), err)
			}
		})
	}
}

// TestStuckIsReplaced: a server takes the transaction and does nothing with it until another pays more.
func TestStuckIsReplaced(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var first *types.Transaction
	url := w.proxy(func(rw http.ResponseWriter, r request) bool {
		tx := r.tx()
		if tx == nil {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			first = tx
		}
		if tx.Hash() != first.Hash() {
			return false
		}
		r.reply(rw, map[string]any{"result": tx.Hash()})
		return true
	})
	c, store := w.client(), &chain.MemStore{}
	s := w.sender(w.payer, store, func(cfg *chain.Config) { cfg.RPC = []string{url}; cfg.Fees.StuckBlocks = 3 })
	got := w.sendInBackground(s, "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(5)))
	w.eventually("the broadcast", func() bool { mu.Lock(); defer mu.Unlock(); return first != nil })
	w.commit(3)
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	second, _, err := w.node.TransactionByHash(t.Context(), r.Tx)
	if err != nil {
		t.Fatal(err)
	}
	if second.Hash() == first.Hash() || second.Nonce() != first.Nonce() ||
		second.GasFeeCap().Cmp(first.GasFeeCap()) <= 0 || second.GasTipCap().Cmp(first.GasTipCap()) <= 0 {
		t.Errorf("the replacement of %+v is %+v", first, second)
	}
	if txs, err := store.IntentTxs(t.Context(), w.payer.Address(), "faucet"); err != nil || len(txs) != 2 {
		t.Errorf("%d transactions on record, %v; want both", len(txs), err)
	}
}

// TestOnlyTheFirstOfAQueueIsReplaced: paying more for what waits behind it would be for nothing.
func TestOnlyTheFirstOfAQueueIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.seal(false)
	// The first transaction is swallowed whatever it pays; the second gets through to the pool.
	start := w.nonces(w.payer)
	url := w.proxy(func(rw http.ResponseWriter, r request) bool {
		tx := r.tx()
		if tx == nil || tx.Nonce() != start {
			return false
		}
		r.reply(rw, map[string]any{"result": tx.Hash()})
		return true
	})
	c, store := w.client(), &chain.MemStore{}
	s := w.sender(w.payer, store, func(cfg *chain.Config) { cfg.RPC = []string{url}; cfg.Fees.StuckBlocks = 2 })
	for _, intent := range []string{"first", "second"} {
		// A caller that gives up leaves the intent behind.
		ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if _, err := s.Send(ctx, intent, c.FaucetCall(w.payer.Address(), proto.NewAmount(5))); !errors.Is(err, chain.ErrNotMined) {
			t.Fatalf("error %v, want %v", err, chain.ErrNotMined)
		}
		stop()
	}
	for range 3 {
		w.commit(2)
		if err := s.Tend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for intent, more := range map[string]bool{"first": true, "second": false} {
		if txs, err := store.IntentTxs(t.Context(), w.payer.Address(), intent); err != nil || (len(txs) > 1) != more {
			t.Errorf("%s: %d transactions on record, %v", intent, len(txs), err)
		}
	}
}

func TestForgottenIsBroadcastAgain(t *testing.T) {
	w := newWorld(t)
	w.seal(false)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	got := w.sendInBackground(s, "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(5)))
	w.eventually("the broadcast", func() bool { return w.chain.Pending() == 1 })
	w.chain.DropPending()
	w.eventually("the second broadcast", func() bool { return w.chain.Pending() == 1 })
	w.commit(1)
	if r := <-got; r.err != nil {
		t.Fatal(r.err)
	}
}

// TestReorgTakesADepositBack: the state shows it at once, and the sender puts it back.
func TestReorgTakesADepositBack(t *testing.T) {
	w := newWorld(t)
	confirmed := func(cfg *chain.Config) { cfg.Finality.Confirmations = 4 }
	c, store := w.client(confirmed), &chain.MemStore{}
	s := w.sender(w.payer, store, confirmed)
	w.fund(s, c, 1000)
	w.commit(5) // so that the reorg leaves the money where it is
	mined := w.send(s, "deposit", c.DepositCall(w.key(1), proto.NewAmount(10))).Block
	w.commit(1)

	ctx, cancel := context.WithCancel(t.Context())
	heads := make(chan chain.NewHead)
	go func() {
		defer close(heads)
		for h, err := range c.Heads(ctx, 10*time.Millisecond) {
			if err != nil {
				t.Error(err)
				continue
			}
			select {
			case heads <- h:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range heads {
		}
	}()
	if h := <-heads; h.Reorged {
		t.Error("the first head is a reorg")
	}
	if got := w.latest(c, w.key(1)).Deposited; got != proto.NewAmount(10) {
		t.Fatalf("deposited %v", got)
	}
	w.seal(false)
	if err := w.chain.Reorg(w.chain.Head().Number.Uint64() - mined + 1); err != nil {
		t.Fatal(err)
	}
	for h := range heads {
		if h.Reorged {
			break
		}
	}
	if got := w.latest(c, w.key(1)); got != (chain.State{}) {
		t.Errorf("after the reorg: %+v", got)
	}
	if err := s.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.commit(1)
	if got := w.latest(c, w.key(1)).Deposited; got != proto.NewAmount(10) {
		t.Errorf("deposited %v, it was not sent again", got)
	}
	w.commit(4)
	if err := s.Tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sent, err := store.SentTxs(t.Context(), w.payer.Address()); err != nil || len(sent) != 0 {
		t.Errorf("%d transactions are not done yet, %v", len(sent), err)
	}
}

// TestNonceTakenByAnother: the key was used elsewhere while our transaction was lost.
func TestNonceTakenByAnother(t *testing.T) {
	w := newWorld(t)
	var arrives atomic.Bool
	url := w.proxy(func(rw http.ResponseWriter, r request) bool {
		tx := r.tx()
		if tx == nil || arrives.Load() {
			return false
		}
		r.reply(rw, map[string]any{"result": tx.Hash()})
		return true
	})
	c, store := w.client(), &chain.MemStore{}
	s := w.sender(w.payer, store, func(cfg *chain.Config) { cfg.RPC = []string{url} })
	nonce := w.nonces(w.payer)
	call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
	got := w.sendInBackground(s, "faucet", call)
	w.eventually("the record", func() bool {
		txs, err := store.SentTxs(t.Context(), w.payer.Address())
		return err == nil && len(txs) == 1
	})
	elsewhere, err := types.SignNewTx(w.payer.key, types.LatestSignerForChainID(w.chain.ChainID()), &types.DynamicFeeTx{
		ChainID: w.chain.ChainID(), Nonce: nonce, To: &common.Address{1}, Gas: params.TxGas,
		GasTipCap: big.NewInt(params.GWei), GasFeeCap: big.NewInt(10 * params.GWei),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.node.SendTransaction(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	w.eventually("the other transaction", func() bool { return w.nonces(w.payer) > nonce })
	w.commit(2)
	if r := <-got; !errors.Is(r.err, chain.ErrNonceTaken) {
		t.Fatalf("error %v, want %v", r.err, chain.ErrNonceTaken)
	}
	arrives.Store(true)
	w.send(s, "faucet", call)
}

func TestReceiptsThatComeLate(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	asked := 0
	url := w.proxy(func(rw http.ResponseWriter, r request) bool {
		if r.Method != "eth_getTransactionReceipt" {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		asked++
		switch {
		case asked <= 3:
			r.reply(rw, map[string]any{"result": nil})
		case asked <= 6:
			r.reply(rw, map[string]any{"error": map[string]any{"code": -32000, "message": "transaction indexing is in progress"}})
		default:
			return false
		}
		return true
	})
	s := w.sender(w.payer, &chain.MemStore{}, func(cfg *chain.Config) { cfg.RPC = []string{url} })
	w.send(s, "faucet", w.client().FaucetCall(w.payer.Address(), proto.NewAmount(5)))
}

func TestRevertsAreExplained(t *testing.T) {
	w := newWorld(t)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	before := w.nonces(w.payer)
	for name, call := range map[string]chain.Call{
		"ERC20InsufficientAllowance": c.DepositCall(w.key(1), proto.NewAmount(1)),
		"FaucetCapExceeded":          c.FaucetCall(w.payer.Address(), proto.MaxAmount),
		"ChannelIsUnknown":           c.WithdrawCall(w.key(1)),
	} {
		_, err := s.Preview(t.Context(), call)
		wantRevert(t, err, name)
		_, err = s.Send(t.Context(), name, call)
		wantRevert(t, err, name)
	}
	if n := w.nonces(w.payer); n != before {
		t.Error("a transaction that reverts was sent")
	}
}

// TestRevertInABlock: two deposits each pass the estimate, and the allowance is for one.
func TestRevertInABlock(t *testing.T) {
	w := newWorld(t)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	w.send(s, "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(1000)))
	w.send(s, "approve", c.ApproveCall(proto.NewAmount(10)))
	w.seal(false)
	first := w.sendInBackground(s, "deposit 1", c.DepositCall(w.key(1), proto.NewAmount(10)))
	w.eventually("the first", func() bool { return w.chain.Pending() == 1 })
	second := w.sendInBackground(s, "deposit 2", c.DepositCall(w.key(2), proto.NewAmount(10)))
	w.eventually("the second", func() bool { return w.chain.Pending() == 2 })
	w.commit(1)
	if r := <-first; r.err != nil {
		t.Fatal(r.err)
	}
	r := <-second
	if !errors.Is(r.err, chain.ErrReverted) || r.GasUsed == 0 {
		t.Errorf("%+v, want a revert with its receipt", r)
	}
	// The intent is done, and stays what it was.
	again, err := s.Send(w.deadline(), "deposit 2", c.DepositCall(w.key(2), proto.NewAmount(10)))
	if !errors.Is(err, chain.ErrReverted) || again.Tx != r.Tx {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestPreviewIsNear(t *testing.T) {
	w := newWorld(t)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
	p, err := s.Preview(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	r := w.send(s, "faucet", call)
	paid := new(big.Int).Mul(r.GasPrice, new(big.Int).SetUint64(r.GasUsed))
	if r.GasUsed > p.Gas || r.GasUsed < p.Gas*9/10 || paid.Cmp(p.Most) > 0 || p.Cost.Cmp(p.Most) > 0 {
		t.Errorf("previewed %+v, took %d gas and %v wei", p, r.GasUsed, paid)
	}
}

func TestNothingIsSentAtAnyPrice(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	poor := newAccount(t)
	_, err := w.sender(poor, &chain.MemStore{}).Send(t.Context(), "faucet", c.FaucetCall(poor.Address(), proto.NewAmount(5)))
	if !errors.Is(err, chain.ErrNoGas) {
		t.Errorf("error %v, want %v", err, chain.ErrNoGas)
	}
	frugal := w.sender(w.payer, &chain.MemStore{}, func(cfg *chain.Config) { cfg.Fees.Ceiling = big.NewInt(1) })
	_, err = frugal.Send(t.Context(), "faucet", c.FaucetCall(poor.Address(), proto.NewAmount(5)))
	if !errors.Is(err, chain.ErrFeeTooHigh) {
		t.Errorf("error %v, want %v", err, chain.ErrFeeTooHigh)
	}
	var told *chain.Error
	if !errors.As(err, &told) || told.Actual == "" || told.Required == "" || told.Mend == "" {
		t.Errorf("%+v leaves something to be asked", told)
	}
}

// liar signs something else than it was asked to.
type liar struct {
	account
	change func(*types.DynamicFeeTx)
}

func (l liar) SignTx(ctx context.Context, tx *types.Transaction, id *big.Int) (*types.Transaction, error) {
	f := &types.DynamicFeeTx{ChainID: id, Nonce: tx.Nonce(), To: tx.To(), Data: tx.Data(), Gas: tx.Gas(),
		GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap()}
	l.change(f)
	return l.account.SignTx(ctx, types.NewTx(f), id)
}

func TestSignerThatLies(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	for name, change := range map[string]func(*types.DynamicFeeTx){
		"sends coin":  func(f *types.DynamicFeeTx) { f.Value = big.NewInt(1) },
		"pays more":   func(f *types.DynamicFeeTx) { f.GasFeeCap = big.NewInt(params.Ether) },
		"skips ahead": func(f *types.DynamicFeeTx) { f.Nonce++ },
	} {
		s := chain.NewSender(c, liar{w.payer, change}, &chain.MemStore{}, quiet)
		if _, err := s.Send(w.deadline(), "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(5))); !errors.Is(err, chain.ErrBadSigner) {
			t.Errorf("%s: error %v, want %v", name, err, chain.ErrBadSigner)
		}
	}
}

func TestWaitingThatEnds(t *testing.T) {
	w := newWorld(t)
	w.seal(false)
	c, s := w.client(), w.sender(w.payer, &chain.MemStore{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	call := c.FaucetCall(w.payer.Address(), proto.NewAmount(5))
	_, err := s.Send(ctx, "faucet", call)
	if !errors.Is(err, chain.ErrNotMined) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want %v", err, chain.ErrNotMined)
	}
	w.seal(true)
	w.send(s, "faucet", call)
}
