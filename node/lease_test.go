package node

import (
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

func printed(want string) func(*apiv1.WatchJobResponse) bool {
	return func(m *apiv1.WatchJobResponse) bool { return strings.Contains(string(m.GetLog().GetData()), want) }
}

// The connection is cut in the middle: the requester attaches again, misses no
// line and sees none twice, and the job is paid for as if nothing had been.
func TestCutConnectionMissesNothing(t *testing.T) {
	m := newMarket(t)
	p := m.provider(nil)
	r := m.requester(p)
	id := r.submit(t, &apiv1.SubmitJobRequest{Wasm: m.guest("guest"), Args: []string{"count"}})
	r.until(t, id, printed("count 3\n"))
	cut := func() {
		peer, err := wire.PeerID(p.offers.self)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.wire.Host().Network().ClosePeer(peer); err != nil {
			t.Fatal(err)
		}
	}
	cut()
	r.until(t, id, printed("count 12\n"))
	cut()
	r.until(t, id, printed("count 20\n"))
	if _, err := r.client.CancelJob(t.Context(), connect.NewRequest(&apiv1.CancelJobRequest{Id: id})); err != nil {
		t.Fatal(err)
	}
	job, out := r.wait(t, id)
	if job.GetState() != "cancelled" || job.GetEnd() != "CANCELLED" {
		t.Errorf("job %v", job)
	}
	for i, line := range strings.Split(strings.TrimSuffix(out, "\n"), "\n") {
		if line != "count "+itoa(i) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	settle(t, r, p, job)
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

// settle ends the job's channel and checks that both sides' books agree with the chain.
func settle(t *testing.T, r, p *testNode, job *apiv1.Job) {
	t.Helper()
	res, err := r.client.Settle(t.Context(), connect.NewRequest(&apiv1.SettleRequest{Channel: job.GetChannel()}))
	if err != nil {
		t.Fatal(err)
	}
	if res.Msg.GetPaid() != job.GetDue() {
		t.Errorf("the contract paid %s, the receipt says %s", res.Msg.GetPaid(), job.GetDue())
	}
	leases, err := p.client.ListLeases(t.Context(), connect.NewRequest(&apiv1.ListLeasesRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	var sum proto.Amount
	for _, l := range leases.Msg.GetLeases() {
		a, err := proto.ParseAmount(l.GetDue())
		if err != nil {
			t.Fatal(err)
		}
		sum = sum.Add(a)
	}
	if sum.String() != res.Msg.GetPaid() {
		t.Errorf("the provider's leases came to %s, it was paid %s", sum, res.Msg.GetPaid())
	}
}

// A provider's node ends and begins again in the middle of a lease: the job runs
// on in its shim as far as it is covered, and the new node goes on with it.
func TestProviderRestart(t *testing.T) {
	m := newMarket(t)
	cfg := providerConfig(func(p *Provide) { p.Slice = 2 * time.Second })
	p := m.start(cfg)
	p.cfg.Listen = p.wire.Status().Addrs[:1]
	r := m.requester(p)
	id := r.submit(t, &apiv1.SubmitJobRequest{Wasm: m.guest("guest"), Args: []string{"work", "6s"}})
	r.until(t, id, func(m *apiv1.WatchJobResponse) bool { return m.GetJob().GetLeaseState() == "running" })
	p.stop(t)
	p = m.start(p.cfg)
	job, out := r.wait(t, id)
	if job.GetState() != "done" || !strings.HasSuffix(out, "worked\n") {
		t.Fatalf("%v\nprinted %q", job, out)
	}
	settle(t, r, p, job)
}

// A requester's node ends and begins again: its job goes on.
func TestRequesterRestart(t *testing.T) {
	m := newMarket(t)
	p := m.provider(func(p *Provide) { p.Slice = 3 * time.Second })
	r := m.requester(p)
	id := r.submit(t, &apiv1.SubmitJobRequest{Wasm: m.guest("guest"), Args: []string{"work", "5s"}})
	r.until(t, id, func(m *apiv1.WatchJobResponse) bool { return m.GetJob().GetLeaseState() == "running" })
	r.stop(t)
	r.cfg.Peers = p.wire.BootstrapAddrs()
	r = m.start(r.cfg)
	job, _ := r.wait(t, id)
	if job.GetState() != "done" {
		t.Fatalf("%v", job)
	}
	settle(t, r, p, job)
}

func TestJobsEnds(t *testing.T) {
	m := newMarket(t)
	p := m.provider(func(p *Provide) { p.MaxDuration = 30 * 24 * time.Hour })
	r := m.requester(p)
	for name, c := range map[string]struct {
		q                *apiv1.SubmitJobRequest
		state, code, end string
		exit             int32
		fault            string
	}{
		"exit code":         {q: &apiv1.SubmitJobRequest{Args: []string{"exit"}}, state: "done", end: "EXITED", exit: 7},
		"too little budget": {q: &apiv1.SubmitJobRequest{Budget: "10"}, state: "failed", code: "DEPOSIT_TOO_SMALL", fault: "user"},
		"no funds":          {q: &apiv1.SubmitJobRequest{MaxDurationMs: (20 * 24 * time.Hour).Milliseconds()}, state: "failed", code: "NO_FUNDS", fault: "chain"},
		"longest duration":  {q: &apiv1.SubmitJobRequest{Args: []string{"count"}, MaxDurationMs: 2500}, state: "failed", code: "MAX_DURATION", end: "MAX_DURATION", fault: "job"},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Wasm = m.guest("guest")
			job, _ := r.wait(t, r.submit(t, c.q))
			if job.GetState() != c.state || job.GetCode() != c.code || job.GetEnd() != c.end || job.GetExitCode() != c.exit || job.GetFault() != c.fault {
				t.Errorf("%v", job)
			}
		})
	}
}
