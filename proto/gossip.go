package proto

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"google.golang.org/protobuf/proto"

	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// PeerSigner signs with the peer's Ed25519 key.
type PeerSigner interface {
	Sign(message []byte) ([]byte, error)
}

// PeerVerifier checks a peer's Ed25519 signature. The wire gives it, so that
// this package needs no network library.
type PeerVerifier func(peer PeerKey, message, signature []byte) bool

// The two kinds of gossip. The tag goes in front of what is signed, with the
// network's domain separator, so that an offer can't be replayed as a job post
// or on another network.
const (
	offerTag   = "lode offer 1\x00"
	jobPostTag = "lode job post 1\x00"
)

func signedBytes(tag string, d Domain, body []byte) []byte {
	sep := d.Separator()
	return crypto.Keccak256([]byte(tag), sep[:], body)
}

// SealOffer returns the signed, encoded offer. The error is a Refusal when it
// is larger than MaxOffer.
func SealOffer(o Offer, d Domain, key PeerSigner) ([]byte, error) {
	drivers := make([]string, len(o.Drivers))
	for i, d := range o.Drivers {
		drivers[i] = string(d)
	}
	return seal(offerTag, d, key, &wirev1.OfferBody{
		Peer: o.Identity.Peer[:], Seq: o.Seq, IssuedMs: millis(o.Issued), ExpiresMs: millis(o.Expires), Class: string(o.Class),
		Identity: &wirev1.Identity{
			Payee: o.Identity.Payee.Bytes(), PayeeSigner: o.Identity.PayeeSigner.Bytes(),
			ExpiresMs: millis(o.Identity.Expires), Signature: o.Identity.Signature[:],
		},
		Token: o.Token.Bytes(), Price: o.Price.Amount().Bytes(), Resources: o.Resources.Wire(), Drivers: drivers,
		SliceMs: span(o.Slice), StartFee: o.StartFee.Bytes(), MaxDurationMs: span(o.MaxDuration),
		MinCloseDelayS: o.MinCloseDelay, Addrs: o.Addrs, Simulated: o.Simulated,
	})
}

// SealJobPost returns the signed, encoded job post.
func SealJobPost(p JobPost, d Domain, key PeerSigner) ([]byte, error) {
	return seal(jobPostTag, d, key, &wirev1.JobPostBody{
		Peer: p.Peer[:], Seq: p.Seq, IssuedMs: millis(p.Issued), ExpiresMs: millis(p.Expires), Class: string(p.Class),
		Needs: p.Needs.Wire(), Addrs: p.Addrs,
	})
}

func seal(tag string, d Domain, key PeerSigner, m proto.Message) ([]byte, error) {
	body, err := proto.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	sig, err := key.Sign(signedBytes(tag, d, body))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	raw, err := proto.Marshal(&wirev1.Signed{Body: body, Signature: sig})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(raw) > MaxOffer {
		return nil, Refuse(CodeMalformed, fmt.Sprintf("%d bytes", len(raw)), fmt.Sprintf("at most %d", MaxOffer), "give fewer addresses")
	}
	return raw, nil
}

