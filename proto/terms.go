package proto

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Driver names what runs a job on a machine.
type Driver string

// The drivers.
const (
	DriverWasm   Driver = "wasm"
	DriverDocker Driver = "docker"
)

// Network is what a job may reach. The numbers are signed.
type Network uint8

// The network modes. Only NetworkNone is served today.
const (
	NetworkNone     Network = 0
	NetworkSetup    Network = 1
	NetworkInternet Network = 2
)

// Resources are what a machine sells or a job asks for.
type Resources struct {
	CPUMillis uint32 // thousandths of a core
	Memory    uint64 // bytes
	Disk      uint64 // bytes, inputs, outputs and scratch together
	GPUs      uint32
	VRAM      uint64 // bytes, of each GPU
	GPUModel  string
}

// Identity binds a peer to the account that is paid for its work. Signature is
// by PayeeSigner, so that the payee's own key can stay cold.
type Identity struct {
	Peer        PeerKey
	Payee       common.Address
	PayeeSigner common.Address
	Expires     time.Time
	Signature   Signature
}

// Needs is what a job asks of a machine, without telling what the job is.
type Needs struct {
	Driver      Driver
	Resources   Resources
	Network     Network
	MaxDuration time.Duration
	Token       common.Address
	MaxPrice    Price // zero: the requester did not say
}

// Terms are what both sides of a lease sign. Their EIP-712 digest is the lease's id.
type Terms struct {
	ProviderPeer  PeerKey
	RequesterPeer PeerKey
	Channel       ChannelKey
	Job           Hash // commitment, see Commit
	Driver        Driver
	Resources     Resources
	Network       Network
	Price         Price
	Slice         time.Duration
	StartFee      Amount
	Grace         time.Duration
	MaxDuration   time.Duration
	Retention     time.Duration
	Issued        time.Time
	Expires       time.Time // of the quote
	Nonce         Hash
}

// SignedTerms are terms with the signatures of the channel's two signers.
type SignedTerms struct {
	Terms
	Provider  Signature
	Requester Signature
}

// Offer is what a provider sells, once its signatures have been checked.
type Offer struct {
	Identity      Identity
	Seq           uint64
	Issued        time.Time
	Expires       time.Time
	Class         Class
	Token         common.Address
	Price         Price
	Resources     Resources
	Drivers       []Driver
	Slice         time.Duration
	StartFee      Amount
	MaxDuration   time.Duration
	MinCloseDelay uint32   // seconds
	Addrs         [][]byte // binary multiaddrs
	Simulated     bool     // its GPU is a pretended one
}

// JobPost is what a requester asks the network for.
type JobPost struct {
	Peer    PeerKey
	Seq     uint64
	Issued  time.Time
	Expires time.Time
	Class   Class
	Needs   Needs
	Addrs   [][]byte
}

// Commit hides a job behind a salt, so that a quote does not tell what will be
// run: keccak256(salt || canonical job bytes). The salt has a fixed width, so no
// two pairs collide by moving a byte.
func Commit(salt Hash, job []byte) Hash { return Hash(crypto.Keccak256Hash(salt[:], job)) }

// LeaseID returns the id of the lease that t would make in domain d.
func (t Terms) LeaseID(d Domain) LeaseID { return LeaseID(d.Digest(t)) }

// SliceAmount returns the rent of one slice.
func (t Terms) SliceAmount() Amount { return t.Price.Due(t.Slice) }

// Due returns what a lease costs after usage: the start fee and the rent.
func (t Terms) Due(usage time.Duration) Amount { return t.StartFee.Add(t.Price.Due(usage)) }

// Covers returns the usage that credit pays for, the start fee taken off first.
func (t Terms) Covers(credit Amount) time.Duration {
	if credit.Less(t.StartFee) {
		return 0
	}
	return t.Price.Covers(credit.Sub(t.StartFee))
}

// Validate checks that the parts of the terms fit together.
func (t Terms) Validate() error {
	if err := t.Channel.Validate(); err != nil {
		return Refuse(CodeWrongChannel, err.Error(), "", "")
	}
	bad := func(what string, actual, required any) error {
		return Refuse(CodeMalformed, fmt.Sprintf("%s %v", what, actual), fmt.Sprint(required), "")
	}
	switch {
	case t.Driver != DriverWasm && t.Driver != DriverDocker:
		return bad("driver", t.Driver, "wasm or docker")
	case t.Slice < MinSlice || t.Slice > MaxSlice:
		return bad("slice", t.Slice, fmt.Sprintf("%s to %s", MinSlice, MaxSlice))
	case t.Grace < 0 || t.Grace > MaxGrace:
		return bad("grace", t.Grace, fmt.Sprintf("at most %s", MaxGrace))
	case t.MaxDuration <= 0 || t.MaxDuration > MaxSpan:
		return bad("longest duration", t.MaxDuration, fmt.Sprintf("up to %s", MaxSpan))
	case t.Retention < 0 || t.Retention > MaxRetention:
		return bad("retention", t.Retention, fmt.Sprintf("at most %s", MaxRetention))
	case t.SliceAmount().Less(t.StartFee):
		return bad("start fee", t.StartFee, fmt.Sprintf("at most one slice, %s", t.SliceAmount()))
	case !t.Issued.Before(t.Expires) || t.Expires.Sub(t.Issued) > QuoteLife:
		return bad("quote's life", t.Expires.Sub(t.Issued), QuoteLife)
	case t.ProviderPeer == t.RequesterPeer:
		return bad("provider", "is the requester", "two peers")
	}
	return nil
}

// Class is a coarse kind of machine: a requester listens only to the classes
// that it may buy from.
type Class string

// The classes, from small to large.
const (
	ClassCPU       Class = "cpu"
	ClassNvidia8G  Class = "nvidia-8g"
	ClassNvidia16G Class = "nvidia-16g"
	ClassNvidia24G Class = "nvidia-24g"
	ClassNvidia48G Class = "nvidia-48g"
	ClassNvidia80G Class = "nvidia-80g"
)

// Classes are all classes, in ascending order of VRAM.
var Classes = []Class{ClassCPU, ClassNvidia8G, ClassNvidia16G, ClassNvidia24G, ClassNvidia48G, ClassNvidia80G}

// classVRAM is the least VRAM of a card of each class. Cards report a little
// less than their nominal size, hence 15/16 of it.
var classVRAM = map[Class]uint64{
	ClassCPU: 0, ClassNvidia8G: 15 << 29, ClassNvidia16G: 15 << 30, ClassNvidia24G: 45 << 29,
	ClassNvidia48G: 45 << 30, ClassNvidia80G: 75 << 30,
}

// Known reports whether c is one of Classes.
func (c Class) Known() bool { _, ok := classVRAM[c]; return ok }

// ClassOf returns the class that resources are offered in: the largest whose
// VRAM they reach. A card under 8 GB still counts as the smallest GPU class.
func ClassOf(r Resources) Class {
	if r.GPUs == 0 {
		return ClassCPU
	}
	best := ClassNvidia8G
	for _, c := range Classes[1:] {
		if r.VRAM >= classVRAM[c] {
			best = c
		}
	}
	return best
}

// ClassesFor returns the classes in which a need may find a match: its own and
// all larger ones, or every class when it wants no GPU.
func ClassesFor(r Resources) []Class {
	own := ClassOf(r)
	for i, c := range Classes {
		if c == own {
			return Classes[i:]
		}
	}
	return nil
}
