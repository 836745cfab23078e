package wire

import "github.com/lode-market/lode/proto"

// EventRing numbers the events of a lease and keeps them until the requester has
// them, within proto.MaxEventRing events and proto.MaxEventRingBytes. When a
// flood goes beyond that the oldest make way: what is left is always an unbroken
// run up to the newest, and a reader finds the gap in front of it counted in
// Event.Lost.
//
// It is not safe for concurrent use. The zero value numbers from 1.
type EventRing struct {
	events []Event // with consecutive numbers; Lost is not set
	last   uint64  // number of the newest event there ever was
	acked  uint64
	bytes  int
}

// NewEventRing returns a ring whose first event will be last+1: for a lease whose
// provider was restarted after it had numbered up to last.
func NewEventRing(last uint64) *EventRing { return &EventRing{last: last} }

// Append numbers and keeps an event, and returns its number.
func (r *EventRing) Append(b EventBody) uint64 {
	r.last++
	r.events = append(r.events, Event{Seq: r.last, Body: b})
	r.bytes += b.size()
	// The newest stays however large it is: it may be Finished.
	for len(r.events) > 1 && (len(r.events) > proto.MaxEventRing || r.bytes > proto.MaxEventRingBytes) {
		r.drop(1)
	}
	return r.last
}

// Ack forgets the events up to seq. Numbers that do not exist yet, or were
// acknowledged before, change nothing more.
func (r *EventRing) Ack(seq uint64) {
	r.acked = max(r.acked, min(seq, r.last))
	for len(r.events) > 0 && r.events[0].Seq <= r.acked {
		r.drop(1)
	}
}

func (r *EventRing) drop(n int) {
	for i := range r.events[:n] {
		r.bytes -= r.events[i].Body.size()
		r.events[i] = Event{} // let go of its data
	}
	r.events = r.events[n:]
}

// After returns up to most events behind seq, oldest first. The first one's Lost
// counts the numbers between that are gone.
func (r *EventRing) After(seq uint64, most int) []Event {
	if len(r.events) == 0 || seq >= r.last {
		return nil
	}
	first := r.events[0].Seq
	from := max(seq+1, first)
	out := append([]Event(nil), r.events[from-first:]...)
	out = out[:min(most, len(out))]
	out[0].Lost = from - seq - 1
	return out
}

// Last returns the number of the newest event, 0 before the first.
func (r *EventRing) Last() uint64 { return r.last }

// Acked returns the number up to which events were acknowledged.
func (r *EventRing) Acked() uint64 { return r.acked }
