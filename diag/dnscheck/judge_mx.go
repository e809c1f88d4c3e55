package dnscheck

import "strings"

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
		if f.Severity != OK {
			f.Who = "Our users at this domain."
		}
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

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
