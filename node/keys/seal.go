package keys

import (
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"
)

// scrypt's parameters: 256 MiB and about a second for each guess, or 4 MiB and
// some 10 ms where speed is worth more than the keys.
const (
	scryptN, scryptP = keystore.StandardScryptN, keystore.StandardScryptP
	lightN, lightP   = keystore.LightScryptN, 1
)

// What a key file may ask of the machine that opens it: 1 GiB, and 16 times the
// work of scryptN.
const (
	maxScryptN = 1 << 20
	maxScryptR = 8
	maxScryptP = 16
)

// seal encrypts a key as web3 secret storage v3.
func seal(key *ecdsa.PrivateKey, password string, light bool) ([]byte, error) {
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	n, p := scryptN, scryptP
	if light {
		n, p = lightN, lightP
	}
	named := &keystore.Key{Id: id, Address: crypto.PubkeyToAddress(key.PublicKey), PrivateKey: key}
	content, err := keystore.EncryptKey(named, password, n, p)
	if err != nil {
		return nil, fmt.Errorf("encrypt key: %w", err)
	}
	return content, nil
}

// unseal decrypts what seal or another wallet made. ask is called unless the key
// is a light one without a password. The error wraps ErrKeyFile or ErrPassword.
func unseal(content []byte, ask func() (string, error)) (*ecdsa.PrivateKey, error) {
	n, err := checkHeader(content)
	if err != nil {
		return nil, err
	}
	if n <= lightN {
		key, err := decrypt(content, "")
		if !errors.Is(err, ErrPassword) {
			return key, err
		}
	}
	password, err := ask()
	if err != nil {
		return nil, err
	}
	return decrypt(content, password)
}

func decrypt(content []byte, password string) (*ecdsa.PrivateKey, error) {
	key, err := keystore.DecryptKey(content, password)
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, ErrPassword
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	return key.PrivateKey, nil
}

// header is what has to be right before a file reaches geth's keystore, which
// trusts its files. It is decoded as geth does it.
type header struct {
	Version int `json:"version"`
	Crypto  struct {
		Cipher       string `json:"cipher"`
		CipherText   string `json:"ciphertext"`
		CipherParams struct {
			IV string `json:"iv"`
		} `json:"cipherparams"`
		KDF       string         `json:"kdf"`
		KDFParams map[string]any `json:"kdfparams"`
		MAC       string         `json:"mac"`
	} `json:"crypto"`
}

// checkHeader returns scrypt's n.
func checkHeader(content []byte) (n int, err error) {
	bad := func(format string, args ...any) (int, error) {
		return 0, fmt.Errorf("%w: %s", ErrKeyFile, fmt.Sprintf(format, args...))
	}
	var h header
	if err := json.Unmarshal(content, &h); err != nil {
		return bad("%v", err)
	}
	c := h.Crypto
	if h.Version != 3 || c.Cipher != "aes-128-ctr" || c.KDF != "scrypt" {
		return bad("version %d, cipher %.20q, kdf %.20q; required: 3, aes-128-ctr, scrypt", h.Version, c.Cipher, c.KDF)
	}
	for _, limit := range []struct {
		name     string
		min, max int
	}{{"n", 2, maxScryptN}, {"r", 1, maxScryptR}, {"p", 1, maxScryptP}, {"dklen", 32, 32}} {
		v, ok := c.KDFParams[limit.name].(float64)
		if !ok || v != math.Trunc(v) || v < float64(limit.min) || v > float64(limit.max) {
			return bad("scrypt's %s is %v; required: a whole number, %d to %d", limit.name, c.KDFParams[limit.name], limit.min, limit.max)
		}
	}
	salt, ok := c.KDFParams["salt"].(string)
	if !ok || !isHex(salt, -1) || !isHex(c.CipherParams.IV, 16) || !isHex(c.CipherText, 32) || !isHex(c.MAC, 32) {
		return bad("salt, iv, ciphertext or mac is not hexadecimal of the right length")
	}
	return int(c.KDFParams["n"].(float64)), nil // its type was checked above
}

// isHex reports whether s is size bytes in hexadecimal, any number if size is negative.
func isHex(s string, size int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && (size < 0 || len(b) == size)
}
