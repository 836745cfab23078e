package main

import (
	"fmt"
	"strconv"
	"strings"
)

// parseCPU reads cores, such as 0.5 or 4, into thousandths.
func parseCPU(s string) (uint32, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f >= 0.001 && f <= 1024) {
		return 0, fmt.Errorf("%q; required: cores, 0.001 to 1024", s)
	}
	return uint32(f*1000 + 0.5), nil
}

// sizeUnits are what people write behind a number of bytes, longest first.
var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// parseSize reads bytes, such as 512MiB or 16GB.
func parseSize(s string) (uint64, error) {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n > (1<<60)/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, fmt.Errorf("%q; required: a size such as 512MiB or 16GB", s)
}
