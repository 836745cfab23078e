package api_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/proto"
)

// TestMain lets this very binary be another process with an eye on a home.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "hold":
			os.Exit(hold(os.Args[2]))
		case "linger":
			fmt.Println("lingers")
			io.Copy(io.Discard, os.Stdin) // until the test closes it
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// hold takes a home's lock, starts a process that outlives it as a shim does,
// says how it went, and stays.
func hold(home string) int {
	_, err := api.LockHome(home)
	switch {
	case errors.Is(err, api.ErrLocked):
		fmt.Println("locked")
		return 0
	case err != nil:
		fmt.Println(err)
		return 1
	}
	child := exec.Command(os.Args[0], "linger")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := child.Wait(); err != nil { // not before the test ends
		return 1
	}
	return 0
}

// other is another process: what it says comes line by line.
type other struct {
	cmd   *exec.Cmd
	stdin *os.File
	lines *bufio.Scanner
}

func startOther(t *testing.T, args ...string) *other {
	t.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	o := &other{exec.Command(os.Args[0], args...), stdin, bufio.NewScanner(stdout)}
	o.cmd.Stdin, o.cmd.Stdout, o.cmd.Stderr = in, out, out
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	t.Cleanup(func() {
		stdin.Close()
		for o.lines.Scan() { // until the last that writes is gone
		}
		stdout.Close()
		o.cmd.Wait() // it may have been killed, or waited for before
	})
	return o
}

func (o *other) line(t *testing.T) string {
	t.Helper()
	if !o.lines.Scan() {
		t.Fatalf("the other process said nothing more: %v", o.lines.Err())
	}
	return o.lines.Text()
}

