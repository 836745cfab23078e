package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// shims is the node's side of all guards of one driver: it starts them, hands
// them leases and finds them again.
type shims struct {
	kind     string
	dir      string // the driver's directory, absolute
	settings json.RawMessage
	log      *slog.Logger
	places   places // what errors for strangers must not show
	// command runs ShimMain; what follows is added.
	command []string
}

const (
	leasesDir = "leases"
	// driverPlace is what strangers are told instead of the driver's directory.
	driverPlace = "the driver's directory"
)

// newShims makes the driver's directory. settings go to each guard as they are.
func newShims(kind, dir string, command []string, settings any, log *slog.Logger) (*shims, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("%w: directory is %q, required an absolute path", ErrSpec, dir)
	}
	if err := os.MkdirAll(filepath.Join(dir, leasesDir), 0o700); err != nil {
		return nil, err
	}
	// What a crash in the middle of a removal has left.
	removed, err := filepath.Glob(filepath.Join(dir, leasesDir, "*"+removedSuffix))
	if err != nil {
		return nil, err
	}
	for _, path := range removed {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	encoded, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	if len(command) == 0 {
		command = []string{ownBinary, "shim"}
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	hidden := places{dir: driverPlace}
	if filepath.IsAbs(command[0]) {
		hidden[command[0]] = "the shim's program"
	}
	return &shims{kind: kind, dir: dir, settings: encoded, log: log, command: command, places: hidden}, nil
}

func (s *shims) leaseDir(id string) string { return filepath.Join(s.dir, leasesDir, id) }

// guardProcess is a guard that this node started, and its leash.
type guardProcess struct {
	leash *net.UnixConn
	cmd   *exec.Cmd
	gone  chan struct{} // closed once cmd has been waited for
	close func() error  // drops the leash, which ends an idle guard
}

// spawn starts a guard that outlives the node and waits until it is ready.
func (s *shims) spawn(ctx context.Context) (_ *guardProcess, err error) {
	leash, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	complaints, err := openShimLog(s.dir)
	if err != nil {
		return nil, errors.Join(err, leash.Close(), theirs.Close())
	}
	g := &guardProcess{leash: leash, gone: make(chan struct{}), close: sync.OnceValue(leash.Close)}
	args := append(slices.Clone(s.command[1:]), "guard", s.kind)
	g.cmd = exec.Command(s.command[0], args...)
	g.cmd.Env = []string{}
	g.cmd.Dir = "/"
	g.cmd.Stderr = complaints
	g.cmd.ExtraFiles = []*os.File{theirs}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = g.cmd.Start()
	if err = errors.Join(err, theirs.Close(), complaints.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start guard: %w", err), g.close())
	}
	go func() {
		// A guard tells its story on the leash and in the lease's directory.
		_ = g.cmd.Wait()
		close(g.gone)
	}()
	ctx, cancel := context.WithTimeout(ctx, spawnTimeout)
	defer cancel()
	answer, err := g.ask(ctx, fromNode{Greeting: &greeting{Dir: s.dir, Settings: s.settings}})
	if err == nil && !answer.Ready {
		err = fmt.Errorf("%w: the guard is not ready", errFrame)
	}
	if err != nil {
		g.kill()
		return nil, fmt.Errorf("guard: %w", err)
	}
	return g, nil
}

// errLeash is returned when a guard is not there any more, or not to be understood.
var errLeash = errors.New("leash is broken")

// ask sends what the node says and waits for the answer.
func (g *guardProcess) ask(ctx context.Context, said fromNode) (fromGuard, error) {
	if err := writeFrame(g.leash, said); err != nil {
		return fromGuard{}, fmt.Errorf("%w: %w", errLeash, err)
	}
	return g.hear(ctx)
}

// hear waits for what the guard says next.
func (g *guardProcess) hear(ctx context.Context) (fromGuard, error) {
	stop := context.AfterFunc(ctx, func() { expire(g.leash) })
	defer stop()
	var answer fromGuard
	if err := readFrame(g.leash, maxLeaseFrame, &answer); err != nil {
		if ctx.Err() != nil {
			return fromGuard{}, ctx.Err()
		}
		return fromGuard{}, fmt.Errorf("%w: %w", errLeash, err)
	}
	return answer, answer.Error.asError()
}

// kill ends a guard that is of no use; what it holds dies with it.
func (g *guardProcess) kill() {
	// It may be gone already, and its leash with it.
	_ = g.cmd.Process.Kill()
	_ = g.close()
	<-g.gone
}

// start gives the guard a lease. When it fails nothing of the lease is left, and
// the guard is of no more use.
func (s *shims) start(ctx context.Context, g *guardProcess, spec Spec, cover time.Duration) (_ *task, err error) {
	dir := s.leaseDir(spec.ID)
	if err := os.Mkdir(dir, 0o700); err != nil {
		// Nothing was asked of this guard, but nobody will take it back either.
		g.kill()
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("%w: %s", ErrExists, spec.ID)
		}
		return nil, err
	}
	answer, err := g.ask(ctx, fromNode{Order: &order{Dir: dir, Spec: spec, Cover: cover}})
	if err == nil && !answer.Started {
		err = fmt.Errorf("%w: the guard did not say that the job started", errLeash)
	}
	if err != nil {
		g.kill()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &task{id: spec.ID, dir: dir}, nil
}

// reclaim waits for the lease's end and tells whether the guard can take another.
func (g *guardProcess) reclaim(ctx context.Context) bool {
	answer, err := g.hear(ctx)
	return err == nil && answer.Idle != nil && answer.Idle.Again
}

// Recover implements Driver for whoever embeds shims.
func (s *shims) Recover(ctx context.Context, id string) (Task, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	t := &task{id: id, dir: s.leaseDir(id)}
	if _, err := os.Stat(t.dir); err != nil {
		return nil, fmt.Errorf("%w: %s left no directory", ErrUnknown, id)
	}
	stats, err := t.Stats(ctx)
	if err != nil {
		return nil, err
	}
	return t, lostError(stats)
}

// List implements Driver for whoever embeds shims.
func (s *shims) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, leasesDir))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && checkID(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
