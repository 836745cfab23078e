package market

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lode-market/lode/proto"
)

// Spans and amounts are small beside each other and edges are frequent, so that
// random histories meet the cases where credit, slice and duration coincide.
func drawSpan(t *rapid.T, name string) time.Duration {
	return time.Duration(rapid.OneOf(
		rapid.Int64Range(0, 30_000), rapid.SampledFrom([]int64{0, 1, 999, 1000, 5000, 10_000, 20_000, 60_000, 10_000_000}),
	).Draw(t, name)) * time.Millisecond
}

func drawAmount(t *rapid.T, name string) proto.Amount {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64Range(0, 100_000), proto.NewAmount),
		rapid.SampledFrom([]proto.Amount{{}, proto.NewAmount(1), proto.NewAmount(10_000), proto.MaxAmount}),
	).Draw(t, name)
}

func drawTerms(t *rapid.T) proto.SignedTerms {
	terms := testTerms()
	terms.Price = proto.PerHour(rapid.OneOf(
		rapid.SampledFrom([]proto.Amount{{}, proto.NewAmount(1), proto.NewAmount(3_600_000), proto.MaxAmount}),
		rapid.Map(rapid.Uint64Range(0, 1<<40), proto.NewAmount),
	).Draw(t, "price"))
	terms.Slice = max(drawSpan(t, "slice"), proto.MinSlice)
	terms.MaxDuration = max(drawSpan(t, "max"), time.Millisecond)
	if terms.Slice > proto.MaxSlice {
		terms.Slice = proto.MaxSlice
	}
	terms.StartFee = proto.MinAmount(drawAmount(t, "fee"), terms.SliceAmount())
	return terms
}

func drawEnd(t *rapid.T) proto.End { return proto.End(rapid.Uint16Range(1, 14).Draw(t, "end")) }

func drawProviderEvent(t *rapid.T) ProviderEvent {
	switch rapid.SampledFrom(providerEvents).Draw(t, "event").(type) {
	case ProviderPrepared:
		return ProviderPrepared{}
	case ProviderPrepareFailed:
		return ProviderPrepareFailed{Detail: "no"}
	case ProviderCredited:
		return ProviderCredited{Credit: drawAmount(t, "credit")}
	case ProviderStarted:
		return ProviderStarted{}
	case ProviderMetered:
		return ProviderMetered{Usage: drawSpan(t, "usage")}
	case ProviderFroze:
		return ProviderFroze{Usage: drawSpan(t, "usage"), GraceLeft: drawSpan(t, "grace")}
	case ProviderThawed:
		return ProviderThawed{}
	case ProviderExited:
		return ProviderExited{End: drawEnd(t), Usage: drawSpan(t, "usage")}
	case ProviderCollected:
		return ProviderCollected{}
	case ProviderCollectFailed:
		return ProviderCollectFailed{}
	}
	return ProviderStop{End: drawEnd(t)}
}

func TestProviderProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		full := terms.Due(terms.MaxDuration)
		l, effects := NewProviderLease(proto.LeaseID{1}, terms, drawAmount(t, "first"))
		finishes := 0
		var asked proto.Amount
		look := func(before ProviderLease, effects []ProviderEffect) {
			if l.Credit.Less(l.Due()) {
				t.Fatalf("due %s of a credit of %s", l.Due(), l.Credit)
			}
			if l.Usage < before.Usage || l.Credit.Less(before.Credit) || l.Asked.Less(before.Asked) {
				t.Fatalf("went back: %+v, before %+v", l, before)
			}
			if before.End != 0 && l.End != before.End && l.End != proto.EndResultFailed {
				t.Fatalf("ended by %s, then by %s", before.End, l.End)
			}
			for _, e := range effects {
				switch e := e.(type) {
				case StartJob:
					if l.Credit.Less(FirstCredit(terms.Terms)) {
						t.Fatalf("started with a credit of %s, the first slice costs %s", l.Credit, FirstCredit(terms.Terms))
					}
					if l.Credit.Less(terms.Due(e.Cover)) && e.Cover > 0 {
						t.Fatalf("covered until %s, which a credit of %s does not pay for", e.Cover, l.Credit)
					}
				case CoverJob:
					if l.Credit.Less(terms.Due(e.Until)) {
						t.Fatalf("covered until %s, which a credit of %s does not pay for", e.Until, l.Credit)
					}
				case AskCredit:
					// Two slices ahead of the meter is what a requester signs.
					if most := terms.Due(l.Usage).Add(terms.SliceAmount().Mul(2)); full.Less(e.Want) || most.Less(e.Want) {
						t.Fatalf("asked for %s, the whole lease costs %s, two slices ahead %s", e.Want, full, most)
					}
					if l.State != ProviderReady && e.Want.Cmp(asked) <= 0 {
						t.Fatalf("asked for %s after %s", e.Want, asked)
					}
					asked = e.Want
				case FinishLease:
					finishes++
				}
			}
			if want := map[bool]int{true: 1}[l.State == ProviderFinished]; finishes != want {
				t.Fatalf("%s, finished %d times", l.State, finishes)
			}
		}
		look(ProviderLease{}, effects)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := l
			next, effects, err := l.Step(drawProviderEvent(t))
			if err != nil {
				if !errors.Is(err, ErrIllegalTransition) || !reflect.DeepEqual(next, before) || effects != nil {
					t.Fatalf("%v changed the lease or had effects", err)
				}
				continue
			}
			l = next
			look(before, effects)
		}
	})
}

