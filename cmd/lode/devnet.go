package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/testnet"
)

func devnetCommand() *cli.Command {
	return &cli.Command{
		Name:  "devnet",
		Usage: "a whole market on this machine: a chain, contracts, three providers and a funded requester, until Ctrl-C",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "folder for homes and logs, which must not hold an earlier devnet", Value: "devnet"},
			&cli.IntFlag{Name: "rpc-port", Usage: "JSON-RPC port on loopback (0: any)", Value: 0},
			&cli.DurationFlag{Name: "slice", Usage: "rent that is paid ahead", Value: 10 * time.Second},
			&cli.BoolFlag{Name: "docker", Usage: "the providers also run container jobs, by this machine's Docker engine, on runc if need be (default: where that works)"},
		},
		Action: func(c *cli.Context) (err error) {
			docker := c.Bool("docker")
			if !c.IsSet("docker") {
				if err := run.DockerWorks(c.Context, run.DockerConfig{Config: run.Config{Log: slog.New(slog.DiscardHandler)}, AllowRunc: true}); err != nil {
					fmt.Fprintf(c.App.Writer, "containers    off: %v\n", err)
				} else {
					docker = true
				}
			}
			d, err := startDevnet(c, testnet.Config{
				Dir: c.String("dir"), RPCPort: c.Int("rpc-port"), Slice: c.Duration("slice"), Docker: docker,
			})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			printDevnet(c.App.Writer, d, docker)
			select {
			case <-c.Context.Done():
				return nil // a signal is how this command ends
			case m := <-d.Ended():
				return fmt.Errorf("%s ended by itself; its log is in %s", m.Name, filepath.Dir(d.NetworkFile))
			}
		},
	}
}

// startDevnet starts a devnet whose nodes are this program.
func startDevnet(c *cli.Context, cfg testnet.Config) (*testnet.Devnet, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if cfg.Log, err = logger(c, os.Stderr); err != nil {
		return nil, err
	}
	cfg.Program = exe
	return testnet.Start(c.Context, cfg)
}

func printDevnet(w io.Writer, d *testnet.Devnet, docker bool) {
	fmt.Fprintf(w, "JSON-RPC      %s (chain %d)\n", d.URL(), d.Network.ChainID)
	fmt.Fprintf(w, "network file  %s\nChannels      %s\ntoken         %s\n", d.NetworkFile, d.Network.Channels, d.Network.Token)
	for _, p := range d.Providers {
		fmt.Fprintf(w, "%-12s  %s\n", p.Name, p.Account)
	}
	fmt.Fprintf(w, "requester     %s\n", d.Requester.Account)
	exe, err := os.Executable()
	if err != nil {
		exe = "lode"
	}
	container := ""
	if docker {
		container = fmt.Sprintf("  %s run --yes --image IMAGE -- COMMAND\n", exe)
	}
	fmt.Fprintf(w, `
In a second terminal, as the funded requester:
  export LODE_HOME=%[2]s
  %[1]s offers
  %[1]s run --yes --wasm task.wasm -- --lr 0.1
%[5]s  %[1]s wallet

Join as a fourth provider, with a home of your own:
  %[1]s --home %[4]s --network %[3]s provide --price 0.25/h

Ctrl-C ends everything; the chain is in memory and ends with it.
`, exe, d.Requester.Root, d.NetworkFile, filepath.Join(filepath.Dir(d.NetworkFile), "provider-4"), container)
}
