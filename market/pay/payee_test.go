package pay_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

// The margins around a consent, by what they are for: clocks differ by so much,
// and a claim gets so long.
const (
	clockMargin = 2 * time.Minute
	claimTime   = 15 * time.Minute
	closeDelay  = 24 * time.Hour // of simKey
)

var (
	leaseA, leaseB = proto.LeaseID{0xa}, proto.LeaseID{0xb}
	strangerKey    = mustKey(4)
)

func units(n uint64) proto.Amount { return proto.NewAmount(n) }

// voucher is the payer's voucher of n on the channel of the tests.
func voucher(n uint64) proto.Voucher {
	return signVoucher(payerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(n)})
}

// newPayee is a book that holds a voucher of signed on a deposit of funded.
func newPayee(t *testing.T, signed, funded uint64) *pay.Payee {
	t.Helper()
	b := &pay.Payee{Key: simKey}
	b.Observe(pay.ChainState{Deposited: units(funded)}, units(funded))
	if err := b.Take(voucher(signed), simDomain); err != nil {
		t.Fatal(err)
	}
	return b
}

func mustOpen(t *testing.T, b *pay.Payee, lease proto.LeaseID, want uint64) {
	t.Helper()
	if g, err := b.Open(lease, units(want), simEpoch); err != nil || g != units(want) {
		t.Fatalf("opened with %s, %v; want %d", g, err, want)
	}
}

// refused wants a refusal by code that says what was seen and what is wanted.
func refused(t *testing.T, err error, code proto.Code) {
	t.Helper()
	var r *proto.Refusal
	if !errors.As(err, &r) || r.Code != code {
		t.Fatalf("%v; want a refusal by %s", err, code)
	}
	if r.Actual == "" || r.Required == "" {
		t.Fatalf("%v does not say the actual and the required value", err)
	}
}

// unchanged runs do, which must leave the book as it is.
func unchanged(t *testing.T, b *pay.Payee, do func()) {
	t.Helper()
	before := b.Clone()
	do()
	if !reflect.DeepEqual(b, before) {
		t.Fatalf("the book became %+v, it was %+v", b, before)
	}
}

func TestTake(t *testing.T) {
	best := voucher(100)
	otherKey, otherDomain, otherContract := simKey, simDomain, simDomain
	otherKey.Salt++
	otherDomain.ChainID++
	otherContract.Channels[0]++
	raised := best
	raised.Cumulative = units(101)
	for _, c := range []struct {
		name string
		v    proto.Voucher
		code proto.Code // 0: taken
		best proto.Voucher
	}{
		{"higher", voucher(101), 0, voucher(101)},
		{"the same again", best, 0, best},
		{"lower", voucher(99), 0, best},
		{"of nothing", voucher(0), 0, best},
		{"another channel", signVoucher(payerKey, simDomain, proto.Voucher{Channel: otherKey.ID(), Cumulative: units(101)}), proto.CodeWrongChannel, best},
		{"no channel", proto.Voucher{}, proto.CodeWrongChannel, best},
		{"another signer", signVoucher(strangerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(101)}), proto.CodeBadSignature, best},
		{"another signer, lower", signVoucher(strangerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(99)}), proto.CodeBadSignature, best},
		{"another signer, the same amount", signVoucher(strangerKey, simDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(100)}), proto.CodeBadSignature, best},
		{"another chain", signVoucher(payerKey, otherDomain, proto.Voucher{Channel: simKey.ID(), Cumulative: units(101)}), proto.CodeBadSignature, best},
		{"another contract", signVoucher(payerKey, otherContract, proto.Voucher{Channel: simKey.ID(), Cumulative: units(101)}), proto.CodeBadSignature, best},
		{"raised after it was signed", raised, proto.CodeBadSignature, best},
		{"unsigned", proto.Voucher{Channel: simKey.ID(), Cumulative: units(101)}, proto.CodeBadSignature, best},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayee(t, 100, 1000)
			mustOpen(t, b, leaseA, 10)
			want := b.Clone()
			want.Voucher = c.best
			switch err := b.Take(c.v, simDomain); {
			case c.code != 0:
				refused(t, err, c.code)
			case err != nil:
				t.Fatal(err)
			}
			if !reflect.DeepEqual(b, want) {
				t.Fatalf("the book became %+v, want %+v", b, want)
			}
		})
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name                         string
		signed, funded, earlier, own uint64
		code                         proto.Code
	}{
		{"all of it", 10, 10, 0, 10, 0},
		{"nothing wanted, nothing there", 0, 0, 0, 0, 0},
		{"deposit too small", 100, 9, 0, 10, proto.CodeUnderfunded},
		{"voucher too low", 9, 100, 0, 10, proto.CodeVoucherTooLow},
		{"both: no voucher would help", 9, 9, 0, 10, proto.CodeUnderfunded},
		{"beside another lease", 20, 20, 10, 10, 0},
		{"deposit is another lease's", 100, 19, 10, 10, proto.CodeUnderfunded},
		{"voucher is another lease's", 19, 100, 10, 10, proto.CodeVoucherTooLow},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayee(t, c.signed, c.funded)
			mustOpen(t, b, leaseB, c.earlier)
			if c.code == 0 {
				mustOpen(t, b, leaseA, c.own)
				return
			}
			unchanged(t, b, func() {
				g, err := b.Open(leaseA, units(c.own), simEpoch)
				refused(t, err, c.code)
				if !g.IsZero() {
					t.Errorf("refused, and granted %s", g)
				}
			})
		})
	}
}

