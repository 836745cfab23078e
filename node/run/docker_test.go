package run

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"
)

// TestDockerHello runs arguments, environment, inputs and outputs through a container.
func TestDockerHello(t *testing.T) {
	d := dockerDriver(t, nil)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "data")
	if err := os.WriteFile(file, []byte("forty-two"), 0o644); err != nil {
		t.Fatal(err)
	}
	image := pinned(t, "hello", shellImage(t, v1.Config{
		Entrypoint: []string{"/bin/sh", "-c", `echo "$GREETING $NAME $1"; cat /in/dir/data /in/file > /out/copy; echo > /in/dir/x; rm -f /in/file; echo oops >&2; exit $2`, "sh"},
		Cmd:        []string{"unused"},
		Env:        []string{"GREETING=hello", "NAME=nobody"},
	}))
	spec := inImage(image, "again", "3")
	spec.Env = []string{"NAME=world"}
	spec.Inputs = map[string]string{"/in/dir": dir, "/in/file": file}
	var steps []string
	if err := d.Prepare(deadline(t), spec, func(p Progress) { steps = append(steps, p.Step) }); err != nil {
		t.Fatal(err)
	}
	exit, text, task := finished(t, d, spec)
	if exit.Code != CodeExited || exit.ExitCode != 3 || exit.Usage <= 0 {
		t.Errorf("exit is %+v", exit)
	}
	if !strings.Contains(text, "hello world again\n") || !strings.Contains(text, "oops\n") || !strings.Contains(text, "Read-only file system") {
		t.Errorf("it printed %q", text)
	}
	if body, err := os.ReadFile(filepath.Join(task.OutputPath(), "copy")); err != nil || string(body) != "forty-twoforty-two" {
		t.Errorf("output is %q, %v", body, err)
	}
	if body, err := os.ReadFile(file); err != nil || string(body) != "forty-two" {
		t.Errorf("the input is now %q, %v", body, err)
	}
	if !slices.Contains(steps, "pull") || !slices.Contains(steps, "unpack") {
		t.Errorf("progress was %q", steps)
	}
	if ids, err := d.List(); err != nil || !slices.Contains(ids, spec.ID) {
		t.Errorf("list is %q, %v", ids, err)
	}
	_, err := d.Start(deadline(t), spec, time.Hour)
	want(t, err, ErrExists)
}

// TestDockerWalls looks at its cell from inside.
func TestDockerWalls(t *testing.T) {
	d := dockerDriver(t, nil)
	spec := shell(t, `
		echo "user $(id -u):$(id -g):$(id -G)"
		grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
		echo "links $(ls /sys/class/net | tr '\n' ' ')"
		echo "routes $(wc -l < /proc/net/route)"
		echo | nc -w 2 1.1.1.1 53 && echo NETWORK
		IFS=,; for target in $TARGETS; do IFS=' '; echo "try $target"; echo | nc -w 2 $target && echo NETWORK; done
		for path in /x /etc/x /bin/x /dev/x /proc/sys/kernel/hostname /etc/resolv.conf /etc/hosts /etc/hostname; do
			(echo x > $path) 2> /dev/null && echo "WROTE $path"
		done
		mount -t tmpfs none /tmp 2> /dev/null && echo MOUNTED
		cat /dev/loop* /dev/sd* /dev/vd* /dev/mem /dev/kmsg > /tmp/stolen 2> /dev/null && echo DEVICE
		ls -d /var/run/docker.sock /run/docker.sock 2> /dev/null && echo SOCKET
		echo "init $(cat /proc/1/comm) processes $(ls -d /proc/[0-9]* | wc -l)"
		cat /etc/resolv.conf
		echo "home $HOME gpu $NVIDIA_VISIBLE_DEVICES"
		echo "core $(ulimit -c) files $(ulimit -n)"
		grep -E ' /(out|tmp) ' /proc/mounts
		echo ok > /out/file; echo ok > /tmp/file; echo ok > /dev/shm/file; cat /out/file /tmp/file /dev/shm/file`)
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	own, err := ownAddresses()
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for address := range own {
		if address.Is4() && !address.IsLoopback() {
			targets = append(targets, fmt.Sprint(address, " ", listener.Addr().(*net.TCPAddr).Port))
		}
	}
	spec.Env = []string{"NVIDIA_VISIBLE_DEVICES=all", "TARGETS=" + strings.Join(targets, ",")}
	exit, text, task := finished(t, d, ready(t, d, spec))
	if exit.Code != CodeExited || exit.ExitCode != 0 {
		t.Errorf("exit is %+v", exit)
	}
	user := jobUser(d.engine.set, spec.ID)
	group, _, _ := strings.Cut(user, ":")
	for _, line := range []string{
		"user " + user + ":" + group, "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1", "Seccomp:\t2", "links lo ", "routes 1", "init docker-init", "home /tmp gpu void", "core 0 files 16384", "ok\nok\nok\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("not seen: %q", line)
		}
	}
	for _, fault := range []string{"NETWORK", "WROTE", "MOUNTED", "DEVICE", "SOCKET"} {
		if strings.Contains(text, fault) {
			t.Errorf("seen: %s", fault)
		}
	}
	for _, mount := range regexp.MustCompile(`(?m)^/\S+ /(?:out|tmp) .*$`).FindAllString(text, -1) {
		if !strings.Contains(mount, "nosuid") || !strings.Contains(mount, "nodev") {
			t.Errorf("mount %q", mount)
		}
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(resolver)) {
		if server, ok := strings.CutPrefix(line, "nameserver "); ok && !strings.HasPrefix(server, "127.") && strings.Contains(text, strings.TrimSpace(server)) {
			t.Errorf("it sees the name server %s", server)
		}
	}
	if t.Failed() || testing.Verbose() {
		t.Log(text)
	}
	if got := stats(t, task); !slices.Contains(got.Isolation.Applied, "no network") {
		t.Errorf("isolation is %+v", got.Isolation)
	}
}

