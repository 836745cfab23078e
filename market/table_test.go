package market

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/lode-market/lode/proto"
)

// One event of each kind.
var providerEvents = []ProviderEvent{
	ProviderPrepared{}, ProviderPrepareFailed{}, ProviderCredited{}, ProviderStarted{}, ProviderMetered{}, ProviderFroze{},
	ProviderThawed{}, ProviderExited{End: proto.EndExited}, ProviderCollected{}, ProviderCollectFailed{}, ProviderStop{End: proto.EndCancelled},
}

var requesterEvents = []RequesterEvent{
	RequesterAccepted{Now: epoch}, RequesterRefusedBy{}, RequesterStarted{Now: epoch}, RequesterUsage{Now: epoch},
	RequesterFroze{Now: epoch}, RequesterThawed{Now: epoch}, RequesterTick{Now: epoch}, RequesterClosed{Now: epoch},
	RequesterCut{Now: epoch}, RequesterGaveUp{}, RequesterCancel{}, RequesterFetchedResult{},
}

var providerStates = []ProviderState{
	ProviderPreparing, ProviderReady, ProviderStarting, ProviderRunning,
	ProviderFrozen, ProviderStopping, ProviderCollecting, ProviderFinished,
}

var requesterStates = []RequesterState{
	RequesterOpening, RequesterPreparing, RequesterRunning, RequesterFrozen,
	RequesterFetching, RequesterFinished, RequesterRefused, RequesterLost,
}

// matrix renders where each event leads from each state: "." for an event that
// changes nothing but data, nothing for one that is illegal.
func matrix[S comparable, E any](states []S, events []E, name func(E) string, step func(S, E) (S, bool)) string {
	var b strings.Builder
	row := func(head string, cell func(S) string) {
		fmt.Fprintf(&b, "%-15s", head)
		for _, s := range states {
			fmt.Fprintf(&b, "|%-10s", cell(s))
		}
		fmt.Fprintln(&b, "|")
	}
	row("", func(s S) string { return fmt.Sprint(s) })
	for _, e := range events {
		row(name(e), func(s S) string {
			switch next, ok := step(s, e); {
			case !ok:
				return ""
			case next == s:
				return "."
			default:
				return fmt.Sprint(next)
			}
		})
	}
	return b.String()
}

func TestProviderTable(t *testing.T) {
	kinds := make(map[providerEventKind]bool)
	for _, e := range providerEvents {
		kinds[e.providerEvent()] = true
	}
	for at := range providerTable {
		if providerStateNames[at.state] == "" || !kinds[at.event] {
			t.Errorf("the table has an edge from %s by %q, which is no state or event", at.state, at.event)
		}
	}
	if len(providerStates) != len(providerStateNames) {
		t.Errorf("%d states have names, %d are tested", len(providerStateNames), len(providerStates))
	}
	got := matrix(providerStates, providerEvents, func(e ProviderEvent) string { return string(e.providerEvent()) },
		func(s ProviderState, e ProviderEvent) (ProviderState, bool) {
			l := ProviderLease{State: s, Terms: testTerms(), Prepared: s > ProviderPreparing}
			next, effects, err := l.Step(e)
			if err == nil {
				return next.State, true
			}
			if !errors.Is(err, ErrIllegalTransition) || !reflect.DeepEqual(next, l) || effects != nil {
				t.Errorf("%s on %s: %v, %v, %v", s, e.providerEvent(), next, effects, err)
			}
			return s, false
		})
	golden(t, "testdata/provider_table.txt", got)
}

func TestRequesterTable(t *testing.T) {
	kinds := make(map[requesterEventKind]bool)
	for _, e := range requesterEvents {
		kinds[e.requesterEvent()] = true
	}
	for at := range requesterTable {
		if requesterStateNames[at.state] == "" || !kinds[at.event] {
			t.Errorf("the table has an edge from %s by %q, which is no state or event", at.state, at.event)
		}
	}
	if len(requesterStates) != len(requesterStateNames) {
		t.Errorf("%d states have names, %d are tested", len(requesterStateNames), len(requesterStates))
	}
	got := matrix(requesterStates, requesterEvents, func(e RequesterEvent) string { return string(e.requesterEvent()) },
		func(s RequesterState, e RequesterEvent) (RequesterState, bool) {
			l := RequesterLease{State: s, Terms: testTerms()}
			next, effects, err := l.Step(e)
			if err == nil {
				return next.State, true
			}
			if !errors.Is(err, ErrIllegalTransition) || !reflect.DeepEqual(next, l) || effects != nil {
				t.Errorf("%s on %s: %v, %v, %v", s, e.requesterEvent(), next, effects, err)
			}
			return s, false
		})
	golden(t, "testdata/requester_table.txt", got)
}

// The numbers are in stores: one that changes would turn a finished lease into a live one.
func TestStateNumbersStay(t *testing.T) {
	for i, s := range providerStates {
		if int(s) != i+1 {
			t.Errorf("%s is %d, was %d", s, s, i+1)
		}
	}
	for i, s := range requesterStates {
		if int(s) != i+1 {
			t.Errorf("%s is %d, was %d", s, s, i+1)
		}
	}
}
