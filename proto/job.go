package proto

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/node/bindnode"
	"github.com/ipld/go-ipld-prime/schema"
	"github.com/multiformats/go-multihash"
)

// ErrJob is returned for a job that is not canonical or asks for what can't be.
var ErrJob = errors.New("bad job")

// JobVersion is the version of the job document.
const JobVersion = 1

// Job is what is to be run, resolved: content by CID, images by digest. Its
// canonical bytes are DAG-CBOR by the schema in job.ipldsch.
type Job struct {
	Version       int64
	Driver        string
	Module        *cid.Cid
	Image         *string
	Args          []string
	Env           []Var
	Inputs        []Input
	Outputs       string
	Resources     Ask
	Network       int64
	Deterministic bool
	Seed          int64
}

// Var is a variable of the job's environment.
type Var struct{ Name, Value string }

// Input is a UnixFS tree that the job finds, read-only, at Path.
type Input struct {
	Path string
	Root cid.Cid
}

// Ask is what a job wants of its machine: thousandths of a core, and bytes.
type Ask struct{ CPUMillis, Memory, Disk, Shm, GPUs, VRAM int64 }

//go:embed job.ipldsch
var jobSchema []byte

var jobType = mustJobType()

func mustJobType() schema.Type {
	ts, err := ipld.LoadSchemaBytes(jobSchema)
	if err != nil {
		panic("proto: job.ipldsch: " + err.Error()) // the schema is compiled in
	}
	t := ts.TypeByName("Job")
	bindnode.Prototype((*Job)(nil), t) // panics here, not on a peer's bytes, when Go and schema differ
	return t
}

// Canonical sorts j's lists and returns its canonical bytes. The error wraps
// ErrJob when j is not a job that could be run anywhere.
func (j *Job) Canonical() ([]byte, error) {
	c := *j
	c.Args = nonNil(c.Args)
	c.Env = nonNil(slices.SortedFunc(slices.Values(c.Env), func(a, b Var) int { return strings.Compare(a.Name, b.Name) }))
	c.Inputs = nonNil(slices.SortedFunc(slices.Values(c.Inputs), func(a, b Input) int { return strings.Compare(a.Path, b.Path) }))
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b, err := ipld.Marshal(dagcbor.Encode, &c, jobType)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJob, err)
	}
	if len(b) > MaxJob {
		return nil, fmt.Errorf("%w: its document has %d bytes, at most %d are allowed; move data into inputs", ErrJob, len(b), MaxJob)
	}
	return b, nil
}

// ParseJob reads canonical bytes. It refuses any other encoding of the same job,
// so that a job has one CID.
func ParseJob(b []byte) (*Job, error) {
	if len(b) > MaxJob {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrJob, len(b), MaxJob)
	}
	j := new(Job)
	decode := dagcbor.DecodeOptions{AllowLinks: true, AllocationBudget: 16 * MaxJob}.Decode
	if _, err := ipld.Unmarshal(b, decode, j, jobType); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJob, err)
	}
	again, err := j.Canonical()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(b, again) {
		return nil, fmt.Errorf("%w: not in canonical form", ErrJob)
	}
	return j, nil
}

// JobCID names a job by its canonical bytes.
func JobCID(canonical []byte) cid.Cid {
	// Sum fails only for an unknown hash function or length.
	c, err := cid.V1Builder{Codec: cid.DagCBOR, MhType: multihash.SHA2_256}.Sum(canonical)
	if err != nil {
		panic("proto: " + err.Error())
	}
	return c
}

// Validate checks what can be checked without a machine.
func (j *Job) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrJob, fmt.Sprintf(format, args...))
	}
	if j.Version != JobVersion {
		return bad("version %d, this node knows %d", j.Version, JobVersion)
	}
	switch Driver(j.Driver) {
	case DriverWasm:
		if j.Module == nil || j.Image != nil {
			return bad("driver wasm takes a module and no image")
		}
	case DriverDocker:
		if j.Image == nil || j.Module != nil {
			return bad("driver docker takes an image and no module")
		}
		if _, digest, ok := strings.Cut(*j.Image, "@sha256:"); !ok || len(digest) != 64 {
			return bad("image %q must be pinned by its digest, as in name@sha256:…", *j.Image)
		}
	default:
		return bad("driver %q, must be wasm or docker", j.Driver)
	}
	if len(j.Args) > MaxArgs || len(j.Env) > MaxEnv || len(j.Inputs) > MaxInputs {
		return bad("%d arguments, %d variables, %d inputs; at most %d, %d, %d are allowed",
			len(j.Args), len(j.Env), len(j.Inputs), MaxArgs, MaxEnv, MaxInputs)
	}
	for _, s := range j.Args {
		if strings.ContainsRune(s, 0) {
			return bad("an argument holds a zero byte")
		}
	}
	for i, v := range j.Env {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || strings.ContainsRune(v.Value, 0) {
			return bad("variable %q can't be set in an environment", v.Name)
		}
		if i > 0 && j.Env[i-1].Name == v.Name {
			return bad("variable %q is set twice", v.Name)
		}
	}
	if err := guestPath("outputs", j.Outputs); err != nil {
		return err
	}
	for i, in := range j.Inputs {
		if err := guestPath("input", in.Path); err != nil {
			return err
		}
		if !in.Root.Defined() {
			return bad("input %s has no content", in.Path)
		}
		if i > 0 && (j.Inputs[i-1].Path == in.Path || strings.HasPrefix(in.Path, j.Inputs[i-1].Path+"/")) {
			return bad("inputs %s and %s overlap", j.Inputs[i-1].Path, in.Path)
		}
		if in.Path == j.Outputs || strings.HasPrefix(in.Path, j.Outputs+"/") || strings.HasPrefix(j.Outputs, in.Path+"/") {
			return bad("input %s and outputs %s overlap", in.Path, j.Outputs)
		}
	}
	r := j.Resources
	for _, n := range []int64{r.CPUMillis, r.Memory, r.Disk, r.Shm, r.GPUs, r.VRAM} {
		if n < 0 || n > 1<<50 {
			return bad("a resource of %d is out of range", n)
		}
	}
	if r.CPUMillis == 0 || r.CPUMillis > 1<<20 || r.GPUs > 1<<10 || r.Memory == 0 {
		return bad("resources need cpu and memory, within reason")
	}
	if j.Network < int64(NetworkNone) || j.Network > int64(NetworkInternet) {
		return bad("network mode %d is not known", j.Network)
	}
	return nil
}

// Needs returns what j asks of a machine.
func (j *Job) Needs() Needs {
	r := j.Resources
	return Needs{
		Driver: Driver(j.Driver),
		Resources: Resources{
			CPUMillis: uint32(r.CPUMillis), Memory: uint64(r.Memory), Disk: uint64(r.Disk),
			GPUs: uint32(r.GPUs), VRAM: uint64(r.VRAM),
		},
		Network: Network(j.Network),
	}
}

// guestPath checks a path inside the sandbox: absolute, clean, not the root.
func guestPath(what, p string) error {
	if len(p) < 2 || p[0] != '/' || path.Clean(p) != p || strings.ContainsAny(p, "\x00:,") || len(p) > 1024 {
		return fmt.Errorf("%w: %s path %q must be absolute, without '..', ':' or ',', and below '/'", ErrJob, what, p)
	}
	return nil
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
