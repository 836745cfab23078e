package testnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"connectrpc.com/connect"
	"github.com/ethereum/go-ethereum/common"

	marketchain "github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/proto"
)

// Summary is the demo's settlement. Amounts are decimal strings of base units;
// Providers' Paid, Tx and Gas and the requester's figures are read from the chain.
type Summary struct {
	Jobs      []JobSummary      `json:"jobs"`
	Providers []ProviderSummary `json:"providers"`
	Requester RequesterSummary  `json:"requester"`
	// Balanced: what the chain paid is what the receipts say was earned, and
	// what was deposited is what was spent and what came back.
	Balanced bool `json:"balanced"`
}

// JobSummary is one job. Vouchers counts those that paid for more of it.
type JobSummary struct {
	ID       string       `json:"id"`
	Provider string       `json:"provider"`
	Seconds  float64      `json:"seconds"`
	Earned   proto.Amount `json:"earned"`
	CID      string       `json:"cid"`
	Loss     float64      `json:"loss"`
	Vouchers uint32       `json:"vouchers"`
}

// ProviderSummary is one provider: what receipts say it earned, and what the
// contract paid it in the transaction that closed its channel.
type ProviderSummary struct {
	Address string       `json:"address"`
	Jobs    int          `json:"jobs"`
	Seconds float64      `json:"seconds"`
	Price   string       `json:"price"`
	Earned  proto.Amount `json:"earned"`
	Paid    proto.Amount `json:"paid"`
	Tx      string       `json:"tx"`
	Gas     uint64       `json:"gas"`
}

// RequesterSummary is what the requester put in and got back, by the chain.
type RequesterSummary struct {
	Deposited proto.Amount `json:"deposited"`
	Spent     proto.Amount `json:"spent"`
	Returned  proto.Amount `json:"returned"`
}

// ErrUnbalanced is returned with a summary whose figures do not add up.
var ErrUnbalanced = errors.New("the books do not balance")

// Settle ends every channel that the requester pays from.
func Settle(ctx context.Context, client apiv1connect.NodeServiceClient) error {
	w, err := client.GetWallet(ctx, connect.NewRequest(&apiv1.GetWalletRequest{}))
	if err != nil {
		return err
	}
	for _, c := range w.Msg.GetChannels() {
		if c.GetRole() != "payer" || c.GetState() != "open" {
			continue
		}
		if _, err := client.Settle(ctx, connect.NewRequest(&apiv1.SettleRequest{Channel: c.GetId()})); err != nil {
			return fmt.Errorf("settle channel %s: %w", c.GetId(), err)
		}
	}
	return nil
}

// Summarize sets what the jobs' receipts say beside what the chain did.
func (d *Devnet) Summarize(ctx context.Context, runs []Run) (Summary, error) {
	client, err := marketchain.Dial(ctx, d.Network.Chain(), d.config.Log)
	if err != nil {
		return Summary{}, err
	}
	defer client.Close()
	books, err := client.Books(ctx, nil, d.Network.Deployed)
	if err != nil {
		return Summary{}, err
	}
	s := Summary{}
	byAddress := make(map[common.Address]*ProviderSummary)
	s.Providers = make([]ProviderSummary, len(d.Providers))
	for i, m := range d.Providers {
		s.Providers[i].Address = m.Account.Hex()
		s.Providers[i].Price = d.config.Providers[i].Price
		byAddress[m.Account] = &s.Providers[i]
	}
	for _, r := range runs {
		j := r.Job
		earned, err := proto.ParseAmount(j.GetDue())
		if err != nil {
			return Summary{}, fmt.Errorf("job %s: %w", j.GetId(), err)
		}
		seconds := float64(j.GetUsageMs()) / 1000
		s.Jobs = append(s.Jobs, JobSummary{
			ID: j.GetId(), Provider: j.GetProvider(), Seconds: seconds, Earned: earned, CID: j.GetResult(), Loss: r.Result.Loss, Vouchers: j.GetVouchers(),
		})
		p := byAddress[common.HexToAddress(j.GetProvider())]
		if p == nil {
			return Summary{}, fmt.Errorf("job %s ran at %s, which is no provider of this devnet", j.GetId(), j.GetProvider())
		}
		p.Jobs++
		p.Seconds += seconds
		p.Earned = p.Earned.Add(earned)
	}
	for _, b := range books.Channels {
		p := byAddress[b.Key.Payee]
		if p == nil || b.Key.Payer != d.Requester.Account {
			continue // somebody else who joined the devnet
		}
		if !b.Closed {
			return s, fmt.Errorf("%w: channel %s is not settled", ErrUnbalanced, b.Key.ID())
		}
		p.Paid = p.Paid.Add(b.Paid)
		p.Tx, p.Gas = b.Close.Tx.Hex(), p.Gas+b.Close.GasUsed
		s.Requester.Deposited = s.Requester.Deposited.Add(b.Deposited)
		s.Requester.Spent = s.Requester.Spent.Add(b.Paid)
		s.Requester.Returned = s.Requester.Returned.Add(b.Returned)
	}
	return s, errors.Join(s.balance(), books.Balance())
}

// balance checks the sums, and says what does not add up.
func (s *Summary) balance() error {
	var wrong []string
	for _, p := range s.Providers {
		if p.Earned != p.Paid {
			wrong = append(wrong, fmt.Sprintf("%s earned %s and was paid %s", p.Address, p.Earned, p.Paid))
		}
	}
	if r := s.Requester; r.Deposited != r.Spent.Add(r.Returned) {
		wrong = append(wrong, fmt.Sprintf("%s deposited, but %s spent and %s returned", r.Deposited, r.Spent, r.Returned))
	}
	if s.Balanced = len(wrong) == 0; !s.Balanced {
		return fmt.Errorf("%w: %s", ErrUnbalanced, strings.Join(wrong, "; "))
	}
	return nil
}

// Save writes the summary as JSON.
func (s Summary) Save(path string) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
