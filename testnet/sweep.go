package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/testnet/spirals"
)

// Sweep trains the same small network under many settings, one job each.
type Sweep struct {
	// Wasm is the demo job, built.
	Wasm string
	// Steps shortens or lengthens the training; 0 is the job's default.
	Steps int
	// Out is where results, the sheet and the summary go.
	Out string
	// Show is told what happens; it is called from several goroutines.
	Show func(Progress)
}

// Progress is news of one run.
type Progress struct {
	Run   int
	State string
	// Line is what the job printed, without its end.
	Line string
	// Step of Steps, and the loss there, when Line tells them.
	Step, Steps int
	Loss        float64
}

// Run is one setting with what became of it.
type Run struct {
	Setting spirals.Setting
	Job     *apiv1.Job
	Result  spirals.Result
}

// jobLength is the longest that a run may take: it bounds the deposits.
const jobLength = 10 * time.Minute

// Run has all settings run by the node behind client.
func (s Sweep) Run(ctx context.Context, client apiv1connect.NodeServiceClient) ([]Run, error) {
	wasm, err := filepath.Abs(s.Wasm)
	if err != nil {
		return nil, err
	}
	settings := spirals.Settings()
	runs := make([]Run, len(settings))
	errs := make([]error, len(settings))
	var all sync.WaitGroup
	for i, setting := range settings {
		all.Go(func() {
			runs[i], errs[i] = s.one(ctx, client, wasm, i, setting)
			if errs[i] != nil {
				errs[i] = fmt.Errorf("run %d (%s): %w", i+1, setting.Name(), errs[i])
			}
		})
	}
	all.Wait()
	return runs, errors.Join(errs...)
}

func (s Sweep) one(ctx context.Context, client apiv1connect.NodeServiceClient, wasm string, i int, setting spirals.Setting) (Run, error) {
	run := Run{Setting: setting}
	submitted, err := client.SubmitJob(ctx, connect.NewRequest(&apiv1.SubmitJobRequest{
		Name: setting.Name(), Wasm: wasm, Args: setting.Args(s.Steps), MaxDurationMs: jobLength.Milliseconds(),
		Resources: &apiv1.Resources{CpuMillis: 1000, Memory: 256 << 20, Disk: 16 << 20}, Deterministic: true,
	}))
	if err != nil {
		return run, err
	}
	stream, err := client.WatchJob(ctx, connect.NewRequest(&apiv1.WatchJobRequest{Id: submitted.Msg.GetJob().GetId()}))
	if err != nil {
		return run, err
	}
	defer stream.Close() // the stream's own error is below
	var lines lineSplitter
	for stream.Receive() {
		if j := stream.Msg().GetJob(); j != nil {
			run.Job = j
			s.Show(Progress{Run: i, State: stateOf(j)})
		}
		if l := stream.Msg().GetLog(); l != nil && l.GetStream() == 1 {
			for _, line := range lines.add(l.GetData()) {
				p := Progress{Run: i, State: stateOf(run.Job), Line: line}
				if step, steps, loss, ok := spirals.ParseProgress(line); ok {
					p.Step, p.Steps, p.Loss = step, steps, loss
				}
				s.Show(p)
			}
		}
	}
	if err := stream.Err(); err != nil {
		return run, err
	}
	if j := run.Job; j.GetState() != "done" || j.GetExitCode() != 0 {
		return run, fmt.Errorf("job %s is %s (exit code %d) %s: %s", j.GetId(), j.GetState(), j.GetExitCode(), j.GetCode(), j.GetError())
	}
	dest := filepath.Join(s.Out, "results", fmt.Sprintf("%02d", i+1))
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return run, err
	}
	dest, err = filepath.Abs(dest)
	if err != nil {
		return run, err
	}
	if _, err := client.FetchResult(ctx, connect.NewRequest(&apiv1.FetchResultRequest{Id: run.Job.GetId(), Dest: dest})); err != nil {
		return run, err
	}
	if run.Result, err = spirals.ParseResult(dest); err != nil {
		return run, err
	}
	s.Show(Progress{Run: i, State: "fetched", Loss: run.Result.Loss})
	return run, nil
}

func stateOf(j *apiv1.Job) string {
	if j.GetState() == "leased" {
		return j.GetLeaseState()
	}
	return j.GetState()
}

// lineSplitter turns pieces of output into lines.
type lineSplitter struct{ rest []byte }

func (l *lineSplitter) add(b []byte) (lines []string) {
	for _, c := range b {
		if c == '\n' {
			lines = append(lines, string(l.rest))
			l.rest = l.rest[:0]
			continue
		}
		if len(l.rest) < 4096 { // a line without an end is no progress
			l.rest = append(l.rest, c)
		}
	}
	return lines
}
