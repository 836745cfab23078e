package wire

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// newHost returns a host that listens: TCP and QUIC, TLS or Noise, no relay.
func newHost(cfg Config, g *gater) (host.Host, error) {
	if len(cfg.Key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: the key has %d bytes, must have %d", ErrPeerKey, len(cfg.Key), ed25519.PrivateKeySize)
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPeerKey, err)
	}
	resources, err := resourceManager(cfg.Limits)
	if err != nil {
		return nil, err
	}
	// The grace period keeps a peer that has just come from being pruned before
	// it could open a lease.
	conns, err := connmgr.NewConnManager(cfg.Limits.ConnsLow, cfg.Limits.ConnsHigh, connmgr.WithGracePeriod(20*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	h, err := libp2p.New(
		libp2p.Identity(key),
		libp2p.ListenAddrStrings(cfg.Listen...),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(tls.ID, tls.New),
		libp2p.Security(noise.ID, noise.New),
		libp2p.DefaultMuxers,
		libp2p.ResourceManager(resources),
		libp2p.ConnectionManager(conns),
		libp2p.ConnectionGater(g),
		libp2p.AddrsFactory(g.filter),
		libp2p.UserAgent("lode"),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(), // several hosts in one process would share one registry
	)
	if err != nil {
		return nil, fmt.Errorf("start the peer host on %v: %w", cfg.Listen, err)
	}
	return h, nil
}

// resourceManager bounds memory, connections and streams for the whole host.
// Its limits on Lode's own protocols stand a little above the slots, which can
// say no politely.
func resourceManager(l Limits) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	// libp2p's defaults for a peer are made for many small streams by strangers;
	// one requester may hold many leases.
	perPeer := l.Leases.PerPeer + 4*l.Requests.PerPeer
	limits.PeerBaseLimit.StreamsInbound += perPeer
	limits.PeerBaseLimit.StreamsOutbound += perPeer
	limits.PeerBaseLimit.Streams += 2 * perPeer
	total := l.Leases.Total + 4*l.Requests.Total
	limits.SystemBaseLimit.StreamsInbound += total
	limits.SystemBaseLimit.StreamsOutbound += total
	limits.SystemBaseLimit.Streams += 2 * total
	// A stream counts as transient until its protocol is agreed.
	limits.TransientBaseLimit.StreamsInbound += perPeer
	limits.TransientBaseLimit.StreamsOutbound += perPeer
	limits.TransientBaseLimit.Streams += 2 * perPeer
	const margin = 8
	for id, s := range map[protocol.ID]Streams{
		quoteProtocol: l.Requests, channelProtocol: l.Requests, bookProtocol: l.Requests, leaseProtocol: l.Leases,
	} {
		// Both directions: a node may sell and buy.
		limits.AddProtocolLimit(id, streamLimit(s.Total+margin), rcmgr.BaseLimitIncrease{})
		limits.AddProtocolPeerLimit(id, streamLimit(s.PerPeer+margin), rcmgr.BaseLimitIncrease{})
	}
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits.AutoScale()), rcmgr.WithMetricsDisabled())
	if err != nil {
		return nil, fmt.Errorf("resource manager: %w", err)
	}
	return m, nil
}

func streamLimit(n int) rcmgr.BaseLimit {
	const memory = 1 << 20 // a stream's receive window, at most
	return rcmgr.BaseLimit{StreamsInbound: n, StreamsOutbound: n, Streams: 2 * n, Memory: int64(n) * memory}
}
