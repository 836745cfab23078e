package data

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"pgregory.net/rapid"
)

func randomBytes(seed uint64, n int) []byte {
	content := make([]byte, n)
	// The documentation of ChaCha8 promises that Read does not fail.
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)}).Read(content)
	return content
}

// drawFiles makes trees with what matters: empty files and directories, equal
// content, executables, sizes around a chunk.
func drawFiles(t *rapid.T) files {
	name := rapid.SampledFrom([]string{"a", "b", "ü", "x y", "..c", "-rf", "D"})
	size := rapid.OneOf(rapid.IntRange(0, 100), rapid.SampledFrom([]int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize}))
	f := files{}
	for i := range rapid.IntRange(0, 8).Draw(t, "entries") {
		path := ""
		for range rapid.IntRange(0, 3).Draw(t, "depth") {
			path += "dir " + name.Draw(t, "dir") + "/"
		}
		switch rapid.SampledFrom([]string{"dir", "file", "file", "exec"}).Draw(t, "kind") {
		case "dir":
			f[path+fmt.Sprint("empty", i, "/")] = nil
		case "file":
			f[path+"file "+name.Draw(t, "file")] = randomBytes(rapid.Uint64Range(0, 3).Draw(t, "seed"), size.Draw(t, "size"))
		case "exec":
			f[path+"exec "+name.Draw(t, "exec")+"*"] = randomBytes(rapid.Uint64Range(0, 3).Draw(t, "seed"), size.Draw(t, "size"))
		}
	}
	return f
}

// Whatever is added by one node, fetched by another over a real connection and
// exported is the same tree, and the totals agree on every way.
func TestRoundTrip(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		src, dst := filepath.Join(dir, fmt.Sprint("src", n)), filepath.Join(dir, fmt.Sprint("dst", n))
		drawFiles(t).write(t, src)
		root, added, err := from.AddPath(ctx, src, AddOptions{Limits: plenty})
		check(t, err)
		again, _, err := to.AddPath(ctx, src, AddOptions{Limits: plenty})
		check(t, err)
		if again != root {
			t.Fatalf("same tree, other root: %s, %s", root, again)
		}
		lease := fmt.Sprint(n)
		check(t, from.Grant(ctx, lease, to.id(), root))
		fresh := withBlocks(t, to, filepath.Join(dir, lease))
		check(t, fresh.Fetch(ctx, root, from.id(), Limits{Bytes: added.Bytes, Entries: added.Entries, Depth: 64}, nil))
		exported, err := fresh.Export(ctx, root, dst, Limits{Bytes: added.Bytes, Entries: added.Entries, Depth: 64})
		check(t, err)
		if exported != added {
			t.Fatalf("exported %+v, added %+v", exported, added)
		}
		same(t, dst, src)
		from.Revoke(lease)
	})
}

// withBlocks gives a store other blocks, as a fresh node on the same host has.
func withBlocks(t tb, s *Store, dir string) *Store {
	blocks, err := openBlockDir(dir, s.logger)
	check(t, err)
	return &Store{config: s.config, logger: s.logger, blocks: blocks, grants: newGrants(), swap: s.swap, ops: map[*operation]bool{}}
}

