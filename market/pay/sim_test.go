package pay_test

import (
	"bytes"
	"container/heap"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/proto"
)

// The simulation: two nodes with their lease machines and books, a network that
// loses, delays, repeats and reorders, shims that go on without their node, and
// nodes that die between any two steps and come back with what they had written.
// Everything follows from one seed. The nodes here are as dumb as they can be:
// they do what the machines say, in the order write, act.

// world is the one clock and the one list of what happens next.
type world struct {
	t      *rapid.T
	rng    *rand.Rand
	now    time.Time
	next   moments
	n      int
	faulty bool // faults are over near the end, so that everything can end
	cfg    simConfig
	p      *provider
	r      *requester
}

type simConfig struct {
	loss, repeat, crash float64 // chances: of a message, of a message, between two steps
	delay               time.Duration
	leases              int
	vanish              time.Duration // when the provider is gone for good; zero: never
	deposit             proto.Amount
	terms               proto.Terms
}

type moment struct {
	at time.Time
	n  int
	do func()
}

type moments []moment

func (m moments) Len() int { return len(m) }
func (m moments) Less(i, j int) bool {
	return m[i].at.Before(m[j].at) || m[i].at.Equal(m[j].at) && m[i].n < m[j].n
}
func (m moments) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(x any)   { *m = append(*m, x.(moment)) }
func (m *moments) Pop() any     { x := (*m)[len(*m)-1]; *m = (*m)[:len(*m)-1]; return x }

func (w *world) after(d time.Duration, do func()) {
	w.n++
	heap.Push(&w.next, moment{w.now.Add(d), w.n, do})
}

func (w *world) chance(p float64) bool { return w.faulty && w.rng.Float64() < p }

func (w *world) within(d time.Duration) time.Duration {
	return time.Duration(w.rng.Int64N(d.Milliseconds()+1)) * time.Millisecond
}

// send carries a message: lost, late, twice, or out of order.
func (w *world) send(deliver func()) {
	for copies := 0; copies == 0 || w.chance(w.cfg.repeat); copies++ {
		if !w.chance(w.cfg.loss) {
			w.after(w.within(w.cfg.delay), deliver)
		}
	}
}

func (w *world) log(format string, args ...any) {
	if os.Getenv("LODE_SIM_LOG") != "" {
		w.t.Logf("%8dms %s", w.now.Sub(simEpoch).Milliseconds(), fmt.Sprintf(format, args...))
	}
}

// crashed unwinds whatever a node was doing when it died.
type crashed struct{}

// node is what both nodes have in common: they are alive or not, and nothing
// that they had planned survives their death.
type node struct {
	w     *world
	alive bool
	life  int
	back  func() // after a restart
}

// step runs what a node does at one moment; its death in the middle is no failure of the test.
func (n *node) step(do func()) {
	if !n.alive {
		return
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case crashed:
			n.alive = false
			n.w.after(n.w.within(3*n.w.cfg.terms.Slice), func() {
				n.alive, n.life = true, n.life+1
				n.step(n.back)
			})
		default:
			panic(r)
		}
	}()
	do()
}

// later runs do in a while, in this life only.
func (n *node) later(d time.Duration, do func()) {
	life := n.life
	n.w.after(d, func() {
		if n.life == life {
			n.step(do)
		}
	})
}

// mayCrash stands between any two steps of a node.
func (n *node) mayCrash() {
	if n.w.chance(n.w.cfg.crash) {
		panic(crashed{})
	}
}

var (
	simEpoch  = time.Unix(1_800_000_000, 0)
	simDomain = proto.Domain{ChainID: 7, Channels: common.Address{1}}
	payerKey  = mustKey(3)
	simKey    = proto.ChannelKey{
		Payer: common.Address{1, 1}, PayerSigner: crypto.PubkeyToAddress(payerKey.PublicKey),
		Payee: common.Address{2, 1}, PayeeSigner: common.Address{2, 2}, Token: common.Address{3}, CloseDelay: 86_400, Salt: 9,
	}
)

func mustKey(b byte) *ecdsa.PrivateKey {
	k, err := crypto.ToECDSA(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		panic(err) // a constant
	}
	return k
}