// TestDockerEnds maps the ways in which a job ends by its own doing.
func TestDockerEnds(t *testing.T) {
	d := dockerDriver(t, nil)
	for _, c := range []struct {
		name, script string
		code         Code
		exit         int // -1 for any but 0
		says, detail string
	}{
		{name: "memory bomb", script: "tail /dev/zero", code: CodeMemoryLimit, exit: -1, detail: "memory"},
		{name: "memory bomb in a child", script: "(tail /dev/zero); exit 5", code: CodeMemoryLimit, exit: 5},
		{name: "shared memory bomb", script: "dd if=/dev/zero of=/dev/shm/x bs=1M", code: CodeExited, exit: 1, says: "No space"},
		{name: "output bytes", script: "dd if=/dev/zero of=/out/x bs=64k", code: CodeOutputLimit, exit: 1, says: "No space"},
		{name: "output files", script: "for i in $(seq 10000); do : > /out/$i || exit 7; done", code: CodeOutputLimit, exit: -1},
		{name: "output bytes, stopping in time", script: "dd if=/dev/zero of=/out/x bs=1k count=900; exit 1", code: CodeExited, exit: 1},
		{name: "output hole", script: "truncate -s 1G /out/x", code: CodeOutputLimit, detail: "more than 1048576 bytes"},
		{name: "output depth", script: "mkdir -p /out/1/2/3/4/5/6/7/8/9/10/11", code: CodeOutputLimit, detail: "11 levels deep"},
		{name: "output links", script: ": > /out/x; for i in $(seq 200); do ln /out/x /out/$i; done", code: CodeOutputLimit, detail: "more than 100 files"},
		{name: "output names", script: `: > '/out/back\slash'`, code: CodeOutputLimit, detail: "backslash"},
		{name: "output names, and a failure", script: `: > '/out/back\slash'; exit 3`, code: CodeOutputLimit, exit: 3, detail: "backslash"},
		{name: "tmp bytes", script: "dd if=/dev/zero of=/tmp/x bs=64k", code: CodeExited, exit: 1, says: "No space"},
		{name: "signal", script: "kill -SEGV $$", code: CodeExited, exit: 128 + 11},
		{name: "no such command", script: "exec /no/such/thing", code: CodeExited, exit: 127, says: "not found"},
		{name: "fine", script: "true", code: CodeExited},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := shell(t, c.script)
			spec.Docker.Shm = 1 << 20
			exit, text, task := finished(t, d, ready(t, d, spec))
			if exit.Code != c.code || exit.ExitCode != c.exit && (c.exit >= 0 || exit.ExitCode == 0) {
				t.Errorf("exit is %+v, want code %d and %d", exit, c.code, c.exit)
			}
			if !strings.Contains(text, c.says) || !strings.Contains(exit.Detail, c.detail) {
				t.Errorf("it said %q and %q, want %q and %q", text, exit.Detail, c.says, c.detail)
			}
			checkOutput(t, task.OutputPath(), spec.Limits)
		})
	}
}

