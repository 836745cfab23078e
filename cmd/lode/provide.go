package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	lode "github.com/lode-market/lode/proto"
)

func listenFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "listen", Usage: "multiaddr to listen at; may be repeated (default: any free port, all interfaces; loopback on a devnet)"},
		&cli.StringSliceFlag{Name: "peer", Usage: "further bootstrap peer, a multiaddr that ends in /p2p/<peer id>; may be repeated"},
		&cli.BoolFlag{Name: "mdns", Usage: "find peers on the local network"},
	}
}

func provideCommand() *cli.Command {
	d := node.DefaultProvide
	return &cli.Command{
		Name:  "provide",
		Usage: "sell this machine's compute, until Ctrl-C",
		Flags: append(listenFlags(),
			&cli.StringFlag{Name: "price", Usage: "per hour of lease, in the network's token", Value: "0.50/h"},
			&cli.StringFlag{Name: "start-fee", Usage: "for preparing a job, at most a slice", Value: "0"},
			&cli.StringFlag{Name: "cpu", Usage: "cores to sell", Value: fmt.Sprint(runtime.NumCPU())},
			&cli.StringFlag{Name: "memory", Usage: "memory to sell", Value: "2GiB"},
			&cli.StringFlag{Name: "disk", Usage: "disk to sell", Value: "10GiB"},
			&cli.DurationFlag{Name: "slice", Usage: "rent that is paid ahead", Value: d.Slice},
			&cli.DurationFlag{Name: "grace", Usage: "how long in all a job may stand still for want of credit", Value: d.Grace},
			&cli.DurationFlag{Name: "retention", Usage: "how long results are kept", Value: d.Retention},
			&cli.DurationFlag{Name: "longest", Usage: "the longest lease", Value: d.MaxDuration},
			&cli.DurationFlag{Name: "close-delay", Usage: "the least delay of a channel's closing: how long you have to claim", Value: time.Duration(d.MinCloseDelay) * time.Second},
			&cli.StringFlag{Name: "exposure", Usage: "how much of a deposit counts before it is final", Value: "0"},
			&cli.StringFlag{Name: "gas-rate", Usage: "what one coin of the chain (10^18 wei) is worth in the token: claims follow it; 0 claims only when a channel closes"},
			&cli.BoolFlag{Name: "claim-on-exit", Usage: "claim before the node ends whatever is worth more than its gas, by --gas-rate"},
			&cli.BoolFlag{Name: "docker", Usage: "also run container jobs, by the Docker engine of this machine"},
			&cli.BoolFlag{Name: "allow-runc", Usage: "consent to containers on runc where gVisor (runsc) is not installed: a kernel bug is then enough to break out"},
			&cli.StringSliceFlag{Name: "registry", Usage: "image registry at a private address that jobs may use, host:port; may be repeated"},
			&cli.StringFlag{Name: "simulate-gpu", Usage: "pretend to have a GPU, as in \"RTX 4090:24GB\" (devnets only, and said in the offer)"}),
		Action: func(c *cli.Context) error {
			cfg, err := nodeConfig(c)
			if err != nil {
				return err
			}
			listen(c, &cfg)
			cfg.Provide = func(decimals uint8) (node.Provide, error) { return provideFromFlags(c, uint32(decimals)) }
			return serve(c, cfg)
		},
	}
}

func listen(c *cli.Context, cfg *node.Config) {
	cfg.Listen, cfg.Peers, cfg.MDNS = c.StringSlice("listen"), c.StringSlice("peer"), c.Bool("mdns")
}

func nodeCommand() *cli.Command {
	return &cli.Command{
		Name:  "node",
		Usage: "keep a requester's node running: jobs outlive the terminal that submitted them",
		Flags: listenFlags(),
		Action: func(c *cli.Context) error {
			cfg, err := nodeConfig(c)
			if err != nil {
				return err
			}
			listen(c, &cfg)
			return serve(c, cfg)
		},
	}
}

// serve runs a node in this process until a signal ends it.
func serve(c *cli.Context, cfg node.Config) (err error) {
	cfg.Stays = true
	n, err := node.Start(c.Context, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), 20*time.Second)
		defer cancel()
		err = errors.Join(err, n.Close(ctx))
	}()
	s := &session{NodeServiceClient: api.Dial(cfg.Home), own: n}
	if err := s.greet(c.Context); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "lode %s on %s (chain %d)\npeer     %s\naccount  %s\n", version, s.status.GetNetwork(), s.status.GetChainId(),
		s.status.GetPeerId(), s.status.GetAccount())
	for _, a := range s.status.GetAddrs() {
		fmt.Fprintf(c.App.Writer, "address  %s/p2p/%s\n", a, s.status.GetPeerId())
	}
	for _, line := range s.status.GetIsolation() {
		fmt.Fprintln(c.App.Writer, "sandbox ", line)
	}
	fmt.Fprintln(c.App.Writer, "ready; Ctrl-C ends it, running jobs go on until their cover runs out")
	select {
	case <-c.Context.Done():
		return nil // a signal is how this command ends
	case <-n.Done():
		return n.Err()
	}
}

