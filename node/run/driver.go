package run

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Errors that a Driver returns. They are wrapped with what was wrong, the actual
// and the required value.
var (
	// ErrNotWasm is returned by Prepare when the module is no WebAssembly binary,
	// or one that the runtime refuses (no _start, unknown imports).
	ErrNotWasm = errors.New("not a WASI preview 1 module")
	// ErrMemoryDemand is returned by Prepare when the module asks for more memory
	// at its start than Limits.Memory grants.
	ErrMemoryDemand = errors.New("module needs more memory than granted")
	// ErrDigest is returned by Prepare when the module's SHA-256 is another one than Spec names.
	ErrDigest = errors.New("digest mismatch")
	// ErrSpec is returned for a Spec that no driver could run.
	ErrSpec = errors.New("invalid job specification")
	// ErrExists is returned by Start for a lease that was started before.
	ErrExists = errors.New("lease already started")
	// ErrUnknown is returned by Recover for a lease that left no directory.
	ErrUnknown = errors.New("unknown lease")
	// ErrGone is returned when the shim died before its job ended. The job died
	// with it; Recover returns a Task besides, whose Wait gives the last usage.
	ErrGone = errors.New("shim is gone")
	// ErrEnded is returned by calls that need a live job.
	ErrEnded = errors.New("job has ended")
	// ErrFailedToStart is returned by Start when the job could not be begun.
	ErrFailedToStart = errors.New("job failed to start")
	// ErrUnsupported is returned where the operating system lacks what a shim needs.
	ErrUnsupported = errors.New("not supported on this system")
)

// Driver runs jobs on this machine, each held by a shim that outlives the node.
// Its methods may be called concurrently.
type Driver interface {
	// Prepare fetches, checks and compiles what spec needs. It is idempotent,
	// may take long and is told to stop by ctx. Progress may be nil.
	Prepare(ctx context.Context, spec Spec, progress func(Progress)) error
	// Start runs a prepared job, covered until a usage of cover. It returns when
	// the job runs. ctx bounds the start, not the job.
	Start(ctx context.Context, spec Spec, cover time.Duration) (Task, error)
	// Recover finds the shim of a lease again, running or ended. Where the shim
	// died before its job ended it returns ErrGone with a Task that has ended.
	Recover(ctx context.Context, id string) (Task, error)
	// List gives the ids of all leases that left something behind, sorted.
	List() ([]string, error)
	// Sweep deletes what Prepare brought for jobs and none has used for longer
	// than keep: the images that this driver pulled, or compiled modules. What a
	// live job uses stays. It never touches what somebody else put there. keep
	// should be longer than a prepared job may wait for its start.
	Sweep(ctx context.Context, keep time.Duration) error
	// Close lets go of what the driver keeps warm. Live jobs stay with their shims.
	Close() error
}

// Task is one started job. Its methods may be called concurrently, and go on
// working after the node that started it has died and recovered it.
type Task interface {
	ID() string
	// Cover sets covered until, a total of usage. A lower number than the last
	// one is ignored, so repeating and reordering are harmless. A job that was
	// frozen for want of cover thaws.
	Cover(ctx context.Context, until time.Duration) error
	// Freeze and Thaw are the owner's own pause. It spends no grace.
	Freeze(ctx context.Context) error
	Thaw(ctx context.Context) error
	// Stop ends the job now; Exit will carry code. Stopping an ended job is no error.
	Stop(ctx context.Context, code Code) error
	// Events gives all retained events with a sequence number above after, then
	// new ones as they come, and ends after Exited or with an error. Where
	// events were lost to a flood, an EventGap says how many.
	Events(ctx context.Context, after uint64) iter.Seq2[Event, error]
	// Wait returns when the job has ended and its outputs are in place.
	Wait(ctx context.Context) (Exit, error)
	// Stats tells how the job stands; after its end it gives the last state.
	Stats(ctx context.Context) (Stats, error)
	// OutputPath is the directory on this machine that holds the job's /out. It
	// is complete once Wait has returned, and its content is hostile input.
	OutputPath() string
	// Remove ends the job if it lives and deletes all that it left.
	Remove(ctx context.Context) error
}

// Spec is one job with all references resolved to local paths and digests.
// Args and Env may hold secrets; package run writes them nowhere, see its doc.
type Spec struct {
	// ID is the lease's id: lower-case hex, 1 to 64 digits.
	ID string `json:"id"`
	// Tenant names who pays. A process that ran one tenant's job never runs another's.
	Tenant string `json:"tenant"`

	// Module is the path of the WebAssembly module and ModuleDigest its SHA-256 in
	// hex (wasm driver).
	Module       string `json:"module,omitempty"`
	ModuleDigest string `json:"module_digest,omitempty"`

	// Args are the job's arguments after its name.
	Args []string `json:"args,omitempty"`
	// Env holds NAME=value.
	Env []string `json:"env,omitempty"`
	// Inputs maps absolute guest paths to directories or files of this machine,
	// all read-only to the job. They must be readable by any user (0644, 0755),
	// because a job runs as one of its own; the folders above need not be.
	Inputs map[string]string `json:"inputs,omitempty"`
	Limits Limits            `json:"limits"`

	// Deterministic gives the job a clock that starts at a fixed time and
	// advances with each reading, and random bytes drawn from Seed (wasm driver).
	Deterministic bool   `json:"deterministic,omitempty"`
	Seed          uint64 `json:"seed,omitempty"`

	// Grace is how long the job may stay frozen for want of cover, in all.
	Grace time.Duration `json:"grace"`
	// MaxUsage ends the job when its usage reaches it; zero means no such end.
	MaxUsage time.Duration `json:"max_usage,omitempty"`

	// Docker holds what only the docker driver needs.
	Docker *DockerSpec `json:"docker,omitempty"`
}

