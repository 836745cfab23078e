package spirals

import (
	"image/color"
	"math"
)

// The sheet's colours.
var (
	paper  = color.RGBA{0xfb, 0xfa, 0xf7, 0xff}
	ink    = color.RGBA{0x1f, 0x23, 0x28, 0xff}
	faint  = color.RGBA{0x6e, 0x74, 0x7c, 0xff}
	hair   = color.RGBA{0xd9, 0xd6, 0xce, 0xff}
	dark   = color.RGBA{0x24, 0x27, 0x2e, 0xff} // the frame of the best one
	white  = color.RGBA{0xff, 0xff, 0xff, 0xff}
	points = [2]color.RGBA{{0x0b, 0x4a, 0x82, 0xff}, {0xb4, 0x46, 0x0a, 0xff}} // by class
)

// shades is a diverging colour map: blue for class 0, orange for class 1, and
// nearly white where the network can't tell. It is even to the eye, as it is
// interpolated in Oklab (Ottosson 2020).
var shades = func() (m [256]color.RGBA) {
	low, middle, high := toLab(0x3d, 0x8b, 0xc4), toLab(0xf6, 0xf3, 0xec), toLab(0xee, 0x8a, 0x3a)
	for i := range m {
		t := 2*float64(i)/255 - 1
		end := high
		if t < 0 {
			end, t = low, -t
		}
		m[i] = middle.mix(end, t).rgb()
	}
	return m
}()

// shade returns the colour of a chance of class 1.
func shade(p float64) color.RGBA { return shades[int(math.Round(255*min(max(p, 0), 1)))] }

type lab struct{ l, a, b float64 }

func (c lab) mix(d lab, t float64) lab {
	return lab{c.l + t*(d.l-c.l), c.a + t*(d.a-c.a), c.b + t*(d.b-c.b)}
}

func toLab(red, green, blue uint8) lab {
	linear := func(v uint8) float64 {
		if f := float64(v) / 255; f > 0.04045 {
			return math.Pow((f+0.055)/1.055, 2.4)
		} else {
			return f / 12.92
		}
	}
	r, g, b := linear(red), linear(green), linear(blue)
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return lab{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

func (c lab) rgb() color.RGBA {
	cube := func(f float64) float64 { return f * f * f }
	l := cube(c.l + 0.3963377774*c.a + 0.2158037573*c.b)
	m := cube(c.l - 0.1055613458*c.a - 0.0638541728*c.b)
	s := cube(c.l - 0.0894841775*c.a - 1.2914855480*c.b)
	encode := func(f float64) uint8 {
		f = min(max(f, 0), 1)
		if f > 0.0031308 {
			f = 1.055*math.Pow(f, 1/2.4) - 0.055
		} else {
			f *= 12.92
		}
		return uint8(math.Round(255 * f))
	}
	return color.RGBA{
		encode(4.0767416621*l - 3.3077115913*m + 0.2309699292*s),
		encode(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s),
		encode(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s),
		0xff,
	}
}
