package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/book"
	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/store"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// job is the actor of one job: it looks for a provider, and then waits for its lease.
type job struct {
	r      *requester
	doc    *proto.Job
	events *jobEvents
	output *jobLog
	resume *store.RequesterLease // a lease of an earlier process
	cancel context.CancelFunc    // ends the search
	spent  proto.Amount          // of the budget, on leases that nobody took
	ctx    context.Context

	mu    sync.Mutex
	rec   store.Job
	lease *requesterLease
	stop  bool // the user cancelled
}

func (r *requester) newJob(rec store.Job, doc *proto.Job) (*job, error) {
	output, err := openJobLog(r.jobDir(rec.ID))
	if err != nil {
		return nil, err
	}
	j := &job{r: r, doc: doc, events: newJobEvents(), output: output, rec: rec}
	j.ctx, j.cancel = context.WithCancel(r.ctx)
	return j, nil
}

func (r *requester) jobDir(id string) string { return filepath.Join(r.dir, id) }

// Search times. A job that nobody can run should fail while its user still
// looks; one that is only waiting for its turn may wait for long.
const (
	searchFor  = 30 * time.Second       // for an offer that fits
	repostFor  = proto.MaxJobPostLife   // between two job posts
	busyFirst  = 100 * time.Millisecond // between two rounds when all that fit are busy
	busyMost   = 2 * time.Second
	candidates = 8 // asked in one round
)

func (j *job) run() {
	defer j.r.forget(j.rec.ID)
	defer j.events.end()
	defer j.cancel()
	l, err := j.leased()
	if err == nil {
		err = l.drive()
	}
	for err == nil && !l.taken && l.rec.State.Ended() && j.ctx.Err() == nil {
		// No provider took it: the answer to Open was lost, and the lease with it.
		j.note(fmt.Sprintf("%s did not take the job: %s", l.key.Payee, l.rec.Detail))
		j.spent = j.spent.Add(l.rec.Allowed) // which its provider may claim all the same
		if !j.searchAgain() {
			break
		}
		if l, err = j.search(); err == nil {
			err = l.drive()
		}
	}
	if j.r.ctx.Err() != nil {
		return // the next process goes on
	}
	if cerr := j.output.close(); cerr != nil {
		j.r.log.Warn("job's output", "job", j.rec.ID, "err", cerr)
	}
	j.ended(l, err)
}

// leased returns the lease that runs the job, a new one or that of an earlier process.
func (j *job) leased() (*requesterLease, error) {
	if j.resume != nil {
		j.mu.Lock()
		j.stop = j.resume.Cancelled
		j.mu.Unlock()
		l := newRequesterLease(j, *j.resume)
		j.setLease(l)
		return l, nil
	}
	return j.search()
}

func (j *job) setLease(l *requesterLease) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lease, j.rec.State, j.rec.Lease = l, store.JobLeased, l.id
	if j.stop { // cancelled while the provider was being asked
		l.post(market.RequesterCancel{})
	}
}

// searchAgain forgets a lease that nobody took; false when the user cancelled
// meanwhile, who would have cancelled that lease.
func (j *job) searchAgain() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.stop {
		return false
	}
	j.lease, j.rec.State = nil, store.JobSearching
	return true
}

