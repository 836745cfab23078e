package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/testnet"
	"github.com/lode-market/lode/testnet/spirals"
)

// demoDecimals and demoSymbol are the devnet token's.
const demoDecimals = 6

func demoCommand() *cli.Command {
	return &cli.Command{
		Name:  "demo",
		Usage: "watch compute being sold: a devnet, a sweep of 12 jobs, and its settlement (`make demo`)",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "wasm", Usage: "the demo job, built from testnet/spirals/job", Required: true},
			&cli.StringFlag{Name: "out", Usage: "folder for the sheet, the summary and the results", Value: "demo-out"},
		},
		Action: func(c *cli.Context) (err error) {
			began := time.Now()
			out, err := filepath.Abs(c.String("out"))
			if err != nil {
				return err
			}
			if err := claimFolder(out); err != nil {
				return err
			}
			for _, name := range []string{"devnet", "results", sheetName, summaryName} {
				if err := os.RemoveAll(filepath.Join(out, name)); err != nil {
					return err
				}
			}
			fmt.Fprintln(c.App.Writer, "starting a chain, three providers and a requester, each a process of its own …")
			d, err := startDevnet(c, testnet.Config{Dir: filepath.Join(out, "devnet"), Slice: time.Second})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.Close()) }()
			fmt.Fprintf(c.App.Writer, "chain %d, Channels at %s\n", d.Network.ChainID, d.Network.Channels)
			if err := demo(c, d, out); err != nil {
				return err
			}
			fmt.Fprintf(c.App.Writer, "done in %s\n", time.Since(began).Round(time.Second))
			return nil
		},
	}
}

// claimFolder makes the demo's folder, or refuses one that holds something else:
// what an earlier demo left there is replaced.
func claimFolder(out string) error {
	mark := filepath.Join(out, ".lode-demo")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s holds what no demo has written; required: another --out, or an empty folder", out)
	}
	return errors.Join(os.MkdirAll(out, 0o755), os.WriteFile(mark, nil, 0o644))
}

const (
	sheetName   = "sweep.png"
	summaryName = "summary.json"
)

func demo(c *cli.Context, d *testnet.Devnet, out string) error {
	ctx, client := c.Context, d.Requester.Client()
	offers, err := client.ListOffers(ctx, connect.NewRequest(&apiv1.ListOffersRequest{WaitMs: 10_000}))
	if err != nil {
		return err
	}
	// One approval and one deposit for all channels; jobs would deposit by
	// themselves, one channel after the other.
	deposit := &apiv1.DepositRequest{}
	for _, o := range offers.Msg.GetFits() {
		fmt.Fprintf(c.App.Writer, "offer of %s: %s DEV/h\n", o.GetPayee(), money(o.GetPrice(), demoDecimals))
		deposit.Deposits = append(deposit.Deposits, &apiv1.ProviderDeposit{Payee: o.GetPayee(), Amount: demoDeposit})
	}
	if _, err := client.Deposit(ctx, connect.NewRequest(deposit)); err != nil {
		return err
	}
	bars := newBars(c, spirals.Settings())
	runs, err := testnet.Sweep{Wasm: c.String("wasm"), Out: out, Show: bars.show}.Run(ctx, client)
	bars.stop()
	if err != nil {
		return err
	}
	results := make([]spirals.Result, len(runs))
	for i, r := range runs {
		results[i] = r.Result
	}
	sheet, err := spirals.Draw(results)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, sheetName), sheet, 0o644); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "drew %s\nsettling every channel …\n", filepath.Join(c.String("out"), sheetName))
	if err := testnet.Settle(ctx, client); err != nil {
		return err
	}
	summary, err := d.Summarize(ctx, runs)
	if err != nil {
		return errors.Join(err, summary.Save(filepath.Join(out, summaryName)))
	}
	printSummary(c, summary)
	return summary.Save(filepath.Join(out, summaryName))
}

// demoDeposit is what the demo puts into each channel, in base units: enough for
// several of its jobs at their longest at the dearest price.
const demoDeposit = "2000000"

func printSummary(c *cli.Context, s testnet.Summary) {
	t := newTable(c.App.Writer, "PROVIDER", "JOBS", "SECONDS", "PRICE", "EARNED BY VOUCHERS", "PAID BY CONTRACT", "TRANSACTION", "GAS")
	for _, p := range s.Providers {
		t.AppendRow(table.Row{p.Address, p.Jobs, fmt.Sprintf("%.1f", p.Seconds), p.Price, formatAmount(p.Earned, demoDecimals),
			formatAmount(p.Paid, demoDecimals), short(p.Tx), p.Gas})
	}
	t.Render()
	r := s.Requester
	fmt.Fprintf(c.App.Writer, "requester: deposited %s, spent %s, got back %s\n", formatAmount(r.Deposited, demoDecimals),
		formatAmount(r.Spent, demoDecimals), formatAmount(r.Returned, demoDecimals))
	fmt.Fprintf(c.App.Writer, "the books balance, by the chain's own logs: %s = %s + %s\n", r.Deposited, r.Spent, r.Returned)
}

// bars shows a bar for each running job on a terminal, and a line for each
// change elsewhere.
type bars struct {
	c        *cli.Context
	settings []spirals.Setting
	writer   progress.Writer // nil without a terminal
	done     chan struct{}

	mu       sync.Mutex
	trackers []*progress.Tracker
	states   []string
}

func newBars(c *cli.Context, settings []spirals.Setting) *bars {
	b := &bars{c: c, settings: settings, trackers: make([]*progress.Tracker, len(settings)), states: make([]string, len(settings)), done: make(chan struct{})}
	if !isTerminal(os.Stdout) {
		close(b.done)
		return b
	}
	b.writer = progress.NewWriter()
	b.writer.SetOutputWriter(c.App.Writer)
	b.writer.SetAutoStop(false)
	b.writer.SetMessageLength(34)
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetStyle(progress.StyleBlocks)
	b.writer.Style().Visibility.ETA = false
	b.writer.Style().Visibility.Speed = false
	b.writer.Style().Visibility.Value = false
	go func() {
		defer close(b.done)
		b.writer.Render()
	}()
	return b
}

func (b *bars) show(p testnet.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writer == nil {
		if p.State != b.states[p.Run] {
			b.states[p.Run] = p.State
			fmt.Fprintf(b.c.App.Writer, "%-22s %s\n", b.settings[p.Run].Name(), p.State)
		}
		return
	}
	if p.State == "searching" || p.State == "opening" {
		return // a bar for each that runs
	}
	t := b.trackers[p.Run]
	if t == nil {
		t = &progress.Tracker{Message: b.settings[p.Run].Name(), Total: 100}
		b.trackers[p.Run] = t
		b.writer.AppendTracker(t)
	}
	if p.Steps > 0 {
		t.SetValue(int64(100 * p.Step / p.Steps))
		t.UpdateMessage(fmt.Sprintf("%-22s loss %.3f", b.settings[p.Run].Name(), p.Loss))
	}
	if p.State == "fetched" {
		t.SetValue(100)
		t.MarkAsDone()
	}
}

func (b *bars) stop() {
	if b.writer != nil {
		b.writer.Stop()
	}
	<-b.done
}
