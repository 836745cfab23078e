package chain

import (
	"context"
	"log/slog"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"
)

// Identify asks a server which chain it serves: for a network file that is not
// written yet.
func Identify(ctx context.Context, url string) (id uint64, genesis common.Hash, err error) {
	cfg, err := Config{RPC: []string{url}}.withDefaults()
	if err != nil {
		return 0, genesis, err
	}
	eps, err := dialEndpoints(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, genesis, err
	}
	defer eps.close()
	ctx, cancel := context.WithTimeout(ctx, cfg.CallTimeout)
	defer cancel()
	ep := eps.list[0]
	chainID, err := ep.client.ChainID(ctx)
	if err != nil {
		return 0, genesis, eps.failure(ctx, ep, err)
	}
	if !chainID.IsUint64() {
		return 0, genesis, &Error{Kind: ErrConfig, Actual: "chain id " + chainID.String(), Required: "one of at most 64 bits", Mend: "use another chain"}
	}
	block, err := headBy(ctx, ep.client, "eth_getBlockByNumber", rpc.BlockNumber(0))
	if err != nil {
		return 0, genesis, eps.failure(ctx, ep, err)
	}
	return chainID.Uint64(), block.Hash, nil
}
