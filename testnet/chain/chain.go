// Package chain owns the embedded devnet chain: go-ethereum in this process, in memory, on loopback.
//
// It runs the Osaka rules and nothing later: go-ethereum's own simulated backend turns on forks that no network
// runs yet, under which a fresh storage slot costs about 98k gas more. Every gas figure of Lode means these rules.
package chain

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// DefaultIdleInterval is how long the chain waits before it seals a block without transactions.
const DefaultIdleInterval = 3 * time.Second

// ErrNotSealed is returned when go-ethereum did not put a block on top of the head.
var ErrNotSealed = errors.New("chain: no block was sealed")

// Config says what chain to run. The zero value is a chain with a random id and no money on it.
type Config struct {
	ChainID      uint64                      // 0 draws a random one
	Alloc        map[common.Address]*big.Int // balances at genesis, in wei
	HTTPPort     int                         // JSON-RPC port on 127.0.0.1; 0 takes a free one
	IdleInterval time.Duration               // longest time between two blocks; 0 means DefaultIdleInterval
	Manual       bool                        // seal nothing but by Commit, AdjustTime and Reorg
	Logger       *slog.Logger                // nil discards
}

// Chain is a running chain. Its methods may be called from several goroutines.
type Chain struct {
	node    *node.Node
	eth     *eth.Ethereum
	client  *rpc.Client
	log     *slog.Logger
	genesis common.Hash

	mu     sync.Mutex // guards beacon, which is not safe for concurrent use
	beacon *catalyst.SimulatedBeacon

	stopSealing func()
	shutdown    func() error
}

// RandomChainID draws an id that no public network uses and that JavaScript wallets can hold: below 2^52.
func RandomChainID() uint64 {
	var b [8]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return 1<<40 + binary.BigEndian.Uint64(b[:])%(1<<51)
}

