package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// A lease's socket takes one request for each connection:
//
//	node                            guard
//	request {op, ...}        ->
//	                         <-     reply {stats | error}
//	                         <-     event*            after opEvents, to the end of the job
//
// It lies in a directory that only the node's user may enter.

// Operations have numbers because an upgraded node talks to guards of the
// version before.
const (
	opStats  = 1
	opCover  = 2
	opFreeze = 3
	opThaw   = 4
	opStop   = 5
	opEvents = 6
	opWait   = 7
)

type request struct {
	Op    int           `json:"op"`
	Until time.Duration `json:"until,omitempty"` // opCover
	Code  Code          `json:"code,omitempty"`  // opStop
	After uint64        `json:"after,omitempty"` // opEvents
}

type reply struct {
	Stats Stats      `json:"stats"`
	Error *wireError `json:"error,omitempty"`
}

// leaseServer answers for one lease.
type leaseServer struct {
	hold     *hold
	listener *net.UnixListener
	ctx      context.Context
	cancel   context.CancelFunc
	serving  sync.WaitGroup
}

func serveLease(h *hold) (*leaseServer, error) {
	listener, err := listenIn(h.order.Dir)
	if err != nil {
		return nil, err
	}
	s := &leaseServer{hold: h, listener: listener}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.serving.Go(func() {
		for {
			conn, err := listener.AcceptUnix()
			if err != nil {
				return // closed
			}
			s.serving.Go(func() {
				// The caller sees that its connection ended.
				_ = s.serve(conn)
				_ = conn.Close()
			})
		}
	})
	return s, nil
}

// close waits a moment for listeners to take the last events. They are on disk
// too, so nothing is lost with one that does not.
func (s *leaseServer) close() error {
	err := errors.Join(s.listener.Close(), ignoreMissing(os.Remove(filepath.Join(s.hold.order.Dir, sockFile))))
	late := time.AfterFunc(flushTimeout, s.cancel)
	defer late.Stop()
	s.serving.Wait()
	s.cancel()
	return err
}

func (s *leaseServer) serve(conn *net.UnixConn) error {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		// Ends whatever the connection is waiting for.
		_ = conn.SetDeadline(time.Now())
	})
	defer stop()
	if err := conn.SetReadDeadline(time.Now().Add(callTimeout)); err != nil {
		return err
	}
	var req request
	if err := readFrame(conn, maxLeaseFrame, &req); err != nil {
		return err
	}
	if req.Op == opEvents {
		return s.events(ctx, cancel, conn, req.After)
	}
	stats, err := s.answer(ctx, req)
	return writeFrame(conn, reply{Stats: stats, Error: toWire(err)})
}

func (s *leaseServer) answer(ctx context.Context, req request) (stats Stats, err error) {
	h := s.hold
	if req.Op == opWait {
		select {
		case <-h.ended:
			return h.last, nil
		case <-ctx.Done():
			return Stats{}, ctx.Err()
		}
	}
	called := h.call(ctx, func() {
		now := time.Now()
		switch req.Op {
		case opStats:
		case opCover:
			h.meter.extend(now, req.Until)
		case opFreeze:
			h.meter.pause(now, true)
		case opThaw:
			h.meter.pause(now, false)
		case opStop:
			h.end(req.Code, "")
		default:
			err = fmt.Errorf("%w: operation %d", ErrUnsupported, req.Op)
		}
		h.apply()
		stats = h.stats()
	})
	if errors.Is(called, ErrEnded) && req.Op == opStats {
		return h.last, nil
	}
	return stats, errors.Join(called, err)
}

func (s *leaseServer) events(ctx context.Context, cancel context.CancelFunc, conn *net.UnixConn, after uint64) error {
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if err := writeFrame(conn, reply{}); err != nil {
		return err
	}
	s.serving.Go(func() {
		// The listener says nothing more: a read that returns means that it is gone.
		_, _ = conn.Read(make([]byte, 1))
		cancel()
	})
	for e := range s.hold.journal.follow(ctx, after) {
		if err := writeFrame(conn, e); err != nil {
			return err
		}
	}
	cancel()
	return nil
}

// A socket's path may have 107 bytes and a home may be longer, so the directory
// is opened and named by its descriptor.

func listenIn(dir string) (*net.UnixListener, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: socketIn(folder), Net: "unix"})
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	// By then the short name means nothing; close removes the file itself.
	listener.SetUnlinkOnClose(false)
	return listener, errors.Join(os.Chmod(filepath.Join(dir, sockFile), 0o600), folder.Close())
}

func dialIn(ctx context.Context, dir string) (*net.UnixConn, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", socketIn(folder))
	// Reading a directory's descriptor leaves nothing that closing could lose.
	_ = folder.Close()
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

func socketIn(folder *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(folder.Fd())) + "/" + sockFile
}
