package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"connectrpc.com/connect"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/api/apiv1"
)

// oneArgument returns a command's only argument.
func oneArgument(c *cli.Context, what string) (string, error) {
	if c.NArg() != 1 {
		return "", fmt.Errorf("%s takes %s and nothing else, got %d arguments; see `%s --help`", c.Command.HelpName, what, c.NArg(), c.Command.HelpName)
	}
	return c.Args().First(), nil
}

func jobsCommand() *cli.Command {
	return &cli.Command{
		Name:  "jobs",
		Usage: "your jobs, newest first",
		Flags: []cli.Flag{&cli.UintFlag{Name: "limit", Value: 20, Usage: "how many"}, jsonFlag()},
		Action: func(c *cli.Context) error {
			return withNode(c, func(ctx context.Context, s *session) error {
				res, err := s.ListJobs(ctx, connect.NewRequest(&apiv1.ListJobsRequest{Limit: uint32(c.Uint("limit"))}))
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return printJSON(c.App.Writer, res.Msg)
				}
				t := newTable(c.App.Writer, "JOB", "NAME", "STATE", "PROVIDER", "RAN", "COST", "STARTED", "")
				for _, j := range res.Msg.GetJobs() {
					t.AppendRow(table.Row{j.GetId(), j.GetName(), stateText(j), short(j.GetProvider()), ms(j.GetUsageMs()),
						money(j.GetDue(), s.status.GetDecimals()), ago(j.GetCreatedMs()), j.GetError()})
				}
				t.Render()
				return nil
			})
		},
	}
}

// stateText says where a job stands in a word or two.
func stateText(j *apiv1.Job) string {
	if j.GetState() == "leased" && j.GetLeaseState() != "" {
		return j.GetLeaseState()
	}
	if j.GetState() == "done" {
		return fmt.Sprintf("done (exit %d)", j.GetExitCode())
	}
	return j.GetState()
}

func logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "what a job printed",
		ArgsUsage: "JOB",
		Flags:     []cli.Flag{&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until the job has ended"}},
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "a job")
			if err != nil {
				return err
			}
			return withNode(c, func(ctx context.Context, s *session) error {
				w := newWatcher(c, s, watchQuiet)
				if c.Bool("follow") {
					_, err := w.watch(ctx, id)
					return err
				}
				return w.replay(ctx, id)
			})
		},
	}
}

func attachCommand() *cli.Command {
	return &cli.Command{
		Name:      "attach",
		Usage:     "follow a job as `lode run` does",
		ArgsUsage: "JOB",
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "a job")
			if err != nil {
				return err
			}
			return withNode(c, func(ctx context.Context, s *session) error {
				job, err := newWatcher(c, s, watchAll).watch(ctx, id)
				if err != nil {
					return err
				}
				return jobError(job)
			})
		},
	}
}

func cancelCommand() *cli.Command {
	return &cli.Command{
		Name:      "cancel",
		Usage:     "end a job; what it ran until then is paid",
		ArgsUsage: "JOB",
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "a job")
			if err != nil {
				return err
			}
			return withNode(c, func(ctx context.Context, s *session) error {
				res, err := s.CancelJob(ctx, connect.NewRequest(&apiv1.CancelJobRequest{Id: id}))
				if err != nil {
					return err
				}
				fmt.Fprintf(c.App.Writer, "%s %s\n", res.Msg.GetJob().GetId(), stateText(res.Msg.GetJob()))
				return nil
			})
		},
	}
}

func fetchCommand() *cli.Command {
	return &cli.Command{
		Name:      "fetch",
		Usage:     "write a job's result to a folder",
		ArgsUsage: "JOB",
		Flags:     []cli.Flag{&cli.StringFlag{Name: "to", Usage: "folder, which must not exist yet (default: the job's id)"}},
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "a job")
			if err != nil {
				return err
			}
			dest := c.String("to")
			if dest == "" {
				dest = id
			}
			return withNode(c, func(ctx context.Context, s *session) error { return fetchResult(ctx, c, s, id, dest) })
		},
	}
}

func fetchResult(ctx context.Context, c *cli.Context, s *session, id, dest string) error {
	abs, err := filepath.Abs(dest)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(abs); err == nil {
		return fmt.Errorf("%s is there already; required: a folder that does not exist yet, by --to", dest)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return err
	}
	res, err := s.FetchResult(ctx, connect.NewRequest(&apiv1.FetchResultRequest{Id: id, Dest: abs}))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.ErrWriter, "result: %d entries, %s in %s\n", res.Msg.GetEntries(), bytesText(res.Msg.GetBytes()), dest)
	return nil
}
