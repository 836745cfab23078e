package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// hosted is a provider with one lease: it keeps its events in a log, and tells
// the test what requesters say.
type hosted struct {
	seller
	id   proto.LeaseID
	log  *EventLog
	said chan any
}

func hostLease(t *testing.T) *hosted {
	h := &hosted{log: NewEventLog(0), said: make(chan any, 100)}
	h.lease = func(_ context.Context, from proto.PeerKey, first LeaseRequest, s *LeaseStream) error {
		after := uint64(0)
		switch f := first.(type) {
		case Open:
			h.id = f.Terms.LeaseID(domain)
			if f.Terms.RequesterPeer != from {
				return proto.Refuse(proto.CodeTermsNotMine, from.String(), f.Terms.RequesterPeer.String(), "")
			}
		case Attach:
			if f.Lease != h.id {
				return proto.Refuse(proto.CodeUnknownLease, f.Lease.String(), "a lease of yours", "")
			}
			after = f.After
		}
		if err := s.Accept(h.id); err != nil {
			return err
		}
		var follow sync.WaitGroup
		defer follow.Wait() // a failed Recv ends it
		follow.Go(func() {
			if err := s.Follow(h.log, after); err != nil && !errors.Is(err, ErrLost) && !errors.Is(err, context.Canceled) {
				t.Errorf("follow: %v", err)
			}
		})
		for {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			if a, ok := m.(Ack); ok {
				h.log.Ack(a.Seq)
			}
			h.said <- m
		}
	}
	return h
}

func (h *hosted) next(t *testing.T) any {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case m := <-h.said:
			if m == (Ack{0}) {
				continue // a sign of life
			}
			return m
		case <-deadline:
			t.Fatal("the requester said nothing")
		}
	}
}

