package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// outputs copies what a job left in its /out to the lease's directory: regular
// files and directories, nothing else. What it reads is hostile: it follows no
// link, opens nothing that is no regular file, and counts as the terms do, holes
// included.
type outputs struct {
	from, to *os.Root
	limits   Limits
	bytes    int64
	files    int64
}

// errOutputLimit is returned when not all of the outputs were within the limits.
var errOutputLimit = errors.New("outputs exceed their limit")

// copy stops at the first thing beyond the limits; what came before is kept.
func (o *outputs) copy(ctx context.Context) error {
	return fs.WalkDir(o.from.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case name == ".":
			return nil
		case !entry.IsDir() && !entry.Type().IsRegular():
			return nil // links, devices, sockets and pipes are not results
		}
		if err := o.count(name); err != nil {
			return err
		}
		if entry.IsDir() {
			return o.to.Mkdir(name, 0o700)
		}
		return o.file(name)
	})
}

func (o *outputs) count(name string) error {
	o.files++
	depth := strings.Count(name, "/") + 1
	switch {
	case o.files > o.limits.OutputFiles:
		return fmt.Errorf("%w: more than %d files and directories", errOutputLimit, o.limits.OutputFiles)
	case depth > o.limits.OutputDepth:
		return fmt.Errorf("%w: %.80q is %d levels deep, at most %d", errOutputLimit, path.Base(name), depth, o.limits.OutputDepth)
	case !saneName(name):
		return fmt.Errorf("%w: %.80q has control characters, is no UTF-8 or longer than %d bytes", errOutputLimit, name, maxPath)
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
