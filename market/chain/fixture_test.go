package chain_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/params"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/proto"
	devnet "github.com/lode-market/lode/testnet/chain"
)

var quiet = slog.New(slog.DiscardHandler)

// account is a key that is a chain.Signer and signs vouchers besides.
type account struct {
	key *ecdsa.PrivateKey
}

func newAccount(t testing.TB) account {
	t.Helper()
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return account{key}
}

func (a account) Address() common.Address { return crypto.PubkeyToAddress(a.key.PublicKey) }

func (a account) SignTx(_ context.Context, tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	return types.SignTx(tx, types.LatestSignerForChainID(chainID), a.key)
}

func (a account) sign(t testing.TB, d proto.Domain, v proto.Typed) proto.Signature {
	t.Helper()
	digest := d.Digest(v)
	sig, err := crypto.Sign(digest[:], a.key)
	if err != nil {
		t.Fatal(err)
	}
	sig[64] += 27
	return proto.Signature(sig)
}

// world is a devnet with the contracts on it, a payer with tokens and gas, and a payee with gas.
type world struct {
	testing.TB
	chain        *devnet.Chain
	node         *ethclient.Client
	payer, payee account
	cfg          chain.Config

	mu      sync.Mutex // held while sealing
	sealing bool       // seal whatever is pending, at once
}

// seal turns sealing on or off. Once it is off, no block comes but by commit.
func (w *world) seal(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealing = on
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{TB: t, payer: newAccount(t), payee: newAccount(t)}
	ether := new(big.Int).SetUint64(params.Ether)
	var err error
	w.chain, err = devnet.Start(devnet.Config{Manual: true, Alloc: map[common.Address]*big.Int{
		w.payer.Address(): ether, w.payee.Address(): ether,
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.node = ethclient.NewClient(w.chain.RPC())
	stop, done := make(chan struct{}), make(chan struct{})
	go w.sealLoop(stop, done)
	t.Cleanup(func() {
		close(stop)
		<-done
		if err := w.chain.Close(); err != nil {
			t.Error(err)
		}
	})
	w.seal(true)
	w.cfg = chain.Config{
		RPC: []string{w.chain.URL()}, ChainID: w.chain.ChainID().Uint64(), GenesisHash: w.chain.GenesisHash(),
		CallTimeout: 10 * time.Second, PollEvery: 10 * time.Millisecond,
	}
	d, err := chain.Deploy(t.Context(), w.sender(w.payer, &chain.MemStore{}), true)
	if err != nil {
		t.Fatal(err)
	}
	w.cfg.Channels, w.cfg.Token = d.Channels, d.Token
	return w
}

func (w *world) sealLoop(stop, done chan struct{}) {
	defer close(done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		if w.sealing && w.chain.Pending() > 0 {
			if _, err := w.chain.Commit(); err != nil {
				w.Errorf("sealing: %v", err)
			}
		}
		w.mu.Unlock()
	}
}

func (w *world) commit(n int) {
	w.Helper()
	for range n {
		if _, err := w.chain.Commit(); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) client(change ...func(*chain.Config)) *chain.Client {
	w.Helper()
	cfg := w.cfg
	for _, f := range change {
		f(&cfg)
	}
	c, err := chain.Dial(w.Context(), cfg, quiet)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(c.Close)
	return c
}

func (w *world) sender(a account, store chain.Store, change ...func(*chain.Config)) *chain.Sender {
	w.Helper()
	return chain.NewSender(w.client(change...), a, store, quiet)
}

func (w *world) send(s *chain.Sender, intent string, call chain.Call) chain.Receipt {
	w.Helper()
	r, err := s.Send(w.deadline(), intent, call)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// deadline ends long after anything here should have happened.
func (w *world) deadline() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), 30*time.Second)
	w.Cleanup(cancel)
	return ctx
}

// fund gives the payer tokens and lets the contract take them.
func (w *world) fund(s *chain.Sender, c *chain.Client, amount uint64) {
	w.Helper()
	w.send(s, "faucet", c.FaucetCall(w.payer.Address(), proto.NewAmount(amount)))
	w.send(s, "approve", c.ApproveCall(proto.NewAmount(amount)))
}

func (w *world) key(salt uint64) proto.ChannelKey {
	return proto.ChannelKey{
		Payer: w.payer.Address(), PayerSigner: w.payer.Address(), Payee: w.payee.Address(), PayeeSigner: w.payee.Address(),
		Token: w.cfg.Token, CloseDelay: 3600, Salt: salt,
	}
}

func (w *world) domain() proto.Domain {
	return proto.Domain{ChainID: w.cfg.ChainID, Channels: w.cfg.Channels}
}

func (w *world) voucher(key proto.ChannelKey, cumulative uint64) proto.Voucher {
	w.Helper()
	v := proto.Voucher{Channel: key.ID(), Cumulative: proto.NewAmount(cumulative)}
	v.Signature = w.payer.sign(w, w.domain(), v)
	return v
}

func (w *world) settlement(key proto.ChannelKey, amount uint64) proto.Settlement {
	w.Helper()
	s := proto.Settlement{Channel: key.ID(), Amount: proto.NewAmount(amount), Deadline: time.Now().Add(24 * time.Hour).Truncate(time.Second)}
	s.Signature = w.payee.sign(w, w.domain(), s)
	return s
}

func (w *world) latest(c *chain.Client, key proto.ChannelKey) chain.State {
	w.Helper()
	v, err := c.Channel(w.Context(), key.ID())
	if err != nil {
		w.Fatal(err)
	}
	return v.Latest
}

// proxy stands between a client and the chain. Its hook sees every request and may answer it: true means that the
// answer was written.
func (w *world) proxy(hook func(http.ResponseWriter, request) bool) string {
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client gave up
		}
		var req request
		if err := json.Unmarshal(body, &req); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		if hook(rw, req) {
			return
		}
		resp, err := http.Post(w.chain.URL(), "application/json", bytes.NewReader(body))
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		rw.Header().Set("Content-Type", "application/json")
		if _, err := io.Copy(rw, resp.Body); err != nil {
			return // the client gave up
		}
	}))
	w.Cleanup(srv.Close)
	return srv.URL
}

type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

// tx is the transaction that the request broadcasts, or nil.
func (r request) tx() *types.Transaction {
	if r.Method != "eth_sendRawTransaction" {
		return nil
	}
	var raw string
	if err := json.Unmarshal(r.Params[0], &raw); err != nil {
		return nil
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(common.FromHex(raw)); err != nil {
		return nil
	}
	return tx
}

func (r request) reply(rw http.ResponseWriter, body map[string]any) {
	rw.Header().Set("Content-Type", "application/json")
	body["jsonrpc"], body["id"] = "2.0", r.ID
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		return // the client gave up
	}
}