// What Lode adds has the CIDs that boxo's own importer computes, link by link
// and one after the other, for the same profile.
func TestProfileAgreesWithBoxo(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	profile := uio.UnixFS_v1_2025
	op := s.begin()
	defer s.end(op)
	dag := merkledag.NewDAGService(blockservice.New(writeView{readView{s.blocks}, op}, nil))
	for _, size := range []int{0, 1, chunkSize, chunkSize + 1, 5*chunkSize + 7} {
		content := randomBytes(1, size)
		params := helpers.DagBuilderParams{Dagserv: dag, RawLeaves: profile.RawLeaves, Maxlinks: profile.FileDAGWidth, CidBuilder: profile.CidBuilder()}
		db, err := params.New(chunk.NewSizeSplitter(bytes.NewReader(content), profile.ChunkSize))
		check(t, err)
		want, err := balanced.Layout(db)
		check(t, err)
		got, err := s.AddBytes(ctx, content)
		check(t, err)
		if got != want.Cid() {
			t.Errorf("%d bytes: got %s, boxo makes %s", size, got, want.Cid())
		}
	}

	// A file whose nodes are two levels deep, of tiny chunks of zeros: build alone.
	leaf := sum(cid.Raw, []byte{0})
	leaves := make([]*part, fileWidth*2+1)
	for i := range leaves {
		leaves[i] = &part{cid: leaf, size: 1, dag: 1}
	}
	b := builder{ctx: ctx, op: op}
	got, err := b.build(&tree{leaves: leaves})
	check(t, err)
	params := helpers.DagBuilderParams{Dagserv: dag, RawLeaves: true, Maxlinks: fileWidth, CidBuilder: profile.CidBuilder()}
	db, err := params.New(chunk.NewSizeSplitter(bytes.NewReader(make([]byte, len(leaves))), 1))
	check(t, err)
	want, err := balanced.Layout(db)
	check(t, err)
	if got.cid != want.Cid() {
		t.Errorf("two levels: got %s, boxo makes %s", got.cid, want.Cid())
	}

	for _, entries := range []int{0, 3, 2500, 6000} { // the last two beside and beyond sharding
		src, f := t.TempDir(), files{}
		dir, err := uio.NewDirectory(dag, uio.WithCidBuilder(profile.CidBuilder()), uio.WithSizeEstimationMode(profile.HAMTSizeEstimation), uio.WithMaxHAMTFanout(profile.HAMTShardWidth))
		check(t, err)
		for i := range entries {
			name := fmt.Sprintf("name number %d", i)
			f[name] = []byte(name[:12])
			check(t, dir.AddChild(ctx, name, merkledag.NewRawNode(f[name])))
		}
		f.write(t, src)
		want, err := dir.GetNode()
		check(t, err)
		got, stats, err := s.AddPath(ctx, src, AddOptions{Limits: plenty})
		check(t, err)
		if got != want.Cid() {
			t.Errorf("directory of %d: got %s, boxo makes %s", entries, got, want.Cid())
		}
		if stats.Entries != int64(entries)+1 {
			t.Errorf("counted %d entries of %d", stats.Entries, entries+1)
		}
		dst := filepath.Join(t.TempDir(), "out")
		_, err = s.Export(ctx, got, dst, plenty)
		check(t, err)
		same(t, dst, src)
	}
}

// UnixFS that others wrote, small dag-pb leaves and CIDv0 included, is read too.
func TestReadsOtherWriters(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	op := s.begin()
	defer s.end(op)
	dag := merkledag.NewDAGService(blockservice.New(writeView{readView{s.blocks}, op}, nil))
	content := randomBytes(2, 3<<20)
	params := helpers.DagBuilderParams{Dagserv: dag, Maxlinks: 2, CidBuilder: uio.UnixFS_v0_2015.CidBuilder()}
	db, err := params.New(chunk.NewSizeSplitter(bytes.NewReader(content), 256<<10))
	check(t, err)
	node, err := balanced.Layout(db)
	check(t, err)
	if node.Cid().Version() != 0 {
		t.Fatal("expected a CIDv0")
	}
	dst := filepath.Join(t.TempDir(), "out")
	stats, err := s.Export(ctx, node.Cid(), dst, plenty)
	check(t, err)
	if stats != (Stats{Bytes: int64(len(content)), Entries: 1}) {
		t.Errorf("counted %+v", stats)
	}
	got := readBoxo(t, ctx, dag, node.Cid())
	if !bytes.Equal(got, content) || !bytes.Equal(readFile(t, dst), content) {
		t.Error("content differs")
	}
}

func readBoxo(t tb, ctx context.Context, dag ipld.DAGService, c cid.Cid) []byte {
	node, err := dag.Get(ctx, c)
	check(t, err)
	r, err := uio.NewDagReader(ctx, node, dag)
	check(t, err)
	content, err := io.ReadAll(r)
	check(t, err)
	return content
}
