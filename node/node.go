package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/keys"
	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// Node is one member of a market: it holds a home, and everything that happens
// in its name.
type Node struct {
	cfg       Config
	log       *slog.Logger
	lock      *api.Lock
	keys      *keys.Keys
	signer    *keys.Account
	account   *keys.Account
	store     *store.Store
	chain     *chain.Client
	sender    *chain.Sender
	meta      chain.TokenMeta
	wire      *wire.Wire
	data      *data.Store
	api       *api.Server
	offers    *offers
	payees    *payees
	payers    *payers
	provider  *provider // nil in a node that only rents
	requester *requester
	isolation []string

	ctx    context.Context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
	close  sync.Once

	mu       sync.Mutex
	head     chain.Head
	chainErr error
}

// errClosed is why a node's context ends when it was asked to.
var errClosed = errors.New("the node was closed")

// Start opens the home and joins the market. It returns once the local API
// answers and, in a provider, leases of an earlier process go on; api.ErrLocked
// when another process holds the home.
func Start(ctx context.Context, cfg Config) (_ *Node, err error) {
	if err := cfg.Network.Validate(); err != nil {
		return nil, err
	}
	if cfg.Notice == nil {
		cfg.Notice = func(string) {}
	}
	if err := os.MkdirAll(cfg.Home, 0o700); err != nil {
		return nil, fmt.Errorf("make home: %w", err)
	}
	n := &Node{cfg: cfg, log: cfg.Log}
	// What the node does outlives the call that started it.
	n.ctx, n.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if n.lock, err = api.LockHome(cfg.Home); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close(context.WithoutCancel(ctx)))
		}
	}()
	for _, step := range []func(context.Context) error{
		n.openKeys, n.openStore, n.openChain, n.openNetwork, n.openBooks, n.openProvider, n.openRequester, n.serve,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Node) openKeys(context.Context) (err error) {
	cfg := keysConfig(n.cfg.Home, n.cfg.Network, n.cfg.Password)
	n.keys, err = keys.Open(cfg)
	if errors.Is(err, keys.ErrNoKeys) {
		n.keys, err = keys.Create(cfg)
	}
	if err != nil {
		return err
	}
	if n.account, err = n.keys.Account(keys.Funds); err != nil {
		return err
	}
	n.signer, err = n.keys.Account(keys.Signer)
	return err
}

// keysConfig says how a home's keys open. A devnet's guard nothing of value, and
// open without a password.
func keysConfig(home string, network Network, password func(string) (string, error)) keys.Config {
	cfg := keys.Config{Dir: filepath.Join(home, "keys"), Password: password}
	if network.Local() {
		cfg.Light, cfg.Password = true, nil
	}
	return cfg
}

func (n *Node) openStore(ctx context.Context) (err error) {
	n.store, err = store.Open(ctx, filepath.Join(n.cfg.Home, "lode.db"))
	return err
}

func (n *Node) openChain(ctx context.Context) (err error) {
	if n.chain, err = chain.Dial(ctx, n.cfg.Network.Chain(), n.log); err != nil {
		return err
	}
	if n.meta, err = n.chain.TokenMeta(ctx); err != nil {
		return err
	}
	n.sender = chain.NewSender(n.chain, n.account, store.Transactions{Store: n.store}, n.log)
	n.head, err = n.chain.Head(ctx)
	return err
}

func (n *Node) openNetwork(ctx context.Context) error {
	var past map[proto.PeerKey][2]int
	var known []string
	if err := n.store.View(ctx, func(tx *store.Tx) error {
		leases, err := tx.RequesterLeases("")
		if err != nil {
			return err
		}
		past = history(leases)
		known, err = knownPeers(tx)
		return err
	}); err != nil {
		return err
	}
	peerKey := n.keys.PeerKey()
	self, domain := wire.PeerKeyOf(peerKey), n.cfg.Network.Domain()
	n.offers = newOffers(self, domain, wire.Signer(peerKey), n.cfg.Network.Devnet, past, time.Now)
	n.payees = &payees{
		store: n.store, chain: n.chain, domain: domain, signer: n.signer, now: time.Now, log: n.log,
		credited: func(proto.LeaseID, proto.Amount) {},
	}
	handlers := wire.Handlers{Offer: n.offers.take, Book: n.offers.raw}
	cfg := wire.Config{
		Key: peerKey, Listen: n.listen(), Bootstrap: append(append([]string(nil), n.cfg.Network.Bootstrap...), n.cfg.Peers...), Known: known,
		MDNS: n.cfg.MDNS, Domain: domain, Devnet: n.cfg.Network.Devnet, Offers: proto.Classes, Logger: n.log,
	}
	if n.cfg.Provide != nil {
		if err := n.newProvider(self); err != nil {
			return err
		}
		handlers.Provider = n.provider
		handlers.JobPost = n.answerPost
		cfg.Jobs = []proto.Class{proto.ClassOf(n.provider.cfg.Resources)}
	}
	var err error
	if n.wire, err = wire.New(n.ctx, cfg, handlers); err != nil {
		return err
	}
	n.offers.wire = n.wire
	n.data, err = data.Open(data.Config{Dir: filepath.Join(n.cfg.Home, "data"), Host: n.wire.Host(), Logger: n.log})
	return err
}

