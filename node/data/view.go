package data

import (
	"context"
	"errors"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

// readView shows blockDir to boxo's bitswap server.
type readView struct{ *blockDir }

var _ blockstore.Blockstore = readView{}

func notFound(c cid.Cid, err error) error {
	if errors.Is(err, ErrMissing) || errors.Is(err, ErrCid) {
		return ipld.ErrNotFound{Cid: c}
	}
	return err
}

func (v readView) Has(_ context.Context, c cid.Cid) (bool, error) {
	_, err := v.size(c)
	if ipld.IsNotFound(notFound(c, err)) {
		return false, nil
	}
	return err == nil, err
}

func (v readView) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	data, err := v.get(c)
	if err != nil {
		return nil, notFound(c, err)
	}
	return blocks.NewBlockWithCid(data, c)
}

func (v readView) GetSize(_ context.Context, c cid.Cid) (int, error) {
	size, err := v.size(c)
	// The server takes a size of 0 for a missing block, and would never send
	// the empty leaf of an empty file. It uses the size to share out turns.
	return max(1, int(size)), notFound(c, err)
}

func (readView) Put(context.Context, blocks.Block) error       { return errReadOnly }
func (readView) PutMany(context.Context, []blocks.Block) error { return errReadOnly }
func (readView) DeleteBlock(context.Context, cid.Cid) error    { return errReadOnly }
func (readView) AllKeysChan(context.Context) (<-chan cid.Cid, error) {
	return nil, errReadOnly
}

var errReadOnly = errors.New("data: this view only reads")

// writeView shows it to boxo's HAMT, which writes as part of an operation.
type writeView struct {
	readView
	op *operation
}

var _ blockstore.Blockstore = writeView{}

func (v writeView) Has(context.Context, cid.Cid) (bool, error) {
	return false, nil // so that put is asked, and makes the block young again
}

func (v writeView) Put(_ context.Context, b blocks.Block) error {
	return v.op.put(b.Cid(), b.RawData())
}

func (v writeView) PutMany(ctx context.Context, many []blocks.Block) error {
	for _, b := range many {
		if err := v.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}
