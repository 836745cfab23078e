package wire

import (
	"sync"

	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/lode-market/lode/proto"
)

// gater refuses to dial private, loopback and link-local addresses: on a public
// network an offer could otherwise point every requester at a router, or at a
// service behind somebody's firewall. What the owner of this node named itself
// (bootstrap peers), or asked to be found on its own network (mDNS), may be
// anywhere.
type gater struct {
	private bool // dial anything

	mu    sync.RWMutex
	named map[peer.ID][]ma.Multiaddr
}

// maxNamed bounds the peers that mDNS can name: a network can hold a liar.
const maxNamed = 256

var _ connmgr.ConnectionGater = (*gater)(nil)

func newGater(private bool) *gater {
	return &gater{private: private, named: map[peer.ID][]ma.Multiaddr{}}
}

// name allows the addresses of a peer that this node's owner vouches for.
func (g *gater) name(p peer.AddrInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.named[p.ID]; known || len(g.named) < maxNamed {
		g.named[p.ID] = p.Addrs
	}
}

func (g *gater) isNamed(p peer.ID, a ma.Multiaddr) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, n := range g.named[p] {
		if n.Equal(a) {
			return true
		}
	}
	return false
}

// public reports whether an address may be told to, or taken from, others.
func (g *gater) public(a ma.Multiaddr) bool { return g.private || manet.IsPublicAddr(a) }

// filter keeps what is public.
func (g *gater) filter(as []ma.Multiaddr) []ma.Multiaddr {
	return ma.FilterAddrs(as, g.public)
}

// InterceptAddrDial sees every address that is about to be dialled, names resolved.
func (g *gater) InterceptAddrDial(p peer.ID, a ma.Multiaddr) bool {
	return g.public(a) || g.isNamed(p, a)
}

// InterceptPeerDial allows all: an address decides.
func (g *gater) InterceptPeerDial(peer.ID) bool { return true }

// InterceptAccept allows all: how many is up to the resource manager.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured refuses peers whose id does not hold their key.
func (g *gater) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	_, err := PeerKey(p)
	return err == nil
}

// InterceptUpgraded allows all.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// parseAddrs reads the binary multiaddrs of an offer or job post. What can't be
// read, is private or leads through a relay is left out: it is the author's loss.
func (g *gater) parseAddrs(raw [][]byte) (out []ma.Multiaddr) {
	for _, b := range raw[:min(len(raw), proto.MaxAddrs)] {
		a, err := ma.NewMultiaddrBytes(b)
		if err != nil || !g.public(a) {
			continue
		}
		if _, err := a.ValueForProtocol(ma.P_CIRCUIT); err == nil {
			continue
		}
		out = append(out, a)
	}
	return out
}