// A lease keeps its place and its credit, whatever it wants the second time and
// whatever has become of the channel.
func TestOpenTwice(t *testing.T) {
	b := newPayee(t, 100, 100)
	mustOpen(t, b, leaseA, 10)
	b.Promise(leaseA, units(30))
	if g := b.Grant(leaseA, units(30), simEpoch); g != units(30) {
		t.Fatalf("granted %s", g)
	}
	b.Observe(pay.ChainState{Deposited: units(100), ClosesAt: simEpoch.Add(closeDelay)}, units(100))
	for _, want := range []uint64{0, 10, 60, 500} {
		unchanged(t, b, func() {
			if g, err := b.Open(leaseA, units(want), simEpoch); err != nil || g != units(30) {
				t.Errorf("opened again with %s, %v; want 30", g, err)
			}
		})
	}
}

// No credit is given on a channel whose money is about to leave.
func TestUsable(t *testing.T) {
	deadline := simEpoch.Add(time.Hour)
	for _, c := range []struct {
		name  string
		state pay.ChainState
		until time.Time // of a consent
		at    time.Time
		ok    bool
	}{
		{"open", pay.ChainState{}, time.Time{}, simEpoch, true},
		{"closing", pay.ChainState{ClosesAt: simEpoch.Add(closeDelay)}, time.Time{}, simEpoch, false},
		{"closing, delay over", pay.ChainState{ClosesAt: simEpoch}, time.Time{}, simEpoch.Add(time.Hour), false},
		{"closed", pay.ChainState{Closed: true}, time.Time{}, simEpoch, false},
		{"consented", pay.ChainState{}, deadline, simEpoch, false},
		{"consented, at the deadline", pay.ChainState{}, deadline, deadline, false},
		{"consented, a block may still be as old", pay.ChainState{}, deadline, deadline.Add(clockMargin - 1), false},
		{"consent is over", pay.ChainState{}, deadline, deadline.Add(clockMargin), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayee(t, 100, 100)
			mustOpen(t, b, leaseA, 10)
			b.Promise(leaseA, units(20))
			c.state.Deposited = units(100)
			b.Observe(c.state, units(100))
			b.Consent = pay.Consent{Deadline: c.until}
			if err := b.Usable(c.at); c.ok != (err == nil) {
				t.Fatalf("usable: %v", err)
			} else if err != nil {
				refused(t, err, proto.CodeChannelClosing)
			}
			granted := units(10)
			if c.ok {
				granted = units(20)
			}
			if g := b.Grant(leaseA, units(20), c.at); g != granted || b.Grants[leaseA] != granted {
				t.Errorf("granted %s, on record %s; want %s", g, b.Grants[leaseA], granted)
			}
			if _, err := b.Open(leaseB, proto.Amount{}, c.at); c.ok != (err == nil) {
				t.Errorf("open: %v", err)
			} else if err != nil {
				refused(t, err, proto.CodeChannelClosing)
			}
		})
	}
}

