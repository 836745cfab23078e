package proto

import (
	"crypto/ed25519"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// travel encodes and decodes m, as the wire does.
func travel[M proto.Message](t interface{ Fatal(...any) }, m M) M {
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := m.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out.(M)
}

func same[T any](t *rapid.T, want, got T, err error) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(want, got) {
		t.Fatalf("came back as %+v, %v\nwas %+v", got, err, want)
	}
}

func TestWireRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := drawChannelKey(t)
		k, err := ChannelKeyFromWire(travel(t, key.Wire()))
		same(t, key, k, err)

		voucher := drawVoucher(t)
		v, err := VoucherFromWire(travel(t, voucher.Wire()))
		same(t, voucher, v, err)

		settlement := drawSettlement(t)
		s, err := SettlementFromWire(settlement.Channel, travel(t, settlement.Wire()))
		same(t, settlement, s, err)

		receipt := drawReceipt(t)
		r, err := ReceiptFromWire(travel(t, receipt.Wire()))
		same(t, receipt, r, err)

		quote := Quote{Needs: drawNeeds(t), Job: drawHash(t, "job"), Channel: key}
		q, err := QuoteFromWire(travel(t, quote.Wire()))
		same(t, quote, q, err)

		terms := drawTerms(t)
		back, err := SignedTermsFromWire(travel(t, terms.Wire()))
		same(t, terms, back, err)
		if d := drawDomain(t); terms.LeaseID(d) != back.LeaseID(d) {
			t.Fatal("the lease changed its id on the way")
		}

		refusal := Refuse(Code(rapid.Uint32().Draw(t, "code")), drawText(t, "actual"), drawText(t, "required"), drawText(t, "hint"))
		same(t, refusal, RefusalFromWire(travel(t, refusal.Wire())), nil)
	})
}

// peerKey signs as a peer of the network does.
type peerKey ed25519.PrivateKey

func (k peerKey) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), message), nil
}

func (k peerKey) peer() PeerKey { return PeerKey(ed25519.PrivateKey(k).Public().(ed25519.PublicKey)) }

func verifyPeer(peer PeerKey, message, signature []byte) bool {
	return ed25519.Verify(peer[:], message, signature)
}

var somePeer = peerKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))

func drawAddrs(t *rapid.T) (addrs [][]byte) {
	for range rapid.IntRange(0, MaxAddrs).Draw(t, "addresses") {
		addrs = append(addrs, drawBytes(t, "address", rapid.IntRange(1, 24).Draw(t, "length")))
	}
	return addrs
}

func drawOffer(t *rapid.T, now time.Time) Offer {
	id := drawIdentity(t)
	id.Peer, id.Expires = somePeer.peer(), now.Add(time.Hour)
	o := Offer{
		Identity: id, Seq: rapid.Uint64().Draw(t, "seq"), Issued: now, Expires: now.Add(drawSpan(t, "life", time.Millisecond, MaxOfferLife)),
		Token: drawAccount(t, "token"), Price: PerHour(amounts().Draw(t, "price")), Resources: drawResources(t),
		Drivers: rapid.SampledFrom([][]Driver{{DriverWasm}, {DriverDocker}, {DriverWasm, DriverDocker}}).Draw(t, "drivers"),
		Slice:   drawSpan(t, "slice", MinSlice, MaxSlice), MaxDuration: drawSpan(t, "duration", 0, MaxSpan),
		MinCloseDelay: rapid.Uint32().Draw(t, "delay"), Addrs: drawAddrs(t), Simulated: rapid.Bool().Draw(t, "simulated"),
	}
	o.Class = ClassOf(o.Resources)
	o.StartFee = MinAmount(amounts().Draw(t, "fee"), o.Price.Due(o.Slice))
	return o
}

func TestGossipRoundTrips(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		d := drawDomain(t)
		offer := drawOffer(t, now)
		raw, err := SealOffer(offer, d, somePeer)
		if err != nil {
			t.Fatal(err)
		}
		o, err := OpenOffer(raw, d, now, verifyPeer)
		if err == nil && offer.Identity.Signature.IsZero() {
			o.Identity.Signature = Signature{} // sent as 65 zero bytes
		}
		same(t, offer, o, err)

		post := JobPost{
			Peer: somePeer.peer(), Seq: rapid.Uint64().Draw(t, "seq"), Issued: now, Expires: now.Add(MaxJobPostLife),
			Class: rapid.SampledFrom(Classes).Draw(t, "class"), Needs: drawNeeds(t), Addrs: drawAddrs(t),
		}
		rawPost, err := SealJobPost(post, d, somePeer)
		if err != nil {
			t.Fatal(err)
		}
		p, err := OpenJobPost(rawPost, d, now, verifyPeer)
		same(t, post, p, err)

		// One is not taken for the other, nor on another network, nor after a change.
		if _, err := OpenJobPost(raw, d, now, verifyPeer); err == nil {
			t.Fatal("an offer was taken for a job post")
		}
		elsewhere := Domain{ChainID: d.ChainID + 1, Channels: d.Channels}
		if _, err := OpenOffer(raw, elsewhere, now, verifyPeer); !errors.Is(err, Refuse(CodeBadSignature, "", "", "")) {
			t.Fatalf("an offer of another network: %v", err)
		}
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		if changed, err := OpenOffer(raw, d, now, verifyPeer); err == nil && !reflect.DeepEqual(changed, o) {
			t.Fatalf("a changed offer was taken: %+v", changed)
		}
	})
}

