package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ipfs/go-cid"
)

// Collect deletes the blocks that nothing needs: neither a root in keep, nor a
// grant, nor a call that runs or ran within Config.SweepAge. Roots in keep may
// be incomplete, as after a fetch that was cut off. It returns what it freed.
//
// It may run beside anything else: a call that finds a block and relies on it
// makes it young first, and what is young stays.
func (s *Store) Collect(ctx context.Context, keep []cid.Cid) (Stats, error) {
	// Before the marking, so that what is written meanwhile counts as young.
	cutoff := s.cutoff()

	needed := make(map[string]struct{}) // file names: a block may have a CID for each codec
	mark := func(blocks map[cid.Cid]struct{}) {
		for c := range blocks {
			needed[blockName(c)] = struct{}{}
		}
	}
	seen := make(map[cid.Cid]struct{})
	for _, root := range keep {
		if err := s.reach(ctx, root, seen, nil); err != nil {
			return Stats{}, fmt.Errorf("nothing was collected: marking what %s needs: %w", root, err)
		}
	}
	mark(seen)
	s.grants.each(mark)

	var freed Stats
	for i := range shards {
		dir, err := os.ReadDir(s.blocks.shard(i))
		if err != nil {
			return freed, err
		}
		for _, e := range dir {
			if err := ctx.Err(); err != nil {
				return freed, err
			}
			if _, ok := needed[e.Name()]; ok {
				continue
			}
			size, err := s.blocks.sweepOne(filepath.Join(s.blocks.shard(i), e.Name()), cutoff)
			if err != nil {
				return freed, err
			}
			if size >= 0 {
				freed.Entries++
				freed.Bytes += size
			}
		}
	}
	return freed, nil
}

// cutoff is the age that spares a block: SweepAge before the start of the
// oldest call that runs.
func (s *Store) cutoff() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := time.Now()
	for op := range s.ops {
		if op.started.Before(oldest) {
			oldest = op.started
		}
	}
	return oldest.Add(-s.config.SweepAge)
}

// sweepOne deletes a file last touched before cutoff and returns its size, or
// -1 if it stays. No touch can come between the look and the deletion.
func (b *blockDir) sweepOne(path string, cutoff time.Time) (int64, error) {
	b.sweep.Lock()
	defer b.sweep.Unlock()
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	if !info.ModTime().Before(cutoff) {
		return -1, nil
	}
	return info.Size(), os.Remove(path)
}
