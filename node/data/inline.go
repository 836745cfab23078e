package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
)

// Inline returns the blocks of root's DAG, parents first, as long as all fit
// into maxBytes and maxBlocks, so that a small result can ride in a message. If it
// does not fit, or not all of it is here, complete is false and blocks are what did.
func (s *Store) Inline(ctx context.Context, root cid.Cid, maxBytes, maxBlocks int) (blocks [][]byte, complete bool, err error) {
	todo, seen := []cid.Cid{root}, map[cid.Cid]bool{root: true}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		c := todo[0]
		todo = todo[1:]
		// The size first: what does not fit need not be read.
		size, err := s.blocks.size(c)
		if errors.Is(err, ErrMissing) || err == nil && (size > int64(maxBytes) || len(blocks) == maxBlocks) {
			return blocks, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		block, err := s.blocks.get(c)
		if err != nil {
			return nil, false, err
		}
		n, err := decode(c, block)
		if err != nil {
			return nil, false, err
		}
		blocks = append(blocks, block)
		maxBytes -= len(block)
		for _, l := range n.links {
			if !seen[l.cid] {
				seen[l.cid] = true
				todo = append(todo, l.cid)
			}
		}
	}
	return blocks, true, nil
}

// PutInline stores blocks that came in a message, if root leads to every one
// of them through others of them; otherwise it stores none (ErrForeignBlock).
// A Fetch after it checks limits and gets what is missing, and asks nobody if
// nothing is.
func (s *Store) PutInline(ctx context.Context, root cid.Cid, blocks [][]byte) error {
	if err := checkCid(root); err != nil {
		return err
	}
	byHash := make(map[string][]byte, len(blocks))
	for _, b := range blocks {
		digest := sha256.Sum256(b)
		byHash[string(digest[:])] = b
	}
	used := make(map[string]bool, len(blocks))
	type found struct {
		cid   cid.Cid
		block []byte
	}
	var belong []found
	todo, seen := []cid.Cid{root}, map[cid.Cid]bool{root: true}
	for len(todo) > 0 {
		c := todo[0]
		todo = todo[1:]
		hash := c.Hash()
		digest := string(hash[len(hash)-sha256.Size:])
		block, ok := byHash[digest]
		if !ok {
			continue
		}
		n, err := decode(c, block)
		if err != nil {
			return err
		}
		used[digest] = true
		belong = append(belong, found{c, block})
		for _, l := range n.links {
			if !seen[l.cid] {
				seen[l.cid] = true
				todo = append(todo, l.cid)
			}
		}
	}
	if len(used) != len(byHash) {
		return fmt.Errorf("%w: %d of %d blocks given for %s", ErrForeignBlock, len(byHash)-len(used), len(byHash), root)
	}

	op := s.begin()
	defer s.end(op)
	pool, _ := newPool(ctx)
	for _, b := range belong {
		pool.Go(func() error { return op.put(b.cid, b.block) })
	}
	if err := pool.Wait(); err != nil {
		return err
	}
	return op.flush()
}
