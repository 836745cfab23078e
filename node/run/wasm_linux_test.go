package run

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// recursing is (func $f (export "_start") (call $f) (nop)): its stack, which is on
// the worker's own heap, grows and grows.
var recursing = []byte(moduleMagic + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00\x07\x0a\x01\x06_start\x00\x00\x0a\x07\x01\x05\x00\x10\x00\x01\x0b")

// TestWasmWorkerOutOfMemory: a worker whose runtime can allocate no more has met
// its own limit, which is the job's fault; one that is killed has not.
func TestWasmWorkerOutOfMemory(t *testing.T) {
	if raceEnabled {
		return // its memory meets the limit first; `make test` runs this one without
	}
	d := driver(t, nil)
	prepared := handmade(t, recursing)
	if err := d.Prepare(deadline(t), prepared, nil); err != nil {
		t.Fatal(err)
	}
	w, err := newWasmWorkload(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.quit(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	if err := w.warm(d.ref(prepared)); err != nil {
		t.Fatal(err)
	}
	// Less than workerOverhead, which is more than this job comes to ask for. It
	// has to be while the worker is still of our user.
	const room = 200 << 20
	if err := unix.Prlimit(w.cmd.Process.Pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: room, Max: room}, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.prepare(deadline(t), lease{spec: &prepared, dir: dir, out: dir, log: func(Stream, []byte) {}}); err != nil {
		t.Fatal(err)
	}
	if err := w.start(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if got := w.wait(); got.code != CodeMemoryLimit || !strings.Contains(got.detail, "exit status 2") || strings.Contains(got.detail, "\n") {
		t.Errorf("ended with %+v", got)
	}
}
