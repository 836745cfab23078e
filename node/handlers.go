package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/book"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/proto"
)

// handlers is the node as its local API shows it.
type handlers struct{ n *Node }

var _ apiv1connect.NodeServiceHandler = handlers{}

func (h handlers) Status(context.Context, *connect.Request[apiv1.StatusRequest]) (*connect.Response[apiv1.StatusResponse], error) {
	n := h.n
	n.mu.Lock()
	head, chainErr := n.head, n.chainErr
	n.mu.Unlock()
	st := n.wire.Status()
	res := &apiv1.StatusResponse{
		Version: n.cfg.Version, Home: n.cfg.Home, Network: n.cfg.Network.Name, Devnet: n.cfg.Network.Devnet,
		ChainId: n.cfg.Network.ChainID, Head: head.Number, HeadTimeMs: head.Time.UnixMilli(),
		PeerId: st.ID, Addrs: st.Addrs, Peers: uint32(len(st.Peers)),
		Account: n.account.Address().Hex(), Signer: n.signer.Address().Hex(), Provides: n.provider != nil,
		Token: n.cfg.Network.Token.Hex(), Symbol: n.meta.Symbol, Decimals: uint32(n.meta.Decimals), Isolation: n.isolation, Stays: n.cfg.Stays,
	}
	if chainErr != nil {
		res.ChainError = chainErr.Error()
	}
	return connect.NewResponse(res), nil
}

func (h handlers) ListOffers(ctx context.Context, req *connect.Request[apiv1.ListOffersRequest]) (*connect.Response[apiv1.ListOffersResponse], error) {
	n, q := h.n, req.Msg
	needs, err := n.needsOf(q)
	if err != nil {
		return nil, api.Fail(api.KindUser, "BAD_AMOUNT", err)
	}
	if err := n.awaitOffers(ctx, needs, time.Duration(min(q.GetWaitMs(), 60_000))*time.Millisecond); err != nil {
		return nil, err
	}
	const most = 256
	res := &apiv1.ListOffersResponse{}
	answer := n.offers.match(needs, most, common.Address{})
	fitting := make(map[string]bool)
	for _, m := range answer.Matches {
		o := n.offerMessage(m.Offer)
		fitting[o.GetPeerId()+o.GetClass()] = true
		res.Fits = append(res.Fits, o)
	}
	why := make(map[string][]book.Misfit)
	for _, m := range answer.Misfits {
		k := m.Peer.String() + string(m.Class)
		why[k] = append(why[k], m)
	}
	for _, m := range n.offers.all() {
		o := n.offerMessage(m.Offer)
		if fitting[o.GetPeerId()+o.GetClass()] || len(res.Others) == most {
			continue
		}
		for _, w := range why[m.Offer.Identity.Peer.String()+string(m.Offer.Class)] {
			o.Misfit = append(o.Misfit, &apiv1.Misfit{Constraint: string(w.Constraint), Actual: w.Actual, Required: w.Required})
		}
		res.Others = append(res.Others, o)
	}
	return connect.NewResponse(res), nil
}

// A fresh node's book fills in a burst: it is full when nothing has come for
// bookQuiet, and full enough bookSettle after the first offer that fits.
const (
	bookQuiet  = 300 * time.Millisecond
	bookSettle = time.Second
)

