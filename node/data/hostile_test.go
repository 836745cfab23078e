package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
)

// hostile are DAGs that no Lode node would make, with what a fetch and an
// export have to say to them. fetch may be nil: what looks harmless from
// inside its blocks is found by the export at the latest.
func hostile(t *testing.T, s *Store) map[string]hostileDAG {
	leaf := s.plantRaw(t, []byte("leaf"))
	empty := s.plantRaw(t, nil)
	ok := s.plantDir(t, entry("a", leaf))
	dags := map[string]hostileDAG{}

	for _, name := range []string{"", ".", "..", "../up", "/abs", "a/b", `a\b`, "nul\x00", "line\n", "esc\x1b[2J", "bad\xff", strings.Repeat("x", 256)} {
		dags[fmt.Sprintf("name %.10q", name)] = hostileDAG{root: s.plantDir(t, entry(name, leaf)), want: ErrName}
	}
	dags["name twice"] = hostileDAG{root: s.plantDir(t, entry("a", leaf), entry("a", empty)), want: ErrName}

	symlink, err := unixfs.SymlinkData("/etc/passwd")
	check(t, err)
	link := s.plantNode(t, symlink)
	dags["symlink as root"] = hostileDAG{root: link, want: ErrLink}
	dags["symlink in directory"] = hostileDAG{root: s.plantDir(t, entry("a", link)), want: ErrLink}
	dags["symlink as part"] = hostileDAG{root: s.plantFile(t, 4, link), want: ErrLink}

	dags["no UnixFS"] = hostileDAG{root: s.plantNode(t, []byte("nothing")), want: ErrMalformed}
	dags["no dag-pb"] = hostileDAG{root: s.plant(t, sum(cid.DagProtobuf, []byte("nothing")), []byte("nothing")), want: ErrMalformed}
	dags["directory as part"] = hostileDAG{root: s.plantFile(t, 4, ok), want: ErrMalformed}
	dags["size too large"] = hostileDAG{root: s.plantFile(t, 5, leaf), want: ErrMalformed}
	dags["size too small"] = hostileDAG{root: s.plantFile(t, 3, leaf), want: ErrMalformed}
	dags["huge size"] = hostileDAG{root: s.plantFile(t, 1<<50, leaf), want: ErrTooManyBytes}
	dags["sizes overflow"] = hostileDAG{root: s.plantFile(t, 1<<63, leaf, leaf), want: ErrTooManyBytes}

	identity, err := mh.Sum([]byte("hidden"), mh.IDENTITY, -1)
	check(t, err)
	blake, err := mh.Sum([]byte("leaf"), mh.SHA2_512, -1)
	check(t, err)
	for name, c := range map[string]cid.Cid{
		"identity": cid.NewCidV1(cid.Raw, identity),
		"sha2-512": cid.NewCidV1(cid.Raw, blake),
		"dag-cbor": cid.NewCidV1(cid.DagCBOR, leaf.Hash()),
	} {
		dags["CID with "+name] = hostileDAG{root: s.plantDir(t, entry("a", c)), want: ErrCid}
		dags["root with "+name] = hostileDAG{root: c, want: ErrCid}
	}
	big := make([]byte, maxBlock+1)
	dags["block too large"] = hostileDAG{root: s.plantFile(t, maxBlock+1, s.plantRaw(t, big)), want: ErrBlockSize, local: true}

	wide := func(below cid.Cid, width int) cid.Cid {
		links := make([]*ipld.Link, width)
		for i := range links {
			links[i] = entry(fmt.Sprint(i), below)
		}
		return s.plantDir(t, links...)
	}
	// A million entries in two blocks, and a thousand million in three.
	dags["million files"] = hostileDAG{root: wide(wide(leaf, 1000), 1000), want: ErrTooManyEntries}
	dags["billion files"] = hostileDAG{root: wide(wide(wide(leaf, 1000), 1000), 1000), want: ErrTooManyEntries}
	large := s.plantRaw(t, make([]byte, 1<<20))
	dags["one block many times"] = hostileDAG{root: wide(large, 100), want: ErrTooManyBytes}
	dags["one file many blocks"] = hostileDAG{root: s.plantFile(t, 1<<20, repeat(large, 100)...), want: ErrTooManyBytes}

	deep := ok
	for range 40 {
		deep = s.plantDir(t, entry("d", deep))
	}
	dags["deep directories"] = hostileDAG{root: deep, want: ErrTooDeep}
	chain := leaf
	for range maxNesting + 2 {
		chain = s.plantFile(t, 4, chain)
	}
	dags["deep file"] = hostileDAG{root: chain, want: ErrTooDeep}
	dags["deep file in directory"] = hostileDAG{root: s.plantDir(t, entry("a", chain)), want: ErrTooDeep}
	// Twenty levels of a thousand links around nothing: 10^60 steps.
	void := empty
	for range 20 {
		void = s.plantFile(t, 0, repeat(void, 1000)...)
	}
	dags["void"] = hostileDAG{root: void, want: ErrTooMuchStructure}

	shard := func(links ...*ipld.Link) cid.Cid {
		content, err := unixfs.HAMTShardData(nil, 256, 0x22)
		check(t, err)
		return s.plantNode(t, content, links...)
	}
	dags["shard with a path"] = hostileDAG{root: shard(entry("00../up", leaf)), want: ErrName}
	dags["shard with a short name"] = hostileDAG{root: shard(entry("0", leaf)), want: ErrMalformed}
	dags["shard over a leaf"] = hostileDAG{root: shard(entry("00", leaf)), want: ErrMalformed}
	dags["shard over a directory"] = hostileDAG{root: shard(entry("00", ok)), want: ErrMalformed}
	dags["name in two shards"] = hostileDAG{root: shard(entry("00", shard(entry("00a", leaf))), entry("01", shard(entry("00a", leaf)))), want: ErrName, export: true}
	nest := shard(entry("00a", leaf))
	for range maxNesting + 1 {
		nest = shard(entry("00", nest))
	}
	dags["deep shards"] = hostileDAG{root: nest, want: ErrTooDeep}
	odd, err := unixfs.HAMTShardData(nil, 48, 0x22)
	check(t, err)
	dags["odd fanout"] = hostileDAG{root: s.plantNode(t, odd), want: ErrMalformed}
	return dags
}

