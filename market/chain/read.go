package chain

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/lode-market/lode/proto"
)

// Head names a block.
type Head struct {
	Number  uint64
	Hash    common.Hash
	Parent  common.Hash
	Time    time.Time // whole seconds
	BaseFee *big.Int  // wei per gas; nil before EIP-1559
}

// State is what the contract holds of a channel. All zero when it was never opened.
type State struct {
	Deposited proto.Amount // all that was ever put in
	Claimed   proto.Amount // all that was ever paid to the payee
	ClosesAt  time.Time    // from when the payer can have the rest back; zero unless closing
	Closed    bool
}

// Open reports whether deposits and claims are possible: opened, not closing, not closed.
func (s State) Open() bool { return !s.Deposited.IsZero() && s.ClosesAt.IsZero() && !s.Closed }

// Left is what the contract still holds for the channel.
func (s State) Left() proto.Amount {
	if s.Closed {
		return proto.Amount{}
	}
	return s.Deposited.Sub(s.Claimed)
}

// ChannelView is a channel at the head, and as far as it can't be taken back any more.
type ChannelView struct {
	Head   Head
	Latest State
	Final  State
}

// headBy asks for a block without its transactions. The hash is taken as the server gives it: computed from the
// fields that go-ethereum knows it would be wrong on chains whose headers hold others.
func headBy(ctx context.Context, ec *ethclient.Client, method string, which any) (Head, error) {
	var h *struct {
		Number     hexutil.Uint64 `json:"number"`
		Hash       common.Hash    `json:"hash"`
		ParentHash common.Hash    `json:"parentHash"`
		Timestamp  hexutil.Uint64 `json:"timestamp"`
		BaseFee    *hexutil.Big   `json:"baseFeePerGas"`
	}
	if err := ec.Client().CallContext(ctx, &h, method, which, false); err != nil {
		return Head{}, err
	}
	if h == nil {
		return Head{}, fmt.Errorf("block %v: %w", which, ethereum.NotFound)
	}
	return Head{uint64(h.Number), h.Hash, h.ParentHash, time.Unix(int64(h.Timestamp), 0), (*big.Int)(h.BaseFee)}, nil
}

// Head is the newest block.
func (c *Client) Head(ctx context.Context) (Head, error) {
	return call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) (Head, error) {
		return headBy(ctx, ec, "eth_getBlockByNumber", rpc.LatestBlockNumber)
	})
}

func (c *Client) headByHash(ctx context.Context, hash common.Hash) (Head, error) {
	return call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) (Head, error) {
		return headBy(ctx, ec, "eth_getBlockByHash", hash)
	})
}

// finalNumber is the newest block that is final by the configured rule, seen from head.
func (c *Client) finalNumber(ctx context.Context, head Head) (uint64, error) {
	if c.cfg.Finality.Tag == "" {
		return head.Number - min(head.Number, c.cfg.Finality.Confirmations), nil
	}
	h, err := call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) (Head, error) {
		return headBy(ctx, ec, "eth_getBlockByNumber", c.cfg.Finality.Tag)
	})
	// A server that follows a little behind another can call a block final that is above our head.
	return min(h.Number, head.Number), err
}

// Channel reads a channel at the head and at the newest final block.
func (c *Client) Channel(ctx context.Context, id proto.ChannelID) (ChannelView, error) {
	head, err := c.Head(ctx)
	if err != nil {
		return ChannelView{}, err
	}
	final, err := c.finalNumber(ctx, head)
	if err != nil {
		return ChannelView{}, err
	}
	v := ChannelView{Head: head}
	if v.Latest, err = c.stateAt(ctx, id, head.Number); err != nil {
		return ChannelView{}, err
	}
	if v.Final = v.Latest; final != head.Number {
		v.Final, err = c.stateAt(ctx, id, final)
	}
	return v, err
}

