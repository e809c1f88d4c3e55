package dnscheck

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// PTR is what a receiver learns about one of our outgoing addresses from reverse DNS.
type PTR struct {
	IP        netip.Addr `json:"ip"`
	Name      string     `json:"name"`                // of the PTR record
	Names     []string   `json:"names,omitempty"`     // that it gives
	Confirmed []string   `json:"confirmed,omitempty"` // that lead back to the address (FCrDNS)
	HELOOK    bool       `json:"helo_ok"`             // the HELO name has this address
	HELOName  bool       `json:"helo_name"`           // the HELO name is among the confirmed names
	Generic   bool       `json:"generic,omitempty"`   // all names look like a provider's numbering, which many hosts take for a home line
	Unknown   bool       `json:"unknown,omitempty"`   // DNS failed; then nothing above counts against the address
	Why       string     `json:"why"`
}

// CheckPTR looks up the names of an address and whether they lead back, and compares them with the HELO name.
func CheckPTR(ctx context.Context, resolver DNS, ip netip.Addr, helo string) PTR {
	p := PTR{IP: ip.Unmap()}
	rev, err := dns.ReverseAddr(p.IP.String())
	if err != nil {
		p.Why = "this is no address"
		return p
	}
	p.Name = foldName(rev)
	a := resolver.Lookup(ctx, rev, dns.TypePTR)
	if a.Outcome.Temporary() {
		p.Unknown, p.Why = true, "reverse DNS cannot be looked up now: "+a.Why
		return p
	}
	p.Names = hostNames(a.targets())
	qtype := dns.TypeA
	if p.IP.Is6() {
		qtype = dns.TypeAAAA
	}
	failed := false
	for i, name := range p.Names {
		if i == spfMaxNames {
			break
		}
		f := resolver.Lookup(ctx, name, qtype)
		failed = failed || f.Outcome.Temporary()
		if slices.Contains(f.Addrs(), p.IP) {
			p.Confirmed = append(p.Confirmed, name)
		}
	}
	p.Generic = len(p.Names) > 0 && !slices.ContainsFunc(p.Names, func(n string) bool { return !looksGeneric(n, p.IP) })
	if helo = cleanDomain(helo); helo != "" {
		h := resolver.Lookup(ctx, helo, qtype)
		failed = failed || h.Outcome.Temporary()
		p.HELOOK = slices.Contains(h.Addrs(), p.IP)
		p.HELOName = slices.Contains(p.Confirmed, helo)
	}
	switch {
	case len(p.Confirmed) > 0:
		p.Why = "its name leads back to it"
	case failed:
		p.Unknown, p.Why = true, "whether its name leads back to it cannot be looked up now"
	case len(p.Names) == 0:
		p.Why = "it has no name in reverse DNS"
	default:
		p.Why = "its name does not lead back to it"
	}
	return p
}

// hostNames leaves out what cannot be a host's name, and all beyond fifty.
func hostNames(names []string) []string {
	names = slices.DeleteFunc(names, func(n string) bool { return n != printable(n) || strings.ContainsAny(n, " \t") })
	return names[:min(len(names), 50)]
}

// looksGeneric reports a name made from the address: it holds at least three of the four numbers, or all hex digits.
func looksGeneric(name string, ip netip.Addr) bool {
	if !ip.Is4() {
		return strings.Contains(strings.ReplaceAll(strings.ReplaceAll(name, "-", ""), ".", ""), strings.ReplaceAll(ip.StringExpanded(), ":", ""))
	}
	numbers := strings.FieldsFunc(name, func(r rune) bool { return r < '0' || r > '9' })
	b := ip.As4()
	found := 0
	for _, octet := range b {
		if slices.Contains(numbers, strconv.Itoa(int(octet))) {
			found++
		}
	}
	return found >= 3
}
