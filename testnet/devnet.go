package testnet

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	marketchain "github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/testnet/chain"
)

// Config says which devnet to make.
type Config struct {
	// Dir holds homes and logs. It must not hold a devnet already: its chain is
	// gone with the process that ran it.
	Dir string
	// Program is the lode binary.
	Program string
	// RPCPort is where JSON-RPC listens on loopback; 0 takes any free port.
	RPCPort   int
	Providers []Provider
	// Slice is the rent that is paid ahead.
	Slice time.Duration
	// Grace is how long a job may stand still for want of credit; 0 is the default.
	Grace time.Duration
	// Docker has the providers run container jobs, by this machine's engine.
	Docker bool
	Log    *slog.Logger
}

// Provider is a machine that the devnet pretends to be several of.
type Provider struct {
	Name string
	// Price is per hour, as a person writes it.
	Price string
	CPU   string
	// GPU, when set, is a pretended card, MODEL:VRAM. It is marked in the offer.
	GPU string
}

// DefaultProviders are three sellers at three prices, with room for four jobs.
var DefaultProviders = []Provider{
	{Name: "provider-1", Price: "0.30/h", CPU: "2"},
	{Name: "provider-2", Price: "0.42/h", CPU: "1"},
	{Name: "provider-3", Price: "0.55/h", CPU: "1", GPU: "RTX 4090:24GB"},
}

// Devnet is a market on this machine.
type Devnet struct {
	Network node.Network
	// NetworkFile is for everybody who wants to join.
	NetworkFile string
	Requester   *Member
	Providers   []*Member

	chain  *chain.Chain
	config Config
}

// ErrInUse is returned by Start for a folder that holds an earlier devnet.
var ErrInUse = errors.New("the folder holds an earlier devnet")

// coins is what an account gets to pay gas with, in wei.
var coins = new(big.Int).Mul(big.NewInt(1000), big.NewInt(1e18))

// Start makes the chain, deploys the contracts, and starts the nodes. It returns
// once each of them answers.
func Start(ctx context.Context, cfg Config) (_ *Devnet, err error) {
	if len(cfg.Providers) == 0 {
		cfg.Providers = DefaultProviders
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	file := filepath.Join(cfg.Dir, node.NetworkFile)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s; required: another folder, or remove it: its chain ended with its process", ErrInUse, cfg.Dir)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	id := chain.RandomChainID()
	d := &Devnet{NetworkFile: file, config: cfg}
	d.Network = node.Network{Name: fmt.Sprintf("devnet-%d", id), ChainID: id, Devnet: true}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
		}
	}()

	alloc := map[common.Address]*big.Int{}
	deployer, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	faucet, err := crypto.GenerateKey()
	if err != nil {
		return nil, err
	}
	alloc[crypto.PubkeyToAddress(deployer.PublicKey)] = coins
	alloc[crypto.PubkeyToAddress(faucet.PublicKey)] = new(big.Int).Mul(coins, big.NewInt(1000))
	if d.Requester, err = newMember(cfg, d.Network, "requester"); err != nil {
		return nil, err
	}
	// Providers get no coin: settlements that requesters submit cost them none.
	alloc[d.Requester.Account] = coins
	for _, p := range cfg.Providers {
		m, err := newMember(cfg, d.Network, p.Name)
		if err != nil {
			return nil, err
		}
		d.Providers = append(d.Providers, m)
	}

	if d.chain, err = chain.Start(chain.Config{ChainID: id, Alloc: alloc, HTTPPort: cfg.RPCPort, Logger: cfg.Log}); err != nil {
		return nil, err
	}
	d.Network.RPC = []string{d.chain.URL()}
	d.Network.Genesis = d.chain.GenesisHash()
	d.Network.FaucetKey = hex.EncodeToString(crypto.FromECDSA(faucet))
	if err := d.deploy(ctx, deployer); err != nil {
		return nil, err
	}
	if err := d.startNodes(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Devnet) deploy(ctx context.Context, key *ecdsa.PrivateKey) error {
	client, err := marketchain.Dial(ctx, d.Network.Chain(), d.config.Log)
	if err != nil {
		return err
	}
	defer client.Close()
	deployed, err := marketchain.Deploy(ctx, marketchain.NewSender(client, node.KeySigner(key), new(marketchain.MemStore), d.config.Log), true)
	if err != nil {
		return err
	}
	d.Network.Channels, d.Network.Token, d.Network.Deployed = deployed.Channels, deployed.Token, deployed.Block
	return nil
}

