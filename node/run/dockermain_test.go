package run

import (
	"archive/tar"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/moby/moby/client"
)

// skipPlainly ends a test that this machine cannot run, which is a failure where
// everything is meant to be there.
func skipPlainly(tb testing.TB, why string, args ...any) {
	tb.Helper()
	if os.Getenv("LODE_TEST_NO_SKIP") == "1" {
		tb.Fatalf(why, args...)
	}
	tb.Skipf(why, args...)
}

// testEngine is the engine to test with: that of LODE_TEST_ENGINE (unix:///PATH),
// else the one at its usual place.
func testEngine() string { return cmp.Or(os.Getenv("LODE_TEST_ENGINE"), DefaultEngine) }

// realEngine gives a client of the engine of this machine, or skips the test.
func realEngine(tb testing.TB) *client.Client {
	tb.Helper()
	if os.Geteuid() != 0 {
		skipPlainly(tb, "the docker driver needs root, this is uid %d", os.Geteuid())
	}
	api, err := client.New(client.WithHost(testEngine()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := api.Close(); err != nil {
			tb.Error(err)
		}
	})
	if _, err := api.Ping(deadline(tb), client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		skipPlainly(tb, "no Docker engine answers at %s: %v", testEngine(), err)
	}
	return api
}

// localRegistry serves images on loopback for the whole test run.
var localRegistry = sync.OnceValue(func() string {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	return strings.TrimPrefix(server.URL, "http://")
})

// busybox is a root file system with a static shell.
var busybox = sync.OnceValues(func() ([]byte, error) {
	const binary = "/bin/busybox"
	body, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	for _, dir := range []string{"bin", "etc", "tmp"} {
		if err := archive.WriteHeader(&tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
			return nil, err
		}
	}
	if err := archive.WriteHeader(&tar.Header{Name: "open/", Typeflag: tar.TypeDir, Mode: 0o777}); err != nil {
		return nil, err
	}
	if err := archive.WriteHeader(&tar.Header{Name: "bin/busybox", Size: int64(len(body)), Mode: 0o755}); err != nil {
		return nil, err
	}
	if _, err := archive.Write(body); err != nil {
		return nil, err
	}
	for _, applet := range strings.Fields("cat chmod dd echo env grep head id ln ls mkdir mkfifo mount nc rm seq sh sleep tail tr true truncate wc yes") {
		if err := archive.WriteHeader(&tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}); err != nil {
			return nil, err
		}
	}
	return packed.Bytes(), archive.Close()
})

// shellImage is an image with a static shell and this configuration.
func shellImage(tb testing.TB, config v1.Config) v1.Image {
	tb.Helper()
	body, err := busybox()
	if err != nil {
		skipPlainly(tb, "no static busybox (apt-get install busybox-static): %v", err)
	}
	return imageOf(tb, config, body)
}

// testLabel marks the images of these tests, which remove them.
const testLabel = "market.lode.test"

func imageOf(tb testing.TB, config v1.Config, layers ...[]byte) v1.Image {
	tb.Helper()
	config.Labels = maps.Clone(config.Labels)
	if config.Labels == nil {
		config.Labels = make(map[string]string)
	}
	config.Labels[testLabel] = "1"
	image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: config})
	if err != nil {
		tb.Fatal(err)
	}
	for _, body := range layers {
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil })
		if err != nil {
			tb.Fatal(err)
		}
		if image, err = mutate.AppendLayers(image, layer); err != nil {
			tb.Fatal(err)
		}
	}
	return image
}

// push puts an image into the local registry and gives it by tag.
func push(tb testing.TB, repository string, image v1.Image) string {
	tb.Helper()
	ref, err := name.ParseReference(localRegistry() + "/" + repository + ":latest")
	if err != nil {
		tb.Fatal(err)
	}
	if err := remote.Write(ref, image); err != nil {
		tb.Fatal(err)
	}
	return ref.Name()
}

// testImages reads from the local registry.
func testImages(tb testing.TB) *Images {
	images := NewImages(ImagesConfig{AllowedRegistries: []string{localRegistry()}})
	tb.Cleanup(images.Close)
	return images
}

