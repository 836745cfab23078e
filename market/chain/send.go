package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
)

// Signer holds the key of one account.
type Signer interface {
	Address() common.Address
	// SignTx returns tx signed for the chain, unchanged otherwise.
	SignTx(ctx context.Context, tx *types.Transaction, chainID *big.Int) (*types.Transaction, error)
}

// Receipt says what became of a transaction.
type Receipt struct {
	Tx       common.Hash
	Block    uint64
	GasUsed  uint64
	GasPrice *big.Int       // wei per gas that was paid
	Contract common.Address // the contract that it created, if any
}

// Preview is what a call would cost now.
type Preview struct {
	Gas  uint64   // estimate
	Cost *big.Int // wei, at the present gas price
	Most *big.Int // wei, if the gas price rises as far as the transaction would allow
}

// Sender gets the calls of one account into the chain, each intent once.
//
// An intent is a name that the caller gives to what it wants done. Its transaction is signed and saved before it
// leaves, so that after a crash the very same one is sent again. There must be one Sender for an account and store;
// its methods may be called from several goroutines.
type Sender struct {
	client *Client
	signer Signer
	store  Store
	log    *slog.Logger

	mu sync.Mutex // held from the choice of a nonce until its transaction is saved
}

// NewSender returns the sender of an account. Nothing is read or sent yet; Tend takes up what a former process left.
func NewSender(client *Client, signer Signer, store Store, log *slog.Logger) *Sender {
	return &Sender{client: client, signer: signer, store: store, log: log.With("account", signer.Address())}
}

// Address is the account.
func (s *Sender) Address() common.Address { return s.signer.Address() }

// Preview estimates a call. It fails with ErrReverted if the call would, and with ErrFeeTooHigh.
func (s *Sender) Preview(ctx context.Context, call Call) (Preview, error) {
	q, err := s.quote(ctx, call)
	if err != nil {
		return Preview{}, fmt.Errorf("%s: %w", call, err)
	}
	return q.Preview, nil
}

// quoted is a preview with what a transaction needs.
type quoted struct {
	Preview
	price price
	head  Head
}

func (s *Sender) quote(ctx context.Context, what Call) (quoted, error) {
	gas, err := call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) (uint64, error) {
		return ec.EstimateGas(ctx, ethereum.CallMsg{From: s.Address(), To: what.to, Data: what.data, Value: what.value})
	})
	if err != nil {
		return quoted{}, explainRevert(err)
	}
	head, p, err := s.prices(ctx)
	if err != nil {
		return quoted{}, err
	}
	return quoted{Preview{
		Gas:  gas,
		Cost: times(gas, new(big.Int).Add(head.BaseFee, p.tip)),
		Most: times(limit(gas), p.feeCap),
	}, p, head}, nil
}

func (s *Sender) prices(ctx context.Context) (Head, price, error) {
	head, err := s.client.Head(ctx)
	if err != nil {
		return Head{}, price{}, err
	}
	if head.BaseFee == nil {
		return Head{}, price{}, &Error{Kind: ErrConfig, Actual: "a chain without a base fee", Required: "a chain with EIP-1559",
			Mend: "use another chain"}
	}
	tip, err := call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) (*big.Int, error) {
		return ec.SuggestGasTipCap(ctx)
	})
	if err != nil {
		return Head{}, price{}, err
	}
	p, err := s.client.cfg.Fees.offer(head.BaseFee, tip)
	return head, p, err
}

// Send does a call and waits until it is in a block. For an intent that was sent before, in this process or a former
// one, it only waits, whatever the call.
//
// Errors: a *Revert if the call would fail (nothing is sent) or did (the Receipt tells where); ErrFeeTooHigh and
// ErrNoGas before anything is sent; ErrNotMined when ctx ends first; ErrNonceTaken.
func (s *Sender) Send(ctx context.Context, intent string, call Call) (Receipt, error) {
	if err := s.submit(ctx, intent, call); err != nil {
		return Receipt{}, fmt.Errorf("%s: %w", call, err)
	}
	r, err := s.await(ctx, intent)
	if err != nil {
		return r, fmt.Errorf("%s: %w", call, err)
	}
	return r, nil
}

// submit signs, saves and broadcasts, unless the intent already has a transaction that was mined or still can be.
func (s *Sender) submit(ctx context.Context, intent string, call Call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, err := s.live(ctx, intent)
	if err != nil || len(before) > 0 {
		return err
	}
	q, err := s.quote(ctx, call)
	if err != nil {
		return err
	}
	if balance, err := s.client.GasBalance(ctx, s.Address()); err != nil {
		return err
	} else if balance.Cmp(q.Most) < 0 {
		return &Error{Kind: ErrNoGas, Actual: fmt.Sprintf("%v holds %v wei", s.Address(), balance),
			Required: fmt.Sprintf("%v wei", q.Most), Mend: "send the account some of the chain's coin"}
	}
	nonce, err := s.nonce(ctx)
	if err != nil {
		return err
	}
	return s.signAndSend(ctx, intent, q.head, &types.DynamicFeeTx{
		ChainID: s.client.chainID, Nonce: nonce, To: call.to, Data: call.data, Value: call.value,
		Gas: limit(q.Gas), GasTipCap: q.price.tip, GasFeeCap: q.price.feeCap,
	})
}

// live returns the transactions of an intent that were mined or still can be.
func (s *Sender) live(ctx context.Context, intent string) ([]Tx, error) {
	txs, err := s.store.IntentTxs(ctx, s.Address(), intent)
	if err != nil {
		return nil, err
	}
	var live []Tx
	for _, tx := range txs {
		if tx.State != TxLost {
			live = append(live, tx)
		}
	}
	return live, nil
}

