package dnscheck

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Finding is one thing that a check found, in words for people.
type Finding struct {
	ID        string   `json:"id"` // stable, "spf.missing"
	Severity  Severity `json:"severity"`
	Subject   string   `json:"subject,omitempty"`      // the name or address that it is about
	What      string   `json:"what"`                   // what is so
	Who       string   `json:"who_feels_it,omitempty"` // which users feel it
	Publish   string   `json:"publish,omitempty"`      // the exact record, in zone-file form
	VerifyBy  string   `json:"verify,omitempty"`       // a command that shows it
	Cause     string   `json:"cause,omitempty"`        // the cause in causes.tsv that it leads to
	Temporary bool     `json:"temporary,omitempty"`    // DNS failed: nothing is known, asking again may help
}

// Report is what DNS said about a domain at one moment, and what it means.
type Report struct {
	Domain         string        `json:"domain"`
	EnvelopeDomain string        `json:"envelope_domain,omitempty"`
	At             time.Time     `json:"at"`
	Severity       Severity      `json:"severity"` // the worst of the findings
	Findings       []Finding     `json:"findings"` // worst first
	SPFRecord      SPFCost       `json:"spf_record"`
	SPF            []SPFView     `json:"spf,omitempty"`
	SPFAtWorst     SPF           `json:"spf_at_worst,omitzero"` // for an address that nothing in the record matches
	DKIM           []DKIMKey     `json:"dkim,omitempty"`
	DMARC          DMARC         `json:"dmarc"`
	ReportTo       []ReportTo    `json:"report_to,omitempty"`
	MX             MX            `json:"mx"`
	ReturnMX       *MX           `json:"return_mx,omitempty"` // of the envelope's domain, where it is another
	Reached        []Reached     `json:"reached,omitempty"`   // whether our receiver stands behind the mail hosts of the envelope's domain
	PTR            []PTR         `json:"ptr,omitempty"`
	Listings       []Listing     `json:"listings,omitempty"`
	MTASTS         MTASTS        `json:"mta_sts"`
	TLSRPT         TLSRPT        `json:"tls_rpt"`
	DANE           []DANE        `json:"dane,omitempty"`
	Requirements   []Requirement `json:"requirements,omitempty"`
	Lookups        []Lookup      `json:"lookups"` // every question and its answer, by name
}

func (r *Report) add(f Finding) {
	if f.Who == "" && f.Severity != OK {
		f.Who = whoFeels(f.ID)
	}
	r.Findings = append(r.Findings, f)
}

// area orders findings of one severity: first what decides about our mail, last what concerns mail to us.
func (f Finding) area() int {
	area, _, _ := strings.Cut(f.ID, ".")
	return slices.Index([]string{"domain", "dkim", "spf", "dmarc", "ptr", "dnsbl", "return", "mx", "dane", "mta_sts", "tls_rpt"}, area)
}

// finish orders the findings and sums them up.
func (r *Report) finish(lookups []Lookup) {
	r.Lookups = lookups
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(a.area(), b.area()), strings.Compare(a.ID, b.ID), strings.Compare(a.Subject, b.Subject))
	})
	r.Severity = OK
	if len(r.Findings) > 0 {
		r.Severity = r.Findings[0].Severity
	}
}

// Bad reports whether there is an error among the findings.
func (r Report) Bad() bool { return r.Severity == Error }

// Silent reports whether DNS answered none of the questions: then nothing is known, and the trouble is with our resolver or the way to it.
func (r Report) Silent() bool {
	return len(r.Lookups) > 0 && !slices.ContainsFunc(r.Lookups, func(l Lookup) bool { return !l.Outcome.Temporary() })
}

// Hash is equal for two reports that say the same. Time, TTLs, the order of records and the kind of a failure of DNS do
// not count, nor do the reasons that blocklists give; which findings there are and every record do.
func (r Report) Hash() string {
	type key struct{ ID, Severity, Subject string }
	var keys []key
	for _, f := range r.Findings {
		keys = append(keys, key{f.ID, string(f.Severity), f.Subject})
	}
	lookups := slices.DeleteFunc(stable(r.Lookups), func(l Lookup) bool { // a list words its reasons anew each day
		return l.Type == "TXT" && slices.ContainsFunc(r.Listings, func(b Listing) bool { return isUnder(l.Name, b.Zone) })
	})
	return hash(r.Domain, r.EnvelopeDomain, keys, r.MTASTS.Policy, lookups)
}

// stable brings look-ups into a form that is the same whenever DNS says the same.
func stable(lookups []Lookup) []Lookup {
	out := make([]Lookup, 0, len(lookups))
	for _, l := range lookups {
		l.TTL = 0
		if l.Outcome.Temporary() {
			l.Outcome = "temporary"
		}
		l.Records = slices.Sorted(slices.Values(l.Records))
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Lookup) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type)) })
	return out
}

func hash(parts ...any) string {
	raw, err := json.Marshal(parts)
	if err != nil {
		panic("dnscheck: a report that cannot be marshalled: " + err.Error()) // its types hold nothing that could fail
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
