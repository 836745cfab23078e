package chain

import (
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
)

// minInterval is the least time between two blocks that the chain seals on its own. Block times are whole seconds
// and must grow, so sealing more often would run the chain's clock ahead of the wall's.
const minInterval = time.Second

// startSealing seals as soon as a transaction can be executed, and now and then without one, so that
// confirmations pass on a quiet chain. The function that it returns ends that and waits.
func (c *Chain) startSealing(idle time.Duration) (stop func()) {
	events := make(chan core.NewTxsEvent, 16)
	sub := c.eth.TxPool().SubscribeTransactions(events, true)
	wake := make(chan struct{}, 1)
	quit := make(chan struct{})
	var wg sync.WaitGroup
	// Apart from the sealing: the pool waits until its event is taken, and sealing waits for the pool.
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-events:
				select {
				case wake <- struct{}{}:
				default:
				}
			}
		}
	})
	wg.Go(func() {
		sealer{wake, quit, func() bool { return c.Pending() > 0 }, c.sealOrLog, max(idle, minInterval)}.run()
	})
	return func() {
		close(quit)
		wg.Wait()
		sub.Unsubscribe()
	}
}

// Pending is the number of transactions that the next block can hold, as of now: what JSON-RPC says of the pending
// block may be two seconds old.
func (c *Chain) Pending() int {
	pending, _ := c.eth.TxPool().Stats()
	return pending
}

func (c *Chain) sealOrLog() {
	if _, err := c.Commit(); err != nil {
		c.log.Warn("sealing a block failed; it is tried again", "err", err)
	}
}

// sealer decides when to seal. It knows nothing of chains, so that its timing can be tested with a fake clock.
type sealer struct {
	wake, quit <-chan struct{}
	pending    func() bool
	seal       func()
	idle       time.Duration
}

func (s sealer) run() {
	last := time.Now().Add(-minInterval) // genesis is dated a second back, so the first block need not wait
	timer := time.NewTimer(minInterval)
	defer timer.Stop()
	for {
		select {
		case <-s.quit:
			return
		case <-s.wake:
		case <-timer.C:
		}
		if time.Since(last) >= s.interval() {
			// Taken before the work, since the block's time is: two blocks are then at least a second apart by
			// the clock that stamps them.
			last = time.Now()
			s.seal()
		}
		timer.Reset(s.interval() - time.Since(last))
	}
}

func (s sealer) interval() time.Duration {
	if s.pending() {
		return minInterval
	}
	return s.idle
}

// Commit seals a block of what is pending and returns its hash. Its time is the wall clock's, or one second after
// its parent's where that is later.
func (c *Chain) Commit() (common.Hash, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commit()
}

func (c *Chain) commit() (common.Hash, error) {
	parent := c.Head()
	// The beacon only logs its errors; what it did shows in the head.
	if hash := c.beacon.Commit(); hash != parent.Hash() {
		return hash, nil
	}
	return common.Hash{}, fmt.Errorf("%w on block %d", ErrNotSealed, parent.Number)
}

// AdjustTime seals an empty block whose time is d, in whole seconds, after its parent's. The chain's clock stays
// ahead from then on. It fails while transactions are pending.
func (c *Chain) AdjustTime(d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beacon.AdjustTime(d)
}

// DropPending removes every transaction that is not in a block yet, as nodes do after a while.
func (c *Chain) DropPending() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beacon.Rollback()
}

// Reorg takes the newest depth blocks back, forgets their transactions for good, and seals depth+1 empty blocks in
// their place. The chain's clock runs ahead by about as many seconds.
func (c *Chain) Reorg(depth uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.Head().Number.Uint64()
	if depth > head {
		return fmt.Errorf("chain: a reorg of %d blocks was asked for, the chain has %d", depth, head)
	}
	c.beacon.Rollback()
	if err := c.beacon.Fork(c.eth.BlockChain().GetCanonicalHash(head - depth)); err != nil {
		return fmt.Errorf("chain: reorg: %w", err)
	}
	// The pool took the transactions of the lost blocks up again.
	c.beacon.Rollback()
	for range depth + 1 {
		if _, err := c.commit(); err != nil {
			return err
		}
	}
	return nil
}
