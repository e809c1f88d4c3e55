package dnscheck

import (
	"context"
	"fmt"

	"github.com/miekg/dns"
	"golang.org/x/net/publicsuffix"
)

// DMARC is what a receiver concludes for mail from one author domain (the domain of the From field).
type DMARC struct {
	Domain    string       `json:"domain"`
	Found     bool         `json:"found"`                // a record applies
	TempError string       `json:"temp_error,omitempty"` // DNS failed: why; nothing else is known then
	At        string       `json:"at,omitempty"`         // the domain whose record applies
	Source    string       `json:"source,omitempty"`     // author, organizational or public_suffix
	Record    *DMARCRecord `json:"record,omitempty"`
	Policy    string       `json:"policy"`            // what is asked for failing mail: none, quarantine, reject; "" = DMARC does not apply
	Exists    bool         `json:"exists"`            // the author domain exists, which decides between sp= and np=
	OrgDomain string       `json:"org_domain"`        // by tree walk
	Several   []string     `json:"several,omitempty"` // domains with more than one record, all of which are ignored
	Keep      []string     `json:"keep,omitempty"`    // of each of those, the record with the strictest policy
	Queries   []string     `json:"queries"`           // the names that the walk asked, at most 8
	Ignored   bool         `json:"ignored,omitempty"` // a record is there, but it has no valid policy and no report address
	Old       OldDMARC     `json:"old"`

	Identifiers []Alignment `json:"identifiers,omitempty"` // of the question, in its order
}

// OldDMARC is what receivers conclude that still follow RFC 7489 and the public suffix list.
type OldDMARC struct {
	OrgDomain string `json:"org_domain"`
	At        string `json:"at,omitempty"` // the domain whose record they apply; "" = none
	Policy    string `json:"policy"`       // "" = DMARC does not apply
}

// Alignment is whether an identifier that SPF or DKIM proved stands for the author domain.
type Alignment struct {
	Method    string `json:"method"` // spf or dkim
	Domain    string `json:"domain"`
	OrgDomain string `json:"org_domain,omitempty"` // by tree walk; "" where it was not needed
	Aligned   bool   `json:"aligned"`
	Old       bool   `json:"old"`               // as receivers with the public suffix list see it
	Unknown   bool   `json:"unknown,omitempty"` // DNS failed on the way
	Why       string `json:"why"`
}

// DMARCQuestion names the identifiers of a mail.
type DMARCQuestion struct {
	Author   string   // domain of the From field
	Envelope string   // domain that SPF checks; "" = none
	Signers  []string // d= of the signatures
}

// CheckDMARC discovers the policy for an author domain (RFC 9989 section 4.10.1) and judges the alignment of identifiers.
func CheckDMARC(ctx context.Context, resolver DNS, q DMARCQuestion) DMARC {
	d := DMARC{Domain: cleanDomain(q.Author)}
	if d.Domain == "" {
		return d
	}
	w := walk(ctx, resolver, d.Domain)
	for _, s := range w.steps {
		d.Queries = append(d.Queries, "_dmarc."+s.domain)
		if s.records > 1 {
			d.Several, d.Keep = append(d.Several, s.domain), append(d.Keep, s.strict.Text)
		}
	}
	if w.failed != nil {
		d.TempError = fmt.Sprintf("%s cannot be looked up: %s", w.failed.Name, w.failed.Why)
		return d
	}
	d.OrgDomain = w.organizational()
	d.choose(w)
	// Whether a name exists is what any query for it says (RFC 8020); only subdomains need to know.
	d.Exists = true
	if d.Record != nil && d.At != d.Domain {
		a := resolver.Lookup(ctx, d.Domain, dns.TypeMX)
		if a.Outcome.Temporary() {
			d.TempError = fmt.Sprintf("%s cannot be looked up: %s", a.Name, a.Why)
			d.Found, d.Record, d.At, d.Source = false, nil, "", ""
			return d
		}
		d.Exists = a.Outcome != NXDomain
	}
	if d.Record != nil {
		d.apply()
	}
	d.old(ctx, resolver)
	if q.Envelope != "" {
		d.Identifiers = append(d.Identifiers, d.align(ctx, resolver, "spf", cleanDomain(q.Envelope)))
	}
	for _, s := range q.Signers {
		d.Identifiers = append(d.Identifiers, d.align(ctx, resolver, "dkim", cleanDomain(s)))
	}
	return d
}

