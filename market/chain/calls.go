package chain

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/params"

	"github.com/lode-market/lode/contracts"
	"github.com/lode-market/lode/proto"
)

// What batches may count on, in gas under Osaka rules, well above the measured figures (contracts/snapshots): a
// batch has to fit in one transaction of 2^24 gas on a bad day, its fifth of headroom included.
const (
	batchGas    = int(params.MaxTxGas) * 4 / 5
	batchBase   = 150_000
	claimEach   = 25_000 // one more claim in a batch
	depositEach = 45_000 // one more deposit in a batch, opening its channel

	claimsPerTx   = (batchGas - batchBase) / claimEach
	depositsPerTx = (batchGas - batchBase) / depositEach
)

// Call is something to be done on chain. Sender.Preview says what it costs, Sender.Send does it.
type Call struct {
	what string          // for errors
	to   *common.Address // nil creates a contract
	data []byte
	// value goes along, in wei; nil is none.
	value *big.Int
}

// String says what the call does in a word or two.
func (c Call) String() string { return c.what }

// Deposit is an amount for one of several channels.
type Deposit struct {
	Key    proto.ChannelKey
	Amount proto.Amount
}

// Claim is a voucher with the key of its channel.
type Claim struct {
	Key     proto.ChannelKey
	Voucher proto.Voucher
}

// ApproveCall lets the escrow contract take up to amount of the network's token from the sender. It replaces what
// was approved before.
func (c *Client) ApproveCall(amount proto.Amount) Call {
	return Call{what: "approve", to: &c.cfg.Token, data: c.token.PackApprove(c.cfg.Channels, amount.Big())}
}

// DepositCall puts amount of the sender's tokens into a channel; the first deposit opens it.
func (c *Client) DepositCall(key proto.ChannelKey, amount proto.Amount) Call {
	return Call{what: "deposit", to: &c.cfg.Channels, data: c.channels.PackDeposit(abiKey(key), amount.Big())}
}

// DepositManyCalls make several deposits, cut so that each call fits in a transaction. Each is all or none.
func (c *Client) DepositManyCalls(deposits []Deposit) []Call {
	// Neighbours with one token share one transfer.
	deposits = slices.SortedStableFunc(slices.Values(deposits), func(a, b Deposit) int { return a.Key.Token.Cmp(b.Key.Token) })
	var calls []Call
	for part := range slices.Chunk(deposits, depositsPerTx) {
		args := make([]contracts.Deposit, len(part))
		for i, d := range part {
			args[i] = contracts.Deposit{Key: abiKey(d.Key), Amount: d.Amount.Big()}
		}
		calls = append(calls, Call{what: "deposit", to: &c.cfg.Channels, data: c.channels.PackDepositMany(args)})
	}
	return calls
}

// ClaimCalls pay out vouchers, one call for each payee and token, cut so that each fits in a transaction. Anybody
// may send them. A voucher that has nothing left to pay is passed over by the contract.
func (c *Client) ClaimCalls(claims []Claim) []Call {
	claims = slices.SortedStableFunc(slices.Values(claims), compareReceiver)
	var calls []Call
	for len(claims) > 0 {
		n := 1
		for n < len(claims) && n < claimsPerTx && compareReceiver(claims[0], claims[n]) == 0 {
			n++
		}
		calls = append(calls, c.claimCall(claims[:n]))
		claims = claims[n:]
	}
	return calls
}

func compareReceiver(a, b Claim) int {
	return cmp.Or(a.Key.Payee.Cmp(b.Key.Payee), a.Key.Token.Cmp(b.Key.Token))
}

func (c *Client) claimCall(claims []Claim) Call {
	args := make([]contracts.Claim, len(claims))
	for i, cl := range claims {
		args[i] = contracts.Claim{
			Payer: cl.Key.Payer, PayerSigner: cl.Key.PayerSigner, PayeeSigner: cl.Key.PayeeSigner,
			CloseDelay: cl.Key.CloseDelay, Salt: cl.Key.Salt, Voucher: abiVoucher(cl.Voucher),
		}
	}
	to := claims[0].Key
	return Call{what: "claim", to: &c.cfg.Channels, data: c.channels.PackClaim(to.Payee, to.Token, args)}
}

// SettleCall closes a channel at once at the total that the payee consented to. Anybody may send it. The voucher
// must reach that total, unless the payer sends the call; a zero voucher will then do.
func (c *Client) SettleCall(key proto.ChannelKey, s proto.Settlement, v proto.Voucher) Call {
	return Call{what: "settle", to: &c.cfg.Channels, data: c.channels.PackSettle(
		abiKey(key), s.Amount.Big(), big.NewInt(s.Deadline.Unix()), compact(s.Signature), abiVoucher(v))}
}

// StartCloseCall starts the delay after which the payer gets the rest back. Only the payer and its signer may.
func (c *Client) StartCloseCall(key proto.ChannelKey) Call {
	return Call{what: "start closing", to: &c.cfg.Channels, data: c.channels.PackStartClose(abiKey(key))}
}

// WithdrawCall returns the rest to the payer after the delay. Anybody may send it.
func (c *Client) WithdrawCall(key proto.ChannelKey) Call {
	return Call{what: "withdraw", to: &c.cfg.Channels, data: c.channels.PackWithdraw(abiKey(key))}
}

// FaucetCall makes tokens out of nothing, where the token is a devnet's.
func (c *Client) FaucetCall(to common.Address, amount proto.Amount) Call {
	return Call{what: "faucet", to: &c.cfg.Token, data: c.token.PackFaucet(to, amount.Big())}
}

func abiKey(k proto.ChannelKey) contracts.Key {
	return contracts.Key{
		Payer: k.Payer, PayerSigner: k.PayerSigner, Payee: k.Payee, PayeeSigner: k.PayeeSigner,
		Token: k.Token, CloseDelay: k.CloseDelay, Salt: k.Salt,
	}
}

func abiVoucher(v proto.Voucher) contracts.Voucher {
	return contracts.Voucher{Cumulative: v.Cumulative.Big(), Signature: compact(v.Signature)}
}

// compact is the form of ERC-2098: s is in the lower half, so its top bit is free for the parity of v.
func compact(s proto.Signature) contracts.Signature {
	c := contracts.Signature{R: [32]byte(s[:32]), Vs: [32]byte(s[32:64])}
	if s[64] == 28 {
		c.Vs[0] |= 0x80
	}
	return c
}

// CoinCall gives wei of the chain's own coin to an account.
func (c *Client) CoinCall(to common.Address, wei *big.Int) Call {
	return Call{what: "give coins", to: &to, value: wei}
}
