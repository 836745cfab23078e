package chain

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"
)

// tree is every block that any server ever showed, by hash.
type tree map[common.Hash]Head

func (tr tree) add(parent Head, n uint64) Head {
	var h Head
	binary.BigEndian.PutUint64(h.Hash[:], n+1)
	if parent.Hash != (common.Hash{}) {
		h.Number, h.Parent = parent.Number+1, parent.Hash
	}
	tr[h.Hash] = h
	return h
}

// ancestor reports whether old is h or below it.
func (tr tree) ancestor(old, h Head) bool {
	for h.Number > old.Number {
		h = tr[h.Parent]
	}
	return h.Hash == old.Hash
}

// run feeds a head to the follower, and fetches for it what it asks for.
func (tr tree) run(t *rapid.T, f follower, h Head) (follower, *NewHead) {
	f, n := f.see(h)
	for fetched := 0; n.fetch != (common.Hash{}); fetched++ {
		if fetched > maxFollowed {
			t.Fatalf("the walk does not end")
		}
		h, ok := tr[n.fetch]
		if !ok {
			t.Fatalf("asked for block %v, which is not there", n.fetch)
		}
		f, n = f.see(h)
	}
	return f, n.announce
}

// TestFollowerAgreesWithTheTree shows random heads of a random tree and compares each announcement with what walking
// the whole tree says.
func TestFollowerAgreesWithTheTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := tree{}
		blocks := []Head{tr.add(Head{}, 0)}
		var f follower
		f, _ = tr.run(t, f, blocks[0])
		last := blocks[0]
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			parent := rapid.SampledFrom(blocks[max(0, len(blocks)-6):]).Draw(t, "parent")
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "burst") {
				parent = tr.add(parent, uint64(len(blocks)))
				blocks = append(blocks, parent)
			}
			shown := rapid.SampledFrom(blocks[max(0, len(blocks)-8):]).Draw(t, "shown")
			var got *NewHead
			f, got = tr.run(t, f, shown)
			switch {
			case tr.ancestor(shown, last):
				if got != nil {
					t.Fatalf("step %d: announced %v, an old block", n, got.Number)
				}
				continue
			case got == nil:
				t.Fatalf("step %d: did not announce block %d", n, shown.Number)
			case got.Hash != shown.Hash || got.Reorged == tr.ancestor(last, shown):
				t.Fatalf("step %d: announced %d with reorged %v after %d", n, got.Number, got.Reorged, last.Number)
			}
			last = shown
		}
	})
}

// TestFollowerAfterALongPause can't fetch every block that it missed, so it must not claim that nothing was lost.
func TestFollowerAfterALongPause(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := tree{}
		first := tr.add(Head{}, 0)
		f, _ := tr.run(t, follower{}, first)
		h := first
		gap := rapid.IntRange(1, 3*maxFollowed).Draw(t, "gap")
		for n := range gap {
			h = tr.add(h, uint64(n+1))
		}
		f, got := tr.run(t, f, h)
		if got == nil || got.Hash != h.Hash || got.Reorged != (gap > maxFollowed) {
			t.Fatalf("after %d blocks: %+v", gap, got)
		}
		if len(f.known) > maxFollowed {
			t.Fatalf("%d headers are remembered", len(f.known))
		}
	})
}

// TestFollowerWhenTheChainMovesUnderTheWalk: the ancestor asked for is gone, another head is there.
func TestFollowerWhenTheChainMovesUnderTheWalk(t *testing.T) {
	tr := tree{}
	a := tr.add(Head{}, 0)
	b := tr.add(a, 1)
	c := tr.add(b, 2)
	other := tr.add(a, 3)
	f, _ := follower{}.see(a)
	f, n := f.see(c)
	if n.fetch != b.Hash {
		t.Fatalf("asked for %v, want the parent", n.fetch)
	}
	if _, n := f.see(other); n.announce == nil || n.announce.Hash != other.Hash || n.announce.Reorged {
		t.Errorf("a new head in the middle of the walk: %+v", n.announce)
	}
	if _, n := f.restart().see(c); n.fetch != b.Hash {
		t.Errorf("after a restart: %+v", n)
	}
}

func TestHeadIsOnlyAHead(t *testing.T) {
	f, n := follower{}.see(Head{Number: 7, Hash: common.Hash{7}, Time: time.Unix(9, 0)})
	if n.announce == nil || n.announce.Reorged || n.announce.Number != 7 || n.announce.Time != time.Unix(9, 0) {
		t.Errorf("the first head: %+v", n.announce)
	}
	if _, n := f.see(Head{Number: 7, Hash: common.Hash{7}}); n != (next{}) {
		t.Errorf("the same head again: %+v", n)
	}
	if _, n := f.see(Head{Number: 7, Hash: common.Hash{8}, Parent: common.Hash{6}}); n.announce == nil || !n.announce.Reorged {
		t.Errorf("another block at the only height known: %+v", n.announce)
	}
}
