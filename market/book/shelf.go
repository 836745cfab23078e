package book

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/lode-market/lode/proto"
)

// shelf holds the offers of one class and standing, cheap before dear. It is a
// sorted slice of small rows: a query that finds nothing walks all of them, and
// walking 100,000 rows in order takes a millisecond where as many pointers would
// take twenty.
type shelf struct{ rows []row }

// row is what a query looks at in an offer, in little more than a cache line.
type row struct {
	price    uint64 // base units per hour; larger ones count as the largest uint64
	expires  int64  // Unix milliseconds
	token    uint64 // the first bytes of its address: another means another token
	memory   uint64
	disk     uint64
	vram     uint64
	duration time.Duration
	cpu      uint32
	gpus     uint32
	drivers  driverSet
	*entry
}

// driverSet has a bit for each driver.
type driverSet uint8

func setOf(ds ...proto.Driver) (s driverSet) {
	for _, d := range ds {
		switch d {
		case proto.DriverWasm:
			s |= 1
		case proto.DriverDocker:
			s |= 2
		}
	}
	return s
}

func rowOf(e *entry) row {
	o, r := &e.offer, &e.offer.Resources
	return row{
		price: o.Price.Amount().Uint64(), expires: o.Expires.UnixMilli(), token: binary.BigEndian.Uint64(o.Token[:]),
		memory: r.Memory, disk: r.Disk, vram: r.VRAM, duration: o.MaxDuration, cpu: r.CPUMillis, gpus: r.GPUs,
		drivers: setOf(o.Drivers...), entry: e,
	}
}

// compare orders by price, then by arrival, which is unique.
func compare(a, b row) int {
	if a.price != b.price {
		return cmp.Compare(a.price, b.price)
	}
	if c := a.offer.Price.Cmp(b.offer.Price); c != 0 {
		return c
	}
	return cmp.Compare(a.arrival, b.arrival)
}

func (s *shelf) len() int { return len(s.rows) }

// last returns the dearest offer, or nil.
func (s *shelf) last() *entry {
	if len(s.rows) == 0 {
		return nil
	}
	return s.rows[len(s.rows)-1].entry
}

func (s *shelf) insert(e *entry) {
	r := rowOf(e)
	i, _ := slices.BinarySearchFunc(s.rows, r, compare)
	s.rows = slices.Insert(s.rows, i, r)
}

func (s *shelf) remove(e *entry) {
	if i, ok := slices.BinarySearchFunc(s.rows, rowOf(e), compare); ok {
		s.rows = slices.Delete(s.rows, i, i+1)
	}
}

// replace puts e into old's place if it sorts there: what a refreshed offer does,
// and nearly all offers are refreshed ones.
func (s *shelf) replace(old, e *entry) bool {
	if old.offer.Price.Cmp(e.offer.Price) != 0 {
		return false
	}
	i, ok := slices.BinarySearchFunc(s.rows, rowOf(old), compare)
	if ok {
		s.rows[i] = rowOf(e)
	}
	return ok
}

// expire takes out what is over in one pass: one by one would be quadratic
// after a flood.
func (s *shelf) expire(now time.Time) (gone []*entry) {
	s.rows = slices.DeleteFunc(s.rows, func(r row) bool {
		if r.expires > now.UnixMilli() {
			return false
		}
		gone = append(gone, r.entry)
		return true
	})
	return gone
}
