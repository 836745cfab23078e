package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/testnet"
)

func benchCommand() *cli.Command {
	return &cli.Command{
		Name:   "bench",
		Usage:  "measure on this machine, one JSON line for each figure (`make bench`)",
		Hidden: true,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "hello", Usage: "the hello job, built from testnet/hello", Required: true},
			&cli.StringFlag{Name: "gas", Usage: "the contract's gas snapshot", Required: true},
			&cli.StringFlag{Name: "image", Usage: "image in this machine's Docker engine whose `echo` to run; empty skips containers"},
			&cli.IntFlag{Name: "rounds", Usage: "how often to measure", Value: 50},
		},
		Action: func(c *cli.Context) (err error) {
			dir, err := os.MkdirTemp("", "lode-bench")
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
			if err := os.Chmod(dir, 0o711); err != nil { // jobs run as other users
				return err
			}
			image := c.String("image")
			if image != "" && exec.CommandContext(c.Context, "docker", "image", "inspect", image).Run() != nil {
				image = ""
			}
			d, err := startDevnet(c, testnet.Config{
				Dir: dir + "/devnet", Slice: 10 * time.Second, Docker: image != "",
				Providers: []testnet.Provider{{Name: "provider-1", Price: "0.30/h", CPU: "8"}},
			})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			return testnet.Bench{
				Hello: c.String("hello"), Image: image, Gas: c.String("gas"), Rounds: c.Int("rounds"),
				Report: func(f testnet.Figure) {
					line, err := json.Marshal(f)
					if err != nil {
						line = fmt.Appendf(nil, "%q", err)
					}
					fmt.Fprintln(c.App.Writer, string(line))
				},
			}.Run(c.Context, d)
		},
	}
}
