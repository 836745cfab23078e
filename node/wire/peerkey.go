package wire

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/lode-market/lode/proto"
)

// ErrPeerKey is returned for a peer whose key is not Ed25519: its id would not
// hold the key, so nothing that it signs could be checked.
var ErrPeerKey = errors.New("not an Ed25519 peer")

// PeerKeyOf returns the public half of a peer's key.
func PeerKeyOf(key ed25519.PrivateKey) proto.PeerKey {
	return proto.PeerKey(key.Public().(ed25519.PublicKey)) // its documented type
}

// Signer returns what signs offers and job posts with a peer's key.
func Signer(key ed25519.PrivateKey) proto.PeerSigner { return signer{key} }

type signer struct{ key ed25519.PrivateKey }

func (s signer) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

// VerifyPeer is the proto.PeerVerifier.
func VerifyPeer(k proto.PeerKey, message, signature []byte) bool {
	return ed25519.Verify(k[:], message, signature)
}

var _ proto.PeerVerifier = VerifyPeer

// PeerID returns the name that libp2p has for a peer.
func PeerID(k proto.PeerKey) (peer.ID, error) {
	pub, err := crypto.UnmarshalEd25519PublicKey(k[:])
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPeerKey, err)
	}
	return peer.IDFromPublicKey(pub)
}

// PeerKey returns the key in a peer's id.
func PeerKey(id peer.ID) (proto.PeerKey, error) {
	pub, err := id.ExtractPublicKey()
	if err != nil {
		return proto.PeerKey{}, fmt.Errorf("%w: %w", ErrPeerKey, err)
	}
	raw, err := pub.Raw()
	if err != nil || pub.Type() != crypto.Ed25519 || len(raw) != ed25519.PublicKeySize {
		return proto.PeerKey{}, fmt.Errorf("%w: %s", ErrPeerKey, pub.Type())
	}
	return proto.PeerKey(raw), nil
}
