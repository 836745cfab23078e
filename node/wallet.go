package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/keys"
	"github.com/lode-market/lode/proto"
)

func (h handlers) GetWallet(ctx context.Context, _ *connect.Request[apiv1.GetWalletRequest]) (*connect.Response[apiv1.GetWalletResponse], error) {
	n := h.n
	balance, err := n.chain.TokenBalance(ctx, n.account.Address())
	if err != nil {
		return nil, chainFailure(err)
	}
	gas, err := n.chain.GasBalance(ctx, n.account.Address())
	if err != nil {
		return nil, chainFailure(err)
	}
	res := &apiv1.GetWalletResponse{
		Account: n.account.Address().Hex(), Signer: n.signer.Address().Hex(), Token: n.cfg.Network.Token.Hex(), Symbol: n.meta.Symbol,
		Decimals: uint32(n.meta.Decimals), Balance: balance.String(), GasBalance: gas.String(), Faucet: n.cfg.Network.Devnet,
	}
	for _, b := range n.payers.snapshot() {
		c := channelMessage(b.Key, "payer", b.Key.Payee, b.State)
		c.Signed, c.Spent, c.Committed, c.Live = b.Voucher.Cumulative.String(), b.Finished.String(), b.Committed().String(), uint32(len(b.Paid))
		res.Channels = append(res.Channels, c)
	}
	for _, b := range n.payees.snapshot() {
		c := channelMessage(b.Key, "payee", b.Key.Payer, b.State)
		c.Signed, c.Spent, c.Committed, c.Live = b.Voucher.Cumulative.String(), b.Finished.String(), b.Committed().String(), uint32(len(b.Grants))
		res.Channels = append(res.Channels, c)
	}
	return connect.NewResponse(res), nil
}

func channelMessage(key proto.ChannelKey, role string, with common.Address, s pay.ChainState) *apiv1.Channel {
	c := &apiv1.Channel{
		Id: key.ID().String(), Role: role, Counterparty: with.Hex(), Deposited: s.Deposited.String(), Claimed: s.Claimed.String(), State: "open",
	}
	switch {
	case s.Closed:
		c.State = "closed"
	case !s.ClosesAt.IsZero():
		c.State, c.ClosesAtMs = "closing", s.ClosesAt.UnixMilli()
	case s.Deposited.IsZero():
		c.State = "not opened"
	}
	return c
}

func (h handlers) Deposit(ctx context.Context, req *connect.Request[apiv1.DepositRequest]) (*connect.Response[apiv1.DepositResponse], error) {
	n := h.n
	res := &apiv1.DepositResponse{}
	var deposits []chain.Deposit
	for _, d := range req.Msg.GetDeposits() {
		amount, err := proto.ParseAmount(d.GetAmount())
		if err != nil || amount.IsZero() {
			return nil, api.Fail(api.KindUser, "BAD_AMOUNT", fmt.Errorf("a deposit of %q; required: a positive number of base units", d.GetAmount()))
		}
		if !common.IsHexAddress(d.GetPayee()) {
			return nil, api.Fail(api.KindUser, "BAD_PROVIDER", fmt.Errorf("provider %q is no account; required: 0x and 40 hexadecimal digits, from `lode offers`", d.GetPayee()))
		}
		o, ok := n.offers.of(common.HexToAddress(d.GetPayee()))
		if !ok {
			return nil, api.Fail(api.KindUser, "UNKNOWN_PROVIDER", fmt.Errorf("no offer of %s is known; required: a provider of `lode offers`, whose signer the channel has to name", d.GetPayee()))
		}
		key := n.payers.choose(o.Identity.Payee, o.Identity.PayeeSigner, o.MinCloseDelay)
		deposits = append(deposits, chain.Deposit{Key: key, Amount: amount})
		res.Channels = append(res.Channels, key.ID().String())
	}
	if len(deposits) == 0 {
		return nil, api.Fail(api.KindUser, "BAD_AMOUNT", errors.New("no deposit is named"))
	}
	receipts, err := n.payers.deposit(ctx, deposits...)
	if err != nil {
		return nil, chainFailure(err)
	}
	for _, r := range receipts {
		res.Transactions = append(res.Transactions, txMessage(r))
	}
	return connect.NewResponse(res), nil
}

