package run

import (
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

// What the engine is asked for is decided here and nowhere else, from the job's
// specification and from what of the image is fit to be looked at. Whatever the
// image's configuration says that touches the host side is overridden.

// createOptions describes the container of one job. out and tmp are devices with
// a file system each.
func createOptions(set engineSettings, spec *Spec, image localImage, out, tmp string) client.ContainerCreateOptions {
	yes, processes := true, int64(maxProcesses)
	return client.ContainerCreateOptions{
		Name: containerName(set.Home, spec.ID),
		Config: &container.Config{
			Image:       image.id,
			Hostname:    "job",
			User:        jobUser(set, spec.ID),
			Env:         jobEnv(spec.Env),
			Cmd:         spec.Args, // nil leaves the image's own
			Labels:      jobLabels(set, spec.ID, image.labels),
			StopSignal:  "SIGKILL",
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
			// The image's EXPOSE is meaningless without a network.
			NetworkDisabled: true,
		},
		HostConfig: &container.HostConfig{
			Runtime:        set.Runtime,
			NetworkMode:    "none",
			IpcMode:        "private",
			CgroupnsMode:   "private",
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges:true"},
			ReadonlyRootfs: true,
			Init:           &yes, // reaps zombies, and is what a signal to process 1 needs
			ShmSize:        spec.Docker.Shm,
			OomScoreAdj:    jobOOMScore,
			// The engine keeps no logs: a flood would fill its disk.
			LogConfig: container.LogConfig{Type: "none"},
			// Otherwise the job would read this machine's name servers and search domains.
			DNS:       []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})},
			DNSSearch: []string{"."},
			Mounts:    jobMounts(spec.Inputs, image.volumes, out, tmp),
			Resources: container.Resources{
				Memory:     spec.Limits.Memory,
				MemorySwap: spec.Limits.Memory, // together with memory: none besides
				NanoCPUs:   int64(spec.Limits.CPUMillis) * 1e6,
				PidsLimit:  &processes,
				Ulimits: []*container.Ulimit{
					{Name: "core", Soft: 0, Hard: 0},
					{Name: "nofile", Soft: maxJobFiles, Hard: maxJobFiles},
				},
			},
		},
	}
}

// containerName is the same for each try to start a lease, so two can't run.
func containerName(home, lease string) string { return "lode-" + home + "-" + lease }

// jobUser gives a lease a user and group of its own, because kernel quotas are by
// user. The numbers lie where no account of this machine should; within a user
// namespace only 65,536 exist.
func jobUser(set engineSettings, lease string) string {
	sum := fnv.New32a()
	sum.Write([]byte(lease))
	id := 1<<30 + uint64(sum.Sum32()>>4)
	if set.Userns {
		id = 1<<10 + uint64(sum.Sum32()%(60<<10))
	}
	number := strconv.FormatUint(id, 10)
	return number + ":" + number
}

// jobEnv is the job's environment beside the image's. The last of two equal names
// counts; which one a program would see is its C library's whim.
func jobEnv(env []string) []string {
	values := map[string]string{"HOME": "/tmp"} // the only place besides /out that can be written
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		values[name] = value
	}
	// NVIDIA's runtime hook hands out GPUs to whoever asks by this variable, an
	// image included.
	values["NVIDIA_VISIBLE_DEVICES"] = "void"
	entries := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		entries = append(entries, name+"="+values[name])
	}
	return entries
}

// jobLabels names the lease, and blanks the image's own labels: proxies, updaters
// and healers on this machine may obey them.
func jobLabels(set engineSettings, lease string, image []string) map[string]string {
	labels := make(map[string]string, len(image)+2)
	for _, key := range image {
		labels[key] = ""
	}
	labels[labelHome], labels[labelLease] = set.Home, lease
	return labels
}

// jobMounts gives the job its folders. A VOLUME of the image would be a folder
// without bounds on the engine's disk, so each is covered with a small one in memory.
func jobMounts(inputs map[string]string, volumes []string, out, tmp string) []mount.Mount {
	mounts := []mount.Mount{scratchMount(outputPath, out), scratchMount(tmpPath, tmp)}
	taken := map[string]bool{outputPath: true, tmpPath: true}
	for _, guest := range slices.Sorted(maps.Keys(inputs)) {
		taken[guest] = true
		mounts = append(mounts, mount.Mount{
			Type: mount.TypeBind, Source: inputs[guest], Target: guest, ReadOnly: true,
			BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
		})
	}
	for _, guest := range volumes {
		if !taken[guest] {
			mounts = append(mounts, mount.Mount{
				Type: mount.TypeTmpfs, Target: guest,
				TmpfsOptions: &mount.TmpfsOptions{SizeBytes: volumeCover, Mode: 0o1777},
			})
		}
	}
	return mounts
}

// Where a job writes.
const (
	outputPath = "/out"
	tmpPath    = "/tmp"
)

// scratchMount has the engine mount a device as a volume that is removed with
// the container. An engine that does not see the device refuses to start it.
func scratchMount(guest, device string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeVolume, Target: guest,
		VolumeOptions: &mount.VolumeOptions{
			NoCopy: true,
			DriverConfig: &mount.Driver{Name: "local", Options: map[string]string{
				"type": "ext4", "device": device, "o": "nosuid,nodev,noatime",
			}},
		},
	}
}
