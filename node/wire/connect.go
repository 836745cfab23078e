package wire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/lode-market/lode/proto"
)

// How long to wait before the next attempt to reach a bootstrap peer: doubled
// from the first to the last, half of it at random, so that a network does not
// come back all at once.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = time.Minute
	dialTime   = 15 * time.Second
)

// startPeers looks for peers: those that are configured for ever, those that were
// known before once, and those on the local network if asked.
func (w *Wire) startPeers() error {
	bootstrap, err := peerAddrs(w.cfg.Bootstrap)
	if err != nil {
		return fmt.Errorf("bootstrap peers: %w", err)
	}
	for _, p := range bootstrap {
		if p.ID == w.host.ID() {
			continue
		}
		w.gater.name(p)
		w.host.ConnManager().Protect(p.ID, "bootstrap")
		w.goes(func() { w.hold(p) })
	}
	known, err := peerAddrs(w.cfg.Known)
	if err != nil {
		return fmt.Errorf("known peers: %w", err)
	}
	for _, p := range known {
		w.goes(func() { w.reach(p) })
	}
	if !w.cfg.MDNS {
		return nil
	}
	// A service for each network, so that the nodes of two never meet.
	sep := w.cfg.Domain.Separator()
	w.mdns = mdns.NewMdnsService(w.host, fmt.Sprintf("_lode-%x._udp", sep[:4]), found(func(p peer.AddrInfo) {
		w.gater.name(p)
		w.goes(func() { w.reach(p) })
	}))
	if err := w.mdns.Start(); err != nil {
		// A machine without multicast still has its other peers.
		w.cfg.Logger.Warn("peers on the local network will not be found", "err", err)
	}
	return nil
}

type found func(peer.AddrInfo)

func (f found) HandlePeerFound(p peer.AddrInfo) { f(p) }

func peerAddrs(texts []string) ([]peer.AddrInfo, error) {
	var as []ma.Multiaddr
	for _, t := range texts {
		a, err := ma.NewMultiaddr(t)
		if err != nil {
			return nil, fmt.Errorf("%q, must be like /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…: %w", t, err)
		}
		as = append(as, a)
	}
	infos, err := peer.AddrInfosFromP2pAddrs(as...)
	if err != nil {
		return nil, fmt.Errorf("an address without /p2p/ and the peer's id: %w", err)
	}
	return infos, nil
}

// hold keeps a connection to a bootstrap peer for as long as the node runs.
func (w *Wire) hold(p peer.AddrInfo) {
	lost := make(chan struct{}, 1)
	notify := &network.NotifyBundle{DisconnectedF: func(n network.Network, c network.Conn) {
		if c.RemotePeer() == p.ID {
			select {
			case lost <- struct{}{}:
			default: // it knows already
			}
		}
	}}
	w.host.Network().Notify(notify)
	defer w.host.Network().StopNotify(notify)
	wait := firstRetry
	for w.ctx.Err() == nil {
		if w.reach(p) {
			wait = firstRetry
			select {
			case <-lost:
			case <-w.ctx.Done():
			}
			continue
		}
		select {
		case <-time.After(wait/2 + rand.N(wait/2)):
			wait = min(2*wait, lastRetry)
		case <-w.ctx.Done():
		}
	}
}

// reach connects to a peer, and reports whether it is connected.
func (w *Wire) reach(p peer.AddrInfo) bool {
	ctx, cancel := context.WithTimeout(w.ctx, dialTime)
	defer cancel()
	// The swarm's own back-off is for peers that others name; it would hold up
	// the first seconds after a restart.
	if s, ok := w.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(p.ID)
	}
	if err := w.host.Connect(ctx, p); err != nil {
		w.cfg.Logger.Debug("peer can't be reached", "peer", p.ID, "err", err)
		return false
	}
	return true
}

// Connect connects to a peer at addresses as Config.Bootstrap has them.
func (w *Wire) Connect(ctx context.Context, addrs ...string) error {
	infos, err := peerAddrs(addrs)
	if err != nil {
		return err
	}
	for _, p := range infos {
		w.gater.name(p)
		if err := w.host.Connect(ctx, p); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrUnreachable, p.ID, err)
		}
	}
	return nil
}

// learn remembers where a peer said that it can be reached, for as long as its
// offer or job post is good.
func (w *Wire) learn(k proto.PeerKey, addrs [][]byte, until time.Time) {
	id, err := PeerID(k)
	if err != nil || k == w.self {
		return
	}
	if as := w.gater.parseAddrs(addrs); len(as) > 0 {
		w.host.Peerstore().AddAddrs(id, as, until.Sub(w.cfg.Clock()))
	}
}

// Addrs returns where this node can be reached, as an offer carries it: binary
// multiaddrs, at most proto.MaxAddrs, on a public network public ones only.
// It is empty while none is known.
func (w *Wire) Addrs() (out [][]byte) {
	for _, a := range w.host.Addrs() {
		if b := a.Bytes(); len(b) <= proto.MaxAddr && len(out) < proto.MaxAddrs {
			out = append(out, b)
		}
	}
	return out
}

// BootstrapAddrs returns where this node listens, as Config.Bootstrap of another
// takes it.
func (w *Wire) BootstrapAddrs() (out []string) {
	listen, err := w.host.Network().InterfaceListenAddresses()
	if err != nil {
		w.cfg.Logger.Warn("listen addresses", "err", err)
		return nil
	}
	for _, a := range listen {
		out = append(out, a.String()+"/p2p/"+w.host.ID().String())
	}
	return out
}

// Known returns the addresses of connected peers of this network, for
// Config.Known at the next start. Those that connected to us are left out: the
// port that they came from is not where they listen.
func (w *Wire) Known() (out []string) {
	for _, c := range w.host.Network().Conns() {
		p := c.RemotePeer()
		ps, err := w.host.Peerstore().SupportsProtocols(p, bookProtocol)
		if err != nil || len(ps) == 0 || c.Stat().Direction != network.DirOutbound {
			continue
		}
		out = append(out, c.RemoteMultiaddr().String()+"/p2p/"+p.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}
