package run

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// counting is a job that writes without end how far it has come.
const counting = `i=0; while true; do i=$((i+1)); echo $i > /out/count; done`

// inEngine gives the engine's view of a lease's container.
func inEngine(tb testing.TB, api *client.Client, d *Docker, task Task) *container.State {
	tb.Helper()
	held, err := api.ContainerInspect(deadline(tb), containerName(d.engine.set.Home, task.ID()), client.ContainerInspectOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	return held.Container.State
}

// TestDockerFreezesAndThaws: a container stands still when cover runs out, goes on
// with more of it, and is ended when its grace is over; its outputs are kept.
func TestDockerFreezesAndThaws(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	spec := ready(t, d, shell(t, counting))
	cover := 200 * time.Millisecond
	task := start(t, d, spec, cover)
	for range 3 {
		until(t, "frozen", func() bool { return stats(t, task).State == StateFrozen })
		before := stats(t, task)
		state := inEngine(t, api, d, task)
		if before.Usage != cover || !state.Paused {
			t.Fatalf("usage is %v with cover %v, paused %t", before.Usage, cover, state.Paused)
		}
		ticks := cpuTime(busiest(t, state.Pid))
		until(t, "grace being spent", func() bool { return stats(t, task).GraceLeft < before.GraceLeft-50*time.Millisecond })
		if after := stats(t, task); after.Usage != cover || cpuTime(busiest(t, state.Pid)) != ticks {
			t.Fatalf("it ran while frozen: usage %v, cover %v", after.Usage, cover)
		}
		cover += 200 * time.Millisecond
		if err := task.Cover(deadline(t), cover); err != nil {
			t.Fatal(err)
		}
	}
	if err := task.Stop(deadline(t), CodeStopped); err != nil {
		t.Fatal(err)
	}
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeStopped || exit.Usage > cover {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	if _, err := os.Stat(filepath.Join(task.OutputPath(), "count")); err != nil {
		t.Error(err)
	}
}

// busiest gives the container's shell: the child of its init.
func busiest(tb testing.TB, init int) int {
	tb.Helper()
	for _, pid := range processes(tb) {
		if _, parent := processState(pid); parent == init {
			return pid
		}
	}
	tb.Fatalf("process %d has no child", init)
	return 0
}

// TestDockerGraceOver ends a frozen container for good.
func TestDockerGraceOver(t *testing.T) {
	d := dockerDriver(t, nil)
	spec := ready(t, d, shell(t, counting))
	spec.Grace = 100 * time.Millisecond
	task := start(t, d, spec, 200*time.Millisecond)
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeGraceOver || exit.Usage != 200*time.Millisecond {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	if _, err := os.Stat(filepath.Join(task.OutputPath(), "count")); err != nil {
		t.Errorf("what there was of the outputs is lost: %v", err)
	}
}

// TestDockerMaxUsage ends a container that is paid for on and on.
func TestDockerMaxUsage(t *testing.T) {
	d := dockerDriver(t, nil)
	spec := ready(t, d, shell(t, counting))
	spec.MaxUsage = 200 * time.Millisecond
	exit, _, _ := finished(t, d, spec)
	if exit.Code != CodeMaxDuration || exit.Usage != spec.MaxUsage {
		t.Errorf("exit is %+v", exit)
	}
}

// TestDockerOutlivesNode: a second driver, as a restarted node makes it, leaves a
// live lease alone and finds it again; a first one that let go changes nothing.
func TestDockerOutlivesNode(t *testing.T) {
	api := realEngine(t)
	first := dockerDriver(t, nil)
	spec := ready(t, first, shell(t, `echo one; `+counting))
	task := start(t, first, spec, 200*time.Millisecond)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "frozen, with no node there", func() bool { return stats(t, task).State == StateFrozen })
	second := openDocker(t, first.dir, nil)
	if got := containersOf(t, api, second); len(got) != 1 {
		t.Fatalf("containers are %q", got)
	}
	again, err := second.Recover(deadline(t), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Cover(deadline(t), time.Hour); err != nil {
		t.Fatal(err)
	}
	until(t, "running again", func() bool { return !inEngine(t, api, second, again).Paused })
	if err := again.Stop(deadline(t), CodeOwnerStopped); err != nil {
		t.Fatal(err)
	}
	exit, err := again.Wait(deadline(t))
	if err != nil || exit.Code != CodeOwnerStopped {
		t.Errorf("exit is %+v, %v", exit, err)
	}
	if text := printed(t, again); text != "one\n" {
		t.Errorf("the log is %q", text)
	}
}

// TestDockerGuardKilled: the container dies with its guard, frozen or not.
func TestDockerGuardKilled(t *testing.T) {
	for name, cover := range map[string]time.Duration{"running": time.Hour, "frozen": 200 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			api := realEngine(t)
			d := dockerDriver(t, nil)
			task := start(t, d, ready(t, d, shell(t, counting)), cover)
			if name == "frozen" {
				until(t, "frozen", func() bool { return stats(t, task).State == StateFrozen })
			}
			pid := inEngine(t, api, d, task).Pid
			// The driver's own watch must not be what does it.
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			kill(t, guardOf(t, task))
			until(t, "the container's death", func() bool { return gone(pid) })
			nothingLeft(t, api, d)
			exit, err := task.Wait(deadline(t))
			want(t, err, ErrGone)
			if exit.Code != CodeShimLost || exit.Usage > cover {
				t.Errorf("exit is %+v", exit)
			}
		})
	}
}

// TestDockerReaperKilled: a guard whose reaper is killed takes another.
func TestDockerReaperKilled(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	task := start(t, d, ready(t, d, shell(t, counting)), time.Hour)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	guard := guardOf(t, task)
	first := workerOf(t, guard)
	kill(t, first)
	until(t, "another reaper", func() bool {
		for _, pid := range processes(t) {
			if _, parent := processState(pid); parent == guard && pid != first && !gone(pid) {
				return true
			}
		}
		return false
	})
	// Its answer shows that the guard's loop is past the exchange.
	if stats(t, task).State != StateRunning {
		t.Fatalf("state is %+v", stats(t, task))
	}
	kill(t, guard)
	nothingLeft(t, api, d)
}

// loseShim kills a guard and its reaper in such a way that neither can help the other.
func loseShim(tb testing.TB, task Task) {
	tb.Helper()
	guard := guardOf(tb, task)
	reaper := workerOf(tb, guard)
	if err := syscall.Kill(guard, syscall.SIGSTOP); err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(syscall.Kill(reaper, syscall.SIGKILL), syscall.Kill(guard, syscall.SIGKILL)); err != nil {
		tb.Fatal(err)
	}
	until(tb, "the guard's death", func() bool { return gone(guard) })
}

// TestDockerShimLost: with guard and reaper killed at once the node removes the
// container while it lives, else when it starts again.
func TestDockerShimLost(t *testing.T) {
	api := realEngine(t)
	t.Run("node alive", func(t *testing.T) {
		d := dockerDriver(t, nil)
		task := start(t, d, ready(t, d, shell(t, counting)), time.Hour)
		loseShim(t, task)
		nothingLeft(t, api, d)
	})
	t.Run("node restarted", func(t *testing.T) {
		d := dockerDriver(t, nil)
		task := start(t, d, ready(t, d, shell(t, counting)), time.Hour)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		loseShim(t, task)
		if got := containersOf(t, api, d); len(got) != 1 {
			t.Fatalf("containers are %q, this test needs one", got)
		}
		again := openDocker(t, d.dir, nil)
		if got := containersOf(t, api, again); len(got) != 0 {
			t.Errorf("a restarted node left %q", got)
		}
		_, err := again.Recover(deadline(t), task.ID())
		want(t, err, ErrGone)
	})
}

// TestDockerKilledFromOutside is no exit of the job's own.
func TestDockerKilledFromOutside(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	task := start(t, d, ready(t, d, shell(t, counting)), time.Hour)
	kill(t, inEngine(t, api, d, task).Pid)
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeKilled {
		t.Errorf("exit is %+v, %v", exit, err)
	}
}

// TestDockerStartFails leaves nothing when the image has gone since Prepare.
func TestDockerStartFails(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	spec := shell(t, "true")
	spec.Docker.Image = spec.Docker.Image[:strings.LastIndex(spec.Docker.Image, ":")+1] + strings.Repeat("0", 64)
	_, err := d.Start(deadline(t), spec, time.Hour)
	want(t, err, ErrFailedToStart)
	if !strings.Contains(err.Error(), "image not found") {
		t.Errorf("the error does not say why: %v", err)
	}
	spec = ready(t, d, shell(t, "true"))
	spec.Limits.CPUMillis = 1_000_000
	_, err = d.Start(deadline(t), spec, time.Hour)
	want(t, err, ErrFailedToStart)
	nothingLeft(t, api, d)
}

// TestDockerEngineStops: a job must not run on where no engine can freeze it. The
// engine is behind a relay of ours, which is cut.
func TestDockerEngineStops(t *testing.T) {
	api := realEngine(t)
	relay := newRelay(t, strings.TrimPrefix(testEngine(), "unix://"))
	d := dockerDriver(t, func(c *DockerConfig) { c.Host = "unix://" + relay.path })
	task := start(t, d, ready(t, d, shell(t, counting)), time.Hour)
	pid := inEngine(t, api, d, task).Pid
	relay.cut()
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeKilled || !gone(pid) {
		t.Errorf("exit is %+v, %v; container gone: %t", exit, err, gone(pid))
	}
	relay.mend()
}

// relay is a socket in front of the engine's that can be cut and mended.
type relay struct {
	tb           testing.TB
	path, engine string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newRelay(tb testing.TB, engine string) *relay {
	tb.Helper()
	r := &relay{tb: tb, path: filepath.Join(tb.TempDir(), "engine.sock"), engine: engine}
	r.mend()
	tb.Cleanup(r.cut)
	return r
}

func (r *relay) mend() {
	r.tb.Helper()
	listener, err := net.Listen("unix", r.path)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.mu.Lock()
	r.listener = listener
	r.mu.Unlock()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // cut
			}
			r.pass(conn)
		}
	}()
}

func (r *relay) pass(conn net.Conn) {
	engine, err := net.Dial("unix", r.engine)
	if err != nil {
		r.tb.Error(err)
		return
	}
	r.mu.Lock()
	r.open = append(r.open, conn, engine)
	r.mu.Unlock()
	copyTo := func(to, from net.Conn) {
		// Either end may hang up; the other learns of it.
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	go copyTo(conn, engine)
	go copyTo(engine, conn)
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.listener.Close() // cut twice is cut
	for _, conn := range r.open {
		_ = conn.Close()
	}
	r.open = nil
}
