package main

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/keys"
)

func walletCommand() *cli.Command {
	yes := &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"}
	return &cli.Command{
		Name:   "wallet",
		Usage:  "balances and channels; deposit, settle, close, withdraw, claim",
		Flags:  []cli.Flag{jsonFlag()},
		Action: walletShow,
		Subcommands: []*cli.Command{
			{
				Name: "faucet", Usage: "take development tokens (devnets only)",
				ArgsUsage: "[AMOUNT]",
				Action: func(c *cli.Context) error {
					return withNode(c, func(ctx context.Context, s *session) error {
						req := &apiv1.FaucetRequest{}
						if c.NArg() > 0 {
							a, err := parseMoney("the amount", c.Args().First(), s.status.GetDecimals())
							if err != nil {
								return err
							}
							req.Amount = a.String()
						}
						res, err := s.Faucet(ctx, connect.NewRequest(req))
						if err != nil {
							return err
						}
						printTransactions(c, res.Msg.GetTransactions()...)
						return walletTable(ctx, c, s)
					})
				},
			},
			{
				Name: "init", Usage: "make this home's keys, with an account that you have already",
				Flags: []cli.Flag{&cli.StringFlag{Name: "account-key", Usage: "file with the account's private key in hexadecimal", Required: true}},
				Action: func(c *cli.Context) error {
					cfg, err := nodeConfig(c)
					if err != nil {
						return err
					}
					secret, err := keys.ReadHex(c.String("account-key"))
					if err != nil {
						return err
					}
					account, err := node.ImportAccount(cfg.Home, cfg.Network, secret, cfg.Password)
					if err != nil {
						return err
					}
					fmt.Fprintf(c.App.Writer, "account  %s\nhome     %s\n", account, cfg.Home)
					return nil
				},
			},
			{
				Name: "deposit", Usage: "put money into the channel with a provider, opening it when there is none",
				ArgsUsage: "PROVIDER AMOUNT", Flags: []cli.Flag{yes},
				Action: func(c *cli.Context) error {
					if c.NArg() != 2 {
						return fmt.Errorf("required: the provider's account and an amount, as in `lode wallet deposit 0x… 5`; got %d arguments", c.NArg())
					}
					return withNode(c, func(ctx context.Context, s *session) error {
						a, err := parseMoney("the amount", c.Args().Get(1), s.status.GetDecimals())
						if err != nil {
							return err
						}
						if err := ask(c, fmt.Sprintf("put %s %s into the channel with %s?", c.Args().Get(1), s.status.GetSymbol(), c.Args().First())); err != nil {
							return err
						}
						res, err := s.Deposit(ctx, connect.NewRequest(&apiv1.DepositRequest{
							Deposits: []*apiv1.ProviderDeposit{{Payee: c.Args().First(), Amount: a.String()}},
						}))
						if err != nil {
							return err
						}
						printTransactions(c, res.Msg.GetTransactions()...)
						fmt.Fprintln(c.App.Writer, "channel", res.Msg.GetChannels()[0])
						return nil
					})
				},
			},
			{
				Name: "settle", Usage: "end a channel with the provider's consent: it is paid, the rest comes back at once",
				ArgsUsage: "CHANNEL", Flags: []cli.Flag{yes},
				Action: channelAction("settle channel %s?", func(ctx context.Context, c *cli.Context, s *session, id string) error {
					res, err := s.Settle(ctx, connect.NewRequest(&apiv1.SettleRequest{Channel: id}))
					if err != nil {
						return err
					}
					printTransactions(c, res.Msg.GetTransaction())
					fmt.Fprintf(c.App.Writer, "paid %s, returned %s %s\n", money(res.Msg.GetPaid(), s.status.GetDecimals()),
						money(res.Msg.GetReturned(), s.status.GetDecimals()), s.status.GetSymbol())
					return nil
				}),
			},
			{
				Name: "close", Usage: "start to close a channel without the provider's consent; `withdraw` follows after its delay",
				ArgsUsage: "CHANNEL", Flags: []cli.Flag{yes},
				Action: channelAction("start to close channel %s? its provider takes no new job on it", func(ctx context.Context, c *cli.Context, s *session, id string) error {
					res, err := s.CloseChannel(ctx, connect.NewRequest(&apiv1.CloseChannelRequest{Channel: id}))
					if err != nil {
						return err
					}
					printTransactions(c, res.Msg.GetTransaction())
					fmt.Fprintf(c.App.Writer, "from %s on: lode wallet withdraw %s\n", time.UnixMilli(res.Msg.GetClosesAtMs()).Format(time.RFC1123), id)
					return nil
				}),
			},
			{
				Name: "withdraw", Usage: "take back the rest of a channel whose delay is over",
				ArgsUsage: "CHANNEL", Flags: []cli.Flag{yes},
				Action: channelAction("withdraw the rest of channel %s?", func(ctx context.Context, c *cli.Context, s *session, id string) error {
					res, err := s.Withdraw(ctx, connect.NewRequest(&apiv1.WithdrawRequest{Channel: id}))
					if err != nil {
						return err
					}
					printTransactions(c, res.Msg.GetTransaction())
					fmt.Fprintf(c.App.Writer, "returned %s %s\n", money(res.Msg.GetReturned(), s.status.GetDecimals()), s.status.GetSymbol())
					return nil
				}),
			},
			{
				Name: "claim", Usage: "turn vouchers that this node holds into money",
				ArgsUsage: "[CHANNEL...]", Flags: []cli.Flag{yes},
				Action: func(c *cli.Context) error {
					return withNode(c, func(ctx context.Context, s *session) error {
						if err := ask(c, "claim what the vouchers are worth?"); err != nil {
							return err
						}
						res, err := s.Claim(ctx, connect.NewRequest(&apiv1.ClaimRequest{Channels: c.Args().Slice()}))
						if err != nil {
							return err
						}
						if res.Msg.GetTransaction() == nil {
							fmt.Fprintln(c.App.Writer, "nothing to claim")
							return nil
						}
						printTransactions(c, res.Msg.GetTransaction())
						fmt.Fprintf(c.App.Writer, "paid %s %s\n", money(res.Msg.GetPaid(), s.status.GetDecimals()), s.status.GetSymbol())
						return nil
					})
				},
			},
		},
	}
}

