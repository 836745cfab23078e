package node

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	marketchain "github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/proto"
	"github.com/lode-market/lode/testnet/chain"
)

// TestMain lets this very binary be a shim.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "shim" {
		os.Exit(run.ShimMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// market is a chain with the contracts on it, for nodes of a test.
type testMarket struct {
	t       *testing.T
	chain   *chain.Chain
	network Network
	faucet  *ecdsa.PrivateKey
	guests  map[string]string
}

func newMarket(t *testing.T) *testMarket {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	coins := new(big.Int).Mul(big.NewInt(1e6), big.NewInt(1e18))
	c, err := chain.Start(chain.Config{Alloc: map[common.Address]*big.Int{crypto.PubkeyToAddress(key.PublicKey): coins}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m := &testMarket{t: t, chain: c, faucet: key, guests: map[string]string{}}
	m.network = Network{
		Name: "test", ChainID: c.ChainID().Uint64(), RPC: []string{c.URL()}, Genesis: c.GenesisHash(), Devnet: true,
		FaucetKey: hex.EncodeToString(crypto.FromECDSA(key)),
	}
	log := slog.New(slog.DiscardHandler)
	client, err := marketchain.Dial(t.Context(), m.network.Chain(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	d, err := marketchain.Deploy(t.Context(), marketchain.NewSender(client, KeySigner(key), new(marketchain.MemStore), log), true)
	if err != nil {
		t.Fatal(err)
	}
	m.network.Channels, m.network.Token, m.network.Deployed = d.Channels, d.Token, d.Block
	return m
}

// testNode is a node with its home, which outlives it.
type testNode struct {
	*Node
	cfg    Config
	client apiv1connect.NodeServiceClient
}

func (m *testMarket) start(cfg Config) *testNode {
	m.t.Helper()
	if cfg.Home == "" {
		dir, err := os.MkdirTemp("", "lode") // t.TempDir is too long for a socket
		if err != nil {
			m.t.Fatal(err)
		}
		m.t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o711); err != nil { // shims run as other users
			m.t.Fatal(err)
		}
		cfg.Home = dir
	}
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	cfg.Network, cfg.ShimCommand = m.network, []string{exe, "shim"}
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelInfo
	}
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("node", filepath.Base(cfg.Home))
	n, err := Start(m.t.Context(), cfg)
	if err != nil {
		m.t.Fatal(err)
	}
	node := &testNode{Node: n, cfg: cfg, client: api.Dial(cfg.Home)}
	m.t.Cleanup(func() { node.stop(m.t) })
	return node
}

func (n *testNode) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func (m *testMarket) provider(change func(*Provide)) *testNode {
	m.t.Helper()
	return m.start(providerConfig(change))
}

func providerConfig(change func(*Provide)) Config {
	return Config{Provide: func(uint8) (Provide, error) {
		p := DefaultProvide
		p.Price = proto.PerHour(proto.NewAmount(3_600_000)) // a thousand base units a second
		p.Slice, p.MinCloseDelay = time.Second, 3600
		p.Resources = proto.Resources{CPUMillis: 4000, Memory: 4 << 30, Disk: 4 << 30}
		if change != nil {
			change(&p)
		}
		return p, nil
	}}
}

// requester starts a funded requester that knows the given providers.
func (m *testMarket) requester(known ...*testNode) *testNode {
	m.t.Helper()
	cfg := Config{}
	for _, k := range known {
		cfg.Peers = append(cfg.Peers, k.wire.BootstrapAddrs()...)
	}
	n := m.start(cfg)
	if _, err := n.client.Faucet(m.t.Context(), connect.NewRequest(&apiv1.FaucetRequest{})); err != nil {
		m.t.Fatal(err)
	}
	return n
}

// guest builds a program of testdata to WebAssembly, once.
func (m *testMarket) guest(name string) string {
	m.t.Helper()
	if path, ok := m.guests[name]; ok {
		return path
	}
	path := filepath.Join(m.t.TempDir(), name+".wasm")
	cmd := exec.Command("go", "build", "-o", path, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("build guest: %v\n%s", err, out)
	}
	m.guests[name] = path
	return path
}

// submit hands a job to a node and returns its id.
func (n *testNode) submit(t *testing.T, q *apiv1.SubmitJobRequest) string {
	t.Helper()
	if q.GetMaxDurationMs() == 0 {
		q.MaxDurationMs = (10 * time.Minute).Milliseconds()
	}
	res, err := n.client.SubmitJob(t.Context(), connect.NewRequest(q))
	if err != nil {
		t.Fatal(err)
	}
	return res.Msg.GetJob().GetId()
}

// wait follows a job to its end and returns it with what it printed.
func (n *testNode) wait(t *testing.T, id string) (*apiv1.Job, string) {
	t.Helper()
	return n.until(t, id, func(*apiv1.WatchJobResponse) bool { return false })
}

// until follows a job until its end, or until stop says so.
func (n *testNode) until(t *testing.T, id string, stop func(*apiv1.WatchJobResponse) bool) (*apiv1.Job, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stream, err := n.client.WatchJob(ctx, connect.NewRequest(&apiv1.WatchJobRequest{Id: id}))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var out strings.Builder
	var job *apiv1.Job
	for stream.Receive() {
		m := stream.Msg()
		if m.GetLog() != nil {
			out.Write(m.GetLog().GetData())
		}
		if m.GetNote() != "" {
			t.Log(m.GetNote())
		}
		if m.GetJob() != nil {
			job = m.GetJob()
		}
		if stop(m) {
			return job, out.String()
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatalf("watch: %v; printed so far: %s", err, out.String())
	}
	return job, out.String()
}
