package testnet

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
)

// built are the programs that the tests start, made once for all of them.
var built struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// programs builds lode, the demo job and the hello job, as `make build` does.
func programs(t *testing.T) (lode, spirals, hello string) {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "lode"); built.err != nil {
			return
		}
		for name, pkg := range map[string]string{"lode": "../cmd/lode", "spirals.wasm": "./spirals/job", "hello.wasm": "./hello", "guest.wasm": "../node/testdata/guest"} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, name), pkg)
			cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
			if strings.HasSuffix(name, ".wasm") {
				cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				built.err = fmt.Errorf("build %s: %w\n%s", pkg, err, out)
				return
			}
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "lode"), filepath.Join(built.dir, "spirals.wasm"), filepath.Join(built.dir, "hello.wasm")
}

// guest is the job that behaves as its first argument says.
func guest(t *testing.T) string {
	t.Helper()
	programs(t)
	return filepath.Join(built.dir, "guest.wasm")
}

// tempDir is short, for sockets, and passable, for jobs that run as other users.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lode")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func startDevnet(t *testing.T, cfg Config) *Devnet {
	t.Helper()
	cfg.Program, _, _ = programs(t)
	cfg.Dir, cfg.Log = filepath.Join(tempDir(t), "d"), slog.New(slog.DiscardHandler)
	d, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if t.Failed() {
			d.printLogs(t)
		}
	})
	return d
}

func (d *Devnet) printLogs(t *testing.T) {
	logs, err := filepath.Glob(filepath.Join(d.config.Dir, "*.log"))
	if err != nil {
		t.Log(err)
	}
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Log(err)
			continue
		}
		t.Logf("%s:\n%s", filepath.Base(path), b[max(0, len(b)-8000):])
	}
}

// faucet funds a node's account.
func faucet(t *testing.T, client apiv1connect.NodeServiceClient) {
	t.Helper()
	if _, err := client.Faucet(t.Context(), connect.NewRequest(&apiv1.FaucetRequest{})); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what another process does; it fails the test after two minutes.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for !is() {
		select {
		case <-deadline:
			t.Fatalf("not within two minutes: %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lode runs the program to its end and returns its standard output and exit code.
func lode(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	program, _, _ := programs(t)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = built.dir // where results go by default
	var out, err strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Run(); e != nil && cmd.ProcessState == nil {
		t.Fatal(e)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}
