package testnet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/proto"
	"github.com/lode-market/lode/testnet/spirals"
)

// The demo's sweep, with every node a process of its own that shares nothing
// with the others but the chain's JSON-RPC and libp2p: the books balance, by the
// chain's own logs.
func TestSweepAcrossProcesses(t *testing.T) {
	_, wasm, _ := programs(t)
	d := startDevnet(t, Config{Slice: time.Second})
	client := d.Requester.Client()
	out := t.TempDir()
	runs, err := Sweep{Wasm: wasm, Out: out, Show: func(Progress) {}}.Run(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := Settle(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	s, err := d.Summarize(t.Context(), runs)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Balanced || len(s.Jobs) != len(spirals.Settings()) || len(s.Providers) != 3 {
		t.Errorf("%+v", s)
	}
	for _, p := range s.Providers {
		if p.Jobs == 0 || p.Paid.IsZero() || p.Gas == 0 {
			t.Errorf("provider without work or pay: %+v", p)
		}
	}
	for _, j := range s.Jobs {
		if j.Vouchers < 3 {
			t.Errorf("job %s was paid by %d vouchers", j.ID, j.Vouchers)
		}
	}
	if err := s.Save(filepath.Join(out, "summary.json")); err != nil {
		t.Fatal(err)
	}
	var shape struct {
		Jobs      []map[string]any
		Providers []map[string]any
		Requester map[string]any
		Balanced  bool
	}
	b, err := os.ReadFile(filepath.Join(out, "summary.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &shape); err != nil || !shape.Balanced {
		t.Errorf("summary %s, %v", b, err)
	}
	for _, field := range []string{"id", "provider", "seconds", "earned", "cid", "loss", "vouchers"} {
		if _, ok := shape.Jobs[0][field]; !ok {
			t.Errorf("a job in the summary has no %s", field)
		}
	}
}

// A provider's node is killed in the middle of a lease, and nobody pays any more:
// the job stands still when its cover has run out, and after the restart the
// provider claims exactly what it was owed.
func TestKilledProviderClaimsWhatItIsOwed(t *testing.T) {
	d := startDevnet(t, Config{
		Slice: 2 * time.Second, Grace: 4 * time.Second,
		Providers: []Provider{{Name: "p", Price: "3600/h", CPU: "1"}}, // 1,000 base units a millisecond
	})
	p, client := d.Providers[0], d.Requester.Client()
	faucet(t, p.Client()) // the claim's gas
	res, err := client.SubmitJob(t.Context(), connect.NewRequest(&apiv1.SubmitJobRequest{
		Wasm: guest(t), Args: []string{"count"}, MaxDurationMs: time.Minute.Milliseconds(), Resources: &apiv1.Resources{CpuMillis: 500, Memory: 64 << 20, Disk: 1 << 20},
	}))
	if err != nil {
		t.Fatal(err)
	}
	id := res.Msg.GetJob().GetId()
	job := func() *apiv1.Job {
		res, err := client.GetJob(t.Context(), connect.NewRequest(&apiv1.GetJobRequest{Id: id}))
		if err != nil {
			t.Fatal(err)
		}
		return res.Msg.GetJob()
	}
	eventually(t, "the job was paid for twice", func() bool { return job().GetVouchers() >= 2 })
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	if err := syscall.Kill(d.Requester.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.Requester.Ended()
	eventually(t, "the job stands still", func() bool { return stoppedWorkers(t) == 1 })
	if err := d.Restart(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	var lease *apiv1.Lease
	eventually(t, "the lease ended", func() bool {
		res, err := p.Client().ListLeases(t.Context(), connect.NewRequest(&apiv1.ListLeasesRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		lease = res.Msg.GetLeases()[0]
		return lease.GetState() == "finished"
	})
	if lease.GetEnd() != "GRACE_OVER" {
		t.Errorf("ended as %s", lease.GetEnd())
	}
	w, err := p.Client().GetWallet(t.Context(), connect.NewRequest(&apiv1.GetWalletRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	voucher := w.Msg.GetChannels()[0].GetSigned()
	before := amount(t, w.Msg.GetBalance())
	claimed, err := p.Client().Claim(t.Context(), connect.NewRequest(&apiv1.ClaimRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if w, err = p.Client().GetWallet(t.Context(), connect.NewRequest(&apiv1.GetWalletRequest{})); err != nil {
		t.Fatal(err)
	}
	got := amount(t, w.Msg.GetBalance()).Sub(before)
	if got.String() != claimed.Msg.GetPaid() || got.String() != voucher {
		t.Errorf("the balance grew by %s, the claim says %s, the last voucher is %s", got, claimed.Msg.GetPaid(), voucher)
	}
	// It ran until the last slice was used up and not a millisecond on credit.
	if due := amount(t, lease.GetDue()); due != got {
		t.Errorf("%s is due, %s was paid", due, got)
	}
}

func amount(t *testing.T, s string) proto.Amount {
	t.Helper()
	a, err := proto.ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// stoppedWorkers counts the shims' workers that stand still.
func stoppedWorkers(t *testing.T) (n int) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range procs {
		args, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(args), "shim\x00worker") {
			continue // ended meanwhile, or no worker
		}
		// A worker is started by way of /proc/self/exe.
		if exe, err := os.Readlink(filepath.Join(filepath.Dir(path), "exe")); err != nil || !strings.HasPrefix(exe, built.dir) {
			continue // another's
		}
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(path), "stat"))
		if err != nil {
			continue
		}
		// pid (name) state ...
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "T") {
			n++
		}
	}
	return n
}
