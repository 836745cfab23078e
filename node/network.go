package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/pelletier/go-toml/v2"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/proto"
)

// ErrNetwork is returned for a network file that can't be used.
var ErrNetwork = errors.New("unusable network file")

// Network says which market this is: a chain, its contracts, and where to meet
// peers. It is a small TOML file that anybody can write and pass on.
type Network struct {
	Name     string         `toml:"name" comment:"Also the folder below LODE_HOME: letters, digits and dashes."`
	ChainID  uint64         `toml:"chain_id"`
	RPC      []string       `toml:"rpc" comment:"JSON-RPC URLs, tried in order. What the first that answers says is believed."`
	Channels common.Address `toml:"channels" comment:"The escrow contract."`
	Token    common.Address `toml:"token" comment:"The ERC-20 that prices are in."`
	Genesis  common.Hash    `toml:"genesis" comment:"Hash of block 0: a chain with the same id but another past is refused."`
	Deployed uint64         `toml:"deployed_block" comment:"Where a search for channels begins."`
	// Bootstrap are multiaddrs that end in /p2p/<peer id>.
	Bootstrap []string `toml:"bootstrap" comment:"Peers to meet first, any of them is enough: multiaddrs that end in /p2p/<peer id>."`
	Finality  Finality `toml:"finality" comment:"When a deposit counts in full."`
	// Devnet marks a network that holds no value: simulated offers and an open
	// faucet are fine there, and only there.
	Devnet bool `toml:"devnet" comment:"A network without value, on this machine: simulated offers, a faucet, private addresses."`
	// FaucetKey signs for an account full of worthless coins: whoever joins a
	// devnet takes gas from it.
	FaucetKey string `toml:"faucet_key,omitempty" comment:"Private key of a devnet's faucet. It guards nothing."`
}

// IsNetworkName reports whether a network may have a name: it is a folder's, too.
func IsNetworkName(s string) bool { return networkName.MatchString(s) }

// Finality is how a network tells that a block can't be taken back.
type Finality struct {
	Confirmations uint64 `toml:"confirmations"`
	Tag           string `toml:"tag,omitempty" comment:"safe or finalized, to ask the chain instead of counting."`
}

var networkName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Validate checks what can be checked without a connection.
func (n Network) Validate() error {
	bad := func(field, actual, required string) error {
		return fmt.Errorf("%w: %s is %s; required: %s", ErrNetwork, field, actual, required)
	}
	switch {
	case !networkName.MatchString(n.Name):
		return bad("name", fmt.Sprintf("%q", n.Name), "1 to 32 lower-case letters, digits and dashes")
	case n.ChainID == 0:
		return bad("chain_id", "0", "the id of the chain")
	case len(n.RPC) == 0:
		return bad("rpc", "empty", "at least one URL")
	case n.Channels == common.Address{}:
		return bad("channels", "empty", "the contract's address; `lode deploy` deploys one")
	case n.Token == common.Address{}:
		return bad("token", "empty", "the token's address")
	case n.FaucetKey != "" && !n.Devnet:
		return bad("faucet_key", "set", "no key in the file of a network that is no devnet")
	case n.Genesis == common.Hash{}:
		return bad("genesis", "empty", "the hash of block 0")
	}
	return nil
}

// Local reports whether the network is a devnet on this very machine, where keys
// guard nothing and providers share the requester's container engine. A devnet's
// token on a public chain is still somebody's account there.
func (n Network) Local() bool {
	return n.Devnet && !slices.ContainsFunc(n.RPC, func(text string) bool {
		u, err := url.Parse(text)
		if err != nil {
			return true
		}
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

// Domain is what all signatures of the network are bound to.
func (n Network) Domain() proto.Domain { return proto.Domain{ChainID: n.ChainID, Channels: n.Channels} }

// Chain returns how to talk to the network's chain.
func (n Network) Chain() chain.Config {
	return chain.Config{
		RPC: n.RPC, ChainID: n.ChainID, GenesisHash: n.Genesis, Channels: n.Channels, Token: n.Token,
		Finality: chain.Finality{Confirmations: n.Finality.Confirmations, Tag: n.Finality.Tag},
	}
}

// LoadNetwork reads a network file.
func LoadNetwork(path string) (Network, error) {
	var n Network
	b, err := os.ReadFile(path)
	if err != nil {
		return n, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	if err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(&n); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return n, fmt.Errorf("%w: %s: unknown field:\n%s", ErrNetwork, path, strict.String())
		}
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, column := at.Position()
			return n, fmt.Errorf("%w: %s:%d:%d: %w", ErrNetwork, path, row, column, err)
		}
		return n, fmt.Errorf("%w: %s: %w", ErrNetwork, path, err)
	}
	if err := n.Validate(); err != nil {
		return n, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// Save writes the network file, whole or not at all.
func (n Network) Save(path string) error {
	b, err := toml.Marshal(n)
	if err != nil {
		return fmt.Errorf("write network file: %w", err)
	}
	return writeFile(path, b, 0o644)
}

// writeFile replaces path by content, so that a crash leaves the old or the new one.
func writeFile(path string, content []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// NetworkFile is the name of the network file within a home.
const NetworkFile = "network.toml"

// FindHome returns the home of a network below root and its network file.
//
// which is a network file's path, the name of a network that was used before, or
// empty for the only one that there is. A file is copied into its home at first
// use; afterwards a file of the same name must say the same.
func FindHome(root, which string) (home string, n Network, err error) {
	switch {
	case which == "":
		found, err := filepath.Glob(filepath.Join(root, "*", NetworkFile))
		if err != nil {
			return "", n, fmt.Errorf("%w: %w", ErrNetwork, err)
		}
		switch len(found) {
		case 0:
			return "", n, fmt.Errorf("%w: %s holds no network; required: a network file by --network FILE, or the LODE_HOME that `lode devnet` printed",
				ErrNetwork, root)
		case 1:
			n, err := LoadNetwork(found[0])
			return filepath.Dir(found[0]), n, err
		}
		names := make([]string, len(found))
		for i, f := range found {
			names[i] = filepath.Base(filepath.Dir(f))
		}
		return "", n, fmt.Errorf("%w: %s holds several networks; required: --network with one of %s", ErrNetwork, root, strings.Join(names, ", "))
	case networkName.MatchString(which):
		home = filepath.Join(root, which)
		n, err = LoadNetwork(filepath.Join(home, NetworkFile))
		return home, n, err
	}
	n, err = LoadNetwork(which)
	if err != nil {
		return "", n, err
	}
	home = filepath.Join(root, n.Name)
	own := filepath.Join(home, NetworkFile)
	switch known, err := LoadNetwork(own); {
	case errors.Is(err, os.ErrNotExist):
		if err := os.MkdirAll(home, 0o700); err != nil {
			return "", n, fmt.Errorf("make home: %w", err)
		}
		return home, n, n.Save(own)
	case err != nil:
		return "", n, err
	case known.Domain() != n.Domain() || known.Genesis != n.Genesis || known.Token != n.Token || known.Devnet != n.Devnet || known.Finality != n.Finality:
		return "", n, fmt.Errorf("%w: %s names another chain, contract or finality than the %s that was used before; required: another name in the file, or remove %s, which holds its keys",
			ErrNetwork, which, n.Name, home)
	default:
		// RPC URLs and bootstrap peers may change.
		return home, n, n.Save(own)
	}
}
