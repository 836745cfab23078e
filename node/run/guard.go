package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// The leash is the socket between a node and a guard that it started:
//
//	node                              guard
//	greeting {dir}             ->
//	                           <-     ready
//	warm {module}              ->          optional; a driver's own preparation
//	                           <-     ready | error
//	order {lease, spec, cover} ->
//	                           <-     started | error
//	                           <-     idle {again}       when the lease has ended
//
// After idle {again: true} another order may come. A leash that breaks ends an
// idle guard, and changes nothing for one that holds a lease.

// fromNode is what a node says; exactly one field is set.
type fromNode struct {
	Greeting *greeting  `json:"greeting,omitempty"`
	Warm     *moduleRef `json:"warm,omitempty"`
	Order    *order     `json:"order,omitempty"`
}

type greeting struct {
	Dir      string          `json:"dir"` // the driver's directory
	Settings json.RawMessage `json:"settings,omitempty"`
}

type order struct {
	Dir   string        `json:"dir"` // the lease's directory; exists
	Spec  Spec          `json:"spec"`
	Cover time.Duration `json:"cover"`
}

// fromGuard is what a guard says; exactly one field is set.
type fromGuard struct {
	Ready   bool       `json:"ready,omitempty"`
	Started bool       `json:"started,omitempty"`
	Error   *wireError `json:"error,omitempty"`
	Idle    *idle      `json:"idle,omitempty"`
}

type idle struct {
	Again bool `json:"again"`
}

// warmable is a workload that holds more than one lease in its life, one after
// the other.
type warmable interface {
	// warm prepares for jobs of a module before any has come.
	warm(ref moduleRef) error
	// again tells, after release, whether another lease may come.
	again() bool
	// quit lets go of everything; the guard is about to end.
	quit() error
}

// guardMain is the role "guard".
func guardMain(kind string) (err error) {
	leash, err := inheritedConn()
	if err != nil {
		return err
	}
	// A guard ends with its lease or its leash, not with a terminal or a service
	// manager that ends the node.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	var first fromNode
	if err := readFrame(leash, maxOrderFrame, &first); err != nil {
		return err
	}
	if first.Greeting == nil {
		return fmt.Errorf("%w: the leash began without a greeting", errFrame)
	}
	held, err := newWorkload(kind, first.Greeting.Dir, first.Greeting.Settings)
	if err != nil {
		return errors.Join(err, writeFrame(leash, fromGuard{Error: toWire(err)}))
	}
	if warm, ok := held.(warmable); ok {
		defer func() { err = errors.Join(err, warm.quit()) }()
	}
	ctx := context.Background()
	for answer := (fromGuard{Ready: true}); ; {
		// A node that is gone hears nothing, and is not needed.
		_ = writeFrame(leash, answer)
		if answer.Idle != nil && !answer.Idle.Again {
			return nil
		}
		var next fromNode
		if err := readFrame(leash, maxOrderFrame, &next); err != nil {
			return ignoreEnd(err)
		}
		if answer, err = obey(ctx, held, leash, next); err != nil {
			return err
		}
	}
}

// obey does what the node says and gives the last answer to it.
func obey(ctx context.Context, held workload, leash net.Conn, said fromNode) (fromGuard, error) {
	warm, reusable := held.(warmable)
	switch {
	case said.Warm != nil && reusable:
		if err := warm.warm(*said.Warm); err != nil {
			return fromGuard{Error: toWire(err)}, nil
		}
		return fromGuard{Ready: true}, nil
	case said.Order != nil:
		err := holdLease(ctx, held, *said.Order, func(err error) {
			// As above: a job goes on without a node.
			_ = writeFrame(leash, fromGuard{Started: err == nil, Error: toWire(err)})
		})
		return fromGuard{Idle: &idle{Again: reusable && warm.again()}}, err
	default:
		return fromGuard{}, fmt.Errorf("%w: no greeting, warming or order", errFrame)
	}
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// holdLease holds one lease from order to end. started is called once, with
// what became of the start.
func holdLease(ctx context.Context, held workload, o order, started func(error)) error {
	lock, err := lockFileIn(o.Dir)
	if err != nil {
		// Another guard holds it, or the node has given it up for lost.
		started(fmt.Errorf("%w: %w", ErrExists, err))
		return nil
	}
	h, err := newHold(held, o)
	if err != nil {
		started(fmt.Errorf("%w: %w", ErrFailedToStart, err))
		return errors.Join(err, held.release(ctx), lock.Close())
	}
	err = h.run(ctx, started)
	return errors.Join(err, lock.Close())
}

// openShimLog is where guards complain when nobody listens; it starts afresh
// when it has grown.
func openShimLog(dir string) (*os.File, error) {
	name := filepath.Join(dir, "shim.log")
	flag := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(name); err == nil && info.Size() > maxShimLog {
		flag |= os.O_TRUNC
	}
	return os.OpenFile(name, flag, 0o600)
}
