package data

import (
	"fmt"
	"math/bits"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
)

// kind is what a block is in a UnixFS tree. It never leaves the process.
type kind string

const (
	kindLeaf  kind = "leaf"      // raw bytes
	kindFile  kind = "file"      // bytes, inline and in links
	kindDir   kind = "directory" // named links
	kindShard kind = "shard"     // named links and further shards of one directory
)

// role is what a parent takes a block for.
type role string

const (
	roleEntry role = "entry"               // a root, or named by a directory
	rolePart  role = "part of a file"      // a link of a file
	roleShard role = "part of a directory" // an unnamed link of a shard
)

// node is one block, decoded and checked as far as it can be by itself.
type node struct {
	kind  kind
	exec  bool   // a file with an executable bit
	data  []byte // content in the block itself; aliases the block of a leaf
	size  int64  // content of a file, as declared: data and links
	links []link
}

type link struct {
	role role
	name string // of an entry
	size int64  // of a part of a file, as declared: content in bytes
	cid  cid.Cid
}

// checkCid refuses what is not dag-pb or raw over a whole sha2-256. Identity
// CIDs are among the refused: their bytes would pass by every count of blocks.
func checkCid(c cid.Cid) error {
	if !c.Defined() {
		return fmt.Errorf("%w: none given", ErrCid)
	}
	p := c.Prefix()
	if p.Codec != cid.DagProtobuf && p.Codec != cid.Raw {
		return fmt.Errorf("%w: %s has codec %#x, need dag-pb or raw", ErrCid, c, p.Codec)
	}
	if p.MhType != mh.SHA2_256 || p.MhLength != 32 {
		return fmt.Errorf("%w: %s has hash %#x of %d bytes, need sha2-256 of 32 bytes", ErrCid, c, p.MhType, p.MhLength)
	}
	return nil
}

// decode reads a block whose bytes are known to match c.
func decode(c cid.Cid, block []byte) (*node, error) {
	if err := checkCid(c); err != nil {
		return nil, err
	}
	if len(block) > maxBlock {
		return nil, fmt.Errorf("%w: %s has %d bytes, the limit is %d", ErrBlockSize, c, len(block), maxBlock)
	}
	if c.Type() == cid.Raw {
		return &node{kind: kindLeaf, data: block, size: int64(len(block))}, nil
	}
	pb, err := merkledag.DecodeProtobuf(block)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, c, err)
	}
	fs, err := unixfs.FSNodeFromBytes(pb.Data())
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrMalformed, c, err)
	}
	n := &node{links: make([]link, len(pb.Links()))}
	for i, l := range pb.Links() {
		if err := checkCid(l.Cid); err != nil {
			return nil, fmt.Errorf("link %d of %s: %w", i, c, err)
		}
		n.links[i] = link{name: l.Name, cid: l.Cid}
	}
	switch fs.Type() {
	case unixfs.TFile, unixfs.TRaw:
		n.kind = kindFile
		err = n.decodeFile(fs)
	case unixfs.TDirectory:
		n.kind = kindDir
		err = n.decodeDir(0)
	case unixfs.THAMTShard:
		n.kind = kindShard
		if f := fs.Fanout(); f < 8 || f > 1024 || bits.OnesCount64(f) != 1 {
			return nil, fmt.Errorf("%w: %s has a fanout of %d, need a power of two from 8 to 1024", ErrMalformed, c, f)
		}
		err = n.decodeDir(len(fmt.Sprintf("%X", fs.Fanout()-1)))
	case unixfs.TSymlink:
		err = ErrLink
	default:
		err = fmt.Errorf("%w: type %d", ErrMalformed, fs.Type())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c, err)
	}
	return n, nil
}

// decodeFile checks that the declared sizes agree with one another.
func (n *node) decodeFile(fs *unixfs.FSNode) error {
	sizes := fs.BlockSizes()
	if len(sizes) != len(n.links) {
		return fmt.Errorf("%w: %d links with %d sizes", ErrMalformed, len(n.links), len(sizes))
	}
	n.data = fs.Data()
	n.exec = fs.Mode()&0o111 != 0
	total := uint64(len(n.data))
	for i, size := range sizes {
		if total += size; size > 1<<62 || total > 1<<62 {
			return fmt.Errorf("%w: links declare more than 2^62 bytes", ErrTooManyBytes)
		}
		n.links[i].role, n.links[i].name, n.links[i].size = rolePart, "", int64(size)
	}
	if total != fs.FileSize() {
		return fmt.Errorf("%w: declares %d bytes, its parts %d", ErrMalformed, fs.FileSize(), total)
	}
	n.size = int64(total)
	return nil
}

// decodeDir checks the names. Those of a shard start with prefix characters of
// their place in it, and one that ends there is a further shard.
func (n *node) decodeDir(prefix int) error {
	seen := make(map[string]bool, len(n.links))
	for i := range n.links {
		l := &n.links[i]
		if len(l.name) < prefix {
			return fmt.Errorf("%w: %q in a shard is too short", ErrMalformed, l.name)
		}
		if prefix > 0 && len(l.name) == prefix {
			l.role, l.name = roleShard, ""
			continue
		}
		l.role, l.name = roleEntry, l.name[prefix:]
		if err := checkName(l.name); err != nil {
			return err
		}
		if seen[l.name] {
			return fmt.Errorf("%w: %q occurs twice", ErrName, l.name)
		}
		seen[l.name] = true
	}
	return nil
}

// fits tells whether a parent may hold n in that role.
func (n *node) fits(r role) error {
	switch r {
	case roleEntry:
		return nil
	case rolePart:
		if n.kind == kindLeaf || n.kind == kindFile {
			return nil
		}
	case roleShard:
		if n.kind == kindShard {
			return nil
		}
	}
	return fmt.Errorf("%w: a %s can't be %s", ErrMalformed, n.kind, r)
}

// entries counts the named links.
func (n *node) entries() (count int64) {
	for _, l := range n.links {
		if l.role == roleEntry {
			count++
		}
	}
	return count
}
