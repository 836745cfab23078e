package wire

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// The book protocol: what is for sale? A node that joins would else hear all
// offers only after proto.OfferRefresh.
//
//	node                                                   any node
//	BookRequest {class}                          ->
//	                                             <- BookReply {offers}, as often as needed
//	                                             <- end of stream
//
// An answer holds at most proto.MaxBookOffers. Each offer is checked like one
// from gossip; who tells it is not trusted. There is no refusal: the stream ends.
const bookProtocol protocol.ID = "/lode/book/1"

// joinPeers is how many peers a node asks when it joins: one may be out of date
// or lie by leaving out.
const joinPeers = 3

// FetchBook asks a peer for its offers of a class. Those that are valid and new
// go to Handlers.Offer; it returns how many those were. On an error the offers
// before it have been taken.
func (w *Wire) FetchBook(ctx context.Context, from proto.PeerKey, class proto.Class) (fresh int, err error) {
	s, err := w.dial(ctx, from, bookProtocol)
	if err != nil {
		return 0, err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.reset)()
	if err := s.send(&wirev1.BookRequest{Class: string(class)}); err != nil {
		return 0, cause(ctx, err)
	}
	for told := 0; ; {
		var m wirev1.BookReply
		err := s.recv(&m, proto.MaxBookFrame, w.cfg.Limits.Reply)
		if err == io.EOF {
			return fresh, nil
		}
		if err != nil {
			return fresh, cause(ctx, err)
		}
		// An empty frame counts too, or a peer could send them for ever.
		if told += max(1, len(m.GetOffers())); told > proto.MaxBookOffers {
			return fresh, proto.Refuse(proto.CodeMalformed, fmt.Sprintf("%d offers", told), fmt.Sprintf("at most %d", proto.MaxBookOffers), "")
		}
		n, err := w.takeOffers(m.GetOffers(), class)
		fresh += n
		if err != nil {
			return fresh, err
		}
	}
}

// takeOffers checks what a peer told. Malformed offers end the conversation,
// stale ones are passed over.
func (w *Wire) takeOffers(told []*wirev1.Signed, class proto.Class) (fresh int, err error) {
	for _, signed := range told {
		raw, err := protobuf.Marshal(signed)
		if err != nil {
			return fresh, proto.Refuse(proto.CodeMalformed, "an offer that can't be encoded again", "", "")
		}
		o, v := w.offers.check(raw, class)
		switch {
		case v == accepted:
			fresh++
			w.learn(o.Identity.Peer, o.Addrs, o.Expires)
			w.handlers.Offer(o, raw)
		case v.malformed():
			return fresh, proto.Refuse(proto.CodeMalformed, "an offer that fails on "+string(v), "valid offers", "")
		}
	}
	return fresh, nil
}

func (w *Wire) serveBook(s *slots) {
	w.serve(service{
		id: bookProtocol, slots: s, pacer: newPacer[proto.PeerKey](w.cfg.Limits.Books, w.cfg.Limits.Peers),
		serve: func(_ context.Context, _ proto.PeerKey, s *stream) error {
			var m wirev1.BookRequest
			if err := s.recv(&m, maxBookRequest, w.cfg.Limits.Open); err != nil {
				return noFrame(err)
			}
			class, err := readBookRequest(&m)
			if err != nil {
				return err
			}
			return sendBook(s, w.handlers.Book(class))
		},
	})
}

// maxBookRequest bounds the name of a class.
const maxBookRequest = 64

func readBookRequest(m *wirev1.BookRequest) (proto.Class, error) {
	c := proto.Class(m.GetClass())
	if !c.Known() {
		return "", proto.Refuse(proto.CodeMalformed, fmt.Sprintf("class %.20q", m.GetClass()), fmt.Sprint(proto.Classes), "")
	}
	return c, nil
}

// sendBook packs offers into frames.
func sendBook(s *stream, offers [][]byte) error {
	const perFrame = proto.MaxBookFrame/proto.MaxOffer - 1 // one offer's room is left for the frame's own bytes
	frame := new(wirev1.BookReply)
	for i, raw := range offers[:min(len(offers), proto.MaxBookOffers)] {
		signed := new(wirev1.Signed)
		if err := protobuf.Unmarshal(raw, signed); err != nil {
			return fmt.Errorf("the book holds an offer that is none: %w", err)
		}
		if frame.Offers = append(frame.Offers, signed); len(frame.Offers) == perFrame || i == min(len(offers), proto.MaxBookOffers)-1 {
			if err := s.send(frame); err != nil {
				return err
			}
			frame.Reset()
		}
	}
	return nil
}

// JoinBook asks three peers for their offers of the given classes, as soon as
// they are connected, so that a fresh book is full within seconds. It returns how
// many answered: three, or fewer when ctx ended first.
func (w *Wire) JoinBook(ctx context.Context, classes []proto.Class) (answered int, err error) {
	identified, err := w.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted), eventbus.BufSize(256))
	if err != nil {
		return 0, fmt.Errorf("join: %w", err)
	}
	// Closing can only fail for a subscription that is closed.
	defer func() { _ = identified.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	asked := map[peer.ID]bool{}
	results := make(chan error)
	running := 0
	var waiting []peer.ID
	ask := func() {
		for ; len(waiting) > 0 && running+answered < joinPeers; waiting = waiting[1:] {
			running++
			go func(p peer.ID) {
				select {
				case results <- w.fetchClasses(ctx, p, classes):
				case <-ctx.Done():
				}
			}(waiting[0])
		}
	}
	meet := func(p peer.ID) {
		if ps, err := w.host.Peerstore().SupportsProtocols(p, bookProtocol); err == nil && len(ps) > 0 && !asked[p] {
			asked[p] = true
			waiting = append(waiting, p)
		}
	}
	for _, p := range w.host.Network().Peers() {
		meet(p)
	}
	for answered < joinPeers {
		ask()
		select {
		case e := <-identified.Out():
			meet(e.(event.EvtPeerIdentificationCompleted).Peer)
		case err := <-results:
			running--
			if err == nil {
				answered++
			} else {
				w.cfg.Logger.Debug("a peer's book could not be read", "err", err)
			}
		case <-ctx.Done():
			return answered, nil
		}
	}
	return answered, nil
}

// RefreshBook asks one of the connected peers for its offers of the given
// classes, drawn by chance. Gossip can miss a node: an offer that went round
// between its book's first answers and its place in the mesh comes again only
// when it is refreshed.
func (w *Wire) RefreshBook(ctx context.Context, classes []proto.Class) error {
	peers := w.host.Network().Peers()
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	for _, p := range peers {
		if ps, err := w.host.Peerstore().SupportsProtocols(p, bookProtocol); err == nil && len(ps) > 0 {
			return w.fetchClasses(ctx, p, classes)
		}
	}
	return nil
}

func (w *Wire) fetchClasses(ctx context.Context, p peer.ID, classes []proto.Class) error {
	k, err := PeerKey(p)
	if err != nil {
		return err
	}
	for _, c := range classes {
		if _, err := w.FetchBook(ctx, k, c); err != nil {
			return fmt.Errorf("%s of %s: %w", c, p, err)
		}
	}
	return nil
}