// listen returns where to listen: a devnet stays on this machine.
func (n *Node) listen() []string {
	switch {
	case len(n.cfg.Listen) > 0:
		return n.cfg.Listen
	case n.cfg.Network.Devnet:
		return []string{"/ip4/127.0.0.1/tcp/0"}
	}
	return DefaultListen
}

func (n *Node) openBooks(ctx context.Context) error {
	if err := n.payees.load(ctx); err != nil {
		return err
	}
	n.payers = &payers{
		store: n.store, chain: n.chain, sender: n.sender, domain: n.cfg.Network.Domain(), signer: n.signer, token: n.cfg.Network.Token, log: n.log,
		sync: func(ctx context.Context, key proto.ChannelKey) (proto.Voucher, error) {
			return n.requester.sync(ctx, key)
		},
	}
	if err := n.payers.load(ctx, n.cfg.Network.Deployed); err != nil {
		return err
	}
	return errors.Join(n.payees.refreshAll(ctx, true), n.payers.refreshAll(ctx, true))
}

func (n *Node) newProvider(self proto.PeerKey) error {
	cfg, err := n.cfg.Provide(n.meta.Decimals)
	if err != nil {
		return err
	}
	if cfg.Simulated && !n.cfg.Network.Devnet {
		return proto.Refuse(proto.CodeSimulated, "a simulated GPU", "a network file with devnet = true", "offer what the machine has")
	}
	if cfg.Price.Amount().IsZero() {
		return api.Fail(api.KindUser, "PRICE", errors.New("the price is 0; required: more than nothing, for vouchers are what a lease runs on"))
	}
	n.payees.exposure = cfg.Exposure
	n.provider = &provider{
		cfg: cfg, dir: filepath.Join(n.cfg.Home, "leases"), domain: n.cfg.Network.Domain(), self: self, payee: n.account.Address(), signer: n.signer,
		token: n.cfg.Network.Token, store: n.store, payees: n.payees, log: n.log, notice: n.cfg.Notice, fatal: n.fatal, now: time.Now, ctx: n.ctx,
		drivers: make(map[proto.Driver]run.Driver), ready: make(chan struct{}),
	}
	n.payees.credited = n.provider.credited
	return nil
}

func (n *Node) openProvider(ctx context.Context) error {
	if n.provider == nil {
		return nil
	}
	n.provider.data = n.data
	if err := os.MkdirAll(n.provider.dir, 0o711); err != nil {
		return fmt.Errorf("make the folder for leases: %w", err)
	}
	config := run.Config{Dir: filepath.Join(n.cfg.Home, "run", "wasm"), Command: n.cfg.ShimCommand, Log: n.log}
	wasm, err := run.NewWasm(config)
	if err != nil {
		return err
	}
	n.provider.drivers[proto.DriverWasm] = wasm
	isolation, err := wasm.Probe(ctx)
	if err != nil {
		return fmt.Errorf("what keeps wasm jobs apart on this machine: %w", err)
	}
	n.isolates("wasm", isolation)
	if n.provider.cfg.Docker {
		config.Dir = filepath.Join(n.cfg.Home, "run", "docker")
		docker, err := run.NewDocker(ctx, run.DockerConfig{
			Config: config, AllowRunc: n.provider.cfg.AllowRunc, LocalImages: n.cfg.Network.Local(),
			Images: run.ImagesConfig{AllowedRegistries: n.provider.cfg.Registries, MaxPacked: n.provider.cfg.MaxImage, Log: n.log},
		})
		if err != nil {
			return err
		}
		n.provider.drivers[proto.DriverDocker] = docker
		n.isolates("docker", docker.Isolation())
	}
	if err := n.provider.load(ctx); err != nil {
		return err
	}
	n.done.Go(n.announce)
	return nil
}

