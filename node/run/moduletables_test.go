package run

import (
	"bytes"
	"fmt"
	"testing"
)

const moduleMagic = "\x00asm\x01\x00\x00\x00"

// growing has tables, given as the content of section 4, and grows the first one
// by 2,000,000 entries and then by 999,000. It traps unless the first is refused
// and the second granted:
//
//	(func (export "_start")
//	  (if (i32.ne (table.grow 0 (ref.null func) (i32.const 2000000)) (i32.const -1)) (then unreachable))
//	  (if (i32.eq (table.grow 0 (ref.null func) (i32.const 999000)) (i32.const -1)) (then unreachable)))
func growing(tables string) []byte {
	code := "\x00" +
		"\xd0\x70\x41\x80\x89\xfa\x00\xfc\x0f\x00\x41\x7f\x47\x04\x40\x00\x0b" +
		"\xd0\x70\x41\xd8\xfc\x3c\xfc\x0f\x00\x41\x7f\x46\x04\x40\x00\x0b" +
		"\x0b"
	return []byte(moduleMagic + "\x01\x04\x01\x60\x00\x00\x03\x02\x01\x00" +
		"\x04" + string(rune(len(tables))) + tables +
		"\x07\x0a\x01\x06_start\x00\x00" +
		"\x0a" + string(rune(len(code)+2)) + "\x01" + string(rune(len(code))) + code)
}

// TestWasmTables: no module grows a table without end, and one that does not try
// to is as it was.
func TestWasmTables(t *testing.T) {
	d := driver(t, nil)
	for name, tables := range map[string]string{
		"without a maximum": "\x01\x70\x00\x08",
		"with a huge one":   "\x01\x70\x01\x08\xff\xff\xff\xff\x0f",
		"with the most":     "\x01\x70\x01\x08\xc0\x84\x3d",
		"one of two":        "\x02\x70\x00\x08\x6f\x00\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if exit, _, _ := finished(t, d, handmade(t, growing(tables))); exit.Code != CodeExited {
				t.Errorf("ended with %+v", exit)
			}
		})
	}
	for name, tables := range map[string]string{
		"a huge start":     "\x01\x70\x00\xc1\x84\x3d",
		"many":             "\x11" + string(bytes.Repeat([]byte("\x70\x00\x00"), maxTables+1)),
		"of another type":  "\x01\x40\x00\x70\x00\x08\xd0\x70\x0b",
		"shared":           "\x01\x70\x02\x08",
		"cut off":          "\x01\x70\x00",
		"more than said":   "\x01\x70\x00\x08\x00",
		"an endless count": "\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			want(t, d.Prepare(deadline(t), handmade(t, growing(tables)), nil), ErrNotWasm)
		})
	}
}

func TestBoundTables(t *testing.T) {
	section := func(id byte, content string) string { return string(id) + string(rune(len(content))) + content }
	around := func(table string) []byte {
		return []byte(moduleMagic + section(1, "type") + section(0, "\x04name") + table + section(10, "code"))
	}
	for given, bounded := range map[string]string{
		"":                                     "",
		section(4, "\x00"):                     section(4, "\x00"),
		section(4, "\x01\x70\x00\x05"):         section(4, "\x01\x70\x01\x05\xc0\x84\x3d"),
		section(4, "\x01\x6f\x01\x05\x06"):     section(4, "\x01\x6f\x01\x05\x06"),
		section(4, "\x81\x00\x70\x00\x85\x00"): section(4, "\x01\x70\x01\x05\xc0\x84\x3d"),
	} {
		t.Run(fmt.Sprintf("%x", given), func(t *testing.T) {
			if got, err := boundTables(around(given)); err != nil || !bytes.Equal(got, around(bounded)) {
				t.Errorf("became %x, %v, want %x", got, err, around(bounded))
			}
		})
	}
}

// FuzzBoundTables: what it lets pass it would let pass again, unchanged.
func FuzzBoundTables(f *testing.F) {
	for _, tables := range []string{"\x01\x70\x00\x08", "\x02\x70\x01\x08\x09\x6f\x00\x00", "\x00", "\xff\xff\xff\xff\x0f"} {
		f.Add(growing(tables))
	}
	f.Add(smallest)
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, body []byte) {
		bounded, err := boundTables(body)
		if err != nil {
			return
		}
		if again, err := boundTables(bounded); err != nil || !bytes.Equal(again, bounded) {
			t.Fatalf("%x became %x and then %x, %v", body, bounded, again, err)
		}
	})
}
