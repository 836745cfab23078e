package wire

import (
	"net"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Thresholds of the score that gossip gives each peer. One malformed message
// costs 10, and the cost grows with the square of their number: one is a fault of
// software and forgiven in an hour, five mean that a peer is not heard any more.
const (
	noGossipBelow  = -50  // 3 malformed messages (-90): no metadata to or from it
	noPublishBelow = -100 // 4 (-160): our own offers are not sent to it
	graylistBelow  = -200 // 5 (-250): whatever it sends is dropped unread
)

func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{
		GossipThreshold: noGossipBelow, PublishThreshold: noPublishBelow, GraylistThreshold: graylistBelow,
		AcceptPXThreshold:           1000, // out of reach: nobody is trusted to name peers
		OpportunisticGraftThreshold: 1,    // a mesh whose median peer never brought anything first looks for better ones
	}
}

func scoreParams(topics []string) *pubsub.PeerScoreParams {
	p := &pubsub.PeerScoreParams{
		Topics: map[string]*pubsub.TopicScoreParams{},
		// Good behaviour buys off one malformed message at most, in all topics together.
		TopicScoreCap: 10,
		// Nothing outside gossip is scored: a provider's prices are its own affair.
		AppSpecificScore: func(peer.ID) float64 { return 0 },
		// Up to eight peers behind one address are a household or a small office.
		// Loopback is excused: a devnet's nodes all live there.
		IPColocationFactorWeight: -5, IPColocationFactorThreshold: 8, IPColocationFactorWhitelist: loopback(),
		// Grafting too early and promising messages that never come: six such in
		// ten minutes are within what a bad line does.
		BehaviourPenaltyWeight: -10, BehaviourPenaltyThreshold: 6, BehaviourPenaltyDecay: pubsub.ScoreParameterDecay(10 * time.Minute),
		DecayInterval: pubsub.DefaultDecayInterval, DecayToZero: pubsub.DefaultDecayToZero,
		// A peer can't shed a bad score by connecting again.
		RetainScore: time.Hour,
	}
	for _, t := range topics {
		p.Topics[t] = topicParams()
	}
	return p
}

func topicParams() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		TopicWeight: 1,
		// P1, staying: at most 1, after an hour. Enough to prefer old peers among equals.
		TimeInMeshWeight: 1.0 / 60, TimeInMeshQuantum: time.Minute, TimeInMeshCap: 60,
		// P2, bringing news first: at most 5, forgotten within an hour of silence.
		FirstMessageDeliveriesWeight: 0.1, FirstMessageDeliveriesCap: 50, FirstMessageDeliveriesDecay: pubsub.ScoreParameterDecay(time.Hour),
		// P3, bringing too little, is off: a class may well have no offers at all.
		MeshMessageDeliveriesWeight: 0, MeshFailurePenaltyWeight: 0,
		// P4, malformed messages: see the thresholds.
		InvalidMessageDeliveriesWeight: -10, InvalidMessageDeliveriesDecay: pubsub.ScoreParameterDecay(time.Hour),
	}
}

func loopback() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
		{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
	}
}
