package run

import "context"

// workload is what a guard drives: one job of one driver, from its making to
// its last trace. The guard calls prepare, start and then wait from a goroutine
// of its own; freeze, thaw, kill and memory may be called at any time between
// start and the return of wait, and never concurrently with each other. The
// guard meters; a workload keeps no time.
//
// A workload must die with its guard: when the guard is killed, nothing of the
// job may run on.
type workload interface {
	// prepare does all that is not metered (load the module, create the
	// container), so that start is quick. The output must end up in lease.out.
	prepare(ctx context.Context, lease lease) error
	// start lets the job run. Usage is metered from its return.
	start(ctx context.Context) error
	// freeze stops the job where it is, within milliseconds; thaw lets it go on.
	freeze() error
	thaw() error
	// kill ends the job at once, frozen or not. Killing twice is no error. The
	// guard knows why it killed and overrides the outcome's code.
	kill() error
	// wait returns when the job has ended and its last log has been given to lease.log.
	wait() outcome
	// collect puts what there is of the outputs in place; called after wait,
	// whatever the outcome.
	collect(ctx context.Context) error
	// release deletes all that the job left outside its lease's directory. It is
	// called last, and also when prepare or start failed.
	release(ctx context.Context) error
	// memory is what the job holds now in bytes, 0 where unknown.
	memory() int64
	// isolation lists what keeps the job apart; complete once prepare has returned.
	isolation() Isolation
}

// lease is what a guard gives a workload of its lease.
type lease struct {
	spec *Spec
	dir  string // the lease's directory, absolute
	out  string // <dir>/out, where the outputs belong; exists and is empty
	// log records what the job printed. It never blocks for long, copies data,
	// and may be called from several goroutines until wait returns.
	log func(stream Stream, data []byte)
}

// outcome is how a job ended by itself.
type outcome struct {
	code     Code
	exitCode int
	detail   string
}

// Isolation lists what was applied to keep a job apart and what could not be
// had, in plain words for `lode doctor`.
type Isolation struct {
	Applied []string `json:"applied"`
	Missing []string `json:"missing,omitempty"` // each with its reason
}
