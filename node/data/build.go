package data

import (
	"context"
	"fmt"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/boxo/ipld/unixfs/hamt"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
)

// builder writes the dag-pb blocks above the leaves, by the unixfs-v1-2025 profile.
type builder struct {
	ctx context.Context
	op  *operation
}

func (b *builder) build(t *tree) (*part, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	if !t.dir {
		return b.file(t)
	}
	links := make([]*ipld.Link, len(t.children))
	for i, child := range t.children {
		p, err := b.build(child)
		if err != nil {
			return nil, err
		}
		links[i] = &ipld.Link{Name: child.name, Size: uint64(p.dag), Cid: p.cid}
	}
	return b.dir(links)
}

// file puts levels of nodes over the leaves until one is left: the balanced
// layout. A raw leaf has no room for a mode, so an executable file always gets
// a node.
func (b *builder) file(t *tree) (*part, error) {
	level := t.leaves
	for len(level) > 1 || t.exec && level[0].cid.Type() == cid.Raw {
		var above []*part
		for len(level) > 0 {
			n := min(fileWidth, len(level))
			p, err := b.fileNode(level[:n], t.exec && n == len(level) && above == nil)
			if err != nil {
				return nil, err
			}
			above, level = append(above, p), level[n:]
		}
		level = above
	}
	return level[0], nil
}

func (b *builder) fileNode(parts []*part, exec bool) (*part, error) {
	fs := unixfs.NewFSNode(unixfs.TFile)
	links := make([]*ipld.Link, len(parts))
	for i, p := range parts {
		fs.AddBlockSize(uint64(p.size))
		links[i] = &ipld.Link{Size: uint64(p.dag), Cid: p.cid}
	}
	if exec {
		fs.SetMode(0o755)
	}
	content, err := fs.GetBytes()
	if err != nil {
		return nil, err
	}
	node, err := encode(content, links)
	if err != nil {
		return nil, err
	}
	p, err := b.put(node)
	if err != nil {
		return nil, err
	}
	p.size = int64(fs.FileSize())
	return p, nil
}

func (b *builder) dir(links []*ipld.Link) (*part, error) {
	node, err := encode(unixfs.FolderPBData(), links)
	if err != nil {
		return nil, err
	}
	if len(node.RawData()) > shardAbove {
		return b.shardedDir(links)
	}
	return b.put(node)
}

func (b *builder) shardedDir(links []*ipld.Link) (*part, error) {
	shard, err := hamt.NewShard(merkledag.NewDAGService(blockservice.New(writeView{readView{b.op.blocks}, b.op}, nil)), shardFanout)
	if err != nil {
		return nil, err
	}
	shard.SetCidBuilder(cidBuilder)
	for _, l := range links {
		if err := shard.SetLink(b.ctx, l.Name, l); err != nil {
			return nil, fmt.Errorf("sharding a directory of %d entries: %w", len(links), err)
		}
	}
	node, err := shard.Node() // writes all the blocks
	if err != nil {
		return nil, fmt.Errorf("sharding a directory of %d entries: %w", len(links), err)
	}
	dag, err := node.Size()
	return &part{cid: node.Cid(), dag: int64(dag)}, err
}

var cidBuilder = cid.V1Builder{Codec: cid.DagProtobuf, MhType: mh.SHA2_256}

func encode(content []byte, links []*ipld.Link) (*merkledag.ProtoNode, error) {
	node := merkledag.NodeWithData(content)
	if err := node.SetCidBuilder(cidBuilder); err != nil {
		return nil, err
	}
	return node, node.SetLinks(links)
}

func (b *builder) put(node *merkledag.ProtoNode) (*part, error) {
	dag, err := node.Size()
	if err != nil {
		return nil, err
	}
	return &part{cid: node.Cid(), dag: int64(dag)}, b.op.put(node.Cid(), node.RawData())
}
