package wire

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/lode-market/lode/proto"
)

var domain = proto.Domain{ChainID: 4242, Channels: common.Address{0xc0}}

// identity is all keys of one node.
type identity struct {
	peer    ed25519.PrivateKey
	account *ecdsa.PrivateKey
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	_, peer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	account, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return identity{peer, account}
}

func (id identity) sign(t testing.TB, v proto.Typed) (sig proto.Signature) {
	t.Helper()
	digest := domain.Digest(v)
	b, err := crypto.Sign(digest[:], id.account)
	if err != nil {
		t.Fatal(err)
	}
	copy(sig[:], b)
	sig[64] += 27
	return sig
}

// offer returns a valid CPU offer that is issued at now.
func (id identity) offer(t testing.TB, seq uint64, now time.Time) proto.Offer {
	t.Helper()
	signer := crypto.PubkeyToAddress(id.account.PublicKey)
	o := proto.Offer{
		Identity: proto.Identity{Peer: PeerKeyOf(id.peer), Payee: common.Address{7}, PayeeSigner: signer, Expires: now.Add(24 * time.Hour).Truncate(time.Millisecond)},
		Seq:      seq, Issued: now, Expires: now.Add(proto.MaxOfferLife - time.Second), Class: proto.ClassCPU,
		Token: common.Address{9}, Price: proto.PerHour(proto.NewAmount(3600)),
		Resources: proto.Resources{CPUMillis: 1000, Memory: 1 << 30, Disk: 1 << 30},
		Drivers:   []proto.Driver{proto.DriverWasm}, Slice: 10 * time.Second, MaxDuration: time.Hour, MinCloseDelay: 86400,
	}
	o.Identity.Signature = id.sign(t, o.Identity)
	return o
}

func (id identity) seal(t testing.TB, o proto.Offer) []byte {
	t.Helper()
	raw, err := proto.SealOffer(o, domain, Signer(id.peer))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (id identity) post(t testing.TB, seq uint64, now time.Time) []byte {
	t.Helper()
	raw, err := proto.SealJobPost(proto.JobPost{
		Peer: PeerKeyOf(id.peer), Seq: seq, Issued: now, Expires: now.Add(time.Minute), Class: proto.ClassCPU,
		Needs: proto.Needs{Driver: proto.DriverWasm, Resources: proto.Resources{CPUMillis: 100, Memory: 1 << 20}, MaxDuration: time.Minute, Token: common.Address{9}},
	}, domain, Signer(id.peer))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// node is a Wire with what it heard.
type node struct {
	*Wire
	identity

	mu     sync.Mutex
	offers []proto.Offer
	posts  []proto.JobPost
	book   [][]byte
}

// startNode starts a node on loopback that knows the addresses of others.
func startNode(t *testing.T, edit func(*Config, *Handlers), others ...*node) *node {
	t.Helper()
	n := &node{identity: newIdentity(t)}
	cfg := Config{
		Key: n.peer, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Domain: domain, AllowPrivateAddrs: true,
		Offers: []proto.Class{proto.ClassCPU}, Jobs: []proto.Class{proto.ClassCPU}, Limits: DefaultLimits(),
	}
	h := Handlers{
		Offer: func(o proto.Offer, raw []byte) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.offers = append(n.offers, o)
			n.book = append(n.book, raw)
		},
		JobPost: func(p proto.JobPost) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.posts = append(n.posts, p)
		},
		Book: func(proto.Class) [][]byte {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.book
		},
	}
	for _, o := range others {
		cfg.Bootstrap = append(cfg.Bootstrap, o.BootstrapAddrs()...)
	}
	if edit != nil {
		edit(&cfg, &h)
	}
	w, err := New(t.Context(), cfg, h)
	if err != nil {
		t.Fatal(err)
	}
	n.Wire = w
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) heard() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.offers)
}

func (n *node) stopped(v verdict) uint64 { return n.Status().Gossip[string(v)] }

// until waits for what other goroutines bring about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// meshed waits until n can publish offers to at least peers others.
func (n *node) meshed(t *testing.T, peers int) {
	t.Helper()
	until(t, "peers in the topic", func() bool { return n.Followers(proto.ClassCPU) >= peers })
}

func wantCode(t *testing.T, err error, code proto.Code) {
	t.Helper()
	var r *proto.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("error %v, want code %s", err, code)
	}
}

// seller is a Provider of functions.
type seller struct {
	quote  func(context.Context, proto.PeerKey, proto.Quote) (proto.SignedTerms, error)
	lease  func(context.Context, proto.PeerKey, LeaseRequest, *LeaseStream) error
	settle func(context.Context, proto.PeerKey, proto.ChannelKey) (proto.Settlement, error)
	sync   func(context.Context, proto.PeerKey, proto.ChannelKey) (proto.Voucher, error)
}

func (s seller) Quote(ctx context.Context, from proto.PeerKey, q proto.Quote) (proto.SignedTerms, error) {
	return s.quote(ctx, from, q)
}
func (s seller) Lease(ctx context.Context, from proto.PeerKey, first LeaseRequest, ls *LeaseStream) error {
	return s.lease(ctx, from, first, ls)
}
func (s seller) Settle(ctx context.Context, from proto.PeerKey, k proto.ChannelKey) (proto.Settlement, error) {
	return s.settle(ctx, from, k)
}
func (s seller) Sync(ctx context.Context, from proto.PeerKey, k proto.ChannelKey) (proto.Voucher, error) {
	return s.sync(ctx, from, k)
}

func selling(s seller) func(*Config, *Handlers) {
	return func(_ *Config, h *Handlers) { h.Provider = s }
}

func channelKey() proto.ChannelKey {
	return proto.ChannelKey{
		Payer: common.Address{1}, PayerSigner: common.Address{2}, Payee: common.Address{3}, PayeeSigner: common.Address{4},
		Token: common.Address{9}, CloseDelay: 86400, Salt: 5,
	}
}

func quote() proto.Quote {
	return proto.Quote{
		Needs: proto.Needs{Driver: proto.DriverWasm, Resources: proto.Resources{CPUMillis: 100, Memory: 1 << 20}, MaxDuration: time.Minute, Token: common.Address{9}},
		Job:   proto.Hash{1}, Channel: channelKey(),
	}
}

func terms(provider, requester proto.PeerKey, now time.Time) proto.SignedTerms {
	now = now.Truncate(time.Millisecond)
	return proto.SignedTerms{
		Terms: proto.Terms{
			ProviderPeer: provider, RequesterPeer: requester, Channel: channelKey(), Job: proto.Hash{1}, Driver: proto.DriverWasm,
			Resources: proto.Resources{CPUMillis: 100, Memory: 1 << 20}, Price: proto.PerHour(proto.NewAmount(3600)),
			Slice: time.Second, Grace: time.Second, MaxDuration: time.Minute, Retention: time.Hour,
			Issued: now, Expires: now.Add(time.Minute), Nonce: proto.Hash{2},
		},
		Provider: proto.Signature{1}, Requester: proto.Signature{2},
	}
}

func voucher(n uint64) proto.Voucher {
	return proto.Voucher{Channel: channelKey().ID(), Cumulative: proto.NewAmount(n), Signature: proto.Signature{3}}
}
