package wire

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/lode-market/lode/proto"
)

// Gossip: topics under /lode/<chain id>-<channels address>/, one pair for each class.
//
//	offers/<class>   a provider's signed offer, at most proto.MaxOffer bytes
//	jobs/<class>     a requester's signed need, when its book has no match
//
// pubsub's own signatures are off: an offer carries its author's, and what
// passed it on does not matter. Checks come in this order: size, the forwarder's
// rate, form and expiry, the author's peer signature, the author's rate, the
// sequence, the account's signature.
//
// The forwarder's rate is kept before pubsub notes a message as seen; else a
// flooding peer could have good messages dropped for everybody by being first.
type gossip struct {
	ps     *pubsub.PubSub
	topics map[string]*pubsub.Topic

	mu     sync.Mutex
	scores map[peer.ID]float64
}

// maxRPC bounds one frame of gossip in bytes: several messages, or control data
// for some hundreds. A single message is held to proto.MaxOffer.
const maxRPC = 16 << 10

// topicPrefix is the network's own: two networks never share a topic.
func topicPrefix(d proto.Domain) string {
	return fmt.Sprintf("/lode/%d-%s/", d.ChainID, strings.ToLower(d.Channels.Hex()))
}

func (w *Wire) offersTopic(c proto.Class) string {
	return topicPrefix(w.cfg.Domain) + "offers/" + string(c)
}
func (w *Wire) jobsTopic(c proto.Class) string {
	return topicPrefix(w.cfg.Domain) + "jobs/" + string(c)
}

// messageID covers the topic: an offer that somebody sends to the wrong topic
// first must not hide the same offer in the right one.
func messageID(m *pb.Message) string {
	h := sha256.New()
	h.Write([]byte(m.GetTopic()))
	h.Write([]byte{0})
	h.Write(m.GetData())
	return string(h.Sum(nil))
}

// startGossip validates every topic and follows those of the configured classes.
func (w *Wire) startGossip() error {
	var topics []string
	for _, c := range proto.Classes {
		topics = append(topics, w.offersTopic(c), w.jobsTopic(c))
	}
	forwarders := newPacer[peer.ID](w.cfg.Limits.Forwarded, w.cfg.Limits.Peers)
	ps, err := pubsub.NewGossipSub(w.ctx, w.host,
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMaxMessageSize(maxRPC),
		pubsub.WithMaxControlMessageSize(maxRPC),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(topics...), len(topics))),
		pubsub.WithAppSpecificRpcInspector(func(from peer.ID, rpc *pubsub.RPC) error {
			now := w.cfg.Clock()
			for i := range rpc.Publish {
				if !forwarders.allow(from, now) {
					w.counts.add(overForwarded)
					rpc.Publish = rpc.Publish[:i]
					break
				}
			}
			return nil // the rest of it, subscriptions and control, goes on
		}),
		pubsub.WithValidateQueueSize(1024),
		pubsub.WithPeerScore(scoreParams(topics), scoreThresholds()),
		pubsub.WithPeerScoreInspect(w.gossip.setScores, time.Second),
		pubsub.WithLogger(w.cfg.Logger),
		pubsub.WithRPCLogger(w.cfg.Logger),
	)
	if err != nil {
		return fmt.Errorf("gossip: %w", err)
	}
	w.gossip.ps, w.gossip.topics = ps, map[string]*pubsub.Topic{}
	for _, c := range proto.Classes {
		if err := w.join(w.offersTopic(c), w.offerValidator(c)); err != nil {
			return err
		}
		if err := w.join(w.jobsTopic(c), w.postValidator(c)); err != nil {
			return err
		}
	}
	for _, c := range w.cfg.Offers {
		if err := w.follow(w.offersTopic(c)); err != nil {
			return err
		}
	}
	for _, c := range w.cfg.Jobs {
		if err := w.follow(w.jobsTopic(c)); err != nil {
			return err
		}
	}
	return nil
}

