package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// A result of more files than ride in one message is fetched like any other.
func TestManySmallFiles(t *testing.T) {
	m := newMarket(t)
	p := m.provider(nil)
	r := m.requester(p)
	id := r.submit(t, &apiv1.SubmitJobRequest{Wasm: m.guest("guest"), Args: []string{"many"}})
	job, _ := r.wait(t, id)
	if job.GetState() != "done" {
		t.Fatalf("%v", job)
	}
	dest := filepath.Join(t.TempDir(), "result")
	if _, err := r.client.FetchResult(t.Context(), connect.NewRequest(&apiv1.FetchResultRequest{Id: id, Dest: dest})); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(dest); err != nil || len(files) != 300 {
		t.Errorf("%d files, %v", len(files), err)
	}
	settle(t, r, p, job)
}

// A provider that fits answers a need that was posted by telling its offer again.
func TestJobPostIsAnswered(t *testing.T) {
	m := newMarket(t)
	p := m.provider(nil)
	r := m.requester(p)
	if _, err := r.client.ListOffers(t.Context(), connect.NewRequest(&apiv1.ListOffersRequest{WaitMs: 30_000})); err != nil {
		t.Fatal(err)
	}
	first, ok := r.offers.of(p.account.Address())
	if !ok {
		t.Fatal("the requester does not know the provider's offer")
	}
	needs := proto.Needs{Driver: proto.DriverWasm, Token: m.network.Token, Resources: leastResources, MaxDuration: time.Minute}
	for {
		changed, _ := r.offers.changed()
		if o, ok := r.offers.of(p.account.Address()); ok && o.Seq > first.Seq {
			break
		}
		if err := r.offers.post(t.Context(), needs); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
		case <-time.After(proto.OfferResend): // the provider may just have told it, and is held to a rate
		case <-t.Context().Done():
			t.Fatal("the provider did not answer")
		}
	}
	before := p.offers.next()
	p.answerPost(proto.JobPost{Needs: proto.Needs{Driver: proto.DriverWasm, Resources: proto.Resources{CPUMillis: 1 << 20}}})
	if after := p.offers.next(); after != before+1 && after > before+1000 {
		t.Errorf("a need that does not fit was answered: sequence %d, then %d", before, after)
	}
}

// What every provider would refuse is told before anything is deposited.
func TestRequesterRefuses(t *testing.T) {
	m := newMarket(t)
	r := m.requester()
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 5<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		q    *apiv1.SubmitJobRequest
		want string
	}{
		"no disk":       {&apiv1.SubmitJobRequest{Resources: &apiv1.Resources{Disk: 1}}, "required: at least"},
		"little memory": {&apiv1.SubmitJobRequest{Resources: &apiv1.Resources{Memory: 1}}, "required: at least"},
		"large input": {&apiv1.SubmitJobRequest{
			Resources: &apiv1.Resources{Disk: 4 << 20}, Inputs: []*apiv1.Input{{Path: "/big", Source: big}},
		}, "by --disk"},
		"outputs elsewhere": {&apiv1.SubmitJobRequest{Outputs: "/result"}, "required: /out"},
	} {
		t.Run(name, func(t *testing.T) {
			c.q.Wasm = m.guest("guest")
			_, err := r.client.SubmitJob(t.Context(), connect.NewRequest(c.q))
			if f := api.FailureOf(err); f == nil || f.Code != "BAD_JOB" || !strings.Contains(f.Message, c.want) {
				t.Errorf("got %v, want BAD_JOB and %q", err, c.want)
			}
		})
	}
}

