package market

import (
	"fmt"
	"time"

	"github.com/lode-market/lode/proto"
)

// RequesterState is where a lease stands on its requester's side. The numbers
// are stored and never reused.
type RequesterState uint8

// The states of a requester's lease, in the order of an undisturbed one.
const (
	RequesterOpening   RequesterState = 1 // signed by us and on disk; the provider may or may not have it
	RequesterPreparing RequesterState = 2 // accepted
	RequesterRunning   RequesterState = 3
	RequesterFrozen    RequesterState = 4
	RequesterFetching  RequesterState = 5 // receipt checked and booked; the result is on its way
	RequesterFinished  RequesterState = 6 // receipt and result, if any, are here
	RequesterRefused   RequesterState = 7 // the provider said no; nothing is owed
	RequesterLost      RequesterState = 8 // nothing was heard for longer than patience
)

var requesterStateNames = map[RequesterState]string{
	RequesterOpening: "opening", RequesterPreparing: "preparing", RequesterRunning: "running", RequesterFrozen: "frozen",
	RequesterFetching: "fetching", RequesterFinished: "finished", RequesterRefused: "refused", RequesterLost: "lost",
}

func (s RequesterState) String() string {
	if n, ok := requesterStateNames[s]; ok {
		return n
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Ended reports whether nothing more happens in s.
func (s RequesterState) Ended() bool {
	return s == RequesterFinished || s == RequesterRefused || s == RequesterLost
}

// RequesterLease is a lease as its requester keeps it. It is a value: Step
// returns a changed copy.
type RequesterLease struct {
	ID    proto.LeaseID
	Terms proto.SignedTerms
	State RequesterState
	// Own is the running time that this side has seen with its own clock: the
	// base of all that it signs.
	Own time.Duration
	// Since is when Own was last brought up to date, while the job runs and the
	// lease is attached; zero otherwise.
	Since time.Time
	// Cut is when the connection was lost; zero while attached.
	Cut time.Time
	// Want is the credit that the provider last asked for.
	Want proto.Amount
	// Allowed is the most that may have been signed for the lease so far: Want as
	// far as Bound reached, whenever there was something to pay.
	Allowed proto.Amount
	// Seq is the last event that was applied: where to attach after.
	Seq uint64
	// Usage is the provider's meter as last reported.
	Usage     time.Duration
	Cancelled bool
	Receipt   proto.Receipt
	// Detail is the reason of a refusal or loss, or what the provider said about the end.
	Detail  string
	Fetched bool
}

// Bound is the most that this side may have signed for the lease: start fee, own
// time and two slices, and never more than the longest duration costs.
func (l RequesterLease) Bound() proto.Amount {
	ahead := l.Terms.Due(l.Own).Add(l.Terms.SliceAmount().Mul(2))
	return proto.MinAmount(ahead, l.Terms.Due(l.Terms.MaxDuration))
}

// RequesterEvent is something that happened to a requester's lease. Now is this
// side's clock.
type RequesterEvent interface{ requesterEvent() requesterEventKind }

type requesterEventKind string

func (k requesterEventKind) String() string { return string(k) }

// What can happen to a requester's lease.
type (
	// RequesterAccepted: the provider has the lease, and we are attached.
	RequesterAccepted struct{ Now time.Time }
	// RequesterRefusedBy: the provider refuses to open or to attach.
	RequesterRefusedBy struct{ Reason string }
	// RequesterStarted: the job runs.
	RequesterStarted struct{ Now time.Time }
	// RequesterUsage: the provider's meter, and what it wants in all.
	RequesterUsage struct {
		Now   time.Time
		Usage time.Duration
		Want  proto.Amount
	}
	// RequesterFroze and RequesterThawed: the job stands still, goes on.
	RequesterFroze struct {
		Now   time.Time
		Usage time.Duration
	}
	RequesterThawed struct{ Now time.Time }
	// RequesterTick: time went by while the provider waits for more than this
	// side's clock allowed when it asked.
	RequesterTick struct{ Now time.Time }
	// RequesterClosed: a receipt whose signature and lease have been checked.
	RequesterClosed struct {
		Now     time.Time
		Receipt proto.Receipt
		Detail  string
	}
	// RequesterCut: the connection is gone.
	RequesterCut struct{ Now time.Time }
	// RequesterGaveUp: patience is over.
	RequesterGaveUp struct{ Reason string }
	// RequesterCancel: the user wants the job to end.
	RequesterCancel struct{}
	// RequesterFetchedResult: the result is on disk; an error says why it is not.
	RequesterFetchedResult struct{ Err string }
)

func (RequesterAccepted) requesterEvent() requesterEventKind      { return "accepted" }
func (RequesterRefusedBy) requesterEvent() requesterEventKind     { return "refused" }
func (RequesterStarted) requesterEvent() requesterEventKind       { return "started" }
func (RequesterUsage) requesterEvent() requesterEventKind         { return "usage" }
func (RequesterFroze) requesterEvent() requesterEventKind         { return "froze" }
func (RequesterThawed) requesterEvent() requesterEventKind        { return "thawed" }
func (RequesterTick) requesterEvent() requesterEventKind          { return "tick" }
func (RequesterClosed) requesterEvent() requesterEventKind        { return "closed" }
func (RequesterCut) requesterEvent() requesterEventKind           { return "cut" }
func (RequesterGaveUp) requesterEvent() requesterEventKind        { return "gave up" }
func (RequesterCancel) requesterEvent() requesterEventKind        { return "cancel" }
func (RequesterFetchedResult) requesterEvent() requesterEventKind { return "fetched" }

// RequesterEffect is something that the node does after it wrote the new state.
type RequesterEffect interface{ requesterEffect() }

// What a requester's lease has its node do.
type (
	// PayLease raises the channel's voucher for this lease towards Want, never
	// beyond Bound, and sends it.
	PayLease struct{ Want proto.Amount }
	// AttachLease connects again and asks for the events after Seq.
	AttachLease struct{}
	// OpenLease sends Open again: it is idempotent.
	OpenLease struct{}
	// CancelLease tells the provider that the job is to end.
	CancelLease struct{}
	// BookLease closes the lease in the channel's ledger with Due.
	BookLease struct{ Due proto.Amount }
	// FetchResult brings the result to disk.
	FetchResult struct{}
)

func (PayLease) requesterEffect()    {}
func (AttachLease) requesterEffect() {}
func (OpenLease) requesterEffect()   {}
func (CancelLease) requesterEffect() {}
func (BookLease) requesterEffect()   {}
func (FetchResult) requesterEffect() {}

// NewRequesterLease returns a lease whose terms were checked and signed.
func NewRequesterLease(id proto.LeaseID, terms proto.SignedTerms) (RequesterLease, []RequesterEffect) {
	first := FirstCredit(terms.Terms) // rides in Open
	l := RequesterLease{ID: id, Terms: terms, State: RequesterOpening, Want: first, Allowed: first}
	return l, []RequesterEffect{OpenLease{}}
}

// Step applies an event. On an error the lease is returned as it was.
func (l RequesterLease) Step(ev RequesterEvent) (RequesterLease, []RequesterEffect, error) {
	move, ok := requesterTable[edge[RequesterState, requesterEventKind]{l.State, ev.requesterEvent()}]
	if !ok {
		return l, nil, illegal(l.State, ev.requesterEvent())
	}
	next := l
	effects := move(&next, ev)
	return next, effects, nil
}

// Resume returns the effects to perform again after a restart. The caller feeds
// RequesterCut with the time of the last write first: the time that a node was
// down is a gap like any other.
func (l RequesterLease) Resume() []RequesterEffect {
	switch l.State {
	case RequesterOpening:
		return []RequesterEffect{OpenLease{}}
	case RequesterPreparing, RequesterRunning, RequesterFrozen:
		return []RequesterEffect{AttachLease{}}
	case RequesterFetching:
		return []RequesterEffect{BookLease{l.owed()}, FetchResult{}}
	}
	return nil
}

type requesterMove func(*RequesterLease, RequesterEvent) []RequesterEffect

// requesterTable holds every legal transition of a requester's lease. The
// provider is a stranger: what it says out of turn has no edge, and the node
// treats that as a broken protocol.
var requesterTable = map[edge[RequesterState, requesterEventKind]]requesterMove{
	{RequesterOpening, "accepted"}: (*RequesterLease).attached,
	{RequesterOpening, "refused"}:  (*RequesterLease).refused,
	{RequesterOpening, "cut"}:      (*RequesterLease).reopen,
	{RequesterOpening, "gave up"}:  (*RequesterLease).gaveUp,
	{RequesterOpening, "cancel"}:   (*RequesterLease).cancel,

	{RequesterPreparing, "accepted"}: (*RequesterLease).attached,
	{RequesterPreparing, "tick"}:     stay,
	{RequesterPreparing, "started"}:  (*RequesterLease).started,
	{RequesterPreparing, "usage"}:    (*RequesterLease).usage, // credit asked for before the start
	{RequesterPreparing, "froze"}:    (*RequesterLease).froze,
	{RequesterPreparing, "closed"}:   (*RequesterLease).closed,
	{RequesterPreparing, "cut"}:      (*RequesterLease).cut,
	{RequesterPreparing, "refused"}:  (*RequesterLease).disowned,
	{RequesterPreparing, "gave up"}:  (*RequesterLease).gaveUp,
	{RequesterPreparing, "cancel"}:   (*RequesterLease).cancel,

	{RequesterRunning, "accepted"}: (*RequesterLease).attached,
	{RequesterRunning, "started"}:  (*RequesterLease).started, // a restarted provider tells it again
	{RequesterRunning, "usage"}:    (*RequesterLease).usage,
	{RequesterRunning, "tick"}:     (*RequesterLease).retry,
	{RequesterRunning, "froze"}:    (*RequesterLease).froze,
	{RequesterRunning, "thawed"}:   (*RequesterLease).thawed,
	{RequesterRunning, "closed"}:   (*RequesterLease).closed,
	{RequesterRunning, "cut"}:      (*RequesterLease).cut,
	{RequesterRunning, "refused"}:  (*RequesterLease).disowned,
	{RequesterRunning, "gave up"}:  (*RequesterLease).gaveUp,
	{RequesterRunning, "cancel"}:   (*RequesterLease).cancel,

	{RequesterFrozen, "accepted"}: (*RequesterLease).attached,
	{RequesterFrozen, "started"}:  (*RequesterLease).started,
	{RequesterFrozen, "usage"}:    (*RequesterLease).usage,
	{RequesterFrozen, "tick"}:     (*RequesterLease).retry,
	{RequesterFrozen, "froze"}:    (*RequesterLease).froze,
	{RequesterFrozen, "thawed"}:   (*RequesterLease).thawed,
	{RequesterFrozen, "closed"}:   (*RequesterLease).closed,
	{RequesterFrozen, "cut"}:      (*RequesterLease).cut,
	{RequesterFrozen, "refused"}:  (*RequesterLease).disowned,
	{RequesterFrozen, "gave up"}:  (*RequesterLease).gaveUp,
	{RequesterFrozen, "cancel"}:   (*RequesterLease).cancel,

	{RequesterFetching, "fetched"}: (*RequesterLease).fetched,
	{RequesterFetching, "cut"}:     stay, // the provider need not stay attached
	{RequesterFetching, "cancel"}:  stay,

	{RequesterFinished, "cut"}:    stay,
	{RequesterFinished, "cancel"}: stay,
	{RequesterRefused, "cut"}:     stay,
	{RequesterRefused, "cancel"}:  stay,
	{RequesterLost, "cut"}:        stay,
	{RequesterLost, "cancel"}:     stay,
}

func stay(*RequesterLease, RequesterEvent) []RequesterEffect { return nil }

// tick brings own time up to now. A clock that was set back adds nothing.
func (l *RequesterLease) tick(now time.Time) {
	if !l.Since.IsZero() {
		l.Own += max(now.Sub(l.Since), 0)
		l.Since = now
	}
}

// reopen sends Open again. The provider may have taken the first one, and run
// on its voucher, before the answer was lost: that is a gap as well.
func (l *RequesterLease) reopen(ev RequesterEvent) []RequesterEffect {
	l.cut(ev)
	return []RequesterEffect{OpenLease{}}
}

// attached ends a gap: the job may have run on what was in credit at the cut,
// and on no more. That holds for a lease that was preparing or frozen as well,
// which may have started or thawed unheard; without it, each such gap would put
// own time further behind the meter, until two slices ahead of it pay for nothing.
func (l *RequesterLease) attached(ev RequesterEvent) []RequesterEffect {
	now := ev.(RequesterAccepted).Now
	if !l.Cut.IsZero() {
		credit := l.Terms.Covers(l.Allowed) - l.Own
		l.Own += max(min(now.Sub(l.Cut), credit), 0)
		l.Cut = time.Time{}
		if l.State == RequesterRunning {
			l.Since = now
		}
	}
	if l.State == RequesterOpening {
		l.State = RequesterPreparing
	}
	return l.afterAttach()
}

func (l *RequesterLease) afterAttach() []RequesterEffect {
	effects := l.pay()
	if l.Cancelled {
		effects = append(effects, CancelLease{})
	}
	return effects
}

// pay answers what the provider asked for, as far as this side's clock allows.
// What is heard between a cut and the next attach waits for the attach: signed
// at once, it would count as credit that was there at the cut. A lease that its
// user has cancelled is paid no further: the provider may not want to hear of it.
func (l *RequesterLease) pay() []RequesterEffect {
	if !l.Cut.IsZero() || l.Cancelled {
		return nil
	}
	l.Allowed = proto.MaxOf(l.Allowed, proto.MinAmount(l.Want, l.Bound()))
	return []RequesterEffect{PayLease{l.Want}}
}

func (l *RequesterLease) refused(ev RequesterEvent) []RequesterEffect {
	l.State, l.Detail = RequesterRefused, ev.(RequesterRefusedBy).Reason
	return []RequesterEffect{BookLease{proto.Amount{}}}
}

// disowned is a provider that no longer knows a lease which it had accepted:
// what was signed for it stays booked, so that it can't come back for more.
func (l *RequesterLease) disowned(ev RequesterEvent) []RequesterEffect {
	return l.lose(ev.(RequesterRefusedBy).Reason)
}

func (l *RequesterLease) gaveUp(ev RequesterEvent) []RequesterEffect {
	return l.lose(ev.(RequesterGaveUp).Reason)
}

func (l *RequesterLease) lose(reason string) []RequesterEffect {
	l.State, l.Detail, l.Since = RequesterLost, reason, time.Time{}
	return []RequesterEffect{BookLease{l.Allowed}}
}

func (l *RequesterLease) started(ev RequesterEvent) []RequesterEffect {
	l.run(ev.(RequesterStarted).Now)
	return nil
}

func (l *RequesterLease) usage(ev RequesterEvent) []RequesterEffect {
	u := ev.(RequesterUsage)
	l.tick(u.Now)
	l.Usage = max(l.Usage, u.Usage)
	if u.Want.Cmp(l.Want) <= 0 {
		return nil
	}
	l.Want = u.Want
	return l.pay()
}

func (l *RequesterLease) retry(ev RequesterEvent) []RequesterEffect {
	l.tick(ev.(RequesterTick).Now)
	return l.pay()
}

func (l *RequesterLease) froze(ev RequesterEvent) []RequesterEffect {
	f := ev.(RequesterFroze)
	l.tick(f.Now)
	l.State, l.Since, l.Usage = RequesterFrozen, time.Time{}, max(l.Usage, f.Usage)
	// The question for credit may have been lost with a connection, or the
	// answer bounded by a clock that was behind: pay what is allowed by now.
	return l.pay()
}

func (l *RequesterLease) thawed(ev RequesterEvent) []RequesterEffect {
	l.run(ev.(RequesterThawed).Now)
	return nil
}

// run notes that the job runs from now on. What is heard between a cut and the
// next attach does not start the clock: the gap accounts for that time.
func (l *RequesterLease) run(now time.Time) {
	l.tick(now)
	l.State = RequesterRunning
	if l.Cut.IsZero() {
		l.Since = now
	}
}

func (l *RequesterLease) cut(ev RequesterEvent) []RequesterEffect {
	if l.Cut.IsZero() {
		now := ev.(RequesterCut).Now
		l.tick(now)
		l.Cut, l.Since = now, time.Time{}
	}
	return []RequesterEffect{AttachLease{}}
}

func (l *RequesterLease) cancel(RequesterEvent) []RequesterEffect {
	l.Cancelled = true
	return []RequesterEffect{CancelLease{}}
}

func (l *RequesterLease) closed(ev RequesterEvent) []RequesterEffect {
	c := ev.(RequesterClosed)
	l.tick(c.Now)
	l.Since, l.Receipt, l.Detail, l.Usage = time.Time{}, c.Receipt, c.Detail, c.Receipt.Usage
	l.State = RequesterFinished
	effects := []RequesterEffect{BookLease{l.owed()}}
	if len(c.Receipt.Result) > 0 {
		l.State = RequesterFetching
		effects = append(effects, FetchResult{})
	}
	return effects
}

// owed is what this side accepts to owe: what the receipt says, never more than
// it could have allowed by its own clock.
func (l *RequesterLease) owed() proto.Amount { return proto.MinAmount(l.Receipt.Due, l.Bound()) }

func (l *RequesterLease) fetched(ev RequesterEvent) []RequesterEffect {
	f := ev.(RequesterFetchedResult)
	l.State, l.Fetched = RequesterFinished, f.Err == ""
	if f.Err != "" {
		l.Detail = f.Err
	}
	return nil
}