// awaitOffers waits until something fits and the book is full, for at most as
// long as the caller has patience.
func (n *Node) awaitOffers(ctx context.Context, needs proto.Needs, patience time.Duration) error {
	over := time.After(patience)
	var settled <-chan time.Time
	for {
		changed, at := n.offers.changed()
		var quiet <-chan time.Time
		if len(n.offers.match(needs, 1, common.Address{}).Matches) > 0 {
			left := bookQuiet - time.Since(at)
			if left <= 0 {
				return nil
			}
			quiet = time.After(left)
			if settled == nil {
				settled = time.After(bookSettle)
			}
		}
		select {
		case <-changed:
		case <-quiet:
			return nil
		case <-settled:
			return nil
		case <-over:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *Node) needsOf(q *apiv1.ListOffersRequest) (proto.Needs, error) {
	r := q.GetResources()
	needs := proto.Needs{
		Driver: proto.Driver(q.GetDriver()), Token: n.cfg.Network.Token, MaxDuration: time.Duration(q.GetMaxDurationMs()) * time.Millisecond,
		Resources: proto.Resources{CPUMillis: r.GetCpuMillis(), Memory: r.GetMemory(), Disk: r.GetDisk(), GPUs: r.GetGpus(), VRAM: r.GetVram(), GPUModel: r.GetGpuModel()},
	}
	if needs.Driver == "" {
		needs.Driver = proto.DriverWasm // every provider has it
	}
	if q.GetMaxPrice() != "" {
		a, err := proto.ParseAmount(q.GetMaxPrice())
		if err != nil {
			return needs, fmt.Errorf("max_price: %w", err)
		}
		needs.MaxPrice = proto.PerHour(a)
	}
	return needs, nil
}

func (n *Node) offerMessage(o proto.Offer) *apiv1.Offer {
	drivers := make([]string, len(o.Drivers))
	for i, d := range o.Drivers {
		drivers[i] = string(d)
	}
	done, failed := n.offers.history(o.Identity.Peer)
	r := o.Resources
	return &apiv1.Offer{
		PeerId: o.Identity.Peer.String(), Payee: o.Identity.Payee.Hex(), Class: string(o.Class), Price: o.Price.String(),
		Resources: &apiv1.Resources{CpuMillis: r.CPUMillis, Memory: r.Memory, Disk: r.Disk, Gpus: r.GPUs, Vram: r.VRAM, GpuModel: r.GPUModel},
		Drivers:   drivers, SliceMs: o.Slice.Milliseconds(), StartFee: o.StartFee.String(), MaxDurationMs: o.MaxDuration.Milliseconds(),
		ExpiresMs: o.Expires.UnixMilli(), Simulated: o.Simulated, Done: uint32(done), Failed: uint32(failed),
		CloseDelayMs: int64(o.MinCloseDelay) * 1000,
	}
}

func (h handlers) SubmitJob(ctx context.Context, req *connect.Request[apiv1.SubmitJobRequest]) (*connect.Response[apiv1.SubmitJobResponse], error) {
	j, err := h.n.requester.submit(ctx, req.Msg)
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&apiv1.SubmitJobResponse{Job: j.message()}), nil
}

func (h handlers) WatchJob(ctx context.Context, req *connect.Request[apiv1.WatchJobRequest], stream *connect.ServerStream[apiv1.WatchJobResponse]) error {
	if j := h.n.requester.find(req.Msg.GetId()); j != nil {
		return j.events.watch(ctx, req.Msg.GetAfter(), req.Msg.GetReplay(), stream.Send)
	}
	job, err := h.n.job(ctx, req.Msg.GetId())
	if err != nil {
		return err
	}
	var number uint64
	send := func(m *apiv1.WatchJobResponse) error {
		if number++; number <= req.Msg.GetAfter() {
			return nil
		}
		m.Number = number
		return stream.Send(m)
	}
	if err := readJobLog(h.n.requester.jobDir(job.GetId()), func(output uint32, offset uint64, b []byte) error {
		return send(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Log{Log: &apiv1.Log{Stream: output, Offset: offset, Data: b}}})
	}); err != nil {
		return err
	}
	return send(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Job{Job: job}})
}

