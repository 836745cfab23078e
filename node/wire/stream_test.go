package wire

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"google.golang.org/protobuf/encoding/protodelim"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// pair returns a provider and a requester that knows it.
func pair(t *testing.T, s seller, edit func(*Config)) (provider, requester *node) {
	t.Helper()
	provider = startNode(t, func(c *Config, h *Handlers) {
		h.Provider = s
		if edit != nil {
			edit(c)
		}
	})
	requester = startNode(t, func(c *Config, _ *Handlers) {
		if edit != nil {
			edit(c)
		}
	}, provider)
	until(t, "a connection", func() bool { return len(requester.Status().Peers) == 1 })
	return provider, requester
}

func TestQuote(t *testing.T) {
	var provider, requester *node
	provider, requester = pair(t, seller{quote: func(_ context.Context, from proto.PeerKey, q proto.Quote) (proto.SignedTerms, error) {
		switch q.Job {
		case proto.Hash{1}:
			return terms(provider.Self(), from, epoch), nil
		case proto.Hash{2}:
			return proto.SignedTerms{}, proto.Refuse(proto.CodePriceTooLow, "5", "6", "offer more")
		}
		return proto.SignedTerms{}, errors.New("the disk is on fire")
	}}, nil)

	got, err := requester.Quote(t.Context(), provider.Self(), quote())
	if want := terms(provider.Self(), requester.Self(), epoch); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}

	q := quote()
	q.Job = proto.Hash{2}
	_, err = requester.Quote(t.Context(), provider.Self(), q)
	var r *proto.Refusal
	if !errors.As(err, &r) || *r != *proto.Refuse(proto.CodePriceTooLow, "5", "6", "offer more") {
		t.Errorf("refusal %v", err)
	}

	q.Job = proto.Hash{3}
	_, err = requester.Quote(t.Context(), provider.Self(), q)
	wantCode(t, err, proto.CodeInternal)

	q.Channel.Payer = q.Channel.Payee
	_, err = requester.Quote(t.Context(), provider.Self(), q)
	wantCode(t, err, proto.CodeWrongChannel)

	_, err = provider.Quote(t.Context(), requester.Self(), quote())
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("a node that sells nothing: %v", err)
	}
	_, err = requester.Quote(t.Context(), PeerKeyOf(newIdentity(t).peer), quote())
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("an unknown peer: %v", err)
	}
}

