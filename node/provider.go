package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/singleflight"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// provider sells this machine: it quotes, opens leases and holds one actor for
// each of them.
type provider struct {
	cfg     Provide
	dir     string // what jobs are prepared in
	domain  proto.Domain
	self    proto.PeerKey
	payee   common.Address
	signer  accountSigner
	token   common.Address
	store   *store.Store
	payees  *payees
	data    *data.Store
	drivers map[proto.Driver]run.Driver
	log     *slog.Logger
	notice  func(string)
	fatal   func(error)
	now     func() time.Time

	// ctx ends with the node; actors stop where they are and a later node goes on.
	ctx  context.Context
	done sync.WaitGroup
	// ready is closed once leases of an earlier process are known: peers may
	// come before.
	ready chan struct{}

	mu       sync.Mutex
	leases   map[proto.LeaseID]*providerLease
	used     proto.Resources
	stopping bool
	modules  map[string]string // digests of exported modules by CID

	exporting singleflight.Group // by CID
	opening   singleflight.Group // by lease
}

var _ wire.Provider = (*provider)(nil)

// accountSigner is the signer key of a home.
type accountSigner interface {
	typedSigner
	Address() common.Address
}

// load takes up the leases of an earlier process: live ones go on where they
// were, finished ones wait for their requester until retention is over.
func (p *provider) load(ctx context.Context) error {
	p.leases = make(map[proto.LeaseID]*providerLease)
	p.modules = make(map[string]string)
	var live, held []store.ProviderLease
	if err := p.store.View(ctx, func(tx *store.Tx) (err error) {
		if live, err = tx.LiveProviderLeases(); err != nil {
			return err
		}
		held, err = tx.HeldProviderLeases()
		return err
	}); err != nil {
		return err
	}
	for _, rec := range held {
		p.hold(rec)
	}
	known := make(map[string]bool)
	for _, rec := range live {
		job, err := proto.ParseJob(rec.Job)
		if err != nil {
			return fmt.Errorf("lease %s: %w", rec.ID, err)
		}
		known[rec.ID.String()] = true
		p.take(rec.Terms.Resources)
		p.leases[rec.ID] = newProviderLease(p, rec, job)
	}
	if err := errors.Join(p.sweep(ctx, known), p.sweepFolders(known)); err != nil {
		return err
	}
	for _, rec := range live {
		l := p.leases[rec.ID]
		p.log.Info("going on with a lease", "lease", rec.ID, "state", rec.State)
		l.start(rec.Resume())
		// What the ledger granted may not have been written into the lease.
		l.post(market.ProviderCredited{Credit: p.payees.credit(rec.Terms.Channel, rec.ID)})
	}
	close(p.ready)
	return nil
}

func (p *provider) wait(ctx context.Context) error {
	select {
	case <-p.ready:
		return nil
	case <-ctx.Done():
		return proto.Refuse(proto.CodeBusy, "the provider is starting", "", "try again in a moment")
	}
}

// sweep removes what leases that are not live have left with the drivers.
func (p *provider) sweep(ctx context.Context, live map[string]bool) error {
	var errs []error
	for name, d := range p.drivers {
		ids, err := d.List()
		if err != nil {
			errs = append(errs, err)
		}
		for _, id := range ids {
			if live[id] {
				continue
			}
			task, err := d.Recover(ctx, id)
			if err != nil && !errors.Is(err, run.ErrGone) {
				p.log.Warn("a job was left behind", "driver", name, "lease", id, "err", err)
			}
			if task != nil {
				errs = append(errs, task.Remove(ctx))
			}
		}
	}
	return errors.Join(errs...)
}

// modules is the folder of modules below that of the leases.
const modules = "modules"

// moduleLife is how long a module is kept after its last use.
const moduleLife = time.Hour