// search goes through what fits, the best first, until a provider has accepted.
func (j *job) search() (*requesterLease, error) {
	needs := j.needs()
	began, pause := j.r.now(), busyFirst
	var posted time.Time
	told := make(map[string]bool)
	var chainErr error
	for {
		changed, _ := j.r.offers.changed()
		answer := j.r.offers.match(needs, candidates, j.rec.Provider)
		busy := false
		for _, m := range answer.Matches {
			l, err := j.try(m.Offer, needs)
			if err == nil {
				return l, nil
			}
			if j.ctx.Err() != nil {
				return nil, context.Canceled
			}
			if isOurs(err) {
				return nil, err
			}
			var c *chain.Error
			if errors.As(err, &c) {
				chainErr = err
			}
			if errors.Is(err, errFunding) {
				busy, pause = true, busyFirst
				continue
			}
			busy = busy || errors.Is(err, proto.Refuse(proto.CodeBusy, "", "", "")) || errors.Is(err, proto.Refuse(proto.CodeShuttingDown, "", "", ""))
			if line := fmt.Sprintf("%s: %v", m.Offer.Identity.Payee, err); !told[line] {
				told[line] = true
				j.note(line)
			}
		}
		if busy {
			began = j.r.now() // somebody could run it: it is a matter of waiting
		}
		if j.r.now().Sub(began) > searchFor {
			if chainErr != nil {
				return nil, chainErr
			}
			return nil, noProvider(answer, told)
		}
		if len(answer.Matches) == 0 && j.r.now().Sub(posted) > repostFor {
			posted = j.r.now()
			if err := j.r.offers.post(j.ctx, needs); err != nil {
				j.r.log.Warn("job post", "job", j.rec.ID, "err", err)
			} else if !told["post"] {
				told["post"] = true
				j.note("no offer fits yet; the need was posted, without telling what the job is")
			}
		}
		select {
		case <-j.ctx.Done():
			return nil, context.Canceled
		case <-changed:
			pause = busyFirst
		case <-time.After(pause):
			pause = min(2*pause, busyMost)
		}
	}
}

// isOurs tells a failure that neither another provider nor a moment would mend. An
// endpoint that is down or slow may be back.
func isOurs(err error) bool {
	var c *chain.Error
	passing := errors.Is(err, chain.ErrUnreachable) || errors.Is(err, chain.ErrSlow)
	return errors.Is(err, ErrNoFunds) || errors.Is(err, errBudget) || errors.As(err, &c) && !passing
}

// errFunding is returned while another job of this node funds the channel.
var errFunding = errors.New("another job is funding the channel")

// errBudget is wrapped when the budget does not reach for a single slice.
var errBudget = errors.New("deposit too small")

func (j *job) needs() proto.Needs {
	n := j.doc.Needs()
	n.Token, n.MaxPrice, n.MaxDuration = j.r.token, j.rec.MaxPrice, j.rec.MaxDuration
	return n
}

// try quotes, funds and opens a lease with one provider.
func (j *job) try(o proto.Offer, needs proto.Needs) (*requesterLease, error) {
	ctx, cancel := context.WithTimeout(j.ctx, tryFor)
	defer cancel()
	if delay := time.Duration(o.MinCloseDelay) * time.Second; delay > maxCloseDelay {
		return nil, proto.Refuse(proto.CodeCloseDelay, "a close delay of "+delay.String(), "at most "+maxCloseDelay.String(),
			"money in a channel with it could stay there for so long")
	}
	if j.rec.Budget != (proto.Amount{}) {
		budget := j.rec.Budget.Sub(j.spent)
		afford := o.Price.Covers(budget.Sub(o.StartFee))
		if afford < o.Slice {
			return nil, fmt.Errorf("%w: the budget of %s does not reach for the start fee and one slice of %s at %s/h; required: at least %s",
				errBudget, budget, o.Slice, o.Price, o.StartFee.Add(o.Price.Due(o.Slice)))
		}
		needs.MaxDuration = min(needs.MaxDuration, afford)
	}
	needs.MaxDuration = min(needs.MaxDuration, o.MaxDuration)
	if needs.MaxPrice.Amount().IsZero() {
		needs.MaxPrice = o.Price // never more than what the offer says
	}
	l, err := j.quote(ctx, o, needs)
	if err != nil {
		return nil, err
	}
	if err := l.open(ctx); err != nil {
		j.r.payers.unreserve(l.rec.Terms.Channel, l.id)
		l.forget()
		return nil, err
	}
	j.setLease(l)
	if err := j.save(context.WithoutCancel(ctx)); err != nil {
		return nil, err
	}
	return l, nil
}

// maxCloseDelay is the longest that this node lets a provider hold up money which
// it does not want to settle.
const maxCloseDelay = 7 * 24 * time.Hour

// tryFor bounds one attempt: a deposit may have to become final in it.
const tryFor = 10 * time.Minute

