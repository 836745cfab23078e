package book

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/lode-market/lode/proto"
)

var (
	epoch = time.Unix(1_800_000_000, 0)
	token = common.Address{1}
	self  = peer(1 << 20)
)

func peer(n int) (k proto.PeerKey) {
	binary.BigEndian.PutUint64(k[:], uint64(n))
	return k
}

func offer(n int, price uint64) proto.Offer {
	return proto.Offer{
		Identity: proto.Identity{Peer: peer(n)}, Seq: 1, Issued: epoch, Expires: epoch.Add(30 * time.Minute),
		Class: proto.ClassCPU, Token: token, Price: proto.PerHour(proto.NewAmount(price)), Drivers: []proto.Driver{proto.DriverWasm},
		Resources: proto.Resources{CPUMillis: 4000, Memory: 8 << 30, Disk: 50 << 30}, MaxDuration: time.Hour,
	}
}

func needs() proto.Needs {
	return proto.Needs{
		Driver: proto.DriverWasm, Resources: proto.Resources{CPUMillis: 1000, Memory: 1 << 30},
		MaxDuration: time.Minute, Token: token,
	}
}

func numbers(ms []Match) (out []int) {
	for _, m := range ms {
		k := m.Offer.Identity.Peer
		out = append(out, int(binary.BigEndian.Uint64(k[:])))
	}
	return out
}

func TestAccept(t *testing.T) {
	b := New(Config{Self: self, Capacity: 10})
	steps := []struct {
		name string
		edit func(*proto.Offer)
		now  time.Time
		want Result
	}{
		{"first", func(*proto.Offer) {}, epoch, Added},
		{"again", func(*proto.Offer) {}, epoch, Stale},
		{"later", func(o *proto.Offer) { o.Seq = 3 }, epoch, Updated},
		{"overtaken", func(o *proto.Offer) { o.Seq = 2 }, epoch, Stale},
		{"second class", func(o *proto.Offer) { o.Class = proto.ClassNvidia8G }, epoch, Added},
		{"own", func(o *proto.Offer) { o.Identity.Peer = self }, epoch, Own},
		{"simulated", func(o *proto.Offer) { o.Identity.Peer, o.Simulated = peer(2), true }, epoch, Simulated},
		{"late", func(o *proto.Offer) { o.Identity.Peer = peer(3) }, epoch.Add(30 * time.Minute), Expired},
	}
	for _, s := range steps {
		o := offer(1, 100)
		s.edit(&o)
		if got := b.Accept(o, nil, s.now); got != s.want {
			t.Errorf("%s: %s, want %s", s.name, got, s.want)
		}
	}
	if b.Len() != 2 {
		t.Errorf("%d offers, want 2", b.Len())
	}
	if n := b.Expire(epoch.Add(time.Hour)); n != 2 || b.Len() != 0 {
		t.Errorf("expired %d, %d left", n, b.Len())
	}
}

// A devnet's node takes what another refuses.
func TestSimulatedOnDevnet(t *testing.T) {
	b := New(Config{Self: self, Capacity: 1, Devnet: true})
	o := offer(1, 1)
	o.Simulated = true
	if got := b.Accept(o, nil, epoch); got != Added {
		t.Fatal(got)
	}
}

// Cheap fresh identities in any number leave those with a history where they are.
func TestNewcomersPushOutOnlyNewcomers(t *testing.T) {
	history := func(k proto.PeerKey) Past {
		if k[7] < 5 && k[6] == 0 {
			return Past{Done: 1}
		}
		return Past{}
	}
	b := New(Config{Self: self, Capacity: 8, History: history})
	for i := range 5 {
		b.Accept(offer(i, 1000), nil, epoch)
	}
	for i := 100; i < 200; i++ {
		b.Accept(offer(i, uint64(300-i)), nil, epoch)
	}
	a := b.Match(needs(), 8, epoch)
	if got, want := numbers(a.Matches), []int{0, 1, 2, 199, 3, 4, 198, 197}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// One with a history pushes out a newcomer, at whatever price; when there
	// are no newcomers left, only by being cheaper.
	for i := 256; i < 256+4; i++ {
		b.cfg.History = func(proto.PeerKey) Past { return Past{Done: 1} }
		got, want := b.Accept(offer(i, 5000), nil, epoch), Added
		if i == 256+3 {
			want = Full
		}
		if got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	if got := b.Accept(offer(300, 4000), nil, epoch); got != Added {
		t.Errorf("cheaper: %s", got)
	}
	if b.Len() != 8 {
		t.Errorf("%d offers", b.Len())
	}
}

func TestReconsider(t *testing.T) {
	past := map[proto.PeerKey]Past{}
	b := New(Config{Self: self, Capacity: 10, History: func(k proto.PeerKey) Past { return past[k] }})
	b.Accept(offer(1, 10), nil, epoch)
	b.Accept(offer(2, 20), nil, epoch)
	order := func() []int { return numbers(b.Match(needs(), 2, epoch).Matches) }
	if got := order(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("by price: %v", got)
	}
	past[peer(2)] = Past{Done: 1}
	b.Reconsider(peer(2))
	if got := order(); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("the known first: %v", got)
	}
	past[peer(2)] = Past{Done: 1, Failed: 2}
	b.Reconsider(peer(2))
	if got := order(); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the poor last: %v", got)
	}
}