// sweepFolders removes what leases that are not live have left: a crash may have
// come between the end of a lease and the removal of its inputs.
func (p *provider) sweepFolders(live map[string]bool) error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != modules && !live[e.Name()] {
			errs = append(errs, os.RemoveAll(filepath.Join(p.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweepModules removes modules that no live lease uses and none has used for a while.
func (p *provider) sweepModules() error {
	dir := filepath.Join(p.dir, modules)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	used := make(map[string]bool)
	p.mu.Lock()
	for _, l := range p.leases {
		if l.job != nil && l.job.Module != nil && l.snapshot().State != market.ProviderFinished {
			used[l.job.Module.String()] = true
		}
	}
	p.mu.Unlock()
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		// What an interrupted export has left has another name, and is old by then.
		if !used[e.Name()] && p.now().Sub(info.ModTime()) > moduleLife {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
			p.mu.Lock()
			delete(p.modules, e.Name())
			p.mu.Unlock()
		}
	}
	return errors.Join(errs...)
}

// Quote answers with signed terms. It takes no capacity.
func (p *provider) Quote(ctx context.Context, from proto.PeerKey, q proto.Quote) (proto.SignedTerms, error) {
	if err := p.wait(ctx); err != nil {
		return proto.SignedTerms{}, err
	}
	p.mu.Lock()
	stopping, used := p.stopping, p.used
	p.mu.Unlock()
	n, c := q.Needs, p.cfg
	refuse := func(code proto.Code, actual, required any, hint string) (proto.SignedTerms, error) {
		return proto.SignedTerms{}, proto.Refuse(code, fmt.Sprint(actual), fmt.Sprint(required), hint)
	}
	switch {
	case stopping:
		return refuse(proto.CodeShuttingDown, "the provider is stopping", "", "try another provider")
	case p.drivers[n.Driver] == nil:
		return refuse(proto.CodeUnsupported, "driver "+string(n.Driver), p.driverNames(), "")
	case n.Network != proto.NetworkNone:
		return refuse(proto.CodeUnsupported, fmt.Sprintf("network mode %d", n.Network), "none", "this version runs jobs without a network")
	case n.Resources.GPUs > 0 && !c.Simulated:
		return refuse(proto.CodeTooLittle, fmt.Sprintf("%d GPUs asked", n.Resources.GPUs), "none are sold", "")
	case n.Resources.CPUMillis < proto.LeastCPUMillis || n.Resources.Memory < proto.LeastMemory || n.Resources.Disk < proto.LeastDisk:
		return refuse(proto.CodeBadJob, resourcesText(n.Resources), "at least "+resourcesText(leastResources), "ask for more")
	case !fits(n.Resources, proto.Resources{}, c.Resources):
		return refuse(proto.CodeTooLittle, resourcesText(n.Resources), "at most "+resourcesText(c.Resources), "ask for less")
	case !fits(n.Resources, used, c.Resources):
		// Nobody should deposit for what can't be opened now.
		return refuse(proto.CodeBusy, resourcesText(used)+" in use", resourcesText(n.Resources)+" free", "try again when a lease has ended")
	case n.Token != p.token || q.Channel.Token != p.token:
		return refuse(proto.CodeWrongToken, n.Token, p.token, "")
	case !n.MaxPrice.Amount().IsZero() && n.MaxPrice.Cmp(c.Price) < 0:
		return refuse(proto.CodePriceTooLow, n.MaxPrice, c.Price, "raise the highest price")
	case n.MaxDuration <= 0 || n.MaxDuration > c.MaxDuration:
		return refuse(proto.CodeTooLong, n.MaxDuration, "up to "+c.MaxDuration.String(), "lower the longest duration")
	case q.Channel.Payee != p.payee || q.Channel.PayeeSigner != p.signer.Address():
		return refuse(proto.CodeWrongChannel, "payee "+q.Channel.Payee.Hex(), p.payee.Hex(), "take the account from the offer")
	case q.Channel.CloseDelay < c.MinCloseDelay:
		return refuse(proto.CodeCloseDelay, fmt.Sprintf("%d s", q.Channel.CloseDelay), fmt.Sprintf("at least %d s", c.MinCloseDelay), "open a channel with a longer close delay")
	}
	now := p.now().Truncate(time.Millisecond)
	t := proto.SignedTerms{Terms: proto.Terms{
		ProviderPeer: p.self, RequesterPeer: from, Channel: q.Channel, Job: q.Job,
		Driver: n.Driver, Resources: n.Resources, Network: n.Network,
		Price: c.Price, Slice: c.Slice, StartFee: c.StartFee, Grace: c.Grace, MaxDuration: n.MaxDuration, Retention: c.Retention,
		Issued: now, Expires: now.Add(proto.QuoteLife),
	}}
	rand.Read(t.Nonce[:]) // never fails, by its documentation
	if err := t.Validate(); err != nil {
		return proto.SignedTerms{}, err
	}
	sig, err := p.signer.SignTyped(p.domain, t.Terms)
	t.Provider = sig
	return t, err
}

func (p *provider) driverNames() string {
	var names []string
	for name := range p.drivers {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return fmt.Sprint(names)
}

// Lease serves one attached requester.
func (p *provider) Lease(ctx context.Context, from proto.PeerKey, first wire.LeaseRequest, s *wire.LeaseStream) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	var l *providerLease
	var after uint64
	var err error
	switch first := first.(type) {
	case wire.Open:
		l, err = p.open(ctx, from, first)
	case wire.Attach:
		after = first.After
		l, err = p.find(from, first.Lease)
	default:
		err = proto.Refuse(proto.CodeMalformed, "another frame", "open or attach", "")
	}
	if err != nil {
		return err
	}
	return l.follow(ctx, s, after)
}

func (p *provider) find(from proto.PeerKey, id proto.LeaseID) (*providerLease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.leases[id]
	if l == nil || l.requester != from {
		return nil, proto.Refuse(proto.CodeUnknownLease, id.String(), "a lease of yours that is kept here", "results are kept for the terms' retention")
	}
	return l, nil
}

// open checks a lease from all sides, takes capacity, and writes it down with
// its first voucher. Opening the same lease again finds it.
func (p *provider) open(ctx context.Context, from proto.PeerKey, o wire.Open) (*providerLease, error) {
	job, err := p.checkOpen(from, o)
	id := o.Terms.LeaseID(p.domain)
	if l, ferr := p.find(from, id); ferr == nil {
		return l, nil // whatever has expired since
	}
	if err != nil {
		return nil, err
	}
	// One at a time: a requester that got no answer opens again while the first
	// Open may still wait for the chain.
	l, err, _ := p.opening.Do(id.String(), func() (any, error) {
		if l, err := p.find(from, id); err == nil {
			return l, nil
		}
		return p.openOnce(ctx, id, o, job)
	})
	if err != nil {
		return nil, err
	}
	return l.(*providerLease), nil
}

func (p *provider) openOnce(ctx context.Context, id proto.LeaseID, o wire.Open, job *proto.Job) (*providerLease, error) {
	if err := p.reserve(o.Terms.Resources); err != nil {
		return nil, err
	}
	rec := store.ProviderLease{Job: o.Job, Created: p.now()}
	first := market.FirstCredit(o.Terms.Terms)
	lease, effects := market.NewProviderLease(id, o.Terms, first)
	rec.ProviderLease = lease
	l := newProviderLease(p, rec, job)
	rec.Seq = seqAhead
	l.rec, l.seen = rec, rec
	err := p.payees.open(ctx, o.Terms.Channel, o.Voucher, id, first, func(tx *store.Tx) error {
		if err := tx.UseNonce(o.Terms.Nonce, o.Terms.Expires, p.now()); err != nil {
			if errors.Is(err, store.ErrExists) {
				return proto.Refuse(proto.CodeReplayed, "these terms were opened before", "a fresh quote", "ask for a quote again")
			}
			return err
		}
		return tx.InsertProviderLease(rec)
	})
	if err != nil {
		l.cancel()
		p.release(o.Terms.Resources)
		return nil, err
	}
	p.mu.Lock()
	p.leases[id] = l
	p.mu.Unlock()
	p.notice(fmt.Sprintf("lease %s opened by %s", id.String()[:12], o.Terms.Channel.Payer))
	l.start(effects)
	return l, nil
}

func (p *provider) checkOpen(from proto.PeerKey, o wire.Open) (*proto.Job, error) {
	t := o.Terms
	switch {
	case t.RequesterPeer != from:
		return nil, proto.Refuse(proto.CodeTermsNotMine, "opened by "+from.String(), t.RequesterPeer.String(), "terms are for the peer that asked for them")
	case t.ProviderPeer != p.self:
		return nil, proto.Refuse(proto.CodeTermsNotMine, "terms of "+t.ProviderPeer.String(), p.self.String(), "")
	case p.drivers[t.Driver] == nil: // quoted before a restart with other settings
		return nil, proto.Refuse(proto.CodeUnsupported, "driver "+string(t.Driver), p.driverNames(), "ask for a quote again")
	case !t.Expires.After(p.now()):
		return nil, proto.Refuse(proto.CodeExpired, "expired "+t.Expires.UTC().Format(time.RFC3339), "terms younger than "+proto.QuoteLife.String(), "ask for a quote again")
	}
	if err := p.domain.Verify(t.Terms, t.Provider, p.signer.Address()); err != nil {
		return nil, proto.Refuse(proto.CodeTermsNotMine, err.Error(), p.signer.Address().Hex(), "ask for a quote")
	}
	if err := p.domain.Verify(t.Terms, t.Requester, t.Channel.PayerSigner); err != nil {
		return nil, proto.Refuse(proto.CodeBadSignature, err.Error(), t.Channel.PayerSigner.Hex(), "the channel's payer signs the terms")
	}
	if proto.Commit(o.Salt, o.Job) != t.Job {
		return nil, proto.Refuse(proto.CodeJobMismatch, "another job or salt", t.Job.String(), "open with the job that was quoted")
	}
	job, err := proto.ParseJob(o.Job)
	if err != nil {
		return nil, proto.Refuse(proto.CodeBadJob, err.Error(), "", "")
	}
	if job.Outputs != proto.Outputs {
		return nil, proto.Refuse(proto.CodeBadJob, "outputs in "+job.Outputs, proto.Outputs, "write results there")
	}
	n := job.Needs()
	if !fits(leastResources, proto.Resources{}, n.Resources) {
		return nil, proto.Refuse(proto.CodeBadJob, resourcesText(n.Resources), "at least "+resourcesText(leastResources), "ask for more")
	}
	if n.Driver != t.Driver || n.Network != t.Network || !fits(n.Resources, proto.Resources{}, t.Resources) {
		return nil, proto.Refuse(proto.CodeJobMismatch, "the job needs "+resourcesText(n.Resources), resourcesText(t.Resources), "quote what the job needs")
	}
	return job, nil
}

// Settle consents to what the channel's finished leases came to.
func (p *provider) Settle(ctx context.Context, from proto.PeerKey, key proto.ChannelKey) (proto.Settlement, error) {
	if err := p.rents(ctx, from, key); err != nil {
		return proto.Settlement{}, err
	}
	return p.payees.settle(ctx, key)
}

// Sync returns the last voucher of a channel.
func (p *provider) Sync(ctx context.Context, from proto.PeerKey, key proto.ChannelKey) (proto.Voucher, error) {
	if err := p.wait(ctx); err != nil {
		return proto.Voucher{}, err
	}
	if p.payees.find(key.ID()) == nil {
		return proto.Voucher{Channel: key.ID()}, nil // none, which is no secret
	}
	if err := p.rents(ctx, from, key); err != nil {
		return proto.Voucher{}, err
	}
	return p.payees.lastVoucher(key), nil
}

// rents refuses a peer that never rented on the channel. Its key is public, by
// the chain's logs, and a consent to settle locks or closes it.
func (p *provider) rents(ctx context.Context, from proto.PeerKey, key proto.ChannelKey) error {
	if err := p.wait(ctx); err != nil {
		return err
	}
	known := false
	if err := p.store.View(ctx, func(tx *store.Tx) (err error) {
		known, err = tx.HasRented(from, key.ID())
		return err
	}); err != nil {
		return err
	}
	if !known {
		return proto.Refuse(proto.CodeWrongChannel, key.ID().String(), "a channel on which you rented here", "an unused channel is closed by its payer, with a delay")
	}
	return nil
}

// credited passes a grant on to the lease's actor.
func (p *provider) credited(id proto.LeaseID, credit proto.Amount) {
	p.mu.Lock()
	l := p.leases[id]
	p.mu.Unlock()
	if l != nil {
		l.post(market.ProviderCredited{Credit: credit})
	}
}

// recheck freezes the leases of channels from which a reorg took money on which
// they run, and lets them go on when it is back.
func (p *provider) recheck() {
	p.mu.Lock()
	leases := make([]*providerLease, 0, len(p.leases))
	for _, l := range p.leases {
		leases = append(leases, l)
	}
	p.mu.Unlock()
	for _, l := range leases {
		l.box.post(l.checkFunds)
	}
}

func (p *provider) reserve(r proto.Resources) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return proto.Refuse(proto.CodeShuttingDown, "the provider is stopping", "", "try another provider")
	}
	if !fits(r, p.used, p.cfg.Resources) {
		return proto.Refuse(proto.CodeBusy, resourcesText(p.used)+" in use", resourcesText(r)+" free", "try again when a lease has ended")
	}
	p.used = plus(p.used, r)
	return nil
}

// take counts what leases of an earlier process hold, whether or not this one sells as much.
func (p *provider) take(r proto.Resources) {
	p.mu.Lock()
	p.used = plus(p.used, r)
	p.mu.Unlock()
}

func (p *provider) release(r proto.Resources) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = proto.Resources{
		CPUMillis: p.used.CPUMillis - r.CPUMillis, Memory: p.used.Memory - r.Memory, Disk: p.used.Disk - r.Disk, GPUs: p.used.GPUs - r.GPUs,
	}
}

