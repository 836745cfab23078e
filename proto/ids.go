package proto

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// ErrHex is returned for text that is not the hexadecimal form of an id.
var ErrHex = errors.New("not a 32-byte hexadecimal id")

// Hash is 32 bytes that name something: a lease, a channel, a commitment.
type Hash [32]byte

// LeaseID is the EIP-712 digest of a lease's terms.
type LeaseID Hash

// ChannelID is keccak256 of a channel's key, as the contract computes it.
type ChannelID Hash

// PeerKey is a peer's raw Ed25519 public key: its name on the network.
type PeerKey [32]byte

// String returns the id in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// String returns the id in lower-case hexadecimal.
func (id LeaseID) String() string { return Hash(id).String() }

// String returns the id as the chain's tools print it.
func (id ChannelID) String() string { return "0x" + Hash(id).String() }

// String returns the key in lower-case hexadecimal.
func (k PeerKey) String() string { return Hash(k).String() }

// ParseLeaseID reads what LeaseID.String wrote.
func ParseLeaseID(s string) (LeaseID, error) {
	h, err := parseHash(s)
	return LeaseID(h), err
}

// ParseChannelID reads what ChannelID.String wrote.
func ParseChannelID(s string) (ChannelID, error) {
	if len(s) > 2 && s[:2] == "0x" {
		s = s[2:]
	}
	h, err := parseHash(s)
	return ChannelID(h), err
}

func parseHash(s string) (h Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("%.80q: %w", s, ErrHex)
	}
	return Hash(b), nil
}

// MarshalText writes hexadecimal, the form of JSON and of the store.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads hexadecimal.
func (h *Hash) UnmarshalText(t []byte) (err error) { *h, err = parseHash(string(t)); return err }

// MarshalText writes hexadecimal.
func (id LeaseID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hexadecimal.
func (id *LeaseID) UnmarshalText(t []byte) (err error) {
	*id, err = ParseLeaseID(string(t))
	return err
}

// MarshalText writes hexadecimal behind 0x.
func (id ChannelID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads hexadecimal.
func (id *ChannelID) UnmarshalText(t []byte) (err error) {
	*id, err = ParseChannelID(string(t))
	return err
}

// MarshalText writes hexadecimal.
func (k PeerKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads hexadecimal.
func (k *PeerKey) UnmarshalText(t []byte) error {
	h, err := parseHash(string(t))
	*k = PeerKey(h)
	return err
}