func TestQuoteEndsWithItsContext(t *testing.T) {
	entered := make(chan struct{})
	provider, requester := pair(t, seller{quote: func(ctx context.Context, _ proto.PeerKey, _ proto.Quote) (proto.SignedTerms, error) {
		close(entered)
		<-ctx.Done()
		return proto.SignedTerms{}, ctx.Err()
	}}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	if _, err := requester.Quote(ctx, provider.Self(), quote()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestChannel(t *testing.T) {
	settlement := proto.Settlement{Channel: channelKey().ID(), Amount: proto.NewAmount(77), Deadline: time.Unix(1_900_000_000, 0), Signature: proto.Signature{8}}
	provider, requester := pair(t, seller{
		settle: func(_ context.Context, _ proto.PeerKey, k proto.ChannelKey) (proto.Settlement, error) {
			if k.Salt == 6 {
				return proto.Settlement{}, proto.Refuse(proto.CodeNotSettled, "1 live lease", "none", "cancel it")
			}
			return settlement, nil
		},
		sync: func(_ context.Context, _ proto.PeerKey, k proto.ChannelKey) (proto.Voucher, error) {
			if k.Salt == 6 {
				return proto.Voucher{}, nil
			}
			return voucher(42), nil
		},
	}, nil)
	if got, err := requester.Settle(t.Context(), provider.Self(), channelKey()); err != nil || got != settlement {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := requester.Sync(t.Context(), provider.Self(), channelKey()); err != nil || got != voucher(42) {
		t.Errorf("%+v, %v", got, err)
	}
	other := channelKey()
	other.Salt = 6
	_, err := requester.Settle(t.Context(), provider.Self(), other)
	wantCode(t, err, proto.CodeNotSettled)
	if got, err := requester.Sync(t.Context(), provider.Self(), other); err != nil || !got.Signature.IsZero() {
		t.Errorf("no voucher: %+v, %v", got, err)
	}
}

// open returns a raw stream from one node to another.
func (n *node) open(t *testing.T, to *node, id protocol.ID) network.Stream {
	t.Helper()
	s, err := n.host.NewStream(t.Context(), to.host.ID(), id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Reset() }) // it is mostly gone by then
	if err := s.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return s
}

// refusal reads the answer to a raw quote or lease stream.
func refusal(t *testing.T, s io.Reader, m protobuf.Message) *proto.Refusal {
	t.Helper()
	if err := readFrame(reader{s}, m, proto.MaxLeaseReply); err != nil {
		t.Fatalf("no refusal: %v", err)
	}
	switch m := m.(type) {
	case *wirev1.QuoteReply:
		return proto.RefusalFromWire(m.GetRefusal())
	case *wirev1.LeaseReply:
		return proto.RefusalFromWire(m.GetRefusal())
	}
	t.Fatalf("%T has no refusal", m)
	return nil
}

// reader reads bytes one by one, so that nothing is buffered away.
type reader struct{ io.Reader }

func (r reader) ReadByte() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}

func write(t *testing.T, s io.Writer, b []byte) {
	t.Helper()
	if _, err := s.Write(b); err != nil {
		t.Fatal(err)
	}
}

// never is a Provider whose methods must not be reached.
func never(t *testing.T) seller {
	return seller{
		quote: func(context.Context, proto.PeerKey, proto.Quote) (proto.SignedTerms, error) {
			t.Error("a bad request reached the provider")
			return proto.SignedTerms{}, io.EOF
		},
		lease: func(context.Context, proto.PeerKey, LeaseRequest, *LeaseStream) error {
			t.Error("a bad request reached the provider")
			return nil
		},
	}
}

func TestBadFrames(t *testing.T) {
	provider, requester := pair(t, never(t), nil)
	bomb := binary.AppendUvarint(nil, 1<<40)
	over := binary.AppendUvarint(nil, proto.MaxQuoteFrame+1)
	endless := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	rubbish := append(binary.AppendUvarint(nil, 3), 0xff, 0xff, 0xff)
	empty := binary.AppendUvarint(nil, 0)
	for name, b := range map[string][]byte{"length bomb": bomb, "one too long": over, "endless varint": endless, "rubbish": rubbish, "empty": empty} {
		s := requester.open(t, provider, quoteProtocol)
		write(t, s, b)
		if r := refusal(t, s, new(wirev1.QuoteReply)); r.Code != proto.CodeMalformed {
			t.Errorf("%s to quote: %v", name, r)
		}
		if name == "one too long" {
			continue // a lease's first frame may be that long
		}
		s = requester.open(t, provider, leaseProtocol)
		write(t, s, b)
		if r := refusal(t, s, new(wirev1.LeaseReply)); r.Code != proto.CodeMalformed {
			t.Errorf("%s to lease: %v", name, r)
		}
	}
}

// A peer that opens streams and says nothing, or says it too slowly, is cut off.
func TestSlowLoris(t *testing.T) {
	provider, requester := pair(t, never(t), func(c *Config) { c.Limits.Open = 100 * time.Millisecond })
	for _, id := range []protocol.ID{quoteProtocol, leaseProtocol, channelProtocol, bookProtocol} {
		s := requester.open(t, provider, id)
		write(t, s, []byte{100}) // the length of a frame that never comes
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, network.ErrReset) {
			t.Errorf("%s: %v, want a reset", id, err)
		}
	}
}

func TestTooManyStreams(t *testing.T) {
	block := make(chan struct{})
	entered := make(chan struct{}, 8)
	provider, requester := pair(t, seller{quote: func(_ context.Context, _ proto.PeerKey, _ proto.Quote) (proto.SignedTerms, error) {
		entered <- struct{}{}
		<-block
		return proto.SignedTerms{}, proto.Refuse(proto.CodeBusy, "", "", "")
	}}, func(c *Config) { c.Limits.Requests = Streams{PerPeer: 2, Total: 3} })
	other := startNode(t, nil, provider)
	until(t, "the other's connection", func() bool { return len(other.Status().Peers) == 1 })

	results := make(chan error, 3)
	ask := func(n *node) {
		_, err := n.Quote(t.Context(), provider.Self(), quote())
		results <- err
	}
	go ask(requester)
	go ask(requester)
	<-entered
	<-entered
	_, err := requester.Quote(t.Context(), provider.Self(), quote())
	wantCode(t, err, proto.CodeRateLimited) // of this peer
	go ask(other)
	<-entered
	_, err = other.Quote(t.Context(), provider.Self(), quote())
	wantCode(t, err, proto.CodeRateLimited) // of all
	close(block)
	for range 3 {
		wantCode(t, <-results, proto.CodeBusy)
	}
	_, err = requester.Quote(t.Context(), provider.Self(), quote())
	wantCode(t, err, proto.CodeBusy) // the slots were given back
}

func TestRequestRate(t *testing.T) {
	provider, requester := pair(t, seller{quote: func(context.Context, proto.PeerKey, proto.Quote) (proto.SignedTerms, error) {
		return proto.SignedTerms{}, proto.Refuse(proto.CodeBusy, "", "", "")
	}}, func(c *Config) { c.Limits.Quotes = Rate{time.Hour, 2} })
	for i, want := range []proto.Code{proto.CodeBusy, proto.CodeBusy, proto.CodeRateLimited} {
		_, err := requester.Quote(t.Context(), provider.Self(), quote())
		if !errors.Is(err, proto.Refuse(want, "", "", "")) {
			t.Errorf("quote %d: %v, want %s", i, err, want)
		}
	}
}

func TestBookIsFullAtOnce(t *testing.T) {
	told := startNode(t, nil)
	for range proto.MaxBookOffers + 10 { // more than an answer may hold
		id := newIdentity(t)
		told.book = append(told.book, id.seal(t, id.offer(t, 1, now())))
	}
	expired := newIdentity(t)
	told.book[0] = expired.seal(t, expired.offer(t, 1, now().Add(-time.Hour)))
	late := startNode(t, nil, told)
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan int)
	go func() {
		n, err := late.JoinBook(ctx, []proto.Class{proto.ClassCPU})
		if err != nil {
			t.Error(err)
		}
		answered <- n
	}()
	until(t, "the book", func() bool { return late.heard() == proto.MaxBookOffers-1 })
	cancel() // only one of three peers is there
	if n := <-answered; n > 1 {
		t.Errorf("%d answered", n)
	}
	// The same again is nothing new, by whatever way it comes.
	if n, err := late.FetchBook(t.Context(), told.Self(), proto.ClassCPU); n != 0 || err != nil {
		t.Errorf("%d fresh offers, %v", n, err)
	}
}

