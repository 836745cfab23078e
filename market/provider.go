package market

import (
	"fmt"
	"time"

	"github.com/lode-market/lode/proto"
)

// ProviderState is where a lease stands on its provider's side. The numbers are
// stored and never reused.
type ProviderState uint8

// The states of a provider's lease, in the order of an undisturbed one.
const (
	ProviderPreparing  ProviderState = 1 // on disk, capacity taken; inputs and image are being fetched
	ProviderReady      ProviderState = 2 // prepared; waits for credit of one slice
	ProviderStarting   ProviderState = 3 // the shim is told to start
	ProviderRunning    ProviderState = 4 // metered
	ProviderFrozen     ProviderState = 5 // out of cover; grace is running down
	ProviderStopping   ProviderState = 6 // the shim is told to end the job
	ProviderCollecting ProviderState = 7 // ended; what there is of the results is taken
	ProviderFinished   ProviderState = 8 // receipt signed, capacity given back
)

var providerStateNames = map[ProviderState]string{
	ProviderPreparing: "preparing", ProviderReady: "ready", ProviderStarting: "starting", ProviderRunning: "running",
	ProviderFrozen: "frozen", ProviderStopping: "stopping", ProviderCollecting: "collecting", ProviderFinished: "finished",
}

func (s ProviderState) String() string {
	if n, ok := providerStateNames[s]; ok {
		return n
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// ProviderLease is a lease as its provider keeps it. It is a value: Step returns
// a changed copy.
type ProviderLease struct {
	ID    proto.LeaseID
	Terms proto.SignedTerms
	State ProviderState
	// Credit is what the channel's ledger granted to this lease, start fee included.
	Credit proto.Amount
	// Asked is the credit that the requester was last asked for.
	Asked proto.Amount
	// Usage is the last reading of the shim's meter.
	Usage time.Duration
	// Prepared is set once preparation succeeded: from then the start fee is due.
	Prepared bool
	// Stop is why the provider told the shim to end the job; it outranks what
	// the exit looks like.
	Stop     proto.End
	End      proto.End
	ExitCode int32
	Detail   string
	Result   []byte // binary CID, or empty
}

// Due returns what the lease costs by its meter. Freezing takes a moment, and
// what ran beyond the credit in it is the provider's own loss.
func (l ProviderLease) Due() proto.Amount {
	if !l.Prepared {
		return proto.Amount{}
	}
	return proto.MinAmount(l.Terms.Due(l.Usage), l.Credit)
}

// Covered returns the usage that the credit pays for: what the shim may be told.
func (l ProviderLease) Covered() time.Duration { return l.Terms.Covers(l.Credit) }

// FirstCredit is the credit without which a lease does not start: the start fee
// and one slice, or the whole of a lease that is shorter.
func FirstCredit(t proto.Terms) proto.Amount { return t.Due(min(t.Slice, t.MaxDuration)) }

// ProviderEvent is something that happened to a provider's lease.
type ProviderEvent interface{ providerEvent() providerEventKind }

type providerEventKind string

func (k providerEventKind) String() string { return string(k) }

// What can happen to a provider's lease.
type (
	// ProviderPrepared: image, module and inputs are here and fit.
	ProviderPrepared struct{}
	// ProviderPrepareFailed: they could not be had.
	ProviderPrepareFailed struct{ Detail string }
	// ProviderCredited: the ledger's grant for this lease is now Credit in all.
	ProviderCredited struct{ Credit proto.Amount }
	// ProviderStarted: the job runs.
	ProviderStarted struct{}
	// ProviderMetered: the shim read its meter.
	ProviderMetered struct{ Usage time.Duration }
	// ProviderFroze: the shim froze the job at the end of its cover.
	ProviderFroze struct{ Usage, GraceLeft time.Duration }
	// ProviderThawed: new cover reached the shim.
	ProviderThawed struct{}
	// ProviderExited: the job has ended, or could not be started.
	ProviderExited struct {
		End      proto.End
		ExitCode int32
		Usage    time.Duration
		Detail   string
	}
	// ProviderCollected: the results are in the block store; Result is their CID.
	ProviderCollected struct{ Result []byte }
	// ProviderCollectFailed: the results could not be taken.
	ProviderCollectFailed struct{ Detail string }
	// ProviderStop: somebody with a right to it ends the lease.
	ProviderStop struct{ End proto.End }
)

func (ProviderPrepared) providerEvent() providerEventKind      { return "prepared" }
func (ProviderPrepareFailed) providerEvent() providerEventKind { return "prepare failed" }
func (ProviderCredited) providerEvent() providerEventKind      { return "credited" }
func (ProviderStarted) providerEvent() providerEventKind       { return "started" }
func (ProviderMetered) providerEvent() providerEventKind       { return "metered" }
func (ProviderFroze) providerEvent() providerEventKind         { return "froze" }
func (ProviderThawed) providerEvent() providerEventKind        { return "thawed" }
func (ProviderExited) providerEvent() providerEventKind        { return "exited" }
func (ProviderCollected) providerEvent() providerEventKind     { return "collected" }
func (ProviderCollectFailed) providerEvent() providerEventKind { return "collect failed" }
func (ProviderStop) providerEvent() providerEventKind          { return "stop" }

// ProviderEffect is something that the node does after it wrote the new state.
type ProviderEffect interface{ providerEffect() }

// What a provider's lease has its node do.
type (
	// PrepareJob fetches and checks what the job needs.
	PrepareJob struct{}
	// AskCredit tells the requester that the lease wants Want in all.
	AskCredit struct{ Want proto.Amount }
	// StartJob starts the job, covered until a usage of Cover.
	StartJob struct{ Cover time.Duration }
	// CoverJob renews what is covered.
	CoverJob struct{ Until time.Duration }
	// StopJob has the shim end the job.
	StopJob struct{ End proto.End }
	// RecoverJob finds the shim again after a restart.
	RecoverJob struct{}
	// CollectResult takes what the job left in its outputs.
	CollectResult struct{}
	// FinishLease books Due with the channel's ledger, signs the receipt, tells
	// the requester and gives the capacity back.
	FinishLease struct{}
	// Notify tells the requester of the lease's new state.
	Notify struct{ GraceLeft time.Duration }
)

func (PrepareJob) providerEffect()    {}
func (AskCredit) providerEffect()     {}
func (StartJob) providerEffect()      {}
func (CoverJob) providerEffect()      {}
func (StopJob) providerEffect()       {}
func (RecoverJob) providerEffect()    {}
func (CollectResult) providerEffect() {}
func (FinishLease) providerEffect()   {}
func (Notify) providerEffect()        {}

// NewProviderLease returns a lease whose terms and first voucher have been
// checked, with the credit that its channel's ledger granted, and its effects.
func NewProviderLease(id proto.LeaseID, terms proto.SignedTerms, credit proto.Amount) (ProviderLease, []ProviderEffect) {
	l := ProviderLease{ID: id, Terms: terms, State: ProviderPreparing, Credit: credit, Asked: credit}
	return l, []ProviderEffect{PrepareJob{}}
}

// Step applies an event. On an error the lease is returned as it was.
func (l ProviderLease) Step(ev ProviderEvent) (ProviderLease, []ProviderEffect, error) {
	move, ok := providerTable[edge[ProviderState, providerEventKind]{l.State, ev.providerEvent()}]
	if !ok {
		return l, nil, illegal(l.State, ev.providerEvent())
	}
	next := l
	effects := move(&next, ev)
	return next, effects, nil
}

// Resume returns the effects to perform again after a restart.
func (l ProviderLease) Resume() []ProviderEffect {
	switch l.State {
	case ProviderPreparing:
		return []ProviderEffect{PrepareJob{}}
	case ProviderReady:
		return []ProviderEffect{AskCredit{l.Asked}}
	case ProviderStarting, ProviderRunning, ProviderFrozen:
		// Starting too: the crash may have come after the shim got its order. Credit
		// may have been written down without its cover having reached the shim, and
		// what was asked for without anybody having heard.
		effects := []ProviderEffect{RecoverJob{}, CoverJob{l.Covered()}}
		if l.Credit.Less(l.Asked) {
			effects = append(effects, AskCredit{l.Asked})
		}
		return effects
	case ProviderStopping:
		return []ProviderEffect{RecoverJob{}, StopJob{l.Stop}}
	case ProviderCollecting:
		return []ProviderEffect{CollectResult{}}
	case ProviderFinished:
		return []ProviderEffect{FinishLease{}} // the requester may not have been told
	}
	return nil
}

type providerMove func(*ProviderLease, ProviderEvent) []ProviderEffect

// providerTable holds every legal transition of a provider's lease. An event
// that can come late (a meter reading after the exit, say) has an edge that
// ignores it; all else that is not here is a fault in the node.
var providerTable = map[edge[ProviderState, providerEventKind]]providerMove{
	{ProviderPreparing, "prepared"}:       (*ProviderLease).prepared,
	{ProviderPreparing, "prepare failed"}: (*ProviderLease).prepareFailed,
	{ProviderPreparing, "credited"}:       (*ProviderLease).keepCredit,
	{ProviderPreparing, "stop"}:           (*ProviderLease).finishEarly,

	{ProviderReady, "credited"}: (*ProviderLease).creditedReady,
	{ProviderReady, "stop"}:     (*ProviderLease).finishEarly,

	{ProviderStarting, "started"}:  (*ProviderLease).started,
	{ProviderStarting, "credited"}: (*ProviderLease).creditedRunning,
	{ProviderStarting, "metered"}:  (*ProviderLease).metered,
	{ProviderStarting, "exited"}:   (*ProviderLease).exited,
	{ProviderStarting, "stop"}:     (*ProviderLease).stop,

	{ProviderRunning, "started"}:  ignore, // a recovered shim tells its story again
	{ProviderRunning, "credited"}: (*ProviderLease).creditedRunning,
	{ProviderRunning, "metered"}:  (*ProviderLease).metered,
	{ProviderRunning, "froze"}:    (*ProviderLease).froze,
	{ProviderRunning, "thawed"}:   ignore,
	{ProviderRunning, "exited"}:   (*ProviderLease).exited,
	{ProviderRunning, "stop"}:     (*ProviderLease).stop,

	{ProviderFrozen, "started"}:  ignore,
	{ProviderFrozen, "credited"}: (*ProviderLease).creditedRunning,
	{ProviderFrozen, "metered"}:  (*ProviderLease).metered,
	{ProviderFrozen, "froze"}:    ignore,
	{ProviderFrozen, "thawed"}:   (*ProviderLease).thawed,
	{ProviderFrozen, "exited"}:   (*ProviderLease).exited,
	{ProviderFrozen, "stop"}:     (*ProviderLease).stop,

	{ProviderStopping, "started"}:  ignore,
	{ProviderStopping, "credited"}: (*ProviderLease).keepCredit,
	{ProviderStopping, "metered"}:  (*ProviderLease).read,
	{ProviderStopping, "froze"}:    ignore,
	{ProviderStopping, "thawed"}:   ignore,
	{ProviderStopping, "exited"}:   (*ProviderLease).exited,
	{ProviderStopping, "stop"}:     ignore, // the first reason stands

	{ProviderCollecting, "credited"}:       (*ProviderLease).keepCredit,
	{ProviderCollecting, "collected"}:      (*ProviderLease).collected,
	{ProviderCollecting, "collect failed"}: (*ProviderLease).collectFailed,
	{ProviderCollecting, "stop"}:           ignore,
	{ProviderCollecting, "metered"}:        ignore,

	{ProviderFinished, "stop"}:     ignore,
	{ProviderFinished, "credited"}: ignore,
	{ProviderFinished, "metered"}:  ignore,
}

func ignore(*ProviderLease, ProviderEvent) []ProviderEffect { return nil }

func (l *ProviderLease) prepared(ProviderEvent) []ProviderEffect {
	l.State, l.Prepared = ProviderReady, true
	return l.wantFirst()
}

// wantFirst starts the job when credit covers the first slice, and asks for it otherwise.
func (l *ProviderLease) wantFirst() []ProviderEffect {
	first := FirstCredit(l.Terms.Terms)
	if l.Credit.Less(first) {
		l.Asked = first
		return []ProviderEffect{AskCredit{first}}
	}
	l.State = ProviderStarting
	return []ProviderEffect{StartJob{l.Covered()}}
}

func (l *ProviderLease) prepareFailed(ev ProviderEvent) []ProviderEffect {
	l.State, l.End, l.Detail = ProviderFinished, proto.EndPrepareFailed, ev.(ProviderPrepareFailed).Detail
	return []ProviderEffect{FinishLease{}}
}

func (l *ProviderLease) finishEarly(ev ProviderEvent) []ProviderEffect {
	l.State, l.End = ProviderFinished, ev.(ProviderStop).End
	return []ProviderEffect{FinishLease{}}
}

func (l *ProviderLease) keepCredit(ev ProviderEvent) []ProviderEffect {
	l.Credit = proto.MaxOf(l.Credit, ev.(ProviderCredited).Credit)
	return nil
}

func (l *ProviderLease) creditedReady(ev ProviderEvent) []ProviderEffect {
	l.keepCredit(ev)
	return l.wantFirst()
}

func (l *ProviderLease) creditedRunning(ev ProviderEvent) []ProviderEffect {
	before := l.Credit
	l.keepCredit(ev)
	if l.Credit == before {
		return nil
	}
	return append([]ProviderEffect{CoverJob{l.Covered()}}, l.ask()...)
}

func (l *ProviderLease) started(ProviderEvent) []ProviderEffect {
	l.State = ProviderRunning
	return append([]ProviderEffect{Notify{}}, l.ask()...)
}

func (l *ProviderLease) read(ev ProviderEvent) []ProviderEffect {
	l.Usage = max(l.Usage, ev.(ProviderMetered).Usage)
	return nil
}

func (l *ProviderLease) metered(ev ProviderEvent) []ProviderEffect {
	l.read(ev)
	return l.ask()
}

// ask asks for the next slice when half a slice or less is left, once for each
// amount; a requester that lost the question is told again when it attaches.
func (l *ProviderLease) ask() []ProviderEffect {
	left := l.Covered() - l.Usage
	if left > l.Terms.Slice/2 || l.Covered() >= l.Terms.MaxDuration {
		return nil
	}
	want := l.Terms.Due(min(l.Covered()+l.Terms.Slice, l.Terms.MaxDuration))
	if want.Cmp(l.Asked) <= 0 {
		return nil
	}
	l.Asked = want
	return []ProviderEffect{AskCredit{want}}
}

func (l *ProviderLease) froze(ev ProviderEvent) []ProviderEffect {
	f := ev.(ProviderFroze)
	l.State, l.Usage = ProviderFrozen, max(l.Usage, f.Usage)
	return append([]ProviderEffect{Notify{GraceLeft: f.GraceLeft}}, l.ask()...)
}

func (l *ProviderLease) thawed(ProviderEvent) []ProviderEffect {
	l.State = ProviderRunning
	return []ProviderEffect{Notify{}}
}

func (l *ProviderLease) stop(ev ProviderEvent) []ProviderEffect {
	l.State, l.Stop = ProviderStopping, ev.(ProviderStop).End
	return []ProviderEffect{StopJob{l.Stop}}
}

func (l *ProviderLease) exited(ev ProviderEvent) []ProviderEffect {
	x := ev.(ProviderExited)
	l.State, l.End, l.ExitCode, l.Detail = ProviderCollecting, x.End, x.ExitCode, x.Detail
	l.Usage = max(l.Usage, x.Usage)
	// The job may have ended by itself before the order to stop reached it.
	if l.Stop != 0 && x.End != proto.EndExited {
		l.End = l.Stop
	}
	if x.End == proto.EndStartFailed {
		l.State = ProviderFinished
		return []ProviderEffect{FinishLease{}}
	}
	return []ProviderEffect{CollectResult{}}
}

func (l *ProviderLease) collected(ev ProviderEvent) []ProviderEffect {
	l.State, l.Result = ProviderFinished, ev.(ProviderCollected).Result
	return []ProviderEffect{FinishLease{}}
}

func (l *ProviderLease) collectFailed(ev ProviderEvent) []ProviderEffect {
	l.State, l.Detail = ProviderFinished, ev.(ProviderCollectFailed).Detail
	if l.End == proto.EndExited {
		l.End = proto.EndResultFailed
	}
	return []ProviderEffect{FinishLease{}}
}
