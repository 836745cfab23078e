package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	kindWasm = "wasm"
	workDir  = "work" // in the driver's directory: one folder for each worker
)

// wasmWorkload drives one worker for the lifetime of its guard. The worker may
// run several jobs, one after the other, as long as all of them are of one
// tenant, module, limits and inputs; the guard itself refuses any other.
type wasmWorkload struct {
	conn    *net.UnixConn
	cmd     *exec.Cmd
	exited  chan struct{} // closed once cmd has been waited for
	stderr  *head
	spawned Isolation

	work string   // the worker's directory, <dir>/work/<guard's pid>
	lock *os.File // held while this guard lives; see sweepWork
	uid  int

	reuse  string // key of the jobs that the worker may run; "" before the first
	jobs   int
	lease  lease
	job    string // the current job's directory, relative to work
	done   *workerDone
	frozen bool
	inside Isolation
}

var (
	_ workload = (*wasmWorkload)(nil)
	_ warmable = (*wasmWorkload)(nil)
)

// newWasmWorkload starts a worker. dir is the driver's directory.
func newWasmWorkload(dir string) (_ *wasmWorkload, err error) {
	w := &wasmWorkload{
		exited: make(chan struct{}), stderr: &head{most: maxDetail},
		work: filepath.Join(dir, workDir, strconv.Itoa(os.Getpid())),
		uid:  firstUID + os.Getpid(),
	}
	if w.lock, err = makeLocked(w.work); err != nil {
		return nil, err
	}
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	w.conn = conn
	w.cmd, w.spawned, err = spawn("worker", w.stderr, theirs)
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	go func() {
		// How it ended is in ProcessState.
		_ = w.cmd.Wait()
		close(w.exited)
	}()
	return w, nil
}

// warm implements warmable.
func (w *wasmWorkload) warm(ref moduleRef) error {
	answer, err := w.ask(toWorker{Load: &ref}, compileTimeout)
	if err != nil {
		return err
	}
	if !answer.Loaded {
		return w.misbehaved()
	}
	return nil
}

// again implements warmable: a worker goes on after an end of the job's own,
// and after no other.
func (w *wasmWorkload) again() bool {
	return w.done != nil && !w.frozen && w.jobs < jobsPerWorker
}

// reuseKey tells jobs apart that must not share a process.
func reuseKey(spec *Spec) string {
	// Maps are printed sorted by key.
	return fmt.Sprintf("%q %s %+v %q %t", spec.Tenant, spec.ModuleDigest, spec.Limits, fmt.Sprint(spec.Inputs), spec.Deterministic)
}

func (w *wasmWorkload) prepare(_ context.Context, lease lease) error {
	key := reuseKey(lease.spec)
	if w.reuse != "" && w.reuse != key {
		return fmt.Errorf("%w: this worker belongs to another tenant, module or set of inputs", ErrSpec)
	}
	w.reuse = key
	w.jobs++
	w.lease, w.done, w.frozen = lease, nil, false
	w.job = strconv.Itoa(w.jobs)
	job := filepath.Join(w.work, w.job)
	// The worker owns the two folders that it writes to and may only pass through
	// those above, so it cannot put something else in their place.
	if err := makePassage(job); err != nil {
		return err
	}
	for _, dir := range []string{filepath.Join(job, outDir), filepath.Join(job, tmpDir)} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := os.Lchown(dir, w.uid, w.uid); err != nil {
				return err
			}
		}
	}
	answer, err := w.ask(toWorker{Job: &workerJob{Spec: *lease.spec, Work: w.work, Dir: w.job, UID: w.uid}}, spawnTimeout)
	if err != nil {
		return err
	}
	if answer.Ready == nil {
		return w.misbehaved()
	}
	w.inside = *answer.Ready
	return nil
}

// makePassage makes a folder that others may pass through, whatever the umask.
func makePassage(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// ask sends an order and waits for its answer.
func (w *wasmWorkload) ask(order toWorker, timeout time.Duration) (fromWorker, error) {
	var answer fromWorker
	if err := writeFrame(w.conn, order); err != nil {
		return answer, w.lost(err)
	}
	if err := w.conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return answer, err
	}
	if err := readFrame(w.conn, maxWorkerFrame, &answer); err != nil {
		return answer, w.lost(err)
	}
	if err := w.conn.SetReadDeadline(time.Time{}); err != nil {
		return answer, err
	}
	return answer, answer.Error.asError()
}

