package wire

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"

	"github.com/lode-market/lode/proto"
)

// Config says who a node is on the network and whom it looks for.
type Config struct {
	// Key is the peer's name and what proves it.
	Key ed25519.PrivateKey
	// Listen holds multiaddrs, such as /ip4/0.0.0.0/tcp/4001 or
	// /ip4/0.0.0.0/udp/4001/quic-v1. None: the node only dials.
	Listen []string
	// Bootstrap peers are held for ever; each is a multiaddr that ends in
	// /p2p/<id>. Known ones, from an earlier Wire.Known, are tried once.
	Bootstrap, Known []string
	// MDNS finds peers on the local network.
	MDNS bool
	// Domain is the network: its topics and all signatures depend on it.
	Domain proto.Domain
	// Devnet takes simulated offers and dials private addresses.
	Devnet bool
	// AllowPrivateAddrs dials and tells private addresses although the network
	// is no devnet: for networks inside one house.
	AllowPrivateAddrs bool
	// Offers and Jobs are the classes whose offers and job posts are followed.
	Offers, Jobs []proto.Class
	// Limits; the zero value means DefaultLimits.
	Limits Limits
	Logger *slog.Logger     // nil: none
	Clock  func() time.Time // nil: time.Now
}

// Provider answers requesters. Errors that are a *proto.Refusal reach the peer
// as they are, others as CodeInternal. Methods are called concurrently.
type Provider interface {
	// Quote returns signed terms.
	Quote(ctx context.Context, from proto.PeerKey, q proto.Quote) (proto.SignedTerms, error)
	// Lease serves an attached requester until it returns. The first request is
	// an Open or an Attach; Accept it, or return a refusal. ctx ends with the node.
	Lease(ctx context.Context, from proto.PeerKey, first LeaseRequest, s *LeaseStream) error
	// Settle consents to a final total for a channel.
	Settle(ctx context.Context, from proto.PeerKey, key proto.ChannelKey) (proto.Settlement, error)
	// Sync returns the last voucher held of a channel, or a zero one.
	Sync(ctx context.Context, from proto.PeerKey, key proto.ChannelKey) (proto.Voucher, error)
}

// Handlers take what comes in. They are called concurrently. Offer and JobPost
// see checked values only, and gossip is lost while they block.
type Handlers struct {
	Offer   func(o proto.Offer, raw []byte)
	JobPost func(proto.JobPost)
	// Book returns the unexpired encoded offers of a class, this node's own
	// included; at most proto.MaxBookOffers of them are told.
	Book func(proto.Class) [][]byte
	// Provider is nil in a node that sells nothing; then the quote, lease and
	// channel protocols are not served.
	Provider Provider
}

// Wire is a node's place on the network.
type Wire struct {
	cfg      Config
	handlers Handlers
	self     proto.PeerKey
	host     host.Host
	gater    *gater
	mdns     mdns.Service
	gossip   gossip
	offers   *checker
	posts    *checker
	counts   *counts

	ctx    context.Context
	cancel context.CancelFunc
	// done counts goroutines; closing, under mu, keeps new ones from starting.
	done    sync.WaitGroup
	mu      sync.Mutex
	closing bool
}

var _ io.Closer = (*Wire)(nil)

// New starts a node's network. It returns once the node listens; peers are met
// afterwards, and handlers may be called before it returns. Cancelling ctx ends
// what handlers and gossip do; Close is needed all the same.
func New(ctx context.Context, cfg Config, h Handlers) (*Wire, error) {
	cfg, h = withDefaults(cfg, h)
	g := newGater(cfg.AllowPrivateAddrs || cfg.Devnet)
	hst, err := newHost(cfg, g)
	if err != nil {
		return nil, err
	}
	w := &Wire{cfg: cfg, handlers: h, self: PeerKeyOf(cfg.Key), host: hst, gater: g, counts: &counts{n: map[verdict]uint64{}}}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.offers, w.posts = newChecker(cfg, w.counts), newChecker(cfg, w.counts)
	err = w.startGossip()
	if err == nil {
		w.serveAll()
		err = w.startPeers()
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func withDefaults(cfg Config, h Handlers) (Config, Handlers) {
	if cfg.Limits == (Limits{}) {
		cfg.Limits = DefaultLimits()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if h.Offer == nil {
		h.Offer = func(proto.Offer, []byte) {}
	}
	if h.JobPost == nil {
		h.JobPost = func(proto.JobPost) {}
	}
	if h.Book == nil {
		h.Book = func(proto.Class) [][]byte { return nil }
	}
	return cfg, h
}

// serveAll registers the stream protocols. The short ones share their slots.
func (w *Wire) serveAll() {
	requests, leases := newSlots(w.cfg.Limits.Requests), newSlots(w.cfg.Limits.Leases)
	w.serveBook(requests)
	if p := w.handlers.Provider; p != nil {
		w.serveQuotes(p, requests)
		w.serveChannels(p, requests)
		w.serveLeases(p, leases)
	}
}

// enter counts a goroutine that Close waits for, or reports that it is too late.
func (w *Wire) enter() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return false
	}
	w.done.Add(1)
	return true
}

// goes runs f in a goroutine that ends with the node.
func (w *Wire) goes(f func()) {
	if w.enter() {
		go func() {
			defer w.done.Done()
			f()
		}()
	}
}

// Close ends all streams and connections and waits for the handlers.
func (w *Wire) Close() error {
	w.mu.Lock()
	closed := w.closing
	w.closing = true
	w.mu.Unlock()
	if closed {
		return nil
	}
	w.cancel()
	var err error
	if w.mdns != nil {
		err = w.mdns.Close()
	}
	err = errors.Join(err, w.host.Close())
	w.done.Wait()
	return err
}

// Host returns the libp2p host, for protocols that other packages own.
func (w *Wire) Host() host.Host { return w.host }

// Self returns this node's name.
func (w *Wire) Self() proto.PeerKey { return w.self }

// Status is what the node sees of the network.
type Status struct {
	Peer   proto.PeerKey
	ID     string   // Peer, as libp2p writes it
	Addrs  []string // where this node tells others that it is
	Peers  []PeerStatus
	Topics []TopicStatus
	Gossip map[string]uint64 // messages by the check at which they stopped
}

// PeerStatus is a connected peer.
type PeerStatus struct {
	ID, Addr string
	Inbound  bool
	Score    float64 // of gossip; under zero it misbehaved
}

// TopicStatus is a followed topic and how many connected peers follow it too.
type TopicStatus struct {
	Name  string
	Peers int
}

// Status returns a snapshot.
func (w *Wire) Status() Status {
	st := Status{Peer: w.self, ID: w.host.ID().String(), Gossip: w.counts.snapshot()}
	for _, a := range w.host.Addrs() {
		st.Addrs = append(st.Addrs, a.String())
	}
	for _, c := range w.host.Network().Conns() {
		p := c.RemotePeer()
		if !slices.ContainsFunc(st.Peers, func(s PeerStatus) bool { return s.ID == p.String() }) {
			st.Peers = append(st.Peers, PeerStatus{
				ID: p.String(), Addr: c.RemoteMultiaddr().String(), Inbound: c.Stat().Direction == network.DirInbound, Score: w.gossip.score(p),
			})
		}
	}
	for _, t := range w.gossip.ps.GetTopics() {
		st.Topics = append(st.Topics, TopicStatus{t, len(w.gossip.ps.ListPeers(t))})
	}
	slices.SortFunc(st.Peers, func(a, b PeerStatus) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(st.Topics, func(a, b TopicStatus) int { return strings.Compare(a.Name, b.Name) })
	return st
}