func TestGossipRefuses(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	d := Domain{ChainID: 1}
	offer := func(change func(*Offer)) []byte {
		o := Offer{
			Identity: Identity{Peer: somePeer.peer(), Expires: now.Add(time.Hour)}, Issued: now, Expires: now.Add(MaxOfferLife),
			Class: ClassCPU, Price: PerHour(NewAmount(3600)), Drivers: []Driver{DriverWasm}, Slice: 10 * time.Second,
		}
		change(&o)
		raw, err := SealOffer(o, d, somePeer)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if _, err := OpenOffer(offer(func(*Offer) {}), d, now, verifyPeer); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		raw  []byte
		code Code
	}{
		"another peer":      {offer(func(o *Offer) { o.Identity.Peer[0]++ }), CodeBadSignature},
		"expired":           {offer(func(o *Offer) { o.Expires = now }), CodeExpired},
		"of the future":     {offer(func(o *Offer) { o.Issued = now.Add(MaxClockSkew + time.Millisecond) }), CodeMalformed},
		"lives too long":    {offer(func(o *Offer) { o.Expires = o.Issued.Add(MaxOfferLife + time.Millisecond) }), CodeMalformed},
		"identity expired":  {offer(func(o *Offer) { o.Identity.Expires = now }), CodeExpired},
		"class too high":    {offer(func(o *Offer) { o.Class = ClassNvidia80G }), CodeMalformed},
		"unknown class":     {offer(func(o *Offer) { o.Class = "tpu" }), CodeMalformed},
		"short slice":       {offer(func(o *Offer) { o.Slice = MinSlice - time.Millisecond }), CodeMalformed},
		"fee above a slice": {offer(func(o *Offer) { o.StartFee = NewAmount(11) }), CodeMalformed},
		"no driver":         {offer(func(o *Offer) { o.Drivers = nil }), CodeMalformed},
		"unknown driver":    {offer(func(o *Offer) { o.Drivers = []Driver{"vm"} }), CodeMalformed},
		"steers a terminal": {offer(func(o *Offer) { o.Resources.GPUModel = "\x1b[2J" }), CodeMalformed},
		"too large":         {make([]byte, MaxOffer+1), CodeMalformed},
		"empty":             {nil, CodeMalformed},
	} {
		if _, err := OpenOffer(c.raw, d, now, verifyPeer); !errors.Is(err, Refuse(c.code, "", "", "")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SealOffer(Offer{Addrs: [][]byte{make([]byte, MaxOffer)}}, d, somePeer); err == nil {
		t.Error("sealed an offer that nobody would take")
	}
}

func TestTermsRefuse(t *testing.T) {
	_, _, terms := samples(t)
	good := terms[0]
	for name, change := range map[string]func(*Terms){
		"payer is payee":    func(t *Terms) { t.Channel.Payee = t.Channel.Payer },
		"no signer":         func(t *Terms) { t.Channel.PayerSigner = [20]byte{} },
		"short close delay": func(t *Terms) { t.Channel.CloseDelay = 3599 },
		"driver":            func(t *Terms) { t.Driver = "vm" },
		"slice":             func(t *Terms) { t.Slice = MaxSlice + time.Millisecond },
		"grace":             func(t *Terms) { t.Grace = MaxGrace + time.Millisecond },
		"no duration":       func(t *Terms) { t.MaxDuration = 0 },
		"retention":         func(t *Terms) { t.Retention = MaxRetention + time.Millisecond },
		"fee above a slice": func(t *Terms) { t.StartFee = t.SliceAmount().Add(NewAmount(1)) },
		"long quote":        func(t *Terms) { t.Expires = t.Issued.Add(QuoteLife + time.Millisecond) },
		"no life":           func(t *Terms) { t.Expires = t.Issued },
		"with oneself":      func(t *Terms) { t.RequesterPeer = t.ProviderPeer },
	} {
		bad := good
		change(&bad)
		var refusal *Refusal
		if _, err := SignedTermsFromWire(SignedTerms{Terms: bad}.Wire()); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := SignedTermsFromWire(SignedTerms{Terms: good}.Wire()); err != nil {
		t.Error(err)
	}
	if _, err := SignedTermsFromWire(new(wirev1.SignedTerms)); err == nil {
		t.Error("took empty terms")
	}
}