func signVoucher(key *ecdsa.PrivateKey, d proto.Domain, v proto.Voucher) proto.Voucher {
	digest := d.Digest(v)
	sig, err := crypto.Sign(digest[:], key)
	if err != nil {
		panic(err) // a good key and 32 bytes
	}
	sig[64] += 27
	v.Signature = proto.Signature(sig)
	return v
}

func simRun(t *rapid.T, cfg simConfig, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: simEpoch, cfg: cfg, faulty: true}
	w.p, w.r = newProvider(w), newRequester(w)
	span := 3 * cfg.terms.MaxDuration
	for i := range cfg.leases {
		id := proto.LeaseID{byte(i + 1)}
		w.after(w.within(span/2), func() { w.r.openWhenAlive(id) })
	}
	w.after(span, func() { w.faulty = false })
	if cfg.vanish > 0 {
		w.after(cfg.vanish, func() { w.p.alive, w.p.gone = false, true })
	}
	deadline := simEpoch.Add(span + 20*cfg.terms.MaxDuration + 20*cfg.terms.Grace + time.Hour)
	for len(w.next) > 0 {
		m := heap.Pop(&w.next).(moment)
		if m.at.After(deadline) {
			t.Fatalf("not everything has ended: %s", w)
		}
		w.now = m.at
		m.do()
		w.check()
	}
	return w
}

func (w *world) String() string {
	var b bytes.Buffer
	for id, l := range w.p.disk.leases {
		fmt.Fprintf(&b, "\nprovider  %.2s: %s credit %s asked %s usage %s end %s", id, l.State, l.Credit, l.Asked, l.Usage, l.End)
	}
	for id, l := range w.r.disk.leases {
		fmt.Fprintf(&b, "\nrequester %.2s: %s own %s want %s bound %s usage %s %s", id, l.State, l.Own, l.Want, l.Bound(), l.Usage, l.Detail)
	}
	fmt.Fprintf(&b, "\npayee finished %s granted %s voucher %s\npayer finished %s paid %s voucher %s", w.p.disk.book.Finished, w.p.disk.book.Grants,
		w.p.disk.book.Voucher.Cumulative, w.r.disk.book.Finished, w.r.disk.book.Paid, w.r.disk.book.Voucher.Cumulative)
	return b.String()
}

// spent is what the jobs really used: their shims know.
func (w *world) spent() (sum proto.Amount) {
	for id, l := range w.p.disk.leases {
		if !l.Prepared {
			continue
		}
		var used time.Duration
		if s := w.p.shims[id]; s != nil {
			used = s.usage
		}
		sum = sum.Add(w.cfg.terms.Due(used))
	}
	return sum
}

// check holds at every moment.
func (w *world) check() {
	payee, payer := w.p.disk.book, w.r.disk.book
	if payee.Earned().Less(payee.Committed()) {
		w.t.Fatalf("the payee committed %s, vouchers on the deposit are worth %s%s", payee.Committed(), payee.Earned(), w)
	}
	if w.cfg.deposit.Less(payer.Voucher.Cumulative) {
		w.t.Fatalf("signed %s on a deposit of %s", payer.Voucher.Cumulative, w.cfg.deposit)
	}
	if payer.Voucher.Cumulative.Less(payee.Voucher.Cumulative) {
		w.t.Fatalf("the payee holds a voucher of %s, the payer knows of %s", payee.Voucher.Cumulative, payer.Voucher.Cumulative)
	}
	for id, s := range w.p.shims {
		s.advance()
		if credit := w.p.disk.leases[id].Credit; credit.Less(w.cfg.terms.Due(s.usage)) {
			w.t.Fatalf("job %.2s ran %s on a credit of %s", id, s.usage, credit)
		}
	}
	// What the provider could claim beyond what was really used, were it to
	// vanish now: two slices for each lease that was live at a time.
	live := 0
	for _, l := range w.r.disk.leases {
		if !l.State.Ended() && l.State != market.RequesterFetching {
			live++
		}
	}
	w.r.most = max(w.r.most, live)
	slices := w.cfg.terms.SliceAmount().Mul(2 * uint64(w.r.most))
	if risk := payer.Voucher.Cumulative.Sub(w.spent()); slices.Less(risk) {
		w.t.Fatalf("%s are signed beyond what was used, two slices for each of %d leases are %s%s", risk, w.r.most, slices, w)
	}
}

