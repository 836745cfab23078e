package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScratchNeeds tells how to mend what is missing.
func TestScratchNeeds(t *testing.T) {
	tool := filepath.Join(t.TempDir(), "mke2fs")
	want(t, scratchNeeds(1000, mke2fsPlaces), ErrUnsupported)
	for _, missing := range [][]string{{tool}, {filepath.Dir(tool)}, nil} {
		err := scratchNeeds(0, missing)
		want(t, err, ErrUnsupported)
		if !strings.Contains(err.Error(), "e2fsprogs") {
			t.Errorf("the error does not tell how to mend it: %v", err)
		}
	}
	if err := os.WriteFile(tool, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := scratchNeeds(0, []string{"/nowhere", tool}); err != nil {
		t.Error(err)
	}
}

// TestDockerRefusesUnableMachine: a driver that could start no job is not made.
func TestDockerRefusesUnableMachine(t *testing.T) {
	realEngine(t)
	places := mke2fsPlaces
	t.Cleanup(func() { mke2fsPlaces = places })
	broken := filepath.Join(t.TempDir(), "mke2fs")
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, tools := range map[string][]string{"missing": {"/nowhere/mke2fs"}, "broken": {broken}} {
		t.Run(name, func(t *testing.T) {
			mke2fsPlaces = tools
			c := DockerConfig{Config: Config{Dir: t.TempDir()}, Host: testEngine(), AllowRunc: true}
			d, err := NewDocker(deadline(t), c)
			if err == nil {
				err = d.Close()
				t.Errorf("it was made, and closed with %v", err)
				return
			}
			want(t, err, ErrUnsupported)
		})
	}
}