func openLease(t *testing.T, provider, requester *node) *LeaseConn {
	t.Helper()
	c, err := requester.Open(t.Context(), provider.Self(), Open{
		Terms: terms(provider.Self(), requester.Self(), epoch), Job: []byte("job"), Salt: proto.Hash{4}, Voucher: voucher(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func recv(t *testing.T, c *LeaseConn, n int) (out []Event) {
	t.Helper()
	for range n {
		e, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func TestLease(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	c := openLease(t, provider, requester)
	if want := terms(provider.Self(), requester.Self(), epoch).LeaseID(domain); c.Lease() != want {
		t.Errorf("lease %s, want %s", c.Lease(), want)
	}
	bodies := []EventBody{
		Preparing{"inputs", 5, 10},
		Started{},
		Log{Stderr, 17, []byte("loss 0.3\n")},
		Usage{1500 * time.Millisecond, proto.NewAmount(2), proto.NewAmount(20)},
		Frozen{2 * time.Second, 30 * time.Second},
		Thawed{},
		Finished{
			Receipt: proto.Receipt{Lease: c.Lease(), Usage: 3 * time.Second, Due: proto.NewAmount(3), End: proto.EndExited, ExitCode: -1, Result: []byte{1, 2}, Signature: proto.Signature{6}},
			Detail:  "exit status", Blocks: [][]byte{{1}, make([]byte, proto.MaxInlineResult-1)},
		},
	}
	for _, b := range bodies {
		h.log.Append(b)
	}
	for i, e := range recv(t, c, len(bodies)) {
		if want := (Event{Seq: uint64(i + 1), Body: bodies[i]}); !reflect.DeepEqual(e, want) {
			t.Errorf("%+v, want %+v", e, want)
		}
	}
	for _, m := range []LeaseMessage{Voucher{voucher(9), proto.NewAmount(4)}, Cancel{}, Ack{7}} {
		var err error
		switch m := m.(type) {
		case Voucher:
			err = c.SendVoucher(m.Voucher, m.Promised)
		case Cancel:
			err = c.Cancel()
		case Ack:
			err = c.Ack(m.Seq)
		}
		if got := h.next(t); err != nil || got != m {
			t.Errorf("%+v, %v; want %+v", got, err, m)
		}
	}
	if h.log.Acked() != 7 {
		t.Errorf("acknowledged %d", h.log.Acked())
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Recv(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestLeaseRefused(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	_, err := requester.Open(t.Context(), provider.Self(), Open{
		Terms: terms(provider.Self(), proto.PeerKey{5}, epoch), Job: []byte("job"), Voucher: voucher(1),
	})
	wantCode(t, err, proto.CodeTermsNotMine)
	_, err = requester.Attach(t.Context(), provider.Self(), Attach{Lease: proto.LeaseID{1}})
	wantCode(t, err, proto.CodeUnknownLease)
	_, err = requester.Open(t.Context(), provider.Self(), Open{Terms: terms(provider.Self(), requester.Self(), epoch), Voucher: voucher(1)})
	wantCode(t, err, proto.CodeMalformed) // no job
}

// Cut again and again, a requester sees every event once and in order.
func TestAttachAfterLostConnection(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	c := openLease(t, provider, requester)
	const rounds, each = 5, 20
	seen := uint64(0)
	for round := range rounds {
		for i := range each {
			h.log.Append(Log{Stdout, 0, fmt.Appendf(nil, "%d", round*each+i)})
		}
		for _, e := range recv(t, c, each-round) { // the rest is on its way when the line is cut
			seen++
			if b := e.Body.(Log); e.Seq != seen || e.Lost != 0 || string(b.Data) != fmt.Sprint(seen-1) {
				t.Fatalf("event %+v, want number %d", e, seen)
			}
			if err := c.Ack(e.Seq); err != nil {
				t.Fatal(err)
			}
		}
		if err := requester.host.Network().ClosePeer(provider.host.ID()); err != nil {
			t.Fatal(err)
		}
		for {
			e, err := c.Recv()
			if err != nil {
				if !errors.Is(err, ErrLost) && err != io.EOF {
					t.Fatalf("cut: %v", err)
				}
				break
			}
			seen = e.Seq // it was here before the cut
		}
		var err error
		if c, err = requester.Attach(t.Context(), provider.Self(), Attach{c.Lease(), seen}); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range recv(t, c, rounds*each-int(seen)) {
		if seen++; e.Seq != seen || string(e.Body.(Log).Data) != fmt.Sprint(seen-1) {
			t.Fatalf("event %+v, want number %d", e, seen)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A flood while the requester is away costs it the oldest, and it is told how many.
func TestFloodLeavesANumberedGap(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	c := openLease(t, provider, requester)
	h.log.Append(Started{})
	recv(t, c, 1)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 * proto.MaxEventRing {
		h.log.Append(Thawed{})
	}
	c, err := requester.Attach(t.Context(), provider.Self(), Attach{c.Lease(), 1})
	if err != nil {
		t.Fatal(err)
	}
	if e := recv(t, c, 1)[0]; e.Lost != proto.MaxEventRing || e.Seq != proto.MaxEventRing+2 {
		t.Errorf("%+v", e)
	}
	recv(t, c, proto.MaxEventRing-1)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A requester that does not read ends its stream, not the lease: the log takes
// more without waiting, and after a while the requester attaches again.
func TestSlowReaderDoesNotHoldTheLease(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, func(c *Config) { c.Limits.Write = 200 * time.Millisecond })
	c := openLease(t, provider, requester)
	chunk := make([]byte, proto.MaxLogChunk)
	// More than any window between the two holds, at no more than the ring does.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 3000 {
		h.log.Append(Log{Stdout, 0, chunk})
		if h.log.Last()%10 == 0 {
			<-tick.C
		}
	}
	var err error
	var last Event
	for err == nil {
		var e Event
		if e, err = c.Recv(); err == nil {
			last = e
		}
	}
	if !errors.Is(err, ErrLost) {
		t.Fatalf("slow reader: %v", err)
	}
	c, err = requester.Attach(t.Context(), provider.Self(), Attach{c.Lease(), last.Seq})
	if err != nil {
		t.Fatal(err)
	}
	if e := recv(t, c, 1)[0]; e.Seq != last.Seq+1+e.Lost {
		t.Errorf("event %d with %d lost behind %d", e.Seq, e.Lost, last.Seq)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// Both sides notice a silent peer; signs of life keep an idle but living stream open.
func TestSilence(t *testing.T) {
	h := hostLease(t)
	lost := make(chan error, 1)
	inner := h.lease
	h.lease = func(ctx context.Context, from proto.PeerKey, first LeaseRequest, s *LeaseStream) error {
		err := inner(ctx, from, first, s)
		lost <- err
		return err
	}
	idle := func(c *Config) { c.Limits.LeaseIdle = 600 * time.Millisecond }
	provider, requester := pair(t, h.seller, idle)

	c := openLease(t, provider, requester)
	after := time.After(3 * 600 * time.Millisecond)
	events := make(chan Event)
	go func() {
		if e, err := c.Recv(); err == nil {
			events <- e
		}
	}()
	<-after
	h.log.Append(Started{})
	select {
	case <-events:
	case <-time.After(20 * time.Second):
		t.Fatal("an idle stream that lives was lost")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	<-lost

	// A requester that opens and is silent from then on.
	s := requester.open(t, provider, leaseProtocol)
	mute := &stream{s: s, write: time.Second}
	if err := mute.send(Attach{h.id, 0}.leaseRequest()); err != nil {
		t.Fatal(err)
	}
	if err := <-lost; !errors.Is(err, ErrLost) {
		t.Errorf("silent requester: %v", err)
	}

	// A provider that accepts and is silent from then on.
	done := make(chan struct{})
	defer close(done)
	provider.host.SetStreamHandler(leaseProtocol, func(s network.Stream) {
		if err := (&stream{s: s, write: time.Second}).send(acceptance(h.id)); err != nil {
			t.Error(err)
		}
		<-done
	})
	c, err := requester.Attach(t.Context(), provider.Self(), Attach{h.id, 0})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recv(); !errors.Is(err, ErrLost) {
		t.Errorf("silent provider: %v", err)
	}
}

// After Finished a requester that never ends its stream loses it all the same.
func TestFinishedStreamEnds(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, func(c *Config) { c.Limits.LeaseIdle = 300 * time.Millisecond })
	c := openLease(t, provider, requester)
	h.log.Append(Finished{Receipt: proto.Receipt{Lease: c.Lease(), End: proto.EndExited, Signature: proto.Signature{1}}})
	recv(t, c, 1)
	if _, err := c.Recv(); !errors.Is(err, ErrLost) && err != io.EOF {
		t.Errorf("%v", err)
	}
}

func TestBadFrameMidLease(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	openLease(t, provider, requester)
	for name, b := range map[string][]byte{
		"length bomb": binary.AppendUvarint(nil, proto.MaxLeaseRequest+1),
		"rubbish":     {2, 0xff, 0xff},
		"second open": {2, 0x0a, 0x00},
	} {
		s := requester.open(t, provider, leaseProtocol)
		raw := &stream{s: s, write: time.Second}
		if err := raw.send(Attach{h.id, 0}.leaseRequest()); err != nil {
			t.Fatal(err)
		}
		var m wirev1.LeaseReply
		if err := readFrame(reader{s}, &m, proto.MaxLeaseReply); err != nil || m.GetAccepted() == nil {
			t.Fatalf("%s: %v, %v", name, &m, err)
		}
		write(t, s, b)
		if r := refusal(t, s, new(wirev1.LeaseReply)); r.Code != proto.CodeMalformed {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// A provider can't make a requester take an event twice or skip one unsaid.
func TestNumbersAreChecked(t *testing.T) {
	provider, requester := pair(t, never(t), nil)
	for name, e := range map[string]Event{
		"again":        {Seq: 5, Body: Thawed{}},
		"gap unsaid":   {Seq: 7, Body: Thawed{}},
		"gap too wide": {Seq: 7, Lost: 2, Body: Thawed{}},
		"wrapped":      {Seq: 5, Lost: 1<<64 - 1, Body: Thawed{}},
	} {
		provider.host.SetStreamHandler(leaseProtocol, func(ns network.Stream) {
			s := &stream{s: ns, write: time.Second}
			err := s.send(acceptance(proto.LeaseID{1}))
			if err == nil {
				err = s.send(&wirev1.LeaseReply{Kind: &wirev1.LeaseReply_Event{Event: e.wire()}})
			}
			if err != nil {
				t.Error(err)
			}
		})
		c, err := requester.Attach(t.Context(), provider.Self(), Attach{proto.LeaseID{1}, 5})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Recv()
		if !errors.Is(err, proto.Refuse(proto.CodeMalformed, "", "", "")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Closing a node ends what waits on it.
func TestCloseEndsLeases(t *testing.T) {
	h := hostLease(t)
	provider, requester := pair(t, h.seller, nil)
	c := openLease(t, provider, requester)
	if err := provider.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Recv(); !errors.Is(err, ErrLost) && err != io.EOF {
		t.Errorf("%v", err)
	}
	if _, err := provider.Open(t.Context(), requester.Self(), Open{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("a closed node opens: %v", err)
	}
}