// hold keeps a finished lease for its requester to attach to.
func (p *provider) hold(rec store.ProviderLease) {
	l := newProviderLease(p, rec, nil)
	l.box.close()
	l.events.Append(l.finishedEvent())
	p.grantResult(rec)
	p.mu.Lock()
	p.leases[rec.ID] = l
	p.mu.Unlock()
}

// reap lets go of finished leases whose retention is over, and of content that
// nothing needs any more.
func (p *provider) reap(ctx context.Context) error {
	var held []store.ProviderLease
	if err := p.store.View(ctx, func(tx *store.Tx) (err error) {
		held, err = tx.HeldProviderLeases()
		return err
	}); err != nil {
		return err
	}
	for _, rec := range held {
		if p.now().Before(rec.Ended.Add(rec.Terms.Retention)) {
			continue
		}
		p.data.Revoke(rec.ID.String())
		rec.Released = true
		if err := p.store.Update(ctx, func(tx *store.Tx) error {
			if rec.Receipt.Due.IsZero() {
				return tx.DeleteProviderLease(rec.ID) // strangers can make any number of these
			}
			return tx.PutProviderLease(rec)
		}); err != nil {
			return err
		}
		p.mu.Lock()
		delete(p.leases, rec.ID)
		p.mu.Unlock()
	}
	return p.sweepModules()
}

