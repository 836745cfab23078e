package wire

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protodelim"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// Each target feeds bytes of a stranger to a decoder. None may panic; what comes
// out must be a checked value that survives being sent on, or a refusal.

func FuzzFrame(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.LeaseRequest
		err := readFrame(bytes.NewReader(b), &m, 4096)
		var r *proto.Refusal
		if err != nil && err != io.EOF && !errors.As(err, &r) && !errors.Is(err, ErrLost) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		if _, err := protodelim.MarshalTo(&out, &m); err != nil {
			t.Fatal(err)
		}
		var again wirev1.LeaseRequest
		if err := readFrame(&out, &again, 2*4096); err != nil || !protobuf.Equal(&m, &again) {
			t.Fatalf("%v, %v; want %v", &again, err, &m)
		}
	})
}

// decode reads a message as it would stand in a frame.
func decode(b []byte, m protobuf.Message) bool {
	return protobuf.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m) == nil
}

func needRefusal(t *testing.T, err error) {
	var r *proto.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("not a refusal: %v", err)
	}
}

func FuzzQuoteRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.QuoteRequest
		if !decode(b, &m) {
			return
		}
		q, err := proto.QuoteFromWire(&m)
		if err != nil {
			needRefusal(t, err)
			return
		}
		if again, err := proto.QuoteFromWire(q.Wire()); err != nil || again != q {
			t.Fatalf("%+v, %v; want %+v", again, err, q)
		}
	})
}

func FuzzQuoteReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.QuoteReply
		if !decode(b, &m) {
			return
		}
		terms, err := readQuoteReply(&m)
		if err != nil {
			needRefusal(t, err)
			return
		}
		if again, err := proto.SignedTermsFromWire(terms.Wire()); err != nil || again != terms {
			t.Fatalf("%+v, %v; want %+v", again, err, terms)
		}
	})
}

func FuzzLeaseRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.LeaseRequest
		if !decode(b, &m) {
			return
		}
		first, err := readLeaseRequest(&m)
		if err != nil {
			needRefusal(t, err)
		} else if again, err := readLeaseRequest(first.leaseRequest()); err != nil || !reflect.DeepEqual(again, first) {
			t.Fatalf("%+v, %v; want %+v", again, err, first)
		}
		later, err := readLeaseMessage(&m)
		if err != nil {
			needRefusal(t, err)
		} else if again, err := readLeaseMessage(later.leaseMessage()); err != nil || again != later {
			t.Fatalf("%+v, %v; want %+v", again, err, later)
		}
	})
}

func FuzzEvent(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.Event
		if !decode(b, &m) {
			return
		}
		e, err := readEvent(&m)
		if err != nil {
			needRefusal(t, err)
			return
		}
		if again, err := readEvent(e.wire()); err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%+v, %v; want %+v", again, err, e)
		}
	})
}

func FuzzChannelRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.ChannelRequest
		if !decode(b, &m) {
			return
		}
		ask, key, err := readChannelRequest(&m)
		if err != nil {
			needRefusal(t, err)
			return
		}
		if (ask != askSettle && ask != askSync) || key.Validate() != nil {
			t.Fatalf("%s %+v", ask, key)
		}
	})
}

func FuzzBookRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wirev1.BookRequest
		if !decode(b, &m) {
			return
		}
		if c, err := readBookRequest(&m); err != nil {
			needRefusal(t, err)
		} else if !c.Known() {
			t.Fatal(c)
		}
	})
}

// Signatures keep all but the seeds out of the far end of the checks.
func FuzzGossip(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		now := epoch
		c := newChecker(Config{Domain: domain, Limits: DefaultLimits(), Clock: func() time.Time { return now }}, &counts{n: map[verdict]uint64{}})
		if o, v := c.check(b, proto.ClassCPU); (v == accepted) != (o.Seq != 0) {
			t.Fatalf("%q: %+v", v, o)
		}
		if p, v := c.checkPost(b, proto.ClassCPU); (v == accepted) != (p.Seq != 0) {
			t.Fatalf("%q: %+v", v, p)
		}
	})
}
