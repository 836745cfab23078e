package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// An engine keeps a container running when its client dies, so each docker guard
// has a reaper: a process of its own session that waits for the guard to end and
// then removes the container if the guard has not.
//
//	guard                              reaper
//	watch {lease, engine}       ->             before the container is made
//	watch {lease, engine, pid}  ->             when it runs
//	watch {lease, done}         ->             once it is removed
//	(the socket ends)           ->             kills and removes what is not done
//
// The reaper holds the container's first process itself, so the job ends within
// moments even when no engine answers. Where a guard and its reaper are both
// killed, the node removes the container when it sees that, or, if it died too,
// at its next start; until then the container runs on, unpaid.

// reaperWatch is what a guard says.
type reaperWatch struct {
	Lease  string          `json:"lease"`
	Engine *engineSettings `json:"engine,omitempty"`
	PID    int             `json:"pid,omitempty"`
	Done   bool            `json:"done,omitempty"`
}

// reaperMain is the role "reaper".
func reaperMain() error {
	conn, err := inheritedConn()
	if err != nil {
		return err
	}
	// It ends with its guard, and not before: a service manager that ends node,
	// guard and reaper together must find the container gone.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGPIPE)
	watched, err := followGuard(conn)
	ctx, cancel := context.WithTimeout(context.Background(), reapFor)
	defer cancel()
	for _, w := range watched {
		err = errors.Join(err, w.reap(ctx))
	}
	return err
}

// watchedLease is a lease that the guard has not brought to its end.
type watchedLease struct {
	lease   string
	engine  engineSettings
	process *initProcess // nil before the container runs
}

// followGuard listens until the guard is gone and gives what it left.
func followGuard(conn io.Reader) (map[string]*watchedLease, error) {
	watched := make(map[string]*watchedLease)
	for {
		var said reaperWatch
		if err := readFrame(conn, maxWorkerFrame, &said); err != nil {
			return watched, ignoreEnd(err)
		}
		if err := checkID(said.Lease); err != nil {
			return watched, err
		}
		w := watched[said.Lease]
		if w == nil {
			w = &watchedLease{lease: said.Lease}
			watched[said.Lease] = w
		}
		if said.Engine != nil {
			w.engine = *said.Engine
		}
		if said.PID != 0 {
			process, err := holdProcess(said.PID)
			if err != nil {
				return watched, err
			}
			w.process = process
		}
		if said.Done {
			delete(watched, said.Lease)
		}
	}
}

// reap kills at once and goes on until the engine has removed the container.
func (w *watchedLease) reap(ctx context.Context) error {
	var failed error
	if w.process != nil {
		failed = w.process.kill()
	}
	e, err := dialEngine(w.engine)
	if err != nil {
		return errors.Join(failed, err)
	}
	again := time.NewTicker(reapEvery)
	defer again.Stop()
	for {
		err := e.reap(ctx, w.lease)
		if err == nil {
			return failed
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return errors.Join(failed, err)
		}
	}
}

// reaper is the guard's side of its reaper process.
type reaper struct {
	conn  *net.UnixConn
	gone  chan struct{} // closed when the process has ended
	close func() error  // lets it go; it ends when nothing is left to do
}

// startReaper does not wait for the process to be ready: what is said before is
// kept in the socket, and so is the guard's end.
func startReaper() (*reaper, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	r := &reaper{conn: conn, gone: make(chan struct{}), close: sync.OnceValue(conn.Close)}
	cmd := exec.Command(ownBinary, "shim", "reaper")
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(cmd.Start(), theirs.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start reaper: %w", err), r.close())
	}
	go func() {
		// Its complaints are in the shim's log.
		_ = cmd.Wait()
		close(r.gone)
	}()
	return r, nil
}

func (r *reaper) tell(said reaperWatch) error {
	if err := writeFrame(r.conn, said); err != nil {
		return fmt.Errorf("reaper: %w", err)
	}
	return nil
}