func drawSim(t *rapid.T) simConfig {
	slice := time.Duration(rapid.SampledFrom([]int64{1000, 2000, 10_000}).Draw(t, "slice ms")) * time.Millisecond
	terms := proto.Terms{
		Channel: simKey, Slice: slice, Grace: 3 * slice,
		Price:       proto.PerHour(proto.NewAmount(rapid.SampledFrom([]uint64{1, 3600, 600_000, 3_600_000, 1 << 50}).Draw(t, "price"))),
		MaxDuration: slice * time.Duration(rapid.Int64Range(1, 80).Draw(t, "longest in quarter slices")) / 4,
	}
	if rapid.Bool().Draw(t, "start fee") {
		terms.StartFee = terms.SliceAmount()
	}
	c := simConfig{
		terms: terms, leases: rapid.IntRange(1, 4).Draw(t, "leases"),
		delay:  time.Duration(rapid.Int64Range(1, slice.Milliseconds()/4).Draw(t, "delay ms")) * time.Millisecond,
		loss:   rapid.SampledFrom([]float64{0, 0.02, 0.2}).Draw(t, "loss"),
		repeat: rapid.SampledFrom([]float64{0, 0.1, 0.3}).Draw(t, "repeat"),
		crash:  rapid.SampledFrom([]float64{0, 0.002, 0.02}).Draw(t, "crash"),
	}
	c.deposit = terms.Due(terms.MaxDuration).Add(terms.SliceAmount().Mul(2)).Mul(uint64(c.leases))
	if rapid.IntRange(0, 3).Draw(t, "short of money") == 0 {
		c.deposit = proto.MinAmount(c.deposit, terms.SliceAmount().Mul(5))
	}
	return c
}

// Two honest nodes: whatever the network and the machines do, the books agree
// in the end and the payer accepts what the payee agrees to.
func TestSimulatedLeases(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := simRun(t, drawSim(t), rapid.Uint64().Draw(t, "seed"))
		for id, l := range w.r.disk.leases {
			theirs, known := w.p.disk.leases[id]
			switch {
			case l.State == market.RequesterRefused && !known:
			case l.State == market.RequesterFinished && theirs.State == market.ProviderFinished && l.Receipt.Due == theirs.Due():
			default:
				t.Fatalf("lease %.2s ended otherwise on the two sides%s", id, w)
			}
		}
		payee, payer := w.p.disk.book, w.r.disk.book
		s, err := payee.Settle(w.now, w.now.Add(10*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if payer.Finished != s.Amount || payee.Voucher.Cumulative.Less(s.Amount) {
			t.Fatalf("the payee agrees to %s, the payer owes %s by its own book%s", s.Amount, payer.Finished, w)
		}
	})
}

// The provider vanishes at a random moment. What is lost is bounded in check;
// here: the requester ends all its leases, and books no more than it signed.
func TestSimulatedVanishing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawSim(t)
		cfg.vanish = time.Duration(rapid.Int64Range(1, 2*cfg.terms.MaxDuration.Milliseconds()).Draw(t, "vanishes at ms")) * time.Millisecond
		w := simRun(t, cfg, rapid.Uint64().Draw(t, "seed"))
		for id, l := range w.r.disk.leases {
			if !l.State.Ended() {
				t.Fatalf("lease %.2s is %s%s", id, l.State, w)
			}
		}
		payer := w.r.disk.book
		if len(payer.Paid) != 0 || payer.Voucher.Cumulative.Less(payer.Finished) {
			t.Fatalf("booked more than was signed%s", w)
		}
		if risk := payer.Finished.Sub(w.spent()); cfg.terms.SliceAmount().Mul(2 * uint64(cfg.leases)).Less(risk) {
			t.Fatalf("%s are booked that were not used%s", risk, w)
		}
	})
}