// nonce is the next one after all that the chain's pool knows of and all that were saved. A saved one that the pool
// does not know is given to it first, since the new one could not be mined before.
func (s *Sender) nonce(ctx context.Context) (uint64, error) {
	pooled, err := s.pendingNonce(ctx)
	if err != nil {
		return 0, err
	}
	sent, err := s.store.SentTxs(ctx, s.Address())
	if err != nil {
		return 0, err
	}
	next := pooled
	for _, tx := range sent {
		if tx.Nonce >= pooled {
			s.broadcast(ctx, tx)
		}
		next = max(next, tx.Nonce+1)
	}
	return next, nil
}

func (s *Sender) pendingNonce(ctx context.Context) (uint64, error) {
	return call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) (uint64, error) {
		return ec.PendingNonceAt(ctx, s.Address())
	})
}

func (s *Sender) signAndSend(ctx context.Context, intent string, head Head, fields *types.DynamicFeeTx) error {
	unsigned := types.NewTx(fields)
	signed, err := s.signer.SignTx(ctx, unsigned, s.client.chainID)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	rules := types.LatestSignerForChainID(s.client.chainID)
	if from, err := types.Sender(rules, signed); err != nil || from != s.Address() || rules.Hash(signed) != rules.Hash(unsigned) {
		return &Error{Kind: ErrBadSigner, Actual: fmt.Sprintf("a transaction by %v", from),
			Required: fmt.Sprintf("the same by %v", s.Address()), Mend: "check the signer and its account", Cause: err}
	}
	raw, err := signed.MarshalBinary()
	if err != nil {
		return err
	}
	tx := Tx{Account: s.Address(), Intent: intent, Nonce: signed.Nonce(), Hash: signed.Hash(), Raw: raw, Block: head.Number, State: TxSent}
	if err := s.store.SaveTx(ctx, tx); err != nil {
		return fmt.Errorf("saving the transaction: %w", err)
	}
	s.broadcast(ctx, tx)
	return nil
}

// broadcast hands a transaction to a server. Its errors are not told apart, since whether it is known already, too
// late or never arrived shows in the chain's state, and what is missing there is broadcast again.
func (s *Sender) broadcast(ctx context.Context, tx Tx) {
	_, err := call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) (struct{}, error) {
		return struct{}{}, ec.Client().CallContext(ctx, nil, "eth_sendRawTransaction", hexutil.Bytes(tx.Raw))
	})
	if err != nil {
		s.log.Debug("a transaction was not taken", "intent", tx.Intent, "tx", tx.Hash, "nonce", tx.Nonce, "err", err)
	}
}

// await looks after the intent's transaction until it is mined.
func (s *Sender) await(ctx context.Context, intent string) (Receipt, error) {
	tick := time.NewTicker(s.client.cfg.PollEvery)
	defer tick.Stop()
	for {
		txs, err := s.live(ctx, intent)
		if err != nil {
			return Receipt{}, err
		}
		if len(txs) == 0 {
			return Receipt{}, nonceTaken(intent) // Tend saw it first
		}
		r, trouble := s.tend(ctx, txs)
		if r != nil { // with or without trouble: if it could not be marked as final, Tend will try again
			return s.judge(ctx, txs, r)
		}
		if errors.Is(trouble, ErrNonceTaken) {
			return Receipt{}, trouble
		}
		select {
		case <-ctx.Done():
			last := txs[len(txs)-1]
			return Receipt{}, &Error{Kind: ErrNotMined, Actual: fmt.Sprintf("waited for %v", last.Hash),
				Required: "a block that holds it", Mend: "wait on; the same command goes on where this one ended",
				Cause: errors.Join(ctx.Err(), trouble)}
		case <-tick.C:
		}
	}
}

// judge turns the chain's receipt into ours, with the reason if the transaction failed.
func (s *Sender) judge(ctx context.Context, txs []Tx, r *types.Receipt) (Receipt, error) {
	out := receiptFrom(r)
	if r.Status == types.ReceiptStatusSuccessful {
		return out, nil
	}
	tx, err := decode(txs[len(txs)-1])
	if err != nil {
		return out, err
	}
	// The reason is not in the receipt. The same call on the state before the block fails alike, unless the block
	// itself held what made it fail.
	_, err = call(ctx, s.client.rpc, func(ctx context.Context, ec *ethclient.Client) ([]byte, error) {
		return ec.CallContract(ctx, ethereum.CallMsg{From: s.Address(), To: tx.To(), Data: tx.Data(), Value: tx.Value(), Gas: tx.Gas()},
			new(big.Int).Sub(r.BlockNumber, big.NewInt(1)))
	})
	if reason := new(Revert); errors.As(explainRevert(err), &reason) {
		return out, reason
	}
	return out, &Revert{}
}

func receiptFrom(r *types.Receipt) Receipt {
	return Receipt{r.TxHash, r.BlockNumber.Uint64(), r.GasUsed, r.EffectiveGasPrice, r.ContractAddress}
}

func decode(tx Tx) (*types.Transaction, error) {
	out := new(types.Transaction)
	if err := out.UnmarshalBinary(tx.Raw); err != nil {
		return nil, fmt.Errorf("saved transaction %v: %w", tx.Hash, err)
	}
	return out, nil
}

func times(gas uint64, perGas *big.Int) *big.Int {
	return new(big.Int).Mul(new(big.Int).SetUint64(gas), perGas)
}

func nonceTaken(intent string) error {
	return &Error{Kind: ErrNonceTaken, Actual: "a transaction that is not ours was mined instead of " + intent,
		Required: "an account that only this node sends from", Mend: "send it again"}
}
