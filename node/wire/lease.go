package wire

import (
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// The lease protocol: take a quote up, pay for it and watch it.
//
//	requester                                              provider
//	Open {terms signed by both, job, salt, voucher} or
//	Attach {lease, after seq}                    ->
//	                                             <- Accepted {lease} | Refusal, end of stream
//	                                             <- Event {seq, lost, ...}, until Finished
//	Voucher {voucher, promised}, Cancel, Ack {seq} ->
//	end of stream                                ->
//
// Open is idempotent: the lease is named by its terms. A requester whose stream
// broke attaches again and is told the events behind the last one that it has;
// events are kept until it acknowledges them. Several streams may be attached.
//
// Signs of life: every third of Limits.LeaseIdle the requester repeats its last
// Ack and the provider its Accepted. A stream on which nothing came for all of
// LeaseIdle is lost. After Finished the requester has as long to end the stream.
//
// A frame that breaks the protocol ends the stream, behind a Refusal that says
// why. How fast a requester reads does not matter to the lease: what does not
// leave within Limits.Write ends the stream, never the lease.
const leaseProtocol protocol.ID = "/lode/lease/1"

// LeaseRequest is the first thing that a requester says: Open or Attach.
type LeaseRequest interface{ leaseRequest() *wirev1.LeaseRequest }

// Open takes a quote up. Terms carry both signatures; Job is the canonical
// document and Salt opens the commitment to it.
type Open struct {
	Terms   proto.SignedTerms
	Job     []byte
	Salt    proto.Hash
	Voucher proto.Voucher
}

// Attach returns to a lease. After is the last event that the requester has.
type Attach struct {
	Lease proto.LeaseID
	After uint64
}

// LeaseMessage is what a requester says later: Voucher, Cancel or Ack.
type LeaseMessage interface{ leaseMessage() *wirev1.LeaseRequest }

// What a requester says on an attached stream.
type (
	// Voucher raises the channel's cumulative amount; its signature has not been
	// checked. Promised is how much of that is meant for this lease, in all.
	Voucher struct {
		proto.Voucher
		Promised proto.Amount
	}
	// Cancel ends the lease.
	Cancel struct{}
	// Ack lets the provider forget the events up to Seq.
	Ack struct{ Seq uint64 }
)

func (o Open) leaseRequest() *wirev1.LeaseRequest {
	return &wirev1.LeaseRequest{Kind: &wirev1.LeaseRequest_Open{Open: &wirev1.Open{
		Terms: o.Terms.Wire(), Job: o.Job, Salt: o.Salt[:], Voucher: o.Voucher.Wire(),
	}}}
}

func (a Attach) leaseRequest() *wirev1.LeaseRequest {
	return &wirev1.LeaseRequest{Kind: &wirev1.LeaseRequest_Attach{Attach: &wirev1.Attach{Lease: a.Lease[:], AfterSeq: a.After}}}
}

func (v Voucher) leaseMessage() *wirev1.LeaseRequest {
	return &wirev1.LeaseRequest{Kind: &wirev1.LeaseRequest_Voucher{Voucher: &wirev1.LeaseVoucher{
		Voucher: v.Voucher.Wire(), Promised: v.Promised.Bytes(),
	}}}
}

func (Cancel) leaseMessage() *wirev1.LeaseRequest {
	return &wirev1.LeaseRequest{Kind: &wirev1.LeaseRequest_Cancel{Cancel: &wirev1.Cancel{}}}
}

func (a Ack) leaseMessage() *wirev1.LeaseRequest {
	return &wirev1.LeaseRequest{Kind: &wirev1.LeaseRequest_Ack{Ack: &wirev1.Ack{Seq: a.Seq}}}
}

// readLeaseRequest reads a first frame. The error is a *proto.Refusal.
func readLeaseRequest(m *wirev1.LeaseRequest) (LeaseRequest, error) {
	switch k := m.GetKind().(type) {
	case *wirev1.LeaseRequest_Open:
		return readOpen(k.Open)
	case *wirev1.LeaseRequest_Attach:
		id, err := readLeaseID(k.Attach.GetLease())
		return Attach{id, k.Attach.GetAfterSeq()}, err
	}
	return nil, proto.Refuse(proto.CodeMalformed, "another frame", "open or attach", "")
}

func readOpen(m *wirev1.Open) (LeaseRequest, error) {
	terms, err := proto.SignedTermsFromWire(m.GetTerms())
	if err != nil {
		return nil, err
	}
	voucher, err := proto.VoucherFromWire(m.GetVoucher())
	if err != nil {
		return nil, err
	}
	if n := len(m.GetJob()); n == 0 || n > proto.MaxJob {
		return nil, malformed("a job of %d bytes", "1 to %d", n, proto.MaxJob)
	}
	if n := len(m.GetSalt()); n != len(proto.Hash{}) {
		return nil, malformed("a salt of %d bytes", "%d", n, len(proto.Hash{}))
	}
	return Open{terms, m.GetJob(), proto.Hash(m.GetSalt()), voucher}, nil
}

func readVoucher(m *wirev1.LeaseVoucher) (LeaseMessage, error) {
	v, err := proto.VoucherFromWire(m.GetVoucher())
	if err != nil {
		return nil, err
	}
	promised, err := proto.AmountFromWire("promised", m.GetPromised())
	return Voucher{v, promised}, err
}

func readLeaseID(b []byte) (proto.LeaseID, error) {
	if len(b) != len(proto.LeaseID{}) {
		return proto.LeaseID{}, malformed("a lease id of %d bytes", "%d", len(b), len(proto.LeaseID{}))
	}
	return proto.LeaseID(b), nil
}

// readLeaseMessage reads a later frame. The error is a *proto.Refusal.
func readLeaseMessage(m *wirev1.LeaseRequest) (LeaseMessage, error) {
	switch k := m.GetKind().(type) {
	case *wirev1.LeaseRequest_Voucher:
		return readVoucher(k.Voucher)
	case *wirev1.LeaseRequest_Cancel:
		return Cancel{}, nil
	case *wirev1.LeaseRequest_Ack:
		return Ack{k.Ack.GetSeq()}, nil
	}
	return nil, proto.Refuse(proto.CodeMalformed, "another frame", "a voucher, a cancel or an ack", "")
}
