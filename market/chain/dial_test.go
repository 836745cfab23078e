package chain_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/market/chain"
)

// closedURL is where nothing listens.
func closedURL() string {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	return srv.URL
}

// hangingURL is a server that takes requests and never answers.
func hangingURL(t *testing.T) string {
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(stop); srv.Close() })
	return srv.URL
}

func TestDialSaysWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	html := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Write([]byte("<html>welcome</html>"))
	}))
	defer html.Close()
	notFound := httptest.NewServer(http.NotFoundHandler())
	defer notFound.Close()
	for _, tt := range []struct {
		name   string
		change func(*chain.Config)
		kind   error
		says   []string
	}{
		{"nobody listens", func(c *chain.Config) { c.RPC = []string{closedURL()} }, chain.ErrUnreachable, []string{"check the RPC URL"}},
		{"not JSON-RPC", func(c *chain.Config) { c.RPC = []string{html.URL} }, chain.ErrUnreachable, []string{"check the RPC URL"}},
		{"HTTP error", func(c *chain.Config) { c.RPC = []string{notFound.URL} }, chain.ErrUnreachable, []string{"404"}},
		{"slow", func(c *chain.Config) { c.RPC = []string{hangingURL(t)}; c.CallTimeout = 50 * time.Millisecond }, chain.ErrSlow, []string{"50ms"}},
		{"other chain", func(c *chain.Config) { c.ChainID = 5 }, chain.ErrWrongChain, []string{w.chain.ChainID().String(), "chain id 5", "network file"}},
		{"other genesis", func(c *chain.Config) { c.GenesisHash = common.Hash{1} }, chain.ErrWrongChain, []string{w.chain.GenesisHash().Hex(), common.Hash{1}.Hex()}},
		{"no contract", func(c *chain.Config) { c.Channels = common.Address{7} }, chain.ErrNoContract, []string{common.Address{7}.Hex(), "lode deploy"}},
		{"no token", func(c *chain.Config) { c.Token = common.Address{8} }, chain.ErrNoContract, []string{common.Address{8}.Hex()}},
		{"no URL", func(c *chain.Config) { c.RPC = nil }, chain.ErrConfig, nil},
		{"no scheme", func(c *chain.Config) { c.RPC = []string{"localhost:8545"} }, chain.ErrConfig, []string{"localhost:8545", "http"}},
		{"finality", func(c *chain.Config) { c.Finality.Tag = "soon" }, chain.ErrConfig, []string{"soon"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := w.cfg
			tt.change(&cfg)
			c, err := chain.Dial(t.Context(), cfg, quiet)
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
}

func TestURLStaysSecret(t *testing.T) {
	w := newWorld(t)
	cfg := w.cfg
	cfg.RPC = []string{closedURL() + "/v3/secretkey"}
	if _, err := chain.Dial(t.Context(), cfg, quiet); err == nil || strings.Contains(err.Error(), "secretkey") {
		t.Errorf("the error tells the key: %v", err)
	}
}

func TestCallerGivesUp(t *testing.T) {
	w := newWorld(t)
	cfg := w.cfg
	cfg.RPC = []string{hangingURL(t), w.chain.URL()}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := chain.Dial(ctx, cfg, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the caller's", err)
	}
}

func TestFailover(t *testing.T) {
	w := newWorld(t)
	var broken atomic.Bool
	flaky := w.proxy(func(rw http.ResponseWriter, _ request) bool {
		if broken.Load() {
			http.Error(rw, "out of order", http.StatusServiceUnavailable)
		}
		return broken.Load()
	})
	other := newWorld(t) // answers well, but for another chain

	c := w.client(func(cfg *chain.Config) { cfg.RPC = []string{closedURL(), flaky, other.chain.URL(), w.chain.URL()} })
	for range 2 {
		if _, err := c.TokenBalance(t.Context(), w.payer.Address()); err != nil {
			t.Fatal(err)
		}
		broken.Store(true)
	}
}

func TestServerThatChangesItsChain(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	const (
		good = iota
		down
		changed
	)
	var mode atomic.Int32
	url := w.proxy(func(rw http.ResponseWriter, r request) bool {
		switch mode.Load() {
		case down:
			http.Error(rw, "restarting", http.StatusServiceUnavailable)
			return true
		case changed:
			if r.Method != "eth_chainId" {
				t.Errorf("%s was asked of another chain", r.Method)
			}
			r.reply(rw, map[string]any{"result": "0x" + other.chain.ChainID().Text(16)})
			return true
		}
		return false
	})
	c := w.client(func(cfg *chain.Config) { cfg.RPC = []string{url} })
	mode.Store(down)
	if _, err := c.Head(t.Context()); !errors.Is(err, chain.ErrUnreachable) {
		t.Errorf("error %v, want %v", err, chain.ErrUnreachable)
	}
	mode.Store(changed)
	if _, err := c.Head(t.Context()); !errors.Is(err, chain.ErrWrongChain) {
		t.Errorf("error %v, want %v", err, chain.ErrWrongChain)
	}
	mode.Store(good)
	if _, err := c.Head(t.Context()); err != nil {
		t.Errorf("it is right again: %v", err)
	}
}

func TestRateLimitedServerIsPassedOver(t *testing.T) {
	w := newWorld(t)
	limited := w.proxy(func(rw http.ResponseWriter, r request) bool {
		if r.Method == "eth_chainId" || r.Method == "eth_getBlockByNumber" {
			return false // a server in order, at first
		}
		r.reply(rw, map[string]any{"error": map[string]any{"code": -32005, "message": "too many requests"}})
		return true
	})
	w.client(func(cfg *chain.Config) { cfg.RPC = []string{limited, w.chain.URL()} })
}
