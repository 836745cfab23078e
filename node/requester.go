package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// requester buys: it holds one actor for each job that has not ended.
type requester struct {
	dir      string // what jobs printed
	domain   proto.Domain
	self     proto.PeerKey
	signer   accountSigner
	token    common.Address
	store    *store.Store
	payers   *payers
	data     *data.Store
	wire     *wire.Wire
	offers   *offers
	images   func(ctx context.Context, ref string) (string, error)
	patience time.Duration // beyond the lease's grace
	log      *slog.Logger
	now      func() time.Time
	fatal    func(error)

	ctx  context.Context
	done sync.WaitGroup

	mu   sync.Mutex
	jobs map[string]*job
}

// load goes on with the jobs of an earlier process.
func (r *requester) load(ctx context.Context) error {
	r.jobs = make(map[string]*job)
	var jobs []store.Job
	leases := make(map[string][]store.RequesterLease)
	if err := r.store.View(ctx, func(tx *store.Tx) (err error) {
		if jobs, err = tx.LiveJobs(); err != nil {
			return err
		}
		for _, j := range jobs {
			if leases[j.ID], err = tx.RequesterLeases(j.ID); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	for _, rec := range jobs {
		doc, err := proto.ParseJob(rec.Canonical)
		if err != nil {
			return fmt.Errorf("job %s: %w", rec.ID, err)
		}
		j, err := r.newJob(rec, doc)
		if err != nil {
			return err
		}
		for _, l := range leases[rec.ID] {
			if l.State == market.RequesterLost {
				j.spent = j.spent.Add(l.Allowed)
			}
			if !l.State.Ended() {
				r.payers.reserve(l.Terms.Channel, l.ID, l.Terms.Due(l.Terms.MaxDuration))
				j.resume = &l
			}
		}
		r.start(j)
	}
	return nil
}

func (r *requester) start(j *job) {
	r.mu.Lock()
	r.jobs[j.rec.ID] = j
	r.mu.Unlock()
	r.done.Go(j.run)
}

// Defaults of a job's resources, for those who did not say.
const (
	defaultCPU    = 1000      // thousandths of a core
	defaultMemory = 512 << 20 // bytes
	defaultDisk   = 256 << 20 // bytes
	defaultLength = time.Hour
)

// submit resolves a job and begins to look for a provider.
func (r *requester) submit(ctx context.Context, q *apiv1.SubmitJobRequest) (*job, error) {
	doc, err := r.resolve(ctx, q)
	if err != nil {
		return nil, api.Fail(api.KindUser, "BAD_JOB", err)
	}
	canonical, err := doc.Canonical()
	if err != nil {
		return nil, api.Fail(api.KindUser, "BAD_JOB", err)
	}
	rec := store.Job{
		ID: strings.ToLower(rand.Text()[:10]), Name: q.GetName(), State: store.JobSearching, Created: r.now(),
		Canonical: canonical, CID: proto.JobCID(canonical).String(), MaxDuration: time.Duration(q.GetMaxDurationMs()) * time.Millisecond,
	}
	if rec.MaxDuration <= 0 {
		rec.MaxDuration = defaultLength
	}
	if rec.MaxPrice, rec.Budget, err = limitsOf(q); err != nil {
		return nil, api.Fail(api.KindUser, "BAD_AMOUNT", err)
	}
	if q.GetProvider() != "" {
		if !common.IsHexAddress(q.GetProvider()) {
			return nil, api.Fail(api.KindUser, "BAD_PROVIDER", fmt.Errorf("provider %q is no account; required: 0x and 40 hexadecimal digits, from `lode offers`", q.GetProvider()))
		}
		rec.Provider = common.HexToAddress(q.GetProvider())
	}
	j, err := r.newJob(rec, doc)
	if err != nil {
		return nil, err
	}
	if err := j.save(ctx); err != nil {
		return nil, err
	}
	r.start(j)
	return j, nil
}

func limitsOf(q *apiv1.SubmitJobRequest) (price proto.Price, budget proto.Amount, err error) {
	if q.GetMaxPrice() != "" {
		a, err := proto.ParseAmount(q.GetMaxPrice())
		if err != nil {
			return price, budget, fmt.Errorf("max_price: %w", err)
		}
		price = proto.PerHour(a)
	}
	if q.GetBudget() != "" {
		if budget, err = proto.ParseAmount(q.GetBudget()); err != nil {
			return price, budget, fmt.Errorf("budget: %w", err)
		}
	}
	return price, budget, nil
}

// resolve turns paths and tags into CIDs and digests, putting the content into
// this node's store.
func (r *requester) resolve(ctx context.Context, q *apiv1.SubmitJobRequest) (*proto.Job, error) {
	doc := &proto.Job{
		Version: proto.JobVersion, Args: q.GetArgs(), Outputs: q.GetOutputs(),
		Deterministic: q.GetDeterministic(), Seed: q.GetSeed(),
		Resources: proto.Ask{CPUMillis: defaultCPU, Memory: defaultMemory, Disk: defaultDisk},
	}
	if doc.Outputs == "" {
		doc.Outputs = proto.Outputs
	}
	if doc.Outputs != proto.Outputs {
		return nil, fmt.Errorf("outputs are %q; required: %s, the only folder whose content this version keeps", doc.Outputs, proto.Outputs)
	}
	a := q.GetResources()
	for _, set := range []struct {
		to   *int64
		from uint64
	}{
		{&doc.Resources.CPUMillis, uint64(a.GetCpuMillis())}, {&doc.Resources.Memory, a.GetMemory()}, {&doc.Resources.Disk, a.GetDisk()},
		{&doc.Resources.Shm, a.GetShm()}, {&doc.Resources.GPUs, uint64(a.GetGpus())}, {&doc.Resources.VRAM, a.GetVram()},
	} {
		if set.from > 0 {
			*set.to = int64(min(set.from, 1<<60))
		}
	}
	for name, value := range q.GetEnv() {
		doc.Env = append(doc.Env, proto.Var{Name: name, Value: value})
	}
	switch {
	case q.GetWasm() != "" && q.GetImage() != "":
		return nil, errors.New("a module and an image are given; required: one of them")
	case q.GetWasm() != "":
		root, err := r.add(ctx, q.GetWasm())
		if err != nil {
			return nil, err
		}
		doc.Driver, doc.Module = string(proto.DriverWasm), &root
	case q.GetImage() != "":
		ref, err := r.images(ctx, q.GetImage())
		if err != nil {
			return nil, err
		}
		doc.Driver, doc.Image = string(proto.DriverDocker), &ref
	default:
		return nil, errors.New("nothing to run is given; required: a module or an image")
	}
	// What a provider would refuse is told before money moves.
	if asked := doc.Needs().Resources; !fits(leastResources, proto.Resources{}, asked) {
		return nil, fmt.Errorf("the job asks for %s; required: at least %s", resourcesText(asked), resourcesText(leastResources))
	}
	left := doc.Resources.Disk - proto.LeastDisk
	for _, in := range q.GetInputs() {
		root, err := r.input(ctx, in.GetSource())
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", in.GetPath(), err)
		}
		size, err := r.data.Measure(ctx, root, anyTree)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", in.GetPath(), err)
		}
		if left -= size.Bytes; left < 0 {
			return nil, fmt.Errorf("inputs up to %s take %d MiB more than the disk of %d MiB that the job asks for; required: room for inputs, outputs and scratch together, by --disk",
				in.GetPath(), (-left+1<<20-1)>>20, doc.Resources.Disk>>20)
		}
		doc.Inputs = append(doc.Inputs, proto.Input{Path: in.GetPath(), Root: root})
	}
	return doc, nil
}

func (r *requester) input(ctx context.Context, source string) (cid.Cid, error) {
	text, ok := strings.CutPrefix(source, "ipfs://")
	if !ok {
		return r.add(ctx, source)
	}
	root, err := cid.Decode(text)
	if err != nil {
		return root, fmt.Errorf("%q is no CID: %w", text, err)
	}
	if _, err := r.data.Measure(ctx, root, anyTree); err != nil {
		return root, fmt.Errorf("%s is not in this node's store: %w; required: a local path, or the result of an earlier job", root, err)
	}
	return root, nil
}

// anyTree bounds what this node's own user may add.
var anyTree = data.Limits{Bytes: 1 << 40, Entries: maxEntries, Depth: maxDepth}

func (r *requester) add(ctx context.Context, path string) (cid.Cid, error) {
	if !filepath.IsAbs(path) {
		return cid.Undef, fmt.Errorf("path %q is relative; required: an absolute one", path)
	}
	root, _, err := r.data.AddPath(ctx, path, data.AddOptions{Limits: anyTree})
	return root, err
}

// find returns a job's actor, or nil when the job has ended.
func (r *requester) find(id string) *job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[id]
}

