// Package chain owns the conversation with an EVM chain: reading, following its head, and getting transactions into
// it exactly once. It is the only home of ethclient.
//
// State is read, never inferred from events: a caller that hears of a new head, reorganised or not, reads its
// channels again.
package chain

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/lode-market/lode/contracts"
)

// Config says which chain, and how much of it to believe. Zero durations and counts take the defaults.
type Config struct {
	RPC         []string    // http(s) URLs, tried in order
	ChainID     uint64      // what every server must serve
	GenesisHash common.Hash // zero: not checked
	// Channels and Token are the contracts. Zero Channels: none yet, as before a deployment.
	Channels, Token common.Address

	Finality Finality

	CallTimeout time.Duration // for one attempt at one server; default 10 s
	PollEvery   time.Duration // between looks for a receipt; default 1 s
	LogChunk    uint64        // blocks asked for in one log query; default 5,000

	Fees Fees
}

// Finality says from when on what the chain holds can't be taken back any more. Which rule is right depends on the
// chain: a count of blocks, or what its own consensus says.
type Finality struct {
	// Confirmations is the number of blocks on top of a block that make it final. 0: the head is final.
	Confirmations uint64
	// Tag is "safe" or "finalized" to ask the chain instead, or empty.
	Tag string
}

func (cfg Config) withDefaults() (Config, error) {
	if cfg.CallTimeout == 0 {
		cfg.CallTimeout = 10 * time.Second
	}
	if cfg.PollEvery == 0 {
		cfg.PollEvery = time.Second
	}
	if cfg.LogChunk == 0 {
		cfg.LogChunk = 5000
	}
	cfg.Fees = cfg.Fees.withDefaults()
	if t := cfg.Finality.Tag; t != "" && t != "safe" && t != "finalized" {
		return cfg, &Error{Kind: ErrConfig, Actual: fmt.Sprintf("finality tag %q", t), Required: `"safe", "finalized" or none`,
			Mend: "correct the network file"}
	}
	return cfg, nil
}

// Client is a connection to one chain. Its methods may be called from several goroutines.
type Client struct {
	cfg      Config
	chainID  *big.Int
	rpc      *endpoints
	log      *slog.Logger
	channels *contracts.Channels
	token    *contracts.DevToken // any ERC-20: only the calls that they all have are made on Config.Token
}

// Dial returns a client once a server of the right chain has answered and holds code at both contracts.
//
// It fails with ErrConfig, ErrUnreachable, ErrSlow, ErrWrongChain or ErrNoContract. With several URLs the error is
// each of theirs.
func Dial(ctx context.Context, cfg Config, log *slog.Logger) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	eps, err := dialEndpoints(cfg, log)
	if err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, chainID: new(big.Int).SetUint64(cfg.ChainID), rpc: eps, log: log,
		channels: contracts.NewChannels(), token: contracts.NewDevToken(),
	}
	if err := c.checkContracts(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) checkContracts(ctx context.Context) error {
	if c.cfg.Channels == (common.Address{}) {
		_, err := c.Head(ctx)
		return err
	}
	for _, contract := range []struct {
		what string
		addr common.Address
	}{{"Channels", c.cfg.Channels}, {"the token", c.cfg.Token}} {
		code, err := call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) ([]byte, error) {
			return ec.CodeAt(ctx, contract.addr, nil)
		})
		if err != nil {
			return err
		}
		if len(code) == 0 {
			return &Error{Kind: ErrNoContract, Actual: fmt.Sprintf("no code at %v on chain %d", contract.addr, c.cfg.ChainID),
				Required: "the contract of " + contract.what, Mend: "check the network file, or deploy with `lode deploy`"}
		}
	}
	return nil
}

// Close ends idle connections.
func (c *Client) Close() { c.rpc.close() }

// ChainID is the id that transactions are signed for.
func (c *Client) ChainID() uint64 { return c.cfg.ChainID }

// Channels is the address of the escrow contract.
func (c *Client) Channels() common.Address { return c.cfg.Channels }

// Token is the address of the token that the network pays in.
func (c *Client) Token() common.Address { return c.cfg.Token }
