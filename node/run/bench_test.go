package run

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// hello is the smallest job, compiled from Go.
func hello(tb testing.TB) Spec {
	path, digest := guest(tb, "hello")
	spec := acts(tb)
	spec.Module, spec.ModuleDigest = path, digest
	return spec
}

// runHello runs one hello from start to exit, and removes it outside the time.
func runHello(b *testing.B, d *Wasm, spec Spec) time.Duration {
	began := time.Now()
	t, err := d.Start(b.Context(), spec, time.Hour)
	if err != nil {
		b.Error(err)
		return 0
	}
	exit, err := t.Wait(b.Context())
	took := time.Since(began)
	if err != nil || exit.Code != CodeExited {
		b.Errorf("ended with %+v, %v", exit, err)
	}
	if err := t.Remove(b.Context()); err != nil {
		b.Error(err)
	}
	return took
}

func percentile(all []time.Duration, p int) float64 {
	slices.Sort(all)
	return float64(all[min(len(all)-1, len(all)*p/100)].Microseconds()) / 1000
}

// BenchmarkHello is one hello after the other: used workers for one tenant,
// fresh ones when every job has another tenant.
func BenchmarkHello(b *testing.B) {
	for _, tenants := range []string{"one tenant", "new tenants"} {
		b.Run(tenants, func(b *testing.B) {
			d := driver(b, func(c *Config) { c.Fresh = 4 })
			runHello(b, d, hello(b))
			var all []time.Duration
			for n := range b.N {
				spec := hello(b)
				if tenants == "new tenants" {
					spec.Tenant = fmt.Sprint("tenant ", n)
				}
				b.StopTimer()
				untilFresh(b, d)
				b.StartTimer()
				all = append(all, runHello(b, d, spec))
			}
			b.ReportMetric(percentile(all, 50), "p50-ms")
			b.ReportMetric(percentile(all, 99), "p99-ms")
		})
	}
}

// untilFresh waits for the pool to be full: a provider that is not overrun.
func untilFresh(tb testing.TB, d *Wasm) {
	until(tb, "a full pool", func() bool {
		d.pool.mu.Lock()
		defer d.pool.mu.Unlock()
		return !d.pool.filling
	})
}

// BenchmarkHello8 is how many hellos run in a second, 8 at a time.
func BenchmarkHello8(b *testing.B) {
	d := driver(b, nil)
	runHello(b, d, hello(b))
	specs := make(chan Spec)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for spec := range specs {
				runHello(b, d, spec)
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		specs <- hello(b)
	}
	close(specs)
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
