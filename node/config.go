package node

import (
	"log/slog"
	"time"

	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

// Config is what a node is made of.
type Config struct {
	// Home is the folder of one network; FindHome gives it.
	Home    string
	Network Network
	// Password gives the keystore's password; nil makes a home that a devnet
	// may have: keys encrypted with an empty one.
	Password func(prompt string) (string, error)
	// Listen are multiaddrs; none means DefaultListen.
	Listen []string
	// Peers are more bootstrap peers than the network file names.
	Peers []string
	MDNS  bool
	// Stays: the node outlives the command that started it, so jobs may be left with it.
	Stays bool
	// Provide makes the node sell; nil only rents. It is given the decimals of
	// the network's token, in which people write prices.
	Provide func(decimals uint8) (Provide, error)
	// ShimCommand starts a shim: this program with its hidden argument.
	ShimCommand []string
	Version     string
	Log         *slog.Logger
	// Notice gets plain lines for the person who watches, such as what was refused and why.
	Notice func(string)
}

// DefaultListen takes any free port, over TCP and QUIC, on IPv4 and IPv6.
var DefaultListen = []string{
	"/ip4/0.0.0.0/tcp/0", "/ip4/0.0.0.0/udp/0/quic-v1", "/ip6/::/tcp/0", "/ip6/::/udp/0/quic-v1",
}

// Provide is what a provider sells and on what terms.
type Provide struct {
	Price     proto.Price
	StartFee  proto.Amount
	Slice     time.Duration
	Grace     time.Duration
	Retention time.Duration
	// MaxDuration is the longest lease.
	MaxDuration   time.Duration
	MinCloseDelay uint32 // seconds
	// Resources are for all leases together.
	Resources proto.Resources
	// Simulated marks the GPU in Resources as a pretended one; devnets only.
	Simulated bool
	// Exposure is how much of a deposit counts before it is final.
	Exposure proto.Amount
	// Docker offers the docker driver, at the engine that the environment names.
	Docker bool
	// AllowRunc consents to containers without gVisor.
	AllowRunc bool
	// Registries at private addresses from which images may come, as host:port.
	Registries []string
	// MaxImage and MaxInputs bound what a job makes this machine fetch, in bytes.
	MaxImage, MaxInputs int64
	// PrepareTime bounds how long preparing may take.
	PrepareTime time.Duration
	Claim       pay.ClaimPolicy
	// GasRate is what the owner says that 10^18 wei are worth in base units of the
	// token; zero claims only when a channel closes or on command.
	GasRate proto.Amount
}

// DefaultProvide is a cautious seller. Price and Resources are the owner's to say.
var DefaultProvide = Provide{
	Slice:         10 * time.Second,
	Grace:         30 * time.Second,
	Retention:     time.Hour,
	MaxDuration:   24 * time.Hour,
	MinCloseDelay: 24 * 3600,
	MaxImage:      20 << 30,
	MaxInputs:     20 << 30,
	PrepareTime:   15 * time.Minute,
	Claim:         pay.DefaultClaimPolicy,
}
