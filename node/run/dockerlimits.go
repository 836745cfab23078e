package run

import "time"

// Limits of the docker driver and of images, beside those in limits.go. Sizes are bytes.
const (
	// Of one container, beside what its Spec says.
	maxProcesses   = 1024     // processes and threads
	maxJobFiles    = 16 << 10 // open files of one process
	defaultShm     = 64 << 20
	leastMemory    = 16 << 20 // what starting a container takes, and some
	jobOOMScore    = 500      // a host that runs out of memory kills jobs before others
	volumeCover    = 64 << 20 // what may be written to a VOLUME of the image
	maxVolumes     = 32       // VOLUMEs of one image
	maxImageLabels = 1024     // labels of one image

	// Of the file systems made for /out and /tmp: what ext4 itself takes.
	scratchBase   = 4 << 20
	scratchShare  = 32  // one part in so many for block maps and directories
	scratchInode  = 256 // one inode
	leastInodes   = 64
	scratchTmpMax = 1 << 20 // files in /tmp, at most; one for each 16 KiB otherwise

	// Of images.
	maxRef             = 512
	maxLayers          = 127 // what the engine's overlay can stack
	maxImageConfig     = 1 << 20
	maxLayerSize       = 1 << 40
	maxManifests       = 8 << 20 // token, index and manifest together, before a budget for layers
	maxImageFiles      = 2_000_000
	unpackBlock        = 4 << 10
	defaultMaxPacked   = 32 << 30
	defaultMaxUnpacked = 64 << 30
	progressStep       = 1 << 20

	// engineTimeout bounds a call to the engine that should take milliseconds.
	engineTimeout = 10 * time.Second
	// freezeTimeout is how long an engine may take to freeze a container before
	// its processes are killed instead: they run unpaid meanwhile.
	freezeTimeout = 2 * time.Second
	// registryTimeout bounds connecting to a registry, and waiting for its answer to begin.
	registryTimeout = 20 * time.Second
	// loadTimeout bounds handing an image to the engine.
	loadTimeout = 30 * time.Minute
	// removeTimeout bounds removing an image from the engine, which deletes its files.
	removeTimeout = 5 * time.Minute
	// reapFor is how long a reaper goes on trying while no engine answers.
	reapFor = time.Hour
	// reapEvery is how often it tries.
	reapEvery = time.Second
	// mkfsTimeout bounds making a file system, which takes milliseconds.
	mkfsTimeout = time.Minute
)
