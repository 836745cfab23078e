package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves a command's flags in front of its arguments: urfave/cli v2
// takes whatever follows the first argument for an argument, and `lode logs JOB -f`
// has to work all the same. What stands behind `--` is left alone. urfave/cli drops
// a `--` that comes first; a command that takes a job file needs it, to tell the
// file from an argument of the job that looks like one.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out, rest := args[:1:1], args[1:]
	flags, commands, usage := app.Flags, app.Commands, ""
	for {
		// The flags of this level end at its subcommand's name.
		var level []string
		var positional []string
		var sub *cli.Command
		for len(rest) > 0 && sub == nil {
			arg := rest[0]
			rest = rest[1:]
			switch {
			case arg == "--":
				if len(positional) == 0 && usage == jobArguments {
					positional = append(positional, "--")
				}
				positional = append(append(positional, "--"), rest...)
				rest = nil
			case len(arg) > 1 && arg[0] == '-':
				level = append(level, arg)
				if takesValue(flags, arg) && len(rest) > 0 {
					level, rest = append(level, rest[0]), rest[1:]
				}
			default:
				if len(positional) == 0 {
					sub = find(commands, arg)
				}
				if sub == nil {
					positional = append(positional, arg)
				} else {
					level = append(level, arg)
				}
			}
		}
		out = append(append(out, level...), positional...)
		if sub == nil {
			return out
		}
		flags, commands, usage = sub.Flags, sub.Subcommands, sub.ArgsUsage
	}
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// takesValue reports whether the flag in arg is followed by its value.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
