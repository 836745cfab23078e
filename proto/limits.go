package proto

import "time"

// Limits that meet remote input before anything else does. Sizes are bytes.
// They are constants of the protocol: a peer that goes beyond one is refused,
// whoever it is.
const (
	// MaxOffer bounds a gossiped offer or job post, so that a hundred thousand
	// of them stay affordable for a home line.
	MaxOffer = 1024
	// MaxOfferLife bounds how long a dead provider can stay in a book.
	MaxOfferLife = 30 * time.Minute
	// OfferRefresh is how often a provider repeats its offer.
	OfferRefresh = 10 * time.Minute
	// OfferResend is the least time between two offers of one author: one in
	// five seconds is what a change may cost the network.
	OfferResend = 5 * time.Second
	// MaxJobPostLife bounds how long a need is answered.
	MaxJobPostLife = 2 * time.Minute
	// MaxClockSkew is how far ahead another's clock may be.
	MaxClockSkew = 2 * time.Minute
	// MaxAddrs bounds the addresses of an offer or job post.
	MaxAddrs = 8
	// MaxAddr bounds one binary multiaddr.
	MaxAddr = 128

	// MaxQuoteFrame bounds a quote's request and reply.
	MaxQuoteFrame = 4 << 10
	// MaxJob bounds the canonical bytes of a job.
	MaxJob = 64 << 10
	// MaxLeaseRequest bounds a frame from the requester: Open carries the job.
	MaxLeaseRequest = MaxJob + 4<<10
	// MaxLogChunk bounds the data of one log event.
	MaxLogChunk = 16 << 10
	// Outputs is the job's folder whose content is its result.
	Outputs = "/out"
	// LeastCPUMillis, LeastMemory and LeastDisk are the smallest job: what holding
	// one costs a provider in any case.
	LeastCPUMillis = 10
	LeastMemory    = 16 << 20
	LeastDisk      = 1 << 20
	// MaxInlineResult and MaxInlineBlocks bound the blocks that ride in Finished.
	MaxInlineResult = 64 << 10
	MaxInlineBlocks = 256
	// MaxLeaseReply bounds a frame from the provider: Finished may carry a result.
	MaxLeaseReply = MaxInlineResult + 8<<10
	// MaxChannelFrame bounds a channel request and its reply.
	MaxChannelFrame = 1 << 10
	// MaxBookOffers bounds the offers of one class that a book answer holds.
	MaxBookOffers = 256
	// MaxBookFrame bounds one frame of a book answer.
	MaxBookFrame = 64 << 10
	// MaxRefusalText bounds each text of a refusal.
	MaxRefusalText = 256

	// QuoteLife is how long a quoted price is good.
	QuoteLife = 10 * time.Minute
	// StreamOpen is how long a peer has for its first frame.
	StreamOpen = 10 * time.Second
	// StreamWrite is how long a frame may take to leave.
	StreamWrite = 10 * time.Second
	// LeaseIdle is how long an attached lease stream may be silent. Usage is
	// reported at least every LeaseIdle/3 while a job runs.
	LeaseIdle = 90 * time.Second

	// MaxEventRing bounds the events that a provider keeps for a requester that
	// is away, and MaxEventRingBytes their data.
	MaxEventRing      = 4096
	MaxEventRingBytes = 1 << 20

	// MinCloseDelay and MaxCloseDelay are the contract's own.
	MinCloseDelay = time.Hour
	MaxCloseDelay = 30 * 24 * time.Hour
	// MinSlice and MaxSlice bound the rent paid ahead.
	MinSlice = time.Second
	MaxSlice = time.Hour
	// MaxGrace bounds a lease's grace budget.
	MaxGrace = time.Hour
	// MaxRetention bounds how long results are kept.
	MaxRetention = 30 * 24 * time.Hour

	// MaxEnv, MaxArgs, MaxInputs bound the lists of a job.
	MaxEnv    = 256
	MaxArgs   = 1024
	MaxInputs = 64
)
