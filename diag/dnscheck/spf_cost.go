package dnscheck

import (
	"context"
	"strings"

	"github.com/miekg/dns"
)

// SPFCost is what evaluating a record takes in the worst case: for a client that nothing matches.
type SPFCost struct {
	Records []string `json:"records,omitempty"` // the SPF records at the domain, up to ten; more than one is a permerror
	Lookups int      `json:"lookups"`           // terms that ask DNS, includes and redirects followed
	AtLeast bool     `json:"at_least"`          // some record was not read (a limit, macros, DNS), so it may be more
	All     string   `json:"all,omitempty"`     // the last "all" of the domain's own record, with its sign; "" = none
	PTR     bool     `json:"ptr,omitempty"`     // uses ptr, which RFC 7208 section 5.5 advises against
	// Terms of the domain's own record that ask DNS, with all that they lead to, in order.
	Terms   []SPFTermCost `json:"terms,omitempty"`
	Wrong   string        `json:"wrong,omitempty"`   // the syntax error of the domain's own record
	Unknown string        `json:"unknown,omitempty"` // DNS failed for the domain's own record: why
}

// SPFTermCost is a term and how many look-ups it takes.
type SPFTermCost struct {
	Term    string `json:"term"`
	Lookups int    `json:"lookups"`
}

// CostSPF counts the look-ups that a record takes if nothing matches early. It reads at most the records that a receiver
// may read: ten beside the domain's own.
func CostSPF(ctx context.Context, resolver DNS, domain string) SPFCost {
	var c SPFCost
	a := resolver.Lookup(ctx, domain, dns.TypeTXT)
	if a.Outcome.Temporary() {
		c.Unknown = a.Why
		return c
	}
	texts := spfTexts(a)
	for _, txt := range texts[:min(len(texts), 10)] {
		c.Records = append(c.Records, show(txt, 4<<10))
	}
	if len(texts) != 1 {
		return c
	}
	if len(texts[0]) > 4<<10 {
		c.Wrong = "it is longer than 4 kB, which few receivers read"
		return c
	}
	rec, err := parseSPF(texts[0])
	if err != nil {
		c.Wrong = err.Error()
		return c
	}
	for _, t := range rec.mechanisms {
		if t.name == "all" {
			c.All = string(t.sign) + "all"
		}
	}
	type below struct {
		spfRecord
		root int // of c.Terms, that led here; -1 = the domain's own record
	}
	queue, seen := []below{{rec, -1}}, map[string]bool{foldName(domain): true}
	for read := 0; len(queue) > 0; queue = queue[1:] {
		terms, root := queue[0].mechanisms, queue[0].root
		own := root < 0
		if r := queue[0].redirect; r != nil && !hasAll(terms) {
			terms = append(terms[:len(terms):len(terms)], *r)
		}
		for _, t := range terms {
			c.PTR = c.PTR || t.name == "ptr"
			if t.queries() {
				c.Lookups++
				if own {
					root = len(c.Terms)
					c.Terms = append(c.Terms, SPFTermCost{Term: show(t.raw, 80)})
				}
				c.Terms[root].Lookups++
			}
			if t.name != "include" && t.name != "redirect" {
				continue
			}
			if strings.Contains(t.spec, "%") || read == spfMaxLookups || seen[foldName(t.spec)] {
				c.AtLeast = true
				continue
			}
			read++
			seen[foldName(t.spec)] = true
			texts := spfTexts(resolver.Lookup(ctx, strings.TrimSuffix(t.spec, "."), dns.TypeTXT))
			if len(texts) != 1 {
				c.AtLeast = true
				continue
			}
			next, err := parseSPF(texts[0])
			if err != nil {
				c.AtLeast = true
				continue
			}
			queue = append(queue, below{next, root})
		}
	}
	return c
}

func hasAll(terms []spfTerm) bool {
	for _, t := range terms {
		if t.name == "all" {
			return true
		}
	}
	return false
}

func spfTexts(a Answer) []string {
	var records []string
	for _, txt := range a.Texts() {
		if isSPF(txt) {
			records = append(records, txt)
		}
	}
	return records
}
