package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/lode-market/lode/contracts"
	"github.com/lode-market/lode/proto"
)

// Parties narrows a search for channels. A zero address means anybody.
type Parties struct {
	Payer, Payee common.Address
}

// Opened is a channel as its event tells it.
type Opened struct {
	Key       proto.ChannelKey
	Deposited proto.Amount // by the first deposit
	Block     uint64
	Tx        common.Hash
}

// OpenedChannels returns the channels that were opened from block from on, in the order of the chain. It also
// returns the last block that was searched, after which a later search can begin. An index rebuilt like this knows
// the keys; what a channel holds is read by Channel.
func (c *Client) OpenedChannels(ctx context.Context, who Parties, from uint64) ([]Opened, uint64, error) {
	head, err := c.Head(ctx)
	if err != nil {
		return nil, 0, err
	}
	topics := [][]common.Hash{c.eventIDs(contracts.ChannelsChannelOpenedEventName), nil, topic(who.Payer), topic(who.Payee)}
	logs, err := c.logs(ctx, c.cfg.Channels, topics, from, head.Number)
	if err != nil {
		return nil, 0, err
	}
	opened := make([]Opened, len(logs))
	for i, l := range logs {
		e, err := c.channels.UnpackChannelOpenedEvent(&l)
		if err != nil {
			return nil, 0, badLog(l, err)
		}
		key := proto.ChannelKey{
			Payer: e.Payer, PayerSigner: e.PayerSigner, Payee: e.Payee, PayeeSigner: e.PayeeSigner,
			Token: e.Token, CloseDelay: e.CloseDelay, Salt: e.Salt,
		}
		if key.ID() != e.Id {
			return nil, 0, badLog(l, fmt.Errorf("a key with id %v under id %v", key.ID(), proto.ChannelID(e.Id)))
		}
		deposited, err := proto.AmountFromBig(e.Deposited)
		if err != nil {
			return nil, 0, badLog(l, err)
		}
		opened[i] = Opened{key, deposited, l.BlockNumber, l.TxHash}
	}
	return opened, head.Number, nil
}

func (c *Client) eventIDs(names ...string) []common.Hash {
	events := c.channels.GetABI().Events
	ids := make([]common.Hash, len(names))
	for i, name := range names {
		ids[i] = events[name].ID
	}
	return ids
}

// topic matches one indexed address, or any when it is zero.
func topic(a common.Address) []common.Hash {
	if a == (common.Address{}) {
		return nil
	}
	return []common.Hash{common.BytesToHash(a[:])}
}

// logs asks for blocks from to to, both included, in chunks. Servers bound the blocks or results of one query, each
// its own way: when one refuses, the chunk is halved.
func (c *Client) logs(ctx context.Context, addr common.Address, topics [][]common.Hash, from, to uint64) ([]types.Log, error) {
	var all []types.Log
	chunk := c.cfg.LogChunk
	for from <= to {
		last := min(to, from+chunk-1)
		part, err := call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) ([]types.Log, error) {
			return ec.FilterLogs(ctx, ethereum.FilterQuery{
				FromBlock: new(big.Int).SetUint64(from), ToBlock: new(big.Int).SetUint64(last),
				Addresses: []common.Address{addr}, Topics: topics,
			})
		})
		var refused rpc.Error
		if errors.As(err, &refused) && last > from {
			chunk = (last - from + 1) / 2
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("logs of blocks %d to %d: %w", from, last, err)
		}
		all = append(all, part...)
		from = last + 1
	}
	return all, nil
}

func badLog(l types.Log, err error) error {
	return &Error{Kind: ErrBadLog, Actual: fmt.Sprintf("log %d of block %d", l.Index, l.BlockNumber),
		Required: "an event of the contract", Mend: "name another RPC URL", Cause: err}
}
