// Command lode sells and buys GPU compute: a provider's node, a requester's
// tools, and a whole market on one machine to try them on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/run"
)

// version is set by the linker for releases.
var version = "dev"

func main() {
	// A shim is this program again, with nothing of a node in it.
	if len(os.Args) > 1 && os.Args[1] == shimCommand {
		os.Exit(run.ShimMain(os.Args[2:]))
	}
	os.Exit(realMain(os.Args))
}

const shimCommand = "shim"

func realMain(args []string) int {
	// The first signal ends things in order, the second at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	app := newApp()
	err := app.RunContext(ctx, flagsFirst(app, args))
	if err == nil {
		return 0
	}
	text, hint, code := explain(err)
	fmt.Fprintln(os.Stderr, "lode: "+text)
	if hint != "" {
		fmt.Fprintln(os.Stderr, "      to mend it: "+hint)
	}
	return code
}

// explain says what went wrong, how to mend it where that is known, and whose
// fault it was.
func explain(err error) (text, hint string, code int) {
	var coded exitCoder
	var onChain *chain.Error
	f := api.FailureOf(err)
	switch {
	case errors.As(err, &coded):
		return err.Error(), "", coded.code
	case f != nil:
		return f.Message, f.Hint, exitCodes[f.Kind]
	case errors.As(err, &onChain):
		return err.Error(), "", exitChain
	case errors.Is(err, context.Canceled):
		return err.Error(), "", exitInterrupted
	}
	return err.Error(), "", exitUser
}

// The exit codes, so that a script can tell whose fault it was.
const (
	exitInternal = 1
	exitUser     = 2
	exitJob      = 3
	exitPeer     = 4
	exitChain    = 5
	// exitInterrupted is what shells give for Ctrl-C.
	exitInterrupted = 130
)

var exitCodes = map[api.Kind]int{
	api.KindInternal: exitInternal, api.KindUser: exitUser, api.KindJob: exitJob, api.KindPeer: exitPeer, api.KindChain: exitChain,
}

// exitCoder is an error with the exit code that it deserves.
type exitCoder struct {
	error
	code int
}

func (e exitCoder) Unwrap() error { return e.error }

func newApp() *cli.App {
	return &cli.App{
		Name:    "lode",
		Usage:   "a market for GPU compute without anybody in the middle",
		Version: version,
		Description: "Exit codes: 0 done, 1 a fault in lode, 2 wrong input or settings, 3 the job failed,\n" +
			"4 no provider or a provider failed, 5 the chain or the money in it, 130 interrupted.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "home", EnvVars: []string{"LODE_HOME"}, Usage: "where keys, books and results live, one folder for each network", Value: defaultHome()},
			&cli.StringFlag{Name: "network", EnvVars: []string{"LODE_NETWORK"}, Usage: "network file, or name of a network that was used before"},
			&cli.StringFlag{Name: "password-file", EnvVars: []string{"LODE_PASSWORD_FILE"}, Usage: "file with the keystore's password (else LODE_PASSWORD, else a prompt)"},
			&cli.StringFlag{Name: "log", EnvVars: []string{"LODE_LOG"}, Usage: "what to log to standard error: debug, info, warn, error", Value: "warn"},
		},
		Commands: []*cli.Command{
			demoCommand(), devnetCommand(),
			offersCommand(), runCommand(), submitCommand(), jobsCommand(), logsCommand(), attachCommand(), cancelCommand(), fetchCommand(),
			provideCommand(), leasesCommand(), nodeCommand(), statusCommand(), walletCommand(), deployCommand(), benchCommand(),
		},
		HideHelpCommand:      true,
		EnableBashCompletion: true,
		ExitErrHandler:       func(*cli.Context, error) {}, // main prints it, once
	}
}
