package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"
)

// TestDockerSweep removes the images that this driver pulled and nobody uses any
// more, and leaves those that are new, in use, or somebody else's.
func TestDockerSweep(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	image := func(name string) Spec {
		return inImage(pinned(t, name, shellImage(t, v1.Config{Labels: map[string]string{"test": t.Name() + name}})), "/bin/sleep", "1000")
	}
	digest := func(spec Spec) string {
		ref, err := parsePinned(spec.Docker.Image)
		if err != nil {
			t.Fatal(err)
		}
		return digestHex(ref)
	}
	old, fresh, used, foreign := image("old"), image("fresh"), image("used"), image("foreign")
	for _, spec := range []Spec{old, fresh, used} {
		ready(t, d, spec)
	}
	other := openDocker(t, t.TempDir(), nil)
	ready(t, other, foreign)
	ready(t, d, foreign) // it is there already
	elsewhere := localRegistry() + "/elsewhere:latest"
	if _, err := api.ImageTag(deadline(t), client.ImageTagOptions{Source: ownTag + ":" + digest(old), Target: elsewhere}); err != nil {
		t.Fatal(err)
	}
	task := start(t, d, used, time.Hour)
	there := func(image string) bool {
		_, err := d.engine.inspect(deadline(t), image)
		if err != nil && !errors.Is(err, ErrImageNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	sweep := func(wanted string) {
		t.Helper()
		if err := d.Sweep(deadline(t), time.Hour); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, spec := range []Spec{old, fresh, used, foreign} {
			got += fmt.Sprintf("%t ", there(ownTag+":"+digest(spec)))
		}
		if got != wanted {
			t.Errorf("old, fresh, used, foreign: %swant %s", got, wanted)
		}
	}
	sweep("true true true true ")
	for _, spec := range []Spec{old, used} {
		age(t, filepath.Join(d.dir, imagesDir, digest(spec)))
	}
	sweep("false true true true ")
	if !there(elsewhere) {
		t.Error("an image was removed that somebody has given a name")
	}
	// A second driver, as a restarted node makes it, knows what the first pulled.
	// What was in use counts as used just then.
	if err := task.Remove(deadline(t)); err != nil {
		t.Fatal(err)
	}
	d = openDocker(t, d.dir, nil)
	sweep("false true true true ")
	age(t, filepath.Join(d.dir, imagesDir, digest(used)))
	sweep("false true false true ")
	// A use makes an old one young, and one that was swept comes back.
	age(t, filepath.Join(d.dir, imagesDir, digest(fresh)))
	ready(t, d, fresh)
	ready(t, d, used)
	sweep("false true true true ")
	if left, err := os.ReadDir(filepath.Join(d.dir, imagesDir)); err != nil || len(left) != 2 {
		t.Errorf("remembered are %v, %v, want two images", left, err)
	}
}

// TestDockerPullFails remembers nothing.
func TestDockerPullFails(t *testing.T) {
	realEngine(t)
	p := &pulledImages{dir: t.TempDir()}
	ref, err := parsePinned("nowhere/image@sha256:" + strings.Repeat("0", 64))
	if err != nil {
		t.Fatal(err)
	}
	want(t, p.add(ref, func() error { return ErrImageBad }), ErrImageBad)
	err = p.sweep(-time.Hour, func(string) (bool, error) { t.Error("an image is to be removed"); return false, nil })
	if err != nil {
		t.Error(err)
	}
}

// TestDockerErrorsHidePlaces: what a stranger is told names no path of this machine.
func TestDockerErrorsHidePlaces(t *testing.T) {
	relay := newRelay(t, strings.TrimPrefix(testEngine(), "unix://"))
	d := dockerDriver(t, func(c *DockerConfig) { c.Host = "unix://" + relay.path })
	image := pinned(t, "shell", shellImage(t, v1.Config{}))
	input := inImage(image, "true")
	input.Inputs = map[string]string{"/in/data": filepath.Join(t.TempDir(), "secret")}
	err := d.Prepare(deadline(t), input, nil)
	want(t, err, ErrSpec)
	told := []error{err}
	ready(t, d, inImage(image))
	relay.cut()
	err = d.Prepare(deadline(t), inImage(image), nil)
	want(t, err, ErrNoEngine)
	told = append(told, err)
	_, err = d.Start(deadline(t), inImage(image, "true"), time.Hour)
	want(t, err, ErrFailedToStart)
	told = append(told, err)
	relay.mend()
	if err := errors.Join(os.RemoveAll(filepath.Join(d.dir, leasesDir)), os.WriteFile(filepath.Join(d.dir, leasesDir), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, err = d.Start(deadline(t), inImage(image, "true"), time.Hour)
	for _, err := range append(told, err) {
		if err == nil || strings.Contains(err.Error(), os.TempDir()) {
			t.Errorf("error is %v", err)
		}
	}
}