// choose takes the record of the author domain, else of its organizational domain, else of its public suffix domain.
func (d *DMARC) choose(w treeWalk) {
	for _, c := range []struct{ source, domain string }{
		{"author", d.Domain}, {"organizational", d.OrgDomain}, {"public_suffix", w.psd()},
	} {
		if rec := w.at(c.domain); rec != nil {
			d.Source, d.At, d.Record = c.source, c.domain, rec
			return
		}
	}
}

// apply derives the policy. A record with a wrong policy counts as p=none if it names a report address, else as no record.
func (d *DMARC) apply() {
	d.Found = true
	switch wrong := d.Record.P == "" || d.Record.wrongSP || d.Record.wrongNP; {
	case !wrong:
		d.Policy = d.Record.policyFor(d.At != d.Domain, d.Exists)
	case len(d.Record.RUA) > 0:
		d.Policy = "none"
	default:
		d.Found, d.Ignored = false, true
	}
}

// old follows RFC 7489 section 6.6.3: the author domain, else what the public suffix list calls the registered domain.
func (d *DMARC) old(ctx context.Context, resolver DNS) {
	d.Old.OrgDomain = registered(d.Domain)
	for _, at := range []string{d.Domain, d.Old.OrgDomain} {
		step, failed := findDMARC(ctx, resolver, at)
		if failed != nil {
			return
		}
		rec := step.record
		if rec == nil {
			if at == d.Old.OrgDomain {
				return
			}
			continue
		}
		// They know no np= and no psd=; a wrong p= or sp= counts as p=none only with a report address.
		wrong := rec.P == "" || rec.wrongSP
		if wrong && len(rec.RUA) == 0 {
			return
		}
		d.Old.At, d.Old.Policy = at, "none"
		if !wrong {
			d.Old.Policy = rec.policyFor(at != d.Domain, true)
		}
		return
	}
}

// registered is the organizational domain by public suffix list; a suffix, or a name that the list cannot judge, is its own.
func registered(domain string) string {
	org, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return domain
	}
	return org
}

// SameOrganization says whether two domains belong to one organizational domain, by public suffix list: what relaxed alignment wants.
func SameOrganization(a, b string) bool { return a != "" && registered(a) == registered(b) }

// align compares an identifier with the author domain (RFC 9989 section 4.4).
func (d *DMARC) align(ctx context.Context, resolver DNS, method, domain string) Alignment {
	al := Alignment{Method: method, Domain: domain}
	strict := d.Record != nil && (method == "spf" && d.Record.StrictS || method == "dkim" && d.Record.StrictD)
	al.Old = domain == d.Domain || !strict && domain != "" && registered(domain) == d.Old.OrgDomain
	switch {
	case domain == "":
		al.Why = "there is no such domain"
		return al
	case domain == d.Domain:
		al.Aligned, al.OrgDomain, al.Why = true, d.OrgDomain, "it is the author domain itself"
		return al
	case strict:
		al.Why = "alignment is strict, and it is not exactly " + d.Domain
		return al
	}
	w := walk(ctx, resolver, domain)
	if w.failed != nil {
		al.Unknown, al.Why = true, fmt.Sprintf("%s cannot be looked up: %s", w.failed.Name, w.failed.Why)
		return al
	}
	al.OrgDomain = w.organizational()
	al.Aligned = al.OrgDomain == d.OrgDomain
	if al.Aligned {
		al.Why = "both belong to " + d.OrgDomain
	} else {
		al.Why = fmt.Sprintf("it belongs to %s, the author domain to %s", al.OrgDomain, d.OrgDomain)
	}
	return al
}