// quote gets terms and makes sure that the channel covers them.
func (j *job) quote(ctx context.Context, o proto.Offer, needs proto.Needs) (*requesterLease, error) {
	r := j.r
	var salt proto.Hash
	rand.Read(salt[:]) // never fails, by its documentation
	unlock, ok := r.payers.lockFunding(ctx, o.Identity.Payee)
	if !ok {
		return nil, errFunding
	}
	defer unlock()
	key := r.payers.choose(o.Identity.Payee, o.Identity.PayeeSigner, o.MinCloseDelay)
	if err := r.payers.recover(ctx, key); err != nil {
		return nil, err
	}
	q := proto.Quote{Needs: needs, Job: proto.Commit(salt, j.rec.Canonical), Channel: key}
	terms, err := r.wire.Quote(ctx, o.Identity.Peer, q)
	if err != nil {
		return nil, err
	}
	if err := r.checkTerms(o, q, terms); err != nil {
		return nil, err
	}
	if terms.Requester, err = r.signer.SignTyped(r.domain, terms.Terms); err != nil {
		return nil, err
	}
	id := terms.LeaseID(r.domain)
	most := terms.Due(terms.MaxDuration)
	r.payers.reserve(key, id, most)
	// More than once where an earlier process had a smaller deposit on its way.
	for range 3 {
		short := r.payers.short(key)
		if short.IsZero() {
			break
		}
		j.note(fmt.Sprintf("depositing %s base units for %s: the most that this lease can cost, what is not used comes back", short, o.Identity.Payee))
		if _, err := r.payers.deposit(ctx, chain.Deposit{Key: key, Amount: short}); err != nil {
			r.payers.unreserve(key, id)
			return nil, err
		}
	}
	rec := store.RequesterLease{Job: j.rec.ID, Salt: salt, Created: r.now()}
	rec.RequesterLease, _ = market.NewRequesterLease(id, terms)
	return newRequesterLease(j, rec), nil
}

// save writes the job's record.
func (j *job) save(ctx context.Context) error {
	j.mu.Lock()
	rec := j.rec
	j.mu.Unlock()
	if err := j.r.store.Update(ctx, func(tx *store.Tx) error { return tx.PutJob(rec) }); err != nil {
		return err
	}
	j.tell()
	return nil
}

// tell shows the job's present state to those who watch.
func (j *job) tell() {
	j.events.append(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Job{Job: j.message()}})
}

func (j *job) note(line string) {
	j.events.append(&apiv1.WatchJobResponse{Kind: &apiv1.WatchJobResponse_Note{Note: proto.Printable(line)}})
}

// message is the job as the API shows it.
func (j *job) message() *apiv1.Job {
	j.mu.Lock()
	rec, l := j.rec, j.lease
	j.mu.Unlock()
	m := jobMessage(rec)
	if l != nil {
		addLease(m, l.snapshot())
	}
	return m
}

// abort ends the job, wherever it is.
func (j *job) abort() {
	j.mu.Lock()
	j.stop = true
	l := j.lease
	j.mu.Unlock()
	if l != nil {
		l.post(market.RequesterCancel{})
		l.mu.Lock()
		abandon := l.abandon
		l.mu.Unlock()
		if abandon != nil {
			abandon() // all that is left is its result, which is not wanted any more
		}
		return
	}
	j.cancel()
}

// ended writes how it went.
func (j *job) ended(l *requesterLease, err error) {
	j.mu.Lock()
	j.rec.Ended = j.r.now()
	switch {
	case err != nil && j.stop:
		j.rec.State = store.JobCancelled
	case err != nil:
		j.rec.State, j.rec.Error = store.JobFailed, err.Error()
		j.rec.Fault, j.rec.Code = classify(err)
	default:
		j.judge(l.snapshot())
	}
	rec := j.rec
	j.mu.Unlock()
	if err := j.r.store.Update(context.WithoutCancel(j.r.ctx), func(tx *store.Tx) error { return tx.PutJob(rec) }); err != nil {
		j.r.fatal(fmt.Errorf("job %s could not be written: %w", rec.ID, err))
		return
	}
	j.tell()
}

