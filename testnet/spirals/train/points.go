package train

import (
	"math"
	"math/rand/v2"
)

// Point is a sample of the data set, both coordinates within [-1, 1].
type Point struct {
	X, Y float64
	// Class is 0 or 1, the spiral that it lies on.
	Class int
}

const (
	perSpiral = 97   // samples of each spiral
	turns     = 2.25 // of a spiral around the centre
	noise     = 0.012
)

// Points returns the data set, always the same: two spirals, one the other's
// mirror image, in turns.
func Points() []Point {
	random := rand.New(rand.NewPCG(1988, 2)) // the year in which the problem was posed
	points := make([]Point, 0, 2*perSpiral)
	for i := range perSpiral {
		along := float64(i) / (perSpiral - 1)
		radius := 0.06 + 0.88*along
		sin, cos := math.Sincos(2 * math.Pi * turns * along)
		for class, side := range []float64{1, -1} {
			points = append(points, Point{
				X:     side*radius*cos + noise*random.NormFloat64(),
				Y:     side*radius*sin + noise*random.NormFloat64(),
				Class: class,
			})
		}
	}
	return points
}
