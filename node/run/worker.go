package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// A worker is the process that a WebAssembly job runs in, driven by its guard
// over one socket:
//
//	guard                              worker
//	load {module}                ->          still unconfined: no guest code has run
//	                             <-    loaded | error
//	job {spec, directories}      ->          confines itself at the first job
//	                             <-    ready {isolation} | error
//	run                          ->
//	                             <-    log* done {outcome}
//
// A load may come again before the first job, and a job again after done.
// Freezing and killing are signals. What a worker says is trusted no more than
// its guest.

// toWorker is what a guard says; exactly one field is set.
type toWorker struct {
	Load *moduleRef `json:"load,omitempty"`
	Job  *workerJob `json:"job,omitempty"`
	Run  bool       `json:"run,omitempty"`
}

type workerJob struct {
	Spec Spec   `json:"spec"`
	Work string `json:"work"` // the worker's own directory, the same for all its jobs
	Dir  string `json:"dir"`  // its subdirectory for this job; holds out and tmp, both empty
	UID  int    `json:"uid"`
}

// fromWorker is what a worker says; exactly one field is set.
type fromWorker struct {
	Loaded bool        `json:"loaded,omitempty"`
	Ready  *Isolation  `json:"ready,omitempty"`
	Error  *wireError  `json:"error,omitempty"`
	Log    *workerLog  `json:"log,omitempty"`
	Done   *workerDone `json:"done,omitempty"`
}

type workerLog struct {
	Stream Stream `json:"stream"`
	Data   []byte `json:"data"`
}

type workerDone struct {
	Code     Code   `json:"code"`
	ExitCode int    `json:"exit_code"`
	Detail   string `json:"detail,omitempty"`
}

// worker is one such process.
type worker struct {
	conn    *net.UnixConn
	sending sync.Mutex

	module *module
	// What confinement left it with; nil before the first job.
	work      *os.Root
	inputs    map[string]*volume // by the guest's path
	isolation Isolation

	job *preparedJob
}

// preparedJob is what only has to be let go.
type preparedJob struct {
	config   wazero.ModuleConfig
	out, tmp *volume
	memory   int64
	logs     *jobLog
}

// workerMain is the role "worker".
func workerMain() error {
	conn, err := inheritedConn()
	if err != nil {
		return err
	}
	w := &worker{conn: conn}
	for {
		var order toWorker
		if err := readFrame(conn, maxOrderFrame, &order); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := w.obey(order); err != nil {
			return err
		}
	}
}

func (w *worker) obey(order toWorker) error {
	ctx := context.Background()
	switch {
	case order.Load != nil:
		if err := w.load(ctx, *order.Load); err != nil {
			return w.send(fromWorker{Error: toWire(err)})
		}
		return w.send(fromWorker{Loaded: true})
	case order.Job != nil:
		if err := w.prepare(*order.Job); err != nil {
			return w.send(fromWorker{Error: toWire(err)})
		}
		return w.send(fromWorker{Ready: &w.isolation})
	case order.Run && w.job != nil:
		done := w.run(ctx, w.job)
		w.job = nil
		return w.send(fromWorker{Done: &done})
	default:
		return fmt.Errorf("%w: an order without content, or out of turn", errFrame)
	}
}

func (w *worker) send(v fromWorker) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	return writeFrame(w.conn, v)
}

// load makes a module ready. Only a worker that has run nothing may load.
func (w *worker) load(ctx context.Context, ref moduleRef) error {
	if w.work != nil {
		return fmt.Errorf("%w: this worker is confined to the module it has run", ErrSpec)
	}
	if w.module != nil {
		if w.module.digest == ref.Digest {
			return nil
		}
		if err := w.module.close(ctx); err != nil {
			return err
		}
		w.module = nil
	}
	body, err := ref.read()
	if err != nil {
		return err
	}
	w.module, err = compile(ctx, body, ref.Digest, ref.Cache)
	return err
}

func (w *worker) prepare(job workerJob) error {
	if w.module == nil || w.module.digest != job.Spec.ModuleDigest {
		return fmt.Errorf("%w: the worker has not loaded module %s", ErrSpec, job.Spec.ModuleDigest)
	}
	if w.module.demand > job.Spec.Limits.Memory {
		return fmt.Errorf("%w: it starts with %d bytes, granted are %d", ErrMemoryDemand, w.module.demand, job.Spec.Limits.Memory)
	}
	if w.work == nil {
		if err := w.enter(job); err != nil {
			return err
		}
	}
	limits := job.Spec.Limits
	out, err := w.writable(filepath.Join(job.Dir, outDir), newQuota(limits.OutputBytes, limits.OutputFiles, limits.OutputDepth), job.Spec.Deterministic)
	if err != nil {
		return err
	}
	tmp, err := w.writable(filepath.Join(job.Dir, tmpDir), newQuota(limits.TmpBytes, limits.OutputFiles, limits.OutputDepth), job.Spec.Deterministic)
	if err != nil {
		return err
	}
	logs := &jobLog{send: func(stream Stream, data []byte) error {
		return w.send(fromWorker{Log: &workerLog{Stream: stream, Data: data}})
	}}
	config := wazero.NewModuleConfig().WithName("").
		WithArgs(append([]string{"job"}, job.Spec.Args...)...).
		WithStdout(logs.stream(Stdout)).
		WithStderr(logs.stream(Stderr)).
		WithFSConfig(w.mounts(out, tmp, job.Spec))
	for _, env := range job.Spec.Env {
		name, value, _ := strings.Cut(env, "=")
		config = config.WithEnv(name, value)
	}
	w.job = &preparedJob{
		config: withTime(config, job.Spec.Deterministic, job.Spec.Seed),
		out:    out, tmp: tmp, memory: limits.Memory, logs: logs,
	}
	return nil
}

