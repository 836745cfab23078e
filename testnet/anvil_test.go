package testnet

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
)

// anvilKeys are the first of the accounts that every anvil funds: public knowledge.
var anvilKeys = []string{
	"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
	"59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
}

// startAnvil runs the pinned anvil, which is no chain of ours, and returns its URL.
func startAnvil(t *testing.T) string {
	t.Helper()
	arch := runtime.GOARCH
	bin := filepath.Join("..", "contracts", "node_modules", "@foundry-rs", "anvil-linux-"+arch, "bin", "anvil")
	if _, err := os.Stat(bin); err != nil {
		skip(t, "anvil is not installed; `make test` installs it from npm")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, "--port", "0", "--block-time", "1", "--hardfork", "osaka")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // killed: its error says so
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, addr, ok := strings.Cut(lines.Text(), "Listening on "); ok {
			go func() {
				for lines.Scan() { // it must not block on a full pipe
				}
			}()
			return "http://" + addr
		}
	}
	t.Fatal("anvil ended without listening")
	return ""
}

// skip says plainly what was not tested; CI turns it into a failure.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("LODE_TEST_NO_SKIP") != "" {
		t.Fatalf("may not be skipped here: %s", why)
	}
	t.Skip(why)
}

// On a chain that is not ours: deploy, two providers and a requester as
// processes, a job, a settlement, all by the commands that a person types.
func TestAnvil(t *testing.T) {
	program, _, hello := programs(t)
	url := startAnvil(t)
	dir := tempDir(t)
	keyFiles := make([]string, len(anvilKeys))
	for i, k := range anvilKeys {
		keyFiles[i] = filepath.Join(dir, fmt.Sprintf("key%d", i))
		if err := os.WriteFile(keyFiles[i], []byte(k+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "network.toml")
	must(t, "deploy", "--rpc", url, "--key-file", keyFiles[0], "--name", "anvil", "--dev-token", "--confirmations", "1", "--out", file, "--yes")
	n, err := node.LoadNetwork(file)
	if err != nil {
		t.Fatal(err)
	}
	var providers []*Member
	for i, price := range []string{"0.30/h", "0.40/h"} {
		root := filepath.Join(dir, fmt.Sprintf("p%d", i))
		m := &Member{Name: fmt.Sprintf("p%d", i), Root: root, Home: filepath.Join(root, "anvil"), program: program, log: root + ".log", network: file}
		args := []string{"provide", "--price", price, "--cpu", "1", "--slice", "2s", "--close-delay", "1h"}
		if i > 0 {
			addrs, err := providers[0].Addrs(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, "--peer", addrs[0])
		}
		if err := m.start(args...); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := m.Stop(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				b, err := os.ReadFile(m.log)
				t.Logf("%s: %v\n%s", m.Name, err, b)
			}
		})
		if err := m.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		providers = append(providers, m)
	}
	addrs, err := providers[0].Addrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.Bootstrap = addrs
	if err := n.Save(file); err != nil {
		t.Fatal(err)
	}
	home := []string{"--home", filepath.Join(dir, "r"), "--network", file}
	as := func(args ...string) []string { return append(append([]string(nil), home...), args...) }
	must(t, as("wallet", "init", "--account-key", keyFiles[1])...)
	must(t, as("wallet", "faucet")...)
	for _, p := range providers {
		st, err := api.Dial(p.Home).Status(t.Context(), connect.NewRequest(&apiv1.StatusRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		// The second has just started: its offer may still be going round.
		eventually(t, "the offer of "+p.Name, func() bool { return strings.Contains(must(t, as("offers", "--json")...), st.Msg.GetAccount()) })
	}
	out := must(t, as("run", "--yes", "--wasm", hello, "--max-duration", "1m", "--to", filepath.Join(dir, "result"))...)
	if out != "hello\n" {
		t.Errorf("the job printed %q", out)
	}
	wallet := must(t, as("wallet")...)
	channel := ""
	for _, field := range strings.Fields(wallet) {
		if strings.HasPrefix(field, "0x") && len(field) == 66 {
			channel = field
		}
	}
	if settled := must(t, as("wallet", "settle", "--yes", channel)...); !strings.Contains(settled, "returned") {
		t.Errorf("settle said %q", settled)
	}
}

// must runs a command that has to succeed and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err, code := lode(t, args...)
	if code != 0 {
		t.Fatalf("lode %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, err)
	}
	return out
}
