package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWasmEnds runs every way in which a job may end by itself, on one driver.
func TestWasmEnds(t *testing.T) {
	d := driver(t, nil)
	for _, test := range []struct {
		name     string
		args     []string
		change   func(*Spec)
		code     Code
		exitCode int
		printed  string // must be among what it printed
		output   string // a file that must be there
	}{
		{name: "greets", args: []string{"greet", "a", "b c"}, change: func(s *Spec) { s.Env = []string{"LR=3e-4"} },
			code: CodeExited, printed: "a b c\nenv LR=3e-4\nto stderr\n", output: "greeting"},
		{name: "exits with its own code", args: []string{"exit", "7"}, code: CodeExited, exitCode: 7},
		{name: "panics", args: []string{"panic"}, code: CodeExited, exitCode: 2, printed: "on purpose"},
		{name: "takes all memory", args: []string{"hog"}, code: CodeMemoryLimit, exitCode: 2},
		{name: "fills its output", args: []string{"fill"}, code: CodeOutputLimit, exitCode: 1, output: "big"},
		{name: "makes too many files", args: []string{"files"}, code: CodeOutputLimit, exitCode: 1, output: "000000"},
		{name: "stays below its limit at any time", args: []string{"churn"}, code: CodeExited, output: "last"},
		{name: "makes a hole", args: []string{"sparse"}, code: CodeOutputLimit, exitCode: 1},
		{name: "writes far away", args: []string{"seek"}, code: CodeOutputLimit, exitCode: 1},
		{name: "goes deep", args: []string{"deep"}, change: func(s *Spec) { s.Limits.OutputFiles = 1000 }, code: CodeOutputLimit, exitCode: 1},
		{name: "plants links and climbs", args: []string{"plant"}, code: CodeExited},
		{name: "gives odd names", args: []string{"oddnames"}, code: CodeExited},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := acts(t, test.args...)
			if test.change != nil {
				test.change(&spec)
			}
			exit, printed, task := finished(t, d, spec)
			if exit.Code != test.code || exit.ExitCode != test.exitCode {
				t.Errorf("ended with %+v, want code %d and exit code %d; printed %.2000s", exit, test.code, test.exitCode, printed)
			}
			if !strings.Contains(printed, test.printed) {
				t.Errorf("printed %q, want %q in it", printed, test.printed)
			}
			if test.output != "" {
				if _, err := os.Lstat(filepath.Join(task.OutputPath(), test.output)); err != nil {
					t.Errorf("output: %v", err)
				}
			}
			checkOutput(t, task.OutputPath(), spec.Limits)
		})
	}
}

// checkOutput walks an output on this machine's side: only files and folders,
// within the limits.
func checkOutput(t *testing.T, dir string, limits Limits) {
	t.Helper()
	var bytes, files int64
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
		case info.Mode().IsRegular():
			bytes += info.Size()
		default:
			t.Errorf("%s is a %v", name, info.Mode())
		}
		files++
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if files-1 > limits.OutputFiles || bytes > limits.OutputBytes {
		t.Errorf("output holds %d files and %d bytes, limits are %d and %d", files-1, bytes, limits.OutputFiles, limits.OutputBytes)
	}
}

// trapping is (module (func (export "_start") unreachable)).
var trapping = []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x05\x01\x03\x00\x00\x0b")

// module writes a hand-made module where a job can have it.
func handmade(t *testing.T, body []byte) Spec {
	t.Helper()
	spec := acts(t)
	spec.Module = filepath.Join(t.TempDir(), "module.wasm")
	spec.ModuleDigest = digestOf(body)
	if err := os.WriteFile(spec.Module, body, 0o600); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestWasmTrap(t *testing.T) {
	exit, _, _ := finished(t, driver(t, nil), handmade(t, trapping))
	if exit.Code != CodeTrapped || !strings.Contains(exit.Detail, "unreachable") {
		t.Errorf("ended with %+v, want a trap that says unreachable", exit)
	}
}

// demanding is (module (memory (export "memory") 64) (func (export "_start"))).
var demanding = []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x05\x04\x01\x00\xc0\x00\x07\x13\x02\x06memory\x02\x00\x06_start\x00\x00\x0a\x04\x01\x02\x00\x0b")

func TestWasmRefusals(t *testing.T) {
	d := driver(t, nil)
	tooMuch := handmade(t, demanding)
	tooMuch.Limits.Memory = 63 << 16
	imports := handmade(t, []byte("\x00asm\x01\x00\x00\x00\x01\x04\x01\x60\x00\x00\x02\x08\x01\x03env\x01f\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x01\x0a\x04\x01\x02\x00\x0b"))
	digest := acts(t)
	digest.ModuleDigest = strings.Repeat("0", 64)
	missing := acts(t)
	missing.Module, missing.ModuleDigest = "/nonexistent/module.wasm", strings.Repeat("1", 64)
	id := acts(t)
	id.ID = "../../etc"
	inside := acts(t)
	inside.Inputs = map[string]string{"/out/x": "/"}
	for _, test := range []struct {
		name string
		spec Spec
		err  error
	}{
		{"text", handmade(t, []byte("#!/bin/sh\necho no module\n")), ErrNotWasm},
		{"empty", handmade(t, nil), ErrNotWasm},
		{"library without _start", handmade(t, []byte("\x00asm\x01\x00\x00\x00")), ErrNotWasm},
		{"unknown import", imports, ErrNotWasm},
		{"more memory than granted", tooMuch, ErrMemoryDemand},
		{"another digest", digest, ErrDigest},
		{"no file", missing, nil},
		{"an id that climbs", id, ErrSpec},
		{"an input inside /out", inside, ErrSpec},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, err := range []error{
				d.Prepare(deadline(t), test.spec, nil),
				func() error { _, err := d.Start(deadline(t), test.spec, time.Hour); return err }(),
			} {
				if err == nil {
					t.Fatal("accepted")
				}
				if test.err != nil {
					want(t, err, test.err)
				}
			}
		})
	}
	if ids, err := d.List(); err != nil || len(ids) != 0 {
		t.Errorf("refused jobs left %v, %v", ids, err)
	}
}

