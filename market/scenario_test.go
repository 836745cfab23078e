package market

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lode-market/lode/proto"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with a file in testdata, or rewrites it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) == got {
		return
	}
	was, is := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range is {
		if i >= len(was) || was[i] != is[i] {
			t.Fatalf("%s:%d differs; go test -update rewrites it\ngot:\n%s", path, i+1, got)
		}
	}
	t.Fatalf("%s has more lines than before; go test -update rewrites it", path)
}

// A scenario file is a lease's history. Lines that begin with # are comments,
// lines that begin with > are events, and what follows an event is the state and
// the effects that it led to. Amounts are base units, and one unit pays for one
// millisecond unless "terms" says otherwise. "@" gives the requester's clock.
func scenarios(t *testing.T, pattern string, begin func() func(*line) string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", pattern, len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			step := begin()
			for _, s := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				switch {
				case s == "" || s[0] == '#':
					fmt.Fprintln(&out, s)
				case s[0] == '>':
					fmt.Fprintf(&out, "%s\n%s", s, step(parse(t, s[1:])))
				}
			}
			golden(t, path, out.String())
		})
	}
}

// line is one event of a scenario: a word and its arguments.
type line struct {
	t    *testing.T
	word string
	args map[string]string
}

func parse(t *testing.T, s string) *line {
	words := strings.Fields(s)
	l := &line{t: t, word: words[0], args: make(map[string]string)}
	for _, w := range words[1:] {
		if at, ok := strings.CutPrefix(w, "@"); ok {
			l.args["@"] = at
			continue
		}
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			t.Fatalf("%q: %q is not name=value", s, w)
		}
		l.args[name] = value
	}
	return l
}

