package train

import (
	"errors"
	"math"
)

// Side is the edge of the raster that Run returns, in cells.
const Side = 128

// MaxWidth bounds a hidden layer.
const MaxWidth = 256

// ErrConfig is returned by Run for what can't be trained.
var ErrConfig = errors.New("learning rate must be above 0 and at most 10, width 1 to 256, steps 1 to 10 million")

// ErrDiverged is returned by Run when the loss stopped being a number.
var ErrDiverged = errors.New("diverged: the loss is no number any more; try a smaller learning rate")

// Config says how to train.
type Config struct {
	LR    float64 // the optimiser's learning rate
	Width int     // units in each of the two hidden layers
	Steps int     // over the whole data set each
	Seed  uint64  // of the first weights
}

// Steps returns how many steps a network of that width gets, so that every
// width costs about the same time: narrow ones take more steps.
func Steps(width int) int {
	// Measured: a sample costs about as much as this many multiplications.
	cost := width*width + 14*width + 60
	return budget / cost / 100 * 100
}

// budget is worth about 4 s of one core in wazero, and half of that on a fast
// machine: several slices of a second in any case.
const budget = 1_600_000

// State is how far the training has come.
type State struct {
	Step     int
	Loss     float64 // mean cross entropy in nats over the data set
	Accuracy float64 // share of the data set on the right side, 0 to 1
}

// Result is what was learnt.
type Result struct {
	State
	// Grid is the chance of class 1 in 1/255, Side rows of Side cells from the
	// upper left corner (-1, 1) to the lower right one (1, -1).
	Grid []byte
}

// Run trains a network, telling report of the state before each step. For one
// Config it always does the same.
func Run(cfg Config, report func(State)) (Result, error) {
	if !(cfg.LR > 0 && cfg.LR <= 10) || cfg.Width < 1 || cfg.Width > MaxWidth || cfg.Steps < 1 || cfg.Steps > 10_000_000 {
		return Result{}, ErrConfig
	}
	points := Points()
	n := newNet(cfg.Width, cfg.Seed)
	adam := newAdam(cfg.LR, len(n.weights))
	gradient := make([]float64, len(n.weights))
	var state State
	for state.Step = 0; ; state.Step++ {
		clear(gradient)
		var loss float64
		var right int
		for _, p := range points {
			l, ok := n.learn(p, gradient)
			loss += l
			if ok {
				right++
			}
		}
		state.Loss, state.Accuracy = loss/float64(len(points)), float64(right)/float64(len(points))
		if math.IsNaN(state.Loss) || math.IsInf(state.Loss, 0) {
			return Result{}, ErrDiverged
		}
		report(state)
		if state.Step == cfg.Steps {
			return Result{state, n.raster()}, nil
		}
		for i := range gradient {
			gradient[i] /= float64(len(points))
		}
		adam.step(n.weights, gradient)
	}
}

func (n *net) raster() []byte {
	grid := make([]byte, 0, Side*Side)
	for row := range Side {
		for column := range Side {
			x, y := (2*float64(column)+1)/Side-1, 1-(2*float64(row)+1)/Side
			grid = append(grid, byte(math.Round(255*sigmoid(n.logit(x, y)))))
		}
	}
	return grid
}

// adam is the optimiser of Kingma and Ba 2014, with the constants they propose.
type adam struct {
	lr           float64
	mean, square []float64 // running moments of the gradient
	b1t, b2t     float64   // powers of the decay rates
}

func newAdam(lr float64, weights int) *adam {
	return &adam{lr: lr, mean: make([]float64, weights), square: make([]float64, weights), b1t: 1, b2t: 1}
}

func (a *adam) step(weights, gradient []float64) {
	const b1, b2, epsilon = 0.9, 0.999, 1e-8
	a.b1t *= b1
	a.b2t *= b2
	rate := a.lr * math.Sqrt(1-a.b2t) / (1 - a.b1t)
	for i, g := range gradient {
		a.mean[i] += (1 - b1) * (g - a.mean[i])
		a.square[i] += (1 - b2) * (g*g - a.square[i])
		weights[i] -= rate * a.mean[i] / (math.Sqrt(a.square[i]) + epsilon)
	}
}
