package dnscheck

import (
	"context"
	"fmt"

	"github.com/miekg/dns"
)

// ReportTo is one address that a DMARC record asks reports to be sent to, and whether it agreed (RFC 9990 section 4).
type ReportTo struct {
	URI      string `json:"uri"`
	External bool   `json:"external"` // it belongs to another organizational domain, which must consent
	Allowed  bool   `json:"allowed"`
	Unknown  bool   `json:"unknown,omitempty"` // DNS failed
	Why      string `json:"why"`
	Publish  string `json:"publish,omitempty"` // the record by which the destination consents
}

// maxReportTo bounds the destinations that are looked up.
const maxReportTo = 10

// CheckReportTo asks for each aggregate report address of a discovered policy whether reports will be sent there.
func CheckReportTo(ctx context.Context, resolver DNS, d DMARC) []ReportTo {
	if d.Record == nil {
		return nil
	}
	org, orgKnown := d.OrgDomain, true
	if d.At != d.Domain {
		w := walk(ctx, resolver, d.At)
		org, orgKnown = w.organizational(), w.failed == nil
	}
	var list []ReportTo
	for i, uri := range d.Record.RUA {
		if i == maxReportTo {
			break
		}
		r := ReportTo{URI: uri}
		host := reportHost(uri)
		w := walk(ctx, resolver, host)
		switch {
		case !orgKnown || w.failed != nil:
			r.Unknown, r.Why = true, "DNS did not say whether the destination belongs to the same organization"
		case w.organizational() == org:
			r.Allowed, r.Why = true, "it belongs to "+org
		default:
			r.External = true
			r.consent(ctx, resolver, d.At, host)
		}
		list = append(list, r)
	}
	return list
}

func (r *ReportTo) consent(ctx context.Context, resolver DNS, policyDomain, host string) {
	name := policyDomain + "._report._dmarc." + host
	r.Publish = txtRecord(name, "v=DMARC1")
	a := resolver.Lookup(ctx, name, dns.TypeTXT)
	if a.Outcome.Temporary() {
		r.Unknown, r.Why = true, "the consent of the destination cannot be read now: "+a.Why
		return
	}
	for _, txt := range a.Texts() {
		if !isDMARC(txt) {
			continue
		}
		r.Allowed, r.Why = true, host+" agreed"
		// An override must stay with the same host; otherwise nobody gets a report.
		for _, to := range parseDMARC(txt).RUA {
			if reportHost(to) != host {
				r.Allowed, r.Why = false, host+" sends the reports on to another host, which receivers must not follow"
			}
		}
		if r.Allowed {
			return
		}
	}
	if r.Why == "" {
		r.Why = fmt.Sprintf("%s has not agreed to take reports about %s, so none are sent there", host, policyDomain)
	}
}