// pinned pushes an image and gives it by digest.
func pinned(tb testing.TB, repository string, image v1.Image) string {
	tb.Helper()
	resolved, err := testImages(tb).Resolve(deadline(tb), push(tb, repository, image))
	if err != nil {
		tb.Fatal(err)
	}
	return resolved.Ref
}

// dockerDriver makes a driver in a directory of its own and checks, when the
// test has ended, that nothing of it is left in the engine or the kernel.
func dockerDriver(tb testing.TB, change func(*DockerConfig)) *Docker {
	tb.Helper()
	api := realEngine(tb)
	dir, err := os.MkdirTemp("", "lode-docker-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	d := openDocker(tb, dir, change)
	tb.Cleanup(func() {
		nothingLeft(tb, api, d)
		found, err := api.ImageList(deadline(tb), client.ImageListOptions{Filters: make(client.Filters).Add("label", testLabel)})
		if err != nil {
			tb.Fatal(err)
		}
		for _, image := range found.Items {
			if _, err := api.ImageRemove(deadline(tb), image.ID, client.ImageRemoveOptions{Force: true}); err != nil {
				tb.Error(err)
			}
		}
	})
	return d
}

func openDocker(tb testing.TB, dir string, change func(*DockerConfig)) *Docker {
	tb.Helper()
	c := DockerConfig{
		Config:    Config{Dir: dir, Log: slog.New(slog.NewTextHandler(testLog{tb}, nil))},
		Host:      testEngine(),
		AllowRunc: true,
		Images:    ImagesConfig{AllowedRegistries: []string{localRegistry()}},
	}
	if change != nil {
		change(&c)
	}
	d, err := NewDocker(deadline(tb), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
		if log, err := os.ReadFile(filepath.Join(dir, "shim.log")); err == nil && len(log) > 0 {
			tb.Logf("shim.log:\n%s", log)
		}
	})
	return d
}

// containersOf lists the driver's containers.
func containersOf(tb testing.TB, api *client.Client, d *Docker) []string {
	tb.Helper()
	found, err := api.ContainerList(deadline(tb), client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelHome+"="+d.engine.set.Home),
	})
	if err != nil {
		tb.Fatal(err)
	}
	var all []string
	for _, c := range found.Items {
		all = append(all, fmt.Sprint(c.ID[:12], " ", c.State))
	}
	return all
}

// loopDevices lists those over files in dir.
func loopDevices(tb testing.TB, dir string) []string {
	tb.Helper()
	backing, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		tb.Fatal(err)
	}
	var found []string
	for _, file := range backing {
		// One may be let go meanwhile.
		if name, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(name), dir) {
			found = append(found, file)
		}
	}
	return found
}

func volumes(tb testing.TB, api *client.Client) map[string]bool {
	tb.Helper()
	found, err := api.VolumeList(deadline(tb), client.VolumeListOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	names := make(map[string]bool)
	for _, v := range found.Items {
		names[v.Name] = true
	}
	return names
}

func nothingLeft(tb testing.TB, api *client.Client, d *Docker) {
	tb.Helper()
	until(tb, "an engine without our containers", func() bool { return len(containersOf(tb, api, d)) == 0 })
	until(tb, "a kernel without our loop devices", func() bool { return len(loopDevices(tb, d.dir)) == 0 })
}

// shell is a job that runs a script in the shell image.
func shell(tb testing.TB, script string) Spec {
	tb.Helper()
	return inImage(pinned(tb, "shell", shellImage(tb, v1.Config{})), "/bin/sh", "-c", script)
}

func inImage(ref string, args ...string) Spec {
	leases.Lock()
	defer leases.Unlock()
	leases.n++
	return Spec{
		ID: fmt.Sprintf("%08x", leases.n), Tenant: "tenant", Args: args, Grace: time.Minute,
		Docker: &DockerSpec{Image: ref},
		Limits: Limits{Memory: 64 << 20, OutputBytes: 1 << 20, OutputFiles: 100, OutputDepth: 10, TmpBytes: 1 << 20, Log: 64 << 10},
	}
}

// ready prepares a job's image.
func ready(tb testing.TB, d *Docker, spec Spec) Spec {
	tb.Helper()
	if err := d.Prepare(deadline(tb), spec, nil); err != nil {
		tb.Fatalf("prepare: %v", err)
	}
	return spec
}
