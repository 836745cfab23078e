package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// kindDocker is the kind of guard whose job is a container.
const kindDocker = "docker"

// dockerJob is one container, held by its guard.
type dockerJob struct {
	engine *engine
	reaper *reaper
	lease  lease

	out, tmp *scratch
	id       string // the container's
	pid      int    // of its first process; 0 when that was not seen
	told     bool   // the reaper watches this lease
	output   client.HijackedResponse
	ended    client.ContainerWaitResult
	copied   chan struct{} // closed once the last of the output was logged

	mu      sync.Mutex // of the following, which kill shares with wait
	process *initProcess
	frozen  bool
}

var _ workload = (*dockerJob)(nil)

// newDockerJob starts the reaper, which takes as long as the guard itself and so
// belongs to what is done before a lease comes.
func newDockerJob(settings json.RawMessage) (*dockerJob, error) {
	var set engineSettings
	if err := json.Unmarshal(settings, &set); err != nil {
		return nil, fmt.Errorf("%w: settings of the docker driver: %w", ErrSpec, err)
	}
	engine, err := dialEngine(set)
	if err != nil {
		return nil, err
	}
	reaper, err := startReaper()
	if err != nil {
		return nil, err
	}
	return &dockerJob{engine: engine, reaper: reaper, copied: make(chan struct{})}, nil
}

