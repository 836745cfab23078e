package book

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lode-market/lode/proto"
)

// Constraint names what an offer failed on.
type Constraint string

// The constraints.
const (
	ConstraintExpiry   Constraint = "expiry"
	ConstraintToken    Constraint = "token"
	ConstraintDriver   Constraint = "driver"
	ConstraintGPUs     Constraint = "gpus"
	ConstraintVRAM     Constraint = "vram"
	ConstraintGPUModel Constraint = "gpu_model"
	ConstraintCPU      Constraint = "cpu"
	ConstraintMemory   Constraint = "memory"
	ConstraintDisk     Constraint = "disk"
	ConstraintDuration Constraint = "max_duration"
	ConstraintPrice    Constraint = "price"
)

// MaxMisfits bounds the misfits that a query describes one by one.
const MaxMisfits = 64

// Match is an offer that fits.
type Match struct {
	Offer    proto.Offer
	Standing Standing
}

// Misfit says why an offer that was looked at does not fit.
type Misfit struct {
	Peer       proto.PeerKey `json:"peer"`
	Class      proto.Class   `json:"class"`
	Constraint Constraint    `json:"constraint"`
	Actual     string        `json:"actual"`
	Required   string        `json:"required"`
}

// Answer is what a query found.
type Answer struct {
	// Matches are ranked, the first to be asked first.
	Matches []Match
	// Misfits are the first MaxMisfits offers that were looked at in vain; Failed
	// counts them all by what they failed on. Units are those of the offer: bytes,
	// thousandths of a core, base units per hour.
	Misfits []Misfit
	Failed  map[Constraint]int
	Looked  int
}

// Match returns up to most offers that fit a need.
//
// Peers with a history come first, by price. One place in four (rounded down)
// belongs to newcomers, by price too, so that the market stays open without one
// flood of fresh identities filling the answer; places that either side can't
// fill go to the other. Peers with a poor history fill what is left.
func (b *Book) Match(n proto.Needs, most int, now time.Time) Answer {
	q := newQuery(n, now)
	b.mu.RLock()
	defer b.mu.RUnlock()
	classes := proto.ClassesFor(n.Resources)
	known := q.cheapest(b, classes, Known, most)
	newcomers := q.cheapest(b, classes, Newcomer, max(most/4, most-len(known)))
	// The known give up places only as far as there are newcomers to take them.
	known = known[:min(len(known), most-min(len(newcomers), most/4))]
	q.answer.Matches = interleave(known, newcomers)
	if left := most - len(q.answer.Matches); left > 0 {
		q.answer.Matches = append(q.answer.Matches, q.cheapest(b, classes, Poor, left)...)
	}
	if len(q.answer.Matches) == 0 {
		q.lookBelow(b, classes)
	}
	q.tally()
	return q.answer
}

// interleave puts a newcomer into every fourth place, the known into the others.
func interleave(known, newcomers []Match) []Match {
	out := make([]Match, 0, len(known)+len(newcomers))
	for len(known)+len(newcomers) > 0 {
		turn := len(out)%4 == 3
		if len(newcomers) > 0 && (turn || len(known) == 0) {
			out, newcomers = append(out, newcomers[0]), newcomers[1:]
		} else {
			out, known = append(out, known[0]), known[1:]
		}
	}
	return out
}

// query is a need in the form of a row, and what has been found so far.
type query struct {
	proto.Needs
	want   row
	model  string // lower case
	priced bool   // there is a highest price
	now    time.Time
	answer Answer
	// last is what the latest misfit failed on, and run how many did in a row
	// that are not in the answer yet: a map is too slow to count in.
	last Constraint
	run  int
}

func newQuery(n proto.Needs, now time.Time) *query {
	q := &query{Needs: n, model: strings.ToLower(n.Resources.GPUModel), priced: !n.MaxPrice.Amount().IsZero(), now: now}
	q.want = rowOf(&entry{offer: proto.Offer{
		Expires: now, Token: n.Token, Price: n.MaxPrice, Resources: n.Resources, Drivers: []proto.Driver{n.Driver}, MaxDuration: n.MaxDuration,
	}})
	if n.Resources.GPUs == 0 {
		q.want.vram = 0
	}
	q.answer.Failed = map[Constraint]int{}
	return q
}

