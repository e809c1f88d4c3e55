package dnscheck

import (
	"context"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// MailHosts looks up who takes the mail of one domain, in the form of package net, and remembers which answers were validated (DNSSEC). It
// serves one delivery and is not safe for concurrent use.
type MailHosts struct {
	DNS DNS

	mx   Answer
	host map[string]hostAnswer
}

// hostAnswer is what the addresses of one host said beside themselves.
type hostAnswer struct {
	alias  string
	signed bool
}

// LookupMX gives the mail exchangers of a domain. That there are none is a [net.DNSError] with IsNotFound.
func (m *MailHosts) LookupMX(ctx context.Context, domain string) ([]*net.MX, error) {
	m.mx = m.DNS.Lookup(ctx, domain, dns.TypeMX)
	if m.mx.Outcome != Found {
		return nil, notFound(m.mx)
	}
	var out []*net.MX
	for _, rr := range sortedMX(m.mx) {
		out = append(out, &net.MX{Host: unescape(rr.Mx), Pref: rr.Preference})
	}
	return out, nil
}

// LookupNetIP gives the addresses of a host, IPv4 first. The error tells a name that does not exist from one without an address.
func (m *MailHosts) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	answers, failed := addresses(ctx, m.DNS, host)
	h := hostAnswer{signed: true}
	var ips []netip.Addr
	for _, a := range answers {
		ips = append(ips, a.Addrs()...)
		// A family that has no address, or fails, says nothing of those that we would connect to.
		h.signed = h.signed && (a.AD || a.Outcome != Found)
		if len(a.Aliases) > 0 {
			h.alias = a.Aliases[len(a.Aliases)-1]
		}
	}
	if m.host == nil {
		m.host = map[string]hostAnswer{}
	}
	m.host[foldName(host)] = h
	switch {
	case len(ips) > 0:
		return ips, nil
	case failed != nil:
		return nil, notFound(*failed)
	}
	return nil, notFound(answers[0])
}

func notFound(a Answer) error {
	e := &net.DNSError{Err: a.Why, Name: strings.TrimSuffix(a.Name, "."), IsNotFound: a.Outcome.Absent(), IsTemporary: a.Outcome.Temporary(), IsTimeout: a.Outcome == Timeout}
	switch a.Outcome {
	case NXDomain, BadName:
		e.Err = "the name does not exist (NXDOMAIN)"
	case NoData:
		e.Err = "the name has no address" // asked for its MX, this text is read by nobody: its addresses are asked for next
	}
	return e
}

// Signed says whether DNSSEC vouches for the whole way to a host whose addresses were looked up.
func (m *MailHosts) Signed(host string) bool { return m.host[foldName(host)].signed && m.mx.AD }

// DANE looks up the records of a host whose addresses were looked up. Where the way to it is not signed, nobody is asked, unless a signed
// alias leads out of what is: there is nothing that could bind, and some name servers break at the question (RFC 7672 section 2.2.2).
func (m *MailHosts) DANE(ctx context.Context, host string, port int) DANE {
	h := DANEHost{Name: foldName(host), Alias: m.host[foldName(host)].alias, Named: m.mx.AD, Signed: m.Signed(host), Port: port}
	if !h.Signed && (!h.Named || h.Alias == "") {
		return DANE{Host: host, Why: "the way to the host is not signed (DNSSEC)"}
	}
	return HostDANE(ctx, m.DNS, h)
}

// Behind is the name behind the domain that was asked for its MX, where that is an alias; "" = it is none.
func (m *MailHosts) Behind() string {
	if len(m.mx.Aliases) == 0 {
		return ""
	}
	return m.mx.Aliases[len(m.mx.Aliases)-1]
}
