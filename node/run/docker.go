package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/client"
	"golang.org/x/sync/singleflight"
)

// DefaultEngine is where an engine listens unless told otherwise.
const DefaultEngine = "unix:///var/run/docker.sock"

// DockerConfig says how the docker driver runs jobs on this machine.
type DockerConfig struct {
	Config
	// Host is the engine's socket, unix:///PATH. Default: DefaultEngine.
	Host string
	// AllowRunc is the provider's consent to run strangers' containers on this
	// machine's own kernel where the engine has no gVisor (runsc).
	AllowRunc bool
	// LocalImages lets jobs name images that somebody else put into the engine, by
	// their id or repository digest. On a provider these may hold its own secrets;
	// it is meant for devnets, where requester and provider share an engine.
	LocalImages bool
	// Images says which images are fetched, from where.
	Images ImagesConfig
}

// Docker is the driver of jobs in containers, by the Docker Engine API.
//
// A job gets a read-only root, /out and /tmp of a fixed size on disk, its inputs
// read-only, and nothing else of this machine: no network, no capabilities, a
// user of its own. A VOLUME of the image becomes an empty folder of at most
// 64 MiB in memory, with the mode that it has in the image. It needs root, for loop devices, and an engine on the same machine.
type Docker struct {
	*shims
	config  DockerConfig
	engine  *engine
	images  *Images
	pool    *pool
	pulling singleflight.Group
	pulled  *pulledImages

	ctx      context.Context // done once the driver is closed
	cancel   context.CancelFunc
	watching sync.WaitGroup

	mu       sync.Mutex
	examined time.Time
}

var _ Driver = (*Docker)(nil)

const (
	pullDir   = "pull"   // in the driver's directory: one folder for each image being fetched
	imagesDir = "images" // in the driver's directory: one file for each image that it pulled
	// examineEvery is how often the engine is asked whether it is still as safe
	// as it was.
	examineEvery = time.Minute
	// defaultDockerFresh is how many guards wait for a container.
	defaultDockerFresh = 1
)

// NewDocker examines the engine and this machine, removes what lost shims left
// and makes the driver ready. It reports ErrNoEngine, ErrEngineUnsafe, ErrRuntime,
// or ErrUnsupported without root or mke2fs, where jobs cannot be run.
func NewDocker(ctx context.Context, c DockerConfig) (_ *Docker, err error) {
	if c.Host == "" {
		c.Host = DefaultEngine
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if err := scratchTools(); err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(filepath.Clean(c.Dir)))
	engine, err := examineEngine(ctx, c.Host, hex.EncodeToString(sum[:4]), c)
	if err != nil {
		return nil, err
	}
	d := &Docker{config: c, engine: engine, images: NewImages(c.Images), examined: time.Now()}
	d.pulled = &pulledImages{dir: filepath.Join(c.Dir, imagesDir)}
	if d.shims, err = newShims(kindDocker, c.Dir, c.Command, engine.set, c.Log); err != nil {
		return nil, errors.Join(err, engine.api.Close())
	}
	maps.Copy(d.places, engine.places())
	if err := errors.Join(checkScratch(ctx, c.Dir), d.sweepContainers(ctx), os.RemoveAll(filepath.Join(c.Dir, pullDir))); err != nil {
		return nil, errors.Join(err, engine.api.Close())
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.pool = newPool(d.spawn, orDefault(c.Fresh, defaultDockerFresh), 0, 0)
	return d, nil
}

// sweepContainers removes the containers whose guards are gone.
func (d *Docker) sweepContainers(ctx context.Context) error {
	found, err := d.engine.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelHome+"="+d.engine.set.Home),
	})
	if err != nil {
		return engineError("list containers", err)
	}
	var failed error
	for _, container := range found.Items {
		id := container.Labels[labelLease]
		lock, err := lockFileIn(d.leaseDir(id))
		switch {
		case errors.Is(err, errLocked):
			continue
		case err == nil:
			failed = errors.Join(failed, d.engine.remove(ctx, container.ID), lock.Close())
		case errors.Is(err, fs.ErrNotExist):
			failed = errors.Join(failed, d.engine.remove(ctx, container.ID))
		default:
			failed = errors.Join(failed, err)
			continue
		}
		d.log.Warn("removed a container whose shim was gone", "lease", id)
	}
	return failed
}

