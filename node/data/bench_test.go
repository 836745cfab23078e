package data

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"
)

// Each benchmark does the whole of one step with a fresh store, over loopback
// and to disk, fsync included. MB/s is content.
func BenchmarkAdd(b *testing.B)    { forTrees(b, benchAdd) }
func BenchmarkFetch(b *testing.B)  { forTrees(b, benchFetch) }
func BenchmarkExport(b *testing.B) { forTrees(b, benchExport) }

func forTrees(b *testing.B, bench func(b *testing.B, dir string)) {
	for name, tree := range map[string]struct{ count, size int }{
		"1x64MiB":    {1, 64 << 20},
		"2000x64KiB": {2000, 64 << 10},
	} {
		b.Run(name, func(b *testing.B) {
			f := files{}
			for i := range tree.count {
				f[fmt.Sprintf("file %d", i)] = randomBytes(uint64(i), tree.size)
			}
			dir := b.TempDir()
			f.write(b, dir)
			b.SetBytes(int64(tree.count * tree.size))
			b.ReportAllocs()
			bench(b, dir)
		})
	}
}

func benchAdd(b *testing.B, dir string) {
	for b.Loop() {
		b.StopTimer()
		s := openStore(b, nil)
		b.StartTimer()
		_, _, err := s.AddPath(context.Background(), dir, AddOptions{Limits: plenty})
		check(b, err)
	}
}

func benchFetch(b *testing.B, dir string) {
	from, to := pair(b)
	root := addDir(b, from, dir)
	check(b, from.Grant(context.Background(), "lease", to.id(), root))
	for b.Loop() {
		b.StopTimer()
		to := withBlocks(b, to, b.TempDir())
		b.StartTimer()
		check(b, to.Fetch(context.Background(), root, from.id(), plenty, nil))
	}
}

func benchExport(b *testing.B, dir string) {
	s := openStore(b, nil)
	root := addDir(b, s, dir)
	for b.Loop() {
		b.StopTimer()
		out := filepath.Join(b.TempDir(), "out")
		b.StartTimer()
		_, err := s.Export(context.Background(), root, out, plenty)
		check(b, err)
	}
}

func addDir(b *testing.B, s *Store, dir string) cid.Cid {
	root, _, err := s.AddPath(context.Background(), dir, AddOptions{Limits: plenty})
	check(b, err)
	return root
}