func TestJoinBookAsksThree(t *testing.T) {
	var others []*node
	for range 4 {
		n := startNode(t, nil)
		id := newIdentity(t)
		n.book = [][]byte{id.seal(t, id.offer(t, 1, now()))}
		others = append(others, n)
	}
	n := startNode(t, nil, others...)
	if answered, err := n.JoinBook(t.Context(), []proto.Class{proto.ClassCPU}); answered != 3 || err != nil {
		t.Errorf("%d answered, %v", answered, err)
	}
	if n.heard() != 3 {
		t.Errorf("heard %d offers", n.heard())
	}
}

// A book that holds a forgery is read up to it and no further.
func TestBookIsNotTrusted(t *testing.T) {
	liar := startNode(t, nil)
	good, bad := newIdentity(t), newIdentity(t)
	forged := bad.offer(t, 1, now())
	forged.Identity.Signature[7] ^= 1
	liar.book = [][]byte{good.seal(t, good.offer(t, 1, now())), bad.seal(t, forged), bad.seal(t, bad.offer(t, 2, now()))}
	n := startNode(t, nil, liar)
	until(t, "a connection", func() bool { return len(n.Status().Peers) == 1 })
	fresh, err := n.FetchBook(t.Context(), liar.Self(), proto.ClassCPU)
	wantCode(t, err, proto.CodeMalformed)
	if fresh != 1 || n.heard() != 1 {
		t.Errorf("took %d, heard %d", fresh, n.heard())
	}
	// Nor is one that never ends.
	liar.host.SetStreamHandler(bookProtocol, func(s network.Stream) {
		for {
			if _, err := protodelim.MarshalTo(s, &wirev1.BookReply{}); err != nil {
				return
			}
		}
	})
	_, err = n.FetchBook(t.Context(), liar.Self(), proto.ClassCPU)
	wantCode(t, err, proto.CodeMalformed)
}

// The same over QUIC, where a refusal that comes before the request was read
// stops the sending.
func TestQUIC(t *testing.T) {
	h := hostLease(t)
	h.quote = func(context.Context, proto.PeerKey, proto.Quote) (proto.SignedTerms, error) {
		return proto.SignedTerms{}, proto.Refuse(proto.CodeBusy, "", "", "")
	}
	provider, requester := pair(t, h.seller, func(c *Config) {
		c.Listen = []string{"/ip4/127.0.0.1/udp/0/quic-v1"}
		c.Limits.Quotes = Rate{time.Hour, 1}
	})
	for _, want := range []proto.Code{proto.CodeBusy, proto.CodeRateLimited, proto.CodeRateLimited} {
		_, err := requester.Quote(t.Context(), provider.Self(), quote())
		wantCode(t, err, want)
	}
	c := openLease(t, provider, requester)
	h.log.Append(Log{Stdout, 0, make([]byte, proto.MaxLogChunk)})
	h.log.Append(Finished{Receipt: proto.Receipt{Lease: c.Lease(), End: proto.EndExited, Signature: proto.Signature{1}}})
	recv(t, c, 2)
	if err := c.SendVoucher(voucher(3), proto.NewAmount(2)); err != nil {
		t.Error(err)
	}
	if got := h.next(t); got != (Voucher{voucher(3), proto.NewAmount(2)}) {
		t.Errorf("%+v", got)
	}
}
