package dnscheck

import (
	"context"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// maxWalk is the number of queries that one tree walk may take (RFC 9989 section 4.10).
const maxWalk = 8

// walkStep is one name at which a DMARC record was looked for.
type walkStep struct {
	domain  string
	records int          // DMARC records found there; several are all discarded
	record  *DMARCRecord // nil = none valid
	strict  DMARCRecord  // of several, that with the strictest policy
}

// treeWalk is the DNS Tree Walk from one domain.
type treeWalk struct {
	start  string
	steps  []walkStep // from the longest name to the shortest
	failed *Answer    // the look-up that DNS failed to answer; the walk is then worth nothing
}

// walkTargets are the names of a full walk: the domain itself, then, cut to seven labels if it has eight or more, each
// parent up to the top.
func walkTargets(domain string) []string {
	targets := []string{domain}
	labels := strings.Split(domain, ".")
	next := labels[1:]
	if len(labels) >= maxWalk {
		next = labels[len(labels)-(maxWalk-1):]
	}
	for ; len(next) > 0; next = next[1:] {
		targets = append(targets, strings.Join(next, "."))
	}
	return targets
}

// walk collects the records from domain to the top, or to the first with psd=y or psd=n.
func walk(ctx context.Context, resolver DNS, domain string) treeWalk {
	w := treeWalk{start: domain}
	for _, target := range walkTargets(domain) {
		step, failed := findDMARC(ctx, resolver, target)
		if failed != nil {
			w.failed = failed
			return w
		}
		w.steps = append(w.steps, step)
		if step.record != nil && step.record.PSD != "u" {
			break
		}
	}
	return w
}

// findDMARC looks for the record of one name.
func findDMARC(ctx context.Context, resolver DNS, domain string) (walkStep, *Answer) {
	step := walkStep{domain: domain}
	a := resolver.Lookup(ctx, "_dmarc."+domain, dns.TypeTXT)
	if a.Outcome.Temporary() {
		return step, &a
	}
	var rec DMARCRecord
	for _, txt := range a.Texts() {
		if isDMARC(txt) {
			step.records++
			rec = parseDMARC(txt)
			if order := []string{"", "none", "quarantine", "reject"}; step.records == 1 || slices.Index(order, rec.P) > slices.Index(order, step.strict.P) {
				step.strict = rec
			}
		}
	}
	if step.records == 1 {
		step.record = &rec
	}
	return step, nil
}

// organizational selects the organizational domain of the walk's start (RFC 9989 section 4.10.2).
func (w treeWalk) organizational() string {
	shortest := w.start
	for _, s := range w.steps {
		switch {
		case s.record == nil:
			continue
		case s.record.PSD == "n":
			return s.domain
		case s.record.PSD == "y" && s.domain != w.start:
			return below(w.start, s.domain)
		}
		shortest = s.domain
	}
	return shortest
}

// below is the name one label below top on the way to name.
func below(name, top string) string {
	rest := strings.TrimSuffix(name, "."+top)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + top
}

func (w treeWalk) at(domain string) *DMARCRecord {
	for _, s := range w.steps {
		if s.domain == domain {
			return s.record
		}
	}
	return nil
}

// psd is the public suffix domain that ended the walk; "" if none did.
func (w treeWalk) psd() string {
	if n := len(w.steps); n > 0 {
		if s := w.steps[n-1]; s.record != nil && s.record.PSD == "y" {
			return s.domain
		}
	}
	return ""
}
