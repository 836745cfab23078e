package main

import "testing"

func TestSizes(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "512MiB": 512 << 20, "16GB": 16e9, "7": 7, "1B": 1, "1024KiB": 1 << 20} {
		if n, err := parseSize(s); err != nil || n != want {
			t.Errorf("%s: %d, %v", s, n, err)
		}
	}
	for _, s := range []string{"", "x", "-1", "1.5GB", "99999999999TiB", "GB"} {
		if n, err := parseSize(s); err == nil {
			t.Errorf("%q was read as %d", s, n)
		}
	}
	if n, err := parseCPU("0.5"); err != nil || n != 500 {
		t.Errorf("half a core: %d, %v", n, err)
	}
	for _, s := range []string{"", "x", "-1", "0", "NaN", "1e9"} {
		if n, err := parseCPU(s); err == nil {
			t.Errorf("%q was read as %d", s, n)
		}
	}
}