func (j *dockerJob) prepare(ctx context.Context, lease lease) error {
	j.lease = lease
	ref, err := parsePinned(lease.spec.Docker.Image)
	if err != nil {
		return err
	}
	image, err := j.engine.find(ctx, ref)
	if err != nil {
		return err
	}
	if err := j.makeScratch(ctx); err != nil {
		return err
	}
	if err := j.reaper.tell(reaperWatch{Lease: lease.spec.ID, Engine: &j.engine.set}); err != nil {
		return err
	}
	j.told = true
	created, err := j.engine.api.ContainerCreate(ctx, createOptions(j.engine.set, lease.spec, image, j.out.device, j.tmp.device))
	if err != nil {
		return engineError("create container", err)
	}
	j.id = created.ID
	// Before the start, so that nothing is missed.
	attached, err := j.engine.api.ContainerAttach(ctx, j.id, client.ContainerAttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return engineError("attach to container", err)
	}
	j.output = attached.HijackedResponse
	// Not ctx: the job outlives its start.
	j.ended = j.engine.api.ContainerWait(context.Background(), j.id, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	return nil
}

// makeScratch makes /out and /tmp side by side.
func (j *dockerJob) makeScratch(ctx context.Context) error {
	limits := j.lease.spec.Limits
	tmp := make(chan error, 1)
	go func() {
		files := min(limits.TmpBytes/(16<<10), scratchTmpMax)
		var err error
		j.tmp, err = newScratch(ctx, j.lease.dir, limits.TmpBytes, files, 0o1777)
		tmp <- err
	}()
	var err error
	j.out, err = newScratch(ctx, j.lease.dir, limits.OutputBytes, limits.OutputFiles, 0o777)
	return errors.Join(err, <-tmp)
}

func (j *dockerJob) start(ctx context.Context) error {
	if _, err := j.engine.api.ContainerStart(ctx, j.id, client.ContainerStartOptions{}); err != nil {
		return engineError("start container", err)
	}
	go j.copyOutput()
	answer, err := j.engine.api.ContainerInspect(ctx, j.id, client.ContainerInspectOptions{})
	if err != nil {
		return engineError("inspect container", err)
	}
	state := answer.Container.State
	if state == nil || state.Pid == 0 {
		return nil // ended already
	}
	process, err := holdProcess(state.Pid)
	if err != nil {
		return err
	}
	if process == nil {
		return nil // likewise
	}
	j.pid = state.Pid
	j.mu.Lock()
	j.process = process
	j.mu.Unlock()
	return j.reaper.tell(reaperWatch{Lease: j.lease.spec.ID, PID: state.Pid})
}

// copyOutput reads as fast as the job prints; what is too much is the log's to drop.
func (j *dockerJob) copyOutput() {
	defer close(j.copied)
	gathered := &jobLog{send: func(stream Stream, data []byte) error { j.lease.log(stream, data); return nil }}
	// However the output ends, the container's own end tells the story.
	_, _ = stdcopy.StdCopy(gathered.stream(Stdout), gathered.stream(Stderr), j.output.Reader)
	_ = gathered.flush()
}

// freeze pauses the container. An engine that does not do it in time is not
// waited for: the job ends, and no longer runs unpaid.
func (j *dockerJob) freeze() error {
	ctx, cancel := context.WithTimeout(context.Background(), freezeTimeout)
	defer cancel()
	if _, err := j.engine.api.ContainerPause(ctx, j.id, client.ContainerPauseOptions{}); err != nil {
		return engineError("pause container", err)
	}
	j.mu.Lock()
	j.frozen = true
	j.mu.Unlock()
	return nil
}

func (j *dockerJob) thaw() error {
	ctx, cancel := context.WithTimeout(context.Background(), freezeTimeout)
	defer cancel()
	if _, err := j.engine.api.ContainerUnpause(ctx, j.id, client.ContainerUnpauseOptions{}); err != nil {
		return engineError("unpause container", err)
	}
	j.mu.Lock()
	j.frozen = false
	j.mu.Unlock()
	return nil
}

// kill goes by the kernel first and needs no engine for a job that runs. A
// frozen one dies when it thaws, with its death already on the way.
func (j *dockerJob) kill() error {
	j.mu.Lock()
	process, frozen := j.process, j.frozen
	j.mu.Unlock()
	var failed error
	if process != nil {
		if failed = process.kill(); failed == nil && !frozen {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), freezeTimeout)
	defer cancel()
	// It sees to a paused container as well.
	_, err := j.engine.api.ContainerKill(ctx, j.id, client.ContainerKillOptions{Signal: "SIGKILL"})
	if err == nil || (process != nil && process.gone(0)) {
		return nil
	}
	return errors.Join(failed, engineError("kill container", err))
}

func (j *dockerJob) wait() outcome {
	end := j.waitEnd()
	select {
	case <-j.copied:
	case <-time.After(flushTimeout):
		// The output's end got lost; what came is logged.
		j.output.Close()
		<-j.copied
	}
	return end
}

func (j *dockerJob) waitEnd() outcome {
	for {
		select {
		case result := <-j.ended.Result:
			return j.judge(result)
		case err := <-j.ended.Error:
			// The engine has gone away, and with it the means to freeze the job.
			return j.abandon("the container engine stopped answering: " + j.engine.places().hide(err.Error()))
		case <-j.reaper.gone:
			if err := j.replaceReaper(); err != nil {
				return j.abandon(fmt.Sprintf("the job's reaper was killed, another could not be started: %v", err))
			}
		}
	}
}

// replaceReaper starts another one for a job that runs.
func (j *dockerJob) replaceReaper() error {
	lost := j.reaper
	reaper, err := startReaper()
	if err != nil {
		return err
	}
	j.reaper = reaper
	watch := reaperWatch{Lease: j.lease.spec.ID, Engine: &j.engine.set, PID: j.pid}
	return errors.Join(lost.close(), reaper.tell(watch))
}

// abandon ends a job that can be held no longer.
func (j *dockerJob) abandon(why string) outcome {
	end := outcome{code: CodeKilled, detail: why}
	if err := j.kill(); err != nil {
		end.detail += "; " + j.engine.places().hide(err.Error())
	}
	if j.process != nil && !j.process.gone(killTimeout) {
		end.detail += "; the container has not ended yet"
	}
	return end
}

// exitKilled is what a container's init returns for SIGKILL.
const exitKilled = 128 + 9

// judge names how the container ended. A job that was killed, by whomever but the
// kernel's memory limit, has not exited; one that returns 137 is taken for one.
func (j *dockerJob) judge(result container.WaitResponse) outcome {
	end := outcome{code: CodeExited, exitCode: int(result.StatusCode)}
	if result.Error != nil {
		end.detail = result.Error.Message
	}
	if end.exitCode == 0 {
		return end
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineTimeout)
	defer cancel()
	answer, err := j.engine.api.ContainerInspect(ctx, j.id, client.ContainerInspectOptions{})
	limits := j.lease.spec.Limits
	switch {
	case err != nil:
		end.detail = "the engine no longer knows the container: " + j.engine.places().hide(err.Error())
	case answer.Container.State != nil && answer.Container.State.OOMKilled:
		end.code = CodeMemoryLimit
		end.detail = fmt.Sprintf("the job used up its memory of %d bytes, with /dev/shm and the image's volumes", limits.Memory)
	case end.exitCode == exitKilled:
		end.code, end.detail = CodeKilled, "killed by a signal"
	case j.out.full(limits.OutputBytes, limits.OutputFiles):
		end.code = CodeOutputLimit
		end.detail = fmt.Sprintf("/out is full: %d bytes or %d files", limits.OutputBytes, limits.OutputFiles)
	}
	return end
}

func (j *dockerJob) collect(ctx context.Context) error {
	from, err := j.out.root()
	if err != nil {
		return err
	}
	to, err := os.OpenRoot(j.lease.out)
	if err != nil {
		return errors.Join(err, from.Close())
	}
	copied := (&outputs{from: from, to: to, limits: j.lease.spec.Limits}).copy(ctx)
	return errors.Join(copied, from.Close(), to.Close())
}

// release leaves to the reaper what the engine would not remove.
func (j *dockerJob) release(ctx context.Context) error {
	var failed error
	if j.told {
		if failed = j.engine.reap(ctx, j.lease.spec.ID); failed == nil {
			failed = j.reaper.tell(reaperWatch{Lease: j.lease.spec.ID, Done: true})
		}
	}
	if j.output.Conn != nil {
		j.output.Close()
	}
	for _, s := range []*scratch{j.out, j.tmp} {
		if s != nil {
			failed = errors.Join(failed, s.close())
		}
	}
	if j.process != nil {
		failed = errors.Join(failed, j.process.close())
	}
	return errors.Join(failed, j.reaper.close(), j.engine.api.Close())
}

// memory is what the container's cgroup holds.
func (j *dockerJob) memory() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.process == nil {
		return 0
	}
	return j.process.used()
}

func (j *dockerJob) isolation() Isolation { return j.engine.set.Isolation }
