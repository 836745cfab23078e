package data

import (
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/ipfs/go-cid"
)

// Measure counts a tree in the store against limits, as Export would, without
// writing anything. Blocks that are missing are ErrMissing.
func (s *Store) Measure(ctx context.Context, root cid.Cid, limits Limits) (Stats, error) {
	w := walker{
		blocks: s.blocks,
		budget: budget{limits: limits},
		file: func(_ string, _ bool, pieces []piece) error {
			for _, p := range pieces {
				if p.data != nil {
					continue
				}
				size, err := s.blocks.size(p.cid)
				if err != nil {
					return err
				}
				if size != p.size {
					return fmt.Errorf("%w: %s has %d bytes, declared are %d", ErrMalformed, p.cid, size, p.size)
				}
			}
			return nil
		},
		dir: func(string) error { return nil },
	}
	return w.walk(ctx, root)
}

// walker goes through a tree as it would lie on disk, shared blocks as often
// as they are referenced, and counts everything before it reports it.
type walker struct {
	blocks *blockDir
	budget budget
	dir    func(path string) error // before what is in it
	file   func(path string, exec bool, pieces []piece) error

	room int64 // pieces that the file at hand may still be cut into
}

// piece is part of a file: data, or the leaf that holds it.
type piece struct {
	offset int64
	size   int64
	data   []byte
	cid    cid.Cid
}

func (w *walker) walk(ctx context.Context, root cid.Cid) (Stats, error) {
	err := w.entry(ctx, root, ".", 0)
	return w.budget.used, err
}

// entry takes in what a directory names, or the root, which it calls ".".
func (w *walker) entry(ctx context.Context, c cid.Cid, at string, depth int) error {
	if err := w.budget.checkDepth(depth, at); err != nil {
		return err
	}
	if err := w.budget.addEntries(1, at); err != nil {
		return err
	}
	if c.Type() == cid.Raw { // no need to read it
		size, err := w.blocks.size(c)
		if err != nil {
			return err
		}
		if err := w.budget.addContent(size, at); err != nil {
			return err
		}
		return w.file(at, false, []piece{{size: size, cid: c}})
	}
	n, err := w.node(ctx, c, roleEntry)
	if err != nil {
		return err
	}
	if n.kind == kindFile {
		if err := w.budget.addContent(n.size, at); err != nil {
			return err
		}
		w.room = n.size/minPiece + minPieces
		pieces, _, err := w.pieces(ctx, n, nil, 0, 0)
		if err != nil {
			return fmt.Errorf("%q: %w", at, err)
		}
		return w.file(at, n.exec, pieces)
	}
	if err := w.dir(at); err != nil {
		return err
	}
	return w.links(ctx, n, at, depth, 0)
}

func (w *walker) links(ctx context.Context, n *node, at string, depth, nesting int) error {
	for _, l := range n.links {
		if l.role == roleEntry {
			if err := w.entry(ctx, l.cid, path.Join(at, l.name), depth+1); err != nil {
				return err
			}
			continue
		}
		if err := checkNesting(nesting+1, l.cid); err != nil {
			return err
		}
		shard, err := w.node(ctx, l.cid, roleShard)
		if err != nil {
			return err
		}
		if err := w.links(ctx, shard, at, depth, nesting+1); err != nil {
			return err
		}
	}
	return nil
}

// pieces appends those of a file's node, which starts at offset.
func (w *walker) pieces(ctx context.Context, n *node, list []piece, offset int64, nesting int) ([]piece, int64, error) {
	if len(n.data) > 0 {
		list = append(list, piece{offset: offset, size: int64(len(n.data)), data: n.data})
		offset += int64(len(n.data))
	}
	if w.room -= int64(1 + len(n.links)); w.room < 0 {
		return nil, 0, fmt.Errorf("%w: a file is cut into pieces of less than %d bytes on average", ErrTooMuchStructure, minPiece)
	}
	for _, l := range n.links {
		if l.cid.Type() == cid.Raw {
			if l.size > 0 {
				list = append(list, piece{offset: offset, size: l.size, cid: l.cid})
			}
			offset += l.size
			continue
		}
		if err := checkNesting(nesting+1, l.cid); err != nil {
			return nil, 0, err
		}
		below, err := w.node(ctx, l.cid, rolePart)
		if err != nil {
			return nil, 0, err
		}
		if below.size != l.size {
			return nil, 0, fmt.Errorf("%w: %s has %d bytes, declared are %d", ErrMalformed, l.cid, below.size, l.size)
		}
		if list, offset, err = w.pieces(ctx, below, list, offset, nesting+1); err != nil {
			return nil, 0, err
		}
	}
	return list, offset, nil
}

func (w *walker) node(ctx context.Context, c cid.Cid, r role) (*node, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	block, err := w.blocks.get(c)
	if err != nil {
		return nil, err
	}
	n, err := decode(c, block)
	if err != nil {
		return nil, err
	}
	if err := w.budget.addStructure(int64(len(block) - len(n.data))); err != nil {
		return nil, err
	}
	if err := n.fits(r); err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	return n, nil
}

func checkNesting(nesting int, c cid.Cid) error {
	if nesting > maxNesting {
		return fmt.Errorf("%w: %s lies %d blocks below its entry, the limit is %d", ErrTooDeep, c, nesting, maxNesting)
	}
	return nil
}

// reach adds the CIDs of root's whole DAG to seen, each block read once and
// leaves not at all. Of what seen already holds it takes for granted that all
// beneath is there too. With an operation it leans on every block, and fails if
// one is missing; without, it passes over those and what is beneath them.
func (s *Store) reach(ctx context.Context, root cid.Cid, seen map[cid.Cid]struct{}, op *operation) error {
	todo := []cid.Cid{root}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, ok := seen[c]; ok {
			continue
		}
		children, err := s.children(c)
		if op == nil && errors.Is(err, ErrMissing) {
			continue
		}
		if err == nil && op != nil {
			err = op.leanOn(c)
		}
		if err != nil {
			return err
		}
		seen[c] = struct{}{}
		todo = append(todo, children...)
	}
	return nil
}

func (s *Store) children(c cid.Cid) ([]cid.Cid, error) {
	if c.Type() == cid.Raw {
		_, err := s.blocks.size(c)
		return nil, err
	}
	block, err := s.blocks.get(c)
	if err != nil {
		return nil, err
	}
	n, err := decode(c, block)
	if err != nil {
		return nil, err
	}
	children := make([]cid.Cid, len(n.links))
	for i, l := range n.links {
		children[i] = l.cid
	}
	return children, nil
}
