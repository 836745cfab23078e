package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/urfave/cli/v2"

	lode "github.com/lode-market/lode/proto"
)

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON: amounts are decimal strings of base units, times Unix milliseconds"}
}

// printJSON prints a message of the local API as its definition names things.
func printJSON(w io.Writer, m proto.Message) error {
	b, err := protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true, Indent: "  "}.Marshal(m)
	if err != nil {
		return err
	}
	// protojson puts spaces at random so that nobody compares bytes; people do.
	_, err = fmt.Fprintln(w, strings.ReplaceAll(string(b), ":  ", ": "))
	return err
}

func newTable(w io.Writer, columns ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(w)
	t.SetStyle(table.StyleLight)
	t.Style().Options.DrawBorder = false
	t.Style().Options.SeparateColumns = false
	t.Style().Options.SeparateHeader = false
	t.AppendHeader(table.Row(columns))
	return t
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// money prints base units as people write them: 1500000 with 6 decimals is 1.5.
func money(base string, decimals uint32) string {
	a, err := lode.ParseAmount(base)
	if err != nil {
		return base
	}
	return formatAmount(a, decimals)
}

func formatAmount(a lode.Amount, decimals uint32) string {
	s := a.String()
	d := int(decimals)
	if d == 0 {
		return s
	}
	if len(s) <= d {
		s = strings.Repeat("0", d-len(s)+1) + s
	}
	whole, frac := s[:len(s)-d], strings.TrimRight(s[len(s)-d:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// parseMoney reads what people write into base units; more digits than the token
// has are refused rather than rounded.
func parseMoney(what, s string, decimals uint32) (lode.Amount, error) {
	whole, frac, _ := strings.Cut(s, ".")
	if len(frac) > int(decimals) {
		return lode.Amount{}, fmt.Errorf("%s is %q; required: at most %d digits behind the point", what, s, decimals)
	}
	a, err := lode.ParseAmount(strings.TrimLeft(whole+frac+strings.Repeat("0", int(decimals)-len(frac)), "0"))
	if whole+frac == "" || (err != nil && strings.Trim(whole+frac, "0") != "") {
		return lode.Amount{}, fmt.Errorf("%s is %q; required: an amount of the token, such as 0.60", what, s)
	}
	if err != nil {
		return lode.Amount{}, nil // zero, in one of its spellings
	}
	return a, nil
}

// parsePrice reads 0.60/h, or 0.60, which is per hour as well.
func parsePrice(what, s string, decimals uint32) (lode.Amount, error) {
	return parseMoney(what, strings.TrimSuffix(s, "/h"), decimals)
}

func bytesText(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := uint64(unit), 0
	for m := n / unit; m >= unit && exp < 4; m /= unit {
		div *= unit
		exp++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(div)), ".0") + " " + string("KMGTP"[exp]) + "iB"
}

func ms(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func short(id string) string {
	id = strings.TrimPrefix(id, "0x")
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

func ago(unixMilli int64) string {
	if unixMilli == 0 {
		return "-"
	}
	return time.Since(time.UnixMilli(unixMilli)).Round(time.Second).String() + " ago"
}
