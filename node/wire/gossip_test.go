package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/lode-market/lode/proto"
)

func now() time.Time { return time.Now() }

func TestGossipReachesOthers(t *testing.T) {
	// A chain a - b - c: b passes on what a publishes, once it has taken c into
	// its mesh. Until then what a says again is new.
	often := func(c *Config, _ *Handlers) { c.Limits.Authored = Rate{time.Millisecond, 1000} }
	a := startNode(t, often)
	b := startNode(t, often, a)
	c := startNode(t, often, b)
	a.meshed(t, 1)
	b.meshed(t, 2)
	seq := uint64(0)
	until(t, "the offer at b and c", func() bool {
		seq++
		o := a.offer(t, seq, now())
		o.Addrs = a.Addrs()
		if err := a.PublishOffer(t.Context(), a.seal(t, o)); err != nil {
			t.Fatal(err)
		}
		return b.heard() > 0 && c.heard() > 0
	})
	if a.heard() != 0 {
		t.Error("a heard its own offer")
	}
	// c learned where a is, and can open a stream to it.
	s, err := c.dial(t.Context(), a.Self(), bookProtocol)
	if err != nil {
		t.Fatal(err)
	}
	s.close()

	if err := c.PublishJobPost(t.Context(), c.post(t, 1, now())); err != nil {
		t.Fatal(err)
	}
	until(t, "the job post at a", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.posts) == 1 && a.posts[0].Peer == c.Self()
	})
	st := b.Status()
	if len(st.Peers) != 2 || len(st.Topics) != 2 || st.Peers[0].Score < 0 || st.Peers[1].Score < 0 {
		t.Errorf("status %+v", st)
	}
}

func TestPublishRefusesWhatOthersWould(t *testing.T) {
	a, other := startNode(t, nil), newIdentity(t)
	wantCode(t, a.PublishOffer(t.Context(), other.seal(t, other.offer(t, 1, now()))), proto.CodeBadSignature)
	wantCode(t, a.PublishOffer(t.Context(), a.seal(t, a.offer(t, 1, now().Add(-time.Hour)))), proto.CodeExpired)
	forged := a.offer(t, 1, now())
	forged.Identity.Signature[3] ^= 1
	wantCode(t, a.PublishOffer(t.Context(), a.seal(t, forged)), proto.CodeBadSignature)
	wantCode(t, a.PublishJobPost(t.Context(), other.post(t, 1, now())), proto.CodeBadSignature)
}

// stranger speaks the same gossip without any of our checks.
type stranger struct {
	identity
	ps    *pubsub.PubSub
	id    peer.ID
	topic *pubsub.Topic
}

func startStranger(t *testing.T, n *node) *stranger {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableMetrics())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	ps, err := pubsub.NewGossipSub(t.Context(), h, pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(), pubsub.WithMessageIdFn(messageID))
	if err != nil {
		t.Fatal(err)
	}
	topic, err := ps.Join(n.offersTopic(proto.ClassCPU))
	if err != nil {
		t.Fatal(err)
	}
	s := &stranger{identity: newIdentity(t), ps: ps, id: h.ID(), topic: topic}
	if err := h.Connect(t.Context(), peer.AddrInfo{ID: n.host.ID(), Addrs: n.host.Network().ListenAddresses()}); err != nil {
		t.Fatal(err)
	}
	until(t, "the node in the stranger's topic", func() bool { return len(topic.ListPeers()) == 1 })
	return s
}

