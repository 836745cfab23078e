package wire

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/protocol"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// The channel protocol: two questions of a payer to its payee.
//
//	payer                                                  payee
//	ChannelRequest {settle {channel}}            ->
//	                                             <- ChannelReply {settlement | refusal}
//	ChannelRequest {sync {channel}}              ->
//	                                             <- ChannelReply {sync {last voucher} | refusal}
//
// Settle asks for the payee's signature over a final total, which the payer then
// submits: the payee needs no gas. Sync gives a payer that lost its state the
// last voucher that it signed.
const channelProtocol protocol.ID = "/lode/channel/1"

// Settle asks the payee to consent to a final total. Its signature has not been
// checked.
func (w *Wire) Settle(ctx context.Context, to proto.PeerKey, key proto.ChannelKey) (proto.Settlement, error) {
	reply, err := w.askChannel(ctx, to, &wirev1.ChannelRequest{
		Kind: &wirev1.ChannelRequest_Settle{Settle: &wirev1.Settle{Channel: key.Wire()}},
	})
	if err != nil {
		return proto.Settlement{}, err
	}
	k, ok := reply.GetKind().(*wirev1.ChannelReply_Settlement)
	if !ok {
		return proto.Settlement{}, proto.Refuse(proto.CodeMalformed, "another reply", "a settlement", "")
	}
	return proto.SettlementFromWire(key.ID(), k.Settlement)
}

// Sync asks the payee for the last voucher it holds; one with a zero signature
// means none. The signature has not been checked.
func (w *Wire) Sync(ctx context.Context, to proto.PeerKey, key proto.ChannelKey) (proto.Voucher, error) {
	reply, err := w.askChannel(ctx, to, &wirev1.ChannelRequest{
		Kind: &wirev1.ChannelRequest_Sync{Sync: &wirev1.Sync{Channel: key.Wire()}},
	})
	if err != nil {
		return proto.Voucher{}, err
	}
	k, ok := reply.GetKind().(*wirev1.ChannelReply_Sync)
	if !ok {
		return proto.Voucher{}, proto.Refuse(proto.CodeMalformed, "another reply", "a voucher", "")
	}
	v, err := proto.VoucherFromWire(k.Sync.GetVoucher())
	if err == nil && v.Channel != key.ID() {
		err = proto.Refuse(proto.CodeMalformed, "a voucher of channel "+v.Channel.String(), key.ID().String(), "")
	}
	return v, err
}

func (w *Wire) askChannel(ctx context.Context, to proto.PeerKey, m *wirev1.ChannelRequest) (*wirev1.ChannelReply, error) {
	reply := new(wirev1.ChannelReply)
	if err := w.ask(ctx, to, channelProtocol, m, reply, proto.MaxChannelFrame); err != nil {
		return nil, err
	}
	if k, ok := reply.GetKind().(*wirev1.ChannelReply_Refusal); ok {
		return nil, proto.RefusalFromWire(k.Refusal)
	}
	return reply, nil
}

func (w *Wire) serveChannels(p Provider, s *slots) {
	w.serve(service{
		id: channelProtocol, slots: s, pacer: newPacer[proto.PeerKey](w.cfg.Limits.Channels, w.cfg.Limits.Peers),
		refuse: func(r *proto.Refusal) protobuf.Message {
			return &wirev1.ChannelReply{Kind: &wirev1.ChannelReply_Refusal{Refusal: r.Wire()}}
		},
		serve: func(ctx context.Context, from proto.PeerKey, s *stream) error {
			var m wirev1.ChannelRequest
			if err := s.recv(&m, proto.MaxChannelFrame, w.cfg.Limits.Open); err != nil {
				return noFrame(err)
			}
			ask, key, err := readChannelRequest(&m)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(ctx, w.cfg.Limits.Reply)
			defer cancel()
			reply := new(wirev1.ChannelReply)
			if ask == askSettle {
				c, err := p.Settle(ctx, from, key)
				if err != nil {
					return fmt.Errorf("settle: %w", err)
				}
				reply.Kind = &wirev1.ChannelReply_Settlement{Settlement: c.Wire()}
			} else {
				v, err := p.Sync(ctx, from, key)
				if err != nil {
					return fmt.Errorf("sync: %w", err)
				}
				v.Channel = key.ID() // also when there is none yet
				reply.Kind = &wirev1.ChannelReply_Sync{Sync: &wirev1.SyncReply{Voucher: v.Wire()}}
			}
			return s.send(reply)
		},
	})
}

type channelQuestion string

const (
	askSettle channelQuestion = "settle"
	askSync   channelQuestion = "sync"
)

func readChannelRequest(m *wirev1.ChannelRequest) (channelQuestion, proto.ChannelKey, error) {
	switch k := m.GetKind().(type) {
	case *wirev1.ChannelRequest_Settle:
		key, err := proto.ChannelKeyFromWire(k.Settle.GetChannel())
		return askSettle, key, err
	case *wirev1.ChannelRequest_Sync:
		key, err := proto.ChannelKeyFromWire(k.Sync.GetChannel())
		return askSync, key, err
	}
	return "", proto.ChannelKey{}, proto.Refuse(proto.CodeMalformed, "an empty request", "settle or sync", "")
}
