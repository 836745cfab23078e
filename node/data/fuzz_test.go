package data

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
)

// Whatever bytes a peer sends as a dag-pb block: decode does not panic, what it
// lets through keeps its promises, and an export of it stays in its directory.
func FuzzDecode(f *testing.F) {
	f.Fuzz(func(t *testing.T, block []byte) {
		c := sum(cid.DagProtobuf, block)
		n, err := decode(c, block)
		if err != nil {
			return
		}
		total := int64(len(n.data))
		var names []string
		for _, l := range n.links {
			if checkCid(l.cid) != nil {
				t.Fatalf("CID %s got through", l.cid)
			}
			total += l.size
			if l.role == roleEntry {
				names = append(names, l.name)
			}
		}
		if n.kind == kindFile && (total != n.size || total < 0) {
			t.Fatalf("size %d of parts that sum up to %d", n.size, total)
		}
		slices.Sort(names)
		if len(slices.Compact(slices.Clone(names))) != len(names) {
			t.Fatalf("names twice in %q", names)
		}
		dir := t.TempDir()
		for _, name := range names {
			if filepath.Dir(filepath.Join(dir, name)) != dir || strings.ContainsRune(name, 0) {
				t.Fatalf("name %q leaves its directory", name)
			}
		}
		s := openStore(t, nil)
		s.plant(t, c, block)
		for _, l := range n.links { // give entries something to point to
			if l.cid.Type() == cid.Raw {
				s.plant(t, l.cid, nil)
			}
		}
		out := filepath.Join(dir, "out")
		if _, err := s.Export(t.Context(), c, out, tight); err != nil {
			if _, err := os.Lstat(out); err == nil {
				t.Fatal("a failed export left its result")
			}
		}
		left, err := os.ReadDir(dir)
		check(t, err)
		if len(left) > 1 || len(left) == 1 && left[0].Name() != "out" {
			t.Fatalf("the export left %v", left)
		}
	})
}

func FuzzName(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		check(t, os.WriteFile(path, nil, 0o600))
		list, err := os.ReadDir(dir)
		check(t, err)
		if len(list) != 1 || list[0].Name() != name {
			t.Fatalf("%q was written as %v", name, list)
		}
	})
}
