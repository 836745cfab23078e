package spirals

import (
	"strconv"

	"github.com/lode-market/lode/testnet/spirals/train"
)

// Setting is what one job of the sweep tries.
type Setting struct {
	LR    float64
	Width int
}

// The sweep: too careful, right, and too bold, for networks from too narrow to
// wide enough.
var (
	rates  = []float64{0.0003, 0.003, 0.03, 0.3}
	widths = []int{4, 8, 16}
)

// Settings returns the twelve settings of the sweep, all rates of one width
// after the other.
func Settings() []Setting {
	var all []Setting
	for _, width := range widths {
		for _, lr := range rates {
			all = append(all, Setting{lr, width})
		}
	}
	return all
}

// Args returns the job's arguments for s. steps shortens or lengthens the
// training; 0 is the default, about 3 s on one core of a slow machine.
func (s Setting) Args(steps int) []string {
	if steps == 0 {
		steps = train.Steps(s.Width)
	}
	return []string{"--lr", s.rate(), "--width", strconv.Itoa(s.Width), "--steps", strconv.Itoa(steps)}
}

// Name is short and fit for lists and file names.
func (s Setting) Name() string { return "spirals-w" + strconv.Itoa(s.Width) + "-lr" + s.rate() }

func (s Setting) rate() string { return strconv.FormatFloat(s.LR, 'g', -1, 64) }
