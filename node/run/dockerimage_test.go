package run

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	spec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
	"pgregory.net/rapid"
)

// TestCreateOptions: whatever a job and an image say, what the engine is asked
// for keeps the walls up.
func TestCreateOptions(t *testing.T) {
	text := rapid.StringMatching(`[A-Za-z_./=:-]{1,12}`)
	path := rapid.StringMatching(`(/[a-z]{1,3}){1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		spec := &Spec{
			ID:     rapid.StringMatching(`[0-9a-f]{1,64}`).Draw(t, "id"),
			Args:   rapid.SliceOf(text).Draw(t, "args"),
			Env:    rapid.SliceOf(rapid.StringMatching(`(HOME|NVIDIA_VISIBLE_DEVICES|[A-Z]{1,3})=[a-z=]{0,4}`)).Draw(t, "env"),
			Inputs: rapid.MapOf(path, path).Draw(t, "inputs"),
			Docker: &DockerSpec{Shm: 1},
			Limits: Limits{Memory: 1 << 30, CPUMillis: 500},
		}
		found := localImage{
			id:      "sha256:00",
			volumes: rapid.SliceOfDistinct(rapid.OneOf(path, rapid.Just("/out"), rapid.Just("/tmp")), func(s string) string { return s }).Draw(t, "volumes"),
			labels:  rapid.SliceOf(rapid.OneOf(text, rapid.Just(labelLease), rapid.Just(labelHome))).Draw(t, "labels"),
		}
		set := engineSettings{Home: "home", Runtime: "runc", Userns: rapid.Bool().Draw(t, "userns")}
		options := createOptions(set, spec, found, "/dev/loop1", "/dev/loop2")
		c, h := options.Config, options.HostConfig
		if c.Image != found.id || strings.HasPrefix(c.User, "0:") || c.User == "" || c.Labels[labelLease] != spec.ID || c.Labels[labelHome] != "home" {
			t.Fatalf("config is %+v", c)
		}
		if set.Userns && len(c.User) > len("65535:65535") {
			t.Fatalf("user %s is in no user namespace", c.User)
		}
		for _, label := range found.labels {
			if value, ok := c.Labels[label]; !ok || value != "" && label != labelLease && label != labelHome {
				t.Fatalf("label %s is %q, %t", label, value, ok)
			}
		}
		seen := make(map[string]bool)
		for _, entry := range c.Env {
			key, _, _ := strings.Cut(entry, "=")
			if seen[key] {
				t.Fatalf("%s is there twice: %q", key, c.Env)
			}
			seen[key] = true
		}
		if !slices.Contains(c.Env, "NVIDIA_VISIBLE_DEVICES=void") {
			t.Fatalf("environment %q", c.Env)
		}
		if h.Privileged || h.NetworkMode != "none" || !h.ReadonlyRootfs || h.AutoRemove || len(h.Binds)+len(h.Devices)+len(h.DeviceRequests)+len(h.CapAdd)+len(h.VolumesFrom) > 0 ||
			!slices.Equal(h.CapDrop, []string{"ALL"}) || !slices.Equal(h.SecurityOpt, []string{"no-new-privileges:true"}) ||
			h.PidMode != "" || h.UsernsMode != "" || h.UTSMode != "" || h.IpcMode != "private" || h.Memory != h.MemorySwap || h.NanoCPUs != 5e8 ||
			h.MaskedPaths != nil || h.ReadonlyPaths != nil || h.LogConfig.Type != "none" {
			t.Fatalf("host config is %+v", h)
		}
		targets := make(map[string]bool)
		for _, m := range h.Mounts {
			if targets[m.Target] {
				t.Fatalf("%s is mounted twice", m.Target)
			}
			targets[m.Target] = true
			bounded := m.Type == mount.TypeTmpfs && m.TmpfsOptions.SizeBytes == volumeCover ||
				m.Type == mount.TypeVolume && m.VolumeOptions.NoCopy && strings.HasPrefix(m.VolumeOptions.DriverConfig.Options["device"], "/dev/loop") ||
				m.Type == mount.TypeBind && m.ReadOnly && spec.Inputs[m.Target] == m.Source
			if !bounded {
				t.Fatalf("mount %+v", m)
			}
		}
		for _, volume := range found.volumes {
			if !targets[volume] {
				t.Fatalf("the image's volume at %s is not covered", volume)
			}
		}
	})
}

// TestCheckImage refuses what could not be covered.
func TestCheckImage(t *testing.T) {
	base := imageInspect(t, nil)
	if got, err := checkImage(base); err != nil || got.id != base.ID {
		t.Errorf("image is %+v, %v", got, err)
	}
	for _, volume := range []string{"relative", "/a/../b", "/a/", "/", "", "//a", "/a\x00b", "/" + strings.Repeat("a", 300)} {
		_, err := checkImage(imageInspect(t, map[string]struct{}{volume: {}}))
		want(t, err, ErrImageBad)
	}
	base.Architecture = "other"
	_, err := checkImage(base)
	want(t, err, ErrImagePlatform)
}

func imageInspect(t *testing.T, volumes map[string]struct{}) image.InspectResponse {
	t.Helper()
	found := image.InspectResponse{ID: "sha256:00", Os: "linux", Architecture: runtime.GOARCH}
	if volumes != nil {
		found.Config = &spec.DockerOCIImageConfig{}
		found.Config.Volumes = volumes
	}
	return found
}

// TestLoadAnswer finds an error behind a status of success.
func TestLoadAnswer(t *testing.T) {
	if err := loadAnswer(strings.NewReader(`{"stream":"Loaded"}` + "\n")); err != nil {
		t.Error(err)
	}
	want(t, loadAnswer(strings.NewReader(`{"stream":"x"}{"errorDetail":{"message":"no"},"error":"no"}`)), ErrImageBad)
	if err := loadAnswer(strings.NewReader(`{"stream`)); err == nil {
		t.Error("half a message was taken")
	}
}

// TestDockerPrepare fetches into a real engine, and says why it does not.
func TestDockerPrepare(t *testing.T) {
	image := shellImage(t, v1.Config{Labels: map[string]string{"test": t.Name()}})
	ref := pinned(t, "prepare", image)
	digest := ref[strings.LastIndex(ref, "@"):]
	for what, c := range map[string]struct {
		ref    string
		change func(*DockerConfig)
		err    error
	}{
		"missing":       {localRegistry() + "/prepare@sha256:" + strings.Repeat("0", 64), nil, ErrImageNotFound},
		"too big":       {ref, func(c *DockerConfig) { c.Images.MaxPacked = 1000 }, ErrImageTooBig},
		"too big later": {ref, func(c *DockerConfig) { c.Images.MaxUnpacked = 1000 }, ErrImageTooBig},
		"private":       {ref, func(c *DockerConfig) { c.Images.AllowedRegistries = nil }, ErrRegistryRefused},
		"metadata":      {"169.254.169.254/latest" + digest, nil, ErrRegistryRefused},
	} {
		t.Run(what, func(t *testing.T) {
			d := dockerDriver(t, c.change)
			want(t, d.Prepare(deadline(t), inImage(c.ref), nil), c.err)
			if left, err := os.ReadDir(d.dir + "/" + pullDir); err != nil || len(left) > 0 {
				t.Errorf("left on disk: %v, %v", left, err)
			}
		})
	}
	t.Run("shared", func(t *testing.T) {
		d := dockerDriver(t, nil)
		done := make(chan error)
		for range 4 {
			go func() { done <- d.Prepare(deadline(t), inImage(ref), nil) }()
		}
		for range 4 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestDockerLocalImage: an image that is only in the engine runs where requester
// and provider share it and the provider says so, and nowhere else.
func TestDockerLocalImage(t *testing.T) {
	api := realEngine(t)
	strict := dockerDriver(t, nil)
	ref := pinned(t, "local", shellImage(t, v1.Config{Labels: map[string]string{"test": t.Name()}}))
	ready(t, strict, inImage(ref))
	digest, err := parsePinned(ref)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := localRegistry() + "/nowhere:latest"
	if _, err := api.ImageTag(deadline(t), client.ImageTagOptions{Source: ownImage(digest), Target: elsewhere}); err != nil {
		t.Fatal(err)
	}
	found, err := ResolveLocal(deadline(t), testEngine(), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(found.Ref, localRegistry()+"/nowhere@sha256:") || found.Size == 0 {
		t.Errorf("resolved to %+v", found)
	}
	want(t, strict.Prepare(deadline(t), inImage(found.Ref), nil), ErrImageNotFound)
	_, err = strict.Start(deadline(t), inImage(found.Ref, "true"), time.Hour)
	want(t, err, ErrFailedToStart)
	open := dockerDriver(t, func(c *DockerConfig) { c.LocalImages = true })
	if exit, text, _ := finished(t, open, ready(t, open, inImage(found.Ref, "/bin/echo", "local"))); exit.ExitCode != 0 || text != "local\n" {
		t.Errorf("exit is %+v, log %q", exit, text)
	}
	_, err = ResolveLocal(deadline(t), testEngine(), localRegistry()+"/nothing")
	want(t, err, ErrImageNotFound)
}
