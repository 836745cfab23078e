package run

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrNotOffered is returned for what the docker driver does not give to a job:
// a network, GPUs.
var ErrNotOffered = errors.New("not offered by the docker driver")

// DockerSpec is what a job needs besides Spec to run in a container.
type DockerSpec struct {
	// Image is a reference by digest: name@sha256:...
	Image string `json:"image"`
	// Shm is the size of /dev/shm in bytes; it counts as memory. Default: 64 MiB.
	Shm int64 `json:"shm,omitempty"`
	// Network is the network mode: "" or "none". Any other is refused.
	Network string `json:"network,omitempty"`
	// GPUs names the devices that the job is to see. Any is refused.
	GPUs []string `json:"gpus,omitempty"`
}

// checkDocker tells what the docker driver could not run, and fills in defaults.
func (s *Spec) checkDocker() error {
	if err := s.check(); err != nil {
		return err
	}
	d := s.Docker
	switch {
	case d == nil:
		return fmt.Errorf("%w: no image is named", ErrSpec)
	case s.Module != "" || s.ModuleDigest != "" || s.Deterministic:
		return fmt.Errorf("%w: an image together with a module, or deterministic mode; that is the wasm driver's", ErrSpec)
	case d.Network != "" && d.Network != "none":
		return fmt.Errorf("%w: network mode %.40q, required \"none\": give the job its data as inputs", ErrNotOffered, d.Network)
	case len(d.GPUs) > 0:
		return fmt.Errorf("%w: %d GPUs, required none", ErrNotOffered, len(d.GPUs))
	case s.Limits.Memory < leastMemory:
		return fmt.Errorf("%w: memory limit is %d bytes, a container needs %d", ErrSpec, s.Limits.Memory, leastMemory)
	case d.Shm < 0 || d.Shm > s.Limits.Memory:
		return fmt.Errorf("%w: shm is %d bytes, required 0 to the memory limit of %d", ErrSpec, d.Shm, s.Limits.Memory)
	}
	if d.Shm == 0 {
		d.Shm = min(defaultShm, s.Limits.Memory)
	}
	if _, err := parsePinned(d.Image); err != nil {
		return err
	}
	return s.checkDockerInputs()
}

// checkDockerInputs wants inputs that a user without rights can read, and that
// are not links: an engine follows them with all rights that it has.
func (s *Spec) checkDockerInputs() error {
	for guest, host := range s.Inputs {
		for _, system := range []string{"/proc", "/sys", "/dev"} {
			if guest == system || strings.HasPrefix(guest, system+"/") {
				return fmt.Errorf("%w: input path %.80q lies in %s", ErrSpec, guest, system)
			}
		}
		info, err := os.Lstat(host)
		if err != nil {
			return fmt.Errorf("%w: input %s: %w", ErrSpec, guest, err)
		}
		mode, least := info.Mode(), os.FileMode(0o004)
		if mode.IsDir() {
			least = 0o005
		} else if !mode.IsRegular() {
			return fmt.Errorf("%w: input %s comes from a %s, required a file or directory", ErrSpec, guest, mode.Type())
		}
		if mode.Perm()&least != least {
			return fmt.Errorf("%w: input %s has mode %v, required %v for everybody: the job's user has no rights", ErrSpec, guest, mode.Perm(), least)
		}
	}
	return nil
}
