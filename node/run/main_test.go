package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test binary is its own shim, as the lode binary is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(ShimMain(os.Args[2:]))
	}
	if len(os.Args) == 3 && os.Args[1] == "node" {
		os.Exit(nodeMain(os.Args[2]))
	}
	code := m.Run()
	if guests.dir != "" {
		if err := os.RemoveAll(guests.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// guests are the jobs of testdata/guests, each built once.
var guests struct {
	sync.Mutex
	dir   string
	built map[string]string
}

// guest builds a job and gives its path and digest.
func guest(tb testing.TB, name string) (path, digest string) {
	tb.Helper()
	guests.Lock()
	defer guests.Unlock()
	if guests.dir == "" {
		dir, err := os.MkdirTemp("", "lode-guests-")
		if err != nil {
			tb.Fatal(err)
		}
		guests.dir, guests.built = dir, make(map[string]string)
	}
	path = filepath.Join(guests.dir, name+".wasm")
	if digest, ok := guests.built[name]; ok {
		return path, digest
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./testdata/guests/"+name)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build guest %s: %v\n%s", name, err, out)
	}
	body, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	guests.built[name] = digestOf(body)
	return path, guests.built[name]
}

// driver makes a driver with one fresh worker.
func driver(tb testing.TB, change func(*Config)) *Wasm {
	tb.Helper()
	dir, err := os.MkdirTemp("", "lode-run-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	c := Config{Dir: dir, Fresh: 1, Log: slog.New(slog.NewTextHandler(testLog{tb}, nil))}
	if change != nil {
		change(&c)
	}
	stock(tb, c.Dir)
	d, err := NewWasm(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
		if log, err := os.ReadFile(filepath.Join(c.Dir, "shim.log")); err == nil && len(log) > 0 {
			tb.Logf("shim.log:\n%s", log)
		}
	})
	return d
}

// stock puts compiled modules into a driver's directory that has none.
func stock(tb testing.TB, dir string) {
	tb.Helper()
	cache := filepath.Join(dir, "cache")
	if _, err := os.Stat(cache); err == nil {
		return
	}
	if err := os.CopyFS(cache, os.DirFS(compiledActs(tb))); err != nil {
		tb.Fatal(err)
	}
}

// compiledActs is a cache that holds the compiled job acts: compiling it takes
// seconds, and few tests are about that.
func compiledActs(tb testing.TB) string {
	tb.Helper()
	spec := acts(tb)
	dir := filepath.Join(guests.dir, "run")
	guests.Lock()
	defer guests.Unlock()
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "cache")
	}
	d, err := NewWasm(Config{Dir: dir, Fresh: -1, Log: slog.Default()})
	if err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(d.Prepare(deadline(tb), spec, nil), d.Close()); err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, "cache")
}

type testLog struct{ tb testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.tb.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

var leases struct {
	sync.Mutex
	n int
}

// acts is a job with this behaviour and small limits.
func acts(tb testing.TB, args ...string) Spec {
	tb.Helper()
	path, digest := guest(tb, "acts")
	leases.Lock()
	defer leases.Unlock()
	leases.n++
	return Spec{
		ID: fmt.Sprintf("%08x", leases.n), Tenant: "tenant", Module: path, ModuleDigest: digest, Args: args,
		Limits: Limits{Memory: 256 << 20, OutputBytes: 1 << 20, OutputFiles: 100, OutputDepth: 10, TmpBytes: 1 << 20, Log: 64 << 10},
		Grace:  time.Minute,
	}
}

// deadline is generous: it only ends a test that hangs.
func deadline(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	tb.Cleanup(cancel)
	return ctx
}

func start(tb testing.TB, d Driver, spec Spec, cover time.Duration) Task {
	tb.Helper()
	t, err := d.Start(deadline(tb), spec, cover)
	if err != nil {
		tb.Fatalf("start: %v", err)
	}
	tb.Cleanup(func() {
		if err := t.Remove(deadline(tb)); err != nil {
			tb.Errorf("remove: %v", err)
		}
	})
	return t
}

// finished runs a job to its end and gives what it printed.
func finished(tb testing.TB, d Driver, spec Spec) (Exit, string, Task) {
	tb.Helper()
	t := start(tb, d, spec, time.Hour)
	exit, err := t.Wait(deadline(tb))
	if err != nil {
		tb.Fatalf("wait: %v", err)
	}
	return exit, printed(tb, t), t
}

// printed gives all that an ended job wrote, both streams in order.
func printed(tb testing.TB, t Task) string {
	tb.Helper()
	var text strings.Builder
	for e, err := range t.Events(deadline(tb), 0) {
		if err != nil {
			tb.Fatalf("events: %v", err)
		}
		text.Write(e.Data)
	}
	return text.String()
}

// until polls a state of a real process; there is nothing to wait on.
func until(tb testing.TB, what string, reached func() bool) {
	tb.Helper()
	ctx := deadline(tb)
	for !reached() {
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			tb.Fatalf("never came: %s", what)
		}
	}
}

func stats(tb testing.TB, t Task) Stats {
	tb.Helper()
	s, err := t.Stats(deadline(tb))
	if err != nil {
		tb.Fatalf("stats: %v", err)
	}
	return s
}

func want(tb testing.TB, err, sentinel error) {
	tb.Helper()
	if !errors.Is(err, sentinel) {
		tb.Fatalf("error is %v, want %v", err, sentinel)
	}
}

// nodeOrder tells a node of a process of its own what to start.
type nodeOrder struct {
	Dir   string
	Spec  Spec
	Cover time.Duration
}

// nodeMain starts one job and kills itself as kill -9 does.
func nodeMain(order string) int {
	var o nodeOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	d, err := NewWasm(Config{Dir: o.Dir, Log: slog.Default()})
	if err == nil {
		_, err = d.Start(context.Background(), o.Spec, o.Cover)
	}
	if err == nil {
		err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// nodeProcess runs nodeMain to its death and gives its pid.
func nodeProcess(tb testing.TB, order []byte) int {
	tb.Helper()
	node := exec.Command(os.Args[0], "node", string(order))
	out, err := node.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		tb.Fatalf("node: %v\n%s", err, out)
	}
	return node.Process.Pid
}
