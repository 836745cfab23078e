package node

import (
	"os"
	"path/filepath"
	"testing"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
)

func TestJobFromOfferToSettlement(t *testing.T) {
	m := newMarket(t)
	p := m.provider(nil)
	r := m.requester(p)

	in := filepath.Join(t.TempDir(), "in")
	if err := os.MkdirAll(in, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in, "text"), []byte("some input "), 0o644); err != nil {
		t.Fatal(err)
	}
	id := r.submit(t, &apiv1.SubmitJobRequest{
		Wasm: m.guest("guest"), Args: []string{"copy", "arg"}, Env: map[string]string{"GREETING": " hi"},
		Inputs: []*apiv1.Input{{Path: "/in", Source: in}},
	})
	job, out := r.wait(t, id)
	if job.GetState() != "done" || job.GetExitCode() != 0 || out != "copied\n" {
		t.Fatalf("%v\nprinted %q", job, out)
	}
	dest := filepath.Join(t.TempDir(), "result")
	if _, err := r.client.FetchResult(t.Context(), connect.NewRequest(&apiv1.FetchResultRequest{Id: id, Dest: dest})); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dest, "copy")); err != nil || string(b) != "some input arg hi" {
		t.Errorf("result %q, %v", b, err)
	}
	if job.GetDue() == "0" || job.GetVouchers() == 0 {
		t.Errorf("nothing was paid: %v", job)
	}
	settled, err := r.client.Settle(t.Context(), connect.NewRequest(&apiv1.SettleRequest{Channel: job.GetChannel()}))
	if err != nil {
		t.Fatal(err)
	}
	if settled.Msg.GetPaid() != job.GetDue() {
		t.Errorf("the contract paid %s, the receipt says %s", settled.Msg.GetPaid(), job.GetDue())
	}
	w, err := p.client.GetWallet(t.Context(), connect.NewRequest(&apiv1.GetWalletRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if w.Msg.GetBalance() != job.GetDue() {
		t.Errorf("the provider holds %s, was owed %s", w.Msg.GetBalance(), job.GetDue())
	}
}
