package run

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	wasisys "github.com/tetratelabs/wazero/experimental/sys"
	"pgregory.net/rapid"
)

func testVolume(tb testing.TB, q *quota) *volume {
	tb.Helper()
	root, err := os.OpenRoot(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := root.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &volume{root: root, quota: q}
}

// TestVolumeQuota does random things to a small volume. Whatever a job does,
// what lies on disk keeps every limit, and what is booked is what is there.
func TestVolumeQuota(t *testing.T) {
	names := []string{"a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "d/e/f", "d/e/f/a"}
	rapid.Check(t, func(rt *rapid.T) {
		q := newQuota(1000, 5, 3)
		v := testVolume(t, q)
		var open []*volumeFile
		name := func(label string) string { return rapid.SampledFrom(names).Draw(rt, label) }
		rt.Repeat(map[string]func(*rapid.T){
			"open": func(rt *rapid.T) {
				flag := rapid.SampledFrom([]wasisys.Oflag{wasisys.O_RDONLY, wasisys.O_RDWR, wasisys.O_WRONLY}).Draw(rt, "mode")
				for _, f := range []wasisys.Oflag{wasisys.O_CREAT, wasisys.O_TRUNC, wasisys.O_EXCL, wasisys.O_APPEND, wasisys.O_DIRECTORY} {
					if rapid.IntRange(0, 2).Draw(rt, "flag") == 0 {
						flag |= f
					}
				}
				if file, errno := v.OpenFile(name("open"), flag, 0); errno == 0 {
					open = append(open, file.(*volumeFile))
				}
			},
			"write": func(rt *rapid.T) {
				if len(open) > 0 {
					f := rapid.SampledFrom(open).Draw(rt, "file")
					size := rapid.IntRange(0, 600).Draw(rt, "size")
					if rapid.Bool().Draw(rt, "at") {
						f.Pwrite(make([]byte, size), rapid.Int64Range(-1, 1200).Draw(rt, "offset"))
					} else {
						f.Write(make([]byte, size))
					}
				}
			},
			"truncate": func(rt *rapid.T) {
				if len(open) > 0 {
					rapid.SampledFrom(open).Draw(rt, "file").Truncate(rapid.Int64Range(-1, 1200).Draw(rt, "size"))
				}
			},
			"close": func(rt *rapid.T) {
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(rt, "file")
					open[i].Close()
					open = slices.Delete(open, i, i+1)
				}
			},
			"mkdir":  func(*rapid.T) { v.Mkdir(name("mkdir"), 0) },
			"rmdir":  func(*rapid.T) { v.Rmdir(name("rmdir")) },
			"unlink": func(*rapid.T) { v.Unlink(name("unlink")) },
			"rename": func(*rapid.T) { v.Rename(name("from"), name("to")) },
			"": func(rt *rapid.T) {
				bytes, files, deepest := measure(rt, v)
				unlinked := make(map[uint64]bool)
				for _, f := range open {
					if f.node != nil && !f.node.linked && !unlinked[f.node.ino] {
						unlinked[f.node.ino] = true
						bytes += f.node.size
						files++
					}
				}
				if bytes != q.bytes || files != q.files {
					rt.Fatalf("booked are %d bytes in %d files, there are %d in %d", q.bytes, q.files, bytes, files)
				}
				if bytes > q.maxBytes || files > q.maxFiles || deepest > q.maxDepth {
					rt.Fatalf("%d bytes, %d files, %d levels pass the limits", bytes, files, deepest)
				}
			},
		})
		for _, f := range open {
			f.Close()
		}
	})
}

// measure walks a volume from outside.
func measure(tb rapid.TB, v *volume) (bytes, files int64, deepest int) {
	err := fs.WalkDir(v.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			bytes += info.Size()
		}
		files++
		deepest = max(deepest, depth(name))
		return nil
	})
	if err != nil {
		tb.Fatalf("walk: %v", err)
	}
	return bytes, files, deepest
}

// TestVolumeStaysInside: paths that lead out are refused even without wazero's
// own checks, and links that somebody put there are not followed out.
func TestVolumeStaysInside(t *testing.T) {
	v := testVolume(t, newQuota(1000, 10, 5))
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(v.root.Name(), "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link/secret", "../" + filepath.Base(outside) + "/secret", "..", "/../..", outside + "/secret", "a/../../b", "nul\x00"} {
		if file, errno := v.OpenFile(name, wasisys.O_RDONLY, 0); errno == 0 {
			t.Errorf("opened %q: %v", name, file)
		}
		if _, errno := v.OpenFile(name, wasisys.O_RDWR|wasisys.O_CREAT, 0); errno == 0 {
			t.Errorf("created %q", name)
		}
		if errno := v.Mkdir(name+"/x", 0); errno == 0 {
			t.Errorf("made %q", name+"/x")
		}
		if errno := v.Rename(name, "here"); errno == 0 {
			t.Errorf("moved %q in", name)
		}
	}
	if v.Symlink("x", "y") == 0 || v.Link("x", "y") == 0 {
		t.Error("made a link")
	}
}

// TestVolumeForeignFile: a file that the job did not make is not written to.
func TestVolumeForeignFile(t *testing.T) {
	v := testVolume(t, newQuota(1000, 10, 5))
	if err := v.root.WriteFile("foreign", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errno := v.OpenFile("foreign", wasisys.O_RDWR, 0); errno == 0 {
		t.Error("opened it")
	}
}

func FuzzLocal(f *testing.F) {
	for _, name := range []string{"", ".", "/", "a/b", "../a", "a//b/", "a\n", strings.Repeat("a/", 600), "\xff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, errno := local(name)
		if errno != 0 {
			return
		}
		if !filepath.IsLocal(clean) || !fs.ValidPath(clean) || !saneName(clean) {
			t.Fatalf("%q became %q", name, clean)
		}
	})
}

// TestSaneName: what node/data would refuse to add, no job may leave; the rest
// it may. The names are those of node/data's checkName.
func TestSaneName(t *testing.T) {
	for _, name := range []string{"a", "a/b", "/in/a", ".hidden", "..a", "a b", "ä", strings.Repeat("n", 255), "'\"*?<>|:"} {
		if !saneName(name) {
			t.Errorf("%q is refused", name)
		}
	}
	for _, name := range []string{`a\b`, `\`, `a/b\`, "a\x00", "a\nb", "a\x7f", "a\u0085", "\xff", strings.Repeat("n", 256), strings.Repeat("n/", 600)} {
		if saneName(name) {
			t.Errorf("%q is accepted", name)
		}
	}
}
