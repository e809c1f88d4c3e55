package dnscheck

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

//go:embed blocklists.tsv
var blocklistTable string

// Blocklist is a DNS blocklist (RFC 5782).
type Blocklist struct {
	Zone    string
	Subject []string // ip4, ip6, domain
	Name    string
	Weight  Severity          // of a listing
	Refused []netip.Addr      // answers that mean "we do not answer you"
	Delist  string            // where to go
	Codes   map[string]string // answer -> meaning
}

// Blocklists are the lists that large receivers use, as kept in blocklists.tsv.
func Blocklists() []Blocklist {
	var lists []Blocklist
	for line := range strings.Lines(blocklistTable) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) != 7 || strings.HasPrefix(line, "#") {
			continue
		}
		b := Blocklist{Zone: f[0], Subject: strings.Split(f[1], ","), Name: f[2], Weight: Severity(f[3]), Delist: f[5], Codes: map[string]string{}}
		for s := range strings.SplitSeq(f[4], ",") {
			b.Refused = append(b.Refused, netip.MustParseAddr(s))
		}
		for s := range strings.SplitSeq(f[6], ";") {
			code, meaning, _ := strings.Cut(s, "=")
			b.Codes[code] = meaning
		}
		lists = append(lists, b)
	}
	return lists
}

// ListStatus is what a blocklist says about one subject.
type ListStatus string

const (
	// ListClear: not listed.
	ListClear ListStatus = "clear"
	// ListListed: listed.
	ListListed ListStatus = "listed"
	// ListRefused: the list does not answer our resolver; public resolvers are refused by most.
	ListRefused ListStatus = "refused"
	// ListBroken: the list answers what no list may: it lists everything, or answers outside 127.0.0.0/8.
	ListBroken ListStatus = "broken"
	// ListUnknown: DNS failed.
	ListUnknown ListStatus = "unknown"
)

// maxCodes bounds the answers of one list that are read; real ones give up to four.
const maxCodes = 32

// Listing is the answer of one list about one subject.
type Listing struct {
	List    string     `json:"list"`
	Zone    string     `json:"zone"`
	Subject string     `json:"subject"` // an address or a domain
	Status  ListStatus `json:"status"`
	Why     string     `json:"why"`
	Codes   []string   `json:"codes,omitempty"`
	Reason  string     `json:"reason,omitempty"` // the list's own words
	Delist  string     `json:"delist,omitempty"`
	Weight  Severity   `json:"weight,omitempty"`
}

// CheckListing asks one list about an address or a domain; ok is false where the list knows nothing of the kind.
func CheckListing(ctx context.Context, resolver DNS, b Blocklist, subject string) (l Listing, ok bool) {
	l = Listing{List: b.Name, Zone: b.Zone, Subject: subject, Weight: b.Weight}
	name, probe := subject, "invalid" // RFC 5782 section 5: lists of names never list "invalid", lists of addresses never 127.0.0.1
	kind := "domain"
	if ip, err := netip.ParseAddr(subject); err == nil {
		name, kind, probe = reversed(ip.Unmap()), "ip4", "1.0.0.127"
		if ip.Unmap().Is6() {
			kind, probe = "ip6", "1.0.0.0.0.0.f.7.f.f.f.f"+strings.Repeat(".0", 20) // ::FFFF:7F00:1
		}
	}
	if !slices.Contains(b.Subject, kind) || name == "" {
		return l, false
	}
	a := resolver.Lookup(ctx, name+"."+b.Zone, dns.TypeA)
	switch {
	case a.Outcome.Temporary():
		l.Status, l.Why = ListUnknown, "the list cannot be asked now: "+a.Why
		return l, true
	case a.Outcome.Absent():
		l.Status, l.Why = ListClear, "not listed"
		return l, true
	}
	var meanings []string
	for i, ip := range a.Addrs() {
		if i == maxCodes {
			break
		}
		code := ip.String()
		l.Codes = append(l.Codes, code)
		switch {
		case slices.Contains(b.Refused, ip) || strings.HasPrefix(code, "127.255.255."):
			l.Status, l.Why = ListRefused, "the list does not answer our resolver; use a resolver of your own"
			return l, true
		case ip.As4()[0] != 127:
			l.Status, l.Why = ListBroken, "the answer is none that a blocklist gives; the resolver or the list is broken"
			return l, true
		}
		meanings = append(meanings, or(b.Codes[code], code))
	}
	if p := resolver.Lookup(ctx, probe+"."+b.Zone, dns.TypeA); p.Outcome == Found {
		l.Status, l.Why = ListBroken, "the list lists everything, so it means nothing"
		return l, true
	}
	slices.Sort(l.Codes)
	slices.Sort(meanings)
	l.Status, l.Delist = ListListed, b.Delist
	l.Why = fmt.Sprintf("listed: %s", strings.Join(meanings, "; "))
	if texts := resolver.Lookup(ctx, name+"."+b.Zone, dns.TypeTXT).Texts(); len(texts) > 0 {
		l.Reason = show(texts[0], 200)
	}
	return l, true
}

// reversed is an address in the order in which lists want it: octets or nibbles from the right.
func reversed(ip netip.Addr) string {
	rev, err := dns.ReverseAddr(ip.String())
	if err != nil {
		return ""
	}
	rev = strings.TrimSuffix(rev, ".in-addr.arpa.")
	return strings.TrimSuffix(rev, ".ip6.arpa.")
}

// printable drops what could play tricks in a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