// quoted is a lease that a requester has all papers for, on a funded channel.
func quoted(t *testing.T, r, p *testNode, doc *proto.Job) wire.Open {
	t.Helper()
	res, err := r.client.Deposit(t.Context(), connect.NewRequest(&apiv1.DepositRequest{
		Deposits: []*apiv1.ProviderDeposit{{Payee: p.account.Address().Hex(), Amount: "50000000"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	var key proto.ChannelKey
	for _, b := range r.payers.snapshot() {
		if b.ID().String() == res.Msg.GetChannels()[0] {
			key = b.Key
		}
	}
	canonical, err := doc.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	needs := doc.Needs()
	needs.Token, needs.MaxDuration = r.cfg.Network.Token, time.Minute
	salt := proto.Hash{1}
	terms, err := r.wire.Quote(t.Context(), p.offers.self, proto.Quote{Needs: needs, Job: proto.Commit(salt, canonical), Channel: key})
	if err != nil {
		t.Fatal(err)
	}
	domain := r.cfg.Network.Domain()
	if terms.Requester, err = r.signer.SignTyped(domain, terms.Terms); err != nil {
		t.Fatal(err)
	}
	return wire.Open{Terms: terms, Job: canonical, Salt: salt, Voucher: sign(t, r, key.ID(), market.FirstCredit(terms.Terms))}
}

func sign(t *testing.T, r *testNode, channel proto.ChannelID, cumulative proto.Amount) proto.Voucher {
	t.Helper()
	v := proto.Voucher{Channel: channel, Cumulative: cumulative}
	var err error
	if v.Signature, err = r.signer.SignTyped(r.cfg.Network.Domain(), v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What a provider is told that can't be right is refused with its code, and takes
// no capacity.
func TestProviderRefuses(t *testing.T) {
	m := newMarket(t)
	p := m.provider(nil)
	r, other := m.requester(p), m.requester(p)
	module, err := r.requester.add(t.Context(), m.guest("guest"))
	if err != nil {
		t.Fatal(err)
	}
	doc := &proto.Job{
		Version: proto.JobVersion, Driver: string(proto.DriverWasm), Module: &module, Args: []string{"count"}, Outputs: "/out",
		Resources: proto.Ask{CPUMillis: 500, Memory: 64 << 20, Disk: 8 << 20},
	}
	good := quoted(t, r, p, doc)
	// Quoted for what its own document does not ask for.
	tiny := *doc
	tiny.Resources.Disk = 0
	small, err := tiny.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	smallTerms := good.Terms
	smallTerms.Job = proto.Commit(good.Salt, small)
	for _, s := range []struct {
		by *testNode
		to *proto.Signature
	}{{p, &smallTerms.Provider}, {r, &smallTerms.Requester}} {
		if *s.to, err = s.by.signer.SignTyped(m.network.Domain(), smallTerms.Terms); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		from   *testNode
		change func(*wire.Open)
		code   proto.Code
	}{
		"terms of another requester": {other, func(*wire.Open) {}, proto.CodeTermsNotMine},
		"terms that were changed":    {r, func(o *wire.Open) { o.Terms.MaxDuration *= 2 }, proto.CodeTermsNotMine},
		"terms that nobody signed":   {r, func(o *wire.Open) { o.Terms.Requester = proto.Signature{1} }, proto.CodeBadSignature},
		"another job":                {r, func(o *wire.Open) { o.Salt[0]++ }, proto.CodeJobMismatch},
		"voucher of another channel": {r, func(o *wire.Open) { o.Voucher = sign(t, r, proto.ChannelID{9}, o.Voucher.Cumulative) }, proto.CodeWrongChannel},
		"voucher by another signer": {r, func(o *wire.Open) {
			o.Voucher = sign(t, other, o.Voucher.Channel, o.Voucher.Cumulative)
		}, proto.CodeBadSignature},
		"job without a disk": {r, func(o *wire.Open) { o.Terms, o.Job = smallTerms, small }, proto.CodeBadJob},
		"voucher too low":    {r, func(o *wire.Open) { o.Voucher = sign(t, r, o.Voucher.Channel, proto.NewAmount(1)) }, proto.CodeVoucherTooLow},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			_, err := c.from.wire.Open(t.Context(), p.offers.self, o)
			wantCode(t, err, c.code)
		})
	}
	if used := p.provider.used; used != (proto.Resources{}) {
		t.Errorf("refused leases hold %s", resourcesText(used))
	}

	conn, err := r.wire.Open(t.Context(), p.offers.self, good)
	if err != nil {
		t.Fatal(err)
	}
	// The same Open again finds the lease, and takes nothing.
	again, err := r.wire.Open(t.Context(), p.offers.self, good)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	// A voucher on one stream never goes back.
	channel := good.Terms.Channel.ID()
	for _, n := range []uint64{9_000, 8_999} {
		if err := conn.SendVoucher(sign(t, r, channel, proto.NewAmount(n)), proto.NewAmount(n)); err != nil {
			t.Fatal(err)
		}
	}
	for err == nil {
		_, err = conn.Recv()
	}
	wantCode(t, err, proto.CodeVoucherTooLow)

	// Who never rented on the channel can't lock it, nor see its voucher.
	_, err = other.wire.Settle(t.Context(), p.offers.self, good.Terms.Channel)
	wantCode(t, err, proto.CodeWrongChannel)
	_, err = other.wire.Sync(t.Context(), p.offers.self, good.Terms.Channel)
	wantCode(t, err, proto.CodeWrongChannel)
	v, err := r.wire.Sync(t.Context(), p.offers.self, good.Terms.Channel)
	if err != nil || v.Cumulative != proto.NewAmount(9_000) {
		t.Errorf("the last voucher is of %s, %v", v.Cumulative, err)
	}
	_, err = r.wire.Settle(t.Context(), p.offers.self, good.Terms.Channel)
	wantCode(t, err, proto.CodeNotSettled) // the job still runs
	cancelLease(t, r, p, good)
}

func cancelLease(t *testing.T, r, p *testNode, o wire.Open) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := r.wire.Attach(ctx, p.offers.self, wire.Attach{Lease: o.Terms.LeaseID(r.cfg.Network.Domain())})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // the lease is over
	if err := c.Cancel(); err != nil {
		t.Fatal(err)
	}
	for {
		e, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := e.Body.(wire.Finished); ok {
			if f.Receipt.End != proto.EndCancelled {
				t.Errorf("ended as %s", f.Receipt.End)
			}
			return
		}
	}
}

func wantCode(t *testing.T, err error, code proto.Code) {
	t.Helper()
	var r *proto.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("got %v, want a refusal with code %s", err, code)
	}
}