// OpenOffer decodes an offer and checks its size, form, life and the peer's
// signature, cheapest first. now is this node's clock. The account's signature,
// which costs ten times as much, is VerifyIdentity: a receiver of gossip looks at
// the author's rate and sequence in between.
func OpenOffer(raw []byte, d Domain, now time.Time, verify PeerVerifier) (Offer, error) {
	var body wirev1.OfferBody
	signed, err := open(raw, &body)
	if err != nil {
		return Offer{}, err
	}
	var r reader
	id := body.GetIdentity()
	o := Offer{
		Identity: Identity{
			Peer: r.peer("peer", body.GetPeer()), Payee: r.address("payee", id.GetPayee()),
			PayeeSigner: r.address("payee_signer", id.GetPayeeSigner()), Expires: r.time("identity.expires_ms", id.GetExpiresMs()),
			Signature: r.signature("identity.signature", id.GetSignature()),
		},
		Seq: body.GetSeq(), Issued: r.time("issued_ms", body.GetIssuedMs()), Expires: r.time("expires_ms", body.GetExpiresMs()),
		Class: r.class(body.GetClass()), Token: r.address("token", body.GetToken()), Price: PerHour(r.amount("price", body.GetPrice())),
		Resources: r.resources(body.GetResources()), Slice: r.span("slice_ms", body.GetSliceMs()),
		StartFee: r.amount("start_fee", body.GetStartFee()), MaxDuration: r.span("max_duration_ms", body.GetMaxDurationMs()),
		MinCloseDelay: body.GetMinCloseDelayS(), Addrs: r.addrs(body.GetAddrs()), Simulated: body.GetSimulated(),
	}
	if n := len(body.GetDrivers()); n == 0 || n > 2 {
		r.fail("drivers", n, "1 or 2")
	} else {
		for _, s := range body.GetDrivers() {
			o.Drivers = append(o.Drivers, r.driver(s))
		}
	}
	if r.err != nil {
		return Offer{}, r.err
	}
	switch {
	case o.Class != ClassOf(o.Resources):
		return Offer{}, Refuse(CodeMalformed, "class "+string(o.Class), string(ClassOf(o.Resources)), "")
	case o.Slice < MinSlice || o.Slice > MaxSlice:
		return Offer{}, Refuse(CodeMalformed, "slice "+o.Slice.String(), fmt.Sprintf("%s to %s", MinSlice, MaxSlice), "")
	case o.Price.Due(o.Slice).Less(o.StartFee):
		return Offer{}, Refuse(CodeMalformed, "start fee "+o.StartFee.String(), "at most one slice", "")
	}
	if err := checkLife(o.Issued, o.Expires, now, MaxOfferLife); err != nil {
		return Offer{}, err
	}
	if !o.Identity.Expires.After(now) {
		return Offer{}, Refuse(CodeExpired, "identity expired "+o.Identity.Expires.UTC().Format(time.RFC3339), "later than now", "")
	}
	if !verify(o.Identity.Peer, signedBytes(offerTag, d, signed.GetBody()), signed.GetSignature()) {
		return Offer{}, Refuse(CodeBadSignature, "not by the peer that it names", o.Identity.Peer.String(), "")
	}
	return o, nil
}

// VerifyIdentity checks that the account which an offer names agreed to be
// named by its peer.
func (o Offer) VerifyIdentity(d Domain) error {
	if err := d.Verify(o.Identity, o.Identity.Signature, o.Identity.PayeeSigner); err != nil {
		return Refuse(CodeBadSignature, err.Error(), o.Identity.PayeeSigner.String(), "")
	}
	return nil
}

// OpenJobPost decodes a job post, in the same order as OpenOffer.
func OpenJobPost(raw []byte, d Domain, now time.Time, verify PeerVerifier) (JobPost, error) {
	var body wirev1.JobPostBody
	signed, err := open(raw, &body)
	if err != nil {
		return JobPost{}, err
	}
	var r reader
	p := JobPost{
		Peer: r.peer("peer", body.GetPeer()), Seq: body.GetSeq(),
		Issued: r.time("issued_ms", body.GetIssuedMs()), Expires: r.time("expires_ms", body.GetExpiresMs()),
		Class: r.class(body.GetClass()), Needs: r.needs(body.GetNeeds()), Addrs: r.addrs(body.GetAddrs()),
	}
	if r.err != nil {
		return JobPost{}, r.err
	}
	if err := checkLife(p.Issued, p.Expires, now, MaxJobPostLife); err != nil {
		return JobPost{}, err
	}
	if !verify(p.Peer, signedBytes(jobPostTag, d, signed.GetBody()), signed.GetSignature()) {
		return JobPost{}, Refuse(CodeBadSignature, "not by the peer that it names", p.Peer.String(), "")
	}
	return p, nil
}

func open(raw []byte, body proto.Message) (*wirev1.Signed, error) {
	if len(raw) > MaxOffer {
		return nil, Refuse(CodeMalformed, fmt.Sprintf("%d bytes", len(raw)), fmt.Sprintf("at most %d", MaxOffer), "")
	}
	signed := new(wirev1.Signed)
	if err := proto.Unmarshal(raw, signed); err != nil {
		return nil, Refuse(CodeMalformed, "not a signed message", "", "")
	}
	if len(signed.GetSignature()) != 64 {
		return nil, Refuse(CodeMalformed, fmt.Sprintf("signature of %d bytes", len(signed.GetSignature())), "64", "")
	}
	if err := proto.Unmarshal(signed.GetBody(), body); err != nil {
		return nil, Refuse(CodeMalformed, "the body is not of its kind", "", "")
	}
	return signed, nil
}

func checkLife(issued, expires, now time.Time, most time.Duration) error {
	switch {
	case !expires.After(now):
		return Refuse(CodeExpired, "expired "+expires.UTC().Format(time.RFC3339), "later than now", "check both clocks")
	case issued.After(now.Add(MaxClockSkew)):
		return Refuse(CodeMalformed, "issued "+issued.UTC().Format(time.RFC3339), "not in the future", "check both clocks")
	case expires.Sub(issued) > most:
		return Refuse(CodeMalformed, "lives "+expires.Sub(issued).String(), "at most "+most.String(), "")
	}
	return nil
}
