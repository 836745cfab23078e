package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/encoding/protodelim"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
)

// Errors of the network, as apart from a peer's *proto.Refusal.
var (
	// ErrUnreachable is returned when no stream to a peer could be opened.
	ErrUnreachable = errors.New("peer can't be reached")
	// ErrLost is returned when a stream ended before its protocol did. Whoever
	// holds a lease attaches again.
	ErrLost = errors.New("connection to the peer was lost")
)

// stream carries frames: protobuf messages, each behind its length as a varint.
type stream struct {
	s     network.Stream
	r     *bufio.Reader
	write time.Duration // how long a frame may take to leave
	out   sync.Mutex    // held while a frame leaves
}

func newStream(s network.Stream, l Limits) *stream {
	return &stream{s: s, r: bufio.NewReader(s), write: l.Write}
}

// recv reads a frame of at most most bytes that has to be whole within a time.
// The error is io.EOF when the peer is done, a *proto.Refusal when the frame
// breaks the protocol, and wraps ErrLost otherwise.
func (s *stream) recv(m protobuf.Message, most int, within time.Duration) error {
	if err := s.s.SetReadDeadline(time.Now().Add(within)); err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return readFrame(s.r, m, most)
}

// readFrame checks the length before it allocates.
func readFrame(r protodelim.Reader, m protobuf.Message, most int) error {
	opts := protodelim.UnmarshalOptions{MaxSize: int64(most), UnmarshalOptions: protobuf.UnmarshalOptions{DiscardUnknown: true}}
	err := opts.UnmarshalFrom(r, m)
	var large *protodelim.SizeTooLargeError
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.As(err, &large):
		return proto.Refuse(proto.CodeMalformed, fmt.Sprintf("a frame of %d bytes", large.Size), fmt.Sprintf("at most %d", most), "")
	case errors.Is(err, protobuf.Error):
		return proto.Refuse(proto.CodeMalformed, "a frame that is not of its kind", "", "")
	default:
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
}

// send writes a frame. After an error nothing more may be sent: half a frame
// can't be mended.
func (s *stream) send(m protobuf.Message) error {
	s.out.Lock()
	defer s.out.Unlock()
	err := s.s.SetWriteDeadline(time.Now().Add(s.write))
	if err == nil {
		_, err = protodelim.MarshalTo(s.s, m)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLost, err)
	}
	return nil
}

// reset tears the stream down; its error would say only that it was down already.
func (s *stream) reset() { _ = s.s.Reset() }

// close ends the stream after what was sent; an error means that the peer is
// gone, and then nothing is left to end.
func (s *stream) close() {
	if s.s.Close() != nil {
		s.reset()
	}
}

// dial opens a stream of a protocol to a peer.
func (w *Wire) dial(ctx context.Context, to proto.PeerKey, id protocol.ID) (*stream, error) {
	pid, err := PeerID(to)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Limits.Reply)
	defer cancel()
	s, err := w.host.NewStream(ctx, pid, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreachable, pid, err)
	}
	return newStream(s, w.cfg.Limits), nil
}

// ask sends one request and reads one reply.
func (w *Wire) ask(ctx context.Context, to proto.PeerKey, id protocol.ID, request, reply protobuf.Message, most int) error {
	s, err := w.dial(ctx, to, id)
	if err != nil {
		return err
	}
	defer s.close()
	defer context.AfterFunc(ctx, s.reset)()
	// A peer that refuses before it has read everything stops the sending, so its
	// reply is looked for all the same.
	sent := s.send(request)
	err = s.recv(reply, most, w.cfg.Limits.Reply)
	switch {
	case err == nil:
		return nil
	case sent != nil:
		err = sent
	case err == io.EOF:
		err = fmt.Errorf("%w: no reply", ErrLost)
	}
	return cause(ctx, err)
}

// cause prefers the caller's own reason to the reset that it brought about.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// service is the serving side of a protocol.
type service struct {
	id    protocol.ID
	slots *slots
	pacer *pacer[proto.PeerKey]
	// refuse wraps a refusal in the protocol's reply; nil when it has no such reply.
	refuse func(*proto.Refusal) protobuf.Message
	// serve handles a stream. An error is told to the peer as a refusal.
	serve func(context.Context, proto.PeerKey, *stream) error
}

// serve registers a service. Streams and rate come before the first byte is read.
func (w *Wire) serve(v service) {
	w.host.SetStreamHandler(v.id, func(ns network.Stream) {
		s := newStream(ns, w.cfg.Limits)
		from, err := PeerKey(ns.Conn().RemotePeer())
		if err != nil || !w.enter() {
			s.reset()
			return
		}
		defer w.done.Done()
		if !v.slots.take(from) {
			v.end(s, proto.Refuse(proto.CodeRateLimited, "too many streams", fmt.Sprintf("at most %d of a peer", v.slots.limit.PerPeer), "wait for the others to end"))
			return
		}
		defer v.slots.give(from)
		if !v.pacer.allow(from, w.cfg.Clock()) {
			v.end(s, proto.Refuse(proto.CodeRateLimited, "too many requests", fmt.Sprintf("one in %s", v.pacer.rate.Every), "wait a little"))
			return
		}
		err = v.serve(w.ctx, from, s)
		if err != nil {
			w.cfg.Logger.Debug("stream ended", "protocol", v.id, "peer", from, "err", err)
		}
		v.end(s, err)
	})
}

// end closes a stream, after telling why when there is a reason and a way.
func (v service) end(s *stream, err error) {
	switch {
	case err == nil:
		s.close()
	case v.refuse == nil || errors.Is(err, ErrLost):
		s.reset()
	case s.send(v.refuse(proto.AsRefusal(err))) != nil:
		s.reset()
	default:
		s.close()
	}
}

// noFrame is the error for a peer that opened a stream and said nothing whole.
func noFrame(err error) error {
	if err == io.EOF {
		return fmt.Errorf("%w: no request", ErrLost)
	}
	return err
}
