package keys

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/lode-market/lode/proto"
)

// ErrChainID is returned for a transaction to be signed for no chain, or for
// another one than it names.
var ErrChainID = errors.New("bad chain id")

// Account signs with one key. Its methods may be called concurrently. It prints
// as its address.
type Account struct {
	address common.Address
	// sign returns r, s, v of a hash, v being 0 or 1 and s in the lower half.
	sign func(hash []byte) ([]byte, error)
}

func newAccount(key *ecdsa.PrivateKey) *Account {
	return &Account{
		address: crypto.PubkeyToAddress(key.PublicKey),
		sign:    func(hash []byte) ([]byte, error) { return crypto.Sign(hash, key) },
	}
}

// Address returns the account's address.
func (a *Account) Address() common.Address { return a.address }

// SignTx returns tx signed for the chain, unchanged otherwise. The error wraps
// ErrChainID when tx is for another chain, or chainID for none: a transaction
// without a chain could be replayed on any.
func (a *Account) SignTx(ctx context.Context, tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	if chainID == nil || chainID.Sign() <= 0 {
		return nil, fmt.Errorf("%w: %v; required: the id of the chain", ErrChainID, chainID)
	}
	// A legacy transaction names no chain until it is signed.
	if id := tx.ChainId(); tx.Type() != types.LegacyTxType && id.Cmp(chainID) != 0 {
		return nil, fmt.Errorf("%w: the transaction is for chain %s; required: %s", ErrChainID, id, chainID)
	}
	signer := types.LatestSignerForChainID(chainID)
	signature, err := a.sign(signer.Hash(tx).Bytes())
	if err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	signed, err := tx.WithSignature(signer, signature)
	if err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	return signed, nil
}

// SignTyped returns the signature of v in the domain, as proto.Domain.Recover
// takes it.
func (a *Account) SignTyped(domain proto.Domain, v proto.Typed) (proto.Signature, error) {
	digest := domain.Digest(v)
	signature, err := a.sign(digest[:])
	if err != nil {
		return proto.Signature{}, fmt.Errorf("sign: %w", err)
	}
	signature[64] += 27 // as the contract wants it
	return proto.Signature(signature), nil
}

// String returns the address.
func (a *Account) String() string { return a.address.Hex() }

// Format writes the address, whatever the verb.
func (a *Account) Format(f fmt.State, _ rune) {
	// fmt.State keeps its own error.
	_, _ = io.WriteString(f, a.String())
}

// LogValue returns the address.
func (a *Account) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalText returns the address.
func (a *Account) MarshalText() ([]byte, error) { return []byte(a.String()), nil }
