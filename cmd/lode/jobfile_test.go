package main

import (
	"maps"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/node/api/apiv1"
)

func TestJobFile(t *testing.T) {
	got, err := parseJobFile([]byte(`
name: finetune
image: alpine:3
run: |
  echo one
  echo two
env: {LR: "3e-4", N: 3}
inputs:
  /work: ./src
  /data: ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy
outputs: /out
resources: {cpu: 0.5, memory: 16GB, disk: 1GiB, shm: 64MiB}
network: none
max_price: 0.60/h
budget: 5
max_duration: 6h
deterministic: true
seed: -7
`), "/home/me/job", 6)
	if err != nil {
		t.Fatal(err)
	}
	want := &apiv1.SubmitJobRequest{
		Name: "finetune", Image: "alpine:3", Args: []string{"/bin/sh", "-c", "echo one\necho two\n"}, Env: map[string]string{"LR": "3e-4", "N": "3"},
		Inputs: []*apiv1.Input{
			{Path: "/data", Source: "ipfs://bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"},
			{Path: "/work", Source: "/home/me/job/src"},
		},
		Outputs: "/out", Resources: &apiv1.Resources{CpuMillis: 500, Memory: 16e9, Disk: 1 << 30, Shm: 64 << 20},
		MaxPrice: "600000", Budget: "5000000", MaxDurationMs: 6 * 3600 * 1000, Deterministic: true, Seed: -7,
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Whatever is wrong is told with its place, and with what would be right.
func TestJobFileErrors(t *testing.T) {
	for file, want := range map[string]string{
		"imagee: alpine":                         `1:1: unknown field "imagee"; did you mean "image"?`,
		"wasm: a.wasm\nresources:\n  memmory: 1": `3:3: unknown field "memmory"; did you mean "memory"?`,
		"colour: red":                            `1:1: unknown field "colour"; required: one of name, wasm, image`,
		"name: [a]":                              "1:7: sequence where a single value is required",
		"name: a\nname: b":                       "2:1: ",
		"name: {":                                "1:",
		"- a":                                    "1:",
		"budget: 1.0000001":                      `1:9: budget: "1.0000001"; required: at most 6 digits behind the point`,
		"max_price: cheap":                       `1:12: max_price: "cheap"; required: an amount of the token`,
		"max_duration: 6":                        `1:15: max_duration: "6"; required: a duration such as 90m or 6h`,
		"resources: {cpu: many}":                 `1:18: resources.cpu: "many"; required: cores`,
		"resources: {disk: 1 GB}":                `resources.disk: "1 GB"; required: a size`,
		"network: internet":                      `1:10: network: "internet"; required: none`,
		"seed: 1x":                               `1:7: seed: "1x"; required: a whole number`,
		"deterministic: perhaps":                 `1:16: deterministic: "perhaps"; required: true or false`,
		"wasm: a.wasm\nrun: echo":                "2:6: run: a shell line needs an image",
		"image: a\nargs: [b]\nrun: echo":         "3:6: run: args are given too",
		"setup: pip install torch":               "1:8: setup is not done by this version",
		"resources: {gpu: 24GB}":                 "1:18: resources.gpu is not done by this version",
		"secrets: [HF_TOKEN]":                    "secrets is not done by this version",
		"name: " + strings.Repeat("a", 1<<20):    "required: at most",
	} {
		if _, err := parseJobFile([]byte(file), "/", 6); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v; want %s", file, err, want)
		}
	}
}

// A job file may come from anywhere.
func FuzzJobFile(f *testing.F) {
	for _, seed := range []string{"name: a", "env: {A: b}", "inputs: {/a: b}", "a: &a [*a]", "resources: {cpu: 1}", "run: |\n  a"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if req, err := parseJobFile(b, "/", 6); err == nil && (req.GetResources() == nil || maps.Clone(req.GetEnv()) == nil) {
			t.Errorf("%q gives a request without resources or environment", b)
		}
	})
}
