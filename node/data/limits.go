package data

import "fmt"

const (
	// The unixfs-v1-2025 profile (IPIP-499).
	chunkSize   = 1 << 20   // bytes in a raw leaf
	fileWidth   = 1024      // links in a node of a file
	shardAbove  = 256 << 10 // bytes of a directory's block, beyond which it is sharded
	shardFanout = 256

	// maxBlock is bitswap's limit for a block, in bytes.
	maxBlock = 2 << 20
	// maxNesting bounds the blocks between an entry and its leaves: 64 levels
	// of even two links hold more than any disk.
	maxNesting = 64
	// A file may be cut into minPieces pieces, and one more for each minPiece
	// bytes: the least that chunkers in use make, and little memory for a list.
	minPiece  = 64 << 10
	minPieces = 1024
	// maxName is what ext4, XFS, APFS and NTFS agree on, in bytes.
	maxName = 255

	// workers bounds blocks hashed, written or read at once; more than cores,
	// since most of them wait for fsync.
	workers = 16
	// window bounds the wants that one fetch has in flight. A stock bitswap
	// server queues 1024 for a peer, so eight fetches may share one.
	window = 128
)

// Limits bound a tree as it would lie on disk: a block that is referenced a
// thousand times counts a thousand times. A zero allows nothing.
type Limits struct {
	Bytes   int64 // content of all files
	Entries int64 // files and directories, the root included
	Depth   int   // directories between the root and its deepest entry
}

// Stats are a tree's totals, counted as Limits count them.
type Stats struct {
	Bytes   int64
	Entries int64
}

// budget counts a tree against its limits, each addition before it is acted on.
type budget struct {
	limits Limits
	used   Stats
	// structure is bytes of dag-pb: names, hashes, sizes. It is bounded so that
	// a bomb of nodes around nothing ends too.
	structure int64
}

// structureLimit leaves an entry 1 KiB (a name of 255 bytes in a sharded
// directory takes half) and each 4 KiB of content one link.
func (l Limits) structureLimit() int64 {
	const most = 1 << 52 // keeps the sum from overflowing
	return 1<<20 + min(l.Bytes, most)/64 + min(l.Entries, most/1024)*1024
}

func (b *budget) addContent(n int64, path string) error {
	if n < 0 || n > b.limits.Bytes-b.used.Bytes {
		return fmt.Errorf("%w: %q adds %d bytes to %d, the limit is %d bytes", ErrTooManyBytes, path, n, b.used.Bytes, b.limits.Bytes)
	}
	b.used.Bytes += n
	return nil
}

func (b *budget) addEntries(n int64, path string) error {
	if n > b.limits.Entries-b.used.Entries {
		return fmt.Errorf("%w: %q is number %d, the limit is %d", ErrTooManyEntries, path, b.used.Entries+n, b.limits.Entries)
	}
	b.used.Entries += n
	return nil
}

func (b *budget) addStructure(n int64) error {
	b.structure += n
	if limit := b.limits.structureLimit(); b.structure > limit {
		return fmt.Errorf("%w: %d bytes, the limit for %d bytes in %d entries is %d", ErrTooMuchStructure, b.structure, b.limits.Bytes, b.limits.Entries, limit)
	}
	return nil
}

func (b *budget) checkDepth(depth int, path string) error {
	if depth > b.limits.Depth {
		return fmt.Errorf("%w: %q lies %d directories deep, the limit is %d", ErrTooDeep, path, depth, b.limits.Depth)
	}
	return nil
}
