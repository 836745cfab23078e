package chain

import (
	"context"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"
)

// TxState is how far a transaction got. The numbers are stored and never reused.
type TxState uint8

const (
	TxSent  TxState = 1 // signed, and perhaps in a block that is not final
	TxMined TxState = 2 // it, or one that replaced it, is in a final block
	TxLost  TxState = 3 // another transaction of the account took its nonce for good
)

// Tx is a signed transaction on its way. Several with one intent and nonce are replacements of each other: at most
// one of them can ever be mined.
type Tx struct {
	Account common.Address
	Intent  string
	Nonce   uint64
	Hash    common.Hash
	Raw     []byte // as eth_sendRawTransaction takes it
	Block   uint64 // the head's number when it was signed
	State   TxState
}

// Store remembers transactions. What it has saved must survive a crash of the machine.
type Store interface {
	// SaveTx adds a transaction. It returns once that is durable: only then the transaction may leave.
	SaveTx(ctx context.Context, tx Tx) error
	// IntentTxs returns all transactions of an intent, oldest first.
	IntentTxs(ctx context.Context, account common.Address, intent string) ([]Tx, error)
	// SentTxs returns all transactions of an account in state TxSent, in the order in which they were saved.
	SentTxs(ctx context.Context, account common.Address) ([]Tx, error)
	// FinishTxs sets the state of all transactions of an account with that nonce that are in state TxSent.
	FinishTxs(ctx context.Context, account common.Address, nonce uint64, state TxState) error
}

// MemStore is a Store that forgets when the process ends: for commands whose user watches them to their end, and
// for tests. The zero value is empty.
type MemStore struct {
	mu  sync.Mutex
	txs []Tx
}

var _ Store = (*MemStore)(nil)

// SaveTx implements Store.
func (m *MemStore) SaveTx(_ context.Context, tx Tx) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	tx.Raw = slices.Clone(tx.Raw)
	m.txs = append(m.txs, tx)
	return nil
}

// IntentTxs implements Store.
func (m *MemStore) IntentTxs(_ context.Context, account common.Address, intent string) ([]Tx, error) {
	return m.filter(func(tx Tx) bool { return tx.Account == account && tx.Intent == intent }), nil
}

// SentTxs implements Store.
func (m *MemStore) SentTxs(_ context.Context, account common.Address) ([]Tx, error) {
	return m.filter(func(tx Tx) bool { return tx.Account == account && tx.State == TxSent }), nil
}

func (m *MemStore) filter(keep func(Tx) bool) (out []Tx) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, tx := range m.txs {
		if keep(tx) {
			out = append(out, tx)
		}
	}
	return out
}

// FinishTxs implements Store.
func (m *MemStore) FinishTxs(_ context.Context, account common.Address, nonce uint64, state TxState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, tx := range m.txs {
		if tx.Account == account && tx.Nonce == nonce && tx.State == TxSent {
			m.txs[i].State = state
		}
	}
	return nil
}
