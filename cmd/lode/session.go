package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node"
	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/node/api/apiv1/apiv1connect"
	"github.com/lode-market/lode/node/keys"

	"connectrpc.com/connect"
)

func defaultHome() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".lode" // no $HOME: the folder at hand is as good as any
	}
	return filepath.Join(home, ".lode")
}

func logger(c *cli.Context, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log"))); err != nil {
		return nil, fmt.Errorf("--log is %q; required: debug, info, warn or error", c.String("log"))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}

// nodeConfig returns the settings that every node of this program shares.
func nodeConfig(c *cli.Context) (node.Config, error) {
	log, err := logger(c, os.Stderr)
	if err != nil {
		return node.Config{}, err
	}
	root, err := filepath.Abs(c.String("home")) // shims are told whole paths
	if err != nil {
		return node.Config{}, err
	}
	home, network, err := node.FindHome(root, c.String("network"))
	if err != nil {
		return node.Config{}, err
	}
	exe, err := os.Executable()
	if err != nil {
		return node.Config{}, fmt.Errorf("find this program: %w", err)
	}
	return node.Config{
		Home: home, Network: network, Log: log, Version: version,
		Password:    keys.Password(c.String("password-file")),
		ShimCommand: []string{exe, shimCommand},
		Notice:      func(s string) { fmt.Fprintln(os.Stderr, s) },
	}, nil
}

// session is a command's way to a node: the one that holds the home, or one that
// runs in this process while the command does.
type session struct {
	apiv1connect.NodeServiceClient
	own    *node.Node
	status *apiv1.StatusResponse
}

// withNode runs fn against the home's node.
func withNode(c *cli.Context, fn func(context.Context, *session) error) (err error) {
	cfg, err := nodeConfig(c)
	if err != nil {
		return err
	}
	s := &session{NodeServiceClient: api.Dial(cfg.Home)}
	switch s.own, err = node.Start(c.Context, cfg); {
	case errors.Is(err, api.ErrLocked):
		// Its owner serves us.
	case err != nil:
		return err
	default:
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context), 20*time.Second)
			defer cancel()
			err = errors.Join(err, s.own.Close(ctx))
		}()
	}
	if err := s.greet(c.Context); err != nil {
		return err
	}
	return fn(c.Context, s)
}

// greet waits until the node answers: its owner may have started a moment ago.
func (s *session) greet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		res, err := s.Status(ctx, connect.NewRequest(&apiv1.StatusRequest{}))
		if err == nil {
			s.status = res.Msg
			return nil
		}
		if api.FailureOf(err) != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("another process holds the home but does not answer at its socket; end it and try again: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
