package run

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	idPattern     = regexp.MustCompile(`^[0-9a-f]{1,64}$`)
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check tells what no driver could run, and fills in default limits.
func (s *Spec) check() error {
	if err := checkID(s.ID); err != nil {
		return err
	}
	switch {
	case s.Tenant == "" || len(s.Tenant) > maxTenant:
		return fmt.Errorf("%w: tenant has %d bytes, required 1 to %d", ErrSpec, len(s.Tenant), maxTenant)
	case len(s.Args)+len(s.Env) > maxArgs:
		return fmt.Errorf("%w: %d arguments and environment entries, at most %d", ErrSpec, len(s.Args)+len(s.Env), maxArgs)
	case len(s.Inputs) > maxInputs:
		return fmt.Errorf("%w: %d inputs, at most %d", ErrSpec, len(s.Inputs), maxInputs)
	case s.Grace < 0 || s.Grace > maxGrace:
		return fmt.Errorf("%w: grace is %v, required 0 to %v", ErrSpec, s.Grace, maxGrace)
	case s.MaxUsage < 0:
		return fmt.Errorf("%w: max usage is %v, must not be negative", ErrSpec, s.MaxUsage)
	}
	size := 0
	for _, text := range slices.Concat(s.Args, s.Env) {
		if strings.ContainsRune(text, 0) {
			return fmt.Errorf("%w: a NUL byte in an argument or environment entry", ErrSpec)
		}
		size += len(text)
	}
	if size > maxArgBytes {
		return fmt.Errorf("%w: arguments and environment take %d bytes, at most %d", ErrSpec, size, maxArgBytes)
	}
	for _, env := range s.Env {
		if name, _, ok := strings.Cut(env, "="); !ok || name == "" {
			// The entry itself may be a secret.
			return fmt.Errorf("%w: an environment entry is not NAME=value", ErrSpec)
		}
	}
	if err := s.checkInputs(); err != nil {
		return err
	}
	return s.Limits.fill()
}

func checkID(id string) error {
	if !idPattern.MatchString(id) {
		return fmt.Errorf("%w: lease id %.80q, required 1 to 64 lower-case hex digits", ErrSpec, id)
	}
	return nil
}

// checkInputs wants clean absolute paths, none inside another or a writable folder.
func (s *Spec) checkInputs() error {
	taken := []string{"/out", "/tmp"}
	for guest, host := range s.Inputs {
		if !path.IsAbs(guest) || path.Clean(guest) != guest || guest == "/" || len(guest) > maxPath || !saneName(guest) {
			return fmt.Errorf("%w: input path %.80q, required a clean absolute path below /", ErrSpec, guest)
		}
		if !filepath.IsAbs(host) {
			return fmt.Errorf("%w: input %s comes from a relative path, required an absolute one", ErrSpec, guest)
		}
		taken = append(taken, guest)
	}
	slices.Sort(taken)
	for i, a := range taken {
		for _, b := range taken[i+1:] {
			if strings.HasPrefix(b+"/", a+"/") {
				return fmt.Errorf("%w: input path %s lies inside %s", ErrSpec, b, a)
			}
		}
	}
	return nil
}

// fill puts defaults where nothing was said.
func (l *Limits) fill() error {
	fill := func(v *int64, otherwise int64) {
		if *v == 0 {
			*v = otherwise
		}
	}
	fill(&l.Memory, defaultMemory)
	fill(&l.OutputBytes, defaultOutputBytes)
	fill(&l.OutputFiles, defaultOutputFiles)
	fill(&l.TmpBytes, defaultTmpBytes)
	fill(&l.Log, defaultLog)
	if l.OutputDepth == 0 {
		l.OutputDepth = defaultOutputDepth
	}
	if l.CPUMillis == 0 {
		l.CPUMillis = defaultCPUMillis
	}
	if l.Memory < 0 || l.OutputBytes < 0 || l.OutputFiles < 0 || l.OutputDepth < 0 || l.TmpBytes < 0 || l.Log < 0 || l.CPUMillis < 0 {
		return fmt.Errorf("%w: a limit is negative: %+v", ErrSpec, *l)
	}
	return nil
}

// checkModule tells what the wasm driver could not run.
func (s *Spec) checkModule() error {
	if err := s.check(); err != nil {
		return err
	}
	if !filepath.IsAbs(s.Module) {
		return fmt.Errorf("%w: the module's path is empty or relative, required an absolute one", ErrSpec)
	}
	if !digestPattern.MatchString(s.ModuleDigest) {
		return fmt.Errorf("%w: module digest is %.80q, required a SHA-256 in 64 lower-case hex digits", ErrSpec, s.ModuleDigest)
	}
	if s.Limits.Memory > maxMemory {
		return fmt.Errorf("%w: memory limit is %d bytes, a module can address %d", ErrSpec, s.Limits.Memory, int64(maxMemory))
	}
	return nil
}
