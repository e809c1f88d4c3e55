package aggregate

import (
	"net/netip"
	"slices"
	"strings"
)

// Sender is one of our domains, and by what its own mail is known.
type Sender struct {
	Domain    string
	IPs       []netip.Addr // that its mail leaves from; nil = a relay's, which we do not know
	Selectors []string     // of its DKIM keys
}

// Class is whose mails a row tells of.
type Class string

const (
	// Own mails came from an address of ours or, where none is known, from one that our SPF record allows.
	Own Class = "own"
	// Forwarded mails carry a signature with a key of ours, whole or broken, and came from elsewhere: a forwarder, a list, a relay of ours
	// that nobody named.
	Forwarded Class = "forwarded"
	// Unknown mails have nothing of ours but the From field: somebody else writes as us, or a sender that was forgotten.
	Unknown Class = "unknown"
)

// Tally is a number of mails to one domain's credit, from one source, with one result.
type Tally struct {
	Class       Class
	Source      string // an address of ours; of others the network, /24 or /48
	Selector    string // of the signature for the domain; "" = it had none, or it is not said
	DKIM, SPF   bool
	Disposition string
	Count       int64
}

// maxTallies bounds what one report may say about one domain; the rows of all further sources go together.
const maxTallies = 200

// Sort adds up a DMARC report by our domains. A domain takes the rows with its own name or that of a subdomain that is no domain of ours;
// rows about others, which a report for a parent of our domain holds too, are left out. Nothing = the report is about none of ours.
func Sort(r Report, ours []Sender) map[string][]Tally {
	counts := map[string]map[Tally]int64{}
	for _, row := range r.Rows {
		s, ok := owner(row.From, ours)
		if !ok {
			continue
		}
		t := Tally{DKIM: row.DKIM, SPF: row.SPF, Disposition: row.Disposition}
		t.Class, t.Selector = classOf(row, s)
		t.Source = sourceOf(row.Source, slices.Contains(s.IPs, row.Source))
		m := counts[s.Domain]
		if m == nil {
			m = map[Tally]int64{}
			counts[s.Domain] = m
		}
		if _, have := m[t]; !have && len(m) >= maxTallies {
			t.Source, t.Selector = "", ""
		}
		m[t] += row.Count
	}
	out := map[string][]Tally{}
	for domain, m := range counts {
		for t, n := range m {
			t.Count = n
			out[domain] = append(out[domain], t)
		}
	}
	return out
}

// About says whether a DMARC report is about a domain of ours: the one whose policy was applied, or a parent of it.
func About(r Report, ours []Sender) bool {
	return slices.ContainsFunc(ours, func(s Sender) bool {
		return s.Domain == r.Domain || strings.HasSuffix(s.Domain, "."+r.Domain) && strings.Contains(r.Domain, ".")
	})
}

// owner is the domain of ours that a From field names, the longest one.
func owner(from string, ours []Sender) (found Sender, ok bool) {
	for _, s := range ours {
		if (from == s.Domain || strings.HasSuffix(from, "."+s.Domain)) && len(s.Domain) > len(found.Domain) {
			found, ok = s, true
		}
	}
	return found, ok
}

func classOf(row Row, s Sender) (class Class, selector string) {
	signed := false
	for _, g := range row.Signatures {
		if !related(g.Domain, s.Domain) {
			continue
		}
		known := len(s.Selectors) == 0 || g.Selector == "" || slices.Contains(s.Selectors, g.Selector)
		if signed = signed || known; selector == "" || known && g.Pass == row.DKIM {
			selector = g.Selector
		}
	}
	if len(selector) > 63 {
		selector = ""
	}
	switch {
	case slices.Contains(s.IPs, row.Source), len(s.IPs) == 0 && row.SPF:
		return Own, selector
	case signed:
		return Forwarded, selector
	}
	return Unknown, selector
}

// sourceOf keeps the address of a host of ours, and of strangers the network: it tells whom to ask, and bounds what is kept.
func sourceOf(ip netip.Addr, own bool) string {
	if own {
		return ip.String()
	}
	bits := 24
	if ip.Is6() {
		bits = 48
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
