package proto

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"pgregory.net/rapid"
)

func someCID(seed string) cid.Cid { return JobCID([]byte(seed)) }

func helloJob() *Job {
	m := someCID("module")
	return &Job{
		Version: JobVersion, Driver: "wasm", Module: &m, Outputs: "/out",
		Args:      []string{"--lr", "0.1"},
		Env:       []Var{{"B", "2"}, {"A", "1"}},
		Inputs:    []Input{{"/work", someCID("w")}, {"/data", someCID("d")}},
		Resources: Ask{CPUMillis: 1000, Memory: 64 << 20, Disk: 1 << 20},
	}
}

func TestJobHasOneName(t *testing.T) {
	a, err := helloJob().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	other := helloJob()
	other.Env[0], other.Env[1] = other.Env[1], other.Env[0]
	other.Inputs[0], other.Inputs[1] = other.Inputs[1], other.Inputs[0]
	b, err := other.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	if JobCID(a) != JobCID(b) {
		t.Error("the order of variables and inputs changes the CID")
	}
	const golden = "bafyreidjya3galewbz7nsdkoc7savqpo5k4gbcc5az4dbgpa24jxmat3r4"
	if got := JobCID(a).String(); got != golden {
		t.Errorf("CID %s, want %s: existing jobs would lose their names", got, golden)
	}
	j, err := ParseJob(a)
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Env) != 2 || j.Env[0].Name != "A" || j.Resources.Memory != 64<<20 || *j.Module != someCID("module") {
		t.Errorf("came back as %+v", j)
	}
}

func TestJobRefuses(t *testing.T) {
	image := "busybox:latest"
	for name, change := range map[string]func(*Job){
		"version":        func(j *Job) { j.Version = 2 },
		"driver":         func(j *Job) { j.Driver = "vm" },
		"no module":      func(j *Job) { j.Module = nil },
		"tagged image":   func(j *Job) { j.Driver, j.Module, j.Image = "docker", nil, &image },
		"double env":     func(j *Job) { j.Env = append(j.Env, Var{"A", "3"}) },
		"env name":       func(j *Job) { j.Env[0].Name = "A=B" },
		"relative path":  func(j *Job) { j.Inputs[0].Path = "work" },
		"climbing path":  func(j *Job) { j.Inputs[0].Path = "/a/../../etc" },
		"root":           func(j *Job) { j.Outputs = "/" },
		"nested inputs":  func(j *Job) { j.Inputs[1].Path = "/work/sub" },
		"input in out":   func(j *Job) { j.Inputs[1].Path = "/out/x" },
		"no memory":      func(j *Job) { j.Resources.Memory = 0 },
		"negative":       func(j *Job) { j.Resources.Disk = -1 },
		"network":        func(j *Job) { j.Network = 9 },
		"too large":      func(j *Job) { j.Args = []string{strings.Repeat("x", MaxJob)} },
		"no input":       func(j *Job) { j.Inputs[0].Root = cid.Undef },
		"zero in an arg": func(j *Job) { j.Args[0] = "a\x00b" },
	} {
		j := helloJob()
		change(j)
		if _, err := j.Canonical(); !errors.Is(err, ErrJob) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseJobSurvivesDamage(t *testing.T) {
	good, err := helloJob().Canonical()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := append([]byte(nil), good...)
		i := rapid.IntRange(0, len(b)-1).Draw(t, "at")
		b[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "xor"))
		if j, err := ParseJob(b); err == nil {
			if again, err := j.Canonical(); err != nil || string(again) != string(b) {
				t.Fatalf("a second encoding of a job was taken: %v", err)
			}
		}
	})
}

func FuzzParseJob(f *testing.F) {
	good, err := helloJob().Canonical()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		j, err := ParseJob(b)
		if err != nil {
			return
		}
		again, err := j.Canonical()
		if err != nil || string(again) != string(b) {
			t.Fatalf("parsed, but encodes differently: %v", err)
		}
	})
}
