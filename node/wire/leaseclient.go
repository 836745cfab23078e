package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// LeaseConn is a requester's stream to a lease. Recv is for one goroutine, the
// other methods for any.
type LeaseConn struct {
	lease proto.LeaseID
	s     *stream
	idle  time.Duration

	seq    uint64 // of the last event, Recv's own
	acked  atomic.Uint64
	closed chan struct{}
	once   sync.Once
	onEnd  func()
}

// Open takes a quote up with the provider that signed it. The error is its
// *proto.Refusal, or wraps ErrUnreachable or ErrLost; after those the lease may
// or may not exist, and opening it again is harmless. ctx bounds the opening only.
func (w *Wire) Open(ctx context.Context, to proto.PeerKey, o Open) (*LeaseConn, error) {
	return w.attach(ctx, to, o, o.Terms.LeaseID(w.cfg.Domain), 0)
}

// Attach returns to a lease; see Open.
func (w *Wire) Attach(ctx context.Context, to proto.PeerKey, a Attach) (*LeaseConn, error) {
	return w.attach(ctx, to, a, a.Lease, a.After)
}

func (w *Wire) attach(ctx context.Context, to proto.PeerKey, first LeaseRequest, id proto.LeaseID, after uint64) (*LeaseConn, error) {
	if !w.enter() {
		return nil, fmt.Errorf("%w: this node is closing", ErrUnreachable)
	}
	defer w.done.Done()
	s, err := w.dial(ctx, to, leaseProtocol)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, s.reset)
	err = firstReply(s, first, id, w.cfg.Limits.Reply)
	if !stop() || err != nil {
		s.reset()
		return nil, cause(ctx, err)
	}
	c := &LeaseConn{
		lease: id, s: s, idle: w.cfg.Limits.LeaseIdle, seq: after, closed: make(chan struct{}), onEnd: w.protect(s),
	}
	c.acked.Store(after)
	w.goes(func() { c.signs(w.ctx) })
	return c, nil
}

func firstReply(s *stream, first LeaseRequest, id proto.LeaseID, within time.Duration) error {
	sent := s.send(first.leaseRequest())
	var m wirev1.LeaseReply
	err := s.recv(&m, proto.MaxLeaseReply, within)
	switch {
	case err == nil:
	case sent != nil:
		return sent
	case err == io.EOF:
		return fmt.Errorf("%w: no reply", ErrLost)
	default:
		return err
	}
	switch k := m.GetKind().(type) {
	case *wirev1.LeaseReply_Accepted:
		got, err := readLeaseID(k.Accepted.GetLease())
		if err == nil && got != id {
			err = proto.Refuse(proto.CodeMalformed, "accepted lease "+got.String(), id.String(), "")
		}
		return err
	case *wirev1.LeaseReply_Refusal:
		return proto.RefusalFromWire(k.Refusal)
	}
	return proto.Refuse(proto.CodeMalformed, "another reply", "accepted or a refusal", "")
}

// protect keeps the connection manager from pruning a peer while a stream to it
// is open.
func (w *Wire) protect(s *stream) (release func()) {
	p, tag := s.s.Conn().RemotePeer(), "lease/"+s.s.ID()
	w.host.ConnManager().Protect(p, tag)
	return func() { w.host.ConnManager().Unprotect(p, tag) }
}

// Lease returns the lease's id.
func (c *LeaseConn) Lease() proto.LeaseID { return c.lease }

// Recv returns the next event. The error is io.EOF when the provider ended the
// stream, a *proto.Refusal when it said why or broke the protocol, net.ErrClosed
// after Close, and wraps ErrLost when the stream broke or was silent for too
// long: then attach again behind the last event's number.
func (c *LeaseConn) Recv() (Event, error) {
	e, err := c.recv()
	if err != nil {
		select {
		case <-c.closed:
			err = net.ErrClosed
		default:
		}
		if err == io.EOF {
			c.s.close()
		} else {
			c.s.reset()
		}
		c.end()
		return Event{}, err
	}
	c.seq = e.Seq
	return e, nil
}

func (c *LeaseConn) recv() (Event, error) {
	for {
		var m wirev1.LeaseReply
		if err := c.s.recv(&m, proto.MaxLeaseReply, c.idle); err != nil {
			return Event{}, err
		}
		switch k := m.GetKind().(type) {
		case *wirev1.LeaseReply_Accepted: // a sign of life
		case *wirev1.LeaseReply_Refusal:
			return Event{}, proto.RefusalFromWire(k.Refusal)
		case *wirev1.LeaseReply_Event:
			e, err := readEvent(k.Event)
			if err == nil && (e.Lost > e.Seq || e.Seq != c.seq+1+e.Lost) {
				err = proto.Refuse(proto.CodeMalformed, fmt.Sprintf("event %d with %d lost", e.Seq, e.Lost), fmt.Sprintf("the one behind %d", c.seq), "")
			}
			return e, err
		default:
			return Event{}, proto.Refuse(proto.CodeMalformed, "an empty reply", "an event", "")
		}
	}
}

// SendVoucher raises the channel's cumulative amount, of which promised is meant
// for this lease.
func (c *LeaseConn) SendVoucher(v proto.Voucher, promised proto.Amount) error {
	return c.send(Voucher{v, promised})
}

// Cancel asks the provider to end the lease. Its events go on until Finished.
func (c *LeaseConn) Cancel() error { return c.send(Cancel{}) }

// Ack tells the provider that the events up to seq are safe here.
func (c *LeaseConn) Ack(seq uint64) error {
	c.acked.Store(seq)
	return c.send(Ack{seq})
}

func (c *LeaseConn) send(m LeaseMessage) error {
	err := c.s.send(m.leaseMessage())
	if err == nil {
		return nil
	}
	select {
	case <-c.closed:
		return net.ErrClosed
	default:
		c.s.reset() // half a frame may be out, so Recv ends too
		return err
	}
}

// Close ends the stream. The lease goes on.
func (c *LeaseConn) Close() error {
	c.end()
	c.s.close()
	return nil
}

func (c *LeaseConn) end() {
	c.once.Do(func() {
		close(c.closed)
		c.onEnd()
	})
}

// signs repeats the last Ack as a sign of life.
func (c *LeaseConn) signs(ctx context.Context) {
	t := time.NewTicker(c.idle / 3)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if err := c.send(Ack{c.acked.Load()}); errors.Is(err, ErrLost) || errors.Is(err, net.ErrClosed) {
				return
			}
		case <-c.closed:
			return
		case <-ctx.Done():
			c.s.reset()
			return
		}
	}
}
