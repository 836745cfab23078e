package run

import (
	"context"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
)

// Errors about engines.
var (
	// ErrNoEngine is returned when no container engine answers.
	ErrNoEngine = errors.New("no container engine answers")
	// ErrEngineUnsafe is returned when an engine cannot contain a stranger's job.
	ErrEngineUnsafe = errors.New("container engine is not safe enough")
	// ErrRuntime is returned when an engine has only a runtime that the provider
	// has not consented to.
	ErrRuntime = errors.New("container runtime not allowed")
)

// Labels that every container of ours carries.
const (
	labelLease = "market.lode.lease" // the lease's id
	labelHome  = "market.lode.home"  // which driver directory it belongs to
)

// ownTag is the name that fetched images have in the engine, with the digest of
// the manifest as tag. The domain can never be resolved (RFC 6761).
const ownTag = "lode.invalid/image"

// engineSettings is what a guard or reaper needs to talk to the engine that its
// node has examined.
type engineSettings struct {
	Host        string    `json:"host"`
	API         string    `json:"api"` // version to speak
	Home        string    `json:"home"`
	Runtime     string    `json:"runtime"`
	Userns      bool      `json:"userns"` // the engine remaps users
	LocalImages bool      `json:"local_images"`
	Isolation   Isolation `json:"isolation"`
}

// engine is a container engine on this machine.
type engine struct {
	api  *client.Client
	set  engineSettings
	root string // the engine's own directory; "" where it was not asked
}

// places are where the engine lies on this machine.
func (e *engine) places() places {
	all := places{e.set.Host: "its socket", strings.TrimPrefix(e.set.Host, "unix://"): "the engine's socket"}
	if e.root != "" {
		all[e.root] = "the engine's directory"
	}
	return all
}

// dialEngine speaks to an engine that was examined before. It sends nothing yet.
func dialEngine(set engineSettings) (*engine, error) {
	api, err := client.New(client.WithHost(set.Host), client.WithAPIVersion(set.API))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	return &engine{api: api, set: set}, nil
}

// examineEngine finds out what an engine is and whether it can contain a
// stranger's job, and refuses it if not.
func examineEngine(ctx context.Context, host, home string, config DockerConfig) (*engine, error) {
	if !strings.HasPrefix(host, "unix://") {
		return nil, fmt.Errorf("%w: host is %q, required unix:///PATH: a job's shim must be on the engine's machine", ErrNoEngine, host)
	}
	api, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	e := &engine{api: api, set: engineSettings{Host: host, Home: home, LocalImages: config.LocalImages}}
	if err := e.examine(ctx, config); err != nil {
		return nil, errors.Join(err, api.Close())
	}
	return e, nil
}

func (e *engine) examine(ctx context.Context, config DockerConfig) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	if _, err := e.api.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return fmt.Errorf("%w at %s: %w; start one (dockerd) and let this user reach its socket", ErrNoEngine, e.set.Host, err)
	}
	e.set.API = e.api.ClientVersion()
	answer, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("%w at %s: %w", ErrNoEngine, e.set.Host, err)
	}
	info := answer.Info
	e.root = info.DockerRootDir
	options := securityOptions(info.SecurityOptions)
	seccomp, hasSeccomp := options["seccomp"]
	switch {
	case info.OSType != "linux":
		return fmt.Errorf("%w: it runs %s, required linux", ErrEngineUnsafe, info.OSType)
	case !hasSeccomp || seccomp["profile"] == "unconfined":
		return fmt.Errorf("%w: it filters no system calls; start it without --seccomp-profile=unconfined, on a kernel with seccomp", ErrEngineUnsafe)
	case !info.MemoryLimit || !info.PidsLimit || !info.CPUCfsQuota:
		return fmt.Errorf("%w: it cannot limit memory (%t), processes (%t) and CPU (%t); all three cgroup controllers are required",
			ErrEngineUnsafe, info.MemoryLimit, info.PidsLimit, info.CPUCfsQuota)
	}
	runtimes := make([]string, 0, len(info.Runtimes))
	for name := range info.Runtimes {
		runtimes = append(runtimes, name)
	}
	slices.Sort(runtimes)
	switch {
	case slices.Contains(runtimes, "runsc"):
		e.set.Runtime = "runsc"
	case !config.AllowRunc:
		return fmt.Errorf("%w: the engine has %s, required runsc (gVisor); install it, or set allow_runc to share this machine's kernel with strangers",
			ErrRuntime, strings.Join(runtimes, ", "))
	case !slices.Contains(runtimes, "runc"):
		return fmt.Errorf("%w: the engine has %s, required runsc or runc", ErrRuntime, strings.Join(runtimes, ", "))
	default:
		e.set.Runtime = "runc"
	}
	e.set.Isolation = Isolation{Applied: []string{
		"no network", "no capabilities", "no new privileges", "the default seccomp profile", "a read-only root",
		"limits on memory, processes, CPU, open files and disk", "runtime " + e.set.Runtime,
	}}
	has := func(applied, missing string, there bool) {
		if there {
			e.set.Isolation.Applied = append(e.set.Isolation.Applied, applied)
		} else {
			e.set.Isolation.Missing = append(e.set.Isolation.Missing, missing)
		}
	}
	_, e.set.Userns = options["userns"]
	_, apparmor := options["apparmor"]
	has("a user namespace", "a user namespace: the engine runs without userns-remap; jobs run as a user of their own instead", e.set.Userns)
	has("AppArmor", "AppArmor: the engine does not offer it", apparmor)
	has("no swap", "a limit on swap: the kernel does not account it", info.SwapLimit)
	has("a kernel of its own (gVisor)", "gVisor: the job talks to this machine's kernel, by the provider's consent", e.set.Runtime == "runsc")
	return nil
}

