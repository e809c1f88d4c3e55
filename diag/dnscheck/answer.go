package dnscheck

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// DNS answers one question. Resolver asks a real server; tests and caches stand in for it.
type DNS interface {
	// Lookup asks for the records of one type at name, following aliases. It always gives an Answer; failures are an Outcome.
	Lookup(ctx context.Context, name string, qtype uint16) Answer
}

// Outcome is how a look-up ended. The zero value "" means that nothing was asked.
type Outcome string

const (
	// Found: there are records of the type asked.
	Found Outcome = "found"
	// NoData: the name exists, but has no record of this type.
	NoData Outcome = "no_data"
	// NXDomain: neither the name nor anything below it exists (RFC 8020).
	NXDomain Outcome = "nxdomain"
	// BadName: the name cannot be asked: an empty label, one over 63 octets, or more than 253 in all. It exists nowhere.
	BadName Outcome = "bad_name"
	// ServFail: the resolver could not get an answer: broken DNSSEC, dead name servers, a loop.
	ServFail Outcome = "servfail"
	// Timeout: no answer came in time.
	Timeout Outcome = "timeout"
	// Refused: the resolver does not serve us.
	Refused Outcome = "refused"
	// Lame: whoever we asked does not resolve names for others, or does not know the zone it is said to serve.
	Lame Outcome = "lame"
	// Broken: an answer came and makes no sense: malformed, about another name, an alias loop.
	Broken Outcome = "broken"
	// Spent: the check had used up its look-ups.
	Spent Outcome = "spent"
)

// Absent reports that DNS says for sure that there is no such record.
func (o Outcome) Absent() bool { return o == NoData || o == NXDomain || o == BadName }

// Temporary reports that we do not know: asking again later may give another answer.
func (o Outcome) Temporary() bool { return o != Found && !o.Absent() }

// Answer is what a look-up brought.
type Answer struct {
	Name    string   // as asked: lower case, A-labels, without the trailing dot
	Type    uint16   // as asked
	Outcome Outcome  // never ""
	Why     string   // a sentence for people where Outcome is not Found
	Records []dns.RR // of the type asked; nil unless Found
	Aliases []string // the CNAME chain from Name on, Name not included
	// AD: the resolver vouches for DNSSEC, for every step of the chain (RFC 6840 section 5.7). Nobody vouches for the way
	// from the resolver to us, so it is set only where the resolver is on this machine or Resolver.TrustAD says that the way is safe.
	AD      bool
	TTL     time.Duration // the least of the records and aliases; 0 unless Found
	Queries int           // messages that got an answer or a time-out, retries included
	TCP     bool          // some part came over TCP
}

// Texts are the TXT records, the strings of each joined without a separator (RFC 7208 section 3.3).
func (a Answer) Texts() []string {
	var texts []string
	for _, rr := range a.Records {
		if t, ok := rr.(*dns.TXT); ok {
			var b strings.Builder
			for _, s := range t.Txt {
				b.WriteString(unescape(s))
			}
			texts = append(texts, b.String())
		}
	}
	return texts
}

// Addrs are the A and AAAA records.
func (a Answer) Addrs() []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range a.Records {
		switch rr := rr.(type) {
		case *dns.A:
			if ip, ok := netip.AddrFromSlice(rr.A.To4()); ok {
				addrs = append(addrs, ip)
			}
		case *dns.AAAA:
			if ip, ok := netip.AddrFromSlice(rr.AAAA.To16()); ok {
				addrs = append(addrs, ip)
			}
		}
	}
	return addrs
}

// targets are the names that PTR records point to.
func (a Answer) targets() []string {
	var names []string
	for _, rr := range a.Records {
		if p, ok := rr.(*dns.PTR); ok {
			names = append(names, foldName(unescape(p.Ptr)))
		}
	}
	return names
}

// Lookup is an Answer in the form that is kept: what was asked and what came, in a stable order.
type Lookup struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Outcome Outcome  `json:"outcome"`
	Records []string `json:"records,omitempty"` // the data in zone-file form, sorted
	Aliases []string `json:"aliases,omitempty"`
	TTL     int      `json:"ttl,omitempty"` // seconds
	AD      bool     `json:"ad,omitempty"`
}

func (a Answer) lookup() Lookup {
	l := Lookup{Name: a.Name, Type: dns.TypeToString[a.Type], Outcome: a.Outcome, Aliases: a.Aliases, TTL: int(a.TTL / time.Second), AD: a.AD}
	for _, rr := range a.Records {
		l.Records = append(l.Records, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(l.Records)
	size := 0
	for i, rec := range l.Records {
		if size += len(rec); size > maxKept {
			sum := sha256.Sum256([]byte(strings.Join(l.Records[i:], "\n")))
			l.Records = append(l.Records[:i:i], fmt.Sprintf("; %d more, SHA-256 %x", len(l.Records)-i, sum))
			break
		}
	}
	return l
}

// maxKept bounds the records of one look-up that are kept, in octets; what is beyond stands as a hash, so that changes show.
const maxKept = 8 << 10

// unescape turns the presentation form that miekg/dns keeps of a character-string back into its octets.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		if i+3 < len(s) && isDigit(s[i+1]) && isDigit(s[i+2]) && isDigit(s[i+3]) {
			b = append(b, (s[i+1]-'0')*100+(s[i+2]-'0')*10+(s[i+3]-'0'))
			i += 3
			continue
		}
		i++
		b = append(b, s[i])
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
