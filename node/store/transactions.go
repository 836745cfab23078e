package store

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market/chain"
)

// Transactions is the store as market/chain wants it: signed transactions, on
// disk before they leave.
type Transactions struct{ *Store }

var _ chain.Store = Transactions{}

// SaveTx adds a transaction. The same one again changes nothing.
func (s Transactions) SaveTx(ctx context.Context, tx chain.Tx) error {
	return s.Update(ctx, func(t *Tx) error {
		return t.exec(`INSERT INTO transactions (hash, account, intent, nonce, state, block, raw) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (hash) DO NOTHING`,
			tx.Hash.Hex(), tx.Account.Hex(), tx.Intent, int64(tx.Nonce), uint8(tx.State), int64(tx.Block), tx.Raw)
	})
}

// IntentTxs returns all transactions of an intent, oldest first.
func (s Transactions) IntentTxs(ctx context.Context, account common.Address, intent string) ([]chain.Tx, error) {
	return s.txs(ctx, "account = ? AND intent = ?", account.Hex(), intent)
}

// SentTxs returns the transactions of an account whose end is open, oldest first.
func (s Transactions) SentTxs(ctx context.Context, account common.Address) ([]chain.Tx, error) {
	return s.txs(ctx, "account = ? AND state = ?", account.Hex(), uint8(chain.TxSent))
}

// FinishTxs gives those of a nonce that are open their final state.
func (s Transactions) FinishTxs(ctx context.Context, account common.Address, nonce uint64, state chain.TxState) error {
	return s.Update(ctx, func(t *Tx) error {
		return t.exec("UPDATE transactions SET state = ? WHERE account = ? AND nonce = ? AND state = ?",
			uint8(state), account.Hex(), int64(nonce), uint8(chain.TxSent))
	})
}

func (s Transactions) txs(ctx context.Context, where string, args ...any) (all []chain.Tx, err error) {
	rows, err := s.db.QueryContext(ctx, "SELECT hash, account, intent, nonce, state, block, raw FROM transactions WHERE "+where+" ORDER BY rowid", args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer rows.Close() // rows.Err below reports what went wrong
	for rows.Next() {
		var tx chain.Tx
		var hash, account string
		var nonce, block int64
		if err := rows.Scan(&hash, &account, &tx.Intent, &nonce, &tx.State, &block, &tx.Raw); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		tx.Hash, tx.Account = common.HexToHash(hash), common.HexToAddress(account)
		tx.Nonce, tx.Block = uint64(nonce), uint64(block)
		all = append(all, tx)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}
