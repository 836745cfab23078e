package testnet

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/testnet/chain"
)

// terminal is a person at a devnet: the program with a home of their own.
type terminal struct {
	t    *testing.T
	home []string
}

func (m terminal) run(args ...string) (stdout, stderr string, code int) {
	m.t.Helper()
	return lode(m.t, append(append([]string(nil), m.home...), args...)...)
}

func (m terminal) must(args ...string) string {
	m.t.Helper()
	return must(m.t, append(append([]string(nil), m.home...), args...)...)
}

// A second terminal on a devnet, with nothing but its network file: every command
// is a process of its own.
func TestSecondTerminal(t *testing.T) {
	_, _, hello := programs(t)
	image := helloImage(t)
	d := startDevnet(t, Config{Slice: time.Second, Docker: image != ""})
	dir := tempDir(t)
	me := terminal{t, []string{"--home", filepath.Join(dir, "me"), "--network", d.NetworkFile}}

	fourth := &Member{
		Name: "provider-4", Root: filepath.Join(dir, "p4"), Home: filepath.Join(dir, "p4", d.Network.Name), log: filepath.Join(dir, "p4.log"),
		network: d.NetworkFile,
	}
	fourth.program, _, _ = programs(t)
	if err := fourth.start("provide", "--price", "0.25/h", "--cpu", "1", "--slice", "1s", "--close-delay", "1h"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fourth.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := fourth.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}

	// The first list of a fresh home is full within its three seconds of patience,
	// the newcomer included once its offer has gone round.
	fresh := 0
	offers := func() (n int) {
		fresh++
		you := terminal{t, []string{"--home", filepath.Join(dir, fmt.Sprint("fresh", fresh)), "--network", d.NetworkFile}}
		var list struct {
			Fits []struct{ Payee, Price string }
		}
		if err := json.Unmarshal([]byte(you.must("offers", "--json", "--wait", "3s")), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Fits) == 4 && list.Fits[0].Price != "250000" {
			t.Errorf("the cheapest does not come first: %+v", list.Fits)
		}
		return len(list.Fits)
	}
	eventually(t, "four offers in a fresh list", func() bool { return offers() == 4 })
	if out := me.must("offers"); !strings.Contains(out, "simulated") {
		t.Errorf("the pretended GPU is not marked:\n%s", out)
	}

	me.must("wallet", "faucet")
	result := filepath.Join(dir, "result")
	out, _, code := me.run("run", "--yes", "--wasm", hello, "--max-duration", "1m", "--to", result)
	if code != 0 || out != "hello\n" {
		t.Errorf("run: exit code %d, printed %q", code, out)
	}
	if info, err := os.Stat(result); err != nil || !info.IsDir() {
		t.Errorf("the result is not on disk: %v", err)
	}

	job := filepath.Join(dir, "job.yaml")
	write(t, job, "name: filed\nwasm: "+hello+"\nmax_duration: 1m\nbudget: 0.01\n")
	if out := me.must("run", "--yes", job, "--to", filepath.Join(dir, "filed")); out != "hello\n" {
		t.Errorf("the job file's job printed %q", out)
	}
	if jobs := me.must("jobs"); !strings.Contains(jobs, "filed") {
		t.Errorf("the job has no name in the list:\n%s", jobs)
	}
	// What looks like a job file behind `--` is an argument of the job.
	if out := me.must("run", "--yes", "--wasm", hello, "--max-duration", "1m", "--to", filepath.Join(dir, "argued"), "--", "config.yaml"); out != "hello\n" {
		t.Errorf("printed %q", out)
	}
	if wallet := me.must("wallet"); !strings.Contains(wallet, "you pay") {
		t.Errorf("the wallet shows no channel:\n%s", wallet)
	}
	if image != "" {
		out, stderr, code := me.run("run", "--yes", "--image", image, "--max-duration", "1m", "--to", filepath.Join(dir, "contained"), "--", "/bin/echo", "hello from a container")
		if code != 0 || out != "hello from a container\n" {
			t.Errorf("run --image: exit code %d, printed %q\n%s", code, out, stderr)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// helloImage puts an image with a static shell into this machine's engine and
// returns its name; without an engine the test goes on without containers.
func helloImage(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 || exec.Command("docker", "version").Run() != nil {
		if os.Getenv("LODE_TEST_NO_SKIP") != "" {
			t.Fatal("may not be skipped here: no Docker engine answers, or this is not root")
		}
		t.Log("containers are skipped: no Docker engine answers, or this is not root")
		return ""
	}
	body, err := os.ReadFile("/bin/busybox")
	if err != nil {
		skip(t, "no static busybox (apt-get install busybox-static)")
	}
	var packed bytes.Buffer
	w := tar.NewWriter(&packed)
	for _, h := range []*tar.Header{
		{Name: "bin/busybox", Mode: 0o755, Size: int64(len(body))},
		{Name: "bin/sh", Typeflag: tar.TypeSymlink, Linkname: "busybox"}, {Name: "bin/echo", Typeflag: tar.TypeSymlink, Linkname: "busybox"},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const name = "lode-test-hello:latest"
	cmd := exec.Command("docker", "import", "-", name)
	cmd.Stdin = &packed
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("docker", "rmi", name).CombinedOutput(); err != nil {
			t.Errorf("docker rmi: %v\n%s", err, out)
		}
	})
	return name
}

// What bad input gets: what was wrong, what would be right, and an exit code that
// tells whose fault it was.
func TestBadInput(t *testing.T) {
	_, _, hello := programs(t)
	d := startDevnet(t, Config{Slice: time.Second})
	dir := tempDir(t)
	me := terminal{t, []string{"--home", filepath.Join(dir, "me"), "--network", d.NetworkFile}}
	me.must("wallet", "faucet")
	poor := terminal{t, []string{"--home", filepath.Join(dir, "poor"), "--network", d.NetworkFile}}

	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	network := func(name string, change func(*node.Network)) terminal {
		n := d.Network
		n.Name = name
		change(&n)
		path := filepath.Join(dir, name+".toml")
		if err := n.Save(path); err != nil {
			t.Fatal(err)
		}
		return terminal{t, []string{"--home", filepath.Join(dir, name), "--network", path}}
	}
	other, err := chain.Start(chain.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	})
	silent := silentServer(t)
	run := func(args ...string) []string {
		return append([]string{"run", "--yes", "--max-duration", "1m"}, args...)
	}
	acts := func(args ...string) []string {
		return append([]string{"run", "--yes", "--max-duration", "10s", "--memory", "64MiB", "--disk", "8MiB", "--wasm", guest(t), "--"}, args...)
	}
	for name, c := range map[string]struct {
		who  terminal
		args []string
		code int
		want []string
	}{
		"unknown field":           {me, run(file("typo.yaml", "wasm: a.wasm\nimputs: {}\n")), 2, []string{"typo.yaml:2:1", `did you mean "inputs"?`}},
		"nothing to run":          {me, run(), 2, []string{"required: a job file, --wasm MODULE, or --image IMAGE"}},
		"unknown flag":            {me, run("--wsam", hello), 2, []string{"wsam"}},
		"no such module":          {me, run("--wasm", filepath.Join(dir, "missing.wasm")), 2, []string{"missing.wasm", "no such file"}},
		"no module":               {me, run("--wasm", file("text.wasm", "this is no module")), 3, []string{"not a WASI preview 1 module"}},
		"traps":                   {me, acts("trap"), 3, []string{"ended with exit code 2"}},
		"wants too much memory":   {me, acts("memory"), 3, []string{"memory"}},
		"never ends":              {me, []string{"run", "--yes", "--max-duration", "2s", "--wasm", guest(t), "--", "count"}, 3, []string{"it ran as long as it might"}},
		"writes too much":         {me, acts("disk"), 3, []string{"it wrote more than it was given", "--disk"}},
		"plants a link":           {me, acts("link"), 3, nil},
		"no such image":           {me, run("--image", "localhost:1/nothing:here"), 2, []string{"registry unreachable: localhost:1"}},
		"nobody fits":             {me, run("--wasm", hello, "--cpu", "64"), 4, []string{"no provider fits; 3 offers were looked at", "cpu"}},
		"deposit too small":       {me, run("--wasm", hello, "--budget", "0.000001"), 2, []string{"deposit too small", "required: at least"}},
		"no funds":                {poor, run("--wasm", hello), 5, []string{"not enough funds", "holds 0"}},
		"no answer without a yes": {me, []string{"run", "--wasm", hello}, 2, []string{"required: --yes"}},
		"RPC is wrong":            {network("wrong", func(n *node.Network) { n.RPC = []string{"http://127.0.0.1:1"} }), []string{"offers"}, 5, []string{"127.0.0.1:1"}},
		"RPC is no URL":           {network("nourl", func(n *node.Network) { n.RPC = []string{"ftp://127.0.0.1"} }), []string{"offers"}, 5, []string{"required: http://"}},
		"RPC is slow":             {network("slow", func(n *node.Network) { n.RPC = []string{silent} }), []string{"offers"}, 5, []string{silent}},
		"RPC of another chain":    {network("other", func(n *node.Network) { n.RPC = []string{other.URL()} }), []string{"offers"}, 5, []string{"chain id"}},
		"chain of another past":   {network("past", func(n *node.Network) { n.Genesis[0]++ }), []string{"offers"}, 5, []string{"genesis"}},
		"no contract there":       {network("bare", func(n *node.Network) { n.Channels[0]++ }), []string{"offers"}, 5, []string{"contract"}},
	} {
		t.Run(name, func(t *testing.T) {
			c.who.t = t
			stdout, stderr, code := c.who.run(c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("it does not say %q", w)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s", stdout, stderr)
			}
		})
	}
}

// silentServer accepts connections and never answers.
func silentServer(t *testing.T) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // what was accepted ends with the test
	return "http://" + l.Addr().String()
}
