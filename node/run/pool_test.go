package run

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

// TestPoolTenantsApart: two jobs of one tenant and module share a worker; no
// worker ever serves two tenants, modules or sets of limits.
func TestPoolTenantsApart(t *testing.T) {
	d := driver(t, nil)
	served := make(map[int]string)
	reused := 0
	run := func(tenant string, change func(*Spec)) {
		// Long enough to be seen at work.
		spec := acts(t, "count", "100")
		spec.Tenant = tenant
		if change != nil {
			change(&spec)
		}
		if err := spec.check(); err != nil {
			t.Fatal(err)
		}
		task := start(t, d, spec, time.Hour)
		pid := workerOf(t, guardOf(t, task))
		key := reuseKey(&spec)
		if before, ok := served[pid]; ok {
			reused++
			if before != key {
				t.Errorf("worker %d served %s and then %s", pid, before, key)
			}
		}
		served[pid] = key
		if _, err := task.Wait(deadline(t)); err != nil {
			t.Fatal(err)
		}
		until(t, "the worker idle", func() bool { return waits(d, key) })
	}
	for range 3 {
		for _, tenant := range []string{"alice", "bob"} {
			run(tenant, nil)
			run(tenant, func(s *Spec) { s.Limits.OutputFiles = 7 })
		}
	}
	if reused == 0 {
		t.Error("no worker was used twice")
	}
}

// TestPoolGuardRefusesStranger: even a node that mixes its guards up cannot give
// a used worker to another tenant.
func TestPoolGuardRefusesStranger(t *testing.T) {
	d := driver(t, func(c *Config) { c.Fresh = -1 })
	mine, other := acts(t, "exit", "0"), acts(t, "exit", "0")
	other.Tenant = "another"
	for _, spec := range []*Spec{&mine, &other} {
		if err := spec.checkModule(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Prepare(deadline(t), mine, nil); err != nil {
		t.Fatal(err)
	}
	g, _, err := d.pool.take(deadline(t), reuseKey(&mine), d.ref(mine))
	if err != nil {
		t.Fatal(err)
	}
	task, err := d.start(deadline(t), g.guardProcess, mine, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.Wait(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if !g.reclaim(deadline(t)) {
		t.Fatal("the guard does not take another lease")
	}
	_, err = d.start(deadline(t), g.guardProcess, other, time.Hour)
	want(t, err, ErrFailedToStart)
}

func waits(d *Wasm, key string) bool {
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	return slices.ContainsFunc(d.pool.idle, func(g *pooled) bool { return g.key == key })
}

// TestPoolStoppedWorkerIsNotReused: after a kill the next job gets a new process.
func TestPoolStoppedWorkerIsNotReused(t *testing.T) {
	d := driver(t, nil)
	task := start(t, d, acts(t, "loop"), time.Hour)
	guard := guardOf(t, task)
	worker := workerOf(t, guard)
	if err := task.Stop(deadline(t), CodeOwnerStopped); err != nil {
		t.Fatal(err)
	}
	if exit, err := task.Wait(deadline(t)); err != nil || exit.Code != CodeOwnerStopped {
		t.Fatalf("ended with %+v, %v", exit, err)
	}
	until(t, "the death of both", func() bool { return gone(worker) && gone(guard) })
	if exit, _, _ := finished(t, d, acts(t, "exit", "0")); exit.Code != CodeExited {
		t.Errorf("the next one ended with %+v", exit)
	}
}

// TestPoolDeadWaitingGuard: a warm pair that died while it waited costs nothing.
func TestPoolDeadWaitingGuard(t *testing.T) {
	d := driver(t, nil)
	spec := acts(t, "exit", "0")
	finished(t, d, spec)
	if err := spec.check(); err != nil {
		t.Fatal(err)
	}
	until(t, "an idle worker", func() bool { return waits(d, reuseKey(&spec)) })
	d.pool.mu.Lock()
	for _, g := range d.pool.idle {
		kill(t, g.cmd.Process.Pid)
	}
	d.pool.mu.Unlock()
	if exit, _, _ := finished(t, d, acts(t, "exit", "5")); exit.ExitCode != 5 {
		t.Errorf("ended with %+v", exit)
	}
}

// TestPoolStartCancelled: a start that is given up leaves nothing.
func TestPoolStartCancelled(t *testing.T) {
	d := driver(t, func(c *Config) { c.Fresh = -1 })
	spec := acts(t, "loop")
	if err := d.Prepare(deadline(t), spec, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	cancel()
	if _, err := d.Start(ctx, spec, time.Hour); !errors.Is(err, context.Canceled) {
		t.Fatalf("start says %v", err)
	}
	if ids, err := d.List(); err != nil || len(ids) > 0 {
		t.Errorf("left %v, %v", ids, err)
	}
}
