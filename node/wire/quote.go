package wire

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/protocol"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// The quote protocol: what would this job cost here?
//
//	requester                                              provider
//	QuoteRequest {needs, job commitment, channel} ->
//	                                             <- QuoteReply {terms | refusal}
//
// It tells needs and not the job, and takes no capacity. The terms are signed by
// the provider and good for proto.QuoteLife.
const quoteProtocol protocol.ID = "/lode/quote/1"

// Quote asks a provider for terms. The error is the provider's *proto.Refusal,
// or wraps ErrUnreachable or ErrLost. Neither signature nor content of the terms
// has been compared with what was asked.
func (w *Wire) Quote(ctx context.Context, to proto.PeerKey, q proto.Quote) (proto.SignedTerms, error) {
	var reply wirev1.QuoteReply
	if err := w.ask(ctx, to, quoteProtocol, q.Wire(), &reply, proto.MaxQuoteFrame); err != nil {
		return proto.SignedTerms{}, err
	}
	return readQuoteReply(&reply)
}

func readQuoteReply(m *wirev1.QuoteReply) (proto.SignedTerms, error) {
	switch k := m.GetKind().(type) {
	case *wirev1.QuoteReply_Terms:
		return proto.SignedTermsFromWire(k.Terms)
	case *wirev1.QuoteReply_Refusal:
		return proto.SignedTerms{}, proto.RefusalFromWire(k.Refusal)
	}
	return proto.SignedTerms{}, proto.Refuse(proto.CodeMalformed, "an empty reply", "terms or a refusal", "")
}

func (w *Wire) serveQuotes(p Provider, s *slots) {
	w.serve(service{
		id: quoteProtocol, slots: s, pacer: newPacer[proto.PeerKey](w.cfg.Limits.Quotes, w.cfg.Limits.Peers),
		refuse: func(r *proto.Refusal) protobuf.Message {
			return &wirev1.QuoteReply{Kind: &wirev1.QuoteReply_Refusal{Refusal: r.Wire()}}
		},
		serve: func(ctx context.Context, from proto.PeerKey, s *stream) error {
			var m wirev1.QuoteRequest
			if err := s.recv(&m, proto.MaxQuoteFrame, w.cfg.Limits.Open); err != nil {
				return noFrame(err)
			}
			q, err := proto.QuoteFromWire(&m)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, w.cfg.Limits.Reply)
			defer cancel()
			t, err := p.Quote(ctx, from, q)
			if err != nil {
				return fmt.Errorf("quote: %w", err)
			}
			return s.send(&wirev1.QuoteReply{Kind: &wirev1.QuoteReply_Terms{Terms: t.Wire()}})
		},
	})
}
