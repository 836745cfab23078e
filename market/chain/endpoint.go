package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"
)

// codeLimitExceeded is EIP-1474's answer of a server that has had enough of us; another one may not.
const codeLimitExceeded = -32005

// endpoint is one JSON-RPC server. It is asked what chain it serves before its first use and again after each
// failure, since what answers at a URL can change.
type endpoint struct {
	name   string // scheme and host: the rest of a URL may hold a key
	client *ethclient.Client
	conns  *http.Transport

	mu       sync.Mutex
	verified bool
}

// endpoints are tried in order, from the one that answered last. They are trusted for liveness only as far as one
// server can be: nothing here compares what two of them say.
type endpoints struct {
	list    []*endpoint
	chainID uint64
	genesis common.Hash // zero: any
	timeout time.Duration
	log     *slog.Logger

	mu      sync.Mutex
	current int
}

func dialEndpoints(cfg Config, log *slog.Logger) (*endpoints, error) {
	e := &endpoints{chainID: cfg.ChainID, genesis: cfg.GenesisHash, timeout: cfg.CallTimeout, log: log}
	for _, raw := range cfg.RPC {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, &Error{Kind: ErrConfig, Actual: fmt.Sprintf("RPC URL %q", raw),
				Required: "http://HOST[:PORT] or https://HOST[:PORT]", Mend: "correct the RPC URL"}
		}
		// Connections of our own, so that close can end them. Redirects are off, because they would take requests to
		// where nobody chose.
		conns := http.DefaultTransport.(*http.Transport).Clone()
		hc := &http.Client{Transport: conns, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		c, err := rpc.DialOptions(context.Background(), raw, rpc.WithHTTPClient(hc)) // HTTP: nothing is sent yet
		if err != nil {
			return nil, &Error{Kind: ErrConfig, Actual: "RPC URL at " + u.Host, Cause: withoutURL(err)}
		}
		e.list = append(e.list, &endpoint{name: u.Scheme + "://" + u.Host, client: ethclient.NewClient(c), conns: conns})
	}
	if len(e.list) == 0 {
		return nil, &Error{Kind: ErrConfig, Actual: "no RPC URL", Required: "at least one", Mend: "name one in the network file"}
	}
	return e, nil
}

func (e *endpoints) close() {
	for _, ep := range e.list {
		ep.client.Close()
		ep.conns.CloseIdleConnections()
	}
}

// call asks the endpoints in turn until one answers, be it by an error of its own: that a call reverts or that a
// transaction is unknown is an answer. Every attempt has the same deadline.
func call[T any](ctx context.Context, e *endpoints, f func(context.Context, *ethclient.Client) (T, error)) (T, error) {
	e.mu.Lock()
	first := e.current
	e.mu.Unlock()
	var failures []error
	for i := range e.list {
		at := (first + i) % len(e.list)
		ep := e.list[at]
		v, err := attempt(ctx, e, ep, f)
		if err == nil || isAnswer(err) {
			e.use(at)
			return v, err
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		ep.setVerified(false)
		failures = append(failures, err)
	}
	var zero T
	if len(failures) == 1 {
		return zero, failures[0]
	}
	return zero, errors.Join(failures...)
}

func attempt[T any](ctx context.Context, e *endpoints, ep *endpoint, f func(context.Context, *ethclient.Client) (T, error)) (v T, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	if err := e.verify(ctx, ep); errors.Is(err, ErrWrongChain) {
		return v, err
	} else if err != nil {
		return v, e.failure(ctx, ep, err)
	}
	v, err = f(ctx, ep.client)
	if err != nil && !isAnswer(err) {
		err = e.failure(ctx, ep, err)
	}
	return v, err
}

// failure says what went wrong on the way to a server and back.
func (e *endpoints) failure(ctx context.Context, ep *endpoint, err error) error {
	if ctx.Err() != nil {
		return &Error{Kind: ErrSlow, Actual: fmt.Sprintf("%s gave no answer in %v", ep.name, e.timeout),
			Required: "an answer in that time", Mend: "try again, or name another RPC URL"}
	}
	return &Error{Kind: ErrUnreachable, Actual: ep.name, Required: "an Ethereum JSON-RPC server",
		Mend: "check the RPC URL and that its server runs", Cause: withoutURL(err)}
}

// isAnswer tells what a server said from a failure to hear it.
func isAnswer(err error) bool {
	if errors.Is(err, ethereum.NotFound) {
		return true
	}
	var failed *Error
	if errors.As(err, &failed) {
		return false
	}
	var said rpc.Error
	return errors.As(err, &said) && said.ErrorCode() != codeLimitExceeded
}

func (e *endpoints) use(at int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != at {
		e.log.Warn("using another RPC server", "from", e.list[e.current].name, "to", e.list[at].name)
		e.current = at
	}
}

func (ep *endpoint) setVerified(v bool) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.verified = v
}

// verify checks that the endpoint serves the required chain, once.
func (e *endpoints) verify(ctx context.Context, ep *endpoint) error {
	ep.mu.Lock()
	done := ep.verified
	ep.mu.Unlock()
	if done {
		return nil
	}
	id, err := ep.client.ChainID(ctx)
	if err != nil {
		return err
	}
	if !id.IsUint64() || id.Uint64() != e.chainID {
		return &Error{Kind: ErrWrongChain, Actual: fmt.Sprintf("%s serves chain id %v", ep.name, id),
			Required: fmt.Sprintf("chain id %d", e.chainID), Mend: "use an RPC URL of that chain, or the network file of this one"}
	}
	if e.genesis != (common.Hash{}) {
		genesis, err := headBy(ctx, ep.client, "eth_getBlockByNumber", hexutil.Uint64(0))
		if err != nil {
			return err
		}
		if genesis.Hash != e.genesis {
			return &Error{Kind: ErrWrongChain, Actual: fmt.Sprintf("%s serves a chain with genesis %v", ep.name, genesis.Hash),
				Required: fmt.Sprintf("genesis %v", e.genesis),
				Mend:     "use the network file that this chain was deployed with (a devnet is a new chain each time)"}
		}
	}
	ep.setVerified(true)
	return nil
}