// Prepare implements Driver: it sees that the engine is as safe as it was, and
// fetches the image unless the engine has it. It reports the errors of images.
func (d *Docker) Prepare(ctx context.Context, spec Spec, progress func(Progress)) (err error) {
	defer func() { err = d.hide(&spec, err) }()
	if err := spec.checkDocker(); err != nil {
		return err
	}
	ref, err := parsePinned(spec.Docker.Image)
	if err != nil {
		return err
	}
	if err := d.reexamine(ctx); err != nil {
		return err
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	// Before looking, so that a sweep leaves what is found.
	if err := d.pulled.use(ref); err != nil {
		return err
	}
	_, err = d.engine.find(ctx, ref)
	if errors.Is(err, ErrImageNotFound) {
		if err = d.pullOnce(ctx, ref, progress); err == nil {
			_, err = d.engine.find(ctx, ref)
		}
	}
	return err
}

// reexamine refuses jobs on an engine that was restarted as another one: guards
// and what the provider offers rest on what it was.
func (d *Docker) reexamine(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.examined) < examineEvery {
		return nil
	}
	now, err := examineEngine(ctx, d.config.Host, d.engine.set.Home, d.config)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(now.set, d.engine.set) {
		d.log.Error("the container engine is another one than when this node started", "now", now.set, "was", d.engine.set)
		err = fmt.Errorf("%w: it is another one than when this node started; the node must be restarted", ErrEngineUnsafe)
	}
	d.examined = time.Now()
	return errors.Join(err, now.api.Close())
}

// pullOnce shares one pull among all who wait for the same image. When the one
// that does it gives up, another goes on.
func (d *Docker) pullOnce(ctx context.Context, ref name.Digest, progress func(Progress)) error {
	for {
		result := d.pulling.DoChan(ref.Name(), func() (any, error) { return nil, d.pull(ctx, ref, progress) })
		select {
		case r := <-result:
			gaveUp := errors.Is(r.Err, context.Canceled) || errors.Is(r.Err, context.DeadlineExceeded)
			if !gaveUp || ctx.Err() != nil {
				return r.Err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *Docker) pull(ctx context.Context, ref name.Digest, progress func(Progress)) (err error) {
	parent := filepath.Join(d.dir, pullDir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(parent, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	image, err := d.images.fetch(ctx, ref, dir, progress)
	if err != nil {
		return err
	}
	load := func() error { return d.engine.load(ctx, ref, image, progress) }
	foreign, err := d.engine.nameless(ctx, image)
	if err != nil {
		return err
	}
	if foreign {
		return load() // to be removed by nobody but its owner
	}
	return d.pulled.add(ref, load)
}

// Start implements Driver.
func (d *Docker) Start(ctx context.Context, spec Spec, cover time.Duration) (_ Task, err error) {
	defer func() { err = d.hide(&spec, err) }()
	if err := spec.checkDocker(); err != nil {
		return nil, err
	}
	ref, err := parsePinned(spec.Docker.Image)
	if err == nil {
		err = d.pulled.use(ref)
	}
	if err != nil {
		return nil, err
	}
	for {
		g, waited, err := d.pool.take(ctx, spec.ID, moduleRef{})
		if err == nil {
			var started *task
			if started, err = d.start(ctx, g.guardProcess, spec, cover); err == nil {
				d.pool.watch(g)
				d.watch(started)
				return started, nil
			}
			if !errors.Is(err, ErrExists) {
				// The guard clears up, but may have been killed before it was done.
				err = errors.Join(err, d.engine.reap(context.WithoutCancel(ctx), spec.ID))
			}
		}
		// A guard that died while it waited says nothing about the job.
		if !waited || !errors.Is(err, errLeash) {
			return nil, err
		}
		d.log.Warn("a waiting guard has died", "error", err)
	}
}

// Recover implements Driver. What a lost shim left in the engine is removed.
func (d *Docker) Recover(ctx context.Context, id string) (Task, error) {
	found, err := d.shims.Recover(ctx, id)
	if errors.Is(err, ErrGone) {
		return found, errors.Join(err, d.engine.reap(ctx, id))
	}
	if err == nil {
		d.watch(found)
	}
	return found, err
}

// watch is the second line behind a shim's reaper, for as long as this node lives.
func (d *Docker) watch(t Task) {
	d.watching.Go(func() {
		if _, err := t.Wait(d.ctx); !errors.Is(err, ErrGone) {
			return
		}
		d.log.Warn("a shim was lost", "lease", t.ID())
		if err := d.engine.reap(d.ctx, t.ID()); err != nil {
			d.log.Error("a lost shim's container may run on unpaid", "lease", t.ID(), "error", err)
		}
	})
}

// Sweep implements Driver: it removes from the engine the images that this driver
// pulled. An image that a container uses, whosever it is, stays.
func (d *Docker) Sweep(ctx context.Context, keep time.Duration) error {
	return d.pulled.sweep(keep, func(image string) (used bool, err error) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return d.engine.removeImage(ctx, image)
	})
}

// Isolation tells what keeps jobs apart on this machine.
func (d *Docker) Isolation() Isolation { return d.engine.set.Isolation }

// Close implements Driver: it ends idle guards. Live jobs stay with their shims.
func (d *Docker) Close() error {
	d.cancel()
	d.watching.Wait()
	d.images.Close()
	return errors.Join(d.pool.close(), d.engine.api.Close())
}