// enter opens what this worker's jobs may see and gives up all else.
func (w *worker) enter(job workerJob) error {
	c := confinement{
		write:    []string{job.Work},
		uid:      job.UID,
		memory:   job.Spec.Limits.Memory + workerOverhead,
		fileSize: max(job.Spec.Limits.OutputBytes, job.Spec.Limits.TmpBytes),
	}
	w.inputs = make(map[string]*volume)
	for guest, host := range job.Spec.Inputs {
		info, err := os.Stat(host)
		if err != nil {
			return fmt.Errorf("input %s: %w", guest, err)
		}
		dir := host
		if info.IsDir() {
			c.read = append(c.read, host)
		} else {
			c.readFiles = append(c.readFiles, host)
			dir = filepath.Dir(host)
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			return fmt.Errorf("input %s: %w", guest, err)
		}
		w.inputs[guest] = &volume{root: root, fixed: job.Spec.Deterministic, single: !info.IsDir()}
	}
	work, err := os.OpenRoot(job.Work)
	if err != nil {
		return err
	}
	// One thread runs the module, the others serve its system calls and logs.
	runtime.GOMAXPROCS(max(2, (job.Spec.Limits.CPUMillis+999)/1000))
	w.isolation, err = confine(c)
	w.work = work
	return err
}

func (w *worker) writable(dir string, q *quota, fixed bool) (*volume, error) {
	root, err := w.work.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &volume{root: root, quota: q, fixed: fixed}, nil
}

// mounts puts the job's directories together. The first one, /tmp, is where Go
// programs find themselves.
func (w *worker) mounts(out, tmp *volume, spec Spec) wazero.FSConfig {
	config := wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(tmp, "/tmp").(sysfs.FSConfig).WithSysFSMount(out, "/out")
	singles := make(map[string]*inputFiles)
	for _, guest := range slices.Sorted(maps.Keys(w.inputs)) {
		input := w.inputs[guest]
		if !input.single {
			config = config.(sysfs.FSConfig).WithSysFSMount(input, guest)
			continue
		}
		dir := path.Dir(guest)
		if singles[dir] == nil {
			singles[dir] = &inputFiles{files: make(map[string]inputFile)}
			config = config.(sysfs.FSConfig).WithSysFSMount(singles[dir], dir)
		}
		singles[dir].files[path.Base(guest)] = inputFile{volume: input, name: filepath.Base(spec.Inputs[guest])}
	}
	return config
}

// run lets the job go and tells how it ended. The module gets a goroutine of its
// own, because this one is tied to its thread.
func (w *worker) run(ctx context.Context, job *preparedJob) workerDone {
	ctx, memory := newGuestMemory(ctx, job.memory)
	ended := make(chan error)
	go func() {
		ended <- instantiate(ctx, w.module, job.config)
	}()
	err := <-ended
	if lost := job.logs.flush(); lost != nil && err == nil {
		err = lost
	}
	done := verdict(err, memory.denied, job.out.quota.exceeded || job.tmp.quota.exceeded)
	if err := errors.Join(job.out.root.Close(), job.tmp.root.Close()); err != nil && done.Detail == "" {
		done.Detail = err.Error()
	}
	return done
}

// instantiate runs the module from start to end. wazero panics when the memory
// that a module starts with is refused.
func instantiate(ctx context.Context, m *module, config wazero.ModuleConfig) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("instantiate: %v", r)
		}
	}()
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, config)
	if err != nil {
		return err
	}
	return instance.Close(ctx)
}

// verdict names the end. A limit is blamed only where the job failed after
// meeting it: programs may try, fall back and succeed.
func verdict(err error, memory, output bool) workerDone {
	var exit *sys.ExitError
	done := workerDone{Code: CodeExited}
	switch {
	case err == nil:
		return done
	case errors.As(err, &exit):
		done.ExitCode = int(exit.ExitCode())
		if done.ExitCode == 0 {
			return done
		}
	default:
		done.Code = CodeTrapped
		done.Detail = clip(err.Error(), maxDetail)
	}
	switch {
	case output:
		done.Code = CodeOutputLimit
	case memory:
		done.Code = CodeMemoryLimit
	}
	return done
}
