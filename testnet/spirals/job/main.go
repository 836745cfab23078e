// Command job trains one network of the demo's sweep. It is built for WASI, and
// runs as well as any other program.
//
// It prints a line of progress now and then, and writes grid.bin, the raster of
// what it learnt, and metrics.json. It does without fmt, flag and encoding/json, which
// saves a provider a fifth of the time to compile it.
package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/lode-market/lode/testnet/spirals/train"
)

const usage = "usage: job --lr RATE --width UNITS [--steps N] [--seed N] [--out FOLDER]\n"

func main() {
	if err := run(os.Args[1:]); err != nil {
		// Nobody is left to tell when standard error fails.
		_, _ = os.Stderr.WriteString("job: " + err.Error() + "\n")
		if errors.Is(err, errUsage) {
			_, _ = os.Stderr.WriteString(usage)
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("bad arguments")

// lines is about how many lines of progress there are.
const lines = 60

func run(args []string) error {
	cfg, out, err := parse(args)
	if err != nil {
		return err
	}
	var curve []train.State
	var failed error
	every := max(1, cfg.Steps/lines)
	result, err := train.Run(cfg, func(s train.State) {
		if s.Step%every != 0 && s.Step != cfg.Steps {
			return
		}
		curve = append(curve, s)
		if _, err := os.Stdout.WriteString(progress(s, cfg.Steps)); err != nil && failed == nil {
			failed = err
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	if err := os.WriteFile(out+"/grid.bin", result.Grid, 0o644); err != nil {
		return err
	}
	return os.WriteFile(out+"/metrics.json", metrics(cfg, result, curve), 0o644)
}

// parse reads --name value and --name=value.
func parse(args []string) (cfg train.Config, out string, err error) {
	cfg.Seed, out = 1, "/out"
	for len(args) > 0 {
		name, value, ok := cut(args[0])
		args = args[1:]
		if !ok {
			if len(args) == 0 {
				return cfg, out, errors.Join(errUsage, errors.New(name+" wants a value"))
			}
			value, args = args[0], args[1:]
		}
		var err error
		switch name {
		case "--lr":
			cfg.LR, err = strconv.ParseFloat(value, 64)
		case "--width":
			cfg.Width, err = strconv.Atoi(value)
		case "--steps":
			cfg.Steps, err = strconv.Atoi(value)
		case "--seed":
			cfg.Seed, err = strconv.ParseUint(value, 10, 64)
		case "--out":
			out = value
		default:
			err = errors.New("unknown argument " + name)
		}
		if err != nil {
			return cfg, out, errors.Join(errUsage, err)
		}
	}
	if cfg.Steps == 0 && cfg.Width > 0 {
		cfg.Steps = train.Steps(cfg.Width)
	}
	return cfg, out, nil
}

func cut(arg string) (name, value string, ok bool) {
	for i := range len(arg) {
		if arg[i] == '=' {
			return arg[:i], arg[i+1:], true
		}
	}
	return arg, "", false
}

// progress is the line that spirals.ParseProgress reads.
func progress(s train.State, steps int) string {
	return "step=" + strconv.Itoa(s.Step) + "/" + strconv.Itoa(steps) +
		" loss=" + strconv.FormatFloat(s.Loss, 'f', 4, 64) +
		" acc=" + strconv.FormatFloat(s.Accuracy, 'f', 3, 64) + "\n"
}

// metrics is the JSON that spirals.ParseResult reads.
func metrics(cfg train.Config, r train.Result, curve []train.State) []byte {
	number := func(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'g', 6, 64) }
	b := number([]byte(`{"lr":`), cfg.LR)
	b = strconv.AppendInt(append(b, `,"width":`...), int64(cfg.Width), 10)
	b = strconv.AppendInt(append(b, `,"steps":`...), int64(cfg.Steps), 10)
	b = number(append(b, `,"loss":`...), r.Loss)
	b = number(append(b, `,"accuracy":`...), r.Accuracy)
	b = append(b, `,"curve":[`...)
	for i, s := range curve {
		if i > 0 {
			b = append(b, ',')
		}
		b = number(b, s.Loss)
	}
	return append(b, "]}\n"...)
}