func TestPromiseAndGrant(t *testing.T) {
	b := newPayee(t, 100, 90)
	mustOpen(t, b, leaseA, 10)
	grant := func(want, has uint64) {
		t.Helper()
		if g := b.Grant(leaseA, units(want), simEpoch); g != units(has) || b.Grants[leaseA] != units(has) {
			t.Fatalf("wants %d: granted %s, on record %s; want %d", want, g, b.Grants[leaseA], has)
		}
	}
	grant(50, 10) // free, and not promised
	b.Promise(leaseA, units(30))
	grant(50, 30)
	grant(20, 30) // a grant never shrinks
	b.Promise(leaseA, units(5))
	if b.Promised[leaseA] != units(30) {
		t.Fatalf("a promise of 30 became %s", b.Promised[leaseA])
	}
	grant(50, 30)
	b.Promise(leaseA, units(80))
	grant(60, 60) // no more than is wanted
	mustOpen(t, b, leaseB, 20)
	b.Promise(leaseA, proto.MaxAmount)
	grant(500, 70) // no more than is free
	if !b.Free().IsZero() || b.Promised[leaseB] != units(20) {
		t.Fatalf("%s are free, %s promised to the other lease", b.Free(), b.Promised[leaseB])
	}

	unknown := proto.LeaseID{0xc}
	unchanged(t, b, func() {
		b.Promise(unknown, units(50))
		if g := b.Grant(unknown, units(50), simEpoch); !g.IsZero() {
			t.Errorf("granted %s to a lease that is not live", g)
		}
	})
}

// A book of which the store kept grants and no promises is one nevertheless.
func TestPromiseInABookWithoutAny(t *testing.T) {
	b := newPayee(t, 100, 100)
	mustOpen(t, b, leaseA, 10)
	b.Promised = nil
	if g := b.Grant(leaseA, units(50), simEpoch); g != units(10) {
		t.Fatalf("granted %s without a promise", g)
	}
	b.Promise(leaseA, units(20))
	if g := b.Grant(leaseA, units(50), simEpoch); g != units(20) {
		t.Fatalf("granted %s of a promise of 20", g)
	}
}

func TestFinish(t *testing.T) {
	for _, c := range []struct{ due, finished, free uint64 }{
		{0, 0, 70}, {39, 39, 31}, {40, 40, 30}, {41, 40, 30}, {1 << 60, 40, 30},
	} {
		t.Run(fmt.Sprint(c.due), func(t *testing.T) {
			b := newPayee(t, 100, 100)
			mustOpen(t, b, leaseA, 40)
			mustOpen(t, b, leaseB, 30)
			b.Finish(leaseA, units(c.due))
			if b.Finished != units(c.finished) || b.Free() != units(c.free) || len(b.Grants) != 1 || len(b.Promised) != 1 {
				t.Fatalf("finished %s, free %s, %d grants, %d promises", b.Finished, b.Free(), len(b.Grants), len(b.Promised))
			}
			unchanged(t, b, func() {
				b.Finish(leaseA, units(c.due))
				b.Finish(leaseA, proto.MaxAmount)
				b.Finish(proto.LeaseID{0xc}, units(1))
			})
			mustOpen(t, b, proto.LeaseID{0xd}, c.free) // what was left over pays for the next
		})
	}
}

// A reorg takes money back on which leases run: the book says so, keeps what was
// granted and gives no more, until the money is there again.
func TestReorgTakesMoneyBack(t *testing.T) {
	b := newPayee(t, 100, 100)
	mustOpen(t, b, leaseA, 40)
	mustOpen(t, b, leaseB, 20)
	b.Promise(leaseA, units(80))
	b.Finish(leaseB, units(20))

	b.Observe(pay.ChainState{Deposited: units(60)}, units(60))
	if b.Overdrawn() || !b.Free().IsZero() {
		t.Fatalf("60 are committed of 60: overdrawn %t, free %s", b.Overdrawn(), b.Free())
	}
	// What counts is never more than what is there.
	b.Observe(pay.ChainState{Deposited: units(59)}, units(100))
	if b.Funded != units(59) || !b.Overdrawn() || !b.Free().IsZero() || b.Claimable() != units(59) {
		t.Fatalf("59 deposited: funded %s, overdrawn %t, free %s, claimable %s", b.Funded, b.Overdrawn(), b.Free(), b.Claimable())
	}
	if g := b.Grant(leaseA, units(80), simEpoch); g != units(40) {
		t.Fatalf("a lease on missing money was granted %s", g)
	}
	_, err := b.Open(leaseB, units(1), simEpoch)
	refused(t, err, proto.CodeUnderfunded)

	b.Observe(pay.ChainState{Deposited: units(100)}, units(100))
	if g := b.Grant(leaseA, units(80), simEpoch); b.Overdrawn() || g != units(80) {
		t.Fatalf("the money is back: overdrawn %t, granted %s", b.Overdrawn(), g)
	}

	b.Observe(pay.ChainState{Deposited: units(100), Claimed: units(100), Closed: true}, units(100))
	if !b.Funded.IsZero() || !b.Overdrawn() || !b.Claimable().IsZero() {
		t.Fatalf("closed: funded %s, overdrawn %t, claimable %s", b.Funded, b.Overdrawn(), b.Claimable())
	}
	b.Observe(pay.ChainState{Deposited: units(100), Claimed: units(30)}, units(100))
	if b.Overdrawn() || b.Claimable() != units(70) {
		t.Fatalf("the close is undone: overdrawn %t, claimable %s", b.Overdrawn(), b.Claimable())
	}
}

