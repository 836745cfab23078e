package pay_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

func newPayer(deposited uint64) *pay.Payer {
	b := &pay.Payer{Key: simKey}
	b.Observe(pay.ChainState{Deposited: units(deposited)})
	return b
}

// raise commits and signs, as a node does in one step; it returns what was
// signed, or 0 when nothing was to be.
func raise(b *pay.Payer, lease proto.LeaseID, want, bound uint64) uint64 {
	cumulative, sign := b.Raise(lease, units(want), units(bound))
	if !sign {
		return 0
	}
	b.Signed(voucher(cumulative.Uint64()))
	return cumulative.Uint64()
}

func TestRaise(t *testing.T) {
	b := newPayer(100)
	for _, c := range []struct {
		name         string
		lease        proto.LeaseID
		want, bound  uint64
		signed, paid uint64
	}{
		{"as wanted", leaseA, 10, 30, 10, 10},
		{"the same again", leaseA, 10, 30, 0, 10},
		{"less than before", leaseA, 5, 30, 0, 10},
		{"no more than the bound", leaseA, 50, 30, 30, 30},
		{"a bound below what was paid", leaseA, 50, 20, 0, 30},
		{"another lease comes on top", leaseB, 20, 90, 50, 20},
		{"no more than the deposit", leaseA, 500, 500, 100, 80},
		{"nothing is left", leaseB, 90, 90, 0, 20},
	} {
		if signed := raise(b, c.lease, c.want, c.bound); signed != c.signed || b.Paid[c.lease] != units(c.paid) {
			t.Fatalf("%s: signed %d, paid %s; want %d, %d", c.name, signed, b.Paid[c.lease], c.signed, c.paid)
		}
	}
	if !b.Free().IsZero() || b.Committed() != units(100) {
		t.Fatalf("free %s, committed %s", b.Free(), b.Committed())
	}
}

// What an earlier lease left over pays first: there is nothing to sign until it
// is used up.
func TestLeftOverPaysFirst(t *testing.T) {
	b := newPayer(100)
	raise(b, leaseA, 40, 40)
	b.Finish(leaseA, units(15))
	if b.Finished != units(15) || b.Free() != units(85) {
		t.Fatalf("finished %s, free %s", b.Finished, b.Free())
	}
	if signed := raise(b, leaseB, 25, 90); signed != 0 || b.Paid[leaseB] != units(25) || b.Voucher != voucher(40) {
		t.Fatalf("signed %d, paid %s, voucher %s", signed, b.Paid[leaseB], b.Voucher.Cumulative)
	}
	if signed := raise(b, leaseB, 26, 90); signed != 41 {
		t.Fatalf("signed %d, want 41", signed)
	}
}

func TestSigned(t *testing.T) {
	b := newPayer(100)
	for _, c := range []struct{ v, best uint64 }{{40, 40}, {39, 40}, {0, 40}, {40, 40}, {41, 41}} {
		b.Signed(voucher(c.v))
		if b.Voucher != voucher(c.best) {
			t.Fatalf("after %d: %s, want %d", c.v, b.Voucher.Cumulative, c.best)
		}
	}
}

func TestPayerFinish(t *testing.T) {
	for _, c := range []struct {
		name          string
		due, finished uint64
	}{
		{"nothing", 0, 0},
		{"less than was paid", 10, 10},
		{"what was paid", 40, 40},
		// The payee may have spent on it what was signed for another.
		{"more than was paid for it", 45, 45},
		{"more than was signed", 61, 60},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayer(100)
			raise(b, leaseA, 40, 40)
			raise(b, leaseB, 20, 20)
			b.Finish(leaseA, units(c.due))
			if b.Finished != units(c.finished) || len(b.Paid) != 1 || b.Paid[leaseB] != units(20) {
				t.Fatalf("finished %s, paid %v; want %d", b.Finished, b.Paid, c.finished)
			}
			again := b.Clone()
			again.Finish(leaseA, units(c.due))
			again.Finish(proto.LeaseID{0xc}, units(1))
			if !reflect.DeepEqual(again, b) {
				t.Fatalf("the second time the book became %+v, it was %+v", again, b)
			}
		})
	}
}

// What is not there is not promised: neither after a reorg, nor after receipts
// that came to more than was signed for their leases.
func TestNothingIsSignedBeyondTheDeposit(t *testing.T) {
	b := newPayer(100)
	raise(b, leaseA, 60, 60)
	b.Observe(pay.ChainState{Deposited: units(50)})
	if signed := raise(b, leaseB, 30, 30); signed != 0 || !b.Paid[leaseB].IsZero() {
		t.Fatalf("the reorg left 50, 60 are signed: signed %d, paid %s", signed, b.Paid[leaseB])
	}
	b.Observe(pay.ChainState{Deposited: units(80)})
	if signed := raise(b, leaseB, 30, 30); signed != 80 || b.Paid[leaseB] != units(20) {
		t.Fatalf("signed %d, paid %s", signed, b.Paid[leaseB])
	}
	b.Finish(leaseA, units(75))
	if signed := raise(b, leaseB, 30, 30); signed != 0 || b.Committed() != units(95) {
		t.Fatalf("signed %d, committed %s", signed, b.Committed())
	}
	b.Observe(pay.ChainState{Deposited: units(90)})
	if signed := raise(b, leaseB, 30, 30); signed != 90 {
		t.Fatalf("signed %d with 95 committed on a deposit of 90", signed)
	}
}