// forget drops an ended job's actor; its record stays in the store.
func (r *requester) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.jobs, id)
}

// checkTerms compares a provider's terms with what was asked and offered. What
// it signed is all that counts later, so nothing may be worse than agreed.
func (r *requester) checkTerms(o proto.Offer, q proto.Quote, t proto.SignedTerms) error {
	bad := func(what string, actual, required any) error {
		return proto.Refuse(proto.CodeMalformed, fmt.Sprintf("terms with %s %v", what, actual), fmt.Sprint(required), "the provider does not keep to its offer")
	}
	n := q.Needs
	switch {
	case t.ProviderPeer != o.Identity.Peer:
		return bad("provider", t.ProviderPeer, o.Identity.Peer)
	case t.RequesterPeer != r.self:
		return bad("requester", t.RequesterPeer, r.self)
	case t.Channel != q.Channel:
		return bad("channel", t.Channel.ID(), q.Channel.ID())
	case t.Job != q.Job:
		return bad("job", t.Job, q.Job)
	case t.Driver != n.Driver || t.Network != n.Network:
		return bad("driver", t.Driver, n.Driver)
	case !fits(n.Resources, proto.Resources{}, t.Resources):
		return bad("resources", resourcesText(t.Resources), resourcesText(n.Resources))
	case t.Price.Cmp(o.Price) > 0 || (!n.MaxPrice.Amount().IsZero() && t.Price.Cmp(n.MaxPrice) > 0):
		return bad("price", t.Price, o.Price)
	case t.StartFee.Cmp(o.StartFee) > 0:
		return bad("start fee", t.StartFee, o.StartFee)
	case t.Slice > o.Slice:
		return bad("slice", t.Slice, o.Slice)
	case t.MaxDuration != n.MaxDuration:
		return bad("longest duration", t.MaxDuration, n.MaxDuration)
	case !t.Expires.After(r.now()):
		return bad("expiry", t.Expires, "later than now")
	}
	return r.domain.Verify(t.Terms, t.Provider, o.Identity.PayeeSigner)
}

