package run

import (
	"crypto/rand"
	"encoding/binary"
	mathrand "math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// fixedEpoch is what the clock of a deterministic job shows first:
// 2000-01-01T00:00:00Z in Unix nanoseconds.
const fixedEpoch = 946_684_800_000_000_000

// fixedStep is how far each reading moves that clock, so that a job that waits
// for time to pass gets on.
const fixedStep = int64(time.Microsecond)

// withTime gives a module the real clock and real randomness, or, when
// deterministic, a clock that depends on nothing but how often it was read and
// how long the job slept, and random bytes drawn from seed by ChaCha8.
func withTime(config wazero.ModuleConfig, deterministic bool, seed uint64) wazero.ModuleConfig {
	if !deterministic {
		return config.WithSysWalltime().WithSysNanotime().WithSysNanosleep().WithRandSource(rand.Reader)
	}
	var passed int64 // only the module's own goroutine reads the clock
	read := func() int64 {
		passed += fixedStep
		return passed
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return config.
		WithWalltime(func() (int64, int32) {
			now := fixedEpoch + read()
			return now / int64(time.Second), int32(now % int64(time.Second))
		}, sys.ClockResolution(fixedStep)).
		WithNanotime(read, sys.ClockResolution(fixedStep)).
		WithNanosleep(func(ns int64) { passed += max(ns, 0) }).
		WithRandSource(mathrand.NewChaCha8(key))
}
