package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
)

// SocketPath returns where the node of a home listens.
func SocketPath(home string) string { return filepath.Join(home, "api.sock") }

// maxSocketPath is what a Unix socket's address holds on Linux, its end included.
const maxSocketPath = 108

// maxRequest bounds one message to the node: paths and arguments, never content.
const maxRequest = 1 << 20

// Server serves the local API.
type Server struct {
	http *http.Server
	done chan error
}

// Serve listens in home, whose lock the caller holds: what is left of an earlier
// process's socket is dead and is replaced.
func Serve(home string, handler apiv1connect.NodeServiceHandler, log *slog.Logger) (*Server, error) {
	path := SocketPath(home)
	if len(path) >= maxSocketPath {
		return nil, fmt.Errorf("the socket's path %s has %d bytes, at most %d are possible: choose a shorter LODE_HOME", path, len(path), maxSocketPath-1)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace socket: %w", err)
	}
	// The home is 0700, so nobody connects between Listen and Chmod.
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	mux := http.NewServeMux()
	mux.Handle(apiv1connect.NewNodeServiceHandler(handler, connect.WithReadMaxBytes(maxRequest), connect.WithInterceptors(failures(log))))
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true) // gRPC and streams, without TLS on a socket
	s := &Server{
		http: &http.Server{Handler: mux, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second},
		done: make(chan error, 1),
	}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close ends all calls and removes the socket.
func (s *Server) Close(ctx context.Context) error {
	// Watchers stream for as long as their jobs run, so they are cut off.
	err := s.http.Close()
	select {
	case served := <-s.done:
		if !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	return err
}

// Dial returns a client of the node that holds home. It does not connect yet.
func Dial(home string) apiv1connect.NodeServiceClient {
	path := SocketPath(home)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{
		Protocols: protocols,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
	return apiv1connect.NewNodeServiceClient(client, "http://node", connect.WithGRPC())
}