func TestMisfitsSayWhy(t *testing.T) {
	n := needs()
	n.Driver, n.MaxPrice = proto.DriverDocker, proto.PerHour(proto.NewAmount(500))
	n.Resources = proto.Resources{CPUMillis: 2000, Memory: 4 << 30, Disk: 1 << 30, GPUs: 1, VRAM: 20 << 30, GPUModel: "4090"}
	n.MaxDuration = time.Hour
	gpu := func(n int, edit func(*proto.Offer)) proto.Offer {
		o := offer(n, 100)
		o.Drivers = []proto.Driver{proto.DriverDocker, proto.DriverWasm}
		o.Resources.GPUs, o.Resources.VRAM, o.Resources.GPUModel = 1, 24<<30, "NVIDIA GeForce RTX 4090"
		edit(&o)
		o.Class = proto.ClassOf(o.Resources)
		return o
	}
	cases := []struct {
		constraint       Constraint
		edit             func(*proto.Offer)
		actual, required string
	}{
		{ConstraintToken, func(o *proto.Offer) { o.Token = common.Address{2} }, common.Address{2}.String(), token.String()},
		{ConstraintDriver, func(o *proto.Offer) { o.Drivers = o.Drivers[1:] }, "[wasm]", "docker"},
		{ConstraintGPUs, func(o *proto.Offer) { o.Resources.GPUs = 0 }, "0", "1"},
		{ConstraintVRAM, func(o *proto.Offer) { o.Resources.VRAM = 16 << 30 }, fmt.Sprint(16 << 30), fmt.Sprint(20 << 30)},
		{ConstraintGPUModel, func(o *proto.Offer) { o.Resources.GPUModel = "NVIDIA L4" }, "NVIDIA L4", "4090"},
		{ConstraintCPU, func(o *proto.Offer) { o.Resources.CPUMillis = 500 }, "500", "2000"},
		{ConstraintMemory, func(o *proto.Offer) { o.Resources.Memory = 1 << 30 }, fmt.Sprint(1 << 30), fmt.Sprint(4 << 30)},
		{ConstraintDisk, func(o *proto.Offer) { o.Resources.Disk = 1 }, "1", fmt.Sprint(1 << 30)},
		{ConstraintDuration, func(o *proto.Offer) { o.MaxDuration = time.Minute }, "1m0s", "1h0m0s"},
		{ConstraintPrice, func(o *proto.Offer) { o.Price = proto.PerHour(proto.NewAmount(501)) }, "501", "500"},
	}
	for _, c := range cases {
		b := New(Config{Self: self, Capacity: 10})
		if got := b.Accept(gpu(1, c.edit), nil, epoch); got != Added {
			t.Fatal(got)
		}
		a := b.Match(n, 4, epoch)
		if len(a.Matches) != 0 || len(a.Misfits) != 1 || a.Failed[c.constraint] != 1 || a.Looked != 1 {
			t.Errorf("%s: %+v", c.constraint, a)
			continue
		}
		m := a.Misfits[0]
		if m.Constraint != c.constraint || m.Actual != c.actual || m.Required != c.required {
			t.Errorf("%+v, want %+v", m, c)
		}
	}
	b := New(Config{Self: self, Capacity: 10})
	b.Accept(gpu(1, func(*proto.Offer) {}), nil, epoch)
	if a := b.Match(n, 4, epoch); len(a.Matches) != 1 {
		t.Errorf("nothing wrong, but %+v", a)
	}
	if a := b.Match(n, 4, epoch.Add(30*time.Minute)); len(a.Matches) != 0 || a.Failed[ConstraintExpiry] != 1 {
		t.Errorf("expired but not yet forgotten: %+v", a)
	}
}

// model is the book as a list that is sorted and filtered anew for each question.
type model struct {
	offers  []proto.Offer // in order of arrival
	history func(proto.PeerKey) Past
}

func (m *model) accept(o proto.Offer) {
	for i, old := range m.offers {
		if old.Identity.Peer == o.Identity.Peer && old.Class == o.Class {
			if o.Seq > old.Seq {
				m.offers[i] = o
			}
			return
		}
	}
	m.offers = append(m.offers, o)
}

