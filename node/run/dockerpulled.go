package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

// pulledImages remembers which images this driver has brought into the engine, so
// that it can remove these and no other. Each is an empty file, named after the
// image's digest, whose time is that of its last use.
type pulledImages struct {
	dir string
	// By digest: a use comes before or after a removal, not between its look and
	// its act. There are no more than images were pulled.
	locks sync.Map
}

// add remembers an image that load brings in.
func (p *pulledImages) add(ref name.Digest, load func() error) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(p.dir, digestHex(ref))
	// Before it is there, so that a crash leaves no image that nobody remembers.
	if err := remember(file); err != nil {
		return err
	}
	if err := load(); err != nil {
		return errors.Join(err, ignoreMissing(os.Remove(file)))
	}
	return remember(file)
}

func remember(file string) error {
	return errors.Join(os.WriteFile(file, nil, 0o600), touch(file))
}

func touch(file string) error {
	now := time.Now()
	return os.Chtimes(file, now, now)
}

// use notes that an image is used now. One that the driver did not pull is none
// of its business.
func (p *pulledImages) use(ref name.Digest) error {
	digest := digestHex(ref)
	file := filepath.Join(p.dir, digest)
	if _, err := os.Stat(file); err != nil {
		return ignoreMissing(err)
	}
	defer p.lock(digest)()
	return ignoreMissing(touch(file))
}

// lock gives what unlocks.
func (p *pulledImages) lock(digest string) func() {
	held, _ := p.locks.LoadOrStore(digest, new(sync.Mutex))
	mu := held.(*sync.Mutex)
	mu.Lock()
	return mu.Unlock
}

// sweep has those removed that were not used for longer than keep. remove tells
// whether one is in use, and so stays.
func (p *pulledImages) sweep(keep time.Duration, remove func(image string) (used bool, err error)) error {
	entries, err := os.ReadDir(p.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed error
	for _, entry := range entries {
		if digestPattern.MatchString(entry.Name()) {
			failed = errors.Join(failed, p.sweepOne(entry.Name(), keep, remove))
		}
	}
	return failed
}

func (p *pulledImages) sweepOne(digest string, keep time.Duration, remove func(image string) (used bool, err error)) error {
	defer p.lock(digest)()
	file := filepath.Join(p.dir, digest)
	info, err := os.Stat(file)
	if err != nil || time.Since(info.ModTime()) <= keep {
		return ignoreMissing(err)
	}
	used, err := remove(ownTag + ":" + digest)
	switch {
	case err != nil:
		return err
	case used:
		return touch(file)
	}
	return os.Remove(file)
}
