package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// testOutputs copies from one fresh folder to another.
func testOutputs(tb testing.TB, limits Limits) (_ *outputs, from string) {
	tb.Helper()
	open := func() *os.Root {
		root, err := os.OpenRoot(tb.TempDir())
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := root.Close(); err != nil {
				tb.Error(err)
			}
		})
		return root
	}
	o := &outputs{from: open(), to: open(), limits: limits}
	return o, o.from.Name()
}

// endlessDir is a directory whose entries never end.
type endlessDir struct {
	fs.ReadDirFile
	read int
}

func (d *endlessDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		return nil, errors.New("all of it was asked for")
	}
	entries := make([]fs.DirEntry, n)
	for i := range entries {
		d.read++
		entries[i] = endlessEntry(fmt.Sprint(d.read))
	}
	return entries, nil
}

// endlessEntry is a link: never copied, and yet read.
type endlessEntry string

func (e endlessEntry) Name() string               { return string(e) }
func (e endlessEntry) IsDir() bool                { return false }
func (e endlessEntry) Type() fs.FileMode          { return fs.ModeSymlink }
func (e endlessEntry) Info() (fs.FileInfo, error) { return nil, fs.ErrNotExist }

// TestOutputsStopReading: what is beyond a limit is not read, whatever it is.
func TestOutputsStopReading(t *testing.T) {
	o, _ := testOutputs(t, Limits{OutputFiles: 1000, OutputDepth: 10, OutputBytes: 1})
	dir := &endlessDir{}
	_, err := o.list(deadline(t), ".", dir)
	want(t, err, errOutputLimit)
	if dir.read > 1000+outputBatch {
		t.Errorf("%d entries were read, the limit is 1000", dir.read)
	}
}

// TestOutputsHardLinks: one file under thousands of names costs no more than the limit.
func TestOutputsHardLinks(t *testing.T) {
	const links, limit = 20_000, 10
	o, from := testOutputs(t, Limits{OutputFiles: limit, OutputDepth: 10, OutputBytes: 1 << 20})
	first := filepath.Join(from, "file")
	if err := os.WriteFile(first, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range links {
		if err := os.Link(first, filepath.Join(from, fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := o.copy(deadline(t))
	runtime.ReadMemStats(&after)
	want(t, err, errOutputLimit)
	if made := after.Mallocs - before.Mallocs; made > links {
		t.Errorf("%d allocations for a limit of %d files, there are %d", made, limit, links)
	}
	if kept, err := os.ReadDir(o.to.Name()); err != nil || len(kept) != limit {
		t.Errorf("%d files were kept, %v, want %d", len(kept), err, limit)
	}
}

// TestOutputsLimits stops at each limit, and nowhere before.
func TestOutputsLimits(t *testing.T) {
	limits := Limits{OutputFiles: 6, OutputDepth: 3, OutputBytes: 100}
	file := func(name string, size int64) func(string) error {
		return func(dir string) error {
			err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), nil, 0o644))
			return errors.Join(err, os.Truncate(filepath.Join(dir, name), size))
		}
	}
	for name, c := range map[string]struct {
		make []func(string) error
		err  error
	}{
		"all granted": {[]func(string) error{file("a/b/c", 50), file("a/b/d", 50), file("e", 0), file("f", 0)}, nil},
		"bytes":       {[]func(string) error{file("a", 50), file("b", 51)}, errOutputLimit},
		"a hole":      {[]func(string) error{file("a", 1<<40)}, errOutputLimit},
		"files":       {[]func(string) error{file("a/b/c", 0), file("a/b/d", 0), file("e", 0), file("f", 0), file("g", 0)}, errOutputLimit},
		"depth":       {[]func(string) error{file("a/b/c/d", 0)}, errOutputLimit},
		"a name":      {[]func(string) error{file(`a\b`, 0)}, errOutputLimit},
		"links": {[]func(string) error{func(dir string) error {
			var err error
			for i := range 7 {
				err = errors.Join(err, os.Symlink("x", filepath.Join(dir, fmt.Sprint(i))))
			}
			return err
		}}, errOutputLimit},
	} {
		t.Run(name, func(t *testing.T) {
			o, from := testOutputs(t, limits)
			for _, make := range c.make {
				if err := make(from); err != nil {
					t.Fatal(err)
				}
			}
			if err := o.copy(deadline(t)); !errors.Is(err, c.err) {
				t.Errorf("error is %v, want %v", err, c.err)
			}
			checkOutput(t, o.to.Name(), limits)
		})
	}
}

// collected is a workload whose job has done well and whose outputs end so.
type collected struct {
	workload
	err error
}

func (c collected) prepare(context.Context, lease) error { return nil }
func (c collected) start(context.Context) error          { return nil }
func (c collected) wait() outcome                        { return outcome{code: CodeExited} }
func (c collected) collect(context.Context) error        { return c.err }
func (c collected) release(context.Context) error        { return nil }
func (c collected) memory() int64                        { return 0 }
func (c collected) isolation() Isolation                 { return Isolation{} }

// TestHoldBlamesOutputs: a job that leaves too much is at fault itself, a
// provider that loses outputs is; neither says where it lies.
func TestHoldBlamesOutputs(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code Code
	}{
		"kept":     {nil, CodeExited},
		"too much": {fmt.Errorf("%w: more than 1 bytes", errOutputLimit), CodeOutputLimit},
		"lost":     {io.ErrUnexpectedEOF, CodeOutputsMissing},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			dir := filepath.Join(home, leasesDir, "00")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.err != nil {
				c.err = fmt.Errorf("%s: %w", dir, c.err)
			}
			h, err := newHold(collected{err: c.err}, order{Dir: dir, Spec: Spec{ID: "00", Limits: Limits{Log: 1 << 10}}, Cover: 1 << 40})
			if err != nil {
				t.Fatal(err)
			}
			failed := h.run(deadline(t), func(error) {})
			if exit := h.last.Exit; exit.Code != c.code || strings.Contains(exit.Detail, home) {
				t.Errorf("exit is %+v, want code %d", exit, c.code)
			}
			if (failed != nil) != (c.code == CodeOutputsMissing) {
				t.Errorf("the guard complains: %v", failed)
			}
		})
	}
}
