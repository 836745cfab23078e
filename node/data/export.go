package data

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"
)

// Export writes the tree under root, which has to be in the store, to dest:
// a directory or, if root is a file, a file. It fails with ErrExists if there
// is something else than an empty directory.
//
// The tree is written beside dest under a name that starts with a dot and ends
// in ".part", made durable and renamed, so that dest holds all of it or nothing.
// Files get mode 0644 or 0755, directories 0755, less the umask.
func (s *Store) Export(ctx context.Context, root cid.Cid, dest string, limits Limits) (Stats, error) {
	if err := checkCid(root); err != nil {
		return Stats{}, err
	}
	dest, err := filepath.Abs(dest)
	if err != nil {
		return Stats{}, err
	}
	parent, err := os.OpenRoot(filepath.Dir(dest))
	if err != nil {
		return Stats{}, err
	}
	defer parent.Close()
	name := filepath.Base(dest)
	if err := checkFree(parent, name); err != nil {
		return Stats{}, err
	}

	temp := "." + name + "." + rand.Text() + ".part"
	if err := parent.Mkdir(temp, 0o700); err != nil {
		return Stats{}, err
	}
	stats, err := s.exportInto(ctx, root, parent, temp, limits)
	if err == nil {
		err = move(parent, path.Join(temp, "tree"), name)
	}
	return stats, errors.Join(err, parent.RemoveAll(temp))
}

func checkFree(parent *os.Root, name string) error {
	info, err := parent.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	taken := fmt.Errorf("%w: %q: remove it or name another", ErrExists, filepath.Join(parent.Name(), name))
	if !info.IsDir() {
		return taken
	}
	dir, err := parent.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, err := dir.ReadDir(1); !errors.Is(err, io.EOF) {
		return taken
	}
	return nil
}

// move renames from to name, where at most an empty directory may be.
func move(parent *os.Root, from, name string) error {
	if err := parent.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := parent.Rename(from, name); err != nil {
		return err
	}
	return syncIn(parent, ".")
}

func (s *Store) exportInto(ctx context.Context, root cid.Cid, parent *os.Root, temp string, limits Limits) (Stats, error) {
	out, err := parent.OpenRoot(temp)
	if err != nil {
		return Stats{}, err
	}
	defer out.Close()
	pool, ctx := newPool(ctx)
	e := exporter{blocks: s.blocks, out: out}
	w := walker{
		blocks: s.blocks,
		budget: budget{limits: limits},
		dir:    e.dir,
		file: func(at string, exec bool, pieces []piece) error {
			pool.Go(func() error { return e.file(ctx, at, exec, pieces) })
			return nil
		},
	}
	stats, walkErr := w.walk(ctx, root)
	// The pool's first error is the cause of a walk that was cancelled.
	if err := pool.Wait(); err != nil && (walkErr == nil || errors.Is(walkErr, context.Canceled)) {
		return stats, err
	}
	if walkErr != nil {
		return stats, walkErr
	}
	for _, dir := range e.dirs {
		if err := syncIn(out, dir); err != nil {
			return stats, err
		}
	}
	return stats, nil
}

// exporter writes below out, which no name can leave.
type exporter struct {
	blocks *blockDir
	out    *os.Root
	dirs   []string
}

func (e *exporter) dir(at string) error {
	at = path.Join("tree", at)
	e.dirs = append(e.dirs, at)
	return named(at, e.out.Mkdir(at, 0o755))
}

// named turns an entry that is there already into the bad name that it is:
// two parts of a sharded directory held it, or the file system takes two
// names for one.
func named(at string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q occurs twice", ErrName, at)
	}
	return err
}

func (e *exporter) file(ctx context.Context, at string, exec bool, pieces []piece) (err error) {
	mode := fs.FileMode(0o644)
	if exec {
		mode = 0o755
	}
	at = path.Join("tree", at)
	f, err := e.out.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return named(at, err)
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	var writers errgroup.Group
	writers.SetLimit(4) // hashing and writing overlap
	for _, p := range pieces {
		writers.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return e.piece(f, p)
		})
	}
	if err := writers.Wait(); err != nil {
		return fmt.Errorf("%q: %w", at, err)
	}
	return f.Sync()
}

func (e *exporter) piece(f *os.File, p piece) error {
	data := p.data
	if data == nil {
		var err error
		if data, err = e.blocks.get(p.cid); err != nil {
			return err
		}
	}
	if int64(len(data)) != p.size {
		return fmt.Errorf("%w: %s has %d bytes, declared are %d", ErrMalformed, p.cid, len(data), p.size)
	}
	_, err := f.WriteAt(data, p.offset)
	return err
}

func syncIn(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
