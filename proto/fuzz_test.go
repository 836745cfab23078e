package proto

import (
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// Every decoder of what strangers send: it must not panic, and what it takes it
// must give back the same way.

var fuzzNow = time.UnixMilli(1_800_000_000_000)

// anySignature lets the fuzzer past the peer's signature.
func anySignature(PeerKey, []byte, []byte) bool { return true }

func FuzzOpenOffer(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := Domain{ChainID: 1}
		o, err := OpenOffer(raw, d, fuzzNow, anySignature)
		if err != nil {
			return
		}
		if len(raw) > MaxOffer || o.Expires.Sub(o.Issued) > MaxOfferLife || o.Price.Due(o.Slice).Less(o.StartFee) || !o.Class.Known() {
			t.Fatalf("took %+v", o)
		}
		again, err := SealOffer(o, d, somePeer)
		if err != nil {
			return // a fixed-size signature in place of a short one may not fit
		}
		back, err := OpenOffer(again, d, fuzzNow, anySignature)
		if err != nil || !reflect.DeepEqual(o, back) {
			t.Fatalf("%+v came back as %+v, %v", o, back, err)
		}
	})
}

func FuzzOpenJobPost(f *testing.F) {
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := Domain{ChainID: 1}
		p, err := OpenJobPost(raw, d, fuzzNow, anySignature)
		if err != nil {
			return
		}
		if len(raw) > MaxOffer || p.Expires.Sub(p.Issued) > MaxJobPostLife || !p.Class.Known() {
			t.Fatalf("took %+v", p)
		}
		again, err := SealJobPost(p, d, somePeer)
		if err != nil {
			return
		}
		back, err := OpenJobPost(again, d, fuzzNow, anySignature)
		if err != nil || !reflect.DeepEqual(p, back) {
			t.Fatalf("%+v came back as %+v, %v", p, back, err)
		}
	})
}

// decode fuzzes one message's way in, and checks that what was taken travels.
func decode[M proto.Message, V interface{ Wire() M }](f *testing.F, fresh func() M, from func(M) (V, error), check func(*testing.T, V)) {
	f.Fuzz(func(t *testing.T, b []byte) {
		m := fresh()
		if proto.Unmarshal(b, m) != nil {
			return
		}
		v, err := from(m)
		if err != nil {
			return
		}
		check(t, v)
		back, err := from(travel(t, v.Wire()))
		if err != nil || !reflect.DeepEqual(v, back) {
			t.Fatalf("%+v came back as %+v, %v", v, back, err)
		}
	})
}

func FuzzSignedTermsFromWire(f *testing.F) {
	decode(f, func() *wirev1.SignedTerms { return new(wirev1.SignedTerms) }, SignedTermsFromWire, func(t *testing.T, v SignedTerms) {
		if err := v.Validate(); err != nil {
			t.Fatal(err)
		}
		if most := v.SliceAmount().Mul(2); most.Less(v.Due(v.Slice)) {
			t.Fatalf("the first slice costs %s, two slices %s", v.Due(v.Slice), most)
		}
		v.LeaseID(Domain{})
	})
}

func FuzzQuoteFromWire(f *testing.F) {
	decode(f, func() *wirev1.QuoteRequest { return new(wirev1.QuoteRequest) }, QuoteFromWire, func(t *testing.T, v Quote) {
		if err := v.Channel.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzVoucherFromWire(f *testing.F) {
	decode(f, func() *wirev1.Voucher { return new(wirev1.Voucher) }, VoucherFromWire, func(t *testing.T, v Voucher) {
		if MaxAmount.Less(v.Cumulative) {
			t.Fatalf("took %s", v.Cumulative)
		}
		if _, err := (Domain{}).Recover(v, v.Signature); v.Signature.IsZero() && err == nil {
			t.Fatal("nobody signed it, and somebody was recovered")
		}
	})
}

func FuzzReceiptFromWire(f *testing.F) {
	decode(f, func() *wirev1.Receipt { return new(wirev1.Receipt) }, ReceiptFromWire, func(t *testing.T, v Receipt) {
		if v.End == 0 || v.Usage < 0 || v.Usage > MaxSpan || MaxAmount.Less(v.Due) {
			t.Fatalf("took %+v", v)
		}
		v.StructHash()
	})
}

func FuzzRefusalFromWire(f *testing.F) {
	from := func(m *wirev1.Refusal) (*Refusal, error) { return RefusalFromWire(m), nil }
	decode(f, func() *wirev1.Refusal { return new(wirev1.Refusal) }, from, func(t *testing.T, v *Refusal) {
		for _, s := range []string{v.Actual, v.Required, v.Hint} {
			if len(s) > MaxRefusalText || !utf8.ValidString(s) || Printable(s) != s {
				t.Fatalf("took %q", s)
			}
		}
	})
}