// startNodes starts the first provider alone, so that its address can be the
// others' bootstrap peer, and then all at once.
func (d *Devnet) startNodes(ctx context.Context) error {
	first, rest := d.Providers[0], d.Providers[1:]
	if err := errors.Join(d.startProvider(0), first.Ready(ctx)); err != nil {
		return err
	}
	addrs, err := first.Addrs(ctx)
	if err != nil {
		return err
	}
	d.Network.Bootstrap = addrs
	for i := range rest {
		if err := d.startProvider(i + 1); err != nil {
			return err
		}
	}
	if err := d.start(d.Requester, "node"); err != nil {
		return err
	}
	for _, m := range append(rest, d.Requester) {
		if err := m.Ready(ctx); err != nil {
			return err
		}
	}
	for _, m := range rest {
		more, err := m.Addrs(ctx)
		if err != nil {
			return err
		}
		d.Network.Bootstrap = append(d.Network.Bootstrap, more...)
	}
	if err := d.Network.Save(d.NetworkFile); err != nil {
		return err
	}
	if err := d.awaitOffers(ctx); err != nil {
		return err
	}
	if _, err := d.Requester.Client().Faucet(ctx, connect.NewRequest(&apiv1.FaucetRequest{})); err != nil {
		return fmt.Errorf("fund the requester: %w", err)
	}
	return nil
}

// awaitOffers waits until the requester knows what every provider sells, so that
// the first job has its choice.
func (d *Devnet) awaitOffers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		res, err := d.Requester.Client().ListOffers(ctx, connect.NewRequest(&apiv1.ListOffersRequest{WaitMs: 1000}))
		if err != nil {
			return fmt.Errorf("wait for the providers' offers: %w", err)
		}
		if known := len(res.Msg.GetFits()) + len(res.Msg.GetOthers()); known >= len(d.Providers) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the requester has not heard every provider's offer within %s; the logs are in %s", readyWithin, d.config.Dir)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *Devnet) startProvider(i int) error {
	p := d.config.Providers[i]
	args := []string{"provide", "--price", p.Price, "--cpu", p.CPU, "--memory", "2GiB", "--disk", "1GiB", "--close-delay", "1h"}
	if d.config.Slice > 0 {
		args = append(args, "--slice", d.config.Slice.String())
	}
	if d.config.Grace > 0 {
		args = append(args, "--grace", d.config.Grace.String())
	}
	if d.config.Docker {
		args = append(args, "--docker", "--allow-runc")
	}
	if p.GPU != "" {
		args = append(args, "--simulate-gpu", p.GPU)
	}
	return d.start(d.Providers[i], args...)
}

func (d *Devnet) start(m *Member, args ...string) error {
	// Each home gets the network file as it stands now; bootstrap peers that
	// come later are met through the first.
	if err := d.Network.Save(filepath.Join(m.Home, node.NetworkFile)); err != nil {
		return err
	}
	return m.start(args...)
}

// Restart starts a member again that has ended, as its machine would.
func (d *Devnet) Restart(ctx context.Context, m *Member) error {
	return errors.Join(m.start(m.args...), m.Ready(ctx))
}

// Ended gives the first member whose process ends.
func (d *Devnet) Ended() <-chan *Member {
	first := make(chan *Member, len(d.Providers)+1)
	for _, m := range append([]*Member{d.Requester}, d.Providers...) {
		go func() {
			<-m.ended
			first <- m
		}()
	}
	return first
}

// URL is where the chain's JSON-RPC listens.
func (d *Devnet) URL() string { return d.chain.URL() }

// Chain is the embedded chain, for tests that play with it.
func (d *Devnet) Chain() *chain.Chain { return d.chain }

// Close ends the nodes, then the chain. Homes and logs stay.
func (d *Devnet) Close() error {
	var errs []error
	for _, m := range append([]*Member{d.Requester}, d.Providers...) {
		if m != nil {
			errs = append(errs, m.Stop())
		}
	}
	if d.chain != nil {
		errs = append(errs, d.chain.Close())
	}
	return errors.Join(errs...)
}