// job reads a job's record with its last lease.
func (n *Node) job(ctx context.Context, id string) (*apiv1.Job, error) {
	if j := n.requester.find(id); j != nil {
		return j.message(), nil
	}
	var m *apiv1.Job
	err := n.store.View(ctx, func(tx *store.Tx) error {
		rec, err := tx.Job(id)
		if err != nil {
			return err
		}
		m, err = storedJob(tx, rec)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, api.Fail(api.KindUser, "UNKNOWN_JOB", fmt.Errorf("there is no job %q here; required: one of `lode jobs`", id))
	}
	return m, err
}

func storedJob(tx *store.Tx, rec store.Job) (*apiv1.Job, error) {
	m := jobMessage(rec)
	if rec.Lease == (proto.LeaseID{}) {
		return m, nil
	}
	l, err := tx.RequesterLease(rec.Lease)
	if err != nil {
		return nil, err
	}
	addLease(m, l)
	return m, nil
}

func jobMessage(rec store.Job) *apiv1.Job {
	m := &apiv1.Job{
		Id: rec.ID, Name: rec.Name, State: rec.State.String(), Cid: rec.CID, CreatedMs: rec.Created.UnixMilli(),
		ExitCode: rec.ExitCode, Result: rec.Result, Error: rec.Error, Code: rec.Code, Fault: rec.Fault, Due: "0",
	}
	if !rec.Ended.IsZero() {
		m.EndedMs = rec.Ended.UnixMilli()
	}
	return m
}

// addLease adds what the job's lease tells.
func addLease(m *apiv1.Job, l store.RequesterLease) {
	m.Lease, m.LeaseState, m.Provider, m.Price = l.ID.String(), l.State.String(), l.Terms.Channel.Payee.Hex(), l.Terms.Price.String()
	m.Channel, m.UsageMs, m.Vouchers, m.Fetched = l.Terms.Channel.ID().String(), l.Usage.Milliseconds(), uint32(l.Vouchers), l.Fetched
	m.Due = proto.MinAmount(l.Terms.Due(l.Usage), l.Bound()).String()
	if l.Receipt.End != 0 {
		m.End = l.Receipt.End.String()
		m.Due = proto.MinAmount(l.Receipt.Due, l.Bound()).String()
	}
}

func (h handlers) GetJob(ctx context.Context, req *connect.Request[apiv1.GetJobRequest]) (*connect.Response[apiv1.GetJobResponse], error) {
	m, err := h.n.job(ctx, req.Msg.GetId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&apiv1.GetJobResponse{Job: m}), nil
}

func (h handlers) ListJobs(ctx context.Context, req *connect.Request[apiv1.ListJobsRequest]) (*connect.Response[apiv1.ListJobsResponse], error) {
	res := &apiv1.ListJobsResponse{}
	err := h.n.store.View(ctx, func(tx *store.Tx) error {
		jobs, err := tx.Jobs(limitOf(req.Msg.GetLimit()))
		for _, rec := range jobs {
			if j := h.n.requester.find(rec.ID); j != nil {
				res.Jobs = append(res.Jobs, j.message())
				continue
			}
			m, err := storedJob(tx, rec)
			if err != nil {
				return err
			}
			res.Jobs = append(res.Jobs, m)
		}
		return err
	})
	return connect.NewResponse(res), err
}

func limitOf(n uint32) int {
	if n == 0 {
		return 20
	}
	return int(min(n, 10_000))
}

func (h handlers) CancelJob(ctx context.Context, req *connect.Request[apiv1.CancelJobRequest]) (*connect.Response[apiv1.CancelJobResponse], error) {
	if j := h.n.requester.find(req.Msg.GetId()); j != nil {
		j.abort()
	}
	m, err := h.n.job(ctx, req.Msg.GetId())
	if err != nil {
		return nil, err
	}
	return connect.NewResponse(&apiv1.CancelJobResponse{Job: m}), nil
}

func (h handlers) FetchResult(ctx context.Context, req *connect.Request[apiv1.FetchResultRequest]) (*connect.Response[apiv1.FetchResultResponse], error) {
	m, err := h.n.job(ctx, req.Msg.GetId())
	if err != nil {
		return nil, err
	}
	root, err := cid.Decode(m.GetResult())
	if err != nil {
		return nil, api.Fail(api.KindUser, "NO_RESULT", fmt.Errorf("job %s is %s and has no result", m.GetId(), m.GetState()))
	}
	stats, err := h.n.data.Export(ctx, root, req.Msg.GetDest(), anyTree)
	switch {
	case errors.Is(err, data.ErrMissing):
		return nil, api.Fail(api.KindUser, "NO_RESULT", fmt.Errorf("the result of job %s is not in this node's store: %w", m.GetId(), err))
	case err != nil:
		return nil, api.Fail(api.KindUser, "NOT_WRITTEN", err)
	}
	return connect.NewResponse(&apiv1.FetchResultResponse{Bytes: uint64(stats.Bytes), Entries: uint64(stats.Entries)}), nil
}

func (h handlers) ListLeases(ctx context.Context, req *connect.Request[apiv1.ListLeasesRequest]) (*connect.Response[apiv1.ListLeasesResponse], error) {
	res := &apiv1.ListLeasesResponse{}
	err := h.n.store.View(ctx, func(tx *store.Tx) error {
		leases, err := tx.ProviderLeases(limitOf(req.Msg.GetLimit()))
		for _, l := range leases {
			res.Leases = append(res.Leases, leaseMessage(l))
		}
		return err
	})
	return connect.NewResponse(res), err
}

func leaseMessage(l store.ProviderLease) *apiv1.Lease {
	m := &apiv1.Lease{
		Id: l.ID.String(), State: l.State.String(), Payer: l.Terms.Channel.Payer.Hex(), Channel: l.Terms.Channel.ID().String(),
		Price: l.Terms.Price.String(), UsageMs: l.Usage.Milliseconds(), Due: l.Due().String(), Credit: l.Credit.String(), CreatedMs: l.Created.UnixMilli(),
	}
	if l.State == market.ProviderFinished {
		m.End, m.EndedMs = l.End.String(), l.Ended.UnixMilli()
	}
	return m
}
