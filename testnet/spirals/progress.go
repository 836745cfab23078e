package spirals

import (
	"math"
	"strconv"
	"strings"
)

// ParseProgress reads a line of the job's output, such as
//
//	step=150/2000 loss=0.6512 acc=0.603
//
// without its line end. A line that says anything else is not ok.
func ParseProgress(line string) (step, total int, loss float64, ok bool) {
	fields := strings.Fields(line)
	if len(line) > 200 || len(fields) != 3 {
		return 0, 0, 0, false
	}
	steps, ok1 := strings.CutPrefix(fields[0], "step=")
	losses, ok2 := strings.CutPrefix(fields[1], "loss=")
	done, of, ok3 := strings.Cut(steps, "/")
	if !ok1 || !ok2 || !ok3 || !strings.HasPrefix(fields[2], "acc=") {
		return 0, 0, 0, false
	}
	step, err1 := strconv.Atoi(done)
	total, err2 := strconv.Atoi(of)
	loss, err3 := strconv.ParseFloat(losses, 64)
	if err1 != nil || err2 != nil || err3 != nil || step < 0 || total < 1 || step > total || !sane(loss) {
		return 0, 0, 0, false
	}
	return step, total, loss, true
}

// sane reports whether f can be a loss.
func sane(f float64) bool { return f >= 0 && f <= math.MaxFloat32 }
