package mailer

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/resetd/resetd/diag/dnscheck"
	"github.com/resetd/resetd/internal/ledger"
)

// Resolver asks DNS; *net.Resolver is one. Names are given with a trailing dot, so that no search domain is tried.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// NewResolver gives a resolver that asks one server, "host:port"; "" = the system's.
func NewResolver(addr string) *net.Resolver {
	if addr == "" {
		return &net.Resolver{PreferGo: true}
	}
	return &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
}

// Caps on what DNS may make us do. A domain with a thousand hosts is tried at its first few.
const (
	maxMX        = 10
	maxAddresses = 20 // of one name
	maxPerHost   = 2  // addresses of one of several hosts: one of each family, so that a dead network does not use up the attempt
	dnsTime      = 20 * time.Second
)

// target is one address to dial. It is dialled by IP and never by name again, or a second answer could lead elsewhere.
type target struct {
	host   string // for TLS and the record
	ip     netip.Addr
	demand demand // what the host must prove
}

// noWay is why there is nothing to dial.
type noWay struct {
	outcome ledger.Outcome
	host    string
	ip      string
	text    string
}

// targets lists what to dial, best first, at most limit. RFC 5321 section 5.1.
func targets(ctx context.Context, res Resolver, route Route, domain string, limit int) ([]target, *noWay) {
	ctx, cancel := context.WithTimeout(ctx, dnsTime)
	defer cancel()
	if route.smart() {
		return relayTargets(ctx, res, route, limit)
	}
	hosts, none := mailHosts(ctx, res, domain, route.self())
	if none != nil {
		return nil, none
	}
	var out []target
	var last *noWay
	for _, host := range hosts {
		if len(out) >= limit {
			break
		}
		ips, why := addresses(ctx, res, host)
		if why == nil && !route.AllowPrivate {
			ips, why = onlyPublic(host, ips)
		}
		if why != nil {
			last = worse(last, why)
			continue
		}
		if len(hosts) > 1 {
			ips = oneOfEach(ips)
		}
		for _, ip := range ips {
			t := target{host: host, ip: ip}
			if len(out) < limit && !slices.ContainsFunc(out, func(o target) bool { return o.ip == ip }) {
				out = append(out, t)
			}
		}
	}
	if len(out) == 0 {
		return nil, last
	}
	return out, nil
}

// relayTargets resolves our own relay. That it has no address is our trouble and not the recipient's: never no_host.
func relayTargets(ctx context.Context, res Resolver, route Route, limit int) ([]target, *noWay) {
	host, _, err := net.SplitHostPort(route.Smarthost)
	if err != nil {
		return nil, &noWay{outcome: ledger.Blocked, text: "the route's smarthost is not host:port"}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return []target{{host: host, ip: ip}}, nil
	}
	ips, why := addresses(ctx, res, host)
	if why != nil {
		why.outcome = ledger.NoDNS
		return nil, why
	}
	var out []target
	for _, ip := range ips[:min(limit, len(ips))] {
		out = append(out, target{host: host, ip: ip})
	}
	return out, nil
}

// mailHosts gives the names that take mail for a domain: its MX by preference, those of one preference shuffled; without any, the
// domain itself.
func mailHosts(ctx context.Context, res Resolver, domain, self string) ([]string, *noWay) {
	mxs, err := res.LookupMX(ctx, domain+".")
	if len(mxs) == 0 && err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return []string{domain}, nil // no such name, or no MX: its addresses tell which
		}
		return nil, &noWay{outcome: ledger.NoDNS, text: "MX: " + dnsText(err)}
	}
	if len(mxs) == 0 {
		return []string{domain}, nil
	}
	if len(mxs) == 1 && strings.Trim(mxs[0].Host, ".") == "" {
		return nil, &noWay{outcome: ledger.NoHost, text: "the domain accepts no mail (null MX, RFC 7505)"}
	}
	mxs = slices.DeleteFunc(slices.Clone(mxs), func(m *net.MX) bool { return m == nil || strings.Trim(m.Host, ".") == "" })
	rand.Shuffle(len(mxs), func(i, j int) { mxs[i], mxs[j] = mxs[j], mxs[i] })
	slices.SortStableFunc(mxs, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	// Section 5.1: when we are among the hosts ourselves, only better ones may be tried, or the mail loops.
	for i, m := range mxs {
		if self != "" && strings.EqualFold(strings.TrimSuffix(m.Host, "."), self) {
			mxs = slices.DeleteFunc(mxs[:i], func(o *net.MX) bool { return o.Pref == m.Pref })
			if len(mxs) == 0 {
				return nil, &noWay{outcome: ledger.NoHost, host: self, text: "the domain's best mail host is ourselves: the mail would loop"}
			}
			break
		}
	}
	var hosts []string
	for _, m := range mxs[:min(maxMX, len(mxs))] {
		if h := asciiLower(strings.TrimSuffix(m.Host, ".")); !slices.Contains(hosts, h) {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return nil, &noWay{outcome: ledger.NoHost, text: "the domain's MX records name no host"}
	}
	return hosts, nil
}

func addresses(ctx context.Context, res Resolver, host string) ([]netip.Addr, *noWay) {
	ips, err := res.LookupNetIP(ctx, "ip", host+".")
	if err != nil && len(ips) == 0 {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			text := textNoAddress
			if strings.HasPrefix(dns.Err, "the name ") { // dnscheck tells which
				text = dns.Err
			}
			return nil, &noWay{outcome: ledger.NoHost, host: host, text: text}
		}
		return nil, &noWay{outcome: ledger.NoDNS, host: host, text: "address: " + dnsText(err)}
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	if len(ips) == 0 {
		return nil, &noWay{outcome: ledger.NoHost, host: host, text: textNoAddress}
	}
	return ips[:min(maxAddresses, len(ips))], nil
}

func onlyPublic(host string, ips []netip.Addr) ([]netip.Addr, *noWay) {
	public := slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool { return !dnscheck.IsPublic(ip) })
	if len(public) == 0 {
		return nil, &noWay{outcome: ledger.Blocked, host: host, ip: ips[0].String(), text: "the mail host's address is not a public one"}
	}
	return public, nil
}

// oneOfEach keeps the resolver's first address and the first of the other family.
func oneOfEach(ips []netip.Addr) []netip.Addr {
	out := ips[:1:1]
	for _, ip := range ips[1:] {
		if ip.Is4() != ips[0].Is4() {
			return append(out, ip)
		}
	}
	return ips[:min(maxPerHost, len(ips))]
}

const textNoAddress = "the name has no address, or does not exist"

// worse keeps the reason that leaves most hope: a host that DNS could not tell today may be there tomorrow, and one that we refuse
// to dial exists.
func worse(a, b *noWay) *noWay {
	rank := func(w *noWay) int {
		switch w.outcome {
		case ledger.NoDNS:
			return 2
		case ledger.Blocked:
			return 1
		default:
			return 0
		}
	}
	if a == nil || rank(b) > rank(a) {
		return b
	}
	return a
}

// dnsText says what went wrong without the name: for a mail domain the reader has it, and errors carry no part of an address.
func dnsText(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsTimeout {
			return "DNS did not answer in time"
		}
		return clip(dns.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "DNS did not answer in time"
	}
	if errors.Is(err, context.Canceled) {
		return textStopped
	}
	return clip(err.Error())
}
