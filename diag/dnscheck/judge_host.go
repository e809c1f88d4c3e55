package dnscheck

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (r *Report) judgePTR(q Question) {
	helo := cleanDomain(q.HELO)
	for _, p := range r.PTR {
		f := Finding{Subject: p.IP.String(), VerifyBy: "dig +short -x " + p.IP.String(), What: upper(p.Why) + "."}
		switch {
		case !IsPublic(p.IP):
			f.ID, f.Severity, f.What = "ptr.not_public", Note, "This address is not on the Internet; receivers see another one, of which nothing is known here."
		case p.Unknown:
			f.ID, f.Severity, f.Temporary, f.Cause = "ptr.unknown", Warning, true, "network.dns_failing"
		case len(p.Confirmed) == 0:
			f.ID, f.Severity, f.Cause = "ptr.missing", Error, "sender.no_reverse_dns"
			f.Who = "Users at Gmail, Yahoo, T-Online and many others: mail is refused or put off."
			f.What += " Whoever owns the address, mostly the hosting provider, publishes its name."
			name := or(helo, "mail."+r.Domain)
			f.Publish = fmt.Sprintf("%s. IN PTR %s.\n%s. IN %s %s", p.Name, name, name, family(p), p.IP)
		case p.Generic:
			f.ID, f.Severity = "ptr.generic", Warning
			f.What = "The name of the address looks like a provider's numbering (" + p.Names[0] + ")."
			f.Who = "Users at hosts that take such names for home lines."
		case helo != "" && !p.HELOOK:
			f.ID, f.Severity, f.Subject = "ptr.helo", Warning, p.IP.String()
			f.What = "Our HELO name does not have this address."
			f.Who, f.Publish = "Users at strict hosts.", fmt.Sprintf("%s. IN %s %s", helo, family(p), p.IP)
		default:
			f.ID, f.Severity = "ptr.ok", OK
		}
		r.add(f)
	}
}

func family(p PTR) string {
	if p.IP.Is6() {
		return "AAAA"
	}
	return "A"
}

func (r *Report) judgeLists() {
	clear := map[string]int{}
	for _, l := range r.Listings {
		if l.Status == ListClear {
			clear[l.Subject]++
		}
	}
	for _, l := range r.Listings {
		if l.Status == ListListed {
			delete(clear, l.Subject)
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(clear)) {
		r.add(Finding{ID: "dnsbl.ok", Severity: OK, Subject: subject, What: fmt.Sprintf("%s is on none of %d blocklists that answered.", subject, clear[subject])})
	}
	for _, l := range r.Listings {
		f := Finding{Subject: l.Subject + " at " + l.List, What: fmt.Sprintf("%s: %s.", l.List, l.Why)}
		switch l.Status {
		case ListListed:
			f.ID, f.Severity, f.Cause = "dnsbl.listed", l.Weight, "sender.blocklisted"
			if l.Reason != "" {
				f.What += " It says: " + l.Reason
			}
			f.Who, f.VerifyBy = "Users at hosts that ask this list.", l.Delist
		case ListRefused:
			f.ID, f.Severity = "dnsbl.refused", Note
		case ListBroken:
			f.ID, f.Severity = "dnsbl.broken", Note
		case ListUnknown:
			f.ID, f.Severity, f.Temporary = "dnsbl.unknown", Note, true
		default:
			continue // clear: the listings of the report say so
		}
		r.add(f)
	}
}

// judgeTLS speaks about the policies for mail towards the domain.
func (r *Report) judgeTLS(q Question) {
	who := "People who write to the domain, and bounces on their way to us."
	if q.Recipient {
		who = "Our mail to this domain."
	}
	s := r.MTASTS
	f := Finding{Subject: "_mta-sts." + r.Domain, What: "MTA-STS: " + s.Why + ".", VerifyBy: "curl https://mta-sts." + r.Domain + "/.well-known/mta-sts.txt"}
	switch {
	case s.Status == STSUnknown:
		f.ID, f.Severity, f.Temporary = "mta_sts.unknown", Note, true
	case s.Status == STSBadRecord, s.Status == STSNoPolicy:
		f.ID, f.Severity, f.Who = "mta_sts.broken", Warning, who
		if s.Status == STSBadRecord {
			f.VerifyBy = "dig +short TXT _mta-sts." + r.Domain
		}
	case s.Status == STSValid && len(s.Uncovered) > 0:
		f.ID, f.Severity, f.Who = "mta_sts.uncovered", Warning, who
		f.What = "MTA-STS: the policy does not allow the mail hosts " + strings.Join(s.Uncovered, ", ") + "."
		if s.Policy.Mode == "enforce" {
			f.Severity, f.Cause = Error, "tls.policy_failed"
		}
	case s.Status == STSValid:
		f.ID, f.Severity = "mta_sts.ok", OK
	default:
		f.ID = ""
	}
	if f.ID != "" {
		r.add(f)
	}
	if !q.Recipient {
		r.judgeTLSReports(q)
	}
	for _, d := range r.DANE {
		df := Finding{Subject: d.Host, What: "DANE: " + d.Why + ".", VerifyBy: "dig +dnssec TLSA _25._tcp." + d.Host}
		switch {
		case d.Unknown:
			df.ID, df.Severity, df.Temporary, df.Who = "dane.unknown", Warning, true, who
		case len(d.Unusual) > 0:
			df.ID, df.Severity, df.Who = "dane.unusable", Warning, who
			df.What += " Ignored: " + strings.Join(d.Unusual, "; ") + "."
		case d.Binding:
			df.ID, df.Severity = "dane.ok", OK
		case len(d.Records) > 0:
			df.ID, df.Severity = "dane.not_secure", Note
		default:
			continue
		}
		r.add(df)
	}
}
