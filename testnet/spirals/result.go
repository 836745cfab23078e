package spirals

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/lode-market/lode/testnet/spirals/train"
)

// ErrResult is returned for a folder that is not what the job leaves.
var ErrResult = errors.New("not a result of the spirals job")

// Result is what one job left.
type Result struct {
	Setting
	Steps    int
	Loss     float64   // mean cross entropy in nats over the data set
	Accuracy float64   // share of the data set on the right side
	Curve    []float64 // losses, equally far apart, from the first step to the last
	// Grid is the chance of class 1, as train.Result has it.
	Grid []byte
}

// What a result may hold at most.
const (
	maxMetrics = 64 << 10 // bytes
	maxCurve   = 4096
)

// ParseResult reads a fetched result. It believes nothing: no link is followed
// out of dir, sizes come before reading, and numbers are checked. The error wraps
// ErrResult or is one of the file system's.
func ParseResult(dir string) (Result, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Result{}, fmt.Errorf("read result: %w", err)
	}
	defer root.Close() // nothing was written
	grid, err := read(root, "grid.bin", train.Side*train.Side)
	if err != nil {
		return Result{}, err
	}
	if len(grid) != train.Side*train.Side {
		return Result{}, fmt.Errorf("%w: grid.bin has %d bytes; required: %d", ErrResult, len(grid), train.Side*train.Side)
	}
	text, err := read(root, "metrics.json", maxMetrics)
	if err != nil {
		return Result{}, err
	}
	r, err := parseMetrics(text)
	r.Grid = grid
	return r, err
}

func parseMetrics(text []byte) (Result, error) {
	var m struct {
		LR       float64
		Width    int
		Steps    int
		Loss     *float64
		Accuracy float64
		Curve    []float64
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return Result{}, fmt.Errorf("%w: metrics.json: %w", ErrResult, err)
	}
	bad := func(field string, actual any, required string) (Result, error) {
		return Result{}, fmt.Errorf("%w: metrics.json: %s is %v; required: %s", ErrResult, field, actual, required)
	}
	switch {
	case !(m.LR > 0 && m.LR <= 10):
		return bad("lr", m.LR, "above 0, at most 10")
	case m.Width < 1 || m.Width > train.MaxWidth:
		return bad("width", m.Width, fmt.Sprintf("1 to %d", train.MaxWidth))
	case m.Steps < 1:
		return bad("steps", m.Steps, "at least 1")
	case m.Loss == nil || !sane(*m.Loss):
		return bad("loss", "missing or no loss", "a number from 0")
	case !(m.Accuracy >= 0 && m.Accuracy <= 1):
		return bad("accuracy", m.Accuracy, "0 to 1")
	case len(m.Curve) > maxCurve:
		return bad("curve", fmt.Sprintf("%d numbers long", len(m.Curve)), fmt.Sprintf("at most %d", maxCurve))
	}
	for _, loss := range m.Curve {
		if !sane(loss) {
			return bad("curve", loss, "numbers from 0")
		}
	}
	return Result{Setting: Setting{m.LR, m.Width}, Steps: m.Steps, Loss: *m.Loss, Accuracy: m.Accuracy, Curve: m.Curve}, nil
}

// read returns a regular file of at most limit bytes.
func read(root *os.Root, name string, limit int64) ([]byte, error) {
	// Opening a named pipe would wait for a writer, so what it is comes first.
	info, err := root.Lstat(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrResult, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%w: %s is %v of %d bytes; required: a regular file of at most %d", ErrResult, name, info.Mode().Type(), info.Size(), limit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	defer f.Close() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: %s grew beyond %d bytes", ErrResult, name, limit)
	}
	return b, nil
}