func TestSettleRefuses(t *testing.T) {
	now := simEpoch
	closes := now.Add(closeDelay / 2)
	for _, c := range []struct {
		name     string
		state    pay.ChainState
		live     bool
		deadline time.Time
		code     proto.Code
	}{
		{"open", pay.ChainState{}, false, now.Add(time.Hour), 0},
		{"live leases", pay.ChainState{}, true, now.Add(time.Hour), proto.CodeNotSettled},
		{"closed", pay.ChainState{Closed: true}, false, now.Add(time.Hour), proto.CodeChannelClosing},
		// A close that starts now must leave the payee its time to claim.
		{"last deadline", pay.ChainState{}, false, now.Add(closeDelay - clockMargin - claimTime), 0},
		{"deadline too late", pay.ChainState{}, false, now.Add(closeDelay - clockMargin - claimTime + 1), proto.CodeChannelClosing},
		{"closing, last deadline", pay.ChainState{ClosesAt: closes}, false, closes.Add(-clockMargin - claimTime), 0},
		{"closing, deadline too late", pay.ChainState{ClosesAt: closes}, false, closes.Add(-clockMargin - claimTime + 1), proto.CodeChannelClosing},
		{"closing, delay over", pay.ChainState{ClosesAt: now}, false, now.Add(time.Minute), proto.CodeChannelClosing},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPayee(t, 100, 100)
			mustOpen(t, b, leaseA, 40)
			if !c.live {
				b.Finish(leaseA, units(25))
			}
			c.state.Deposited = units(100)
			b.Observe(c.state, units(100))
			if c.code != 0 {
				unchanged(t, b, func() {
					s, err := b.Settle(now, c.deadline)
					refused(t, err, c.code)
					if s != (proto.Settlement{}) {
						t.Errorf("refused, and agreed to %+v", s)
					}
				})
				return
			}
			s, err := b.Settle(now, c.deadline)
			if want := (proto.Settlement{Channel: simKey.ID(), Amount: units(25), Deadline: c.deadline}); err != nil || s != want {
				t.Fatalf("%+v, %v; want %+v", s, err, want)
			}
			if want := (pay.Consent{Amount: units(25), Deadline: c.deadline}); b.Consent != want {
				t.Fatalf("on record: %+v; want %+v", b.Consent, want)
			}
		})
	}
}

