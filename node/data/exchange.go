package data

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	bsmsg "github.com/ipfs/boxo/bitswap/message"
	pb "github.com/ipfs/boxo/bitswap/message/pb"
	bsnet "github.com/ipfs/boxo/bitswap/network"
	libp2p "github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/bitswap/server"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// exchange speaks bitswap 1.2. It serves by boxo's server, filtered by the
// grants. It asks by itself: boxo's client finds out who has a block by asking
// all its peers, and waits 20 ms to fill a message, while here the one peer to
// ask is known and so is what comes next. What goes over the wire is the same.
type exchange struct {
	host   host.Host
	net    bsnet.BitSwapNetwork
	server *server.Server
	grants *grants

	mu     sync.Mutex
	closed bool
	peers  map[peer.ID]*source
}

// source is a peer that fetches are under way from.
type source struct {
	fetches map[*fetch]bool
	wants   map[cid.Cid][]*fetch // who waits for what it was asked for
}

var _ bsnet.Receiver = (*exchange)(nil)

func newExchange(h host.Host, store *blockDir, grants *grants) *exchange {
	x := &exchange{host: h, grants: grants, peers: make(map[peer.ID]*source)}
	x.net = libp2p.NewFromIpfsHost(gate{h, x.admits},
		libp2p.SupportedProtocols([]protocol.ID{libp2p.ProtocolBitswap}))
	x.server = server.New(context.Background(), x.net, readView{store},
		server.WithPeerBlockRequestFilter(grants.allows),
		server.MaxQueuedWantlistEntriesPerPeer(4096),
		// Small blocks share a message, large ones fill it; several are on their way at once.
		server.WithTargetMessageSize(512<<10),
		server.MaxOutstandingBytesPerPeer(16<<20),
	)
	x.net.Start(x, x.server)
	return x
}

func (x *exchange) close() {
	x.mu.Lock()
	x.closed = true
	for _, src := range x.peers {
		for f := range src.fetches {
			f.fail(ErrClosed)
		}
	}
	x.mu.Unlock()
	x.host.RemoveStreamHandler(libp2p.ProtocolBitswap)
	x.net.Stop()
	x.server.Close()
}

// gate keeps peers short that nothing is served to and nothing expected from:
// what a stream of theirs may carry is enough to ask and be told no, and too
// little to keep us busy decoding and hashing.
type gate struct {
	host.Host
	admits func(peer.ID) bool
}

// strangerBytes is that little, about a thousand wants.
const strangerBytes = 64 << 10

func (g gate) SetStreamHandler(id protocol.ID, handle network.StreamHandler) {
	g.Host.SetStreamHandler(id, func(s network.Stream) {
		if !g.admits(s.Conn().RemotePeer()) {
			s = &shortStream{Stream: s, left: strangerBytes}
		}
		handle(s)
	})
}

// shortStream fails after left bytes have been read.
type shortStream struct {
	network.Stream
	left int
}

var errStranger = errors.New("data: a peer without a grant sends too much")

func (s *shortStream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, errStranger
	}
	n, err := s.Stream.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

func (x *exchange) admits(p peer.ID) bool {
	if x.grants.serves(p) {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.peers[p] != nil
}

// join registers a fetch, so that its peer may answer.
func (x *exchange) join(f *fetch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	src := x.peers[f.from]
	if src == nil {
		src = &source{fetches: make(map[*fetch]bool), wants: make(map[cid.Cid][]*fetch)}
		x.peers[f.from] = src
	}
	src.fetches[f] = true
	return nil
}

// leave ends a fetch and returns what no other waits for, to be cancelled.
func (x *exchange) leave(f *fetch) (orphans []cid.Cid) {
	x.mu.Lock()
	defer x.mu.Unlock()
	src := x.peers[f.from]
	delete(src.fetches, f)
	for c := range f.waiting {
		rest := slices.DeleteFunc(src.wants[c], func(other *fetch) bool { return other == f })
		if len(rest) > 0 {
			src.wants[c] = rest
			continue
		}
		delete(src.wants, c)
		orphans = append(orphans, c)
	}
	if len(src.fetches) == 0 {
		delete(x.peers, f.from)
	}
	return orphans
}

// want asks the fetch's peer, and nobody else, for blocks.
func (x *exchange) want(ctx context.Context, f *fetch, cids []cid.Cid) error {
	msg := bsmsg.New(false)
	x.mu.Lock()
	src := x.peers[f.from]
	for i, c := range cids {
		if !slices.Contains(src.wants[c], f) {
			src.wants[c] = append(src.wants[c], f)
		}
		// In the order of the walk: a server cuts the tail when it has too much.
		msg.AddEntry(c, int32(len(cids)-i), pb.Message_Wantlist_Block, true)
	}
	x.mu.Unlock()
	return x.send(ctx, f.from, msg)
}

func (x *exchange) cancel(ctx context.Context, p peer.ID, cids []cid.Cid) error {
	msg := bsmsg.New(false)
	for _, c := range cids {
		msg.Cancel(c)
	}
	return x.send(ctx, p, msg)
}

func (x *exchange) send(ctx context.Context, p peer.ID, msg bsmsg.BitSwapMessage) error {
	err := x.net.SendMessage(ctx, p, msg)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: asking %s: %w", ErrPeerGone, p, err)
	}
	return err
}

// ReceiveMessage hands blocks to those who asked that very peer for them. The
// network layer has computed their CIDs from their bytes. It waits for a fetch
// that is behind, and so slows its peer down.
func (x *exchange) ReceiveMessage(_ context.Context, from peer.ID, msg bsmsg.BitSwapMessage) {
	for _, b := range msg.Blocks() {
		x.arrived(from, arrival{cid: b.Cid(), block: b})
	}
	for _, c := range msg.DontHaves() {
		x.arrived(from, arrival{cid: c})
	}
}

// arrival is a block, or none if the peer has none for us.
type arrival struct {
	cid   cid.Cid
	block blocks.Block
}

func (x *exchange) arrived(from peer.ID, a arrival) {
	x.mu.Lock()
	src := x.peers[from]
	if src == nil {
		x.mu.Unlock()
		return
	}
	waiting := src.wants[a.cid]
	delete(src.wants, a.cid)
	if len(waiting) == 0 && a.block != nil {
		for f := range src.fetches {
			f.unasked()
		}
	}
	x.mu.Unlock()
	for _, f := range waiting {
		f.deliver(a)
	}
}

// PeerConnected implements bsnet.Receiver.
func (x *exchange) PeerConnected(peer.ID) {}

// PeerDisconnected ends the fetches from a peer that left.
func (x *exchange) PeerDisconnected(p peer.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if src := x.peers[p]; src != nil {
		for f := range src.fetches {
			f.fail(fmt.Errorf("%w: %s disconnected", ErrPeerGone, p))
		}
	}
}

// ReceiveError implements bsnet.Receiver: a broken stream without a name. Who
// waits for it is told by PeerDisconnected or asks again.
func (x *exchange) ReceiveError(error) {}
