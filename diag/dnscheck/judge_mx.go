package dnscheck

import (
	"net/netip"
	"slices"
	"strings"
)

// judgeMX speaks about where mail goes: for a recipient's domain, ours; for a sender's, replies and bounces.
func (r *Report) judgeMX(q Question) {
	f := Finding{Subject: r.Domain, VerifyBy: "dig +short MX " + r.Domain, What: upper(r.MX.Why) + "."}
	switch {
	case r.MX.Status == MXUnknown:
		f.ID, f.Severity, f.Temporary, f.Cause = "mx.unknown", Warning, true, "network.dns_failing"
	case r.MX.Status == MXHosts:
		f.ID, f.Severity = "mx.ok", OK
	case r.MX.Status == MXImplicit:
		f.ID, f.Severity = "mx.implicit", Note
	case r.MX.Status == MXNoDomain:
		f.ID, f.Severity, f.Cause = "mx.no_domain", Error, "recipient.no_domain"
		f.Who = "Everybody: mail from a domain that does not exist is refused."
	case q.Recipient:
		f.ID, f.Severity, f.Cause = "mx."+string(r.MX.Status), Error, "recipient.no_mail_service"
	default:
		f.ID, f.Severity = "mx."+string(r.MX.Status), Warning
		f.Who = "Users who answer our mail; some hosts refuse mail from a domain that takes none."
	}
	if q.Recipient {
		f.Who = ""
	} else if f.Cause == "recipient.no_domain" {
		f.Cause = "sender.unauthenticated"
	}
	r.add(f)
	for _, h := range r.MX.Hosts {
		for _, p := range h.Problems {
			r.add(Finding{ID: "mx.host", Severity: Warning, Subject: h.Name, What: "A mail host of the domain: " + p + ".", Temporary: h.Unknown,
				VerifyBy: "dig +short A AAAA " + h.Name})
		}
	}
	if !q.Recipient {
		r.judgeReturn(q)
	}
}

// judgeReturn asks whether bounces can reach us.
func (r *Report) judgeReturn(q Question) {
	m := r.MX
	if r.ReturnMX != nil {
		m = *r.ReturnMX
	}
	f := Finding{Subject: r.EnvelopeDomain, VerifyBy: "dig +short MX " + r.EnvelopeDomain, Cause: "unknown.bounces_not_arriving",
		Who: "Support: bounces do not arrive, so why a mail was lost stays unknown."}
	if len(q.ReturnHosts) > 0 {
		f.Publish = foldName(r.EnvelopeDomain) + ". IN MX 10 " + foldName(q.ReturnHosts[0]) + "."
	}
	switch m.Status {
	case MXUnknown:
		f.ID, f.Severity, f.Temporary, f.Cause = "return.unknown", Warning, true, "network.dns_failing"
		f.What = "Whether bounces can reach us cannot be told now: " + m.Why + "."
	case MXHosts, MXImplicit:
		if len(q.ReturnHosts)+len(q.ReturnAddrs) == 0 {
			return
		}
		if reaches(m, q.ReturnHosts, q.ReturnAddrs) {
			r.add(Finding{ID: "return.ok", Severity: OK, Subject: f.Subject, VerifyBy: f.VerifyBy, What: "Bounces are directed to our receiver."})
			return
		}
		f.ID, f.Severity, f.What = "return.elsewhere", Error, "Bounces are directed to hosts that are not our receiver."
	default:
		f.ID, f.Severity, f.What = "return.unreachable", Error, "Bounces cannot reach us: "+m.Why+"."
	}
	r.add(f)
}

func reaches(m MX, hosts []string, addrs []netip.Addr) bool {
	return slices.ContainsFunc(m.Hosts, func(h MXHost) bool {
		return slices.ContainsFunc(hosts, func(name string) bool { return foldName(name) == h.Name }) ||
			slices.ContainsFunc(addrs, func(ip netip.Addr) bool { return slices.Contains(h.Addrs, ip.Unmap()) })
	})
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
