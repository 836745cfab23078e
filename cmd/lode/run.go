package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"connectrpc.com/connect"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/api/apiv1"
	lode "github.com/lode-market/lode/proto"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name:        "run",
		Usage:       "run a job now: logs stream, the result is fetched",
		ArgsUsage:   jobArguments,
		Description: "Before money moves, what it may cost is shown and asked about; --yes answers.\nFlags override the job file's fields.",
		Flags: append(jobFlags(),
			&cli.StringFlag{Name: "to", Usage: "folder for the result, which must not exist yet (default: lode-out/JOB)"},
			&cli.BoolFlag{Name: "no-fetch", Usage: "leave the result in the node's store"}),
		Action: func(c *cli.Context) error {
			return withNode(c, func(ctx context.Context, s *session) error {
				job, err := submit(ctx, c, s)
				if err != nil {
					return err
				}
				cancelled := false
				done := make(chan struct{})
				defer close(done)
				stop := context.AfterFunc(ctx, func() {
					// Ctrl-C ends the job, not just this command: nobody would watch what it costs.
					cancelled = true
					fmt.Fprintf(c.App.ErrWriter, "cancelling job %s; a second Ctrl-C leaves at once\n", job.GetId())
					_, err := s.CancelJob(context.WithoutCancel(ctx), connect.NewRequest(&apiv1.CancelJobRequest{Id: job.GetId()}))
					if err != nil {
						fmt.Fprintln(c.App.ErrWriter, err)
					}
				})
				defer stop()
				job, err = newWatcher(c, s, watchAll).watch(context.WithoutCancel(ctx), job.GetId())
				if err != nil {
					return err
				}
				fmt.Fprintf(c.App.ErrWriter, "ran %s, cost %s %s\n", ms(job.GetUsageMs()), money(job.GetDue(), s.status.GetDecimals()), s.status.GetSymbol())
				if job.GetFetched() && !c.Bool("no-fetch") && !cancelled {
					to := c.String("to")
					if to == "" {
						to = filepath.Join("lode-out", job.GetId())
					}
					// What a failed job left may tell why it failed.
					if err := fetchResult(ctx, c, s, job.GetId(), to); err != nil {
						return errors.Join(jobError(job), err)
					}
				}
				if cancelled && job.GetState() == "cancelled" {
					return exitCoder{jobError(job), exitInterrupted}
				}
				return jobError(job)
			})
		},
	}
}

func submitCommand() *cli.Command {
	return &cli.Command{
		Name:      "submit",
		Usage:     "hand a job to the running node and return: see `lode jobs`, `lode logs`, `lode fetch`",
		ArgsUsage: jobArguments,
		Flags:     append(jobFlags(), jsonFlag()),
		Action: func(c *cli.Context) error {
			return withNode(c, func(ctx context.Context, s *session) error {
				if s.own != nil || !s.status.GetStays() {
					return errors.New("no node runs on this home, and a submitted job outlives this command; required: `lode node` in another terminal, or `lode run` here")
				}
				job, err := submit(ctx, c, s)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, job)
				}
				fmt.Fprintln(c.App.Writer, job.GetId())
				return nil
			})
		},
	}
}

