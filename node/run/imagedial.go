package run

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
)

// privatePrefixes are addresses that a public registry has no business at: a name
// that resolves to one, a redirect or a token realm could reach the provider's LAN,
// its cloud's metadata or the node itself. Sources: the IANA special-purpose
// registries for IPv4 and IPv6.
var privatePrefixes = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
	"172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
	"2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		parsed[i] = netip.MustParsePrefix(text)
	}
	return parsed
}

// publicAddress tells whether a registry may live at addr.
func publicAddress(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsGlobalUnicast() && !slices.ContainsFunc(privatePrefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// guardedDialer connects to public addresses and to the allowed hosts only. The
// check is made on the address that is being connected to, after the name was
// resolved, so a name that changes its mind gains nothing.
type guardedDialer struct {
	allowed map[string]bool // host:port as dialled
	dialer  net.Dialer
}

// DialContext implements the signature of http.Transport.
func (g *guardedDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := g.dialer
	if !g.allowed[address] {
		own, err := ownAddresses()
		if err != nil {
			return nil, err
		}
		dialer.ControlContext = func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("%w: %s resolved to %q", ErrRegistryRefused, address, resolved)
			}
			if !publicAddress(to.Addr()) || own[to.Addr().Unmap()] {
				return fmt.Errorf("%w: %s is at %s, required a public address; name the registry in the list of allowed ones to use it", ErrRegistryRefused, address, to.Addr())
			}
			return nil
		}
	}
	return dialer.DialContext(ctx, network, address)
}

// ownAddresses are this machine's, some of which may be public.
func ownAddresses() (map[netip.Addr]bool, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list own addresses: %w", err)
	}
	own := make(map[netip.Addr]bool, len(addresses))
	for _, address := range addresses {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			own[prefix.Addr().Unmap()] = true
		}
	}
	return own, nil
}

// budgetTransport counts every byte of every answer against one budget. A
// registry may lie about sizes, redirect, or answer a token request for ever.
type budgetTransport struct {
	http.RoundTripper
	left  atomic.Int64
	spent atomic.Bool
	once  sync.Once
	stop  context.CancelCauseFunc // ends all other requests when the budget is used up
}

// RoundTrip implements http.RoundTripper.
func (b *budgetTransport) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &budgetBody{ReadCloser: response.Body, budget: b}
	return response, nil
}

func (b *budgetTransport) spend(n int) error {
	if b.left.Add(-int64(n)) >= 0 {
		return nil
	}
	b.spent.Store(true)
	b.once.Do(func() { b.stop(ErrImageTooBig) })
	return ErrImageTooBig
}

type budgetBody struct {
	io.ReadCloser
	budget *budgetTransport
}

// Read implements io.Reader.
func (b *budgetBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if over := b.budget.spend(n); over != nil {
		return 0, over
	}
	return n, err
}