func TestPayerFree(t *testing.T) {
	for _, c := range []struct {
		name  string
		state pay.ChainState
		want  uint64
	}{
		{"open", pay.ChainState{Deposited: units(100)}, 70},
		{"claims change nothing", pay.ChainState{Deposited: units(100), Claimed: units(30)}, 70},
		{"less than is committed", pay.ChainState{Deposited: units(29)}, 0},
		{"closing", pay.ChainState{Deposited: units(100), ClosesAt: simEpoch}, 0},
		{"closed", pay.ChainState{Deposited: units(100), Closed: true}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayer(100)
			raise(b, leaseA, 20, 20)
			b.Finish(leaseA, units(10))
			raise(b, leaseB, 20, 20)
			b.Observe(c.state)
			if b.Free() != units(c.want) {
				t.Fatalf("free %s, want %d", b.Free(), c.want)
			}
			b.Raise(leaseB, units(90), units(90))
			if b.Paid[leaseB] != units(20+c.want) {
				t.Fatalf("paid %s, want %d", b.Paid[leaseB], 20+c.want)
			}
		})
	}
}

// A payer that lost its store counts all that the payee's voucher covers as spent.
func TestRecover(t *testing.T) {
	b := newPayer(100)
	if err := b.Recover(voucher(60), simDomain); err != nil {
		t.Fatal(err)
	}
	if b.Voucher != voucher(60) || b.Finished != units(60) || b.Free() != units(40) {
		t.Fatalf("voucher %s, finished %s, free %s", b.Voucher.Cumulative, b.Finished, b.Free())
	}
	if signed := raise(b, leaseA, 10, 10); signed != 70 {
		t.Fatalf("signed %d on top of 60", signed)
	}

	// An old copy of the store knows of a part.
	b = newPayer(100)
	raise(b, leaseA, 10, 10)
	b.Finish(leaseA, units(10))
	raise(b, leaseB, 20, 20)
	if err := b.Recover(voucher(60), simDomain); err != nil {
		t.Fatal(err)
	}
	if b.Committed() != units(60) || b.Finished != units(40) || b.Paid[leaseB] != units(20) {
		t.Fatalf("committed %s, finished %s, paid %v", b.Committed(), b.Finished, b.Paid)
	}
}

func TestRecoverRefuses(t *testing.T) {
	otherKey, otherDomain := simKey, simDomain
	otherKey.Salt++
	otherDomain.ChainID++
	raised := voucher(60)
	raised.Cumulative = units(61)
	for _, c := range []struct {
		name string
		v    proto.Voucher
		code proto.Code // 0: no news
	}{
		{"lower", voucher(29), 0},
		{"the same", voucher(30), 0},
		{"another channel", signVoucher(payerKey, simDomain, proto.Voucher{Channel: otherKey.ID(), Cumulative: units(60)}), proto.CodeWrongChannel},
		{"another signer", signVoucher(strangerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(60)}), proto.CodeBadSignature},
		{"another chain", signVoucher(payerKey, otherDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(60)}), proto.CodeBadSignature},
		{"raised after it was signed", raised, proto.CodeBadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayer(100)
			raise(b, leaseA, 30, 30)
			before := b.Clone()
			switch err := b.Recover(c.v, simDomain); {
			case c.code != 0:
				refused(t, err, c.code)
			case err != nil:
				t.Fatal(err)
			}
			if !reflect.DeepEqual(b, before) {
				t.Fatalf("the book became %+v, it was %+v", b, before)
			}
		})
	}
}

func TestPayerCloneSharesNothing(t *testing.T) {
	b, same := newPayer(100), newPayer(100)
	raise(b, leaseA, 30, 30)
	raise(same, leaseA, 30, 30)
	c := b.Clone()
	if !reflect.DeepEqual(c, same) {
		t.Fatalf("the copy is %+v, want %+v", c, same)
	}
	raise(c, leaseB, 30, 30)
	if !reflect.DeepEqual(b, same) {
		t.Fatalf("a change of the copy made the book %+v, it was %+v", b, same)
	}
}

// payerModel is the payer's book in whole numbers, with all leases that ever
// were: what may be signed is summed up anew each time.
type payerModel struct {
	deposited, voucher, booked uint64
	open                       bool
	live                       map[proto.LeaseID]*modelPaid
	ended                      []modelDue
}

type modelPaid struct{ paid, bound uint64 }

type modelDue struct{ due, bound uint64 }

func (m *payerModel) committed() uint64 {
	sum := m.booked
	for _, l := range m.live {
		sum += l.paid
	}
	return sum
}

