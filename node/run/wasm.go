package run

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Config says how a driver runs jobs on this machine.
type Config struct {
	// Dir is the driver's own directory, absolute and on one file system. It is
	// made when missing and holds all leases.
	Dir string
	// Command runs ShimMain with the arguments that are added to it; empty for
	// this very binary with "shim".
	Command []string
	// Log gets what cannot be returned.
	Log *slog.Logger

	// Fresh is how many pairs of guard and worker wait for the first job of
	// whoever comes (wasm driver); 0 for 2, negative for none.
	Fresh int
	// Used is how many pairs wait for another job of the same tenant and module
	// (wasm driver); 0 for 8, negative for none.
	Used int
	// IdleFor is how long a used pair waits; 0 for one minute.
	IdleFor time.Duration
}

const (
	defaultFresh   = 2
	defaultUsed    = 8
	defaultIdleFor = time.Minute
)

// Wasm is the driver of WebAssembly jobs (WASI preview 1, run by wazero).
//
// What is enforced: memory to the byte, output and scratch by size, count and
// depth, no network, one core (a module has one thread). Shares of less than a
// core are not enforced.
type Wasm struct {
	*shims
	pool      *pool
	compiling singleflight.Group
	watching  sync.WaitGroup
}

var _ Driver = (*Wasm)(nil)

// NewWasm makes the driver ready and begins to start warm workers.
func NewWasm(c Config) (*Wasm, error) {
	shims, err := newShims(kindWasm, c.Dir, c.Command, nil, c.Log)
	if err != nil {
		return nil, err
	}
	d := &Wasm{shims: shims}
	if err := os.MkdirAll(d.cacheDir(), 0o700); err != nil {
		return nil, err
	}
	if err := sweepWork(filepath.Join(c.Dir, workDir), true); err != nil {
		return nil, err
	}
	d.pool = newPool(shims.spawn, orDefault(c.Fresh, defaultFresh), orDefault(c.Used, defaultUsed), cmp.Or(c.IdleFor, defaultIdleFor))
	return d, nil
}

func orDefault(n, otherwise int) int { return max(cmp.Or(n, otherwise), 0) }

// cachesDir is in the driver's directory: one folder for each form of compiled
// code, in it one for each module.
const cachesDir = "cache"

// compiledFile is beside a module's compiled code once that is complete.
const compiledFile = "module.json"

type compiledModule struct {
	Demand int64 `json:"demand"` // bytes of memory that it starts with
}

// Prepare implements Driver: it compiles the module unless that has been done.
func (d *Wasm) Prepare(ctx context.Context, spec Spec, progress func(Progress)) (err error) {
	defer func() { err = d.hide(&spec, err) }()
	if err := spec.checkModule(); err != nil {
		return err
	}
	ref := d.ref(spec)
	compiled, err := loadCompiled(ref.Cache)
	if errors.Is(err, fs.ErrNotExist) {
		compiled, err = d.compileOnce(ctx, ref, progress)
	}
	if err != nil {
		return err
	}
	if compiled.Demand > spec.Limits.Memory {
		return fmt.Errorf("%w: it starts with %d bytes, granted are %d; raise resources.memory", ErrMemoryDemand, compiled.Demand, spec.Limits.Memory)
	}
	return nil
}

func (d *Wasm) ref(spec Spec) moduleRef {
	return moduleRef{Path: spec.Module, Digest: spec.ModuleDigest, Cache: filepath.Join(d.cacheDir(), spec.ModuleDigest)}
}

// moduleForm changes with what is done to a module before it is compiled.
const moduleForm = "bounded"

// cacheDir is for one version of wazero, one architecture and one form of module:
// compiled code of another is worth nothing.
func (d *Wasm) cacheDir() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/tetratelabs/wazero" {
				version = dep.Version
			}
		}
	}
	return filepath.Join(d.dir, cachesDir, version+"-"+runtime.GOARCH+"-"+moduleForm)
}

func loadCompiled(cache string) (compiledModule, error) {
	var compiled compiledModule
	body, err := os.ReadFile(filepath.Join(cache, compiledFile))
	if err != nil {
		return compiled, err
	}
	if err := json.Unmarshal(body, &compiled); err != nil {
		return compiled, fmt.Errorf("compiled module in %s: %w; delete that folder", cache, err)
	}
	// So that the newest used ones stay. A failure shortens a life in the cache.
	now := time.Now()
	_ = os.Chtimes(filepath.Join(cache, compiledFile), now, now)
	return compiled, nil
}

