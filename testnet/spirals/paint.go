package spirals

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// canvas is an image with what the sheet paints on it. Lengths are pixels.
type canvas struct {
	*image.RGBA
	title, label, text, small font.Face
}

func newCanvas(width, height int) (*canvas, error) {
	c := &canvas{RGBA: image.NewRGBA(image.Rect(0, 0, width, height))}
	for _, f := range []struct {
		face *font.Face
		ttf  []byte
		size float64
	}{{&c.title, gobold.TTF, 38}, {&c.label, gomedium.TTF, 19}, {&c.text, goregular.TTF, 19}, {&c.small, goregular.TTF, 16}} {
		parsed, err := opentype.Parse(f.ttf)
		if err == nil {
			*f.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingNone})
		}
		if err != nil {
			return nil, fmt.Errorf("bundled font: %w", err)
		}
	}
	c.fill(c.Rect, paper)
	return c, nil
}

func (c *canvas) fill(r image.Rectangle, colour color.RGBA) {
	draw.Draw(c, r, image.NewUniform(colour), image.Point{}, draw.Src)
}

// write puts text with its baseline at y and returns where it ends.
func (c *canvas) write(face font.Face, colour color.RGBA, x, y int, text string) int {
	d := font.Drawer{Dst: c, Src: image.NewUniform(colour), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
	return d.Dot.X.Ceil()
}

// stroke draws a line with round ends and soft edges; from a point to itself it
// is a disc.
func (c *canvas) stroke(x0, y0, x1, y1, radius float64, colour color.RGBA) {
	box := image.Rect(
		int(math.Floor(min(x0, x1)-radius-1)), int(math.Floor(min(y0, y1)-radius-1)),
		int(math.Ceil(max(x0, x1)+radius+1)), int(math.Ceil(max(y0, y1)+radius+1)),
	).Intersect(c.Rect)
	dx, dy := x1-x0, y1-y0
	square := max(dx*dx+dy*dy, 1e-9)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			px, py := float64(x)+0.5-x0, float64(y)+0.5-y0
			along := min(max((px*dx+py*dy)/square, 0), 1)
			c.blend(x, y, colour, radius+0.5-math.Hypot(px-along*dx, py-along*dy))
		}
	}
}

// blend lays colour over a pixel, cover of 1 hiding what was there.
func (c *canvas) blend(x, y int, colour color.RGBA, cover float64) {
	if cover <= 0 {
		return
	}
	cover = min(cover, 1)
	pixel := c.Pix[c.PixOffset(x, y):]
	for i, v := range []uint8{colour.R, colour.G, colour.B} {
		pixel[i] = uint8(math.Round(float64(pixel[i]) + cover*(float64(v)-float64(pixel[i]))))
	}
}

// pill fills a box whose ends are round.
func (c *canvas) pill(r image.Rectangle, colour color.RGBA) {
	radius := float64(r.Dy()) / 2
	y := float64(r.Min.Y) + radius
	c.stroke(float64(r.Min.X)+radius, y, float64(r.Max.X)-radius, y, radius, colour)
}

// width is how wide text will be.
func (c *canvas) width(face font.Face, text string) int { return font.MeasureString(face, text).Ceil() }
