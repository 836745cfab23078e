// Package run owns the running of one job: the shim that holds it outside the
// node, and the wasm and docker drivers that say what a shim holds.
//
// # Who is who
//
//	node ── Driver ──leash──> guard ──workload──> wasm: worker process
//	          │                 │                 docker: container
//	          └──lease socket───┘
//
// A guard is the shim's process: `lode shim guard`, a session of its own that
// outlives the node. It holds one lease at a time, its logs, its usage and one
// number, covered until, and obeys that number alone: it freezes the job when
// usage reaches it, spends the lease's grace while frozen, and ends the job when
// grace is over, whether or not a node is there. What it must not lose is in the
// lease's directory:
//
//	<Config.Dir>/leases/<id>/state.json   the last transition, replaced atomically and synced
//	<Config.Dir>/leases/<id>/usage        usage in ms, rewritten each 250 ms, not synced
//	<Config.Dir>/leases/<id>/log, log.old numbered events, the newest Limits.Log bytes
//	<Config.Dir>/leases/<id>/out/         the outputs
//	<Config.Dir>/leases/<id>/sock         the guard's socket while the job lives
//
// Arguments and environment of a job may hold secrets. This package writes them
// to no file; a container engine does: they are in its configuration of the
// container, on its disk and for whoever may ask it, for as long as the container
// exists. A wasm job's are in the memory of its processes alone.
//
// # Precision
//
// Usage is metered on the guard's monotonic clock in whole milliseconds, from
// the moment the job may run to its end, without frozen time. It never passes
// covered until: what the kernel needs to stop the job is the provider's loss.
// When a guard dies, its job dies with it, and the usage that Recover reports is
// at most 250 ms old.
package run