// Limits bound what one job takes. Zero takes the default named in limits.go.
type Limits struct {
	Memory      int64 `json:"memory"`       // bytes
	OutputBytes int64 `json:"output_bytes"` // bytes in /out, holes counted
	OutputFiles int64 `json:"output_files"` // files and directories in /out
	OutputDepth int   `json:"output_depth"` // nested directories in /out
	TmpBytes    int64 `json:"tmp_bytes"`    // bytes in /tmp, holes counted
	Log         int64 `json:"log"`          // bytes of events retained
	CPUMillis   int   `json:"cpu_millis"`   // thousandths of a core
}

// Progress is how far Prepare has come. Total is 0 where it is not known.
type Progress struct {
	Step  string // "compile", "pull", "unpack"
	Done  int64  // bytes
	Total int64  // bytes
}

// Code says why a job ended. The numbers are stored and sent, and never reused.
type Code int

const (
	CodeExited         Code = 1  // ran to its own end; ExitCode is its
	CodeTrapped        Code = 2  // a fault of its own: unreachable, out of bounds, a signal
	CodeMemoryLimit    Code = 3  // asked for more memory than granted, and failed
	CodeOutputLimit    Code = 4  // wrote more bytes, files or levels than granted, or odd names: failed by it, or left only a part
	CodeGraceOver      Code = 5  // frozen for want of cover until grace was over
	CodeStopped        Code = 6  // stopped by the requester
	CodeMaxDuration    Code = 7  // usage reached Spec.MaxUsage
	CodeShimLost       Code = 8  // the shim died, and the job with it
	CodeFailedToStart  Code = 9  // never ran; usage is zero
	CodeKilled         Code = 10 // ended from outside by something else than its shim
	CodeOwnerStopped   Code = 11 // stopped by the provider
	CodeOutputsMissing Code = 12 // ran, but its outputs could not be kept
)

// Exit is how a job ended.
type Exit struct {
	Code Code `json:"code"`
	// ExitCode is what the job itself returned; meaningful with CodeExited, and
	// with the two limit codes, where 0 is no success.
	ExitCode int           `json:"exit_code"`
	Usage    time.Duration `json:"usage"`
	// Detail is for people. It may quote the job and so is hostile text.
	Detail string `json:"detail,omitempty"`
}

// State is where a job stands. The numbers are stored and never reused.
type State int

const (
	StateStarting State = 1
	StateRunning  State = 2
	StateFrozen   State = 3 // for want of cover; grace is being spent
	StatePaused   State = 4 // by the owner; no grace is spent
	StateEnded    State = 5
)

// Stats is a job at one moment.
type Stats struct {
	State     State         `json:"state"`
	Usage     time.Duration `json:"usage"`
	Cover     time.Duration `json:"cover"`
	GraceLeft time.Duration `json:"grace_left"`
	Memory    int64         `json:"memory"` // bytes resident now; 0 where unknown
	LastSeq   uint64        `json:"last_seq"`
	Isolation Isolation     `json:"isolation"`
	Exit      *Exit         `json:"exit,omitempty"`
}

// EventKind says what an Event tells. The numbers are stored and sent, and never reused.
type EventKind int

const (
	EventStarted EventKind = 1
	EventFrozen  EventKind = 2
	EventThawed  EventKind = 3
	EventLog     EventKind = 4
	EventUsage   EventKind = 5
	EventExited  EventKind = 6
	EventGap     EventKind = 7
)

// Stream tells a job's two outputs apart, by their descriptors.
type Stream int

const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// Event is one numbered thing that happened to a job. Numbers start at 1 and
// rise by one; those that were dropped are covered by an EventGap, whose Seq is
// the last missing number.
type Event struct {
	Seq    uint64        `json:"seq"`
	Kind   EventKind     `json:"kind"`
	Usage  time.Duration `json:"usage"`            // at the time of the event
	Stream Stream        `json:"stream,omitempty"` // EventLog
	Data   []byte        `json:"data,omitempty"`   // EventLog; hostile bytes
	Missed uint64        `json:"missed,omitempty"` // EventGap: how many events are missing
	State  State         `json:"state,omitempty"`  // EventFrozen: StateFrozen or StatePaused
	Exit   *Exit         `json:"exit,omitempty"`   // EventExited
}
