package train

import (
	"math"
	"math/rand/v2"
)

// net is a network of two inputs, two hidden layers of one width and one output,
// the log-odds of class 1. All its weights are one slice, so that an optimiser
// need not know what they mean.
type net struct {
	width   int
	weights []float64
	// One sample's activations.
	h1, h2 []float64
	// Its errors at the first hidden layer.
	d1 []float64
}

// count is the number of weights of a network.
func count(width int) int { return 3*width + width*(width+1) + width + 1 }

func newNet(width int, seed uint64) *net {
	n := &net{
		width: width, weights: make([]float64, count(width)),
		h1: make([]float64, width), h2: make([]float64, width), d1: make([]float64, width),
	}
	// Normal weights over the root of the fan-in, biases zero (LeCun 1998). The
	// inputs are smaller than hidden values, so the first layer gets more.
	random := rand.New(rand.NewPCG(seed, 1))
	w1, _, w2, _, w3, _ := n.split(n.weights)
	for layer, w := range [][]float64{w1, w2, w3} {
		scale := 1 / math.Sqrt(float64(width))
		if layer == 0 {
			scale = 2
		}
		for i := range w {
			w[i] = scale * random.NormFloat64()
		}
	}
	return n
}

// split cuts weights, or their gradient, into layers: w1 is width x 2 and w2
// width x width, each row belonging to one unit.
func (n *net) split(w []float64) (w1, b1, w2, b2, w3, b3 []float64) {
	cut := func(size int) []float64 {
		part := w[:size:size]
		w = w[size:]
		return part
	}
	return cut(2 * n.width), cut(n.width), cut(n.width * n.width), cut(n.width), cut(n.width), cut(1)
}

// logit returns the log-odds of class 1 at a point.
func (n *net) logit(x, y float64) float64 {
	w1, b1, w2, b2, w3, b3 := n.split(n.weights)
	for i := range n.h1 {
		n.h1[i] = math.Tanh(w1[2*i]*x + w1[2*i+1]*y + b1[i])
	}
	z, h1 := b3[0], n.h1
	for i := range n.h2 {
		sum := b2[i]
		row := w2[i*n.width:][:len(h1)]
		for j, h := range h1 {
			sum += row[j] * h
		}
		n.h2[i] = math.Tanh(sum)
		z += w3[i] * n.h2[i]
	}
	return z
}

// learn adds one sample's gradient to sum and returns its loss in nats.
func (n *net) learn(p Point, sum []float64) (loss float64, right bool) {
	z := n.logit(p.X, p.Y)
	target := float64(p.Class)
	dz := sigmoid(z) - target

	_, _, w2, _, w3, _ := n.split(n.weights)
	g1, c1, g2, c2, g3, c3 := n.split(sum)
	c3[0] += dz
	h1, d1 := n.h1, n.d1[:len(n.h1)]
	clear(d1)
	for i, h := range n.h2 {
		g3[i] += dz * h
		d := dz * w3[i] * (1 - h*h)
		c2[i] += d
		row, grad := w2[i*n.width:][:len(h1)], g2[i*n.width:][:len(h1)]
		for j, h := range h1 {
			grad[j] += d * h
			d1[j] += d * row[j]
		}
	}
	for i, h := range h1 {
		d := d1[i] * (1 - h*h)
		g1[2*i] += d * p.X
		g1[2*i+1] += d * p.Y
		c1[i] += d
	}
	return crossEntropy(z, target), (z > 0) == (p.Class == 1)
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// crossEntropy is -log of what the network gave to the truth, for any z.
func crossEntropy(z, target float64) float64 {
	return max(z, 0) - z*target + math.Log1p(math.Exp(-math.Abs(z)))
}
