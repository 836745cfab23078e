package keys

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"
)

// Secret holds bytes that appear in no output but where Reveal puts them. They
// sit in a closure: fmt calls no method of an unexported field, but prints only
// an address for a function.
type Secret struct{ reveal func() []byte }

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret {
	kept := bytes.Clone(b)
	return Secret{func() []byte { return bytes.Clone(kept) }}
}

// Reveal returns a copy of the bytes, nil for the zero Secret.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

const hidden = "[secret]"

// String returns a placeholder.
func (Secret) String() string { return hidden }

// GoString returns a placeholder.
func (Secret) GoString() string { return hidden }

// Format writes a placeholder whatever the verb.
func (Secret) Format(f fmt.State, _ rune) {
	// fmt.State keeps its own error.
	_, _ = io.WriteString(f, hidden)
}

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns a placeholder, for JSON and all else that writes text.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// ReadHex reads a private key of 32 bytes from a file that holds it in
// hexadecimal, with or without 0x. The file must be its owner's alone.
func ReadHex(path string) (Secret, error) {
	content, err := readFile(path)
	if err != nil {
		return Secret{}, err
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(content)), "0x")
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		// The content may be a key with a typing error in it: it is not quoted.
		return Secret{}, fmt.Errorf("%w: %s; required: 64 hexadecimal digits", ErrKeyFile, path)
	}
	s := NewSecret(b)
	if _, err := ecdsaKey(s); err != nil {
		return Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// ecdsaKey returns the key in s, or a new one when s is zero.
func ecdsaKey(s Secret) (*ecdsa.PrivateKey, error) {
	if s.reveal == nil {
		return crypto.GenerateKey()
	}
	key, err := crypto.ToECDSA(s.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: not a private key of secp256k1", ErrKeyFile)
	}
	return key, nil
}