func jobFlags() []cli.Flag {
	return append(needFlags(),
		&cli.StringFlag{Name: "name", Usage: "what to call the job in lists"},
		&cli.StringFlag{Name: "wasm", Usage: "WebAssembly module (WASI preview 1) to run"},
		&cli.StringFlag{Name: "image", Usage: "container image to run, resolved to a digest first"},
		&cli.StringSliceFlag{Name: "env", Usage: "variable of the job, NAME=VALUE; may be repeated"},
		&cli.StringSliceFlag{Name: "input", Usage: "folder or file that the job finds read-only, /path/in/job=./here; may be repeated"},
		&cli.StringFlag{Name: "budget", Usage: "the most that the job may cost, such as 5"},
		&cli.BoolFlag{Name: "deterministic", Usage: "fixed clock and seeded randomness (wasm): the same job gives the same result"},
		&cli.Int64Flag{Name: "seed", Usage: "seed of a deterministic job"},
		&cli.StringFlag{Name: "provider", Usage: "run at this provider only: its account"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask before money moves"},
	)
}

// jobArguments is what commands take that run a job.
const jobArguments = "[JOB.yaml] [-- arguments of the job]"

// submit makes a job of flags and arguments, asks, and hands it to the node.
func submit(ctx context.Context, c *cli.Context, s *session) (*apiv1.Job, error) {
	req, err := jobRequest(c, s)
	if err != nil {
		return nil, err
	}
	if err := confirm(ctx, c, s, req); err != nil {
		return nil, err
	}
	res, err := s.SubmitJob(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	return res.Msg.GetJob(), nil
}

// confirm shows what fits and what it may cost, and asks.
func confirm(ctx context.Context, c *cli.Context, s *session, req *apiv1.SubmitJobRequest) error {
	offers, err := s.ListOffers(ctx, connect.NewRequest(&apiv1.ListOffersRequest{
		Driver: driverOf(req), Resources: req.GetResources(), MaxPrice: req.GetMaxPrice(), MaxDurationMs: req.GetMaxDurationMs(),
		WaitMs: 5000,
	}))
	if err != nil {
		return err
	}
	fits := offers.Msg.GetFits()
	if len(fits) == 0 {
		return nil // the node posts the job and says what it looked at
	}
	if c.Bool("yes") {
		return nil
	}
	w := *c
	app := *c.App
	app.Writer = c.App.ErrWriter // the job's output owns standard output
	w.App = &app
	printOffers(&w, s, fits[:min(len(fits), 8)], false)
	most, err := largestCost(req, fits[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "the cheapest takes %s %s/h; at most %s %s for %s are put into escrow, and what is not used comes back: "+
		"at once with the provider's consent, else after %s\n",
		money(fits[0].GetPrice(), s.status.GetDecimals()), s.status.GetSymbol(), formatAmount(most, s.status.GetDecimals()), s.status.GetSymbol(),
		ms(req.GetMaxDurationMs()), ms(fits[0].GetCloseDelayMs()))
	return ask(c, "run it?")
}

func largestCost(req *apiv1.SubmitJobRequest, o *apiv1.Offer) (lode.Amount, error) {
	price, err := lode.ParseAmount(o.GetPrice())
	if err != nil {
		return price, err
	}
	fee, err := lode.ParseAmount(o.GetStartFee())
	if err != nil {
		return fee, err
	}
	most := lode.PerHour(price).Due(ms(req.GetMaxDurationMs())).Add(fee)
	if req.GetBudget() != "" {
		budget, err := lode.ParseAmount(req.GetBudget())
		if err != nil {
			return budget, err
		}
		most = lode.MinAmount(most, budget)
	}
	return most, nil
}

// ask wants a yes. Without a terminal there is nobody to ask, and --yes is required.
func ask(c *cli.Context, question string) error {
	if c.Bool("yes") {
		return nil
	}
	if !isTerminal(os.Stdin) {
		return errors.New("money is about to move and nobody can be asked, as standard input is no terminal; required: --yes")
	}
	fmt.Fprintf(c.App.ErrWriter, "%s [y/N] ", question)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && line == "" {
		return errors.New("not confirmed")
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	}
	return errors.New("not confirmed")
}

func driverOf(req *apiv1.SubmitJobRequest) string {
	if req.GetImage() != "" {
		return string(lode.DriverDocker)
	}
	return string(lode.DriverWasm)
}

// jobRequest puts the job together from its file, if there is one, and flags,
// which override the file.
func jobRequest(c *cli.Context, s *session) (*apiv1.SubmitJobRequest, error) {
	file, args := splitArguments(c)
	req := &apiv1.SubmitJobRequest{Resources: &apiv1.Resources{}, Env: map[string]string{}}
	if file != "" {
		var err error
		if req, err = readJobFile(file, s.status.GetDecimals()); err != nil {
			return nil, err
		}
	}
	if c.IsSet("max-duration") || req.MaxDurationMs == 0 {
		req.MaxDurationMs = c.Duration("max-duration").Milliseconds()
	}
	if err := resourcesFromFlags(c, req.Resources); err != nil {
		return nil, err
	}
	for flag, field := range map[string]*string{"name": &req.Name, "image": &req.Image, "provider": &req.Provider} {
		if v := c.String(flag); v != "" {
			*field = v
		}
	}
	if w := c.String("wasm"); w != "" {
		abs, err := filepath.Abs(w)
		if err != nil {
			return nil, err
		}
		req.Wasm = abs
	}
	if req.Wasm != "" && req.Image != "" {
		return nil, errors.New("the job names a module and an image; required: one of wasm and image")
	}
	if req.Wasm == "" && req.Image == "" {
		return nil, errors.New("the job names nothing to run; required: a job file, --wasm MODULE, or --image IMAGE")
	}
	if len(args) > 0 {
		req.Args = args
	}
	for _, v := range c.StringSlice("env") {
		name, value, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("--env is %q; required: NAME=VALUE", v)
		}
		req.Env[name] = value
	}
	for _, v := range c.StringSlice("input") {
		path, source, ok := strings.Cut(v, "=")
		if !ok {
			return nil, fmt.Errorf("--input is %q; required: /path/in/job=./folder", v)
		}
		in := &apiv1.Input{Path: path, Source: source}
		if !strings.HasPrefix(source, "ipfs://") {
			abs, err := filepath.Abs(source)
			if err != nil {
				return nil, err
			}
			in.Source = abs
		}
		req.Inputs = append(req.Inputs, in)
	}
	if c.IsSet("deterministic") {
		req.Deterministic = c.Bool("deterministic")
	}
	if c.IsSet("seed") {
		req.Seed = c.Int64("seed")
	}
	if p := c.String("max-price"); p != "" {
		a, err := parsePrice("--max-price", p, s.status.GetDecimals())
		if err != nil {
			return nil, err
		}
		req.MaxPrice = a.String()
	}
	if b := c.String("budget"); b != "" {
		a, err := parseMoney("--budget", b, s.status.GetDecimals())
		if err != nil {
			return nil, err
		}
		req.Budget = a.String()
	}
	return req, nil
}

// splitArguments tells a job file from the arguments behind `--`; see flagsFirst.
func splitArguments(c *cli.Context) (file string, args []string) {
	args = c.Args().Slice()
	if len(args) > 0 && args[0] == "--" {
		return "", args[1:]
	}
	if len(args) > 0 && (strings.HasSuffix(args[0], ".yaml") || strings.HasSuffix(args[0], ".yml")) {
		file, args = args[0], args[1:]
		if len(args) > 0 && args[0] == "--" {
			args = args[1:]
		}
	}
	return file, args
}

// resourcesFromFlags overrides what the flags name.
func resourcesFromFlags(c *cli.Context, r *apiv1.Resources) error {
	if v := c.String("cpu"); v != "" {
		millis, err := parseCPU(v)
		if err != nil {
			return fmt.Errorf("--cpu: %w", err)
		}
		r.CpuMillis = millis
	}
	for flag, field := range map[string]*uint64{"memory": &r.Memory, "disk": &r.Disk} {
		if v := c.String(flag); v != "" {
			n, err := parseSize(v)
			if err != nil {
				return fmt.Errorf("--%s: %w", flag, err)
			}
			*field = n
		}
	}
	return nil
}
