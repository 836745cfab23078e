package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/market/chain"
	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/keys"
)

func deployCommand() *cli.Command {
	return &cli.Command{
		Name:  "deploy",
		Usage: "put the contracts on a chain and write the network file of a new market",
		Description: "The contracts have no owner: who deploys them has no more rights on them than anybody else.\n" +
			"With --dev-token a faucet token is deployed as well and the network counts as one without value.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "rpc", Usage: "JSON-RPC URL of the chain", Required: true},
			&cli.StringFlag{Name: "key-file", Usage: "file with the hexadecimal private key of an account that can pay the gas", Required: true},
			&cli.StringFlag{Name: "name", Usage: "name of the network: lower-case letters, digits, dashes", Required: true},
			&cli.StringFlag{Name: "token", Usage: "address of the ERC-20 that prices are in"},
			&cli.BoolFlag{Name: "dev-token", Usage: "deploy a token with an open faucet instead: for trying things out"},
			&cli.Uint64Flag{Name: "confirmations", Usage: "blocks on top of a deposit before it counts in full", Value: 12},
			&cli.StringFlag{Name: "out", Usage: "the network file to write, which must not exist yet", Value: node.NetworkFile},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
		},
		Action: deploy,
	}
}

func deploy(c *cli.Context) error {
	ctx := c.Context
	log, err := logger(c, os.Stderr)
	if err != nil {
		return err
	}
	if c.Bool("dev-token") == (c.String("token") != "") {
		return errors.New("which token are prices in? required: one of --token ADDRESS and --dev-token")
	}
	if t := c.String("token"); t != "" && !common.IsHexAddress(t) {
		return fmt.Errorf("--token is %q; required: 0x and 40 hexadecimal digits", t)
	}
	if _, err := os.Stat(c.String("out")); err == nil {
		return fmt.Errorf("%s is there already; required: another --out, so that no network is lost", c.String("out"))
	}
	if !node.IsNetworkName(c.String("name")) {
		return fmt.Errorf("--name is %q; required: 1 to 32 lower-case letters, digits and dashes", c.String("name"))
	}
	secret, err := keys.ReadHex(c.String("key-file"))
	if err != nil {
		return err
	}
	key, err := crypto.ToECDSA(secret.Reveal())
	if err != nil {
		return fmt.Errorf("--key-file: %w", err)
	}
	n := node.Network{
		Name: c.String("name"), RPC: []string{c.String("rpc")}, Devnet: c.Bool("dev-token"),
		Token: common.HexToAddress(c.String("token")), Finality: node.Finality{Confirmations: c.Uint64("confirmations")},
	}
	if n.ChainID, n.Genesis, err = chain.Identify(ctx, c.String("rpc")); err != nil {
		return exitCoder{err, exitChain}
	}
	if err := ask(c, fmt.Sprintf("deploy to chain %d from %s?", n.ChainID, crypto.PubkeyToAddress(key.PublicKey))); err != nil {
		return err
	}
	if err := deployTo(ctx, &n, node.KeySigner(key), c.Bool("dev-token"), log); err != nil {
		return exitCoder{err, exitChain}
	}
	if err := errors.Join(n.Validate(), n.Save(c.String("out"))); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "Channels %s\ntoken    %s\nwrote    %s; with it: lode --network %s provide\n", n.Channels, n.Token, c.String("out"), c.String("out"))
	return nil
}

func deployTo(ctx context.Context, n *node.Network, signer chain.Signer, devToken bool, log *slog.Logger) error {
	cfg := n.Chain()
	cfg.Token = common.Address{} // it may not be there yet
	client, err := chain.Dial(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer client.Close()
	d, err := chain.Deploy(ctx, chain.NewSender(client, signer, new(chain.MemStore), log), devToken)
	if err != nil {
		return err
	}
	n.Channels, n.Deployed = d.Channels, d.Block
	if devToken {
		n.Token = d.Token
	}
	// What was written is dialled once, so that a wrong --token shows here.
	check, err := chain.Dial(ctx, n.Chain(), log)
	if err != nil {
		return err
	}
	check.Close()
	return nil
}
