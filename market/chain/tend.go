package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// patience is how many blocks old a state must be before a receipt that it implies counts as missing: servers answer
// "not found" or "indexing is in progress" for a moment after a block.
const patience = 2

// Tend looks after all transactions that are not final: it broadcasts again what was forgotten or taken back by a
// reorg, replaces what is stuck, and marks what is done. Call it at start, which takes up what a crash left, and at
// every new head.
func (s *Sender) Tend(ctx context.Context) error {
	sent, err := s.store.SentTxs(ctx, s.Address())
	if err != nil {
		return err
	}
	byNonce := make(map[uint64][]Tx)
	var order []uint64
	for _, tx := range sent {
		if byNonce[tx.Nonce] == nil {
			order = append(order, tx.Nonce)
		}
		byNonce[tx.Nonce] = append(byNonce[tx.Nonce], tx)
	}
	var errs []error
	for _, nonce := range order {
		// That a nonce was taken is for whoever waits for the intent; it is on record now.
		if _, err := s.tend(ctx, byNonce[nonce]); err != nil && !errors.Is(err, ErrNonceTaken) {
			errs = append(errs, fmt.Errorf("transaction %v: %w", byNonce[nonce][0].Hash, err))
		}
	}
	return errors.Join(errs...)
}

// tend takes one step with the transactions of one nonce, oldest first. It returns the receipt of the one that is in
// a block, or neither receipt nor error while none is.
func (s *Sender) tend(ctx context.Context, txs []Tx) (*types.Receipt, error) {
	head, err := s.client.Head(ctx)
	if err != nil {
		return nil, err
	}
	final, err := s.client.finalNumber(ctx, head)
	if err != nil {
		return nil, err
	}
	newest := txs[len(txs)-1]
	// Read before the receipts: a nonce used by then is used by a transaction whose receipt there must be.
	used, err := s.nonceAt(ctx, min(final, head.Number-min(head.Number, patience)))
	if err != nil {
		return nil, err
	}
	r, err := s.receipt(ctx, txs)
	if err != nil {
		return nil, err
	}
	if r != nil {
		if newest.State == TxSent && r.BlockNumber.Uint64() <= final {
			err = s.store.FinishTxs(ctx, s.Address(), newest.Nonce, TxMined)
		}
		return r, err
	}
	if used > newest.Nonce {
		return nil, errors.Join(nonceTaken(newest.Intent), s.store.FinishTxs(ctx, s.Address(), newest.Nonce, TxLost))
	}
	if head.Number >= newest.Block+s.client.cfg.Fees.StuckBlocks {
		return nil, s.replace(ctx, newest)
	}
	if pooled, err := s.pendingNonce(ctx); err != nil {
		return nil, err
	} else if pooled <= newest.Nonce {
		s.broadcast(ctx, newest)
	}
	return nil, nil
}

// receipt returns that of the one transaction which is in a block, if any.
func (s *Sender) receipt(ctx context.Context, txs []Tx) (*types.Receipt, error) {
	for _, tx := range txs {
		r, err := s.client.receipt(ctx, tx.Hash)
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, ethereum.NotFound) {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Sender) nonceAt(ctx context.Context, block uint64) (uint64, error) {
	return call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) (uint64, error) {
		return ec.NonceAt(ctx, s.Address(), new(big.Int).SetUint64(block))
	})
}

// replace sends the same transaction at a higher price, if the ceiling allows it, or the old one again.
func (s *Sender) replace(ctx context.Context, stuck Tx) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, err := s.live(ctx, stuck.Intent)
	if err != nil {
		return err
	}
	if len(now) == 0 || now[len(now)-1].Hash != stuck.Hash {
		return nil // another goroutine was faster
	}
	old, err := decode(stuck)
	if err != nil {
		return err
	}
	head, offer, err := s.prices(ctx)
	if err != nil {
		s.broadcast(ctx, stuck)
		return err
	}
	higher, affordable := s.client.cfg.Fees.replace(price{old.GasTipCap(), old.GasFeeCap()}, offer)
	turn, err := s.nonceAt(ctx, head.Number)
	if err != nil {
		return err
	}
	if !affordable || turn < stuck.Nonce { // in the second case it waits for another, and would at any price
		s.broadcast(ctx, stuck)
		return nil
	}
	s.log.Info("replacing a transaction that is not mined", "intent", stuck.Intent, "tx", stuck.Hash, "nonce", stuck.Nonce,
		"blocks", head.Number-stuck.Block, "max_fee", gwei(higher.feeCap))
	return s.signAndSend(ctx, stuck.Intent, head, &types.DynamicFeeTx{
		ChainID: s.client.chainID, Nonce: stuck.Nonce, To: old.To(), Data: old.Data(), Value: old.Value(), Gas: old.Gas(),
		GasTipCap: higher.tip, GasFeeCap: higher.feeCap,
	})
}
