package run

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// pool keeps guards and their workers warm. Fresh ones have run nothing and hold
// the module that was used last; used ones wait for another job of the very
// same tenant, module, limits and inputs.
type pool struct {
	spawn   func(context.Context) (*guardProcess, error)
	fresh   int           // how many fresh ones to keep
	used    int           // how many used ones to keep
	idleFor time.Duration // how long a used one is kept

	ctx    context.Context // done once the pool is closed
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	idle    []*pooled // oldest first
	latest  *moduleRef
	filling bool
}

// pooled is a guard that waits. One with a key is used.
type pooled struct {
	*guardProcess
	key    string
	loaded string // digest
	expiry *time.Timer
}

func newPool(spawn func(context.Context) (*guardProcess, error), fresh, used int, idleFor time.Duration) *pool {
	p := &pool{spawn: spawn, fresh: fresh, used: used, idleFor: idleFor}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.fill()
	return p
}

// take gives a guard with the module loaded: a used one with this key, a fresh
// one, or a new one. retry tells that it had waited and so may have died.
func (p *pool) take(ctx context.Context, key string, ref moduleRef) (_ *pooled, retry bool, err error) {
	g := p.pick(key, ref)
	retry = g != nil
	if g == nil {
		spawned, err := p.spawn(ctx)
		if err != nil {
			return nil, false, err
		}
		g = &pooled{guardProcess: spawned}
	}
	if err := g.warm(ctx, ref); err != nil {
		g.kill()
		return nil, retry, err
	}
	g.key = key
	return g, retry, nil
}

// warm makes the guard's worker load the module, unless it has.
func (g *pooled) warm(ctx context.Context, ref moduleRef) error {
	if g.loaded == ref.Digest {
		return nil
	}
	if _, err := g.ask(ctx, fromNode{Warm: &ref}); err != nil {
		return err
	}
	g.loaded = ref.Digest
	return nil
}

func (p *pool) pick(key string, ref moduleRef) *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest = &ref
	best := -1
	for i, g := range p.idle {
		switch {
		case g.key == key:
			return p.remove(i)
		case g.key == "" && (best < 0 || g.loaded == ref.Digest):
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	g := p.remove(best)
	p.fillLocked()
	return g
}

func (p *pool) remove(i int) *pooled {
	g := p.idle[i]
	p.idle = slices.Delete(p.idle, i, i+1)
	if g.expiry != nil {
		g.expiry.Stop()
	}
	return g
}

// watch takes the guard back when its lease has ended.
func (p *pool) watch(g *pooled) {
	p.work.Go(func() {
		if g.reclaim(p.ctx) {
			p.put(g)
			return
		}
		// With a lease it goes on without its leash, without one it ends.
		_ = g.close()
	})
}

func (p *pool) put(g *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := 0
	oldest := -1
	for i, other := range p.idle {
		if other.key != "" {
			kept++
			if oldest < 0 {
				oldest = i
			}
		}
	}
	if p.ctx.Err() != nil || p.used == 0 {
		_ = g.close() // as in watch
		return
	}
	if kept >= p.used {
		_ = p.remove(oldest).close()
	}
	if g.key != "" {
		g.expiry = time.AfterFunc(p.idleFor, func() { p.expire(g) })
	}
	p.idle = append(p.idle, g)
}

func (p *pool) expire(g *pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, g); i >= 0 {
		_ = p.remove(i).close() // as in watch
	}
}

// fill brings the number of fresh guards up, one after the other.
func (p *pool) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fillLocked()
}

func (p *pool) fillLocked() {
	if p.filling || p.ctx.Err() != nil {
		return
	}
	p.filling = true
	p.work.Go(func() {
		for {
			ref, more := p.lacking()
			if !more {
				return
			}
			g, err := p.prestart(ref)
			p.mu.Lock()
			switch {
			case err == nil && p.ctx.Err() == nil:
				p.idle = append(p.idle, g)
			case err == nil:
				_ = g.close() // as in watch
			default:
				p.filling = false
			}
			p.mu.Unlock()
			if err != nil {
				return // the next take tries for itself and tells
			}
		}
	})
}

// lacking tells whether a fresh guard is missing and what it should load.
func (p *pool) lacking() (*moduleRef, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for _, g := range p.idle {
		if g.key == "" {
			count++
		}
	}
	if count >= p.fresh || p.ctx.Err() != nil {
		p.filling = false
		return nil, false
	}
	return p.latest, true
}

func (p *pool) prestart(ref *moduleRef) (*pooled, error) {
	spawned, err := p.spawn(p.ctx)
	if err != nil {
		return nil, err
	}
	g := &pooled{guardProcess: spawned}
	if ref != nil {
		if err := g.warm(p.ctx, *ref); err != nil {
			g.kill()
			return nil, err
		}
	}
	return g, nil
}

// waits tells whether the next fresh guard will load the module of this digest.
func (p *pool) waits(digest string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latest != nil && p.latest.Digest == digest
}

// close ends the idle guards and lets the others go on by themselves.
func (p *pool) close() error {
	p.cancel()
	p.work.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for len(p.idle) > 0 {
		g := p.remove(0)
		err = errors.Join(err, g.close())
		<-g.gone
	}
	return err
}
