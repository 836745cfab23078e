package chain

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
)

// maxFollowed bounds the headers that are remembered, and the walk back to one of them. It is more than the deepest
// reorg that a chain in order can have, and few enough to fetch one by one after a pause.
const maxFollowed = 64

// NewHead is a new end of the chain.
type NewHead struct {
	Head
	// Reorged: what was the end before is not an ancestor of this one, or can't be shown to be.
	Reorged bool
}

// follower decides what a stream of heads means. It is pure: headers in, and out either a head to announce or the
// hash of an ancestor that has to be fetched first.
type follower struct {
	known   []Head // a stretch of the chain that was announced, oldest first
	pending []Head // the newest head and its ancestors so far, newest first, not yet linked to known
}

// next is what a step asks for; at most one field is set.
type next struct {
	fetch    common.Hash
	announce *NewHead
}

// see takes a server's head, or the ancestor that was asked for.
func (f follower) see(h Head) (follower, next) {
	if len(f.pending) == 0 {
		if f.index(h.Hash) >= 0 {
			// Nothing new; or a server that lags behind another. If it is a reorg to a shorter chain, the next
			// block will tell.
			return f, next{}
		}
		if len(f.known) == 0 {
			return f.anchor(h, false)
		}
	} else if h.Hash != f.pending[len(f.pending)-1].Parent {
		// The chain moved while we walked: begin again from this one.
		f.pending = nil
		return f.see(h)
	}
	f.pending = append(slices.Clone(f.pending), h)
	newest := f.pending[0]
	if at := f.index(h.Parent); at >= 0 {
		reorged := at != len(f.known)-1
		f.known = append(slices.Clone(f.known[:at+1]), backwards(f.pending)...)
		f.known = f.known[max(0, len(f.known)-maxFollowed):]
		f.pending = nil
		return f, next{announce: &NewHead{newest, reorged}}
	}
	if h.Number <= f.known[0].Number || len(f.pending) >= maxFollowed {
		return f.anchor(newest, true)
	}
	return f, next{fetch: h.Parent}
}

// restart forgets a walk that can't go on, because a server no longer knows the ancestor.
func (f follower) restart() follower {
	f.pending = nil
	return f
}

// anchor begins anew at h.
func (f follower) anchor(h Head, reorged bool) (follower, next) {
	return follower{known: []Head{h}}, next{announce: &NewHead{h, reorged}}
}

func (f follower) index(hash common.Hash) int {
	return slices.IndexFunc(f.known, func(h Head) bool { return h.Hash == hash })
}

func backwards(heads []Head) []Head {
	out := slices.Clone(heads)
	slices.Reverse(out)
	return out
}

// Heads looks for a new head at every interval, until ctx is done or the loop is left. A look that failed yields
// its error, and the next one follows: whoever consumes decides what to make of it.
func (c *Client) Heads(ctx context.Context, every time.Duration) iter.Seq2[NewHead, error] {
	return func(yield func(NewHead, error) bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var f follower
		for {
			head, err := c.look(ctx, &f)
			if ctx.Err() != nil {
				return
			}
			switch {
			case err != nil:
				if !yield(NewHead{}, err) {
					return
				}
			case head != nil:
				if !yield(*head, nil) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}

// look fetches the head, and as many of its ancestors as it takes to know what it means.
func (c *Client) look(ctx context.Context, f *follower) (*NewHead, error) {
	h, err := c.Head(ctx)
	for {
		if err != nil {
			*f = f.restart()
			return nil, err
		}
		var n next
		*f, n = f.see(h)
		if n.fetch == (common.Hash{}) {
			return n.announce, nil
		}
		h, err = c.headByHash(ctx, n.fetch)
	}
}
