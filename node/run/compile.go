package run

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// compileOrder is what a compiling process is told. It holds no guest and no
// lease, and may write to the one module's cache folder alone.
type compileOrder struct {
	Module moduleRef `json:"module"`
}

// compileReply is what it answers.
type compileReply struct {
	Demand    int64      `json:"demand"` // bytes
	Isolation Isolation  `json:"isolation"`
	Error     *wireError `json:"error,omitempty"`
}

// compileMain is the role "compile": one module, then the end.
func compileMain() error {
	conn, err := inheritedConn()
	if err != nil {
		return err
	}
	var order compileOrder
	if err := readFrame(conn, maxOrderFrame, &order); err != nil {
		return err
	}
	var reply compileReply
	reply.Demand, reply.Isolation, err = compileConfined(order.Module)
	reply.Error = toWire(err)
	return writeFrame(conn, reply)
}

func compileConfined(ref moduleRef) (int64, Isolation, error) {
	body, err := ref.read()
	if err != nil {
		return 0, Isolation{}, err
	}
	uid := firstUID + os.Getpid()
	if os.Geteuid() == 0 {
		if err := os.Chown(ref.Cache, uid, uid); err != nil {
			return 0, Isolation{}, err
		}
	}
	// By its descriptor, because the user to come may not enter the folders above.
	cache, err := os.Open(ref.Cache)
	if err != nil {
		return 0, Isolation{}, err
	}
	got, err := confine(confinement{
		write:    []string{ref.Cache},
		uid:      uid,
		memory:   workerOverhead + 16*int64(len(body)),
		fileSize: workerOverhead,
	})
	if err != nil {
		return 0, got, err
	}
	ctx := context.Background()
	m, err := compile(ctx, body, ref.Digest, fmt.Sprintf("/proc/self/fd/%d", cache.Fd()))
	if err != nil {
		return 0, got, err
	}
	return m.demand, got, errors.Join(m.close(ctx), cache.Close())
}