// cheapest merges the shelves of several classes by price and returns the first
// most offers that fit.
func (q *query) cheapest(b *Book, classes []proto.Class, s Standing, most int) (found []Match) {
	heads := make([][]row, 0, len(classes))
	for _, c := range classes {
		if rows := b.shelf(c, s); len(rows) > 0 {
			heads = append(heads, rows)
		}
	}
	for len(found) < most && len(heads) > 0 {
		i := 0
		for j := 1; j < len(heads); j++ {
			if compare(heads[j][0], heads[i][0]) < 0 {
				i = j
			}
		}
		r := &heads[i][0]
		if q.tooDear(r) {
			q.skip(heads)
			return found
		}
		if q.look(r) {
			found = append(found, Match{r.offer, s})
		}
		if heads[i] = heads[i][1:]; len(heads[i]) == 0 {
			heads = slices.Delete(heads, i, i+1)
		}
	}
	return found
}

// skip notes offers that are all above the price: with the cheapest of them too
// dear, the others need no closer look.
func (q *query) skip(heads [][]row) {
	for _, rows := range heads {
		for i := range rows[:min(len(rows), MaxMisfits-len(q.answer.Misfits))] {
			q.describe(&rows[i].offer, ConstraintPrice)
		}
		q.answer.Looked += len(rows)
		q.answer.Failed[ConstraintPrice] += len(rows)
	}
}

// lookBelow looks at the classes under those that could fit, only so that an
// empty answer says what is for sale and what it lacks.
func (q *query) lookBelow(b *Book, classes []proto.Class) {
	for _, c := range proto.Classes {
		if slices.Contains(classes, c) {
			return
		}
		for _, s := range standings {
			rows := b.shelf(c, s)
			for i := range rows[:min(len(rows), MaxMisfits-len(q.answer.Misfits))] {
				q.look(&rows[i])
			}
		}
	}
}

// look checks one offer and notes why it does not fit.
func (q *query) look(r *row) bool {
	q.answer.Looked++
	c := q.fails(r)
	if c == "" {
		return true
	}
	if c != q.last {
		q.tally()
		q.last = c
	}
	q.run++
	// Writing a hundred thousand reasons would take longer than finding them.
	if len(q.answer.Misfits) < MaxMisfits {
		q.describe(&r.offer, c)
	}
	return false
}

func (q *query) tally() {
	if q.run > 0 {
		q.answer.Failed[q.last] += q.run
		q.run = 0
	}
}

func (q *query) tooDear(r *row) bool {
	return q.priced && (r.price > q.want.price || (r.price == q.want.price && r.offer.Price.Cmp(q.MaxPrice) > 0))
}

// fails returns the first constraint that an offer fails, or none. What its row
// does not hold in full is looked up last.
func (q *query) fails(r *row) Constraint {
	switch w := &q.want; {
	case r.expires <= w.expires:
		return ConstraintExpiry
	case r.token != w.token:
		return ConstraintToken
	case r.drivers&w.drivers == 0:
		return ConstraintDriver
	case r.gpus < w.gpus:
		return ConstraintGPUs
	case r.vram < w.vram:
		return ConstraintVRAM
	case r.cpu < w.cpu:
		return ConstraintCPU
	case r.memory < w.memory:
		return ConstraintMemory
	case r.disk < w.disk:
		return ConstraintDisk
	case r.duration < w.duration:
		return ConstraintDuration
	case q.tooDear(r):
		return ConstraintPrice
	case r.offer.Token != q.Token:
		return ConstraintToken
	case q.model != "" && !strings.Contains(strings.ToLower(r.offer.Resources.GPUModel), q.model):
		return ConstraintGPUModel
	}
	return ""
}

// describe notes what o has and what is asked for.
func (q *query) describe(o *proto.Offer, c Constraint) {
	have, want := &o.Resources, &q.Resources
	var actual, required any
	switch c {
	case ConstraintExpiry:
		actual, required = o.Expires.UTC().Format(time.RFC3339), "later than "+q.now.UTC().Format(time.RFC3339)
	case ConstraintToken:
		actual, required = o.Token, q.Token
	case ConstraintDriver:
		actual, required = o.Drivers, q.Driver
	case ConstraintGPUs:
		actual, required = have.GPUs, want.GPUs
	case ConstraintVRAM:
		actual, required = have.VRAM, want.VRAM
	case ConstraintGPUModel:
		actual, required = have.GPUModel, want.GPUModel
	case ConstraintCPU:
		actual, required = have.CPUMillis, want.CPUMillis
	case ConstraintMemory:
		actual, required = have.Memory, want.Memory
	case ConstraintDisk:
		actual, required = have.Disk, want.Disk
	case ConstraintDuration:
		actual, required = o.MaxDuration, q.MaxDuration
	case ConstraintPrice:
		actual, required = o.Price, q.MaxPrice
	}
	q.answer.Misfits = append(q.answer.Misfits, Misfit{o.Identity.Peer, o.Class, c, fmt.Sprint(actual), fmt.Sprint(required)})
}
