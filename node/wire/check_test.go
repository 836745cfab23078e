package wire

import (
	"bytes"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	protobuf "google.golang.org/protobuf/proto"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// bench is a checker at a settable time.
func bench(now *time.Time) *checker {
	return newChecker(Config{Domain: domain, Limits: DefaultLimits(), Clock: func() time.Time { return *now }}, &counts{n: map[verdict]uint64{}})
}

var epoch = time.UnixMilli(1_800_000_000_000)

// Each offer breaks one rule, and all that come behind it in the order of checks
// as far as one offer can; the verdict names the first.
func TestOrderOfChecks(t *testing.T) {
	id, other := newIdentity(t), newIdentity(t)
	now := epoch
	forged := func(o proto.Offer) proto.Offer { o.Identity.Signature[5] ^= 1; return o }
	cases := []struct {
		name string
		raw  func() []byte
		want verdict
	}{
		{"size before form", func() []byte { return bytes.Repeat([]byte{0xff}, proto.MaxOffer+1) }, tooLarge},
		{"no message at all", func() []byte { return bytes.Repeat([]byte{0xff}, 100) }, badForm},
		{"form before peer signature", func() []byte {
			o := forged(id.offer(t, 1, now))
			o.Slice = time.Hour * 2
			return other.seal(t, o)
		}, badForm},
		{"life before peer signature", func() []byte {
			o := forged(id.offer(t, 1, now))
			o.Issued = now.Add(-time.Hour)
			return other.seal(t, o)
		}, badForm},
		{"expiry before peer signature", func() []byte { return other.seal(t, forged(id.offer(t, 1, now.Add(-time.Hour)))) }, late},
		{"from a clock ahead", func() []byte { return id.seal(t, id.offer(t, 1, now.Add(proto.MaxClockSkew+time.Second))) }, early},
		{"from far in the future", func() []byte { return id.seal(t, id.offer(t, 1, now.Add(4*proto.MaxClockSkew))) }, badForm},
		{"peer signature before author rate", func() []byte { return other.seal(t, id.offer(t, 1, now)) }, badPeer},
		{"another network", func() []byte {
			raw, err := proto.SealOffer(id.offer(t, 9, now), proto.Domain{ChainID: 1, Channels: domain.Channels}, Signer(id.peer))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}, badPeer},
		{"another class", func() []byte {
			o := id.offer(t, 9, now)
			o.Resources.GPUs, o.Resources.VRAM = 1, 24<<30
			o.Class = proto.ClassOf(o.Resources)
			return id.seal(t, o)
		}, wrongClass},
		{"simulated", func() []byte {
			o := id.offer(t, 9, now)
			o.Simulated = true
			return id.seal(t, o)
		}, pretended},
		{"account signature last", func() []byte { return id.seal(t, forged(id.offer(t, 10, now))) }, badAccount},
		{"account of another", func() []byte {
			o := id.offer(t, 10, now)
			o.Identity.PayeeSigner = common.Address{1}
			return id.seal(t, o)
		}, badAccount},
		{"good", func() []byte { return id.seal(t, id.offer(t, 5, now)) }, accepted},
		{"replayed", func() []byte { return id.seal(t, id.offer(t, 5, now)) }, stale},
		{"sequence before account signature", func() []byte { return id.seal(t, forged(id.offer(t, 4, now))) }, stale},
		{"later", func() []byte { return id.seal(t, id.offer(t, 6, now)) }, accepted},
		{"the burst's last", func() []byte { return id.seal(t, id.offer(t, 7, now)) }, accepted},
		{"author rate before sequence", func() []byte { return id.seal(t, id.offer(t, 7, now)) }, overAuthored},
		{"author rate", func() []byte { return id.seal(t, id.offer(t, 8, now)) }, overAuthored},
	}
	c := bench(&now)
	for _, x := range cases {
		if _, got := c.check(x.raw(), proto.ClassCPU); got != x.want {
			t.Errorf("%s: stopped at %q, want %q", x.name, got, x.want)
		}
	}
	now = now.Add(proto.OfferResend)
	if _, got := c.check(id.seal(t, id.offer(t, 8, now)), proto.ClassCPU); got != accepted {
		t.Errorf("after a pause: %q", got)
	}
	if n := c.counts.snapshot()[string(accepted)]; n != 4 {
		t.Errorf("counted %d accepted", n)
	}
}

// What others replay or forge uses up nothing of an author's allowance.
func TestReplaysLeaveTheAuthorItsRate(t *testing.T) {
	id := newIdentity(t)
	now := epoch
	c := bench(&now)
	first := id.seal(t, id.offer(t, 1, now))
	forged := id.offer(t, 100, now)
	forged.Identity.Signature[5] ^= 1
	for range 20 {
		c.check(first, proto.ClassCPU)
		c.check(id.seal(t, forged), proto.ClassCPU)
	}
	if _, got := c.check(id.seal(t, id.offer(t, 2, now)), proto.ClassCPU); got != accepted {
		t.Fatal(got)
	}
}

func TestAuthorsAreBounded(t *testing.T) {
	l := DefaultLimits()
	l.Authors = 2
	s := newAuthors(l)
	until := epoch.Add(time.Minute)
	a := func(n byte) author { return author{proto.PeerKey{n}, proto.ClassCPU} }
	for n, want := range map[byte]verdict{1: accepted, 2: accepted} {
		if got := s.take(a(n), 1, until, epoch); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if got := s.take(a(3), 1, until, epoch); got != tooManyAuthors {
		t.Errorf("full: %q", got)
	}
	if got := s.take(a(1), 2, until, epoch); got != accepted {
		t.Errorf("a known one: %q", got)
	}
	if got := s.take(a(3), 1, until.Add(time.Hour), until); got != accepted {
		t.Errorf("after the others' words are over: %q", got)
	}
}

func TestJobPosts(t *testing.T) {
	id := newIdentity(t)
	now := epoch
	c := bench(&now)
	raw := id.post(t, 1, now)
	if p, got := c.checkPost(raw, proto.ClassCPU); got != accepted || p.Needs.Driver != proto.DriverWasm {
		t.Errorf("%q, %+v", got, p)
	}
	if _, got := c.checkPost(raw, proto.ClassCPU); got != stale {
		t.Errorf("replayed: %q", got)
	}
	if _, got := c.checkPost(id.post(t, 2, now), proto.ClassNvidia8G); got != wrongClass {
		t.Errorf("another class: %q", got)
	}
	// An offer is no job post, although both are signed by the same peer.
	if _, got := c.checkPost(id.seal(t, id.offer(t, 3, now)), proto.ClassCPU); got == accepted {
		t.Error("an offer passed as a job post")
	}
	var signed wirev1.Signed
	if err := protobuf.Unmarshal(raw, &signed); err != nil {
		t.Fatal(err)
	}
	signed.Signature[0] ^= 1
	broken, err := protobuf.Marshal(&signed)
	if err != nil {
		t.Fatal(err)
	}
	if _, got := c.checkPost(broken, proto.ClassCPU); got != badPeer {
		t.Errorf("forged: %q", got)
	}
	now = now.Add(time.Minute)
	if _, got := c.checkPost(raw, proto.ClassCPU); got != late {
		t.Errorf("expired: %q", got)
	}
}