func (s *stranger) publish(t *testing.T, raw []byte) {
	t.Helper()
	if err := s.topic.Publish(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
}

func (n *node) scoreOf(p peer.ID) float64 { return n.gossip.score(p) }

// Who sends malformed messages is graylisted: then not even its good ones are
// read. Who sends stale ones is not.
func TestMalformedCostsScore(t *testing.T) {
	n := startNode(t, nil)
	bad, honest := startStranger(t, n), startStranger(t, n)

	old := honest.seal(t, honest.offer(t, 2, now()))
	honest.publish(t, old)
	until(t, "the honest offer", func() bool { return n.heard() == 1 })
	for i := range 8 {
		o := honest.offer(t, 1, now())
		o.MaxDuration += time.Duration(i) * time.Second // other bytes, the same old number
		honest.publish(t, honest.seal(t, o))
	}
	until(t, "stale offers", func() bool { return n.stopped(stale)+n.stopped(overAuthored) == 8 })
	honest.publish(t, honest.seal(t, honest.offer(t, 3, now().Add(-time.Hour))))
	until(t, "an expired offer", func() bool { return n.stopped(late) == 1 })

	for i := range 6 {
		bad.publish(t, fmt.Appendf(nil, "rubbish %d", i))
	}
	until(t, "rubbish", func() bool { return n.stopped(badForm) >= 5 })
	until(t, "the graylist", func() bool { return n.scoreOf(bad.id) < graylistBelow })
	if s := n.scoreOf(honest.id); s < 0 {
		t.Errorf("an honest peer has score %f", s)
	}

	bad.publish(t, bad.seal(t, bad.offer(t, 1, now())))
	third := newIdentity(t)
	honest.publish(t, third.seal(t, third.offer(t, 1, now())))
	until(t, "an offer that the honest peer passes on", func() bool { return n.heard() == 2 })
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, o := range n.offers {
		if o.Identity.Peer == PeerKeyOf(bad.peer) {
			t.Error("a graylisted peer was heard")
		}
	}
}

func TestOversizedMessage(t *testing.T) {
	n := startNode(t, nil)
	s := startStranger(t, n)
	s.publish(t, make([]byte, proto.MaxOffer+1))
	until(t, "the size check", func() bool { return n.stopped(tooLarge) == 1 })
	until(t, "the score", func() bool { return n.scoreOf(s.id) < 0 })
}

// What a peer passes on beyond its rate is dropped before it counts as seen, so
// that another may still bring it.
func TestForwarderRate(t *testing.T) {
	n := startNode(t, func(c *Config, _ *Handlers) { c.Limits.Forwarded = Rate{time.Hour, 3} })
	flood, other := startStranger(t, n), startStranger(t, n)
	var last []byte
	for range 5 {
		id := newIdentity(t)
		last = id.seal(t, id.offer(t, 1, now()))
		flood.publish(t, last)
	}
	until(t, "the forwarder's rate", func() bool { return n.heard() == 3 && n.stopped(overForwarded) == 2 })
	other.publish(t, last)
	until(t, "the same offer by another", func() bool { return n.heard() == 4 })
}

// An offer sent to the wrong topic first does not hide it in the right one.
func TestWrongTopicHidesNothing(t *testing.T) {
	n := startNode(t, func(c *Config, _ *Handlers) { c.Offers = []proto.Class{proto.ClassCPU, proto.ClassNvidia8G} })
	s := startStranger(t, n)
	wrong, err := s.ps.Join(n.offersTopic(proto.ClassNvidia8G))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the wrong topic", func() bool { return len(wrong.ListPeers()) == 1 })
	raw := s.seal(t, s.offer(t, 1, now()))
	if err := wrong.Publish(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	until(t, "the class check", func() bool { return n.stopped(wrongClass) == 1 })
	s.publish(t, raw)
	until(t, "the offer", func() bool { return n.heard() == 1 })
}

func TestBootstrapComesBack(t *testing.T) {
	a := startNode(t, nil)
	b := startNode(t, nil, a)
	until(t, "a connection", func() bool { return len(b.Status().Peers) == 1 })
	if err := b.host.Network().ClosePeer(a.host.ID()); err != nil {
		t.Fatal(err)
	}
	until(t, "the same peer again", func() bool { return len(b.Status().Peers) == 1 && len(a.Status().Peers) == 1 })

	// A peer that is not there yet is met when it comes.
	c := newIdentity(t)
	addr := freeAddr(t)
	id, err := PeerID(PeerKeyOf(c.peer))
	if err != nil {
		t.Fatal(err)
	}
	d := startNode(t, func(cfg *Config, _ *Handlers) { cfg.Bootstrap = []string{addr + "/p2p/" + id.String()} })
	startNode(t, func(cfg *Config, _ *Handlers) { cfg.Key, cfg.Listen = c.peer, []string{addr} })
	until(t, "the late peer", func() bool { return len(d.Status().Peers) == 1 })
	until(t, "its protocols", func() bool { return slices.Equal(d.Known(), []string{addr + "/p2p/" + id.String()}) })
}

// freeAddr returns a TCP address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	n := startNode(t, nil)
	addr := n.host.Network().ListenAddresses()[0].String()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestPrivateAddressesAreNotDialled(t *testing.T) {
	target := startNode(t, nil)
	public := startNode(t, func(c *Config, _ *Handlers) { c.AllowPrivateAddrs = false })
	if got := public.Addrs(); len(got) != 0 {
		t.Errorf("tells private addresses %v", got)
	}
	// An offer that points at loopback is taken, and its addresses are not.
	o := target.offer(t, 1, now())
	o.Addrs = target.Addrs()
	public.learn(target.Self(), o.Addrs, o.Expires)
	if got := public.host.Peerstore().Addrs(target.host.ID()); len(got) != 0 {
		t.Errorf("learned %v", got)
	}
	// However an address got in, it is not dialled.
	public.host.Peerstore().AddAddrs(target.host.ID(), target.host.Network().ListenAddresses(), time.Hour)
	_, err := public.Quote(t.Context(), target.Self(), quote())
	if peers := public.Status().Peers; !errors.Is(err, ErrUnreachable) || len(peers) > 0 {
		t.Errorf("dialled: %v, %v", err, peers)
	}
	// What the owner names itself is.
	if err := public.Connect(t.Context(), target.BootstrapAddrs()...); err != nil {
		t.Errorf("a named peer: %v", err)
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	id := newIdentity(t)
	for name, cfg := range map[string]Config{
		"no key":        {},
		"bad listen":    {Key: id.peer, Listen: []string{"localhost:80"}},
		"bad bootstrap": {Key: id.peer, Bootstrap: []string{"/ip4/127.0.0.1/tcp/1"}},
	} {
		cfg.Domain = domain
		if w, err := New(context.Background(), cfg, Handlers{}); err == nil {
			t.Errorf("%s: accepted", name)
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