type hostileDAG struct {
	root   cid.Cid
	want   error
	export bool // only the export can tell
	local  bool // can't be sent: the receiver sees no block at all
}

func wantEmpty(t tb, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	check(t, err)
	if len(left) != 0 {
		t.Fatalf("%v was left behind", left)
	}
}

func repeat(c cid.Cid, n int) []cid.Cid {
	list := make([]cid.Cid, n)
	for i := range list {
		list[i] = c
	}
	return list
}

var tight = Limits{Bytes: 10 << 20, Entries: 10_000, Depth: 20}

func TestHostileDAGs(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	dags := hostile(t, from)
	from.grantAll(t, to.id())
	for name, dag := range dags {
		t.Run(name, func(t *testing.T) {
			if !dag.local {
				err := to.Fetch(ctx, dag.root, from.id(), tight, nil)
				if dag.export {
					check(t, err)
				} else {
					wantErr(t, err, dag.want)
				}
			}
			// As the sender itself, that has every block.
			if !dag.export {
				wantErr(t, from.Fetch(ctx, dag.root, "", tight, nil), dag.want)
			}
			if dag.local {
				return // nor can it come into a store
			}
			dir := t.TempDir()
			_, err := from.Export(ctx, dag.root, filepath.Join(dir, "out"), tight)
			wantErr(t, err, dag.want)
			wantEmpty(t, dir)
		})
	}
}