// tempHome is a home with a path short enough for a socket, as a node makes it.
func tempHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lode")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestLock(t *testing.T) {
	home := tempHome(t)
	l, err := api.LockHome(home)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.LockHome(home); !errors.Is(err, api.ErrLocked) || !strings.Contains(err.Error(), home) {
		t.Errorf("the second lock of this process: %v; want ErrLocked with the home's name", err)
	}
	if said := startOther(t, "hold", home).line(t); said != "locked" {
		t.Errorf("another process: %s", said)
	}
	if other, err := api.LockHome(tempHome(t)); err != nil {
		t.Errorf("another home: %v", err)
	} else if err := other.Release(); err != nil {
		t.Error(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if l, err = api.LockHome(home); err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(home, "lock"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the lock's file: %v, %v", info.Mode(), err)
	}
}

// The lock goes with its holder, however it ends; the processes that it leaves
// behind do not keep it.
func TestLockOfTheDead(t *testing.T) {
	home := tempHome(t)
	holder := startOther(t, "hold", home)
	if said := holder.line(t); said != "lingers" {
		t.Fatalf("the holder: %s", said)
	}
	if _, err := api.LockHome(home); !errors.Is(err, api.ErrLocked) {
		t.Fatalf("while another process holds it: %v", err)
	}
	if err := holder.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := holder.cmd.Wait(); err == nil {
		t.Fatal("the holder ended by itself")
	}
	l, err := api.LockHome(home)
	if err != nil {
		t.Fatalf("its holder is dead: %v", err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestLockOfNoHome(t *testing.T) {
	_, err := api.LockHome(filepath.Join(tempHome(t), "none"))
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, api.ErrLocked) {
		t.Fatalf("%v; want ErrNotExist", err)
	}
}

// node answers two calls as a test wants.
type node struct {
	apiv1connect.UnimplementedNodeServiceHandler
	status func(context.Context) error
	watch  func(context.Context, *connect.ServerStream[apiv1.WatchJobResponse]) error
}

func (n node) Status(ctx context.Context, _ *connect.Request[apiv1.StatusRequest]) (*connect.Response[apiv1.StatusResponse], error) {
	if err := n.status(ctx); err != nil {
		return nil, err
	}
	return connect.NewResponse(&apiv1.StatusResponse{Version: "test"}), nil
}

func (n node) WatchJob(ctx context.Context, _ *connect.Request[apiv1.WatchJobRequest], s *connect.ServerStream[apiv1.WatchJobResponse]) error {
	return n.watch(ctx, s)
}

// serve starts a server and returns what it logs. Read it after a call: the log
// is written before the answer.
func serve(t *testing.T, home string, n node) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	s, err := api.Serve(home, n, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(api.SocketPath(home)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket after Close: %v", err)
		}
	})
	return &log
}

func status(t *testing.T, home string) error {
	t.Helper()
	_, err := api.Dial(home).Status(t.Context(), connect.NewRequest(&apiv1.StatusRequest{}))
	return err
}

func TestSocketIsItsOwners(t *testing.T) {
	home := tempHome(t)
	serve(t, home, node{status: func(context.Context) error { return nil }})
	info, err := os.Lstat(api.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() != fs.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, want its owner's alone", info.Mode())
	}
	if err := status(t, home); err != nil {
		t.Error(err)
	}
}

// What a dead process left is in nobody's way.
func TestSocketOfTheDead(t *testing.T) {
	home := tempHome(t)
	dead, err := net.Listen("unix", api.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	if err := status(t, home); err == nil || api.FailureOf(err) != nil {
		t.Errorf("nobody answers: %v, which is no node's failure", err)
	}
	serve(t, home, node{status: func(context.Context) error { return nil }})
	if err := status(t, home); err != nil {
		t.Error(err)
	}
}

func TestSocketPathTooLong(t *testing.T) {
	home := filepath.Join(tempHome(t), strings.Repeat("h", 100))
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Serve(home, node{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "LODE_HOME") {
		t.Fatalf("%v; want the way to mend it", err)
	}
}

// A message to the node is paths and arguments; a bigger one never reaches it.
func TestRequestTooBig(t *testing.T) {
	home := tempHome(t)
	serve(t, home, node{})
	_, err := api.Dial(home).GetJob(t.Context(), connect.NewRequest(&apiv1.GetJobRequest{Id: strings.Repeat("x", 2<<20)}))
	if connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Fatalf("%v; want %s", err, connect.CodeResourceExhausted)
	}
}

func TestFailuresCrossTheWire(t *testing.T) {
	whole := api.Failure{Kind: api.KindChain, Code: "NO_FUNDS", Actual: "5", Required: "at least 10", Hint: "put funds in", Message: "not enough: 5 of 10"}
	kinds := map[api.Kind]connect.Code{
		api.KindUser: connect.CodeInvalidArgument, api.KindJob: connect.CodeAborted, api.KindPeer: connect.CodeUnavailable,
		api.KindChain: connect.CodeFailedPrecondition, api.KindInternal: connect.CodeInternal,
	}
	home := tempHome(t)
	var answer error
	log := serve(t, home, node{
		status: func(context.Context) error { return answer },
		watch: func(_ context.Context, s *connect.ServerStream[apiv1.WatchJobResponse]) error {
			if err := s.Send(&apiv1.WatchJobResponse{}); err != nil {
				return err
			}
			return answer
		},
	})
	watch := func(t *testing.T) error {
		s, err := api.Dial(home).WatchJob(t.Context(), connect.NewRequest(&apiv1.WatchJobRequest{}))
		if err != nil {
			return err
		}
		defer s.Close()
		if !s.Receive() {
			t.Errorf("what came before the failure is lost: %v", s.Err())
		}
		if s.Receive() {
			t.Error("received after the failure")
		}
		return s.Err()
	}
	for kind, code := range kinds {
		want := whole
		want.Kind = kind
		for name, err := range map[string]error{"itself": &want, "wrapped": fmt.Errorf("deposit: %w", &want)} {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				answer = err
				got := status(t, home)
				if f := api.FailureOf(got); f == nil || *f != want || connect.CodeOf(got) != code {
					t.Errorf("came as %s %+v, want %s %+v", connect.CodeOf(got), f, code, want)
				}
				if f := api.FailureOf(watch(t)); f == nil || *f != want {
					t.Errorf("streamed as %+v, want %+v", f, want)
				}
			})
		}
	}
	if log.Len() != 0 {
		t.Errorf("failures that were answered are logged too: %s", log)
	}
}