// securityOptions reads the engine's "name=seccomp,profile=default".
func securityOptions(lines []string) map[string]map[string]string {
	options := make(map[string]map[string]string)
	for _, line := range lines {
		fields := make(map[string]string)
		for _, field := range strings.Split(line, ",") {
			key, value, _ := strings.Cut(field, "=")
			fields[key] = value
		}
		options[fields["name"]] = fields
	}
	return options
}

// localImage is an image in the engine, ready to run.
type localImage struct {
	id      string
	volumes []string // paths that the image wants volumes at
	labels  []string // keys
}

// find looks for an image that ref (by digest) stands for. It reports
// ErrImageNotFound when the engine has none, or none that strangers may name.
func (e *engine) find(ctx context.Context, ref name.Digest) (localImage, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	found, err := e.inspect(ctx, ownImage(ref))
	if errors.Is(err, ErrImageNotFound) && e.set.LocalImages {
		if found, err = e.inspect(ctx, ref.DigestStr()); errors.Is(err, ErrImageNotFound) {
			found, err = e.inspect(ctx, ref.Name())
		}
	}
	if err != nil {
		return localImage{}, err
	}
	return checkImage(found)
}

func (e *engine) inspect(ctx context.Context, ref string) (image.InspectResponse, error) {
	answer, err := e.api.ImageInspect(ctx, ref)
	switch {
	case errdefs.IsNotFound(err):
		return image.InspectResponse{}, fmt.Errorf("%w: the engine has no %s", ErrImageNotFound, ref)
	case err != nil:
		return image.InspectResponse{}, engineError("inspect image", err)
	}
	return answer.InspectResponse, nil
}

// checkImage takes from an image's configuration what could reach beyond the job.
func checkImage(found image.InspectResponse) (localImage, error) {
	if found.Os != "linux" || found.Architecture != runtime.GOARCH {
		return localImage{}, fmt.Errorf("%w: it is for %.40q, required linux/%s", ErrImagePlatform, found.Os+"/"+found.Architecture, runtime.GOARCH)
	}
	image := localImage{id: found.ID}
	if found.Config == nil {
		return image, nil
	}
	if len(found.Config.Volumes) > maxVolumes {
		return localImage{}, fmt.Errorf("%w: it declares %d volumes, at most %d", ErrImageBad, len(found.Config.Volumes), maxVolumes)
	}
	if len(found.Config.Labels) > maxImageLabels {
		return localImage{}, fmt.Errorf("%w: it has %d labels, at most %d", ErrImageBad, len(found.Config.Labels), maxImageLabels)
	}
	for volume := range found.Config.Volumes {
		// A path that the engine would read otherwise than we do could not be covered.
		if !path.IsAbs(volume) || path.Clean(volume) != volume || volume == "/" || !saneName(volume) {
			return localImage{}, fmt.Errorf("%w: it declares a volume at %.80q, required a clean absolute path below /", ErrImageBad, volume)
		}
		image.volumes = append(image.volumes, volume)
	}
	for label := range found.Config.Labels {
		image.labels = append(image.labels, label)
	}
	slices.Sort(image.volumes)
	slices.Sort(image.labels)
	return image, nil
}

// reap removes what is left of a lease in the engine, running or not. Removing
// what is gone is no error.
func (e *engine) reap(ctx context.Context, lease string) error {
	found, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", labelHome+"="+e.set.Home, labelLease+"="+lease),
	})
	if err != nil {
		return engineError("list containers", err)
	}
	var failed error
	for _, container := range found.Items {
		failed = errors.Join(failed, e.remove(ctx, container.ID))
	}
	return failed
}

// remove kills and removes a container with its volumes.
func (e *engine) remove(ctx context.Context, id string) error {
	_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if errdefs.IsConflict(err) {
		// Somebody is removing it; we are done when it is gone.
		removed := e.api.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: "removed"})
		select {
		case <-removed.Result:
			return nil
		case err = <-removed.Error:
			if errdefs.IsNotFound(err) {
				return nil
			}
		}
	}
	if err != nil {
		return engineError("remove container", err)
	}
	return nil
}

// engineError wraps what an engine said, which may quote the image.
func engineError(doing string, err error) error {
	if client.IsErrConnectionFailed(err) {
		return fmt.Errorf("%s: %w: %w", doing, ErrNoEngine, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
