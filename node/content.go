package node

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// Fetching from a peer of a lease: a lost connection or a restart of either side
// is a pause. What came so far is kept.
const (
	refetchFirst = 200 * time.Millisecond
	refetchMost  = 10 * time.Second
	// refusedFor is how long a peer may say that it does not serve what it has
	// promised, or say nothing: after a restart it knows its leases in seconds.
	refusedFor = 30 * time.Second
	// goneFor is how long a requester waits for a provider that went away with a
	// result. A provider waits for inputs as long as it may prepare.
	goneFor = 5 * time.Minute
)

// fetchFrom brings a DAG from the other side of a lease, until ctx ends or the
// peer was gone for too long.
func fetchFrom(ctx context.Context, store *data.Store, from proto.PeerKey, root cid.Cid, limits data.Limits, patience time.Duration, progress func(data.Progress)) error {
	peer, err := wire.PeerID(from)
	if err != nil {
		return err
	}
	var refused, gone time.Time
	var had int64 // bytes, when it was last heard of
	counted := func(p data.Progress) {
		if p.Bytes > had {
			had, gone = p.Bytes, time.Time{}
		}
		if progress != nil {
			progress(p)
		}
	}
	for wait := refetchFirst; ; wait = min(2*wait, refetchMost) {
		err := store.Fetch(ctx, root, peer, limits, counted)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, data.ErrPeerGone):
			refused = time.Time{}
			if gone.IsZero() {
				gone = time.Now()
			}
			if time.Since(gone) > patience {
				return err
			}
		case errors.Is(err, data.ErrNotServed), errors.Is(err, data.ErrStalled):
			if refused.IsZero() {
				refused = time.Now()
			}
			if time.Since(refused) > refusedFor {
				return err
			}
		default:
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err
		}
	}
}
