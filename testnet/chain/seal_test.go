package chain

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestSealerTiming lets transactions come at random times and checks the three promises: never two blocks within a
// second, never a longer pause than idle, no transaction that waits for more than a second.
func TestSealerTiming(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		idle := time.Duration(rapid.IntRange(1000, 5000).Draw(rt, "idle ms")) * time.Millisecond
		gaps := rapid.SliceOfN(rapid.IntRange(0, 4000), 1, 40).Draw(rt, "gaps ms")
		synctest.Test(t, func(t *testing.T) {
			wake, quit := make(chan struct{}, 1), make(chan struct{})
			var mu sync.Mutex // guards what follows
			var seals []time.Time
			var waiting []time.Time // arrival of each pending transaction
			start := time.Now()
			s := sealer{
				wake: wake, quit: quit, idle: idle,
				pending: func() bool {
					mu.Lock()
					defer mu.Unlock()
					return len(waiting) > 0
				},
				seal: func() {
					mu.Lock()
					defer mu.Unlock()
					for _, since := range waiting {
						if d := time.Since(since); d > minInterval {
							rt.Fatalf("a transaction waited for %v", d)
						}
					}
					waiting = nil
					seals = append(seals, time.Now())
				},
			}
			done := make(chan struct{})
			go func() { s.run(); close(done) }()
			for _, ms := range gaps {
				<-time.After(time.Duration(ms) * time.Millisecond)
				mu.Lock()
				waiting = append(waiting, time.Now())
				mu.Unlock()
				select {
				case wake <- struct{}{}:
				default:
				}
				synctest.Wait()
			}
			<-time.After(2 * idle)
			close(quit)
			<-done
			if len(waiting) != 0 {
				rt.Fatalf("%d transactions were never sealed", len(waiting))
			}
			last := start
			for i, at := range seals {
				if i > 0 && at.Sub(last) < minInterval {
					rt.Fatalf("blocks %d and %d are %v apart", i-1, i, at.Sub(last))
				}
				if at.Sub(last) > idle {
					rt.Fatalf("no block for %v, idle is %v", at.Sub(last), idle)
				}
				last = at
			}
		})
	})
}