// While a consent lasts it is given again as it was, nothing runs on the channel
// and nothing is claimed; then the channel is what it was before.
func TestConsentLasts(t *testing.T) {
	b := newPayee(t, 100, 100)
	mustOpen(t, b, leaseA, 40)
	b.Finish(leaseA, units(25))
	deadline := simEpoch.Add(time.Hour)
	first, err := b.Settle(simEpoch, deadline)
	if err != nil {
		t.Fatal(err)
	}
	last := deadline.Add(clockMargin - 1)
	// The payer starts a close in the meantime: the consent stands.
	b.Observe(pay.ChainState{Deposited: units(100), ClosesAt: simEpoch.Add(2 * time.Hour)}, units(100))
	for _, now := range []time.Time{simEpoch, simEpoch.Add(time.Minute), deadline.Add(-1)} {
		unchanged(t, b, func() {
			if again, err := b.Settle(now, now.Add(10*time.Hour)); err != nil || again != first {
				t.Errorf("at %s: %+v, %v; want the same consent again", now.Sub(simEpoch), again, err)
			}
		})
	}
	// It is worth nothing any more, but a block may still be as old as it.
	for _, now := range []time.Time{deadline, last} {
		unchanged(t, b, func() {
			_, err := b.Settle(now, now.Add(10*time.Hour))
			refused(t, err, proto.CodeChannelClosing)
		})
	}
	b.Observe(pay.ChainState{Deposited: units(100)}, units(100)) // a reorg undoes the close
	unchanged(t, b, func() {
		_, err := b.Open(leaseB, units(10), last)
		refused(t, err, proto.CodeChannelClosing)
		if policy := (pay.ClaimPolicy{Shutdown: true}); policy.ShouldClaim(b, proto.Amount{}, last, true) {
			t.Error("claims beside its own consent")
		}
	})
	over := last.Add(1)
	if _, err := b.Open(leaseB, units(10), over); err != nil {
		t.Fatal(err)
	}
	b.Finish(leaseB, units(5))
	s, err := b.Settle(over, over.Add(time.Hour))
	if err != nil || s.Amount != units(30) || !s.Deadline.Equal(over.Add(time.Hour)) {
		t.Fatalf("the next consent: %+v, %v", s, err)
	}
}

func TestWeigh(t *testing.T) {
	for _, c := range []struct{ latest, final, exposure, want uint64 }{
		{0, 0, 0, 0}, {0, 0, 10, 0},
		{100, 100, 0, 100}, {100, 100, 10, 100},
		{100, 60, 0, 60}, {100, 60, 10, 70}, {100, 60, 40, 100}, {100, 60, 500, 100},
		{100, 0, 10, 10},
		{60, 100, 0, 60}, {60, 100, 10, 60}, // what is final came from another server, or from before a reorg
	} {
		if got := pay.Weigh(units(c.latest), units(c.final), units(c.exposure)); got != units(c.want) {
			t.Errorf("%d deposited, %d of it final, exposure %d: %s count, want %d", c.latest, c.final, c.exposure, got, c.want)
		}
	}
	if got := pay.Weigh(proto.MaxAmount, proto.MaxAmount, proto.MaxAmount); got != proto.MaxAmount {
		t.Errorf("all there can be counts as %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Uint64Range(0, 20)
		latest, final, exposure := small.Draw(t, "latest"), small.Draw(t, "final"), small.Draw(t, "exposure")
		var counts uint64
		for unit := uint64(1); unit <= latest; unit++ {
			if unit <= final || unit-final <= exposure {
				counts++
			}
		}
		if got := pay.Weigh(units(latest), units(final), units(exposure)); got != units(counts) {
			t.Fatalf("%s count, want %d", got, counts)
		}
	})
}

func TestPayeeCloneSharesNothing(t *testing.T) {
	b, same := newPayee(t, 100, 100), newPayee(t, 100, 100)
	mustOpen(t, b, leaseA, 10)
	mustOpen(t, same, leaseA, 10)
	c := b.Clone()
	if !reflect.DeepEqual(c, same) {
		t.Fatalf("the copy is %+v, want %+v", c, same)
	}
	mustOpen(t, c, leaseB, 10)
	c.Promise(leaseA, units(50))
	c.Grant(leaseA, units(50), simEpoch)
	if !reflect.DeepEqual(b, same) {
		t.Fatalf("a change of the copy made the book %+v, it was %+v", b, same)
	}
}

// payeeModel is the payee's book in whole numbers: nothing is kept that can be
// counted, and credit changes hands unit by unit.
type payeeModel struct {
	now                                  time.Time
	deposited, funded, voucher, finished uint64
	closesAt                             time.Time
	closed                               bool
	consent                              uint64
	deadline                             time.Time
	leases                               map[proto.LeaseID]*modelGrant
	tookBack                             bool // the chain, at any time
}

type modelGrant struct{ granted, promised uint64 }

func (m *payeeModel) committed() uint64 {
	sum := m.finished
	for _, l := range m.leases {
		sum += l.granted
	}
	return sum
}

func (m *payeeModel) consented() bool {
	return !m.deadline.IsZero() && m.now.Before(m.deadline.Add(clockMargin))
}