// judge turns the end of a lease into that of the job. The caller holds j.mu.
func (j *job) judge(l store.RequesterLease) {
	j.rec.ExitCode = l.Receipt.ExitCode
	if root, ok := resultOf(l); ok {
		j.rec.Result = root.String()
	}
	end := l.Receipt.End
	switch {
	case l.State == market.RequesterLost:
		j.rec.State, j.rec.Code, j.rec.Fault = store.JobFailed, proto.EndLost.String(), string(api.KindPeer)
		j.rec.Error = "the provider was lost: " + l.Detail
	case l.State == market.RequesterRefused:
		j.rec.State, j.rec.Code, j.rec.Fault = store.JobFailed, "REFUSED", string(api.KindPeer)
		j.rec.Error = l.Detail
	case end == proto.EndExited && (l.Fetched || len(l.Receipt.Result) == 0):
		j.rec.State = store.JobDone
	case end == proto.EndExited:
		j.rec.State, j.rec.Code, j.rec.Fault = store.JobFailed, "RESULT_UNREACHABLE", string(api.KindPeer)
		j.rec.Error = "it ran, but its result could not be fetched: " + l.Detail
	case end == proto.EndCancelled && j.stop:
		j.rec.State = store.JobCancelled
	default:
		j.rec.State, j.rec.Code, j.rec.Error = store.JobFailed, end.String(), endText(end, l.Detail)
		j.rec.Fault = string(faultOf(end))
	}
}

// faultOf says whose fault an end is.
func faultOf(e proto.End) api.Kind {
	switch e {
	case proto.EndTrapped, proto.EndMemory, proto.EndOutput, proto.EndMaxDuration, proto.EndPrepareFailed, proto.EndStartFailed, proto.EndCancelled:
		return api.KindJob
	case proto.EndGrace:
		return api.KindChain
	}
	return api.KindPeer
}

var endHints = map[proto.End]string{
	proto.EndMemory:      "it wanted more memory than it was given; ask for more by --memory",
	proto.EndOutput:      "it wrote more than it was given; ask for more by --disk",
	proto.EndMaxDuration: "it ran as long as it might; allow more by --max-duration or --budget",
	proto.EndGrace:       "credit ran out and was not renewed in time; deposit more, or mend the connection",
	proto.EndTrapped:     "it was stopped for a fault of its own",
}

func endText(e proto.End, detail string) string {
	text := endHints[e]
	if detail != "" {
		text = strings.TrimPrefix(text+": "+detail, ": ")
	}
	if text == "" {
		text = "it ended with " + e.String()
	}
	return text
}

// classify says whose fault an error is, and its code.
func classify(err error) (fault, code string) {
	var f *api.Failure
	var c *chain.Error
	var r *proto.Refusal
	switch {
	case errors.As(err, &f):
		return string(f.Kind), f.Code
	case errors.Is(err, ErrNoFunds):
		return string(api.KindChain), "NO_FUNDS"
	case errors.Is(err, errBudget):
		return string(api.KindUser), "DEPOSIT_TOO_SMALL"
	case errors.As(err, &c):
		return string(api.KindChain), "CHAIN"
	case errors.As(err, &r):
		return string(api.KindPeer), r.Code.String()
	case errors.Is(err, wire.ErrUnreachable), errors.Is(err, wire.ErrLost):
		return string(api.KindPeer), "UNREACHABLE"
	}
	return string(api.KindInternal), "INTERNAL"
}

// noProvider says for each offer that was looked at why it was not taken.
func noProvider(a book.Answer, told map[string]bool) error {
	var why []string
	for line := range told {
		if line != "post" {
			why = append(why, line)
		}
	}
	for _, m := range a.Misfits {
		why = append(why, fmt.Sprintf("%s: %s is %s, wanted %s", m.Peer.String()[:12], m.Constraint, m.Actual, m.Required))
	}
	text := fmt.Sprintf("no provider fits; %d offers were looked at", a.Looked)
	if len(why) > 0 {
		text += ":\n  " + strings.Join(why, "\n  ")
	}
	return api.Fail(api.KindPeer, "NO_PROVIDER", errors.New(text))
}

// account returns whether an offer is of the only provider that is wanted.
func isOf(o proto.Offer, only common.Address) bool {
	return only == (common.Address{}) || o.Identity.Payee == only
}