// bound is the most that may be signed: of each finished lease the smaller of its
// due and its own bound, and the bound of each live one.
func (m *payerModel) bound() uint64 {
	var sum uint64
	for _, l := range m.ended {
		sum += min(l.due, l.bound)
	}
	for _, l := range m.live {
		sum += l.bound
	}
	return sum
}

// The payer's book against the model, over random histories of one channel.
func TestPayerAgainstModel(t *testing.T) {
	leases := []proto.LeaseID{leaseA, leaseB, {0xc}}
	rapid.Check(t, func(t *rapid.T) {
		b := &pay.Payer{Key: simKey}
		m := &payerModel{open: true, live: make(map[proto.LeaseID]*modelPaid)}
		lease := func(t *rapid.T) proto.LeaseID { return rapid.SampledFrom(leases).Draw(t, "lease") }
		amount := func(t *rapid.T, name string, most uint64) uint64 { return rapid.Uint64Range(0, most).Draw(t, name) }
		seldom := func(t *rapid.T) {
			if rapid.IntRange(0, 5).Draw(t, "seldom") > 0 {
				t.Skip("not now")
			}
		}
		observe := func(t *rapid.T) {
			s := pay.ChainState{Deposited: units(m.deposited)}
			if !m.open {
				if s.ClosesAt = simEpoch; rapid.Bool().Draw(t, "closed") {
					s.Closed = true
				}
			}
			b.Observe(s)
		}
		actions := map[string]func(*rapid.T){
			"raise": func(t *rapid.T) {
				id, want := lease(t), amount(t, "want", 40)
				l := m.live[id]
				if l == nil {
					l = &modelPaid{}
					m.live[id] = l
				}
				l.bound += amount(t, "own time", 12)
				for m.open && l.paid < want && l.paid < l.bound && m.committed() < m.deposited {
					l.paid++
				}
				due := min(m.committed(), m.deposited)
				cumulative, sign := b.Raise(id, units(want), units(l.bound))
				if cumulative != units(due) || sign != (due > m.voucher) {
					t.Fatalf("to sign: %s, %t; want %d over %d", cumulative, sign, due, m.voucher)
				}
				if !sign {
					return
				}
				if cumulative.Uint64() > m.bound() || cumulative.Uint64() > m.deposited {
					t.Fatalf("signs %s, finished leases and bounds are %d, the deposit %d", cumulative, m.bound(), m.deposited)
				}
				b.Signed(voucher(cumulative.Uint64()))
				m.voucher = due
			},
			"an older voucher is signed again": func(t *rapid.T) {
				b.Signed(voucher(amount(t, "cumulative", m.voucher)))
			},
			"finish": func(t *rapid.T) {
				id, due := lease(t), amount(t, "due", 40)
				l := m.live[id]
				if l == nil {
					b.Finish(id, units(due))
					return
				}
				m.ended = append(m.ended, modelDue{due, l.bound})
				delete(m.live, id)
				own := min(due, l.bound) // the lease's machine sees to it
				b.Finish(id, units(own))
				for ; own > 0 && m.booked < m.voucher; own-- {
					m.booked++
				}
			},
			"deposit": func(t *rapid.T) {
				if !m.open {
					t.Skip("no deposit on a closing channel")
				}
				m.deposited += amount(t, "deposited", 20)
				observe(t)
			},
			"reorg": func(t *rapid.T) {
				seldom(t)
				m.deposited, m.open = amount(t, "deposited", m.deposited), true
				observe(t)
			},
			"close": func(t *rapid.T) {
				seldom(t)
				m.open = false
				observe(t)
			},
			"lose the store": func(t *rapid.T) {
				seldom(t)
				state, last := b.State, b.Voucher
				b = &pay.Payer{Key: simKey, State: state}
				m.live, m.ended = make(map[proto.LeaseID]*modelPaid), nil
				m.booked = m.voucher
				if m.voucher == 0 {
					return
				}
				m.ended = []modelDue{{m.voucher, m.voucher}}
				for range 2 {
					if err := b.Recover(last, simDomain); err != nil {
						t.Fatal(err)
					}
				}
			},
			"": func(t *rapid.T) {
				var free uint64
				if m.open && m.deposited > m.committed() {
					free = m.deposited - m.committed()
				}
				if b.Finished != units(m.booked) || b.Voucher.Cumulative != units(m.voucher) || len(b.Paid) != len(m.live) ||
					b.Committed() != units(m.committed()) || b.Free() != units(free) {
					t.Fatalf("the book is %+v, the model %+v", b, m)
				}
				for id, l := range m.live {
					if b.Paid[id] != units(l.paid) || l.paid > l.bound {
						t.Fatalf("lease %.2s: paid %s, want %+v", id, b.Paid[id], l)
					}
				}
				if b.Voucher.Cumulative.Less(b.Finished) {
					t.Fatalf("booked %s, signed %s", b.Finished, b.Voucher.Cumulative)
				}
			},
		}
		for range historyLength {
			t.Repeat(actions)
		}
	})
}