func (m *payeeModel) usable() bool {
	return !m.closed && m.closesAt.IsZero() && !m.consented()
}

// open returns why not, or 0.
func (m *payeeModel) open(id proto.LeaseID, want uint64) proto.Code {
	need := m.committed() + want
	switch {
	case m.leases[id] != nil:
		return 0
	case !m.usable():
		return proto.CodeChannelClosing
	case m.funded < need && want > 0:
		return proto.CodeUnderfunded
	case m.voucher < need && want > 0:
		return proto.CodeVoucherTooLow
	}
	m.leases[id] = &modelGrant{want, want}
	return 0
}

func (m *payeeModel) grant(id proto.LeaseID, want uint64) {
	l := m.leases[id]
	for l != nil && m.usable() && l.granted < want && l.granted < l.promised && m.committed() < m.voucher && m.committed() < m.funded {
		l.granted++
	}
}

func (m *payeeModel) settle(deadline time.Time) proto.Code {
	leaves := m.closesAt
	if leaves.IsZero() {
		leaves = m.now.Add(closeDelay)
	}
	switch {
	case len(m.leases) > 0:
		return proto.CodeNotSettled
	case m.closed:
		return proto.CodeChannelClosing
	case m.consented() && !m.now.Before(m.deadline):
		return proto.CodeChannelClosing
	case m.consented():
		return 0
	case deadline.Add(clockMargin + claimTime).After(leaves):
		return proto.CodeChannelClosing
	}
	m.consent, m.deadline = m.finished, deadline
	return 0
}

// historyLength is how many times as long as rapid's own a history is: few leases
// are alive, funded and promised something at a time.
const historyLength = 8

// codeOf returns the code of a refusal, and 0 for no error.
func codeOf(err error) proto.Code {
	if err == nil {
		return 0
	}
	return proto.AsRefusal(err).Code
}

