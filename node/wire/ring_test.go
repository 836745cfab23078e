package wire

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/lode-market/lode/proto"
)

// ringModel keeps every event for ever and works out anew what a ring would hold.
type ringModel struct {
	start uint64
	all   []EventBody // numbers start+1, ...
	acked uint64
}

func (m *ringModel) last() uint64 { return m.start + uint64(len(m.all)) }

// held returns the number of the oldest event that is kept. Eviction is judged
// from the newest back, as far as acknowledged ones never come into it.
func (m *ringModel) after(seq uint64, evicted uint64) (out []Event) {
	next := seq + 1
	for n := m.start + 1; n <= m.last(); n++ {
		if n <= seq || n <= m.acked || n <= evicted {
			continue
		}
		e := Event{Seq: n, Body: m.all[n-m.start-1]}
		if len(out) == 0 {
			e.Lost = n - next
		}
		out = append(out, e)
	}
	return out
}

func TestRingAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint64Range(0, 5).Draw(t, "start")
		r, m := NewEventRing(start), &ringModel{start: start, acked: 0}
		var evicted uint64
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "flood", "large", "ack", "read"}).Draw(t, "step") {
			case "append":
				b := Log{Stdout, m.last(), []byte{byte(m.last())}}
				m.all = append(m.all, b)
				if got := r.Append(b); got != m.last() {
					t.Fatalf("number %d, want %d", got, m.last())
				}
			case "flood":
				for range rapid.IntRange(1, 2*proto.MaxEventRing).Draw(t, "events") {
					m.all = append(m.all, Thawed{})
					r.Append(Thawed{})
				}
			case "large":
				for range rapid.IntRange(1, 80).Draw(t, "chunks") {
					b := Log{Stderr, 0, make([]byte, proto.MaxLogChunk)}
					m.all = append(m.all, b)
					r.Append(b)
				}
			case "ack":
				seq := rapid.Uint64Range(0, m.last()+3).Draw(t, "seq")
				r.Ack(seq)
				m.acked = max(m.acked, min(seq, m.last()))
			case "read":
				seq := rapid.Uint64Range(0, m.last()+3).Draw(t, "after")
				most := rapid.IntRange(1, 10_000).Draw(t, "most")
				want := m.after(seq, evicted)
				want = want[:min(most, len(want))]
				if got := r.After(seq, most); len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("after %d: %d events from %v, want %d from %v", seq, len(got), first(got), len(want), first(want))
				}
			}
			// What makes way: the oldest, until both bounds hold again.
			n, bytes := 0, 0
			for seq := m.last(); seq > max(m.start, m.acked, evicted); seq-- {
				n++
				bytes += m.all[seq-m.start-1].size()
				if n > 1 && (n > proto.MaxEventRing || bytes > proto.MaxEventRingBytes) {
					evicted = seq
					break
				}
			}
			if r.Last() != m.last() || r.Acked() != m.acked {
				t.Fatalf("last %d acked %d, want %d %d", r.Last(), r.Acked(), m.last(), m.acked)
			}
		}
	})
}

func first(es []Event) any {
	if len(es) == 0 {
		return "none"
	}
	return [2]uint64{es[0].Seq, es[0].Lost}
}

// A reader that takes pieces sees each number once, or counted as lost.
func TestRingPiecesAddUp(t *testing.T) {
	var r EventRing
	for range 10_000 {
		r.Append(Thawed{})
	}
	var at, lost, seen uint64
	for {
		es := r.After(at, 100)
		if len(es) == 0 {
			break
		}
		for _, e := range es {
			if e.Seq != at+1+e.Lost {
				t.Fatalf("event %d behind %d with %d lost", e.Seq, at, e.Lost)
			}
			at, lost, seen = e.Seq, lost+e.Lost, seen+1
		}
	}
	if at != 10_000 || lost+seen != 10_000 || seen != proto.MaxEventRing {
		t.Fatalf("at %d, seen %d, lost %d", at, seen, lost)
	}
}
