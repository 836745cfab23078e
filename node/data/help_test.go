package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

// plenty is more than any test needs but those of limits.
var plenty = Limits{Bytes: 1 << 30, Entries: 1 << 20, Depth: 64}

// tb is what testing.TB and rapid.TB share.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// newHost listens on loopback, over TCP alone to keep tests quick.
func newHost(t testing.TB) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	check(t, err)
	t.Cleanup(func() { check(t, h.Close()) })
	return h
}

func connect(t testing.TB, a, b host.Host) {
	t.Helper()
	check(t, a.Connect(testContext(t), peer.AddrInfo{ID: b.ID(), Addrs: b.Addrs()}))
}

func openStore(t testing.TB, h host.Host) *Store {
	t.Helper()
	return openConfig(t, Config{Dir: t.TempDir(), Host: h})
}

func openConfig(t testing.TB, config Config) *Store {
	t.Helper()
	s, err := Open(config)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// pair returns two stores on connected hosts.
func pair(t testing.TB) (a, b *Store) {
	t.Helper()
	a, b = openStore(t, newHost(t)), openStore(t, newHost(t))
	connect(t, a.config.Host, b.config.Host)
	return a, b
}

func (s *Store) id() peer.ID { return s.config.Host.ID() }

func check(t tb, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t tb, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

// files is a tree on disk: content by path, directories with a nil content
// and a path that ends in a slash, executables with one that ends in a star.
type files map[string][]byte

func (f files) write(t tb, dir string) {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	for _, name := range slices.Sorted(maps.Keys(f)) {
		path, mode := filepath.Join(dir, name), fs.FileMode(0o644)
		if name[len(name)-1] == '/' {
			check(t, os.MkdirAll(path, 0o755))
			continue
		}
		if name[len(name)-1] == '*' {
			path, mode = path[:len(path)-1], 0o755
		}
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, f[name], mode))
	}
}

func readFiles(t tb, dir string) files {
	t.Helper()
	f := files{}
	check(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			f[name+"/"] = nil
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode()&0o111 != 0 {
			name += "*"
		}
		f[name], err = os.ReadFile(path)
		return err
	}))
	return f
}

// same tells two trees apart, directories that only the other's paths imply included.
func same(t tb, got, want string) {
	t.Helper()
	g, w := readFiles(t, got), readFiles(t, want)
	if !maps.EqualFunc(g, w, bytes.Equal) {
		t.Fatalf("trees differ: got %v, want %v", slices.Sorted(maps.Keys(g)), slices.Sorted(maps.Keys(w)))
	}
}

func addFiles(t testing.TB, s *Store, f files) cid.Cid {
	t.Helper()
	dir := t.TempDir()
	f.write(t, dir)
	root, _, err := s.AddPath(testContext(t), dir, AddOptions{Limits: plenty})
	check(t, err)
	return root
}

// The handcrafted blocks below go round the checks of AddPath, as a hostile
// peer's would.

func (s *Store) plant(t tb, c cid.Cid, block []byte) cid.Cid {
	t.Helper()
	op := s.begin()
	defer s.end(op)
	check(t, op.put(c, block))
	check(t, op.flush())
	return c
}

func (s *Store) plantRaw(t tb, content []byte) cid.Cid {
	t.Helper()
	return s.plant(t, sum(cid.Raw, content), content)
}

func (s *Store) plantNode(t tb, content []byte, links ...*ipld.Link) cid.Cid {
	t.Helper()
	node := merkledag.NodeWithData(content)
	check(t, node.SetCidBuilder(cidBuilder))
	check(t, node.SetLinks(links))
	return s.plant(t, node.Cid(), node.RawData())
}

func (s *Store) plantDir(t tb, links ...*ipld.Link) cid.Cid {
	t.Helper()
	return s.plantNode(t, unixfs.FolderPBData(), links...)
}

// plantFile makes a node over parts that declare size bytes each.
func (s *Store) plantFile(t tb, size uint64, parts ...cid.Cid) cid.Cid {
	t.Helper()
	file := unixfs.NewFSNode(unixfs.TFile)
	var links []*ipld.Link
	for _, c := range parts {
		file.AddBlockSize(size)
		links = append(links, &ipld.Link{Cid: c})
	}
	content, err := file.GetBytes()
	check(t, err)
	return s.plantNode(t, content, links...)
}

func entry(name string, c cid.Cid) *ipld.Link { return &ipld.Link{Name: name, Cid: c} }

// grantAll serves every block of s to p, whatever it is.
func (s *Store) grantAll(t tb, p peer.ID) {
	t.Helper()
	blocks := make(map[cid.Cid]struct{})
	for i := range shards {
		list, err := os.ReadDir(s.blocks.shard(i))
		check(t, err)
		for _, e := range list {
			digest, err := encoding.DecodeString(e.Name())
			check(t, err)
			hash := append([]byte{0x12, 32}, digest...)
			blocks[cid.NewCidV1(cid.Raw, hash)] = struct{}{}
			blocks[cid.NewCidV1(cid.DagProtobuf, hash)] = struct{}{}
		}
	}
	s.grants.add(p, grant{lease: fmt.Sprint("all", len(blocks)), blocks: blocks})
}

func readFile(t tb, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	check(t, err)
	return content
}

// corrupt flips a bit of a stored block.
func corrupt(t tb, s *Store, c cid.Cid) {
	t.Helper()
	path := s.blocks.path(blockName(c))
	content := readFile(t, path)
	content[0] ^= 1
	check(t, os.WriteFile(path, content, 0o600))
}
