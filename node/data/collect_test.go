package data

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
)

// age makes every block of a store older than any cutoff.
func age(t tb, s *Store) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.blocks.dir, "?", "*"))
	check(t, err)
	for _, path := range found {
		check(t, os.Chtimes(path, time.Time{}, time.Now().Add(-240*time.Hour)))
	}
}

func whole(t tb, ctx context.Context, s *Store, root cid.Cid) bool {
	t.Helper()
	_, err := s.Measure(ctx, root, plenty)
	return err == nil
}

// Kept, granted and published roots stay whole, the rest goes, and what two
// roots share stays with either.
func TestCollect(t *testing.T) {
	ctx := testContext(t)
	s := openStore(t, nil)
	shared := randomBytes(1, 3<<20)
	add := func(name string) cid.Cid { return addFiles(t, s, files{"shared": shared, "own": []byte(name)}) }
	kept, granted, published, dropped := add("kept"), add("granted"), add("published"), add("dropped")
	check(t, s.Grant(ctx, "lease", "peer", granted))
	check(t, s.Publish(ctx, published))
	cutOff := s.plantDir(t, entry("here", s.plantRaw(t, []byte("here"))), entry("not", sum(cid.Raw, []byte("not here"))))

	freed, err := s.Collect(ctx, nil)
	check(t, err)
	if freed.Entries != 0 {
		t.Fatalf("%d young blocks were deleted", freed.Entries)
	}
	age(t, s)
	freed, err = s.Collect(ctx, []cid.Cid{kept, cutOff})
	check(t, err)
	if freed.Entries != 2 {
		t.Errorf("freed %+v, want the directory and one file of the dropped root", freed)
	}
	for name, root := range map[string]cid.Cid{"kept": kept, "granted": granted, "published": published} {
		if !whole(t, ctx, s, root) {
			t.Errorf("the %s root lost blocks", name)
		}
	}
	if whole(t, ctx, s, dropped) {
		t.Error("the dropped root is still whole")
	}
	if _, err := s.blocks.get(cutOff); err != nil {
		t.Errorf("an incomplete root was dropped: %v", err)
	}
	s.Revoke("lease")
	s.Unpublish(published)
	if _, err := s.Collect(ctx, []cid.Cid{cutOff}); err != nil {
		t.Fatal(err)
	}
	if n := countBlocks(t, s); n != 2 {
		t.Errorf("%d blocks are left, want the 2 of the incomplete root", n)
	}
}

// A root that any call leans on while the collector runs, without anybody
// keeping it yet, stays whole, though its blocks were old when the call began.
func TestCollectBesideOthers(t *testing.T) {
	ctx := testContext(t)
	src := t.TempDir()
	f := files{}
	for i := range 50 {
		f[fmt.Sprint("dir/", i)] = []byte(fmt.Sprint("content ", i))
	}
	f.write(t, src)
	s := openConfig(t, Config{Dir: t.TempDir(), SweepAge: time.Minute})
	root, _, err := s.AddPath(ctx, src, AddOptions{Limits: plenty})
	check(t, err)
	for name, lean := range map[string]func() error{
		"add": func() error {
			_, _, err := s.AddPath(ctx, src, AddOptions{Limits: plenty})
			return err
		},
		"fetch": func() error { return s.Fetch(ctx, root, "", plenty, nil) },
		"grant": func() error { return s.Grant(ctx, "lease", "peer", root) },
	} {
		for range 5 {
			age(t, s)
			done := make(chan error, 1)
			go func() {
				_, err := s.Collect(ctx, nil)
				done <- err
			}()
			err := lean()
			check(t, <-done)
			if err == nil && !whole(t, ctx, s, root) {
				t.Fatalf("%s succeeded on a root that was swept away", name)
			}
			if name == "add" {
				check(t, err)
			}
			s.Revoke("lease")
			_, _, err = s.AddPath(ctx, src, AddOptions{Limits: plenty})
			check(t, err)
		}
	}

	// A call that runs for longer than SweepAge still finds what it wrote first.
	op := s.begin()
	op.started = time.Now().Add(-48 * time.Hour)
	c := sum(cid.Raw, []byte("early"))
	check(t, op.put(c, []byte("early")))
	check(t, os.Chtimes(s.blocks.path(blockName(c)), time.Time{}, op.started))
	_, err = s.Collect(ctx, nil)
	check(t, err)
	if _, err := s.blocks.get(c); err != nil {
		t.Error(err)
	}
	s.end(op)
	_, err = s.Collect(ctx, nil)
	check(t, err)
	_, err = s.blocks.get(c)
	wantErr(t, err, ErrMissing)
}

// What a killed process left half written is gone at the next start, and what
// it had finished is still there.
func TestReopen(t *testing.T) {
	ctx := testContext(t)
	dir := t.TempDir()
	s := openConfig(t, Config{Dir: dir})
	c, err := s.AddBytes(ctx, []byte("content"))
	check(t, err)
	half := filepath.Join(s.blocks.temp(), "block-half")
	check(t, os.WriteFile(half, []byte("ha"), 0o600))
	again := openConfig(t, Config{Dir: dir})
	if _, err := os.Stat(half); !os.IsNotExist(err) {
		t.Errorf("a half written block survived: %v", err)
	}
	if !whole(t, ctx, again, c) {
		t.Error("the content is gone")
	}
}
