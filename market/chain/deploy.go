package chain

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/contracts"
)

// Deployment is where new contracts are.
type Deployment struct {
	Channels common.Address
	Token    common.Address // zero when none was deployed
	Block    uint64         // the first that can hold an event of theirs
	GasUsed  uint64
}

// Deploy puts the escrow contract on chain, and the token of devnets if asked. The client of the sender needs no
// addresses; a client with those that are returned is dialled afterwards.
func Deploy(ctx context.Context, s *Sender, devToken bool) (Deployment, error) {
	channels, err := s.Send(ctx, "deploy/channels", Call{what: "deploy Channels", data: common.FromHex(contracts.ChannelsMetaData.Bin)})
	if err != nil {
		return Deployment{}, err
	}
	d := Deployment{Channels: channels.Contract, Block: channels.Block, GasUsed: channels.GasUsed}
	if !devToken {
		return d, nil
	}
	token, err := s.Send(ctx, "deploy/token", Call{what: "deploy DevToken", data: common.FromHex(contracts.DevTokenMetaData.Bin)})
	if err != nil {
		return Deployment{}, err
	}
	d.Token = token.Contract
	d.GasUsed += token.GasUsed
	return d, nil
}
