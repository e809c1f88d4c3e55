package dnscheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// MXStatus says whether a domain can take mail.
type MXStatus string

const (
	// MXHosts: it names mail hosts, and at least one has an address.
	MXHosts MXStatus = "hosts"
	// MXImplicit: it names none, but has an address itself, which then takes its mail (RFC 5321 section 5.1).
	MXImplicit MXStatus = "implicit"
	// MXNull: it says that it takes no mail (RFC 7505).
	MXNull MXStatus = "null"
	// MXNone: it exists and has neither mail hosts nor an address.
	MXNone MXStatus = "none"
	// MXNoDomain: the domain does not exist.
	MXNoDomain MXStatus = "no_domain"
	// MXDead: it names mail hosts, but none has an address.
	MXDead MXStatus = "dead"
	// MXUnknown: DNS failed.
	MXUnknown MXStatus = "unknown"
)

// MX is what DNS says about who takes the mail of a domain.
type MX struct {
	Domain string   `json:"domain"`
	Status MXStatus `json:"status"`
	Why    string   `json:"why"`
	Hosts  []MXHost `json:"hosts,omitempty"` // in the order in which they are tried
	AD     bool     `json:"ad,omitempty"`
}

// MXHost is one mail host.
type MXHost struct {
	Name     string       `json:"name"`
	Pref     int          `json:"pref"`
	Addrs    []netip.Addr `json:"addrs,omitempty"`
	Problems []string     `json:"problems,omitempty"`
	AD       bool         `json:"ad,omitempty"`      // its addresses are validated
	Alias    string       `json:"alias,omitempty"`   // the name behind its name, where that is an alias
	Unknown  bool         `json:"unknown,omitempty"` // DNS failed for its addresses
}

// maxMXHosts bounds the hosts whose addresses are looked up; senders give up sooner.
const maxMXHosts = 20

// CheckMX looks up who takes the mail of domain.
func CheckMX(ctx context.Context, resolver DNS, domain string) MX {
	m := MX{Domain: cleanDomain(domain)}
	a := resolver.Lookup(ctx, or(m.Domain, domain), dns.TypeMX)
	m.AD = a.AD
	switch {
	case a.Outcome.Temporary():
		m.Status, m.Why = MXUnknown, "the mail hosts cannot be looked up now: "+a.Why
		return m
	case a.Outcome == NXDomain || a.Outcome == BadName:
		m.Status, m.Why = MXNoDomain, "the domain does not exist"
		return m
	case a.Outcome == NoData:
		return m.implicit(ctx, resolver)
	}
	records := sortedMX(a)
	for i, rr := range records {
		if rr.Mx == "." {
			if len(records) == 1 {
				m.Status, m.Why = MXNull, "the domain says that it takes no mail (null MX)"
				return m
			}
			m.Hosts = append(m.Hosts, MXHost{Name: ".", Pref: int(rr.Preference), Problems: []string{"a null MX beside others is wrong (RFC 7505)"}})
			continue
		}
		if i == maxMXHosts {
			break
		}
		m.Hosts = append(m.Hosts, mxHost(ctx, resolver, foldName(unescape(rr.Mx)), int(rr.Preference)))
	}
	m.judge()
	return m
}

func (m MX) implicit(ctx context.Context, resolver DNS) MX {
	h := mxHost(ctx, resolver, m.Domain, 0)
	switch {
	case len(h.Addrs) > 0:
		m.Status, m.Hosts, m.Why = MXImplicit, []MXHost{h}, "the domain names no mail host; its own address takes the mail"
	case h.Unknown:
		m.Status, m.Why = MXUnknown, "the address of the domain cannot be looked up now"
	default:
		m.Status, m.Why = MXNone, "the domain has neither a mail host nor an address"
	}
	return m
}

func (m *MX) judge() {
	alive, unknown := 0, 0
	for _, h := range m.Hosts {
		switch {
		case h.Unknown:
			unknown++
		case len(h.Addrs) > 0:
			alive++
		}
	}
	switch {
	case alive > 0:
		m.Status, m.Why = MXHosts, fmt.Sprintf("%d of %d mail hosts have an address", alive, len(m.Hosts))
	case unknown > 0:
		m.Status, m.Why = MXUnknown, "the addresses of the mail hosts cannot be looked up now"
	default:
		m.Status, m.Why = MXDead, "the domain names mail hosts, but none of them has an address"
	}
}

func mxHost(ctx context.Context, resolver DNS, name string, pref int) MXHost {
	h := MXHost{Name: show(name, 255), Pref: pref}
	if _, err := netip.ParseAddr(name); err == nil {
		h.Problems = append(h.Problems, "an address stands where a name belongs")
		return h
	}
	answers, failed := addresses(ctx, resolver, name)
	h.AD = true
	for _, a := range answers {
		h.Addrs = append(h.Addrs, a.Addrs()...)
		// A family that has no address, or fails, says nothing of those that we would connect to; else blocking one would switch DANE off.
		h.AD = h.AD && (a.AD || a.Outcome != Found)
		if len(a.Aliases) > 0 && len(h.Problems) == 0 {
			h.Alias = a.Aliases[len(a.Aliases)-1]
			h.Problems = append(h.Problems, "the name is an alias (CNAME), which RFC 2181 section 10.3 forbids for mail hosts")
		}
	}
	switch {
	case failed != nil:
		h.Unknown = true
		h.Problems = append(h.Problems, "its address cannot be looked up now: "+failed.Why)
	case len(h.Addrs) == 0:
		h.AD = false
		h.Problems = append(h.Problems, "it has no address")
	}
	h.Addrs = h.Addrs[:min(len(h.Addrs), 64)]
	if i := slices.IndexFunc(h.Addrs, func(ip netip.Addr) bool { return !IsPublic(ip) }); i >= 0 {
		h.Problems = append(h.Problems, "its address "+h.Addrs[i].String()+" is not on the Internet")
	}
	return h
}