// TestDockerForkBomb is bounded and leaves nothing.
func TestDockerForkBomb(t *testing.T) {
	d := dockerDriver(t, nil)
	spec := shell(t, `i=0; while [ $i -lt 5000 ]; do sleep 1000 & i=$((i+1)); echo $i; done; echo UNBOUNDED`)
	spec.Limits.Memory = 1 << 30
	exit, text, _ := finished(t, d, ready(t, d, spec))
	if exit.ExitCode == 0 || strings.Contains(text, "UNBOUNDED") || !strings.Contains(text, "can't fork") {
		t.Errorf("exit is %+v, the end of the log %q", exit, text[max(0, len(text)-200):])
	}
}

// TestDockerHostileOutputs keeps files and directories, and follows nothing.
func TestDockerHostileOutputs(t *testing.T) {
	d := dockerDriver(t, nil)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, task := finished(t, d, ready(t, d, shell(t, fmt.Sprintf(`
		mkdir /out/d; echo kept > /out/d/f; ln /out/d/f /out/hard
		ln -s %s /out/leak; ln -s / /out/root; ln -s ../../.. /out/d/up; ln -s f /out/d/inner
		mkfifo /out/pipe; mkdir /out/locked; echo kept > /out/locked/f; chmod 000 /out/locked /out/locked/f 2> /dev/null
		printf 'set-uid' > /out/suid; chmod 6777 /out/suid`, secret))))
	var got []string
	err := fs.WalkDir(os.DirFS(task.OutputPath()), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && name != "." {
			got = append(got, fmt.Sprint(name, " ", info.Mode()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := []string{"d drwx------", "d/f -rw-------", "hard -rw-------", "locked drwx------", "locked/f -rw-------", "suid -rwx------"}
	if !slices.Equal(got, wanted) {
		t.Errorf("outputs are %q, want %q", got, wanted)
	}
}

// TestDockerFlood: a job that prints without end is not slowed to death, and
// neither the lease's log nor the engine keeps it.
func TestDockerFlood(t *testing.T) {
	d := dockerDriver(t, nil)
	spec := ready(t, d, shell(t, `yes | head -c 50000000; echo last`))
	exit, text, task := finished(t, d, spec)
	if exit.Code != CodeExited || exit.ExitCode != 0 {
		t.Errorf("exit is %+v", exit)
	}
	if !strings.HasSuffix(text, "last\n") {
		t.Errorf("the log ends with %q", text[max(0, len(text)-50):])
	}
	stored := int64(0)
	for _, name := range []string{"log", "log.old"} {
		if info, err := os.Stat(filepath.Join(dirOf(task), name)); err == nil {
			stored += info.Size()
		}
	}
	// JSON and base64 make a log about half as long again.
	if stored > 4*spec.Limits.Log {
		t.Errorf("the log takes %d bytes, its limit is %d", stored, spec.Limits.Log)
	}
}

// TestDockerImageIsData: nothing that an image says reaches the host's side.
func TestDockerImageIsData(t *testing.T) {
	api := realEngine(t)
	d := dockerDriver(t, nil)
	before := volumes(t, api)
	image := pinned(t, "hostile", shellImage(t, v1.Config{
		User:         "0:0",
		Env:          []string{"NVIDIA_VISIBLE_DEVICES=all", "HOME=/root"},
		Volumes:      map[string]struct{}{"/open": {}, "/var/lib/new": {}, "/out": {}},
		Labels:       map[string]string{labelLease: "0bad", labelHome: "0bad", "traefik.enable": "true"},
		StopSignal:   "SIGWINCH",
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD-SHELL", "true"}, Interval: time.Second},
		ExposedPorts: map[string]struct{}{"80/tcp": {}},
	}))
	spec := inImage(image, "/bin/sh", "-c", `id -u; grep -E ' /(open|var/lib/new) ' /proc/mounts
		dd if=/dev/zero of=/open/x bs=1M count=100 2> /dev/null; echo "data $(wc -c < /open/x)"
		echo gpu $NVIDIA_VISIBLE_DEVICES; echo ready; sleep 1000`)
	spec.Limits.Memory = 256 << 20
	ready(t, d, spec)
	task := start(t, d, spec, time.Hour)
	var text strings.Builder
	for e, err := range task.Events(deadline(t), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if text.Write(e.Data); strings.Contains(text.String(), "ready\n") {
			break
		}
	}
	for _, line := range []string{"tmpfs /open tmpfs rw,nosuid,nodev,noexec", "tmpfs /var/lib/new tmpfs", fmt.Sprintf("data %d\n", volumeCover), "gpu void"} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("not seen: %q in %q", line, text.String())
		}
	}
	if strings.HasPrefix(text.String(), "0\n") {
		t.Error("it runs as root")
	}
	held, err := api.ContainerInspect(deadline(t), containerName(d.engine.set.Home, spec.ID), client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := held.Container
	if c.Config.Labels["traefik.enable"] != "" || c.Config.Labels[labelLease] != spec.ID || c.Config.StopSignal != "SIGKILL" || c.State.Health != nil {
		t.Errorf("labels %q, stop signal %q, health %v", c.Config.Labels, c.Config.StopSignal, c.State.Health)
	}
	if c.LogPath != "" || c.HostConfig.Privileged || len(c.Mounts) != 4 {
		t.Errorf("log at %q, privileged %t, mounts %+v", c.LogPath, c.HostConfig.Privileged, c.Mounts)
	}
	if err := task.Remove(deadline(t)); err != nil {
		t.Fatal(err)
	}
	for name := range volumes(t, api) {
		if !before[name] {
			t.Errorf("volume %s is left", name)
		}
	}
}

// TestDockerRefusals: what cannot be had is told before anything is made.
func TestDockerRefusals(t *testing.T) {
	d := dockerDriver(t, nil)
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	good := pinned(t, "shell", shellImage(t, v1.Config{}))
	for name, c := range map[string]struct {
		change func(*Spec)
		err    error
	}{
		"no image":         {func(s *Spec) { s.Docker = nil }, ErrSpec},
		"no digest":        {func(s *Spec) { s.Docker.Image = "busybox:latest" }, ErrImageRef},
		"bad reference":    {func(s *Spec) { s.Docker.Image = "../../etc" }, ErrImageRef},
		"short digest":     {func(s *Spec) { s.Docker.Image = "busybox@sha256:12" }, ErrImageRef},
		"module":           {func(s *Spec) { s.Module = "/x" }, ErrSpec},
		"network":          {func(s *Spec) { s.Docker.Network = "host" }, ErrNotOffered},
		"GPUs":             {func(s *Spec) { s.Docker.GPUs = []string{"all"} }, ErrNotOffered},
		"little memory":    {func(s *Spec) { s.Limits.Memory = 1 << 20 }, ErrSpec},
		"much shm":         {func(s *Spec) { s.Docker.Shm = 1 << 40 }, ErrSpec},
		"input link":       {func(s *Spec) { s.Inputs = map[string]string{"/in": link} }, ErrSpec},
		"input missing":    {func(s *Spec) { s.Inputs = map[string]string{"/in": link + "x"} }, ErrSpec},
		"input unreadable": {func(s *Spec) { s.Inputs = map[string]string{"/in": locked} }, ErrSpec},
		"input in /proc":   {func(s *Spec) { s.Inputs = map[string]string{"/proc/x": dir} }, ErrSpec},
		"input over /out":  {func(s *Spec) { s.Inputs = map[string]string{"/out": dir} }, ErrSpec},
	} {
		t.Run(name, func(t *testing.T) {
			spec := inImage(good, "true")
			c.change(&spec)
			want(t, d.Prepare(deadline(t), spec, nil), c.err)
			_, err := d.Start(deadline(t), spec, time.Hour)
			want(t, err, c.err)
		})
	}
}

// TestDockerEngineRefused: no engine, one elsewhere, and runc without consent.
func TestDockerEngineRefused(t *testing.T) {
	realEngine(t)
	for name, c := range map[string]struct {
		config DockerConfig
		err    error
	}{
		"no engine": {DockerConfig{Host: "unix://" + filepath.Join(t.TempDir(), "sock"), AllowRunc: true}, ErrNoEngine},
		"elsewhere": {DockerConfig{Host: "tcp://127.0.0.1:2375", AllowRunc: true}, ErrNoEngine},
		"runc":      {DockerConfig{Host: testEngine()}, ErrRuntime},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Dir = t.TempDir()
			d, err := NewDocker(deadline(t), c.config)
			if err == nil && d.engine.set.Runtime == "runsc" {
				return // an engine with runsc needs no consent
			}
			want(t, err, c.err)
			if name == "runc" && !strings.Contains(err.Error(), "allow_runc") {
				t.Errorf("the error does not tell how to mend it: %v", err)
			}
		})
	}
}
