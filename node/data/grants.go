package data

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

// everybody is the peer that published content is granted to.
const everybody peer.ID = ""

// grants say which blocks may go to whom. They are asked for each want of a
// stranger, so they hold sets in memory: about 100 bytes for each MiB granted.
type grants struct {
	mu     sync.RWMutex
	byPeer map[peer.ID][]grant
}

type grant struct {
	lease  string
	root   cid.Cid
	blocks map[cid.Cid]struct{} // shared between grants of one root, never written
}

func newGrants() *grants { return &grants{byPeer: make(map[peer.ID][]grant)} }

// Grant lets p fetch the DAG of root, which has to be here whole, until the
// lease is revoked. Granting again changes nothing.
func (s *Store) Grant(ctx context.Context, lease string, p peer.ID, root cid.Cid) error {
	if p == everybody {
		return fmt.Errorf("data: granting %s: no peer given", root)
	}
	return s.grant(ctx, lease, p, root)
}

// Revoke ends all grants of a lease. What is already on its way still arrives.
func (s *Store) Revoke(lease string) {
	s.grants.remove(func(p peer.ID, g grant) bool { return p != everybody && g.lease == lease })
}

// Publish lets anybody fetch the DAG of root, which has to be here whole.
func (s *Store) Publish(ctx context.Context, root cid.Cid) error {
	return s.grant(ctx, "", everybody, root)
}

// Unpublish takes that back. Grants of leases stay.
func (s *Store) Unpublish(root cid.Cid) {
	s.grants.remove(func(p peer.ID, g grant) bool { return p == everybody && g.root == root })
}

func (s *Store) grant(ctx context.Context, lease string, p peer.ID, root cid.Cid) error {
	op := s.begin()
	defer s.end(op)
	blocks, granted := s.grants.find(lease, p, root)
	if granted {
		return nil
	}
	if blocks == nil {
		blocks = make(map[cid.Cid]struct{})
		if err := s.reach(ctx, root, blocks, op); err != nil {
			return fmt.Errorf("granting %s: %w", root, err)
		}
	}
	s.grants.add(p, grant{lease: lease, root: root, blocks: blocks})
	return nil
}

func (g *grants) add(p peer.ID, add grant) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, have := range g.byPeer[p] {
		if have.lease == add.lease && have.root == add.root {
			return
		}
	}
	g.byPeer[p] = append(g.byPeer[p], add)
}

// find returns the blocks of root if anybody is granted them, and whether it
// is this peer by this lease.
func (g *grants) find(lease string, p peer.ID, root cid.Cid) (blocks map[cid.Cid]struct{}, granted bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for to, list := range g.byPeer {
		for _, have := range list {
			if have.root != root {
				continue
			}
			blocks = have.blocks
			if to == p && have.lease == lease {
				return blocks, true
			}
		}
	}
	return blocks, false
}

func (g *grants) remove(match func(peer.ID, grant) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, list := range g.byPeer {
		list = slices.DeleteFunc(list, func(have grant) bool { return match(p, have) })
		if len(list) == 0 {
			delete(g.byPeer, p)
		} else {
			g.byPeer[p] = list
		}
	}
}

// allows is bitswap's filter: whether p may have the block.
func (g *grants) allows(p peer.ID, c cid.Cid) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, list := range [][]grant{g.byPeer[p], g.byPeer[everybody]} {
		for _, have := range list {
			if _, ok := have.blocks[c]; ok {
				return true
			}
		}
	}
	return false
}

// serves tells whether there is anything at all for p.
func (g *grants) serves(p peer.ID) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.byPeer[p])+len(g.byPeer[everybody]) > 0
}

// each calls f with all that is granted to anybody.
func (g *grants) each(f func(blocks map[cid.Cid]struct{})) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, list := range g.byPeer {
		for _, have := range list {
			f(have.blocks)
		}
	}
}
