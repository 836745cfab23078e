package chain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/lode-market/lode/contracts"
	"github.com/lode-market/lode/proto"
)

// ErrUnbalanced is returned by Books.Balance with what does not add up.
var ErrUnbalanced = errors.New("the books do not balance")

// Books is what happened in some channels, computed from the chain's logs and receipts alone.
type Books struct {
	Channels []ChannelBook
	// Sent is what the token says it moved from the escrow contract to each account, and Received what it moved
	// from each account to the contract. They cover all channels, listed above or not.
	Sent, Received map[common.Address]proto.Amount
}

// ChannelBook is one channel's story in sums.
type ChannelBook struct {
	Key       proto.ChannelKey
	Deposited proto.Amount
	Paid      proto.Amount // to the payee
	Returned  proto.Amount // to the payer
	Closed    bool
	Claims    []Receipt // transactions that paid the payee before the end
	Close     Receipt   // the transaction that closed it; zero unless Closed
}

// Books computes the books of the channels with these ids, or of all when there are none, that were opened from
// block from on. The order is that in which they were opened.
func (c *Client) Books(ctx context.Context, ids []proto.ChannelID, from uint64) (Books, error) {
	opened, to, err := c.OpenedChannels(ctx, Parties{}, from)
	if err != nil {
		return Books{}, err
	}
	wanted := make(map[proto.ChannelID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	var b Books
	at := make(map[proto.ChannelID]*ChannelBook)
	b.Channels = make([]ChannelBook, 0, len(opened)) // room for all, so that the pointers stay good
	for _, o := range opened {
		if id := o.Key.ID(); len(ids) == 0 || wanted[id] {
			b.Channels = append(b.Channels, ChannelBook{Key: o.Key, Deposited: o.Deposited})
			at[id] = &b.Channels[len(b.Channels)-1]
		}
	}
	for _, id := range ids {
		if at[id] == nil {
			return Books{}, fmt.Errorf("channel %v was not opened from block %d on", id, from)
		}
	}
	if err := c.addEvents(ctx, at, from, to); err != nil {
		return Books{}, err
	}
	b.Sent, b.Received, err = c.transfers(ctx, from, to)
	return b, err
}

func (c *Client) addEvents(ctx context.Context, at map[proto.ChannelID]*ChannelBook, from, to uint64) error {
	ids := c.eventIDs(contracts.ChannelsDepositedEventName, contracts.ChannelsClaimedEventName, contracts.ChannelsChannelClosedEventName)
	logs, err := c.logs(ctx, c.cfg.Channels, [][]common.Hash{ids}, from, to)
	if err != nil {
		return err
	}
	receipts := make(map[common.Hash]Receipt)
	for _, l := range logs {
		if len(l.Topics) < 2 {
			return badLog(l, errors.New("an event without an id"))
		}
		book := at[proto.ChannelID(l.Topics[1])]
		if book == nil {
			continue
		}
		if err := c.addEvent(ctx, book, l, ids, receipts); err != nil {
			return badLog(l, err)
		}
	}
	return nil
}

// addEvent books one event. Later deposits and claims tell the channel's new total.
func (c *Client) addEvent(ctx context.Context, book *ChannelBook, l types.Log, ids []common.Hash, receipts map[common.Hash]Receipt) error {
	switch l.Topics[0] {
	case ids[0]:
		e, err := c.channels.UnpackDepositedEvent(&l)
		if err != nil {
			return err
		}
		book.Deposited, err = proto.AmountFromBig(e.Deposited)
		return err
	case ids[1]:
		e, err := c.channels.UnpackClaimedEvent(&l)
		if err != nil {
			return err
		}
		if book.Paid, err = proto.AmountFromBig(e.Claimed); err != nil {
			return err
		}
		r, err := c.receiptOf(ctx, l.TxHash, receipts)
		book.Claims = append(book.Claims, r)
		return err
	default:
		e, err := c.channels.UnpackChannelClosedEvent(&l)
		if err != nil {
			return err
		}
		if book.Paid, err = proto.AmountFromBig(e.Claimed); err != nil {
			return err
		}
		if book.Returned, err = proto.AmountFromBig(e.Returned); err != nil {
			return err
		}
		book.Closed = true
		book.Close, err = c.receiptOf(ctx, l.TxHash, receipts)
		return err
	}
}

func (c *Client) receiptOf(ctx context.Context, tx common.Hash, seen map[common.Hash]Receipt) (Receipt, error) {
	if r, ok := seen[tx]; ok {
		return r, nil
	}
	// The log is there, so the receipt is or will be: servers can lag behind themselves for a moment.
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CallTimeout)
	defer cancel()
	tick := time.NewTicker(c.cfg.PollEvery)
	defer tick.Stop()
	r, err := c.receipt(ctx, tx)
	for err != nil {
		select {
		case <-ctx.Done():
			return Receipt{}, fmt.Errorf("receipt of %v: %w", tx, err)
		case <-tick.C:
			r, err = c.receipt(ctx, tx)
		}
	}
	seen[tx] = receiptFrom(r)
	return seen[tx], nil
}

func (c *Client) receipt(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	return call(ctx, c.rpc, func(ctx context.Context, ec *ethclient.Client) (*types.Receipt, error) {
		return ec.TransactionReceipt(ctx, tx)
	})
}

// transfers sums what the token moved from and to the escrow contract.
func (c *Client) transfers(ctx context.Context, from, to uint64) (sent, received map[common.Address]proto.Amount, err error) {
	id := []common.Hash{c.token.GetABI().Events[contracts.DevTokenTransferEventName].ID}
	sum := func(topics [][]common.Hash, account func(*contracts.DevTokenTransfer) common.Address) (map[common.Address]proto.Amount, error) {
		logs, err := c.logs(ctx, c.cfg.Token, topics, from, to)
		if err != nil {
			return nil, err
		}
		sums := make(map[common.Address]proto.Amount)
		for _, l := range logs {
			e, err := c.token.UnpackTransferEvent(&l)
			if err != nil {
				return nil, badLog(l, err)
			}
			value, err := proto.AmountFromBig(e.Value)
			if err != nil {
				return nil, badLog(l, err)
			}
			sums[account(e)] = sums[account(e)].Add(value)
		}
		return sums, nil
	}
	us := topic(c.cfg.Channels)
	if sent, err = sum([][]common.Hash{id, us}, func(e *contracts.DevTokenTransfer) common.Address { return e.To }); err != nil {
		return nil, nil, err
	}
	received, err = sum([][]common.Hash{id, nil, us}, func(e *contracts.DevTokenTransfer) common.Address { return e.From })
	return sent, received, err
}

// Balance checks that every channel is closed and paid out what it took in, and that the token's own record of
// transfers says the same of every account. The second holds only if the books are those of all channels.
func (b Books) Balance() error {
	expected := make(map[common.Address]proto.Amount)
	var in, taken proto.Amount
	for _, ch := range b.Channels {
		id := ch.Key.ID()
		if !ch.Closed {
			return fmt.Errorf("%w: channel %v is not closed", ErrUnbalanced, id)
		}
		if out := ch.Paid.Add(ch.Returned); out != ch.Deposited {
			return fmt.Errorf("%w: channel %v took in %v and gave out %v", ErrUnbalanced, id, ch.Deposited, out)
		}
		in = in.Add(ch.Deposited)
		expected[ch.Key.Payee] = expected[ch.Key.Payee].Add(ch.Paid)
		expected[ch.Key.Payer] = expected[ch.Key.Payer].Add(ch.Returned)
	}
	for _, accounts := range []map[common.Address]proto.Amount{expected, b.Sent} {
		for account := range accounts {
			if b.Sent[account] != expected[account] {
				return fmt.Errorf("%w: %v had %v transferred, its channels say %v", ErrUnbalanced, account, b.Sent[account], expected[account])
			}
		}
	}
	// Anybody may deposit for a payer, so only the sum is known.
	for _, amount := range b.Received {
		taken = taken.Add(amount)
	}
	if taken != in {
		return fmt.Errorf("%w: the contract received %v, its channels say %v", ErrUnbalanced, taken, in)
	}
	return nil
}
