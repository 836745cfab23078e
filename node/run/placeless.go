package run

import (
	"cmp"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What Prepare, Start and an Exit say travels to strangers, who must not learn
// where things lie on this machine. So texts name a thing instead of its place.

// places names what may occur in a text, by path.
type places map[string]string

// ofJob adds what a job brings. Paths inside the job are its own and stay.
func (p places) ofJob(spec *Spec) places {
	all := maps.Clone(p)
	add := func(path, name string) {
		if filepath.IsAbs(path) && path != "/" {
			all[path] = name
		}
	}
	for guest, host := range spec.Inputs {
		add(filepath.Dir(host), "the folder of input "+guest)
	}
	add(filepath.Dir(spec.Module), "the module's folder")
	add(spec.Module, "the module")
	for guest, host := range spec.Inputs {
		add(host, "input "+guest)
	}
	return all
}

// systemFile matches those of the kernel that this package opens itself.
var systemFile = regexp.MustCompile(`/(?:dev/loop|proc/self/|proc/[0-9]|sys/fs/cgroup)[\w./-]*`)

// hide names the things in a text.
func (p places) hide(text string) string {
	longestFirst := func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }
	for _, path := range slices.SortedFunc(maps.Keys(p), longestFirst) {
		text = strings.ReplaceAll(text, path, p[path])
	}
	return systemFile.ReplaceAllString(text, "a system file")
}

// hide gives err with a text for strangers, for nil nil. What was taken out is
// in the log.
func (s *shims) hide(spec *Spec, err error) error {
	if err == nil {
		return nil
	}
	text := s.places.ofJob(spec).hide(err.Error())
	if text == err.Error() {
		return err
	}
	s.log.Warn("a job's error, with its places", "lease", spec.ID, "error", err)
	return &placelessError{err: err, text: text}
}

// placelessError is another error under a text of its own.
type placelessError struct {
	err  error
	text string
}

func (e *placelessError) Error() string { return e.text }
func (e *placelessError) Unwrap() error { return e.err }