// payerKey finds a channel that this node pays from.
func (n *Node) payerKey(text string) (proto.ChannelKey, *payerBook, error) {
	id, err := proto.ParseChannelID(text)
	if err == nil {
		if e := n.payers.find(id); e != nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			return e.book.Key, e, nil
		}
		err = errors.New("this node pays from no such channel")
	}
	return proto.ChannelKey{}, nil, api.Fail(api.KindUser, "UNKNOWN_CHANNEL", fmt.Errorf("channel %.80q: %w; required: one of `lode wallet` that you pay", text, err))
}

func (h handlers) Settle(ctx context.Context, req *connect.Request[apiv1.SettleRequest]) (*connect.Response[apiv1.SettleResponse], error) {
	n := h.n
	key, e, err := n.payerKey(req.Msg.GetChannel())
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	live := len(e.book.Paid)
	e.mu.Unlock()
	if live > 0 {
		return nil, api.Fail(api.KindUser, proto.CodeNotSettled.String(), fmt.Errorf("%d jobs still run on the channel; wait for them or cancel them", live))
	}
	peer, err := n.requester.peerOf(ctx, key)
	if err != nil {
		return nil, err
	}
	s, err := n.wire.Settle(ctx, peer, key)
	if err != nil {
		return nil, api.Fail(api.KindPeer, "UNREACHABLE", fmt.Errorf("the provider's consent could not be had: %w; `lode wallet close` needs none, and takes the channel's delay", err))
	}
	// Until it is submitted, or has expired, no job can use the channel.
	n.payers.shun(key, s.Deadline)
	voucher, err := n.payers.checkSettlement(key, s, time.Now())
	if err != nil {
		return nil, api.Fail(api.KindPeer, "OVERCHARGED", err)
	}
	r, err := sendIntent(ctx, n.sender, fmt.Sprintf("settle %s by %d", key.ID(), s.Deadline.Unix()), n.chain.SettleCall(key, s, voucher))
	if err != nil {
		return nil, chainFailure(err)
	}
	if err := n.payers.refresh(ctx, e); err != nil {
		return nil, chainFailure(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return connect.NewResponse(&apiv1.SettleResponse{
		Transaction: txMessage(r), Paid: e.book.State.Claimed.String(), Returned: e.book.State.Deposited.Sub(e.book.State.Claimed).String(),
	}), nil
}

func (h handlers) CloseChannel(ctx context.Context, req *connect.Request[apiv1.CloseChannelRequest]) (*connect.Response[apiv1.CloseChannelResponse], error) {
	n := h.n
	key, e, err := n.payerKey(req.Msg.GetChannel())
	if err != nil {
		return nil, err
	}
	r, err := sendIntent(ctx, n.sender, "close "+key.ID().String(), n.chain.StartCloseCall(key))
	if err != nil {
		return nil, chainFailure(err)
	}
	if err := n.payers.refresh(ctx, e); err != nil {
		return nil, chainFailure(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return connect.NewResponse(&apiv1.CloseChannelResponse{Transaction: txMessage(r), ClosesAtMs: e.book.State.ClosesAt.UnixMilli()}), nil
}

func (h handlers) Withdraw(ctx context.Context, req *connect.Request[apiv1.WithdrawRequest]) (*connect.Response[apiv1.WithdrawResponse], error) {
	n := h.n
	key, e, err := n.payerKey(req.Msg.GetChannel())
	if err != nil {
		return nil, err
	}
	r, err := sendIntent(ctx, n.sender, "withdraw "+key.ID().String(), n.chain.WithdrawCall(key))
	if err != nil {
		return nil, chainFailure(err)
	}
	if err := n.payers.refresh(ctx, e); err != nil {
		return nil, chainFailure(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return connect.NewResponse(&apiv1.WithdrawResponse{
		Transaction: txMessage(r), Returned: e.book.State.Deposited.Sub(e.book.State.Claimed).String(),
	}), nil
}

func (h handlers) Claim(ctx context.Context, req *connect.Request[apiv1.ClaimRequest]) (*connect.Response[apiv1.ClaimResponse], error) {
	n := h.n
	wanted := make(map[string]bool)
	for _, id := range req.Msg.GetChannels() {
		wanted[id] = true
	}
	if err := n.payees.refreshAll(ctx, false); err != nil {
		return nil, chainFailure(err)
	}
	var books []*pay.Payee
	var total proto.Amount
	for _, b := range n.payees.snapshot() {
		if due := b.Claimable(); !due.IsZero() && (len(wanted) == 0 || wanted[b.ID().String()]) {
			books, total = append(books, b), total.Add(due)
		}
		delete(wanted, b.ID().String())
	}
	for id := range wanted {
		return nil, api.Fail(api.KindUser, "UNKNOWN_CHANNEL", fmt.Errorf("no channel %.80q pays this node; required: one of `lode wallet`", id))
	}
	res := &apiv1.ClaimResponse{Paid: "0"}
	if len(books) == 0 {
		return connect.NewResponse(res), nil
	}
	receipts, err := n.claim(ctx, books)
	if err != nil {
		return nil, chainFailure(err)
	}
	res.Paid, res.Transaction = total.String(), txMessage(receipts[0])
	return connect.NewResponse(res), nil
}

// faucetAmount is what the faucet gives to those who name no amount, in whole
// tokens, and faucetCoins the coins for gas, in wei.
const faucetAmount = 1000

var faucetCoins = new(big.Int).Mul(big.NewInt(10), big.NewInt(1e18))

func (h handlers) Faucet(ctx context.Context, req *connect.Request[apiv1.FaucetRequest]) (*connect.Response[apiv1.FaucetResponse], error) {
	n := h.n
	if !n.cfg.Network.Devnet {
		return nil, api.Fail(api.KindUser, "NO_FAUCET", fmt.Errorf("network %s has no faucet; required: a devnet of `lode devnet` or `lode deploy --dev-token`", n.cfg.Network.Name))
	}
	amount := proto.NewAmount(faucetAmount)
	for range n.meta.Decimals {
		amount = amount.Mul(10)
	}
	if q := req.Msg.GetAmount(); q != "" {
		a, err := proto.ParseAmount(q)
		if err != nil {
			return nil, api.Fail(api.KindUser, "BAD_AMOUNT", err)
		}
		amount = a
	}
	sender, calls, err := n.faucet(amount)
	if err != nil {
		return nil, api.Fail(api.KindUser, "NO_FAUCET", err)
	}
	res := &apiv1.FaucetResponse{}
	for _, c := range calls {
		var r chain.Receipt
		// Others use the faucet's key at the same time: whoever loses the nonce tries again.
		for range 5 {
			if r, err = sender.Send(ctx, fmt.Sprintf("%s %s", c, rand.Text()), c); !errors.Is(err, chain.ErrNonceTaken) {
				break
			}
		}
		if err != nil {
			return nil, chainFailure(err)
		}
		res.Transactions = append(res.Transactions, txMessage(r))
	}
	return connect.NewResponse(res), nil
}

// faucet returns who gives tokens, and what is to be done: where the network
// file has a key for it that account gives coins too, else one's own coins pay
// the gas.
func (n *Node) faucet(amount proto.Amount) (*chain.Sender, []chain.Call, error) {
	tokens := n.chain.FaucetCall(n.account.Address(), amount)
	if n.cfg.Network.FaucetKey == "" {
		return n.sender, []chain.Call{tokens}, nil
	}
	raw, err := hex.DecodeString(n.cfg.Network.FaucetKey)
	if err != nil {
		return nil, nil, fmt.Errorf("the network file's faucet key: %w", err)
	}
	key, err := crypto.ToECDSA(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("the network file's faucet key: %w", err)
	}
	sender := chain.NewSender(n.chain, KeySigner(key), new(chain.MemStore), n.log)
	return sender, []chain.Call{n.chain.CoinCall(n.account.Address(), faucetCoins), tokens}, nil
}

// txFor bounds how long a command waits for its transaction. It goes on without:
// the same command awaits the same transaction.
const txFor = 10 * time.Minute

// sendIntent sends a call under the name of what is wanted. A revert in a block
// stays the answer for its name, so what is wanted once more gets another one;
// what would revert now is refused before it is sent.
func sendIntent(ctx context.Context, s *chain.Sender, intent string, call chain.Call) (r chain.Receipt, err error) {
	ctx, cancel := context.WithTimeout(ctx, txFor)
	defer cancel()
	name := intent
	for again := 1; again <= 8; again++ {
		if r, err = s.Send(ctx, name, call); !errors.Is(err, chain.ErrReverted) {
			return r, err
		}
		name = fmt.Sprintf("%s, try %d", intent, again+1)
	}
	return r, err
}

// chainFailure says that the chain, or the money in it, stood in the way.
func chainFailure(err error) error {
	if errors.Is(err, ErrNoFunds) {
		return api.Fail(api.KindChain, "NO_FUNDS", err)
	}
	return api.Fail(api.KindChain, "CHAIN", err)
}

func txMessage(r chain.Receipt) *apiv1.Transaction {
	fee := new(big.Int)
	if r.GasPrice != nil {
		fee.Mul(r.GasPrice, new(big.Int).SetUint64(r.GasUsed))
	}
	return &apiv1.Transaction{Hash: r.Tx.Hex(), Gas: r.GasUsed, Fee: fee.String(), Block: r.Block}
}

// weiInToken converts by the owner's rate: base units of the token for 10^18 wei.
func weiInToken(wei, rate proto.Amount) proto.Amount {
	v := new(big.Int).Mul(wei.Big(), rate.Big())
	v.Add(v, big.NewInt(1e18-1)).Div(v, big.NewInt(1e18))
	a, err := proto.AmountFromBig(v)
	if err != nil {
		return proto.MaxAmount
	}
	return a
}

// KeySigner signs transactions with a bare key: for faucets and deployments,
// never for a home's own account.
func KeySigner(key *ecdsa.PrivateKey) chain.Signer { return keySigner{key} }

type keySigner struct{ key *ecdsa.PrivateKey }

func (s keySigner) Address() common.Address { return crypto.PubkeyToAddress(s.key.PublicKey) }

func (s keySigner) SignTx(_ context.Context, tx *types.Transaction, chainID *big.Int) (*types.Transaction, error) {
	return types.SignTx(tx, types.LatestSignerForChainID(chainID), s.key)
}

// ImportAccount makes a home's keys with an account that exists already, such as
// one that holds funds. The signer and the peer key are new.
func ImportAccount(home string, network Network, account keys.Secret, password func(string) (string, error)) (common.Address, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return common.Address{}, fmt.Errorf("make home: %w", err)
	}
	k, err := keys.Create(keysConfig(home, network, password), keys.Import{Name: keys.Funds, Key: account})
	if err != nil {
		return common.Address{}, err
	}
	a, err := k.Account(keys.Funds)
	if err != nil {
		return common.Address{}, err
	}
	return a.Address(), nil
}

// MakeDevnetKeys makes the keys of a devnet's home before its node runs, so that
// the chain can begin with money on the account that it returns.
func MakeDevnetKeys(home string) (common.Address, error) {
	k, err := keys.Create(keysConfig(home, Network{Devnet: true}, nil))
	if err != nil {
		return common.Address{}, err
	}
	a, err := k.Account(keys.Funds)
	if err != nil {
		return common.Address{}, err
	}
	return a.Address(), nil
}