func (w *wasmWorkload) lost(err error) error {
	return fmt.Errorf("worker is lost: %w: %s", err, firstLine(w.stderr.String()))
}

func (w *wasmWorkload) misbehaved() error {
	return fmt.Errorf("%w: the worker answered something else than it was asked", errFrame)
}

func (w *wasmWorkload) start(context.Context) error {
	return writeFrame(w.conn, toWorker{Run: true})
}

func (w *wasmWorkload) freeze() error {
	w.frozen = true
	return w.signal(syscall.SIGSTOP)
}

func (w *wasmWorkload) thaw() error {
	w.frozen = false
	return w.signal(syscall.SIGCONT)
}

func (w *wasmWorkload) kill() error { return w.signal(syscall.SIGKILL) }

// signal reaches the worker; one that has ended needs no signal.
func (w *wasmWorkload) signal(s syscall.Signal) error {
	if err := w.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// wait passes the job's logs on until the worker says that it is done, or is gone.
func (w *wasmWorkload) wait() outcome {
	for {
		var said fromWorker
		err := readFrame(w.conn, maxWorkerFrame, &said)
		switch {
		case err != nil || (said.Log == nil && said.Done == nil):
			return w.death(err)
		case said.Log != nil:
			w.lease.log(said.Log.Stream, said.Log.Data)
		default:
			w.done = said.Done
			return outcome{code: said.Done.Code, exitCode: said.Done.ExitCode, detail: clip(said.Done.Detail, maxDetail)}
		}
	}
}

// death makes sure that the worker is gone and tells how it went.
func (w *wasmWorkload) death(said error) outcome {
	// A worker that sends nonsense is as good as dead.
	_ = w.kill()
	<-w.exited
	detail := fmt.Sprintf("worker ended without a word: %v", w.cmd.ProcessState)
	if said != nil && !errors.Is(said, io.EOF) {
		detail += fmt.Sprintf(" (%v)", said)
	}
	if text := w.stderr.String(); text != "" {
		// What follows the first line is the runtime's stacks: not for strangers.
		fmt.Fprintf(os.Stderr, "%s: %s\n", detail, text)
		detail += ": " + firstLine(text)
	}
	return outcome{code: blame(w.cmd.ProcessState.ExitCode(), w.stderr.String()), detail: clip(detail, maxDetail)}
}

// exitFatal is what a Go program returns that its own runtime has ended.
const exitFatal = 2

// blame tells whose fault the death of a worker is. One whose runtime could
// allocate no more met its own limit: it was granted the job's memory and
// workerOverhead, and what it holds besides is the job's doing.
func blame(exitCode int, complaint string) Code {
	if exitCode == exitFatal && (strings.Contains(complaint, "out of memory") || strings.Contains(complaint, "cannot allocate memory")) {
		return CodeMemoryLimit
	}
	return CodeKilled
}

// collect moves the outputs out of the worker's reach. The worker's own checks
// are repeated: links, devices and the like do not get through.
func (w *wasmWorkload) collect(context.Context) error {
	if err := os.Remove(w.lease.out); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(w.work, w.job, outDir), w.lease.out); err != nil {
		return err
	}
	return filepath.WalkDir(w.lease.out, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Type().IsRegular() {
			return err
		}
		return os.Remove(name)
	})
}

func (w *wasmWorkload) release(context.Context) error {
	return os.RemoveAll(filepath.Join(w.work, w.job))
}

// quit implements warmable.
func (w *wasmWorkload) quit() error {
	err := w.kill()
	<-w.exited
	return errors.Join(err, w.conn.Close(), os.RemoveAll(w.work), w.lock.Close())
}

func (w *wasmWorkload) memory() int64 { return memoryOf(w.cmd.Process.Pid) }

func (w *wasmWorkload) isolation() Isolation {
	return Isolation{
		Applied: append(append([]string{}, w.spawned.Applied...), w.inside.Applied...),
		Missing: append(append([]string{}, w.spawned.Missing...), w.inside.Missing...),
	}
}

// head keeps the first bytes that were written to it: a dying Go runtime says
// why before it prints its stacks.
type head struct {
	most int
	mu   sync.Mutex
	data []byte
}

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.data = append(h.data, p[:min(len(p), h.most-len(h.data))]...)
	return len(p), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.data)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
