package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
	"golang.org/x/sync/errgroup"
)

// AddOptions say what may be added.
type AddOptions struct {
	Limits Limits
}

// AddPath adds a file or directory and returns its root once all its blocks
// are durable. The same tree gives the same root, on any machine.
//
// It follows no links, not even when a path changes while it is read: a link,
// like anything else that is no regular file or directory, is refused by an
// error that names it (ErrLink, ErrSpecial). A sparse file counts in full.
func (s *Store) AddPath(ctx context.Context, path string, opts AddOptions) (cid.Cid, Stats, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return cid.Undef, Stats{}, err
	}
	parent, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return cid.Undef, Stats{}, err
	}
	defer parent.Close()

	var stats Stats
	root, err := s.add(ctx, func(a *adder) (*tree, error) {
		a.budget.limits = opts.Limits
		t, err := a.read(parent, filepath.Base(path), path, 0)
		stats = a.budget.used
		return t, err
	})
	return root, stats, err
}

// AddBytes adds one file.
func (s *Store) AddBytes(ctx context.Context, content []byte) (cid.Cid, error) {
	return s.add(ctx, func(a *adder) (*tree, error) {
		a.budget.limits = Limits{Bytes: int64(len(content)), Entries: 1}
		t := new(tree)
		return t, a.readFile(bytes.NewReader(content), t, "")
	})
}

// add reads a tree, hashing and writing its leaves meanwhile, and then builds
// what holds them together, from the bottom up.
func (s *Store) add(ctx context.Context, read func(*adder) (*tree, error)) (cid.Cid, error) {
	op := s.begin()
	defer s.end(op)
	a := &adder{op: op}
	a.pool, a.ctx = newPool(ctx)
	t, readErr := read(a)
	// The pool's first error is the cause of a read that was cancelled.
	if err := a.pool.Wait(); err != nil && (readErr == nil || errors.Is(readErr, context.Canceled)) {
		return cid.Undef, err
	}
	if readErr != nil {
		return cid.Undef, readErr
	}
	b := builder{ctx: ctx, op: op}
	root, err := b.build(t)
	if err != nil {
		return cid.Undef, err
	}
	return root.cid, op.flush()
}

// adder reads a tree into the store. One goroutine reads, the pool hashes and writes.
type adder struct {
	ctx    context.Context
	op     *operation
	pool   *errgroup.Group
	budget budget
	chunks sync.Pool // *[chunkSize]byte
}

// tree is an entry as read: a directory has children, a file leaves.
type tree struct {
	name     string
	dir      bool
	exec     bool
	children []*tree
	leaves   []*part // filled by the pool, which has to be waited for
}

// part is a piece of a file in the store.
type part struct {
	cid  cid.Cid
	size int64 // content, in bytes
	dag  int64 // all blocks beneath and including it, in bytes: UnixFS's Tsize
}

// read takes in the entry called name in dir; path is for humans.
func (a *adder) read(dir *os.Root, name, path string, depth int) (*tree, error) {
	if err := a.budget.checkDepth(depth, path); err != nil {
		return nil, err
	}
	if err := a.budget.addEntries(1, path); err != nil {
		return nil, err
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	t := &tree{name: name, exec: info.Mode()&0o111 != 0}
	switch mode := info.Mode(); {
	case mode.IsDir():
		t.dir = true
		return t, a.readDir(dir, info, t, path, depth)
	case !mode.IsRegular():
		return nil, refuse(mode, path)
	}
	// Non-blocking, so that a pipe that took the file's place can't hold us up.
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := sameFile(info, now, path); err != nil {
		return nil, err
	}
	return t, a.readFile(f, t, path)
}

// sameFile refuses what took an entry's place between the look and the opening,
// by a link perhaps.
func sameFile(seen, opened fs.FileInfo, path string) error {
	if !os.SameFile(seen, opened) {
		return fmt.Errorf("%w: %q was replaced while it was read", ErrSpecial, path)
	}
	return nil
}

func refuse(mode fs.FileMode, path string) error {
	if mode&fs.ModeSymlink != 0 {
		return fmt.Errorf("%w: %q: replace it by what it points to", ErrLink, path)
	}
	return fmt.Errorf("%w: %q is %v", ErrSpecial, path, mode.Type())
}

func (a *adder) readDir(parent *os.Root, info fs.FileInfo, t *tree, path string, depth int) error {
	dir, err := parent.OpenRoot(t.name)
	if err != nil {
		return err
	}
	defer dir.Close()
	opened, err := dir.Stat(".")
	if err != nil {
		return err
	}
	if err := sameFile(info, opened, path); err != nil {
		return err
	}
	list, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer list.Close()
	for {
		entries, err := list.ReadDir(256) // few at a time: the limit may come soon
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			child := filepath.Join(path, e.Name())
			if err := checkName(e.Name()); err != nil {
				return fmt.Errorf("%q: %w", child, err)
			}
			entry, err := a.read(dir, e.Name(), child, depth+1)
			if err != nil {
				return err
			}
			t.children = append(t.children, entry)
		}
	}
}

// readFile cuts content into leaves. An empty file is one empty leaf.
func (a *adder) readFile(content io.Reader, t *tree, path string) error {
	for {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		buf, _ := a.chunks.Get().(*[chunkSize]byte)
		if buf == nil {
			buf = new([chunkSize]byte)
		}
		n, err := io.ReadFull(content, buf[:])
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return fmt.Errorf("reading %q: %w", path, err)
		}
		if err := a.budget.addContent(int64(n), path); err != nil {
			return err
		}
		if n > 0 || len(t.leaves) == 0 {
			leaf := &part{size: int64(n), dag: int64(n)}
			t.leaves = append(t.leaves, leaf)
			a.pool.Go(func() error {
				defer a.chunks.Put(buf)
				leaf.cid = sum(cid.Raw, buf[:n])
				return a.op.put(leaf.cid, buf[:n])
			})
		}
		if last {
			return nil
		}
	}
}

func sum(codec uint64, block []byte) cid.Cid {
	digest := sha256.Sum256(block)
	hash := append([]byte{mh.SHA2_256, sha256.Size}, digest[:]...)
	return cid.NewCidV1(codec, hash)
}