func drawRequesterEvent(t *rapid.T, now time.Time) RequesterEvent {
	switch rapid.SampledFrom(requesterEvents).Draw(t, "event").(type) {
	case RequesterAccepted:
		return RequesterAccepted{Now: now}
	case RequesterRefusedBy:
		return RequesterRefusedBy{Reason: "no"}
	case RequesterStarted:
		return RequesterStarted{Now: now}
	case RequesterUsage:
		return RequesterUsage{Now: now, Usage: drawSpan(t, "usage"), Want: drawAmount(t, "want")}
	case RequesterFroze:
		return RequesterFroze{Now: now, Usage: drawSpan(t, "usage")}
	case RequesterThawed:
		return RequesterThawed{Now: now}
	case RequesterTick:
		return RequesterTick{Now: now}
	case RequesterClosed:
		r := proto.Receipt{Usage: drawSpan(t, "usage"), Due: drawAmount(t, "due"), End: drawEnd(t)}
		if rapid.Bool().Draw(t, "result") {
			r.Result = []byte("cid")
		}
		return RequesterClosed{Now: now, Receipt: r}
	case RequesterCut:
		return RequesterCut{Now: now}
	case RequesterGaveUp:
		return RequesterGaveUp{Reason: "silence"}
	case RequesterCancel:
		return RequesterCancel{}
	}
	return RequesterFetchedResult{}
}

// A provider may say anything in any order, cut the connection whenever it
// likes, and the clock may be set back. What this side allows stays bounded by
// what it saw, counted here by the dumbest means: time went by while the lease
// was attached and running, and each cut adds the credit that was left.
func TestRequesterAgainstLiar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		terms := drawTerms(t)
		full := terms.Due(terms.MaxDuration)
		l, _ := NewRequesterLease(proto.LeaseID{1}, terms)
		now := epoch
		var watched time.Duration
		var booked *proto.Amount
		paid := FirstCredit(terms.Terms)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			gone := drawSpan(t, "passed")
			if rapid.IntRange(0, 9).Draw(t, "set back") == 0 {
				gone = -gone
			}
			now = now.Add(gone)
			before := l
			attached := l.Cut.IsZero()
			next, effects, err := l.Step(drawRequesterEvent(t, now))
			if attached && l.State == RequesterRunning {
				watched += max(gone, 0)
			}
			if err != nil {
				if !errors.Is(err, ErrIllegalTransition) || !reflect.DeepEqual(next, before) || effects != nil {
					t.Fatalf("%v changed the lease or had effects", err)
				}
				continue
			}
			l = next
			if attached && !l.Cut.IsZero() {
				watched += max(terms.Covers(paid)-l.Own, 0)
			}
			if l.Own < before.Own || l.Bound().Less(before.Bound()) || l.Want.Less(before.Want) {
				t.Fatalf("went back: %+v, before %+v", l, before)
			}
			if l.Own > watched {
				t.Fatalf("own time %s, %s were watched or in credit at a cut", l.Own, watched)
			}
			if most := terms.Due(watched).Add(terms.SliceAmount().Mul(2)); most.Less(l.Bound()) || full.Less(l.Bound()) {
				t.Fatalf("bound %s; %s by what was watched, %s for the whole lease", l.Bound(), most, full)
			}
			for _, e := range effects {
				switch e := e.(type) {
				case PayLease:
					paid = proto.MaxOf(paid, proto.MinAmount(e.Want, l.Bound()))
				case BookLease:
					if booked != nil {
						t.Fatalf("booked %s, then %s", booked, e.Due)
					}
					booked = &e.Due
					if l.Bound().Less(e.Due) {
						t.Fatalf("booked %s, bound %s", e.Due, l.Bound())
					}
					if l.State == RequesterLost && e.Due != paid {
						t.Fatalf("booked %s for a lost lease, %s may have been signed", e.Due, paid)
					}
				}
			}
			if ended := l.State.Ended() || l.State == RequesterFetching; ended != (booked != nil) {
				t.Fatalf("%s, booked %v", l.State, booked)
			}
		}
	})
}