func TestWasmExactGrantIsEnough(t *testing.T) {
	spec := handmade(t, demanding)
	spec.Limits.Memory = 64 << 16
	if exit, _, _ := finished(t, driver(t, nil), spec); exit.Code != CodeExited {
		t.Errorf("ended with %+v", exit)
	}
}

func TestWasmDeterministic(t *testing.T) {
	d := driver(t, nil)
	run := func(seed uint64, deterministic bool) string {
		spec := acts(t, "chance")
		spec.Deterministic, spec.Seed = deterministic, seed
		if !deterministic {
			spec.MaxUsage = 300 * time.Millisecond // it would sleep for an hour
		}
		_, printed, _ := finished(t, d, spec)
		return printed
	}
	one := run(1, true)
	if !strings.Contains(one, "1h0m0.") {
		t.Errorf("the fixed clock did not sleep for an hour: %s", one)
	}
	if two := run(1, true); one != two {
		t.Errorf("two runs differ:\n%s\n%s", one, two)
	}
	if other := run(2, true); one == other {
		t.Error("another seed changed nothing")
	}
	if real := run(1, false); one == real {
		t.Error("the real clock is fixed")
	}
}

func TestWasmInputs(t *testing.T) {
	d := driver(t, nil)
	dir := t.TempDir()
	for name, body := range map[string]string{"file": "one", "sub/file": "two", "secret": "not for the job"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, "in", name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "in", name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "in", "secret"), filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "single"), []byte("three"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../secret", filepath.Join(dir, "in", "escape")); err != nil {
		t.Fatal(err)
	}
	inputs := map[string]string{"/in": filepath.Join(dir, "in"), "/data/named": filepath.Join(dir, "single")}
	t.Run("are read", func(t *testing.T) {
		spec := acts(t, "copy", "/in/file", "/in/sub", "/data")
		spec.Inputs = inputs
		exit, printed, task := finished(t, d, spec)
		if exit.Code != CodeExited || exit.ExitCode != 0 {
			t.Fatalf("ended with %+v: %s", exit, printed)
		}
		found, err := os.ReadFile(filepath.Join(task.OutputPath(), "found"))
		if want := "/in/file=one\n/in/sub/file=two\n/data/named=three"; err != nil || string(found) != want {
			t.Errorf("found %q, %v, want %q", found, err, want)
		}
	})
	t.Run("are not changed, and not left", func(t *testing.T) {
		spec := acts(t, "spoil")
		spec.Inputs = inputs
		exit, printed, _ := finished(t, d, spec)
		if exit.Code != CodeExited || exit.ExitCode != 0 {
			t.Errorf("ended with %+v: %s", exit, printed)
		}
		if body, err := os.ReadFile(filepath.Join(dir, "in", "file")); err != nil || string(body) != "one" {
			t.Errorf("input is %q, %v", body, err)
		}
	})
}

func TestBlame(t *testing.T) {
	for _, c := range []struct {
		exitCode  int
		complaint string
		code      Code
	}{
		{2, "runtime: out of memory: cannot allocate 4194304-byte block (1073741824 in use)\nfatal error: out of memory\n", CodeMemoryLimit},
		{2, "fatal error: runtime: cannot allocate memory\n", CodeMemoryLimit},
		{2, "fatal error: concurrent map writes\n", CodeKilled},
		{-1, "fatal error: out of memory\n", CodeKilled},
		{1, "lode shim worker: out of memory\n", CodeKilled},
	} {
		if got := blame(c.exitCode, c.complaint); got != c.code {
			t.Errorf("exit code %d and %q is %d, want %d", c.exitCode, c.complaint, got, c.code)
		}
	}
}