// channelAction is a subcommand on one channel that moves money.
func channelAction(question string, do func(context.Context, *cli.Context, *session, string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		id, err := oneArgument(c, "a channel")
		if err != nil {
			return err
		}
		return withNode(c, func(ctx context.Context, s *session) error {
			if err := ask(c, fmt.Sprintf(question, id)); err != nil {
				return err
			}
			return do(ctx, c, s, id)
		})
	}
}

func walletShow(c *cli.Context) error {
	if c.NArg() > 0 {
		return fmt.Errorf("lode wallet knows no %q; see `lode wallet --help`", c.Args().First())
	}
	return withNode(c, func(ctx context.Context, s *session) error { return walletTable(ctx, c, s) })
}

func walletTable(ctx context.Context, c *cli.Context, s *session) error {
	res, err := s.GetWallet(ctx, connect.NewRequest(&apiv1.GetWalletRequest{}))
	if err != nil {
		return err
	}
	w := res.Msg
	if c.Bool("json") {
		return printJSON(c.App.Writer, w)
	}
	fmt.Fprintf(c.App.Writer, "account  %s\nsigner   %s (signs vouchers, holds no money)\n", w.GetAccount(), w.GetSigner())
	fmt.Fprintf(c.App.Writer, "balance  %s %s\ngas      %s (10^-18 of the chain's coin)\n", money(w.GetBalance(), w.GetDecimals()), w.GetSymbol(), w.GetGasBalance())
	if len(w.GetChannels()) == 0 {
		return nil
	}
	t := newTable(c.App.Writer, "CHANNEL", "", "WITH", "DEPOSITED", "SIGNED", "SPENT", "CLAIMED", "STATE")
	for _, ch := range w.GetChannels() {
		state := ch.GetState()
		if ch.GetLive() > 0 {
			state += fmt.Sprintf(", %d live", ch.GetLive())
		}
		if ch.GetState() == "closing" {
			state += " at " + time.UnixMilli(ch.GetClosesAtMs()).Format(time.RFC3339)
		}
		d := w.GetDecimals()
		t.AppendRow(table.Row{ch.GetId(), map[string]string{"payer": "you pay", "payee": "pays you"}[ch.GetRole()], ch.GetCounterparty(),
			money(ch.GetDeposited(), d), money(ch.GetSigned(), d), money(ch.GetSpent(), d), money(ch.GetClaimed(), d), state})
	}
	t.Render()
	return nil
}

func printTransactions(c *cli.Context, txs ...*apiv1.Transaction) {
	for _, tx := range txs {
		fmt.Fprintf(c.App.Writer, "transaction %s in block %d, gas %d\n", tx.GetHash(), tx.GetBlock(), tx.GetGas())
	}
}
