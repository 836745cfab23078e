package run

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestShimFreezesAndThaws: a job stops when its cover is used up, its usage is
// then exactly its cover, and more cover lets it go on.
func TestShimFreezesAndThaws(t *testing.T) {
	d := driver(t, nil)
	cover := 150 * time.Millisecond
	task := start(t, d, acts(t, "loop"), cover)
	worker := workerOf(t, guardOf(t, task))
	for range 3 {
		until(t, "frozen", func() bool { return stats(t, task).State == StateFrozen })
		before := stats(t, task)
		if before.Usage != cover {
			t.Fatalf("frozen at usage %v, cover is %v", before.Usage, cover)
		}
		// Its threads stop one after the other.
		until(t, "stopped", func() bool { state, _ := processState(worker); return state == "T" })
		ticks := cpuTime(worker)
		until(t, "grace being spent", func() bool { return stats(t, task).GraceLeft < before.GraceLeft-50*time.Millisecond })
		if after := stats(t, task); after.Usage != cover || cpuTime(worker) != ticks {
			t.Fatalf("it ran while frozen: usage %v, ticks %d and then %d", after.Usage, ticks, cpuTime(worker))
		}
		cover += 150 * time.Millisecond
		if err := task.Cover(deadline(t), cover); err != nil {
			t.Fatal(err)
		}
		// Older news that comes late changes nothing.
		if err := task.Cover(deadline(t), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := task.Stop(deadline(t), CodeStopped); err != nil {
		t.Fatal(err)
	}
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeStopped || exit.Usage > cover {
		t.Fatalf("ended with %+v, %v", exit, err)
	}
	var kinds []EventKind
	for e, err := range task.Events(deadline(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != EventUsage && e.Kind != EventLog {
			kinds = append(kinds, e.Kind)
		}
	}
	if len(kinds) < 7 || kinds[0] != EventStarted || kinds[1] != EventFrozen || kinds[2] != EventThawed || kinds[len(kinds)-1] != EventExited {
		t.Errorf("events are %v", kinds)
	}
	wantPartial(t, task)
}

func wantPartial(t *testing.T, task Task) {
	t.Helper()
	if body, err := os.ReadFile(filepath.Join(task.OutputPath(), "partial")); err != nil || string(body) != "what there was" {
		t.Errorf("output is %q, %v", body, err)
	}
}

// TestShimGraceIsOneBudget: short pauses add up until the job is ended, and what
// there was of its outputs is kept.
func TestShimGraceIsOneBudget(t *testing.T) {
	d := driver(t, nil)
	spec := acts(t, "loop")
	spec.Grace = 300 * time.Millisecond
	cover := 50 * time.Millisecond
	task := start(t, d, spec, cover)
	left := spec.Grace
	for range 3 {
		var now Stats
		until(t, "grace being spent", func() bool {
			now = stats(t, task)
			return now.State == StateEnded || now.State == StateFrozen && now.GraceLeft < left-60*time.Millisecond
		})
		if now.GraceLeft > left {
			t.Fatalf("grace grew from %v to %v", left, now.GraceLeft)
		}
		left = now.GraceLeft
		cover += 20 * time.Millisecond
		if err := task.Cover(deadline(t), cover); errors.Is(err, ErrEnded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeGraceOver || exit.Usage > cover {
		t.Fatalf("ended with %+v, %v, cover was %v", exit, err, cover)
	}
	wantPartial(t, task)
}

func TestShimMaxUsage(t *testing.T) {
	spec := acts(t, "loop")
	spec.MaxUsage = 200 * time.Millisecond
	exit, _, task := finished(t, driver(t, nil), spec)
	if exit.Code != CodeMaxDuration || exit.Usage != spec.MaxUsage {
		t.Errorf("ended with %+v", exit)
	}
	wantPartial(t, task)
}

// TestShimOwnerPause: the owner's pause stops the job and spends no grace.
func TestShimOwnerPause(t *testing.T) {
	task := start(t, driver(t, nil), acts(t, "loop"), time.Hour)
	if err := task.Freeze(deadline(t)); err != nil {
		t.Fatal(err)
	}
	paused := stats(t, task)
	worker := workerOf(t, guardOf(t, task))
	until(t, "stopped", func() bool { state, _ := processState(worker); return state == "T" })
	if paused.State != StatePaused || stats(t, task).Usage != paused.Usage {
		t.Errorf("paused with %+v, then %+v", paused, stats(t, task))
	}
	if err := task.Thaw(deadline(t)); err != nil {
		t.Fatal(err)
	}
	until(t, "more usage", func() bool { return stats(t, task).Usage > paused.Usage })
	if got := stats(t, task); got.GraceLeft != time.Minute {
		t.Errorf("grace left is %v", got.GraceLeft)
	}
}

// TestShimOutlivesNode: a second driver, as a restarted node would make it,
// finds the job, gets every event once and sees it end. The first one lets go
// without a word.
func TestShimOutlivesNode(t *testing.T) {
	first := driver(t, nil)
	spec := acts(t, "count", "200")
	started, err := first.Start(deadline(t), spec, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	seq := uint64(0)
	for e, err := range started.Events(deadline(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		text.Write(e.Data)
		seq = e.Seq
		if strings.Contains(text.String(), "\n20\n") {
			break
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := driver(t, func(c *Config) { c.Dir = first.dir })
	if ids, err := second.List(); err != nil || !slices.Equal(ids, []string{spec.ID}) {
		t.Fatalf("left behind: %v, %v", ids, err)
	}
	task, err := second.Recover(deadline(t), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Start(deadline(t), spec, time.Hour); !errors.Is(err, ErrExists) {
		t.Errorf("a second start says %v, want ErrExists", err)
	}
	var last Event
	for e, err := range task.Events(deadline(t), seq) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Seq != seq+1 {
			t.Fatalf("event %d follows %d", e.Seq, seq)
		}
		text.Write(e.Data)
		seq, last = e.Seq, e
	}
	if last.Kind != EventExited || last.Exit.Code != CodeExited {
		t.Errorf("the last event is %+v", last)
	}
	for i, line := range strings.Fields(text.String()) {
		if line != strconv.Itoa(i) {
			t.Fatalf("line %d is %s", i, line)
		}
	}
	// Its guard has ended by now, or will: the end and the logs are on disk.
	third := driver(t, func(c *Config) { c.Dir = first.dir })
	if task, err = third.Recover(deadline(t), spec.ID); err != nil {
		t.Fatal(err)
	}
	if exit, err := task.Wait(deadline(t)); err != nil || exit != *last.Exit {
		t.Errorf("recovered exit is %+v, %v, want %+v", exit, err, *last.Exit)
	}
	if again := printed(t, task); again != text.String() {
		t.Errorf("recovered logs have %d bytes, want %d", len(again), text.Len())
	}
	if err := task.Remove(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Recover(deadline(t), spec.ID); !errors.Is(err, ErrUnknown) {
		t.Errorf("after Remove: %v, want ErrUnknown", err)
	}
}

// TestShimNodeKilled: a node that is killed with kill -9 leaves a job that runs
// to its cover and no further, is found again, thaws and ends.
func TestShimNodeKilled(t *testing.T) {
	dir := t.TempDir()
	stock(t, dir)
	spec := acts(t, "loop")
	cover := 300 * time.Millisecond
	order, err := json.Marshal(nodeOrder{Dir: dir, Spec: spec, Cover: cover})
	if err != nil {
		t.Fatal(err)
	}
	node := nodeProcess(t, order)
	// Dead by now; its children are not.
	if !gone(node) {
		t.Fatal("the node lives")
	}
	d := driver(t, func(c *Config) { c.Dir = dir })
	task, err := d.Recover(deadline(t), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	until(t, "frozen", func() bool { return stats(t, task).State == StateFrozen })
	if got := stats(t, task).Usage; got != cover {
		t.Errorf("frozen at %v, cover is %v", got, cover)
	}
	if err := task.Cover(deadline(t), 2*cover); err != nil {
		t.Fatal(err)
	}
	until(t, "more usage", func() bool { return stats(t, task).Usage == 2*cover })
	if err := task.Stop(deadline(t), CodeStopped); err != nil {
		t.Fatal(err)
	}
	if exit, err := task.Wait(deadline(t)); err != nil || exit.Code != CodeStopped || exit.Usage != 2*cover {
		t.Errorf("ended with %+v, %v", exit, err)
	}
	wantPartial(t, task)
	if err := task.Remove(deadline(t)); err != nil {
		t.Fatal(err)
	}
}

// TestShimWorkerKilled: who kills the worker from outside ends the job and not the shim.
func TestShimWorkerKilled(t *testing.T) {
	task := start(t, driver(t, nil), acts(t, "loop"), time.Hour)
	for e, err := range task.Events(deadline(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == EventLog {
			break // its output is written
		}
	}
	kill(t, workerOf(t, guardOf(t, task)))
	exit, err := task.Wait(deadline(t))
	if err != nil || exit.Code != CodeKilled || !strings.Contains(exit.Detail, "killed") {
		t.Errorf("ended with %+v, %v", exit, err)
	}
	wantPartial(t, task)
}

// TestShimGuardKilled: with the guard its job dies, frozen or running, and what
// it had used is known to a tick.
func TestShimGuardKilled(t *testing.T) {
	for name, cover := range map[string]time.Duration{"running": time.Hour, "frozen": 400 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			d := driver(t, nil)
			spec := acts(t, "loop")
			task := start(t, d, spec, cover)
			guard := guardOf(t, task)
			worker := workerOf(t, guard)
			until(t, "enough usage", func() bool { return stats(t, task).Usage >= 400*time.Millisecond })
			if name == "frozen" {
				until(t, "frozen", func() bool { return stats(t, task).State == StateFrozen })
			}
			seen := stats(t, task).Usage
			waited := make(chan error, 1)
			go func() {
				_, err := task.Wait(deadline(t))
				waited <- err
			}()
			kill(t, guard)
			until(t, "the worker's death", func() bool { return gone(worker) })
			want(t, <-waited, ErrGone)
			recovered, err := d.Recover(deadline(t), spec.ID)
			want(t, err, ErrGone)
			exit, err := recovered.Wait(deadline(t))
			want(t, err, ErrGone)
			if exit.Code != CodeShimLost || exit.Usage < seen-2*tick || exit.Usage > cover {
				t.Errorf("ended with %+v, had been seen at %v", exit, seen)
			}
			if err := recovered.Cover(deadline(t), 2*time.Hour); !errors.Is(err, ErrGone) {
				t.Errorf("Cover says %v, want ErrGone", err)
			}
			var told error
			text := ""
			for e, err := range recovered.Events(deadline(t), 0) {
				text += string(e.Data)
				told = err
			}
			want(t, told, ErrGone)
			if text != "looping\n" {
				t.Errorf("logs are %q", text)
			}
		})
	}
}

// TestShimLostLeavesNoWork: what a worker had under its hands is deleted when its
// guard is found dead, by the node that lives on as by the next one, and the
// folders of living guards are not.
func TestShimLostLeavesNoWork(t *testing.T) {
	works := func(d *Wasm) []string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(d.dir, workDir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	t.Run("node alive", func(t *testing.T) {
		d := driver(t, func(c *Config) { c.Fresh = -1 })
		lost, kept := start(t, d, acts(t, "loop"), time.Hour), start(t, d, acts(t, "loop"), time.Hour)
		if got := works(d); len(got) != 2 {
			t.Fatalf("folders are %q", got)
		}
		kill(t, guardOf(t, lost))
		until(t, "one folder", func() bool { return len(works(d)) == 1 })
		if want := filepath.Join(d.dir, workDir, strconv.Itoa(guardOf(t, kept))); works(d)[0] != want {
			t.Errorf("left is %q, want %q", works(d), want)
		}
	})
	t.Run("found by the next node", func(t *testing.T) {
		first := driver(t, func(c *Config) { c.Fresh = -1 })
		task := start(t, first, acts(t, "loop"), time.Hour)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		second := driver(t, func(c *Config) { c.Dir, c.Fresh = first.dir, -1 })
		kill(t, guardOf(t, task))
		until(t, "the guard's end", func() bool {
			_, err := second.Recover(deadline(t), task.ID())
			return errors.Is(err, ErrGone)
		})
		if got := works(second); len(got) != 0 {
			t.Errorf("folders are %q", got)
		}
	})
}

// TestSweepWorkSparesTheNew: a folder that is being made is not yet anybody's.
func TestSweepWorkSparesTheNew(t *testing.T) {
	dir := t.TempDir()
	lock, err := makeLocked(filepath.Join(dir, "1"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, name := range []string{"2", freshPrefix + "3"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	left := func() (names []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	if err := sweepWork(dir, false); err != nil || !slices.Equal(left(), []string{".3", "1"}) {
		t.Errorf("left are %q, %v", left(), err)
	}
	if err := sweepWork(dir, true); err != nil || !slices.Equal(left(), []string{"1"}) {
		t.Errorf("left are %q, %v", left(), err)
	}
}

// TestShimFlood: what a job prints too much is a numbered gap, and what is kept
// stays within the limit in memory and on disk.
func TestShimFlood(t *testing.T) {
	d := driver(t, nil)
	spec := acts(t, "flood")
	task := start(t, d, spec, time.Hour)
	if exit, err := task.Wait(deadline(t)); err != nil || exit.Code != CodeExited {
		t.Fatalf("ended with %+v, %v", exit, err)
	}
	var seq, missed uint64
	size := 0
	for e, err := range task.Events(deadline(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == EventGap {
			missed += e.Missed
			if e.Seq != seq+e.Missed {
				t.Errorf("gap of %d ends at %d after %d", e.Missed, e.Seq, seq)
			}
		} else if e.Seq != seq+1 {
			t.Errorf("event %d follows %d", e.Seq, seq)
		}
		seq = e.Seq
		size += len(e.Data)
	}
	if missed == 0 || int64(size) > spec.Limits.Log {
		t.Errorf("%d events missing, %d bytes kept of at most %d", missed, size, spec.Limits.Log)
	}
	var disk int64
	for _, name := range []string{journalFile, journalOldFile} {
		if info, err := os.Stat(filepath.Join(dirOf(task), name)); err == nil {
			disk += info.Size()
		}
	}
	if disk > spec.Limits.Log*3/2 {
		t.Errorf("logs take %d bytes on disk, limit is %d", disk, spec.Limits.Log)
	}
}

// TestShimLongHome: a socket's path may have 107 bytes, a home more.
func TestShimLongHome(t *testing.T) {
	d := driver(t, func(c *Config) { c.Dir = filepath.Join(c.Dir, strings.Repeat("long/", 40)) })
	if exit, _, _ := finished(t, d, acts(t, "exit", "0")); exit.Code != CodeExited {
		t.Errorf("ended with %+v", exit)
	}
}