// TestWasmSweep deletes what was compiled and not used, of any version, and
// nothing that is new, in the making or about to be loaded.
func TestWasmSweep(t *testing.T) {
	d := driver(t, nil)
	spec, other := acts(t, "exit", "0"), handmade(t, trapping)
	for _, s := range []Spec{other, spec} {
		if err := d.Prepare(deadline(t), s, nil); err != nil {
			t.Fatal(err)
		}
	}
	finished(t, d, spec)
	old := filepath.Join(d.dir, cachesDir, "v0-none", "0123")
	making := d.ref(other).Cache + ".new"
	for _, dir := range []string{old, making} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(old, compiledFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there := func(dir string) bool { _, err := os.Stat(dir); return err == nil }
	age(t, filepath.Join(old, compiledFile))
	if err := d.Sweep(deadline(t), time.Hour); err != nil {
		t.Fatal(err)
	}
	if there(old) || !there(d.ref(spec).Cache) || !there(d.ref(other).Cache) || !there(making) {
		t.Errorf("old %t, used %t, other %t, making %t", there(old), there(d.ref(spec).Cache), there(d.ref(other).Cache), there(making))
	}
	for _, name := range []string{filepath.Join(d.ref(spec).Cache, compiledFile), filepath.Join(d.ref(other).Cache, compiledFile), making} {
		age(t, name)
	}
	if err := d.Sweep(deadline(t), time.Hour); err != nil {
		t.Fatal(err)
	}
	if !there(d.ref(spec).Cache) || there(d.ref(other).Cache) || there(making) {
		t.Errorf("used %t, other %t, making %t", there(d.ref(spec).Cache), there(d.ref(other).Cache), there(making))
	}
	if exit, _, _ := finished(t, d, other); exit.Code != CodeTrapped {
		t.Errorf("a swept module ended with %+v", exit)
	}
}

// age makes a file or folder a day older than it is.
func age(tb testing.TB, name string) {
	tb.Helper()
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(name, yesterday, yesterday); err != nil {
		tb.Fatal(err)
	}
}

// TestWasmErrorsHidePlaces: what a stranger is told names no path of this machine.
func TestWasmErrorsHidePlaces(t *testing.T) {
	d := driver(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	module := acts(t)
	module.Module, module.ModuleDigest = filepath.Join(secret, "module.wasm"), strings.Repeat("2", 64)
	input := acts(t, "exit", "0")
	input.Inputs = map[string]string{"/in/data": filepath.Join(secret, "data")}
	broken := handmade(t, trapping)
	if err := errors.Join(os.MkdirAll(d.ref(broken).Cache, 0o700), os.WriteFile(filepath.Join(d.ref(broken).Cache, compiledFile), []byte("{"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec Spec
		says string
	}{
		"module missing": {module, "open the module: no such file"},
		"input missing":  {input, "input /in/data: stat input /in/data: no such file"},
		"cache broken":   {broken, "in the driver's directory/" + cachesDir},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Start(deadline(t), c.spec, time.Hour)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("error is %v, want %q in it", err, c.says)
			}
			if strings.Contains(err.Error(), os.TempDir()) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error names a place: %v", err)
			}
		})
	}
	// A driver whose own directory is spoilt.
	if err := errors.Join(os.RemoveAll(filepath.Join(d.dir, leasesDir)), os.WriteFile(filepath.Join(d.dir, leasesDir), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err := d.Start(deadline(t), acts(t, "exit", "0"), time.Hour)
	if err == nil || strings.Contains(err.Error(), d.dir) || !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("error is %v", err)
	}
}

func TestPlacesHide(t *testing.T) {
	p := places{"/home/lode/run": driverPlace}.ofJob(&Spec{
		Module: "/home/lode/modules/x", Inputs: map[string]string{"/in/a": "/home/lode/leases/1/0", "/in/b": "/home/lode/leases/1/0/b", "/in/c": "relative", "/in/d": "/"},
	})
	for text, hidden := range map[string]string{
		"open /home/lode/modules/x: no":                  "open the module: no",
		"stat /home/lode/leases/1/0/b/c, /in/a":          "stat input /in/b/c, /in/a",
		"mkdir /home/lode/run/leases/1":                  "mkdir the driver's directory/leases/1",
		"open /home/lode/leases/1":                       "open the folder of input /in/a",
		"set up /dev/loop12: busy; /proc/self/fd/3/sock": "set up a system file: busy; a system file",
		"/out/x is relative":                             "/out/x is relative",
	} {
		if got := p.hide(text); got != hidden {
			t.Errorf("%q became %q, want %q", text, got, hidden)
		}
	}
}

func TestProbe(t *testing.T) {
	got, err := driver(t, nil).Probe(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("applied %q, missing %q", got.Applied, got.Missing)
	if len(got.Applied) == 0 {
		t.Error("nothing was applied")
	}
}
