package dnscheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrNotPublic is returned for a host whose addresses are none of the Internet's: strangers' DNS must not make us connect
// to our own networks.
var ErrNotPublic = errors.New("dnscheck: the host has no address on the Internet")

// IsPublic reports whether an address can belong to a host on the Internet, by the special-purpose registries of IANA
// (RFC 6890). Addresses that carry an IPv4 address inside are judged by that one as well.
func IsPublic(ip netip.Addr) bool {
	ip = ip.Unmap()
	if !ip.IsValid() || ip.Zone() != "" || !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	special := [...]string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10",
	}
	for _, s := range special {
		if netip.MustParsePrefix(s).Contains(ip) {
			return false
		}
	}
	if ip.Is6() {
		b := ip.As16()
		switch {
		case netip.MustParsePrefix("64:ff9b::/96").Contains(ip): // NAT64
			return IsPublic(netip.AddrFrom4([4]byte(b[12:])))
		case netip.MustParsePrefix("2002::/16").Contains(ip): // 6to4
			return IsPublic(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	return true
}

// Dialer connects to hosts that strangers named, and only to addresses on the Internet. Names are resolved by our own
// resolver and the address that was checked is the one dialed, so a name that changes its address in between gains nothing.
type Dialer struct {
	// DNS resolves names; nil = only addresses can be dialed.
	DNS DNS
	// Allow names addresses that may be dialed though they are not public, as the configuration says. nil = none.
	Allow func(netip.AddrPort) bool
	// Timeout of one connection. 0 = 5 s.
	Timeout time.Duration
}

// DialContext has the form that http.Transport wants; addr is "host:port".
func (d Dialer) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	host, portName, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("dnscheck: dialing: %w", err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, network, portName)
	if err != nil {
		return nil, fmt.Errorf("dnscheck: dialing: %w", err)
	}
	ips, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, or(d.Timeout, 5*time.Second))
	defer cancel()
	last := ErrNotPublic
	for _, ip := range ips {
		to := netip.AddrPortFrom(ip, uint16(port))
		if !d.allowed(to) {
			continue
		}
		nd := net.Dialer{ControlContext: d.control}
		conn, err := nd.DialContext(ctx, network, to.String())
		if err == nil {
			return conn, nil
		}
		last = fmt.Errorf("dnscheck: connecting: %w", hideAddr(err))
	}
	return nil, last
}

func (d Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	if d.DNS == nil {
		return nil, errors.New("dnscheck: a name, and no resolver to ask")
	}
	answers, failed := addresses(ctx, d.DNS, host)
	if failed != nil {
		return nil, fmt.Errorf("dnscheck: resolving a host: %s", failed.Why)
	}
	var ips []netip.Addr
	for _, a := range answers {
		ips = append(ips, a.Addrs()...)
	}
	if len(ips) == 0 {
		return nil, errors.New("dnscheck: the host has no address")
	}
	return ips, nil
}

func (d Dialer) allowed(to netip.AddrPort) bool {
	return IsPublic(to.Addr()) || d.Allow != nil && d.Allow(to)
}

// PublicOnly is a Control of a [net.Dialer] that refuses every address which is none of the Internet's. It sees the address that the
// kernel is about to connect to, after DNS: a name that is answered differently the second time gains nothing.
func PublicOnly(network, addr string, c syscall.RawConn) error {
	return Dialer{}.control(context.Background(), network, addr, c)
}

// control looks once more at what the kernel is about to connect to.
func (d Dialer) control(_ context.Context, _, addr string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(addr)
	if err != nil || !d.allowed(netip.AddrPortFrom(to.Addr().Unmap(), to.Port())) {
		return ErrNotPublic
	}
	return nil
}

// hideAddr keeps the reason of a network error and drops the address, which has no place in error texts.
func hideAddr(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