func (l *line) amount(name string) proto.Amount {
	if l.args[name] == "" {
		return proto.Amount{}
	}
	a, err := proto.ParseAmount(l.args[name])
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

func (l *line) span(name string) time.Duration {
	if l.args[name] == "" {
		return 0
	}
	d, err := time.ParseDuration(l.args[name])
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

func (l *line) number(name string) int {
	if l.args[name] == "" {
		return 0
	}
	n, err := strconv.Atoi(l.args[name])
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func (l *line) end(name string) proto.End {
	for e := proto.End(1); !strings.HasPrefix(e.String(), "END_"); e++ {
		if e.String() == l.args[name] {
			return e
		}
	}
	l.t.Fatalf("no end is called %q", l.args[name])
	return 0
}

// now is the requester's clock; scenarios count from the opening.
func (l *line) now() time.Time { return epoch.Add(l.span("@")) }

// terms reads the terms of a scenario.
func (l *line) terms() proto.SignedTerms {
	t := testTerms()
	for name := range l.args {
		switch name {
		case "price":
			t.Price = proto.PerHour(l.amount(name))
		case "fee":
			t.StartFee = l.amount(name)
		case "slice":
			t.Slice = l.span(name)
		case "max":
			t.MaxDuration = l.span(name)
		default:
			l.t.Fatalf("terms have no %q here", name)
		}
	}
	return t
}

var epoch = time.Unix(1_800_000_000, 0)

// testTerms are terms in which one base unit pays for one millisecond.
func testTerms() proto.SignedTerms {
	return proto.SignedTerms{Terms: proto.Terms{
		Price: proto.PerHour(proto.NewAmount(3_600_000)), Slice: 10 * time.Second,
		Grace: 30 * time.Second, MaxDuration: time.Minute,
	}}
}

// effects renders what a step has its node do.
func effects[E any](es []E) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintf(&b, "    %s%+v\n", strings.TrimPrefix(fmt.Sprintf("%T", e), "market."), e)
	}
	return b.String()
}

func TestProviderScenarios(t *testing.T) {
	scenarios(t, "provider_[0-9]*.txt", func() func(*line) string {
		terms := testTerms()
		var l ProviderLease
		show := func(es []ProviderEffect) string {
			s := fmt.Sprintf("  %s: credit %s, covered %s, usage %s, due %s", l.State, l.Credit, l.Covered(), l.Usage, l.Due())
			if l.State == ProviderStopping {
				s += fmt.Sprintf(", stop %s", l.Stop)
			}
			if l.End != 0 {
				s += fmt.Sprintf(", end %s %d", l.End, l.ExitCode)
			}
			if l.Detail != "" {
				s += ", " + l.Detail
			}
			return s + "\n" + effects(es)
		}
		return func(in *line) string {
			switch in.word {
			case "terms":
				terms = in.terms()
				return ""
			case "open":
				var es []ProviderEffect
				l, es = NewProviderLease(proto.LeaseID{1}, terms, in.amount("credit"))
				return show(es)
			case "resume":
				return show(l.Resume())
			}
			next, es, err := l.Step(in.providerEvent())
			if err != nil {
				return fmt.Sprintf("  error: %v\n", err)
			}
			l = next
			return show(es)
		}
	})
}

func (l *line) providerEvent() ProviderEvent {
	switch l.word {
	case "prepared":
		return ProviderPrepared{}
	case "prepare-failed":
		return ProviderPrepareFailed{Detail: l.args["detail"]}
	case "credited":
		return ProviderCredited{Credit: l.amount("credit")}
	case "started":
		return ProviderStarted{}
	case "metered":
		return ProviderMetered{Usage: l.span("usage")}
	case "froze":
		return ProviderFroze{Usage: l.span("usage"), GraceLeft: l.span("grace")}
	case "thawed":
		return ProviderThawed{}
	case "exited":
		return ProviderExited{End: l.end("end"), ExitCode: int32(l.number("code")), Usage: l.span("usage"), Detail: l.args["detail"]}
	case "collected":
		return ProviderCollected{Result: []byte(l.args["result"])}
	case "collect-failed":
		return ProviderCollectFailed{Detail: l.args["detail"]}
	case "stop":
		return ProviderStop{End: l.end("end")}
	}
	l.t.Fatalf("no event is called %q", l.word)
	return nil
}

func TestRequesterScenarios(t *testing.T) {
	scenarios(t, "requester_[0-9]*.txt", func() func(*line) string {
		terms := testTerms()
		var l RequesterLease
		show := func(es []RequesterEffect) string {
			s := fmt.Sprintf("  %s: own %s, want %s, bound %s, allowed %s, usage %s", l.State, l.Own, l.Want, l.Bound(), l.Allowed, l.Usage)
			if !l.Cut.IsZero() {
				s += fmt.Sprintf(", cut @%s", l.Cut.Sub(epoch))
			}
			if l.Cancelled {
				s += ", cancelled"
			}
			if l.Detail != "" {
				s += ", " + l.Detail
			}
			return s + "\n" + effects(es)
		}
		return func(in *line) string {
			switch in.word {
			case "terms":
				terms = in.terms()
				return ""
			case "open":
				var es []RequesterEffect
				l, es = NewRequesterLease(proto.LeaseID{1}, terms)
				return show(es)
			case "resume":
				return show(l.Resume())
			}
			next, es, err := l.Step(in.requesterEvent())
			if err != nil {
				return fmt.Sprintf("  error: %v\n", err)
			}
			l = next
			return show(es)
		}
	})
}

func (l *line) requesterEvent() RequesterEvent {
	switch l.word {
	case "accepted":
		return RequesterAccepted{Now: l.now()}
	case "refused":
		return RequesterRefusedBy{Reason: l.args["reason"]}
	case "started":
		return RequesterStarted{Now: l.now()}
	case "usage":
		return RequesterUsage{Now: l.now(), Usage: l.span("usage"), Want: l.amount("want")}
	case "froze":
		return RequesterFroze{Now: l.now(), Usage: l.span("usage")}
	case "thawed":
		return RequesterThawed{Now: l.now()}
	case "tick":
		return RequesterTick{Now: l.now()}
	case "closed":
		return RequesterClosed{Now: l.now(), Detail: l.args["detail"], Receipt: proto.Receipt{
			Usage: l.span("usage"), Due: l.amount("due"), End: l.end("end"), Result: []byte(l.args["result"])}}
	case "cut":
		return RequesterCut{Now: l.now()}
	case "gave-up":
		return RequesterGaveUp{Reason: l.args["reason"]}
	case "cancel":
		return RequesterCancel{}
	case "fetched":
		return RequesterFetchedResult{Err: l.args["error"]}
	}
	l.t.Fatalf("no event is called %q", l.word)
	return nil
}