// compileOnce shares one compilation among all who wait for the same module. It
// goes on when one of them gives up.
func (d *Wasm) compileOnce(ctx context.Context, ref moduleRef, progress func(Progress)) (compiledModule, error) {
	size := int64(0)
	if info, err := os.Stat(ref.Path); err == nil {
		size = info.Size()
	}
	report := func(done int64) {
		if progress != nil {
			progress(Progress{Step: "compile", Done: done, Total: size})
		}
	}
	report(0)
	result := d.compiling.DoChan(ref.Digest, func() (any, error) {
		ctx, cancel := context.WithTimeout(d.pool.ctx, compileTimeout)
		defer cancel()
		return d.compile(ctx, ref)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return compiledModule{}, r.Err
		}
		report(size)
		return r.Val.(compiledModule), nil
	case <-ctx.Done():
		return compiledModule{}, ctx.Err()
	}
}

// compile has a confined process compile into a folder of its own, which takes
// its place in the cache when it is whole.
func (d *Wasm) compile(ctx context.Context, ref moduleRef) (compiledModule, error) {
	fresh := ref
	fresh.Cache += ".new"
	if err := os.RemoveAll(fresh.Cache); err != nil {
		return compiledModule{}, err
	}
	if err := os.Mkdir(fresh.Cache, 0o700); err != nil {
		return compiledModule{}, err
	}
	answer, err := compileApart(ctx, fresh)
	if err != nil {
		return compiledModule{}, errors.Join(err, os.RemoveAll(fresh.Cache))
	}
	compiled := compiledModule{Demand: answer.Demand}
	body, err := json.Marshal(compiled)
	if err != nil {
		return compiledModule{}, err
	}
	if err := os.WriteFile(filepath.Join(fresh.Cache, compiledFile), body, 0o600); err != nil {
		return compiledModule{}, err
	}
	// A worker that found nothing there may have left a folder.
	if err := errors.Join(os.RemoveAll(ref.Cache), os.Rename(fresh.Cache, ref.Cache)); err != nil {
		return compiledModule{}, err
	}
	return compiled, d.trimCache()
}

// compileApart runs the role "compile". The thread must stay while it runs: the
// child dies with it.
func compileApart(ctx context.Context, ref moduleRef) (compileReply, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var answer compileReply
	conn, theirs, err := socketPair()
	if err != nil {
		return answer, err
	}
	defer closeQuietly(conn)
	complaints := &head{most: maxDetail}
	cmd, spawned, err := spawn("compile", complaints, theirs)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return answer, fmt.Errorf("start compiler: %w", err)
	}
	defer context.AfterFunc(ctx, func() { expire(conn) })()
	err = writeFrame(conn, compileOrder{Module: ref})
	if err == nil {
		err = readFrame(conn, maxLeaseFrame, &answer)
	}
	// With its answer given or its time over there is nothing to lose in it.
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if ctx.Err() != nil {
		return answer, fmt.Errorf("compile: %w", ctx.Err())
	}
	if err != nil {
		return answer, fmt.Errorf("compile: %w: %s", err, firstLine(complaints.String()))
	}
	answer.Isolation.Applied = append(spawned.Applied, answer.Isolation.Applied...)
	answer.Isolation.Missing = append(spawned.Missing, answer.Isolation.Missing...)
	return answer, answer.Error.asError()
}

// trimCache deletes the compiled modules that were not used for longest.
func (d *Wasm) trimCache() error {
	entries, err := os.ReadDir(d.cacheDir())
	if err != nil {
		return err
	}
	type aged struct {
		name string
		used time.Time
	}
	var all []aged
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(d.cacheDir(), e.Name(), compiledFile))
		if err == nil {
			all = append(all, aged{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b aged) int { return b.used.Compare(a.used) })
	for _, old := range all[min(maxCachedModules, len(all)):] {
		err = errors.Join(err, os.RemoveAll(filepath.Join(d.cacheDir(), old.name)))
	}
	return err
}

