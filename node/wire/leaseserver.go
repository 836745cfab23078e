package wire

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// LeaseStream is a provider's side of an attached requester. Recv is for one
// goroutine, the other methods for any.
type LeaseStream struct {
	s    *stream
	idle time.Duration
	ctx  context.Context // of what sends: ends when Recv has failed, by Stop, or with the handler
	stop context.CancelFunc
	// pace holds back a requester that speaks faster than a lease needs.
	pace *rate.Limiter
	// accepted is the lease, once there is one to give signs of life for.
	accepted atomic.Pointer[proto.LeaseID]
	// finished is when Finished left, in Unix nanoseconds; 0 before.
	finished atomic.Int64
}

func (w *Wire) serveLeases(p Provider, s *slots) {
	w.serve(service{
		id: leaseProtocol, slots: s, pacer: newPacer[proto.PeerKey](w.cfg.Limits.Opens, w.cfg.Limits.Peers),
		refuse: func(r *proto.Refusal) protobuf.Message {
			return &wirev1.LeaseReply{Kind: &wirev1.LeaseReply_Refusal{Refusal: r.Wire()}}
		},
		serve: func(ctx context.Context, from proto.PeerKey, s *stream) error {
			var m wirev1.LeaseRequest
			if err := s.recv(&m, proto.MaxLeaseRequest, w.cfg.Limits.Open); err != nil {
				return noFrame(err)
			}
			first, err := readLeaseRequest(&m)
			if err != nil {
				return err
			}
			// A handler that waits in Recv would not see the node close.
			defer context.AfterFunc(ctx, s.reset)()
			defer w.protect(s)()
			frames := w.cfg.Limits.Frames
			ls := &LeaseStream{s: s, idle: w.cfg.Limits.LeaseIdle, pace: rate.NewLimiter(rate.Every(frames.Every), frames.Burst)}
			ls.ctx, ls.stop = context.WithCancel(ctx)
			defer ls.stop()
			w.goes(ls.signs)
			err = p.Lease(ctx, from, first, ls)
			if err == io.EOF {
				return nil // the requester ended the stream
			}
			return err
		},
	})
}

// Accept tells the requester that it is attached. It comes before any event.
func (l *LeaseStream) Accept(id proto.LeaseID) error {
	if err := l.send(acceptance(id)); err != nil {
		return err
	}
	l.accepted.Store(&id)
	return nil
}

func acceptance(id proto.LeaseID) *wirev1.LeaseReply {
	return &wirev1.LeaseReply{Kind: &wirev1.LeaseReply_Accepted{Accepted: &wirev1.Accepted{Lease: id[:]}}}
}

// Send sends one event. On an error the stream is over.
func (l *LeaseStream) Send(e Event) error {
	m := &wirev1.LeaseReply{Kind: &wirev1.LeaseReply_Event{Event: e.wire()}}
	if n := protobuf.Size(m); n > proto.MaxLeaseReply {
		return fmt.Errorf("event %d has %d bytes, at most %d are allowed", e.Seq, n, proto.MaxLeaseReply)
	}
	if err := l.send(m); err != nil {
		return err
	}
	if _, ok := e.Body.(Finished); ok {
		l.finished.CompareAndSwap(0, time.Now().UnixNano())
	}
	return nil
}

// Follow sends the events behind after as they come, until Finished has been
// sent, when it returns nil, or the stream is over. It is for a goroutine of its
// own beside the one in Recv; a handler that waits for it calls Stop first.
func (l *LeaseStream) Follow(log *EventLog, after uint64) error {
	for {
		events, err := log.Next(l.ctx, after)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := l.Send(e); err != nil {
				l.s.reset() // and with it the one in Recv
				return err
			}
			after = e.Seq
			if _, ok := e.Body.(Finished); ok {
				return nil
			}
		}
	}
}

// Recv returns what the requester says next. The error is io.EOF when it ended
// the stream, a *proto.Refusal when it broke the protocol, to be returned by the
// handler and so told to it, and wraps ErrLost otherwise.
func (l *LeaseStream) Recv() (LeaseMessage, error) {
	within := l.idle
	if at := l.finished.Load(); at != 0 {
		// Signs of life do not keep a stream open that has nothing left to say.
		within = time.Until(time.Unix(0, at).Add(l.idle))
	}
	var m wirev1.LeaseRequest
	err := l.pace.Wait(l.ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrLost, err)
	} else {
		err = l.s.recv(&m, proto.MaxLeaseRequest, within)
	}
	var message LeaseMessage
	if err == nil {
		message, err = readLeaseMessage(&m)
	}
	if err != nil {
		l.Stop()
		return nil, err
	}
	return message, nil
}

// Stop ends Follow and the signs of life, and leaves the stream open for the
// refusal that the handler may return.
func (l *LeaseStream) Stop() { l.stop() }

func (l *LeaseStream) send(m *wirev1.LeaseReply) error {
	err := l.s.send(m)
	if err != nil {
		l.s.reset()
	}
	return err
}

// signs repeats Accepted as a sign of life.
func (l *LeaseStream) signs() {
	t := time.NewTicker(l.idle / 3)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if id := l.accepted.Load(); id != nil && l.send(acceptance(*id)) != nil {
				return
			}
		case <-l.ctx.Done():
			return
		}
	}
}
