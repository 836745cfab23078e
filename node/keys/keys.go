package keys

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/crypto"
)

// Errors that Open, Create and Export return, wrapped with what was wrong and
// how to mend it.
var (
	// ErrNoKeys is returned by Open and Export where there are none yet.
	ErrNoKeys = errors.New("no keys")
	// ErrExists is returned by Create where there are keys already.
	ErrExists = errors.New("keys exist already")
	// ErrPassword is returned for a password that doesn't open a key.
	ErrPassword = errors.New("wrong password")
	// ErrNoPassword is returned where a password is required and there is none.
	ErrNoPassword = errors.New("no password")
	// ErrExposed is returned for keys that others on this machine could read.
	ErrExposed = errors.New("keys are exposed")
	// ErrKeyFile is returned for a file that doesn't hold what it should.
	ErrKeyFile = errors.New("bad key file")
	// ErrName is returned for a name that is neither Funds nor Signer.
	ErrName = errors.New("no such key")
)

// Name tells the two accounts of a node apart. It is also the stem of a file.
type Name string

// The accounts.
const (
	Funds  Name = "account" // owns the funds, sends transactions
	Signer Name = "signer"  // signs off chain, holds no money
)

const peerFile = "peer.key" // the 32 bytes of an Ed25519 seed

// Config says where the keys are and how they open.
type Config struct {
	// Dir holds the keys and nothing else. Nobody but its owner may look into it.
	Dir string
	// Password answers a prompt; the package's Password gives the usual source.
	// It is not asked for keys that an empty password opens. Nil is an empty
	// password, which only Light keys may have.
	Password func(prompt string) (string, error)
	// Light makes new keys cheap to open, and so cheap to guess: for devnets,
	// whose keys guard nothing.
	Light bool
}

// Keys are the open keys of one node. Its methods may be called concurrently.
type Keys struct {
	accounts map[Name]*Account
	peer     Secret
}

// Import is a key that Create takes instead of drawing one.
type Import struct {
	Name Name
	Key  Secret // 32 bytes
}

// Create makes the keys of a new node, whole or not at all, and opens them.
func Create(cfg Config, imports ...Import) (*Keys, error) {
	switch entries, err := os.ReadDir(cfg.Dir); {
	case err == nil && len(entries) > 0:
		return nil, fmt.Errorf("%w: %s holds %s; required: an empty folder", ErrExists, cfg.Dir, entries[0].Name())
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("create keys: %w", err)
	}
	secrets := make(map[Name]Secret, 2)
	for _, i := range imports {
		if i.Name != Funds && i.Name != Signer {
			return nil, fmt.Errorf("%w: %q; required: %q or %q", ErrName, i.Name, Funds, Signer)
		}
		if i.Key.reveal == nil {
			return nil, fmt.Errorf("%w: the key to import as %s is empty", ErrKeyFile, i.Name)
		}
		secrets[i.Name] = i.Key
	}
	password, err := choosePassword(cfg)
	if err != nil {
		return nil, err
	}

	// A crash must not leave a node that has one key and draws the other anew,
	// so all are written aside and take their place in one step.
	parent := filepath.Dir(cfg.Dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	aside, err := os.MkdirTemp(parent, "."+filepath.Base(cfg.Dir)+"-*") // 0700
	if err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	k, err := fill(aside, secrets, password, cfg.Light)
	if err == nil {
		// Only an empty folder can be removed so, and Rename wants none there.
		if err = os.Remove(cfg.Dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(aside, cfg.Dir)
		}
	}
	if err == nil {
		err = syncDir(parent)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create keys: %w", err), os.RemoveAll(aside))
	}
	return k, nil
}

// fill writes a whole set of keys into an empty folder.
func fill(dir string, secrets map[Name]Secret, password string, light bool) (*Keys, error) {
	k := &Keys{accounts: make(map[Name]*Account, 2)}
	for _, name := range []Name{Funds, Signer} {
		key, err := ecdsaKey(secrets[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		k.accounts[name] = newAccount(key)
		content, err := seal(key, password, light)
		if err != nil {
			return nil, err
		}
		if err := writeFile(filepath.Join(dir, name.file()), content); err != nil {
			return nil, err
		}
	}
	if k.accounts[Funds].Address() == k.accounts[Signer].Address() {
		return nil, fmt.Errorf("%w: account and signer are one key; required: two, so that the one with the money can stay cold", ErrKeyFile)
	}
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails
	k.peer = NewSecret(seed)
	if err := writeFile(filepath.Join(dir, peerFile), seed); err != nil {
		return nil, err
	}
	return k, syncDir(dir)
}

// Open opens the keys that Create made.
func Open(cfg Config) (*Keys, error) {
	if err := checkDir(cfg.Dir); err != nil {
		return nil, err
	}
	ask := passwordOnce(cfg)
	k := &Keys{accounts: make(map[Name]*Account, 2)}
	for _, name := range []Name{Funds, Signer} {
		key, err := unlock(filepath.Join(cfg.Dir, name.file()), ask)
		if err != nil {
			return nil, err
		}
		k.accounts[name] = newAccount(key)
	}
	path := filepath.Join(cfg.Dir, peerFile)
	seed, err := readFile(path)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: %s has %d bytes; required: the %d of an Ed25519 seed", ErrKeyFile, path, len(seed), ed25519.SeedSize)
	}
	k.peer = NewSecret(seed)
	return k, nil
}

// Export returns the private key of an account, 32 bytes. It asks for the
// password again, whoever holds open Keys.
func Export(cfg Config, name Name) (Secret, error) {
	if name != Funds && name != Signer {
		return Secret{}, fmt.Errorf("%w: %q; required: %q or %q", ErrName, name, Funds, Signer)
	}
	if err := checkDir(cfg.Dir); err != nil {
		return Secret{}, err
	}
	key, err := unlock(filepath.Join(cfg.Dir, name.file()), passwordOnce(cfg))
	if err != nil {
		return Secret{}, err
	}
	return NewSecret(crypto.FromECDSA(key)), nil
}

// Account returns the account of that name. The error wraps ErrName.
func (k *Keys) Account(name Name) (*Account, error) {
	a, ok := k.accounts[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q; required: %q or %q", ErrName, name, Funds, Signer)
	}
	return a, nil
}

// PeerKey returns the node's key in the peer network. Unlike everything else
// here it prints itself, so it goes straight to the host that needs it.
func (k *Keys) PeerKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.peer.Reveal()) }

func (n Name) file() string { return string(n) + ".json" }