// The payee's book against the model, over random histories of one channel. What
// the package promises is checked by itself after each step, on the book's own
// numbers.
func TestPayeeAgainstModel(t *testing.T) {
	leases := []proto.LeaseID{leaseA, leaseB, {0xc}}
	rapid.Check(t, func(t *rapid.T) {
		b := &pay.Payee{Key: simKey}
		m := &payeeModel{now: simEpoch, leases: make(map[proto.LeaseID]*modelGrant)}
		lease := func(t *rapid.T) proto.LeaseID { return rapid.SampledFrom(leases).Draw(t, "lease") }
		amount := func(t *rapid.T, name string, most uint64) uint64 { return rapid.Uint64Range(0, most).Draw(t, name) }
		// A history is mostly of leases; what stops them is rarer.
		seldom := func(t *rapid.T) {
			if rapid.IntRange(0, 5).Draw(t, "seldom") > 0 {
				t.Skip("not now")
			}
		}
		observe := func(funded uint64) {
			if m.funded = min(funded, m.deposited); m.closed {
				m.funded = 0
			}
			b.Observe(pay.ChainState{Deposited: units(m.deposited), ClosesAt: m.closesAt, Closed: m.closed}, units(funded))
		}
		code := func(t *rapid.T, err error, want proto.Code) {
			if codeOf(err) != want {
				t.Fatalf("%v, want %s", err, want)
			}
		}
		var committed, best uint64 // before the last step
		actions := map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				n, key, channel := amount(t, "cumulative", 60), payerKey, simKey
				want := proto.Code(0)
				switch rapid.IntRange(0, 9).Draw(t, "forged") {
				case 0:
					key, want = strangerKey, proto.CodeBadSignature
				case 1:
					channel.Salt++
					want = proto.CodeWrongChannel
				default:
					m.voucher = max(m.voucher, n)
				}
				code(t, b.Take(signVoucher(key, simDomain, proto.Voucher{Channel: channel.ID(), Cumulative: units(n)}), simDomain), want)
			},
			"open": func(t *rapid.T) {
				id, want := lease(t), amount(t, "want", 12)
				why := m.open(id, want)
				g, err := b.Open(id, units(want), m.now)
				code(t, err, why)
				if why == 0 && g != units(m.leases[id].granted) {
					t.Fatalf("opened with %s, want %d", g, m.leases[id].granted)
				}
			},
			"promise": func(t *rapid.T) {
				id, n := lease(t), amount(t, "promised", 60)
				if l := m.leases[id]; l != nil {
					l.promised = max(l.promised, n)
				}
				b.Promise(id, units(n))
			},
			"grant": func(t *rapid.T) {
				id, want := lease(t), amount(t, "want", 60)
				m.grant(id, want)
				var has uint64
				if l := m.leases[id]; l != nil {
					has = l.granted
				}
				if g := b.Grant(id, units(want), m.now); g != units(has) {
					t.Fatalf("granted %s, want %d", g, has)
				}
			},
			"finish": func(t *rapid.T) {
				id, due := lease(t), amount(t, "due", 60)
				if l := m.leases[id]; l != nil {
					m.finished += min(due, l.granted)
					delete(m.leases, id)
				}
				b.Finish(id, units(due))
			},
			"deposit": func(t *rapid.T) {
				if m.closed || !m.closesAt.IsZero() {
					t.Skip("no deposit on a closing channel")
				}
				m.deposited += amount(t, "deposited", 40)
				observe(rapid.Uint64Range(m.funded, m.deposited+1).Draw(t, "funded"))
			},
			"close": func(t *rapid.T) {
				seldom(t)
				switch {
				case m.closesAt.IsZero():
					m.closesAt = m.now.Add(closeDelay)
				case !m.now.Before(m.closesAt):
					m.closed, m.closesAt = true, time.Time{}
					m.tookBack = true
				default:
					t.Skip("the delay is not over")
				}
				observe(m.funded)
			},
			"reorg": func(t *rapid.T) {
				seldom(t)
				m.deposited = rapid.Uint64Range(0, m.deposited).Draw(t, "deposited")
				m.closed, m.closesAt = false, time.Time{}
				m.tookBack = true
				observe(amount(t, "funded", 80))
			},
			"settle": func(t *rapid.T) {
				life := rapid.SampledFrom([]time.Duration{time.Minute, closeDelay - clockMargin - claimTime, closeDelay - claimTime, closeDelay}).Draw(t, "life")
				why := m.settle(m.now.Add(life))
				s, err := b.Settle(m.now, m.now.Add(life))
				code(t, err, why)
				if why == 0 && s != (proto.Settlement{Channel: simKey.ID(), Amount: units(m.consent), Deadline: m.deadline}) {
					t.Fatalf("agreed to %+v, want %d until %s", s, m.consent, m.deadline)
				}
			},
			"wait": func(t *rapid.T) {
				m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, clockMargin, 30 * time.Minute, closeDelay}).Draw(t, "wait"))
			},
			"": func(t *rapid.T) {
				sum := b.Finished.Uint64()
				for id, g := range b.Grants {
					sum += g.Uint64()
					if promised := b.Promised[id]; promised.Less(g) {
						t.Fatalf("granted %s of a promise of %s", g, promised)
					}
				}
				earned := min(b.Voucher.Cumulative.Uint64(), b.Funded.Uint64())
				if sum > earned && (!m.tookBack || sum > committed) {
					t.Fatalf("%d are committed, %d were before, of %d", sum, committed, earned)
				}
				if b.Voucher.Cumulative.Uint64() < best {
					t.Fatalf("the best voucher was %d and is %s", best, b.Voucher.Cumulative)
				}
				committed, best = sum, b.Voucher.Cumulative.Uint64()

				var free uint64
				if worth := min(m.voucher, m.funded); worth > m.committed() {
					free = worth - m.committed()
				}
				if b.Finished != units(m.finished) || b.Voucher.Cumulative != units(m.voucher) || b.Funded != units(m.funded) ||
					len(b.Grants) != len(m.leases) || len(b.Promised) != len(m.leases) || b.Committed() != units(m.committed()) ||
					b.Free() != units(free) || b.Overdrawn() != (m.committed() > min(m.voucher, m.funded)) || (b.Usable(m.now) == nil) != m.usable() {
					t.Fatalf("the book is %+v, the model %+v", b, m)
				}
				for id, l := range m.leases {
					if b.Grants[id] != units(l.granted) || b.Promised[id] != units(l.promised) {
						t.Fatalf("lease %.2s: granted %s of %s, want %+v", id, b.Grants[id], b.Promised[id], l)
					}
				}
			},
		}
		for range historyLength {
			t.Repeat(actions)
		}
	})
}