// isolates notes in plain words what keeps a driver's jobs apart.
func (n *Node) isolates(driver string, i run.Isolation) {
	n.isolation = append(n.isolation, driver+" jobs have: "+strings.Join(i.Applied, ", "))
	if len(i.Missing) > 0 {
		n.isolation = append(n.isolation, driver+" jobs lack: "+strings.Join(i.Missing, ", "))
	}
}

func (n *Node) openRequester(ctx context.Context) error {
	n.requester = &requester{
		dir: filepath.Join(n.cfg.Home, "jobs"), domain: n.cfg.Network.Domain(), self: n.offers.self, signer: n.signer, token: n.cfg.Network.Token,
		store: n.store, payers: n.payers, data: n.data, wire: n.wire, offers: n.offers, images: n.resolveImage, patience: patience,
		log: n.log, now: time.Now, fatal: n.fatal, ctx: n.ctx,
	}
	return n.requester.load(ctx)
}

// patience is how long, beyond its grace, a silent lease may come back. By then
// the shim has ended the job, and what there is of results waits out retention.
const patience = 90 * time.Second

// resolveImage pins an image by its digest.
func (n *Node) resolveImage(ctx context.Context, ref string) (string, error) {
	if n.cfg.Network.Local() {
		// On a devnet requester and provider share an engine, so what is only there will do.
		if image, err := run.ResolveLocal(ctx, run.DefaultEngine, ref); err == nil {
			return image.Ref, nil
		}
	}
	cfg := run.ImagesConfig{Log: n.log}
	if n.cfg.Network.Local() {
		cfg.AllowedRegistries = loopbackRegistry(ref)
	}
	images := run.NewImages(cfg)
	defer images.Close()
	image, err := images.Resolve(ctx, ref)
	return image.Ref, err
}

// loopbackRegistry returns the registry of ref when that is on this machine.
func loopbackRegistry(ref string) []string {
	registry, _, _ := strings.Cut(ref, "/")
	host, _, err := net.SplitHostPort(registry)
	if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip.IsLoopback()) {
		return []string{registry}
	}
	return nil
}

func (n *Node) serve(context.Context) (err error) {
	if n.api, err = api.Serve(n.cfg.Home, handlers{n}, n.log); err != nil {
		return err
	}
	n.done.Go(n.followChain)
	n.done.Go(n.join)
	n.done.Go(n.clean)
	return nil
}

// fatal ends the node for a reason that it can't go on with.
func (n *Node) fatal(err error) {
	n.log.Error("the node ends", "err", err)
	n.cancel(err)
}

// Done is closed when the node has ended by itself or by Close.
func (n *Node) Done() <-chan struct{} { return n.ctx.Done() }

// Err says why the node ended; nil after Close.
func (n *Node) Err() error {
	if err := context.Cause(n.ctx); err != nil && !errors.Is(err, errClosed) {
		return err
	}
	return nil
}

// Close leaves the market. Jobs that run are held by their shims until their
// cover runs out; a node that starts before goes on with them.
func (n *Node) Close(ctx context.Context) (err error) {
	n.close.Do(func() {
		if n.provider != nil {
			n.provider.stop()
			if n.provider.cfg.Claim.Shutdown {
				n.claimDue(ctx, true)
			}
		}
		var errs []error
		if n.api != nil {
			errs = append(errs, n.api.Close(ctx))
		}
		if n.wire != nil && n.store != nil {
			errs = append(errs, n.rememberPeers(ctx))
		}
		n.cancel(errClosed)
		if n.wire != nil {
			errs = append(errs, n.wire.Close())
		}
		n.done.Wait()
		if n.requester != nil {
			n.requester.done.Wait()
		}
		if n.provider != nil {
			n.provider.done.Wait()
			for _, d := range n.provider.drivers {
				errs = append(errs, d.Close())
			}
		}
		if n.data != nil {
			errs = append(errs, n.data.Close())
		}
		if n.chain != nil {
			n.chain.Close()
		}
		if n.store != nil {
			errs = append(errs, n.store.Close())
		}
		errs = append(errs, n.lock.Release())
		err = errors.Join(errs...)
	})
	return err
}
