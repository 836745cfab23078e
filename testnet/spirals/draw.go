package spirals

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"strconv"

	"github.com/lode-market/lode/testnet/spirals/train"
)

// The sheet's measures in pixels.
const (
	columns = 4
	panel   = 340 // edge of a decision boundary
	gap     = 36  // between panels
	margin  = 56
	caption = 84 // below a panel
	header  = 128
)

// maxPanels bounds a sheet.
const maxPanels = 64

// Draw returns a PNG of one sheet with the decision boundaries of 1 to 64
// results, in their order, four in a row, the one of the least loss marked.
func Draw(results []Result) ([]byte, error) {
	if len(results) < 1 || len(results) > maxPanels {
		return nil, fmt.Errorf("draw sheet: %d results; required: 1 to %d", len(results), maxPanels)
	}
	best := 0
	for i, r := range results {
		if len(r.Grid) != train.Side*train.Side {
			return nil, fmt.Errorf("draw sheet: result %d has a grid of %d cells; required: %d", i, len(r.Grid), train.Side*train.Side)
		}
		if r.Loss < results[best].Loss {
			best = i
		}
	}
	rows := (len(results) + columns - 1) / columns
	c, err := newCanvas(2*margin+columns*panel+(columns-1)*gap, header+rows*(panel+caption)+margin)
	if err != nil {
		return nil, err
	}
	c.header(len(results))
	for i, r := range results {
		at := image.Pt(margin+i%columns*(panel+gap), header+i/columns*(panel+caption))
		c.panel(at, r, i == best)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, c); err != nil {
		return nil, fmt.Errorf("draw sheet: %w", err)
	}
	return b.Bytes(), nil
}

// header is the title line, and a key to the colours at its right.
func (c *canvas) header(n int) {
	c.write(c.title, ink, margin, 66, "Two spirals, "+number(n))
	c.write(c.small, faint, margin, 96, "Each panel is one job: a network of two hidden layers, the same compute for each, its view of the plane")

	const width, height = 220, 12
	right := c.Rect.Max.X - margin
	for x := range width {
		c.fill(image.Rect(right-width+x, 52, right-width+x+1, 52+height), shade(float64(x)/(width-1)))
	}
	c.write(c.small, points[0], right-width, 96, "blue spiral")
	const label = "orange spiral"
	c.write(c.small, points[1], right-c.width(c.small, label), 96, label)
}

func number(n int) string {
	if n == 1 {
		return "1 network"
	}
	return strconv.Itoa(n) + " networks"
}

func (c *canvas) panel(at image.Point, r Result, best bool) {
	square := image.Rectangle{at, at.Add(image.Pt(panel, panel))}
	if best {
		c.fill(square.Inset(-8), dark)
		c.fill(square.Inset(-3), paper)
	} else {
		c.fill(square.Inset(-1), hair)
	}
	c.boundary(square, r.Grid)
	for _, p := range train.Points() {
		x, y := float64(at.X)+(p.X+1)/2*panel, float64(at.Y)+(1-p.Y)/2*panel
		c.stroke(x, y, x, y, 4.3, white)
		c.stroke(x, y, x, y, 3.1, points[p.Class])
	}

	y := square.Max.Y + 34
	x := c.write(c.label, ink, at.X, y, "lr "+r.rate()+"   width "+strconv.Itoa(r.Width))
	if best {
		tag := image.Rect(x+14, y-19, x+14+c.width(c.small, "best")+20, y+6)
		c.pill(tag, dark)
		c.write(c.small, white, tag.Min.X+10, y-1, "best")
	}
	c.write(c.text, faint, at.X, y+26, fmt.Sprintf("loss %.2g   %.0f%% right", r.Loss, 100*r.Accuracy))
	c.curve(image.Rect(square.Max.X-92, square.Max.Y+18, square.Max.X, square.Max.Y+60), r.Curve)
}

// boundary paints what the network thinks of each point, and a line where it
// changes its mind.
func (c *canvas) boundary(square image.Rectangle, grid []byte) {
	scale := float64(train.Side) / panel
	at := func(x, y int) float64 { return sample(grid, (float64(x)+0.5)*scale-0.5, (float64(y)+0.5)*scale-0.5) }
	for y := range panel {
		for x := range panel {
			p := at(x, y)
			px, py := square.Min.X+x, square.Min.Y+y
			c.SetRGBA(px, py, shade(p))
			// The distance to where p is a half, in pixels, as far as p is linear.
			slope := math.Hypot(at(x+1, y)-at(x-1, y), at(x, y+1)-at(x, y-1)) / 2
			if slope > 1e-3 {
				c.blend(px, py, ink, 0.55*min(1, 1.3-math.Abs(p-0.5)/slope))
			}
		}
	}
}

// sample interpolates the grid between the centres of its cells.
func sample(grid []byte, x, y float64) float64 {
	x, y = min(max(x, 0), train.Side-1), min(max(y, 0), train.Side-1)
	i, j := min(int(x), train.Side-2), min(int(y), train.Side-2)
	fx, fy := x-float64(i), y-float64(j)
	cell := func(i, j int) float64 { return float64(grid[j*train.Side+i]) }
	top := cell(i, j) + fx*(cell(i+1, j)-cell(i, j))
	bottom := cell(i, j+1) + fx*(cell(i+1, j+1)-cell(i, j+1))
	return (top + fy*(bottom-top)) / 255
}

// curve draws losses over time, on a logarithmic scale from 1 down to 0.0001.
func (c *canvas) curve(box image.Rectangle, losses []float64) {
	if len(losses) < 2 {
		return
	}
	c.fill(image.Rect(box.Min.X, box.Max.Y, box.Max.X, box.Max.Y+1), hair)
	const decades = 4
	point := func(i int) (x, y float64) {
		depth := min(max(-math.Log10(max(losses[i], 1e-9)), 0), decades) / decades
		return float64(box.Min.X) + float64(i)/float64(len(losses)-1)*float64(box.Dx()), float64(box.Min.Y) + depth*float64(box.Dy())
	}
	for i := 1; i < len(losses); i++ {
		x0, y0 := point(i - 1)
		x1, y1 := point(i)
		c.stroke(x0, y0, x1, y1, 0.9, faint)
	}
}
