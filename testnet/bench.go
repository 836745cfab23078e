package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
)

// Figure is one measurement, printed as a line of JSON.
type Figure struct {
	Name  string  `json:"figure"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Aim is what it should be: Below or Above it.
	Below float64 `json:"below,omitempty"`
	Above float64 `json:"above,omitempty"`
	// Peer is a figure of another system or a bare limit, for comparison.
	Peer   float64 `json:"peer,omitempty"`
	PeerIs string  `json:"peer_is,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// Bench measures on this machine. Every figure goes to Report as it is known.
type Bench struct {
	// Hello is the hello job as WebAssembly, Image the same as a container
	// image in this machine's engine, or empty.
	Hello, Image string
	// Gas is the committed gas snapshot of the contract.
	Gas    string
	Rounds int
	Report func(Figure)
}

// bacalhauWasm and the like were measured on two cores in November 2026: see
// shared/peers.md.
const (
	bacalhauWasmMs     = 3400
	bacalhauPerSecond  = 0.56
	bacalhauDockerRate = 1.9
)

// Run measures with the requester of a devnet whose first offer has room for
// eight jobs at a time.
func (b Bench) Run(ctx context.Context, d *Devnet) error {
	client := d.Requester.Client()
	if err := fund(ctx, client); err != nil {
		return err
	}
	hello, err := filepath.Abs(b.Hello)
	if err != nil {
		return err
	}
	job := &apiv1.SubmitJobRequest{
		Wasm: hello, MaxDurationMs: time.Minute.Milliseconds(), Resources: &apiv1.Resources{CpuMillis: 500, Memory: 64 << 20, Disk: 8 << 20},
	}
	one := func() error { return runJob(ctx, client, job) }
	for range 5 { // the module is fetched and compiled, pools fill
		if err := one(); err != nil {
			return err
		}
	}
	api, err := times(b.Rounds, one)
	if err != nil {
		return err
	}
	b.Report(Figure{Name: "wasm hello, submit to result on disk, by the API, p50", Value: quantile(api, 0.5), Unit: "ms", Below: 60, Peer: bacalhauWasmMs, PeerIs: "Bacalhau"})
	b.Report(Figure{Name: "wasm hello, submit to result on disk, by the API, p99", Value: quantile(api, 0.99), Unit: "ms"})
	command, err := times(b.Rounds, func() error { return b.command(ctx, d, "--wasm", hello) })
	if err != nil {
		return err
	}
	b.Report(Figure{Name: "wasm hello, submit to result on disk, by the command, p50", Value: quantile(command, 0.5), Unit: "ms", Below: 120, Peer: bacalhauWasmMs, PeerIs: "Bacalhau"})
	b.Report(Figure{Name: "wasm hello, submit to result on disk, by the command, p99", Value: quantile(command, 0.99), Unit: "ms"})
	rate, err := throughput(8, 10*b.Rounds, one)
	if err != nil {
		return err
	}
	b.Report(Figure{Name: "wasm hello jobs per second, 8 at a time, one provider", Value: rate, Unit: "1/s", Above: 50, Peer: bacalhauPerSecond, PeerIs: "Bacalhau"})
	if b.Image != "" {
		if err := b.docker(ctx, client); err != nil {
			return err
		}
	} else {
		b.Report(Figure{Name: "docker hello against docker run", Note: "skipped: no Docker engine answers"})
	}
	return b.gas()
}

// fund opens the channel once, so that no job waits for the chain.
func fund(ctx context.Context, client apiv1connect.NodeServiceClient) error {
	if _, err := client.Faucet(ctx, connect.NewRequest(&apiv1.FaucetRequest{})); err != nil {
		return err
	}
	offers, err := client.ListOffers(ctx, connect.NewRequest(&apiv1.ListOffersRequest{WaitMs: 10_000}))
	if err != nil {
		return err
	}
	if len(offers.Msg.GetFits()) == 0 {
		return errors.New("the devnet's provider made no offer")
	}
	_, err = client.Deposit(ctx, connect.NewRequest(&apiv1.DepositRequest{
		Deposits: []*apiv1.ProviderDeposit{{Payee: offers.Msg.GetFits()[0].GetPayee(), Amount: "500000000"}},
	}))
	return err
}

// runJob runs a job to its end and has its result written to disk.
func runJob(ctx context.Context, client apiv1connect.NodeServiceClient, q *apiv1.SubmitJobRequest) error {
	submitted, err := client.SubmitJob(ctx, connect.NewRequest(q))
	if err != nil {
		return err
	}
	id := submitted.Msg.GetJob().GetId()
	stream, err := client.WatchJob(ctx, connect.NewRequest(&apiv1.WatchJobRequest{Id: id}))
	if err != nil {
		return err
	}
	defer stream.Close() // the stream's own error is below
	var job *apiv1.Job
	for stream.Receive() {
		if j := stream.Msg().GetJob(); j != nil {
			job = j
		}
	}
	if err := stream.Err(); err != nil {
		return err
	}
	if job.GetState() != "done" || job.GetExitCode() != 0 {
		return fmt.Errorf("job %s is %s: %s", id, job.GetState(), job.GetError())
	}
	dir, err := os.MkdirTemp("", "lode-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // scratch
	_, err = client.FetchResult(ctx, connect.NewRequest(&apiv1.FetchResultRequest{Id: id, Dest: filepath.Join(dir, "result")}))
	return err
}

// command runs the hello job as a person would.
func (b Bench) command(ctx context.Context, d *Devnet, args ...string) error {
	dir, err := os.MkdirTemp("", "lode-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // scratch
	args = append([]string{"--home", d.Requester.Root, "run", "--yes", "--max-duration", "1m", "--cpu", "0.5", "--memory", "64MiB", "--disk", "8MiB",
		"--to", filepath.Join(dir, "result")}, args...)
	out, err := exec.CommandContext(ctx, d.config.Program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lode run: %w\n%s", err, out)
	}
	return nil
}

// docker compares a job with a bare container of the same image, in turn, so
// that a noisy machine is noisy for both.
func (b Bench) docker(ctx context.Context, client apiv1connect.NodeServiceClient) error {
	job := &apiv1.SubmitJobRequest{
		Image: b.Image, Args: []string{"echo", "hello"}, MaxDurationMs: time.Minute.Milliseconds(),
		Resources: &apiv1.Resources{CpuMillis: 500, Memory: 64 << 20, Disk: 8 << 20},
	}
	var ours, bare []float64
	for i := range b.Rounds + 2 {
		t, err := timed(func() error { return runJob(ctx, client, job) })
		if err != nil {
			return err
		}
		u, err := timed(func() error {
			out, err := exec.CommandContext(ctx, "docker", "run", "--rm", "--network", "none", b.Image, "echo", "hello").CombinedOutput()
			if err != nil {
				return fmt.Errorf("docker run: %w\n%s", err, out)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if i >= 2 { // the first two fill pools and caches
			ours, bare = append(ours, t), append(bare, u)
		}
	}
	a, l := quantile(ours, 0.5), quantile(bare, 0.5)
	b.Report(Figure{Name: "docker hello, submit to result on disk, by the API, p50", Value: a, Unit: "ms", Peer: l, PeerIs: "docker run --rm --network none"})
	b.Report(Figure{Name: "docker hello against docker run", Value: a / l, Unit: "ratio", Below: 1.15, Peer: bacalhauDockerRate, PeerIs: "Bacalhau"})
	return nil
}

// gas reports the committed snapshot, which forge checks, beside the aims.
func (b Bench) gas() error {
	raw, err := os.ReadFile(b.Gas)
	if err != nil {
		return err
	}
	var figures map[string]json.Number
	if err := json.Unmarshal(raw, &figures); err != nil {
		return fmt.Errorf("%s: %w", b.Gas, err)
	}
	names := make([]string, 0, len(figures))
	for name := range figures {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v, err := figures[name].Float64()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", b.Gas, name, err)
		}
		b.Report(Figure{Name: "gas: " + name, Value: v, Unit: "gas", Below: gasAims[name], Note: "Osaka rules, committed snapshot"})
	}
	return nil
}

func timed(f func() error) (ms float64, err error) {
	began := time.Now()
	err = f()
	return float64(time.Since(began).Microseconds()) / 1000, err
}

func times(n int, f func() error) ([]float64, error) {
	all := make([]float64, 0, n)
	for range n {
		t, err := timed(f)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// throughput runs n jobs, at most width at a time, and returns jobs per second.
func throughput(width, n int, f func() error) (float64, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	turn := make(chan struct{}, n)
	for range n {
		turn <- struct{}{}
	}
	close(turn)
	began := time.Now()
	for range width {
		wg.Go(func() {
			for range turn {
				if err := f(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(began).Seconds(), errors.Join(errs...)
}

// gasAims are the most that a call should take: its irreducible parts, and little
// more (contracts/README.md).
var gasAims = map[string]float64{
	"deposit, first": 69_000, "deposit, later": 52_000, "claim": 52_000, "claim, each further channel": 14_000,
	"settle with refund, by anybody": 66_000, "one job between strangers, approval to both paid": 195_000,
	"one hundred jobs between one pair, each": 2_000,
}
