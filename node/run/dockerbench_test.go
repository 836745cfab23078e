package run

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BenchmarkDockerHello compares a job through the driver, from Prepare to its
// outputs in place, with a bare `docker run --rm` of the same image, in turn.
func BenchmarkDockerHello(b *testing.B) {
	d := dockerDriver(b, nil)
	ref := pinned(b, "shell", shellImage(b, v1.Config{}))
	ready(b, d, inImage(ref))
	digest, err := parsePinned(ref)
	if err != nil {
		b.Fatal(err)
	}
	var took struct{ ours, whole, bare []time.Duration }
	for b.Loop() {
		began := time.Now()
		spec := ready(b, d, inImage(ref, "/bin/echo", "hello"))
		task, err := d.Start(deadline(b), spec, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := task.Wait(deadline(b)); err != nil {
			b.Fatal(err)
		}
		took.ours = append(took.ours, time.Since(began))
		// Returns once the container is gone, so that it burdens nobody else.
		if err := task.Remove(deadline(b)); err != nil {
			b.Fatal(err)
		}
		took.whole = append(took.whole, time.Since(began))

		began = time.Now()
		run := exec.Command("docker", "-H", testEngine(), "run", "--rm", "--network", "none", ownImage(digest), "/bin/echo", "hello")
		if out, err := run.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		took.bare = append(took.bare, time.Since(began))
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2].Microseconds()) / 1000
	}
	b.ReportMetric(median(took.ours), "driver-ms")
	b.ReportMetric(median(took.whole), "driver-removed-ms")
	b.ReportMetric(median(took.bare), "bare-ms")
	b.ReportMetric(median(took.ours)/median(took.bare), "ratio")
}