// sync asks a channel's payee for its last voucher.
func (r *requester) sync(ctx context.Context, key proto.ChannelKey) (proto.Voucher, error) {
	peer, err := r.peerOf(ctx, key)
	if err != nil {
		return proto.Voucher{}, err
	}
	return r.wire.Sync(ctx, peer, key)
}

// peerOf finds the peer behind a channel's payee: from a lease, or from its offer.
func (r *requester) peerOf(ctx context.Context, key proto.ChannelKey) (proto.PeerKey, error) {
	if o, ok := r.offers.of(key.Payee); ok {
		return o.Identity.Peer, nil
	}
	var peer proto.PeerKey
	err := r.store.View(ctx, func(tx *store.Tx) error {
		leases, err := tx.RequesterLeases("")
		for _, l := range leases {
			if l.Terms.Channel == key {
				peer = l.Terms.ProviderPeer
			}
		}
		return err
	})
	if err == nil && peer == (proto.PeerKey{}) {
		err = api.Fail(api.KindPeer, "UNKNOWN_PROVIDER", fmt.Errorf("no peer is known for payee %s; required: an offer of it, so that its peer can be asked", key.Payee))
	}
	return peer, err
}

// history counts one's own leases with each peer.
func history(leases []store.RequesterLease) map[proto.PeerKey][2]int {
	past := make(map[proto.PeerKey][2]int)
	for _, l := range leases {
		n := past[l.Terms.ProviderPeer]
		if done, failed := outcome(l.RequesterLease); done {
			n[0]++
		} else if failed {
			n[1]++
		}
		past[l.Terms.ProviderPeer] = n
	}
	return past
}

// outcome says what an ended lease tells of its provider: a job that failed by
// its own fault says nothing.
func outcome(l market.RequesterLease) (done, failed bool) {
	switch l.State {
	case market.RequesterFinished:
		switch l.Receipt.End {
		case proto.EndExited, proto.EndTrapped, proto.EndMemory, proto.EndOutput, proto.EndMaxDuration:
			return true, false
		case proto.EndCancelled, proto.EndGrace:
			return false, false
		}
		return false, true
	case market.RequesterLost:
		return false, true
	}
	return false, false
}