// Start implements Driver. A module that was not prepared is compiled first.
func (d *Wasm) Start(ctx context.Context, spec Spec, cover time.Duration) (_ Task, err error) {
	defer func() { err = d.hide(&spec, err) }()
	// Fills in the defaults, which are part of the key.
	if err := spec.checkModule(); err != nil {
		return nil, err
	}
	if err := d.Prepare(ctx, spec, nil); err != nil {
		return nil, err
	}
	key := reuseKey(&spec)
	for {
		g, waited, err := d.pool.take(ctx, key, d.ref(spec))
		if err == nil {
			var started *task
			if started, err = d.start(ctx, g.guardProcess, spec, cover); err == nil {
				d.pool.watch(g)
				d.watch(started)
				return started, nil
			}
		}
		// A guard that died while it waited says nothing about the job.
		if !waited || !errors.Is(err, errLeash) {
			return nil, err
		}
		d.log.Warn("a waiting guard has died", "error", err)
	}
}

// smallest is a module that does nothing: (module (func (export "_start"))).
var smallest = []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x04\x01\x02\x00\x0b")

// Probe tells what keeps jobs apart on this machine, by confining a process and
// compiling a module that does nothing.
func (d *Wasm) Probe(ctx context.Context) (Isolation, error) {
	dir, err := os.MkdirTemp(d.dir, "probe-")
	if err != nil {
		return Isolation{}, err
	}
	answer, err := probeIn(ctx, dir)
	return answer.Isolation, errors.Join(err, os.RemoveAll(dir))
}

func probeIn(ctx context.Context, dir string) (compileReply, error) {
	ref := moduleRef{Path: filepath.Join(dir, "module.wasm"), Digest: digestOf(smallest), Cache: filepath.Join(dir, "cache")}
	if err := errors.Join(os.WriteFile(ref.Path, smallest, 0o600), os.Mkdir(ref.Cache, 0o700)); err != nil {
		return compileReply{}, err
	}
	return compileApart(ctx, ref)
}

// Recover implements Driver. What a lost shim's worker left is deleted.
func (d *Wasm) Recover(ctx context.Context, id string) (Task, error) {
	found, err := d.shims.Recover(ctx, id)
	if errors.Is(err, ErrGone) {
		return found, errors.Join(err, d.sweepLost(ctx))
	}
	if err == nil {
		d.watch(found)
	}
	return found, err
}

// watch deletes what a shim's worker left, should the shim be lost while this
// node lives.
func (d *Wasm) watch(t Task) {
	d.watching.Go(func() {
		if _, err := t.Wait(d.pool.ctx); !errors.Is(err, ErrGone) {
			return
		}
		d.log.Warn("a shim was lost", "lease", t.ID())
		if err := d.sweepLost(d.pool.ctx); err != nil && d.pool.ctx.Err() == nil {
			d.log.Error("what a lost shim's worker left could not be deleted", "lease", t.ID(), "error", err)
		}
	})
}

// sweepLost deletes the folders of workers whose guards are dead. A worker dies
// with its guard, but may write for a moment more.
func (d *Wasm) sweepLost(ctx context.Context) error {
	for deadline := time.Now().Add(killTimeout); ; {
		err := sweepWork(filepath.Join(d.dir, workDir), false)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := pause(ctx, retry); err != nil {
			return err
		}
	}
}

// Sweep implements Driver: it deletes compiled modules, those of other versions
// included. A live job has its own in memory.
func (d *Wasm) Sweep(ctx context.Context, keep time.Duration) error {
	parent := filepath.Join(d.dir, cachesDir)
	caches, err := fs.Glob(os.DirFS(parent), "*/*")
	if err != nil {
		return err
	}
	var failed error
	for _, cache := range caches {
		cache = filepath.Join(parent, cache)
		if ctx.Err() != nil {
			return errors.Join(failed, ctx.Err())
		}
		unused := keep
		info, err := os.Stat(filepath.Join(cache, compiledFile))
		if errors.Is(err, fs.ErrNotExist) {
			// One that is being compiled, or that a crash left half done.
			unused = max(keep, 2*compileTimeout)
			info, err = os.Stat(cache)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) || d.pool.waits(filepath.Base(cache)):
		case err != nil:
			failed = errors.Join(failed, err)
		case time.Since(info.ModTime()) > unused:
			failed = errors.Join(failed, os.RemoveAll(cache))
		}
	}
	return failed
}

// Close implements Driver: it ends idle workers. Live jobs stay with their shims.
func (d *Wasm) Close() error {
	err := d.pool.close()
	d.watching.Wait()
	return err
}
