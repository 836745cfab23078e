package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// outputs copies what a job left in its /out to the lease's directory: regular
// files and directories, nothing else. What it reads is hostile: it follows no
// link, opens nothing that is no regular file, and counts as the terms do, holes
// included.
type outputs struct {
	from, to *os.Root
	limits   Limits
	bytes    int64
	files    int64 // entries of any kind: links cost reading, too
}

// errOutputLimit is returned when not all of the outputs were within the limits,
// or not all had names that a result may have. It is the job's fault.
var errOutputLimit = errors.New("outputs exceed their limit")

// outputBatch is how many entries of a directory are read at once. A job may
// leave millions, as hard links to one file, so the limit may come soon.
const outputBatch = 256

// copy stops at the first thing beyond the limits; what came before is kept.
func (o *outputs) copy(ctx context.Context) error {
	// No deeper than one open directory, however deep the tree: at most
	// OutputFiles names wait here.
	waiting := []string{"."}
	for len(waiting) > 0 {
		dir := waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		list, err := o.from.Open(dir)
		if err != nil {
			return err
		}
		below, err := o.list(ctx, dir, list)
		if err = errors.Join(err, list.Close()); err != nil {
			return err
		}
		waiting = append(waiting, below...)
	}
	return nil
}

// list copies a directory's files, makes its directories and gives their names.
func (o *outputs) list(ctx context.Context, dir string, list fs.ReadDirFile) ([]string, error) {
	var below []string
	for {
		entries, err := list.ReadDir(outputBatch)
		if errors.Is(err, io.EOF) {
			return below, nil
		}
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, entry := range entries {
			name := path.Join(dir, entry.Name())
			if err := o.count(name); err != nil {
				return nil, err
			}
			switch {
			case entry.IsDir():
				err = o.to.Mkdir(name, 0o700)
				below = append(below, name)
			case entry.Type().IsRegular():
				err = o.file(name)
			default: // links, devices, sockets and pipes are not results
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

func (o *outputs) count(name string) error {
	o.files++
	switch {
	case o.files > o.limits.OutputFiles:
		return fmt.Errorf("%w: more than %d files and directories, links counted", errOutputLimit, o.limits.OutputFiles)
	case depth(name) > o.limits.OutputDepth:
		return fmt.Errorf("%w: %.80q is %d levels deep, at most %d", errOutputLimit, path.Base(name), depth(name), o.limits.OutputDepth)
	case !saneName(name):
		return fmt.Errorf("%w: %.80q has a backslash or control characters, is no UTF-8, or has more than %d bytes, %d in one part",
			errOutputLimit, name, maxPath, maxName)
	}
	return nil
}

func (o *outputs) file(name string) (err error) {
	// Not to wait for a writer, should it have become a pipe since it was listed.
	from, err := o.from.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	info, err := from.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if o.bytes += info.Size(); o.bytes > o.limits.OutputBytes {
		return fmt.Errorf("%w: more than %d bytes, at %.80q", errOutputLimit, o.limits.OutputBytes, name)
	}
	to, err := o.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600|info.Mode().Perm()&0o100)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = io.CopyN(to, from, info.Size())
	return err
}
