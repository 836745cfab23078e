package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsFirst(t *testing.T) {
	for in, want := range map[string]string{
		"lode logs JOB -f":          "lode logs -f JOB",
		"lode --home H logs JOB -f": "lode --home H logs -f JOB",
		"lode fetch JOB --to DIR":   "lode fetch --to DIR JOB",
		"lode fetch JOB --to=DIR":   "lode fetch --to=DIR JOB",
		// urfave/cli drops the first --; the second tells that no job file was given.
		"lode run --wasm m.wasm -- --lr 0.1": "lode run --wasm m.wasm -- -- --lr 0.1",
		"lode logs -- JOB":                   "lode logs -- JOB",
		"lode run job.yaml --yes -- -f x":    "lode run --yes job.yaml -- -f x",
		"lode wallet deposit 0xab 5 --yes":   "lode wallet deposit --yes 0xab 5",
		"lode wallet deposit --yes 0xab 5":   "lode wallet deposit --yes 0xab 5",
		"lode wallet --json":                 "lode wallet --json",
		"lode":                               "lode",
		"lode offers":                        "lode offers",
	} {
		if got := flagsFirst(newApp(), strings.Fields(in)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s\n got %s\nwant %s", in, strings.Join(got, " "), want)
		}
	}
}