func provideFromFlags(c *cli.Context, decimals uint32) (node.Provide, error) {
	p := node.DefaultProvide
	var errs []error
	amount := func(flag string) lode.Amount {
		if c.String(flag) == "" {
			return lode.Amount{}
		}
		a, err := parsePrice("--"+flag, c.String(flag), decimals)
		errs = append(errs, err)
		return a
	}
	size := func(flag string) uint64 {
		n, err := parseSize(c.String(flag))
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", flag, err))
		}
		return n
	}
	cpu, err := parseCPU(c.String("cpu"))
	if err != nil {
		errs = append(errs, fmt.Errorf("--cpu: %w", err))
	}
	p.Price = lode.PerHour(amount("price"))
	p.StartFee, p.Exposure, p.GasRate = amount("start-fee"), amount("exposure"), amount("gas-rate")
	p.Resources = lode.Resources{CPUMillis: cpu, Memory: size("memory"), Disk: size("disk")}
	p.Slice, p.Grace, p.Retention, p.MaxDuration = c.Duration("slice"), c.Duration("grace"), c.Duration("retention"), c.Duration("longest")
	p.Claim.Shutdown = c.Bool("claim-on-exit")
	p.MinCloseDelay = uint32(c.Duration("close-delay") / time.Second)
	p.Docker, p.AllowRunc, p.Registries = c.Bool("docker"), c.Bool("allow-runc"), c.StringSlice("registry")
	if gpu := c.String("simulate-gpu"); gpu != "" {
		model, vram, ok := strings.Cut(gpu, ":")
		n, err := parseSize(vram)
		if !ok || err != nil {
			errs = append(errs, fmt.Errorf("--simulate-gpu is %q; required: MODEL:VRAM, as in \"RTX 4090:24GB\"", gpu))
		}
		p.Resources.GPUs, p.Resources.VRAM, p.Resources.GPUModel, p.Simulated = 1, n, model, true
	}
	return p, errors.Join(errs...)
}

func leasesCommand() *cli.Command {
	return &cli.Command{
		Name:  "leases",
		Usage: "what this machine runs and ran for others, newest first",
		Flags: []cli.Flag{&cli.UintFlag{Name: "limit", Value: 20, Usage: "how many"}, jsonFlag()},
		Action: func(c *cli.Context) error {
			return withNode(c, func(ctx context.Context, s *session) error {
				res, err := s.ListLeases(ctx, connect.NewRequest(&apiv1.ListLeasesRequest{Limit: uint32(c.Uint("limit"))}))
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, res.Msg)
				}
				t := newTable(c.App.Writer, "LEASE", "STATE", "PAYER", "PRICE/H", "RAN", "DUE", "CREDIT", "END", "OPENED")
				d := s.status.GetDecimals()
				for _, l := range res.Msg.GetLeases() {
					t.AppendRow(table.Row{short(l.GetId()), l.GetState(), l.GetPayer(), money(l.GetPrice(), d), ms(l.GetUsageMs()),
						money(l.GetDue(), d), money(l.GetCredit(), d), l.GetEnd(), ago(l.GetCreatedMs())})
				}
				t.Render()
				return nil
			})
		},
	}
}

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "what this node is and how it stands",
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			return withNode(c, func(_ context.Context, s *session) error {
				if c.Bool("json") {
					return printJSON(c.App.Writer, s.status)
				}
				st := s.status
				w := c.App.Writer
				fmt.Fprintf(w, "network  %s (chain %d), block %d of %s\n", st.GetNetwork(), st.GetChainId(), st.GetHead(), ago(st.GetHeadTimeMs()))
				if st.GetChainError() != "" {
					fmt.Fprintf(w, "chain    %s\n", st.GetChainError())
				}
				fmt.Fprintf(w, "home     %s\npeer     %s, connected to %d\naccount  %s\nsigner   %s\nprovides %t\n",
					st.GetHome(), st.GetPeerId(), st.GetPeers(), st.GetAccount(), st.GetSigner(), st.GetProvides())
				for _, line := range st.GetIsolation() {
					fmt.Fprintln(w, "sandbox ", line)
				}
				return nil
			})
		},
	}
}
