package wire

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"pgregory.net/rapid"
)

// The dumb model of a rate is a bucket of tokens that is filled at each step.
func TestRateAgainstBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rate{time.Duration(rapid.IntRange(1, 50).Draw(t, "every")) * time.Millisecond, rapid.IntRange(1, 10).Draw(t, "burst")}
		p := newPacer[int](r, 1)
		now, tokens := epoch, float64(r.Burst)
		for range 200 {
			pause := time.Duration(rapid.IntRange(0, 60).Draw(t, "pause")) * time.Millisecond
			now = now.Add(pause)
			tokens = min(float64(r.Burst), tokens+float64(pause)/float64(r.Every))
			const rounding = 1e-6
			want := tokens >= 1-rounding
			if got := p.allow(1, now); got != want {
				t.Fatalf("allowed %v with %f tokens", got, tokens)
			}
			if want {
				tokens--
			}
		}
	})
}

func TestPacerIsBounded(t *testing.T) {
	p := newPacer[int](Rate{time.Second, 1}, 2)
	if !p.allow(1, epoch) || !p.allow(2, epoch) {
		t.Error("the first two")
	}
	if p.allow(3, epoch) {
		t.Error("a third while both are in use")
	}
	if !p.allow(3, epoch.Add(time.Second)) {
		t.Error("a third after they have gone quiet")
	}
	if len(p.free) > 2 {
		t.Errorf("%d keys", len(p.free))
	}
}

func TestPeerKeys(t *testing.T) {
	id := newIdentity(t)
	k := PeerKeyOf(id.peer)
	pid, err := PeerID(k)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := PeerKey(pid); err != nil || back != k {
		t.Errorf("%s, %v", back, err)
	}
	sig, err := Signer(id.peer).Sign([]byte("x"))
	if err != nil || !VerifyPeer(k, []byte("x"), sig) || VerifyPeer(k, []byte("y"), sig) || VerifyPeer(k, []byte("x"), sig[:63]) {
		t.Error("signature")
	}
	priv, _, err := crypto.GenerateECDSAKeyPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := peer.IDFromPrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := PeerKey(other); err == nil {
		t.Error("an ECDSA peer passed")
	}
	if _, err := PeerKey("rubbish"); err == nil {
		t.Error("rubbish passed")
	}
}
