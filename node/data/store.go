package data

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/host"
	"golang.org/x/sync/errgroup"
)

// Config is what a store is opened with. Dir is required.
type Config struct {
	// Dir holds the blocks. One process at a time; the node's lock sees to it.
	Dir string
	// Host carries bitswap. Without one the store is offline: it adds, exports
	// and collects, and fetches nothing that isn't there.
	Host host.Host
	// Logger, by default none.
	Logger *slog.Logger
	// Stall is how long a fetch waits for a silent peer; 2 min by default, as in boxo: a
	// MiB can take as long on a slow line.
	Stall time.Duration
	// SweepAge is the age at which Collect may delete a block; 1 h by default.
	SweepAge time.Duration
}

// Store is content on this machine, and the way to and from that of others.
// Its methods may be called from any goroutine.
type Store struct {
	config Config
	logger *slog.Logger
	blocks *blockDir
	grants *grants
	swap   *exchange // nil offline

	mu  sync.Mutex
	ops map[*operation]bool
}

// Open opens or creates the store in config.Dir and starts to serve.
func Open(config Config) (*Store, error) {
	if config.Dir == "" {
		return nil, errors.New("data: Config.Dir is empty")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Stall == 0 {
		config.Stall = 2 * time.Minute
	}
	if config.SweepAge == 0 {
		config.SweepAge = time.Hour
	}
	blocks, err := openBlockDir(filepath.Join(config.Dir, "blocks"), config.Logger)
	if err != nil {
		return nil, fmt.Errorf("opening the block store: %w", err)
	}
	s := &Store{
		config: config,
		logger: config.Logger,
		blocks: blocks,
		grants: newGrants(),
		ops:    make(map[*operation]bool),
	}
	if config.Host != nil {
		s.swap = newExchange(config.Host, blocks, s.grants)
	}
	return s, nil
}

// Close stops serving and ends running fetches with ErrClosed. The host stays
// open: it is the caller's.
func (s *Store) Close() error {
	if s.swap != nil {
		s.swap.close()
	}
	return nil
}

// operation is a running call that writes blocks or leans on those it found.
type operation struct {
	blocks  *blockDir
	started time.Time
	touched atomic.Uint32 // shards with names that may not be durable yet, a bit for each

	// cids interns what has been written by this call, so that a file of a
	// million equal chunks costs one write.
	mu      sync.Mutex
	written map[cid.Cid]bool
}

func (s *Store) begin() *operation {
	op := &operation{blocks: s.blocks, started: time.Now(), written: make(map[cid.Cid]bool)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops[op] = true
	return op
}

func (s *Store) end(op *operation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ops, op)
}

// put stores a block that is known to match its CID.
func (op *operation) put(c cid.Cid, data []byte) error {
	op.mu.Lock()
	done := op.written[c]
	op.mu.Unlock()
	if done {
		return nil
	}
	name := blockName(c)
	if err := op.blocks.put(name, data); err != nil {
		return err
	}
	op.touched.Or(1 << shardOf(name))
	op.mu.Lock()
	defer op.mu.Unlock()
	op.written[c] = true
	return nil
}

// lean reads a block that may already be there and keeps it from being swept.
func (op *operation) lean(c cid.Cid) ([]byte, error) {
	data, err := op.blocks.get(c)
	if err != nil {
		return nil, err
	}
	name := blockName(c)
	there, err := op.blocks.touch(name, len(data))
	if err != nil {
		return nil, err
	}
	if !there { // swept since it was read
		return data, op.put(c, data)
	}
	op.touched.Or(1 << shardOf(name))
	return data, nil
}

// leanOn keeps a block that is there from being swept, without reading it.
func (op *operation) leanOn(c cid.Cid) error {
	size, err := op.blocks.size(c)
	if err != nil {
		return err
	}
	name := blockName(c)
	there, err := op.blocks.touch(name, int(size))
	if err == nil && !there {
		return fmt.Errorf("%w: %s", ErrMissing, c)
	}
	op.touched.Or(1 << shardOf(name))
	return err
}

// flush makes everything put so far durable.
func (op *operation) flush() error { return op.blocks.syncShards(op.touched.Load()) }

// newPool bounds work on blocks.
func newPool(ctx context.Context) (*errgroup.Group, context.Context) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	return g, ctx
}