// Plain HTTP and JSON speak the same: a script needs no gRPC.
func TestFailureInJSON(t *testing.T) {
	home := tempHome(t)
	serve(t, home, node{status: func(context.Context) error {
		return &api.Failure{Kind: api.KindUser, Code: "BAD_AMOUNT", Actual: "x", Required: "a number", Hint: "try 1", Message: "x is no amount"}
	}})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", api.SocketPath(home))
	}}}
	defer client.CloseIdleConnections()
	res, err := client.Post("http://node"+apiv1connect.NodeServiceStatusProcedure, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"x is no amount"`, `"lode.api.v1.Failure"`, `"kind":"user"`, `"code":"BAD_AMOUNT"`, `"required":"a number"`, `"hint":"try 1"`} {
		if !strings.Contains(strings.ReplaceAll(string(body), ": ", ":"), want) {
			t.Errorf("%s lacks %s", body, want)
		}
	}
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("status %s", res.Status)
	}
}

// An error that nobody made a failure of is the node's own fault. Its cause is in
// the log.
func TestOtherErrorsAreInternal(t *testing.T) {
	home := tempHome(t)
	log := serve(t, home, node{status: func(context.Context) error { return fmt.Errorf("open books: %w", io.ErrUnexpectedEOF) }})
	err := status(t, home)
	f := api.FailureOf(err)
	if f == nil || f.Kind != api.KindInternal || f.Code != "INTERNAL" || f.Actual+f.Required+f.Hint != "" || connect.CodeOf(err) != connect.CodeInternal {
		t.Errorf("came as %s %+v", connect.CodeOf(err), f)
	}
	for _, want := range []string{"open books: unexpected EOF", apiv1connect.NodeServiceStatusProcedure} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log %q lacks %q", log, want)
		}
	}
}

// A client that went away is nobody's fault, and an error of Connect's own is
// passed on as it is.
func TestErrorsThatAreNoFailures(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code connect.Code
	}{
		"cancelled": {fmt.Errorf("read: %w", context.Canceled), connect.CodeCanceled},
		"connect":   {connect.NewError(connect.CodeOutOfRange, errors.New("no")), connect.CodeOutOfRange},
	} {
		t.Run(name, func(t *testing.T) {
			home := tempHome(t)
			log := serve(t, home, node{status: func(context.Context) error { return c.err }})
			err := status(t, home)
			if connect.CodeOf(err) != c.code || api.FailureOf(err) != nil || log.Len() != 0 {
				t.Errorf("came as %v, %+v; log %q", err, api.FailureOf(err), log)
			}
		})
	}
}

// Close ends the calls that would go on for as long as a job runs.
func TestCloseCutsWatchers(t *testing.T) {
	home := tempHome(t)
	s, err := api.Serve(home, node{watch: func(ctx context.Context, s *connect.ServerStream[apiv1.WatchJobResponse]) error {
		if err := s.Send(&apiv1.WatchJobResponse{}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := api.Dial(home).WatchJob(t.Context(), connect.NewRequest(&apiv1.WatchJobRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if !stream.Receive() {
		t.Fatal(stream.Err())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would wait for ever
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if stream.Receive() || stream.Err() == nil {
		t.Error("the watcher was told that its job has ended")
	}
	if err := status(t, home); err == nil || api.FailureOf(err) != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestFail(t *testing.T) {
	refusal := proto.Refuse(proto.CodeUnderfunded, "5", "at least 10", "deposit more")
	for _, c := range []struct {
		name string
		err  error
		want api.Failure
	}{
		{"plain", errors.New("no"), api.Failure{Kind: api.KindPeer, Code: "UNREACHABLE", Message: "no"}},
		{"a refusal", refusal, api.Failure{Kind: api.KindPeer, Code: "UNDERFUNDED", Actual: "5", Required: "at least 10", Hint: "deposit more", Message: refusal.Error()}},
		{"a refusal inside", fmt.Errorf("open: %w", refusal), api.Failure{Kind: api.KindPeer, Code: "UNDERFUNDED", Actual: "5", Required: "at least 10", Hint: "deposit more", Message: "open: " + refusal.Error()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := api.Fail(api.KindPeer, "UNREACHABLE", c.err)
			if *f != c.want || f.Error() != c.want.Message {
				t.Errorf("%+v, want %+v", f, c.want)
			}
			if got := api.FailureOf(fmt.Errorf("call: %w", f)); got != f {
				t.Errorf("found again as %+v", got)
			}
		})
	}
	if f := api.FailureOf(errors.New("no")); f != nil {
		t.Errorf("a plain error is %+v", f)
	}
}