func (c *Client) stateAt(ctx context.Context, id proto.ChannelID, block uint64) (State, error) {
	out, err := c.view(ctx, c.cfg.Channels, c.channels.PackChannel(id), new(big.Int).SetUint64(block))
	if err != nil {
		return State{}, fmt.Errorf("reading channel %v at block %d: %w", id, block, err)
	}
	if len(out) == 0 {
		return State{}, nil // before the contract was deployed there was no channel
	}
	ch, err := c.channels.UnpackChannel(out)
	if err != nil {
		return State{}, fmt.Errorf("reading channel %v at block %d: %w", id, block, err)
	}
	// The ABI has checked that these fit in 96 bits.
	deposited, err := proto.AmountFromBig(ch.Deposited)
	if err != nil {
		return State{}, err
	}
	claimed, err := proto.AmountFromBig(ch.Claimed)
	if err != nil {
		return State{}, err
	}
	s := State{Deposited: deposited, Claimed: claimed, Closed: ch.Closed}
	if ch.ClosesAt.Sign() != 0 {
		s.ClosesAt = time.Unix(ch.ClosesAt.Int64(), 0)
	}
	return s, nil
}

func (c *Client) view(ctx context.Context, to common.Address, data []byte, block *big.Int) ([]byte, error) {
	out, err := call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) ([]byte, error) {
		return ec.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, block)
	})
	return out, explainRevert(err)
}

// TokenBalance is what account holds of the network's token, or proto.MaxAmount when it is more.
func (c *Client) TokenBalance(ctx context.Context, account common.Address) (proto.Amount, error) {
	return tokenView(ctx, c, c.token.PackBalanceOf(account), c.token.UnpackBalanceOf)
}

// Allowance is what the escrow contract may take from account, or proto.MaxAmount when it is more.
func (c *Client) Allowance(ctx context.Context, account common.Address) (proto.Amount, error) {
	return tokenView(ctx, c, c.token.PackAllowance(account, c.cfg.Channels), c.token.UnpackAllowance)
}

func tokenView(ctx context.Context, c *Client, data []byte, unpack func([]byte) (*big.Int, error)) (proto.Amount, error) {
	out, err := c.view(ctx, c.cfg.Token, data, nil)
	if err != nil {
		return proto.Amount{}, fmt.Errorf("reading token %v: %w", c.cfg.Token, err)
	}
	n, err := unpack(out)
	if err != nil {
		return proto.Amount{}, fmt.Errorf("reading token %v: %w", c.cfg.Token, err)
	}
	if n.BitLen() > 96 {
		return proto.MaxAmount, nil
	}
	return proto.AmountFromBig(n)
}

// GasBalance is what account holds of the chain's own coin, in wei.
func (c *Client) GasBalance(ctx context.Context, account common.Address) (*big.Int, error) {
	return call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) (*big.Int, error) {
		return ec.BalanceAt(ctx, account, nil)
	})
}

// TokenMeta is how a token wants to be shown.
type TokenMeta struct {
	Symbol   string // as the token says, made printable
	Decimals uint8
}

// TokenMeta asks the network's token.
func (c *Client) TokenMeta(ctx context.Context) (TokenMeta, error) {
	symbol, err := c.view(ctx, c.cfg.Token, c.token.PackSymbol(), nil)
	if err != nil {
		return TokenMeta{}, fmt.Errorf("reading the symbol of token %v: %w", c.cfg.Token, err)
	}
	decimals, err := c.view(ctx, c.cfg.Token, c.token.PackDecimals(), nil)
	if err != nil {
		return TokenMeta{}, fmt.Errorf("reading the decimals of token %v: %w", c.cfg.Token, err)
	}
	var m TokenMeta
	if m.Symbol, err = c.token.UnpackSymbol(symbol); err != nil {
		return TokenMeta{}, fmt.Errorf("reading the symbol of token %v: %w", c.cfg.Token, err)
	}
	if m.Decimals, err = c.token.UnpackDecimals(decimals); err != nil {
		return TokenMeta{}, fmt.Errorf("reading the decimals of token %v: %w", c.cfg.Token, err)
	}
	m.Symbol = proto.Printable(m.Symbol)
	return m, nil
}