// Start runs a chain until Close.
func Start(cfg Config) (*Chain, error) {
	if cfg.ChainID == 0 {
		cfg.ChainID = RandomChainID()
	}
	if cfg.IdleInterval == 0 {
		cfg.IdleInterval = DefaultIdleInterval
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}

	stack, err := node.New(&node.Config{
		Name:         "lode-devnet",
		HTTPHost:     "127.0.0.1",
		HTTPPort:     cfg.HTTPPort,
		HTTPModules:  []string{"eth", "net", "web3"},
		HTTPTimeouts: rpc.DefaultHTTPTimeouts,
		// A page in a browser could otherwise reach the chain by a DNS name that resolves to loopback.
		HTTPVirtualHosts:     []string{"localhost"},
		BatchRequestLimit:    node.DefaultConfig.BatchRequestLimit,
		BatchResponseMaxSize: node.DefaultConfig.BatchResponseMaxSize,
		HTTPBodyLimit:        node.DefaultConfig.HTTPBodyLimit,
		UseLightweightKDF:    true,
		P2P:                  p2p.Config{NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	c := &Chain{node: stack, log: cfg.Logger, stopSealing: func() {}}
	c.shutdown = sync.OnceValue(c.stop)
	if err := c.start(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("chain: starting on port %d: %w", cfg.HTTPPort, err), c.Close())
	}
	return c, nil
}

func (c *Chain) start(cfg Config) error {
	ethConf := ethConfig(genesis(cfg, time.Now()))
	backend, err := eth.New(c.node, ethConf)
	if err != nil {
		return err
	}
	c.eth = backend
	c.node.RegisterAPIs([]rpc.API{{
		Namespace: "eth",
		Service:   filters.NewFilterAPI(filters.NewFilterSystem(backend.APIBackend, filters.Config{})),
	}})
	if err := c.node.Start(); err != nil {
		return err
	}
	c.genesis = backend.BlockChain().Genesis().Hash()
	c.beacon, err = catalyst.NewSimulatedBeacon(0, common.Address{}, backend)
	if err != nil {
		return err
	}
	c.client = c.node.Attach()
	if !cfg.Manual {
		c.stopSealing = c.startSealing(cfg.IdleInterval)
	}
	c.log.Debug("devnet chain started", "url", c.URL(), "chain_id", cfg.ChainID, "genesis", c.genesis)
	return nil
}

// genesis is unlike that of any other devnet, so that a file which names its hash means this chain alone.
func genesis(cfg Config, now time.Time) *core.Genesis {
	alloc := core.SystemContractAllocs()
	for addr, wei := range cfg.Alloc {
		alloc[addr] = types.Account{Balance: wei}
	}
	extra := make([]byte, params.MaximumExtraDataSize)
	rand.Read(extra) // never fails since Go 1.24
	return &core.Genesis{
		Config:    osaka(cfg.ChainID),
		Timestamp: uint64(now.Unix()) - 1, // room for a first block within this second
		ExtraData: extra,
		GasLimit:  ethconfig.Defaults.Miner.GasCeil,
		BaseFee:   big.NewInt(params.InitialBaseFee),
		Alloc:     alloc,
	}
}

// osaka spells the rules out, because go-ethereum's own development rules follow its work on the next forks.
func osaka(chainID uint64) *params.ChainConfig {
	zero, fromStart := big.NewInt(0), uint64(0)
	return &params.ChainConfig{
		ChainID:                 new(big.Int).SetUint64(chainID),
		HomesteadBlock:          zero,
		EIP150Block:             zero,
		EIP155Block:             zero,
		EIP158Block:             zero,
		ByzantiumBlock:          zero,
		ConstantinopleBlock:     zero,
		PetersburgBlock:         zero,
		IstanbulBlock:           zero,
		MuirGlacierBlock:        zero,
		BerlinBlock:             zero,
		LondonBlock:             zero,
		ArrowGlacierBlock:       zero,
		GrayGlacierBlock:        zero,
		TerminalTotalDifficulty: zero,
		ShanghaiTime:            &fromStart,
		CancunTime:              &fromStart,
		PragueTime:              &fromStart,
		OsakaTime:               &fromStart,
		BogotaTime:              nil,
		BlobScheduleConfig:      params.DefaultBlobSchedule,
	}
}

func ethConfig(g *core.Genesis) *ethconfig.Config {
	conf := ethconfig.Defaults
	conf.Genesis = g
	conf.SyncMode = ethconfig.FullSync
	conf.LogNoHistory = true // logs are found without an index, hence without waiting for one
	// In memory, in a process that has other work: a few MiB are enough.
	conf.DatabaseCache, conf.TrieCleanCache, conf.TrieDirtyCache, conf.SnapshotCache = 16, 16, 16, 0
	conf.TxPool.NoLocals = true
	conf.TxPool.Journal = ""
	// The pool and the miner must have one minimum tip: a transaction between two of them is accepted, never
	// mined, and blocks every later nonce of its account. One wei is the least that the pool can be told.
	conf.TxPool.PriceLimit = 1
	conf.Miner.GasPrice = big.NewInt(1)
	return &conf
}

// URL is the address of the JSON-RPC endpoint.
func (c *Chain) URL() string { return c.node.HTTPEndpoint() }

// ChainID is the id that transactions must be signed for.
func (c *Chain) ChainID() *big.Int { return c.eth.BlockChain().Config().ChainID }

// GenesisHash is the hash of block 0.
func (c *Chain) GenesisHash() common.Hash { return c.genesis }

// Head is the header of the newest block.
func (c *Chain) Head() *types.Header { return c.eth.BlockChain().CurrentBlock() }

// RPC is a client within the process, which sees the chain without HTTP between. It is closed with the chain.
func (c *Chain) RPC() *rpc.Client { return c.client }

// Close stops the chain and forgets it. A second call returns what the first returned.
func (c *Chain) Close() error { return c.shutdown() }

func (c *Chain) stop() error {
	c.stopSealing()
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if c.client != nil {
		c.client.Close()
	}
	if c.beacon != nil {
		err = c.beacon.Stop()
	}
	return errors.Join(err, c.node.Close())
}