// stop refuses new leases.
func (p *provider) stop() {
	p.mu.Lock()
	p.stopping = true
	p.mu.Unlock()
}

// jobDir is where a lease's inputs are put.
func (p *provider) jobDir(id proto.LeaseID) string { return filepath.Join(p.dir, id.String()) }

func (p *provider) removeJobDir(id proto.LeaseID) error { return os.RemoveAll(p.jobDir(id)) }

var leastResources = proto.Resources{CPUMillis: proto.LeastCPUMillis, Memory: proto.LeastMemory, Disk: proto.LeastDisk}

// fits reports whether want fits into have beside what is used.
func fits(want, used, have proto.Resources) bool {
	all := plus(want, used)
	return all.CPUMillis <= have.CPUMillis && all.Memory <= have.Memory && all.Disk <= have.Disk && all.GPUs <= have.GPUs &&
		(want.GPUs == 0 || want.VRAM <= have.VRAM)
}

func plus(a, b proto.Resources) proto.Resources {
	return proto.Resources{CPUMillis: a.CPUMillis + b.CPUMillis, Memory: a.Memory + b.Memory, Disk: a.Disk + b.Disk, GPUs: a.GPUs + b.GPUs}
}

func resourcesText(r proto.Resources) string {
	s := fmt.Sprintf("%g cores, %d MiB memory, %d MiB disk", float64(r.CPUMillis)/1000, r.Memory>>20, r.Disk>>20)
	if r.GPUs > 0 {
		s += fmt.Sprintf(", %d GPUs", r.GPUs)
	}
	return s
}
