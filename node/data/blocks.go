package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
)

// blockDir keeps one file for each block, under the base32 of its sha2-256.
// A file gets its name after its bytes are on disk, so that whatever bears a
// name is whole, even after power loss; the name itself is durable once
// syncShards has returned. Reads check the hash all the same.
type blockDir struct {
	dir    string
	logger *slog.Logger

	// sweep keeps the collector from deleting a block between the moment a
	// writer found it and the moment the writer made it young again.
	sweep sync.RWMutex
}

// shards are directories by the last character of the name, so that none grows
// unwieldy and a flush has few to sync. Their number is that of shardSet's bits.
const shards = "abcdefghijklmnopqrstuvwxyz234567"

// The last of the 52 characters holds one bit only, the one before it five.
const shardChar = 50

var encoding = base32.NewEncoding(shards).WithPadding(base32.NoPadding)

func openBlockDir(dir string, logger *slog.Logger) (*blockDir, error) {
	b := &blockDir{dir: dir, logger: logger}
	// What a dead process left half written bears no name yet.
	if err := os.RemoveAll(b.temp()); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.temp(), 0o700); err != nil {
		return nil, err
	}
	for i := range shards {
		if err := os.MkdirAll(b.shard(i), 0o700); err != nil {
			return nil, err
		}
	}
	return b, syncDir(dir)
}

func (b *blockDir) temp() string       { return filepath.Join(b.dir, "tmp") }
func (b *blockDir) shard(i int) string { return filepath.Join(b.dir, shards[i:i+1]) }
func (b *blockDir) path(name string) string {
	return filepath.Join(b.dir, name[shardChar:shardChar+1], name)
}

// blockName is the file name of a block; c has passed checkCid.
func blockName(c cid.Cid) string {
	hash := c.Hash()
	return encoding.EncodeToString(hash[len(hash)-sha256.Size:])
}

func shardOf(name string) int { return strings.IndexByte(shards, name[shardChar]) }

// get reads a block and checks it. A block that rotted is removed, so that it
// can be fetched again, and reported missing.
func (b *blockDir) get(c cid.Cid) ([]byte, error) {
	if err := checkCid(c); err != nil {
		return nil, err
	}
	path := b.path(blockName(c))
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, c)
	}
	if err != nil {
		return nil, err
	}
	if !matches(c, data) {
		b.logger.Error("removing a corrupt block", "cid", c, "bytes", len(data))
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s was corrupt on disk", ErrMissing, c)
	}
	return data, nil
}

func matches(c cid.Cid, data []byte) bool {
	sum := sha256.Sum256(data)
	return bytes.HasSuffix(c.Hash(), sum[:])
}

func (b *blockDir) size(c cid.Cid) (int64, error) {
	if err := checkCid(c); err != nil {
		return 0, err
	}
	info, err := os.Stat(b.path(blockName(c)))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: %s", ErrMissing, c)
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// touch makes a block young again, if it is there whole.
func (b *blockDir) touch(name string, size int) (bool, error) {
	b.sweep.RLock()
	defer b.sweep.RUnlock()
	info, err := os.Stat(b.path(name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != int64(size) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, os.Chtimes(b.path(name), time.Time{}, time.Now())
}

// put stores data, which the caller has checked against the name.
func (b *blockDir) put(name string, data []byte) error {
	if there, err := b.touch(name, len(data)); there || err != nil {
		return err
	}
	f, err := os.CreateTemp(b.temp(), "block-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), b.path(name))
	}
	if err != nil {
		// Best effort: what stays behind is removed at the next start.
		_ = os.Remove(f.Name())
		return fmt.Errorf("storing a block: %w", err)
	}
	return nil
}

// syncShards makes the names in a set of shards durable.
func (b *blockDir) syncShards(set uint32) error {
	for i := range shards {
		if set&(1<<i) == 0 {
			continue
		}
		if err := syncDir(b.shard(i)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