func (w *Wire) join(topic string, v pubsub.ValidatorEx) error {
	// Inline: the checks are short and bound by the processor, and a bounded
	// queue in front of them is what a flood should fill.
	if err := w.gossip.ps.RegisterTopicValidator(topic, v, pubsub.WithValidatorInline(true)); err != nil {
		return fmt.Errorf("validate %s: %w", topic, err)
	}
	t, err := w.gossip.ps.Join(topic)
	if err != nil {
		return fmt.Errorf("join %s: %w", topic, err)
	}
	w.gossip.topics[topic] = t
	return nil
}

func (w *Wire) offerValidator(c proto.Class) pubsub.ValidatorEx {
	return func(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		if from == w.host.ID() {
			return pubsub.ValidationAccept // PublishOffer has checked it
		}
		o, v := w.offers.check(m.GetData(), c)
		m.ValidatorData = o
		return result(v)
	}
}

func (w *Wire) postValidator(c proto.Class) pubsub.ValidatorEx {
	return func(_ context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		if from == w.host.ID() {
			return pubsub.ValidationAccept
		}
		p, v := w.posts.checkPost(m.GetData(), c)
		m.ValidatorData = p
		return result(v)
	}
}

func result(v verdict) pubsub.ValidationResult {
	switch {
	case v == accepted:
		return pubsub.ValidationAccept
	case v.malformed():
		return pubsub.ValidationReject
	}
	return pubsub.ValidationIgnore
}

// follow hands what comes in a topic to the handlers until the node closes.
func (w *Wire) follow(topic string) error {
	t, ok := w.gossip.topics[topic]
	if !ok {
		return fmt.Errorf("follow %s: its class is none of %v", topic, proto.Classes)
	}
	sub, err := t.Subscribe(pubsub.WithBufferSize(1024))
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	w.goes(func() {
		defer sub.Cancel()
		for {
			m, err := sub.Next(w.ctx)
			if err != nil {
				return // the node closes
			}
			switch v := m.ValidatorData.(type) {
			case proto.Offer:
				w.learn(v.Identity.Peer, v.Addrs, v.Expires)
				w.handlers.Offer(v, m.GetData())
			case proto.JobPost:
				w.learn(v.Peer, v.Addrs, v.Expires)
				w.handlers.JobPost(v)
			}
		}
	})
	return nil
}

// PublishOffer sends this node's own offer to all who follow its class. The
// error is a *proto.Refusal when others would not take it.
func (w *Wire) PublishOffer(ctx context.Context, raw []byte) error {
	o, err := proto.OpenOffer(raw, w.cfg.Domain, w.cfg.Clock(), VerifyPeer)
	if err == nil {
		err = o.VerifyIdentity(w.cfg.Domain)
	}
	if err == nil && o.Identity.Peer != w.self {
		err = proto.Refuse(proto.CodeBadSignature, o.Identity.Peer.String(), w.self.String(), "a node publishes its own offer only")
	}
	if err != nil {
		return fmt.Errorf("publish an offer: %w", err)
	}
	return w.publish(ctx, w.offersTopic(o.Class), raw)
}

// PublishJobPost sends this node's own job post to the providers of its class.
func (w *Wire) PublishJobPost(ctx context.Context, raw []byte) error {
	p, err := proto.OpenJobPost(raw, w.cfg.Domain, w.cfg.Clock(), VerifyPeer)
	if err == nil && p.Peer != w.self {
		err = proto.Refuse(proto.CodeBadSignature, p.Peer.String(), w.self.String(), "a node publishes its own job post only")
	}
	if err != nil {
		return fmt.Errorf("publish a job post: %w", err)
	}
	return w.publish(ctx, w.jobsTopic(p.Class), raw)
}

func (w *Wire) publish(ctx context.Context, topic string, raw []byte) error {
	if err := w.gossip.topics[topic].Publish(ctx, raw); err != nil {
		return fmt.Errorf("publish in %s: %w", topic, err)
	}
	return nil
}

// Followers returns how many connected peers follow the offers of a class. What
// was published while there were none reached nobody: a provider that has just
// started says it again when they have come.
func (w *Wire) Followers(c proto.Class) int {
	return len(w.gossip.ps.ListPeers(w.offersTopic(c)))
}

func (g *gossip) setScores(s map[peer.ID]float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.scores = s
}

func (g *gossip) score(p peer.ID) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.scores[p]
}