func (m *model) match(n proto.Needs, most int, now time.Time) []Match {
	by := map[Standing][]Match{}
	for _, o := range m.offers {
		fits := o.Expires.After(now) && o.Token == n.Token && slices.Contains(o.Drivers, n.Driver) &&
			o.Resources.GPUs >= n.Resources.GPUs && o.Resources.Memory >= n.Resources.Memory &&
			o.Resources.CPUMillis >= n.Resources.CPUMillis && o.MaxDuration >= n.MaxDuration &&
			(n.Resources.GPUs == 0 || o.Resources.VRAM >= n.Resources.VRAM) &&
			slices.Contains(proto.ClassesFor(n.Resources), o.Class) &&
			(n.MaxPrice.Amount().IsZero() || o.Price.Cmp(n.MaxPrice) <= 0)
		if s := m.history(o.Identity.Peer).standing(); fits {
			by[s] = append(by[s], Match{o, s})
		}
	}
	for _, ms := range by {
		slices.SortStableFunc(ms, func(a, b Match) int { return a.Offer.Price.Cmp(b.Offer.Price) })
	}
	var out []Match
	take := func(s Standing) bool {
		if len(by[s]) == 0 {
			return false
		}
		out, by[s] = append(out, by[s][0]), by[s][1:]
		return true
	}
	newcomers := min(most/4, len(by[Newcomer]))
	knowns := min(len(by[Known]), most-newcomers)
	newcomers = min(len(by[Newcomer]), most-knowns)
	for newcomers+knowns > 0 {
		if newcomers > 0 && (len(out)%4 == 3 || knowns == 0) {
			take(Newcomer)
			newcomers--
		} else {
			take(Known)
			knowns--
		}
	}
	for len(out) < most && take(Poor) {
	}
	return out
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pasts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Past {
			return Past{rapid.IntRange(0, 2).Draw(t, "done"), rapid.IntRange(0, 2).Draw(t, "failed")}
		}), 24, 24).Draw(t, "pasts")
		history := func(k proto.PeerKey) Past { return pasts[k[7]] }
		b, m := New(Config{Self: self, Capacity: 1000, History: history}), &model{history: history}
		now := epoch
		for range rapid.IntRange(0, 60).Draw(t, "offers") {
			o := offer(rapid.IntRange(0, 23).Draw(t, "peer"), rapid.Uint64Range(1, 12).Draw(t, "price"))
			o.Seq = rapid.Uint64Range(1, 4).Draw(t, "seq")
			o.Expires = epoch.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "minutes")) * time.Minute)
			if rapid.Bool().Draw(t, "gpu") {
				o.Resources.GPUs, o.Resources.VRAM = 1, rapid.SampledFrom([]uint64{8 << 30, 24 << 30, 80 << 30}).Draw(t, "vram")
			}
			o.Resources.Memory = rapid.Uint64Range(1, 4).Draw(t, "memory") << 30
			o.Class = proto.ClassOf(o.Resources)
			b.Accept(o, nil, now)
			m.accept(o)
			if rapid.IntRange(0, 9).Draw(t, "turn") == 0 {
				k := rapid.IntRange(0, 23).Draw(t, "changed")
				pasts[k] = Past{Done: rapid.IntRange(0, 2).Draw(t, "done"), Failed: rapid.IntRange(0, 2).Draw(t, "failed")}
				b.Reconsider(peer(k))
			}
		}
		n := needs()
		n.Resources.Memory = rapid.Uint64Range(1, 4).Draw(t, "want") << 30
		n.MaxPrice = proto.PerHour(proto.NewAmount(rapid.Uint64Range(0, 12).Draw(t, "most")))
		if rapid.Bool().Draw(t, "wantGPU") {
			n.Resources.GPUs, n.Resources.VRAM = 1, 20<<30
		}
		now = epoch.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "later")) * time.Minute)
		if rapid.Bool().Draw(t, "expire") {
			b.Expire(now)
		}
		most := rapid.IntRange(1, 12).Draw(t, "n")
		got, want := b.Match(n, most, now).Matches, m.match(n, most, now)
		if len(got) != len(want) {
			t.Fatalf("%v, want %v", numbers(got), numbers(want))
		}
		for i := range got {
			// Among equals the order is that of arrival at the book, which a peer
			// that expired and came back has lost.
			if got[i].Standing != want[i].Standing || got[i].Offer.Price.Cmp(want[i].Offer.Price) != 0 {
				t.Fatalf("place %d: %v, want %v", i, numbers(got), numbers(want))
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	bk := New(Config{Self: self, Capacity: 100_000, History: func(k proto.PeerKey) Past { return Past{Done: int(k[7] & 1)} }})
	for i := range 100_000 {
		bk.Accept(offer(i, uint64(1_000_000+i*7919%100_000)), nil, epoch)
	}
	none := needs()
	none.Resources.Memory = 1 << 40
	dear := needs()
	dear.MaxPrice = proto.PerHour(proto.NewAmount(1))
	for _, c := range []struct {
		name string
		need proto.Needs
	}{{"fits", needs()}, {"too dear", dear}, {"nothing fits", none}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				bk.Match(c.need, 8, epoch)
			}
		})
	}
}

func BenchmarkAccept(b *testing.B) {
	bk := New(Config{Self: self, Capacity: 100_000})
	for i := range 100_000 {
		bk.Accept(offer(i, uint64(i*7919%100_000)), nil, epoch)
	}
	seq := uint64(1)
	for b.Loop() {
		seq++
		o := offer(int(seq%100_000), seq*7919%100_000)
		o.Seq = seq
		bk.Accept(o, nil, epoch)
	}
}