// What AddPath refuses, it refuses by name, wherever it lies.
func TestAddRefuses(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	for name, c := range map[string]struct {
		make   func(dir string) error
		limits Limits
		want   error
	}{
		"link to outside": {func(dir string) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "guilty")) }, plenty, ErrLink},
		"link to inside":  {func(dir string) error { return os.Symlink("fine", filepath.Join(dir, "guilty")) }, plenty, ErrLink},
		"pipe":            {func(dir string) error { return mkfifo(filepath.Join(dir, "guilty")) }, plenty, ErrSpecial},
		"name":            {func(dir string) error { return os.WriteFile(filepath.Join(dir, "guilty\n"), nil, 0o600) }, plenty, ErrName},
		"bytes":           {func(dir string) error { return os.Truncate(filepath.Join(dir, "guilty"), 1<<40) }, plenty, ErrTooManyBytes},
		"entries":         {func(dir string) error { return nil }, Limits{Bytes: 100, Entries: 4, Depth: 9}, ErrTooManyEntries},
		"depth":           {func(dir string) error { return os.MkdirAll(filepath.Join(dir, "1/2/guilty"), 0o700) }, Limits{Bytes: 100, Entries: 100, Depth: 2}, ErrTooDeep},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files{"fine": nil, "sub/": nil}.write(t, dir)
			if name == "bytes" || name == "entries" {
				check(t, os.WriteFile(filepath.Join(dir, "guilty"), nil, 0o600))
				files{"z": nil}.write(t, dir)
			}
			check(t, c.make(dir))
			_, _, err := s.AddPath(ctx, dir, AddOptions{Limits: c.limits})
			wantErr(t, err, c.want)
			if name != "entries" && !strings.Contains(err.Error(), "guilty") {
				t.Errorf("the error does not name the path: %v", err)
			}
		})
	}
	dir := t.TempDir()
	check(t, os.Symlink(dir, filepath.Join(dir, "self")))
	_, _, err := s.AddPath(ctx, filepath.Join(dir, "self"), AddOptions{Limits: plenty})
	wantErr(t, err, ErrLink)
	_, _, err = s.AddPath(ctx, filepath.Join(dir, "nothing"), AddOptions{Limits: plenty})
	wantErr(t, err, os.ErrNotExist)
}

// A sparse file is read through, and comes out as its zeros.
func TestSparseFile(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	path := filepath.Join(t.TempDir(), "sparse")
	check(t, os.WriteFile(path, nil, 0o600))
	check(t, os.Truncate(path, 20<<20))
	root, stats, err := s.AddPath(ctx, path, AddOptions{Limits: plenty})
	check(t, err)
	if stats != (Stats{Bytes: 20 << 20, Entries: 1}) {
		t.Errorf("counted %+v", stats)
	}
	if n := countBlocks(t, s); n != 2 {
		t.Errorf("stored %d blocks, want one of zeros and a node", n)
	}
	dst := filepath.Join(t.TempDir(), "out")
	_, err = s.Export(ctx, root, dst, plenty)
	check(t, err)
	if len(readFile(t, dst)) != 20<<20 {
		t.Error("came out with another size")
	}
}

// A destination that is taken is left alone, and an export that fails or is
// cut off leaves nothing.
func TestExportIsWholeOrNothing(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	f := files{"a": randomBytes(1, 2<<20), "sub/b": []byte("b")}
	root := addFiles(t, s, f)
	dir := t.TempDir()
	taken := files{"file": []byte("mine"), "dir/mine": []byte("mine"), "empty/": nil}
	taken.write(t, dir)
	check(t, os.Symlink("empty", filepath.Join(dir, "link")))
	for _, name := range []string{"file", "dir", "link"} {
		_, err := s.Export(ctx, root, filepath.Join(dir, name), plenty)
		wantErr(t, err, ErrExists)
	}
	_, err := s.Export(ctx, root, filepath.Join(dir, "empty"), plenty)
	check(t, err)
	got := readFiles(t, filepath.Join(dir, "empty"))
	if len(got) != 3 {
		t.Errorf("exported %d entries, want 3", len(got))
	}

	out := filepath.Join(t.TempDir(), "out")
	exact := Limits{Bytes: 2<<20 + 1, Entries: 4, Depth: 2}
	for _, c := range []struct {
		limits Limits
		want   error
	}{
		{Limits{exact.Bytes - 1, exact.Entries, exact.Depth}, ErrTooManyBytes},
		{Limits{exact.Bytes, exact.Entries - 1, exact.Depth}, ErrTooManyEntries},
		{Limits{exact.Bytes, exact.Entries, exact.Depth - 1}, ErrTooDeep},
	} {
		_, err := s.Export(ctx, root, out, c.limits)
		wantErr(t, err, c.want)
		wantErr(t, s.Fetch(ctx, root, "", c.limits, nil), c.want)
	}
	cut, cancel := context.WithCancel(ctx)
	cancel()
	_, err = s.Export(cut, root, out, exact)
	wantErr(t, err, context.Canceled)
	corrupt(t, s, sum(cid.Raw, f["sub/b"]))
	_, err = s.Export(ctx, root, out, exact)
	wantErr(t, err, ErrMissing)
	wantEmpty(t, filepath.Dir(out))
}
