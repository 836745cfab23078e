package run

import "time"

// All limits of the package in one place. Sizes are bytes.
const (
	// Granted where a Spec says nothing.
	defaultMemory      = 1 << 30
	defaultOutputBytes = 1 << 30
	defaultOutputFiles = 10_000
	defaultOutputDepth = 32
	defaultTmpBytes    = 1 << 30
	defaultLog         = 1 << 20
	defaultCPUMillis   = 1000

	// Bounds of a Spec.
	maxTenant   = 256
	maxArgs     = 4096
	maxArgBytes = 512 << 10 // Args and Env together
	maxInputs   = 256
	maxMemory   = 4 << 30 // what a 32-bit module can address; docker has its own bound
	maxGrace    = 24 * time.Hour

	// A frame is one message between two of our processes. An order carries Args
	// and Env, escaped by JSON; what a worker sends is hostile.
	maxOrderFrame  = 8 << 20
	maxWorkerFrame = 64 << 10
	maxLeaseFrame  = 64 << 10
	maxStateFile   = 64 << 10

	// maxLogChunk is the most that one EventLog carries; base64 and the rest of a
	// frame fit maxLeaseFrame and maxWorkerFrame.
	maxLogChunk = 16 << 10
	// maxLate is how much of a flood is kept until the next event.
	maxLate = 32 << 10
	// eventOverhead is what an event counts besides its data, so that a flood of
	// tiny ones is bounded as well.
	eventOverhead = 128
	// maxDetail bounds Exit.Detail, which quotes the job.
	maxDetail = 2 << 10

	// MaxModule bounds a module file; compiling takes about ten times as much memory.
	MaxModule = 256 << 20
	// maxTables and maxTableEntries bound the tables of one module, which take 8
	// bytes an entry, and twice that while one grows: a part of workerOverhead.
	maxTables       = 16
	maxTableEntries = 1_000_000
	// maxCachedModules is how many compiled modules stay on disk, the newest used.
	maxCachedModules = 64
	// maxName and maxPath bound what a job may call a file.
	maxName = 255
	maxPath = 1024
	// maxOpenFiles bounds a worker's descriptors, and so the job's.
	maxOpenFiles = 1024
	// workerOverhead is what a worker may allocate beside the job's memory: the
	// Go runtime, the compiled module, wazero's stacks.
	workerOverhead = 1 << 30
	// jobsPerWorker is how many jobs of one tenant and module a worker runs.
	jobsPerWorker = 100

	// maxShimLog is how much of the guards' complaints is kept.
	maxShimLog = 1 << 20

	// tick is how often usage is put on disk, so what a dead guard forgets.
	tick = 250 * time.Millisecond
	// usageEvery is how often a running job's usage becomes an event.
	usageEvery = time.Second
	// spawnTimeout bounds the start of a guard and its worker.
	spawnTimeout = 20 * time.Second
	// callTimeout bounds one call to a guard, which answers at once.
	callTimeout = 10 * time.Second
	// compileTimeout bounds the compilation of one module.
	compileTimeout = 5 * time.Minute
	// collectTimeout bounds putting the outputs in place.
	collectTimeout = 10 * time.Minute
	// killTimeout is how long a killed job may take to be gone before the guard
	// kills it again.
	killTimeout = 2 * time.Second
	// flushTimeout is how long a guard that is done waits for its listeners.
	flushTimeout = 2 * time.Second
)
